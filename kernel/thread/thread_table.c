/*
 * Ids and the table behind them. An id is generation (32 bits, never 0), home
 * CPU (8), slot (24). Slots are reused, generations of a slot are not: a slot
 * in which 2^32 - 1 threads were made is not used any more.
 */
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum { SLOTS_FIRST = 64, SLOTS_MAX = 1 << 24 };

__attribute__((cold)) int table_grow(struct cpu *cpu)
{
    unsigned slots =
        cpu->thread_slots == 0 ? SLOTS_FIRST : cpu->thread_slots * 2;
    struct thread_entry *threads;

    if (slots > SLOTS_MAX)
        return -EAGAIN;
    threads = mem_resize(cpu->threads, slots * sizeof(*threads));
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
    entry->holds = 0;
    cpu->thread_count--;
    if (unlikely(entry->id >= UINT64_MAX - GENERATION + 1))
        return; /* that was the last generation */
    entry->next_free = cpu->thread_free;
    cpu->thread_free = (uint32_t)(entry - cpu->threads);
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

static struct thread *guest_find(const struct cpu *cpu, thread_id id)
{
    list_for_each (node, &cpu->guests) {
        struct thread *thread = container_of(node, struct thread, guest);

        if (thread->id == id)
            return thread;
    }
    return NULL;
}

struct thread *thread_find_here(thread_id id)
{
    struct cpu *cpu = cpu_self();
    const struct thread_entry *entry;

    if (id_cpu(id) != cpu->id)
        return guest_find(cpu, id);
    entry = table_find(cpu, id);
    return entry != NULL && entry->where == cpu->id ? entry->thread : NULL;
}

static bool entry_used(const struct thread_entry *entry)
{
    return entry->thread != NULL || entry->ended;
}

static __attribute__((cold)) void entry_check(const struct cpu *cpu,
                                              unsigned slot)
{
    const struct thread_entry *entry = &cpu->threads[slot];

    assert((entry->id & 0xffffff) == slot);
    assert(id_cpu(entry->id) == cpu->id);
    assert(!entry->ended || (entry->joiner == NULL && !entry->detached));
    assert(!entry->ended || entry->thread == NULL);
    assert(!entry->detached || entry->joiner == NULL);
    assert(entry->thread == NULL || entry->thread->id == entry->id);
    if (!entry_used(entry)) {
        assert(entry->joiner == NULL && !entry->detached);
        assert(entry->where == cpu->id);
    }
    assert(entry->holds == 0 || entry->thread != NULL);
}

/* Unused slots are on the free list, but those that have retired. */
static __attribute__((cold)) void free_slots_check(const struct cpu *cpu,
                                                   unsigned unused)
{
    unsigned count = 0;
    uint32_t slot = cpu->thread_free;

    while (slot != cpu->thread_slots) {
        assert(slot < cpu->thread_slots);
        assert(!entry_used(&cpu->threads[slot]));
        count++;
        assert(count <= unused);
        slot = cpu->threads[slot].next_free;
    }
}

static __attribute__((cold)) void guests_check(const struct cpu *cpu)
{
    list_for_each (node, &cpu->guests) {
        const struct thread *thread = container_of(node, struct thread, guest);

        assert(node->next->prev == node);
        assert(id_cpu(thread->id) != cpu->id);
        assert(!thread->parked);
    }
}

static __attribute__((cold)) void spares_check(const struct cpu *cpu)
{
    unsigned count = 0;

    for (const struct queue_node *node = cpu->spare_threads.head; node != NULL;
         node = node->next) {
        const struct thread *thread = container_of(node, struct thread, ready);

        count++;
        assert(count <= cpu->spare_count);
        assert(thread->stack_size == thread_stack_default);
        assert(!timer_is_set(&thread->timeout));
        assert(thread->cleanups == NULL);
        assert(thread->directory == NULL);
    }
    assert(count == cpu->spare_count && count <= THREAD_SPARES);
}

__attribute__((cold)) void table_check(const struct cpu *cpu)
{
    unsigned used = 0;

    for (unsigned slot = 0; slot < cpu->thread_slots; slot++) {
        entry_check(cpu, slot);
        used += entry_used(&cpu->threads[slot]);
    }
    assert(used == cpu->thread_count);
    free_slots_check(cpu, cpu->thread_slots - used);
    guests_check(cpu);
    spares_check(cpu);
}
