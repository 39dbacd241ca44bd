SRCS-kernel += fs/make/disk.c
SRCS-kernel += fs/make/tree.c
