/*
 * Volumes of ext2 that are made and filled at once: our checker and e2fsck find
 * nothing, the driver reads what was meant, and everything fails once.
 */
#include "fs/ext2/ext2_format.h"
#include "fs/ext2/hash.h"
#include "fs/ext2/make/layout.h"
#include "fs/ext2/make/make.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/collide.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/make_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>

static struct make_world world;
static struct ext2_make_result result;

static struct ext2_make_options options_of(uint32_t block, uint32_t inode)
{
    struct ext2_make_options options = {.block_size = block,
                                        .inode_size = inode,
                                        .time_s = 1700000000,
                                        .hash_version = EXT2_HASH_HALF_MD4,
                                        .label = "sixteen letters!"};

    memset(options.uuid, 0x17, sizeof(options.uuid));
    memset(options.hash_seed, 0x2a, sizeof(options.hash_seed));
    return options;
}

static int make(struct ext2_make_options *options, uint64_t size)
{
    options->size_bytes = size;
    make_world_disk(&world, size);
    return ext2_make(&world.host, options, world.root, &result);
}

static bool is_clean(void)
{
    return ext2_check_is_clean(world.disk, world.size) &&
           ext2_fsck_status(world.disk, world.size, "-fn", 0) == 0;
}

/* ---- Trees --------------------------------------------------------------- */

static const char longest[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                              "nnnnnnnnnnnnnnnnnnnnn";

static void fill_links(struct make_file *dir)
{
    char target[1000];

    for (unsigned i = 0; i < 3; i++) {
        static const unsigned lengths[] = {59, 60, 999};

        memset(target, 't', sizeof(target));
        target[lengths[i]] = '\0';
        make_world_link(&world, dir, target);
    }
}

/* A bit of everything: sizes around each level, holes, links, a directory with
 * an index. */
static void fill(unsigned many)
{
    static const unsigned sizes[] = {0,     1,     1024,   4096,  12288,
                                     12289, 49152, 274433, 300000};
    struct make_file *dir, *deep, *file;
    char name[40];

    make_world_begin(&world);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        snprintf(name, sizeof(name), "size-%u", sizes[i]);
        make_world_file(&world, world.root, name, sizes[i]);
    }
    make_world_file(&world, world.root, longest, 10);
    file = make_world_file(&world, world.root, "sparse", 70000000);
    file->rdev = 69999990;
    file = make_world_file(&world, world.root, "hole", 500000);
    file->rdev = 500000;
    dir = make_world_add(&world, world.root, "dir", FILE_DIRECTORY);
    deep = make_world_add(&world, dir, "deep", FILE_DIRECTORY);
    make_world_name(deep, "again", file);
    make_world_add(&world, deep, "fifo", FILE_FIFO);
    make_world_add(&world, deep, "socket", FILE_SOCKET);
    make_world_add(&world, deep, "char", FILE_CHARACTER)->rdev = 0x103;
    make_world_add(&world, deep, "block", FILE_BLOCK)->rdev = 0x12345678;
    fill_links(dir);
    dir = make_world_add(&world, world.root, "many", FILE_DIRECTORY);
    for (unsigned i = 0; i < many; i++) {
        snprintf(name, sizeof(name), "entry-number-%u", i);
        make_world_file(&world, dir, name, i % 3);
    }
    make_world_order(&world);
}

static void compare_mounted(unsigned files)
{
    make_world_mount(&world, &ext2_rw_file_system);
    assert_int_equal(make_world_compare(&world, true), files);
    make_world_unmount();
}

/* ---- Shapes -------------------------------------------------------------- */

static void test_zeros_are_told_from_others(void **state)
{
    static const uint8_t rows[][8] = {
        {0}, {1}, {0, 1, 0, 1, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(make_is_zero(rows[i], sizeof(rows[i])), i == 0);
        assert_true(make_is_zero(rows[i], 0));
    }
    assert_true(make_is_zero(rows[3], 7));
}

static void test_every_shape_reads_as_it_was_filled(void **state)
{
    static const struct {
        uint32_t block, inode;
    } shapes[] = {{1024, 128}, {1024, 256}, {2048, 128},
                  {2048, 256}, {4096, 128}, {4096, 256}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct ext2_make_options options =
            options_of(shapes[i].block, shapes[i].inode);

        print_message("%u %u\n", shapes[i].block, shapes[i].inode);
        fill(700);
        assert_int_equal(make(&options, 40 << 20), 0);
        assert_null(result.file);
        assert_true(is_clean());
        compare_mounted(700 + 23);
        assert_true(is_clean());
        make_world_end(&world);
    }
}

/* The same tree makes the same bytes, whatever is in memory. */
static void test_same_tree_makes_same_bytes(void **state)
{
    struct ext2_make_options options = options_of(1024, 256);
    uint8_t *first;

    (void)state;
    fill(50);
    assert_int_equal(make(&options, 4 << 20), 0);
    first = malloc(world.size);
    memcpy(first, world.disk, world.size);
    make_world_end(&world);
    fill(50);
    assert_int_equal(make(&options, 4 << 20), 0);
    assert_memory_equal(first, world.disk, world.size);
    make_world_end(&world);
    free(first);
}

/* What the superblock says of the volume. */
static void test_superblock_and_copies(void **state)
{
    struct ext2_make_options options = options_of(1024, 128);
    const uint8_t *super;

    (void)state;
    options.reserved_blocks = 33;
    make_world_begin(&world);
    make_world_order(&world);
    assert_int_equal(make(&options, (size_t)8192 * 10 * 1024), 0);
    assert_true(is_clean());
    super = world.disk + 1024;
    assert_memory_equal(super + SUPER_LABEL, "sixteen letters!", 16);
    assert_memory_equal(super + SUPER_UUID, options.uuid, 16);
    assert_int_equal(le32_get(super + SUPER_RESERVED_BLOCKS), 33);
    assert_int_equal(le32_get(super + SUPER_MAKE_TIME), 1700000000);
    assert_int_equal(le16_get(super + SUPER_ERRORS), SUPER_ERRORS_CONTINUE);
    assert_int_equal(le32_get(super + SUPER_FREE_BLOCKS), result.blocks_free);
    assert_int_equal(le32_get(super + SUPER_FREE_INODES), result.inodes_free);
    assert_int_equal(le32_get(super + SUPER_BLOCKS_COUNT), result.blocks);
    assert_int_equal(le32_get(super + SUPER_INODES_COUNT), result.inodes);
    for (uint32_t group = 0; group < 10; group++) {
        const uint8_t *copy = world.disk + (1 + (size_t)group * 8192) * 1024;
        bool has =
            group <= 1 || group == 3 || group == 5 || group == 7 || group == 9;

        assert_int_equal(le16_get(copy + SUPER_MAGIC) == EXT2_MAGIC, has);
        if (has)
            assert_int_equal(le16_get(copy + SUPER_GROUP), group);
        if (has)
            assert_memory_equal(copy + 1024, world.disk + 2048, 1024);
    }
    assert_int_equal(
        ext2_fsck_status(world.disk, world.size, "-fn -b 8193 -B 1024", 0), 0);
    make_world_end(&world);
}

/* Sizes where groups begin and end; blocks of 1 KiB: 8192 in a group. */
static void test_sizes_at_the_ends_of_groups(void **state)
{
    static const struct {
        const char *name;
        uint32_t block, kib;
        uint32_t blocks; /* that are used; 0: there is no room */
    } rows[] = {
        {"nothing", 1024, 0, 0},
        {"boot block", 1024, 1, 0},
        {"without lost+found", 1024, 19, 0},
        {"the smallest", 1024, 20, 20},
        {"a block more", 1024, 21, 21},
        {"a whole group", 1024, 8193, 8193},
        {"a block of a second one", 1024, 8194, 8193},
        {"less than its tables", 1024, 8193 + 6, 8193},
        {"a second group", 1024, 8193 + 60, 8253},
        {"two groups", 1024, 16385, 16385},
        {"three", 1024, 8192 * 3 + 1, 8192 * 3 + 1},
        {"and a bit", 1024, 8192 * 3 + 10, 8192 * 3 + 1},
        {"the smallest of 4 KiB", 4096, 40, 10},
        {"less", 4096, 36, 0},
        {"a group of 2 KiB", 2048, 32768, 16384},
        {"a block more", 2048, 32770, 16384},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ext2_make_options options = options_of(rows[i].block, 128);
        int status;

        make_world_begin(&world);
        make_world_order(&world);
        status = make(&options, (uint64_t)rows[i].kib * 1024);
        ROW(rows[i].name, status == (rows[i].blocks > 0 ? 0 : -ENOSPC));
        ROW(rows[i].name, status != 0 || result.blocks == rows[i].blocks);
        ROW(rows[i].name, status != 0 || is_clean());
        make_world_end(&world);
    }
}

static void test_layout_has_limits(void **state)
{
    struct ext2_layout layout = {.block_size = 1024, .inode_size = 256};

    (void)state;
    /* 8192 bits for inodes in a group; but they take 2048 blocks. */
    assert_int_equal(ext2_layout_set(&layout, 8193, 8192), 0);
    assert_int_equal(layout.inodes_per_group, 8192);
    assert_int_equal(ext2_layout_set(&layout, 8193, 8193), -EFBIG);
    assert_int_equal(ext2_layout_set(&layout, 500, 8192), -ENOSPC);
    /* So many groups that their descriptors leave no room in one. */
    assert_int_equal(ext2_layout_set(&layout, UINT64_C(8192) << 19, 1000),
                     -ENOSPC);
    layout.block_size = 4096;
    assert_int_equal(ext2_layout_set(&layout, UINT64_MAX, 1000), 0);
    assert_true(layout.blocks > UINT32_MAX - 32768);
}

static void test_wrong_options(void **state)
{
    static const struct {
        uint32_t block, inode;
    } rows[] = {{512, 128}, {8192, 128}, {1024, 64}, {1024, 512}, {0, 0}};

    (void)state;
    make_world_begin(&world);
    make_world_order(&world);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ext2_make_options options =
            options_of(rows[i].block, rows[i].inode);
        uint64_t size;

        assert_int_equal(make(&options, 1 << 20), -EINVAL);
        options.block_size = rows[i].block;
        assert_int_equal(ext2_make_measure(&world.host, &options, world.root, 0,
                                           0, &size, &result),
                         -EINVAL);
    }
    make_world_end(&world);
}

/* ---- Measuring ----------------------------------------------------------- */

static void test_measured_size_fits_exactly(void **state)
{
    (void)state;
    for (uint32_t block = 1024; block <= 4096; block *= 2) {
        struct ext2_make_options options = options_of(block, 256);
        uint64_t size = 0;

        fill(300);
        assert_int_equal(ext2_make_measure(&world.host, &options, world.root, 0,
                                           0, &size, &result),
                         0);
        assert_int_equal(make(&options, size), 0);
        assert_int_equal(result.blocks_free, 0);
        assert_true(is_clean());
        assert_int_equal(make(&options, size - 16 * (uint64_t)block), -ENOSPC);
        assert_null(result.file);
        assert_int_equal(ext2_make_measure(&world.host, &options, world.root,
                                           1 << 20, 0, &size, &result),
                         0);
        assert_int_equal(make(&options, size), 0);
        assert_in_range(result.blocks_free, (1 << 20) / block,
                        (1 << 20) / block + 60);
        make_world_end(&world);
    }
}

static void test_measured_with_many_inodes(void **state)
{
    struct ext2_make_options options = options_of(1024, 256);
    uint64_t size = 0;

    (void)state;
    fill(10);
    options.inodes = 30000; /* four groups' */
    assert_int_equal(ext2_make_measure(&world.host, &options, world.root, 0, 50,
                                       &size, &result),
                     0);
    assert_int_equal(make(&options, size), 0);
    assert_in_range(result.inodes, 30000, 30100);
    assert_true(is_clean());
    make_world_end(&world);
}

/* ---- Directories --------------------------------------------------------- */

/* Two levels of the index: blocks of 1 KiB, 124 pairs in the root. */
static void test_large_directories(void **state)
{
    struct ext2_make_options options = options_of(1024, 128);

    (void)state;
    fill(6000);
    assert_int_equal(make(&options, 24 << 20), 0);
    assert_true(is_clean());
    compare_mounted(6000 + 23);
    make_world_end(&world);
}

/* With names of one hash, leaves go on in the next one. */
static void test_names_of_one_hash(void **state)
{
    static char names[20][256];
    struct ext2_make_options options = options_of(1024, 128);

    (void)state;
    options.hash_version = EXT2_HASH_LEGACY;
    collide(names, 20, 250, false);
    make_world_begin(&world);
    for (unsigned i = 0; i < 20; i++)
        make_world_file(&world, world.root, names[i], i);
    make_world_order(&world);
    assert_int_equal(make(&options, 1 << 20), 0);
    assert_true(is_clean());
    compare_mounted(20);
    make_world_end(&world);
}

/* More leaves than an index has room for. */
static void test_directory_too_large_for_an_index(void **state)
{
    struct ext2_make_options options = options_of(1024, 128);
    struct make_file *file;
    char name[300];

    (void)state;
    make_world_begin(&world);
    file = make_world_file(&world, world.root, "file", 1);
    memset(name, 'x', sizeof(name));
    /* 124 * 127 leaves of 3 names, and one more: no file has so many links, so
     * several take turns. */
    for (unsigned i = 0; i < 124 * 127 * 3 + 1; i++) {
        if (i % 30000 == 29999)
            file = make_world_file(&world, world.root,
                                   i > 30000 ? "file3" : "file2", 2);
        snprintf(name + 240, 20, "%014u", i);
        make_world_name(world.root, name, file);
    }
    make_world_order(&world);
    assert_int_equal(make(&options, 24 << 20), 0);
    assert_int_equal(ext2_fsck_status(world.disk, world.size, "-fn", 0), 0);
    make_world_end(&world);
}

static void test_own_lost_and_found_is_kept(void **state)
{
    struct ext2_make_options options = options_of(1024, 128);
    struct make_file *dir;

    (void)state;
    make_world_begin(&world);
    dir = make_world_add(&world, world.root, "lost+found", FILE_DIRECTORY);
    make_world_file(&world, dir, "found", 10);
    make_world_file(&world, world.root, "lost-found", 10);
    make_world_order(&world);
    assert_int_equal(make(&options, 1 << 20), 0);
    assert_true(is_clean());
    assert_int_not_equal(
        ext2_find_path(world.disk, world.size, "/lost+found/found"), 0);
    make_world_end(&world);
}

/* ---- Attributes ---------------------------------------------------------- */

/* What Linux shows of a list: version 2, entries of tag, rights, id. */
static const uint8_t acl_seen[] = {2, 0, 0, 0,                         /**/
                                   1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, /**/
                                   2, 0, 6, 0, 1,    2,    0,    0,    /**/
                                   4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff};
/* acl(5), and on the disk: version 1, and the id only of a user. */
static const uint8_t acl_kept[] = {1, 0, 0, 0, 1, 0, 7, 0, 2, 0,
                                   6, 0, 1, 2, 0, 0, 4, 0, 5, 0};

static bool holds(const uint8_t *bytes, size_t size)
{
    return memmem(world.disk, world.size, bytes, size) != NULL;
}

static void test_attributes_in_inode_and_block(void **state)
{
    static char large[700];
    const struct make_xattr few[] = {
        {"user.a", "value", 5}, {"trusted.b", "", 0}, {"user.c", "cc", 2}};
    const struct make_xattr many[] = {{"user.large", large, sizeof(large)},
                                      {"security.c", "capable", 7}};
    const struct make_xattr lists[] = {
        {"system.posix_acl_access", acl_seen, sizeof(acl_seen)}};
    char value[800];

    (void)state;
    memset(large, 'L', sizeof(large));
    for (uint32_t inode = 128; inode <= 256; inode *= 2) {
        struct ext2_make_options options = options_of(1024, inode);
        struct make_file *file;
        struct file_stat stat;

        make_world_begin(&world);
        file = make_world_file(&world, world.root, "few", 1);
        file->xattrs = few;
        file->xattr_count = COUNT_OF(few);
        file = make_world_add(&world, world.root, "many", FILE_DIRECTORY);
        file->xattrs = many;
        file->xattr_count = 2;
        file = make_world_file(&world, world.root, "lists", 1);
        file->xattrs = lists;
        file->xattr_count = 1;
        make_world_order(&world);
        assert_int_equal(make(&options, 1 << 20), 0);
        assert_true(is_clean());
        assert_true(holds(acl_kept, sizeof(acl_kept)));
        assert_false(holds(acl_seen, sizeof(acl_seen)));
        make_world_mount(&world, &ext2_rw_file_system);
        assert_int_equal(file_xattr_get("/few", true, "user.a", value, 800), 5);
        assert_memory_equal(value, "value", 5);
        assert_int_equal(file_xattr_get("/few", true, "trusted.b", value, 800),
                         0);
        assert_int_equal(file_xattr_get("/few", true, "user.c", value, 800), 2);
        assert_memory_equal(value, "cc", 2);
        /* A large inode says when it was made. */
        assert_int_equal(file_stat("/few", true, &stat), 0);
        assert_int_not_equal(stat.mtime.s, 0);
        assert_int_equal(stat.btime.s, inode == 256 ? stat.mtime.s : 0);
        assert_int_equal(
            file_xattr_get("/many", true, "user.large", value, 800), 700);
        assert_memory_equal(value, large, 700);
        make_world_unmount();
        make_world_end(&world);
    }
}

static void test_attributes_that_cannot_be(void **state)
{
    static char huge[1000], name[300] = "user.";
    static const uint8_t version[] = {1, 0, 0, 0};
    const struct {
        const char *what;
        struct make_xattr xattr;
        int status;
    } rows[] = {
        {"too large for a block", {"user.huge", huge, 1000}, -ENOSPC},
        {"no such prefix", {"system.other", huge, 1}, -ENOTSUP},
        {"a name behind that of a list",
         {"system.posix_acl_access2", acl_seen, sizeof(acl_seen)},
         -ENOTSUP},
        {"no name behind a prefix", {"user.", huge, 1}, -ENOTSUP},
        {"a long name", {name, huge, 1}, -ENOTSUP},
        {"an empty list", {"system.posix_acl_default", huge, 0}, -ENOTSUP},
        {"half an entry", {"system.posix_acl_access", acl_seen, 10}, -ENOTSUP},
        {"a version", {"system.posix_acl_access", version, 4}, -ENOTSUP},
        {"too many entries", {"system.posix_acl_access", huge, 8004}, -ENOTSUP},
    };
    struct ext2_make_options options = options_of(1024, 256);

    (void)state;
    memset(name + 5, 'n', 256);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct make_file *file;

        make_world_begin(&world);
        file = make_world_file(&world, world.root, "file", 1);
        make_world_file(&world, world.root, "other", 1);
        file->xattrs = &rows[i].xattr;
        file->xattr_count = 1;
        make_world_order(&world);
        ROW(rows[i].what, make(&options, 1 << 20) == rows[i].status);
        ROW(rows[i].what, result.file == file);
        make_world_end(&world);
    }
}

/* ---- What cannot be ------------------------------------------------------ */

static void add_too_many_links(void)
{
    struct make_file *file = make_world_file(&world, world.root, "0", 1);
    char name[20];

    for (unsigned i = 1; i <= EXT2_LINKS_MAX; i++) {
        snprintf(name, sizeof(name), "%u", i);
        make_world_name(world.root, name, file);
    }
}

static void add_too_many_dirs(void)
{
    struct make_file *dir =
        make_world_add(&world, world.root, "dir", FILE_DIRECTORY);
    char name[20];

    for (unsigned i = 0; i < EXT2_LINKS_MAX; i++) {
        snprintf(name, sizeof(name), "%u", i);
        make_world_add(&world, dir, name, FILE_DIRECTORY);
    }
}

static void add_long_link(void)
{
    char target[1025];

    memset(target, 't', 1024);
    target[1024] = '\0';
    make_world_link(&world, world.root, target);
}

static void add_large_file(void)
{
    make_world_file(&world, world.root, "large", UINT64_C(1) << 40)->rdev =
        UINT64_C(1) << 39;
}

static void test_files_that_cannot_be(void **state)
{
    static const struct {
        const char *what;
        void (*add)(void);
        int status;
    } rows[] = {
        {"links", add_too_many_links, -EMLINK},
        {"directories", add_too_many_dirs, -EMLINK},
        {"a long target", add_long_link, -ENAMETOOLONG},
        {"beyond three levels", add_large_file, -EFBIG},
    };
    struct ext2_make_options options = options_of(1024, 128);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make_world_begin(&world);
        rows[i].add();
        make_world_order(&world);
        ROW(rows[i].what, make(&options, 40 << 20) == rows[i].status);
        ROW(rows[i].what, result.file == world.root->names[0].file);
        make_world_end(&world);
    }
}

/* The last block that three levels of indirection reach; a hole, so that it can
 * be tried. */
static void test_largest_file(void **state)
{
    const uint64_t blocks = 12 + 256 + 256 * 256 + 256 * 256 * 256;
    struct ext2_make_options options = options_of(1024, 128);

    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct make_file *file;

        make_world_begin(&world);
        file =
            make_world_file(&world, world.root, "file", (blocks + more) * 1024);
        file->rdev = file->size_bytes - 10;
        make_world_order(&world);
        assert_int_equal(make(&options, 1 << 20), more > 0 ? -EFBIG : 0);
        assert_true(more > 0 || is_clean());
        make_world_end(&world);
    }
}

static void test_two_names_of_a_directory(void **state)
{
    const struct make_file *bad = NULL;
    struct make_file *dir;

    (void)state;
    make_world_begin(&world);
    dir = make_world_add(&world, world.root, "dir", FILE_DIRECTORY);
    make_world_name(world.root, "other", dir);
    assert_int_equal(make_tree_order(world.root, &bad), -EINVAL);
    assert_ptr_equal(bad, dir);
    make_world_end(&world);
}

/* ---- Faults -------------------------------------------------------------- */

static void fill_for_faults(void)
{
    static const struct make_xattr xattr = {"user.large", longest, 255};
    struct make_file *file;

    fill(200);
    file = world.root->names[0].file;
    file->xattrs = &xattr;
    file->xattr_count = 1;
}

/* Each allocation, read and write fails once: that is told, and nothing is
 * kept. */
static void test_everything_fails_once(void **state)
{
    unsigned *const countdowns[] = {&world.fail_alloc, &world.fail_read,
                                    &world.fail_write};
    static const int statuses[] = {-ENOMEM, -EIO, -EIO};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(countdowns); i++) {
        unsigned n = 0;
        bool has_failed;
        int status;

        fill_for_faults();
        do {
            struct ext2_make_options options = options_of(1024, 256);

            *countdowns[i] = ++n;
            status = make(&options, 4 << 20);
            has_failed = *countdowns[i] == 0;
            assert_int_equal(status, has_failed ? statuses[i] : 0);
            assert_int_equal(world.allocated, 0);
        } while (has_failed);
        *countdowns[i] = 0;
        make_world_end(&world);
        print_message("%u\n", n);
        assert_true(n > 5);
    }
}

static void test_no_memory_to_measure(void **state)
{
    unsigned n = 0;
    int status;

    (void)state;
    do {
        struct ext2_make_options options = options_of(1024, 256);
        uint64_t size = 77;

        fill(200);
        world.fail_alloc = ++n;
        status = ext2_make_measure(&world.host, &options, world.root, 0, 0,
                                   &size, &result);
        assert_true(status == 0 || (status == -ENOMEM && size == 77));
        make_world_end(&world);
    } while (status != 0);
    assert_true(n > 3);
}

/* Every size below what is needed ends without room. */
static void test_no_room_anywhere(void **state)
{
    struct ext2_make_options options = options_of(1024, 128);
    uint64_t size = 0;

    (void)state;
    fill(30);
    assert_int_equal(ext2_make_measure(&world.host, &options, world.root, 0, 0,
                                       &size, &result),
                     0);
    for (uint64_t at = 10 * 1024; at + 12 * 1024 < size; at += 3 * 1024) {
        assert_int_equal(make(&options, at), -ENOSPC);
        assert_null(result.file);
    }
    make_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeros_are_told_from_others),
        cmocka_unit_test(test_every_shape_reads_as_it_was_filled),
        cmocka_unit_test(test_same_tree_makes_same_bytes),
        cmocka_unit_test(test_superblock_and_copies),
        cmocka_unit_test(test_sizes_at_the_ends_of_groups),
        cmocka_unit_test(test_layout_has_limits),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_measured_size_fits_exactly),
        cmocka_unit_test(test_measured_with_many_inodes),
        cmocka_unit_test(test_large_directories),
        cmocka_unit_test(test_names_of_one_hash),
        cmocka_unit_test(test_directory_too_large_for_an_index),
        cmocka_unit_test(test_own_lost_and_found_is_kept),
        cmocka_unit_test(test_attributes_in_inode_and_block),
        cmocka_unit_test(test_attributes_that_cannot_be),
        cmocka_unit_test(test_files_that_cannot_be),
        cmocka_unit_test(test_largest_file),
        cmocka_unit_test(test_two_names_of_a_directory),
        cmocka_unit_test(test_everything_fails_once),
        cmocka_unit_test(test_no_memory_to_measure),
        cmocka_unit_test(test_no_room_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
