SRCS-kernel += fs/memfs/inode.c
SRCS-kernel += fs/memfs/dir.c
SRCS-kernel += fs/memfs/ops.c
SRCS-kernel += fs/memfs/data.c
SRCS-kernel += fs/memfs/xattr.c
