/*
 * A volume to damage: 1 MiB with the small tree, mounted again and again on a
 * machine of its own. A program has one at a time.
 */
#ifndef TORC_TESTS_FAKES_EXT2_BENCH_H
#define TORC_TESTS_FAKES_EXT2_BENCH_H

#include "tests/fakes/ext2_image.h"
#include "tests/fakes/ramblk.h"

struct ext2_bench {
    struct ramblk disk; /* shows `work` */
    uint8_t *good;
    uint8_t *work;
    size_t size;
};
extern struct ext2_bench ext2_volume;

/* Make it, by "mke2fs OPTIONS", and end it. Both return 0. */
int ext2_bench_open(const char *options);
int ext2_bench_close(void **state);

/* `work` is as `good` again. */
void ext2_bench_mend(void);

/* Where the inode of a path is in `work`. */
uint8_t *ext2_bench_inode(const char *path);

/*
 * Mount `work` and walk it; nothing may be left behind. Returns what mounting
 * says.
 */
int ext2_bench_try(struct ext2_walk *walk);

#endif
