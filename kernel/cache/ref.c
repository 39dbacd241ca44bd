/* Bytes of a mapping, wherever its pages begin and end. */
#include "kernel/cache/cache_internal.h"
#include <torc/errno.h>
#include <torc/string.h>

/* A device is read so many pages at a time: what a file system keeps on it
 * lies in runs. */
enum { REF_AHEAD = 3 };

int mapping_ref(struct mapping *mapping, uint64_t offset,
                struct mapping_ref *out)
{
    uint64_t index = offset >> PAGE_BYTES_SHIFT;
    uint32_t from = (uint32_t)(offset % PAGE_BYTES);
    struct page *page;
    int status;

    if (offset >= mapping->size_bytes)
        return -EINVAL;
    status = page_get(mapping, index, REF_AHEAD, &page);
    if (status != 0)
        return status;
    out->page = page;
    out->from = from;
    out->data = page->buf->base + from;
    out->size = page_length(page) - from;
    return 0;
}

void mapping_unref(struct mapping_ref *ref)
{
    page_put(ref->page);
    *ref = (struct mapping_ref){.page = NULL};
}

int mapping_modify(struct mapping_ref *ref, size_t at, size_t len)
{
    uint32_t from = ref->from;
    int status;

    assert(at <= ref->size);
    assert(len <= ref->size - at);
    status = page_modify(ref->page, from + (uint32_t)at, (uint32_t)len);
    ref->data = ref->page->buf->base + from;
    return status;
}

void mapping_dirty(struct mapping_ref *ref, size_t at, size_t len)
{
    page_dirty(ref->page, ref->from + (uint32_t)at, (uint32_t)len);
}

int mapping_copy(struct mapping *mapping, uint64_t offset, void *to,
                 size_t size)
{
    char *next = to;

    while (size > 0) {
        struct mapping_ref ref;
        int status = mapping_ref(mapping, offset, &ref);
        size_t piece;

        if (status != 0)
            return status;
        piece = size < ref.size ? size : ref.size;
        memcpy(next, ref.data, piece);
        mapping_unref(&ref);
        next += piece;
        offset += piece;
        size -= piece;
    }
    return 0;
}
