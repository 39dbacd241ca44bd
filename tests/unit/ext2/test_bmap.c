/*
 * Block maps: where a block of a file is and how long the run is that begins
 * there, at each level of indirection; over tables that the test writes.
 */
#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

enum {
    ENTRIES = 256, /* in a block of 1 KiB */
    SINGLE = 12,   /* the first file block behind one table, */
    DOUBLE = SINGLE + ENTRIES,
    TRIPLE = DOUBLE + ENTRIES * ENTRIES,
    END = TRIPLE + ENTRIES * ENTRIES * ENTRIES,
};

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static struct inode *root;
static struct ext2_inode ext2;

/* Entry `at` of the table in block `table`. */
static void entry_put(uint32_t table, uint32_t at, uint32_t block)
{
    le32_put(image + table * 1024 + 4 * at, block);
}

static int setup(void **state)
{
    static const uint32_t direct[EXT2_BLOCK_POINTERS] = {
        500, 501, 502, 0, 0, 600, 700, 699, 698, 0, 800, 801, 900, 901, 904};
    size_t size;

    (void)state;
    image = ext2_image("-b 1024", ext2_small_tree(), 1024, &size);
    memset(image + 900 * 1024, 0, 8 * 1024);
    entry_put(900, 0, 510);
    entry_put(900, 1, 511);
    entry_put(900, 4, 520);
    entry_put(900, 255, 530);
    entry_put(901, 0, 902);
    entry_put(901, 255, 903);
    entry_put(902, 0, 540);
    entry_put(902, 1, 541);
    entry_put(903, 255, 545);
    entry_put(904, 0, 905);
    entry_put(905, 0, 906);
    entry_put(906, 0, 550);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, size);
    if (file_mount(&disk.block.device, "/", NULL) != 0 ||
        vfs_walk("/", true, &root) != 0)
        return -1;
    ext2 = (struct ext2_inode){.format_mode = 0x81a4};
    ext2.inode.links = 1;
    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++)
        le32_put(ext2.in_inode + 4 * i, direct[i]);
    ext2.inode.mount = root->mount;
    ext2.inode.type = FILE_REGULAR;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inode_put(root);
    if (file_unmount("/") != 0)
        return -1;
    machine_detach();
    free(image);
    return 0;
}

static void test_bmap_runs(void **state)
{
    static const struct {
        const char *name;
        uint64_t index;
        uint32_t max;
        uint32_t block, count;
    } rows[] = {
        {"a direct run", 0, 12, 500, 3},
        {"cut", 0, 2, 500, 2},
        {"one block", 0, 1, 500, 1},
        {"its end", 2, 12, 502, 1},
        {"a hole", 3, 12, 0, 2},
        {"a hole, cut", 3, 1, 0, 1},
        {"alone", 5, 12, 600, 1},
        {"descending", 6, 12, 700, 1},
        {"before a hole", 8, 12, 698, 1},
        {"a hole of one", 9, 12, 0, 1},
        {"to the last direct one", 10, 12, 800, 2},
        {"the last direct one", 11, 12, 801, 1},
        {"one table", SINGLE, 100, 510, 2},
        {"one table, cut", SINGLE, 1, 510, 1},
        {"a hole in it", SINGLE + 2, 100, 0, 2},
        {"a long hole in it", SINGLE + 5, 1000, 0, 250},
        {"its last entry", SINGLE + 255, 100, 530, 1},
        {"two tables", DOUBLE, 100, 540, 2},
        {"a hole in the second", DOUBLE + 2, 1000, 0, 254},
        {"the second is not there", DOUBLE + ENTRIES, 100, 0, 100},
        {"up to the one that is", DOUBLE + ENTRIES + 9, 1000, 0, ENTRIES - 9},
        {"the same, one wanted", DOUBLE + ENTRIES, 1, 0, 1},
        {"the last entry of the last", TRIPLE - 1, 100, 545, 1},
        {"three tables", TRIPLE, 1, 550, 1},
        {"three tables, then a hole", TRIPLE + 1, 1000, 0, 255},
        {"the third is not there", TRIPLE + ENTRIES, 100, 0, 100},
        {"the second of three is not", TRIPLE + ENTRIES * ENTRIES + 1, 1 << 20,
         0, ENTRIES * ENTRIES - 1},
        {"the last block there is", END - 1, 100, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t block = 1;
        uint32_t count = 0;

        ROW(rows[i].name, ext2_bmap(&ext2.inode, rows[i].index, rows[i].max,
                                    &block, &count) == 0);
        ROW(rows[i].name, block == rows[i].block);
        ROW(rows[i].name, count == rows[i].count);
    }
}

static void test_bmap_beyond_the_last_level(void **state)
{
    static const uint64_t indices[] = {END, END + 1, UINT64_MAX};
    uint64_t block = 7;
    uint32_t count = 7;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(indices); i++)
        assert_int_equal(ext2_bmap(&ext2.inode, indices[i], 1, &block, &count),
                         -EFBIG);
    assert_int_equal(block, 7);
    assert_int_equal(count, 7);
}

/* Numbers that lead out of the volume, or to its superblock. */
static void test_bmap_outside_the_volume(void **state)
{
    static const struct {
        const char *name;
        uint32_t value;
        int status;
    } values[] = {
        {"the superblock", 1, -EUCLEAN},    {"behind the superblock", 2, 0},
        {"the last block", 1023, 0},        {"past the last", 1024, -EUCLEAN},
        {"all ones", UINT32_MAX, -EUCLEAN},
    };
    /* Where the number stands: in the inode, or in which table; and whether it
     * leads to data, or to another table. */
    static const struct {
        unsigned pointer;
        uint32_t table;
        uint64_t index;
        bool is_data;
    } places[] = {
        {0, 0, 0, true},          {12, 0, SINGLE, false},
        {13, 0, DOUBLE, false},   {14, 0, TRIPLE, false},
        {12, 900, SINGLE, true},  {13, 901, DOUBLE, false},
        {13, 902, DOUBLE, true},  {14, 904, TRIPLE, false},
        {14, 905, TRIPLE, false}, {14, 906, TRIPLE, true},
    };

    (void)state;
    for (size_t p = 0; p < COUNT_OF(places); p++) {
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            uint64_t block;
            uint32_t count;

            /* Block 2 is in use: it is no table. */
            if (values[v].value == 2 && !places[p].is_data)
                continue;
            assert_int_equal(teardown(NULL), 0);
            assert_int_equal(setup(NULL), 0);
            if (places[p].table == 0)
                le32_put(ext2.in_inode + 4 * places[p].pointer,
                         values[v].value);
            else
                entry_put(places[p].table, 0, values[v].value);
            memset(image + 1023 * 1024, 0, 1024); /* a table of holes */
            ROW(values[v].name, ext2_bmap(&ext2.inode, places[p].index, 1,
                                          &block, &count) == values[v].status);
        }
    }
}

static void test_bmap_run_across_the_end(void **state)
{
    uint64_t block;
    uint32_t count;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        le32_put(ext2.in_inode + 4 * i, 1022 + i);
    assert_int_equal(ext2_bmap(&ext2.inode, 0, 2, &block, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(ext2_bmap(&ext2.inode, 0, 3, &block, &count), -EUCLEAN);
}

/* ---- Blocks with copies in a journal ------------------------------------- */

static uint32_t escaped_block;

/* Blocks 900 and 901 have copies that follow each other. */
static uint64_t place(struct ext2_fs *fs, uint64_t block, bool *escaped)
{
    (void)fs;
    *escaped = block == escaped_block;
    return block == 900 || block == 901 ? block + 100 : block;
}

static const struct ext4_ops ops_with_copies = {.place = place};

static int setup_copies(void **state)
{
    if (setup(state) != 0)
        return -1;
    ext2_of(root)->ext4 = &ops_with_copies;
    ext2_of(root)->has_copies = true;
    escaped_block = 0;
    for (unsigned i = 0; i < 2 * 1024; i++) {
        image[900 * 1024 + i] = (uint8_t)(i % 101);
        image[1000 * 1024 + i] = (uint8_t)(i % 103 + 104);
    }
    memset(image + 1000 * 1024, 0, 4);
    memset(image + 1001 * 1024, 0, 4);
    return 0;
}

static int teardown_copies(void **state)
{
    ext2_of(root)->ext4 = NULL;
    ext2_of(root)->has_copies = false;
    disk.bad_sector = 0;
    return teardown(state);
}

static void test_copies_are_read(void **state)
{
    const uint8_t *seen;
    struct ext2_view view;
    uint8_t buf[3 * 1024];
    uint64_t block;
    uint32_t count;

    (void)state;
    entry_put(1000, 3, 610);
    entry_put(1000, 4, 611);
    assert_int_equal(
        ext2_read_disk(ext2_of(root), 899 * 1024 + 1000, buf, 2100), 0);
    assert_memory_equal(buf, image + 899 * 1024 + 1000, 24);
    assert_memory_equal(buf + 24, image + 1000 * 1024, 2048);
    assert_memory_equal(buf + 24 + 2048, image + 902 * 1024, 28);
    ext2_view_begin(&view, ext2_of(root));
    assert_int_equal(ext2_view(&view, 901 * 1024 + 7, 100, &seen), 0);
    assert_memory_equal(seen, image + 1001 * 1024 + 7, 100);
    ext2_view_end(&view);
    /* A table of the block map is one, too: it is read entry by entry. */
    assert_int_equal(ext2_bmap(&ext2.inode, SINGLE + 3, 9, &block, &count), 0);
    assert_int_equal(block, 610);
    assert_int_equal(count, 1);
}

/* A block that begins as the journal's own do has zeros there in its copy. */
static void test_copies_escaped(void **state)
{
    static const uint8_t magic[4] = {0xc0, 0x3b, 0x39, 0x98};

    (void)state;
    escaped_block = 901;
    for (unsigned from = 0; from < 6; from++) {
        for (unsigned size = 1; size < 8; size++) {
            uint8_t want[1024 + 16], buf[8];

            memcpy(want, image + 1000 * 1024, 1024);
            memcpy(want + 1022, image + 1001 * 1024 - 2, 16);
            memcpy(want + 1024, magic, 4);
            memset(buf, 0x55, sizeof(buf));
            assert_int_equal(ext2_read_disk(ext2_of(root),
                                            900 * 1024 + 1022 + from, buf,
                                            size),
                             0);
            assert_memory_equal(buf, want + 1022 + from, size);
            assert_int_equal(buf[size], 0x55);
        }
    }
}

static void test_copies_on_a_failing_disk(void **state)
{
    uint8_t buf[100];
    uint64_t block;
    uint32_t count;

    (void)state;
    disk.bad_sector = 2000; /* of the copy of block 900 */
    assert_int_equal(ext2_read_disk(ext2_of(root), 899 * 1024 + 1000, buf, 100),
                     -EIO);
    assert_int_equal(ext2_read_disk(ext2_of(root), 900 * 1024 + 1000, buf, 100),
                     -EIO);
    assert_int_equal(ext2_bmap(&ext2.inode, SINGLE, 1, &block, &count), -EIO);
}

static void test_copies_of_data(void **state)
{
    static const struct {
        const char *name;
        uint32_t escaped, first, max;
        uint32_t place, count;
        int status;
    } rows[] = {
        {"before them", 0, 897, 9, 897, 3, 0},
        {"the first", 0, 900, 9, 1000, 2, 0},
        {"the first, cut", 0, 900, 1, 1000, 1, 0},
        {"the second", 0, 901, 9, 1001, 1, 0},
        {"behind them", 0, 902, 9, 902, 9, 0},
        {"the first is escaped", 900, 900, 2, 0, 0, -ENOTSUP},
        {"before one that is", 901, 900, 2, 1000, 1, 0},
        {"the second is escaped", 901, 901, 1, 0, 0, -ENOTSUP},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t block = rows[i].first;
        uint32_t count = rows[i].max;
        int status;

        console_forget();
        escaped_block = rows[i].escaped;
        status = ext2_place_run(ext2_of(root), &block, &count);
        ROW(rows[i].name, status == rows[i].status);
        ROW(rows[i].name,
            console_has("data in the journal that looks like it") ==
                (status != 0));
        if (status != 0)
            continue;
        ROW(rows[i].name, block == rows[i].place);
        ROW(rows[i].name, count == rows[i].count);
    }
}

/* Of a directory every block is there. */
static void test_bmap_of_a_directory(void **state)
{
    uint64_t offset = 7;

    (void)state;
    assert_int_equal(ext2_dir_block(&ext2.inode, SINGLE, &offset), 0);
    assert_int_equal(offset, 510 * 1024);
    assert_int_equal(ext2_dir_block(&ext2.inode, 3, &offset), -EUCLEAN);
    assert_int_equal(ext2_dir_block(&ext2.inode, END, &offset), -EUCLEAN);
    assert_int_equal(offset, 510 * 1024);
}

int main(void)
{
#define MOUNTED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define COPIES(test) \
    cmocka_unit_test_setup_teardown(test, setup_copies, teardown_copies)
    const struct CMUnitTest tests[] = {
        MOUNTED(test_bmap_of_a_directory),
        COPIES(test_copies_are_read),
        COPIES(test_copies_escaped),
        COPIES(test_copies_on_a_failing_disk),
        COPIES(test_copies_of_data),
        MOUNTED(test_bmap_runs),
        MOUNTED(test_bmap_beyond_the_last_level),
        MOUNTED(test_bmap_outside_the_volume),
        MOUNTED(test_bmap_run_across_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
