/*
 * Virtio over PCI: VIRTIO 1.2, section 4.1. One memory BAR of 64 bits holds the
 * common configuration at 0, the ISR at 0x1000, the device's configuration at
 * 0x1800, notifications at 0x2000 (4 bytes a queue) and the MSI-X table at
 * 0x3000.
 */
#include "hal/posix/irq.h"
#include "hal/posix/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/models/virtio_model.h"
#include <stdlib.h>
#include <string.h>

enum { BAR_SIZE = 0x4000, LINE = 11, PLACES = 4, MSIX_ENTRIES = 4 };
#define BAR_BASE UINT64_C(0x880000000) /* above 4 GiB: both halves count */

static struct place {
    struct virtio_model *model;
    struct hal_pci_addr addr;
    uint64_t base;
    uint8_t config[256];
    uint32_t bar[2];
    uint8_t table[16 * MSIX_ENTRIES];
    uint16_t queue_vector[MODEL_QUEUES];
    uint16_t config_vector;
    bool has_msix;
} places[PLACES];
static unsigned place_count;

void pci_models_reset(void);

void pci_models_reset(void)
{
    place_count = 0;
}

static bool msix_on(const struct place *place)
{
    return place->has_msix && (le16_get(place->config + 0x42) & 0x8000) != 0;
}

static void raise_any(struct virtio_model *model)
{
    for (unsigned i = 0; i < place_count; i++) {
        struct place *place = &places[i];
        const uint8_t *entry = place->table;
        int irq;

        if (place->model != model)
            continue;
        if (!msix_on(place)) {
            irq_raise(LINE);
            continue;
        }
        if (place->queue_vector[0] != 0 || (le32_get(entry + 12) & 1) != 0 ||
            (le16_get(place->config + 0x42) & 0x4000) != 0)
            return; /* masked */
        irq = irq_from_msi(le64_get(entry), le32_get(entry + 8));
        if (irq < 0)
            model_breach("the MSI-X entry means no interrupt");
        irq_raise(irq);
    }
}

/* ---- The BAR ------------------------------------------------------------- */

static uint32_t common_read(struct place *place, size_t offset)
{
    struct virtio_model *model = place->model;
    bool exists = model->queue_select < model->queue_count;
    struct model_queue *queue = &model->queue[exists ? model->queue_select : 0];

    switch (offset) {
    case 4:
        return (uint32_t)(model->offered >> 32 * model->feature_select);
    case 16:
        return place->config_vector;
    case 18:
        return model->queue_count;
    case 20:
        return model_get_status(model);
    case 24:
        return !exists ? 0 : queue->size != 0 ? queue->size : model->queue_max;
    case 26:
        return exists ? place->queue_vector[model->queue_select] : 0xffff;
    case 30:
        return model->queue_select;
    default:
        model_breach("common configuration %zu is not for reading", offset);
        return 0;
    }
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
    *value = high ? (*value & UINT32_MAX) | (uint64_t)half << 32
                  : (*value & ~(uint64_t)UINT32_MAX) | half;
}

static void queue_write(struct place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;
    struct model_queue *queue = &model->queue[model->queue_select];

    if (model->queue_select >= model->queue_count)
        model_breach("queue %u does not exist", model->queue_select);
    switch (offset) {
    case 24:
        queue->size = (uint16_t)value;
        break;
    case 26:
        if (value != 0xffff && !msix_on(place))
            model_breach("a vector without MSI-X");
        place->queue_vector[model->queue_select] = (uint16_t)value;
        break;
    case 28:
        if (value != 1)
            model_breach("queue_enable of %u: 4.1.4.3.2", value);
        model_queue_enable(model, model->queue_select);
        break;
    case 32:
    case 36:
        set_half(&queue->desc, offset == 36, value);
        break;
    case 40:
    case 44:
        set_half(&queue->driver, offset == 44, value);
        break;
    case 48:
    case 52:
        set_half(&queue->device, offset == 52, value);
        break;
    default:
        model_breach("common configuration %zu is not for writing", offset);
    }
}

static void common_write(struct place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;

    switch (offset) {
    case 0:
        model->feature_select = value;
        break;
    case 8:
        model->driver_select = value;
        break;
    case 12:
        set_half(&model->accepted, model->driver_select != 0, value);
        break;
    case 16:
        place->config_vector = (uint16_t)value;
        break;
    case 20:
        model_set_status(model, (uint8_t)value);
        break;
    case 22:
        model->queue_select = value;
        break;
    default:
        queue_write(place, offset, value);
    }
}

/* Fields are accessed with their own width: 4.1.3.1. */
static unsigned common_width(size_t offset)
{
    return offset == 20 || offset == 21  ? 1
           : offset >= 16 && offset < 32 ? 2
                                         : 4;
}

static uint32_t bar_read(void *arg, size_t offset, unsigned width)
{
    struct place *place = arg;
    uint32_t isr;

    if (offset < 56) {
        if (width != common_width(offset))
            model_breach("common configuration %zu read with %u bytes", offset,
                         width);
        return common_read(place, offset);
    }
    if (offset == 0x1000) {
        isr = place->model->isr;
        place->model->isr = 0;
        return isr;
    }
    if (offset >= 0x1800 && offset < 0x1800 + sizeof(place->model->config))
        return place->model->config[offset - 0x1800];
    model_breach("nothing to read at %#zx", offset);
    return 0;
}

static void bar_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    struct place *place = arg;

    if (offset < 56) {
        if (width != common_width(offset))
            model_breach("common configuration %zu written with %u bytes",
                         offset, width);
        common_write(place, offset, value);
    } else if (offset >= 0x2000 && offset < 0x2000 + 4 * MODEL_QUEUES) {
        if ((offset - 0x2000) / 4 != value)
            model_breach("queue %u notified at the place of another", value);
        model_notify(place->model, value);
    } else if (offset >= 0x3000 && offset < 0x3000 + sizeof(place->table) &&
               width == 4) {
        le32_put(place->table + offset - 0x3000, value);
    } else {
        model_breach("nothing to write at %#zx", offset);
    }
}

/* ---- Configuration space ------------------------------------------------- */

static uint32_t config_read(void *arg, unsigned reg)
{
    struct place *place = arg;

    if (reg == 0x10 || reg == 0x14)
        return place->bar[(reg - 0x10) / 4];
    return le32_get(place->config + reg);
}

static void config_write(void *arg, unsigned reg, uint32_t value)
{
    struct place *place = arg;

    if (reg == 0x04) {
        le16_put(place->config + 4, (uint16_t)value);
    } else if (reg == 0x10) {
        place->bar[0] = (value & ~(uint32_t)(BAR_SIZE - 1)) | 4;
    } else if (reg == 0x14) {
        place->bar[1] = value;
    } else if (reg >= 0x18 && reg < 0x28) {
        /* No such BARs: nothing stays. */
    } else if (reg == 0x40 && place->has_msix) {
        le16_put(place->config + 0x42,
                 (uint16_t)((value >> 16 & 0xc000) | (MSIX_ENTRIES - 1)));
    } else {
        model_breach("configuration register %#x is read-only", reg);
    }
}

static unsigned cap_add(uint8_t *config, unsigned at, uint8_t type,
                        uint32_t offset, uint32_t length)
{
    config[at] = 9;
    config[at + 1] = (uint8_t)(at + 20);
    config[at + 2] = 20;
    config[at + 3] = type;
    le32_put(config + at + 8, offset);
    le32_put(config + at + 12, length);
    if (type == 2)
        le32_put(config + at + 16, 4); /* notify_off_multiplier */
    return at + 20;
}

static void caps_fill(struct place *place,
                      const struct pci_model_options *options)
{
    uint8_t *config = place->config;
    unsigned at = 0x50;

    config[0x34] = options->no_msix ? 0x50 : 0x40;
    config[0x40] = 0x11;
    config[0x41] = 0x50;
    le16_put(config + 0x42, MSIX_ENTRIES - 1);
    le32_put(config + 0x44, 0x3000);
    if (!options->no_modern) {
        at = cap_add(config, at, 1, 0, 56);
        at = cap_add(config, at, 3, 0x1000, 1);
        at = cap_add(config, at, 2, 0x2000, 4 * MODEL_QUEUES);
        at = cap_add(config, at, 4, 0x1800, sizeof(place->model->config));
        config[at - 20 + 1] = options->cap_loop ? 0x50 : 0;
    } else {
        config[0x34] = 0x50;
        config[0x50] = 1; /* power management */
        config[0x51] = options->cap_loop ? 0x50 : 0;
    }
}

void model_on_pci(struct virtio_model *model,
                  const struct pci_model_options *options)
{
    unsigned index = place_count++;
    struct place *place = &places[index];
    const struct sim_window window = {bar_read, bar_write, place};
    const struct sim_pci function = {config_read, config_write, place};

    *place = (struct place){
        .model = model,
        .addr = {0, (uint8_t)(3 + index), 0},
        .base = BAR_BASE + (uint64_t)index * BAR_SIZE,
        .has_msix = !options->no_msix,
    };
    model->raise = raise_any;
    le16_put(place->config, 0x1af4);
    le16_put(place->config + 2, options->device_id != 0
                                    ? options->device_id
                                    : (uint16_t)(0x1040 + model->id));
    le16_put(place->config + 6, 0x10); /* capabilities */
    le16_put(place->config + 0x2e, (uint16_t)model->id);
    place->config[0x3c] = LINE;
    caps_fill(place, options);
    if (!options->bar_at_zero) {
        place->bar[0] = (uint32_t)place->base | 4;
        place->bar[1] = (uint32_t)(place->base >> 32);
    } else {
        place->bar[0] = 4;
    }
    if (sim_claim(HAL_IO_MEMORY, place->base, BAR_SIZE, &window) != 0 ||
        sim_pci(place->addr, &function) != 0)
        abort();
}
