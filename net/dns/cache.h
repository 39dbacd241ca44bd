/*
 * Answers of DNS, kept as long as they say (RFC 1035, 7.4), also that there is
 * nothing (RFC 2308, 5). The number of answers and their bytes are limited: the
 * one that was not asked for longest goes. Owner: the stack's CPU; nothing here
 * yields.
 */
#ifndef TORC_NET_DNS_CACHE_H
#define TORC_NET_DNS_CACHE_H

#include "kernel/lib/siphash.h"
#include "net/dns/message.h"
#include <torc/list.h>

enum {
    DNS_CACHE_BUCKETS = 64, /* a power of two */
    DNS_CACHE_ENTRIES = 256,
    DNS_CACHE_BYTES = 48 * 1024,
};

struct dns_cache {
    struct siphash_key key;
    struct list bucket[DNS_CACHE_BUCKETS]; /* struct entry */
    struct list used;                      /* the same, the latest first */
    unsigned count;
    size_t bytes;
};

void dns_cache_init(struct dns_cache *cache, const struct siphash_key *key);
void dns_cache_fini(struct dns_cache *cache);

/* Look for the answer to a question. Returns whether there is one; its ttl_s is
 * what is left. */
bool dns_cache_find(struct dns_cache *cache, const struct dns_name *name,
                    uint16_t type, uint64_t now_ns, struct dns_answer *out);

/* Keep an answer, or that there is none, in place of an older one. Without
 * memory it is not kept. */
void dns_cache_put(struct dns_cache *cache, const struct dns_name *name,
                   uint16_t type, uint64_t now_ns,
                   const struct dns_answer *answer);

/* Assert what must be true of it. */
void dns_cache_check(const struct dns_cache *cache);

#endif
