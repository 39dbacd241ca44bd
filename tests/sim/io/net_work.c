/*
 * Frames over the card, from threads on every CPU. Threads of its owner send
 * them; the others ask them to, by message. One thread of the owner receives,
 * as a network stack does.
 *
 * At the end the card goes wrong no more: what was taken to be sent has left it
 * or is counted as dropped, all packets are back, and the card still sends, or
 * was given up.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/wait.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/frames.h"
#include "tests/sim/io/work.h"
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    SENDERS_MAX = FRAME_SENDERS - 1,
    BATCH_MAX = FRAMES_EACH,
    POLL_MAX = 4,
    TRIES = FRAMES_EACH, /* of a card that has gone wrong, to send one frame */
    SLICES_MAX = 2,      /* the smallest ring has four places */
    SEGMENT = 1000,      /* bytes */
};

/* A driver may hear of an interrupt that was lost only at its watchdog's next
 * look, and that may be rare. When nothing goes wrong nobody waits for one. */
#define PATIENCE_LOST_NS (200 * NS_PER_S)
#define PATIENCE_SOON_NS (500 * NS_PER_MS)
#define SLEEP_MAX_NS     (NS_PER_S)

static struct net_device *dev;
static unsigned owner;

/* The owner's. */
static struct wait_queue awake;
static unsigned taken; /* frames, by the driver */
static unsigned free_at_first;
static bool is_given_up;
static bool stop;
static bool
    in_bursts; /* each sender sends all at once, short frames of many pieces */

static thread_id receiver, senders[SENDERS_MAX];
static unsigned sender_count;

#define QUEUE (&dev->queues[0])

static uint64_t patience(void)
{
    bool goes_wrong = card.is_pulled || (device_manner.fault_one_in != 0 &&
                                         device_manner.fault_kinds != 0);

    return time_ns() + (goes_wrong ? PATIENCE_LOST_NS : PATIENCE_SOON_NS);
}

/* ---- The owner: receiving ------------------------------------------------ */

static void frame_came(struct packet *packet)
{
    static uint8_t data[FRAME_LARGE + 1];

    packet_check(packet);
    frame_comes(data, (uint32_t)packet_read(packet, 0, data, sizeof(data)));
    expect(packet->offload.segments == PACKET_WHOLE ||
               (packet->offload.headers_len == FRAME_HEADERS &&
                packet->offload.segment_len == SEGMENT),
           "segments are not those that were sent");
    packet_put(packet);
}

static void woken(struct net_queue *queue)
{
    (void)queue;
    wait_wake_all(&awake);
}

/* Returns whether there may be more. */
static bool poll_some(void)
{
    struct packet *packets[POLL_MAX];
    unsigned max = 1 + draw(POLL_MAX);
    unsigned count;

    net_check(dev);
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
            wait_on(&awake);
    }
    return 0;
}

/* ---- The owner: sending -------------------------------------------------- */

struct batch {
    unsigned sender;
    unsigned first; /* number */
    unsigned count;
};

/* The rest of a frame in memory of other kinds. Returns how many bytes of it
 * are there. */
static uint32_t slices_add(struct packet *packet, const uint8_t *data,
                           uint32_t len)
{
    unsigned count = 1 + draw(SLICES_MAX);
    uint32_t done = 0;

    while (done < len && count-- > 0) {
        uint32_t part = count == 0 ? len - done : 1 + draw(len - done);
        struct buf *buf = buf_alloc(part);

        if (buf == NULL)
            break;
        memcpy(buf->base, data + done, part);
        expect(packet_add_slice(packet, (struct slice){buf, 0, part}) == 0,
               "a packet takes no slice");
        done += part;
    }
    return done;
}

/* Let the card do the sum, and make segments of a frame that is too long. */
static void offload_ask(struct packet *packet, uint32_t len)
{
    struct packet_offload *offload = &packet->offload;
    uint32_t head = (uint32_t)packet_headroom(packet);

    offload->csum_partial = true;
    offload->csum_start = (uint16_t)(head + FRAME_TCP);
    offload->csum_at = (uint16_t)(head + FRAME_TCP_SUM);
    if (len <= FRAME_MAX)
        return;
    offload->segments = PACKET_TCP4;
    offload->headers_len = FRAME_HEADERS;
    offload->segment_len = SEGMENT;
}

/* Whether this card leaves the sum, and segments, to the one who receives. */
static bool has_offload(unsigned offload)
{
    return card.kind->padded_to == 0 && (dev->offloads & offload) == offload;
}

static uint32_t length_draw(void)
{
    if (in_bursts)
        return FRAME_MIN + draw(80);
    if (has_offload(NET_TX_CSUM | NET_TX_TCP4) && draw(4) == 0)
        return FRAME_MAX + 1 + draw(FRAME_LARGE - FRAME_MAX);
    return FRAME_MIN +
           (draw(6) == 0 ? draw(FRAME_MAX - FRAME_MIN + 1) : draw(80));
}

/* NULL: the pool is empty, or memory is. */
static struct packet *frame_packet(unsigned sender, unsigned number,
                                   uint32_t len)
{
    static uint8_t data[FRAME_LARGE];
    bool in_parts = len > FRAME_MAX || in_bursts || draw(4) == 0;
    uint32_t first = !in_parts              ? len
                     : len >= FRAME_HEADERS ? FRAME_HEADERS
                                            : FRAME_MIN;
    struct packet *packet = packet_get();

    if (packet == NULL)
        return NULL;
    frame_make(data, len, sender, number);
    memcpy(packet_append(packet, first), data, first);
    if (slices_add(packet, data + first, len - first) < len - first) {
        packet_put(packet);
        return NULL;
    }
    if (len > FRAME_MAX ||
        (len >= FRAME_HEADERS && has_offload(NET_TX_CSUM) && draw(2) == 0))
        offload_ask(packet, len);
    return packet;
}

/* Until the driver has taken them all. */
static void packets_send(struct packet *const packets[], unsigned count)
{
    uint64_t end = patience();

    for (;;) {
        unsigned now = net_send(QUEUE, packets, count);

        expect(now <= count, "the driver took more frames than there were");
        packets += now;
        count -= now;
        taken += now;
        if (count == 0)
            return;
        expect(wait_on_until(&awake, end) == 0, "a full ring stays full");
    }
}

static int batch_send(void *arg)
{
    const struct batch *batch = arg;
    struct packet *packets[BATCH_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        struct packet *packet =
            frame_packet(batch->sender, batch->first + i, length_draw());

        if (packet != NULL)
            packets[count++] = packet;
    }
    packets_send(packets, count);
    return 0;
}

/* ---- Senders ------------------------------------------------------------- */

static int send_all(void *arg)
{
    unsigned frame_count = in_bursts ? FRAMES_EACH : 1 + draw(FRAMES_EACH);
    struct batch batch = {.sender = (unsigned)(uintptr_t)arg};

    while (batch.first < frame_count) {
        batch.count = in_bursts ? FRAMES_EACH : 1 + draw(BATCH_MAX);
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

/* ---- The end ------------------------------------------------------------- */

/* Until it holds; each look is later than the last one. */
static void await(bool (*holds)(void), const char *(*what_is_missing)(void))
{
    uint64_t end = patience();
    uint64_t sleep_ns = NS_PER_MS;

    while (!holds()) {
        if (time_ns() >= end)
            sim_fail(what_is_missing());
        thread_sleep(sleep_ns);
        if (sleep_ns < SLEEP_MAX_NS)
            sleep_ns *= 2;
    }
}

/* All frames that the driver has taken have left the card, or were dropped. */
static bool is_sent(void)
{
    return frames_left() + QUEUE->tx_dropped >= taken;
}

/* A card that was given up has no link, and keeps frames. */
static bool seems_dead(void)
{
    return !dev->link_up;
}

static bool is_settled(void)
{
    return card.on_cable == 0 && card.kind->is_at_rest() &&
           (seems_dead() || (is_sent() && card_is_seen()));
}

static const char *not_settled(void)
{
    if (!is_sent())
        return "frames to send were never seen by the card";
    if (!card_is_seen())
        return "received frames were never seen by anybody";
    return "the card does not come to rest";
}

/* A card that was given up keeps what it had, or its driver takes it back. */
static bool is_back(void)
{
    unsigned now = packet_free_count();

    while (poll_some())
        continue;
    if (!is_given_up)
        return now == free_at_first;
    return now + card.kind->kept_max >= free_at_first;
}

static const char *not_back(void)
{
    return "packets have leaked";
}

static unsigned tries;
static uint64_t dropped_before;

/* One more frame, if the last one was dropped: that is the end of a card only
 * when no frame is taken. */
static bool is_sure(void)
{
    struct packet *packet;

    if (tries > 0 && frame_has_left(FRAME_SENDERS - 1, tries - 1))
        return true;
    if (tries > 0 && QUEUE->tx_dropped == dropped_before && !seems_dead())
        return false; /* it is still there */
    is_given_up = tries == TRIES;
    if (is_given_up)
        return true;
    packet = frame_packet(FRAME_SENDERS - 1, tries, 100);
    if (packet == NULL)
        return false;
    tries++;
    dropped_before = QUEUE->tx_dropped;
    packets_send(&packet, 1);
    return false;
}

static const char *not_sure(void)
{
    return "the card neither sends nor is it given up";
}

static void drops_check(void)
{
    expect(card_is_honest(), "frames came that the card has not delivered");
    expect(is_given_up || is_sent(), "a frame to send is lost");
    expect(!is_given_up || card_may_die(), "a card was given up for no reason");
    expect(card_may_lose() ||
               (QUEUE->tx_dropped == 0 && frames_left() == taken),
           "the driver has dropped frames of a card that sends them");
}

static int owner_end(void *unused)
{
    (void)unused;
    await(is_settled, not_settled);
    card_faults_end();
    await(is_sure, not_sure);
    await(is_settled, not_settled);
    await(is_back, not_back);
    drops_check();
    stop = true;
    wait_wake_all(&awake);
    return 0;
}

/* ---- Begin and end ------------------------------------------------------- */

void net_work_plug(void)
{
    card_plug();
}

static int owner_begin(void *unused)
{
    (void)unused;
    wait_queue_init(&awake);
    free_at_first = packet_free_count();
    QUEUE->wake = woken;
    card_begin(QUEUE);
    return 0;
}

void net_work_begin(void)
{
    dev = net_from_device(device_find(DEVICE_NET, 0));
    expect(dev != NULL, "the card was not found");
    if (card.kind->prepare != NULL)
        card.kind->prepare(dev);
    owner = draw(cpu_count());
    expect(device_dedicate(&dev->device, owner) == 0,
           "the card does not start");
    expect(remote_call(owner, owner_begin, NULL) == 0, "the owner is lost");
}

void net_work_start(void)
{
    in_bursts = draw(8) == 0;
    receiver = thread_on(owner, receive, NULL);
    sender_count = 1 + draw(SENDERS_MAX);
    for (uintptr_t i = 0; i < sender_count; i++)
        senders[i] = thread_on(draw(cpu_count()), send_all, (void *)i);
}

void net_work_end(void)
{
    for (unsigned i = 0; i < sender_count; i++)
        thread_ends(senders[i]);
    expect(remote_call(owner, owner_end, NULL) == 0, "the owner is lost");
    thread_ends(receiver);
}

bool net_work_keeps(void)
{
    return is_given_up && cpu_id() == owner;
}

/* While the driver's CPU sleeps. */
void net_work_check(void)
{
    if (dev == NULL || QUEUE->wake == NULL || card.is_pulled ||
        !sim_asleep(owner))
        return;
    if (card.kind->check != NULL)
        card.kind->check();
}
