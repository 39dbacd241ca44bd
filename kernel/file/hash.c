#include "kernel/file/hash.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum {
    SLOTS_FIRST = 32,
    NODES_PER_SLOT = 2, /* then it grows */
};

int hash_init(struct hash_table *table)
{
    table->slots = mem_alloc_zeroed(SLOTS_FIRST * sizeof(*table->slots));
    table->mask = SLOTS_FIRST - 1;
    table->count = 0;
    return table->slots != NULL ? 0 : -ENOMEM;
}

void hash_fini(struct hash_table *table)
{
    assert(table->count == 0);
    mem_free(table->slots);
    table->slots = NULL;
}

static void push(struct hash_table *table, struct hash_node *node)
{
    struct hash_node **slot = &table->slots[node->hash & table->mask];

    node->next = *slot;
    *slot = node;
}

/* Without memory for it the chains become longer. */
static void grow(struct hash_table *table)
{
    size_t slots = 2 * ((size_t)table->mask + 1);
    struct hash_node **larger = mem_alloc_zeroed(slots * sizeof(*larger));
    struct hash_node **old = table->slots;
    uint32_t old_mask = table->mask;

    if (larger == NULL)
        return;
    table->slots = larger;
    table->mask = (uint32_t)(slots - 1);
    for (uint32_t i = 0; i <= old_mask; i++) {
        while (old[i] != NULL) {
            struct hash_node *node = old[i];

            old[i] = node->next;
            push(table, node);
        }
    }
    mem_free(old);
}

void hash_insert(struct hash_table *table, struct hash_node *node,
                 uint32_t hash)
{
    node->hash = hash;
    push(table, node);
    table->count++;
    if (unlikely(table->count / NODES_PER_SLOT > table->mask))
        grow(table);
}

void hash_remove(struct hash_table *table, struct hash_node *node)
{
    struct hash_node **at = &table->slots[node->hash & table->mask];

    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    table->count--;
}

void hash_for_each(const struct hash_table *table,
                   void (*fn)(struct hash_node *node, void *arg), void *arg)
{
    for (uint32_t i = 0; i <= table->mask; i++) {
        struct hash_node *node = table->slots[i];

        while (node != NULL) {
            struct hash_node *next = node->next;

            fn(node, arg);
            node = next;
        }
    }
}

void hash_check(const struct hash_table *table)
{
    uint32_t count = 0;

    assert((table->mask & (table->mask + 1)) == 0);
    for (uint32_t i = 0; i <= table->mask; i++) {
        for (const struct hash_node *node = table->slots[i]; node != NULL;
             node = node->next) {
            assert((node->hash & table->mask) == i);
            count++;
        }
    }
    assert(count == table->count);
}
