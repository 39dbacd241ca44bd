/*
 * A virtio card that is reset while it works: because it asks for it
 * (NEEDS_RESET), breaks the rules of its queues, or does nothing. A thread of
 * the owner does so:
 *
 *   all pairs stop: frames to be sent wait; the device is reset; what it had is
 *   dropped; it is set up again, and the pairs begin anew.
 *
 * A card that cannot be stopped, does not come back as it was, or is reset
 * again and again in no time and carries no frame between, is given up.
 */
#include "drivers/virtio_net_internal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include <torc/log.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { RESETS_IN_VAIN = 5 };
#define SOON_NS NS_PER_S

/* ---- Asking -------------------------------------------------------------- */

static void wake(struct virtio_net *net)
{
    net->reset.is_wanted = true;
    wait_wake_all(&net->reset.wait);
}

/* On the owner. */
static void asked(struct exchange_item *item)
{
    wake(container_of(item, struct vnet_pair, ask)->net);
}

void vnet_pair_ask_reset(struct vnet_pair *pair, const char *why)
{
    struct net_device *dev = &pair->net->net;

    if (pair->has_asked || pair->state != VNET_LIVE)
        return;
    pair->has_asked = true;
    pair->state = VNET_OFF;
    log_error("%s: the card %s: it is reset", dev->device.name, why);
    if (device_is_mine(&dev->device)) {
        wake(pair->net);
        return;
    }
    pair->ask.run = asked;
    exchange_send(dev->queues[0].cpu, &pair->ask);
}

void vnet_ask_reset(struct virtio_net *net, const char *why)
{
    if (!net->is_up || net->reset.is_wanted)
        return;
    log_error("%s: the card %s: it is reset", net->net.device.name, why);
    wake(net);
}

/* ---- Resetting ----------------------------------------------------------- */

static int pair_stop(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    pair->state = VNET_OFF;
    pair->net->reset.now += queue->rx_frames + pair->sent;
    return 0;
}

/* Whether it has carried frames since the last time, which was long ago, or may
 * try again. */
static bool is_worth_it(struct vnet_reset *reset)
{
    uint64_t now_ns = time_ns();

    if (reset->now != reset->activity || now_ns - reset->last_ns >= SOON_NS)
        reset->in_vain = 0;
    reset->activity = reset->now;
    reset->last_ns = now_ns;
    return ++reset->in_vain <= RESETS_IN_VAIN;
}

static int reset(struct virtio_net *net)
{
    net->is_up = false;
    net->reset.now = 0;
    (void)net_each_queue(&net->net, pair_stop);
    /* What the pairs asked for has arrived: they were all visited. */
    net->reset.is_wanted = false;
    net->status = virtio_stop(net->virtio);
    vnet_ctrl_end(net, net->status);
    (void)net_each_queue(&net->net, vnet_pair_end);
    if (net->status != 0)
        return net->status;
    return is_worth_it(&net->reset) ? vnet_setup(net) : -EIO;
}

static void run(struct virtio_net *net)
{
    int status = reset(net);

    if (status == 0) {
        log_warn("%s: works again", net->net.device.name);
        (void)net_each_queue(&net->net, vnet_pair_begin);
        vnet_look(net);
        return;
    }
    log_error("%s: it cannot be reset (error %d): the card is given up",
              net->net.device.name, status);
    net_link_set(&net->net, false);
    (void)net_each_queue(&net->net, vnet_pair_die);
}

static int reset_main(void *arg)
{
    struct virtio_net *net = arg;

    while (!net->reset.ends) {
        if (net->reset.is_wanted)
            run(net);
        else
            wait_on(&net->reset.wait);
    }
    return 0;
}

int vnet_reset_begin(struct virtio_net *net)
{
    const struct thread_attr attr = {.name = net->net.device.name};

    net->reset = (struct vnet_reset){.ends = false};
    wait_queue_init(&net->reset.wait);
    return thread_create(&attr, reset_main, net, &net->reset.thread);
}

void vnet_reset_end(struct virtio_net *net)
{
    int status;

    net->reset.ends = true;
    wait_wake_all(&net->reset.wait);
    status = thread_join(net->reset.thread, NULL);
    assert(status == 0);
}
