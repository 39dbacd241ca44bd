SRCS-kernel += fs/fat/make/boot.c
SRCS-kernel += fs/fat/make/dir.c
SRCS-kernel += fs/fat/make/layout.c
SRCS-kernel += fs/fat/make/make.c
SRCS-kernel += fs/fat/make/names.c
SRCS-kernel += fs/fat/make/table.c
