/*
 * Volumes that say what cannot be: each field of the boot sector, each entry of
 * the FAT, bytes at random. The answer is an error, and what is in memory stays
 * whole.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fat_exercise.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};

enum { FAT12, FAT16, FAT32, KINDS };

static struct kind {
    const char *options;
    unsigned kib;
    uint8_t *good;
    uint8_t *image;
    size_t size;
} kinds[KINDS] = {
    {"-F 12 -s 2", 1500, NULL, NULL, 0},
    {"-F 16 -s 1", 4000, NULL, NULL, 0},
    {"-F 32 -s 1", 35000, NULL, NULL, 0},
};
static struct ramblk disk;

static int mount(struct kind *kind)
{
    machine_attach(16 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, kind->image, kind->size);
    console_forget();
    return file_mount(&disk.block.device, "/", "fat");
}

static void unmount(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

static void mend(struct kind *kind)
{
    memcpy(kind->image, kind->good, kind->size);
}

/* Only what is small is read as a whole again and again. */
static void mend_metadata(struct kind *kind)
{
    memcpy(kind->image, kind->good,
           kind->size < 3 << 20 ? kind->size : 3 << 20);
}

/* ---- The boot sector ----------------------------------------------------- */

static const struct field {
    unsigned kind;
    const char *name;
    unsigned at, size; /* bytes */
    uint32_t value;
    int status;
} fields[] = {
    {FAT16, "signature", 510, 2, 0, -EINVAL},
    {FAT16, "sector size 0", 11, 2, 0, -EINVAL},
    {FAT16, "sector size 256", 11, 2, 256, -EINVAL},
    {FAT16, "sector size 513", 11, 2, 513, -EINVAL},
    {FAT16, "sector size 8192", 11, 2, 8192, -EINVAL},
    {FAT16, "sector size 65535", 11, 2, 65535, -EINVAL},
    {FAT16, "sector size 4096", 11, 2, 4096, -EUCLEAN},
    {FAT16, "cluster size 0", 13, 1, 0, -EINVAL},
    {FAT16, "cluster size 3", 13, 1, 3, -EINVAL},
    {FAT16, "cluster size 255", 13, 1, 255, -EINVAL},
    {FAT16, "cluster size 128", 13, 1, 128, 0}, /* FAT12 then */
    {FAT16, "reserved 0", 14, 2, 0, -EINVAL},
    {FAT16, "reserved 65535", 14, 2, 65535, -EUCLEAN},
    {FAT16, "no FATs", 16, 1, 0, -EINVAL},
    {FAT16, "five FATs", 16, 1, 5, -ENOTSUP},
    {FAT16, "255 FATs", 16, 1, 255, -ENOTSUP},
    {FAT16, "no root", 17, 2, 0, -EUCLEAN},
    {FAT16, "root too large", 17, 2, 65535, 0},
    {FAT16, "no sectors", 19, 2, 0, -EUCLEAN},
    {FAT16, "few sectors", 19, 2, 10, -EUCLEAN},
    {FAT16, "too many sectors", 19, 2, 8001, -EUCLEAN},
    {FAT16, "media", 21, 1, 0x12, -EINVAL},
    {FAT16, "small FAT", 22, 2, 1, -EUCLEAN},
    {FAT16, "large FAT", 22, 2, 65535, -EUCLEAN},
    {FAT16, "no FAT", 22, 2, 0, -EUCLEAN},
    {FAT12, "small FAT", 22, 2, 1, -EUCLEAN},
    {FAT32, "no FAT", 36, 4, 0, -EUCLEAN},
    {FAT32, "huge FAT", 36, 4, 0xffffffff, -EUCLEAN},
    {FAT32, "small FAT", 36, 4, 100, -EUCLEAN},
    {FAT32, "version", 42, 2, 1, -ENOTSUP},
    {FAT32, "root cluster 0", 44, 4, 0, -EUCLEAN},
    {FAT32, "root cluster 1", 44, 4, 1, -EUCLEAN},
    {FAT32, "root cluster far", 44, 4, 0x0ffffff0, -EUCLEAN},
    {FAT32, "root cluster free", 44, 4, 60000, -EUCLEAN},
    {FAT32, "root entries", 17, 2, 512, -EUCLEAN},
    {FAT32, "no sectors", 32, 4, 0, -EUCLEAN},
    {FAT32, "too many sectors", 32, 4, 0xffffffff, -EUCLEAN},
    {FAT32, "active FAT 2", 40, 2, 0x82, -EUCLEAN},
    {FAT32, "active FAT 1", 40, 2, 0x81, 0},
    {FAT32, "active FAT 0", 40, 2, 0x80, 0},
    {FAT32, "FSInfo far", 48, 2, 0xffff, 0},
    {FAT32, "FSInfo 0", 48, 2, 0, 0},
    {FAT32, "FSInfo elsewhere", 48, 2, 3, 0},
    {FAT32, "backup far", 50, 2, 0xffff, 0},
    {FAT32, "FAT of 16 bits", 22, 2, 600, -EUCLEAN}, /* too many clusters */
    {FAT16, "no label", 38, 1, 0, 0},
    {FAT32, "no label", 66, 1, 0, 0},
    {FAT16, "a strange label", 43, 1, 7, 0},
};

static void test_every_field_of_the_boot_sector(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct field *field = &fields[i];
        struct kind *kind = &kinds[field->kind];
        int status;

        print_message("%s\n", field->name);
        mend(kind);
        /* Without a backup to be used. */
        for (unsigned at = 3072; field->kind == FAT32 && at < 3584; at++)
            kind->image[at] = 0;
        for (unsigned b = 0; b < field->size; b++)
            kind->image[field->at + b] = (uint8_t)(field->value >> 8 * b);
        status = mount(kind);
        assert_int_equal(status, field->status);
        if (status == 0) {
            fat_exercise();
            unmount();
        } else {
            machine_detach();
        }
    }
}

static void test_the_backup_is_used_read_only(void **state)
{
    struct kind *kind = &kinds[FAT32];
    struct file *file;

    (void)state;
    mend(kind);
    memset(kind->image, 0, 512);
    assert_int_equal(mount(kind), 0);
    assert_true(console_has("its backup is used"));
    assert_int_equal(fat_compare("/t", fat_tree()), 0);
    assert_int_equal(file_open("/n", FILE_WRITE | FILE_CREATE, 0644, &file),
                     -EROFS);
    assert_int_equal(file_remount("/", false), -EROFS);
    unmount();
}

static void test_disk_too_small_for_anything(void **state)
{
    struct kind *kind = &kinds[FAT12];
    size_t size = kind->size;

    (void)state;
    mend(kind);
    kind->size = 512;
    assert_int_equal(mount(kind), -EUCLEAN);
    machine_detach();
    kind->size = size;
}

static void test_less_than_a_cluster(void **state)
{
    struct kind *kind = &kinds[FAT16];

    (void)state;
    mend_metadata(kind);
    kind->image[BOOT_CLUSTER_SECTORS] = 128;
    le16_put(kind->image + BOOT_SECTORS_16, 200);
    assert_int_equal(mount(kind), -EUCLEAN);
    assert_true(console_has("no clusters"));
    machine_detach();
}

static void test_sectors_of_another_size_than_the_disks(void **state)
{
    struct kind *kind = &kinds[FAT16];

    (void)state;
    mend_metadata(kind);
    machine_attach(16 << 20);
    vfs_init(file_systems);
    ramblk_prepare(&disk, kind->image, kind->size);
    disk.block.sector_size = 4096;
    ramblk_start(&disk);
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), -ENOTSUP);
    machine_detach();
}

/* Every request of a mount fails. */
static void test_mount_cannot_read(void **state)
{
    struct kind *kind = &kinds[FAT32];
    unsigned refused = 0;

    (void)state;
    for (unsigned n = 1; n < 30; n++) {
        int status;

        mend_metadata(kind);
        machine_attach(16 << 20);
        vfs_init(file_systems);
        ramblk_init(&disk, kind->image, kind->size);
        disk.fail_at = n;
        status = file_mount(&disk.block.device, "/", "fat");
        assert_true(status == -EIO || status == 0);
        refused += status != 0;
        disk.fail_at = 0;
        if (status == 0)
            assert_int_equal(file_unmount("/"), 0);
        machine_detach();
    }
    assert_true(refused > 1); /* others were reading ahead */
}

/* However large the volume is, the memory for its free clusters is not. */
static void test_groups_of_clusters(void **state)
{
    static const struct {
        uint32_t end, shift, groups;
    } rows[] = {
        {3, 10, 1},
        {1023, 10, 1},
        {1025, 10, 2},
        {8191 * 1024, 10, 8192},
        {8192 * 1024, 11, 4097},
        {FAT32_CLUSTERS_MAX + 2, 15, 8192},
    };

    (void)state;
    machine_attach(16 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fat_fs fs = {.cluster_end = rows[i].end};

        assert_int_equal(fat_alloc_init(&fs), 0);
        assert_int_equal(fs.group_shift, rows[i].shift);
        assert_int_equal(fs.group_count, rows[i].groups);
        fat_alloc_check(&fs);
        fat_alloc_fini(&fs);
    }
    machine_detach();
}

/* ---- Chains -------------------------------------------------------------- */

static uint8_t *entry_16(struct kind *kind, unsigned cluster)
{
    return kind->image + 512 * le16_get(kind->image + BOOT_RESERVED) +
           (size_t)2 * cluster;
}

/* The short entry of a name in an image, in the first place it is found. */
static uint8_t *find_short(struct kind *kind, const char *name)
{
    for (size_t at = 0; at + 32 <= kind->size; at += 32) {
        if (memcmp(kind->image + at, name, 11) == 0)
            return kind->image + at;
    }
    fail_msg("%s", name);
    return NULL;
}

static int64_t read_at(const char *path, uint64_t offset)
{
    uint8_t bytes[100];
    struct file *file;
    int64_t got = file_open(path, FILE_READ, 0, &file);

    if (got != 0)
        return got;
    got = file_read_at(file, bytes, sizeof(bytes), offset);
    file_close(file);
    return got;
}

static void test_chains_that_lead_nowhere(void **state)
{
    static const uint16_t values[] = {0, 1, 0xfff0, 0xfff7, 7900};
    struct kind *kind = &kinds[FAT16];
    unsigned start;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        mend_metadata(kind);
        start = le16_get(find_short(kind, "SIZE-3~1   ") + SLOT_START);
        le16_put(entry_16(kind, start + 20), values[i]);
        assert_int_equal(mount(kind), 0);
        assert_int_equal(read_at("/t/size-32768", 0), 100);
        assert_int_equal(read_at("/t/size-32768", 30000), -EUCLEAN);
        assert_true(console_has("damaged chain"));
        fat_exercise();
        unmount();
    }
}

static void test_circles_end(void **state)
{
    struct kind *kind = &kinds[FAT16];
    unsigned start, dir;
    struct dir_entry entry;
    struct file *file;

    (void)state;
    mend_metadata(kind);
    start = le16_get(find_short(kind, "SIZE-3~1   ") + SLOT_START);
    le16_put(entry_16(kind, start + 20), (uint16_t)(start + 3));
    dir = le16_get(find_short(kind, "MANY       ") + SLOT_START);
    le16_put(entry_16(kind, dir), (uint16_t)dir);
    assert_int_equal(mount(kind), 0);
    assert_int_equal(read_at("/t/size-32768", 32000), 100);
    assert_int_equal(file_open("/t/many", FILE_READ, 0, &file), -EUCLEAN);
    (void)entry;
    /* To append it must be known where it ends. */
    assert_int_equal(file_open("/t/size-32768", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_write_at(file, "x", 1, 32768), -EUCLEAN);
    file_close(file);
    fat_exercise();
    unmount();
}

static void test_directories_in_themselves(void **state)
{
    struct kind *kind = &kinds[FAT16];
    unsigned above;

    (void)state;
    mend_metadata(kind);
    above = le16_get(find_short(kind, "A          ") + SLOT_START);
    le16_put(find_short(kind, "C          ") + SLOT_START, (uint16_t)above);
    assert_int_equal(mount(kind), 0);
    assert_int_equal(file_rmdir("/t/a/b/c"), -EUCLEAN);
    assert_int_equal(file_rename("/t/a/b/c", "/t/x", 0), -EUCLEAN);
    fat_exercise();
    unmount();
}

static struct fat_fs *volume(void)
{
    struct inode *root;
    struct fat_fs *fs;

    assert_int_equal(vfs_walk("/", true, &root), 0);
    fs = fat_of(root);
    inode_put(root);
    return fs;
}

/* Two files share their last clusters, and one is cut. */
static void test_a_chain_that_others_cut(void **state)
{
    struct kind *kind = &kinds[FAT16];
    unsigned one, two;
    struct file *a, *b;

    (void)state;
    mend_metadata(kind);
    one = le16_get(find_short(kind, "SIZE-3~1   ") + SLOT_START);
    two = le16_get(find_short(kind, "SIZE-4~1   ") + SLOT_START); /* 4095 */
    le16_put(entry_16(kind, two + 2), (uint16_t)(one + 50));
    assert_int_equal(mount(kind), 0);
    assert_int_equal(file_open("/t/size-32768", FILE_READ | FILE_WRITE, 0, &a),
                     0);
    assert_int_equal(file_write_at(a, "x", 1, 32768), 1);
    assert_int_equal(file_sync(a), 0);
    assert_int_equal(file_open("/t/size-4095", FILE_WRITE, 0, &b), 0);
    assert_int_equal(file_truncate(b, 512 * 4), 0);
    file_close(b);
    assert_int_equal(read_at("/t/size-32768", 512 * 56), -EUCLEAN);
    file_close(a);
    fat_exercise();
    unmount();
}

/* A cluster of a directory that is also a file's, and is free when that has
 * gone: while the directory is in memory, and while only a file in it is. */
static void test_a_directory_whose_cluster_is_free(void **state)
{
    struct kind *kind = &kinds[FAT16];

    (void)state;
    for (unsigned is_gone = 0; is_gone < 2; is_gone++) {
        struct file *held;
        unsigned dir;

        mend_metadata(kind);
        dir = le16_get(find_short(kind, "D          ") + SLOT_START);
        le16_put(find_short(kind, "SIZE-1     ") + SLOT_START, (uint16_t)dir);
        assert_int_equal(mount(kind), 0);
        assert_int_equal(file_open(is_gone ? "/t/a/b/c/d/file" : "/t/a/b/c/d",
                                   FILE_READ, 0, &held),
                         0);
        if (is_gone) {
            dentries_shrink(volume()->mount, 0);
            inodes_shrink(volume()->mount, 0, true);
        }
        assert_int_equal(file_unlink("/t/size-1"), 0);
        assert_int_equal(fat_release_pending(volume()), 0);
        volume()->search_at = dir;
        if (is_gone) {
            struct file *file;

            assert_int_equal(file_mkdir("/t/taken", 0755), 0);
            assert_int_equal(
                file_open("/t/taken/F", FILE_WRITE | FILE_CREATE, 0644, &file),
                -EUCLEAN);
        } else {
            assert_int_equal(file_mkdir("/t/taken", 0755), -EUCLEAN);
        }
        vfs_check();
        file_close(held);
        fat_exercise();
        unmount();
    }
}

/* ".." of a directory whose parent is not in memory. */
static int go_up(struct kind *kind)
{
    struct inode *dir, *up;
    int status;

    assert_int_equal(mount(kind), 0);
    assert_int_equal(vfs_walk("/t/a/b/c/d", true, &dir), 0);
    dentries_shrink(dir->mount, 0);
    inodes_shrink(dir->mount, 0, true);
    status = fat_lookup(dir, &(struct name){"..", 2, 0}, &up);
    if (status == 0)
        inode_put(up);
    inode_put(dir);
    unmount();
    return status;
}

static void test_up_from_damaged_directories(void **state)
{
    struct kind *kind = &kinds[FAT16];
    size_t data;
    uint8_t *dots;
    unsigned c;

    (void)state;
    mend_metadata(kind);
    assert_int_equal(go_up(kind), 0);
    c = le16_get(find_short(kind, "C          ") + SLOT_START);
    data = (size_t)512 * (le16_get(kind->image + BOOT_RESERVED) +
                          2 * le16_get(kind->image + BOOT_FAT_SECTORS_16) + 32);
    dots = kind->image + data + (size_t)512 * (c - 2);
    dots[SLOT_BYTES] = 'x'; /* no ".." */
    assert_int_equal(go_up(kind), -EUCLEAN);
    dots[SLOT_BYTES] = '.';
    le16_put(dots + SLOT_BYTES + SLOT_START, 1);
    assert_int_equal(go_up(kind), -EUCLEAN);
    le16_put(dots + SLOT_BYTES + SLOT_START, 0); /* the root has no entry */
    assert_int_equal(go_up(kind), -EUCLEAN);
    le16_put(dots + SLOT_BYTES + SLOT_START, (uint16_t)c); /* itself */
    assert_int_equal(go_up(kind), -EUCLEAN);
}

/* ---- Anything ------------------------------------------------------------ */

static void test_bytes_at_random(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 600; seed++) {
        struct kind *kind = &kinds[seed % KINDS];
        /* The FATs, the root and the first directories. */
        size_t area = kind->size < 200 << 10 ? kind->size : 200 << 10;

        if (seed % KINDS == FAT32)
            area = 700 << 10;
        srand(seed);
        mend(kind);
        for (unsigned i = 0; i < 40; i++)
            kind->image[512 + (unsigned)rand() % (area - 512)] =
                rand() % 3 == 0 ? 0xff : (uint8_t)rand();
        if (mount(kind) == 0) {
            fat_exercise();
            unmount();
        } else {
            machine_detach();
        }
    }
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        kinds[i].good = fat_image(kinds[i].options, fat_tree(), kinds[i].kib,
                                  &kinds[i].size);
        kinds[i].image = malloc(kinds[i].size);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        free(kinds[i].good);
        free(kinds[i].image);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_the_boot_sector),
        cmocka_unit_test(test_the_backup_is_used_read_only),
        cmocka_unit_test(test_disk_too_small_for_anything),
        cmocka_unit_test(test_less_than_a_cluster),
        cmocka_unit_test(test_sectors_of_another_size_than_the_disks),
        cmocka_unit_test(test_mount_cannot_read),
        cmocka_unit_test(test_groups_of_clusters),
        cmocka_unit_test(test_chains_that_lead_nowhere),
        cmocka_unit_test(test_circles_end),
        cmocka_unit_test(test_directories_in_themselves),
        cmocka_unit_test(test_a_chain_that_others_cut),
        cmocka_unit_test(test_a_directory_whose_cluster_is_free),
        cmocka_unit_test(test_up_from_damaged_directories),
        cmocka_unit_test(test_bytes_at_random),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
