/*
 * Frames over the card, from threads on every CPU. Threads of its owner send
 * them; the others ask them to, by message. One thread of the owner receives,
 * as a network stack does.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/wait.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/work.h"
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    SENDERS_MAX = 6,
    FRAMES_MAX = 12, /* of a sender */
    BATCH_MAX = 4,
    HEAD = 6, /* bytes: sender, number, length, their sum */
    WATCHDOG_NS = 200000,
};

static struct card card;
static struct net_device *dev;
static unsigned owner;

/* A frame of each sender: how often it came. */
static struct {
    bool sent;
    uint16_t len;
    unsigned came;
} frames[SENDERS_MAX][FRAMES_MAX];

/* The owner's. */
static struct wait_queue awake;
static unsigned received;
static unsigned free_at_first;
static bool stop;

static thread_id receiver, senders[SENDERS_MAX];
static unsigned sender_count;

#define QUEUE (&dev->queues[0])

/* ---- Frames -------------------------------------------------------------- */

static uint8_t byte_of(unsigned sender, unsigned number, size_t at)
{
    return (uint8_t)(sender * 59 + number * 7 + at);
}

static void frame_fill(uint8_t *data, size_t len, unsigned sender,
                       unsigned number)
{
    data[0] = (uint8_t)sender;
    data[1] = (uint8_t)number;
    data[2] = (uint8_t)len;
    data[3] = (uint8_t)(len >> 8);
    for (size_t i = 4; i < len; i++)
        data[i] = byte_of(sender, number, i);
}

static void frame_came(struct packet *packet)
{
    static uint8_t data[CARD_FRAME_MAX + 1];
    size_t len = packet_read(packet, 0, data, sizeof(data));
    unsigned sender = data[0], number = data[1];

    expect(len >= 14 && sender < SENDERS_MAX && number < FRAMES_MAX &&
               frames[sender][number].sent,
           "a frame came that nobody has sent");
    expect(len == frames[sender][number].len, "a frame has another length");
    for (size_t i = 4; i < len; i++)
        expect(data[i] == byte_of(sender, number, i),
               "a frame has other contents");
    frames[sender][number].came++;
    expect(frames[sender][number].came <= 2, "a frame came three times");
    received++;
    packet_put(packet);
}

/* ---- The owner: receiving ------------------------------------------------ */

static void woken(struct net_queue *queue)
{
    (void)queue;
    wait_wake_all(&awake);
}

/* Until the card has something, or the time is over. In runs where interrupts
 * are lost nobody relies on them. */
static void card_wait(uint64_t end)
{
    uint64_t watchdog = time_ns() + WATCHDOG_NS;

    if (device_has_fault(FAULT_LOST_IRQ) && watchdog < end)
        end = watchdog;
    if (wait_on_until(&awake, end) != 0)
        return; /* the caller looks at the time */
}

/* Returns whether there may be more. */
static bool poll_some(void)
{
    struct packet *packets[BATCH_MAX];
    unsigned max = 1 + draw(BATCH_MAX);
    unsigned count;

    (void)net_arm(QUEUE, false);
    count = net_poll(QUEUE, packets, max);
    for (unsigned i = 0; i < count; i++)
        frame_came(packets[i]);
    return count == max || !net_arm(QUEUE, true);
}

static int receive(void *unused)
{
    (void)unused;
    while (!stop) {
        while (poll_some())
            thread_yield();
        if (!stop)
            card_wait(TIME_NEVER);
    }
    return 0;
}

/* ---- The owner: sending -------------------------------------------------- */

struct batch {
    unsigned sender;
    unsigned first; /* number */
    unsigned count;
};

/* NULL: the pool is empty. Perhaps with its end in memory of another kind. */
static struct packet *frame_make(unsigned sender, unsigned number)
{
    size_t len = 14 + (draw(4) == 0 ? draw(CARD_FRAME_MAX - 13) : draw(80));
    struct packet *packet = packet_get();
    static uint8_t data[CARD_FRAME_MAX];
    size_t first = draw(4) == 0 ? 14 : len;
    struct buf *buf = NULL;

    if (packet == NULL)
        return NULL;
    frame_fill(data, len, sender, number);
    if (first < len)
        buf = buf_alloc((uint32_t)(len - first));
    if (buf == NULL)
        first = len;
    memcpy(packet_append(packet, first), data, first);
    if (buf != NULL) {
        memcpy(buf->base, data + first, len - first);
        expect(packet_add_slice(
                   packet, (struct slice){buf, 0, (uint32_t)(len - first)}) ==
                   0,
               "a packet takes no slice");
    }
    frames[sender][number].sent = true;
    frames[sender][number].len = (uint16_t)len;
    return packet;
}

/* Until the card has taken them all. */
static void packets_send(struct packet *const packets[], unsigned count)
{
    uint64_t end = time_ns() + PATIENCE_NS;

    for (;;) {
        unsigned taken = net_send(QUEUE, packets, count);

        expect(taken <= count, "the card took more frames than there were");
        packets += taken;
        count -= taken;
        if (count == 0)
            return;
        expect(time_ns() < end, "a full ring stays full");
        card_wait(end);
    }
}

static int batch_send(void *arg)
{
    const struct batch *batch = arg;
    struct packet *packets[BATCH_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        struct packet *packet = frame_make(batch->sender, batch->first + i);

        if (packet != NULL)
            packets[count++] = packet;
    }
    packets_send(packets, count);
    return 0;
}

/* ---- Senders ------------------------------------------------------------- */

static int send_all(void *arg)
{
    unsigned frame_count = 1 + draw(FRAMES_MAX);
    struct batch batch = {.sender = (unsigned)(uintptr_t)arg};

    while (batch.first < frame_count) {
        batch.count = 1 + draw(BATCH_MAX);
        if (batch.count > frame_count - batch.first)
            batch.count = frame_count - batch.first;
        if (remote_call(owner, batch_send, &batch) != 0)
            return 1;
        batch.first += batch.count;
        if (draw(2) == 0)
            thread_sleep(draw(50) * 1000);
    }
    return 0;
}

/* ---- Begin and end ------------------------------------------------------- */

void net_work_plug(void)
{
    card_plug(&card);
}

static int owner_begin(void *unused)
{
    (void)unused;
    wait_queue_init(&awake);
    free_at_first = packet_free_count();
    QUEUE->wake = woken;
    return 0;
}

void net_work_begin(void)
{
    dev = net_from_device(device_find(DEVICE_NET, 0));
    expect(dev != NULL, "the card was not found");
    owner = draw(cpu_count());
    expect(device_dedicate(&dev->device, owner) == 0,
           "the card does not start");
    expect(remote_call(owner, owner_begin, NULL) == 0, "the owner is lost");
}

void net_work_start(void)
{
    receiver = thread_on(owner, receive, NULL);
    sender_count = 1 + draw(SENDERS_MAX);
    for (uintptr_t i = 0; i < sender_count; i++)
        senders[i] = thread_on(draw(cpu_count()), send_all, (void *)i);
}

/* What the driver has taken, the card has sent; what the card has put into
 * memory has come out. */
static bool settled(void)
{
    return card.sent == QUEUE->tx_frames && card.on_cable == 0 &&
           card.tx.under_way == 0 &&
           card.delivered == received + QUEUE->rx_dropped;
}

static const char *what_is_missing(void)
{
    if (card.sent != QUEUE->tx_frames)
        return "frames to send were never seen by the card";
    if (card.delivered != received + QUEUE->rx_dropped)
        return "received frames were never seen by anybody";
    return "the card does not come to rest";
}

static int owner_end(void *unused)
{
    uint64_t end = time_ns() + PATIENCE_NS;

    (void)unused;
    while (!settled()) {
        if (time_ns() >= end)
            sim_fail(what_is_missing());
        thread_sleep(NS_PER_MS);
    }
    while (poll_some())
        ;
    expect(packet_free_count() == free_at_first, "packets have leaked");
    stop = true;
    wait_wake_all(&awake);
    return 0;
}

void net_work_end(void)
{
    for (unsigned i = 0; i < sender_count; i++)
        thread_ends(senders[i]);
    expect(remote_call(owner, owner_end, NULL) == 0, "the owner is lost");
    thread_ends(receiver);
    expect(card.tx.ended == card.tx.taken, "the card has kept requests");
}

/* Between two calls of the driver, as when its CPU sleeps. */
void net_work_check(void)
{
    if (dev == NULL || QUEUE->wake == NULL || !sim_asleep(owner))
        return;
    net_check(dev);
    for (unsigned i = 0; i < card.model.queue_count; i++) {
        if (virtio_device_serves(&card.model, i) &&
            ring_kick_missing(&card.model.queue[i]))
            sim_fail("the card was not notified, and nobody will do it");
    }
}
