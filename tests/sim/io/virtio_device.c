#include "tests/sim/io/virtio_device.h"
#include "hal/posix/sim/sim.h"
#include "tests/sim/io/devices.h"
#include <stdlib.h>
#include <torc/compiler.h>

/* VIRTIO 1.2: 2.1, 6. */
enum {
    DRIVER_OK = 4,
    NEEDS_RESET = 64,
    INDIRECT_DESC = 28,
    EVENT_IDX = 29,
    VERSION_1 = 32,
    RING_PACKED = 34,
};

enum transport { MMIO_LEGACY, MMIO, PCI, TRANSPORTS };

void virtio_device_plug(struct virtio_model *model)
{
    static const unsigned sizes[] = {4, 8, 16, 32};
    const struct pci_model_options options = {.no_msix = false};
    unsigned transport = hal_choose(TRANSPORTS, SIM_WORK);

    model->queue_max = sizes[hal_choose(COUNT_OF(sizes), SIM_WORK)];
    model->offered |= (uint64_t)hal_choose(2, SIM_WORK) << INDIRECT_DESC;
    model->offered |= (uint64_t)hal_choose(2, SIM_WORK) << EVENT_IDX;
    if (transport == MMIO_LEGACY) {
        model_on_mmio(model, 1);
        return;
    }
    model->offered |= UINT64_C(1) << VERSION_1;
    model->offered |= (uint64_t)hal_choose(2, SIM_WORK) << RING_PACKED;
    if (transport == MMIO)
        model_on_mmio(model, 2);
    else
        model_on_pci(model, &options);
}

/* Whether it may interrupt for a queue. */
static bool works(const struct virtio_model *model, unsigned index)
{
    return model->queue[index].ready && model->is_master &&
           (model->status & DRIVER_OK) != 0 &&
           (model->status & NEEDS_RESET) == 0;
}

bool virtio_device_serves(const struct virtio_model *model, unsigned index)
{
    return works(model, index) && !model->queue[index].lied;
}

/* ---- Serving ------------------------------------------------------------- */

bool virtio_device_look(struct virtio_model *model, unsigned index,
                        bool no_notify)
{
    struct ring *ring = &model->queue[index];

    if (!virtio_device_serves(model, index))
        return false;
    if (device_manner.polls) {
        ring->no_notify = no_notify;
        ring->looked = true;
        ring_look(ring);
    }
    return ring->asked > 0;
}

/* While the device is at work it may want no notification; then it looks once
 * more before it rests. */
static void step(void *arg)
{
    static struct ring_chain chain; /* too large for a stack */
    struct device_queue *queue = arg;

    (void)virtio_device_look(queue->model, queue->index, device_sometimes(2));
    if (virtio_device_serves(queue->model, queue->index) &&
        model_take(queue->model, queue->index, &chain)) {
        queue->serve(queue, &chain);
    } else if (!virtio_device_look(queue->model, queue->index, false)) {
        queue->is_busy = false;
        return;
    }
    device_after_step(step, queue);
}

void device_queue_notified(struct device_queue *queue)
{
    if (queue->is_busy)
        return;
    queue->is_busy = true;
    device_after_step(step, queue);
}

/* ---- Ending -------------------------------------------------------------- */

static void interrupt_now(void *arg)
{
    struct device_queue *queue = arg;

    queue->interrupt_due = false;
    if (works(queue->model, queue->index))
        model_interrupt(queue->model, queue->index);
}

void device_queue_interrupt(struct device_queue *queue, enum model_fault fault)
{
    if (fault == FAULT_LOST_IRQ) {
        (void)ring_wants_interrupt(&queue->model->queue[queue->index]);
    } else if (queue->interrupt_due) {
        /* It comes for this one, too. */
    } else if (device_sometimes(4)) {
        queue->interrupt_due = true;
        device_after_step(interrupt_now, queue);
    } else {
        interrupt_now(queue);
    }
}

static void end(void *arg)
{
    struct device_flight flight = *(struct device_flight *)arg;
    struct device_queue *queue = flight.queue;
    struct ring *ring = &queue->model->queue[queue->index];

    free(arg);
    if (flight.resets != queue->model->resets)
        return;
    queue->under_way--;
    if (!virtio_device_serves(queue->model, queue->index))
        return;
    if (flight.fault == FAULT_RESET) {
        model_need_reset(queue->model);
        return;
    }
    ring_complete(ring, flight.head, flight.written);
    if (flight.fault == FAULT_TWICE)
        ring_use_raw(ring, flight.head, flight.written);
    device_queue_interrupt(queue, flight.fault);
}

bool device_queue_rests(const struct device_queue *queue)
{
    return queue->resets != queue->model->resets || queue->under_way == 0;
}

static void interrupt_idly(void *arg)
{
    struct device_queue *queue = arg;

    if (virtio_device_serves(queue->model, queue->index))
        queue->model->raise(queue->model, (int)queue->index);
}

void device_queue_end(struct device_queue *queue, uint16_t head,
                      uint32_t written, enum model_fault fault, uint64_t ns)
{
    struct device_flight *flight;

    if (queue->resets != queue->model->resets)
        queue->under_way = 0; /* it has forgotten them */
    queue->resets = queue->model->resets;
    if (fault == FAULT_NEVER)
        return;
    queue->under_way++;
    flight = malloc(sizeof(*flight));
    if (flight == NULL)
        abort();
    *flight = (struct device_flight){queue, head, written, fault,
                                     queue->model->resets};
    if (fault == FAULT_LATE)
        ns += device_late_ns();
    if (fault == FAULT_SPURIOUS_IRQ)
        device_after_step(interrupt_idly, queue);
    device_after(ns, end, flight);
}
