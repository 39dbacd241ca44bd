/*
 * The card of a member that has no queue: it sends by another CPU's queue, and
 * no frame comes from it (what comes is handed over by the stacks).
 */
#include "net/group.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>

/* Frames of one member that wait for the card's CPU, or for the card. */
enum { PORT_SENT_MAX = 128 };

/* Owner: the member's CPU. */
struct port {
    struct net_device dev;
    unsigned via; /* the CPU that sends */
};

/* On the CPU that sends. */
static void sent_arrived(struct packet *packet)
{
    struct net_stack *stack = stack_self();

    if (stack != NULL)
        stack_transmit(stack, packet);
    else
        packet_put(packet);
}

static unsigned port_send(struct net_queue *queue,
                          struct packet *const packets[], unsigned count)
{
    struct port *port = container_of(queue->device, struct port, dev);
    unsigned sent;

    for (sent = 0; sent < count; sent++) {
        if (packet_given_count(port->via) >= PORT_SENT_MAX)
            break;
        net_count_sent(queue, packet_len(packets[sent]));
        packet_give(packets[sent], port->via, sent_arrived);
    }
    return sent;
}

static unsigned port_poll(struct net_queue *queue, struct packet *packets[],
                          unsigned max)
{
    (void)queue;
    (void)packets;
    (void)max;
    return 0;
}

static bool port_arm(struct net_queue *queue, bool on)
{
    (void)queue;
    (void)on;
    return true;
}

static const struct net_ops port_ops = {
    .poll = port_poll,
    .send = port_send,
    .arm = port_arm,
};

struct net_queue *group_port_create(struct net_device *card, unsigned via)
{
    struct port *port = mem_alloc_zeroed(sizeof(*port));

    if (port == NULL)
        return NULL;
    port->via = via;
    port->dev.device.class = DEVICE_NET;
    memcpy(port->dev.device.name, card->device.name, DEVICE_NAME_MAX);
    port->dev.ops = &port_ops;
    memcpy(port->dev.mac, card->mac, sizeof(card->mac));
    port->dev.mtu = card->mtu;
    port->dev.offloads = card->offloads;
    port->dev.queue_max = port->dev.queue_count = 1;
    port->dev.link_up = true;
    port->dev.queues[0].device = &port->dev;
    port->dev.queues[0].cpu = cpu_id();
    return &port->dev.queues[0];
}

void group_port_destroy(struct net_queue *queue)
{
    mem_free(container_of(queue->device, struct port, dev));
}
