/* All that virtio can: for applications that do not say what they want. */
#include <stddef.h>
#include <torc/drivers.h>

const struct virtio_part *const virtio_parts[] = {
    &virtio_pci_part, &virtio_legacy_part, &virtio_mmio_part,
    &virtio_packed_part, NULL};
