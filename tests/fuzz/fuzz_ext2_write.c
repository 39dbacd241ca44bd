/*
 * Fuzz what writes ext2. An input is a byte that chooses the shape of a good
 * image, how many operations, four bytes each (tests/fakes/file_ops.h), and
 * records that patch the image (image_input.h). The volume is mounted and
 * walked, the operations run, it is unmounted, mounted again and walked.
 *
 * Whatever the image says:
 *   - nothing reads or writes where it may not, waits for ever, or is left in
 *     memory; vfs_check() holds behind each operation;
 *   - an answer is one that damage or a full disk explains; what was written is
 *     read;
 *   - a volume in which the checker finds nothing (fs/ext2/check) meets no
 *     damage, can be mounted again, and the checker finds nothing behind it.
 *
 * The mutations know where fields are (field_mutator.h). Time stands still,
 * unless an operation lets it pass, so that an input replays alone.
 */
#include "fs/ext2/write/rw.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/root_mount.h"
#include "tests/fuzz/field_mutator.h"
#include "tests/fuzz/image_input.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/volume_input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size,
                                 const uint8_t *two, size_t two_size,
                                 uint8_t *out, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};

/* What mke2fs is told; all that can be written. */
static struct {
    const char *options;
    unsigned kib;
    unsigned full_kib;  /* /dir gets names until it is so large */
    const char *change; /* by debugfs */
    struct shape_fields fields;
} shapes[] = {
    {.options = "-b 1024 -N 160", .kib = 600}, /* with an index */
    {.options = "-b 2048 -N 80 -I 128", .kib = 400},
    {.options = "-b 4096 -N 80", .kib = 800},
    {.options = "-r 0 -b 1024 -N 80 -O none", .kib = 300},
    {.options = "-b 1024 -g 256 -N 80", .kib = 600},
    {.options = "-b 1024 -g 256 -N 160 -O meta_bg,^resize_inode", .kib = 600},
    {.options =
         "-b 1024 -N 80 -O ^filetype,^dir_index,^sparse_super,^resize_inode",
     .kib = 300},
    {.options = "-b 1024 -N 88 -I 512 -O ^resize_inode",
     .kib = 230}, /* little room */
    {.options = "-b 1024 -N 160", .kib = 600, .full_kib = 124}, /* one level */
    {.options = "-b 1024 -N 160",
     .kib = 600,
     .full_kib = 129, /* a node is full */
     .change = "set_super_value def_hash_version tea"},
    {.options = "-b 1024 -N 160",
     .kib = 600,
     .full_kib = 20,
     .change = "set_super_value def_hash_version legacy"},
    {.options = "-b 1024 -g 256 -N 80",
     .kib = 2000,                                     /* of eight groups */
     .change = "set_inode_field /dir flags 0x10008"}, /* synchronous */
};

static struct ramblk disk;
static uint8_t *work;

/* ---- A run --------------------------------------------------------------- */

static bool is_clean(size_t size)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    ext2_check_image(work, size, &checked);
    return checked.status == 0 && checked.count == 0;
}

/* The volume in `work`. */
static void run(size_t size, const uint8_t *ops, size_t count)
{
    struct volume volume = {
        .disk = &disk,
        .type = "ext2",
        .size = size,
        .is_clean = is_clean,
        .is_good = is_clean(size),
        .now = NS_PER_S,
    };
    struct mem_stats before, after;
    bool is_mounted;
    int status;

    /* The volume may tell the kernel to end when it meets damage. */
    if (le16_get(work + 1024 + 60) == 3)
        le16_put(work + 1024 + 60, 1);
    clock_set(volume.now);
    disk.block.sectors = size / BLOCK_SECTOR_SIZE;
    mem_get_stats(&before);
    is_mounted = volume_mount(&volume);
    if (is_mounted) {
        volume.may_refuse = ext2_oddity(root_mount()->fs_data) != NULL;
        status = file_ops_walk();
        must(status == 0 || !volume.is_good);
        is_mounted = volume_run(&volume, ops, count);
    }
    if (is_mounted) {
        volume_unmount(&volume);
        must(!volume.is_good || ext2_check_is_clean(work, size));
        is_mounted = volume_mount(&volume);
    }
    if (is_mounted) {
        status = file_ops_walk();
        must(status == 0 || !volume.is_good);
        volume_unmount(&volume);
    }
    mem_get_stats(&after);
    must(before.block_count == after.block_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct shape_fields *shape;
    size_t head;

    if (size < 2)
        return 0;
    shape = &shapes[data[0] % COUNT_OF(shapes)].fields;
    head = 2 + ops_count(data, size) * OP_BYTES;
    memcpy(work, shape->image, shape->size);
    image_patch(work, shape->size, data + head, size - head);
    run(shape->size, data + 2, ops_count(data, size));
    return 0;
}

/* ---- Inputs -------------------------------------------------------------- */

static void shape_make(size_t i)
{
    static const char *const attributes[] = {
        "ea_set /file user.color red",
        "ea_set /dir user.color blue",
        "ea_set /dir/sub/x trusted.x 12345678",
        "ea_set /hole user.a-name-that-is-longer "
        "a-value-that-is-much-longer-than-what-is-free-in-an-inode-so-that-it-"
        "has-to-be-in-a-block-of-its-own-and-not-there-with-the-others",
    };
    struct shape_fields *shape = &shapes[i].fields;
    uint8_t *image = ext2_image(shapes[i].options, ext2_fuzz_tree(),
                                shapes[i].kib, &shape->size);

    for (size_t k = 0; k < COUNT_OF(attributes) && i != 3; k++)
        ext2_debugfs(image, shape->size, attributes[k]);
    if (shapes[i].change != NULL)
        ext2_debugfs(image, shape->size, shapes[i].change);
    ext2_fsck(image, shape->size,
              strstr(shapes[i].options, "-N 160") != NULL ? "-fyD" : "-fy");
    must(ext2_check_is_clean(image, shape->size));
    shape->image = image;
}

/* Give /dir names until it is that large. */
static void names_make(unsigned kib)
{
    struct file_stat stat;
    char path[300];

    for (unsigned i = 0; file_stat("/dir", true, &stat) == 0 &&
                         stat.size_bytes < kib * UINT64_C(1024);
         i++) {
        snprintf(path, sizeof(path), "/dir/%0230u", i);
        must(file_link("/file", path) == 0);
    }
}

/* It can be used; and what is made once is made. */
static void shape_use(size_t i)
{
    static const uint8_t none[OP_BYTES];
    struct shape_fields *shape = &shapes[i].fields;

    memcpy(work, shape->image, shape->size);
    disk.block.sectors = shape->size / BLOCK_SECTOR_SIZE;
    must(file_mount(&disk.block.device, "/", "ext2") == 0);
    names_make(shapes[i].full_kib);
    must(file_unmount("/") == 0);
    must(ext2_check_is_clean(work, shape->size));
    memcpy((uint8_t *)shape->image, work, shape->size);
    shape_fields_find(shape);
    run(shape->size, none, 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t largest = 0;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shape_make(i);
        if (shapes[i].fields.size > largest)
            largest = shapes[i].fields.size;
    }
    work = malloc(largest);
    machine_attach_cmdline(64 << 20, "log=error");
    clock_set(NS_PER_S);
    vfs_init(file_systems);
    ramblk_init(&disk, work, largest);
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        shape_use(i);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    const struct shape_fields *shape;
    size_t head;

    mutator_state = seed;
    if (size < 2 || mutator_draw(16) == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (mutator_draw(16) == 0)
        data[0] = (uint8_t)mutator_draw(COUNT_OF(shapes));
    shape = &shapes[data[0] % COUNT_OF(shapes)].fields;
    if (mutator_draw(2) == 0)
        return ops_mutate(data, size, max);
    head = 2 + ops_count(data, size) * OP_BYTES;
    return records_mutate(data, size, max, head, shape);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size,
                                 const uint8_t *two, size_t two_size,
                                 uint8_t *out, size_t max, unsigned seed)
{
    mutator_state = seed;
    return ops_cross(one, one_size, two, two_size, out, max);
}
