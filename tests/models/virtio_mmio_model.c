/* Virtio over MMIO: VIRTIO 1.2, section 4.2.2 and, for version 1, 4.2.4. */
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/platform.h"
#include "hal/posix/kernel/simbus.h"
#include "tests/models/virtio_model.h"
#include <stdlib.h>
#include <string.h>

enum { BASE = 0x10000000, SIZE = MODEL_MMIO_SIZE, IRQ = 40, PLACES = 40 };

static struct place {
    struct virtio_model *model;
    unsigned version;
    uint32_t page_size; /* version 1 */
} places[PLACES];
static unsigned place_count;

void mmio_models_reset(void);
void pci_models_reset(void);

void mmio_models_reset(void)
{
    place_count = 0;
}

void models_reset(void)
{
    sim_reset();
    rings_reset();
    mmio_models_reset();
    pci_models_reset();
}

static void raise_line(struct virtio_model *model, int source)
{
    (void)source;
    for (unsigned i = 0; i < place_count; i++) {
        if (places[i].model != model)
            continue;
        model->by_line++;
        irq_raise((int)(IRQ + i));
    }
}

static uint32_t read(void *arg, size_t offset, unsigned width)
{
    struct place *place = arg;
    struct virtio_model *model = place->model;

    if (offset >= 0x100)
        return model_config_read(model, offset - 0x100, width);
    if (width != 4 || offset % 4 != 0)
        model_breach("register %#zx read with %u bytes", offset, width);
    switch (offset) {
    case 0x000:
        return 0x74726976;
    case 0x004:
        return place->version;
    case 0x008:
        return model->id;
    case 0x00c:
        return 0x1af4;
    case 0x010:
        return (uint32_t)(model->offered >> 32 * model->feature_select);
    case 0x034:
        return model->queue_select < model->queue_count ? model->queue_max : 0;
    case 0x060:
        return model->isr;
    case 0x070:
        return model_get_status(model);
    case 0x0fc:
        if (place->version == 1)
            model_breach("a legacy device has no configuration generation");
        model->generation_reads++;
        return model->generation;
    default:
        model_breach("register %#zx is not for reading", offset);
        return 0;
    }
}

/* Version 1: the page of the queue, from which the rest follows: 2.7.2. */
static void legacy_queue(struct place *place, uint32_t page)
{
    struct virtio_model *model = place->model;

    if (place->page_size == 0)
        model_breach("a queue before the page size");
    model_legacy_queue(model, model->queue_select,
                       model->queue[model->queue_select].size,
                       (uint64_t)page * place->page_size);
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
    *value = high ? (*value & UINT32_MAX) | (uint64_t)half << 32
                  : (*value & ~(uint64_t)UINT32_MAX) | half;
}

static void write_queue(struct place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;
    struct ring *queue = &model->queue[model->queue_select];
    bool is_legacy = offset == 0x03c || offset == 0x040;

    if (model->queue_select >= model->queue_count)
        model_breach("queue %u does not exist", model->queue_select);
    if (is_legacy != (place->version == 1) && offset != 0x038)
        model_breach("register %#zx in version %u", offset, place->version);
    switch (offset) {
    case 0x038:
        queue->size = (uint16_t)value;
        break;
    case 0x03c:
        if (value != 4096)
            model_breach("queue alignment %u", value);
        break;
    case 0x040:
        legacy_queue(place, value);
        break;
    case 0x044:
        model_queue_enable(model, model->queue_select);
        break;
    case 0x080:
    case 0x084:
        set_half(&queue->desc, offset == 0x084, value);
        break;
    case 0x090:
    case 0x094:
        set_half(&queue->driver, offset == 0x094, value);
        break;
    case 0x0a0:
    case 0x0a4:
        set_half(&queue->device, offset == 0x0a4, value);
        break;
    default:
        model_breach("register %#zx is not for writing", offset);
    }
}

static void write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    struct place *place = arg;
    struct virtio_model *model = place->model;

    if (offset >= 0x100) {
        model_config_write(model, offset - 0x100, width, value);
        return;
    }
    if (width != 4 || offset % 4 != 0)
        model_breach("register %#zx written with %u bytes", offset, width);
    switch (offset) {
    case 0x014:
        model_select_check(value);
        model->feature_select = value;
        break;
    case 0x020:
        set_half(&model->accepted, model->driver_select != 0, value);
        break;
    case 0x024:
        model_select_check(value);
        model->driver_select = value;
        break;
    case 0x028:
        place->page_size = value;
        break;
    case 0x030:
        model->queue_select = value;
        break;
    case 0x050:
        model_notify(model, value);
        break;
    case 0x064:
        model->isr &= ~value;
        break;
    case 0x070:
        model_set_status(model, (uint8_t)value);
        break;
    default:
        write_queue(place, offset, value);
    }
}

void model_hidden_on_mmio(struct virtio_model *model, unsigned version,
                          uint64_t *base, int *irq)
{
    unsigned index = place_count++;
    struct place *place = &places[index];
    const struct sim_window window = {read, write, place};

    *base = BASE + (uint64_t)index * SIZE;
    *irq = (int)(IRQ + index);
    *place = (struct place){.model = model, .version = version};
    model->legacy = version == 1;
    model->raise = raise_line;
    model->is_master = true;
    if (sim_claim(HAL_IO_MEMORY, *base, SIZE, &window) != 0)
        abort();
}

void model_on_mmio(struct virtio_model *model, unsigned version)
{
    struct hal_platform_device device = {.id = "LNRO0005", .size = SIZE};

    model_hidden_on_mmio(model, version, &device.base, &device.irq);
    if (platform_add(&device) != 0)
        abort();
}
