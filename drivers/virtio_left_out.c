/*
 * In place of a bus that an image has not: say that there are devices on it.
 */
#include "drivers/virtio_pci_internal.h"
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/string.h>

enum { MMIO_DEVICE_ID = 8, MMIO_SIZE = 0x100 }; /* VIRTIO 1.2, 4.2.2 */

/* Those that the firmware tells of: on the command line it is an unknown word.
 * A place without a device has id 0. */
static int scan_mmio(void (*add)(struct virtio_device *dev))
{
    struct hal_platform_device platform;
    struct hal_io io;
    unsigned count = 0;

    (void)add;
    for (unsigned i = 0; hal_platform_device(i, &platform) == 0; i++)
        count +=
            str_equal(platform.id, "LNRO0005") &&
            hal_io_map(HAL_IO_MEMORY, platform.base, MMIO_SIZE, &io) == 0 &&
            hal_io_read32(io, MMIO_DEVICE_ID) != 0;
    if (count > 0)
        log_warn("virtio: image without MMIO: %u left out", count);
    return 0;
}

const struct virtio_part virtio_mmio_left_out = {.scan = scan_mmio};

static void function_found(const struct pci_function *function, void *count)
{
    *(unsigned *)count += virtio_is_pci(function);
}

static int scan_pci(void (*add)(struct virtio_device *dev))
{
    unsigned count = 0;

    (void)add;
    pci_scan(function_found, &count);
    if (count > 0)
        log_warn("virtio: image without PCI: %u left out", count);
    return 0;
}

const struct virtio_part virtio_pci_left_out = {.scan = scan_pci};
