SRCS-kernel += fs/ext2/super.c
SRCS-kernel += fs/ext2/group.c
SRCS-kernel += fs/ext2/inode.c
SRCS-kernel += fs/ext2/bmap.c
SRCS-kernel += fs/ext2/data.c
SRCS-kernel += fs/ext2/dir.c
SRCS-kernel += fs/ext2/ops.c
