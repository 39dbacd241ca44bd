#include "kernel/thread/wait.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include <torc/assert.h>
#include <torc/time.h>

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

void wait_on(struct wait_queue *queue)
{
    struct thread *self = thread_current();

    assert(self->state == THREAD_READY);
    self->state = THREAD_WAITING;
    list_push_back(&queue->waiters, &self->link);
    sched_switch();
}

int wait_on_until(struct wait_queue *queue, uint64_t deadline_ns)
{
    struct thread *self = thread_current();

    self->wait_status = 0;
    if (deadline_ns == TIME_NEVER) {
        wait_on(queue);
        return self->wait_status;
    }
    if (timer_set(&self->timeout, deadline_ns) != 0) {
        /* No memory for a timer: let the others run, then report a timeout,
         * which every caller handles. */
        self->state = THREAD_WAITING;
        sched_ready(self);
        sched_switch();
        return -ETIMEDOUT;
    }
    wait_on(queue);
    timer_cancel(&self->timeout);
    return self->wait_status;
}

int wait_killable(struct wait_queue *queue, uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    int status;

    if ((self->requests & REQUEST_KILL) != 0)
        return -EINTR;
    self->killable = true;
    status = wait_on_until(queue, deadline_ns);
    self->killable = false;
    return status;
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

void wait_queue_check(const struct wait_queue *queue)
{
    list_for_each (node, &queue->waiters) {
        const struct thread *thread = container_of(node, struct thread, link);

        assert(node->next->prev == node);
        assert(thread->state == THREAD_WAITING);
    }
}
