#include "kernel/cache.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/wait.h"
#include <torc/memory.h>

enum {
    HASH_SIZE = 256,
    CHUNK_LARGE = 64 * 1024,
    CHUNK_SMALL = 16 * 1024,
    LARGE_MEMORY = 32 * 1024 * 1024, /* of the CPU, free */
    MEMORY_SHARE = 4,                /* the cache takes at most a quarter */
    CHUNKS_MIN = 8,
};

struct chunk {
    struct list hash;
    struct list lru; /* when nobody holds it: least recently used first */
    uint64_t number; /* offset / chunk size */
    uint8_t *data;
    unsigned holders;
    bool loading;
    int status; /* of the read, for those who wait */
    struct wait_queue loaded;
};

/* Owner CPU only. */
struct cache {
    struct block_device *dev;
    size_t chunk_size;
    unsigned chunk_count;
    unsigned chunk_max;
    struct list lru;
    struct list table[HASH_SIZE];
};

int cache_create(struct block_device *dev, struct cache **out)
{
    struct cache *cache = mem_alloc_zeroed(sizeof(*cache));
    struct mem_stats memory;

    if (cache == NULL)
        return -ENOMEM;
    mem_get_stats(&memory);
    cache->dev = dev;
    cache->chunk_size =
        memory.free_bytes >= LARGE_MEMORY ? CHUNK_LARGE : CHUNK_SMALL;
    cache->chunk_max =
        (unsigned)(memory.free_bytes / MEMORY_SHARE / cache->chunk_size);
    if (cache->chunk_max < CHUNKS_MIN)
        cache->chunk_max = CHUNKS_MIN;
    list_init(&cache->lru);
    for (unsigned i = 0; i < HASH_SIZE; i++)
        list_init(&cache->table[i]);
    *out = cache;
    return 0;
}

static void chunk_free(struct cache *cache, struct chunk *chunk)
{
    list_remove(&chunk->lru);
    list_remove(&chunk->hash);
    dma_free(chunk->data, cache->chunk_size);
    mem_free(chunk);
    cache->chunk_count--;
}

void cache_destroy(struct cache *cache)
{
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        while (!list_empty(&cache->table[i])) {
            struct chunk *chunk =
                container_of(cache->table[i].next, struct chunk, hash);

            assert(chunk->holders == 0);
            chunk_free(cache, chunk);
        }
    }
    mem_free(cache);
}

static struct list *bucket(struct cache *cache, uint64_t number)
{
    return &cache->table[number % HASH_SIZE];
}

static struct chunk *chunk_find(struct cache *cache, uint64_t number)
{
    list_for_each (node, bucket(cache, number)) {
        struct chunk *chunk = container_of(node, struct chunk, hash);

        if (chunk->number == number)
            return chunk;
    }
    return NULL;
}

/* A chunk without contents, new or the one nobody used for longest. */
static struct chunk *chunk_take(struct cache *cache)
{
    struct chunk *chunk = NULL;

    if (cache->chunk_count < cache->chunk_max)
        chunk = mem_alloc_zeroed(sizeof(*chunk));
    if (chunk != NULL) {
        chunk->data = dma_alloc(cache->chunk_size);
        if (chunk->data != NULL) {
            list_init(&chunk->hash);
            list_init(&chunk->lru);
            wait_queue_init(&chunk->loaded);
            cache->chunk_count++;
            return chunk;
        }
        mem_free(chunk);
    }
    if (list_empty(&cache->lru))
        return NULL;
    chunk = container_of(cache->lru.next, struct chunk, lru);
    list_remove(&chunk->lru);
    list_remove(&chunk->hash);
    return chunk;
}

/* How many sectors the chunk has: the last one may be short. */
static uint32_t chunk_sectors(const struct cache *cache, uint64_t number)
{
    uint64_t each = cache->chunk_size / BLOCK_SECTOR_SIZE;
    uint64_t left = cache->dev->sectors - number * each;

    return (uint32_t)(left < each ? left : each);
}

static void chunk_release(struct cache *cache, struct chunk *chunk)
{
    if (--chunk->holders > 0)
        return;
    if (chunk->status == 0)
        list_push_back(&cache->lru, &chunk->lru);
    else
        chunk_free(cache, chunk); /* a failed one is not kept */
}

static int chunk_load(struct cache *cache, struct chunk *chunk)
{
    uint64_t first = chunk->number * (cache->chunk_size / BLOCK_SECTOR_SIZE);

    chunk->loading = true;
    chunk->status = block_read(
        cache->dev, first, chunk_sectors(cache, chunk->number), chunk->data);
    chunk->loading = false;
    if (chunk->status != 0)
        list_remove(&chunk->hash); /* nobody else shall find it */
    wait_wake_all(&chunk->loaded);
    return chunk->status;
}

int cache_get(struct cache *cache, uint64_t offset, struct cache_ref *out)
{
    uint64_t number = offset / cache->chunk_size;
    size_t at = (size_t)(offset % cache->chunk_size);
    struct chunk *chunk;
    int status = 0;

    if (offset / BLOCK_SECTOR_SIZE >= cache->dev->sectors)
        return -EINVAL;
    chunk = chunk_find(cache, number);
    if (chunk != NULL) {
        list_remove(&chunk->lru);
        chunk->holders++;
        while (chunk->loading)
            wait_on(&chunk->loaded);
        status = chunk->status;
    } else {
        chunk = chunk_take(cache);
        if (chunk == NULL)
            return -ENOMEM;
        chunk->number = number;
        chunk->holders = 1;
        list_push_front(bucket(cache, number), &chunk->hash);
        status = chunk_load(cache, chunk);
    }
    if (status != 0) {
        chunk_release(cache, chunk);
        return status;
    }
    out->chunk = chunk;
    out->data = chunk->data + at;
    out->left = (size_t)chunk_sectors(cache, number) * BLOCK_SECTOR_SIZE - at;
    return 0;
}

void cache_put(struct cache *cache, struct cache_ref *ref)
{
    chunk_release(cache, ref->chunk);
    ref->chunk = NULL;
}

int cache_read(struct cache *cache, uint64_t offset, void *buf, size_t size)
{
    char *to = buf;

    while (size > 0) {
        struct cache_ref ref;
        int status = cache_get(cache, offset, &ref);
        size_t piece;

        if (status != 0)
            return status;
        piece = size < ref.left ? size : ref.left;
        memcpy(to, ref.data, piece);
        cache_put(cache, &ref);
        to += piece;
        offset += piece;
        size -= piece;
    }
    return 0;
}
