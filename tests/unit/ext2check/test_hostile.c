/*
 * Images of which nothing can be believed, and a machine that fails: the check
 * ends, within the memory that the volume's size allows, gives all of it back,
 * and reads nothing outside of the disk (tests/fakes/ext2_check.c looks).
 */
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/errno.h>

static const struct {
    const char *options;
    unsigned kib;
} shapes[] = {
    {"-b 1024 -N 128 -I 256", 1024},
    {"-b 1024 -g 256 -N 128", 1000},
    {"-b 1024 -g 256 -N 128 -O meta_bg,^resize_inode", 1000},
    {"-b 4096 -N 64", 1200},
    {"-r 0 -b 1024 -N 64 -O none", 700},
};
static uint8_t *images[COUNT_OF(shapes)], *work;
static size_t sizes[COUNT_OF(shapes)];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        images[i] = ext2_image(shapes[i].options, ext2_small_tree(),
                               shapes[i].kib, &sizes[i]);
        ext2_debugfs(images[i], sizes[i], "ea_set /file user.color red");
    }
    work = malloc(2 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        free(images[i]);
    free(work);
    return 0;
}

/* Numbers that are the same each time. */
static uint32_t drawn(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(*seed >> 33) % limit;
}

static void test_shapes_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        ROW(shapes[i].options, ext2_check_is_clean(images[i], sizes[i]));
}

/* ---- What fails ---------------------------------------------------------- */

static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ext2_checked checked = {.fail_alloc = n};

        ext2_check_image(images[0], sizes[0], &checked);
        if (checked.fail_alloc > 0)
            break;
        assert_int_equal(checked.status, -ENOMEM);
    }
}

static void test_each_read_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ext2_checked checked = {.fail_read = n};

        ext2_check_image(images[0], sizes[0], &checked);
        if (checked.fail_read > 0)
            break;
        assert_int_equal(checked.status, -EIO);
    }
}

/* An indexed directory, and a file with attributes in a block. */
static void test_each_fails_with_an_index(void **state)
{
    size_t size;
    uint8_t *image = ext2_image("-b 1024 -N 1400", ext2_tree(), 20480, &size);

    (void)state;
    ext2_debugfs(image, size, "ea_set /size-1 user.color red");
    ext2_fsck(image, size, "-fyD");
    assert_true(ext2_check_is_clean(image, size));
    for (unsigned n = 1;; n += n > 40 ? 7 : 1) {
        struct ext2_checked checked = {.fail_alloc = n};

        ext2_check_image(image, size, &checked);
        if (checked.fail_alloc > 0)
            break;
        assert_int_equal(checked.status, -ENOMEM);
    }
    for (unsigned n = 1;; n += n > 40 ? 31 : 1) {
        struct ext2_checked checked = {.fail_read = n};

        ext2_check_image(image, size, &checked);
        if (checked.fail_read > 0)
            break;
        assert_int_equal(checked.status, -EIO);
    }
    free(image);
}

static void test_no_image_at_all(void **state)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    (void)state;
    memset(work, 0, 4096);
    for (size_t size = 0; size <= 4096; size += 512) {
        ext2_check_image(work, size, &checked);
        assert_int_equal(checked.status, -EINVAL);
        assert_int_equal(checked.codes[CHECK_SUPER_MAGIC], 1);
    }
}

/* Cut anywhere: the disk is too small, and nothing behind its end is read. */
static void test_cut_image(void **state)
{
    (void)state;
    for (size_t size = 2048; size < sizes[0]; size += 8192) {
        struct ext2_checked checked = {.fail_alloc = 0};

        ext2_check_image(images[0], size, &checked);
        assert_int_equal(checked.status, 0);
        assert_int_equal(checked.codes[CHECK_SUPER_SIZE], 1);
        assert_true(checked.result.stopped);
    }
}

/* ---- What ext2 is not ---------------------------------------------------- */

static void test_features_of_ext4(void **state)
{
    static const struct {
        const char *name;
        unsigned offset;
        uint32_t value;
        int status;
    } rows[] = {
        {"extents", 96, 0x42, -ENOTSUP},
        {"a journal to be replayed", 96, 0x6, -ENOTSUP},
        {"checksums", 100, 0x403, -ENOTSUP},
        {"a file of orphans", 92, 0x1038, -ENOTSUP},
        {"sparse_super2", 92, 0x238, 0},
        {"unknown, compatible", 92, 0x40000038, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ext2_checked checked = {.fail_alloc = 0};

        memcpy(work, images[0], sizes[0]);
        le32_put(work + 1024 + rows[i].offset, rows[i].value);
        ext2_check_image(work, sizes[0], &checked);
        ROW(rows[i].name, checked.status == rows[i].status);
        ROW(rows[i].name, (checked.codes[CHECK_SUPER_FEATURE] == 1) ==
                              (rows[i].value != 0x238));
    }
}

/* ---- Trees that contain themselves --------------------------------------- */

static void test_tree_of_itself(void **state)
{
    uint32_t file = ext2_inode_of_path(images[0], sizes[0], "/double");
    struct ext2_checked checked = {.fail_alloc = 0};
    size_t inode = ext2_inode_offset(images[0], file);
    uint32_t block = le32_get(images[0] + inode + 40 + 4 * 12);

    (void)state;
    memcpy(work, images[0], sizes[0]);
    for (unsigned i = 0; i < 256; i++)
        le32_put(work + (size_t)1024 * block + (size_t)4 * i, block);
    for (unsigned i = 12; i < 15; i++)
        le32_put(work + inode + 40 + (size_t)4 * i, block);
    ext2_check_image(work, sizes[0], &checked);
    assert_int_equal(checked.status, 0);
    assert_true(checked.codes[CHECK_BLOCK_SHARED] > 0);
}

/* The same as a directory, and all inodes with that tree. */
static void test_all_inodes_are_one_tree(void **state)
{
    uint32_t dir = ext2_inode_of_path(images[0], sizes[0], "/dir");
    struct ext2_checked checked = {.fail_alloc = 0};
    size_t inode = ext2_inode_offset(images[0], dir);
    uint32_t block = le32_get(images[0] + inode + 40);

    (void)state;
    memcpy(work, images[0], sizes[0]);
    for (unsigned i = 0; i < 15; i++)
        le32_put(work + inode + 40 + (size_t)4 * i, block);
    le32_put(work + inode + 32, 0x1000);
    for (uint32_t number = 11; number <= 128; number++)
        memcpy(work + ext2_inode_offset(images[0], number), work + inode, 256);
    ext2_check_image(work, sizes[0], &checked);
    assert_int_equal(checked.status, 0);
    assert_true(checked.codes[CHECK_BLOCK_SHARED] > 100);
}

/* ---- At random ----------------------------------------------------------- */

enum { RUNS = 6000, CHANGES_MAX = 12 };

static void test_damage_at_random(void **state)
{
    (void)state;
    for (uint64_t run = 1; run <= RUNS; run++) {
        unsigned shape = (unsigned)(run % COUNT_OF(shapes));
        struct ext2_checked checked = {.fail_alloc = 0};
        uint64_t seed = run * 7919;
        unsigned changes = 1 + drawn(&seed, CHANGES_MAX);

        memcpy(work, images[shape], sizes[shape]);
        for (unsigned i = 0; i < changes; i++) {
            /* Most of what matters is at the beginning. */
            uint32_t limit =
                drawn(&seed, 3) == 0 ? (uint32_t)sizes[shape] - 8 : 60000;
            size_t at = 1024 + drawn(&seed, limit - 1024);
            uint32_t value =
                drawn(&seed, 4) == 0 ? UINT32_MAX : drawn(&seed, 2000);

            for (unsigned k = 0; k < 1u << drawn(&seed, 3); k++)
                work[at + k] = (uint8_t)(value >> 8 * k);
        }
        ext2_check_image(work, sizes[shape], &checked);
        /* A few bits of each block and inode, and some blocks. */
        assert_true(checked.allocated_most < 700 * 1024);
    }
}

static void test_noise(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned run = 0; run < 200; run++) {
        struct ext2_checked checked = {.fail_alloc = 0};

        memcpy(work, images[0], sizes[0]);
        for (size_t i = 2048; i < sizes[0]; i += 4)
            if (run % 4 != 0 || drawn(&seed, 4) == 0)
                le32_put(work + i, drawn(&seed, run % 2 ? 1024 : UINT32_MAX));
        ext2_check_image(work, sizes[0], &checked);
        assert_true(checked.status == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_are_clean),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_each_read_fails),
        cmocka_unit_test(test_each_fails_with_an_index),
        cmocka_unit_test(test_no_image_at_all),
        cmocka_unit_test(test_cut_image),
        cmocka_unit_test(test_features_of_ext4),
        cmocka_unit_test(test_tree_of_itself),
        cmocka_unit_test(test_all_inodes_are_one_tree),
        cmocka_unit_test(test_damage_at_random),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
