/*
 * Looking at the disk through the cache, whose pieces may be smaller than a
 * block; and saying what is wrong there.
 */
#include "fs/ext2/ext2.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

enum {
    PIECE = 4096,     /* aligned pieces of this size are in one reference */
    MESSAGES_MAX = 8, /* a mount: a damaged disk must not fill the log */
};

int ext2_damaged_volume(const struct ext2_fs *fs, const char *what)
{
    log_error("%s: %s: damaged volume: %s; run e2fsck on the image", fs->name,
              fs->type, what);
    return -EUCLEAN;
}

int ext2_damaged(struct ext2_fs *fs, uint64_t inode, const char *what,
                 uint64_t at)
{
    if (fs->messages == MESSAGES_MAX)
        return -EUCLEAN;
    fs->messages++;
    log_error("%s: %s: inode %lu: damaged %s (%lu); run e2fsck on the image",
              fs->name, fs->type, inode, what, at);
    return -EUCLEAN;
}

/* Copy what is in one block, from its copy if it has one. */
static int read_in_block(struct ext2_fs *fs, uint64_t offset, uint8_t *to,
                         size_t size)
{
    static const uint8_t magic[4] = {0xc0, 0x3b, 0x39, 0x98};
    uint32_t in_block = (uint32_t)offset & (fs->block_size - 1);
    bool escaped;
    uint64_t place = fs->ext4->place(fs, offset >> fs->block_shift, &escaped);
    int status = mapping_copy(&fs->device,
                              (place << fs->block_shift) + in_block, to, size);

    for (uint32_t i = 0; escaped && i < size && in_block + i < 4; i++)
        to[i] = magic[in_block + i];
    return status;
}

int ext2_read_disk(struct ext2_fs *fs, uint64_t offset, void *buf, size_t size)
{
    uint8_t *to = buf;
    int status = 0;

    if (!fs->has_copies)
        return mapping_copy(&fs->device, offset, buf, size);
    while (size > 0 && status == 0) {
        size_t left = fs->block_size - (offset & (fs->block_size - 1));
        size_t part = min_size(size, left);

        status = read_in_block(fs, offset, to, part);
        offset += part;
        to += part;
        size -= part;
    }
    return status;
}

int ext2_place_run(struct ext2_fs *fs, uint64_t *block, uint32_t *count)
{
    uint64_t first = *block;
    uint32_t run = 1;
    bool escaped;

    if (!fs->has_copies)
        return 0;
    *block = fs->ext4->place(fs, first, &escaped);
    if (escaped) {
        log_error("%s: %s: data in the journal that looks like it; run e2fsck "
                  "on the image",
                  fs->name, fs->type);
        return -ENOTSUP;
    }
    while (run < *count &&
           fs->ext4->place(fs, first + run, &escaped) == *block + run &&
           !escaped) /* who asks for that one is told */
        run++;
    *count = run;
    return 0;
}

void ext2_view_begin(struct ext2_view *view, struct ext2_fs *fs)
{
    view->fs = fs;
    view->size = 0;
}

void ext2_view_end(struct ext2_view *view)
{
    if (view->size > 0)
        mapping_unref(&view->ref);
    view->size = 0;
}

int ext2_view(struct ext2_view *view, uint64_t offset, size_t size,
              const uint8_t **out)
{
    uint64_t begin = offset - offset % PIECE;
    int status;

    assert(size <= EXT2_VIEW_MAX);
    if (view->fs->has_copies) {
        *out = view->copy;
        return ext2_read_disk(view->fs, offset, view->copy, size);
    }
    if (view->size == 0 || view->offset != begin) {
        ext2_view_end(view);
        status = mapping_ref(&view->fs->device, begin, &view->ref);
        if (status != 0)
            return status;
        view->offset = begin;
        view->size = min_size(view->ref.size, PIECE);
    }
    if (offset - begin + size <= view->size) {
        *out = view->ref.data + (offset - begin);
        return 0;
    }
    ext2_view_end(view); /* across two pieces */
    *out = view->copy;
    return ext2_read_disk(view->fs, offset, view->copy, size);
}
