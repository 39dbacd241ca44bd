/*
 * Damaged volumes: one field at a time, with the error each must give, and
 * bytes at random. After each the machine is as it was.
 */
#include "fs/ext2/ext2_format.h"
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_bench.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

static int setup(void **state)
{
    (void)state;
    return ext2_bench_open("-b 1024");
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
        {"8 KiB blocks", 24, 4, 3, -EUCLEAN},
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
        {"blocks count 4", 4, 4, 4, -EUCLEAN}, /* its inode table is outside */
        {"all the blocks there are", 4, 4, 1024, 0},
        {"one full group", 32, 4, 1023, 0},
        {"64 KiB blocks", 24, 4, 6, -EUCLEAN},
        {"inodes count 10", 0, 4, 10, -EUCLEAN},
        {"inode size 64", 88, 2, 64, -EUCLEAN},
        {"inode table 0", 1024 + 8, 4, 0, -EUCLEAN},
        {"inode table in the superblock", 1024 + 8, 4, 1, -EUCLEAN},
        {"inode table past the end", 1024 + 8, 4, 1024, -EUCLEAN},
        {"inode table across the end", 1024 + 8, 4, 1023, -EUCLEAN},
        {"inode table all ones", 1024 + 8, 4, UINT32_MAX, -EUCLEAN},
        {"block bitmap past the end", 1024 + 0, 4, 5000, -EUCLEAN},
        {"block bitmap in the superblock", 1024 + 0, 4, 1, -EUCLEAN},
        {"block bitmap in the last block", 1024 + 0, 4, 1023, 0},
        {"inode bitmap 0", 1024 + 4, 4, 0, -EUCLEAN},
        {"inode bitmap in the last block", 1024 + 4, 4, 1023, 0},
        {"inode bitmap past the end", 1024 + 4, 4, 1024, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *at = ext2_volume.work + 1024 + rows[i].offset;
        struct ext2_walk walk = {.errors = 0};
        int status;

        ext2_bench_mend();
        if (rows[i].bytes == 4)
            le32_put(at, rows[i].value);
        else
            le16_put(at, (uint16_t)rows[i].value);
        status = ext2_bench_try(&walk);
        ROW(rows[i].name, status == rows[i].status);
    }
}

/*
 * With META_BG the descriptors of the groups 32 to 63 are in the first block of
 * group 32, or in its second behind a superblock: which the volume may not
 * have.
 */
static void test_ext2_descriptors_past_the_end(void **state)
{
    static const struct {
        const char *name;
        uint32_t blocks;
        uint32_t ro_compat; /* 1: SPARSE_SUPER, no superblock in group 32 */
        uint32_t first;     /* block of descriptors that is not at the start */
        int status;
        bool has_two; /* SPARSE_SUPER2: superblocks in these groups only */
        uint32_t backups[2];
    } rows[] = {
        {"no group 32", 257, 0, 0, 0, false, {0, 0}},
        {"no room behind the superblock", 258, 0, 0, -EUCLEAN, false, {0, 0}},
        {"no superblock there", 258, 1, 0, 0, false, {0, 0}},
        {"room for both", 259, 0, 0, 0, false, {0, 0}},
        {"the first 32 as always", 259, 0, 1, 0, false, {0, 0}},
        {"all as always, where nothing is", 259, 0, 2, -EUCLEAN, false, {0, 0}},
        {"one of two there", 259, 0, 0, 0, true, {32, 7}},
        {"the other there", 259, 1, 0, 0, true, {1, 32}},
        {"none of two there", 258, 0, 0, 0, true, {1, 31}},
        {"one there, without room", 258, 1, 0, -EUCLEAN, true, {1, 32}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ext2_walk walk = {.errors = 0};
        bool has_super = rows[i].has_two ? rows[i].backups[0] == 32 ||
                                               rows[i].backups[1] == 32
                                         : rows[i].ro_compat == 0;
        uint32_t last = 1 + 32 * 8 + has_super;
        int status;

        ext2_bench_mend();
        le32_put(ext2_volume.work + 1024 + 4, rows[i].blocks);
        le32_put(ext2_volume.work + 1024 + 32, 8);  /* blocks in a group */
        le32_put(ext2_volume.work + 1024 + 0, 128); /* inodes, all in group 0 */
        le32_put(ext2_volume.work + 1024 + 40,
                 32); /* in a group: 4 or 8 blocks */
        le16_put(ext2_volume.work + 1024 + 88, 128);
        le32_put(ext2_volume.work + 1024 + 96, 0x12);
        le32_put(ext2_volume.work + 1024 + 100, rows[i].ro_compat);
        le32_put(ext2_volume.work + 1024 + 92,
                 rows[i].has_two ? COMPAT_SPARSE_SUPER2 : 0);
        le32_put(ext2_volume.work + 1024 + SUPER_BACKUP_GROUPS,
                 rows[i].backups[0]);
        le32_put(ext2_volume.work + 1024 + SUPER_BACKUP_GROUPS + 4,
                 rows[i].backups[1]);
        le32_put(ext2_volume.work + 1024 + 260, rows[i].first);
        for (unsigned group = 0; group < 33; group++) {
            uint32_t block = group < 32 ? 2 : last;
            uint8_t *desc = ext2_volume.work + block * 1024 + 32 * (group % 32);

            if (block * 1024 >= rows[i].blocks * 1024)
                continue;
            le32_put(desc, 100);
            le32_put(desc + 4, 101);
            le32_put(desc + 8, 102);
        }
        /* The root: inode 2 of that table, with one block, the 110th. */
        memset(ext2_volume.work + 102 * 1024, 0, 9 * 1024);
        le16_put(ext2_volume.work + 102 * 1024 + 128, 0x41ed);
        le16_put(ext2_volume.work + 102 * 1024 + 128 + 26, 2);
        le32_put(ext2_volume.work + 102 * 1024 + 128 + 4, 1024);
        le32_put(ext2_volume.work + 102 * 1024 + 128 + 40, 110);
        le32_put(ext2_volume.work + 110 * 1024, 2);
        le16_put(ext2_volume.work + 110 * 1024 + 4, 1024);
        memcpy(ext2_volume.work + 110 * 1024 + 6, "\1\2.", 3);
        ext2_volume.disk.block.sectors = rows[i].blocks * 2;
        status = ext2_bench_try(&walk);
        ROW(rows[i].name, status == rows[i].status);
        ROW(rows[i].name, walk.errors == 0);
        ext2_volume.disk.block.sectors = ext2_volume.size / 512;
    }
}

static void test_ext2_small_disks(void **state)
{
    (void)state;
    ext2_bench_mend();
    for (uint64_t sectors = 1; sectors < 12; sectors++) {
        ext2_volume.disk.block.sectors = sectors;
        assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL),
                         sectors < 4 ? -EINVAL : -EUCLEAN);
    }
    ext2_volume.disk.block.sectors = ext2_volume.size / 512;
    memset(ext2_volume.work, 0, ext2_volume.size);
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL),
                     -EINVAL);
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", "ext2"),
                     -EINVAL);
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", "fat"),
                     -ENODEV);
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
        {"slow link in a hole", "/slow", 40, 4, 0, -EUCLEAN},
        {"fast link of 59", "/fast", 4, 4, 59, -EUCLEAN}, /* NULs in it */
        {"NUL at the start of a link", "/fast", 40, 4, 0x61616100, -EUCLEAN},
        {"NUL within a link", "/fast", 44, 4, 0x00616161, -EUCLEAN},
        {"directory of one block more", "/dir", 4, 4, 2048, -EUCLEAN},
        {"directory past the volume", "/dir", 4, 4, 1025 * 1024, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t number = ext2_inode_of_path(ext2_volume.good, ext2_volume.size,
                                             rows[i].path);
        uint8_t *at = ext2_volume.work +
                      ext2_inode_offset(ext2_volume.good, number) +
                      rows[i].offset;
        struct ext2_walk walk = {.errors = 0};
        int status;

        ext2_bench_mend();
        if (rows[i].bytes == 4)
            le32_put(at, rows[i].value);
        else
            le16_put(at, (uint16_t)rows[i].value);
        status = ext2_bench_try(&walk);
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
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, "/dir");
    uint32_t block = le32_get(ext2_volume.good +
                              ext2_inode_offset(ext2_volume.good, number) + 40);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *at = ext2_volume.work + block * 1024 + 12 + rows[i].offset;
        struct ext2_walk walk = {.errors = 0};

        ext2_bench_mend();
        for (unsigned k = 0; k < rows[i].bytes; k++)
            at[k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name, ext2_bench_try(&walk) == 0);
        ROW(rows[i].name, walk.first_error == rows[i].status);
    }
}

/* An entry that makes no sense is met again by the next call: the cursor does
 * not move past it. */
static void test_ext2_cursor_stays_at_a_bad_entry(void **state)
{
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, "/dir");
    uint32_t block = le32_get(ext2_volume.good +
                              ext2_inode_offset(ext2_volume.good, number) + 40);
    struct dir_entry entry;
    struct file *dir;

    (void)state;
    ext2_bench_mend();
    ext2_volume.work[block * 1024 + 12 + 8] = '/';
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL), 0);
    assert_int_equal(file_open("/dir", FILE_READ, 0, &dir), 0);
    assert_int_equal(dir_read(dir, &entry), 1);
    assert_string_equal(entry.name, ".");
    assert_int_equal(dir_read(dir, &entry), -EUCLEAN);
    assert_int_equal(dir_read(dir, &entry), -EUCLEAN);
    file_close(dir);
    assert_int_equal(file_unmount("/"), 0);
}

/* What was read before damage, or before the disk failed, is handed out; the
 * next read says what is wrong. */
static void test_ext2_read_up_to_an_error(void **state)
{
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, "/file");
    uint8_t *raw =
        ext2_volume.work + ext2_inode_offset(ext2_volume.good, number);
    uint32_t first = le32_get(ext2_volume.good +
                              ext2_inode_offset(ext2_volume.good, number) + 40);
    static uint8_t buf[20000];
    struct file *file;

    (void)state;
    for (unsigned row = 0; row < 2; row++) {
        ext2_bench_mend();
        /* Of its second page: outside, or where the disk is bad. */
        le32_put(raw + 56, row == 0 ? 70000 : 1000);
        ext2_volume.disk.bad_sector = row == 0 ? 0 : 2000;
        assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL),
                         0);
        assert_int_equal(file_open("/file", FILE_READ, 0, &file), 0);
        assert_int_equal(file_read(file, buf, 1), 1);
        assert_int_equal(file_read_at(file, buf, 20000, 100), 3996);
        assert_memory_equal(buf, ext2_volume.good + first * 1024 + 100, 3996);
        assert_int_equal(file_read_at(file, buf, 20000, 4096),
                         row == 0 ? -EUCLEAN : -EIO);
        ext2_volume.disk.bad_sector = 0;
        file_close(file);
        assert_int_equal(file_unmount("/"), 0);
    }
}

/* A target that cannot be read is an error of the disk, whatever the buffer
 * holds. */
static void test_ext2_link_on_a_failing_disk(void **state)
{
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, "/slow");
    struct file_stat stat;
    char target[100] = "";

    (void)state;
    ext2_bench_mend();
    le32_put(ext2_volume.work + ext2_inode_offset(ext2_volume.good, number) +
                 40,
             1000);
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL), 0);
    assert_int_equal(file_stat("/slow", false, &stat), 0);
    ext2_volume.disk.fail_from = 1;
    assert_int_equal(file_read_link("/slow", target, sizeof(target)), -EIO);
    ext2_volume.disk.fail_from = 0;
    memset(ext2_volume.work + 1000 * 1024, 'y', 100);
    assert_int_equal(file_read_link("/slow", target, sizeof(target)), 100);
    assert_int_equal(target[99], 'y');
    assert_int_equal(file_unmount("/"), 0);
    /* A NUL in any place of it is damage. */
    for (unsigned at = 0; at < 100; at += 33) {
        memset(ext2_volume.work + 1000 * 1024, 'y', 100);
        ext2_volume.work[1000 * 1024 + at] = 0;
        assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL),
                         0);
        assert_int_equal(file_read_link("/slow", target, sizeof(target)),
                         -EUCLEAN);
        /* But only what was asked for is looked at. */
        assert_int_equal(file_read_link("/slow", target, at), 100);
        assert_int_equal(file_unmount("/"), 0);
    }
}

/* Every field of an inode in its place: no two have the same value. */
static void test_ext2_stat_fields(void **state)
{
    static const struct {
        size_t offset;
        unsigned bytes;
        uint32_t value;
    } fields[] = {
        {0, 2, 0x8a64},      /* mode: a regular file, 05144 */
        {2, 2, 0x1112},      /* uid */
        {120, 2, 0x1314},    /* its upper half */
        {24, 2, 0x2122},     /* gid */
        {122, 2, 0x2324},    /* its upper half */
        {26, 2, 7},          /* links */
        {28, 4, 0x313233},   /* blocks of 512 bytes */
        {8, 4, 0x41424344},  /* atime */
        {12, 4, 0x51525354}, /* ctime */
        {16, 4, 0xe1626364}, /* mtime: before 1970 */
    };
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, "/file");
    uint8_t *raw =
        ext2_volume.work + ext2_inode_offset(ext2_volume.good, number);
    struct file_stat stat;

    (void)state;
    ext2_bench_mend();
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        for (unsigned k = 0; k < fields[i].bytes; k++)
            raw[fields[i].offset + k] = (uint8_t)(fields[i].value >> 8 * k);
    }
    assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL), 0);
    assert_int_equal(file_stat("/file", false, &stat), 0);
    assert_int_equal(stat.inode, number);
    assert_int_equal(stat.type, FILE_REGULAR);
    assert_int_equal(stat.mode, 0xa64);
    assert_int_equal(stat.uid, 0x13141112);
    assert_int_equal(stat.gid, 0x23242122);
    assert_int_equal(stat.links, 7);
    assert_int_equal(stat.size_bytes, 20000);
    assert_int_equal(stat.blocks, 0x313233);
    assert_int_equal(stat.atime.s, 0x41424344);
    assert_int_equal(stat.ctime.s, 0x51525354);
    assert_int_equal(stat.mtime.s, (int32_t)0xe1626364);
    assert_int_equal(file_unmount("/"), 0);
}

/* Types that a tree of this machine's cannot have without its root, and the
 * numbers of devices. */
static void test_ext2_special_files(void **state)
{
    static const struct {
        uint16_t mode;
        enum file_type type;
        uint32_t first, second;
        uint64_t rdev;
    } rows[] = {
        {0xc1a4, FILE_SOCKET, 0, 0, 0},
        {0xc1a4, FILE_SOCKET, 0x0103, 7, 0},
        {0x11a4, FILE_FIFO, 0x0103, 7, 0},
        {0x21a4, FILE_CHARACTER, 0x0103, 0, 0x0103},
        {0x21a4, FILE_CHARACTER, 0xffff0103, 7, 0x0103},
        {0x61a4, FILE_BLOCK, 0xff, 7, 0xff},
        {0x61a4, FILE_BLOCK, 0, 0xfffabc12, 0xfffabc12},
        {0x21a4, FILE_CHARACTER, 0, 0, 0},
    };
    uint8_t *raw = ext2_bench_inode("/file");
    struct inode *inode;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ext2_bench_mend();
        le16_put(raw, rows[i].mode);
        le32_put(raw + 40, rows[i].first);
        le32_put(raw + 44, rows[i].second);
        assert_int_equal(file_mount(&ext2_volume.disk.block.device, "/", NULL),
                         0);
        assert_int_equal(vfs_walk("/file", true, &inode), 0);
        assert_int_equal(inode->type, rows[i].type);
        assert_int_equal(inode->rdev, rows[i].rdev);
        inode_put(inode);
        assert_int_equal(file_unmount("/"), 0);
    }
}

static void test_ext2_entry_of_a_deleted_file(void **state)
{
    struct ext2_walk walk = {.errors = 0};

    (void)state;
    ext2_bench_mend();
    ext2_debugfs(ext2_volume.work, ext2_volume.size, "clri /file");
    assert_int_equal(ext2_bench_try(&walk), 0);
    assert_int_equal(walk.errors, 1);
    assert_int_equal(walk.first_error, -EUCLEAN);
}

/* A directory that contains itself is read, and the walk ends by its own
 * bound. */
static void test_ext2_directory_loop(void **state)
{
    struct ext2_walk walk = {.errors = 0};

    (void)state;
    ext2_bench_mend();
    ext2_debugfs(ext2_volume.work, ext2_volume.size,
                 "link /dir /dir/sub/again");
    assert_int_equal(ext2_bench_try(&walk), 0);
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
        ext2_bench_mend();
        for (int k = rand() % 200; k >= 0; k--) {
            /* Mostly where the structures are. */
            size_t at = (size_t)rand() %
                        (rand() % 4 == 0 ? ext2_volume.size : 64 * 1024);

            if (at < 1024 + 104 && at >= 1024 && rand() % 8 != 0)
                continue; /* else nothing ever mounts */
            ext2_volume.work[at] = rand() % 2 ? (uint8_t)rand() : 0xff;
        }
        if (ext2_bench_try(&walk) == 0)
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

/* Blocks of 1 KiB on a disk of larger sectors. */
static void test_ext2_blocks_smaller_than_sectors(void **state)
{
    struct ext2_walk walk = {.errors = 0};

    (void)state;
    ext2_bench_mend();
    ext2_volume.disk.block.sector_size = 4096;
    console_forget();
    assert_int_equal(ext2_bench_try(&walk), -ENOTSUP);
    assert_true(console_has("smaller than the disk's sectors"));
    ext2_volume.disk.block.sector_size = 512;
    assert_int_equal(ext2_bench_try(&walk), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ext2_damaged_superblock),
        cmocka_unit_test(test_ext2_descriptors_past_the_end),
        cmocka_unit_test(test_ext2_small_disks),
        cmocka_unit_test(test_ext2_damaged_inodes),
        cmocka_unit_test(test_ext2_damaged_directory_entries),
        cmocka_unit_test(test_ext2_cursor_stays_at_a_bad_entry),
        cmocka_unit_test(test_ext2_read_up_to_an_error),
        cmocka_unit_test(test_ext2_link_on_a_failing_disk),
        cmocka_unit_test(test_ext2_stat_fields),
        cmocka_unit_test(test_ext2_special_files),
        cmocka_unit_test(test_ext2_entry_of_a_deleted_file),
        cmocka_unit_test(test_ext2_directory_loop),
        cmocka_unit_test(test_ext2_blocks_smaller_than_sectors),
        cmocka_unit_test(test_ext2_random_damage),
    };

    return cmocka_run_group_tests(tests, setup, ext2_bench_close);
}
