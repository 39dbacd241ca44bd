#include "tests/fakes/ext2_bench.h"
#include "kernel/file/vfs.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
struct ext2_bench ext2_volume;

int ext2_bench_open(const char *options)
{
    struct ext2_walk walk;

    ext2_volume.good =
        ext2_image(options, ext2_small_tree(), 1024, &ext2_volume.size);
    ext2_volume.work = malloc(ext2_volume.size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&ext2_volume.disk, ext2_volume.work, ext2_volume.size);
    ext2_bench_mend();
    if (file_mount(&ext2_volume.disk.block.device, "/", NULL) != 0)
        return -1;
    ext2_walk_all(&walk); /* what is made once for all files is there then */
    return file_unmount("/");
}

int ext2_bench_close(void **state)
{
    (void)state;
    machine_detach();
    free(ext2_volume.good);
    free(ext2_volume.work);
    return 0;
}

void ext2_bench_mend(void)
{
    memcpy(ext2_volume.work, ext2_volume.good, ext2_volume.size);
}

uint8_t *ext2_bench_inode(const char *path)
{
    uint32_t number =
        ext2_inode_of_path(ext2_volume.good, ext2_volume.size, path);

    return ext2_volume.work + ext2_inode_offset(ext2_volume.good, number);
}

int ext2_bench_try(struct ext2_walk *walk)
{
    struct mem_stats before, after;
    int status;

    mem_get_stats(&before);
    status = file_mount(&ext2_volume.disk.block.device, "/", NULL);
    if (status == 0) {
        ext2_walk_all(walk);
        vfs_check();
        assert_int_equal(file_unmount("/"), 0);
    }
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    return status;
}
