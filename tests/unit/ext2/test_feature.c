/* Every feature flag: its name by dumpe2fs, and what mounting does about it. */
#include "fs/ext2/ext2.h"
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum ext2_feature_set set;
    unsigned bit;
    char use;
} rows[] = {
    {"dir_prealloc", EXT2_COMPAT, 0, '='},
    {"imagic_inodes", EXT2_COMPAT, 1, '='},
    {"has_journal", EXT2_COMPAT, 2, '='},
    {"ext_attr", EXT2_COMPAT, 3, '='},
    {"resize_inode", EXT2_COMPAT, 4, '='},
    {"dir_index", EXT2_COMPAT, 5, '='},
    {"lazy_bg", EXT2_COMPAT, 6, '='},
    {"(unknown)", EXT2_COMPAT, 7, '-'},
    {"snapshot_bitmap", EXT2_COMPAT, 8, '='},
    {"sparse_super2", EXT2_COMPAT, 9, '='},
    {"fast_commit", EXT2_COMPAT, 10, '='},
    {"stable_inodes", EXT2_COMPAT, 11, '='},
    {"orphan_file", EXT2_COMPAT, 12, '='},
    {"(unknown)", EXT2_COMPAT, 13, '-'},
    {"(unknown)", EXT2_COMPAT, 31, '-'},
    {"compression", EXT2_INCOMPAT, 0, '!'},
    {"filetype", EXT2_INCOMPAT, 1, '='},
    {"needs_recovery", EXT2_INCOMPAT, 2, '4'},
    {"journal_dev", EXT2_INCOMPAT, 3, '!'},
    {"meta_bg", EXT2_INCOMPAT, 4, '='},
    {"(unknown)", EXT2_INCOMPAT, 5, '!'},
    {"extent", EXT2_INCOMPAT, 6, '4'},
    {"64bit", EXT2_INCOMPAT, 7, '4'},
    {"mmp", EXT2_INCOMPAT, 8, '4'},
    {"flex_bg", EXT2_INCOMPAT, 9, '4'},
    {"ea_inode", EXT2_INCOMPAT, 10, '4'},
    {"(unknown)", EXT2_INCOMPAT, 11, '!'},
    {"dirdata", EXT2_INCOMPAT, 12, '!'},
    {"metadata_csum_seed", EXT2_INCOMPAT, 13, '4'},
    {"large_dir", EXT2_INCOMPAT, 14, '4'},
    {"inline_data", EXT2_INCOMPAT, 15, '4'},
    {"encrypt", EXT2_INCOMPAT, 16, '!'},
    {"casefold", EXT2_INCOMPAT, 17, '!'},
    {"(unknown)", EXT2_INCOMPAT, 18, '!'},
    {"(unknown)", EXT2_INCOMPAT, 31, '!'},
    {"sparse_super", EXT2_RO_COMPAT, 0, '='},
    {"large_file", EXT2_RO_COMPAT, 1, '='},
    {"btree_dir", EXT2_RO_COMPAT, 2, '-'},
    {"huge_file", EXT2_RO_COMPAT, 3, '-'},
    {"uninit_bg", EXT2_RO_COMPAT, 4, '-'},
    {"dir_nlink", EXT2_RO_COMPAT, 5, '-'},
    {"extra_isize", EXT2_RO_COMPAT, 6, '-'},
    {"snapshot", EXT2_RO_COMPAT, 7, '-'},
    {"quota", EXT2_RO_COMPAT, 8, '-'},
    {"bigalloc", EXT2_RO_COMPAT, 9, '4'},
    {"metadata_csum", EXT2_RO_COMPAT, 10, '-'},
    {"replica", EXT2_RO_COMPAT, 11, '-'},
    {"read-only", EXT2_RO_COMPAT, 12, '-'},
    {"project", EXT2_RO_COMPAT, 13, '-'},
    {"shared_blocks", EXT2_RO_COMPAT, 14, '-'},
    {"verity", EXT2_RO_COMPAT, 15, '-'},
    {"orphan_present", EXT2_RO_COMPAT, 16, '-'},
    {"(unknown)", EXT2_RO_COMPAT, 17, '-'},
    {"(unknown)", EXT2_RO_COMPAT, 31, '-'},
};

static int setup(void **state)
{
    (void)state;
    return ext2_bench_open("-b 1024 -I 128");
}

/* The three words of flags are next to each other. */
static uint8_t *flags(enum ext2_feature_set set)
{
    return ext2_volume.work + 1024 + SUPER_FEATURE_COMPAT + 4 * set;
}

static void test_feature_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = NULL;

        ROW(rows[i].name, (int)ext2_feature_use(rows[i].set, rows[i].bit,
                                                &name) == rows[i].use);
        ROW(rows[i].name, strcmp(name, rows[i].name) == 0);
    }
}

/* What dumpe2fs calls it. It has no name for some that are long gone. */
static void test_feature_names(void **state)
{
    char path[] = "/tmp/torc_image_XXXXXX", command[200], line[1000];
    unsigned known = 0;

    (void)state;
    close(mkstemp(path));
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; dumpe2fs -h %s 2>/dev/null | "
             "grep features:",
             path);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        FILE *file = fopen(path, "w");
        char want[40];

        if (rows[i].name[0] == '(' || rows[i].use == 0)
            continue;
        ext2_bench_mend();
        memset(flags(EXT2_COMPAT), 0, 12);
        le32_put(flags(rows[i].set), UINT32_C(1) << rows[i].bit);
        assert_int_equal(fwrite(ext2_volume.work, 1, ext2_volume.size, file),
                         ext2_volume.size);
        fclose(file);
        file = popen(command, "r");
        line[0] = '\0';
        if (fgets(line, sizeof(line), file) == NULL)
            line[0] = '\0';
        pclose(file);
        snprintf(want, sizeof(want), " %s\n", rows[i].name);
        /* "FEATURE_C31": it does not know it; nothing: it does not open. */
        if (strstr(line, want) == NULL && line[0] != '\0' &&
            strstr(line, "FEATURE_") == NULL)
            fail_msg("%s is:%s", rows[i].name, line);
        known += strstr(line, want) != NULL;
    }
    unlink(path);
    print_message("%u names are as dumpe2fs says\n", known);
    assert_true(known >= 35);
}

/* One flag more on a good image, of a revision. */
static void mount_with_each(uint32_t revision)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_read = rows[i].use == '=' || rows[i].use == '-';
        char says[80];
        int status;

        ext2_bench_mend();
        /* With these the good image would be another one. */
        if (strcmp(rows[i].name, "meta_bg") == 0)
            continue;
        le32_put(ext2_volume.work + 1024 + SUPER_REV_LEVEL, revision);
        le32_put(flags(rows[i].set),
                 le32_get(flags(rows[i].set)) | UINT32_C(1) << rows[i].bit);
        console_forget();
        status = file_mount(&ext2_volume.disk.block.device, "/", NULL);
        snprintf(says, sizeof(says), "ext2: feature %s (bit %u) is not ",
                 rows[i].name, rows[i].bit);
        ROW(rows[i].name, status == (is_read ? 0 : -ENOTSUP));
        ROW(rows[i].name, console_has(says) == !is_read);
        ROW(rows[i].name, console_has("supported; ext4_file_system reads "
                                      "it\n") == (rows[i].use == '4'));
        if (status == 0)
            assert_int_equal(file_unmount("/"), 0);
    }
}

static void test_feature_mounting(void **state)
{
    (void)state;
    mount_with_each(1);
}

/* It has no features; if it has, they count. */
static void test_feature_in_revision_0(void **state)
{
    (void)state;
    mount_with_each(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feature_table),
        cmocka_unit_test(test_feature_names),
        cmocka_unit_test(test_feature_mounting),
        cmocka_unit_test(test_feature_in_revision_0),
    };

    return cmocka_run_group_tests(tests, setup, ext2_bench_close);
}
