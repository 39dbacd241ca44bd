#include "apps/site/head_cache.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>

static_assert((HEAD_CACHE_PLACES & (HEAD_CACHE_PLACES - 1)) == 0,
              "places are chosen by a mask");

int head_cache_init(struct head_cache *cache)
{
    cache->formatted = 0;
    cache->place = mem_alloc_zeroed(HEAD_CACHE_PLACES * sizeof(*cache->place));
    return cache->place != NULL ? 0 : -ENOMEM;
}

void head_cache_fini(struct head_cache *cache)
{
    mem_free(cache->place);
}

const struct http_file *head_cache_find(struct head_cache *cache,
                                        const struct file_stat *stat,
                                        uint64_t version, const char *type)
{
    struct http_file *file =
        &cache->place[stat->inode & (HEAD_CACHE_PLACES - 1)];

    if (file->type != type || file->modified_s != stat->mtime.s ||
        file->version != version || file->size_bytes != stat->size_bytes) {
        http_file_describe(file, stat->mtime.s, version, stat->size_bytes,
                           type);
        cache->formatted++; /* and checked */
    }
    return file;
}
