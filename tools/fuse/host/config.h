/*
 * What torc-fuse was asked to do. Set before the machine starts, then constant.
 */
#ifndef TORC_TOOLS_FUSE_HOST_CONFIG_H
#define TORC_TOOLS_FUSE_HOST_CONFIG_H

#include "tools/image/host/config.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuse_config {
    struct image_config image; /* path NULL: files in memory */
    const char *mountpoint;    /* an absolute path */
    bool read_only;
    unsigned partition;    /* 1 ..; 0: all of the image */
    uint64_t offset;       /* bytes of the image before the file system */
    size_t mem_bytes;      /* of the machine: the cache is what is left of it */
    uint64_t limit_bytes;  /* of files in memory; 0: none */
    uint64_t limit_inodes; /* the same */
    uint32_t uid, gid;     /* who owns the root of files in memory */
    bool foreground;
    bool debug;              /* libfuse prints each request */
    bool no_permissions;     /* Linux does not check modes */
    bool writeback;          /* Linux keeps what is written for a while */
    char mount_options[512]; /* for libfuse */
};

extern struct fuse_config fuse_config;

#endif
