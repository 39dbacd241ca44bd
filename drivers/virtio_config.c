/* The configuration of virtio devices: VIRTIO 1.2, sections 2.5 and 4.1.3.1. */
#include "drivers/virtio.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

enum { TRIES_MAX = 100 };

uint32_t virtio_io_read(struct hal_io io, size_t offset, unsigned width)
{
    if (offset >= io.size || io.size - offset < width)
        return 0;
    return width == 1   ? hal_io_read8(io, offset)
           : width == 2 ? hal_io_read16(io, offset)
                        : hal_io_read32(io, offset);
}

/* A field of 64 bits is two of 32: 4.1.3.1, 4.2.2.2. */
static uint64_t field_read(struct virtio_device *dev,
                           const struct virtio_field *field)
{
    struct hal_io io = dev->ops->config(dev);
    unsigned width = field->width < 4 ? field->width : 4;
    uint64_t value = 0;

    for (unsigned at = 0; at < field->width; at += width)
        value |= (uint64_t)virtio_io_read(io, field->offset + at, width)
                 << 8 * at;
    return value;
}

/* Read all fields. Returns whether one differs from what was there. */
static bool fields_read(struct virtio_device *dev,
                        const struct virtio_field fields[], unsigned count,
                        uint64_t values[])
{
    bool differs = false;

    for (unsigned i = 0; i < count; i++) {
        uint64_t value = field_read(dev, &fields[i]);

        differs = differs || value != values[i];
        values[i] = value;
    }
    return differs;
}

int virtio_config_read(struct virtio_device *dev,
                       const struct virtio_field fields[], unsigned count,
                       uint64_t values[])
{
    bool has_generation = !dev->is_legacy; /* 4.1.4.10, 4.2.4 */

    assert(count > 0);
    memset(values, 0, count * sizeof(values[0]));
    if (!has_generation)
        (void)fields_read(dev, fields, count, values);
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        uint32_t before = has_generation ? dev->ops->generation(dev) : 0;
        bool differs = fields_read(dev, fields, count, values);

        if (has_generation ? dev->ops->generation(dev) == before : !differs)
            return 0;
    }
    log_error("virtio: the configuration of %s does not come to rest",
              dev->where);
    return -EIO;
}

void virtio_config_write32(struct virtio_device *dev, unsigned offset,
                           uint32_t value)
{
    struct hal_io io = dev->ops->config(dev);

    if (offset < io.size && io.size - offset >= sizeof(value))
        hal_io_write32(io, offset, value);
}
