#include "tests/models/virtio_model.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include <stdlib.h>
#include <string.h>

/* Section 2.1. */
enum {
    ACKNOWLEDGE = 1,
    DRIVER = 2,
    DRIVER_OK = 4,
    FEATURES_OK = 8,
    NEEDS_RESET = 64,
    FAILED = 128,
};

/* ---- Initialisation ------------------------------------------------------ */

static void reset(struct virtio_model *model)
{
    model->resets++;
    if (model->reset_at_most > 0 && --model->reset_at_most == 0)
        model->never_resets = true; /* from the next time on */
    else if (model->never_resets) { /* it goes on as before */
        model->status |= ACKNOWLEDGE;
        return;
    }
    model->accepted = 0;
    model->isr = 0;
    model->status = 0;
    model->reset_reads = model->slow_reset;
    for (unsigned i = 0; i < MODEL_QUEUES; i++)
        ring_forget(&model->queue[i]);
}

/* Section 2.1.1 and 3.1.1: bits are only added, in order; 0 resets. */
void model_set_status(struct virtio_model *model, uint8_t status)
{
    if (status == 0) {
        reset(model);
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
        if (model->agree != NULL)
            model->agree(model);
        if (model->refuse_features)
            status &= (uint8_t)~FEATURES_OK;
    }
    if ((status & FAILED) != 0)
        model->saw_failed = true;
    model->status = status;
}

uint8_t model_get_status(struct virtio_model *model)
{
    if (model->never_resets && model->stalls != NULL)
        model->stalls(model);
    if (model->reset_reads > 0) {
        model->reset_reads--;
        return ACKNOWLEDGE;
    }
    return model->status;
}

static bool agreed(const struct virtio_model *model, unsigned bit)
{
    return (model->accepted >> bit & 1) != 0;
}

void model_queue_enable(struct virtio_model *model, unsigned index)
{
    struct ring *queue = &model->queue[index];
    bool is_packed = agreed(model, 34);

    if (!model->legacy && !(model->status & FEATURES_OK))
        model_breach("queue %u is set up before FEATURES_OK", index);
    if (model->status & DRIVER_OK)
        model_breach("queue %u is set up after DRIVER_OK", index);
    if (queue->ready)
        model_breach("queue %u is set up twice", index);
    if (queue->size < 1 || queue->size > model->queue_max ||
        queue->size > RING_MAX ||
        (!is_packed && (queue->size & (queue->size - 1)) != 0))
        model_breach("queue %u has %u descriptors of %u", index, queue->size,
                     model->queue_max);
    if (queue->desc % 16 != 0 || queue->driver % (is_packed ? 4 : 2) != 0 ||
        queue->device % 4 != 0)
        model_breach("queue %u is not aligned: 2.7, 2.8", index);
    queue->index = index;
    queue->is_packed = is_packed;
    queue->has_event_idx = agreed(model, 29);
    queue->has_indirect = agreed(model, 28);
    ring_begin(queue);
}

void model_legacy_queue(struct virtio_model *model, unsigned index,
                        uint16_t size, uint64_t base)
{
    struct ring *queue = &model->queue[index];
    uint64_t end = base + 16U * size + 6 + 2U * size;

    queue->size = size;
    queue->desc = base;
    queue->driver = base + 16U * size;
    queue->device = (end + 4095) & ~UINT64_C(4095);
    model_queue_enable(model, index);
}

void model_select_check(uint32_t select)
{
    if (select > 1)
        model_breach("feature bits %u to %u do not exist", 32 * select,
                     32 * select + 31);
}

/* ---- Configuration ------------------------------------------------------- */

/* The fields of each device that are not bytes: 5.1.4, 5.2.4. */
static const struct {
    uint32_t id;
    size_t first, end;
    unsigned width;
} fields[] = {
    {1, 6, 12, 2},  /* net: status, max_virtqueue_pairs, mtu */
    {2, 0, 16, 4},  /* blk: capacity, size_max, seg_max */
    {2, 16, 18, 2}, /* geometry */
    {2, 20, 24, 4}, /* blk_size */
    {2, 26, 28, 2}, /* topology */
    {2, 28, 32, 4}, /* the same */
    {2, 34, 36, 2}, /* num_queues */
    {2, 36, 56, 4}, /* discard, write zeroes */
};

static void config_change(struct virtio_model *model)
{
    uint8_t before[sizeof(model->config)];

    memcpy(before, model->config, sizeof(before));
    memcpy(model->config, model->other_config, sizeof(before));
    memcpy(model->other_config, before, sizeof(before));
    model->generation++;
    if (model->restless)
        model->change_config_at = 1;
}

uint32_t model_config_read(struct virtio_model *model, size_t offset,
                           unsigned width)
{
    unsigned natural = 1;
    uint32_t value = 0;

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].id == model->id && offset >= fields[i].first &&
            offset < fields[i].end)
            natural = fields[i].width;
    }
    if ((model->id == 1 || model->id == 2) &&
        (width != natural || offset % width != 0))
        model_breach("configuration field %zu read with %u bytes: 4.1.3.1",
                     offset, width);
    if (model->change_config_at > 0 && --model->change_config_at == 0)
        config_change(model);
    for (unsigned i = 0; i < width; i++) {
        if (offset + i < sizeof(model->config))
            value |= (uint32_t)model->config[offset + i] << 8 * i;
    }
    return value;
}

void model_config_write(struct virtio_model *model, size_t offset,
                        unsigned width, uint32_t value)
{
    /* The balloon's `actual`, section 5.5.4; all else is for reading. */
    if (model->id != 5 || offset != 4 || width != 4)
        model_breach("configuration field %zu written with %u bytes", offset,
                     width);
    if (!(model->status & DRIVER_OK))
        model_breach("the configuration is written before DRIVER_OK");
    le32_put(model->config + offset, value);
}

/* ---- Requests ------------------------------------------------------------ */

void model_notify(struct virtio_model *model, unsigned index)
{
    if (index >= model->queue_count || !model->queue[index].ready)
        model_breach("queue %u is notified but not set up", index);
    if (!(model->status & DRIVER_OK))
        model_breach("queue %u is notified before DRIVER_OK", index);
    ring_notified(&model->queue[index]);
    if (model->notified != NULL)
        model->notified(model, index);
}

bool model_take(struct virtio_model *model, unsigned index,
                struct ring_chain *chain)
{
    struct ring *queue = &model->queue[index];

    if (!queue->ready || !(model->status & DRIVER_OK) ||
        (model->status & NEEDS_RESET) || !model->is_master)
        return false;
    return ring_take(queue, chain);
}

void model_use_raw(struct virtio_model *model, unsigned index, uint32_t id,
                   uint32_t len)
{
    ring_use_raw(&model->queue[index], id, len);
}

void model_used_index(struct virtio_model *model, unsigned index, uint16_t to)
{
    ring_used_index(&model->queue[index], to);
}

/* Unless the driver asked for none: 2.7.7, 2.8.10. */
void model_interrupt(struct virtio_model *model, unsigned index)
{
    if (!ring_wants_interrupt(&model->queue[index]) || model->lose_interrupts)
        return;
    model->isr |= 1;
    model->interrupts++;
    model->raise(model, (int)index);
}

void model_complete(struct virtio_model *model, unsigned index, uint16_t head,
                    uint32_t written)
{
    if (!model->is_master)
        return;
    ring_complete(&model->queue[index], head, written);
    model_interrupt(model, index);
}

void model_touch(const struct virtio_model *model)
{
    for (unsigned i = 0; model->is_master && i < MODEL_QUEUES; i++)
        ring_touch(&model->queue[i]);
}

void model_config_changed(struct virtio_model *model)
{
    model->generation++;
    if (!(model->status & DRIVER_OK) || model->lose_interrupts)
        return;
    model->isr |= 2;
    model->raise(model, MODEL_CONFIG);
}

void model_need_reset(struct virtio_model *model)
{
    model->status |= NEEDS_RESET;
    model_config_changed(model);
}
