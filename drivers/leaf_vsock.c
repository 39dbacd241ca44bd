/*
 * The socket device of a hosted machine: packets of vsock, a frame each, on a
 * wire to another process (--net unix:PATH,peer=PATH,vsock=CID), which is the
 * host's side. It belongs to CPU 0.
 *
 * The wire loses nothing while both ends are there. A packet that is lost tells
 * that the other end has gone: then all connections are.
 */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/driver.h"
#include "kernel/device/vsock_device.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
    BATCH = 32, /* packets taken in one run of the irq work */
    QUEUE = 0,
};

/* CPU 0 only. */
struct leaf_vsock {
    struct vsock_device device;
    struct irq_work work;
    unsigned unit;
    size_t frame_max;
    bool is_begun;   /* the client takes packets */
    bool is_blocked; /* send() has said -EAGAIN */
    bool is_lost;    /* a packet was lost */
    uint8_t frame[]; /* that comes: frame_max bytes */
};

static struct leaf_vsock *leaf_of(struct vsock_device *device)
{
    return container_of(device, struct leaf_vsock, device);
}

/* ---- Out ----------------------------------------------------------------- */

static int leaf_send(struct vsock_device *device,
                     const uint8_t header[VSOCK_HEADER_SIZE],
                     const uint8_t *data, size_t len)
{
    struct leaf_vsock *leaf = leaf_of(device);
    const struct hal_vec vec[] = {
        {(void *)(uintptr_t)header, VSOCK_HEADER_SIZE},
        {(void *)(uintptr_t)data, len}};
    const struct hal_net_frame frame = {
        .vec = vec,
        .vec_count = len > 0 ? 2 : 1,
        .len = (uint32_t)(VSOCK_HEADER_SIZE + len),
    };
    int status = hal_net_send(leaf->unit, QUEUE, &frame);

    assert(len <= device->data_max);
    if (status == -EAGAIN) {
        leaf->is_blocked = true;
        return status;
    }
    if (status != 0) { /* not here: who sends is in the middle of something */
        leaf->is_lost = true;
        irq_work_raise(&leaf->work);
    }
    return 0;
}

/* Each packet has gone when it was sent. */
static void leaf_flush(struct vsock_device *device)
{
    (void)device;
}

/* ---- In ------------------------------------------------------------------ */

/* The next packet; false: there is none. What is no packet is dropped. */
static bool packet_take(struct leaf_vsock *leaf)
{
    const struct hal_vec vec = {leaf->frame, leaf->frame_max};
    struct hal_net_frame frame = {.vec = &vec, .vec_count = 1};
    int status = hal_net_recv(leaf->unit, QUEUE, &frame);

    if (status == 0 && frame.len >= VSOCK_HEADER_SIZE)
        leaf->device.client->receive(leaf->device.client_arg, leaf->frame,
                                     leaf->frame + VSOCK_HEADER_SIZE,
                                     frame.len - VSOCK_HEADER_SIZE);
    return status == 0 || status == -EMSGSIZE;
}

/* When the client takes none, writable() comes first. */
static void receive(struct leaf_vsock *leaf)
{
    const struct vsock_client *client = leaf->device.client;

    for (unsigned i = 0; i < BATCH; i++) {
        if (!client->can_receive(leaf->device.client_arg))
            return;
        if (!packet_take(leaf) && hal_net_arm(leaf->unit, QUEUE, true))
            return;
    }
    irq_work_raise(&leaf->work);
}

static void work_run(struct irq_work *work)
{
    struct leaf_vsock *leaf = container_of(work, struct leaf_vsock, work);

    if (!leaf->is_begun)
        return;
    if (leaf->is_lost) {
        leaf->is_lost = false;
        log_warn("vsock: the host's side is not there: all connections end");
        leaf->device.client->reset(leaf->device.client_arg);
    }
    if (leaf->is_blocked) {
        leaf->is_blocked = false;
        leaf->device.client->writable(leaf->device.client_arg);
    }
    receive(leaf);
}

static void leaf_irq(void *arg)
{
    irq_work_raise(&((struct leaf_vsock *)arg)->work);
}

/* ---- Starting ------------------------------------------------------------ */

static void leaf_begin(struct vsock_device *device)
{
    leaf_of(device)->is_begun = true;
    irq_work_raise(&leaf_of(device)->work);
}

static const struct vsock_device_ops ops = {
    .begin = leaf_begin,
    .send = leaf_send,
    .flush = leaf_flush,
};

/* Returns 0 or an error. */
static int start(struct leaf_vsock *leaf)
{
    int irq = hal_net_open(leaf->unit, QUEUE);

    if (irq < 0)
        return irq;
    return hal_irq_attach(irq, 0, leaf_irq, leaf);
}

static int found(unsigned unit, const struct hal_net_info *info)
{
    struct leaf_vsock *leaf = mem_alloc_zeroed(sizeof(*leaf) + info->frame_max);
    int status;

    if (leaf == NULL)
        return -ENOMEM;
    leaf->unit = unit;
    leaf->frame_max = info->frame_max;
    leaf->device.ops = &ops;
    leaf->device.cid = info->vsock_cid;
    leaf->device.data_max = info->frame_max - VSOCK_HEADER_SIZE;
    irq_work_init(&leaf->work, work_run);
    status = start(leaf);
    if (status == 0)
        status = vsock_device_register(&leaf->device);
    if (status != 0)
        log_error("vsock: the device does not start (error %d): left out",
                  status);
    else
        log_info("vsock: a hosted socket device, the CID is %u",
                 info->vsock_cid);
    return 0; /* its memory stays: an interrupt may be on its way */
}

static int leaf_probe(void)
{
    struct hal_net_info info;
    int status = 0;

    for (unsigned unit = 0; status == 0 && hal_net_info(unit, &info) == 0;
         unit++) {
        if (info.vsock_cid != 0 && vsock_device_find() == NULL)
            status = found(unit, &info);
    }
    return status;
}

const struct driver leaf_vsock_driver = {.name = "leaf_vsock",
                                         .probe = leaf_probe};
