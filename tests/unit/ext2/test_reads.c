/*
 * A directory with an index in blocks of 64 KiB, of which the cache shows
 * 4 KiB at a time: each read that a lookup makes fails once, or goes on in
 * another node.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file_systems.h>
#include <unistd.h>

enum {
    BLOCK = 65536,
    SECTORS = BLOCK / 512,
    NAMES = 1300,
    NAME_LEN = 250,
    ROOT_PAIRS = 32,
    NODE_PAIRS = 8,
    NODE_LIMIT = (BLOCK - NODE_PAIRS) / 8,
};

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *good, *image;
static size_t image_size;
static uint32_t blocks[EXT2_DIRECT_COUNT]; /* of /d */
static uint8_t *pointers;                  /* to them, in `image` */
static struct inode *dir;

static void name_of(unsigned i, char *name)
{
    snprintf(name, NAME_LEN + 1, "%0*u", NAME_LEN, i);
}

static int setup(void **state)
{
    char tree[] = "/tmp/torc_reads_XXXXXX", path[400], name[NAME_LEN + 1];
    size_t at;

    (void)state;
    if (mkdtemp(tree) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/d", tree);
    if (mkdir(path, 0755) != 0)
        return -1;
    for (unsigned i = 0; i < NAMES; i++) {
        name_of(i, name);
        snprintf(path, sizeof(path), "%s/d/%s", tree, name);
        fclose(fopen(path, "w"));
    }
    good = ext2_image("-b 65536 -N 1500", tree, 4096, &image_size);
    snprintf(path, sizeof(path), "rm -rf %s", tree);
    if (system(path) != 0)
        return -1;
    ext2_fsck(good, image_size, "-fyD");
    image = malloc(image_size);
    at = ext2_inode_offset(good, ext2_inode_of_path(good, image_size, "/d"));
    pointers = image + at + 40;
    for (unsigned i = 0; i < EXT2_DIRECT_COUNT; i++)
        blocks[i] = le32_get(good + at + 40 + (size_t)4 * i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(good);
    free(image);
    return 0;
}

static uint8_t *block_at(unsigned index)
{
    return image + (size_t)BLOCK * blocks[index];
}

/* The sector with byte `at` of a block of /d. */
static uint64_t sector_at(unsigned index, uint32_t at)
{
    return (uint64_t)blocks[index] * SECTORS + at / 512;
}

static void mend(void)
{
    memcpy(image, good, image_size);
    disk.bad_sector = 0;
}

static void mount(void)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    console_forget();
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    assert_true(ext2_has_index(dir));
}

static void unmount(void)
{
    inode_put(dir);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

/* Mount, and look a name up, with nothing of the directory in the cache. */
static int lookup(const char *name, uint64_t bad_sector, uint64_t *number)
{
    int status;

    mount();
    disk.bad_sector = bad_sector;
    status = ext2_lookup(dir, name, strlen(name), number);
    disk.bad_sector = 0;
    /* A failure is not kept. */
    if (status == -EIO)
        assert_int_not_equal(ext2_lookup(dir, name, strlen(name), number),
                             -EIO);
    unmount();
    return status;
}

/* The hash of a name by the index of /d. */
static uint32_t hash_of(const char *name)
{
    uint32_t seed[4], flags = le32_get(good + 1024 + SUPER_FLAGS);
    unsigned version = block_at(0)[28] + (flags & 2 ? EXT2_HASH_UNSIGNED : 0);

    for (unsigned i = 0; i < 4; i++)
        seed[i] = le32_get(good + 1024 + SUPER_HASH_SEED + 4 * i);
    return ext2_hash(version, seed, name, strlen(name));
}

static void pair_put(uint8_t *pairs, unsigned at, uint32_t hash, uint32_t block)
{
    if (at > 0)
        le32_put(pairs + (size_t)8 * at, hash);
    le32_put(pairs + (size_t)8 * at + 4, block);
}

static void count_put(uint8_t *pairs, unsigned limit, unsigned count)
{
    le16_put(pairs, (uint16_t)limit);
    le16_put(pairs + 2, (uint16_t)count);
}

/* Make block `index` of /d a node; its length is said in one of two ways. */
static uint8_t *node_make(unsigned index, uint16_t rec_len, unsigned count)
{
    memset(block_at(index), 0, BLOCK);
    le16_put(block_at(index) + 4, rec_len);
    count_put(block_at(index) + NODE_PAIRS, NODE_LIMIT, count);
    return block_at(index) + NODE_PAIRS;
}

/* The first name of a leaf, by the index as e2fsck made it. */
static const char *first_name(unsigned index, char *name)
{
    memcpy(name, good + (size_t)BLOCK * blocks[index] + 8, NAME_LEN);
    name[NAME_LEN] = '\0';
    return name;
}

static void test_large_blocks_are_searched(void **state)
{
    char name[NAME_LEN + 1];
    uint64_t number;

    (void)state;
    mend();
    assert_int_equal(lookup(first_name(3, name), 0, &number), 0);
    assert_int_equal(number, le32_get(block_at(3)));
    assert_int_equal(lookup(".name", 0, &number), -ENOENT);
    assert_int_equal(lookup(".n", 0, &number), -ENOENT);
    assert_false(console_has("damaged"));
}

static void test_index_root_not_read(void **state)
{
    uint64_t number;

    (void)state;
    mend();
    assert_int_equal(lookup("x", sector_at(0, 0), &number), -EIO);
    le32_put(pointers, 0);
    assert_int_equal(lookup("x", 0, &number), -EUCLEAN);
    assert_true(console_has("damaged block map (0)"));
}

/* In an index of more than 4 KiB the pair in the middle is elsewhere. */
static void test_index_pair_not_read(void **state)
{
    char name[NAME_LEN + 1];
    uint64_t number;

    (void)state;
    mend();
    count_put(block_at(0) + ROOT_PAIRS, 8188, 4000);
    for (unsigned i = 7; i < 4000; i++)
        pair_put(block_at(0) + ROOT_PAIRS, i, UINT32_MAX, 1);
    first_name(3, name);
    assert_int_equal(lookup(name, 0, &number), 0);
    assert_int_equal(number, le32_get(block_at(3)));
    assert_false(console_has("damaged"));
    assert_int_equal(lookup(name, sector_at(0, ROOT_PAIRS + 8 * 2000), &number),
                     -EIO);
}

/*
 * A search of 1015 pairs that goes to the left in the middle, and then always
 * to the right, sees no pair but of the first 4 KiB. The next leaf is the
 * middle one; the one after it is in the next 4 KiB.
 */
static void test_index_next_pair_not_read(void **state)
{
    enum { COUNT = 1015, MIDDLE = COUNT / 2 };
    uint32_t hash = hash_of("x");
    uint64_t number;

    (void)state;
    mend();
    count_put(block_at(0) + ROOT_PAIRS, 8188, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        pair_put(block_at(0) + ROOT_PAIRS, i, i < MIDDLE ? 1 : hash | 1, 1);
    pair_put(block_at(0) + ROOT_PAIRS, MIDDLE + 1, UINT32_MAX, 1);
    assert_int_equal(lookup("x", 0, &number), -ENOENT);
    assert_false(console_has("damaged"));
    assert_int_equal(
        lookup("x", sector_at(0, ROOT_PAIRS + 8 * (MIDDLE + 1)), &number),
        -EIO);
    /* It leads nowhere: the name is searched otherwise. */
    pair_put(block_at(0) + ROOT_PAIRS, MIDDLE, hash | 1, 1000);
    assert_int_equal(lookup("x", 0, &number), -ENOENT);
    assert_true(console_has("damaged directory index"));
}

/* More pairs go on with our hash than the directory has blocks: it ends, and
 * the name is searched otherwise. */
static void test_index_that_goes_on_for_ever(void **state)
{
    char name[NAME_LEN + 1];
    uint64_t number;

    (void)state;
    mend();
    first_name(3, name);
    count_put(block_at(0) + ROOT_PAIRS, 8188, 100);
    for (unsigned i = 0; i < 100; i++)
        pair_put(block_at(0) + ROOT_PAIRS, i, hash_of(name) | 1, 1);
    assert_int_equal(lookup(name, 0, &number), 0);
    assert_int_equal(number, le32_get(block_at(3)));
    assert_true(console_has("damaged directory index"));
}

/* Two nodes below the root: names with one hash go on in the second one. */
static void nodes_make(const char *name)
{
    uint8_t *pairs;

    mend();
    block_at(0)[30] = 1;
    count_put(block_at(0) + ROOT_PAIRS, 8188, 2);
    pair_put(block_at(0) + ROOT_PAIRS, 0, 0, 1);
    pair_put(block_at(0) + ROOT_PAIRS, 1, hash_of(name) | 1, 2);
    pairs = node_make(1, 0, 1);
    pair_put(pairs, 0, 0, 3);
    pairs = node_make(2, 0xffff, 2);
    pair_put(pairs, 0, 0, 5);
    pair_put(pairs, 1, UINT32_MAX, 6);
}

static void test_index_goes_on_in_the_next_node(void **state)
{
    char name[NAME_LEN + 1];
    uint64_t number;

    (void)state;
    nodes_make(first_name(5, name)); /* which is not in leaf 3 */
    assert_int_equal(lookup(name, 0, &number), 0);
    assert_int_equal(number, le32_get(block_at(5)));
    /* The first of that node, whatever our hash is. */
    nodes_make(first_name(6, name));
    assert_int_equal(lookup(name, 0, &number), -ENOENT);
    assert_false(console_has("damaged"));
}

static void test_index_node_not_read(void **state)
{
    char name[NAME_LEN + 1];
    uint64_t number;
    uint8_t *pairs;

    (void)state;
    nodes_make(first_name(5, name));
    assert_int_equal(lookup(name, sector_at(1, 0), &number), -EIO);
    assert_int_equal(lookup(name, sector_at(2, 0), &number), -EIO);
    assert_int_equal(lookup(name, sector_at(5, 0), &number), -EIO);
    /* A pair of the node. */
    pairs = node_make(1, 0, 4000);
    for (unsigned i = 0; i < 4000; i++)
        pair_put(pairs, i, UINT32_MAX, 3);
    assert_int_equal(lookup(name, sector_at(1, NODE_PAIRS + 8 * 2000), &number),
                     -EIO);
    /* Nodes read as entries that are not in use: one after the other works. */
    nodes_make(name);
    count_put(block_at(1) + NODE_PAIRS, 0, 0);
    assert_int_equal(lookup(name, 0, &number), 0);
    assert_int_equal(number, le32_get(block_at(5)));
    assert_true(console_has("damaged directory index"));
    assert_false(console_has("damaged directory entry"));
    /* The node is outside the volume. */
    nodes_make(name);
    le32_put(pointers + 4, 70000);
    assert_int_equal(lookup(name, 0, &number), -EUCLEAN);
    assert_true(console_has("damaged block map (1)"));
}

/* Every piece of a leaf fails once: by an entry that begins there, or by a name
 * that goes on there. */
static void test_entries_not_read(void **state)
{
    char name[NAME_LEN + 1], copy[NAME_LEN + 1];
    uint64_t number;

    (void)state;
    mend();
    first_name(3, name);
    /* Not the same, and found by the same leaf. */
    memcpy(copy, name, sizeof(copy));
    for (unsigned i = 0;
         i < 1000 && (copy[0] == '0' || hash_of(copy) < hash_of(name) ||
                      hash_of(copy) - hash_of(name) > 1 << 28);
         i++)
        snprintf(copy, sizeof(copy), "x%0*u", NAME_LEN - 1, i);
    for (unsigned piece = 1; piece < 4; piece++) {
        uint64_t bad = sector_at(3, piece * 4096);

        assert_int_equal(lookup(copy, bad, &number), -EIO);
        assert_int_equal(lookup(name, bad, &number), 0);
    }
}

/* Listing: what is before the bad sector, and then the error, again. */
static void test_listing_not_read(void **state)
{
    struct dir_entry entry;

    (void)state;
    mend();
    for (unsigned piece = 1; piece < 4; piece++) {
        uint64_t cursor = (uint64_t)BLOCK * 3;
        unsigned before = 0;

        mount();
        disk.bad_sector = sector_at(3, piece * 4096);
        while (ext2_dir_next(dir, &cursor, &entry) == 1)
            before++;
        assert_int_equal(ext2_dir_next(dir, &cursor, &entry), -EIO);
        /* Entries of 260 bytes each: the one that goes across it fails. */
        assert_int_equal(before, piece * 4096 / 260);
        disk.bad_sector = 0;
        assert_int_equal(ext2_dir_next(dir, &cursor, &entry), 1);
        unmount();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_blocks_are_searched),
        cmocka_unit_test(test_index_root_not_read),
        cmocka_unit_test(test_index_pair_not_read),
        cmocka_unit_test(test_index_next_pair_not_read),
        cmocka_unit_test(test_index_that_goes_on_for_ever),
        cmocka_unit_test(test_index_goes_on_in_the_next_node),
        cmocka_unit_test(test_index_node_not_read),
        cmocka_unit_test(test_entries_not_read),
        cmocka_unit_test(test_listing_not_read),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
