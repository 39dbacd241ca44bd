/* ext2 images for tests, made by e2fsprogs from a tree made here. */
#ifndef TORC_TESTS_FAKES_EXT2_IMAGE_H
#define TORC_TESTS_FAKES_EXT2_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A directory with a bit of everything, made once a process and removed at its
 * end: files around every limit, holes, links, long names, a large directory.
 */
const char *ext2_tree(void);

/* A directory with little: for images that are damaged thousands of times. */
const char *ext2_small_tree(void);

/* The same with links of every kind, a loop of them, and holes at every level
 * of indirection: for fuzzing. */
const char *ext2_fuzz_tree(void);

/*
 * An image of `kib` KiB made by "mke2fs OPTIONS -d dir": ext2, unless the
 * options say otherwise. In memory of malloc().
 */
uint8_t *ext2_image(const char *options, const char *dir, unsigned kib,
                    size_t *size);

/* Run debugfs commands ("clri <12>") on an image. */
void ext2_debugfs(uint8_t *image, size_t size, const char *command);

/* Write transactions to an image's journal, which are to be replayed: commands
 * of debugfs ("jo", "jw -b 5 %s", "jc"), where %s is a file of `count` bytes.
 */
void ext2_journal(uint8_t *image, size_t size, const char *script,
                  const uint8_t *bytes, size_t count);

/* Let e2fsck put it in order: "-fyD" makes indices of directories. */
void ext2_fsck(uint8_t *image, size_t size, const char *options);

/* What e2fsck says of an image, which stays as it is ("-fn", "-fp"): its exit
 * status; what it printed is shown when that is above `fine`. */
int ext2_fsck_status(const uint8_t *image, size_t size, const char *options,
                     int fine);

/* Where things are, by the test's own reading of the format. */
size_t ext2_inode_offset(const uint8_t *image, uint32_t number);

/* The inode a path leads to, by debugfs; 0: none. */
uint32_t ext2_find_path(const uint8_t *image, size_t size, const char *path);

/* The same of a path that is there. */
uint32_t ext2_inode_of_path(const uint8_t *image, size_t size,
                            const char *path);

/*
 * Walk and read everything below "/" of this CPU's mounts, within bounds.
 * Returns how many entries were seen, or the first error; goes on after errors.
 */
struct ext2_walk {
    unsigned entries;
    unsigned errors;
    int first_error;
    uint64_t bytes;
};
void ext2_walk_all(struct ext2_walk *walk);

#endif
