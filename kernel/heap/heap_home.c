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
#include "kernel/base/panic.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include <torc/assert.h>

enum {
    /* Bytes of a parcel: for 61 blocks, or for 253 where many come. */
    PARCEL_SMALL = 512,
    PARCEL_LARGE = 2048,
    /* So many empty ones of a CPU do not wait until something else leaves. */
    EMPTIED_MAX = 4,
};
static_assert(sizeof(struct parcel) == 24, "room for 61 and 253 blocks");

/* ---- On the owner -------------------------------------------------------- */

/* memcheck=1: a parcel has two words for a block, its address and its serial
 * number. */
static void checked_arrived(struct heap *heap, void **words, unsigned count)
{
    for (unsigned i = 0; i < count; i += 2)
        check_arrived(heap, words[i], (uintptr_t)words[i + 1]);
    heap->came_home += count / 2;
}

static void blocks_arrived(struct parcel *parcel)
{
    struct heap *heap = heap_self();

    if (unlikely(heap_checking)) {
        checked_arrived(heap, parcel->block, parcel->count);
        return;
    }
    heap->came_home += parcel->count;
    heap_free_all(heap, parcel->block, parcel->count);
}

static void block_arrived(struct exchange_item *item)
{
    struct heap *heap = heap_self();
    void *block = item;

    heap->came_home++;
    if (heap_checking)
        check_item_arrived(heap, item);
    else
        heap_free_all(heap, &block, 1);
}

static void parcel_returned(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);
    struct heap *heap = heap_self();

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
        exchange_flush();
}

static void parcel_arrived(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);

    blocks_arrived(parcel);
    send_back(heap_self(), parcel);
}

/* ---- On the CPU that frees ----------------------------------------------- */

/* Words in a parcel of `size` bytes; an even number where they are pairs. */
static unsigned room_of(unsigned size)
{
    unsigned words = (size - sizeof(struct parcel)) / sizeof(void *);

    return heap_checking ? words & ~1U : words;
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
    bool large = heap->open[owner].last_filled || heap->open[owner].filled;
    struct parcel *parcel =
        parcel_get(heap, large ? PARCEL_LARGE : PARCEL_SMALL);

    if (parcel == NULL)
        return NULL;
    parcel->item.run = parcel_arrived;
    parcel->from = (uint16_t)cpu_self()->id;
    parcel->count = 0;
    exchange_send_lazily(owner, &parcel->item);
    return parcel;
}

/* The block itself is the message. */
static void send_alone(unsigned owner, void *block)
{
    struct exchange_item *item = heap_checking ? check_item(block) : block;

    item->run = block_arrived;
    exchange_send_lazily(owner, item);
}

void heap_parcel_full(struct heap *heap, unsigned owner)
{
    struct open_parcel *open = &heap->open[owner];

    heap->away.span = 0;
    open->parcel = NULL;
    open->filled = true;
    exchange_flush();
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
        open->last_filled = open->filled;
        open->filled = false;
        open->no_memory = false;
        if (!open->last_filled && !heap_checking)
            return NULL;
    }
    if (open->parcel == NULL && !open->no_memory) {
        open->parcel = parcel_open(heap, owner);
        open->no_memory = open->parcel == NULL;
    }
    return open->parcel;
}

void heap_send_home(struct heap *heap, void *ptr)
{
    const struct mem_share *share = mem_share_of(ptr);
    uintptr_t serial = 0;
    struct parcel *parcel;
    bool full;

    if (share == NULL)
        panic("mem_free: %p is not memory of any cpu", ptr);
    if (heap_checking)
        serial = check_send(ptr);
    heap->sent_home++;
    parcel = parcel_for(heap, share->cpu);
    if (parcel == NULL) {
        send_alone(share->cpu, ptr);
        return;
    }
    full = parcel_add(parcel, ptr);
    if (heap_checking)
        full = parcel_add(parcel, (void *)serial);
    else
        away_set(heap, share);
    if (full)
        heap_parcel_full(heap, share->cpu);
}
