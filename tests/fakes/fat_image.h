/* FAT images for tests, made and read by dosfstools and mtools. */
#ifndef TORC_TESTS_FAKES_FAT_IMAGE_H
#define TORC_TESTS_FAKES_FAT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An image of `kib` KiB made by "mkfs.fat OPTIONS", with what is in `dir`
 * (NULL: nothing) copied to /t by mcopy. In memory of malloc().
 */
uint8_t *fat_image(const char *options, const char *dir, unsigned kib,
                   size_t *size);

/* A directory with a bit of everything, made once a process and removed at its
 * end: sizes around the limits, long and foreign names, a large directory. */
const char *fat_tree(void);

/* What fsck.fat says of an image: its exit status. With `mend`, as "fsck.fat
 * -a" changes it. What it prints is shown when it is not 0 and not wanted. */
int fat_fsck(uint8_t *image, size_t size, bool mend);

/* Let mcopy read all that is in an image to a new directory below /tmp, whose
 * name is returned until the next call; fat_extracted_end() removes it. */
const char *fat_extract(const uint8_t *image, size_t size);
void fat_extracted_end(void);

/* Run a command of mtools on an image: "mattrib +r -i IMAGE ::/a", where IMAGE
 * stands for it. */
void fat_mtools(uint8_t *image, size_t size, const char *command);

/* Compare what is below a mounted directory with a directory of the host, by
 * names, kinds, sizes and bytes. Prints and returns the number of differences.
 */
unsigned fat_compare(const char *path, const char *host);

#endif
