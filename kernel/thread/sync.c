/*
 * Events, semaphores, mutexes: a condition and a wait queue each. Semaphores
 * and mutexes are handed over to the waiter that is woken, so one that comes
 * later cannot take what another was woken for.
 */
#include "kernel/thread/sync_check.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/sync.h>
#include <torc/time.h>

/* ---- Events -------------------------------------------------------------- */

struct event {
    unsigned owner; /* constant */
    /* owner CPU only: */
    bool happened;
    struct wait_queue waiters;
};

int event_create(struct event **out)
{
    struct event *event = mem_alloc(sizeof(*event));

    if (event == NULL)
        return -ENOMEM;
    *event = (struct event){.owner = cpu_id()};
    wait_queue_init(&event->waiters);
    *out = event;
    return 0;
}

int event_set(struct event *event)
{
    if (event->owner != cpu_id())
        return -EXDEV;
    event->happened = true;
    wait_wake_all(&event->waiters);
    return 0;
}

int event_clear(struct event *event)
{
    if (event->owner != cpu_id())
        return -EXDEV;
    event->happened = false;
    return 0;
}

/* Those it woke go on even if it is cleared before their turn comes. */
int event_wait(struct event *event, uint64_t deadline_ns)
{
    int status;

    if (event->owner != cpu_id())
        return -EXDEV;
    if (event->happened)
        return 0;
    status = wait_killable(&event->waiters, deadline_ns);
    if (status == -EINTR)
        thread_requests_handle();
    return status;
}

int event_destroy(struct event *event)
{
    if (event->owner != cpu_id())
        return -EXDEV;
    if (!wait_queue_empty(&event->waiters))
        return -EBUSY;
    mem_free(event);
    return 0;
}

void event_check(const struct event *event)
{
    assert(event->owner == cpu_id());
    wait_queue_check(&event->waiters);
    assert(!event->happened || wait_queue_empty(&event->waiters));
}

/* ---- Semaphores ---------------------------------------------------------- */

struct semaphore {
    unsigned owner; /* constant */
    /* owner CPU only: */
    uint64_t count; /* 0 while anybody waits */
    struct wait_queue waiters;
};

int semaphore_create(uint64_t count, struct semaphore **out)
{
    struct semaphore *semaphore = mem_alloc(sizeof(*semaphore));

    if (semaphore == NULL)
        return -ENOMEM;
    *semaphore = (struct semaphore){.owner = cpu_id(), .count = count};
    wait_queue_init(&semaphore->waiters);
    *out = semaphore;
    return 0;
}

int semaphore_post(struct semaphore *semaphore)
{
    if (semaphore->owner != cpu_id())
        return -EXDEV;
    if (!wait_queue_empty(&semaphore->waiters))
        wait_wake_one(&semaphore->waiters);
    else if (semaphore->count == UINT64_MAX)
        return -EOVERFLOW;
    else
        semaphore->count++;
    return 0;
}

int semaphore_wait(struct semaphore *semaphore, uint64_t deadline_ns)
{
    int status;

    if (semaphore->owner != cpu_id())
        return -EXDEV;
    if (semaphore->count > 0) {
        assert(wait_queue_empty(&semaphore->waiters)); /* it is handed over */
        semaphore->count--;
        return 0;
    }
    if (deadline_ns == 0)
        return -ETIMEDOUT;
    status = wait_killable(&semaphore->waiters, deadline_ns);
    if (status == -EINTR)
        thread_requests_handle();
    return status;
}

int semaphore_destroy(struct semaphore *semaphore)
{
    if (semaphore->owner != cpu_id())
        return -EXDEV;
    if (!wait_queue_empty(&semaphore->waiters))
        return -EBUSY;
    mem_free(semaphore);
    return 0;
}

void semaphore_check(const struct semaphore *semaphore)
{
    assert(semaphore->owner == cpu_id());
    wait_queue_check(&semaphore->waiters);
    assert(semaphore->count == 0 || wait_queue_empty(&semaphore->waiters));
}

/* ---- Mutexes ------------------------------------------------------------- */

#define NOBODY UINT64_MAX

struct mutex {
    unsigned owner; /* constant */
    /* owner CPU only: */
    thread_id holder; /* NOBODY: free. It may have ended, or be elsewhere. */
    struct wait_queue waiters;
};

int mutex_create(struct mutex **out)
{
    struct mutex *mutex = mem_alloc(sizeof(*mutex));

    if (mutex == NULL)
        return -ENOMEM;
    *mutex = (struct mutex){.owner = cpu_id(), .holder = NOBODY};
    wait_queue_init(&mutex->waiters);
    *out = mutex;
    return 0;
}

/*
 * Whether thread `id` is `holder`, or waits, for ever, for a mutex of `holder`,
 * or for one whose holder does. Each that waits has looked first, so there is
 * no circle yet. A holder that lives on another CPU is not looked at: a circle
 * that leads over two CPUs is not found.
 */
static bool waits_for(thread_id id, thread_id holder)
{
    while (id != holder) {
        const struct thread *thread = thread_find_here(id);

        if (thread == NULL || thread->blocked_on == NULL)
            return false;
        id = thread->blocked_on->holder;
    }
    return true;
}

int mutex_lock(struct mutex *mutex, uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    int status;

    if (mutex->owner != cpu_id())
        return -EXDEV;
    if (mutex->holder == NOBODY) {
        assert(wait_queue_empty(&mutex->waiters)); /* it is handed over */
        mutex->holder = self->id;
        return 0;
    }
    if (mutex->holder == self->id)
        return -EDEADLK;
    if (deadline_ns == 0)
        return -ETIMEDOUT;
    if (deadline_ns == TIME_NEVER && waits_for(mutex->holder, self->id))
        return -EDEADLK;
    self->blocked_on = deadline_ns == TIME_NEVER ? mutex : NULL;
    /* 0: mutex_unlock() has made us the holder. */
    status = wait_on_until(&mutex->waiters, deadline_ns);
    self->blocked_on = NULL;
    return status;
}

/* The oldest waiter is the holder, and waits for nobody, before it runs. */
static noinline void hand_over(struct mutex *mutex)
{
    struct thread *next =
        container_of(mutex->waiters.waiters.next, struct thread, link);

    next->blocked_on = NULL;
    mutex->holder = next->id;
    wait_wake_one(&mutex->waiters);
}

int mutex_unlock(struct mutex *mutex)
{
    if (mutex->owner != cpu_id())
        return -EXDEV;
    if (mutex->holder != thread_current()->id)
        return -EPERM;
    if (wait_queue_empty(&mutex->waiters))
        mutex->holder = NOBODY;
    else
        hand_over(mutex);
    return 0;
}

int mutex_destroy(struct mutex *mutex)
{
    if (mutex->owner != cpu_id())
        return -EXDEV;
    if (mutex->holder != NOBODY)
        return -EBUSY;
    mem_free(mutex);
    return 0;
}

void mutex_check(const struct mutex *mutex)
{
    assert(mutex->owner == cpu_id());
    wait_queue_check(&mutex->waiters);
    assert(mutex->holder != NOBODY || wait_queue_empty(&mutex->waiters));
}
