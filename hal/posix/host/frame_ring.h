/*
 * A queue of frames between two threads: one pushes, one pops.
 */
#ifndef TORC_HAL_POSIX_HOST_FRAME_RING_H
#define TORC_HAL_POSIX_HOST_FRAME_RING_H

#include "hal/posix/host/net.h"
#include <pthread.h>

/* Under the lock, slots[tail .. head) hold frames; both only grow. */
struct frame_ring {
    /* constant while the ring is open: */
    uint8_t *slots;
    size_t slot_size;    /* bytes */
    uint32_t slot_count; /* a power of two */
    uint32_t frame_max;  /* bytes */
    /* under the lock: */
    pthread_mutex_t lock;
    uint32_t head;
    uint32_t tail;
    bool hungry;  /* the taker found nothing and wants to be told */
    bool starved; /* the pusher found no room and wants to be told */
};

/*
 * A ring for `slot_count` frames (a power of two) of at most `frame_max` bytes.
 * Returns 0, -ENOMEM. A ring that is all zero may be closed.
 */
int frame_ring_open(struct frame_ring *ring, uint32_t slot_count,
                    uint32_t frame_max);
void frame_ring_close(struct frame_ring *ring);

/* What is always true of a ring. The caller holds its lock, or is alone. */
void frame_ring_check(const struct frame_ring *ring);

/*
 * Append a frame of at most frame_max bytes. Returns 0, or -EAGAIN when the
 * ring is full (the pop that makes half of it free tells); *tell says whether
 * the taker sleeps and must be woken.
 */
int frame_ring_push(struct frame_ring *ring, const struct host_frame *frame,
                    bool *tell);

/*
 * Take the oldest frame: its bytes to frame->vec. Returns 0, -EAGAIN (none),
 * -EMSGSIZE (it did not fit, and is lost); *tell says whether the pusher waits
 * for room and must be woken.
 */
int frame_ring_pop(struct frame_ring *ring, struct host_frame *frame,
                   bool *tell);

/* Let the next push tell. Returns false when there is a frame: then it does
 * not. */
bool frame_ring_arm(struct frame_ring *ring);

#endif
