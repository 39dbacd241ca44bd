/*
 * memcheck=1: each block has a header with its size, its state and a serial
 * number, and behind its last byte a guard. They are checked when the block is
 * freed. A block that was written past its end, freed twice, or freed though it
 * never was one stops the machine with a line that says which.
 *
 * A freed block is kept for a while before its memory is used again
 * (QUARANTINE_BLOCKS), so that freeing it once more is still seen as that, and
 * so is writing to it.
 *
 * A block freed on another CPU is checked there and again at home. It travels
 * as its address and the serial number that the freeing CPU read, in a parcel:
 * two CPUs may free one block at the same time, and what they write into it
 * must not be what carries it. Home accepts the first of the two. The second
 * arrives with the serial number of a block that is gone.
 *
 * The state is kept clear of the first bytes, which are free for the lists of
 * free blocks, and for the exchange item of a block for which there was no
 * memory for a parcel.
 */
#include "kernel/base/panic.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/poison.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    STATE_LIVE = 0x4c495645,  /* "LIVE" */
    STATE_SENT = 0x53454e54,  /* on its way home */
    STATE_FREED = 0x46524545, /* "FREE" */
    GUARD_SIZE = 16,
    GUARD_BYTE = 0xa5,
    FREED_BYTE = 0x6b,
};

/* Just before the block. */
struct header {
    uint64_t others[2]; /* a free list's, or an exchange item's on the way */
    volatile uint32_t state;
    uint32_t offset; /* of the block from where its memory begins */
    uint64_t size;
    /* Which allocation of its CPU this is; 0: free. Written at home alone. */
    volatile uint64_t serial;
    uint64_t unused;
};
static_assert(sizeof(struct header) % 16 == 0, "blocks stay aligned");
static_assert(sizeof(struct exchange_item) <= offsetof(struct header, state),
              "an item on its way leaves the state alone");

/* Readable even if the block is free: that is for us to find. */
static struct header *header_of(const void *ptr)
{
    struct header *header = (struct header *)(uintptr_t)ptr - 1;

    unpoison(header, sizeof(*header));
    return header;
}

void *check_alloc(struct heap *heap, size_t size, size_t align)
{
    size_t room = sizeof(struct header) + align - 1;
    uintptr_t start, block;
    struct header *header;
    size_t total;

    if (__builtin_add_overflow(room + GUARD_SIZE, size, &total))
        total = SIZE_MAX; /* is refused, and counted as a failure */
    start = (uintptr_t)heap_alloc_plain(heap, total, 16);
    if (start == 0)
        return NULL;
    block = (start + room) & ~(uintptr_t)(align - 1);
    header = header_of((void *)block);
    header->serial = ++heap->serial;
    header->offset = (uint32_t)(block - start);
    header->size = size;
    header->state = STATE_LIVE;
    memset((char *)block + size, GUARD_BYTE, GUARD_SIZE);
    return (void *)block;
}

/* Panics unless the bytes are all `byte`; `what` happened to the block. */
static void check_bytes(const void *ptr, const struct header *header,
                        size_t from, size_t to, uint8_t byte, const char *what)
{
    const uint8_t *bytes = ptr;

    for (size_t i = from; i < to; i++) {
        if (bytes[i] != byte)
            panic("memcheck: the block of %zu bytes at %p was written %s, at "
                  "its byte %zu",
                  (size_t)header->size, ptr, what, i);
    }
}

static void check_guard(const void *ptr, const struct header *header)
{
    check_bytes(ptr, header, header->size, header->size + GUARD_SIZE,
                GUARD_BYTE, "past its end");
}

static _Noreturn void freed_twice(const void *ptr)
{
    panic("memcheck: %p is freed a second time", ptr);
}

/* Panics unless the block is in use. */
static struct header *check_live(const void *ptr)
{
    struct header *header = header_of(ptr);
    uint32_t state = header->state;

    if (state == STATE_FREED || state == STATE_SENT ||
        (state == STATE_LIVE && header->serial == 0))
        freed_twice(ptr);
    if (state != STATE_LIVE)
        panic("memcheck: %p is no block, or what is before it was overrun",
              ptr);
    check_guard(ptr, header);
    return header;
}

/* ---- Freed blocks are kept for a while ----------------------------------- */

/* Whoever wrote to it since it was freed has done so by mistake. */
static void release(struct heap *heap, void *ptr)
{
    struct header *header = header_of(ptr);

    unpoison(ptr, header->size);
    check_bytes(ptr, header, 0, header->size, FREED_BYTE, "after it was freed");
    check_guard(ptr, header);
    heap_free_plain(heap, (char *)ptr - header->offset);
}

static void *quarantine_pop(struct quarantine *quarantine)
{
    unsigned oldest = quarantine->next - quarantine->count--;

    return quarantine->block[oldest % QUARANTINE_BLOCKS];
}

static void quarantine_push(struct heap *heap, void *ptr)
{
    struct quarantine *quarantine = &heap->quarantine;

    poison(ptr, header_of(ptr)->size);
    if (quarantine->count == QUARANTINE_BLOCKS)
        release(heap, quarantine_pop(quarantine));
    quarantine->block[quarantine->next++ % QUARANTINE_BLOCKS] = ptr;
    quarantine->count++;
}

void check_trim(struct heap *heap)
{
    while (heap->quarantine.count > 0)
        release(heap, quarantine_pop(&heap->quarantine));
}

/* ---- Free ---------------------------------------------------------------- */

/*
 * At home; the block is nobody's from here on. Only home fills it: another CPU
 * that frees it too would fill memory which home has used again.
 */
static void retire(struct heap *heap, void *ptr, struct header *header)
{
    header->state = STATE_FREED;
    header->serial = 0;
    memset(ptr, FREED_BYTE, header->size);
    quarantine_push(heap, ptr);
}

void check_free(struct heap *heap, void *ptr)
{
    retire(heap, ptr, check_live(ptr));
}

/*
 * Another CPU may be freeing the block too, and home may have used its memory
 * again since. So the serial number is read first (both are volatile): read
 * after the state, it could be the number of the next block, and home would
 * free that.
 */
uint64_t check_send(void *ptr)
{
    uint64_t serial = header_of(ptr)->serial;

    check_live(ptr)->state = STATE_SENT;
    return serial;
}

/* The state proves nothing here: a CPU that frees it too may have written it.
 */
void check_arrived(struct heap *heap, void *ptr, uint64_t serial)
{
    struct header *header = header_of(ptr);

    if (serial == 0 || header->serial != serial)
        freed_twice(ptr);
    retire(heap, ptr, header);
}

struct exchange_item *check_item(void *ptr)
{
    return (struct exchange_item *)(void *)header_of(ptr);
}

void check_item_arrived(struct heap *heap, struct exchange_item *item)
{
    struct header *header = (struct header *)(void *)item;

    check_arrived(heap, header + 1, header->serial);
}

size_t check_usable(const void *ptr)
{
    return check_live(ptr)->size;
}
