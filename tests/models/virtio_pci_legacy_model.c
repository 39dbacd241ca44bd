/*
 * The legacy interface of virtio over PCI: VIRTIO 1.2, section 4.1.4.10. Ports
 * of BAR 0; two registers more, and the configuration behind them, while MSI-X
 * is on.
 */
#include "hal/posix/kernel/simbus.h"
#include "tests/models/virtio_pci_internal.h"
#include <stdlib.h>

enum {
    DEVICE_FEATURES = 0,
    DRIVER_FEATURES = 4,
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    STATUS = 18,
    ISR = 19,
    CONFIG_VECTOR = 20,
    QUEUE_VECTOR = 22,
};

/* Where the device's own configuration begins. */
static size_t config_at(const struct pci_place *place)
{
    return pci_place_msix_on(place) ? 24 : 20;
}

static unsigned width_of(size_t offset)
{
    return offset < QUEUE_SIZE ? 4 : offset == STATUS || offset == ISR ? 1 : 2;
}

static bool queue_exists(const struct pci_place *place)
{
    return place->model->queue_select < place->model->queue_count;
}

static uint32_t ports_read(void *arg, size_t offset, unsigned width)
{
    struct pci_place *place = arg;
    struct virtio_model *model = place->model;
    uint32_t isr = model->isr;

    if (offset >= config_at(place))
        return model_config_read(model, offset - config_at(place), width);
    if (width != width_of(offset))
        model_breach("port %zu read with %u bytes", offset, width);
    switch (offset) {
    case DEVICE_FEATURES:
        return (uint32_t)model->offered;
    case QUEUE_SIZE:
        return queue_exists(place) ? model->queue_max : 0;
    case STATUS:
        return model_get_status(model);
    case ISR:
        model->isr = 0;
        return isr;
    case CONFIG_VECTOR:
        return place->config_vector;
    case QUEUE_VECTOR:
        return queue_exists(place) ? place->queue_vector[model->queue_select]
                                   : NO_VECTOR;
    default:
        model_breach("port %zu is not for reading", offset);
        return 0;
    }
}

static void queue_write(struct pci_place *place, size_t offset, uint32_t value)
{
    struct virtio_model *model = place->model;

    if (!queue_exists(place))
        model_breach("queue %u does not exist", model->queue_select);
    if (offset == QUEUE_VECTOR)
        place->queue_vector[model->queue_select] =
            pci_place_vector(place, value, false);
    else
        model_legacy_queue(model, model->queue_select,
                           (uint16_t)model->queue_max, (uint64_t)value * 4096);
}

static void ports_write(void *arg, size_t offset, unsigned width,
                        uint32_t value)
{
    struct pci_place *place = arg;
    struct virtio_model *model = place->model;

    if (offset >= config_at(place)) {
        model_config_write(model, offset - config_at(place), width, value);
        return;
    }
    if (width != width_of(offset))
        model_breach("port %zu written with %u bytes", offset, width);
    switch (offset) {
    case DRIVER_FEATURES:
        model->accepted = value;
        break;
    case QUEUE_SELECT:
        model->queue_select = value;
        break;
    case QUEUE_NOTIFY:
        model_notify(model, value);
        break;
    case STATUS:
        pci_place_status(place, value);
        break;
    case CONFIG_VECTOR:
        place->config_vector = pci_place_vector(place, value, true);
        break;
    case QUEUE_ADDRESS:
    case QUEUE_VECTOR:
        queue_write(place, offset, value);
        break;
    default:
        model_breach("port %zu is not for writing", offset);
    }
}

void pci_legacy_claim(struct pci_place *place)
{
    const struct sim_window window = {ports_read, ports_write, place};

    if (sim_claim(HAL_IO_PORT, place->ports, PCI_LEGACY_PORTS, &window) != 0)
        abort();
}
