/*
 * Channels and remote calls, both on exchange slots. A message to another CPU
 * is a small block that goes home by itself after delivery (mem_free()).
 */
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/errand.h"
#include "kernel/thread/sync_check.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/time.h>

struct channel {
    /* constant: */
    unsigned owner;
    unsigned capacity;
    /* owner CPU only: */
    unsigned head; /* index of the oldest value */
    unsigned count;
    struct wait_queue receivers;
    uint64_t values[];
};

int channel_create(unsigned capacity, struct channel **out)
{
    struct channel *channel;
    size_t size;

    if (capacity == 0 ||
        __builtin_mul_overflow((size_t)capacity, sizeof(uint64_t), &size))
        return -EINVAL;
    channel = mem_alloc(sizeof(*channel) + size);
    if (channel == NULL)
        return -ENOMEM;
    *channel = (struct channel){.owner = cpu_id(), .capacity = capacity};
    wait_queue_init(&channel->receivers);
    *out = channel;
    return 0;
}

static void deliver(struct channel *channel, uint64_t value)
{
    if (channel->count == channel->capacity)
        return; /* dropped */
    channel->values[(channel->head + channel->count) % channel->capacity] =
        value;
    channel->count++;
    wait_wake_one(&channel->receivers);
}

struct message {
    struct exchange_item item;
    struct channel *channel;
    uint64_t value;
};

static void message_arrived(struct exchange_item *item)
{
    struct message *message = container_of(item, struct message, item);

    deliver(message->channel, message->value);
    mem_free(message);
}

int channel_send(struct channel *channel, uint64_t value)
{
    struct message *message;

    if (channel->owner == cpu_id()) {
        deliver(channel, value);
        return 0;
    }
    message = mem_alloc(sizeof(*message));
    if (message == NULL)
        return -ENOMEM;
    message->item.run = message_arrived;
    message->channel = channel;
    message->value = value;
    exchange_send(channel->owner, &message->item);
    return 0;
}

int channel_receive(struct channel *channel, uint64_t deadline_ns,
                    uint64_t *value)
{
    if (channel->owner != cpu_id())
        return -EXDEV;
    while (channel->count == 0) {
        int status = wait_killable(&channel->receivers, deadline_ns);

        if (status == -EINTR)
            thread_requests_handle();
        if (status != 0 && channel->count == 0)
            return status;
    }
    *value = channel->values[channel->head];
    channel->head = (channel->head + 1) % channel->capacity;
    channel->count--;
    return 0;
}

int channel_destroy(struct channel *channel)
{
    if (channel->owner != cpu_id())
        return -EXDEV;
    if (channel->count != 0 || !wait_queue_empty(&channel->receivers))
        return -EBUSY;
    mem_free(channel);
    return 0;
}

void channel_check(const struct channel *channel)
{
    assert(channel->owner == cpu_id());
    assert(channel->head < channel->capacity);
    assert(channel->count <= channel->capacity);
    wait_queue_check(&channel->receivers);
}

/* ---- Remote calls -------------------------------------------------------- */

struct call {
    struct errand errand;
    struct thread_cleanup cleanup; /* of the thread that runs fn */
    int (*fn)(void *);
    void *arg;
};

/* The thread was killed before or inside fn: answer, or the caller would wait
 * for ever. */
static void call_ended(void *arg)
{
    struct call *call = arg;

    errand_answer(&call->errand, -ECANCELED);
}

static int call_thread(void *arg)
{
    struct call *call = arg;
    int status = call->fn(call->arg);

    thread_cleanup_pop(&call->cleanup, false);
    errand_answer(&call->errand, status);
    return 0;
}

static void call_arrive(struct errand *errand)
{
    struct call *call = container_of(errand, struct call, errand);
    const struct thread_attr attr = {.name = "remote", .detached = true};
    struct thread *thread;
    int status = thread_create_here(&attr, call_thread, call, &thread);

    if (status != 0) {
        errand_answer(errand, status);
        return;
    }
    /* Before its first turn: it may be killed until then. */
    call->cleanup = (struct thread_cleanup){.fn = call_ended, .arg = call};
    thread->cleanups = &call->cleanup;
}

int remote_call(unsigned cpu, int (*fn)(void *), void *arg)
{
    struct call call = {.fn = fn, .arg = arg};

    if (cpu >= cpu_count())
        return -EINVAL;
    if (cpu == cpu_id())
        return fn(arg);
    return errand_run(&call.errand, cpu, call_arrive);
}
