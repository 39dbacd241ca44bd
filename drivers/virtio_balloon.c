/*
 * The virtio balloon: VIRTIO 1.2, section 5.5. Free memory goes back to the
 * host, by reports (5.5.6.7) and by the balloon itself; kernel/balloon/ takes
 * it from the CPUs. The device belongs to CPU 0.
 *
 * Statistics, hints of free pages (for migration) and page poisoning are not
 * agreed on: nobody here looks at what a free page holds.
 *
 * A device that breaks the rules, does not answer, or asks to be reset, is left
 * alone. When it is known to be reset, all memory is the CPUs' again; else what
 * it was told of and did not answer is lost.
 */
#include "drivers/virtio.h"
#include "kernel/balloon/balloon.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/thread/timer.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

/* Features: 5.5.3. */
enum {
    F_MUST_TELL_HOST = 0,
    F_STATS_VQ = 1,
    F_DEFLATE_ON_OOM = 2,
    F_FREE_PAGE_HINT = 3,
    F_REPORTING = 5,
};

/* Configuration: 5.5.4. */
enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4 };

/* Queues: 5.5.2. */
enum { Q_INFLATE, Q_DEFLATE, Q_STATS, Q_REPORT = 4 };

enum {
    UNIT_SHIFT = 12, /* of page numbers: 5.5.4.1; pages here have that size */
    NUMBERS_MAX = BALLOON_BATCH_PAGES + BALLOON_PIECE_PAGES,
    NUMBERS_SIZE = NUMBERS_MAX * sizeof(uint32_t),
    REPORT_QUEUE_MAX = 4 * BALLOON_PIECES,
    LOOKS_MAX = 6,   /* the time between looks for an answer doubles so often */
    RETRIES_MAX = 5, /* and that between tries */
};
#define LOOK_NS   NS_PER_S
#define ANSWER_NS (240 * NS_PER_S) /* a queue's next, at the latest */
#define RETRY_NS  NS_PER_S
#define CALM_NS   (32 * NS_PER_S)

static_assert(HAL_PAGE_SIZE == 1 << UNIT_SHIFT, "a page is a unit");

/* CPU 0 only, this and the next. */
struct balloon_queue {
    struct virtqueue vq;
    unsigned index;
    unsigned waiting;      /* requests without an answer */
    uint64_t answer_by_ns; /* for the next of them */
    bool is_late;          /* at the last look */
};

struct virtio_balloon {
    struct virtio_device *virtio;
    struct balloon_queue inflate, deflate, report;
    struct balloon_host host;
    struct irq_work work; /* the device has interrupted, or a batch has come */
    struct timer watch;   /* for interrupts that were lost */
    unsigned looks;
    struct timer retry; /* the CPUs had nothing to give */
    unsigned retries;
    struct timer calm; /* a CPU needs its memory: the host gets no more of it */
    bool was_short;    /* a CPU has taken pages back; `work` sees to it */
    bool is_done;      /* the device has been stopped; `stopped` as it says */
    int stopped;

    uint32_t target;          /* pages that the host wants */
    uint32_t actual;          /* pages that it knows to be in the balloon */
    size_t held[HAL_CPU_MAX]; /* of them, by CPU */
    unsigned cpu;             /* the one to ask next */
    unsigned refused;         /* so many in a row had nothing */
    struct balloon_batch ask;
    bool is_asking;                /* `ask` is under way */
    uint32_t *inflated;            /* numbers of pages, which the device */
    uint32_t *deflated;            /* reads: NUMBERS_SIZE bytes */
    struct balloon_batch *telling; /* in the deflate queue; NULL: none */
    struct queue taken;            /* to be told of next */
    struct queue reports;          /* to be told of */
};

/* CPU 0 only: a machine has one. */
static struct virtio_balloon *the_balloon;

static struct balloon_batch *pop(struct queue *queue)
{
    struct queue_node *node = queue_pop(queue);

    return node == NULL ? NULL : container_of(node, struct balloon_batch, node);
}

/* The device knows that these are in the balloon, or are not any more. */
static void count(struct virtio_balloon *balloon,
                  const struct balloon_batch *batch, bool is_in)
{
    size_t sum = 0;

    for (unsigned i = 0; i < batch->count; i++)
        sum += batch->piece[i].pages;
    if (!is_in)
        sum = -sum;
    balloon->held[batch->cpu] += sum;
    balloon->actual += (uint32_t)sum;
    if (!balloon->is_done)
        virtio_config_write32(balloon->virtio, CONFIG_ACTUAL, balloon->actual);
}

/* ---- Ending -------------------------------------------------------------- */

/* What the device holds is free again, if it is reset. */
static void end_reports(struct virtio_balloon *balloon)
{
    struct balloon_batch *batch;

    while (balloon->stopped == 0 &&
           (batch = vq_recall(&balloon->report.vq)) != NULL) {
        batch->is_told = false;
        balloon_reported(batch);
    }
    while ((batch = pop(&balloon->reports)) != NULL) {
        batch->is_told = false;
        balloon_reported(batch);
    }
}

/* A batch of the deflate queue is over: told, or never to be. */
static void told(struct virtio_balloon *balloon, struct balloon_batch *batch)
{
    if (batch == &balloon->ask)
        balloon_release(batch);
    else
        balloon_taken(batch);
}

static void end_balloon(struct virtio_balloon *balloon)
{
    struct balloon_batch *batch;

    if (balloon->stopped != 0)
        return;
    if (vq_recall(&balloon->inflate.vq) != NULL)
        balloon_release(&balloon->ask);
    (void)vq_recall(&balloon->deflate.vq);
    if (balloon->telling != NULL)
        queue_push_front(&balloon->taken, &balloon->telling->node);
    balloon->telling = NULL;
    while ((batch = pop(&balloon->taken)) != NULL) {
        count(balloon, batch, false);
        told(balloon, batch);
    }
}

static void queues_end(struct virtio_balloon *balloon)
{
    virtio_queue_end(&balloon->inflate.vq, balloon->stopped);
    virtio_queue_end(&balloon->deflate.vq, balloon->stopped);
    virtio_queue_end(&balloon->report.vq, balloon->stopped);
    if (balloon->stopped != 0)
        return;
    dma_free(balloon->inflated, NUMBERS_SIZE);
    dma_free(balloon->deflated, NUMBERS_SIZE);
}

static void give_up(struct virtio_balloon *balloon, const char *why)
{
    if (balloon->is_done)
        return;
    log_error("virtio: the balloon at %s %s: it is left alone",
              balloon->virtio->where, why);
    balloon->stopped = virtio_fail(balloon->virtio);
    balloon->is_done = true;
    balloon->target = 0;
    timer_cancel(&balloon->watch);
    timer_cancel(&balloon->retry);
    timer_cancel(&balloon->calm);
    virtio_detach(balloon->virtio, 0);
    end_reports(balloon);
    end_balloon(balloon);
    queues_end(balloon);
    irq_work_raise(&balloon->work);
}

/* ---- Waiting ------------------------------------------------------------- */

static bool is_waiting(const struct virtio_balloon *balloon)
{
    return balloon->inflate.waiting + balloon->deflate.waiting +
               balloon->report.waiting >
           0;
}

/* At two looks: a machine that stood still for long may see the answer only
 * after the first one. */
static bool is_overdue(struct balloon_queue *queue)
{
    bool was_late = queue->is_late;

    queue->is_late = queue->waiting > 0 && time_ns() >= queue->answer_by_ns;
    return was_late && queue->is_late;
}

/* Each of them is looked at. */
static bool any_is_overdue(struct virtio_balloon *balloon)
{
    bool inflate = is_overdue(&balloon->inflate);
    bool deflate = is_overdue(&balloon->deflate);
    bool report = is_overdue(&balloon->report);

    return inflate || deflate || report;
}

/* Without memory for `watch` an interrupt must not be lost; without that for
 * the others there is no pause. */
static void timer_in(struct timer *timer, uint64_t ns)
{
    if (timer_set(timer, time_ns() + ns) != 0)
        log_warn("virtio: no memory for a timer");
}

/* There are `count` requests more. */
static void kick(struct virtio_balloon *balloon, struct balloon_queue *queue,
                 unsigned count)
{
    if (queue->waiting == 0)
        queue->answer_by_ns = time_ns() + ANSWER_NS;
    queue->waiting += count;
    vq_want_interrupt(&queue->vq, true);
    virtio_kick(balloon->virtio, queue->index, &queue->vq);
    balloon->looks = 0;
    /* Others of its kicks do not put a look off. */
    if (!timer_is_set(&balloon->watch) ||
        balloon->watch.deadline_ns > time_ns() + LOOK_NS)
        timer_in(&balloon->watch, LOOK_NS);
}

/* ---- Reports ------------------------------------------------------------- */

static void report_next(struct virtio_balloon *balloon)
{
    struct vq_piece pieces[BALLOON_PIECES];
    struct balloon_batch *batch;
    unsigned count = 0;

    while ((batch = pop(&balloon->reports)) != NULL) {
        for (unsigned i = 0; i < batch->count; i++)
            pieces[i] = (struct vq_piece){
                .bus = batch->piece[i].bus,
                .len = (uint32_t)(batch->piece[i].pages << UNIT_SHIFT),
                .device_writes = true};
        if (vq_add(&balloon->report.vq, pieces, batch->count, batch) != 0) {
            queue_push_front(&balloon->reports, &batch->node);
            break;
        }
        count++;
    }
    if (count > 0)
        kick(balloon, &balloon->report, count);
}

static void report(struct balloon_batch *batch)
{
    struct virtio_balloon *balloon = the_balloon;

    if (balloon->is_done) {
        batch->is_told = false;
        balloon_reported(batch);
        return;
    }
    queue_push(&balloon->reports, &batch->node);
    irq_work_raise(&balloon->work);
}

/* ---- The balloon --------------------------------------------------------- */

/* The numbers of a batch's pages; returns how many. */
static uint32_t number_pages(const struct balloon_batch *batch,
                             uint32_t numbers[NUMBERS_MAX])
{
    uint32_t count = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        uint64_t first = batch->piece[i].bus >> UNIT_SHIFT;

        for (size_t page = 0; page < batch->piece[i].pages; page++) {
            assert(count < NUMBERS_MAX);
            numbers[count++] = (uint32_t)(first + page);
        }
    }
    return count;
}

static void tell(struct virtio_balloon *balloon, struct balloon_queue *queue,
                 struct balloon_batch *batch, uint32_t *numbers)
{
    uint32_t bytes = number_pages(batch, numbers) * sizeof(uint32_t);
    int status =
        vq_add_one(&queue->vq, hal_dma_addr(numbers), bytes, false, batch);

    assert(status == 0);
    kick(balloon, queue, 1);
}

static void tell_next(struct virtio_balloon *balloon)
{
    if (balloon->telling != NULL)
        return;
    balloon->telling = pop(&balloon->taken);
    if (balloon->telling != NULL)
        tell(balloon, &balloon->deflate, balloon->telling, balloon->deflated);
}

/* Go on no earlier than that: `retry` or `calm`. */
static void pause(struct virtio_balloon *balloon, struct timer *timer,
                  uint64_t ns)
{
    if (!balloon->is_done)
        timer_in(timer, ns);
}

/* Each CPU was asked in vain. */
static void try_later(struct virtio_balloon *balloon)
{
    pause(balloon, &balloon->retry, RETRY_NS << balloon->retries);
    balloon->refused = 0;
    if (balloon->retries < RETRIES_MAX)
        balloon->retries++;
}

/* The device is not told of these any more. */
static void take_in_the_end(struct virtio_balloon *balloon,
                            struct balloon_batch *batch)
{
    if (balloon->stopped != 0 && balloon->host.must_tell)
        return; /* it may still use them: they are lost */
    count(balloon, batch, false);
    told(balloon, batch);
}

/* A CPU has taken pages back, or `ask` is to be told of. The former comes from
 * within an allocation: nothing is allocated here, and no timer set. */
static void take(struct balloon_batch *batch)
{
    struct virtio_balloon *balloon = the_balloon;

    if (balloon->is_done) {
        take_in_the_end(balloon, batch);
        return;
    }
    queue_push(&balloon->taken, &batch->node);
    if (batch != &balloon->ask)
        balloon->was_short = true;
    irq_work_raise(&balloon->work);
}

/* The next CPU that can help, of those that have something in the balloon if it
 * is to become smaller. */
static unsigned cpu_next(struct virtio_balloon *balloon, bool fill)
{
    do
        balloon->cpu = (balloon->cpu + 1) % cpu_count();
    while (!fill && balloon->held[balloon->cpu] == 0);
    return balloon->cpu;
}

/* What the host wants is not what it has: one batch at a time. */
static void ask_next(struct virtio_balloon *balloon)
{
    bool fill = balloon->actual < balloon->target;
    uint32_t want = fill ? balloon->target - balloon->actual
                         : balloon->actual - balloon->target;

    if (balloon->is_asking || want == 0 || timer_is_set(&balloon->retry) ||
        (fill && timer_is_set(&balloon->calm)))
        return;
    if (balloon->is_done && balloon->stopped != 0)
        return; /* what is in the balloon stays there */
    balloon->is_asking = true;
    balloon->ask.want = want < BALLOON_BATCH_PAGES ? want : BALLOON_BATCH_PAGES;
    balloon->ask.cpu = cpu_next(balloon, fill);
    if (fill)
        balloon_fill(&balloon->ask);
    else
        balloon_drain(&balloon->ask);
}

/* `ask` is back, and has nothing to be told of; the work goes on from here. */
static void asked(struct virtio_balloon *balloon, bool in_vain)
{
    balloon->is_asking = false;
    balloon->refused = in_vain ? balloon->refused + 1 : 0;
    if (!in_vain)
        balloon->retries = 0;
    if (balloon->refused == cpu_count())
        try_later(balloon);
    irq_work_raise(&balloon->work);
}

static void filled(struct balloon_batch *batch)
{
    struct virtio_balloon *balloon = the_balloon;

    if (batch->count == 0) {
        asked(balloon, true);
    } else if (balloon->is_done) {
        balloon_release(batch); /* it was told of none of it */
    } else {
        tell(balloon, &balloon->inflate, batch, balloon->inflated);
    }
}

static void drained(struct balloon_batch *batch)
{
    if (batch->count == 0)
        asked(the_balloon, true);
    else
        take(batch);
}

static void done(struct balloon_batch *batch)
{
    (void)batch;
    asked(the_balloon, false);
}

/* ---- What the device has answered ---------------------------------------- */

static void inflate_done(struct virtio_balloon *balloon, void *cookie)
{
    count(balloon, cookie, true);
    balloon_keep(cookie);
}

static void deflate_done(struct virtio_balloon *balloon, void *cookie)
{
    balloon->telling = NULL;
    count(balloon, cookie, false);
    told(balloon, cookie);
}

static void report_done(struct virtio_balloon *balloon, void *cookie)
{
    struct balloon_batch *batch = cookie;

    (void)balloon;
    batch->is_told = true;
    balloon_reported(batch);
}

/* Returns false when the device has been left alone. */
static bool look_at(struct virtio_balloon *balloon, struct balloon_queue *queue,
                    void (*take_one)(struct virtio_balloon *balloon,
                                     void *cookie))
{
    uint32_t written;
    void *cookie;
    int status;

    if (queue->vq.memory == NULL)
        return true;
    do {
        while ((status = vq_take(&queue->vq, &cookie, &written)) > 0) {
            queue->waiting--;
            queue->is_late = false;
            queue->answer_by_ns = time_ns() + ANSWER_NS;
            take_one(balloon, cookie);
        }
        vq_want_interrupt(&queue->vq, true);
    } while (status == 0 && vq_has_used(&queue->vq));
    if (status < 0)
        give_up(balloon, "breaks the rules of its queue");
    return status == 0;
}

static void look(struct virtio_balloon *balloon)
{
    if (balloon->is_done || !look_at(balloon, &balloon->inflate, inflate_done))
        return;
    if (!look_at(balloon, &balloon->deflate, deflate_done) ||
        !look_at(balloon, &balloon->report, report_done))
        return;
    report_next(balloon);
    tell_next(balloon);
    if (!is_waiting(balloon))
        timer_cancel(&balloon->watch);
}

static void work_run(struct irq_work *work)
{
    struct virtio_balloon *balloon =
        container_of(work, struct virtio_balloon, work);

    if (balloon->was_short) {
        balloon->was_short = false;
        pause(balloon, &balloon->calm, CALM_NS);
    }
    look(balloon);
    ask_next(balloon);
}

static void watch_run(struct timer *timer)
{
    struct virtio_balloon *balloon =
        container_of(timer, struct virtio_balloon, watch);

    look(balloon);
    if (balloon->is_done || !is_waiting(balloon))
        return;
    if (any_is_overdue(balloon)) {
        give_up(balloon, "does not answer");
        return;
    }
    if (balloon->looks < LOOKS_MAX)
        balloon->looks++;
    timer_in(&balloon->watch, LOOK_NS << balloon->looks);
}

static void retry_run(struct timer *timer)
{
    ask_next(container_of(timer, struct virtio_balloon, retry));
}

static void calm_run(struct timer *timer)
{
    ask_next(container_of(timer, struct virtio_balloon, calm));
}

static void balloon_irq(void *arg)
{
    irq_work_raise(&((struct virtio_balloon *)arg)->work);
}

/* ---- What the host wants ------------------------------------------------- */

static void read_target(struct virtio_balloon *balloon)
{
    static const struct virtio_field num_pages = {CONFIG_NUM_PAGES, 4};
    uint64_t pages;

    if (virtio_config_read(balloon->virtio, &num_pages, 1, &pages) != 0) {
        give_up(balloon, "has no configuration");
        return;
    }
    if (balloon->target == (uint32_t)pages)
        return; /* with one vector each answer looks like a change */
    log_info("virtio: the host wants %u MiB of memory",
             (uint32_t)pages >> (20 - UNIT_SHIFT));
    balloon->target = (uint32_t)pages;
    balloon->refused = 0;
    balloon->retries = 0;
    timer_cancel(&balloon->retry);
    ask_next(balloon);
}

/* A device that has failed is not tried again: a reset takes its time, and this
 * is no thread. */
static void changed(struct virtio_device *virtio)
{
    struct virtio_balloon *balloon = virtio->driver;

    if (balloon->is_done)
        return;
    if (virtio_needs_reset(virtio))
        give_up(balloon, "asks to be reset");
    else
        read_target(balloon);
}

/* ---- Starting ------------------------------------------------------------ */

/*
 * Devices of today count only the queues before it that they have, so that it
 * is no number 4 unless they have all of them.
 */
static unsigned report_queue_index(struct virtio_device *virtio)
{
    uint64_t offered = virtio->ops->get_features(virtio);

    if (virtio_queue_max(virtio, Q_REPORT, REPORT_QUEUE_MAX) > 0)
        return Q_REPORT;
    return Q_STATS + (unsigned)(offered >> F_STATS_VQ & 1) +
           (unsigned)(offered >> F_FREE_PAGE_HINT & 1);
}

static int queues_begin(struct virtio_balloon *balloon)
{
    const struct virtio_queue_wish one = {.size_max = 2};
    const struct virtio_queue_wish many = {.size_max = REPORT_QUEUE_MAX};
    struct virtio_device *virtio = balloon->virtio;
    int status = virtio_queue(virtio, Q_INFLATE, &one, &balloon->inflate.vq);

    balloon->inflate.index = Q_INFLATE;
    balloon->deflate.index = Q_DEFLATE;
    if (status == 0)
        status = virtio_queue(virtio, Q_DEFLATE, &one, &balloon->deflate.vq);
    /* There are devices that say here how much they have read. */
    balloon->inflate.vq.ignores_len = true;
    balloon->deflate.vq.ignores_len = true;
    if (status != 0 || !virtio_has(virtio, F_REPORTING))
        return status;
    balloon->report.index = report_queue_index(virtio);
    status =
        virtio_queue(virtio, balloon->report.index, &many, &balloon->report.vq);
    balloon->host.report_pieces = balloon->report.vq.size < BALLOON_PIECES
                                      ? balloon->report.vq.size
                                      : BALLOON_PIECES;
    return status;
}

/* Returns 0, or an error: it is stopped then, and the queues are gone. */
static int set_up(struct virtio_balloon *balloon)
{
    const uint64_t wanted =
        1U << F_MUST_TELL_HOST | 1U << F_DEFLATE_ON_OOM | 1U << F_REPORTING;
    const struct virtio_vector vector = {balloon_irq, balloon, cpu_self()->id};
    struct virtio_device *virtio = balloon->virtio;
    int status = virtio_begin(virtio, wanted);

    if (status == 0)
        status = virtio_attach(virtio, &vector, 1, changed);
    if (status > 0)
        status = queues_begin(balloon);
    balloon->host.may_deflate = virtio_has(virtio, F_DEFLATE_ON_OOM);
    balloon->host.must_tell = virtio_has(virtio, F_MUST_TELL_HOST);
    if (status == 0)
        status = balloon_begin(&balloon->host);
    if (status != 0) {
        balloon->stopped = virtio_fail(virtio);
        balloon->is_done = true;
        virtio_detach(virtio, 0);
        queues_end(balloon);
        return status;
    }
    virtio_ready(virtio);
    return 0;
}

/* Leave it out, with the reason. */
static int left_out(struct virtio_balloon *balloon, const char *why, int status)
{
    log_error("virtio: the balloon at %s %s (error %d): left out",
              balloon->virtio->where, why, status);
    the_balloon = NULL;
    if (!balloon->work.raised) /* else its work finds that it is done */
        mem_free(balloon);
    return 0;
}

static struct virtio_balloon *balloon_create(struct virtio_device *virtio)
{
    struct virtio_balloon *balloon = mem_alloc_zeroed(sizeof(*balloon));

    if (balloon == NULL)
        return NULL;
    balloon->virtio = virtio;
    balloon->host = (struct balloon_host){.cpu = cpu_self()->id,
                                          .report = report,
                                          .take = take,
                                          .filled = filled,
                                          .drained = drained,
                                          .done = done};
    balloon->ask.host = &balloon->host;
    irq_work_init(&balloon->work, work_run);
    timer_init(&balloon->watch, watch_run);
    timer_init(&balloon->retry, retry_run);
    timer_init(&balloon->calm, calm_run);
    queue_init(&balloon->taken);
    queue_init(&balloon->reports);
    virtio->driver = balloon;
    return balloon;
}

static int found(struct virtio_device *virtio)
{
    struct virtio_balloon *balloon;
    int status;

    if (the_balloon != NULL) {
        log_warn("virtio: a second balloon at %s: left out", virtio->where);
        return 0;
    }
    balloon = balloon_create(virtio);
    if (balloon == NULL)
        return -ENOMEM;
    the_balloon = balloon;
    balloon->inflated = dma_alloc(NUMBERS_SIZE);
    balloon->deflated = dma_alloc(NUMBERS_SIZE);
    if (balloon->inflated == NULL || balloon->deflated == NULL) {
        dma_free(balloon->inflated, NUMBERS_SIZE);
        dma_free(balloon->deflated, NUMBERS_SIZE);
        return left_out(balloon, "has no memory", -ENOMEM);
    }
    status = set_up(balloon);
    if (status != 0)
        return left_out(balloon, "does not start", status);
    log_info("virtio: a balloon at %s%s", virtio->where,
             balloon->host.report_pieces > 0 ? ", which is told of free memory"
                                             : "");
    read_target(balloon);
    return 0;
}

static int balloon_probe(void)
{
    the_balloon = NULL; /* tests boot a machine more than once */
    return virtio_find(VIRTIO_ID_BALLOON, found);
}

const struct driver virtio_balloon_driver = {.name = "virtio_balloon",
                                             .probe = balloon_probe,
                                             .options = virtio_options};
