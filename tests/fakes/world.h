/*
 * The file systems that can be written, for tests that hold for each of them:
 * one in memory, and ext2 and FAT on a disk in memory, which e2fsck or fsck.fat
 * looks at when it has been unmounted.
 */
#ifndef TORC_TESTS_FAKES_WORLD_H
#define TORC_TESTS_FAKES_WORLD_H

#include "tests/fakes/ramblk.h"
#include <stdbool.h>
#include <string.h>

struct CMUnitTest;

struct world {
    const char *name;
    const char *options; /* of mke2fs or mkfs.fat; NULL: in memory */
    unsigned kib;        /* of its disk */
    void (*prepare)(
        uint8_t *image); /* change it before it is mounted; or NULL */
};

enum { WORLDS = 4 };
extern const struct world worlds[WORLDS];

/* FAT, which has neither links nor devices, and numbers of inodes that are no
 * indices: for tests that do without. */
extern const struct world world_fat;

/* Files of a server, by virtio-fs: fuse_world.h. */
extern const struct world world_fuse;

static inline bool world_is_fat(const struct world *world)
{
    return world == &world_fat;
}

/* Whether it keeps times to the nanosecond: small inodes of ext2 do not. */
static inline bool world_has_ns(const struct world *world)
{
    return world->options == NULL || strstr(world->options, "-I 128") == NULL;
}

/* The one that tests run in. */
extern const struct world *world;

/* Its disk; and what is on it. */
extern struct ramblk world_disk;
extern uint8_t *world_image;
extern size_t world_image_size;

/* Run a group of tests in each world, or in one; returns how many failed. */
int world_run(const char *name, const struct CMUnitTest *tests, size_t count);
int world_run_in(const struct world *in, const char *name,
                 const struct CMUnitTest *tests, size_t count);

/* A machine of that many bytes with the disk; and its end. */
void world_attach(size_t mem_bytes);
void world_detach(void);

/* Both as a test's setup and teardown, with 16 MiB. */
int world_setup(void **state);
int world_teardown(void **state);

/* Mount an empty file system at "/". */
void world_mount(void);

/* Unmount it; on a disk it must be without a fault. */
void world_unmount(void);

/* The same, but e2fsck looks only at every n-th: for very many. */
void world_unmount_quick(void);

/* Mount the disk of ext2 as it is. */
void world_mount_again(void);

/* Make an empty file, if it is not there. Returns as file_open(). */
int world_make(const char *path);

/* What e2fsck says of the disk, as it is: NULL, or its words. */
const char *world_fault(void);

#endif
