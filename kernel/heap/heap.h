/*
 * The size-class allocator behind mem_alloc(): see <torc/memory.h>.
 */
#ifndef TORC_KERNEL_HEAP_H
#define TORC_KERNEL_HEAP_H

#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap_check.h"
#include "kernel/heap/heap_home.h"
#include "kernel/memory/mem.h"
#include <torc/memory.h>

struct heap {
    struct mem_quick quick;       /* owner CPU only; first: mem_quick_self() */
    struct page_allocator *pages; /* constant */

    /* owner CPU only: */
    struct list partial[MEM_CLASS_COUNT]; /* slabs that have free objects */
    size_t taken;                         /* objects that left their slabs */
    uint64_t run_count;                   /* blocks of whole pages */
    uint64_t failed;
    uint64_t sent_home;
    uint64_t came_home;
    uint64_t fault_after; /* tests: allocations until one fails; 0: never */
    struct open_parcel open[HAL_CPU_MAX]; /* the last one to each CPU */
    struct away away;
    struct parcel *spare;      /* one that came back */
    bool (*last_resort)(void); /* heap_set_last_resort() */
    void *run;                 /* the next pages for devices; NULL: none */
    /* memcheck=1: */
    struct quarantine quarantine;
    uint64_t serial; /* of the block allocated last */
};

/*
 * Read the option memcheck=0|1: guard every block, find overruns and double
 * frees. CPU 0, at boot. Returns 0, -EINVAL after a line in the log.
 */
must_check int heap_init(void);

/* How large the block of a CPU is with its heap: for percpu_create(). */
#define HEAP_CPU_BLOCK_SIZE (MEM_QUICK_OFFSET + sizeof(struct heap))

static inline struct heap *heap_of(struct cpu *cpu)
{
    return (void *)((char *)cpu + MEM_QUICK_OFFSET);
}

static inline struct heap *heap_self(void)
{
    return heap_of(cpu_self());
}

/* Set up the heap of a CPU over the pages of its share. CPU 0, at boot. */
void heap_create(struct cpu *cpu);

/*
 * Let `reclaimer->run` be called, on the CPU that is short, before an
 * allocation fails, and by mem_trim(): it gives back memory that its room keeps
 * for later. It returns whether it has given a part and may give more: then it
 * is called again if that was not enough, before those that were added earlier.
 * CPU 0, at boot, before the others start; the reclaimer stays linked for ever.
 * It allocates nothing: what is short may be half way through its own growth.
 */
struct heap_reclaimer {
    bool (*run)(void);
    struct heap_reclaimer *next; /* set by heap_add_reclaimer() */
};
void heap_add_reclaimer(struct heap_reclaimer *reclaimer);

/*
 * Let `run` be called, too, on this CPU only, when all that is kept for later
 * has been given back and was not enough: it gets pages from elsewhere, and
 * returns whether it did; then it is called again if that was not enough. It
 * allocates nothing. There is one; NULL: none.
 */
void heap_set_last_resort(bool (*run)(void));

/*
 * page_alloc() for the kernel's own needs: gives back what the quick lists keep
 * when there is nothing else. NULL when there is no room. Owner CPU.
 */
void *heap_pages(struct heap *heap, size_t count, unsigned align_order);

/*
 * Tests: let the `after`-th allocation from now on this CPU fail, once; 0 ends
 * it. Whole-page allocations count too.
 */
void heap_fail(uint64_t after);

/*
 * What must be true of a heap between any two calls: each slab's objects are
 * its user's, on a quick list or on its own list, none of them twice, and the
 * counts agree. Panics when it is not. For tests and the simulated machine;
 * takes as long as there are pages in use.
 */
void heap_all_check(const struct heap *heap);

/* Whether the failure asked for has happened. */
bool heap_failed(void);

/* ---- Between the files of the heap --------------------------------------- */

/* Without guards; `align` a power of two. */
void *heap_alloc_plain(struct heap *heap, size_t size, size_t align);
void heap_free_plain(struct heap *heap, void *ptr);
size_t heap_usable_plain(struct heap *heap, const void *ptr);

/* Whether the failure that was asked for is now: heap_fail(). */
static inline bool heap_must_fail(struct heap *heap)
{
    if (likely(heap->fault_after == 0))
        return false;
    if (--heap->fault_after > 0)
        return false;
    heap->failed++;
    return true;
}

/* dma.c: pages that are kept for devices; and give them back. */
size_t dma_kept_pages(const struct heap *heap);
void dma_trim(struct heap *heap);

/* The short way of heap_send_home(): false, if there is none now. */
static inline bool heap_send_quickly(struct heap *heap, void *ptr)
{
    const struct away *away = &heap->away;

    if ((uintptr_t)ptr - away->base >= away->span ||
        away->link->batches != away->batch)
        return false;
    heap->sent_home++;
    if (unlikely(parcel_add(away->parcel, ptr)))
        heap_parcel_full(heap, away->link->cpu);
    return true;
}

/* mem_free() of many, none of which is NULL. Owner CPU. */
void heap_free_all(struct heap *heap, void **blocks, unsigned count);

#endif
