/*
 * A pair of queues of a virtio card, on the CPU that it belongs to: its rings,
 * its interrupts, and the watchdog.
 *
 * The watchdog looks at the pair every 5 s while frames come and go, else ever
 * less often, down to every 80 s: for an interrupt that was lost, for frames
 * that the device does not send, for a command that it does not answer, and for
 * a ring that could not be filled when the card was set up again.
 */
#include "drivers/virtio_net_internal.h"
#include "kernel/cpu/percpu.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    QUEUE_SIZE = 256,
    QUEUE_SIZE_SMALL = 64, /* where memory is short */
    SMALL_MEMORY = 16 * 1024 * 1024,
    TABLES = 16, /* for frames of many pieces */
};

#define WATCH_NS     (5 * NS_PER_S) /* as long as a frame may take, too */
#define WATCH_MAX_NS (80 * NS_PER_S)

/* ---- Interrupts ---------------------------------------------------------- */

void vnet_pair_irq(void *arg)
{
    struct vnet_pair *pair = vnet_pair_of(arg);

    if (pair != NULL)
        irq_work_raise(&pair->work);
}

/* A pair that was removed is freed by its irq work, where that is to run. */
static void free_when_idle(struct vnet_pair *pair)
{
    assert(!pair->kick.raised); /* it was never live, and took no frame */
    if (!pair->work.raised)
        mem_free(pair);
}

/* Who uses the queue: there may be frames, or room for those that wait. */
static void wake(struct vnet_pair *pair)
{
    pair->is_awaited = false;
    net_wake(pair->queue);
}

static void work_run(struct irq_work *work)
{
    struct vnet_pair *pair = container_of(work, struct vnet_pair, work);

    if (pair->state == VNET_REMOVED) {
        free_when_idle(pair);
        return;
    }
    if (pair->queue->index == 0)
        vnet_ctrl_poll(pair->net);
    pair->is_awaited = false;
    /* With EVENT_IDX the one interrupt has answered. */
    if (!pair->rx.has_event_idx)
        (void)vnet_arm(pair->queue, false);
    net_attend(pair->queue);
}

/* ---- The watchdog -------------------------------------------------------- */

/* Without memory for the timer nobody watches, until frames are sent. */
static void watch_in(struct vnet_pair *pair, uint64_t ns)
{
    pair->watch_ns = ns;
    if (timer_set(&pair->watchdog, time_ns() + ns) != 0)
        pair->watch_ns = WATCH_MAX_NS;
}

void vnet_pair_watch(struct vnet_pair *pair)
{
    if (pair->watch_ns == WATCH_NS)
        return;
    pair->watch_busy = false;
    watch_in(pair, WATCH_NS);
}

/* Whether frames wait to be sent. */
static bool is_busy(const struct vnet_pair *pair)
{
    return pair->tx.free_count < pair->tx.size;
}

static bool has_command(const struct vnet_pair *pair)
{
    return pair->queue->index == 0 && pair->net->ctrl.is_busy;
}

static void watch(struct vnet_pair *pair)
{
    struct virtio_net *net = pair->net;
    bool is_first = pair->queue->index == 0;

    if (is_first) {
        vnet_look(net);
        vnet_ctrl_poll(net);
    }
    vnet_rx_fill(pair);
    virtio_kick(net->virtio, vnet_rx_index(pair), &pair->rx);
    if (vnet_tx_reclaim(pair) < 0)
        vnet_pair_ask_reset(pair, "breaks the rules of its queue");
    else if (is_busy(pair) && pair->watch_busy &&
             pair->sent == pair->watch_sent)
        vnet_pair_ask_reset(pair, "sends nothing");
    else if (is_first && vnet_ctrl_hangs(net))
        vnet_pair_ask_reset(pair, "does not answer");
    else if (pair->is_awaited || vq_has_used(&pair->rx))
        wake(pair);
}

/* When to look again: at what the device has, soon. */
static uint64_t watch_next(const struct vnet_pair *pair, uint64_t activity)
{
    if (is_busy(pair) || has_command(pair) || activity != pair->watch_activity)
        return WATCH_NS;
    return pair->watch_ns < WATCH_MAX_NS ? 2 * pair->watch_ns : WATCH_MAX_NS;
}

static void watchdog_run(struct timer *timer)
{
    struct vnet_pair *pair = container_of(timer, struct vnet_pair, watchdog);
    uint64_t activity = pair->queue->rx_frames + pair->queue->tx_frames;
    uint64_t next;

    if (pair->state != VNET_LIVE)
        return;
    watch(pair);
    if (pair->state != VNET_LIVE)
        return;
    next = watch_next(pair, activity);
    pair->watch_activity = activity;
    pair->watch_sent = pair->sent;
    pair->watch_busy = is_busy(pair);
    watch_in(pair, next);
}

static void kick_run(struct irq_work *work)
{
    struct vnet_pair *pair = container_of(work, struct vnet_pair, kick);

    if (pair->state != VNET_LIVE)
        return;
    virtio_kick(pair->net->virtio, vnet_tx_index(pair), &pair->tx);
    vnet_pair_watch(pair);
}

/* ---- Making -------------------------------------------------------------- */

static struct vnet_pair *pair_create(struct net_queue *queue)
{
    struct vnet_pair *pair = mem_alloc_zeroed(sizeof(*pair));

    if (pair == NULL)
        return NULL;
    pair->net = vnet_of(queue->device);
    pair->queue = queue;
    irq_work_init(&pair->work, work_run);
    irq_work_init(&pair->kick, kick_run);
    timer_init(&pair->watchdog, watchdog_run);
    return pair;
}

/* As the features say. */
static void pair_describe(struct vnet_pair *pair)
{
    const struct virtio_net *net = pair->net;
    const struct virtio_device *virtio = net->virtio;
    unsigned mtu = virtio_has(virtio, NET_F_MTU) ? net->mtu : net->net.mtu;

    pair->is_merging = virtio_has(virtio, NET_F_MRG_RXBUF);
    pair->has_rx_sums = virtio_has(virtio, NET_F_GUEST_CSUM);
    pair->has_header_apart =
        virtio->is_legacy && (virtio->features & VIRTIO_F_ANY_LAYOUT) == 0;
    pair->header_size =
        virtio->is_legacy ? VNET_HEADER_SIZE_LEGACY : VNET_HEADER_SIZE;
    pair->frame_max = mtu + VNET_ETHER;
}

static int rings_make(struct vnet_pair *pair)
{
    bool is_small = mem_free_bytes() < SMALL_MEMORY;
    struct virtio_queue_wish wish = {
        .size_max = is_small ? QUEUE_SIZE_SMALL : QUEUE_SIZE,
        .vector = pair->queue->index,
    };
    struct virtio_device *virtio = pair->net->virtio;
    int status = virtio_queue(virtio, vnet_rx_index(pair), &wish, &pair->rx);

    wish.table_count = is_small ? TABLES / 4 : TABLES;
    wish.table_len = VNET_PIECES_MAX;
    if (status == 0)
        status = virtio_queue(virtio, vnet_tx_index(pair), &wish, &pair->tx);
    return status;
}

int vnet_pair_make(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    if (pair == NULL) {
        pair = pair_create(queue);
        if (pair == NULL)
            return -ENOMEM;
        queue->driver = pair;
    }
    assert(pair->state == VNET_OFF);
    pair_describe(pair);
    return rings_make(pair);
}

/* The first time packets for both rings are made, and some for a poll: who uses
 * the card makes his own, but a frame must not be lost because he has all of
 * ours in the ring to send. They stay, whatever happens later. */
int vnet_pair_fill(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);
    int status = 0;

    if (!pair->has_packets)
        status = packet_pool_grow(pair->rx.size + pair->tx.size +
                                  pair->rx.size / 4U);
    if (status != 0)
        return status;
    pair->has_packets = true;
    vq_want_interrupt(&pair->tx, false);
    vnet_rx_fill(pair);
    return 0;
}

/* ---- Beginning and ending ------------------------------------------------ */

int vnet_pair_begin(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    pair->has_asked = false;
    pair->state = VNET_LIVE;
    virtio_kick(pair->net->virtio, vnet_rx_index(pair), &pair->rx);
    pair->watch_busy = false;
    watch_in(pair, WATCH_NS);
    net_wake(queue); /* to arm it, and to send what waits */
    return 0;
}

/* Frames on their way out are lost: nobody knows whether they were sent. */
static void recall(struct vnet_pair *pair)
{
    struct packet *packet;

    while (pair->tx.memory != NULL && (packet = vq_recall(&pair->tx)) != NULL)
        net_drop_sent(pair->queue, packet);
    while (pair->rx.memory != NULL && (packet = vq_recall(&pair->rx)) != NULL)
        packet_put(packet);
}

int vnet_pair_end(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    if (pair == NULL)
        return 0;
    assert(pair->state == VNET_OFF);
    if (pair->net->status == 0)
        recall(pair);
    virtio_queue_end(&pair->tx, pair->net->status);
    virtio_queue_end(&pair->rx, pair->net->status);
    return 0;
}

int vnet_pair_free(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    virtio_detach(vnet_of(queue->device)->virtio, queue->index);
    if (pair == NULL)
        return 0;
    queue->driver = NULL;
    timer_cancel(&pair->watchdog);
    pair->state = VNET_REMOVED;
    free_when_idle(pair);
    return 0;
}

int vnet_pair_die(struct net_queue *queue)
{
    struct vnet_pair *pair = vnet_pair_of(queue);

    virtio_detach(pair->net->virtio, queue->index);
    timer_cancel(&pair->watchdog);
    pair->state = VNET_DEAD;
    net_wake(queue); /* what waits for room waits no more */
    return 0;
}

/* ---- Checking ------------------------------------------------------------ */

void vnet_pair_check(const struct vnet_pair *pair)
{
    assert(pair->queue->driver == pair);
    assert(pair->net == vnet_of(pair->queue->device));
    assert(pair->state != VNET_REMOVED);
    if (pair->state != VNET_LIVE)
        return;
    vq_check(&pair->rx);
    vq_check(&pair->tx);
    assert(pair->header_size == (pair->net->virtio->is_legacy
                                     ? VNET_HEADER_SIZE_LEGACY
                                     : VNET_HEADER_SIZE));
    assert(!pair->is_merging || !pair->net->virtio->is_legacy);
    assert(pair->watch_sent <= pair->sent);
    assert(timer_is_set(&pair->watchdog) || pair->watch_ns == WATCH_MAX_NS);
}
