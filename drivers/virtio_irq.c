/*
 * Interrupts of virtio devices. With vectors (MSI-X) changes of the
 * configuration have the first one, and queues the others; with one vector, or
 * a line, all have the same. The handlers of drivers are called from handlers
 * here, because what the machine attaches stays attached: a device that is set
 * up again may have another driver's state.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/percpu.h"
#include <torc/assert.h>
#include <torc/list.h>
#include <torc/log.h>

enum { NOWHERE = -1 };

static void change_run(struct irq_work *work)
{
    struct virtio_device *dev =
        container_of(work, struct virtio_device, change);

    if (dev->changed != NULL)
        dev->changed(dev);
}

static void vector_irq(void *arg)
{
    const struct virtio_vector *vector = arg;

    if (vector->handler != NULL)
        vector->handler(vector->arg);
}

static void config_irq(void *arg)
{
    struct virtio_device *dev = arg;

    irq_work_raise(&dev->change);
}

/* One vector for all: nothing says which it is. */
static void shared_irq(void *arg)
{
    vector_irq(&((struct virtio_device *)arg)->vectors[0]);
    config_irq(arg);
}

static void line_irq(void *arg)
{
    struct virtio_device *dev = arg;
    uint32_t cause = dev->ops->acknowledge(dev);

    if ((cause & VIRTIO_CAUSE_QUEUE) != 0)
        vector_irq(&dev->vectors[0]);
    if ((cause & VIRTIO_CAUSE_CONFIG) != 0)
        config_irq(dev);
}

static void nothing_attached(struct virtio_device *dev)
{
    for (unsigned i = 0; i < COUNT_OF(dev->cpus); i++)
        dev->cpus[i] = NOWHERE;
}

static void init(struct virtio_device *dev)
{
    irq_work_init(&dev->change, change_run);
    nothing_attached(dev);
    dev->is_attached = true;
}

/* Attach vector `number` of the transport, unless it goes there already. */
static int attach_one(struct virtio_device *dev, unsigned number, unsigned cpu,
                      void (*fn)(void *), void *arg)
{
    int status = 0;

    assert(number < COUNT_OF(dev->cpus));
    if (dev->cpus[number] != (int)cpu)
        status = dev->ops->attach(dev, number, cpu, fn, arg);
    if (status == 0)
        dev->cpus[number] = (int)cpu;
    return status;
}

/* One vector, or the line. */
static int attach_shared(struct virtio_device *dev, bool is_line)
{
    int status = attach_one(dev, 0, dev->vectors[0].cpu,
                            is_line ? line_irq : shared_irq, dev);

    dev->vector_first = 0;
    return status != 0 ? status : 1;
}

/* A vector for the configuration, and up to `count` for queues. */
static int attach_each(struct virtio_device *dev, unsigned count)
{
    int status = attach_one(dev, 0, cpu_self()->id, config_irq, dev);

    dev->vector_first = 1;
    if (status != 0)
        return status;
    for (unsigned i = 0; i < count; i++) {
        status = attach_one(dev, 1 + i, dev->vectors[i].cpu, vector_irq,
                            &dev->vectors[i]);
        if (status != 0)
            return i > 0 ? (int)i : status;
    }
    return (int)count;
}

/* Message-signalled interrupts do not work: use the line. */
static int attach_line(struct virtio_device *dev, int why)
{
    log_warn(
        "virtio: %s: MSI-X does not work (error %d): the interrupt line is "
        "used",
        dev->where, why);
    nothing_attached(dev);
    (void)dev->ops->vectors(dev, 0);
    return attach_shared(dev, true);
}

int virtio_attach(struct virtio_device *dev,
                  const struct virtio_vector vectors[], unsigned count,
                  void (*changed)(struct virtio_device *dev))
{
    unsigned there;
    int attached, status;

    assert(count >= 1 && count <= VIRTIO_VECTOR_MAX);
    assert(vectors[0].cpu == cpu_self()->id);
    if (!dev->is_attached)
        init(dev);
    dev->changed = changed;
    for (unsigned i = 0; i < count; i++)
        dev->vectors[i] = vectors[i];
    there = dev->ops->vectors(dev, count + 1);
    if (there == 0)
        return attach_shared(dev, true);
    attached =
        there == 1 ? attach_shared(dev, false) : attach_each(dev, there - 1);
    if (attached < 0)
        return attach_line(dev, attached);
    status = dev->ops->config_vector(dev, 0);
    return status != 0 ? status : attached;
}

void virtio_detach(struct virtio_device *dev, unsigned vector)
{
    assert(vector < VIRTIO_VECTOR_MAX);
    if (dev->vectors[vector].handler == NULL)
        return;
    assert(dev->vectors[vector].cpu == cpu_self()->id);
    dev->vectors[vector].handler = NULL;
    if (vector == 0)
        dev->changed = NULL;
}

unsigned virtio_vectors_max(struct virtio_device *dev, unsigned wanted)
{
    unsigned there;

    if (wanted == 0)
        wanted = 1;
    if (wanted > VIRTIO_VECTOR_MAX)
        wanted = VIRTIO_VECTOR_MAX;
    there = dev->ops->vectors(dev, wanted + 1);
    return there <= 1 ? 1 : there - 1;
}

unsigned virtio_vector_number(const struct virtio_device *dev, unsigned vector)
{
    assert(vector < VIRTIO_VECTOR_MAX);
    return dev->vector_first + vector;
}
