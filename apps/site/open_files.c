#include "apps/site/open_files.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/http.h>
#include <torc/memory.h>
#include <torc/string.h>

/* A byte of a page keeps all of it. */
#define PAGE_BYTES UINT64_C(4096)

static_assert((OPEN_FILES_PLACES & (OPEN_FILES_PLACES - 1)) == 0,
              "places are chosen by a mask");

int open_files_init(struct open_files *cache, uint64_t pages_max)
{
    cache->pages_max = pages_max;
    cache->pages_bytes = 0;
    cache->place = mem_alloc_zeroed(OPEN_FILES_PLACES * sizeof(*cache->place));
    return cache->place != NULL ? 0 : -ENOMEM;
}

/* ---- Pages of another CPU ------------------------------------------------ */

static void pages_drop(struct open_files *cache, struct open_file *open)
{
    cache->pages_bytes -= open->page_count * PAGE_BYTES;
    open->page_bytes = 0;
    while (open->page_count > 0)
        buf_put(open->pages[--open->page_count].buf);
    mem_free(open->pages);
    open->pages = NULL;
}

/* Without memory, or where the file cannot be read, each request asks. */
static void pages_keep(struct open_files *cache, struct open_file *open)
{
    const uint64_t most = OPEN_FILES_PAGES * PAGE_BYTES;
    uint64_t size = open->stat.size_bytes;
    unsigned count = OPEN_FILES_PAGES;
    uint64_t kept;
    int64_t got;

    if (size > most)
        size = most;
    kept = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (size == 0 || cache->pages_bytes + kept > cache->pages_max)
        return;
    open->pages = mem_alloc(OPEN_FILES_PAGES * sizeof(*open->pages));
    if (open->pages == NULL)
        return;
    got = file_lend(open->file, 0, size, open->pages, &count);
    if (got > 0) {
        open->page_count = count;
        open->page_bytes = (uint64_t)got;
        cache->pages_bytes += count * PAGE_BYTES;
    } else {
        pages_drop(cache, open);
    }
}

int64_t open_file_read(const struct open_file *open, uint64_t offset, void *buf,
                       size_t size)
{
    if (offset >= open->page_bytes)
        return http_file_read(open->file, offset, buf, size);
    return (int64_t)slices_read(open->pages, open->page_count, offset, buf,
                                size);
}

int64_t open_file_lend(const struct open_file *open, uint64_t offset,
                       uint64_t size, struct slice *slices, unsigned *count)
{
    const unsigned room = *count;
    uint64_t before = 0, done = 0;

    if (offset >= open->page_bytes)
        return http_file_lend(open->file, offset, size, slices, count);
    *count = 0;
    for (unsigned i = 0; i < open->page_count; i++) {
        struct slice piece = open->pages[i];
        uint32_t skip = offset > before ? (uint32_t)(offset - before) : 0;

        before += piece.len;
        if (skip >= piece.len)
            continue;
        if (done == size || *count == room)
            break;
        piece.offset += skip;
        piece.len -= skip;
        if (piece.len > size - done)
            piece.len = (uint32_t)(size - done);
        buf_get(piece.buf);
        done += piece.len;
        slices[(*count)++] = piece;
    }
    return (int64_t)done;
}

/* ---- Files --------------------------------------------------------------- */

static void place_empty(struct open_files *cache, struct open_file *open)
{
    assert(open->users == 0);
    pages_drop(cache, open);
    if (open->file != NULL)
        file_close(open->file);
    open->file = NULL;
}

void open_files_fini(struct open_files *cache)
{
    for (unsigned i = 0; i < OPEN_FILES_PLACES; i++)
        place_empty(cache, &cache->place[i]);
    mem_free(cache->place);
}

/* Of the first eight bytes, the last ones and those in the middle, and the
 * length: paths that are the same there share a place. */
static uint32_t hash_of(const struct http_target *target)
{
    size_t len = target->path_len;
    uint64_t word[3] = {0};

    if (len >= sizeof(word[0])) {
        memcpy(&word[0], target->path, sizeof(word[0]));
        memcpy(&word[1], target->path + (len - sizeof(word[0])) / 2,
               sizeof(word[0]));
        memcpy(&word[2], target->path + len - sizeof(word[0]), sizeof(word[0]));
    } else {
        memcpy(&word[0], target->path, len);
    }
    word[0] = (word[0] + len * 2 + target->has_trailing_slash) *
              UINT64_C(0x9e3779b97f4a7c15);
    word[0] =
        ((word[0] ^ word[0] >> 32) + word[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    word[0] =
        ((word[0] ^ word[0] >> 32) + word[2]) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(word[0] >> 32);
}

static struct open_file *place_of(struct open_files *cache, uint32_t hash)
{
    return &cache->place[(hash ^ hash >> 16) & (OPEN_FILES_PLACES - 1)];
}

struct open_file *open_files_find(struct open_files *cache,
                                  const struct http_target *target)
{
    struct open_file *open = place_of(cache, hash_of(target));

    if (open->file == NULL || open->path_len != target->path_len ||
        open->has_trailing_slash != target->has_trailing_slash ||
        memcmp(open->path, target->path, target->path_len) != 0)
        return NULL;
    open->users++;
    return open;
}

struct open_file *open_files_keep(struct open_files *cache,
                                  const struct http_target *target,
                                  struct file *file, const char *type,
                                  const struct file_stat *stat)
{
    struct open_file *open = place_of(cache, hash_of(target));

    if (open->users > 0 || target->path_len > sizeof(open->path))
        return NULL;
    place_empty(cache, open);
    open->file = file;
    open->type = type;
    open->users = 1;
    open->path_len = (uint16_t)target->path_len;
    open->has_trailing_slash = target->has_trailing_slash;
    memcpy(open->path, target->path, target->path_len);
    if (cache->pages_max > 0) {
        open->stat = *stat;
        pages_keep(cache, open);
    }
    return open;
}

int open_files_stat(const struct open_files *cache,
                    const struct open_file *open, struct file_stat *stat)
{
    if (cache->pages_max == 0)
        return file_fstat(open->file, stat);
    *stat = open->stat;
    return 0;
}

void open_files_release(struct open_file *open)
{
    assert(open->users > 0);
    open->users--;
}
