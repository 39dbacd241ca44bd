/*
 * Wait queues: threads of one CPU that wait for something of that CPU. The
 * waiter looks at its condition again after each wake, as always:
 *
 *     while (!condition)
 *         wait_on(&queue);
 *
 * There is no lost wake-up to fear: nothing runs between the look and the wait.
 */
#ifndef TORC_KERNEL_WAIT_H
#define TORC_KERNEL_WAIT_H

#include "kernel/lib/list.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

struct wait_queue {
    struct list waiters; /* owner CPU only: struct thread, oldest first */
};

void wait_queue_init(struct wait_queue *queue);

/* Wait until woken. Context: thread of the queue's CPU. */
void wait_on(struct wait_queue *queue);

/*
 * Wait until woken or until time_ns() >= deadline_ns (TIME_NEVER: for ever).
 * Returns 0, or -ETIMEDOUT.
 */
must_check int wait_on_until(struct wait_queue *queue, uint64_t deadline_ns);

/*
 * As wait_on_until(), but ends when the thread is killed: then returns -EINTR,
 * and the caller, once its things are in order, calls thread_point().
 */
must_check int wait_killable(struct wait_queue *queue, uint64_t deadline_ns);

/* Make the oldest waiter, or all of them, ready. Thread or irq work. */
void wait_wake_one(struct wait_queue *queue);
void wait_wake_all(struct wait_queue *queue);

static inline bool wait_queue_empty(const struct wait_queue *queue)
{
    return list_empty(&queue->waiters);
}

#endif
