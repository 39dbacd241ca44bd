/*
 * Blocks of a directory's index that are changed: against a list of pairs, read
 * back by the test's own reading of the format.
 */
#include "fs/ext2/write/entries.h"
#include "fs/ext2/write/pairs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 100000 };

static struct ext2_fs fs;
static uint8_t *root, *node, *other; /* of their very size */

static void begin(uint32_t size)
{
    fs = (struct ext2_fs){.block_size = size,
                          .inodes_count = 1000,
                          .incompat = INCOMPAT_FILETYPE};
    root = malloc(size);
    node = malloc(size);
    other = malloc(size);
    ext2_entries_init(&fs, root, 11, 2);
    ext2_pairs_root_init(&fs, root, 1, 2);
    memset(node, 0xee, size);
    memset(other, 0xee, size);
}

static void end(void)
{
    free(root);
    free(node);
    free(other);
}

static struct pair {
    uint32_t hash, block;
} model[600];
static unsigned count;

/* The pairs of a block, from byte `at` on, are the model's first .. last-1;
 * the first one's hash is not kept. */
static void compare(const uint8_t *block, uint32_t at, unsigned first,
                    unsigned last)
{
    assert_int_equal(le16_get(block + at), (fs.block_size - at) / 8);
    assert_int_equal(le16_get(block + at + 2), last - first);
    for (unsigned i = first; i < last; i++) {
        const uint8_t *pair = block + at + 8 * (i - first);

        if (i > first)
            assert_int_equal(le32_get(pair), model[i].hash);
        assert_int_equal(le32_get(pair + 4), model[i].block);
    }
}

/* A directory without an index reads the blocks as one unused entry, or as "."
 * and "..". */
static void check_frames(bool is_deep)
{
    uint32_t at = 0;

    assert_int_equal(ext2_entries_check(&fs, root), 0);
    assert_int_equal(ext2_entries_dots(&fs, root, &at), 0);
    assert_int_equal(at, 12);
    assert_int_equal(le16_get(root + 12 + 4), fs.block_size - 12);
    assert_int_equal(le32_get(root), 11);
    assert_int_equal(le32_get(root + 12), 2);
    assert_int_equal(le32_get(root + 24), 0);
    assert_int_equal(root[28], 1);
    assert_int_equal(root[29], 8);
    assert_int_equal(root[30], is_deep);
    assert_int_equal(root[31], 0);
    if (is_deep) {
        assert_int_equal(le32_get(node), 0);
        assert_int_equal(le16_get(node + 4), fs.block_size);
        assert_int_equal(le16_get(node + 6), 0);
    }
}

static void insert(struct ext2_pairs *pairs, uint32_t hash, uint32_t block)
{
    unsigned at = count;

    while (at > 0 && (at == 1 ? 0 : model[at - 1].hash) > hash)
        at--;
    if (at == 0)
        at = 1;
    assert_int_equal(ext2_pairs_find(pairs, hash), at - 1);
    ext2_pairs_insert(pairs, at - 1, hash, block);
    memmove(&model[at + 1], &model[at], (count - at) * sizeof(*model));
    model[at] = (struct pair){hash, block};
    count++;
}

static void test_pairs_random(void **state)
{
    struct ext2_pairs pairs;

    (void)state;
    srand(4);
    for (unsigned shift = 0; shift < 3; shift++) {
        begin(1024u << shift);
        model[0] = (struct pair){0, 1};
        count = 1;
        check_frames(false);
        assert_int_equal(ext2_pairs_open(&fs, root, true, BLOCKS, &pairs), 0);
        assert_int_equal(pairs.limit, (fs.block_size - 32) / 8);
        /* A quarter have a hash that is there already, and go on. */
        while (pairs.count < pairs.limit) {
            uint32_t hash = ((uint32_t)rand() & 0x3fffffff) << 1;

            if (rand() % 4 == 0)
                hash = (model[(unsigned)rand() % count].hash & ~1u) | 1;
            insert(&pairs, hash, 1 + (unsigned)rand() % (BLOCKS - 1));
            compare(root, 32, 0, count);
        }
        assert_int_equal(ext2_pairs_open(&fs, root, true, BLOCKS, &pairs), 0);
        assert_int_equal(pairs.count, count);

        /* A level more: the root leads to the node alone. */
        ext2_pairs_deepen(&fs, root, node, 77);
        check_frames(true);
        assert_int_equal(ext2_pairs_open(&fs, root, true, BLOCKS, &pairs), 0);
        assert_int_equal(pairs.count, 1);
        assert_int_equal(ext2_pair_block(&pairs, 0), 77);
        compare(node, 8, 0, count);
        assert_int_equal(ext2_pairs_open(&fs, node, false, BLOCKS, &pairs), 0);
        assert_int_equal(pairs.limit, (fs.block_size - 8) / 8);
        while (pairs.count < pairs.limit) {
            insert(&pairs, ((uint32_t)rand() & 0x3fffffff) << 1, 5);
            compare(node, 8, 0, count);
        }

        /* And the node in two. */
        assert_int_equal(ext2_pairs_split(&fs, &pairs, other),
                         model[count / 2].hash);
        check_frames(true);
        compare(node, 8, 0, count / 2);
        compare(other, 8, count / 2, count);
        assert_int_equal(ext2_entries_check(&fs, other), 0);
        assert_int_equal(ext2_pairs_open(&fs, other, false, BLOCKS, &pairs), 0);
        end();
    }
}

static void test_pairs_split_of_two(void **state)
{
    struct ext2_pairs pairs;

    (void)state;
    begin(1024);
    ext2_pairs_node_init(&fs, node, 3);
    assert_int_equal(ext2_pairs_open(&fs, node, false, 10, &pairs), 0);
    ext2_pairs_insert(&pairs, 0, 40, 4);
    assert_int_equal(ext2_pairs_split(&fs, &pairs, other), 40);
    assert_int_equal(pairs.count, 1);
    assert_int_equal(ext2_pair_block(&pairs, 0), 3);
    assert_int_equal(ext2_pairs_open(&fs, other, false, 10, &pairs), 0);
    assert_int_equal(pairs.count, 1);
    assert_int_equal(ext2_pair_block(&pairs, 0), 4);
    end();
}

static void test_pairs_damaged(void **state)
{
    static const struct {
        const char *name;
        unsigned at, bytes;
        uint32_t value;
        int status;
    } rows[] = {
        {"as it is", 32, 2, 124, 0},
        {"a limit too small", 32, 2, 123, -EUCLEAN},
        {"too large", 32, 2, 125, -EUCLEAN},
        {"no pair", 34, 2, 0, -EUCLEAN},
        {"more than the limit", 34, 2, 125, -EUCLEAN},
        {"the first leads to the root", 36, 4, 0, -EUCLEAN},
        {"the first leads far away", 36, 4, 10, -EUCLEAN},
        {"to the last block", 36, 4, 9, 0},
        {"the last leads to the root", 52, 4, 0, -EUCLEAN},
        {"the last leads far away", 52, 4, UINT32_MAX, -EUCLEAN},
        {"not in order", 48, 4, 99, -EUCLEAN},
        {"the same", 48, 4, 100, 0},
    };
    struct ext2_pairs pairs;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(1024);
        assert_int_equal(ext2_pairs_open(&fs, root, true, 10, &pairs), 0);
        ext2_pairs_insert(&pairs, 0, 100, 2);
        ext2_pairs_insert(&pairs, 1, 200, 3);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            root[rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name,
            ext2_pairs_open(&fs, root, true, 10, &pairs) == rows[i].status);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_random),
        cmocka_unit_test(test_pairs_split_of_two),
        cmocka_unit_test(test_pairs_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
