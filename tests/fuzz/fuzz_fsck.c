/*
 * Fuzz the checker of ext2. The first byte chooses the shape of a good image,
 * and the input patches it: records of a 3-byte offset, a length (1 to 8) and
 * that many bytes. An input that begins with "RAW" is an image by itself.
 *
 * Whatever the image says: the check ends, reads nothing outside of the disk,
 * gives all memory back, and takes no more than its size allows; and two checks
 * of it find the same.
 */
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fuzz/image_input.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What mke2fs is told. */
static struct {
    const char *options;
    unsigned kib;
    uint8_t *image;
    size_t size;
} shapes[] = {
    {"-b 1024 -N 160", 600, NULL, 0}, /* with an index */
    {"-b 2048 -N 80 -I 128", 400, NULL, 0},
    {"-b 4096 -N 80", 800, NULL, 0},
    {"-r 0 -b 1024 -N 80 -O none", 300, NULL, 0},
    {"-b 1024 -g 256 -N 80", 600, NULL, 0},
    {"-b 1024 -g 256 -N 80 -O meta_bg,^resize_inode", 600, NULL, 0},
    {"-b 1024 -N 80 -O ^filetype,^dir_index,^sparse_super,^resize_inode", 300,
     NULL, 0},
};
static uint8_t *work;

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t largest = RAW_MAX;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shapes[i].image = ext2_image(shapes[i].options, ext2_fuzz_tree(),
                                     shapes[i].kib, &shapes[i].size);
        if (i == 0) {
            ext2_debugfs(shapes[i].image, shapes[i].size,
                         "ea_set /file user.color red");
            ext2_fsck(shapes[i].image, shapes[i].size, "-fyD");
        }
        must(ext2_check_is_clean(shapes[i].image, shapes[i].size));
        if (shapes[i].size > largest)
            largest = shapes[i].size;
    }
    work = malloc(largest);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ext2_checked first = {.fail_alloc = 0}, second = {.fail_alloc = 0};
    size_t image_size = RAW_MAX;

    if (size == 0)
        return 0;
    if (image_is_raw(work, data, size)) {
    } else {
        unsigned i = data[0] % (unsigned)COUNT_OF(shapes);

        image_size = shapes[i].size;
        memcpy(work, shapes[i].image, image_size);
        image_patch(work, image_size, data + 1, size - 1);
    }
    ext2_check_image(work, image_size, &first);
    must(first.status == 0 || first.status == -EINVAL ||
         first.status == -ENOTSUP);
    must(first.allocated_most < 600 * 1024);
    ext2_check_image(work, image_size, &second);
    must(memcmp(first.codes, second.codes, sizeof(first.codes)) == 0);
    return 0;
}
