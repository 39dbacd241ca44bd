/* The checker of ext2 (fs/ext2/check) on an image in memory: what every test
 * that writes ext2 ends with. */
#ifndef TORC_TESTS_FAKES_EXT2_CHECK_H
#define TORC_TESTS_FAKES_EXT2_CHECK_H

#include "fs/ext2/check/check.h"
#include <stdio.h>

enum { EXT2_CHECKED_MAX = 64 };

struct ext2_checked {
    int status; /* of ext2_check_volume() */
    struct ext2_check_result result;
    unsigned codes[CHECK_CODES]; /* how often each was found */
    struct ext2_finding finding[EXT2_CHECKED_MAX]; /* the first ones */
    unsigned count;                                /* of all findings */

    /* Set before by the test, else 0: the n-th allocation or read fails. */
    unsigned fail_alloc, fail_read;
    size_t allocated, allocated_most; /* bytes */
};

/* Check `size` bytes; keeps only fail_alloc and fail_read of *checked. Memory
 * that is not given back ends the test. */
void ext2_check_image(const uint8_t *image, size_t size,
                      struct ext2_checked *checked);

/* Print what was found. */
void ext2_check_print(FILE *to, const struct ext2_checked *checked);

/* Whether nothing was found; else it is printed on standard error. */
bool ext2_check_is_clean(const uint8_t *image, size_t size);

/*
 * What "e2fsck -fn" says: its exit status, and whether it told a problem by its
 * number, 0xPPNNNN (problems may be NULL). At most `max` numbers; *count is how
 * many there were.
 */
int ext2_e2fsck(const uint8_t *image, size_t size, uint32_t *problems,
                unsigned max, unsigned *count);

#endif
