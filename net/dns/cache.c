/* Answers of DNS that are kept. */
#include "net/dns/cache.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

/* Its bytes: the addresses, the name, and the name that is the answer. */
struct entry {
    struct list link; /* in a bucket */
    struct list used;
    uint64_t expires_ns;
    uint16_t type;
    uint8_t meaning;
    uint8_t addr_count;
    uint8_t name_len;
    uint8_t target_len; /* of DNS_PTR; else 0 */
    uint8_t byte[];
};

static size_t entry_size(size_t addr_count, size_t name_len, size_t target_len)
{
    return sizeof(struct entry) + addr_count * sizeof(struct net_addr) +
           name_len + target_len;
}

static size_t size_of(const struct entry *entry)
{
    return entry_size(entry->addr_count, entry->name_len, entry->target_len);
}

static const uint8_t *name_of(const struct entry *entry)
{
    return entry->byte + entry->addr_count * sizeof(struct net_addr);
}

static struct list *bucket_of(struct dns_cache *cache,
                              const struct dns_name *name)
{
    uint64_t hash = siphash(&cache->key, name->byte, name->len);

    return &cache->bucket[hash & (DNS_CACHE_BUCKETS - 1)];
}

void dns_cache_init(struct dns_cache *cache, const struct siphash_key *key)
{
    cache->key = *key;
    for (unsigned i = 0; i < DNS_CACHE_BUCKETS; i++)
        list_init(&cache->bucket[i]);
    list_init(&cache->used);
    cache->count = 0;
    cache->bytes = 0;
}

static void entry_drop(struct dns_cache *cache, struct entry *entry)
{
    list_remove(&entry->link);
    list_remove(&entry->used);
    cache->count--;
    cache->bytes -= size_of(entry);
    mem_free(entry);
}

void dns_cache_fini(struct dns_cache *cache)
{
    while (!list_empty(&cache->used))
        entry_drop(cache, container_of(cache->used.next, struct entry, used));
}

static struct entry *entry_find(struct dns_cache *cache,
                                const struct dns_name *name, uint16_t type)
{
    list_for_each (node, bucket_of(cache, name)) {
        struct entry *entry = container_of(node, struct entry, link);

        if (entry->type == type && entry->name_len == name->len &&
            memcmp(name_of(entry), name->byte, name->len) == 0)
            return entry;
    }
    return NULL;
}

bool dns_cache_find(struct dns_cache *cache, const struct dns_name *name,
                    uint16_t type, uint64_t now_ns, struct dns_answer *out)
{
    struct entry *entry = entry_find(cache, name, type);

    if (entry == NULL)
        return false;
    if (now_ns >= entry->expires_ns) {
        entry_drop(cache, entry);
        return false;
    }
    list_remove(&entry->used);
    list_push_front(&cache->used, &entry->used);
    out->meaning = entry->meaning;
    out->ttl_s = (uint32_t)((entry->expires_ns - now_ns) / NS_PER_S);
    out->addr_count = entry->addr_count;
    memcpy(out->addr, entry->byte, entry->addr_count * sizeof(out->addr[0]));
    out->name.len = entry->target_len;
    memcpy(out->name.byte, name_of(entry) + entry->name_len, entry->target_len);
    return true;
}

void dns_cache_put(struct dns_cache *cache, const struct dns_name *name,
                   uint16_t type, uint64_t now_ns,
                   const struct dns_answer *answer)
{
    struct entry *entry = entry_find(cache, name, type);
    uint8_t target_len =
        answer->meaning == DNS_FOUND && type == DNS_PTR ? answer->name.len : 0;
    size_t addr_bytes = answer->addr_count * sizeof(struct net_addr);
    size_t size = entry_size(answer->addr_count, name->len, target_len);

    if (entry != NULL)
        entry_drop(cache, entry);
    if (answer->ttl_s == 0)
        return;
    while (cache->count == DNS_CACHE_ENTRIES ||
           cache->bytes + size > DNS_CACHE_BYTES)
        entry_drop(cache, container_of(cache->used.prev, struct entry, used));
    entry = mem_alloc(size);
    if (entry == NULL)
        return;
    entry->expires_ns = now_ns + answer->ttl_s * NS_PER_S;
    entry->type = type;
    entry->meaning = (uint8_t)answer->meaning;
    entry->addr_count = (uint8_t)answer->addr_count;
    entry->name_len = name->len;
    entry->target_len = target_len;
    memcpy(entry->byte, answer->addr, addr_bytes);
    memcpy(entry->byte + addr_bytes, name->byte, name->len);
    memcpy(entry->byte + addr_bytes + name->len, answer->name.byte, target_len);
    list_push_front(bucket_of(cache, name), &entry->link);
    list_push_front(&cache->used, &entry->used);
    cache->count++;
    cache->bytes += size;
}

void dns_cache_check(const struct dns_cache *cache)
{
    unsigned count = 0, in_buckets = 0;
    size_t bytes = 0;

    list_for_each (node, &cache->used) {
        const struct entry *entry = container_of(node, struct entry, used);

        count++;
        bytes += size_of(entry);
        assert(entry->addr_count <= DNS_ADDRS_MAX);
        assert(entry->meaning == DNS_FOUND ||
               (entry->addr_count == 0 && entry->target_len == 0));
    }
    for (unsigned i = 0; i < DNS_CACHE_BUCKETS; i++) {
        list_for_each (node, &cache->bucket[i])
            in_buckets++;
    }
    assert(count == cache->count && count == in_buckets);
    assert(bytes == cache->bytes);
    assert(count <= DNS_CACHE_ENTRIES);
    assert(bytes <= DNS_CACHE_BYTES);
}
