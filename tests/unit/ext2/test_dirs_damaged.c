/*
 * Operations on names in directories that are damaged, at random: whatever the
 * disk says, a call ends, with a status that it may have, and nothing is left
 * in memory.
 */
#include "fs/ext2/ext2.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 60, ROUNDS = 400, STEPS = 40, PLACES_MAX = 300 };

static uint8_t *good;
static uint32_t block_size;

/* ---- The image ----------------------------------------------------------- */

/* A name in one of three directories: with an index, with a single block, and
 * one with directories. */
static void path_of(unsigned i, char *path)
{
    static const char *const dirs[] = {"/d", "/e", "/s"};

    sprintf(path, "%s/%u-%0*u", dirs[i % 3], i, i % 3 == 0 ? 150 : 5, 0);
}

static void image_make(void)
{
    char path[300];

    world_mount();
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    assert_int_equal(file_mkdir("/s", 0755), 0);
    assert_int_equal(world_make("/f"), 0);
    for (unsigned i = 0; i < NAMES; i++) {
        path_of(i, path);
        if (i % 3 == 2 && i < 20)
            assert_int_equal(file_mkdir(path, 0755), 0);
        else
            assert_int_equal(file_link("/f", path), 0);
    }
    world_unmount();
    good = malloc(world_image_size);
    memcpy(good, world_image, world_image_size);
    block_size = 1024u << good[1024 + SUPER_LOG_BLOCK_SIZE];
}

/* Where the directories are: their blocks, and their inodes. */
static struct {
    size_t offset;
    size_t size;
} places[PLACES_MAX];
static unsigned place_count;

static void place_add(size_t offset, size_t size)
{
    assert_true(place_count < PLACES_MAX);
    places[place_count].offset = offset;
    places[place_count].size = size;
    place_count++;
}

static void places_find(void)
{
    static const char *const dirs[] = {"/", "/d", "/e", "/s", "/s/2-00000"};

    place_count = 0;
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        uint32_t number = ext2_inode_of_path(good, world_image_size, dirs[i]);
        size_t raw = ext2_inode_offset(good, number);
        uint32_t blocks = le32_get(good + raw + INODE_SIZE) / block_size;

        if (i > 0) /* a root that cannot be read is not mounted */
            place_add(raw, EXT2_INODE_SIZE_MIN);
        for (uint32_t k = 0; k < blocks && k < EXT2_DIRECT_COUNT; k++)
            place_add((size_t)block_size *
                          le32_get(good + raw + INODE_BLOCK + 4 * k),
                      block_size);
    }
}

/* Change some bytes: near the begin of a block, or at any place of it. */
static void damage(void)
{
    for (unsigned count = 1 + (unsigned)rand() % 5; count > 0; count--) {
        unsigned i = (unsigned)rand() % place_count;
        size_t size = rand() % 2 == 0 ? 48 : places[i].size;
        uint8_t *at = world_image + places[i].offset + (size_t)rand() % size;

        switch (rand() % 4) {
        case 0:
            *at = (uint8_t)rand();
            break;
        case 1:
            *at ^= (uint8_t)(1 << rand() % 8);
            break;
        case 2:
            *at = 0;
            break;
        default: { /* one block becomes another one */
            unsigned k = (unsigned)rand() % place_count;

            if (rand() % 4 == 0 && places[k].size == places[i].size)
                memcpy(world_image + places[i].offset, good + places[k].offset,
                       places[k].size);
            break;
        }
        }
    }
}

/* ---- Operations ---------------------------------------------------------- */

static int list(const char *path)
{
    struct dir_entry entry;
    struct file *dir;
    unsigned count = 0;
    int status = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &entry)) == 1)
        assert_true(++count < 10000);
    file_close(dir);
    return status;
}

static int step(void)
{
    static const char *const dirs[] = {"/d", "/e", "/s", "/"};
    char a[300], b[300];

    path_of((unsigned)rand() % (NAMES + 20), a);
    path_of((unsigned)rand() % (NAMES + 20), b);
    switch (rand() % 8) {
    case 0:
        return file_mkdir(a, 0755);
    case 1:
        return file_rmdir(a);
    case 2:
        return file_link("/f", a);
    case 3:
        return file_unlink(a);
    case 4:
        return file_symlink(a, b);
    case 5:
        return list(dirs[rand() % 4]);
    default:
        return file_rename(a, b, (unsigned)rand() % 2 * FILE_RENAME_EXCHANGE);
    }
}

static bool may_be(int status)
{
    static const int all[] = {0,        -ENOENT,  -EEXIST, -ENOTEMPTY,
                              -EISDIR,  -EINVAL,  -ENOSPC, -EMLINK,
                              -EUCLEAN, -ENOTDIR, -EPERM,  -EROFS};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (status == all[i])
            return true;
    }
    return false;
}

static void test_dirs_damaged(void **state)
{
    unsigned damaged = 0;
    size_t blocks;

    (void)state;
    world_attach(32 << 20);
    srand(9);
    image_make();
    places_find();
    blocks = stats().block_count;
    for (unsigned round = 0; round < ROUNDS; round++) {
        memcpy(world_image, good, world_image_size);
        damage();
        if (file_mount(&world_disk.block.device, "/", "ext2") != 0)
            continue;
        for (unsigned i = 0; i < STEPS; i++) {
            int status = step();

            if (!may_be(status))
                fail_msg("round %u, step %u: %d", round, i, status);
            damaged += status == -EUCLEAN;
        }
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
        assert_int_equal(stats().block_count, blocks);
    }
    assert_true(damaged > ROUNDS);
    free(good);
    world_detach();
}

int main(void)
{
    static const struct world kinds[] = {
        {.name = "1k", .options = "-b 1024 -N 128", .kib = 1000},
        {.name = "4k", .options = "-b 4096 -N 128", .kib = 4000},
        {.name = "1k, no index",
         .options = "-b 1024 -N 128 -O ^dir_index",
         .kib = 1000},
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dirs_damaged),
    };
    int failed = 0;

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        failed += world_run_in(&kinds[i], "damaged directories", tests,
                               COUNT_OF(tests));
    return failed;
}
