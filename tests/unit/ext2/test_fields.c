/*
 * Fields of a volume on both sides of each limit, and what is said of those
 * that are wrong.
 */
#include "fs/ext2/ext2.h"
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_bench.h"
#include <string.h>
#include <torc/errno.h>

static int setup(void **state)
{
    (void)state;
    return ext2_bench_open("-b 1024");
}

static int setup_4k(void **state)
{
    (void)state;
    return ext2_bench_open("-b 4096");
}

static int setup_without_types(void **state)
{
    (void)state;
    return ext2_bench_open("-b 1024 -O ^filetype,^dir_index");
}

static int setup_rev0(void **state)
{
    (void)state;
    return ext2_bench_open("-r 0 -b 1024 -O none");
}

static void field_put(uint8_t *at, unsigned bytes, uint32_t value)
{
    for (unsigned k = 0; k < bytes; k++)
        at[k] = (uint8_t)(value >> 8 * k);
}

static int mount(void)
{
    console_forget();
    return file_mount(&ext2_volume.disk.block.device, "/", NULL);
}

static void unmount(void)
{
    assert_int_equal(file_unmount("/"), 0);
}

/* ---- The superblock ------------------------------------------------------ */

static void test_ext2_says_what_is_wrong(void **state)
{
    static const char damaged[] = "ext2: damaged volume: ";
    static const char groups[] =
        "ext2: damaged volume: group descriptors; run e2fsck on the image\n";
    static const struct {
        const char *name;
        size_t offset; /* in the superblock */
        unsigned bytes;
        uint32_t value;
        uint32_t blocks_per_group; /* 0: as it is */
        const char *says;          /* NULL: it is mounted */
        const char *what;
    } rows[] = {
        {"log block size 7", 24, 4, 7, 0, damaged, "block size; run e2fsck"},
        {"64 KiB", 24, 4, 6, 0, damaged, "first data block"},
        {"first data block", 20, 4, 0, 0, damaged, "first data block"},
        {"2 blocks", 4, 4, 2, 0, damaged, "more blocks than the disk has"},
        {"3 blocks", 4, 4, 3, 0, damaged, "more blocks than the disk has"},
        {"4 blocks", 4, 4, 4, 0, groups, ""},
        {"1024 blocks", 4, 4, 1024, 0, NULL, ""},
        {"1025", 4, 4, 1025, 0, damaged, "more blocks than the disk has"},
        {"features", 96, 4, 0x80000043, 0,
         "feature compression (bit 0) is not supported\n",
         "feature (unknown) (bit 31) is not supported\n"},
        {"journal", 96, 4, 6, 0, "feature needs_recovery (bit 2) is not", ""},
        {"inode size 64", 88, 2, 64, 0, damaged, "inode size"},
        {"inode size 128", 88, 2, 128, 0, NULL, ""},
        {"inode size 384", 88, 2, 384, 0, damaged, "inode size"},
        {"inode size 512", 88, 2, 512, 0, NULL, ""},
        {"inode size 1024", 88, 2, 1024, 0, NULL, ""},
        {"inode size 2048", 88, 2, 2048, 0, damaged, "inode size"},
        {"0 in a group", 32, 4, 0, 0, damaged, "blocks per group"},
        {"8192 in a group", 32, 4, 8192, 0, NULL, ""},
        {"8193 in a group", 32, 4, 8193, 0, damaged, "blocks per group"},
        {"all but one in a group", 32, 4, 1022, 0, groups, ""},
        {"0 inodes in a group", 40, 4, 0, 0, damaged, "inodes per group"},
        {"8192 inodes", 40, 4, 8192, 0, groups, ""},
        {"8193 inodes", 40, 4, 8193, 0, damaged, "inodes per group"},
        {"less than a table takes", 40, 4, 4091, 1023, groups, ""},
        {"as a table takes", 40, 4, 4092, 1023, damaged, "inodes per group"},
        {"10 inodes", 0, 4, 10, 0, damaged, "inode count"},
        {"11 inodes", 0, 4, 11, 0, NULL, ""},
        {"all inodes", 0, 4, 128, 0, NULL, ""},
        {"one more", 0, 4, 129, 0, damaged, "inode count"},
    };

    (void)state;
    assert_int_equal(le32_get(ext2_volume.good + 1024 + 40), 128);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status;

        ext2_bench_mend();
        field_put(ext2_volume.work + 1024 + rows[i].offset, rows[i].bytes,
                  rows[i].value);
        if (rows[i].blocks_per_group != 0)
            le32_put(ext2_volume.work + 1024 + 32, rows[i].blocks_per_group);
        status = mount();
        if (rows[i].says != NULL) {
            ROW(rows[i].name, status != 0);
            ROW(rows[i].name, console_has(rows[i].says));
            ROW(rows[i].name, console_has(rows[i].what));
            continue;
        }
        if (rows[i].offset != 88) /* else the root cannot be read */
            ROW(rows[i].name, status == 0);
        ROW(rows[i].name, !console_has("damaged volume"));
        if (status == 0) {
            ROW(rows[i].name,
                console_has("ext2, 1024 blocks of 1024 bytes, read-only\n"));
            unmount();
        }
    }
}

/* The inode table takes whole blocks, of four inodes here, in the volume. */
static void test_ext2_inode_table_at_the_end(void **state)
{
    static const struct {
        uint32_t inodes, table;
        bool fits;
    } rows[] = {{128, 992, true},  {129, 992, false}, {125, 992, true},
                {125, 993, false}, {124, 993, true},  {121, 993, true},
                {120, 994, true}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ext2_bench_mend();
        le32_put(ext2_volume.work + 1024 + 0, 64);
        le32_put(ext2_volume.work + 1024 + 40, rows[i].inodes);
        le32_put(ext2_volume.work + 2048 + 8, rows[i].table);
        assert_int_not_equal(mount(), 0); /* there is no root */
        assert_int_equal(console_has("damaged volume: group descriptors"),
                         !rows[i].fits);
        assert_int_equal(console_has("damaged volume"), !rows[i].fits);
    }
}

/* The disk must have all the blocks, whatever their size. */
static void test_ext2_disk_is_large_enough(void **state)
{
    (void)state;
    ext2_bench_mend();
    assert_int_equal(mount(), 0);
    assert_true(console_has("ext2, 256 blocks of 4096 bytes, read-only\n"));
    unmount();
    ext2_volume.disk.block.sectors--;
    assert_int_equal(mount(), -EUCLEAN);
    ext2_volume.disk.block.sectors++;
    /* Three blocks are too few; here the first one is block 0. */
    le32_put(ext2_volume.work + 1024 + 4, 2);
    assert_int_equal(mount(), -EUCLEAN);
    assert_true(console_has("more blocks than the disk has"));
    le32_put(ext2_volume.work + 1024 + 4, 3);
    assert_int_equal(mount(), -EUCLEAN);
    assert_true(console_has("damaged volume: group descriptors"));
}

/* Revision 0 has inodes of 128 bytes, whatever is there; features count. */
static void test_ext2_rev0_has_features(void **state)
{
    struct file_stat stat;

    (void)state;
    ext2_bench_mend();
    memset(ext2_volume.work + 1024 + 84, 0xff, 8); /* first inode, inode size */
    le32_put(ext2_bench_inode("/file") + 108, 1);
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/file", false, &stat), 0);
    assert_int_equal(stat.size_bytes, 20000);
    unmount();
    ext2_bench_mend();
    le32_put(ext2_volume.work + 1024 + 100, 2); /* files of 2 GiB and more */
    le32_put(ext2_bench_inode("/file") + 108, 1);
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/file", false, &stat), 0);
    assert_int_equal(stat.size_bytes, (UINT64_C(1) << 32) + 20000);
    unmount();
    ext2_bench_mend();
    memset(ext2_volume.work + 1024 + 92, 0xff, 12); /* features */
    assert_int_equal(mount(), -ENOTSUP);
}

/* ---- Inodes -------------------------------------------------------------- */

static void test_ext2_inode_limits(void **state)
{
    static const struct {
        const char *name;
        const char *path;
        size_t offset; /* in the inode */
        unsigned bytes;
        uint32_t value;
        uint32_t low; /* of the size; 0: as it is */
        int status;   /* of looking at it */
    } rows[] = {
        {"as large as can be", "/file", 108, 4, 0x7fffffff, UINT32_MAX, 0},
        {"larger", "/file", 108, 4, 0x80000000, 0, -EUCLEAN},
        {"a mode of no type", "/file", 0, 2, 1, 0, 0},
        {"no mode", "/file", 0, 2, 0, 0, -EUCLEAN},
        {"one link", "/file", 26, 2, 1, 0, 0},
        {"no link", "/file", 26, 2, 0, 0, -EUCLEAN},
        {"directory as large as the volume", "/dir", 4, 4, 1024 * 1024, 0, 0},
        {"larger than it", "/dir", 4, 4, 1025 * 1024, 0, -EUCLEAN},
        {"directory of no size", "/dir", 4, 4, 0, 0, -EUCLEAN},
        {"of half a block", "/dir", 4, 4, 512, 0, -EUCLEAN},
        {"of a byte more", "/dir", 4, 4, 1025, 0, -EUCLEAN},
        {"its upper half says something else", "/dir", 108, 4, 7, 0, 0},
        {"link of almost a block", "/fast", 4, 4, 1023, 0, 0},
        {"link of a block", "/fast", 4, 4, 1024, 0, -EUCLEAN},
        {"its upper half", "/fast", 108, 4, 7, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *inode = ext2_bench_inode(rows[i].path);
        struct file_stat stat;

        ext2_bench_mend();
        field_put(inode + rows[i].offset, rows[i].bytes, rows[i].value);
        if (rows[i].low != 0)
            le32_put(inode + 4, rows[i].low);
        assert_int_equal(mount(), 0);
        ROW(rows[i].name,
            file_stat(rows[i].path, false, &stat) == rows[i].status);
        if (rows[i].status == 0 && rows[i].offset != 108)
            ROW(rows[i].name, stat.size_bytes == le32_get(inode + 4));
        unmount();
    }
}

/* The target of a link is in its inode when it has no block of its own but that
 * of its attributes. */
static void test_ext2_where_a_target_is(void **state)
{
    static const struct {
        const char *name;
        uint32_t sectors, attributes, size;
        int64_t got;
    } rows[] = {
        {"no block", 0, 0, 20, 20},
        {"one for attributes", 2, 200, 20, 20},
        {"the first block there is", 2, 1, 20, 20},
        {"one for the target", 2, 0, 20, -EUCLEAN},
        {"two: both", 4, 200, 20, -EUCLEAN},
        {"none, though it has attributes", 0, 200, 20, -EUCLEAN},
        {"one letter", 0, 0, 1, 1},
        {"as long as can be", 0, 0, 59, 59},
        {"longer", 0, 0, 60, -EUCLEAN},
    };
    uint8_t *inode = ext2_bench_inode("/fast");
    char target[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ext2_bench_mend();
        memset(inode + 40, 'x', 60);
        le32_put(inode + 4, rows[i].size);
        le32_put(inode + 28, rows[i].sectors);
        le32_put(inode + 104, rows[i].attributes);
        assert_int_equal(mount(), 0);
        memset(target, 'o', sizeof(target));
        ROW(rows[i].name,
            file_read_link("/fast", target, sizeof(target)) == rows[i].got);
        if (rows[i].got > 0) {
            ROW(rows[i].name, target[rows[i].got - 1] == 'x');
            ROW(rows[i].name, target[rows[i].got] == 'o');
        }
        unmount();
    }
}

/* Of a damaged file all is read that is asked for and that is right: no block
 * more is looked at. */
static void test_ext2_reads_no_block_more(void **state)
{
    static const struct {
        uint64_t offset;
        size_t size;
        int64_t got;
    } rows[] = {{0, 4096, 4096},     {0, 4097, 4096},    {100, 3996, 3996},
                {100, 3997, 3996},   {4095, 1, 1},       {4095, 2, 1},
                {4096, 1, -EUCLEAN}, {8000, 1, -EUCLEAN}};
    static char buf[8192];
    uint8_t *inode = ext2_bench_inode("/file");
    struct file *file;

    (void)state;
    ext2_bench_mend();
    for (unsigned i = 0; i < 5; i++) /* a page, and one past the volume */
        le32_put(inode + 40 + 4 * i, 1020 + i);
    for (unsigned piece = 0; piece < 2; piece++) {
        assert_int_equal(mount(), 0);
        assert_int_equal(file_open("/file", FILE_READ, 0, &file), 0);
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            assert_int_equal(
                file_read_at(file, buf, rows[i].size, rows[i].offset),
                rows[i].got);
        assert_int_equal(file_read_at(file, buf, 1, 0), 1);
        file_close(file);
        unmount();
        le32_put(inode + 40, 500); /* the same in two pieces */
    }
}

/* What was read at mounting must be read again; then the disk fails for a
 * while. */
static void test_ext2_descriptor_cannot_be_read(void **state)
{
    struct ext2_inode ext2 = {.inode = {.number = 11}};
    struct inode *root;
    struct ext2_fs *fs;

    (void)state;
    ext2_bench_mend();
    assert_int_equal(mount(), 0);
    assert_int_equal(vfs_walk("/", true, &root), 0);
    ext2.inode.mount = root->mount;
    fs = ext2_of(root);
    mapping_destroy(&fs->device);
    assert_int_equal(mapping_init_device(&fs->device, &root->mount->open), 0);
    ext2_volume.disk.fail_from = 1;
    assert_int_equal(ext2_inode_load(&ext2.inode), -EIO);
    ext2_volume.disk.fail_from = 0;
    assert_int_equal(ext2_inode_load(&ext2.inode), 0);
    inode_put(root);
    unmount();
}

/* ---- Directories --------------------------------------------------------- */

/* The only block of /dir. */
static uint8_t *dir_block(void)
{
    return ext2_volume.work + 1024 * le32_get(ext2_bench_inode("/dir") + 40);
}

/* An entry at `at`; returns where the next one is. */
static unsigned entry_put(unsigned at, uint32_t inode, unsigned rec_len,
                          uint16_t name_len, const char *name)
{
    uint8_t *entry = dir_block() + at;

    le32_put(entry, inode);
    le16_put(entry + 4, (uint16_t)rec_len);
    le16_put(entry + 6, name_len);
    memcpy(entry + 8, name, strlen(name));
    return at + rec_len;
}

/* What reading /dir to its end says: how many entries, or an error. */
static int list(void)
{
    struct dir_entry entry;
    struct file *dir;
    int status, count = 0;

    assert_int_equal(mount(), 0);
    assert_int_equal(file_open("/dir", FILE_READ, 0, &dir), 0);
    while ((status = dir_read(dir, &entry)) == 1)
        count++;
    file_close(dir);
    unmount();
    return status != 0 ? status : count;
}

static void test_ext2_entry_limits(void **state)
{
    static const struct {
        const char *name;
        uint32_t inode;
        unsigned rec_len; /* of the second one; the third has the rest */
        uint16_t name_len;
        int got; /* by list() */
    } rows[] = {
        {"a name that just fits", 2, 12, 4, 3},
        {"one that does not", 2, 12, 5, -EUCLEAN},
        {"room for a name, and none", 2, 12, 0, -EUCLEAN},
        {"no room for a name", 2, 8, 1, -EUCLEAN},
        {"unused and short", 0, 8, 0, 2},
        {"unused and shorter", 0, 4, 0, -EUCLEAN},
        {"of odd length", 2, 14, 4, -EUCLEAN},
        {"odd by one", 2, 13, 4, -EUCLEAN},
        {"the last inode", 128, 12, 4, 3},
        {"one more", 129, 12, 4, -EUCLEAN},
        {"the first inode", 1, 12, 4, 3},
        {"8 bytes are left", 2, 1024 - 12 - 8, 4, 2},
        {"4 bytes are left", 2, 1024 - 12 - 4, 4, -EUCLEAN},
        {"nothing is left", 2, 1024 - 12, 4, 2},
        {"too long by 4", 2, 1024 - 12 + 4, 4, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned at;

        ext2_bench_mend();
        memset(dir_block(), 0, 1024);
        at = entry_put(0, 2, 12, 1, ".");
        at = entry_put(at, rows[i].inode, rows[i].rec_len, rows[i].name_len,
                       "abcd");
        if (at < 1020) /* unused, where it would be too short for a name */
            entry_put(at, at < 1016 ? 2 : 0, 1024 - at, 1, "z");
        ROW(rows[i].name, list() == rows[i].got);
    }
}

/* A directory has no holes, even if block 0 looked like one of its blocks. */
static void test_ext2_directory_with_a_hole(void **state)
{
    struct file_stat stat;

    (void)state;
    ext2_bench_mend();
    memcpy(ext2_volume.work, dir_block(), 1024);
    le32_put(ext2_bench_inode("/dir") + 40, 0);
    assert_int_equal(list(), -EUCLEAN);
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/dir/e1", false, &stat), -EUCLEAN);
    unmount();
}

/* What an entry says of the file's type: e2fsprogs, ext2_fs.h, EXT2_FT_*. */
static void test_ext2_entry_types(void **state)
{
    static const enum file_type types[] = {
        FILE_UNKNOWN, FILE_REGULAR, FILE_DIRECTORY, FILE_CHARACTER,
        FILE_BLOCK,   FILE_FIFO,    FILE_SOCKET,    FILE_SYMLINK,
        FILE_UNKNOWN, FILE_UNKNOWN};
    struct dir_entry entry;
    struct file *dir;

    (void)state;
    for (unsigned type = 0; type < COUNT_OF(types); type++) {
        ext2_bench_mend();
        dir_block()[7] = (uint8_t)type;
        assert_int_equal(mount(), 0);
        assert_int_equal(file_open("/dir", FILE_READ, 0, &dir), 0);
        assert_int_equal(dir_read(dir, &entry), 1);
        assert_int_equal(entry.type, types[type]);
        file_close(dir);
        unmount();
    }
}

/* Without types the byte behind the length of a name may be anything: Linux
 * leaves what the memory held in "." and ".." of a new directory. */
static void test_ext2_entries_without_types(void **state)
{
    struct dir_entry entry;
    struct file *dir;

    (void)state;
    for (uint16_t len = 255; len <= 257; len++) {
        ext2_bench_mend();
        memset(dir_block(), 'n', 1024);
        entry_put(0, 2, 12, 0x7e01, ".");
        entry_put(12, 2, 1024 - 12, len, "n");
        assert_int_equal(list(), len == 256 ? -EUCLEAN : 2);
    }
    ext2_bench_mend();
    assert_int_equal(mount(), 0);
    assert_int_equal(file_open("/dir", FILE_READ, 0, &dir), 0);
    assert_int_equal(dir_read(dir, &entry), 1);
    assert_int_equal(entry.type, FILE_UNKNOWN);
    file_close(dir);
    unmount();
}

/* A name is found where it is, and only as a whole. */
static void test_ext2_lookup(void **state)
{
    struct file_stat stat;
    uint8_t *inode = ext2_bench_inode("/dir");
    unsigned at;

    (void)state;
    ext2_bench_mend();
    memset(dir_block(), 0, 1024);
    at = entry_put(0, 2, 12, 1, ".");
    at = entry_put(at, 0, 12, 4, "gone");
    at = entry_put(at, 2, 12, 4, "here");
    at = entry_put(at, 0, 12, 4, "here");
    entry_put(at, 2, 1024 - at, 2, "xy");
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/dir/here", false, &stat), 0);
    assert_int_equal(stat.inode, 2);
    assert_int_equal(file_stat("/dir/xy", false, &stat), 0);
    assert_int_equal(file_stat("/dir/gone", false, &stat), -ENOENT);
    assert_int_equal(file_stat("/dir/her", false, &stat), -ENOENT);
    assert_int_equal(file_stat("/dir/heres", false, &stat), -ENOENT);
    assert_int_equal(file_stat("/dir/herf", false, &stat), -ENOENT);
    unmount();
    /* In front of what is damaged, and not behind it. */
    entry_put(36, 2, 7, 4, "here");
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/dir/here", false, &stat), 0);
    assert_int_equal(file_stat("/dir/xy", false, &stat), -EUCLEAN);
    unmount();
    /* In the second block; and not in the third, which is not the
     * directory's. */
    ext2_bench_mend();
    le32_put(inode + 44, le32_get(inode + 40)); /* the same once more */
    le32_put(inode + 40, 1000);
    le32_put(inode + 48, 1001);
    le32_put(inode + 4, 2048);
    le16_put(ext2_volume.work + 1000 * 1024 + 4, 1024);
    memcpy(ext2_volume.work + 1001 * 1024, ext2_volume.work + 1000 * 1024,
           1024);
    memcpy(ext2_volume.work + 1001 * 1024, "\2\0\0\0\0\4\5\1third", 13);
    assert_int_equal(mount(), 0);
    assert_int_equal(file_stat("/dir/e1", false, &stat), 0);
    assert_int_equal(file_stat("/dir/third", false, &stat), -ENOENT);
    unmount();
}

int main(void)
{
#define ON(make, test) \
    cmocka_unit_test_setup_teardown(test, make, ext2_bench_close)
    const struct CMUnitTest tests[] = {
        ON(setup, test_ext2_says_what_is_wrong),
        ON(setup, test_ext2_inode_table_at_the_end),
        ON(setup_4k, test_ext2_disk_is_large_enough),
        ON(setup_rev0, test_ext2_rev0_has_features),
        ON(setup, test_ext2_inode_limits),
        ON(setup, test_ext2_where_a_target_is),
        ON(setup, test_ext2_reads_no_block_more),
        ON(setup, test_ext2_descriptor_cannot_be_read),
        ON(setup, test_ext2_entry_limits),
        ON(setup, test_ext2_directory_with_a_hole),
        ON(setup, test_ext2_entry_types),
        ON(setup_without_types, test_ext2_entries_without_types),
        ON(setup, test_ext2_lookup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
