/*
 * Reader/writer locks that sleep, for what must stay whole across a wait. Any
 * number of threads hold one shared, or one thread holds it exclusively.
 *
 * A thread that wants it exclusively keeps later readers out, and those readers
 * come before the next writer: neither waits for ever. The lock is handed over,
 * so that nobody comes in between.
 *
 * A lock belongs to one CPU. Waiting is no cancellation point: a thread that is
 * killed while it waits gets the lock first.
 */
#ifndef TORC_KERNEL_RWLOCK_H
#define TORC_KERNEL_RWLOCK_H

#include "kernel/thread/wait.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/assert.h>

struct thread;

/* Owner CPU only. */
struct rwlock {
    uint32_t readers;      /* that hold it */
    uint32_t readers_wait; /* threads on `shared` */
    struct thread *writer; /* that holds it; NULL: none does */
    struct wait_queue shared;
    struct wait_queue exclusive;
};

void rwlock_init(struct rwlock *lock);

/* The ways that wait: not for the caller. */
void rwlock_wait_shared(struct rwlock *lock);
void rwlock_hand_over(struct rwlock *lock);

/* Hold it shared. The caller does not hold it. Thread of the lock's CPU; may
 * wait. */
static inline void rwlock_lock_shared(struct rwlock *lock)
{
    if (likely(lock->writer == NULL && wait_queue_empty(&lock->exclusive)))
        lock->readers++;
    else
        rwlock_wait_shared(lock);
}

static inline void rwlock_unlock_shared(struct rwlock *lock)
{
    assert(lock->readers > 0);
    if (--lock->readers == 0 && unlikely(!wait_queue_empty(&lock->exclusive)))
        rwlock_hand_over(lock);
}

/* Hold it exclusively. The caller does not hold it, in either way. Thread of
 * the lock's CPU; may wait. */
void rwlock_lock(struct rwlock *lock);
void rwlock_unlock(struct rwlock *lock);

/* As rwlock_lock(), if nobody holds it; false: somebody does. Does not wait. */
must_check bool rwlock_try_lock(struct rwlock *lock);

/* Whether the calling thread holds it exclusively; whether anybody holds it in
 * any way. For assertions. */
bool rwlock_is_mine(const struct rwlock *lock);
static inline bool rwlock_is_held(const struct rwlock *lock)
{
    return lock->readers > 0 || lock->writer != NULL;
}

/* Assert what is always true of a lock between two calls. Owner CPU. */
void rwlock_check(const struct rwlock *lock);

#endif
