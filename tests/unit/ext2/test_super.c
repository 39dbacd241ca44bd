/*
 * Damaged volumes: one field at a time, with the error each must give, and
 * bytes at random. After each the machine is as it was.
 */
#include "fs/file_systems.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *good; /* 1 KiB blocks */
static uint8_t *work;
static size_t image_size;

static int setup(void **state)
{
    (void)state;
    good = ext2_image("-b 1024", ext2_small_tree(), 1024, &image_size);
    work = malloc(image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, work, image_size);
    memcpy(work, good, image_size);
    if (file_mount(&disk.block.device, "/", NULL) != 0)
        return -1;
    return file_unmount("/");
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    free(good);
    free(work);
    return 0;
}

/* Mount `work` (sectors of it), walk it; nothing may be left behind. */
static int try_mount(struct ext2_walk *walk)
{
    struct mem_stats before, after;
    int status;

    mem_get_stats(&before);
    status = file_mount(&disk.block.device, "/", NULL);
    if (status == 0) {
        ext2_walk_all(walk);
        assert_int_equal(file_unmount("/"), 0);
    }
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    return status;
}

/* ---- The superblock and the group descriptors ---------------------------- */

static void test_ext2_damaged_superblock(void **state)
{
    static const struct {
        const char *name;
        size_t offset; /* in the superblock; from 1024 on: the descriptors */
        unsigned bytes;
        uint32_t value;
        int status;
    } rows[] = {
        {"intact", 56, 2, 0xef53, 0},
        {"magic", 56, 2, 0xef54, -EINVAL},
        {"log block size 7", 24, 4, 7, -EUCLEAN},
        {"log block size 32", 24, 4, 32, -EUCLEAN},
        {"log block size all ones", 24, 4, UINT32_MAX, -EUCLEAN},
        {"8 KiB blocks", 24, 4, 3, -ENOTSUP},
        {"first data block 0", 20, 4, 0, -EUCLEAN},
        {"first data block 2", 20, 4, 2, -EUCLEAN},
        {"blocks count 0", 4, 4, 0, -EUCLEAN},
        {"blocks count 3", 4, 4, 3, -EUCLEAN},
        {"more blocks than sectors", 4, 4, 1025, -EUCLEAN},
        {"blocks count all ones", 4, 4, UINT32_MAX, -EUCLEAN},
        {"blocks per group 0", 32, 4, 0, -EUCLEAN},
        {"blocks per group too many", 32, 4, 8193, -EUCLEAN},
        {"blocks per group all ones", 32, 4, UINT32_MAX, -EUCLEAN},
        {"inodes per group 0", 40, 4, 0, -EUCLEAN},
        {"inodes per group too many", 40, 4, 8193, -EUCLEAN},
        {"inodes per group all ones", 40, 4, UINT32_MAX, -EUCLEAN},
        {"inodes count 0", 0, 4, 0, -EUCLEAN},
        {"inodes count all ones", 0, 4, UINT32_MAX, -EUCLEAN},
        {"inode size 0", 88, 2, 0, -EUCLEAN},
        {"inode size 127", 88, 2, 127, -EUCLEAN},
        {"inode size 192", 88, 2, 192, -EUCLEAN},
        {"inode size above a block", 88, 2, 2048, -EUCLEAN},
        {"unknown compatible feature", 92, 4, 0x80000000, 0},
        {"unknown incompatible feature", 96, 4, 0x80000002, -ENOTSUP},
        {"extents", 96, 4, 0x42, -ENOTSUP},
        {"a journal to recover", 96, 4, 0x6, -ENOTSUP},
        {"unknown read-only feature", 100, 4, 0x80000001, 0},
        {"inode table 0", 1024 + 8, 4, 0, -EUCLEAN},
        {"inode table in the superblock", 1024 + 8, 4, 1, -EUCLEAN},
        {"inode table past the end", 1024 + 8, 4, 1024, -EUCLEAN},
        {"inode table across the end", 1024 + 8, 4, 1023, -EUCLEAN},
        {"inode table all ones", 1024 + 8, 4, UINT32_MAX, -EUCLEAN},
        {"block bitmap past the end", 1024 + 0, 4, 5000, -EUCLEAN},
        {"inode bitmap 0", 1024 + 4, 4, 0, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *at = work + 1024 + rows[i].offset;
        struct ext2_walk walk = {.errors = 0};
        int status;

        memcpy(work, good, image_size);
        if (rows[i].bytes == 4)
            le32_put(at, rows[i].value);
        else
            le16_put(at, (uint16_t)rows[i].value);
        status = try_mount(&walk);
        ROW(rows[i].name, status == rows[i].status);
    }
}

static void test_ext2_small_disks(void **state)
{
    (void)state;
    memcpy(work, good, image_size);
    for (uint64_t sectors = 1; sectors < 12; sectors++) {
        disk.block.sectors = sectors;
        assert_int_equal(file_mount(&disk.block.device, "/", NULL),
                         sectors < 4 ? -EINVAL : -EUCLEAN);
    }
    disk.block.sectors = image_size / 512;
    memset(work, 0, image_size);
    assert_int_equal(file_mount(&disk.block.device, "/", NULL), -EINVAL);
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), -EINVAL);
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), -ENODEV);
}

/* ---- Inodes, blocks, directories ----------------------------------------- */

static void test_ext2_damaged_inodes(void **state)
{
    static const struct {
        const char *name;
        const char *path; /* whose inode */
        size_t offset;    /* in the inode */
        unsigned bytes;
        uint32_t value;
        int status; /* of opening and reading it, or mounting */
    } rows[] = {
        {"root is a file", "/", 0, 2, 0x81a4, -EUCLEAN},
        {"root without links", "/", 26, 2, 0, -EUCLEAN},
        {"root of size 0", "/", 4, 4, 0, -EUCLEAN},
        {"root of odd size", "/", 4, 4, 1000, -EUCLEAN},
        {"root larger than the disk", "/", 4, 4, 0x40000000, -EUCLEAN},
        {"directory with a hole", "/dir", 40, 4, 0, -EUCLEAN},
        {"directory outside the volume", "/dir", 40, 4, 99999, -EUCLEAN},
        {"directory in the superblock", "/dir", 40, 4, 1, -EUCLEAN},
        {"file without links", "/file", 26, 2, 0, -EUCLEAN},
        {"file without mode", "/file", 0, 2, 0, -EUCLEAN},
        {"file size beyond 2^63", "/file", 108, 4, 0x80000000, -EUCLEAN},
        {"direct block outside", "/file", 40, 4, 70000, -EUCLEAN},
        {"direct block all ones", "/file", 52, 4, UINT32_MAX, -EUCLEAN},
        {"indirect block outside", "/file", 88, 4, 70000, -EUCLEAN},
        {"double indirect outside", "/double", 92, 4, UINT32_MAX, -EUCLEAN},
        {"fast link too long", "/fast", 4, 4, 60, -EUCLEAN},
        {"link of a whole block", "/fast", 4, 4, 1024, -EUCLEAN},
        {"link of size all ones", "/fast", 4, 4, UINT32_MAX, -EUCLEAN},
        {"slow link outside", "/slow", 40, 4, 70000, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t number = ext2_inode_of_path(good, image_size, rows[i].path);
        uint8_t *at = work + ext2_inode_offset(good, number) + rows[i].offset;
        struct ext2_walk walk = {.errors = 0};
        int status;

        memcpy(work, good, image_size);
        if (rows[i].bytes == 4)
            le32_put(at, rows[i].value);
        else
            le16_put(at, (uint16_t)rows[i].value);
        status = try_mount(&walk);
        if (status == 0)
            status = walk.first_error;
        ROW(rows[i].name, status == rows[i].status);
    }
}

static void test_ext2_damaged_directory_entries(void **state)
{
    static const struct {
        const char *name;
        size_t offset; /* in the second entry ("..") of /dir */
        unsigned bytes;
        uint32_t value;
        int status;
    } rows[] = {
        {"rec_len 0", 4, 2, 0, -EUCLEAN},
        {"rec_len 4", 4, 2, 4, -EUCLEAN},
        {"rec_len odd", 4, 2, 13, -EUCLEAN},
        {"rec_len too short for the name", 4, 2, 8, -EUCLEAN},
        {"rec_len past the block", 4, 2, 1024, -EUCLEAN},
        {"rec_len all ones", 4, 2, 0xffff, -EUCLEAN},
        {"name length 0", 6, 1, 0, -EUCLEAN},
        {"name length 255", 6, 1, 255, -EUCLEAN},
        {"inode beyond the last", 0, 4, 100000, -EUCLEAN},
        {"inode all ones", 0, 4, UINT32_MAX, -EUCLEAN},
        {"a slash in the name", 8, 1, '/', -EUCLEAN},
        {"a NUL in the name", 8, 1, 0, -EUCLEAN},
        {"unused entry", 0, 4, 0, 0},
        {"unknown type", 7, 1, 99, 0},
    };
    uint32_t number = ext2_inode_of_path(good, image_size, "/dir");
    uint32_t block = le32_get(good + ext2_inode_offset(good, number) + 40);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *at = work + block * 1024 + 12 + rows[i].offset;
        struct ext2_walk walk = {.errors = 0};

        memcpy(work, good, image_size);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            at[k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name, try_mount(&walk) == 0);
        ROW(rows[i].name, walk.first_error == rows[i].status);
    }
}

static void test_ext2_entry_of_a_deleted_file(void **state)
{
    struct ext2_walk walk = {.errors = 0};

    (void)state;
    memcpy(work, good, image_size);
    ext2_debugfs(work, image_size, "clri /file");
    assert_int_equal(try_mount(&walk), 0);
    assert_int_equal(walk.errors, 1);
    assert_int_equal(walk.first_error, -EUCLEAN);
}

/* A directory that contains itself is read, and the walk ends by its own
 * bound. */
static void test_ext2_directory_loop(void **state)
{
    struct ext2_walk walk = {.errors = 0};

    (void)state;
    memcpy(work, good, image_size);
    ext2_debugfs(work, image_size, "link /dir /dir/sub/again");
    assert_int_equal(try_mount(&walk), 0);
    assert_true(walk.entries > 100);
}

/* ---- At random ----------------------------------------------------------- */

static void test_ext2_random_damage(void **state)
{
    unsigned mounted = 0, refused = 0, errors = 0;

    (void)state;
    for (unsigned seed = 0; seed < 600; seed++) {
        struct ext2_walk walk = {.errors = 0};

        srand(seed);
        memcpy(work, good, image_size);
        for (int k = rand() % 200; k >= 0; k--) {
            /* Mostly where the structures are. */
            size_t at =
                (size_t)rand() % (rand() % 4 == 0 ? image_size : 64 * 1024);

            if (at < 1024 + 104 && at >= 1024 && rand() % 8 != 0)
                continue; /* else nothing ever mounts */
            work[at] = rand() % 2 ? (uint8_t)rand() : 0xff;
        }
        if (try_mount(&walk) == 0)
            mounted++;
        else
            refused++;
        errors += walk.errors;
    }
    /* The damage was worth something, and not too much. */
    print_message("%u mounted with %u errors, %u refused\n", mounted, errors,
                  refused);
    assert_true(mounted > 100);
    assert_true(refused > 10);
    assert_true(errors > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ext2_damaged_superblock),
        cmocka_unit_test(test_ext2_small_disks),
        cmocka_unit_test(test_ext2_damaged_inodes),
        cmocka_unit_test(test_ext2_damaged_directory_entries),
        cmocka_unit_test(test_ext2_entry_of_a_deleted_file),
        cmocka_unit_test(test_ext2_directory_loop),
        cmocka_unit_test(test_ext2_random_damage),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
