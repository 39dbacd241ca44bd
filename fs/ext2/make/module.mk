SRCS-kernel += fs/ext2/make/data.c
SRCS-kernel += fs/ext2/make/dir.c
SRCS-kernel += fs/ext2/make/layout.c
SRCS-kernel += fs/ext2/make/make.c
SRCS-kernel += fs/ext2/make/map.c
SRCS-kernel += fs/ext2/make/volume.c
SRCS-kernel += fs/ext2/make/xattr.c
