/*
 * The size-class allocator behind mem_alloc(): see <torc/memory.h>.
 */
#ifndef TORC_KERNEL_HEAP_H
#define TORC_KERNEL_HEAP_H

#include "kernel/exchange.h"
#include "kernel/mem.h"
#include <torc/memory.h>

/*
 * Blocks of another CPU on their way home: heap_home.c. A parcel belongs to
 * `from`; it is lent to the owner of the blocks while it is away.
 */
struct parcel {
    struct exchange_item item;
    uint16_t from;
    uint16_t room; /* blocks it can hold */
    uint32_t count;
    void *block[];
};

/* What is on its way to one CPU; owner only. */
struct open_parcel {
    struct parcel *parcel; /* takes more; NULL: none */
    uint64_t batch;  /* it does so until this list, less 1, leaves; 0: never */
    bool filled;     /* a parcel on this list is full */
    bool many;       /* one on the list before was */
    bool poor;       /* there was no memory for one on this list */
    uint8_t emptied; /* parcels of the other, on the way back with ... */
    uint32_t emptied_batch; /* ... this list, or gone */
};

/* The parcel that took a block last, for mem_free(); owner only. */
struct away {
    uintptr_t base; /* of the blocks it takes: one range */
    size_t span;    /* 0: there is none */
    struct parcel *parcel;
    const struct exchange_link *link;
    uint64_t batch; /* the list of `link` it is on */
};

struct heap {
    struct mem_quick quick;       /* owner CPU only; first: mem_quick_self() */
    struct page_allocator *pages; /* constant */

    /* owner CPU only: */
    struct list partial[MEM_CLASS_COUNT]; /* slabs that have free objects */
    size_t taken;                         /* objects that left their slabs */
    size_t run_count;                     /* blocks of whole pages */
    uint64_t failed;
    uint64_t sent_home;
    uint64_t came_home;
    uint64_t fault_after; /* tests: allocations until one fails; 0: never */
    struct open_parcel open[HAL_CPU_MAX]; /* the last one to each CPU */
    struct away away;
    struct parcel *spare; /* one that came back */
};

/*
 * Read the option memcheck=0|1: guard every block, find overruns and double
 * frees. CPU 0, at boot. Returns 0, -EINVAL after a line in the log.
 */
must_check int heap_init(void);

/* Set up the heap of a CPU over its pages. */
void heap_create(struct heap *heap, struct page_allocator *pages);

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

/* Whether the failure asked for has happened. */
bool heap_failed(void);

/* ---- Between the files of the heap --------------------------------------- */

/* Without guards; `align` a power of two. */
void *heap_alloc_plain(struct heap *heap, size_t size, size_t align);
void heap_free_plain(struct heap *heap, void *ptr);
size_t heap_usable_plain(struct heap *heap, const void *ptr);

/* Send a block to the CPU it belongs to. */
void heap_send_home(struct heap *heap, void *ptr);

/* Put a block into a parcel that has room; whether it is full now. */
static inline bool parcel_add(struct parcel *parcel, void *start)
{
    parcel->block[parcel->count++] = start;
    return parcel->count == parcel->room;
}

/* A parcel to `owner` is left alone from now on, and leaves. */
void heap_parcel_full(struct heap *heap, unsigned owner);

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

/* Blocks have guards; constant after heap_init(). */
extern bool heap_checking;

/* With guards. The last two take what check_alloc() gave, on the owner CPU. */
void *check_alloc(struct heap *heap, size_t size, size_t align);
void check_free(struct heap *heap, void *ptr);
size_t check_usable(const void *ptr);
/* The block leaves for its owner; returns where its memory begins. */
void *check_send(void *ptr);
void check_arrived(struct heap *heap, void *start);

#endif
