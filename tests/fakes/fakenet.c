#include "tests/fakes/fakenet.h"
#include "kernel/lib/check.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>

static void queue_add(struct fakenet_queue *queue, const void *data, size_t len)
{
    struct fakenet_frame *frame;

    assert(len <= FAKENET_FRAME_MAX);
    assert(queue->count < FAKENET_FRAMES);
    frame = &queue->frame[(queue->head + queue->count++) % FAKENET_FRAMES];
    frame->len = len;
    memcpy(frame->data, data, len);
}

static const struct fakenet_frame *queue_take(struct fakenet_queue *queue)
{
    const struct fakenet_frame *frame = &queue->frame[queue->head];

    if (queue->count == 0)
        return NULL;
    queue->head = (queue->head + 1) % FAKENET_FRAMES;
    queue->count--;
    return frame;
}

static int fake_send(struct net_device *dev, struct packet *packet)
{
    struct fakenet *net = (struct fakenet *)dev;

    if (net->is_full)
        return -EAGAIN;
    queue_add(&net->sent, packet->data, packet->len);
    packet_put(packet);
    return 0;
}

static unsigned fake_poll(struct net_device *dev, unsigned budget)
{
    struct fakenet *net = (struct fakenet *)dev;
    unsigned count;

    for (count = 0; count < budget && net->coming.count > 0; count++) {
        const struct fakenet_frame *frame = queue_take(&net->coming);
        struct packet *packet = packet_get();

        assert(packet != NULL);
        memcpy(packet_append(packet, frame->len), frame->data, frame->len);
        net_receive(dev, packet);
    }
    return count;
}

static int fake_start(struct device *device)
{
    (void)device;
    return 0;
}

void fakenet_init(struct fakenet *net, const uint8_t mac[6])
{
    static const struct net_ops ops = {.send = fake_send, .poll = fake_poll};

    memset(&net->dev, 0, sizeof(net->dev));
    net->is_full = false;
    net->sent.head = net->sent.count = 0;
    net->coming.head = net->coming.count = 0;
    net->dev.ops = &ops;
    net->dev.mtu = 1500;
    net->dev.device.class = DEVICE_NET;
    net->dev.device.owner = (int)cpu_id();
    net->dev.device.start = fake_start;
    strcpy(net->dev.device.name, "fake0");
    memcpy(net->dev.mac, mac, 6);
}

void fakenet_inject(struct fakenet *net, const void *frame, size_t len)
{
    queue_add(&net->coming, frame, len);
}

const struct fakenet_frame *fakenet_sent(struct fakenet *net)
{
    return queue_take(&net->sent);
}
