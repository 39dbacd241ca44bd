/*
 * Fuzz FAT: mount, walk, read, write, rename, remove, unmount.
 *
 * The first byte chooses the kind of a good image, and the input patches it:
 * records of a 3-byte offset, a length (1 to 8) and that many bytes. So a few
 * bytes of input reach any structure. An input that begins with "RAW" is an
 * image by itself.
 *
 * Everything is used in the same way (tests/fakes/fat_exercise.c), or, with the
 * highest bit of the first byte, by operations of the input: how many, four
 * bytes each (volume_input.h), and then the records; it is mounted again behind
 * them.
 *
 * What must hold whatever the image says is in those two files; and no memory
 * is left behind. A good image meets no damage. The machine stays, so that an
 * input replays alone.
 */
#include "tests/fakes/fat_exercise.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fuzz/image_input.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/volume_input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { WITH_OPS = 0x80 };

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};

static struct {
    const char *options;
    unsigned kib;
    unsigned many; /* long names of a directory */
    uint8_t *image;
    size_t size;
} shapes[] = {
    {"-F 12 -s 1", 200, 0, NULL, 0},
    {"-F 12 -s 8 -f 1", 400, 0, NULL, 0},
    {"-F 16 -s 1 -r 64", 2400, 0, NULL, 0},
    {"-F 32 -s 1", 300, 0, NULL, 0},
    {"-F 32 -s 4 -R 32", 600, 0, NULL, 0},
    {"-F 12 -S 4096 -s 1", 800, 0, NULL, 0},
    {"-F 12 -s 2", 300, 60, NULL, 0}, /* found by an index in memory */
};

static struct ramblk disk;
static uint8_t *work;

static void put(const char *path, size_t size)
{
    static uint8_t bytes[20000];
    struct file *file;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + size);
    must(file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file) == 0);
    must(file_write(file, bytes, size) == (int64_t)size);
    file_close(file);
}

/* A tree with what the format has. */
static void fill(unsigned many)
{
    char path[300];

    must(file_mkdir("/t", 0755) == 0);
    must(file_mkdir("/t/a", 0755) == 0);
    must(file_mkdir("/t/a/Sub Directory", 0755) == 0);
    put("/t/FILE.TXT", 7000);
    put("/t/a long name with more than two parts of it", 3000);
    put("/t/a/Sub Directory/x", 600);
    put("/t/empty", 0);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(path, sizeof(path), "/t/a/entry number %u", i);
        put(path, i);
    }
    for (unsigned i = 0; i < many; i++) {
        snprintf(path, sizeof(path), "/t/a/%0240u", i);
        put(path, 0);
    }
    must(file_unlink("/t/a/entry number 5") == 0);
    put("/root.txt", 1000);
}

static int mount_and_check(void)
{
    struct mem_stats before, after;
    int status;

    mem_get_stats(&before);
    status = file_mount(&disk.block.device, "/", "fat");
    if (status == 0) {
        vfs_check();
        fat_exercise();
        must(file_unmount("/") == 0);
    }
    mem_get_stats(&after);
    must(before.block_count == after.block_count);
    return status;
}

/* ---- Operations of the input --------------------------------------------- */

static void mount_and_run(size_t size, const uint8_t *ops, size_t count,
                          bool is_good)
{
    struct volume volume = {
        .disk = &disk,
        .type = "fat",
        .size = size,
        .is_good = is_good,
        .now = NS_PER_S,
    };
    struct mem_stats before, after;
    bool is_mounted = true;

    clock_set(volume.now);
    mem_get_stats(&before);
    for (unsigned mounts = 0; mounts < 2 && is_mounted; mounts++) {
        int status;

        is_mounted = volume_mount(&volume);
        if (!is_mounted)
            break;
        status = file_ops_walk();
        must(status == 0 || !volume.is_good);
        if (mounts == 0)
            is_mounted = volume_run(&volume, ops, count);
        if (is_mounted)
            volume_unmount(&volume);
    }
    mem_get_stats(&after);
    must(before.block_count == after.block_count);
}

/* ---- A run --------------------------------------------------------------- */

static size_t shape_of(const uint8_t *data)
{
    return (data[0] & ~(unsigned)WITH_OPS) %
           (sizeof(shapes) / sizeof(shapes[0]));
}

static void use(size_t i)
{
    memcpy(work, shapes[i].image, shapes[i].size);
    disk.block.sectors = shapes[i].size / BLOCK_SECTOR_SIZE;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const size_t count = sizeof(shapes) / sizeof(shapes[0]);
    size_t largest = RAW_MAX;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < count; i++) {
        shapes[i].image =
            fat_image(shapes[i].options, NULL, shapes[i].kib, &shapes[i].size);
        if (shapes[i].size > largest)
            largest = shapes[i].size;
    }
    work = malloc(largest);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, work, largest);
    for (size_t i = 0; i < count; i++) {
        use(i);
        must(file_mount(&disk.block.device, "/", "fat") == 0);
        fill(shapes[i].many);
        must(file_unmount("/") == 0);
        memcpy(shapes[i].image, work, shapes[i].size);
        must(mount_and_check() == 0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (image_is_raw(work, data, size)) {
        disk.block.sectors = RAW_MAX / BLOCK_SECTOR_SIZE;
    } else {
        bool with_ops = (data[0] & WITH_OPS) != 0 && size > 1;
        size_t count = with_ops ? ops_count(data, size) : 0;
        size_t head = with_ops ? 2 + count * OP_BYTES : 1;
        size_t i = shape_of(data);

        use(i);
        image_patch(work, shapes[i].size, data + head, size - head);
        if (with_ops) {
            mount_and_run(shapes[i].size, data + 2, count, size == head);
            return 0;
        }
    }
    mount_and_check();
    return 0;
}

/* ---- Mutations ----------------------------------------------------------- */

/* Mostly where a shape has its boot sector, FATs and first entries. */
static size_t place_draw(const uint8_t *image, size_t size)
{
    size_t sector = le16_get(image + 11);
    size_t fat = sector * le16_get(image + 14);

    switch (mutator_draw(4)) {
    case 0:
        return mutator_draw(90);
    case 1:
        return fat + mutator_draw(256);
    case 2: /* behind the FATs of FAT12 and FAT16 */
        return fat + sector * image[16] * le16_get(image + 22) +
               mutator_draw(1024);
    default:
        return mutator_draw((unsigned)size);
    }
}

static size_t record_add(uint8_t *data, size_t size, size_t max)
{
    size_t i = shape_of(data);
    size_t at = place_draw(shapes[i].image, shapes[i].size) % shapes[i].size;
    uint8_t record[RECORD_HEAD + 4];
    size_t len = 1 + mutator_draw(4);

    le32_put(record, (uint32_t)at);
    record[3] = (uint8_t)(len - 1);
    le32_put(record + RECORD_HEAD,
             mutator_draw(2) == 0
                 ? mutator_draw(512)
                 : le32_get(shapes[i].image + (at & ~(size_t)3)) ^
                       1u << mutator_draw(32));
    bytes_insert(data, &size, max, size, record, RECORD_HEAD + len);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    mutator_state = seed;
    if (size < 2 || mutator_draw(4) == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (mutator_draw(8) == 0)
        data[0] ^= WITH_OPS;
    if ((data[0] & WITH_OPS) != 0 && mutator_draw(3) != 0)
        return ops_mutate(data, size, max);
    return record_add(data, size, max);
}
