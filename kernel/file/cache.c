#include "kernel/file/cache.h"
#include "kernel/lib/poison.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    HASH_SIZE = 256,
    CHUNK_LARGE = 64 * 1024,
    CHUNK_SMALL = 16 * 1024,
    LARGE_MEMORY = 32 * 1024 * 1024, /* of the CPU, free */
    MEMORY_SHARE = 4,                /* the cache takes at most a quarter */
    CHUNKS_MIN = 8,
};

/*
 * A chunk is in the hash table from when its read begins until it is replaced
 * or its read fails; and in the list `lru` while nobody holds it.
 */
struct chunk {
    struct list hash;
    struct list lru;
    uint64_t number; /* offset / chunk size */
    struct buf *buf;
    unsigned holders;
    bool loading; /* chunk_load() is waiting for the disk */
    int status;   /* result of the read, when it has ended */
    struct wait_queue loaded;
};

/* Owner CPU only. */
struct cache {
    struct block_open *open; /* the mount's */
    uint64_t sectors;        /* of the device */
    uint32_t chunk_size;
    unsigned chunk_count; /* in memory */
    unsigned chunk_max;
    struct list lru; /* chunks nobody holds, least recently used first */
    struct list table[HASH_SIZE];
};

int cache_create(struct block_open *open, struct cache **out)
{
    struct cache *cache = mem_alloc_zeroed(sizeof(*cache));
    size_t free_bytes = mem_free_bytes();

    if (cache == NULL)
        return -ENOMEM;
    cache->open = open;
    cache->sectors = open->dev->sectors;
    cache->chunk_size = free_bytes >= LARGE_MEMORY ? CHUNK_LARGE : CHUNK_SMALL;
    cache->chunk_max =
        (unsigned)(free_bytes / MEMORY_SHARE / cache->chunk_size);
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
    assert(chunk->holders == 0);
    assert(cache->chunk_count > 0);
    list_remove(&chunk->lru);
    list_remove(&chunk->hash);
    unpoison(chunk->buf->base, cache->chunk_size);
    buf_put(chunk->buf);
    mem_free(chunk);
    cache->chunk_count--;
}

void cache_destroy(struct cache *cache)
{
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        while (!list_empty(&cache->table[i])) {
            struct chunk *chunk =
                container_of(cache->table[i].next, struct chunk, hash);

            chunk_free(cache, chunk);
        }
    }
    assert(cache->chunk_count == 0);
    mem_free(cache);
}

static const struct list *bucket(const struct cache *cache, uint64_t number)
{
    return &cache->table[number % HASH_SIZE];
}

static struct chunk *chunk_find(const struct cache *cache, uint64_t number)
{
    list_for_each (node, bucket(cache, number)) {
        struct chunk *chunk = container_of(node, struct chunk, hash);

        if (chunk->number == number)
            return chunk;
    }
    return NULL;
}

/*
 * A chunk to read into, on no list: a new one, or else the one that nobody has
 * used for longest. NULL: all are held, and there is no memory for another.
 */
static struct chunk *chunk_take(struct cache *cache)
{
    struct chunk *chunk = NULL;

    if (cache->chunk_count < cache->chunk_max)
        chunk = mem_alloc_zeroed(sizeof(*chunk));
    if (chunk != NULL) {
        chunk->buf = buf_alloc(cache->chunk_size);
        if (chunk->buf != NULL) {
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
    uint64_t rest = cache->sectors - number * each;

    assert(number * each < cache->sectors);
    return (uint32_t)(rest < each ? rest : each);
}

/* How many bytes of its memory the chunk uses. */
static uint32_t chunk_bytes(const struct cache *cache,
                            const struct chunk *chunk)
{
    return chunk_sectors(cache, chunk->number) * BLOCK_SECTOR_SIZE;
}

/* One holder less. What nobody holds is poisoned: an access is a bug. */
static void chunk_release(struct cache *cache, struct chunk *chunk)
{
    assert(chunk->holders > 0);
    assert(!chunk->loading);
    if (--chunk->holders > 0)
        return;
    poison(chunk->buf->base, cache->chunk_size);
    if (chunk->status == 0)
        list_push_back(&cache->lru, &chunk->lru);
    else
        chunk_free(cache, chunk); /* a failed one is not kept */
}

static int chunk_load(struct cache *cache, struct chunk *chunk)
{
    const struct slice slice = {.buf = chunk->buf,
                                .len = chunk_bytes(cache, chunk)};

    chunk->loading = true;
    chunk->status = block_read(
        cache->open, chunk->number * (cache->chunk_size / BLOCK_SECTOR_SIZE),
        &slice, 1);
    chunk->loading = false;
    if (chunk->status != 0)
        list_remove(&chunk->hash); /* the next call reads again */
    wait_wake_all(&chunk->loaded);
    return chunk->status;
}

int cache_get(struct cache *cache, uint64_t offset, struct cache_ref *out)
{
    uint64_t number = offset / cache->chunk_size;
    size_t at = (size_t)(offset % cache->chunk_size);
    struct chunk *chunk;
    int status = 0;

    if (offset / BLOCK_SECTOR_SIZE >= cache->sectors)
        return -EINVAL;
    chunk = chunk_find(cache, number);
    if (chunk != NULL) {
        list_remove(&chunk->lru);
        chunk->holders++;
        unpoison(chunk->buf->base, chunk_bytes(cache, chunk));
        while (chunk->loading)
            wait_on(&chunk->loaded);
        status = chunk->status;
    } else {
        chunk = chunk_take(cache);
        if (chunk == NULL)
            return -ENOMEM;
        chunk->number = number;
        chunk->holders = 1;
        poison(chunk->buf->base, cache->chunk_size);
        unpoison(chunk->buf->base, chunk_bytes(cache, chunk));
        list_push_front(&cache->table[number % HASH_SIZE], &chunk->hash);
        status = chunk_load(cache, chunk);
    }
    if (status != 0) {
        chunk_release(cache, chunk);
        return status;
    }
    out->chunk = chunk;
    out->data = chunk->buf->base + at;
    out->size = chunk_bytes(cache, chunk) - at;
    assert(out->size > 0);
    return 0;
}

void cache_put(struct cache *cache, struct cache_ref *ref)
{
    chunk_release(cache, ref->chunk);
    *ref = (struct cache_ref){.chunk = NULL};
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
        piece = size < ref.size ? size : ref.size;
        memcpy(to, ref.data, piece);
        cache_put(cache, &ref);
        to += piece;
        offset += piece;
        size -= piece;
    }
    return 0;
}

/* ---- Checking ------------------------------------------------------------ */

static void chunk_check(const struct cache *cache, const struct chunk *chunk)
{
    assert(chunk->buf->size >= cache->chunk_size);
    assert(chunk_sectors(cache, chunk->number) > 0);
    assert(chunk->holders > 0 || !chunk->loading);
    /* Somebody holds it, or it may be replaced. */
    assert((chunk->holders == 0) == !list_empty(&chunk->lru));
    assert(chunk->loading || chunk->status == 0);
    assert(chunk_find(cache, chunk->number) == chunk);
}

void cache_check(const struct cache *cache)
{
    unsigned hashed = 0, unheld = 0, replaceable = 0;

    for (unsigned i = 0; i < HASH_SIZE; i++) {
        list_for_each (node, &cache->table[i]) {
            const struct chunk *chunk = container_of(node, struct chunk, hash);

            assert(chunk->number % HASH_SIZE == i);
            chunk_check(cache, chunk);
            unheld += chunk->holders == 0;
            hashed++;
        }
    }
    list_for_each (node, &cache->lru)
        replaceable++;
    assert(replaceable == unheld);
    /* Chunks whose read has failed are held and in no list. */
    assert(hashed <= cache->chunk_count);
    assert(cache->chunk_count <= cache->chunk_max);
}
