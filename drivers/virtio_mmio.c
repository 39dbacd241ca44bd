/*
 * Virtio over MMIO: VIRTIO 1.2, section 4.2; and version 1, the legacy
 * interface that QEMU's microvm has by default, section 4.2.4.
 *
 * The devices are those that the firmware describes (hal_platform_device) and
 * those on the command line, in the form that Linux and Firecracker use:
 *     virtio_mmio.device=SIZE@ADDRESS:IRQ
 */
#include "drivers/virtio.h"
#include "kernel/base/cmdline.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE_ID = 0x008,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SELECT = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SELECT = 0x024,
    REG_GUEST_PAGE_SIZE = 0x028, /* version 1 */
    REG_QUEUE_SELECT = 0x030,
    REG_QUEUE_MAX = 0x034,
    REG_QUEUE_SIZE = 0x038,
    REG_QUEUE_ALIGN = 0x03c, /* version 1 */
    REG_QUEUE_PFN = 0x040,   /* version 1 */
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_INTERRUPT_STATUS = 0x060,
    REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC = 0x080,
    REG_QUEUE_DRIVER = 0x090,
    REG_QUEUE_DEVICE = 0x0a0,
    REG_GENERATION = 0x0fc, /* version 2 */
    REG_CONFIG = 0x100,
    MAGIC = 0x74726976, /* "virt" */
    SIZE_MIN = 0x200,
    LEGACY_PAGE = 4096,
};

struct virtio_mmio {
    struct virtio_device virtio;
    struct hal_io io;
    int irq;
};

static struct virtio_mmio *mmio_of(struct virtio_device *dev)
{
    return container_of(dev, struct virtio_mmio, virtio);
}

static uint64_t get_features(struct virtio_device *dev)
{
    struct hal_io io = mmio_of(dev)->io;

    if (!dev->is_legacy)
        return virtio_read_halves(io, REG_DEVICE_FEATURES_SELECT,
                                  REG_DEVICE_FEATURES);
    hal_io_write32(io, REG_DEVICE_FEATURES_SELECT, 0);
    return hal_io_read32(io, REG_DEVICE_FEATURES);
}

static void set_features(struct virtio_device *dev, uint64_t features)
{
    struct hal_io io = mmio_of(dev)->io;

    if (!dev->is_legacy) {
        virtio_write_halves(io, REG_DRIVER_FEATURES_SELECT, REG_DRIVER_FEATURES,
                            features);
        return;
    }
    assert(features <= UINT32_MAX);
    hal_io_write32(io, REG_DRIVER_FEATURES_SELECT, 0);
    hal_io_write32(io, REG_DRIVER_FEATURES, (uint32_t)features);
    hal_io_write32(io, REG_GUEST_PAGE_SIZE, LEGACY_PAGE);
}

static uint8_t get_status(struct virtio_device *dev)
{
    return (uint8_t)hal_io_read32(mmio_of(dev)->io, REG_STATUS);
}

static void set_status(struct virtio_device *dev, uint8_t status)
{
    hal_io_write32(mmio_of(dev)->io, REG_STATUS, status);
}

static uint16_t queue_max(struct virtio_device *dev, unsigned index)
{
    struct hal_io io = mmio_of(dev)->io;
    uint32_t size;

    hal_io_write32(io, REG_QUEUE_SELECT, index);
    size = hal_io_read32(io, REG_QUEUE_MAX);
    return size > VIRTQUEUE_SIZE_MAX ? VIRTQUEUE_SIZE_MAX : (uint16_t)size;
}

static int queue_setup(struct virtio_device *dev, unsigned index,
                       const struct virtqueue *vq, unsigned vector)
{
    struct hal_io io = mmio_of(dev)->io;

    (void)vector; /* all have the line */
    hal_io_write32(io, REG_QUEUE_SELECT, index);
    hal_io_write32(io, REG_QUEUE_SIZE, vq->size);
    if (dev->is_legacy) {
        if (vq_desc_bus(vq) / LEGACY_PAGE > UINT32_MAX)
            return -ENOMEM;
        hal_io_write32(io, REG_QUEUE_ALIGN, LEGACY_PAGE);
        hal_io_write32(io, REG_QUEUE_PFN,
                       (uint32_t)(vq_desc_bus(vq) / LEGACY_PAGE));
        return 0;
    }
    virtio_write64(io, REG_QUEUE_DESC, vq_desc_bus(vq));
    virtio_write64(io, REG_QUEUE_DRIVER, vq_driver_bus(vq));
    virtio_write64(io, REG_QUEUE_DEVICE, vq_device_bus(vq));
    hal_io_write32(io, REG_QUEUE_READY, 1);
    return 0;
}

static void notify(struct virtio_device *dev, unsigned index)
{
    hal_io_write32(mmio_of(dev)->io, REG_QUEUE_NOTIFY, index);
}

static struct hal_io config(struct virtio_device *dev)
{
    return virtio_io_behind(mmio_of(dev)->io, REG_CONFIG);
}

static uint32_t generation(struct virtio_device *dev)
{
    return hal_io_read32(mmio_of(dev)->io, REG_GENERATION);
}

/* There is a line, and nothing else. */
static unsigned vectors(struct virtio_device *dev, unsigned wanted)
{
    (void)dev;
    (void)wanted;
    return 0;
}

static int attach(struct virtio_device *dev, unsigned vector, unsigned cpu,
                  void (*fn)(void *), void *arg)
{
    assert(vector == 0);
    return hal_irq_attach(mmio_of(dev)->irq, cpu, fn, arg);
}

static uint32_t acknowledge(struct virtio_device *dev)
{
    struct hal_io io = mmio_of(dev)->io;
    uint32_t cause = hal_io_read32(io, REG_INTERRUPT_STATUS);

    if (cause != 0)
        hal_io_write32(io, REG_INTERRUPT_ACK, cause);
    return cause;
}

static const struct virtio_transport_ops mmio_ops = {
    .get_features = get_features,
    .set_features = set_features,
    .get_status = get_status,
    .set_status = set_status,
    .queue_max = queue_max,
    .queue_setup = queue_setup,
    .notify = notify,
    .config = config,
    .generation = generation,
    .vectors = vectors,
    .attach = attach,
    .acknowledge = acknowledge,
};

/* ---- Finding ------------------------------------------------------------- */

/* Add the device at one place, unless its id is 0: then the place is empty.
 * Returns 0, -ENOMEM. */
static int device_probe(uint64_t base, size_t size, int irq,
                        void (*add)(struct virtio_device *dev))
{
    struct virtio_mmio *mmio;
    struct hal_io io;
    uint32_t version, id;

    if (size < SIZE_MIN || hal_io_map(HAL_IO_MEMORY, base, size, &io) != 0 ||
        hal_io_read32(io, REG_MAGIC) != MAGIC) {
        log_warn("virtio: nothing at mmio %llx: left out",
                 (unsigned long long)base);
        return 0;
    }
    version = hal_io_read32(io, REG_VERSION);
    id = hal_io_read32(io, REG_DEVICE_ID);
    if (id == 0)
        return 0;
    if (version != 1 && version != 2) {
        log_warn("virtio: mmio %llx has version %u: left out",
                 (unsigned long long)base, version);
        return 0;
    }
    mmio = mem_alloc_zeroed(sizeof(*mmio));
    if (mmio == NULL)
        return -ENOMEM;
    mmio->io = io;
    mmio->irq = irq;
    mmio->virtio.is_legacy = version == 1;
    mmio->virtio.ops = &mmio_ops;
    mmio->virtio.id = id;
    fmt_print(mmio->virtio.where, sizeof(mmio->virtio.where), "mmio %llx",
              (unsigned long long)base);
    add(&mmio->virtio);
    return 0;
}

/* Read a number that ends at the character `c`; *text moves behind it, even
 * behind a NUL. Returns false when the text is not of that form. */
static bool number_until(const char **text, char c, uint64_t *out)
{
    char digits[24];
    size_t len = 0;

    while ((*text)[len] != c && (*text)[len] != '\0')
        len++;
    if (len >= sizeof(digits) || (*text)[len] != c)
        return false;
    for (size_t i = 0; i < len; i++)
        digits[i] = (*text)[i];
    assert(len < sizeof(digits));
    digits[len] = '\0';
    *text += len + 1;
    return str_to_u64(digits, out) == 0;
}

const char *const virtio_options[] = {
    "virtio_mmio.device=SIZE@ADDRESS:IRQ a device that no table tells of; may "
    "be repeated (none)",
    NULL,
};

/* Add the device that one option names. Returns 0, -ENOMEM. */
static int option_probe(const char *text,
                        void (*add)(struct virtio_device *dev))
{
    const char *at = text;
    uint64_t size, base, irq;

    if (!number_until(&at, '@', &size) || !number_until(&at, ':', &base) ||
        !number_until(&at, '\0', &irq) || irq > 255) {
        log_error(
            "virtio_mmio.device=%s: use SIZE@ADDRESS:IRQ, as 4K@0xd0000000"
            ":5",
            text);
        return 0;
    }
    return device_probe(base, size, (int)irq, add);
}

static int mmio_scan(void (*add)(struct virtio_device *dev))
{
    struct hal_platform_device platform;
    const char *text;
    int status = 0;

    for (unsigned i = 0; status == 0 && hal_platform_device(i, &platform) == 0;
         i++) {
        if (str_equal(platform.id, "LNRO0005"))
            status =
                device_probe(platform.base, platform.size, platform.irq, add);
    }
    for (unsigned i = 0;
         status == 0 && (text = cmdline_value("virtio_mmio.device", i)) != NULL;
         i++)
        status = option_probe(text, add);
    return status;
}

const struct virtio_part virtio_mmio_part = {.scan = mmio_scan};
