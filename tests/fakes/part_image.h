/*
 * Partition tables for tests, written from the UEFI specification (2.10,
 * sections 5.2 and 5.3), in any sector size; and real ones, by sfdisk.
 */
#ifndef TORC_TESTS_FAKES_PART_IMAGE_H
#define TORC_TESTS_FAKES_PART_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entry `index` (0 .. 3) of the MBR, or of a table of logical partitions, that
 * begins at `table`; and its signature. */
void mbr_image_entry(uint8_t *table, unsigned index, uint8_t type,
                     uint32_t first, uint32_t sectors);

/* A disk with a GPT. The test fills the first four. */
struct gpt_image {
    uint8_t *disk; /* sectors * sector_size bytes */
    uint64_t sectors;
    uint32_t sector_size;
    uint32_t entry_count, entry_size;

    /* set by gpt_image_init(): where both headers and arrays are */
    uint8_t *header[2]; /* the first, the backup */
    uint8_t *array[2];
    uint64_t usable_first, usable_last;
};

/* Write an MBR that protects it, both headers, and empty arrays. */
void gpt_image_init(struct gpt_image *image);

/* Fill an entry of both arrays. */
void gpt_image_entry(struct gpt_image *image, unsigned index, uint64_t first,
                     uint64_t last);

/* Make the checksums right: of the first (0) or the backup (1). */
void gpt_image_seal(struct gpt_image *image, unsigned which);

/* CRC-32, bit by bit. */
uint32_t image_crc32(const uint8_t *data, size_t size);

/*
 * A disk of `size` bytes with what "sfdisk" makes of `script`. In memory of
 * malloc().
 */
uint8_t *sfdisk_image(const char *script, size_t size);

#endif
