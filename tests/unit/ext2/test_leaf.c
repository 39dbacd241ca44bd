/*
 * Leaves of a directory's index: listed by hash, and split so that a name more
 * has room and every name is found where the hashes say.
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/write/leaf.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/collide.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ext2_fs fs;
static const uint32_t seed[4] = {1, 2, 3, 4};
static struct ext2_hasher hasher = {EXT2_HASH_HALF_MD4, seed};
static uint8_t *block, *other; /* of their very size */
static struct ext2_leaf leaf;

static void begin(uint32_t size)
{
    fs = (struct ext2_fs){.block_size = size,
                          .inodes_count = 1000000,
                          .incompat = INCOMPAT_FILETYPE};
    block = malloc(size);
    other = malloc(size);
    ext2_entries_clear(&fs, block);
    memset(other, 0xee, size);
}

static void end(void)
{
    free(block);
    free(other);
}

static uint32_t hash_of(const char *name)
{
    return ext2_hash(hasher.version, seed, name, strlen(name));
}

static bool add(uint8_t *to, const char *name)
{
    uint32_t at, inode = 11 + hash_of(name) % 1000;

    if (ext2_entries_room(&fs, to, strlen(name), &at) != 1)
        return false;
    ext2_entries_add(&fs, to, at, name, strlen(name), inode, FILE_FIFO);
    return true;
}

/* A name of random length, by its number. */
static const char *name_of(unsigned i, unsigned len_max)
{
    static char name[256];

    memset(name, 'a' + i % 26, sizeof(name));
    name[snprintf(name, sizeof(name), "%u", i)] = '.';
    name[7 + (unsigned)rand() % (len_max - 6)] = '\0';
    return name;
}

static void list(void)
{
    assert_int_equal(ext2_leaf_list(&fs, &hasher, block, 0, &leaf), 0);
}

/* Whether a name is in a block. */
static bool has(const uint8_t *in, const char *name, size_t len)
{
    uint32_t at;
    int status = ext2_entries_find(&fs, in, name, len, &at);

    assert_true(status >= 0);
    return status == 1;
}

static void check_list(const uint8_t *in)
{
    uint32_t size = 0;

    for (uint32_t i = 0; i < leaf.count; i++) {
        const struct ext2_hashed *entry = &leaf.list[i];
        char name[256];

        memcpy(name, in + entry->at + 8, in[entry->at + 6]);
        name[in[entry->at + 6]] = '\0';
        assert_int_equal(entry->hash, hash_of(name));
        assert_int_equal(entry->size, (8 + strlen(name) + 3) / 4 * 4);
        if (i > 0)
            assert_true(entry[-1].hash <= entry->hash);
        size += entry->size;
    }
    assert_int_equal(size, ext2_leaf_size(&leaf));
}

/* Split for a name, put it into its half, and look whether all are there. */
static void split(const uint8_t *before, const char *name)
{
    uint32_t need = ext2_entry_size(strlen(name)), hash = hash_of(name);
    uint32_t cut = ext2_leaf_cut(&fs, &leaf, hash, need);
    uint32_t from = ext2_leaf_cut_hash(&leaf, cut);

    assert_in_range(cut, 1, leaf.count - 1);
    ext2_leaf_copy(&fs, &leaf, block, cut, other);
    ext2_leaf_drop(&fs, &leaf, block, cut);
    assert_int_equal(ext2_entries_check(&fs, block), 0);
    assert_int_equal(ext2_entries_check(&fs, other), 0);
    for (uint32_t i = 0; i < leaf.count; i++) {
        const uint8_t *raw = before + leaf.list[i].at;
        const uint8_t *in = leaf.list[i].hash < from ? block : other;
        bool is_same = (from & ~UINT32_C(1)) == leaf.list[i].hash;

        /* Of those with the hash of the cut some may be on either side. */
        assert_true(has(in, (const char *)raw + 8, raw[6]) ||
                    ((from & 1) != 0 && is_same && i >= cut));
        assert_int_equal(has(block, (const char *)raw + 8, raw[6]), i < cut);
        assert_int_equal(has(other, (const char *)raw + 8, raw[6]), i >= cut);
    }
    assert_true(add(hash < from ? block : other, name));
}

static void test_leaf_split_random(void **state)
{
    unsigned splits = 0;

    (void)state;
    srand(3);
    for (unsigned round = 0; round < 600; round++) {
        uint8_t *before;
        const char *name;

        begin(1024u << round % 3);
        hasher.version = round / 3 % EXT2_HASH_END;
        do
            name = name_of((unsigned)rand() % 100000, round % 2 ? 255 : 20);
        while (add(block, name));
        before = malloc(fs.block_size);
        memcpy(before, block, fs.block_size);
        list();
        check_list(block);
        if (ext2_leaf_size(&leaf) + ext2_entry_size(strlen(name)) >
            fs.block_size) {
            split(before, name);
            splits++;
        }
        free(before);
        end();
    }
    assert_true(splits > 500);
    hasher.version = EXT2_HASH_HALF_MD4;
}

/* What has one hash stays together if there is another place to cut. */
static void test_leaf_split_keeps_collisions_together(void **state)
{
    (void)state;
    begin(1024);
    /* Hashes as they are wanted: the list is made up. */
    leaf.count = 30;
    for (uint32_t i = 0; i < leaf.count; i++)
        leaf.list[i] = (struct ext2_hashed){
            .hash = i < 4 ? 100 + 2 * i : 200, .at = 0, .size = 32};
    assert_int_equal(ext2_leaf_cut(&fs, &leaf, 102, 100), 4);
    assert_int_equal(ext2_leaf_cut_hash(&leaf, 4), 200);
    /* It would not fit behind the cut: then among equal ones. */
    assert_int_equal(ext2_leaf_cut(&fs, &leaf, 200, 264), 15);
    assert_int_equal(ext2_leaf_cut_hash(&leaf, 15), 201);
    /* All have one hash. */
    for (uint32_t i = 0; i < leaf.count; i++)
        leaf.list[i].hash = 200;
    assert_int_equal(ext2_leaf_cut(&fs, &leaf, 100, 264), 15);
    assert_int_equal(ext2_leaf_cut_hash(&leaf, 15), 201);
    end();
}

static void test_leaf_split_of_real_collisions(void **state)
{
    static char names[6][256];
    uint8_t *before = malloc(1024);

    (void)state;
    for (unsigned sign = 0; sign < 2; sign++) {
        hasher.version =
            EXT2_HASH_LEGACY + (sign == 0 ? 0 : EXT2_HASH_UNSIGNED);
        collide(names, 6, 190, sign == 1);
        begin(1024);
        for (unsigned i = 0; i < 5; i++)
            assert_true(add(block, names[i]));
        memcpy(before, block, 1024);
        list();
        check_list(block);
        assert_int_equal(leaf.list[0].hash, leaf.list[4].hash);
        split(before, names[5]);
        assert_true(has(block, names[5], 190));
        end();
    }
    free(before);
    hasher.version = EXT2_HASH_HALF_MD4;
}

/* Entries that are all dropped, and none. */
static void test_leaf_pack(void **state)
{
    static const char *const names[] = {"first", "gone", "second", "also gone",
                                        "third"};
    uint32_t at;

    (void)state;
    begin(1024);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_true(add(block, names[i]));
    for (size_t i = 1; i < COUNT_OF(names); i += 2) {
        assert_int_equal(
            ext2_entries_find(&fs, block, names[i], strlen(names[i]), &at), 1);
        assert_int_equal(ext2_entries_remove(&fs, block, at), 0);
    }
    list();
    assert_int_equal(leaf.count, 3);
    ext2_leaf_drop(&fs, &leaf, block, leaf.count);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(has(block, names[i], strlen(names[i])), i % 2 == 0);
    /* They lie side by side. */
    assert_int_equal(ext2_entries_find(&fs, block, "third", 5, &at), 1);
    assert_int_equal(at, 2 * 16);
    assert_int_equal(le16_get(block + at + 4), 1024 - 2 * 16);
    list();
    ext2_leaf_drop(&fs, &leaf, block, 0);
    assert_int_equal(ext2_entries_check(&fs, block), 0);
    assert_int_equal(le16_get(block + 4), 1024);
    list();
    assert_int_equal(leaf.count, 0);
    ext2_leaf_copy(&fs, &leaf, block, 0, other);
    assert_memory_equal(other, block, 1024);
    end();
}

/* Behind "." and "..", as when a directory gets its index. */
static void test_leaf_of_a_first_block(void **state)
{
    uint32_t at;

    (void)state;
    begin(1024);
    ext2_entries_init(&fs, block, 2, 2);
    assert_true(add(block, "a"));
    assert_true(add(block, "b"));
    assert_int_equal(ext2_leaf_list(&fs, &hasher, block, 24, &leaf), 0);
    assert_int_equal(leaf.count, 2);
    ext2_leaf_copy(&fs, &leaf, block, 0, other);
    assert_int_equal(ext2_entries_check(&fs, other), 0);
    assert_true(has(other, "a", 1));
    assert_true(has(other, "b", 1));
    assert_false(has(other, ".", 1));
    assert_int_equal(ext2_entries_find(&fs, other, "..", 2, &at), 0);
    end();
}

static void test_leaf_damaged(void **state)
{
    (void)state;
    begin(1024);
    assert_true(add(block, "a"));
    assert_true(add(block, "b"));
    le16_put(block + 12 + 4, 1016);
    assert_int_equal(ext2_leaf_list(&fs, &hasher, block, 0, &leaf), -EUCLEAN);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaf_split_random),
        cmocka_unit_test(test_leaf_split_keeps_collisions_together),
        cmocka_unit_test(test_leaf_split_of_real_collisions),
        cmocka_unit_test(test_leaf_pack),
        cmocka_unit_test(test_leaf_of_a_first_block),
        cmocka_unit_test(test_leaf_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
