#include "kernel/device/netdev.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/minmax.h"
#include "kernel/thread/errand.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/message.h>
#include <torc/string.h>

struct net_device *net_from_device(struct device *device)
{
    if (device == NULL || device->class != DEVICE_NET)
        return NULL;
    return container_of(device, struct net_device, device);
}

/* ---- Starting ------------------------------------------------------------ */

/* On the new owner, the CPU of queue 0. */
static int net_start(struct device *device)
{
    struct net_device *dev = net_from_device(device);
    int status;

    dev->queue_count = min_u32(device->cpu_count, dev->queue_max);
    for (unsigned i = 0; i < dev->queue_count; i++)
        dev->queues[i].cpu = device->cpus[i];
    dev->link_up = true; /* of a card that cannot tell */
    status = dev->ops->start(dev);
    if (status == 0)
        net_check(dev);
    else
        dev->queue_count = 0;
    return status;
}

int net_register(struct net_device *dev)
{
    dev->device.class = DEVICE_NET;
    dev->device.start = net_start;
    if (dev->queue_max == 0)
        dev->queue_max = 1;
    assert(dev->queue_max <= NET_QUEUE_MAX);
    for (unsigned i = 0; i < NET_QUEUE_MAX; i++) {
        dev->queues[i].device = dev;
        dev->queues[i].index = i;
    }
    return device_register(&dev->device, "net");
}

int net_dedicate(struct net_device *dev, const unsigned cpus[], unsigned count)
{
    return device_dedicate_cpus(&dev->device, cpus, count);
}

struct net_queue *net_queue_mine(struct net_device *dev)
{
    for (unsigned i = 0; i < dev->queue_count; i++) {
        if (dev->queues[i].cpu == cpu_self()->id)
            return &dev->queues[i];
    }
    return NULL;
}

struct visit {
    struct errand errand;
    struct net_queue *queue;
    int (*fn)(struct net_queue *queue);
};

static void visit_arrive(struct errand *errand)
{
    struct visit *visit = container_of(errand, struct visit, errand);

    errand_answer(errand, visit->fn(visit->queue));
}

int net_each_queue(struct net_device *dev, int (*fn)(struct net_queue *queue))
{
    int status = 0;

    for (unsigned i = 0; status == 0 && i < dev->queue_count; i++) {
        struct visit visit = {.queue = &dev->queues[i], .fn = fn};

        status = errand_run(&visit.errand, dev->queues[i].cpu, visit_arrive);
    }
    return status;
}

/* ---- What drivers tell --------------------------------------------------- */

void net_wake(struct net_queue *queue)
{
    assert(queue->cpu == cpu_self()->id);
    if (queue->wake != NULL)
        queue->wake(queue);
}

void net_attend(struct net_queue *queue)
{
    assert(queue->cpu == cpu_self()->id);
    if (queue->attend != NULL)
        queue->attend(queue);
    else
        net_wake(queue);
}

void net_link_set(struct net_device *dev, bool up)
{
    assert(device_is_mine(&dev->device));
    if (dev->link_up == up)
        return;
    dev->link_up = up;
    log_info("%s: link %s", dev->device.name, up ? "up" : "down");
    if (dev->link_changed != NULL)
        dev->link_changed(dev);
}

void net_announce(struct net_device *dev)
{
    assert(device_is_mine(&dev->device));
    if (dev->announce != NULL)
        dev->announce(dev);
}

/* ---- Groups -------------------------------------------------------------- */

/* Where a group is in the table; group_count: nowhere. */
static unsigned group_find(const struct net_device *dev, const uint8_t group[6])
{
    unsigned i = 0;

    while (i < dev->group_count && memcmp(dev->groups[i], group, 6) != 0)
        i++;
    return i;
}

static void groups_changed(struct net_device *dev)
{
    if (dev->ops->listen != NULL && dev->queue_count > 0)
        dev->ops->listen(dev);
}

int net_group_add(struct net_device *dev, const uint8_t group[6])
{
    assert(device_is_mine(&dev->device));
    if (group_find(dev, group) < dev->group_count)
        return -EEXIST;
    if (dev->group_count == NET_GROUPS_MAX)
        return -ENOSPC;
    memcpy(dev->groups[dev->group_count++], group, 6);
    groups_changed(dev);
    return 0;
}

int net_group_remove(struct net_device *dev, const uint8_t group[6])
{
    unsigned i = group_find(dev, group);

    assert(device_is_mine(&dev->device));
    if (i == dev->group_count)
        return -ENOENT;
    memcpy(dev->groups[i], dev->groups[--dev->group_count], 6);
    groups_changed(dev);
    return 0;
}

bool net_address_valid(const uint8_t mac[6])
{
    uint8_t any = 0;

    for (unsigned i = 0; i < 6; i++)
        any |= mac[i];
    return (mac[0] & 1) == 0 && any != 0;
}

void net_check(const struct net_device *dev)
{
    const unsigned segments = NET_TX_TCP4 | NET_TX_TCP6;

    assert(dev->device.class == DEVICE_NET);
    assert(dev->queue_max >= 1 && dev->queue_max <= NET_QUEUE_MAX);
    assert(dev->queue_count >= 1 && dev->queue_count <= dev->queue_max);
    for (unsigned i = 0; i < dev->queue_count; i++) {
        assert(dev->queues[i].device == dev && dev->queues[i].index == i);
        for (unsigned j = 0; j < i; j++)
            assert(dev->queues[i].cpu != dev->queues[j].cpu);
    }
    assert(dev->group_count <= NET_GROUPS_MAX);
    for (unsigned i = 0; i < dev->group_count; i++) {
        assert((dev->groups[i][0] & 1) != 0);
        assert(group_find(dev, dev->groups[i]) == i);
    }
    /* A segment without its checksum is none. */
    assert((dev->offloads & segments) == 0 ||
           (dev->offloads & NET_TX_CSUM) != 0);
    if (dev->ops->check != NULL)
        dev->ops->check(dev);
}
