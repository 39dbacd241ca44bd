/*
 * Fuzz the mount and read paths of ext2.
 *
 * The input patches a small good image: records of a 3-byte offset, a length (1
 * to 8) and that many bytes. So a few bytes of input reach any structure. An
 * input that begins with "RAW" is an image by itself.
 *
 * The machine stays; each run mounts, walks, reads, unmounts, and must leave no
 * memory behind.
 */
#include "fs/file_systems.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>

enum { RAW_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *base;
static uint8_t *work;
static size_t image_size;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    base = ext2_image("-b 1024 -N 64", ext2_small_tree(), 512, &image_size);
    work = malloc(image_size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, work, image_size);
    memcpy(work, base, image_size);
    if (file_mount(&disk.block.device, "/", NULL) != 0 ||
        file_unmount("/") != 0)
        abort();
    return 0;
}

static void patch(const uint8_t *data, size_t size)
{
    memcpy(work, base, image_size);
    while (size >= 5) {
        size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) %
                    image_size;
        size_t len = 1 + data[3] % 8;

        data += 4;
        size -= 4;
        for (size_t i = 0; i < len && i < size && at + i < image_size; i++)
            work[at + i] = data[i];
        data += len < size ? len : size;
        size -= len < size ? len : size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_stats before, after;
    struct ext2_walk walk;

    if (size > 3 && memcmp(data, "RAW", 3) == 0) {
        size = size - 3 < RAW_MAX ? size - 3 : RAW_MAX;
        memset(work, 0, image_size);
        memcpy(work, data + 3, size);
    } else {
        patch(data, size);
    }
    mem_get_stats(&before);
    if (file_mount(&disk.block.device, "/", NULL) == 0) {
        ext2_walk_all(&walk);
        if (file_unmount("/") != 0)
            abort();
    }
    mem_get_stats(&after);
    if (before.block_count != after.block_count)
        abort();
    return 0;
}
