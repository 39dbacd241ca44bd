/*
 * Entries of one block of a directory: random changes against a list of names,
 * read back by the test's own reading of the format; damage at every byte.
 */
#include "fs/ext2/write/entries.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INODES = 1000000, NAMES_MAX = 400 };

static struct ext2_fs fs;
static uint8_t *block; /* of its very size: what is behind it is poisoned */

static struct entry {
    char name[256];
    uint32_t len;
    uint32_t inode;
    uint8_t type; /* as on disk */
    uint32_t at;
} model[NAMES_MAX];
static unsigned count;

static void begin(uint32_t size, bool has_types)
{
    fs = (struct ext2_fs){.block_size = size,
                          .inodes_count = INODES,
                          .incompat = has_types ? INCOMPAT_FILETYPE : 0};
    block = malloc(size);
    memset(block, 0xee, size);
    ext2_entries_clear(&fs, block);
    count = 0;
}

static uint32_t rec_len(uint32_t at)
{
    return le16_get(block + at + 4);
}

/* What is left behind the name of an entry. */
static uint32_t slack(uint32_t at)
{
    return le32_get(block + at) == 0
               ? rec_len(at)
               : rec_len(at) - (8 + (block[at + 6] + 3u) / 4 * 4);
}

static const struct entry *model_at(uint32_t at)
{
    for (unsigned i = 0; i < count; i++) {
        if (model[i].at == at)
            return &model[i];
    }
    return NULL;
}

/* The block holds what the model holds, each where it was put. Returns the
 * largest room for an entry. */
static uint32_t compare(void)
{
    unsigned used = 0;
    uint32_t room = 0, at = 0;

    while (at < fs.block_size) {
        const struct entry *want = model_at(at);

        if (slack(at) > room)
            room = slack(at);
        if (le32_get(block + at) != 0) {
            assert_non_null(want);
            assert_int_equal(le32_get(block + at), want->inode);
            assert_int_equal(block[at + 6], want->len);
            assert_int_equal(block[at + 7], want->type);
            assert_memory_equal(block + at + 8, want->name, want->len);
            used++;
        } else {
            assert_null(want);
        }
        assert_true(rec_len(at) >= 8);
        assert_int_equal(rec_len(at) % 4, 0);
        at += rec_len(at);
    }
    assert_int_equal(at, fs.block_size);
    assert_int_equal(used, count);
    return room;
}

static uint8_t type_on_disk(unsigned type)
{
    /* "The Second Extended File System", table 4.2 */
    static const uint8_t types[] = {0, 1, 2, 7, 5, 6, 3, 4};

    return fs.incompat != 0 ? types[type] : 0;
}

static void add(size_t len)
{
    struct entry *new = &model[count];
    uint32_t at, room = compare();
    unsigned type = 1 + (unsigned)rand() % 7;
    int status = ext2_entries_room(&fs, block, len, &at);

    assert_int_equal(status, room >= 8 + (len + 3) / 4 * 4);
    if (status == 0)
        return;
    assert_true(slack(at) >= 8 + (len + 3) / 4 * 4);
    memset(new->name, 'a' + rand() % 26, sizeof(new->name));
    snprintf(new->name, sizeof(new->name), "%u", (unsigned)rand() % 1000);
    new->name[strlen(new->name)] = '-';
    new->len = (uint32_t)len;
    new->inode = 1 + (unsigned)rand() % INODES;
    new->type = type_on_disk(type);
    new->at = at + rec_len(at) - slack(at);
    ext2_entries_add(&fs, block, at, new->name, len, new->inode, type);
    count++;
}

static void drop(unsigned i)
{
    assert_int_equal(ext2_entries_remove(&fs, block, model[i].at), 0);
    model[i] = model[--count];
}

static void set(unsigned i)
{
    unsigned type = 1 + (unsigned)rand() % 7;

    model[i].inode = 1 + (unsigned)rand() % INODES;
    model[i].type = type_on_disk(type);
    ext2_entries_set(&fs, block, model[i].at, model[i].inode, type);
}

/* Looking for a name, with the room there is for one that is missing. */
static void search(const char *name, const char *missing, uint32_t len)
{
    uint32_t first = 0, at, room, expected;

    assert_int_equal(ext2_entries_find(&fs, block, name, len, &first), 1);
    assert_int_equal(ext2_entries_search(&fs, block, name, len, &at, &room), 1);
    assert_int_equal(at, first);
    assert_int_equal(ext2_entries_search(&fs, block, missing, len, &at, &room),
                     0);
    if (ext2_entries_room(&fs, block, len, &expected) == 0) {
        assert_int_equal(room, EXT2_NO_ROOM);
        return;
    }
    assert_int_equal(room, expected);
    assert_int_equal(ext2_entries_fits(&fs, block, room, len), 1);
    assert_int_equal(ext2_entries_fits(&fs, block, room + 1, len), -EUCLEAN);
}

static void find(unsigned i)
{
    uint32_t at;
    char other[256];

    assert_int_equal(
        ext2_entries_find(&fs, block, model[i].name, model[i].len, &at), 1);
    /* Of two with one name the first. */
    assert_memory_equal(block + at + 8, model[i].name, model[i].len);
    assert_int_equal(block[at + 6], model[i].len);
    memcpy(other, model[i].name, sizeof(other));
    other[model[i].len - 1] = '/';
    assert_int_equal(ext2_entries_find(&fs, block, other, model[i].len, &at),
                     0);
    search(model[i].name, other, model[i].len);
}

static size_t random_len(void)
{
    switch (rand() % 4) {
    case 0:
        return 255;
    case 1:
        return 1 + (size_t)rand() % 4;
    default:
        return 1 + (size_t)rand() % 40;
    }
}

static void test_entries_random(void **state)
{
    (void)state;
    srand(1);
    for (unsigned shape = 0; shape < 6; shape++) {
        begin(1024u << shape / 2, shape % 2 == 0);
        for (unsigned i = 0; i < 3000; i++) {
            unsigned what = (unsigned)rand() % 8;

            if (what < 4 || count == 0)
                add(random_len());
            else if (what < 6)
                drop((unsigned)rand() % count);
            else if (what == 6)
                set((unsigned)rand() % count);
            else
                find((unsigned)rand() % count);
            compare();
            assert_int_equal(ext2_entries_check(&fs, block), 0);
        }
        while (count > 0)
            drop((unsigned)rand() % count);
        /* Empty, it has room for all again. */
        for (unsigned i = 0; i < fs.block_size / 264; i++)
            add(255);
        assert_int_equal(count, fs.block_size / 264);
        free(block);
    }
}

/* A block full of the shortest names. */
static void test_entries_fill_a_block(void **state)
{
    uint32_t at;

    (void)state;
    begin(1024, true);
    while (ext2_entries_room(&fs, block, 1, &at) == 1)
        add(1);
    assert_int_equal(count, 1024 / 12);
    compare();
    /* What is removed makes room for a longer one with what is before it. */
    drop(40);
    assert_int_equal(ext2_entries_room(&fs, block, 4, &at), 1);
    assert_int_equal(ext2_entries_room(&fs, block, 5, &at), 0);
    free(block);
}

/* The bytes stay as they were when a call says that they are damaged. */
static void try_all(const uint8_t *before, uint32_t begin_of_entry)
{
    uint32_t at = 0, room;
    int status = ext2_entries_check(&fs, block), found;

    found = ext2_entries_find(&fs, block, "b", 1, &at);
    assert_int_equal(found < 0, status < 0);
    found = ext2_entries_room(&fs, block, 30, &at);
    assert_int_equal(found < 0, status < 0);
    assert_memory_equal(before, block, fs.block_size);
    found = ext2_entries_search(&fs, block, "b", 1, &at, &room);
    if (found < 0)
        assert_int_equal(status, -EUCLEAN);
    if (found == 0)
        assert_int_equal(status, 0);
    found = ext2_entries_remove(&fs, block, begin_of_entry);
    if (found == 0) /* what is damaged behind it is as before */
        assert_int_equal(ext2_entries_check(&fs, block), status);
    else
        assert_memory_equal(before, block, fs.block_size);
}

static void test_entries_damaged(void **state)
{
    static const char *const names[] = {"a", "b", "cc", "ddddd", "e"};
    uint8_t good[1024], bad[1024];
    uint32_t at = 0, begins[COUNT_OF(names)];

    (void)state;
    srand(2);
    begin(1024, true);
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(ext2_entries_room(&fs, block, strlen(names[i]), &at),
                         1);
        ext2_entries_add(&fs, block, at, names[i], strlen(names[i]), i + 1,
                         FILE_REGULAR);
        assert_int_equal(ext2_entries_find(&fs, block, names[i],
                                           strlen(names[i]), &begins[i]),
                         1);
    }
    memcpy(good, block, sizeof(good));
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        for (unsigned byte = 0; byte < 8; byte++) {
            for (unsigned value = 0; value < 256; value++) {
                memcpy(block, good, sizeof(good));
                block[begins[i] + byte] = (uint8_t)value;
                memcpy(bad, block, sizeof(bad));
                try_all(bad, begins[(unsigned)rand() % COUNT_OF(names)]);
            }
        }
    }
    /* Anything at all. */
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(block, good, sizeof(good));
        for (unsigned k = 0; k < 1 + i % 4; k++)
            block[(unsigned)rand() % 64] = (uint8_t)rand();
        memcpy(bad, block, sizeof(bad));
        try_all(bad, (unsigned)rand() % 1200);
    }
    free(block);
}

/* The fields that make a chain of entries wrong, each by itself. */
static void test_entries_rules(void **state)
{
    static const struct {
        const char *name;
        unsigned at, bytes;
        uint32_t value;
        int status;
    } rows[] = {
        {"as it is", 0, 1, 2, 0},
        {"an inode there is not", 0, 4, INODES + 1, -EUCLEAN},
        {"the last inode", 0, 4, INODES, 0},
        {"no step", 4, 2, 0, -EUCLEAN},
        {"a step of 4", 4, 2, 4, -EUCLEAN},
        {"an odd step", 4, 2, 14, -EUCLEAN},
        {"out of the block", 4, 2, 1028, -EUCLEAN},
        {"to its end", 4, 2, 1024, 0},
        {"to a place without room", 4, 2, 1020, -EUCLEAN},
        {"no name", 6, 1, 0, -EUCLEAN},
        {"a name that does not fit", 6, 1, 5, -EUCLEAN},
        {"one that does", 6, 1, 4, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(1024, true);
        ext2_entries_init(&fs, block, 2, 2);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            block[rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name, ext2_entries_check(&fs, block) == rows[i].status);
        free(block);
    }
}

static void test_entries_of_a_new_directory(void **state)
{
    static const uint8_t want[] = {11, 0, 0, 0, 12,   0, 1, 2, '.', 0,   0, 0,
                                   2,  0, 0, 0, 0xf4, 3, 2, 2, '.', '.', 0, 0};
    uint32_t at = 0;

    (void)state;
    begin(1024, true);
    ext2_entries_init(&fs, block, 11, 2);
    assert_memory_equal(block, want, sizeof(want));
    for (unsigned i = sizeof(want); i < 1024; i++)
        assert_int_equal(block[i], 0);
    assert_int_equal(ext2_entries_dots(&fs, block, &at), 0);
    assert_int_equal(at, 12);
    free(block);
}

static void test_entries_without_dots(void **state)
{
    static const struct {
        const char *name;
        unsigned at;
        uint8_t value;
    } rows[] = {
        {"the first is unused", 0, 0},    {"the first has two letters", 6, 2},
        {"another letter", 8, 'x'},       {"the first has no length", 4, 0},
        {"the second is unused", 12, 0},  {"the second has one letter", 18, 1},
        {"another second letter", 21, 0}, {"no length of the second", 17, 0xff},
    };
    uint32_t at;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(1024, true);
        ext2_entries_init(&fs, block, 11, 2);
        block[rows[i].at] = rows[i].value;
        ROW(rows[i].name, ext2_entries_dots(&fs, block, &at) == -EUCLEAN);
        free(block);
    }
    /* "." fills the block. */
    begin(1024, true);
    ext2_entries_init(&fs, block, 11, 2);
    le16_put(block + 4, 1024);
    assert_int_equal(ext2_entries_dots(&fs, block, &at), -EUCLEAN);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_random),
        cmocka_unit_test(test_entries_fill_a_block),
        cmocka_unit_test(test_entries_damaged),
        cmocka_unit_test(test_entries_rules),
        cmocka_unit_test(test_entries_of_a_new_directory),
        cmocka_unit_test(test_entries_without_dots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
