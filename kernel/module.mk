SRCS-kernel += kernel/lib/str.c
SRCS-kernel += kernel/lib/fmt.c
SRCS-kernel += kernel/lib/checksum.c
