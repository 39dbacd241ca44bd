/*
 * Lookups by the index of a directory. e2fsck makes the indices, so hashes and
 * trees are its; a damaged index must not hide a name.
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

enum { NAMES = 700, BLOCK = 1024 };

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;
static struct inode *dir;

/* Name i: of any length, bytes above 127 in every third. */
static size_t name_of(unsigned i, char *name)
{
    int len = snprintf(name, 200, "%u%s", i, i % 3 == 0 ? "-\xc3\xa4\xff" : "");

    while (i % 7 == 0 && len < (int)(i % 200)) {
        name[len] = (char)(i % 2 ? 'a' + len % 26 : 0x80 + len % 100);
        len++;
    }
    name[len] = '\0';
    return (size_t)len;
}

/* An image with all names in /d, without an index. */
static void image_make(const char *options, unsigned kib)
{
    char tree[] = "/tmp/torc_names_XXXXXX", path[300], name[256];

    assert_non_null(mkdtemp(tree));
    snprintf(path, sizeof(path), "%s/d", tree);
    assert_int_equal(mkdir(path, 0755), 0);
    for (unsigned i = 0; i < NAMES; i++) {
        name_of(i, name);
        snprintf(path, sizeof(path), "%s/d/%s", tree, name);
        fclose(fopen(path, "w"));
    }
    image = ext2_image(options, tree, kib, &image_size);
    snprintf(path, sizeof(path), "rm -rf %s", tree);
    assert_int_equal(system(path), 0);
}

/* Let e2fsck index it: by an algorithm, and by bytes with or without sign. */
static void image_index(unsigned version, bool is_unsigned)
{
    image[1024 + 252] = (uint8_t)version; /* s_def_hash_version */
    le32_put(image + 1024 + SUPER_FLAGS, is_unsigned ? 2 : 1);
    ext2_fsck(image, image_size, "-fyD");
}

static void mount_image(void)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    console_forget();
    assert_int_equal(file_mount(&disk.block.device, "/", "ext2"), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
}

static void unmount_image(void)
{
    inode_put(dir);
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

/* How many of all names are found, and how many blocks that took. */
static unsigned lookup_all(uint64_t *blocks)
{
    uint64_t before = ext2_of(dir)->blocks_of_names, number;
    unsigned found = 0;
    char name[256];

    for (unsigned i = 0; i < NAMES; i++) {
        size_t len = name_of(i, name);
        int status = ext2_lookup(dir, name, len, &number);

        assert_true(status == 0 || status == -ENOENT);
        found += status == 0;
        name[len] = 'x'; /* one more letter, and it is not there */
        assert_int_equal(ext2_lookup(dir, name, len + 1, &number), -ENOENT);
    }
    *blocks = ext2_of(dir)->blocks_of_names - before;
    return found;
}

static void test_index_of_every_hash(void **state)
{
    static const char *const options[] = {"-b 1024", "-b 4096"};
    uint8_t *plain;

    (void)state;
    for (unsigned o = 0; o < COUNT_OF(options); o++) {
        image_make(options[o], 4000);
        plain = malloc(image_size);
        memcpy(plain, image, image_size);
        for (unsigned version = 0; version < 6; version++) {
            uint64_t blocks, number;

            memcpy(image, plain, image_size);
            image_index(version % 3, version >= 3);
            mount_image();
            assert_true(ext2_has_index(dir));
            assert_int_equal(lookup_all(&blocks), NAMES);
            assert_in_range(blocks, 2 * NAMES, 2 * NAMES + 20);
            assert_int_equal(ext2_lookup(dir, ".", 1, &number), 0);
            assert_int_equal(number, dir->number);
            assert_int_equal(ext2_lookup(dir, "..", 2, &number), 0);
            assert_int_equal(number, 2);
            assert_false(console_has("damaged"));
            unmount_image();
        }
        free(plain);
        free(image);
    }
}

/* By the wrong sign, many names would not be found: the images tell. */
static void test_index_of_the_other_sign(void **state)
{
    uint64_t blocks;

    (void)state;
    image_make("-b 1024", 4000);
    image_index(EXT2_HASH_HALF_MD4, true);
    le32_put(image + 1024 + SUPER_FLAGS, 1);
    mount_image();
    assert_in_range(lookup_all(&blocks), NAMES / 3, NAMES - 100);
    unmount_image();
    free(image);
}

/* ---- Damage -------------------------------------------------------------- */

static uint8_t *good;

/* Block `index` of /d, one of the first twelve. */
static uint8_t *block_at(uint8_t *in, unsigned index)
{
    uint32_t number = ext2_inode_of_path(good, image_size, "/d");
    size_t inode = ext2_inode_offset(good, number);

    return in + (size_t)BLOCK * le32_get(good + inode + 40 + 4 * index);
}

static void test_index_damaged(void **state)
{
    static const struct {
        const char *name;
        unsigned at; /* in the root */
        unsigned bytes;
        uint32_t value;
    } rows[] = {
        {"not zero", 24, 4, 1},
        {"a hash there is not", 28, 1, 3},
        {"another", 28, 1, 255},
        {"short info", 29, 1, 0},
        {"long info", 29, 1, 12},
        {"four levels", 30, 1, 4},
        {"two levels", 30, 1, 2},
        {"one level more", 30, 1, 1},
        {"limit of 0", 32, 2, 0},
        {"limit too large", 32, 2, 125},
        {"no pair", 34, 2, 0},
        {"more than the limit", 34, 2, 125},
        {"leads to the root", 36, 4, 0},
        {"leads out of the directory", 36, 4, 1000},
        {"leads far away", 36, 4, UINT32_MAX},
    };

    (void)state;
    image_make("-b 1024", 4000);
    image_index(EXT2_HASH_TEA, true);
    good = malloc(image_size);
    memcpy(good, image, image_size);
    assert_int_equal(le16_get(block_at(good, 0) + 32), 124);
    assert_in_range(le16_get(block_at(good, 0) + 34), 5, 100);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t blocks;

        memcpy(image, good, image_size);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            block_at(image, 0)[rows[i].at + k] =
                (uint8_t)(rows[i].value >> 8 * k);
        /* With one pair every name leads there. */
        if (rows[i].at == 36)
            le16_put(block_at(image, 0) + 34, 1);
        mount_image();
        ROW(rows[i].name, lookup_all(&blocks) == NAMES);
        ROW(rows[i].name, blocks > 4 * NAMES);
        ROW(rows[i].name, console_has("damaged directory index"));
        unmount_image();
    }
    free(good);
    free(image);
}

/* The feature or the flag is not set: nobody looks at the index. */
static void test_index_not_used(void **state)
{
    uint64_t blocks;
    uint32_t number;

    (void)state;
    image_make("-b 1024", 4000);
    image_index(EXT2_HASH_TEA, true);
    good = image;
    number = ext2_inode_of_path(image, image_size, "/d");
    for (unsigned row = 0; row < 2; row++) {
        uint8_t *at = row == 0 ? image + 1024 + SUPER_FEATURE_COMPAT
                               : image + ext2_inode_offset(image, number) + 32;
        uint32_t mask = row == 0 ? COMPAT_DIR_INDEX : INODE_FLAG_INDEX;

        le32_put(at, le32_get(at) & ~mask);
        mount_image();
        assert_false(ext2_has_index(dir));
        assert_int_equal(lookup_all(&blocks), NAMES);
        assert_true(blocks > 4 * NAMES);
        unmount_image();
        le32_put(at, le32_get(at) | mask);
    }
    free(image);
}

/* Pair `at` of the root. */
static uint8_t *pair_at(unsigned at)
{
    return block_at(image, 0) + 32 + (size_t)8 * at;
}

/*
 * Names with one hash may go on in the next block, whose pair then has the
 * lowest bit set. Say so of a block whose first name has that hash.
 */
static void test_index_goes_on_in_the_next_block(void **state)
{
    uint64_t number, blocks;
    uint32_t hash, seed[4];
    const uint8_t *entry;

    (void)state;
    image_make("-b 1024", 4000);
    image_index(EXT2_HASH_TEA, true);
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (unsigned i = 0; i < 4; i++)
        seed[i] = le32_get(image + 1024 + SUPER_HASH_SEED + 4 * i);
    entry = block_at(image, le32_get(pair_at(2) + 4));
    hash =
        ext2_hash(EXT2_HASH_TEA + 3, seed, (const char *)entry + 8, entry[6]);
    assert_int_equal(le32_get(pair_at(2)), hash);
    for (unsigned row = 0; row < 3; row++) {
        le32_put(pair_at(2), hash + row);
        mount_image();
        blocks = ext2_of(dir)->blocks_of_names;
        assert_int_equal(
            ext2_lookup(dir, (const char *)entry + 8, entry[6], &number),
            row == 2 ? -ENOENT : 0);
        assert_int_equal(ext2_of(dir)->blocks_of_names - blocks,
                         row == 1 ? 2 : 1);
        unmount_image();
    }
    /* All go on for ever: it ends, and the name is searched otherwise. */
    for (unsigned i = 1; i < le16_get(pair_at(0) + 2); i++) {
        le32_put(pair_at(i), hash + 1);
        le32_put(pair_at(i) + 4, le32_get(pair_at(0) + 4));
    }
    mount_image();
    assert_int_equal(
        ext2_lookup(dir, (const char *)entry + 8, entry[6], &number), -ENOENT);
    unmount_image();
    free(good);
    free(image);
}

/* Levels of nodes below the root: each has one pair, the last leads on as the
 * root did. */
static void test_index_levels(void **state)
{
    (void)state;
    image_make("-b 1024", 4000);
    image_index(EXT2_HASH_LEGACY, false);
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (unsigned levels = 0; levels <= 2; levels++) {
        uint8_t *root = block_at(image, 0), pairs[8 * 100];
        unsigned count = le16_get(block_at(good, 0) + 34);
        uint32_t leaf = le32_get(block_at(good, 0) + 36);
        uint64_t blocks;

        memcpy(image, good, image_size);
        memcpy(pairs, root + 32, 8 * (size_t)count);
        root[30] = (uint8_t)levels;
        /* The first leaves become nodes; their names are lost. */
        for (unsigned level = 1; level <= levels; level++) {
            uint8_t *above =
                level == 1 ? root + 32 : block_at(image, leaf + level - 2) + 8;
            uint8_t *node = block_at(image, leaf + level - 1);

            memset(node, 0, BLOCK);
            le16_put(node + 4, BLOCK);
            le16_put(node + 8, 127);
            le16_put(node + 10, 1);
            le16_put(above + 2, 1);
            le32_put(above + 4, leaf + level - 1);
        }
        if (levels > 0) {
            uint8_t *node = block_at(image, leaf + levels - 1);

            memcpy(node + 8 + 4, pairs + 4, 8 * (size_t)count - 4);
            le16_put(node + 10, (uint16_t)count);
        }
        if (levels == 2) /* not without LARGE_DIR, which ext2 does not mount */
            break;
        mount_image();
        assert_in_range(lookup_all(&blocks), NAMES - levels * 50 - 1, NAMES);
        assert_in_range(blocks, NAMES, 2 * NAMES + 100);
        assert_false(console_has("damaged"));
        unmount_image();
    }
    free(good);
    free(image);
}

/* ---- A large directory ----------------------------------------------------*/

enum { MANY = 50000 };

/* A file with the entries of a directory, which becomes one. */
static void many_make(void)
{
    static const char root[] = "\2\0\0\0\14\0\1\2.\0\0\0\2\0\0\0\364\3\2\2..";
    char tree[] = "/tmp/torc_many_XXXXXX", path[300];
    uint8_t block[BLOCK];
    unsigned at = BLOCK, blocks = 1;
    uint32_t file;
    FILE *out;

    assert_non_null(mkdtemp(tree));
    snprintf(path, sizeof(path), "%s/d", tree);
    out = fopen(path, "w");
    memset(block, 0, BLOCK);
    memcpy(block, root, sizeof(root));
    for (unsigned i = 0; i < MANY; i++) {
        if (BLOCK - at < 16) {
            fwrite(block, 1, BLOCK, out);
            memset(block, 0, BLOCK);
            at = 0;
            blocks++;
        }
        le32_put(block + at, 11);
        le16_put(block + at + 4, (uint16_t)(BLOCK - at < 32 ? BLOCK - at : 16));
        block[at + 6] = 7;
        block[at + 7] = 1;
        memcpy(block + at + 8, "n", 1);
        snprintf((char *)block + at + 9, 7, "%06u", i);
        block[at + 15] = 0;
        at += 16;
    }
    le16_put(block + at - 16 + 4, (uint16_t)(BLOCK - at + 16));
    fwrite(block, 1, BLOCK, out);
    fclose(out);
    image = ext2_image("-b 1024 -N 80", tree, 4000, &image_size);
    snprintf(path, sizeof(path), "rm -rf %s", tree);
    assert_int_equal(system(path), 0);
    file = ext2_inode_of_path(image, image_size, "/d");
    le16_put(image + ext2_inode_offset(image, file), 0x41ed);
    le16_put(image + ext2_inode_offset(image, 11), 0x81a4);
    ext2_fsck(image, image_size, "-fyD");
}

/* The cost of a walk is in proportion to the number of names. */
static void test_index_of_many_names(void **state)
{
    struct dir_entry entry;
    uint64_t cursor = 0, number, before;
    unsigned listed = 0;
    int status;

    (void)state;
    many_make();
    mount_image();
    assert_true(ext2_has_index(dir));
    before = ext2_of(dir)->blocks_of_names;
    disk.requests = 0;
    while ((status = ext2_dir_next(dir, &cursor, &entry)) == 1) {
        assert_int_equal(
            ext2_lookup(dir, entry.name, strlen(entry.name), &number), 0);
        assert_int_equal(number, entry.inode);
        listed++;
    }
    assert_int_equal(status, 0);
    assert_int_equal(listed, MANY + 2);
    assert_in_range(ext2_of(dir)->blocks_of_names - before, MANY,
                    MANY + MANY / 100);
    assert_true(disk.requests < 100);
    unmount_image();
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_of_every_hash),
        cmocka_unit_test(test_index_of_the_other_sign),
        cmocka_unit_test(test_index_damaged),
        cmocka_unit_test(test_index_not_used),
        cmocka_unit_test(test_index_goes_on_in_the_next_block),
        cmocka_unit_test(test_index_levels),
        cmocka_unit_test(test_index_of_many_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
