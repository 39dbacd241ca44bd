/*
 * memcheck=1: each block has a header with its size and state and, behind its
 * last byte, a guard. Both are looked at when it is freed: a block written past
 * its end, freed twice, or freed though it never was one stops the machine with
 * a line that says which. Blocks freed on another CPU are looked at there,
 * before they travel, and again at home.
 *
 * The state is kept clear of the first bytes, which free lists use, and the
 * exchange item that a block is on its way home.
 */
#include "kernel/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/panic.h"

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
    uint32_t state;
    uint32_t offset; /* of the block from where its memory begins */
    uint64_t size;
};
static_assert(sizeof(struct header) % 16 == 0, "blocks stay aligned");

static struct header *header_of(const void *ptr)
{
    return (struct header *)(uintptr_t)ptr - 1;
}

void *check_alloc(struct heap *heap, size_t size, size_t align)
{
    size_t room = sizeof(struct header) + align - 1;
    uintptr_t start, block;
    struct header *header;

    if (size > SIZE_MAX / 8 || align > SIZE_MAX / 8)
        return heap_alloc_plain(heap, SIZE_MAX, align); /* counts a failure */
    start = (uintptr_t)heap_alloc_plain(heap, room + size + GUARD_SIZE, 16);
    if (start == 0)
        return NULL;
    block = (start + room) & ~(uintptr_t)(align - 1);
    header = header_of((void *)block);
    header->state = STATE_LIVE;
    header->offset = (uint32_t)(block - start);
    header->size = size;
    memset((char *)block + size, GUARD_BYTE, GUARD_SIZE);
    return (void *)block;
}

/* A block that may be freed, or the end. */
static struct header *check_live(const void *ptr)
{
    struct header *header = header_of(ptr);
    const uint8_t *guard;

    if (header->state == STATE_FREED || header->state == STATE_SENT)
        panic("memcheck: %p is freed a second time", ptr);
    if (header->state != STATE_LIVE)
        panic("memcheck: %p is no block, or what is before it was overrun",
              ptr);
    guard = (const uint8_t *)ptr + header->size;
    for (unsigned i = 0; i < GUARD_SIZE; i++) {
        if (guard[i] != GUARD_BYTE)
            panic("memcheck: the block of %zu bytes at %p was written %u bytes "
                  "past its end",
                  (size_t)header->size, ptr, i + 1);
    }
    return header;
}

static void *close(void *ptr, struct header *header, uint32_t state)
{
    void *start = (char *)ptr - header->offset;

    header->state = state;
    memset(ptr, FREED_BYTE, header->size);
    return start;
}

void check_free(struct heap *heap, void *ptr)
{
    heap_free_plain(heap, close(ptr, check_live(ptr), STATE_FREED));
}

void *check_send(void *ptr)
{
    return close(ptr, check_live(ptr), STATE_SENT);
}

void check_arrived(struct heap *heap, void *start)
{
    heap_free_plain(heap, start);
}

size_t check_usable(const void *ptr)
{
    return check_live(ptr)->size;
}
