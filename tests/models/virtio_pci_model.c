/*
 * Virtio over PCI: VIRTIO 1.2, section 4.1. One memory BAR of 64 bits holds the
 * common configuration at 0, the ISR at 0x1000, the device's configuration at
 * 0x1800, notifications at 0x2000 (4 bytes a queue) and the MSI-X table at
 * 0x3000. It is BAR 0, or BAR 4 beside the ports of the legacy interface.
 */
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/models/virtio_pci_internal.h"
#include <stdlib.h>
#include <string.h>

enum { BAR_SIZE = 0x4000, LINE = 11, PLACES = 4, PORTS = 0xc000 };
#define BAR_BASE UINT64_C(0x880000000) /* above 4 GiB: both halves count */

static struct pci_place places[PLACES];
static unsigned place_count;

void pci_models_reset(void);

void pci_models_reset(void)
{
    place_count = 0;
}

bool pci_place_msix_on(const struct pci_place *place)
{
    return place->msix_entries > 0 &&
           (le16_get(place->config + 0x42) & 0x8000) != 0;
}

/* Section 4.1.5.1.2. */
uint16_t pci_place_vector(const struct pci_place *place, uint32_t value,
                          bool is_config)
{
    if (value != NO_VECTOR && !pci_place_msix_on(place))
        model_breach("a vector without MSI-X");
    if (value != NO_VECTOR && value >= place->msix_entries)
        model_breach("vector %u of %u", value, place->msix_entries);
    if (is_config ? place->refuse_config_vector : place->refuse_vector)
        return NO_VECTOR;
    return (uint16_t)value;
}

void pci_place_status(struct pci_place *place, uint32_t value)
{
    for (unsigned i = 0; value == 0 && i < MODEL_QUEUES; i++)
        place->queue_vector[i] = NO_VECTOR;
    if (value == 0)
        place->config_vector = NO_VECTOR;
    model_set_status(place->model, (uint8_t)value);
}

/* Send the message of an MSI-X vector, unless it is masked: 4.1.5.3. */
static void raise_vector(struct pci_place *place, uint16_t vector)
{
    const uint8_t *entry = place->table + 16 * vector;
    int irq;

    if (vector == NO_VECTOR || !place->model->is_master ||
        (le32_get(entry + 12) & 1) != 0 ||
        (le16_get(place->config + 0x42) & 0x4000) != 0)
        return;
    irq = irq_from_msi(le64_get(entry), le32_get(entry + 8));
    if (irq < 0)
        model_breach("the MSI-X entry means no interrupt");
    place->model->by_message++;
    irq_raise(irq);
}

static void raise_any(struct virtio_model *model, int source)
{
    for (unsigned i = 0; i < place_count; i++) {
        struct pci_place *place = &places[i];

        if (place->model != model)
            continue;
        if (!pci_place_msix_on(place)) {
            model->by_line++;
            irq_raise(LINE);
            continue;
        }
        model->isr = 0; /* it tells of the line only: 4.1.4.5 */
        raise_vector(place, source == MODEL_CONFIG
                                ? place->config_vector
                                : place->queue_vector[source]);
    }
}

/* ---- The BAR ------------------------------------------------------------- */

static uint32_t common_read(struct pci_place *place, size_t offset)
{
    struct virtio_model *model = place->model;
    bool exists = model->queue_select < model->queue_count;
    struct ring *queue = &model->queue[exists ? model->queue_select : 0];

    switch (offset) {
    case 4:
        return (uint32_t)(model->offered >> 32 * model->feature_select);
    case 16:
        return place->config_vector;
    case 18:
        return model->queue_count;
    case 20:
        return model_get_status(model);
    case 21:
        model->generation_reads++;
        return model->generation;
    case 24:
        return !exists ? 0 : queue->size != 0 ? queue->size : model->queue_max;
    case 26:
        return exists ? place->queue_vector[model->queue_select] : 0xffff;
    case 30:
        return place->notify_offset != 0 ? place->notify_offset
                                         : model->queue_select;
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

static void queue_write(struct pci_place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;
    struct ring *queue = &model->queue[model->queue_select];

    if (model->queue_select >= model->queue_count)
        model_breach("queue %u does not exist", model->queue_select);
    switch (offset) {
    case 24:
        queue->size = (uint16_t)value;
        break;
    case 26:
        place->queue_vector[model->queue_select] =
            pci_place_vector(place, value, false);
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

static void common_write(struct pci_place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;

    switch (offset) {
    case 0:
        model_select_check(value);
        model->feature_select = value;
        break;
    case 8:
        model_select_check(value);
        model->driver_select = value;
        break;
    case 12:
        set_half(&model->accepted, model->driver_select != 0, value);
        break;
    case 16:
        place->config_vector = pci_place_vector(place, value, true);
        break;
    case 20:
        pci_place_status(place, value);
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
    struct pci_place *place = arg;
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
        return model_config_read(place->model, offset - 0x1800, width);
    model_breach("nothing to read at %#zx", offset);
    return 0;
}

static void bar_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    struct pci_place *place = arg;

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
        le32_put(&place->table[offset - 0x3000], value);
    } else if (offset >= 0x1800 &&
               offset < 0x1800 + sizeof(place->model->config)) {
        model_config_write(place->model, offset - 0x1800, width, value);
    } else {
        model_breach("nothing to write at %#zx", offset);
    }
}

/* ---- Configuration space ------------------------------------------------- */

/* The BAR register as it reads now; a device without one has zeros there. */
static uint32_t config_read(void *arg, unsigned reg)
{
    struct pci_place *place = arg;

    return le32_get(place->config + reg);
}

static void bar_config_write(struct pci_place *place, unsigned bar,
                             uint32_t value)
{
    uint8_t *at = place->config + 0x10 + 4 * bar;

    if (bar == place->bar)
        le32_put(at, (value & ~(uint32_t)(BAR_SIZE - 1)) | 4);
    else if (bar == place->bar + 1)
        le32_put(at, value);
    else if (bar == 0 && place->ports != 0)
        le32_put(at, (value & ~(uint32_t)(PCI_LEGACY_PORTS - 1)) |
                         (le32_get(at) & 1));
}

static void config_write(void *arg, unsigned reg, uint32_t value)
{
    struct pci_place *place = arg;

    if (reg == 0x04) {
        le16_put(place->config + 4, (uint16_t)value);
        place->model->is_master = (value & 4) != 0;
    } else if (reg >= 0x10 && reg < 0x28) {
        bar_config_write(place, (reg - 0x10) / 4, value);
    } else if (reg == 0x40 && place->msix_entries > 0) {
        le16_put(place->config + 0x42, (uint16_t)((value >> 16 & 0xc000) |
                                                  (place->msix_entries - 1)));
    } else {
        model_breach("configuration register %#x is read-only", reg);
    }
}

static unsigned cap_add(struct pci_place *place, unsigned at, uint8_t type,
                        uint32_t offset, uint32_t length)
{
    uint8_t *config = place->config;

    config[at] = 9;
    config[at + 1] = (uint8_t)(at + 20);
    config[at + 2] = 20;
    config[at + 3] = type;
    config[at + 4] = (uint8_t)place->bar;
    le32_put(config + at + 8, offset);
    le32_put(config + at + 12, length);
    if (type == 2)
        le32_put(config + at + 16, 4); /* notify_off_multiplier */
    return at + 20;
}

/* The structures of VIRTIO 1.x; where the next capability goes. */
static unsigned structures_fill(struct pci_place *place, unsigned at,
                                const struct pci_model_options *options)
{
    const struct {
        uint8_t type;
        uint32_t offset, length;
    } structures[] = {
        {1, 0, 56},
        {3, 0x1000, 1},
        {2, 0x2000, 4 * MODEL_QUEUES},
        {4, 0x1800, sizeof(place->model->config)},
    };

    for (unsigned i = 0; i < 4; i++) {
        bool is_odd = structures[i].type == options->odd_type;

        if (!is_odd || !options->odd_is_missing)
            at = cap_add(place, at, structures[i].type, structures[i].offset,
                         is_odd ? options->odd_length : structures[i].length);
    }
    return at;
}

static void caps_fill(struct pci_place *place,
                      const struct pci_model_options *options)
{
    uint8_t *config = place->config;
    unsigned at = 0x50;

    config[0x34] = options->no_msix ? 0x50 : 0x40;
    config[0x40] = 0x11;
    config[0x41] = 0x50;
    le16_put(config + 0x42, (uint16_t)(place->msix_entries - 1));
    le32_put(config + 0x44,
             (options->msix_table_outside ? BAR_SIZE - 16 : 0x3000) |
                 place->bar);
    if (!options->no_modern) {
        if (options->decoys) { /* in a BAR that is not there: the next counts */
            at = cap_add(place, at, 1, 0, 56);
            config[at - 20 + 4] = 3;
        }
        at = structures_fill(place, at, options);
        if (options->decoys) /* elsewhere: the first one counts */
            at = cap_add(place, at, 1, 0x1000, 56);
        config[at - 20 + 1] = options->cap_loop ? 0x50 : 0;
    } else {
        config[0x50] = 1; /* power management */
        config[0x51] = options->cap_loop ? 0x50 : 0;
    }
}

static uint16_t device_id(const struct virtio_model *model,
                          const struct pci_model_options *options)
{
    if (options->device_id != 0)
        return options->device_id;
    return (uint16_t)(options->legacy ? 0x1000 + model->id - 1
                                      : 0x1040 + model->id);
}

static void bars_fill(struct pci_place *place,
                      const struct pci_model_options *options)
{
    uint8_t *at = place->config + 0x10 + 4 * place->bar;

    le32_put(at, 4);
    if (!options->bar_at_zero) {
        le32_put(at, (uint32_t)place->base | 4);
        le32_put(at + 4, (uint32_t)(place->base >> 32));
    }
    if (place->ports != 0)
        le32_put(place->config + 0x10,
                 place->ports | (options->legacy_in_memory ? 0 : 1));
}

void model_on_pci(struct virtio_model *model,
                  const struct pci_model_options *options)
{
    unsigned index = place_count++;
    struct pci_place *place = &places[index];
    const struct sim_window window = {bar_read, bar_write, place};
    const struct sim_pci function = {config_read, config_write, place};

    *place = (struct pci_place){
        .model = model,
        .addr = {0, (uint8_t)(3 + index), 0},
        .base = BAR_BASE + (uint64_t)index * BAR_SIZE,
        .bar = options->legacy ? 4 : 0,
        .ports = options->legacy ? PORTS + index * PCI_LEGACY_PORTS : 0,
        .msix_entries = options->no_msix            ? 0
                        : options->msix_entries > 0 ? options->msix_entries
                                                    : MSIX_ENTRIES,
        .refuse_vector = options->refuse_vector,
        .refuse_config_vector = options->refuse_config_vector,
        .notify_offset = options->notify_offset,
    };
    model->raise = raise_any;
    model->legacy = options->legacy && options->no_modern;
    le16_put(place->config,
             options->vendor_id != 0 ? options->vendor_id : 0x1af4);
    le16_put(place->config + 2, device_id(model, options));
    le16_put(place->config + 6, 0x10); /* capabilities */
    le16_put(place->config + 0x2e, (uint16_t)model->id);
    place->config[0x3c] = options->no_line ? 255 : LINE;
    bars_fill(place, options);
    caps_fill(place, options);
    if (place->ports != 0)
        pci_legacy_claim(place);
    if (sim_claim(HAL_IO_MEMORY, place->base, BAR_SIZE, &window) != 0 ||
        sim_pci(place->addr, &function) != 0)
        abort();
}
