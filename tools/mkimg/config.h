/* What torc-mkimg is to make, from its arguments. */
#ifndef TORC_TOOLS_MKIMG_CONFIG_H
#define TORC_TOOLS_MKIMG_CONFIG_H

#include "tools/mkimg/table.h"

enum { CONFIG_SOURCES_MAX = 64, CONFIG_LABEL_MAX = 16 };

struct config {
    const char *image;
    bool is_fat;
    uint32_t fat_bits; /* 0: as usual for the size */
    bool is_quiet;

    /* In their order; `kind` is 'd', 'a', or 'l'. */
    struct {
        char kind;
        const char *path;
    } source[CONFIG_SOURCES_MAX];
    unsigned source_count;

    uint64_t size; /* bytes of the volume; 0: as small as there is room */
    uint64_t free_bytes;
    uint32_t free_percent;

    uint32_t block_size, inode_size, cluster_size; /* cluster_size 0: usual */
    uint32_t inodes;
    char label[CONFIG_LABEL_MAX + 1];
    bool has_id;
    uint8_t id[16]; /* UUID; of FAT the first 4 bytes, the last first */
    bool has_owner;
    uint32_t uid, gid;
    bool is_without_xattrs;
    enum table_kind table;

    bool is_reproducible; /* SOURCE_DATE_EPOCH is set */
    int64_t now_s;        /* that, or the time */
};

/* Returns -1, or the exit status when there is nothing to be made. */
int config_read(struct config *config, int argc, char **argv);

#endif
