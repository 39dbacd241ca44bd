#include "tests/models/virtio_model.h"
#include "hal/posix/dma.h"
#include "hal/posix/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <string.h>

/* Section 2.1. */
enum {
    ACKNOWLEDGE = 1,
    DRIVER = 2,
    DRIVER_OK = 4,
    FEATURES_OK = 8,
    FAILED = 128,
};

void model_breach(const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fail_msg("breach of protocol: %s", text);
}

/* Section 2.1.1 and 3.1.1: bits are only added, in order; 0 resets. */
void model_set_status(struct virtio_model *model, uint8_t status)
{
    if (status == 0) {
        model->resets++;
        model->accepted = 0;
        model->isr = 0;
        memset(model->queue, 0, sizeof(model->queue));
        model->status = model->never_resets ? ACKNOWLEDGE : 0;
        return;
    }
    if ((model->status & ~status) != 0 && !model->never_resets)
        model_breach("status %#x takes bits of %#x away", status,
                     model->status);
    if ((status & DRIVER) && !(status & ACKNOWLEDGE))
        model_breach("DRIVER before ACKNOWLEDGE");
    if ((status & FEATURES_OK) && !(model->status & DRIVER))
        model_breach("FEATURES_OK before DRIVER");
    if ((status & FEATURES_OK) && model->legacy)
        model_breach("FEATURES_OK on a legacy device");
    if ((status & DRIVER_OK) && !model->legacy &&
        !(model->status & FEATURES_OK))
        model_breach("DRIVER_OK before FEATURES_OK");
    if ((status & FEATURES_OK) && !(model->status & FEATURES_OK)) {
        if ((model->accepted & ~model->offered) != 0)
            model_breach(
                "features %#llx that were not offered",
                (unsigned long long)(model->accepted & ~model->offered));
        if (model->refuse_features)
            status &= (uint8_t)~FEATURES_OK;
    }
    model->status = status;
}

uint8_t model_get_status(const struct virtio_model *model)
{
    return model->status;
}

static uint8_t *reach(uint64_t bus, size_t size, const char *what)
{
    uint8_t *data = dma_lookup(bus, size);

    if (data == NULL)
        model_breach("%s at %#llx (%zu bytes) is no memory a device may reach",
                     what, (unsigned long long)bus, size);
    return data;
}

void model_queue_enable(struct virtio_model *model, unsigned index)
{
    struct model_queue *queue = &model->queue[index];

    if (!model->legacy && !(model->status & FEATURES_OK))
        model_breach("queue %u is set up before FEATURES_OK", index);
    if (model->status & DRIVER_OK)
        model_breach("queue %u is set up after DRIVER_OK", index);
    if (queue->size == 0 || queue->size > model->queue_max ||
        (queue->size & (queue->size - 1)) != 0)
        model_breach("queue %u has %u descriptors of %u", index, queue->size,
                     model->queue_max);
    if (queue->desc % 16 != 0 || queue->driver % 2 != 0 ||
        queue->device % 4 != 0)
        model_breach("queue %u is not aligned: 2.7", index);
    reach(queue->desc, 16 * queue->size, "the descriptor table");
    reach(queue->driver, 6 + 2 * queue->size, "the driver area");
    reach(queue->device, 6 + 8 * queue->size, "the device area");
    queue->ready = true;
}

void model_notify(struct virtio_model *model, unsigned index)
{
    if (index >= model->queue_count || !model->queue[index].ready)
        model_breach("queue %u is notified but not set up", index);
    if (!(model->status & DRIVER_OK))
        model_breach("queue %u is notified before DRIVER_OK", index);
    model->queue[index].notified = true;
}

bool model_take(struct virtio_model *model, unsigned index,
                struct model_chain *chain)
{
    struct model_queue *queue = &model->queue[index];
    uint8_t *avail, *table;
    uint16_t at, pending;

    if (!queue->ready || !(model->status & DRIVER_OK))
        return false;
    avail = reach(queue->driver, 6 + 2 * queue->size, "the driver area");
    table = reach(queue->desc, 16 * queue->size, "the descriptor table");
    pending = (uint16_t)(le16_get(avail + 2) - queue->taken);
    if (pending == 0)
        return false;
    if (pending > queue->size)
        model_breach("queue %u: the available index ran away", index);
    at = le16_get(avail + 4 + 2 * (queue->taken % queue->size));
    queue->taken++;
    *chain = (struct model_chain){.head = at};
    if (at >= queue->size)
        model_breach("queue %u: head %u", index, at);
    if (queue->owned[at])
        model_breach("queue %u: head %u is the device's already", index, at);
    queue->owned[at] = true;
    for (;;) {
        uint8_t *desc = table + 16 * at;
        uint16_t flags = le16_get(desc + 12);

        if (chain->count == MODEL_PIECES)
            model_breach("queue %u: a chain without end", index);
        if (chain->count > 0 && !(flags & 2) &&
            chain->piece[chain->count - 1].writable)
            model_breach("queue %u: readable after writable: 2.7.4.2", index);
        if (le32_get(desc + 8) == 0)
            model_breach("queue %u: an empty descriptor", index);
        chain->piece[chain->count].data =
            reach(le64_get(desc), le32_get(desc + 8), "a buffer");
        chain->piece[chain->count].len = le32_get(desc + 8);
        chain->piece[chain->count].writable = (flags & 2) != 0;
        chain->count++;
        if (!(flags & 1))
            return true;
        at = le16_get(desc + 14);
        if (at >= queue->size)
            model_breach("queue %u: next is %u", index, at);
    }
}

void model_use_raw(struct virtio_model *model, unsigned index, uint32_t id,
                   uint32_t len)
{
    struct model_queue *queue = &model->queue[index];
    uint8_t *used =
        reach(queue->device, 6 + 8 * queue->size, "the device area");

    le32_put(used + 4 + 8 * (queue->used % queue->size), id);
    le32_put(used + 8 + 8 * (queue->used % queue->size), len);
    queue->used++;
    le16_put(used + 2, queue->used);
}

void model_used_index(struct virtio_model *model, unsigned index, uint16_t to)
{
    struct model_queue *queue = &model->queue[index];

    queue->used = to;
    le16_put(reach(queue->device, 4, "the device area") + 2, to);
}

/* Unless the driver asked for none: 2.7.7. */
void model_interrupt(struct virtio_model *model, unsigned index)
{
    uint8_t *avail = reach(model->queue[index].driver, 4, "the driver area");

    if ((le16_get(avail) & 1) != 0 || model->lose_interrupts)
        return;
    model->isr |= 1;
    model->interrupts++;
    model->raise(model);
}

void model_complete(struct virtio_model *model, unsigned index, uint16_t head,
                    uint32_t written)
{
    model->queue[index].owned[head] = false;
    model_use_raw(model, index, head, written);
    model_interrupt(model, index);
}
