/* Looking at the disk through the cache, and lines in the log about damage. */
#include "fs/fat/fat_internal.h"
#include <torc/assert.h>
#include <torc/log.h>

void fat_view_begin(struct fat_view *view, struct fat_fs *fs)
{
    view->fs = fs;
    view->size = 0;
}

void fat_view_end(struct fat_view *view)
{
    if (view->size > 0)
        mapping_unref(&view->ref);
    view->size = 0;
}

int fat_view(struct fat_view *view, uint64_t offset, size_t size,
             const uint8_t **out)
{
    uint64_t begin = offset - offset % PAGE_BYTES;

    assert(size <= FAT_VIEW_MAX);
    if (view->size == 0 || view->offset != begin) {
        int status;

        fat_view_end(view);
        status = mapping_ref(&view->fs->device, begin, &view->ref);
        if (status != 0)
            return status;
        view->offset = begin;
        view->size = view->ref.size;
    }
    if (offset - begin + size <= view->size) {
        /* The page may have got another buffer. */
        *out = view->ref.page->buf->base + (offset - begin);
        return 0;
    }
    fat_view_end(view); /* across two pages */
    *out = view->copy;
    return mapping_copy(&view->fs->device, offset, view->copy, size);
}

int fat_damaged(struct fat_fs *fs, uint64_t inode, const char *what,
                uint64_t at)
{
    if (fs->messages++ < FAT_MESSAGES_MAX)
        log_error("%s: fat: inode %lu: damaged %s (%lu)", fs->name,
                  (unsigned long)inode, what, (unsigned long)at);
    return -EUCLEAN;
}
