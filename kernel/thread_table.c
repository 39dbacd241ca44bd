/*
 * Ids and the table behind them. An id is generation (32 bits), home CPU (8),
 * slot (24). Slots are reused, generations of a slot are not, until 2^32
 * threads were made in it.
 */
#include "kernel/thread.h"
#include "kernel/thread_internal.h"
#include <torc/memory.h>

enum { SLOTS_FIRST = 64 };

int table_grow(struct cpu *cpu)
{
    unsigned slots =
        cpu->thread_slots == 0 ? SLOTS_FIRST : cpu->thread_slots * 2;
    struct thread_entry *threads =
        mem_resize(cpu->threads, slots * sizeof(*threads));

    if (threads == NULL)
        return -ENOMEM;
    for (uint32_t i = cpu->thread_slots; i < slots; i++)
        threads[i] = (struct thread_entry){
            .id = (uint64_t)cpu->id << 24 | i,
            .next_free = i + 1,
            .where = (uint16_t)cpu->id,
        };
    cpu->threads = threads;
    cpu->thread_free = cpu->thread_slots;
    cpu->thread_slots = slots;
    return 0;
}

void table_remove(struct cpu *cpu, struct thread_entry *entry)
{
    entry->thread = NULL;
    entry->joiner = NULL;
    entry->where = (uint16_t)cpu->id;
    entry->detached = false;
    entry->ended = false;
    entry->next_free = cpu->thread_free;
    cpu->thread_free = (uint32_t)(entry - cpu->threads);
    cpu->thread_count--;
}

struct thread_entry *table_find(struct cpu *cpu, thread_id id)
{
    uint32_t slot = id & 0xffffff;
    struct thread_entry *entry;

    if (slot >= cpu->thread_slots)
        return NULL;
    entry = &cpu->threads[slot];
    if (entry->id != id || (entry->thread == NULL && !entry->ended))
        return NULL;
    return entry;
}
