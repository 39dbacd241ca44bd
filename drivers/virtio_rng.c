/*
 * The virtio entropy device: VIRTIO 1.2, section 5.4. It gives the generators
 * of all CPUs a seed, once, some time after the boot; it belongs to CPU 0.
 *
 * A device that lies, does not answer, or asks to be reset, is left alone: then
 * the generators have what the machine gives by itself, and random_bytes() says
 * -EAGAIN where that is nothing.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/random.h"
#include "kernel/lib/wipe.h"
#include "kernel/thread/timer.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    QUEUE_SIZE = 2,
    LOOKS_MAX = 8, /* for an interrupt that was lost, ever less often */
};
#define LOOK_NS NS_PER_S

/* CPU 0 only. */
struct virtio_rng {
    struct virtio_device *virtio;
    struct virtqueue vq;
    struct irq_work work; /* the device has interrupted */
    struct timer watch;
    unsigned looks;
    bool is_done;    /* the device has been stopped */
    uint8_t *buffer; /* of RANDOM_SEED bytes, which the device writes */
    uint8_t seed[RANDOM_SEED];
    size_t len; /* of the seed, so far */
};

/* ---- Ending -------------------------------------------------------------- */

/* The device is not needed any more, or of no use. */
static void end(struct virtio_rng *rng)
{
    int stopped = virtio_stop(rng->virtio);

    rng->is_done = true;
    secret_wipe(rng->buffer, RANDOM_SEED);
    timer_cancel(&rng->watch);
    virtio_detach(rng->virtio, 0);
    virtio_queue_end(&rng->vq, stopped);
    if (stopped == 0)
        dma_free(rng->buffer, RANDOM_SEED);
    secret_wipe(rng->seed, sizeof(rng->seed));
}

static void give_up(struct virtio_rng *rng, const char *why)
{
    log_error("virtio: the entropy device at %s %s: it is left alone",
              rng->virtio->where, why);
    end(rng);
}

/* ---- Asking -------------------------------------------------------------- */

/* For what is missing. */
static void ask(struct virtio_rng *rng)
{
    uint32_t len = (uint32_t)(RANDOM_SEED - rng->len);
    int status =
        vq_add_one(&rng->vq, hal_dma_addr(rng->buffer), len, true, rng);

    assert(status == 0);
    vq_want_interrupt(&rng->vq, true);
    virtio_kick(rng->virtio, 0, &rng->vq);
}

/* Without memory for the timer an interrupt must not be lost. */
static void watch_in(struct virtio_rng *rng, uint64_t ns)
{
    if (timer_set(&rng->watch, time_ns() + ns) != 0)
        log_warn("virtio: no memory for a timer");
}

/* `written` bytes have come (5.4.6.1: at least one). */
static void take(struct virtio_rng *rng, uint32_t written)
{
    if (written == 0) {
        give_up(rng, "gives nothing");
        return;
    }
    assert(written <= RANDOM_SEED - rng->len);
    memcpy(rng->seed + rng->len, rng->buffer, written);
    rng->len += written;
    if (rng->len < RANDOM_SEED) {
        ask(rng);
        return;
    }
    random_seed_all(rng->seed, sizeof(rng->seed));
    log_info("virtio: random numbers are seeded by the device at %s",
             rng->virtio->where);
    end(rng);
}

static void look(struct virtio_rng *rng)
{
    uint32_t written;
    void *cookie;
    int status;

    if (rng->is_done)
        return;
    status = vq_take(&rng->vq, &cookie, &written);
    if (status < 0)
        give_up(rng, "breaks the rules of its queue");
    else if (status > 0)
        take(rng, written);
}

static void work_run(struct irq_work *work)
{
    look(container_of(work, struct virtio_rng, work));
}

static void watch_run(struct timer *timer)
{
    struct virtio_rng *rng = container_of(timer, struct virtio_rng, watch);

    look(rng);
    if (rng->is_done)
        return;
    if (++rng->looks == LOOKS_MAX)
        give_up(rng, "does not answer");
    else
        watch_in(rng, LOOK_NS << rng->looks);
}

static void rng_irq(void *arg)
{
    irq_work_raise(&((struct virtio_rng *)arg)->work);
}

/* ---- Starting ------------------------------------------------------------ */

/* There is nothing else that changes. A reset takes its time, and this is no
 * thread: a device that has failed is not tried again. */
static void changed(struct virtio_device *virtio)
{
    if (virtio_needs_reset(virtio))
        give_up(virtio->driver, "asks to be reset");
}

/* Returns 0, or an error: it is stopped then, and the queue is gone. */
static int set_up(struct virtio_rng *rng)
{
    const struct virtio_vector vector = {rng_irq, rng, cpu_self()->id};
    const struct virtio_queue_wish wish = {.size_max = QUEUE_SIZE};
    int status = virtio_begin(rng->virtio, 0);

    if (status == 0)
        status = virtio_attach(rng->virtio, &vector, 1, changed);
    if (status > 0)
        status = virtio_queue(rng->virtio, 0, &wish, &rng->vq);
    if (status != 0) {
        virtio_queue_end(&rng->vq, virtio_fail(rng->virtio));
        virtio_detach(rng->virtio, 0);
        return status;
    }
    virtio_ready(rng->virtio);
    ask(rng);
    return 0;
}

/* Leave it out, with the reason. */
static int left_out(struct virtio_rng *rng, const char *why, int status)
{
    log_error("virtio: the entropy device at %s %s (error %d): left out",
              rng->virtio->where, why, status);
    if (rng->buffer != NULL)
        dma_free(rng->buffer, RANDOM_SEED);
    rng->is_done = true;
    if (!rng->work.raised) /* else its work finds that it is done */
        mem_free(rng);
    return 0;
}

static int found(struct virtio_device *virtio)
{
    struct virtio_rng *rng = mem_alloc_zeroed(sizeof(*rng));
    int status;

    if (rng == NULL)
        return -ENOMEM;
    rng->virtio = virtio;
    virtio->driver = rng;
    irq_work_init(&rng->work, work_run);
    timer_init(&rng->watch, watch_run);
    rng->buffer = dma_alloc(RANDOM_SEED);
    if (rng->buffer == NULL)
        return left_out(rng, "has no memory", -ENOMEM);
    status = set_up(rng);
    if (status != 0)
        return left_out(rng, "does not start", status);
    watch_in(rng, LOOK_NS);
    log_info("virtio: an entropy device at %s", virtio->where);
    return 0;
}

static int rng_probe(void)
{
    return virtio_find(VIRTIO_ID_ENTROPY, found);
}

const struct driver virtio_rng_driver = {
    .name = "virtio_rng", .probe = rng_probe, .options = virtio_options};
