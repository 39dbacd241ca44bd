#include "kernel/wait.h"
#include "kernel/lib/check.h"
#include "kernel/thread.h"
#include <torc/time.h>

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

void wait_on(struct wait_queue *queue)
{
    struct thread *self = thread_current();

    assert(self->state == THREAD_RUNNING);
    self->state = THREAD_WAITING;
    list_push_back(&queue->waiters, &self->link);
    sched_switch();
}

int wait_on_until(struct wait_queue *queue, uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    int status;

    if (deadline_ns == TIME_NEVER) {
        wait_on(queue);
        return 0;
    }
    status = timer_set(&self->timeout, deadline_ns);
    if (status != 0) {
        /* No room for a timer: let the others run and say the time is over,
         * which every caller handles. */
        thread_yield();
        return -ETIMEDOUT;
    }
    self->timed_out = false;
    wait_on(queue);
    timer_cancel(&self->timeout);
    return self->timed_out ? -ETIMEDOUT : 0;
}

void wait_wake_one(struct wait_queue *queue)
{
    struct list *node = list_pop_front(&queue->waiters);

    if (node != NULL)
        sched_ready(container_of(node, struct thread, link));
}

void wait_wake_all(struct wait_queue *queue)
{
    while (!list_empty(&queue->waiters))
        wait_wake_one(queue);
}
