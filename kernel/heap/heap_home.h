/*
 * The way home of blocks that were freed on another CPU: heap_home.c.
 */
#ifndef TORC_KERNEL_HEAP_HOME_H
#define TORC_KERNEL_HEAP_HOME_H

#include "kernel/cpu/exchange.h"
#include <stddef.h>
#include <stdint.h>

struct heap;

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
    uint64_t batch;   /* it does so until this list, less 1, leaves; 0: never */
    bool filled;      /* a parcel on this list is full */
    bool last_filled; /* one on the list before was */
    bool no_memory;   /* for a parcel on this list */
    uint8_t emptied;  /* parcels of the other, on the way back with ... */
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

#endif
