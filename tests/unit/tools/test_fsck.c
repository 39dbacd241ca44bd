/* torc-fsck as a program: what it accepts, says and returns, and partitions. */
#include "fs/ext2/ext2_format.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/child.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/part_image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tool_main(int argc, char **argv);
/* clang-format off */
#define main         tool_main
#define check_failed tool_check_failed
#include "tools/fsck/torc_fsck.c"
#undef main
#include "tools/fsck/image_part.c"
/* clang-format on */

enum { SIZE = 8 << 20, VOLUME_KIB = 1024, FIRST = 2048, LATER = 8192 };

static char path[] = "/tmp/torc_fsck_XXXXXX";
static char output[20000];
static uint8_t *volume;
static size_t volume_size;

static void image_write(const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static int words_run(void *argv)
{
    char **words = argv;

    optind = 1;
    return tool_main(words[2] != NULL ? 3 : 2, words);
}

/* Run it: its exit status; what it says is in `output`. */
static int run(const char *first, const char *second)
{
    char *argv[] = {(char *)"torc-fsck", (char *)first, (char *)second, NULL};

    return child_run(words_run, argv, output, sizeof(output));
}

static int run_at(const char *behind)
{
    char name[100];

    snprintf(name, sizeof(name), "%s%s", path, behind);
    return run("-n", name);
}

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

static int setup(void **state)
{
    (void)state;
    close(mkstemp(path));
    volume = ext2_image("-b 1024 -N 64", ext2_small_tree(), VOLUME_KIB,
                        &volume_size);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    free(volume);
    return 0;
}

/* ---- Use ----------------------------------------------------------------- */

static void test_usage(void **state)
{
    (void)state;
    assert_int_equal(run("--help", NULL), 0);
    assert_true(says("usage: torc-fsck [-n] [-v] IMAGE"));
    assert_int_equal(run("-n", NULL), 16);
    assert_int_equal(run("-x", path), 16);
    assert_int_equal(run("-y", path), 16);
    assert_true(says("it repairs nothing"));
    assert_int_equal(run(path, path), 16);
}

static void test_clean_and_not(void **state)
{
    const uint8_t *super = volume + EXT2_SUPER_OFFSET;
    unsigned inodes = le32_get(super + SUPER_INODES_COUNT);
    char counts[60];

    (void)state;
    image_write(volume, volume_size);
    assert_int_equal(run(path, NULL), 0);
    snprintf(counts, sizeof(counts), ": clean, %u/%u inodes (",
             inodes - le32_get(super + SUPER_FREE_INODES), inodes);
    assert_true(says(counts));
    assert_true(says("/1024 blocks of 1024\n"));
    volume[1024 + 16] ^= 1;
    image_write(volume, volume_size);
    assert_int_equal(run("-v", path), 4);
    assert_true(says(": preen: COUNT_INODES expected "));
    assert_true(says("e2fsck: 5_FREE_INODE_COUNT"));
    assert_true(says(": NOT CLEAN, "));
    assert_true(says(": 0 serious, 1 that e2fsck -p repairs by itself\n"));
    volume[1024 + 16] ^= 1;
    volume[1024 + 58] = 0; /* the state */
    image_write(volume, volume_size);
    assert_int_equal(run(path, NULL), 0);
    assert_true(says(", was not unmounted\n"));
    volume[1024 + 58] = 1;
}

static void test_cannot_be_checked(void **state)
{
    static uint8_t nothing[4096];
    static const struct {
        const char *name;
        unsigned offset;
        uint8_t value;
        const char *says;
    } rows[] = {
        {"no magic", 56, 0, "not an ext2 file system"},
        {"extents", 96, 0x42, "features that ext2 has not"},
        {"block size", 24, 9, "too damaged to go on"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t was = volume[1024 + rows[i].offset];

        volume[1024 + rows[i].offset] = rows[i].value;
        image_write(volume, volume_size);
        ROW(rows[i].name, run(path, NULL) == 8);
        ROW(rows[i].name, says(rows[i].says));
        volume[1024 + rows[i].offset] = was;
    }
    image_write(nothing, sizeof(nothing));
    assert_int_equal(run(path, NULL), 8);
    assert_int_equal(run("/nowhere/image", NULL), 8);
    assert_true(says("No such file"));
    assert_int_equal(run("/tmp", NULL), 8);
}

/* ---- Where in the image -------------------------------------------------- */

/* A disk of that table, with the volume at a sector. */
static void disk_write(const char *script, uint64_t sector)
{
    uint8_t *disk = sfdisk_image(script, SIZE);

    memcpy(disk + sector * 512, volume, volume_size);
    image_write(disk, SIZE);
    free(disk);
}

static void test_partitions(void **state)
{
    (void)state;
    disk_write("label: dos\nstart=2048,size=4096,type=83\n"
               "start=8192,size=4096,type=83\n",
               LATER);
    assert_int_equal(run_at(":2"), 0);
    assert_true(says("clean"));
    assert_int_equal(run_at(":1"), 8);
    assert_true(says("not an ext2"));
    assert_int_equal(run_at(":3"), 8);
    assert_true(says("there is no such partition"));
    assert_int_equal(run_at(":5"), 8);
    assert_int_equal(run_at(":0"), 8);
    assert_int_equal(run_at("@4m"), 0);
    assert_int_equal(run_at("@4096k"), 0);
    assert_int_equal(run_at("@4194304"), 0);
    assert_int_equal(run_at("@4194305"), 8);
    disk_write("label: gpt\nstart=2048,size=4096\n", FIRST);
    assert_int_equal(run_at(":1"), 0);
    assert_int_equal(run_at(":2"), 8);
    assert_true(says("there is no such partition"));
    assert_int_equal(run_at(":200"), 8);
}

/* A chain of two tables, each with one partition. */
static void test_logical_partitions(void **state)
{
    uint8_t *disk = calloc(1, SIZE);

    (void)state;
    mbr_image_entry(disk, 0, 5, 2048, 8192);
    mbr_image_entry(disk + 2048 * 512, 0, 0x83, 1, 512);
    mbr_image_entry(disk + 2048 * 512, 1, 5, 2048, 6144);
    mbr_image_entry(disk + 4096 * 512, 0, 0x83, 2048, 2560);
    memcpy(disk + 6144 * 512, volume, volume_size);
    image_write(disk, SIZE);
    free(disk);
    assert_int_equal(run_at(":6"), 0);
    assert_int_equal(run_at(":5"), 8);
    assert_int_equal(run_at(":7"), 8);
    assert_int_equal(run_at(":1"), 8);
    assert_true(says("there is no such partition"));
}

static void test_bad_places(void **state)
{
    static const struct {
        const char *behind;
        const char *says;
    } rows[] = {
        {"@", "a number is missing"},     {":", "a number is missing"},
        {":x", "a number is missing"},    {":1x", "a partition is a number"},
        {"@1x", "an offset is a number"}, {"@1kk", "an offset is a number"},
        {"@1g", "behind the end"},        {":1", "there is no partition table"},
    };
    uint8_t sector[512 * 4] = {0};

    (void)state;
    image_write(volume, volume_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].behind, run_at(rows[i].behind) == 8);
        ROW(rows[i].behind, says(rows[i].says));
    }
    mbr_image_entry(sector, 0, 0x83, 2, 100); /* past the end */
    image_write(sector, sizeof(sector));
    assert_int_equal(run_at(":1"), 8);
    assert_true(says("outside the image"));
    mbr_image_entry(sector, 0, 0xee, 1, 3); /* a GPT, but there is none */
    image_write(sector, sizeof(sector));
    assert_int_equal(run_at(":1"), 8);
    assert_true(says("not valid"));
    mbr_image_entry(sector, 0, 5, 1, 3); /* an extended one of nothing */
    image_write(sector, sizeof(sector));
    assert_int_equal(run_at(":5"), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_clean_and_not),
        cmocka_unit_test(test_cannot_be_checked),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_logical_partitions),
        cmocka_unit_test(test_bad_places),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
