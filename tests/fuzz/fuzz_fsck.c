/*
 * Fuzz the checker of ext2. The first byte chooses the shape of a good image,
 * and the input patches it: records of a 3-byte offset, a length (1 to 8) and
 * that many bytes. An input that begins with "RAW" is an image by itself.
 *
 * Whatever the image says: the check ends, reads nothing outside of the disk,
 * gives all memory back, and takes no more than its size allows; and two checks
 * of it find the same. What is left of the first byte lets an allocation or a
 * read fail, in a third check.
 *
 * The mutations know where fields are (field_mutator.h).
 */
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fuzz/field_mutator.h"
#include "tests/fuzz/image_input.h"
#include "tests/fuzz/must.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static struct {
    const char *options; /* of mke2fs */
    unsigned kib;
    const char *change; /* by debugfs */
    struct shape_fields fields;
} shapes[] = {
    {.options = "-b 1024 -N 160",
     .kib = 600, /* with an index */
     .change = "ea_set /file user.color red"},
    {.options = "-b 2048 -N 80 -I 128", .kib = 400},
    {.options = "-b 4096 -N 80", .kib = 800},
    {.options = "-r 0 -b 1024 -N 80 -O none", .kib = 300},
    {.options = "-b 1024 -g 256 -N 80", .kib = 600},
    {.options = "-b 1024 -g 256 -N 80 -O meta_bg,^resize_inode", .kib = 600},
    {.options =
         "-b 1024 -N 80 -O ^filetype,^dir_index,^sparse_super,^resize_inode",
     .kib = 300},
    {.options = "-b 1024 -N 80 -j -J size=1", .kib = 2400},
    {.options = "-b 1024 -N 160",
     .kib = 600, /* a hash of another kind */
     .change = "set_super_value def_hash_version tea"},
};
static uint8_t *work;

static void shape_make(size_t i)
{
    struct shape_fields *shape = &shapes[i].fields;
    uint8_t *image = ext2_image(shapes[i].options, ext2_fuzz_tree(),
                                shapes[i].kib, &shape->size);

    if (shapes[i].change != NULL) {
        ext2_debugfs(image, shape->size, shapes[i].change);
        ext2_fsck(image, shape->size, "-fyD");
    }
    must(ext2_check_is_clean(image, shape->size));
    shape->image = image;
    shape_fields_find(shape);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t largest = RAW_MAX;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shape_make(i);
        if (shapes[i].fields.size > largest)
            largest = shapes[i].fields.size;
    }
    work = malloc(largest);
    return 0;
}

/* The n-th allocation or read of a check fails, if it comes to it. */
static void check_failing(size_t size, unsigned nth, bool memory)
{
    struct ext2_checked checked = {.fail_alloc = memory ? nth : 0,
                                   .fail_read = memory ? 0 : nth};

    ext2_check_image(work, size, &checked);
    must(checked.status == 0 || checked.status == -EINVAL ||
         checked.status == -ENOTSUP ||
         checked.status == (memory ? -ENOMEM : -EIO));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ext2_checked first = {.fail_alloc = 0}, second = {.fail_alloc = 0};
    size_t image_size = RAW_MAX;
    unsigned fault = 0;

    if (size == 0)
        return 0;
    if (!image_is_raw(work, data, size)) {
        unsigned i = data[0] % (unsigned)COUNT_OF(shapes);

        fault = data[0] / (unsigned)COUNT_OF(shapes);
        image_size = shapes[i].fields.size;
        memcpy(work, shapes[i].fields.image, image_size);
        image_patch(work, image_size, data + 1, size - 1);
    }
    ext2_check_image(work, image_size, &first);
    must(first.status == 0 || first.status == -EINVAL ||
         first.status == -ENOTSUP);
    must(first.allocated_most < 600 * 1024);
    ext2_check_image(work, image_size, &second);
    must(memcmp(first.codes, second.codes, sizeof(first.codes)) == 0);
    if (fault > 0)
        check_failing(image_size, 1 + fault / 2 * (1 + data[size - 1] % 8),
                      fault % 2 != 0);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    mutator_state = seed;
    if (size < 1 || mutator_draw(8) == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (mutator_draw(16) == 0)
        data[0] = (uint8_t)mutator_draw(256);
    return records_mutate(data, size, max, 1,
                          &shapes[data[0] % COUNT_OF(shapes)].fields);
}
