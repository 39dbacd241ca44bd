/*
 * The way home of blocks freed on another CPU. The first one to leave with a
 * list is its own message. For the others the freeing CPU writes their
 * addresses into a parcel, which is an exchange item: as long as the list it is
 * on has not left (exchange_batch()), more are added. The owner frees them and
 * sends the empty parcel back. So these blocks are not touched on their way,
 * and a parcel of 61 costs two items. Without memory for a parcel each block
 * carries itself.
 *
 * Nobody waits for a parcel: it leaves with what else goes, when it is full, or
 * when its CPU has nothing else to do.
 */
#include "kernel/exchange_inline.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

enum { PARCEL_BLOCKS = 61 };

/* Belongs to `from`; lent to the owner of the blocks while it is away. */
struct parcel {
    struct exchange_item item;
    uint32_t from;
    uint32_t count;
    void *block[PARCEL_BLOCKS];
};
static_assert(sizeof(struct parcel) == 512, "one of a size class");

/* On the owner. */
static void free_arrived(struct heap *heap, void *start)
{
    heap->came_home++;
    if (unlikely(heap_checking))
        check_arrived(heap, start);
    else
        mem_free(start);
}

static void block_arrived(struct exchange_item *item)
{
    free_arrived(cpu_self()->heap, item);
}

static void parcel_returned(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);
    struct heap *heap = cpu_self()->heap;

    mem_free(heap->spare);
    heap->spare = parcel;
}

static void parcel_arrived(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);
    struct heap *heap = cpu_self()->heap;

    for (uint32_t i = 0; i < parcel->count; i++)
        free_arrived(heap, parcel->block[i]);
    parcel->item.run = parcel_returned;
    exchange_send_lazily(parcel->from, &parcel->item);
}

/* An empty parcel, on its way; NULL: no memory. */
static struct parcel *parcel_open(struct heap *heap, unsigned owner)
{
    struct parcel *parcel = heap->spare;

    heap->spare = NULL;
    if (parcel == NULL)
        parcel = mem_alloc(sizeof(*parcel));
    if (parcel == NULL)
        return NULL;
    parcel->item.run = parcel_arrived;
    parcel->from = cpu_self()->id;
    parcel->count = 0;
    exchange_send_lazily(owner, &parcel->item);
    return parcel;
}

/* A full one is left alone from now on, and leaves. */
static void parcel_add(struct open_parcel *open, void *start)
{
    struct parcel *parcel = open->parcel;

    parcel->block[parcel->count++] = start;
    if (parcel->count < PARCEL_BLOCKS)
        return;
    open->parcel = NULL;
    exchange_hurry();
}

/* The block itself is the message. */
static void send_alone(unsigned owner, void *start)
{
    struct exchange_item *item = start;

    item->run = block_arrived;
    exchange_send_lazily(owner, item);
}

void heap_send_home(struct heap *heap, void *ptr)
{
    int owner = mem_owner(ptr);
    struct open_parcel *open;
    void *start = ptr;
    uint64_t batch;

    if (owner < 0)
        panic("mem_free: %p is not memory of any cpu", ptr);
    if (heap_checking)
        start = check_send(ptr);
    heap->sent_home++;
    open = &heap->open[owner];
    batch = exchange_batch((unsigned)owner);
    if (open->batch != batch + 1) {
        *open = (struct open_parcel){.batch = batch + 1};
        send_alone((unsigned)owner, start);
        return;
    }
    if (open->parcel == NULL)
        open->parcel = parcel_open(heap, (unsigned)owner);
    if (open->parcel == NULL)
        send_alone((unsigned)owner, start);
    else
        parcel_add(open, start);
}
