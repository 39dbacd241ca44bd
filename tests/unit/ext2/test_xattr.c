/*
 * Extended attributes that are written: in the inode and in its block, against
 * a list; e2fsck and debugfs read them. Blocks that several inodes have.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/xattr_format.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 10, VALUE_MAX = 1200, LIST_MAX = 4000 };

static struct attribute {
    char name[100];
    uint8_t value[VALUE_MAX];
    size_t size;
    bool is_there;
} model[NAMES];

static void model_init(void)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};

    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(model[i].name, sizeof(model[i].name), "%s%.*s%u",
                 prefixes[i % 3], (int)(i * 5 % 23),
                 "a\xe4long-name-of-an-xattr", i);
}

/* ---- Against a list ------------------------------------------------------ */

static void compare(const char *path)
{
    static char list[LIST_MAX], value[VALUE_MAX];
    int64_t len = file_xattr_list(path, false, list, sizeof(list));
    size_t want = 0;

    assert_true(len >= 0);
    for (unsigned i = 0; i < NAMES; i++) {
        struct attribute *one = &model[i];
        bool listed = false;

        for (const char *at = list; at < list + len; at += strlen(at) + 1)
            listed |= strcmp(at, one->name) == 0;
        assert_int_equal(listed, one->is_there);
        if (!one->is_there) {
            assert_int_equal(file_xattr_get(path, false, one->name, value, 1),
                             -ENODATA);
            continue;
        }
        want += strlen(one->name) + 1;
        assert_int_equal(file_xattr_get(path, false, one->name, NULL, 0),
                         one->size);
        if (one->size > 1)
            assert_int_equal(file_xattr_get(path, false, one->name, value, 1),
                             -ERANGE);
        assert_int_equal(
            file_xattr_get(path, false, one->name, value, sizeof(value)),
            one->size);
        assert_memory_equal(value, one->value, one->size);
    }
    assert_int_equal(len, want);
    if (len > 1)
        assert_int_equal(file_xattr_list(path, false, list, 1), -ERANGE);
}

static size_t random_size(void)
{
    switch (rand() % 4) {
    case 0:
        return (size_t)rand() % VALUE_MAX;
    case 1:
        return (size_t)rand() % 4;
    default:
        return (size_t)rand() % 60;
    }
}

/* One change; whether there was room for it. */
static bool step(const char *path)
{
    struct attribute *one = &model[rand() % NAMES];
    uint8_t value[VALUE_MAX];
    size_t size = random_size();
    int status;

    if (rand() % 4 == 0) {
        assert_int_equal(file_xattr_remove(path, false, one->name),
                         one->is_there ? 0 : -ENODATA);
        one->is_there = false;
        return true;
    }
    for (size_t i = 0; i < size; i++)
        value[i] = (uint8_t)rand();
    status = file_xattr_set(path, false, one->name, value, size, 0);
    if (status == 0) {
        memcpy(one->value, value, size);
        one->size = size;
        one->is_there = true;
    } else {
        assert_int_equal(status, -ENOSPC);
    }
    return status == 0;
}

/* On the disk there are the same. */
static void check_disk(void)
{
    const char *fault;

    assert_int_equal(file_unmount("/"), 0);
    fault = world_fault();
    if (fault != NULL)
        fail_msg("e2fsck: %s", fault);
    world_mount_again();
}

static void test_xattr_random(void **state)
{
    unsigned full = 0;

    (void)state;
    srand(7);
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    model_init();
    for (unsigned i = 0; i < 1500; i++) {
        full += !step("/f");
        compare("/f");
        if (i % 100 == 0)
            check_disk();
    }
    compare("/f");
    assert_true(full > 20 || world->kib == 4000); /* they have more room */
    for (unsigned i = 0; i < NAMES; i++) {
        if (model[i].is_there)
            assert_int_equal(file_xattr_remove("/f", false, model[i].name), 0);
        model[i].is_there = false;
    }
    compare("/f");
    world_unmount();
}

/* Of whatever has an inode, and gone with it. */
static void test_xattr_of_every_type(void **state)
{
    static const char *const paths[] = {"/f", "/d", "/l", "/p", "/slow"};
    static char big[600];
    struct file_fs_stat before, after;

    (void)state;
    world_mount();
    memset(big, 'b', sizeof(big));
    assert_int_equal(file_stat_fs("/", &before), 0);
    for (unsigned round = 0; round < 2; round++) {
        char target[200];

        memset(target, 't', sizeof(target));
        target[199] = '\0';
        assert_int_equal(world_make("/f"), 0);
        assert_int_equal(file_mkdir("/d", 0755), 0);
        assert_int_equal(file_symlink("f", "/l"), 0);
        assert_int_equal(file_symlink(target, "/slow"), 0);
        assert_int_equal(file_make_node("/p", FILE_FIFO, 0600, 0), 0);
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(
                file_xattr_set(paths[i], false, "trusted.a", "value", 5, 0), 0);
            assert_int_equal(file_xattr_set(paths[i], false, "security.b", big,
                                            sizeof(big), 0),
                             0);
        }
        if (round == 0)
            check_disk();
        for (unsigned i = 0; i < 5; i++) {
            char value[600], link[300];

            assert_int_equal(file_xattr_get(paths[i], false, "trusted.a", value,
                                            sizeof(value)),
                             5);
            assert_memory_equal(value, "value", 5);
            /* A link is still what it was: fast, or not. */
            if (i == 2)
                assert_int_equal(file_read_link("/l", link, sizeof(link)), 1);
            if (i == 4)
                assert_int_equal(file_read_link("/slow", link, sizeof(link)),
                                 199);
            assert_int_equal(
                i == 1 ? file_rmdir(paths[i]) : file_unlink(paths[i]), 0);
        }
    }
    assert_int_equal(file_stat_fs("/", &after), 0);
    assert_int_equal(before.blocks_free, after.blocks_free);
    world_unmount();
}

/* debugfs reads what we have written, and the other way round. */
static void test_xattr_by_debugfs(void **state)
{
    char value[300];

    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(world_make("/g"), 0);
    memset(value, 'v', sizeof(value));
    assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0), 0);
    assert_int_equal(
        file_xattr_set("/f", false, "user.b", value, sizeof(value), 0), 0);
    assert_int_equal(file_unmount("/"), 0);
    /* Copy what it reads. */
    ext2_debugfs(world_image, world_image_size,
                 "ea_get -f /tmp/torc_xattr_a /f user.a");
    ext2_debugfs(world_image, world_image_size,
                 "ea_get -f /tmp/torc_xattr_b /f user.b");
    ext2_debugfs(world_image, world_image_size,
                 "ea_set -f /tmp/torc_xattr_a /g user.c");
    ext2_debugfs(world_image, world_image_size,
                 "ea_set -f /tmp/torc_xattr_b /g user.d");
    assert_int_equal(system("rm -f /tmp/torc_xattr_a /tmp/torc_xattr_b"), 0);
    world_mount_again();
    assert_int_equal(file_xattr_get("/g", false, "user.c", value, 300), 3);
    assert_memory_equal(value, "abc", 3);
    assert_int_equal(file_xattr_get("/g", false, "user.d", value, 300), 300);
    assert_int_equal(value[299], 'v');
    assert_int_equal(file_xattr_set("/g", false, "user.d", "short", 5, 0), 0);
    assert_int_equal(file_xattr_get("/g", false, "user.c", value, 300), 3);
    world_unmount();
}

static void test_xattr_names(void **state)
{
    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(
        file_xattr_set("/f", false, "system.posix_acl_access", "x", 1, 0),
        -ENOTSUP);
    assert_int_equal(file_xattr_set("/f", false, "other.x", "x", 1, 0),
                     -ENOTSUP);
    assert_int_equal(
        file_xattr_set("/f", false, "user.x", "x", 1, FILE_XATTR_REPLACE),
        -ENODATA);
    assert_int_equal(
        file_xattr_set("/f", false, "user.x", "x", 1, FILE_XATTR_CREATE), 0);
    assert_int_equal(
        file_xattr_set("/f", false, "user.x", "x", 1, FILE_XATTR_CREATE),
        -EEXIST);
    world_unmount();
}

/* ---- Blocks that are shared ---------------------------------------------- */

static uint8_t *inode_at(const char *path)
{
    uint32_t number = ext2_inode_of_path(world_image, world_image_size, path);

    return world_image + ext2_inode_offset(world_image, number);
}

/* "/g" and "/h" get the block of "/f". */
static void share(void)
{
    uint8_t *f = inode_at("/f"), *block;
    uint32_t acl = le32_get(f + INODE_FILE_ACL);
    static const char *const others[] = {"/g", "/h"};

    assert_int_not_equal(acl, 0);
    block = world_image + (size_t)acl * (1024u << world_image[1024 + 24]);
    assert_int_equal(le32_get(block + XATTR_REFERENCES), 1);
    le32_put(block + XATTR_REFERENCES, 3);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *raw = inode_at(others[i]);

        le32_put(raw + INODE_FILE_ACL, acl);
        le32_put(raw + INODE_BLOCKS, le32_get(f + INODE_BLOCKS));
    }
}

static uint32_t references_of(uint32_t acl)
{
    return le32_get(world_image +
                    (size_t)acl * (1024u << world_image[1024 + 24]) +
                    XATTR_REFERENCES);
}

static void test_xattr_block_that_is_shared(void **state)
{
    static char big[700], value[700];
    uint32_t acl;

    (void)state;
    world_mount();
    memset(big, 'b', sizeof(big));
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(world_make("/g"), 0);
    assert_int_equal(world_make("/h"), 0);
    assert_int_equal(
        file_xattr_set("/f", false, "user.big", big, sizeof(big), 0), 0);
    assert_int_equal(file_unmount("/"), 0);
    share();
    assert_null(world_fault());
    acl = le32_get(inode_at("/f") + INODE_FILE_ACL);
    world_mount_again();
    assert_int_equal(file_xattr_get("/h", false, "user.big", value, 700), 700);
    /* One changes it: that one gets a block of its own. */
    assert_int_equal(file_xattr_set("/g", false, "user.big", "s", 1, 0), 0);
    memset(big, 'c', sizeof(big));
    assert_int_equal(
        file_xattr_set("/f", false, "user.big", big, sizeof(big), 0), 0);
    assert_int_equal(file_xattr_get("/h", false, "user.big", value, 700), 700);
    assert_int_equal(value[0], 'b');
    assert_int_equal(file_xattr_get("/g", false, "user.big", value, 700), 1);
    check_disk();
    assert_int_equal(references_of(acl), 1);
    assert_int_not_equal(le32_get(inode_at("/f") + INODE_FILE_ACL), acl);
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(file_xattr_remove("/h", false, "user.big"), 0);
    assert_int_equal(file_xattr_get("/h", false, "user.big", value, 700),
                     -ENODATA);
    world_unmount();
}

/* One that goes with its inode is counted, too. */
static void test_xattr_shared_by_a_file_that_is_removed(void **state)
{
    static char big[700];
    uint32_t acl;

    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(world_make("/g"), 0);
    assert_int_equal(world_make("/h"), 0);
    assert_int_equal(
        file_xattr_set("/f", false, "user.big", big, sizeof(big), 0), 0);
    assert_int_equal(file_unmount("/"), 0);
    share();
    acl = le32_get(inode_at("/f") + INODE_FILE_ACL);
    world_mount_again();
    assert_int_equal(file_unlink("/g"), 0);
    check_disk();
    assert_int_equal(references_of(acl), 2);
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(file_unlink("/h"), 0);
    world_unmount();
}

/* ---- Failures ------------------------------------------------------------ */

static void test_xattr_damaged(void **state)
{
    static const struct {
        const char *name;
        unsigned at; /* in the block */
        uint32_t value;
    } rows[] = {
        {"another magic number", XATTR_MAGIC, 1},
        {"nobody has it", XATTR_REFERENCES, 0},
        {"two blocks", XATTR_BLOCK_COUNT, 2},
        {"a value behind the block", 32 + XATTR_VALUE_SIZE, 100000},
        {"a value in an inode", 32 + XATTR_VALUE_INODE, 12},
    };
    static char big[700], list[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t acl;

        world_mount();
        assert_int_equal(world_make("/f"), 0);
        assert_int_equal(
            file_xattr_set("/f", false, "user.big", big, sizeof(big), 0), 0);
        assert_int_equal(file_unmount("/"), 0);
        acl = le32_get(inode_at("/f") + INODE_FILE_ACL);
        le32_put(world_image + (size_t)acl * (1024u << world_image[1024 + 24]) +
                     rows[i].at,
                 rows[i].value);
        world_mount_again();
        console_forget();
        ROW(rows[i].name,
            file_xattr_get("/f", false, "user.big", big, 700) == -EUCLEAN);
        ROW(rows[i].name,
            file_xattr_set("/f", false, "user.x", big, 300, 0) == -EUCLEAN);
        if (i < 4)
            ROW(rows[i].name,
                file_xattr_list("/f", false, list, 100) == -EUCLEAN);
        ROW(rows[i].name, console_has("damaged extended attributes"));
        assert_int_equal(file_unmount("/"), 0);
    }
}

static const struct ext2_fs *ext2_of_root(void)
{
    const struct mount_table *table = cpu_self()->mounts;

    return table->root->mount->fs_data;
}

/* There is no block any more: what is there stays. */
static void test_xattr_on_a_full_disk(void **state)
{
    static char big[700];
    struct file *file;
    char path[20];
    int status = 0;

    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(world_make("/h"), 0);
    assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0), 0);
    assert_int_equal(file_open("/g", FILE_WRITE | FILE_CREATE, 0, &file), 0);
    while (file_write(file, big, sizeof(big)) == sizeof(big))
        ;
    file_close(file);
    for (unsigned i = 0; status == 0; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        assert_int_equal(file_make_node(path, FILE_FIFO, 0600, 0), 0);
        status = file_xattr_set(path, false, "trusted.x", big, 600, 0);
    }
    assert_int_equal(status, -ENOSPC);
    assert_int_equal(file_xattr_set("/h", false, "user.a", big, 600, 0),
                     -ENOSPC);
    /* Small ones go into the inode, if it has room. */
    assert_int_equal(file_xattr_set("/h", false, "user.b", "b", 1, 0),
                     ext2_of_root()->inode_size > 128 ? 0 : -ENOSPC);
    assert_int_equal(file_xattr_get("/f", false, "user.a", big, 600), 3);
    assert_int_equal(file_xattr_get("/h", false, "user.a", big, 600), -ENODATA);
    assert_int_equal(file_xattr_get(path, false, "trusted.x", big, 600),
                     -ENODATA);
    world_unmount();
}

/* Whatever allocation fails: nothing has changed, or all of it. */
static void test_xattr_without_memory(void **state)
{
    static char big[500];
    unsigned failures = 0;
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        int status;

        world_mount();
        assert_int_equal(world_make("/f"), 0);
        model_init();
        assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0), 0);
        heap_fail(n);
        status = file_xattr_set("/f", false, "user.a", big, sizeof(big), 0);
        failed = heap_failed();
        heap_fail(0);
        assert_true(status == 0 || (failed && status == -ENOMEM));
        failures += failed;
        assert_int_equal(file_xattr_get("/f", false, "user.a", NULL, 0),
                         status == 0 ? 500 : 3);
        vfs_check();
        world_unmount();
    }
    assert_true(failures > 2);
}

/* Volumes whose superblock does not say that there are attributes: it does from
 * the first one on, or, of revision 0, there can be none. */
static uint32_t features(void)
{
    return le32_get(world_image + EXT2_SUPER_OFFSET + SUPER_FEATURE_COMPAT);
}

static void test_xattr_first_in_a_volume(void **state)
{
    static char big[300];

    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(features() & COMPAT_EXT_ATTR, 0);
    assert_int_equal(file_xattr_set("/f", false, "user.a", big, 300, 0), 0);
    assert_int_not_equal(features() & COMPAT_EXT_ATTR, 0);
    assert_int_equal(file_xattr_get("/f", false, "user.a", NULL, 0), 300);
    world_unmount();
    assert_int_not_equal(features() & COMPAT_EXT_ATTR, 0);
}

static void test_xattr_of_revision_0(void **state)
{
    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0),
                     -ENOTSUP);
    assert_int_equal(file_xattr_get("/f", false, "user.a", NULL, 0), -ENODATA);
    assert_int_equal(features(), 0);
    world_unmount();
}

/* The superblock cannot be written: there is no attribute either. */
static void test_xattr_first_that_fails(void **state)
{
    (void)state;
    world_mount();
    assert_int_equal(world_make("/f"), 0);
    world_disk.fail_from = 1;
    assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0), -EIO);
    world_disk.fail_from = 0;
    assert_int_equal(file_xattr_get("/f", false, "user.a", NULL, 0), -ENODATA);
    assert_int_equal(file_xattr_set("/f", false, "user.a", "abc", 3, 0), 0);
    world_unmount();
}

static int setup(void **state)
{
    (void)state;
    world_attach(32 << 20);
    return 0;
}

int main(void)
{
#define ATTACHED(test) \
    cmocka_unit_test_setup_teardown(test, setup, world_teardown)
    static const struct world kinds[] = {
        {.name = "1k, small inodes",
         .options = "-b 1024 -N 64 -I 128",
         .kib = 1000},
        {.name = "1k", .options = "-b 1024 -N 64 -I 256", .kib = 1000},
        {.name = "4k, large inodes",
         .options = "-b 4096 -N 64 -I 1024",
         .kib = 4000},
    };
    const struct CMUnitTest tests[] = {
        ATTACHED(test_xattr_random),         ATTACHED(test_xattr_of_every_type),
        ATTACHED(test_xattr_by_debugfs),     ATTACHED(test_xattr_names),
        ATTACHED(test_xattr_without_memory),
    };
    const struct CMUnitTest block_tests[] = {
        ATTACHED(test_xattr_block_that_is_shared),
        ATTACHED(test_xattr_shared_by_a_file_that_is_removed),
        ATTACHED(test_xattr_damaged),
        ATTACHED(test_xattr_on_a_full_disk),
    };
    static const struct world without = {
        .name = "without the feature",
        .options = "-b 1024 -N 64 -I 256 -O ^ext_attr",
        .kib = 1000};
    static const struct world revision_0 = {
        .name = "revision 0", .options = "-b 1024 -N 64 -r 0", .kib = 1000};
    const struct CMUnitTest without_tests[] = {
        ATTACHED(test_xattr_first_in_a_volume),
        ATTACHED(test_xattr_first_that_fails),
        ATTACHED(test_xattr_random),
    };
    const struct CMUnitTest revision_0_tests[] = {
        ATTACHED(test_xattr_of_revision_0),
    };
    int failed = 0;

    failed += world_run_in(&without, "first attributes", without_tests,
                           COUNT_OF(without_tests));
    failed += world_run_in(&revision_0, "no attributes", revision_0_tests,
                           COUNT_OF(revision_0_tests));
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        failed += world_run_in(&kinds[i], "attributes", tests, COUNT_OF(tests));
    for (size_t i = 0; i < 2; i++)
        failed += world_run_in(&kinds[i], "blocks of attributes", block_tests,
                               COUNT_OF(block_tests));
    return failed;
}
