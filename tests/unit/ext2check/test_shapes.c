/*
 * Shapes that one small volume has not: an index of two levels, a journal,
 * copies in two groups, bytes of names with and without a sign, blocks of
 * 64 KiB.
 */
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>

enum { KIB = 1024 };

static uint8_t *image, *work;
static size_t size;

/* Check `work`: how often a code was found. */
static unsigned found(enum ext2_code code)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    ext2_check_image(work, size, &checked);
    assert_int_equal(checked.status, 0);
    return checked.codes[code];
}

static void mend(void)
{
    memcpy(work, image, size);
}

/* Take a good image, which must be clean. */
static void use(uint8_t *good)
{
    image = good;
    work = malloc(size);
    assert_int_equal(ext2_e2fsck(image, size, NULL, 0, NULL), 0);
    assert_true(ext2_check_is_clean(image, size));
    mend();
}

static void done(void)
{
    free(image);
    free(work);
}

/* ---- An index of two levels ---------------------------------------------- */

/* So many names that the root leads to nodes, which lead to leaves. */
static uint8_t *large_dir(const char *options)
{
    char tree[] = "/tmp/torc_large_XXXXXX", command[300];
    uint8_t *made;

    if (mkdtemp(tree) == NULL)
        abort();
    snprintf(command, sizeof(command),
             "cd %s && mkdir d && touch f && for i in $(seq 2400); do "
             "echo d/a-name-that-is-as-long-as-names-should-be-for-a-large-"
             "index-$i; done | xargs -n 1 ln f",
             tree);
    if (system(command) != 0)
        abort();
    made = ext2_image(options, tree, KIB, &size);
    snprintf(command, sizeof(command), "rm -r %s", tree);
    if (system(command) != 0)
        abort();
    ext2_fsck(made, size, "-fyD");
    return made;
}

/* Block `logical` of /d, which is in its first indirect block. */
static uint8_t *dir_block(uint32_t logical)
{
    size_t inode =
        ext2_inode_offset(image, ext2_inode_of_path(image, size, "/d"));
    uint32_t block = le32_get(image + inode + 40 + 4 * (size_t)logical);

    if (logical >= 12) {
        block = le32_get(image + inode + 40 + 4 * 12);
        block =
            le32_get(image + (size_t)block * KIB + 4 * ((size_t)logical - 12));
    }
    return work + (size_t)block * KIB;
}

static void test_index_of_two_levels(void **state)
{
    uint32_t node, leaf;
    uint8_t *root;

    (void)state;
    use(large_dir("-b 1024 -N 32 -I 128"));
    root = dir_block(0);
    assert_int_equal(root[30], 1); /* levels below it */
    node = le32_get(root + 32 + 4);
    leaf = le32_get(dir_block(node) + 8 + 4);
    assert_true(le16_get(root + 34) >= 2);

    le16_put(dir_block(node) + 8, 7); /* its limit */
    assert_int_equal(found(CHECK_INDEX_NODE), 1);
    mend();
    le16_put(dir_block(node) + 10, 0); /* its count */
    assert_int_equal(found(CHECK_INDEX_NODE), 1);
    mend();
    le32_put(dir_block(node) + 8 + 12, 9999); /* a leaf of it */
    assert_int_equal(found(CHECK_INDEX_BLOCK), 1);
    mend();
    le32_put(root + 32 + 4, leaf); /* a leaf where a node must be */
    assert_int_equal(found(CHECK_INDEX_DEPTH), 1);
    mend();
    root[30] = 0; /* nodes where leaves must be */
    assert_true(found(CHECK_INDEX_NOT_REFERENCED) > 50);
    mend();
    le32_put(dir_block(node) + 8 + 4, 0); /* the root, again */
    assert_int_equal(found(CHECK_INDEX_TWICE), 1);
    mend();
    le32_put(dir_block(node) + 8 + 12, node); /* the node itself */
    assert_int_equal(found(CHECK_INDEX_TWICE), 1);
    mend();
    le32_put(root + 40, 2); /* where the second node begins */
    assert_true(found(CHECK_INDEX_HASH) > 0);
    done();
}

/* ---- Hashes -------------------------------------------------------------- */

/* With bytes above 127 the sign of a byte matters. */
static void test_hash_of_signed_bytes(void **state)
{
    char tree[] = "/tmp/torc_signed_XXXXXX", command[300];

    (void)state;
    if (mkdtemp(tree) == NULL)
        abort();
    snprintf(command, sizeof(command),
             "cd %s && mkdir d && touch f && for i in $(seq 150); do "
             "ln f d/$(printf '\\303\\244\\303\\266\\303\\274')-a-name-$i; "
             "done",
             tree);
    assert_int_equal(system(command), 0);
    image = ext2_image("-b 1024 -N 32 -I 128", tree, KIB, &size);
    snprintf(command, sizeof(command), "rm -r %s", tree);
    assert_int_equal(system(command), 0);
    ext2_fsck(image, size, "-fyD");
    use(image);
    le32_put(work + KIB + 352, le32_get(work + KIB + 352) ^ 3);
    assert_true(found(CHECK_INDEX_HASH) > 0);
    done();
}

/* ---- A journal ----------------------------------------------------------- */

static void test_journal(void **state)
{
    static const struct {
        const char *name;
        unsigned offset; /* of the inode; 0: none */
        uint32_t value;
    } rows[] = {
        {"no links", 26, 0},          {"no file", 0, 0x41ed},
        {"too small", 4, 1023 * KIB}, {"begins nowhere", 40, 99999999},
        {"is not one", 40, 1},
    };

    (void)state;
    use(ext2_image("-j -J size=1 -b 1024 -N 96", ext2_small_tree(), 4000,
                   &size));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *inode = work + ext2_inode_offset(image, 8);

        mend();
        if (rows[i].offset == 26 || rows[i].offset == 0)
            le16_put(inode + rows[i].offset, (uint16_t)rows[i].value);
        else
            le32_put(inode + rows[i].offset, rows[i].value);
        ROW(rows[i].name, found(CHECK_SUPER_JOURNAL) == 1);
    }
    mend();
    le32_put(work + KIB + 228, 5); /* another device, which is not here */
    assert_int_equal(found(CHECK_SUPER_JOURNAL), 1);
    mend();
    le32_put(work + KIB + 92, 0x38); /* a journal, but not the feature */
    assert_int_equal(found(CHECK_SUPER_JOURNAL), 1);
    done();
}

/* ---- Groups -------------------------------------------------------------- */

static void test_copies_in_two_groups(void **state)
{
    (void)state;
    use(ext2_image("-b 1024 -g 256 -N 96 -O sparse_super2,^resize_inode",
                   ext2_small_tree(), 1200, &size));
    le32_put(work + KIB + 588, 3); /* one of the two */
    assert_true(found(CHECK_GROUP_OVERLAP) > 0);
    done();
}

/* Descriptors that are spread over 36 groups: those of the last ones are behind
 * the end, when they are said to be before it. */
static void test_descriptors_behind_the_end(void **state)
{
    (void)state;
    use(ext2_image("-b 1024 -g 256 -N 512 -O meta_bg,^resize_inode",
                   ext2_small_tree(), 9000, &size));
    assert_true(found(CHECK_GROUP_OVERLAP) == 0);
    le32_put(work + KIB + 260, 2); /* the first that is spread */
    assert_true(found(CHECK_GROUP_BLOCK_BITMAP_BAD) > 0);
    done();
}

/* Blocks that are kept for descriptors list their copies in other groups. */
static void test_copies_of_reserved_blocks(void **state)
{
    enum { KEPT = 3, GROUP = 1024 }; /* behind the superblock and descriptors */
    static const unsigned copies[] = {1, 3}; /* groups */
    uint32_t problem = 0;
    unsigned count;
    uint8_t *list;

    (void)state;
    use(ext2_image("-b 1024 -g 1024 -N 96 -E resize=300000", ext2_small_tree(),
                   5000, &size));
    list = work + KEPT * KIB;
    for (size_t i = 0; i < COUNT_OF(copies); i++) {
        assert_int_equal(le32_get(list + 4 * i), KEPT + copies[i] * GROUP);
        le32_put(list + 4 * i, KEPT + copies[i] * GROUP + 1);
        assert_int_equal(found(CHECK_RESIZE_INODE_BAD), 1);
        ext2_e2fsck(work, size, &problem, 1, &count);
        assert_int_equal(count, 1);
        assert_int_equal(problem, 0x30); /* PR_0_RESIZE_INODE_INVALID */
        mend();
    }
    done();
}

static void test_superblock_fields(void **state)
{
    static const struct {
        const char *name;
        unsigned offset, bytes;
        uint32_t value;
    } rows[] = {
        {"inode size 192", 88, 2, 192},
        {"inode size 64", 88, 2, 64},
        {"descriptors of 48", 254, 2, 48},
        {"descriptors of 2048", 254, 2, 2048},
        {"reserved: more than half", 8, 4, 600},
        {"first inode 10", 84, 4, 10},
        {"first inode behind the end", 84, 4, 200},
        {"reserved descriptors", 206, 2, 300},
        {"fragments", 28, 4, 1},
        {"fragments of a group", 36, 4, 8},
        {"groups of groups", 372, 1, 32},
        {"no inodes in a group", 40, 4, 0},
        {"many inodes in a group", 40, 4, 8200},
        {"no blocks in a group", 32, 4, 0},
        {"one block", 4, 4, 1},
    };

    (void)state;
    use(ext2_image("-b 1024 -N 128", ext2_small_tree(), KIB, &size));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        mend();
        for (unsigned k = 0; k < rows[i].bytes; k++)
            work[KIB + rows[i].offset + k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name, found(CHECK_SUPER_FIELD) == 1);
        ROW(rows[i].name, ext2_e2fsck(work, size, NULL, 0, NULL) != 0);
    }
    done();
}

/* A length of 65,536 has a code of its own. */
static void test_blocks_of_64_kib(void **state)
{
    (void)state;
    use(ext2_image("-b 65536 -N 96 -O ^resize_inode", ext2_small_tree(),
                   16 * KIB, &size));
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_of_two_levels),
        cmocka_unit_test(test_hash_of_signed_bytes),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_copies_in_two_groups),
        cmocka_unit_test(test_descriptors_behind_the_end),
        cmocka_unit_test(test_copies_of_reserved_blocks),
        cmocka_unit_test(test_superblock_fields),
        cmocka_unit_test(test_blocks_of_64_kib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
