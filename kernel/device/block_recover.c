/*
 * Time. Each queue has an alarm, set to a time that no deadline of its requests
 * is before. When it rings, the device is polled first: its interrupt may have
 * been lost. A request whose time is over ends when it still waits; when the
 * driver has it, the disk is recovered, by a thread of its owner:
 *
 *   all queues stop; the driver resets the device and gives every request back;
 *   those that have time left are started again, the others end.
 *
 * A driver that cannot do so gives the disk up: requests end now and from now
 * on. The device may still reach the memory of those that it has, so the block
 * layer keeps a reference of their buffers for ever.
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/lib/minmax.h"
#include "kernel/thread/errand.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/thread.h>

/* Owner CPU of the disk only. */
struct block_recovery {
    struct block_device *disk;
    thread_id thread;
    struct wait_queue wait;
    bool is_wanted; /* recovery */
    bool is_resized;
    uint64_t sectors; /* of the disk: new */
    uint64_t told;    /* the same, while the queues are told */
    bool ends;        /* the thread is to end */
};

static struct block_request *request_of(struct list *link)
{
    return container_of(link, struct block_request, priv.link);
}

/* ---- The alarm ----------------------------------------------------------- */

void block_alarm_set(struct block_queue *queue, uint64_t deadline_ns)
{
    int status = timer_set(&queue->alarm, deadline_ns);

    assert(status == 0); /* it is set already: moving it needs no memory */
    queue->alarm_ns = deadline_ns;
}

/* End those that wait and have no time left. */
static void waiting_expire(struct block_queue *queue, uint64_t now_ns)
{
    struct list *link = queue->waiting.next;

    while (link != &queue->waiting) {
        struct block_request *first = request_of(link);

        link = link->next;
        if (first->priv.earliest_ns > now_ns)
            continue;
        if (first->priv.joined == NULL) {
            block_waiting_end(queue, first, -ETIMEDOUT);
        } else {
            list_remove(&first->priv.link);
            block_try_each(queue, first, now_ns);
        }
    }
}

/* Whether the driver has one without time left. */
static bool busy_expired(const struct block_queue *queue, uint64_t now_ns)
{
    list_for_each (link, &queue->busy) {
        if (request_of(link)->priv.earliest_ns <= now_ns)
            return true;
    }
    return false;
}

/* The first deadline after now of a request and those joined to it. */
static uint64_t deadline_after(const struct block_request *first,
                               uint64_t now_ns)
{
    uint64_t next_ns = TIME_NEVER;

    for (; first != NULL; first = first->priv.joined) {
        if (first->priv.deadline_ns > now_ns)
            next_ns = min_u64(next_ns, first->priv.deadline_ns);
    }
    return next_ns;
}

/* The same of all requests of a queue. */
static uint64_t next_deadline(const struct block_queue *queue, uint64_t now_ns)
{
    uint64_t next_ns = TIME_NEVER;

    list_for_each (link, &queue->waiting)
        next_ns = min_u64(next_ns, deadline_after(request_of(link), now_ns));
    list_for_each (link, &queue->busy)
        next_ns = min_u64(next_ns, deadline_after(request_of(link), now_ns));
    return next_ns;
}

/* done() of those that end is called by the queue's loop, which runs next. */
static void expire_and_run(struct block_queue *queue, uint64_t now_ns)
{
    queue->is_running = true;
    waiting_expire(queue, now_ns);
    queue->is_running = false;
    block_queue_run(queue);
}

void block_alarm(struct timer *timer)
{
    struct block_queue *queue = container_of(timer, struct block_queue, alarm);
    uint64_t now_ns = time_ns();

    /* It has just left the timers, where there is room for it now. */
    block_alarm_set(queue, TIME_NEVER);
    queue->is_running = true; /* nothing is started before all was looked at */
    if (busy_expired(queue, now_ns) && !queue->is_stopped &&
        queue->disk->ops->poll != NULL)
        queue->disk->ops->poll(queue);
    expire_and_run(queue, now_ns);
    /* What the driver had may wait for its next step now. */
    expire_and_run(queue, now_ns);
    if (busy_expired(queue, now_ns))
        block_recover(queue, "no answer in time");
    block_alarm_set(queue,
                    min_u64(queue->alarm_ns, next_deadline(queue, now_ns)));
}

/* ---- Asking for recovery ------------------------------------------------- */

static void wake(struct block_device *disk)
{
    disk->recovery->is_wanted = true;
    wait_wake_all(&disk->recovery->wait);
}

/* On the disk's owner. */
static void asked(struct exchange_item *item)
{
    wake(container_of(item, struct block_queue, recovery_item)->disk);
}

void block_recover(struct block_queue *queue, const char *why)
{
    unsigned owner = queue->disk->queues[0]->cpu;

    assert(queue->cpu == cpu_self()->id);
    if (queue->wants_recovery || queue->is_stopped || queue->is_dead)
        return;
    queue->wants_recovery = true;
    log_error("%s: %s: resetting it", queue->disk->device.name, why);
    if (owner == queue->cpu) {
        wake(queue->disk);
        return;
    }
    queue->recovery_item.run = asked;
    exchange_send(owner, &queue->recovery_item);
}

/* ---- On each queue's CPU ------------------------------------------------- */

struct visit {
    struct errand errand;
    struct block_queue *queue;
    void (*fn)(struct block_queue *queue);
};

static void visit_arrive(struct errand *errand)
{
    struct visit *visit = container_of(errand, struct visit, errand);

    visit->fn(visit->queue);
    errand_answer(errand, 0);
}

void block_each_queue(struct block_device *disk,
                      void (*fn)(struct block_queue *queue))
{
    assert(device_is_mine(&disk->device));
    for (unsigned i = 0; i < disk->queue_count; i++) {
        struct visit visit = {.queue = disk->queues[i], .fn = fn};
        int status =
            errand_run(&visit.errand, disk->queues[i]->cpu, visit_arrive);

        assert(status == 0);
    }
}

static void queue_stop(struct block_queue *queue)
{
    queue->is_stopped = true;
}

/* What waits may have had its alarm while the driver had a step of it that has
 * ended since: no other alarm comes. */
static void queue_resume(struct block_queue *queue)
{
    assert(list_empty(&queue->busy)); /* the driver gave all back */
    queue->is_stopped = false;
    queue->is_full = false;
    queue->wants_recovery = false;
    queue->is_running = true;
    waiting_expire(queue, time_ns());
    queue->is_running = false;
    block_queue_run(queue);
}

/* Nobody gets the memory of a request again: the device may reach it. */
static void quarantine(const struct block_request *first)
{
    for (; first != NULL; first = first->priv.joined) {
        const struct slice *slice = first->vec;
        uint64_t left = (uint64_t)first->sectors * BLOCK_SECTOR_SIZE;

        if (first->priv.segments == 0)
            continue;
        for (left += first->priv.skip; left > 0; slice++) {
            buf_get(slice->buf);
            left -= min_u64(left, slice->len);
        }
    }
}

static void queue_give_up(struct block_queue *queue)
{
    uint64_t now_ns = time_ns();
    struct list *link;

    queue->is_dead = true;
    queue->is_running = true;
    while ((link = list_pop_front(&queue->busy)) != NULL) {
        struct block_request *first = request_of(link);

        quarantine(first);
        block_end_all(queue, first,
                      first->priv.earliest_ns <= now_ns ? -ETIMEDOUT : -EIO);
    }
    queue->is_running = false;
    queue->is_stopped = false;
    queue->is_full = false;
    block_queue_run(queue);
}

/* ---- Recovery ------------------------------------------------------------ */

static void recover(struct block_device *disk)
{
    int status = -ENOTSUP;

    block_each_queue(disk, queue_stop);
    /* What the queues asked for has arrived: they were all visited. */
    disk->recovery->is_wanted = false;
    if (disk->ops->recover != NULL)
        status = disk->ops->recover(disk);
    if (status == 0) {
        log_warn("%s: works again", disk->device.name);
        block_each_queue(disk, queue_resume);
        return;
    }
    log_error("%s: it cannot be reset (error %d): the disk is given up",
              disk->device.name, status);
    block_each_queue(disk, queue_give_up);
}

/* ---- Another size -------------------------------------------------------- */

void block_resized(struct block_device *disk, uint64_t sectors)
{
    struct block_recovery *recovery = disk->recovery;

    assert(device_is_mine(&disk->device));
    sectors -= sectors % (disk->sector_size / BLOCK_SECTOR_SIZE);
    if (recovery == NULL || sectors == disk->sectors)
        return;
    recovery->sectors = sectors;
    recovery->is_resized = true;
    wait_wake_all(&recovery->wait);
}

static void queue_resize(struct block_queue *queue)
{
    queue->sectors = queue->disk->recovery->told;
}

static void resize(struct block_device *disk)
{
    struct block_recovery *recovery = disk->recovery;

    recovery->is_resized = false;
    recovery->told = recovery->sectors;
    log_info("%s: has %llu sectors now, had %llu", disk->device.name,
             (unsigned long long)recovery->told,
             (unsigned long long)disk->sectors);
    disk->sectors = recovery->told;
    block_each_queue(disk, queue_resize);
}

/* ---- The thread ---------------------------------------------------------- */

static int recovery_main(void *arg)
{
    struct block_recovery *recovery = arg;

    while (!recovery->ends) {
        if (recovery->is_wanted)
            recover(recovery->disk);
        else if (recovery->is_resized)
            resize(recovery->disk);
        else
            wait_on(&recovery->wait);
    }
    return 0;
}

int block_recovery_create(struct block_device *disk)
{
    struct block_recovery *recovery = mem_alloc_zeroed(sizeof(*recovery));
    const struct thread_attr attr = {.name = disk->device.name};
    int status;

    if (recovery == NULL)
        return -ENOMEM;
    recovery->disk = disk;
    wait_queue_init(&recovery->wait);
    status = thread_create(&attr, recovery_main, recovery, &recovery->thread);
    if (status != 0) {
        mem_free(recovery);
        return status;
    }
    disk->recovery = recovery;
    return 0;
}

void block_recovery_destroy(struct block_device *disk)
{
    struct block_recovery *recovery = disk->recovery;
    int status;

    recovery->ends = true;
    wait_wake_all(&recovery->wait);
    status = thread_join(recovery->thread, NULL);
    assert(status == 0);
    mem_free(recovery);
    disk->recovery = NULL;
}
