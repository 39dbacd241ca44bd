#include "apps/kvstore/table.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    BUCKETS_FIRST = 64,
    MOVES = 4, /* buckets that an operation moves, while there is an old half */
};

/* ---- Halves -------------------------------------------------------------- */

static uint64_t half_bytes(uint64_t count)
{
    return count * sizeof(struct kv_entry *);
}

static int half_init(struct kv_half *half, uint64_t count)
{
    half->bucket = mem_alloc_zeroed(half_bytes(count));
    if (half->bucket == NULL)
        return -ENOMEM;
    half->count = count;
    return 0;
}

static void half_fini(struct kv_half *half)
{
    mem_free(half->bucket);
    *half = (struct kv_half){.bucket = NULL};
}

static void half_insert(struct kv_half *half, struct kv_entry *entry)
{
    struct kv_entry **bucket = &half->bucket[entry->hash & (half->count - 1)];

    entry->next = *bucket;
    *bucket = entry;
}

int kv_table_init(struct kv_table *table, uint64_t max_bytes)
{
    *table = (struct kv_table){.max_bytes = max_bytes};
    table->used_bytes = half_bytes(BUCKETS_FIRST);
    return half_init(&table->now, BUCKETS_FIRST);
}

/* ---- Growing ------------------------------------------------------------- */

static void move_some(struct kv_table *table)
{
    if (table->old.count == 0)
        return;
    for (int i = 0; i < MOVES && table->old_at < table->old.count; i++) {
        struct kv_entry *entry = table->old.bucket[table->old_at];

        while (entry != NULL) {
            struct kv_entry *next = entry->next;

            half_insert(&table->now, entry);
            entry = next;
        }
        table->old.bucket[table->old_at++] = NULL;
    }
    if (table->old_at < table->old.count)
        return;
    table->used_bytes -= half_bytes(table->old.count);
    half_fini(&table->old);
}

/* Without memory for more buckets the lists become longer. */
static void grow_if_full(struct kv_table *table)
{
    struct kv_half half;
    uint64_t bytes = half_bytes(2 * table->now.count);

    if (table->count < table->now.count || table->old.count != 0 ||
        table->used_bytes + bytes > table->max_bytes ||
        half_init(&half, 2 * table->now.count) != 0)
        return;
    table->used_bytes += bytes;
    table->old = table->now;
    table->old_at = 0;
    table->now = half;
}

/* ---- Entries ------------------------------------------------------------- */

static bool is_key(const struct kv_entry *entry, uint64_t hash, struct span key)
{
    return entry->hash == hash && entry->key_len == key.len &&
           memcmp(entry->bytes, key.at, key.len) == 0;
}

/* The link that leads to the key's entry, or NULL. */
static struct kv_entry **link_of(struct kv_table *table, uint64_t hash,
                                 struct span key)
{
    struct kv_half *const halves[] = {&table->now, &table->old};

    for (size_t i = 0; i < COUNT_OF(halves) && halves[i]->count > 0; i++) {
        struct kv_entry **link =
            &halves[i]->bucket[hash & (halves[i]->count - 1)];

        while (*link != NULL && !is_key(*link, hash, key))
            link = &(*link)->next;
        if (*link != NULL)
            return link;
    }
    return NULL;
}

static void remove_at(struct kv_table *table, struct kv_entry **link)
{
    struct kv_entry *entry = *link;

    *link = entry->next;
    table->count--;
    table->expiring -= entry->expires_ms != KV_NEVER;
    table->used_bytes -= mem_usable_size(entry);
    mem_free(entry);
}

struct kv_entry *kv_find(struct kv_table *table, uint64_t hash, struct span key,
                         uint64_t now_ms)
{
    struct kv_entry **link;

    move_some(table);
    link = link_of(table, hash, key);
    if (link == NULL)
        return NULL;
    if ((*link)->expires_ms > now_ms)
        return *link;
    remove_at(table, link);
    return NULL;
}

/* An entry for a value of that length, its key written; NULL. */
static struct kv_entry *entry_create(struct kv_table *table, uint64_t hash,
                                     struct span key, size_t value_len)
{
    size_t size = sizeof(struct kv_entry) + key.len + value_len;
    struct kv_entry *entry;

    if (table->used_bytes + size > table->max_bytes)
        return NULL;
    entry = mem_alloc(size);
    if (entry == NULL)
        return NULL;
    entry->hash = hash;
    entry->key_len = (uint32_t)key.len;
    entry->value_len = (uint32_t)value_len;
    memcpy(entry->bytes, key.at, key.len);
    table->used_bytes += mem_usable_size(entry);
    return entry;
}

int kv_set(struct kv_table *table, uint64_t hash, struct span key,
           struct span value, uint64_t expires_ms, uint64_t now_ms)
{
    struct kv_entry *entry = kv_find(table, hash, key, now_ms);
    size_t size = sizeof(*entry) + key.len + value.len;

    /* In place when it fits and does not waste most of the block. */
    if (entry != NULL && mem_usable_size(entry) >= size &&
        mem_usable_size(entry) <= 2 * size + 64) {
        memcpy(entry->bytes + key.len, value.at, value.len);
        entry->value_len = (uint32_t)value.len;
        kv_set_expiry(table, entry, expires_ms);
        return 0;
    }
    entry = entry_create(table, hash, key, value.len);
    if (entry == NULL)
        return -ENOMEM;
    memcpy(entry->bytes + key.len, value.at, value.len);
    entry->expires_ms = expires_ms;
    kv_delete(table, hash, key, now_ms);
    table->count++;
    table->expiring += expires_ms != KV_NEVER;
    half_insert(&table->now, entry);
    grow_if_full(table);
    return 0;
}

int kv_append(struct kv_table *table, struct kv_entry *entry, struct span tail)
{
    size_t old = mem_usable_size(entry);
    size_t at = (size_t)entry->key_len + entry->value_len;
    size_t size = sizeof(*entry) + at + tail.len;
    size_t more = size / 4; /* so that a thousand small ones copy little */
    struct kv_entry **link = link_of(table, entry->hash, kv_key(entry));

    assert(link != NULL && *link == entry);
    if (size > old) {
        if (table->used_bytes + (size - old) > table->max_bytes)
            return -ENOMEM;
        if (table->used_bytes + (size - old) + more > table->max_bytes)
            more = 0;
        entry = mem_resize(entry, size + more);
        if (entry == NULL)
            return -ENOMEM;
        *link = entry;
        table->used_bytes += mem_usable_size(entry) - old;
    }
    memcpy(entry->bytes + at, tail.at, tail.len);
    entry->value_len += (uint32_t)tail.len;
    return 0;
}

void kv_set_expiry(struct kv_table *table, struct kv_entry *entry,
                   uint64_t expires_ms)
{
    table->expiring -= entry->expires_ms != KV_NEVER;
    table->expiring += expires_ms != KV_NEVER;
    entry->expires_ms = expires_ms;
}

bool kv_delete(struct kv_table *table, uint64_t hash, struct span key,
               uint64_t now_ms)
{
    struct kv_entry **link;

    if (kv_find(table, hash, key, now_ms) == NULL)
        return false;
    link = link_of(table, hash, key);
    remove_at(table, link);
    return true;
}

/* ---- All of them --------------------------------------------------------- */

static void half_clear(struct kv_table *table, struct kv_half *half)
{
    for (uint64_t i = 0; i < half->count; i++) {
        while (half->bucket[i] != NULL)
            remove_at(table, &half->bucket[i]);
    }
}

void kv_clear(struct kv_table *table)
{
    half_clear(table, &table->old);
    half_clear(table, &table->now);
    if (table->old.count > 0) {
        table->used_bytes -= half_bytes(table->old.count);
        half_fini(&table->old);
    }
    assert(table->count == 0);
}

void kv_table_fini(struct kv_table *table)
{
    kv_clear(table);
    half_fini(&table->now);
}

static void visit_bucket(const struct kv_half *half, uint64_t index,
                         void (*visit)(void *arg, const struct kv_entry *entry),
                         void *arg)
{
    for (const struct kv_entry *entry = half->bucket[index]; entry != NULL;
         entry = entry->next)
        visit(arg, entry);
}

static uint64_t reverse(uint64_t bits)
{
    uint64_t out = 0;

    for (int i = 0; i < 64; i++, bits >>= 1)
        out = out << 1 | (bits & 1);
    return out;
}

/* The next number when the highest of the bits of `mask` counts least. */
static uint64_t next_cursor(uint64_t cursor, uint64_t mask)
{
    return reverse(reverse(cursor | ~mask) + 1);
}

/*
 * The cursor counts from the highest bit of a bucket's number down. A bucket
 * splits into two whose lower bits are its own, so what was visited before the
 * table doubled is behind the cursor afterwards, too.
 */
uint64_t kv_scan(struct kv_table *table, uint64_t cursor,
                 void (*visit)(void *arg, const struct kv_entry *entry),
                 void *arg)
{
    const struct kv_half *small = &table->old;
    const struct kv_half *large = &table->now;
    uint64_t small_mask, mask = large->count - 1;

    if (small->count == 0) {
        visit_bucket(large, cursor & mask, visit, arg);
        return next_cursor(cursor, mask);
    }
    small_mask = small->count - 1;
    visit_bucket(small, cursor & small_mask, visit, arg);
    do { /* the buckets that this one splits into */
        visit_bucket(large, cursor & mask, visit, arg);
        cursor = next_cursor(cursor, mask);
    } while ((cursor & (mask ^ small_mask)) != 0);
    return cursor;
}

void kv_sweep(struct kv_table *table, unsigned buckets, uint64_t now_ms)
{
    if (table->expiring == 0)
        return;
    for (unsigned i = 0; i < buckets; i++) {
        uint64_t index = table->sweep_at++ & (table->now.count - 1);
        struct kv_entry **link = &table->now.bucket[index];

        move_some(table);
        while (*link != NULL) {
            if ((*link)->expires_ms <= now_ms)
                remove_at(table, link);
            else
                link = &(*link)->next;
        }
    }
}

struct sums {
    uint64_t count, expiring, bytes;
};

static void check_half(const struct kv_half *half, struct sums *sums)
{
    assert((half->count & (half->count - 1)) == 0);
    sums->bytes += half_bytes(half->count);
    for (uint64_t i = 0; i < half->count; i++) {
        for (const struct kv_entry *entry = half->bucket[i]; entry != NULL;
             entry = entry->next) {
            assert((entry->hash & (half->count - 1)) == i);
            sums->count++;
            sums->expiring += entry->expires_ms != KV_NEVER;
            sums->bytes += mem_usable_size(entry);
        }
    }
}

void kv_table_check(const struct kv_table *table)
{
    struct sums sums = {0};

    assert(table->now.count > 0);
    check_half(&table->now, &sums);
    check_half(&table->old, &sums);
    for (uint64_t i = 0; i < table->old_at && i < table->old.count; i++)
        assert(table->old.bucket[i] == NULL);
    assert(sums.count == table->count);
    assert(sums.expiring == table->expiring);
    assert(sums.bytes == table->used_bytes);
}
