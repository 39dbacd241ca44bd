/*
 * The part of the keys that one CPU has: a hash table in its memory.
 *
 * The table doubles when it has as many entries as buckets; its entries then
 * move a few at a time, with each operation. It never becomes smaller until it
 * is emptied.
 *
 * Owner: the CPU that made it. No function waits.
 */
#ifndef TORC_APPS_KVSTORE_TABLE_H
#define TORC_APPS_KVSTORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/span.h>

struct kv_entry {
    struct kv_entry *next;
    uint64_t hash;
    uint64_t expires_ms; /* of time_ns(); KV_NEVER */
    uint32_t key_len;
    uint32_t value_len;
    char bytes[]; /* the key, then the value */
};

#define KV_NEVER UINT64_MAX

struct kv_half {
    struct kv_entry **bucket;
    uint64_t count; /* of buckets, a power of two; 0: there is none */
};

struct kv_table {
    struct kv_half now; /* where new entries go, */
    struct kv_half old; /* and what still has to move from here */
    uint64_t old_at;    /* buckets below are empty */
    uint64_t count;     /* entries */
    uint64_t expiring;  /* of them, those that expire */
    uint64_t used_bytes;
    uint64_t max_bytes;
    uint64_t sweep_at; /* where kv_sweep() goes on */
};

/* Returns 0, -ENOMEM. */
must_check int kv_table_init(struct kv_table *table, uint64_t max_bytes);
void kv_table_fini(struct kv_table *table);

/* The entry of a key, valid until the table is changed; NULL: there is none, or
 * it has expired and is removed. */
struct kv_entry *kv_find(struct kv_table *table, uint64_t hash, struct span key,
                         uint64_t now_ms);

static inline struct span kv_key(const struct kv_entry *entry)
{
    return (struct span){entry->bytes, entry->key_len};
}
static inline struct span kv_value(const struct kv_entry *entry)
{
    return (struct span){entry->bytes + entry->key_len, entry->value_len};
}

/*
 * Give a key a value; both are copied.
 * Returns 0, or -ENOMEM (the table is full, or the CPU has no memory): nothing
 * has changed.
 */
must_check int kv_set(struct kv_table *table, uint64_t hash, struct span key,
                      struct span value, uint64_t expires_ms, uint64_t now_ms);

/* Append to the value of `entry`, which may move. Returns 0, -ENOMEM. */
must_check int kv_append(struct kv_table *table, struct kv_entry *entry,
                         struct span tail);

void kv_set_expiry(struct kv_table *table, struct kv_entry *entry,
                   uint64_t expires_ms);

/* Whether it was there. */
bool kv_delete(struct kv_table *table, uint64_t hash, struct span key,
               uint64_t now_ms);

/* Remove all. */
void kv_clear(struct kv_table *table);

/*
 * Visit the entries of some buckets: what is in the table from the first call,
 * with cursor 0, to the last one, which returns 0, is visited at least once.
 * visit() must not change the table. Returns the next cursor.
 */
uint64_t kv_scan(struct kv_table *table, uint64_t cursor,
                 void (*visit)(void *arg, const struct kv_entry *entry),
                 void *arg);

/* Remove entries that have expired, looking at `buckets` buckets. */
void kv_sweep(struct kv_table *table, unsigned buckets, uint64_t now_ms);

/* The invariants. */
void kv_table_check(const struct kv_table *table);

#endif
