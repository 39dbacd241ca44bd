/* The partitions of an image, by the kernel's parsers of MBR and GPT. */
#ifndef TORC_TOOLS_FSCK_IMAGE_PART_H
#define TORC_TOOLS_FSCK_IMAGE_PART_H

#include <stdint.h>

/*
 * Find partition `number`: 1 to 4 are those of the MBR, from 5 on its logical
 * ones; or that entry of the GPT. Returns NULL and where it is in bytes, or why
 * there is none. Sectors have 512 bytes.
 */
const char *image_part_find(int fd, uint64_t number, uint64_t *first,
                            uint64_t *size);

#endif
