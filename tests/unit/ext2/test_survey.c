/* What tools are told of a volume. */
#include "fs/ext2/ext2_format.h"
#include "fs/ext2/survey.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_bench.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/root_mount.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

static struct mount *mount;

static int setup(void **state)
{
    (void)state;
    if (ext2_bench_open("-b 1024") != 0 ||
        file_mount(&ext2_volume.disk.block.device, "/", NULL) != 0)
        return -1;
    mount = root_mount();
    return 0;
}

static int teardown(void **state)
{
    (void)!file_unmount("/");
    return ext2_bench_close(state);
}

static uint32_t super(size_t at)
{
    return le32_get(ext2_volume.good + EXT2_SUPER_OFFSET + at);
}

static void test_the_volume(void **state)
{
    struct ext2_survey survey;

    (void)state;
    assert_int_equal(ext2_survey(mount, &survey), 0);
    assert_int_equal(survey.block_size, 1024);
    assert_int_equal(survey.blocks_count, 1024);
    assert_int_equal(survey.first_data_block, 1);
    assert_int_equal(survey.group_count, 1);
    assert_int_equal(survey.blocks_per_group, super(SUPER_BLOCKS_PER_GROUP));
    assert_int_equal(survey.inodes_count, super(SUPER_INODES_COUNT));
    assert_int_equal(survey.inodes_per_group, super(SUPER_INODES_PER_GROUP));
    assert_int_equal(survey.inode_size, super(SUPER_INODE_SIZE) & 0xffff);
    assert_int_equal(survey.compat, super(SUPER_FEATURE_COMPAT));
    assert_int_equal(survey.incompat, super(SUPER_FEATURE_INCOMPAT));
    assert_int_equal(survey.ro_compat, super(SUPER_FEATURE_RO_COMPAT));
}

static void test_a_group(void **state)
{
    const uint8_t *desc = ext2_volume.good + 2048;
    struct ext2_survey_group group;
    struct ext2_survey survey;

    (void)state;
    assert_int_equal(ext2_survey(mount, &survey), 0);
    assert_int_equal(ext2_survey_group(mount, 0, &group), 0);
    assert_int_equal(group.block_bitmap, le32_get(desc + GROUP_BLOCK_BITMAP));
    assert_int_equal(group.inode_bitmap, le32_get(desc + GROUP_INODE_BITMAP));
    assert_int_equal(group.inode_table, le32_get(desc + GROUP_INODE_TABLE));
    assert_int_equal(group.table_blocks,
                     survey.inodes_count * survey.inode_size / 1024);
    assert_int_equal(group.free_blocks, super(SUPER_FREE_BLOCKS));
    assert_int_equal(group.free_inodes, super(SUPER_FREE_INODES));
    assert_int_equal(group.directories, le16_get(desc + GROUP_DIRECTORIES));
    assert_int_equal(ext2_survey_group(mount, 1 << 20, &group), -EUCLEAN);
}

static void test_bytes(void **state)
{
    static uint8_t bytes[4096];

    (void)state;
    assert_int_equal(ext2_survey_read(mount, 1000, bytes, 4096), 0);
    assert_memory_equal(bytes, ext2_volume.good + 1000, 4096);
    assert_int_equal(ext2_survey_read(mount, (1 << 20) - 10, bytes, 10), 0);
    assert_int_equal(ext2_survey_read(mount, (1 << 20) - 10, bytes, 11),
                     -EINVAL);
    assert_int_equal(ext2_survey_read(mount, UINT64_MAX, bytes, 1), -EINVAL);
}

/* All runs of a file hold what it holds. */
static void runs_check(const char *path)
{
    uint8_t want[1024], got[1024];
    uint64_t index = 0, block;
    struct inode *inode;
    struct file *file;
    uint32_t count;
    int status;

    assert_int_equal(vfs_walk(path, true, &inode), 0);
    assert_int_equal(file_open(path, FILE_READ, 0, &file), 0);
    while ((status = ext2_survey_run(inode, index, 5, &block, &count)) == 0) {
        assert_in_range(count, 1, 5);
        for (uint32_t i = 0; i < count; i++, index++) {
            int64_t len = file_read_at(file, want, 1024, index * 1024);

            assert_true(len > 0);
            memset(got, 0, sizeof(got));
            if (block != 0)
                assert_int_equal(
                    ext2_survey_read(mount, (block + i) * 1024, got, 1024), 0);
            assert_memory_equal(got, want, (size_t)len);
        }
    }
    assert_int_equal(status, -ENOENT);
    assert_int_equal(index, (inode->size_bytes + 1023) / 1024);
    assert_true(index > 0);
    file_close(file);
    inode_put(inode);
}

static void run_of(const char *path, int want)
{
    struct inode *inode;
    uint64_t block;
    uint32_t count;

    assert_int_equal(vfs_walk(path, false, &inode), 0);
    assert_int_equal(ext2_survey_run(inode, 0, 1, &block, &count), want);
    inode_put(inode);
}

static void test_runs(void **state)
{
    (void)state;
    runs_check("/double");
    runs_check("/file");
    run_of("/", 0);
    run_of("/fast", -ENOENT);
}

static void test_errors_of_the_disk(void **state)
{
    struct ext2_survey_group group;

    (void)state;
    assert_null(mem_alloc(mem_total_bytes())); /* what is clean goes */
    ext2_volume.disk.fail_from = 1;
    assert_int_equal(ext2_survey_group(mount, 0, &group), -EIO);
    ext2_volume.disk.fail_from = 0;
}

/* Of ext4 a descriptor may have 64 bytes: the upper halves count. What is in
 * the inode has no blocks. */
static void test_large_descriptors(void **state)
{
    static const struct file_system *const known[] = {&ext4_file_system, NULL};
    const struct file_system *const *all = known;
    struct ext2_survey_group group;
    struct ext2_survey survey;
    struct ramblk disk;
    uint8_t *image, *desc;
    size_t size;

    (void)state;
    image = ext2_image("-t ext4 -b 1024 -O "
                       "64bit,inline_data,^metadata_csum,^has_journal,"
                       "^uninit_bg",
                       ext2_small_tree(), 2048, &size);
    machine_attach(64 << 20);
    vfs_init(all);
    ramblk_init(&disk, image, size);
    assert_int_equal(file_mount(&disk.block.device, "/", "ext4"), 0);
    mount = root_mount();
    desc = image + 2048;
    assert_int_equal(ext2_survey(mount, &survey), 0);
    assert_int_equal(survey.incompat & 0x80, 0x80);
    assert_int_equal(ext2_survey_group(mount, 0, &group), 0);
    assert_int_equal(group.block_bitmap, le32_get(desc + GROUP_BLOCK_BITMAP));
    assert_int_equal(group.free_blocks,
                     le32_get(image + EXT2_SUPER_OFFSET + SUPER_FREE_BLOCKS));
    run_of("/dir/sub", -ENOENT);
    runs_check("/double");
    assert_int_equal(file_unmount("/"), 0);
    le16_put(desc + GROUP_HIGH + GROUP_FREE_INODES, 5);
    assert_int_equal(file_mount(&disk.block.device, "/", "ext4"), 0);
    assert_int_equal(ext2_survey_group(root_mount(), 0, &group), 0);
    assert_int_equal(group.free_inodes >> 16, 5);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
    free(image);
}

static void test_another_file_system(void **state)
{
    struct ext2_survey survey;

    (void)state;
    machine_attach(16 << 20);
    assert_int_equal(file_mount_memory("/", NULL), 0);
    assert_int_equal(ext2_survey(root_mount(), &survey), -EINVAL);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_the_volume),
        READY(test_a_group),
        READY(test_bytes),
        READY(test_runs),
        READY(test_errors_of_the_disk),
        cmocka_unit_test(test_large_descriptors),
        cmocka_unit_test(test_another_file_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
