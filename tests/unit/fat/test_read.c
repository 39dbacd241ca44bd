/* Volumes of every shape that mkfs.fat makes, filled by mtools, compared with
 * what they were filled with. */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};
static struct ramblk disk;

static const struct shape {
    const char *options;
    unsigned kib;
    unsigned bits;
    uint32_t sector_size; /* of the disk */
} shapes[] = {
    {"-F 12 -s 1", 2000, 12, 512},
    {"-F 12 -s 8 -f 1", 8000, 12, 512},
    {"-F 16 -s 1", 8000, 16, 512},
    {"-F 16 -s 4 -r 1024", 16000, 16, 512},
    {"-F 16 -s 64", 140000, 16, 512},
    {"-F 32 -s 1", 35000, 32, 512},
    {"-F 12 -S 1024 -s 2", 4000, 12, 512},
    {"-F 16 -S 2048 -s 1", 16000, 16, 512},
    {"-F 12 -S 4096 -s 2", 20000, 12, 4096},
    {"-F 16 -s 8", 20000, 16, 4096},
};

static void mount(uint8_t *image, size_t size, uint32_t sector_size)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_prepare(&disk, image, size);
    disk.block.sector_size = sector_size;
    ramblk_start(&disk);
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
}

static void unmount(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

static void test_every_shape_reads_as_it_was_filled(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct shape *shape = &shapes[i];
        size_t size;
        struct inode *root;
        uint8_t *image;

        print_message("%s\n", shape->options);
        image = fat_image(shape->options, fat_tree(), shape->kib, &size);
        assert_int_equal(fat_fsck(image, size, false), 0);
        mount(image, size, shape->sector_size);
        assert_int_equal(vfs_walk("/", true, &root), 0);
        assert_int_equal(fat_of(root)->bits, shape->bits);
        inode_put(root);
        assert_int_equal(fat_compare("/t", fat_tree()), 0);
        unmount();
        free(image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_shape_reads_as_it_was_filled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
