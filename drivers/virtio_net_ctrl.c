/*
 * Commands for a virtio card: VIRTIO 1.2, section 5.1.6.5. One at a time; its
 * memory is there from the start. Answers come with the interrupts of the first
 * pair. CPU of queue 0.
 */
#include "drivers/virtio_net_internal.h"
#include <torc/memory.h>
#include <torc/time.h>

enum {
    CLASS_ANNOUNCE = 3,
    ANNOUNCE_ACK = 0,
    CLASS_MQ = 4,
    MQ_PAIRS_SET = 0,
    HEADER_SIZE = 2, /* class and command */
    PAIRS_SIZE = 2,
    ACK_OK = 0,
    ACK_NONE = 0xff, /* the device has not written it */
    QUEUE_SIZE = 4,
    LOOKS_MAX = 2, /* of the watchdog: an answer takes no longer */
};

/* An answer that somebody waits for. */
#define ANSWER_NS (2 * NS_PER_S)
#define LOOK_NS   NS_PER_MS

struct vnet_command {
    uint8_t class;
    uint8_t command;
    uint16_t pairs;
    volatile uint8_t ack;
};

int vnet_ctrl_make(struct virtio_net *net, unsigned index)
{
    const struct virtio_queue_wish wish = {.size_max = QUEUE_SIZE};
    struct vnet_ctrl *ctrl = &net->ctrl;
    int status;

    assert(!ctrl->is_there && !ctrl->is_busy);
    if (ctrl->command == NULL) {
        wait_queue_init(&ctrl->end);
        ctrl->command = dma_alloc(sizeof(*ctrl->command));
    }
    if (ctrl->command == NULL)
        return -ENOMEM;
    status = virtio_queue(net->virtio, index, &wish, &ctrl->vq);
    if (status != 0)
        return status;
    ctrl->is_there = true;
    ctrl->index = index;
    vq_want_interrupt(&ctrl->vq, true);
    return 0;
}

void vnet_ctrl_end(struct virtio_net *net, int stopped)
{
    struct vnet_ctrl *ctrl = &net->ctrl;

    virtio_queue_end(&ctrl->vq, stopped);
    if (stopped == 0 && ctrl->command != NULL)
        dma_free(ctrl->command, sizeof(*ctrl->command));
    ctrl->command = NULL;
    ctrl->is_there = ctrl->is_busy = false;
}

/* The command is there: give it to the device, `size` bytes of it. */
static void submit(struct virtio_net *net, uint32_t size)
{
    struct vnet_ctrl *ctrl = &net->ctrl;
    uint64_t bus = hal_dma_addr(ctrl->command);
    const struct vq_piece pieces[] = {
        {bus, size, false},
        {bus + offsetof(struct vnet_command, ack), 1, true},
    };
    int status;

    ctrl->command->ack = ACK_NONE;
    status = vq_add(&ctrl->vq, pieces, COUNT_OF(pieces), ctrl);
    assert(status == 0);
    ctrl->is_busy = true;
    ctrl->looks = 0;
    virtio_kick(net->virtio, ctrl->index, &ctrl->vq);
    vnet_pair_watch(vnet_pair_of(&net->net.queues[0]));
}

void vnet_ctrl_poll(struct virtio_net *net)
{
    struct vnet_ctrl *ctrl = &net->ctrl;
    uint32_t written;
    void *cookie;
    int status;

    if (!ctrl->is_busy)
        return;
    status = vq_take(&ctrl->vq, &cookie, &written);
    if (status < 0) {
        vnet_ask_reset(net, "breaks the rules of its queue");
    } else if (status > 0) {
        ctrl->is_busy = false;
        ctrl->status = ctrl->command->ack == ACK_OK ? 0 : -EIO;
        wait_wake_all(&ctrl->end);
        vq_want_interrupt(&ctrl->vq, true);
        vnet_look(net); /* it may have asked once more meanwhile */
    }
}

void vnet_ctrl_announced(struct virtio_net *net)
{
    assert(!net->ctrl.is_busy);
    net->ctrl.command->class = CLASS_ANNOUNCE;
    net->ctrl.command->command = ANNOUNCE_ACK;
    submit(net, HEADER_SIZE);
}

bool vnet_ctrl_hangs(struct virtio_net *net)
{
    return net->ctrl.is_busy && ++net->ctrl.looks >= LOOKS_MAX;
}

/* Looks at the ring now and then: the interrupt may be lost. */
int vnet_ctrl_pairs(struct virtio_net *net, uint16_t pairs)
{
    struct vnet_ctrl *ctrl = &net->ctrl;
    uint64_t end = time_ns() + ANSWER_NS;

    assert(ctrl->is_there && !ctrl->is_busy);
    ctrl->command->class = CLASS_MQ;
    ctrl->command->command = MQ_PAIRS_SET;
    ctrl->command->pairs = pairs;
    submit(net, HEADER_SIZE + PAIRS_SIZE);
    while (ctrl->is_busy && !ctrl->vq.broken) {
        uint64_t now = time_ns();

        if (now >= end)
            return -ETIMEDOUT;
        if (wait_on_until(&ctrl->end, now + LOOK_NS) != 0)
            vnet_ctrl_poll(net);
    }
    return ctrl->vq.broken ? -EIO : ctrl->status;
}

void vnet_ctrl_check(const struct virtio_net *net)
{
    const struct vnet_ctrl *ctrl = &net->ctrl;

    if (!ctrl->is_there) {
        assert(!ctrl->is_busy);
        return;
    }
    assert(ctrl->command != NULL);
    vq_check(&ctrl->vq);
    assert((ctrl->vq.free_count == ctrl->vq.size) == !ctrl->is_busy);
}
