/*
 * Where new inodes and blocks of ext2 are put: groups whose counts the test
 * sets, and runs of blocks that it has taken before.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

enum {
    GROUPS = 8,
    GROUP_BLOCKS = 256,
    GROUP_INODES = 64,
    FIRST = 1 + 4 * GROUP_BLOCKS, /* block of group 4, without a superblock */
    BASE = FIRST + 50,
    END = FIRST + GROUP_BLOCKS,
};

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;
static struct inode *root;
static struct ext2_rw *rw;
static struct ext2_group kept[GROUPS];
static uint64_t kept_inodes, kept_blocks;
static bool has_lied; /* what the test said of groups is on the disk */

static int setup(void **state)
{
    (void)state;
    image =
        ext2_image("-b 1024 -g 256 -N 512 -I 128 -O ^resize_inode",
                   ext2_small_tree(), GROUPS * GROUP_BLOCKS + 1, &image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    assert_int_equal(vfs_walk("/", true, &root), 0);
    rw = ext2_rw_of(root);
    assert_int_equal(rw->fs->group_count, GROUPS);
    assert_int_equal(rw->fs->blocks_per_group, GROUP_BLOCKS);
    assert_int_equal(rw->fs->inodes_per_group, GROUP_INODES);
    memcpy(kept, rw->groups, sizeof(kept));
    kept_inodes = rw->free_inodes;
    kept_blocks = rw->free_blocks;
    has_lied = false;
    return 0;
}

/* The superblock has the sums of what the descriptors have, which e2fsck puts
 * right without a word. */
static void check_sums(void)
{
    const uint8_t *super = image + EXT2_SUPER_OFFSET, *desc = image + 2048;
    uint32_t blocks = 0, inodes = 0;

    for (unsigned i = 0; i < GROUPS; i++, desc += EXT2_GROUP_DESC_SIZE) {
        blocks += le16_get(desc + GROUP_FREE_BLOCKS);
        inodes += le16_get(desc + GROUP_FREE_INODES);
    }
    assert_int_equal(le32_get(super + SUPER_FREE_BLOCKS), blocks);
    assert_int_equal(le32_get(super + SUPER_FREE_INODES), inodes);
}

static int teardown(void **state)
{
    (void)state;
    inode_put(root);
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    if (!has_lied) {
        check_sums();
        assert_int_equal(ext2_fsck_status(image, image_size, "-fn", 0), 0);
    }
    free(image);
    return 0;
}

/* ---- Inodes -------------------------------------------------------------- */

/* All groups have that much, which is then changed. */
static void level(uint32_t inodes, uint32_t blocks, uint32_t dirs)
{
    has_lied = true;
    for (unsigned i = 0; i < GROUPS; i++) {
        rw->groups[i].free_inodes = inodes;
        rw->groups[i].free_blocks = blocks;
        rw->groups[i].dirs = dirs;
    }
    rw->free_inodes = (uint64_t)inodes * GROUPS;
    rw->free_blocks = (uint64_t)blocks * GROUPS;
}

/* What the volume really has. */
static void level_end(void)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        rw->groups[i].free_inodes = kept[i].free_inodes;
        rw->groups[i].free_blocks = kept[i].free_blocks;
        rw->groups[i].dirs = kept[i].dirs;
    }
    rw->free_inodes = kept_inodes;
    rw->free_blocks = kept_blocks;
}

/* The group where an inode of a directory with that number is put, or an
 * error. It is given back. */
static int put_in(uint64_t parent, enum file_type type)
{
    const bool is_dir = type == FILE_DIRECTORY;
    struct ext2_group before[GROUPS];
    struct inode dir = *root;
    uint64_t number, again, inodes = rw->free_inodes;
    int status, group;

    dir.number = parent;
    memcpy(before, rw->groups, sizeof(before));
    status = ext2_inode_alloc(&dir, type, &number);
    if (status != 0)
        return status;
    group = (int)((number - 1) / GROUP_INODES);
    assert_int_equal(rw->free_inodes, inodes - 1);
    assert_int_equal(rw->groups[group].free_inodes,
                     before[group].free_inodes - 1);
    assert_int_equal(rw->groups[group].dirs, before[group].dirs + is_dir);
    ext2_inode_unalloc(rw->fs, number, is_dir);
    assert_int_equal(rw->free_inodes, inodes);
    assert_int_equal(rw->groups[group].free_inodes, before[group].free_inodes);
    assert_int_equal(rw->groups[group].dirs, before[group].dirs);
    assert_int_equal(rw->freed_inodes, 0); /* it is free at once */
    assert_int_equal(ext2_inode_alloc(&dir, type, &again), 0);
    assert_int_equal(again, number);
    ext2_inode_unalloc(rw->fs, number, is_dir);
    return group;
}

static int put_file(unsigned group)
{
    return put_in((uint64_t)group * GROUP_INODES + 12, FILE_REGULAR);
}

static int put_dir(unsigned group)
{
    return put_in((uint64_t)group * GROUP_INODES + 12, FILE_DIRECTORY);
}

static int put_dir_in_root(uint32_t generation)
{
    rw->generation = generation;
    return put_in(EXT2_ROOT_INODE, FILE_DIRECTORY);
}

/* A file is where its directory is; else 1, 3, 7 groups on; else anywhere. */
static void test_groups_of_files(void **state)
{
    static const unsigned steps[] = {2, 3, 5, 1, 4, 6, 7, 0};

    (void)state;
    level(40, 200, 3);
    for (unsigned i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(put_file(2), steps[i]);
        rw->groups[steps[i]].free_inodes = 0;
    }
    rw->free_inodes = 0;
    assert_int_equal(put_file(2), -ENOSPC);
    level(40, 200, 3);
    assert_int_equal(put_file(7), 7);
    rw->groups[7].free_inodes = 0;
    assert_int_equal(put_file(7), 0);
    /* Without a free block a group is no good, if there is another one. */
    level(40, 200, 3);
    rw->groups[2].free_blocks = 0;
    rw->groups[3].free_blocks = 1;
    rw->groups[3].free_inodes = 1;
    assert_int_equal(put_file(2), 3);
    level(40, 0, 3);
    assert_int_equal(put_file(2), 2);
    rw->groups[2].free_inodes = 0;
    assert_int_equal(put_file(2), 3);
    level_end();
}

/* A directory of the root: not less than the average is free, and of these
 * groups one with the fewest directories. */
static void test_groups_of_directories_in_the_root(void **state)
{
    (void)state;
    level(40, 200, 5);
    assert_int_equal(put_dir_in_root(3), 3);
    assert_int_equal(put_dir_in_root(8 + 6), 6);
    rw->groups[6].dirs = 4;
    rw->groups[5].dirs = 3;
    for (uint32_t i = 0; i < GROUPS; i++)
        assert_int_equal(put_dir_in_root(i), 5);
    rw->groups[5].free_inodes = 39;
    assert_int_equal(put_dir_in_root(0), 6);
    rw->groups[5].free_inodes = 40;
    rw->groups[5].free_blocks = 199;
    assert_int_equal(put_dir_in_root(0), 6);
    /* The first of several, from a group at random on. */
    level(40, 200, 5);
    rw->groups[1].dirs = rw->groups[4].dirs = 3;
    assert_int_equal(put_dir_in_root(3), 4);
    assert_int_equal(put_dir_in_root(6), 1);
    /* An average of nothing is still one inode. */
    level(1, 200, 5);
    rw->groups[5].free_inodes = 0;
    rw->groups[5].dirs = 0;
    rw->free_inodes = GROUPS - 1;
    assert_int_equal(put_dir_in_root(4), 4);
    assert_int_equal(put_dir_in_root(5), 6);
    /* None is good: the nearest. */
    level(40, 200, 5);
    for (unsigned i = 0; i < GROUPS; i++)
        rw->groups[i].free_blocks = 0;
    rw->groups[0].free_inodes = 0;
    assert_int_equal(put_dir_in_root(5), 1);
    level_end();
}

/* Any other directory: near its parent, where there are not too many. */
static void test_groups_of_directories(void **state)
{
    static const struct {
        uint32_t average, others; /* directories in this group, the others */
        int group;
    } dirs[] = {{5, 0, 2}, {6, 0, 3}, {13, 8, 2}, {14, 8, 3}};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(dirs); i++) {
        level(40, 200, dirs[i].others);
        rw->groups[2].dirs = dirs[i].average;
        assert_int_equal(put_dir(2), dirs[i].group);
    }
    /* A quarter of a group below the average is enough. */
    for (unsigned less = 0; less < 2; less++) {
        level(40, 200, 0);
        rw->groups[2].free_inodes = 40 - 16 - less;
        assert_int_equal(put_dir(2), 2 + less);
        level(40, 200, 0);
        rw->groups[2].free_blocks = 200 - 64 - less;
        assert_int_equal(put_dir(2), 2 + less);
        level(10, 20, 0);
        rw->groups[2].free_inodes = 1 - less;
        rw->groups[2].free_blocks = 0;
        assert_int_equal(put_dir(2), 2 + less);
    }
    level(40, 200, 0);
    rw->groups[7].dirs = 20;
    assert_int_equal(put_dir(7), 0);
    /* None is good: the nearest. */
    for (unsigned i = 0; i < GROUPS; i++)
        rw->groups[i].free_blocks = 0;
    assert_int_equal(put_dir(7), 7);
    rw->groups[7].free_inodes = rw->groups[0].free_inodes = 0;
    assert_int_equal(put_dir(7), 1);
    level(0, 200, 0);
    assert_int_equal(put_dir(7), -ENOSPC);
    level_end();
}

/* All inodes of a group, for a directory in it. Returns how many. */
static unsigned take_group(const struct inode *dir, uint64_t *numbers)
{
    uint64_t group = (dir->number - 1) / GROUP_INODES;
    struct inode copy = *dir;
    unsigned count = 0;

    while (rw->groups[group].free_inodes > 0) {
        assert_int_equal(ext2_inode_alloc(&copy, FILE_REGULAR, &numbers[count]),
                         0);
        assert_int_equal((numbers[count++] - 1) / GROUP_INODES, group);
    }
    return count;
}

static void give_inodes(const uint64_t *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ext2_inode_unalloc(rw->fs, numbers[i], false);
    assert_int_equal(rw->free_inodes, kept_inodes);
}

/* A group that has none, whatever its descriptor says, is passed. */
static void test_group_that_has_no_inode(void **state)
{
    uint64_t numbers[GROUP_INODES + 1], inodes;
    struct inode dir = *root;
    unsigned count;

    (void)state;
    dir.number = 2 * GROUP_INODES + 12;
    count = take_group(&dir, numbers);
    rw->groups[2].free_inodes = 5;
    rw->free_inodes += 5;
    inodes = rw->free_inodes;
    assert_int_equal(ext2_inode_alloc(&dir, FILE_REGULAR, &numbers[count]), 0);
    assert_int_equal(numbers[count++], 3 * GROUP_INODES + 1);
    assert_int_equal(rw->groups[2].free_inodes, 0);
    assert_int_equal(rw->free_inodes, inodes - 5 - 1);
    give_inodes(numbers, count);
}

/* Each inode of the last group can be had. */
static void test_last_inode(void **state)
{
    uint64_t numbers[GROUP_INODES];
    struct inode dir = *root;
    unsigned count;

    (void)state;
    dir.number = (GROUPS - 1) * GROUP_INODES + 12;
    count = take_group(&dir, numbers);
    assert_int_equal(numbers[count - 1], GROUPS * GROUP_INODES);
    give_inodes(numbers, count);
}

/* A group that says that it has no directory does not get fewer. */
static void test_group_without_directories(void **state)
{
    struct inode dir = *root;
    uint64_t number;
    uint32_t dirs;

    (void)state;
    dir.number = 2 * GROUP_INODES + 12;
    assert_int_equal(ext2_inode_alloc(&dir, FILE_DIRECTORY, &number), 0);
    dirs = rw->groups[2].dirs;
    rw->groups[2].dirs = 0;
    ext2_inode_unalloc(rw->fs, number, true);
    assert_int_equal(rw->groups[2].dirs, 0);
    assert_int_equal(ext2_inode_alloc(&dir, FILE_DIRECTORY, &number), 0);
    rw->groups[2].dirs = dirs;
    ext2_inode_unalloc(rw->fs, number, true);
    assert_int_equal(rw->groups[2].dirs, dirs - 1);
}

/* ---- Runs ---------------------------------------------------------------- */

/* Allocate; what comes is where it was expected. */
static void take(uint64_t goal, uint32_t max, uint64_t expected, uint32_t size)
{
    uint64_t block, free_blocks = rw->free_blocks;
    uint32_t count, of_group;

    of_group = rw->groups[(expected - 1) / GROUP_BLOCKS].free_blocks;
    assert_int_equal(ext2_alloc_run(root, goal, max, false, &block, &count), 0);
    assert_int_equal(block, expected);
    assert_int_equal(count, size);
    assert_int_equal(rw->free_blocks, free_blocks - size);
    assert_int_equal(rw->groups[(expected - 1) / GROUP_BLOCKS].free_blocks,
                     of_group - size);
}

static void give(uint64_t block, uint32_t count)
{
    uint64_t free_blocks = rw->free_blocks;

    ext2_blocks_unalloc(rw->fs, block, count);
    assert_int_equal(rw->free_blocks, free_blocks + count);
}

static void take_and_give(uint64_t goal, uint32_t max, uint64_t expected,
                          uint32_t size)
{
    take(goal, max, expected, size);
    give(expected, size);
}

static void test_runs(void **state)
{
    (void)state;
    take(BASE, 100, BASE, 100);
    give(BASE + 10, 4);
    give(BASE + 20, 16);
    /* What begins at the goal, however short; else one that is long enough. */
    take_and_give(BASE + 10, 8, BASE + 10, 4);
    take_and_give(BASE + 12, 8, BASE + 12, 2);
    take_and_give(BASE, 3, BASE + 10, 3);
    take_and_give(BASE, 4, BASE + 10, 4);
    take_and_give(BASE, 5, BASE + 20, 5);
    take_and_give(BASE, 16, BASE + 20, 16);
    take_and_give(BASE, 60, BASE + 20, 16); /* 16 are long enough for all */
    take(BASE + 35, 1, BASE + 35, 1);
    take_and_give(BASE, 15, BASE + 20, 15);
    take_and_give(BASE, 16, BASE + 100, 16);
    /* Up to the end of the group; then from its begin; then the next one. */
    take_and_give(END - 3, 60, END - 3, 3);
    take(BASE + 100, END - BASE - 100, BASE + 100, END - BASE - 100);
    take(BASE - 40, 40, BASE - 40, 40);
    give(BASE - 40, 18);
    take_and_give(BASE + 100, 18, BASE - 40, 18);
    take(BASE - 40, 18, BASE - 40, 18);
    give(BASE - 2, 2);
    take_and_give(BASE + 100, 2, BASE - 2, 2);
    take(BASE - 2, 2, BASE - 2, 2);
    /* What is longer than anything here is in another group. */
    take_and_give(BASE + 100, 16, END + 12, 16);
    give(BASE - 40, 40);
    give(BASE + 100, END - BASE - 100);
    give(BASE, 10);
    give(BASE + 14, 6);
    give(BASE + 35, 65);
    assert_int_equal(rw->free_blocks, kept_blocks);
}

/* A run that is too short is found, and then there is an error: who asks frees
 * what he was told of, so he must not be told of the short one. */
static void test_nothing_is_said_of_a_failed_run(void **state)
{
    const uint32_t all = END - BASE + 40;
    unsigned failed = 0;
    int status;

    (void)state;
    take(BASE - 40, all, BASE - 40, all);
    for (uint64_t at = BASE; at < BASE + 40; at += 10)
        give(at, 4); /* enough for a long run, in pieces */
    do {
        uint64_t block = 0;
        uint32_t count = 0;

        heap_fail(++failed);
        status = ext2_alloc_run(root, BASE + 5, 60, false, &block, &count);
        heap_fail(0);
        assert_true(status == 0 || status == -ENOMEM);
        assert_int_equal(count, status == 0 ? 60 : 0);
        if (status == 0)
            give(block, count);
    } while (status != 0);
    assert_true(failed > 1);
    give(BASE - 40, 40);
    for (uint64_t at = BASE; at < BASE + 40; at += 10)
        give(at + 4, 6);
    give(BASE + 40, all - 80);
}

static void test_runs_that_are_promised(void **state)
{
    uint64_t block;
    uint32_t count;

    (void)state;
    rw->reserved_blocks = rw->free_blocks - 3;
    take_and_give(BASE, 9, BASE, 3);
    assert_int_equal(ext2_alloc_run(root, BASE, 9, true, &block, &count), 0);
    assert_int_equal(count, 9);
    assert_int_equal(rw->reserved_blocks, rw->free_blocks - 3);
    rw->reserved_blocks = rw->free_blocks;
    assert_int_equal(ext2_alloc_run(root, BASE, 1, false, &block, &count),
                     -ENOSPC);
    rw->reserved_blocks = 0;
    give(BASE, 9);
}

/* What files and directories take is counted in the superblock, too: the end
 * of the test looks. */
static void test_counts(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(file_mkdir("/made", 0755), 0);
    assert_int_equal(
        file_open("/made/file", FILE_WRITE | FILE_CREATE, 0644, &file), 0);
    assert_int_equal(file_write_at(file, "x", 1, 5000), 1);
    file_close(file);
}

/* ---- Windows ------------------------------------------------------------- */

enum { FILES = 17 };

static struct inode *files[FILES];

static void files_make(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        struct file *file;
        char name[16];

        snprintf(name, sizeof(name), "/w%u", i);
        assert_int_equal(file_open(name, FILE_WRITE | FILE_CREATE, 0644, &file),
                         0);
        file_close(file);
        assert_int_equal(vfs_walk(name, true, &files[i]), 0);
    }
}

/* A window of the first file is there, for the second one. */
static void assert_window(uint64_t first, uint32_t size)
{
    uint32_t max = 100;

    assert_int_equal(ext2_windows_skip(rw, files[1], first, &max),
                     first + size);
    assert_int_equal(ext2_windows_skip(rw, files[1], first + size - 1, &max),
                     first + size);
    assert_int_equal(max, 100);
    assert_int_equal(ext2_windows_skip(rw, files[1], first + size, &max), 0);
    assert_int_equal(ext2_windows_skip(rw, files[0], first, &max), 0);
    assert_int_equal(max, 100);
    assert_int_equal(ext2_windows_skip(rw, files[1], first - 5, &max), 0);
    assert_int_equal(max, 5);
}

static void test_windows(void **state)
{
    uint32_t max = 100;

    (void)state;
    files_make();
    ext2_window_move(files[0], BASE, false);
    assert_window(BASE, 8);
    for (uint32_t size = 16; size <= 1024; size *= 2) {
        ext2_window_move(files[0], BASE + size, true);
        assert_window(BASE + size, size);
    }
    ext2_window_move(files[0], BASE, true);
    assert_window(BASE, 1024);
    ext2_window_move(files[0], BASE, false);
    assert_window(BASE, 8);
    /* Directories have none; of the files those that were written last. */
    ext2_window_move(root, BASE + 300, false);
    assert_int_equal(rw->window_count, 1);
    for (unsigned i = 1; i < FILES; i++)
        ext2_window_move(files[i], BASE + 10 * i, false);
    assert_int_equal(rw->window_count, FILES - 1);
    assert_int_equal(ext2_windows_skip(rw, root, BASE, &max), 0);
    assert_int_equal(ext2_windows_skip(rw, root, BASE + 10, &max), BASE + 18);
    for (unsigned i = 0; i < FILES; i++) {
        ext2_window_drop(files[i]);
        ext2_window_drop(files[i]);
        inode_put(files[i]);
    }
    assert_int_equal(rw->window_count, 0);
}

/* Others keep off a window while there is room elsewhere. */
static void test_windows_are_kept_free(void **state)
{
    (void)state;
    files_make();
    ext2_window_move(files[0], BASE, false);
    take_and_give(BASE + 2, 4, BASE + 8, 4);
    take_and_give(BASE - 3, 10, BASE - 3, 3);
    take(BASE + 8, END - BASE - 8, BASE + 8, END - BASE - 8);
    take_and_give(BASE + 2, 4, BASE - 40, 4);
    give(BASE + 8, END - BASE - 8);
    for (unsigned i = 0; i < FILES; i++) {
        ext2_window_drop(files[i]);
        inode_put(files[i]);
    }
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_groups_of_files),
        READY(test_groups_of_directories_in_the_root),
        READY(test_groups_of_directories),
        READY(test_group_that_has_no_inode),
        READY(test_last_inode),
        READY(test_group_without_directories),
        READY(test_runs),
        READY(test_nothing_is_said_of_a_failed_run),
        READY(test_runs_that_are_promised),
        READY(test_counts),
        READY(test_windows),
        READY(test_windows_are_kept_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
