/* A queue of frames between two threads: see frame_ring.h. */
#include "hal/posix/host/frame_ring.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/host/net_internal.h"
#include <errno.h>
#include <torc/assert.h>

struct frame_slot {
    uint32_t len;
    uint8_t bytes[];
};

static struct frame_slot *slot_of(const struct frame_ring *ring, uint32_t at)
{
    return (void *)(ring->slots + (at % ring->slot_count) * ring->slot_size);
}

static size_t ring_bytes(const struct frame_ring *ring)
{
    return ring->slot_count * ring->slot_size;
}

int frame_ring_open(struct frame_ring *ring, uint32_t slot_count,
                    uint32_t frame_max)
{
    assert(slot_count > 1 && (slot_count & (slot_count - 1)) == 0);
    *ring =
        (struct frame_ring){.slot_count = slot_count, .frame_max = frame_max};
    ring->slot_size = (sizeof(struct frame_slot) + frame_max + 7) & ~7UL;
    ring->slots = host_memory_map(ring_bytes(ring), 4096, HOST_ANYWHERE);
    if (ring->slots == NULL)
        return -ENOMEM;
    ring->hungry = true;
    pthread_mutex_init(&ring->lock, NULL);
    return 0;
}

void frame_ring_close(struct frame_ring *ring)
{
    if (ring->slots == NULL)
        return;
    host_memory_unmap(ring->slots, ring_bytes(ring));
    pthread_mutex_destroy(&ring->lock);
    ring->slots = NULL;
}

void frame_ring_check(const struct frame_ring *ring)
{
    assert(ring->slots != NULL);
    assert(ring->head - ring->tail <= ring->slot_count);
    if (ring->hungry) /* it has looked, and nothing has come since */
        assert(ring->head == ring->tail);
    if (ring->starved) /* it is told when half of the ring is free */
        assert(ring->head - ring->tail > ring->slot_count / 2);
    for (uint32_t i = ring->tail; i != ring->head; i++)
        assert(slot_of(ring, i)->len <= ring->frame_max);
}

int frame_ring_push(struct frame_ring *ring, const struct host_frame *frame,
                    bool *tell)
{
    int err = -EAGAIN;

    assert(frame->len <= ring->frame_max);
    *tell = false;
    pthread_mutex_lock(&ring->lock);
    if (ring->head - ring->tail < ring->slot_count) {
        struct frame_slot *slot = slot_of(ring, ring->head);

        slot->len = frame->len;
        frame_gather(frame, slot->bytes);
        ring->head++;
        *tell = ring->hungry;
        ring->hungry = false;
        err = 0;
    } else {
        ring->starved = true;
    }
    pthread_mutex_unlock(&ring->lock);
    return err;
}

int frame_ring_pop(struct frame_ring *ring, struct host_frame *frame,
                   bool *tell)
{
    int err = -EAGAIN;

    *tell = false;
    pthread_mutex_lock(&ring->lock);
    if (ring->head != ring->tail) {
        const struct frame_slot *slot = slot_of(ring, ring->tail);

        err = slot->len <= frame_room(frame) ? 0 : -EMSGSIZE;
        if (err == 0) {
            frame_scatter(frame, slot->bytes, slot->len);
            frame_plain(frame, slot->len);
        }
        assert(!ring->hungry);
        ring->tail++;
        *tell =
            ring->starved && ring->head - ring->tail <= ring->slot_count / 2;
        if (*tell)
            ring->starved = false;
    }
    pthread_mutex_unlock(&ring->lock);
    return err;
}

bool frame_ring_arm(struct frame_ring *ring)
{
    bool empty;

    pthread_mutex_lock(&ring->lock);
    empty = ring->head == ring->tail;
    ring->hungry = empty;
    pthread_mutex_unlock(&ring->lock);
    return empty;
}
