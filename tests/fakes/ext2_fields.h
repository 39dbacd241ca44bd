/*
 * Where the fields of a good ext2 image are: what a fuzzer damages, and what
 * would make sense there. By the test's own reading of the format.
 */
#ifndef TORC_TESTS_FAKES_EXT2_FIELDS_H
#define TORC_TESTS_FAKES_EXT2_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_NUMBER, /* a count, a size, flags */
    FIELD_BLOCK,  /* the number of a block */
    FIELD_INODE,  /* the number of an inode */
    FIELD_LENGTH, /* of something in a block */
    FIELD_TIME,
    FIELD_TEXT,
    FIELD_BITS, /* of a bitmap */
};

struct field {
    uint32_t at; /* byte of the image */
    uint8_t size;
    uint8_t kind; /* enum field_kind */
};

/*
 * Those of the superblock, the descriptors, the bitmaps, of inodes in use,
 * indirect blocks, entries, index nodes and attributes. Returns how many; at
 * most `max`, the rest is left out.
 */
size_t ext2_fields(const uint8_t *image, size_t size, struct field *fields,
                   size_t max);

#endif
