/*
 * Areas of extended attributes that are made anew for each change: random
 * changes against a list. Whether e2fsck agrees with the hashes, test_xattr.c
 * asks.
 */
#include "fs/ext2/write/xattr_build.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>

enum { NAMES = 24, VALUE_MAX = 200 };

static struct {
    uint8_t value[VALUE_MAX];
    size_t size;
    bool is_there;
} model[NAMES];

/* Name i: prefixes and lengths differ. */
static size_t name_of(unsigned i, uint8_t *prefix, char *name)
{
    static const uint8_t prefixes[] = {EXT2_XATTR_USER, EXT2_XATTR_TRUSTED,
                                       EXT2_XATTR_SECURITY};

    *prefix = prefixes[i % 3];
    return (size_t)snprintf(name, 32, "%.*s%u", (int)(i * 5 % 17),
                            "a\xe4"
                            "cdefghijklmnopq",
                            i);
}

static struct ext2_xattr_area area_of(const uint8_t *bytes, uint32_t size,
                                      bool is_block)
{
    struct ext2_xattr_area area = {.data = bytes,
                                   .size = size,
                                   .first = is_block ? 32 : 164,
                                   .values = is_block ? 0 : 164};

    return area;
}

/* What the attributes of the model need. */
static size_t model_bytes(void)
{
    size_t sum = 4;

    for (unsigned i = 0; i < NAMES; i++) {
        uint8_t prefix;
        char name[32];

        if (model[i].is_there)
            sum += 16 + (name_of(i, &prefix, name) + 3) / 4 * 4 +
                   (model[i].size + 3) / 4 * 4;
    }
    return sum;
}

static void compare(const struct ext2_xattr_area *area)
{
    unsigned there = 0, listed = 0, key = 0;
    struct ext2_xattr found;
    uint32_t at = area->first;

    for (unsigned i = 0; i < NAMES; i++) {
        uint8_t prefix;
        char name[32];
        size_t len = name_of(i, &prefix, name);

        assert_int_equal(ext2_xattr_find(area, prefix, name, len, &found),
                         model[i].is_there);
        if (!model[i].is_there)
            continue;
        assert_int_equal(found.size, model[i].size);
        assert_memory_equal(found.value, model[i].value, found.size);
        there++;
    }
    while (ext2_xattr_next(area, &at, &found) == 1) {
        assert_true(found.prefix * 256u + found.name_len >= key);
        key = found.prefix * 256u + found.name_len;
        listed++;
    }
    assert_int_equal(listed, there);
    assert_int_equal(ext2_xattr_is_empty(area), there == 0);
}

static void step(uint8_t **bytes, uint32_t size, bool is_block)
{
    struct ext2_xattr_area from = area_of(*bytes, size, is_block), to;
    unsigned i = (unsigned)rand() % NAMES;
    uint8_t *next = malloc(size), value[VALUE_MAX];
    struct ext2_xattr_change change = {.value = value};
    bool was_there = model[i].is_there;
    size_t old_size = model[i].size;
    char name[32];
    int status;

    memset(next, 0xee, size);
    to = area_of(next, size, is_block);
    change.name_len = name_of(i, &change.prefix, name);
    change.name = name;
    change.size = (unsigned)rand() % (size < 1000 ? 40 : VALUE_MAX);
    for (size_t k = 0; k < change.size; k++)
        value[k] = (uint8_t)rand();
    if (rand() % 4 == 0)
        change.value = NULL;
    status = ext2_xattr_build(&from, &change, &to, next);
    model[i].is_there = change.value != NULL;
    model[i].size = change.size;
    assert_int_equal(status, model_bytes() <= size - to.first ? 0 : -ENOSPC);
    if (status == 0) {
        memcpy(model[i].value, value, change.size);
        free(*bytes);
        *bytes = next;
    } else {
        model[i].is_there = was_there;
        model[i].size = old_size;
        free(next);
    }
    from = area_of(*bytes, size, is_block);
    compare(&from);
}

static void test_xattr_build_random(void **state)
{
    static const struct {
        uint32_t size;
        bool is_block;
    } shapes[] = {{1024, true}, {4096, true}, {256, false}, {512, false}};

    (void)state;
    srand(5);
    for (size_t s = 0; s < COUNT_OF(shapes); s++) {
        uint8_t *bytes = calloc(1, shapes[s].size);

        memset(model, 0, sizeof(model));
        for (unsigned i = 0; i < 4000; i++)
            step(&bytes, shapes[s].size, shapes[s].is_block);
        free(bytes);
    }
}

/* The hash of a block is that of its entries in order, and 0 if one has
 * none. */
static void test_xattr_block_header(void **state)
{
    struct ext2_xattr_change change = {.prefix = EXT2_XATTR_USER,
                                       .name = "a",
                                       .name_len = 1,
                                       .value = "12345",
                                       .size = 5};
    uint32_t hash = 'a';
    uint8_t block[1024] = {0};
    struct ext2_xattr_area to = area_of(block, sizeof(block), true), area;

    (void)state;
    assert_int_equal(ext2_xattr_build(NULL, &change, &to, block), 0);
    ext2_xattr_block_seal(block, sizeof(block));
    assert_true(ext2_xattr_in_block(block, sizeof(block), &area));
    assert_int_equal(area.first, 32);
    assert_int_equal(area.values, 0);
    hash = (hash << 16 ^ hash >> 16) ^ 0x34333231;
    hash = (hash << 16 ^ hash >> 16) ^ 0x35;
    assert_int_equal(le32_get(block + 32 + 12), hash);
    assert_int_equal(le32_get(block + 12), hash);
    assert_int_equal(le32_get(block + 4), 1);
    assert_int_equal(le16_get(block + 32 + 2), 1024 - 8);
    le32_put(block + 32 + 12, 0);
    ext2_xattr_block_seal(block, sizeof(block));
    assert_int_equal(le32_get(block + 12), 0);
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned fields[] = {0, 4, 8};
        uint32_t kept = le32_get(block + fields[i]);

        le32_put(block + fields[i], 0);
        assert_false(ext2_xattr_in_block(block, sizeof(block), &area));
        le32_put(block + fields[i], kept);
    }
}

static void test_xattr_build_of_damage(void **state)
{
    struct ext2_xattr_change change = {.prefix = EXT2_XATTR_USER,
                                       .name = "a",
                                       .name_len = 1,
                                       .value = "12345",
                                       .size = 5};
    uint8_t block[1024] = {0}, next[1024] = {0};
    struct ext2_xattr_area from = area_of(block, sizeof(block), true),
                           to = area_of(next, sizeof(next), true);

    (void)state;
    srand(6);
    assert_int_equal(ext2_xattr_build(NULL, &change, &from, block), 0);
    change.name = "b";
    le32_put(block + 32 + 4, 12); /* the value is in an inode */
    assert_int_equal(ext2_xattr_build(&from, &change, &to, next), -EUCLEAN);
    le32_put(block + 32 + 4, 0);
    le16_put(block + 32 + 2, 1020); /* it goes on behind the block */
    assert_int_equal(ext2_xattr_build(&from, &change, &to, next), -EUCLEAN);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t *exact = malloc(256);
        struct ext2_xattr_area small = area_of(exact, 256, true);
        int status;

        for (unsigned k = 0; k < 256; k++)
            exact[k] = (uint8_t)(rand() % 8 == 0 ? rand() : 0);
        status = ext2_xattr_build(&small, &change, &to, next);
        assert_true(status == 0 || status == -EUCLEAN || status == -ENOSPC);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xattr_build_random),
        cmocka_unit_test(test_xattr_block_header),
        cmocka_unit_test(test_xattr_build_of_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
