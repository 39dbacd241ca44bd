/*
 * Looking at the disk through the cache, whose pieces may be smaller than a
 * block; and saying what is wrong there.
 */
#include "fs/ext2/ext2_internal.h"
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

int ext2_read_disk(struct ext2_fs *fs, uint64_t offset, void *buf, size_t size)
{
    return mapping_copy(&fs->device, offset, buf, size);
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
