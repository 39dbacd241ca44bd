/*
 * Wait queues: threads of one CPU that wait for a condition of that CPU. A
 * waiter looks at its condition again after each wake:
 *
 *     while (!condition)
 *         wait_on(&queue);
 *
 * No wake-up is lost: nothing else runs on the CPU between the look and the
 * wait.
 */
#ifndef TORC_KERNEL_WAIT_H
#define TORC_KERNEL_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>

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
 * As wait_on_until(), but ends with -EINTR when the thread is killed. The
 * caller then makes its data consistent and calls thread_requests_handle().
 */
must_check int wait_killable(struct wait_queue *queue, uint64_t deadline_ns);

/* Make the oldest waiter, or all of them, ready. Thread or irq work. */
void wait_wake_one(struct wait_queue *queue);
void wait_wake_all(struct wait_queue *queue);

/* What must be true of a queue: all on it wait, and the list is whole. Panics
 * when it is not. For tests. Owner CPU. */
void wait_queue_check(const struct wait_queue *queue);

static inline bool wait_queue_empty(const struct wait_queue *queue)
{
    return list_empty(&queue->waiters);
}

#endif
