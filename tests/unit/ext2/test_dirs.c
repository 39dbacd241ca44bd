/*
 * Large directories that are written: with and without an index, by every hash,
 * names that an index cannot tell apart, listing while they change. Names are
 * links to a few files, so there are as many as wished. When a volume has been
 * unmounted e2fsck finds nothing wrong with it.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/collide.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS = 30000, NAMES_MAX = 50000 };

static unsigned char is_there[NAMES_MAX], seen[NAMES_MAX];
static unsigned names; /* of those that a test uses */
static size_t (*name_of)(unsigned i, char *name);
static struct inode *dir;

/* ---- Names --------------------------------------------------------------- */

/* Short ones. */
static size_t short_name(unsigned i, char *name)
{
    return (size_t)snprintf(name, 256, "n%u", i);
}

/* Of any length, with bytes above 127. */
static size_t any_name(unsigned i, char *name)
{
    size_t len = (size_t)snprintf(name, 256, "%u-", i);
    size_t wanted = 1 + (i * 2654435761u >> 8) % 255;

    while (len < wanted) {
        name[len] = (char)(i % 3 == 0 ? 0x80 + len % 100 : 'a' + len % 26);
        len++;
    }
    name[len] = '\0';
    return len;
}

static size_t long_name(unsigned i, char *name)
{
    size_t len = (size_t)snprintf(name, 256, "%u-", i);

    memset(name + len, 'x', 255 - len);
    name[255] = '\0';
    return 255;
}

static unsigned number_of(const char *name)
{
    return (unsigned)atoi(name[0] == 'n' ? name + 1 : name);
}

static void path_of(unsigned i, char *path)
{
    strcpy(path, "/d/");
    name_of(i, path + 3);
}

/* ---- Changing ------------------------------------------------------------ */

static void begin(size_t (*how)(unsigned, char *), unsigned count)
{
    struct file *file;

    name_of = how;
    names = count;
    memset(is_there, 0, sizeof(is_there));
    world_mount();
    for (unsigned i = 0; i <= count / LINKS; i++) {
        char path[20];

        snprintf(path, sizeof(path), "/%u", i);
        assert_int_equal(file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file),
                         0);
        file_close(file);
    }
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
}

static void end(void)
{
    inode_put(dir);
    vfs_check();
    world_unmount();
}

static int try_add(unsigned i)
{
    char old[20], path[300];
    int status;

    snprintf(old, sizeof(old), "/%u", i / LINKS);
    path_of(i, path);
    status = file_link(old, path);
    if (status == 0)
        is_there[i] = 1;
    return status;
}

static void add(unsigned i)
{
    assert_int_equal(try_add(i), 0);
}

static void drop(unsigned i)
{
    char path[300];

    path_of(i, path);
    assert_int_equal(file_unlink(path), 0);
    is_there[i] = 0;
}

/* ---- Looking ------------------------------------------------------------- */

/* Read on, at most `max` names. */
static unsigned read_names(struct file *file, unsigned max)
{
    struct dir_entry entry;
    unsigned count = 0;
    int status = 1;

    while (count < max && (status = dir_read(file, &entry)) == 1) {
        if (entry.name[0] == '.')
            continue;
        assert_true(number_of(entry.name) < names);
        seen[number_of(entry.name)]++;
        count++;
    }
    assert_true(status >= 0);
    return count;
}

static struct file *list_begin(void)
{
    struct file *file;

    memset(seen, 0, sizeof(seen));
    assert_int_equal(file_open("/d", FILE_READ, 0, &file), 0);
    return file;
}

/* Every name is listed once, and found. */
static void compare(void)
{
    struct file *file = list_begin();

    read_names(file, NAMES_MAX + 1);
    file_close(file);
    for (unsigned i = 0; i < names; i++)
        assert_int_equal(seen[i], is_there[i]);
    /* Without an index each one is looked for in all blocks. */
    for (unsigned i = 0; i < names; i += ext2_has_index(dir) ? 1 : 19) {
        char name[256];
        size_t len = name_of(i, name);
        uint64_t number;

        assert_int_equal(ext2_lookup(dir, name, len, &number),
                         is_there[i] ? 0 : -ENOENT);
    }
}

static unsigned blocks_of_dir(void)
{
    return (unsigned)(dir->size_bytes >> ext2_of(dir)->block_shift);
}

/* The disk is as it would be after an unmount. */
static void sync_all(void)
{
    struct file *file;

    assert_int_equal(file_open("/d", FILE_READ, 0, &file), 0);
    assert_int_equal(file_sync(file), 0);
    file_close(file);
}

/* ---- Tests --------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    srand(1);
    world_attach(64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_detach();
    return 0;
}

static bool has_index_feature(void)
{
    return strstr(world->options, "^dir_index") == NULL;
}

static void test_dir_of_many_names(void **state)
{
    static size_t (*const kinds[])(unsigned, char *) = {short_name, any_name,
                                                        long_name};

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        begin(kinds[k], k == 0 ? 1500 : 500);
        for (unsigned i = 0; i < names; i++)
            add(i);
        compare();
        assert_int_equal(ext2_has_index(dir), has_index_feature());
        for (unsigned i = 0; i < names; i++) {
            if (rand() % 2 == 0)
                drop(i);
        }
        compare();
        for (unsigned i = 0; i < names; i++) {
            if (!is_there[i] && rand() % 2 == 0)
                add(i);
        }
        compare();
        end();
    }
}

/* Empty again, a directory can be removed; what it had is free. */
static void test_dir_is_emptied(void **state)
{
    struct file_fs_stat before, after;

    (void)state;
    begin(any_name, 500);
    inode_put(dir);
    assert_int_equal(file_rmdir("/d"), 0);
    assert_int_equal(file_stat_fs("/", &before), 0);
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(vfs_walk("/d", true, &dir), 0);
    for (unsigned i = 0; i < names; i++)
        add(i);
    assert_true(blocks_of_dir() > 10);
    assert_int_equal(file_rmdir("/d"), -ENOTEMPTY);
    for (unsigned i = 0; i < names; i++)
        drop(i);
    compare();
    inode_put(dir);
    assert_int_equal(file_rmdir("/d"), 0);
    assert_int_equal(file_stat_fs("/", &after), 0);
    assert_int_equal(before.blocks_free, after.blocks_free);
    assert_int_equal(before.inodes_free, after.inodes_free);
    world_unmount();
}

/* What was removed makes room: a directory does not grow for ever. */
static void test_dir_does_not_grow_for_ever(void **state)
{
    unsigned blocks = 0;

    (void)state;
    begin(any_name, 400);
    for (unsigned i = 0; i < 200; i++)
        add(i);
    for (unsigned round = 0; round < 400; round++) {
        drop(round % 400);
        add((round + 200) % 400);
        if (round == 200)
            blocks = blocks_of_dir();
    }
    compare();
    assert_in_range(blocks_of_dir(), 1, blocks + blocks / 4);
    end();
}

/* Names that are there all the time are told once, though leaves are split
 * behind the reader's back, and before it. */
static void test_dir_listed_while_it_grows(void **state)
{
    static const unsigned stops[] = {0, 3, 150, 299};

    (void)state;
    for (size_t s = 0; s < COUNT_OF(stops); s++) {
        struct file *file;

        begin(s % 2 == 0 ? any_name : short_name, 1500);
        for (unsigned i = 0; i < 300; i++)
            add(i);
        file = list_begin();
        assert_int_equal(read_names(file, stops[s]), stops[s]);
        for (unsigned i = 300; i < names; i++) {
            add(i);
            if (i % 50 == 0)
                drop((i - 300) / 50 * 5);
            if (i % 100 == 0)
                read_names(file, 2);
        }
        read_names(file, NAMES_MAX);
        file_close(file);
        for (unsigned i = 0; i < 300; i++) {
            if (is_there[i])
                assert_int_equal(seen[i], 1);
            else
                assert_in_range(seen[i], 0, 1);
        }
        for (unsigned i = 300; i < names; i++)
            assert_in_range(seen[i], 0, 1);
        compare();
        end();
    }
}

/* While a directory is listed everything is removed that was told. */
static void test_dir_removed_as_it_is_listed(void **state)
{
    struct file *file;

    (void)state;
    begin(any_name, 700);
    for (unsigned i = 0; i < names; i++)
        add(i);
    file = list_begin();
    while (read_names(file, 1) == 1) {
        for (unsigned i = 0; i < names; i++) {
            if (seen[i] == 1 && is_there[i])
                drop(i);
            assert_true(seen[i] <= 1);
        }
    }
    file_close(file);
    for (unsigned i = 0; i < names; i++)
        assert_false(is_there[i]);
    compare();
    end();
}

static void test_dir_names_of_255_bytes(void **state)
{
    (void)state;
    begin(long_name, 40);
    for (unsigned i = 0; i < names; i++)
        add(i);
    compare();
    for (unsigned i = 0; i < names; i++)
        drop(i);
    compare();
    end();
}

/* ---- Names with one hash ------------------------------------------------- */

static char same[12][256];

static size_t same_name(unsigned i, char *name)
{
    strcpy(name, same[i]);
    return strlen(name);
}

static int same_number(const char *name)
{
    for (unsigned i = 0; i < COUNT_OF(same); i++) {
        if (strcmp(same[i], name) == 0)
            return (int)i;
    }
    return -1;
}

/* In as many leaves as they need, which go on one after the other. */
static void test_dir_of_collisions(void **state)
{
    struct dir_entry entry;
    struct file *file;

    (void)state;
    collide(same, COUNT_OF(same), 250, world->kib % 2 == 1);
    begin(same_name, COUNT_OF(same));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < names; i++) {
            if (!is_there[i])
                add(i);
        }
        memset(seen, 0, sizeof(seen));
        assert_int_equal(file_open("/d", FILE_READ, 0, &file), 0);
        while (dir_read(file, &entry) == 1) {
            if (entry.name[0] != '.') {
                assert_true(same_number(entry.name) >= 0);
                seen[same_number(entry.name)]++;
            }
        }
        file_close(file);
        for (unsigned i = 0; i < names; i++) {
            uint64_t number;

            assert_int_equal(seen[i], 1);
            assert_int_equal(
                ext2_lookup(dir, same[i], strlen(same[i]), &number), 0);
        }
        sync_all();
        assert_true(blocks_of_dir() > 3);
        for (unsigned i = round; i < names; i += 2)
            drop(i);
    }
    end();
}

/* ---- Every hash ---------------------------------------------------------- */

static unsigned hash_version;

static void set_hash(uint8_t *image)
{
    image[1024 + SUPER_DEF_HASH_VERSION] = (uint8_t)(hash_version % 3);
    le32_put(image + 1024 + SUPER_FLAGS, hash_version >= 3 ? 2 : 1);
}

static void test_dir_of_every_hash(void **state)
{
    (void)state;
    for (hash_version = 0; hash_version < 6; hash_version++) {
        begin(any_name, 400);
        for (unsigned i = 0; i < names; i++)
            add(i);
        compare();
        assert_true(ext2_has_index(dir));
        end();
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct world plain[] = {
        {.name = "1k", .options = "-b 1024 -N 64", .kib = 4000},
        {.name = "2k", .options = "-b 2048 -N 64", .kib = 4000},
        {.name = "4k", .options = "-b 4096 -N 64", .kib = 8000},
        {.name = "1k, no index",
         .options = "-b 1024 -N 64 -O ^dir_index",
         .kib = 4000},
        {.name = "revision 0",
         .options = "-b 1024 -N 64 -r 0 -O ^dir_index",
         .kib = 4000},
        {.name = "4k, no types",
         .options = "-b 4096 -N 64 -O ^filetype",
         .kib = 8000},
    };
    static const struct world hashes = {.name = "hashes",
                                        .options = "-b 1024 -N 64",
                                        .kib = 4000,
                                        .prepare = set_hash};
    static const struct world signs[] = {
        {.name = "signed",
         .options = "-b 1024 -N 64",
         .kib = 1000,
         .prepare = set_hash},
        {.name = "unsigned",
         .options = "-b 1024 -N 64",
         .kib = 1001,
         .prepare = set_hash},
    };
    const struct CMUnitTest tests[] = {
        ATTACHED(test_dir_of_many_names),
        ATTACHED(test_dir_is_emptied),
        ATTACHED(test_dir_does_not_grow_for_ever),
        ATTACHED(test_dir_listed_while_it_grows),
        ATTACHED(test_dir_removed_as_it_is_listed),
        ATTACHED(test_dir_names_of_255_bytes),
    };
    const struct CMUnitTest hash_tests[] = {
        ATTACHED(test_dir_of_every_hash),
    };
    const struct CMUnitTest collision_tests[] = {
        ATTACHED(test_dir_of_collisions),
    };
    int failed = 0;

    for (size_t i = 0; i < COUNT_OF(plain); i++)
        failed +=
            world_run_in(&plain[i], "directories", tests, COUNT_OF(tests));
    failed +=
        world_run_in(&hashes, "directories", hash_tests, COUNT_OF(hash_tests));
    for (unsigned i = 0; i < 2; i++) {
        hash_version = 3 * i;
        failed += world_run_in(&signs[i], "directories", collision_tests,
                               COUNT_OF(collision_tests));
    }
    return failed;
}
