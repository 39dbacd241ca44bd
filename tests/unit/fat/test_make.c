/*
 * Volumes of FAT that are made and filled at once: fsck.fat finds nothing, the
 * driver and mtools read what was meant, and everything fails once.
 */
#include "fs/fat/make/layout.h"
#include "fs/fat/make/make.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/make_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file_systems.h>

static struct make_world world;
static struct fat_make_result result;

static int make(struct fat_make_options *options, uint64_t size)
{
    options->size_bytes = size;
    make_world_disk(&world, size);
    return fat_make(&world.host, options, world.root, &result);
}

static bool is_clean(void)
{
    return fat_fsck(world.disk, world.size, false) == 0;
}

static void fill(unsigned many)
{
    static const unsigned sizes[] = {1, 511, 512, 513, 4096, 65536, 300001};
    static const char *const names[] = {
        "PLAIN.TXT",
        "Mixed.Txt",
        "lower",
        "ENTRY-~1.TEX",
        ".hidden",
        "a+b,c;d=[e].x",
        "two.dots.in it",
        "a name that is long enough for three parts of a name"};
    struct make_file *dir, *file;
    char name[40];

    make_world_begin(&world);
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        make_world_file(&world, world.root, names[i], i);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        snprintf(name, sizeof(name), "size-%u", sizes[i]);
        file = make_world_file(&world, world.root, name, sizes[i]);
    }
    file->mode = 0444;
    make_world_file(&world, world.root, "\xc3\xbcn\xc3\xaf.text", 3);
    file = make_world_file(&world, world.root, "hole", 700000);
    file->rdev = 700000;
    dir = make_world_add(&world, world.root, "dir", FILE_DIRECTORY);
    dir = make_world_add(&world, dir, "deeper", FILE_DIRECTORY);
    make_world_add(&world, dir, "empty", FILE_DIRECTORY);
    for (unsigned i = 0; i < many; i++) {
        snprintf(name, sizeof(name), "entry-number-%u.text", i);
        make_world_file(&world, dir, name, i % 3);
    }
    make_world_order(&world);
}

static void compare_mounted(unsigned files)
{
    make_world_mount(&world, &fat_file_system);
    assert_int_equal(make_world_compare(&world, false), files);
    make_world_unmount();
}

static void settle(struct make_file *file)
{
    for (; file != NULL; file = file->next)
        file->time.s &= ~INT64_C(1); /* steps of two seconds */
}

/* ---- Shapes -------------------------------------------------------------- */

static void test_every_shape_reads_as_it_was_filled(void **state)
{
    static const struct {
        uint32_t bits, cluster, kib, want_bits, want_cluster;
    } shapes[] = {
        {0, 0, 4000, 12, 1024},     {0, 0, 6000, 16, 1024},
        {12, 4096, 9000, 12, 4096}, {16, 512, 9000, 16, 512},
        {16, 0, 16000, 16, 1024},   {32, 512, 34000, 32, 512},
        {32, 0, 35000, 32, 512},    {12, 32768, 90000, 12, 32768},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct fat_make_options options = {.bits = shapes[i].bits,
                                           .cluster_bytes = shapes[i].cluster,
                                           .serial = 0x12345678,
                                           .hidden_sectors = 63};

        print_message("FAT%u %u\n", shapes[i].want_bits, shapes[i].kib);
        if (i % 2 == 0)
            memcpy(options.label, "A LABEL", 8);
        fill(300);
        settle(world.root);
        assert_int_equal(make(&options, (uint64_t)shapes[i].kib * 1024), 0);
        assert_null(result.file);
        assert_int_equal(result.bits, shapes[i].want_bits);
        assert_int_equal(result.cluster_bytes, shapes[i].want_cluster);
        /* Who starts it stops: cli; hlt; jmp to the hlt. */
        assert_memory_equal(world.disk + 2 + world.disk[1], "\xfa\xf4\xeb\xfd",
                            4);
        assert_true(is_clean());
        compare_mounted(300 + 20);
        assert_true(is_clean());
        make_world_end(&world);
    }
}

/* mtools agree: names and bytes. */
static void test_mtools_read_it(void **state)
{
    struct fat_make_options options = {.bits = 16};
    const char *place;
    char path[400];
    struct stat stat_of_it;

    (void)state;
    fill(200);
    assert_int_equal(make(&options, 8 << 20), 0);
    place = fat_extract(world.disk, world.size);
    for (uint32_t i = 0; i < world.root->name_count; i++) {
        const struct make_name *name = &world.root->names[i];

        snprintf(path, sizeof(path), "%s/%s", place, name->text);
        if (stat(path, &stat_of_it) != 0)
            fail_msg("%s is not there", path);
        if (name->file->type == FILE_REGULAR)
            assert_int_equal(stat_of_it.st_size, name->file->size_bytes);
    }
    snprintf(path, sizeof(path), "%s/dir/deeper/entry-number-199.text", place);
    assert_int_equal(stat(path, &stat_of_it), 0);
    fat_extracted_end();
    make_world_end(&world);
}

static void test_same_tree_makes_same_bytes(void **state)
{
    struct fat_make_options options = {.serial = 1};
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

/* Where the specification's tables begin another row; 0 clusters: refused. */
static void test_layouts(void **state)
{
    static const struct {
        const char *name;
        uint64_t sectors;
        uint32_t bits, cluster;
        uint32_t want_bits, want_cluster;
    } rows[] = {
        {"a floppy", 2880, 0, 0, 12, 1},
        {"too small", 30, 0, 0, 0, 0},
        {"the last of FAT12", 8399, 0, 0, 12, 4},
        {"the first of FAT16", 8400, 0, 0, 16, 2},
        {"1 KiB", 32680, 0, 0, 16, 2},
        {"2 KiB", 32681, 0, 0, 16, 4},
        {"4 KiB", 262145, 0, 0, 16, 8},
        {"8 KiB", 524289, 0, 0, 16, 16},
        {"the last of FAT16", 1048575, 0, 0, 16, 16},
        {"the first of FAT32", 1048576, 0, 0, 32, 8},
        {"16 KiB", 16777217, 0, 0, 32, 16},
        {"32 KiB", 67108865, 0, 0, 32, 64},
        {"2 TiB", UINT64_MAX, 0, 0, 32, 64},
        {"FAT32 of 34 MiB", 68000, 32, 0, 32, 1},
        {"FAT32 of 33 MiB", 66590, 32, 0, 0, 0},
        {"FAT32 with large clusters", 200000, 32, 8, 0, 0},
        {"FAT16 of 1 GiB", 2090000, 16, 0, 16, 32},
        {"FAT16 of 2 GiB", 4190000, 16, 0, 16, 64},
        {"FAT16 of 8 GiB", 16777216, 16, 0, 0, 0},
        {"FAT16 with small clusters", 200000, 16, 1, 0, 0},
        {"FAT16 of 2 MiB", 4200, 16, 0, 16, 1},
        {"FAT16 of 1 MiB", 2100, 16, 0, 0, 0},
        {"FAT12 of 100 MiB", 204800, 12, 0, 12, 64},
        {"FAT12 of 1 GiB", 2097152, 12, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fat_layout layout;
        int status = fat_layout_set(&layout, rows[i].sectors, rows[i].bits,
                                    rows[i].cluster, 0);

        ROW(rows[i].name, status == (rows[i].want_bits != 0 ? 0 : -ENOSPC));
        ROW(rows[i].name, status != 0 || layout.bits == rows[i].want_bits);
        ROW(rows[i].name,
            status != 0 || layout.cluster_sectors == rows[i].want_cluster);
    }
}

static void test_wrong_options(void **state)
{
    static const struct {
        uint32_t bits, cluster;
    } rows[] = {{13, 0}, {0, 1536}, {0, 131072}, {0, 100}};
    struct fat_layout layout;

    (void)state;
    fill(0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fat_make_options options = {.bits = rows[i].bits,
                                           .cluster_bytes = rows[i].cluster};
        uint64_t size;

        assert_int_equal(make(&options, 8 << 20), -EINVAL);
        assert_null(result.file);
        assert_int_equal(fat_make_measure(&world.host, &options, world.root, 0,
                                          0, &size, &result),
                         -EINVAL);
    }
    assert_int_equal(fat_layout_set(&layout, 100000, 16, 0, 65536), -EFBIG);
    make_world_end(&world);
}

static void test_measured_size_fits_exactly(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= 32; bits += 4) {
        struct fat_make_options options = {.bits = bits};
        uint64_t size = 0;

        if (bits != 0 && bits != 12 && bits != 16 && bits != 32)
            continue;
        fill(100);
        assert_int_equal(fat_make_measure(&world.host, &options, world.root, 0,
                                          0, &size, &result),
                         0);
        assert_int_equal(make(&options, size), 0);
        assert_true(is_clean());
        assert_int_equal(make(&options, size - 512), -ENOSPC);
        assert_null(result.file);
        assert_int_equal(fat_make_measure(&world.host, &options, world.root,
                                          1 << 20, 10, &size, &result),
                         0);
        assert_int_equal(make(&options, size), 0);
        assert_true((uint64_t)result.clusters_free * result.cluster_bytes >=
                    1 << 20);
        make_world_end(&world);
    }
}

static void test_nothing_has_room_for_too_much(void **state)
{
    struct fat_make_options options = {.bits = 12};
    uint64_t size = 5;

    (void)state;
    fill(0);
    assert_int_equal(fat_make_measure(&world.host, &options, world.root,
                                      UINT64_C(1) << 40, 0, &size, &result),
                     -ENOSPC);
    assert_int_equal(size, 5);
    make_world_end(&world);
}

/* The root of FAT16 grows with what is in it. */
static void test_large_root(void **state)
{
    struct fat_make_options options = {.bits = 16};
    char name[40];

    (void)state;
    make_world_begin(&world);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "entry-number-%u.text", i);
        make_world_file(&world, world.root, name, 1);
    }
    make_world_order(&world);
    settle(world.root);
    assert_int_equal(make(&options, 8 << 20), 0);
    assert_true(is_clean());
    assert_int_equal(le16_get(world.disk + BOOT_ROOT_ENTRIES), 9008);
    compare_mounted(3000);
    make_world_end(&world);
}

/* ---- What cannot be ------------------------------------------------------ */

static void add_many(unsigned count)
{
    struct make_file *dir =
        make_world_add(&world, world.root, "dir", FILE_DIRECTORY);
    char name[20];

    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%u", i);
        make_world_file(&world, dir, name, 0);
    }
}

static void add_too_many(void)
{
    add_many(65535);
}

static void add_file(const char *name)
{
    make_world_file(&world, world.root, name, 1);
}

static void add_forbidden(void)
{
    add_file("a:b");
}

static void add_foreign(void)
{
    add_file("bad\xff");
}

static void add_dot_at_end(void)
{
    add_file("name.");
}

static void add_blank_at_end(void)
{
    add_file("name ");
}

static void add_same(void)
{
    add_file("A Name with more");
    add_file("a name WITH more");
}

static void add_fifo(void)
{
    make_world_add(&world, world.root, "fifo", FILE_FIFO);
}

static void add_link(void)
{
    add_file("one");
    make_world_name(world.root, "two", world.root->names[0].file);
}

static void add_large(void)
{
    make_world_file(&world, world.root, "large", UINT64_C(1) << 32);
}

static void test_files_that_cannot_be(void **state)
{
    static const struct {
        const char *what;
        void (*add)(void);
        int status;
        unsigned bad; /* which name is told */
    } rows[] = {
        {"a character", add_forbidden, -EINVAL, 0},
        {"no UTF-8", add_foreign, -EINVAL, 0},
        {"a dot at the end", add_dot_at_end, -EINVAL, 0},
        {"a blank at the end", add_blank_at_end, -EINVAL, 0},
        {"upper and lower case", add_same, -EEXIST, 1},
        {"neither file nor directory", add_fifo, -EPERM, 0},
        {"two names", add_link, -EMLINK, 0},
        {"4 GiB", add_large, -EFBIG, 0},
        {"too many entries", add_too_many, -EFBIG, 0},
    };
    struct fat_make_options options = {.bits = 0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make_world_begin(&world);
        rows[i].add();
        make_world_order(&world);
        ROW(rows[i].what, make(&options, 80 << 20) == rows[i].status);
        ROW(rows[i].what, result.file == world.root->names[rows[i].bad].file);
        make_world_end(&world);
    }
}

/* As many as there may be: ".", ".." and 65,534. */
static void test_full_directory(void **state)
{
    struct fat_make_options options = {.bits = 0};

    (void)state;
    make_world_begin(&world);
    add_many(65534);
    make_world_order(&world);
    assert_int_equal(make(&options, 40 << 20), 0);
    assert_true(is_clean());
    make_world_end(&world);
}

/* ---- Faults -------------------------------------------------------------- */

static void test_everything_fails_once(void **state)
{
    unsigned *const countdowns[] = {&world.fail_alloc, &world.fail_read,
                                    &world.fail_write};
    static const int statuses[] = {-ENOMEM, -EIO, -EIO};

    (void)state;
    for (uint32_t bits = 12; bits <= 32; bits += 20) {
        for (size_t i = 0; i < COUNT_OF(countdowns); i++) {
            uint64_t size = bits == 12 ? 3 << 20 : 34 << 20;
            unsigned n = 0;
            bool has_failed;
            int status;

            fill(60);
            do {
                struct fat_make_options options = {.bits = bits};

                memcpy(options.label, "L", 2);
                *countdowns[i] = ++n;
                status = make(&options, size);
                has_failed = *countdowns[i] == 0;
                assert_int_equal(status, has_failed ? statuses[i] : 0);
                assert_int_equal(world.allocated, 0);
            } while (has_failed);
            *countdowns[i] = 0;
            make_world_end(&world);
            assert_true(n > 5);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_shape_reads_as_it_was_filled),
        cmocka_unit_test(test_mtools_read_it),
        cmocka_unit_test(test_same_tree_makes_same_bytes),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_measured_size_fits_exactly),
        cmocka_unit_test(test_nothing_has_room_for_too_much),
        cmocka_unit_test(test_large_root),
        cmocka_unit_test(test_files_that_cannot_be),
        cmocka_unit_test(test_full_directory),
        cmocka_unit_test(test_everything_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
