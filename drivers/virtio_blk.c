/*
 * Virtio block device: VIRTIO 1.2, section 5.2. One request queue; each request
 * is a chain of a header, the data and a status byte. Many may be on their way.
 *
 * A device that does not answer within REQUEST_TIMEOUT_NS, or whose used ring
 * is nonsense, is reset and dead: what it held and what comes later fails.
 */
#include "drivers/drivers.h"
#include "drivers/virtio.h"
#include "kernel/block.h"
#include "kernel/irq_work.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/check.h"
#include "kernel/timer.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    FEATURE_SIZE_MAX = 1,
    FEATURE_READ_ONLY = 5,
    FEATURE_FLUSH = 9,
    CONFIG_CAPACITY = 0,
    CONFIG_SIZE_MAX = 8,
    TYPE_READ = 0,
    TYPE_WRITE = 1,
    TYPE_FLUSH = 4,
    STATUS_OK = 0,
    HEADER_SIZE = 16,
    HEADER_SECTOR = 8,
    QUEUE_SIZE = 128,
    SECTORS_MAX = 256, /* in one request: 128 KiB */
};
#define REQUEST_TIMEOUT_NS (30 * NS_PER_S)
#define FEATURES                                                          \
    (UINT64_C(1) << FEATURE_SIZE_MAX | UINT64_C(1) << FEATURE_READ_ONLY | \
     UINT64_C(1) << FEATURE_FLUSH)

/* What the device reads and writes beside the data; one for a request. */
struct blk_slot {
    uint8_t header[HEADER_SIZE];
    uint8_t status;
    uint8_t pad[15];
};
static_assert(sizeof(struct blk_slot) == 32, "none crosses a page");

/* A slot's other half, which the device does not see. */
struct blk_flight {
    struct block_request *request;
    struct blk_slot *slot;
    struct blk_flight *next_free;
};

struct virtio_blk {
    struct block_device block;
    struct virtio_device *virtio;

    /* owner CPU only: */
    struct virtqueue vq;
    struct irq_work work;
    struct timer watchdog;
    struct blk_slot *slots;
    struct blk_flight *flights;
    struct blk_flight *free;
    unsigned in_flight;
    uint64_t progress_ns; /* when something last completed or began */
    bool dead;
};

static struct virtio_blk *blk_of(struct block_device *dev)
{
    return container_of(dev, struct virtio_blk, block);
}

/* ---- Requests ------------------------------------------------------------ */

static void flight_end(struct virtio_blk *blk, struct blk_flight *flight,
                       int status)
{
    struct block_request *request = flight->request;

    flight->request = NULL;
    flight->next_free = blk->free;
    blk->free = flight;
    blk->in_flight--;
    blk->progress_ns = time_ns();
    block_done(&blk->block, request, status);
}

/* The device is not to be trusted any more. */
static void blk_die(struct virtio_blk *blk, const char *why, int status)
{
    struct blk_flight *flight;

    log_error("%s: %s: the disk is given up", blk->block.device.name, why);
    blk->dead = true;
    blk->vq.broken = true;
    virtio_fail(blk->virtio);
    while ((flight = vq_recall(&blk->vq)) != NULL)
        flight_end(blk, flight, status);
}

static void watchdog_set(struct virtio_blk *blk)
{
    uint64_t deadline = blk->progress_ns + REQUEST_TIMEOUT_NS;

    /* Without memory for a timer there is no watch, and nothing else lost. */
    if (timer_set(&blk->watchdog, deadline) != 0)
        log_debug("%s: no memory to watch a request", blk->block.device.name);
}

static void watchdog_run(struct timer *timer)
{
    struct virtio_blk *blk = container_of(timer, struct virtio_blk, watchdog);

    if (blk->in_flight == 0 || blk->dead)
        return;
    /* By the deadline and not by the clock: was there progress since it was
     * set? */
    if (timer->deadline_ns >= blk->progress_ns + REQUEST_TIMEOUT_NS)
        blk_die(blk, "no answer for 30 s", -ETIMEDOUT);
    else
        watchdog_set(blk);
}

static uint32_t request_type(enum block_op op)
{
    return op == BLOCK_READ    ? TYPE_READ
           : op == BLOCK_WRITE ? TYPE_WRITE
                               : TYPE_FLUSH;
}

static int blk_submit(struct block_device *dev, struct block_request *request)
{
    struct virtio_blk *blk = blk_of(dev);
    struct blk_flight *flight = blk->free;
    struct vq_piece pieces[3];
    unsigned count = 0;

    if (blk->dead)
        return -EIO;
    if (request->op == BLOCK_FLUSH && !virtio_has(blk->virtio, FEATURE_FLUSH)) {
        block_done(dev, request, 0); /* it writes through: 5.2.6.2 */
        return 0;
    }
    if (flight == NULL)
        return -EAGAIN;
    le32_put(flight->slot->header, request_type(request->op));
    le32_put(flight->slot->header + 4, 0);
    le64_put(flight->slot->header + HEADER_SECTOR, request->sector);
    flight->slot->status = 0xff;
    pieces[count++] = (struct vq_piece){hal_dma_addr(flight->slot->header),
                                        HEADER_SIZE, false};
    if (request->count > 0)
        pieces[count++] = (struct vq_piece){hal_dma_addr(request->buf),
                                            request->count * BLOCK_SECTOR_SIZE,
                                            request->op == BLOCK_READ};
    pieces[count++] =
        (struct vq_piece){hal_dma_addr(&flight->slot->status), 1, true};
    if (vq_add(&blk->vq, pieces, count, flight) != 0)
        return -EAGAIN;
    blk->free = flight->next_free;
    flight->request = request;
    if (blk->in_flight++ == 0) {
        blk->progress_ns = time_ns();
        if (!timer_is_set(&blk->watchdog))
            watchdog_set(blk);
    }
    virtio_kick(blk->virtio, 0, &blk->vq);
    return 0;
}

static int status_of(const struct blk_flight *flight, uint32_t written)
{
    uint32_t wanted = 1;

    if (flight->request->op == BLOCK_READ)
        wanted += flight->request->count * BLOCK_SECTOR_SIZE;
    if (*(volatile uint8_t *)&flight->slot->status != STATUS_OK)
        return -EIO;
    return written == wanted ? 0 : -EIO;
}

static void blk_poll(struct block_device *dev)
{
    struct virtio_blk *blk = blk_of(dev);
    uint32_t written;
    void *cookie;
    int status;

    if (blk->dead)
        return;
    while ((status = vq_take(&blk->vq, &cookie, &written)) > 0)
        flight_end(blk, cookie, status_of(cookie, written));
    if (status < 0 && !blk->dead)
        blk_die(blk, "its used ring makes no sense", -EIO);
}

static void blk_irq(void *arg)
{
    struct virtio_blk *blk = arg;

    if (blk->virtio->ops->acknowledge(blk->virtio))
        irq_work_raise(&blk->work);
}

static void blk_work(struct irq_work *work)
{
    blk_poll(&container_of(work, struct virtio_blk, work)->block);
}

static const struct block_ops blk_ops = {.submit = blk_submit,
                                         .poll = blk_poll};

/* ---- Start --------------------------------------------------------------- */

static int slots_alloc(struct virtio_blk *blk, unsigned count)
{
    blk->slots = dma_alloc(count * sizeof(*blk->slots));
    blk->flights = mem_alloc_zeroed(count * sizeof(*blk->flights));
    if (blk->slots == NULL || blk->flights == NULL) {
        dma_free(blk->slots, count * sizeof(*blk->slots));
        mem_free(blk->flights);
        return -ENOMEM;
    }
    blk->free = NULL;
    for (unsigned i = 0; i < count; i++) {
        blk->flights[i].slot = &blk->slots[i];
        blk->flights[i].next_free = blk->free;
        blk->free = &blk->flights[i];
    }
    return 0;
}

/* On the owner: after this the device may interrupt. */
static int blk_start(struct device *device)
{
    struct virtio_blk *blk = blk_of(block_from_device(device));
    struct virtio_device *virtio = blk->virtio;
    int status = virtio_begin(virtio, FEATURES);

    if (status != 0)
        goto fail_begin;
    irq_work_init(&blk->work, blk_work);
    timer_init(&blk->watchdog, watchdog_run);
    blk->dead = false;
    blk->in_flight = 0;
    status = virtio->ops->attach(virtio, blk_irq, blk);
    if (status != 0)
        goto fail_begin;
    status = virtio_queue(virtio, 0, QUEUE_SIZE, &blk->vq);
    if (status != 0)
        goto fail_begin;
    status = slots_alloc(blk, blk->vq.size / 3U + (blk->vq.size < 3));
    if (status != 0)
        goto fail_slots;
    virtio_ready(virtio);
    return 0;

fail_slots:
    virtio_fail(virtio);
    vq_fini(&blk->vq);
    return status;
fail_begin:
    virtio_fail(virtio);
    return status;
}

/* Features and size are needed to register; start() asks again. */
static int blk_found(struct virtio_device *virtio)
{
    struct virtio_blk *blk = mem_alloc_zeroed(sizeof(*blk));
    uint32_t size_max;

    if (blk == NULL)
        return -ENOMEM;
    if (virtio_begin(virtio, FEATURES) != 0) {
        log_error("virtio: the disk at %s does not start: left out",
                  virtio->where);
        virtio_fail(virtio);
        mem_free(blk);
        return 0;
    }
    blk->virtio = virtio;
    blk->block.ops = &blk_ops;
    blk->block.device.start = blk_start;
    blk->block.sectors = virtio_config64(virtio, CONFIG_CAPACITY);
    blk->block.read_only = virtio_has(virtio, FEATURE_READ_ONLY);
    blk->block.count_max = SECTORS_MAX;
    if (virtio_has(virtio, FEATURE_SIZE_MAX)) {
        size_max = virtio_config32(virtio, CONFIG_SIZE_MAX) / BLOCK_SECTOR_SIZE;
        if (size_max < SECTORS_MAX)
            blk->block.count_max = size_max;
    }
    /* Beyond 2^55 sectors byte offsets do not fit 64 bits. */
    if (blk->block.sectors >> 55 != 0 ||
        block_register(&blk->block, "vd") != 0) {
        log_error("virtio: the disk at %s says it has %llu sectors: left out",
                  virtio->where, (unsigned long long)blk->block.sectors);
        virtio_fail(virtio);
        mem_free(blk);
        return 0;
    }
    log_info("%s: %llu MiB%s, virtio %s", blk->block.device.name,
             (unsigned long long)(blk->block.sectors / 2048),
             blk->block.read_only ? ", read-only" : "", virtio->where);
    return 0;
}

static int blk_probe(void)
{
    return virtio_find(VIRTIO_ID_BLOCK, blk_found);
}

const struct driver virtio_blk_driver = {"virtio_blk", blk_probe};
