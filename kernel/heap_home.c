/*
 * The way home of blocks freed on another CPU. The first one to leave with a
 * list is its own message. For the others the freeing CPU writes their
 * addresses into a parcel, which is an exchange item: as long as the list it is
 * on has not left (exchange_batch()), more are added. The owner frees them and
 * sends the empty parcel back. So these blocks are not touched on their way,
 * and a parcel costs two items. Without memory for a parcel each block carries
 * itself. Behind a list that filled a parcel the next list begins with one, and
 * with a large one: what a list costs is shared by more blocks.
 *
 * Nobody waits for a parcel: it leaves with what else goes, when it is full, or
 * when its CPU has nothing else to do.
 *
 * mem_free_slow() itself knows the parcel that took a block last: heap->away.
 */
#include "kernel/exchange_inline.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

enum {
    /* Bytes of a parcel: for 61 blocks, or for 253 where many come. */
    PARCEL_SMALL = 512,
    PARCEL_LARGE = 2048,
    /* So many empty ones of a CPU do not wait until something else leaves. */
    EMPTIED_MAX = 4,
};
static_assert(sizeof(struct parcel) == 24, "room for 61 and 253 blocks");

/* ---- On the owner -------------------------------------------------------- */

static void blocks_arrived(void **blocks, unsigned count)
{
    struct heap *heap = cpu_self()->heap;

    heap->came_home += count;
    if (likely(!heap_checking)) {
        heap_free_all(heap, blocks, count);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        check_arrived(heap, blocks[i]);
}

static void block_arrived(struct exchange_item *item)
{
    void *block = item;

    blocks_arrived(&block, 1);
}

static void parcel_returned(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);
    struct heap *heap = cpu_self()->heap;

    mem_free(heap->spare);
    heap->spare = parcel;
}

/*
 * The empty parcel may wait, but they must not pile up on a CPU that never
 * sleeps and sends nothing else: their owner would take ever new ones.
 */
static void send_back(struct heap *heap, struct parcel *parcel)
{
    struct open_parcel *back = &heap->open[parcel->from];
    uint32_t batch = (uint32_t)exchange_batch(parcel->from);

    if (back->emptied_batch != batch)
        back->emptied = 0;
    back->emptied_batch = batch;
    parcel->item.run = parcel_returned;
    exchange_send_lazily(parcel->from, &parcel->item);
    if (++back->emptied % EMPTIED_MAX == 0)
        exchange_hurry();
}

static void parcel_arrived(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);

    blocks_arrived(parcel->block, parcel->count);
    send_back(cpu_self()->heap, parcel);
}

/* ---- On the CPU that frees ----------------------------------------------- */

static unsigned room_of(unsigned size)
{
    return (size - sizeof(struct parcel)) / sizeof(void *);
}

/* One of `size` bytes; without memory the one at hand, or NULL. */
static struct parcel *parcel_get(struct heap *heap, unsigned size)
{
    struct parcel *spare = heap->spare;
    struct parcel *parcel;

    heap->spare = NULL;
    if (spare != NULL && spare->room == room_of(size))
        return spare;
    parcel = mem_alloc(size);
    if (parcel == NULL)
        return spare;
    mem_free(spare);
    parcel->room = (uint16_t)room_of(size);
    return parcel;
}

/* An empty parcel, on its way; NULL: no memory. */
static struct parcel *parcel_open(struct heap *heap, unsigned owner)
{
    bool many = heap->open[owner].many || heap->open[owner].filled;
    struct parcel *parcel =
        parcel_get(heap, many ? PARCEL_LARGE : PARCEL_SMALL);

    if (parcel == NULL)
        return NULL;
    parcel->item.run = parcel_arrived;
    parcel->from = (uint16_t)cpu_self()->id;
    parcel->count = 0;
    exchange_send_lazily(owner, &parcel->item);
    return parcel;
}

/* The block itself is the message. */
static void send_alone(unsigned owner, void *start)
{
    struct exchange_item *item = start;

    item->run = block_arrived;
    exchange_send_lazily(owner, item);
}

void heap_parcel_full(struct heap *heap, unsigned owner)
{
    struct open_parcel *open = &heap->open[owner];

    heap->away.span = 0;
    open->parcel = NULL;
    open->filled = true;
    exchange_hurry();
}

/* Let the next blocks of this share go the short way. */
static void away_set(struct heap *heap, const struct mem_share *share)
{
    const struct open_parcel *open = &heap->open[share->cpu];

    heap->away = (struct away){
        .base = share->base,
        .span = share->end - share->base,
        .parcel = open->parcel,
        .link = &cpu_self()->exchange->links[share->cpu],
        .batch = open->batch - 1,
    };
}

/*
 * The parcel on the list that leaves next, if there is to be one: not for the
 * first block of a list, unless the last list has shown that there are many.
 */
static struct parcel *parcel_for(struct heap *heap, unsigned owner)
{
    struct open_parcel *open = &heap->open[owner];
    uint64_t batch = exchange_batch(owner) + 1;

    if (open->batch != batch) {
        open->batch = batch;
        open->parcel = NULL;
        open->many = open->filled;
        open->filled = false;
        open->poor = false;
        if (!open->many)
            return NULL;
    }
    if (open->parcel == NULL && !open->poor) {
        open->parcel = parcel_open(heap, owner);
        open->poor = open->parcel == NULL;
    }
    return open->parcel;
}

void heap_send_home(struct heap *heap, void *ptr)
{
    const struct mem_share *share = mem_share_of(ptr);
    struct parcel *parcel;

    if (share == NULL)
        panic("mem_free: %p is not memory of any cpu", ptr);
    if (heap_checking)
        ptr = check_send(ptr);
    heap->sent_home++;
    parcel = parcel_for(heap, share->cpu);
    if (parcel == NULL) {
        send_alone(share->cpu, ptr);
        return;
    }
    if (!heap_checking)
        away_set(heap, share);
    if (parcel_add(parcel, ptr))
        heap_parcel_full(heap, share->cpu);
}
