/*
 * The image that is being made: a file beside the one that it becomes at the
 * end, so that nobody sees half of it.
 */
#ifndef TORC_TOOLS_MKIMG_IMAGE_H
#define TORC_TOOLS_MKIMG_IMAGE_H

#include "tools/mkimg/tree.h"

struct image {
    const char *path;
    char *temporary;
    int fd;
    uint64_t first; /* byte where the volume begins */
    bool has_said;  /* an error, on stderr */

    /* The file that was read last: */
    const struct node *open;
    int source;
};

/* What the makers take from the host; image_create() comes before anything is
 * written, and image_end() after all. */
void image_begin(struct image *image, const char *path);
void image_end(struct image *image);
struct make_host image_host(struct image *image);

/* Make the file, of `size` bytes, zeros. Return 0, or -1 after a line on
 * stderr. */
int image_create(struct image *image, uint64_t size);

/* Write bytes of the whole image. */
int image_write(struct image *image, uint64_t offset, const void *data,
                size_t size);

/* It is complete: give it its name. */
int image_commit(struct image *image);

#endif
