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

/* Add a byte of a name to its hash, which begins with 0. */
static inline uint32_t hash_byte(uint32_t hash, char byte)
{
    return (hash + (unsigned char)byte) * UINT32_C(0x9e3779b1);
}

static inline uint32_t hash_bytes(const char *text, size_t len)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < len; i++)
        hash = hash_byte(hash, text[i]);
    return hash;
}

#endif
