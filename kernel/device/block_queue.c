/*
 * Queues: requests on their way to the driver and back.
 *
 *   block_submit() -> waiting -> ops->submit() -> busy -> block_done() -> ended
 *   -> done(), or waiting again
 *
 * One loop, block_queue_run(), starts what waits and tells what has ended. It
 * is entered by whoever makes work for it, and never twice: a driver may end
 * requests within submit(), and done() may submit more; both only put requests
 * into lists, which the loop that runs already will find.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>
#include <torc/trace.h>

/* How many of the requests that wait a new one is compared with. */
enum { JOIN_LOOK = 8 };

static struct block_request *request_of(struct list *link)
{
    return container_of(link, struct block_request, priv.link);
}

/* As list_remove(), of what goes into another list or into none. */
static inline void unlink(struct block_request *request)
{
    struct list *link = &request->priv.link;

    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* ---- Ends ---------------------------------------------------------------- */

/* One line, unless nobody is to know. */
static void log_failure(const struct block_queue *queue,
                        const struct block_request *request, int status)
{
    static const char *const names[] = {"read", "write", "flush", "discard",
                                        "zeroing"};

    if (queue->is_dead || (request->flags & BLOCK_AHEAD) != 0)
        return;
    if (request->priv.op == BLOCK_FLUSH)
        log_error("%s: a flush has failed (error %d)",
                  request->priv.open->dev->device.name, status);
    else
        log_error("%s: a %s of %u sectors at %llu has failed (error %d)",
                  queue->disk->device.name, names[request->priv.op],
                  request->priv.sectors,
                  (unsigned long long)request->priv.sector, status);
}

/* Its submitter is told. */
static void tell(struct block_queue *queue, struct block_request *request,
                 int status)
{
    struct block_open *open = request->priv.open;
    bool writes =
        request->op == BLOCK_WRITE || request->op == BLOCK_WRITE_ZEROES;

    assert(open->under_way > 0);
    open->under_way--;
    if (unlikely(status != 0)) {
        queue->failed++;
        log_failure(queue, request, status);
        if (writes && open->write_error == 0)
            open->write_error = status;
    }
    request->priv.state = BLOCK_IDLE;
    request->done(request, status);
}

static void end(struct block_queue *queue, struct block_request *request,
                int status)
{
    if (unlikely(request->priv.whole != NULL))
        block_part_end(queue, request, status);
    else
        tell(queue, request, status);
}

void block_step_end(struct block_queue *queue, struct block_request *request,
                    int status)
{
    struct block_private *priv = &request->priv;

    priv->steps &= (uint8_t)(priv->steps - 1);
    if (likely(status != 0 || priv->steps == 0)) {
        end(queue, request, status);
        return;
    }
    block_step_begin(request);
    block_queue_wait(queue, request, queue->waiting.prev);
}

/* It has ended with priv.status, and nothing remains to be tried. */
static void ended_push(struct block_queue *queue, struct block_request *request)
{
    request->priv.steps = 0;
    request->priv.state = BLOCK_ENDED;
    queue_push(&queue->ended, &request->priv.node);
}

void block_end_all(struct block_queue *queue, struct block_request *first,
                   int status)
{
    while (first != NULL) {
        struct block_request *next = first->priv.joined;

        first->priv.joined = NULL;
        first->priv.status = status;
        ended_push(queue, first);
        first = next;
    }
}

/* ---- What the driver gives back ------------------------------------------ */

/* Whether a request may be tried again: 0, or what it ends with. */
static int may_try_again(struct block_request *request, uint64_t now_ns)
{
    if (request->priv.deadline_ns <= now_ns)
        return -ETIMEDOUT;
    return ++request->priv.tries > BLOCK_TRIES_MAX ? -EIO : 0;
}

void block_try_each(struct block_queue *queue, struct block_request *first,
                    uint64_t now_ns)
{
    struct list *before = &queue->waiting;

    while (first != NULL) {
        struct block_request *next = first->priv.joined;
        int status = may_try_again(first, now_ns);

        first->priv.joined = NULL;
        first->priv.is_alone = true;
        first->priv.earliest_ns = first->priv.deadline_ns;
        if (status != 0) {
            block_end_all(queue, first, status);
        } else {
            if (first->priv.whole == NULL)
                block_step_begin(first);
            block_queue_wait(queue, first, before);
            before = &first->priv.link;
        }
        first = next;
    }
}

static void finish(struct block_queue *queue, struct block_request *first)
{
    int status = first->priv.status;

    if (first->priv.steps == 0)
        end(queue, first, status);
    else if (status == -ECANCELED)
        block_try_each(queue, first, time_ns());
    else if (first->priv.joined == NULL)
        block_step_end(queue, first, status);
    else if (status != 0)
        block_try_each(queue, first, 0);
    else
        block_end_all(queue, first, 0);
}

/* The same for what most are: one that was not joined and has ended well. */
static inline bool finish_plain(struct block_request *first)
{
    struct block_private *priv = &first->priv;

    if (priv->is_alone || priv->status != 0 || priv->joined != NULL ||
        priv->steps == 0)
        return false;
    assert(priv->open->under_way > 0);
    priv->open->under_way--;
    priv->state = BLOCK_IDLE;
    first->done(first, 0);
    return true;
}

static void trace_ends(uintptr_t request_address, uintptr_t unused)
{
    const struct block_private *request =
        &((struct block_request *)request_address)->priv;

    (void)unused;
    trace_event(TRACE_IO_END, request->op, (uint32_t)-request->status,
                request_address, 0);
}

void block_done(struct block_queue *queue, struct block_request *first,
                int status)
{
    assert(queue->cpu == cpu_self()->id);
    assert(first->priv.state == BLOCK_BUSY);
    assert(status <= 0);
    unlink(first);
    first->priv.state = BLOCK_ENDED;
    trace_site_store_int(&first->priv.status, status, trace_ends,
                         (uintptr_t)first, 0);
    queue_push(&queue->ended, &first->priv.node);
    queue->is_full = false;
    if (!queue->is_running)
        block_queue_run(queue);
}

/* ---- Starting ------------------------------------------------------------ */

void block_queue_wait(struct block_queue *queue, struct block_request *request,
                      struct list *before)
{
    request->priv.state = BLOCK_WAITING;
    list_insert(before, &request->priv.link);
    if (unlikely((request->flags & BLOCK_AHEAD) != 0))
        queue->has_ahead = true;
}

void block_waiting_end(struct block_queue *queue, struct block_request *first,
                       int status)
{
    if (first->priv.is_long) {
        block_long_stop(queue, first, status);
        return;
    }
    list_remove(&first->priv.link);
    block_end_all(queue, first, status);
}

/* There is no room: those that are AHEAD do not wait. */
static void ahead_end(struct block_queue *queue)
{
    queue->has_ahead = false;
    list_for_each_safe (link, &queue->waiting) {
        struct block_request *request = request_of(link);

        if ((request->flags & BLOCK_AHEAD) != 0)
            block_waiting_end(queue, request, -ECANCELED);
    }
}

/* Nothing ended since the driver, or the parts, were all in use: wait. */
static void no_room(struct block_queue *queue)
{
    queue->is_full = queue_empty(&queue->ended);
    assert(!queue->is_full || !list_empty(&queue->busy));
}

/* The driver does not take a request, which is in the list of those it has. */
static void not_taken(struct block_queue *queue, struct block_request *first,
                      int status)
{
    assert(first->priv.state == BLOCK_BUSY);
    unlink(first);
    if (status == -EAGAIN) {
        queue->given--;
        block_queue_wait(queue, first, &queue->waiting);
        no_room(queue);
        return;
    }
    first->priv.state = BLOCK_ENDED;
    first->priv.status = status;
    queue_push(&queue->ended, &first->priv.node);
}

/* The next one to be given to the driver, in no list; NULL: all parts of long
 * ones are taken. */
static inline struct block_request *next_waiting(struct block_queue *queue)
{
    struct block_request *first = request_of(queue->waiting.next);

    if (unlikely(first->priv.is_long))
        return block_part_next(queue, first);
    unlink(first);
    return first;
}

static void trace_begins(uintptr_t request_address, uintptr_t unused)
{
    const struct block_private *request =
        &((struct block_request *)request_address)->priv;

    (void)unused;
    trace_event(TRACE_IO_BEGIN, request->op, request->sectors, request_address,
                request->sector);
}

static void start_waiting(struct block_queue *queue)
{
    const struct block_ops *ops = queue->disk->ops;
    uint64_t given = queue->given;

    while (!list_empty(&queue->waiting)) {
        struct block_request *first = next_waiting(queue);
        int status;

        if (unlikely(first == NULL)) {
            no_room(queue);
            break;
        }
        first->priv.state = BLOCK_BUSY;
        list_push_back(&queue->busy, &first->priv.link);
        trace_site_add(&queue->given, 1, trace_begins, (uintptr_t)first, 0);
        status = ops->submit(queue, first);
        if (unlikely(status != 0)) {
            not_taken(queue, first, status);
            if (status == -EAGAIN)
                break;
        }
    }
    if (queue->given != given && ops->commit != NULL)
        ops->commit(queue);
}

/* Nothing can start: the disk was given up. */
static void end_waiting(struct block_queue *queue)
{
    while (!list_empty(&queue->waiting))
        block_waiting_end(queue, request_of(queue->waiting.next), -EIO);
}

/* Nothing is given to the driver: recovery is under way, or asked for. */
static bool is_held(const struct block_queue *queue)
{
    return queue->is_stopped || queue->wants_recovery;
}

void block_queue_run(struct block_queue *queue)
{
    struct block_request *first;
    struct queue_node *node;

    if (queue->is_running)
        return;
    queue->is_running = true;
    do {
        while ((node = queue_pop(&queue->ended)) != NULL) {
            first = container_of(node, struct block_request, priv.node);
            if (unlikely(!finish_plain(first)))
                finish(queue, first);
        }
        if (unlikely(queue->is_dead))
            end_waiting(queue);
        else if (likely(!queue->is_full) && likely(!is_held(queue)))
            start_waiting(queue);
        if (unlikely(queue->has_ahead) && (is_held(queue) || queue->is_full))
            ahead_end(queue);
    } while (
        !queue_empty(&queue->ended) ||
        (!list_empty(&queue->waiting) && !queue->is_full && !is_held(queue)));
    queue->is_running = false;
}

void block_poll(struct block_queue *queue)
{
    assert(queue->cpu == cpu_self()->id);
    if (queue->is_running || queue->is_stopped || queue->is_dead)
        return;
    if (queue->disk->ops->poll != NULL) {
        queue->is_running = true;
        queue->disk->ops->poll(queue);
        queue->is_running = false;
    }
    block_queue_run(queue);
}

/* ---- Submitting ---------------------------------------------------------- */

/*
 * A new request waits, or one of those that wait stands for it, too: only the
 * last one as long as they will start now, some more where the driver has no
 * room for them.
 */
static void accept(struct block_queue *queue, struct block_request *first)
{
    unsigned looks = queue->is_full ? JOIN_LOOK : 1;

    if (unlikely(first->priv.steps == 0)) {
        block_end_all(queue, first, first->priv.status);
        return;
    }
    for (struct list *link = queue->waiting.prev;
         link != &queue->waiting && looks > 0; link = link->prev, looks--) {
        if (block_follows(request_of(link), first) &&
            block_join(request_of(link), first))
            return;
    }
    block_queue_wait(queue, first, queue->waiting.prev);
}

/* The list cannot be submitted: its first requests are idle again. */
static void take_back(struct block_request *list, struct block_request *end)
{
    for (; list != end; list = list->next) {
        list->priv.state = BLOCK_IDLE;
        list->priv.joined = NULL;
    }
}

/* Check a list, and join its neighbours: `firsts` are those that stand for
 * all. Returns how many requests there are, or an error. */
static int list_check(struct block_open *open, struct block_request *list,
                      struct list *firsts, uint64_t *earliest_ns)
{
    uint64_t now_ns = time_ns();
    struct block_request *first = NULL;
    int count = 0;

    *earliest_ns = TIME_NEVER;
    for (struct block_request *request = list; request != NULL;
         request = request->next) {
        int status = block_prepare(open, request, now_ns);

        if (unlikely(status != 0)) {
            take_back(list, request);
            return status;
        }
        if (request->priv.deadline_ns < *earliest_ns)
            *earliest_ns = request->priv.deadline_ns;
        count++;
        if (first != NULL && block_follows(first, request) &&
            block_join(first, request))
            continue;
        list_push_back(firsts, &request->priv.link);
        first = request;
    }
    return count;
}

int block_submit(struct block_open *open, struct block_request *list)
{
    struct block_queue *queue = open->queue;
    uint64_t earliest_ns;
    struct list firsts;
    int count;

    if (queue->cpu != cpu_self()->id)
        return -EXDEV;
    list_init(&firsts);
    count = list_check(open, list, &firsts, &earliest_ns);
    if (unlikely(count < 0))
        return count;
    open->under_way += (unsigned)count;
    queue->submitted += (unsigned)count;
    for (struct list *link = firsts.next, *next; link != &firsts; link = next) {
        next = link->next;
        accept(queue, request_of(link));
    }
    if (earliest_ns < queue->alarm_ns)
        block_alarm_set(queue, earliest_ns);
    block_queue_run(queue);
    return 0;
}

/* ---- Making -------------------------------------------------------------- */

static void interrupted(struct irq_work *work)
{
    block_poll(container_of(work, struct block_queue, work));
}

struct block_queue *block_queue_create(struct block_device *disk,
                                       unsigned index)
{
    struct block_queue *queue = mem_alloc_zeroed(sizeof(*queue));

    if (queue == NULL)
        return NULL;
    queue->disk = disk;
    queue->index = index;
    queue->cpu = cpu_self()->id;
    queue->sectors = disk->sectors;
    queue->plain_bytes =
        disk->limits.boundary == 0 ? disk->limits.segment_bytes : 0;
    list_init(&queue->waiting);
    list_init(&queue->busy);
    queue_init(&queue->ended);
    irq_work_init(&queue->work, interrupted);
    timer_init(&queue->alarm, block_alarm);
    queue->alarm_ns = TIME_NEVER;
    if (block_parts_create(queue) != 0)
        goto fail_parts;
    if (timer_set(&queue->alarm, TIME_NEVER) != 0)
        goto fail_alarm;
    return queue;

fail_alarm:
    block_parts_destroy(queue);
fail_parts:
    mem_free(queue);
    return NULL;
}

void block_queue_destroy(struct block_queue *queue)
{
    assert(queue->cpu == cpu_self()->id);
    assert(list_empty(&queue->waiting) && list_empty(&queue->busy));
    timer_cancel(&queue->alarm);
    block_parts_destroy(queue);
    mem_free(queue);
}

/* ---- Checking ------------------------------------------------------------ */

/* One of `waiting` or `busy`, which stands for those joined to it. */
static void first_check(const struct block_queue *queue,
                        const struct block_request *first,
                        enum block_state state)
{
    const struct block_request *last = first;
    uint64_t sectors = 0;

    assert(first->priv.state == state);
    assert(first->priv.open->queue == queue);
    assert(first->priv.steps != 0);
    for (const struct block_request *request = first; request != NULL;
         request = request->priv.joined) {
        assert(request == first || request->priv.state == BLOCK_JOINED);
        assert(first->priv.earliest_ns <= request->priv.deadline_ns);
        sectors += request->sectors;
        last = request;
    }
    assert(last == first || first->priv.last == last);
    assert(first->priv.op == BLOCK_FLUSH || first->priv.sectors == sectors);
    assert(queue->alarm_ns <= first->priv.earliest_ns || queue->is_stopped ||
           queue->wants_recovery);
}

void block_queue_check(struct block_queue *queue)
{
    unsigned free_parts = 0;

    list_for_each (link, &queue->waiting)
        first_check(queue, request_of(link), BLOCK_WAITING);
    list_for_each (link, &queue->busy)
        first_check(queue, request_of(link), BLOCK_BUSY);
    for (struct queue_node *node = queue->parts.head; node != NULL;
         node = node->next)
        free_parts++;
    assert(free_parts + queue->parts_taken == BLOCK_PARTS_MAX);
    assert(timer_is_set(&queue->alarm));
    if (queue->is_running)
        return;
    /* What waits has a reason to, whose end starts it. */
    assert(queue_empty(&queue->ended));
    assert(list_empty(&queue->waiting) || queue->is_full || is_held(queue));
    assert(!queue->is_full || !list_empty(&queue->busy));
    assert(!queue->is_dead || list_empty(&queue->busy));
}
