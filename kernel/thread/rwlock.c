#include "kernel/thread/rwlock.h"
#include "kernel/thread/thread.h"

void rwlock_init(struct rwlock *lock)
{
    lock->readers = 0;
    lock->readers_wait = 0;
    lock->writer = NULL;
    wait_queue_init(&lock->shared);
    wait_queue_init(&lock->exclusive);
}

void rwlock_wait_shared(struct rwlock *lock)
{
    assert(lock->writer != thread_current());
    lock->readers_wait++;
    wait_on(&lock->shared);
    /* Whoever woke us has counted us. */
    assert(lock->readers > 0);
    assert(lock->writer == NULL);
}

/* Give the free lock to the thread that waits longest to hold it exclusively,
 * if there is one. */
static void give_writer(struct rwlock *lock)
{
    if (wait_queue_empty(&lock->exclusive))
        return;
    lock->writer =
        container_of(lock->exclusive.waiters.next, struct thread, link);
    wait_wake_one(&lock->exclusive);
}

/* After the last reader: the readers that came meanwhile wait behind the writer
 * that kept them out. */
void rwlock_hand_over(struct rwlock *lock)
{
    assert(!rwlock_is_held(lock));
    give_writer(lock);
}

void rwlock_lock(struct rwlock *lock)
{
    struct thread *self = thread_current();

    if (rwlock_try_lock(lock))
        return;
    assert(lock->writer != self);
    wait_on(&lock->exclusive);
    assert(lock->writer == self);
    assert(lock->readers == 0);
}

bool rwlock_try_lock(struct rwlock *lock)
{
    if (rwlock_is_held(lock))
        return false;
    assert(wait_queue_empty(&lock->exclusive)); /* it is handed over */
    lock->writer = thread_current();
    return true;
}

/* After a writer: all readers that wait, else the next writer. */
void rwlock_unlock(struct rwlock *lock)
{
    assert(lock->writer == thread_current());
    lock->writer = NULL;
    if (lock->readers_wait == 0) {
        give_writer(lock);
        return;
    }
    lock->readers = lock->readers_wait;
    lock->readers_wait = 0;
    wait_wake_all(&lock->shared);
}

bool rwlock_is_mine(const struct rwlock *lock)
{
    return lock->writer == thread_current();
}

void rwlock_check(const struct rwlock *lock)
{
    uint32_t waiting = 0;

    wait_queue_check(&lock->shared);
    wait_queue_check(&lock->exclusive);
    list_for_each (node, &lock->shared.waiters)
        waiting++;
    assert(waiting == lock->readers_wait);
    assert(lock->readers == 0 || lock->writer == NULL);
    /* Nobody waits for a lock that is free, and readers wait for writers
     * only. */
    if (!rwlock_is_held(lock))
        assert(wait_queue_empty(&lock->exclusive));
    if (lock->writer == NULL && wait_queue_empty(&lock->exclusive))
        assert(waiting == 0);
}
