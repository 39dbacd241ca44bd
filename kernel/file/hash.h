/*
 * Hash tables of nodes that are part of what is looked up. A table grows with
 * the number of its nodes; it belongs to one CPU.
 *
 *     for (struct hash_node *node = hash_chain(&table, hash); node != NULL;
 *          node = node->next)
 *         if (node->hash == hash && ... container_of(node, ...))
 */
#ifndef TORC_KERNEL_HASH_H
#define TORC_KERNEL_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct hash_node {
    struct hash_node *next;
    uint32_t hash;
};

struct hash_table {
    struct hash_node **slots;
    uint32_t mask; /* the number of slots, a power of two, less one */
    uint32_t count;
};

/* Make an empty table. Returns 0, -ENOMEM. hash_fini(): it is empty again. */
must_check int hash_init(struct hash_table *table);
void hash_fini(struct hash_table *table);

/*
 * Insert a node. The table may grow, if there is memory; so reclaimers may run,
 * which may remove nodes, this one too when nobody holds what it is part of.
 */
void hash_insert(struct hash_table *table, struct hash_node *node,
                 uint32_t hash);

/* Remove a node that is in the table. */
void hash_remove(struct hash_table *table, struct hash_node *node);

/* The nodes with `hash`, and others. */
static inline struct hash_node *hash_chain(const struct hash_table *table,
                                           uint32_t hash)
{
    return table->slots[hash & table->mask];
}

/* Call fn(node, arg) for each; fn may remove its node, and no other. */
void hash_for_each(const struct hash_table *table,
                   void (*fn)(struct hash_node *node, void *arg), void *arg);

/* Assert what is always true of a table. */
void hash_check(const struct hash_table *table);

/* Spread the bits of a number. */
static inline uint32_t hash_number(uint64_t number)
{
    return (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* ---- Names --------------------------------------------------------------- */

/*
 * Names come from whoever asks for a file, so which of them share a chain must
 * not be known outside: hashes of names have a key. A name is a polynomial over
 * the numbers modulo the prime 2^31-1, its bytes the coefficients, and its hash
 * is the value at a secret point (Carter and Wegman, Universal classes of hash
 * functions, 1979). Modulo a power of two there would be names that collide at
 * every point. The value is spread by multiplication with a secret odd number
 * (Dietzfelbinger, Hagerup, Katajainen, Penttonen, A reliable randomized
 * algorithm for the closest-pair problem, 1997). Of two names that were chosen
 * without the key, the chance to share one of 2^m chains is about 2 in 2^m.
 */
struct hash_key {
    uint64_t point;  /* 1 .. HASH_POINT_MAX */
    uint64_t spread; /* odd */
};

enum {
    HASH_PRIME = 0x7fffffff,
    HASH_POINT_MAX = 1 << 30, /* so that hash_byte() need not reduce fully */
};

/* A key from 16 random bytes. */
static inline struct hash_key hash_key(const uint64_t random[2])
{
    return (struct hash_key){random[0] % HASH_POINT_MAX + 1, random[1] | 1};
}

/* Add a byte of a name to its value, which begins with 0; it stays below 2^33.
 */
static inline uint64_t hash_byte(uint64_t point, uint64_t value, char byte)
{
    value = (value + (unsigned char)byte) * point;
    return (value & HASH_PRIME) + (value >> 31);
}

/* The hash of a name with that value: its low bits depend on all of it. */
static inline uint32_t hash_value(const struct hash_key *key, uint64_t value)
{
    return (uint32_t)(value * key->spread >> 32);
}

static inline uint32_t hash_bytes(const struct hash_key *key, const char *text,
                                  size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = hash_byte(key->point, value, text[i]);
    return hash_value(key, value);
}

#endif
