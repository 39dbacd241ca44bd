/*
 * The virtio socket device: VIRTIO 1.2, section 5.10, streams. It belongs to
 * CPU 0. What packets mean is the matter of net/vsock/; here they go to the
 * device and come from it.
 *
 * A packet is two buffers of one chain, its header and its data: also devices
 * that know no other framing take it. What is to be sent is copied into the
 * buffers of the tx queue; when all of them are with the device, send() says
 * -EAGAIN. What has come is given to the client, and the buffer goes back; when
 * the client takes none (5.10.6.1.2), it waits in the queue.
 *
 * A device that breaks the rules of its queues, or asks to be reset, is left
 * alone: its client hears that it is gone.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/vsock_device.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    RX = 0, /* queues: 5.10.2 */
    TX = 1,
    EVENT = 2,

    EVENT_TRANSPORT_RESET = 0, /* 5.10.6.7 */

    RX_BUFFERS = 32,
    TX_BUFFERS = 16,
    EVENTS = 4,
    EVENT_SIZE = 4,
    PIECES = 2,       /* of a packet */
    DATA_OFFSET = 64, /* of a buffer: behind the header */
    RX_SIZE = 4096,
    TX_SIZE = 8192,
    MEMORY =
        HAL_PAGE_SIZE + RX_BUFFERS * RX_SIZE + TX_BUFFERS * TX_SIZE, /* bytes */

    CID_FIRST = 3, /* 5.10.4: those below, and the last one, are reserved */
};
#define CID_LAST       (UINT32_MAX - 1)
#define F_VSOCK_STREAM (UINT64_C(1) << 0)
static_assert((int)DATA_OFFSET >= (int)VSOCK_HEADER_SIZE, "a header");

struct vsock_buffer {
    uint8_t *bytes; /* constant */
    struct vsock_buffer *next;
};

/* CPU 0 only. */
struct virtio_vsock {
    struct vsock_device device;
    struct virtio_device *virtio;
    struct virtqueue rx, tx, event;
    struct irq_work work;
    const char *why; /* it is to be left alone */
    bool is_begun;   /* the client takes packets */
    bool is_blocked; /* send() has said -EAGAIN */
    uint8_t *memory; /* events, then received ones, then those to be sent */
    struct vsock_buffer received[RX_BUFFERS], sent[TX_BUFFERS], events[EVENTS];
    struct vsock_buffer *free; /* of `sent` */
};

static struct virtio_vsock *vsock_of(struct vsock_device *device)
{
    return container_of(device, struct virtio_vsock, device);
}

/* ---- Ending -------------------------------------------------------------- */

static void stop(struct virtio_vsock *vsock, int stopped)
{
    vsock->device.is_gone = true;
    virtio_detach(vsock->virtio, 0);
    virtio_queue_end(&vsock->rx, stopped);
    virtio_queue_end(&vsock->tx, stopped);
    virtio_queue_end(&vsock->event, stopped);
    if (stopped == 0)
        dma_free(vsock->memory, MEMORY);
}

/* Whoever finds it, nobody uses the device any more; irq work does the rest. */
static void give_up(struct virtio_vsock *vsock, const char *why)
{
    vsock->device.is_gone = true;
    vsock->why = why;
    irq_work_raise(&vsock->work);
}

static void leave_alone(struct virtio_vsock *vsock)
{
    const char *why = vsock->why;

    vsock->why = NULL;
    stop(vsock, virtio_stop(vsock->virtio));
    log_error("virtio: the socket device at %s %s: it is left alone",
              vsock->virtio->where, why);
    if (vsock->is_begun)
        vsock->device.client->gone(vsock->device.client_arg);
}

/* Take what the device has completed. Returns 1 and *out, 0 (nothing), or -EIO:
 * it is given up. */
static int take(struct virtio_vsock *vsock, struct virtqueue *vq,
                struct vsock_buffer **out, uint32_t *written)
{
    void *cookie;
    int status = vsock->device.is_gone ? 0 : vq_take(vq, &cookie, written);

    if (status < 0)
        give_up(vsock, "breaks the rules of its queue");
    else if (status > 0)
        *out = cookie;
    return status;
}

/* ---- Out ----------------------------------------------------------------- */

/* Take back what the device has sent. */
static void reclaim(struct virtio_vsock *vsock)
{
    struct vsock_buffer *buffer;
    uint32_t written;

    while (take(vsock, &vsock->tx, &buffer, &written) > 0) {
        buffer->next = vsock->free;
        vsock->free = buffer;
    }
}

/* Whether a buffer is free. When not, there will be an interrupt. */
static bool has_free(struct virtio_vsock *vsock)
{
    if (vsock->free == NULL)
        reclaim(vsock);
    if (vsock->free == NULL && !vsock->device.is_gone) {
        vq_want_interrupt(&vsock->tx, true);
        reclaim(vsock); /* see vq_want_interrupt() */
    }
    return vsock->free != NULL;
}

static int vsock_send(struct vsock_device *device,
                      const uint8_t header[VSOCK_HEADER_SIZE],
                      const uint8_t *data, size_t len)
{
    struct virtio_vsock *vsock = vsock_of(device);
    struct vq_piece pieces[PIECES];
    struct vsock_buffer *buffer;
    uint64_t bus;
    int status;

    assert(len <= device->data_max);
    if (!device->is_gone && !has_free(vsock))
        vsock->is_blocked = true;
    if (device->is_gone)
        return -ENODEV;
    if (vsock->is_blocked)
        return -EAGAIN;
    buffer = vsock->free;
    vsock->free = buffer->next;
    memcpy(buffer->bytes, header, VSOCK_HEADER_SIZE);
    if (len > 0)
        memcpy(buffer->bytes + DATA_OFFSET, data, len);
    bus = hal_dma_addr(buffer->bytes);
    pieces[0] = (struct vq_piece){bus, VSOCK_HEADER_SIZE, false};
    pieces[1] = (struct vq_piece){bus + DATA_OFFSET, (uint32_t)len, false};
    status = vq_add(&vsock->tx, pieces, len > 0 ? 2 : 1, buffer);
    assert(status == 0);
    return 0;
}

static void vsock_flush(struct vsock_device *device)
{
    if (!device->is_gone)
        virtio_kick(vsock_of(device)->virtio, TX, &vsock_of(device)->tx);
}

/* ---- In ------------------------------------------------------------------ */

static void receive_into(struct virtio_vsock *vsock,
                         struct vsock_buffer *buffer)
{
    uint64_t bus = hal_dma_addr(buffer->bytes);
    const struct vq_piece pieces[PIECES] = {
        {bus, VSOCK_HEADER_SIZE, true},
        {bus + DATA_OFFSET, RX_SIZE - DATA_OFFSET, true},
    };
    int status = vq_add(&vsock->rx, pieces, PIECES, buffer);

    assert(status == 0);
}

/* A run takes at most as many packets as there are buffers. What is shorter
 * than a header is no packet. */
static void receive(struct virtio_vsock *vsock)
{
    const struct vsock_client *client = vsock->device.client;
    void *arg = vsock->device.client_arg;
    struct vsock_buffer *buffer;
    unsigned taken = 0;
    uint32_t written;

    while (taken < RX_BUFFERS && client->can_receive(arg) &&
           take(vsock, &vsock->rx, &buffer, &written) > 0) {
        taken++;
        if (written >= VSOCK_HEADER_SIZE)
            client->receive(arg, buffer->bytes, buffer->bytes + DATA_OFFSET,
                            written - VSOCK_HEADER_SIZE);
        if (vsock->device.is_gone)
            return;
        receive_into(vsock, buffer);
    }
    if (vsock->device.is_gone)
        return;
    vq_want_interrupt(&vsock->rx, true);
    virtio_kick(vsock->virtio, RX, &vsock->rx);
}

/* ---- The identifier, and events ------------------------------------------ */

/* Returns 0, -EIO (it changes all the time), -EINVAL (none that a guest can
 * have). */
static int cid_read(struct virtio_vsock *vsock)
{
    const struct virtio_field field = {.offset = 0, .width = 8};
    uint64_t cid;
    int status = virtio_config_read(vsock->virtio, &field, 1, &cid);

    if (status != 0)
        return status;
    if (cid < CID_FIRST || cid > CID_LAST)
        return -EINVAL;
    vsock->device.cid = (uint32_t)cid;
    return 0;
}

static void event_await(struct virtio_vsock *vsock, struct vsock_buffer *event)
{
    int status = vq_add_one(&vsock->event, hal_dma_addr(event->bytes),
                            EVENT_SIZE, true, event);

    assert(status == 0);
}

/* Events that nobody knows are none. */
static void event_take(struct virtio_vsock *vsock, const uint8_t *bytes,
                       uint32_t written)
{
    if (written < EVENT_SIZE || le32_get(bytes) != EVENT_TRANSPORT_RESET)
        return;
    if (cid_read(vsock) != 0) {
        give_up(vsock, "has no valid CID");
        return;
    }
    log_warn("virtio: the socket device at %s has lost all connections; the "
             "CID is %u",
             vsock->virtio->where, vsock->device.cid);
    if (vsock->is_begun)
        vsock->device.client->reset(vsock->device.client_arg);
}

static void events_take(struct virtio_vsock *vsock)
{
    struct vsock_buffer *event;
    uint32_t written;

    for (unsigned i = 0; i < EVENTS; i++) {
        if (take(vsock, &vsock->event, &event, &written) <= 0)
            break;
        event_take(vsock, event->bytes, written);
        if (vsock->device.is_gone)
            return;
        event_await(vsock, event);
    }
    if (vsock->device.is_gone)
        return;
    vq_want_interrupt(&vsock->event, true);
    virtio_kick(vsock->virtio, EVENT, &vsock->event);
}

/* ---- Interrupts ---------------------------------------------------------- */

/* What was reset is not asked for what came before. */
static void look(struct virtio_vsock *vsock)
{
    events_take(vsock);
    if (vsock->is_blocked && has_free(vsock)) {
        vsock->is_blocked = false;
        vsock->device.client->writable(vsock->device.client_arg);
    }
    if (vsock->is_begun && !vsock->device.is_gone)
        receive(vsock);
}

/* The look behind the wishes for an interrupt: virtqueue.h. What the client
 * does not take now it takes when it can send: look() is called then. */
static bool has_more(const struct virtio_vsock *vsock)
{
    if (vsock->device.is_gone)
        return false;
    if (vq_has_used(&vsock->event))
        return true;
    return vsock->is_begun && vq_has_used(&vsock->rx) &&
           vsock->device.client->can_receive(vsock->device.client_arg);
}

static void work_run(struct irq_work *work)
{
    struct virtio_vsock *vsock = container_of(work, struct virtio_vsock, work);

    if (!vsock->device.is_gone)
        look(vsock);
    if (has_more(vsock))
        irq_work_raise(&vsock->work);
    if (vsock->why != NULL)
        leave_alone(vsock);
}

static void vsock_irq(void *arg)
{
    irq_work_raise(&((struct virtio_vsock *)arg)->work);
}

/* ---- Starting ------------------------------------------------------------ */

static void changed(struct virtio_device *virtio)
{
    struct virtio_vsock *vsock = virtio->driver;

    if (!vsock->device.is_gone && virtio_needs_reset(virtio))
        give_up(vsock, "asks to be reset");
}

static void vsock_begin(struct vsock_device *device)
{
    struct virtio_vsock *vsock = vsock_of(device);

    vsock->is_begun = true;
    for (unsigned i = 0; i < RX_BUFFERS && i < vsock->rx.size / PIECES; i++)
        receive_into(vsock, &vsock->received[i]);
    virtio_kick(vsock->virtio, RX, &vsock->rx);
    irq_work_raise(&vsock->work);
}

static const struct vsock_device_ops ops = {
    .begin = vsock_begin,
    .send = vsock_send,
    .flush = vsock_flush,
};

static void buffers_make(struct virtio_vsock *vsock)
{
    uint8_t *rx = vsock->memory + HAL_PAGE_SIZE;
    uint8_t *tx = rx + RX_BUFFERS * RX_SIZE;

    for (unsigned i = 0; i < EVENTS; i++)
        vsock->events[i].bytes = vsock->memory + i * EVENT_SIZE;
    for (unsigned i = 0; i < RX_BUFFERS; i++)
        vsock->received[i].bytes = rx + i * RX_SIZE;
    for (unsigned i = 0; i < TX_BUFFERS && i < vsock->tx.size / PIECES; i++) {
        vsock->sent[i].bytes = tx + i * TX_SIZE;
        vsock->sent[i].next = vsock->free;
        vsock->free = &vsock->sent[i];
    }
}

/* Returns 0, or an error: it is stopped then. */
static int set_up(struct virtio_vsock *vsock)
{
    const struct virtio_vector vector = {vsock_irq, vsock, cpu_self()->id};
    const struct virtio_queue_wish rx = {.size_max = RX_BUFFERS * PIECES};
    const struct virtio_queue_wish tx = {.size_max = TX_BUFFERS * PIECES};
    const struct virtio_queue_wish event = {.size_max = EVENTS};
    int status = virtio_begin(vsock->virtio, F_VSOCK_STREAM);

    if (status == 0)
        status = cid_read(vsock);
    if (status == 0)
        status = virtio_attach(vsock->virtio, &vector, 1, changed);
    if (status > 0)
        status = virtio_queue(vsock->virtio, RX, &rx, &vsock->rx);
    if (status == 0)
        status = virtio_queue(vsock->virtio, TX, &tx, &vsock->tx);
    if (status == 0)
        status = virtio_queue(vsock->virtio, EVENT, &event, &vsock->event);
    if (status != 0)
        stop(vsock, virtio_fail(vsock->virtio));
    return status;
}

static int found(struct virtio_device *virtio)
{
    struct virtio_vsock *vsock;
    int status;

    if (vsock_device_find() != NULL) {
        log_warn("virtio: another socket device at %s: left out",
                 virtio->where);
        return 0;
    }
    vsock = mem_alloc_zeroed(sizeof(*vsock));
    if (vsock == NULL)
        return -ENOMEM;
    vsock->virtio = virtio;
    vsock->device.ops = &ops;
    vsock->device.data_max = TX_SIZE - DATA_OFFSET;
    irq_work_init(&vsock->work, work_run);
    vsock->memory = dma_alloc(MEMORY);
    if (vsock->memory == NULL) {
        mem_free(vsock);
        return -ENOMEM;
    }
    virtio->driver = vsock;
    status = set_up(vsock);
    if (status != 0) {
        log_error("virtio: the socket device at %s does not start (error %d): "
                  "left out",
                  virtio->where, status);
        return 0; /* its memory stays: an interrupt may be on its way */
    }
    buffers_make(vsock);
    virtio_ready(virtio);
    for (unsigned i = 0; i < EVENTS && i < vsock->event.size; i++)
        event_await(vsock, &vsock->events[i]);
    irq_work_raise(&vsock->work);
    log_info("virtio: a socket device at %s, the CID is %u", virtio->where,
             vsock->device.cid);
    return vsock_device_register(&vsock->device);
}

static int vsock_probe(void)
{
    return virtio_find(VIRTIO_ID_VSOCK, found);
}

const struct driver virtio_vsock_driver = {
    .name = "virtio_vsock", .probe = vsock_probe, .options = virtio_options};
