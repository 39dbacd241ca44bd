/*
 * Intel's gigabit cards: the 82540EM family and the 82574L. One queue; sums and
 * segments are left to the card.
 *
 * A received frame interrupts while the queue is armed, and so does a change of
 * the link; a sent frame only while somebody waits for room, else sent packets
 * are taken back by the next poll. The handler takes the causes and forbids all
 * of them, until the queue is armed again.
 *
 * A watchdog looks at the card every second while frames come and go, and else
 * ever less often, down to about once a minute: for an interrupt that was lost,
 * at the link, and whether the card still is as it was set up. A card that has
 * sent nothing for a second, or has forgotten its set-up, is reset, and its
 * rings start anew; frames on their way out are lost. A card that does not
 * reset, or is gone, is given up: its memory is not used again.
 */
#include "drivers/e1000_chip.h"
#include "drivers/e1000_ring.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/timer.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    RING_SIZE = 256,
    RING_SIZE_SMALL = 64, /* where memory is short */
    SMALL_MEMORY = 16 * 1024 * 1024,
    MTU = 1500,
};

#define WATCH_NS      NS_PER_S /* as long as a frame may take, too */
#define WATCH_MAX_NS  (64 * NS_PER_S)
#define RESET_POLL_NS NS_PER_MS

enum state {
    STATE_OFF,   /* not started */
    STATE_LIVE,  /* works */
    STATE_RESET, /* is being reset: no register may be accessed */
    STATE_DEAD,  /* given up */
};

struct e1000 {
    struct net_device net;
    struct e1000_chip chip;

    /* owner CPU only: */
    struct e1000_rx_ring rx;
    struct e1000_tx_ring tx;
    struct irq_work work;    /* somebody has to look */
    struct timer watchdog;   /* and, during a reset, what goes on with it */
    uint64_t watch_ns;       /* from one look to the next */
    uint64_t watch_activity; /* frames so far, at the last look, */
    uint64_t watch_sent;     /* and packets taken back */
    uint64_t sent;           /* packets taken back so far */
    uint64_t tx_begun_ns;    /* a frame was put into an empty ring */
    bool has_packets;        /* the pool has grown for this card */

    /* owner CPU, its thread and its handler: */
    _Atomic enum state state;
    atomic_bool armed;     /* a received frame interrupts */
    atomic_bool tx_wanted; /* a sent one does */
    atomic_bool link_news; /* the link may have changed */
};

static struct e1000 *e1000_of(struct net_device *dev)
{
    return container_of(dev, struct e1000, net);
}

static struct net_queue *queue_of(struct e1000 *e1000)
{
    return &e1000->net.queues[0];
}

static enum state state_of(const struct e1000 *e1000)
{
    return atomic_load_explicit(&e1000->state, memory_order_relaxed);
}

static void state_set(struct e1000 *e1000, enum state state)
{
    atomic_store_explicit(&e1000->state, state, memory_order_relaxed);
}

static bool flag_is(const atomic_bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed);
}

static void flag_set(atomic_bool *flag, bool value)
{
    atomic_store_explicit(flag, value, memory_order_relaxed);
}

/* ---- Interrupts ---------------------------------------------------------- */

/* Take the causes from the card: whoever waits for one hears of it. Returns
 * whether somebody does. */
static bool causes_take(struct e1000 *e1000)
{
    uint32_t causes = e1000_causes_take(&e1000->chip);
    bool is_rx = (causes & e1000_cause_rx(&e1000->chip)) != 0;
    bool is_tx = (causes & e1000_cause_tx(&e1000->chip)) != 0;
    bool is_link = (causes & E1000_LSC) != 0;

    if (is_link)
        flag_set(&e1000->link_news, true);
    if (!is_link && !(is_rx && flag_is(&e1000->armed)) &&
        !(is_tx && flag_is(&e1000->tx_wanted)))
        return false;
    irq_work_raise(&e1000->work);
    return true;
}

/* Nothing interrupts from now on. */
static void disarm(struct e1000 *e1000)
{
    e1000_write(&e1000->chip, E1000_IMC, UINT32_MAX);
    flag_set(&e1000->armed, false);
    flag_set(&e1000->tx_wanted, false);
}

static uint32_t causes_rx(const struct e1000 *e1000)
{
    return e1000_cause_rx(&e1000->chip) | e1000_cause_link(&e1000->chip);
}

/* No received frame does; a sent one still may, for who waits for room. */
static void disarm_rx(struct e1000 *e1000)
{
    e1000_write(&e1000->chip, E1000_IMC, causes_rx(e1000));
    flag_set(&e1000->armed, false);
}

/* Let `causes` interrupt, and note in `flag` that they do. */
static void allow(struct e1000 *e1000, uint32_t causes, atomic_bool *flag)
{
    hal_irqflags flags = hal_irq_save();

    flag_set(flag, true);
    e1000_write(&e1000->chip, E1000_IMS, causes);
    hal_irq_restore(flags);
}

/* Other devices may have the same line; and other causes come with vector 0,
 * which nobody waits for. */
static void e1000_irq(void *arg)
{
    struct e1000 *e1000 = arg;

    if (state_of(e1000) == STATE_LIVE && causes_take(e1000))
        disarm(e1000);
}

/* ---- The life of the card ------------------------------------------------ */

/* Give the card up. It may still access its memory, which is never used again:
 * packets and rings stay where they are. */
static void die(struct e1000 *e1000, const char *why)
{
    log_error("%s: the card %s: it is given up", e1000->net.device.name, why);
    state_set(e1000, STATE_DEAD);
    timer_cancel(&e1000->watchdog);
    net_link_set(&e1000->net, false);
    net_wake(queue_of(e1000)); /* what waits for room waits no more */
}

static void watch_in(struct e1000 *e1000, uint64_t ns)
{
    int status = timer_set(&e1000->watchdog, time_ns() + ns);

    assert(status == 0); /* it is set, or it was a moment ago */
}

static void reset_begin(struct e1000 *e1000, const char *why)
{
    assert(state_of(e1000) == STATE_LIVE);
    log_warn("%s: the card %s: it is reset", e1000->net.device.name, why);
    state_set(e1000, STATE_RESET);
    e1000_chip_reset_begin(&e1000->chip);
    watch_in(e1000, RESET_POLL_NS);
}

/* Frames that wait when the link goes would keep their memory until it comes
 * back: a reset drops them. */
static void link_look(struct e1000 *e1000)
{
    flag_set(&e1000->link_news, false);
    net_link_set(&e1000->net, e1000_chip_link(&e1000->chip));
    if (!e1000->net.link_up && !e1000_tx_is_empty(&e1000->tx))
        reset_begin(e1000, "has no link, and frames wait");
}

static void groups_set(const struct e1000 *e1000)
{
    const struct net_device *dev = &e1000->net;

    e1000_chip_listen(&e1000->chip, dev->mac, dev->groups, dev->group_count);
}

/* The card was reset, the rings are as at the start: set it to work. */
static void begin(struct e1000 *e1000)
{
    const struct e1000_rings rings = {
        .rx_bus = hal_dma_addr(e1000->rx.desc),
        .tx_bus = hal_dma_addr(e1000->tx.desc),
        .rx_size = e1000->rx.size,
        .tx_size = e1000->tx.size,
    };

    assert(e1000_tx_is_empty(&e1000->tx));
    flag_set(&e1000->armed, false);
    flag_set(&e1000->tx_wanted, false);
    e1000_chip_setup(&e1000->chip, e1000->net.mac, &rings);
    groups_set(e1000);
    e1000_write(&e1000->chip, E1000_RDT, e1000_rx_tail(&e1000->rx));
    state_set(e1000, STATE_LIVE);
    link_look(e1000);
    e1000->watch_ns = WATCH_NS;
    watch_in(e1000, WATCH_NS);
}

/* A reset is under way: see whether it is done. */
static void reset_go_on(struct e1000 *e1000)
{
    int status = e1000_chip_reset_poll(&e1000->chip);

    if (status == -EAGAIN)
        return;
    if (status != 0) {
        die(e1000, "does not reset");
        return;
    }
    e1000_tx_restart(&e1000->tx, queue_of(e1000));
    e1000_rx_restart(&e1000->rx);
    begin(e1000);
    net_wake(queue_of(e1000)); /* to arm it, and to send what waits */
}

static bool is_live(struct e1000 *e1000)
{
    if (state_of(e1000) == STATE_RESET)
        reset_go_on(e1000);
    return state_of(e1000) == STATE_LIVE;
}

/* ---- Watching ------------------------------------------------------------ */

static void tx_reclaim(struct e1000 *e1000)
{
    e1000->sent += e1000_tx_reclaim(&e1000->tx, queue_of(e1000));
}

/* Whether the oldest frame has been in the ring for WATCH_NS. */
static bool tx_hangs(struct e1000 *e1000)
{
    return !e1000_tx_is_empty(&e1000->tx) && e1000->sent == e1000->watch_sent &&
           time_ns() - e1000->tx_begun_ns >= WATCH_NS;
}

static void watch(struct e1000 *e1000)
{
    if (!e1000_chip_present(&e1000->chip)) {
        die(e1000, "is gone");
        return;
    }
    if (!e1000_chip_is_set_up(&e1000->chip)) {
        reset_begin(e1000, "has forgotten its set-up");
        return;
    }
    (void)causes_take(e1000); /* in place of an interrupt that was lost */
    queue_of(e1000)->rx_dropped += e1000_read(&e1000->chip, E1000_MPC);
    tx_reclaim(e1000);
    if (tx_hangs(e1000))
        reset_begin(e1000, "sends nothing");
    else
        link_look(e1000);
}

/* The first look after something has happened comes soon, the next ones later
 * and later. */
static void watchdog_run(struct timer *timer)
{
    struct e1000 *e1000 = container_of(timer, struct e1000, watchdog);
    uint64_t activity;

    /* At once, so that nobody else gets its place among the timers. */
    watch_in(e1000, state_of(e1000) == STATE_RESET ? RESET_POLL_NS : WATCH_NS);
    if (!is_live(e1000))
        return;
    watch(e1000);
    if (state_of(e1000) != STATE_LIVE)
        return;
    activity = e1000->sent + queue_of(e1000)->rx_frames;
    if (activity != e1000->watch_activity || !e1000_tx_is_empty(&e1000->tx))
        e1000->watch_ns = WATCH_NS;
    else if (e1000->watch_ns < WATCH_MAX_NS)
        e1000->watch_ns *= 2;
    e1000->watch_activity = activity;
    e1000->watch_sent = e1000->sent;
    watch_in(e1000, e1000->watch_ns);
}

static void work_run(struct irq_work *work)
{
    struct e1000 *e1000 = container_of(work, struct e1000, work);

    if (!is_live(e1000))
        return;
    if (flag_is(&e1000->link_news))
        link_look(e1000);
    net_attend(queue_of(e1000));
}

/* ---- Operations ---------------------------------------------------------- */

static unsigned e1000_poll(struct net_queue *queue, struct packet *packets[],
                           unsigned max)
{
    struct e1000 *e1000 = e1000_of(queue->device);
    bool used = false;
    unsigned count;

    if (!is_live(e1000))
        return 0;
    count = e1000_rx_take(&e1000->rx, queue, packets, max, &used);
    if (used)
        e1000_write(&e1000->chip, E1000_RDT, e1000_rx_tail(&e1000->rx));
    tx_reclaim(e1000);
    return count;
}

/* Put a frame into the ring. When there is no room, an interrupt comes as soon
 * as a frame was sent. */
static bool tx_add(struct e1000 *e1000, struct packet *packet)
{
    if (e1000_tx_add(&e1000->tx, packet))
        return true;
    tx_reclaim(e1000);
    if (e1000_tx_add(&e1000->tx, packet))
        return true;
    if (flag_is(&e1000->tx_wanted))
        return false;
    (void)causes_take(e1000); /* of frames that were taken back */
    tx_reclaim(e1000);
    if (e1000_tx_add(&e1000->tx, packet))
        return true;
    allow(e1000, e1000_cause_tx(&e1000->chip), &e1000->tx_wanted);
    return false;
}

/* Frames were put into the ring, which was empty or not. */
static void tx_tell(struct e1000 *e1000, bool was_empty)
{
    e1000_write(&e1000->chip, E1000_TDT, e1000->tx.tail);
    if (!was_empty)
        return;
    e1000->tx_begun_ns = time_ns();
    e1000->watch_sent = e1000->sent;
    if (e1000->watchdog.deadline_ns > e1000->tx_begun_ns + WATCH_NS)
        watch_in(e1000, WATCH_NS);
}

static unsigned e1000_send(struct net_queue *queue,
                           struct packet *const packets[], unsigned count)
{
    struct e1000 *e1000 = e1000_of(queue->device);
    unsigned taken = 0;
    unsigned tail;
    bool was_empty;

    if (!is_live(e1000) && state_of(e1000) == STATE_RESET)
        return 0;
    was_empty = e1000_tx_is_empty(&e1000->tx);
    tail = e1000->tx.tail;
    for (; taken < count; taken++) {
        struct packet *packet = packets[taken];
        uint32_t len = packet_len(packet);

        if (state_of(e1000) == STATE_DEAD || !e1000->net.link_up ||
            !e1000_tx_valid(packet)) {
            net_drop_sent(queue, packet);
            continue;
        }
        if (!tx_add(e1000, packet))
            break;
        net_count_sent(queue, len);
    }
    if (e1000->tx.tail != tail)
        tx_tell(e1000, was_empty);
    return taken;
}

static bool e1000_arm(struct net_queue *queue, bool on)
{
    struct e1000 *e1000 = e1000_of(queue->device);

    if (!is_live(e1000))
        return true; /* when the reset is done, it wakes */
    if (!on) {
        if (flag_is(&e1000->armed))
            disarm_rx(e1000);
        return true;
    }
    if (!flag_is(&e1000->armed)) {
        (void)causes_take(e1000); /* of frames that were polled */
        if (e1000_rx_ready(&e1000->rx))
            return false;
        allow(e1000, causes_rx(e1000), &e1000->armed);
    }
    return !e1000_rx_ready(&e1000->rx);
}

/* ---- Start --------------------------------------------------------------- */

static int rings_init(struct e1000 *e1000)
{
    unsigned size =
        mem_free_bytes() < SMALL_MEMORY ? RING_SIZE_SMALL : RING_SIZE;
    int status = 0;

    /* Both rings full, and as many packets again in use by the stack. They
     * stay in the pool when the start fails: the next one needs no more. */
    if (!e1000->has_packets)
        status = packet_pool_grow(3 * size);
    if (status != 0)
        return status;
    e1000->has_packets = true;
    status = e1000_rx_init(&e1000->rx, size);
    if (status != 0)
        return status;
    status = e1000_tx_init(&e1000->tx, size, !e1000->chip.is_82574);
    if (status != 0)
        e1000_rx_fini(&e1000->rx);
    return status;
}

static int e1000_start(struct net_device *dev)
{
    struct e1000 *e1000 = e1000_of(dev);
    int status = e1000_chip_reset(&e1000->chip);

    if (status != 0)
        return status;
    irq_work_init(&e1000->work, work_run);
    timer_init(&e1000->watchdog, watchdog_run);
    status = rings_init(e1000);
    if (status != 0)
        return status;
    status = timer_set(&e1000->watchdog, time_ns() + WATCH_NS);
    if (status != 0)
        goto fail_timer;
    status = pci_attach_irq(&e1000->chip.pci, cpu_self()->id, e1000_irq, e1000,
                            &e1000->chip.is_msix);
    if (status != 0)
        goto fail_irq;
    /* Segments of IPv6 not by the 8254x: QEMU's puts a wrong length into them,
     * and Linux's driver for them does not try, either. */
    dev->offloads = NET_TX_CSUM | NET_TX_TCP4 | NET_RX_CSUM |
                    (e1000->chip.is_82574 ? NET_TX_TCP6 : 0);
    begin(e1000);
    return 0;

fail_irq:
    timer_cancel(&e1000->watchdog);
fail_timer:
    e1000_tx_fini(&e1000->tx);
    e1000_rx_fini(&e1000->rx);
    return status;
}

/* While the card is being reset, begin() will do it. */
static void e1000_listen(struct net_device *dev)
{
    struct e1000 *e1000 = container_of(dev, struct e1000, net);

    if (is_live(e1000))
        groups_set(e1000);
}

static void e1000_check(const struct net_device *dev)
{
    const struct e1000 *e1000 = container_of(dev, struct e1000, net);

    assert(state_of(e1000) != STATE_OFF);
    assert(timer_is_set(&e1000->watchdog) == (state_of(e1000) != STATE_DEAD));
    assert(state_of(e1000) != STATE_DEAD || !dev->link_up);
    e1000_rx_check(&e1000->rx);
    e1000_tx_check(&e1000->tx);
}

static const struct net_ops e1000_ops = {.start = e1000_start,
                                         .poll = e1000_poll,
                                         .send = e1000_send,
                                         .arm = e1000_arm,
                                         .listen = e1000_listen,
                                         .check = e1000_check};

/* ---- Probe --------------------------------------------------------------- */

/* Make a card of what was found. Returns NULL and sets *why. */
static struct e1000 *card_make(const struct e1000_chip *chip, const char **why)
{
    struct e1000 *e1000 = mem_alloc_zeroed(sizeof(*e1000));

    if (e1000 == NULL) {
        *why = "has no memory";
        return NULL;
    }
    e1000->chip = *chip;
    e1000->net.ops = &e1000_ops;
    e1000->net.mtu = MTU;
    *why = NULL;
    if (e1000_chip_address(chip, e1000->net.mac) != 0)
        *why = "has no address of its own";
    else if (net_register(&e1000->net) != 0)
        *why = "is one too many: no name is left";
    if (*why == NULL)
        return e1000;
    mem_free(e1000);
    return NULL;
}

static void found(const struct pci_function *function, void *ctx)
{
    const struct hal_pci_addr *addr = &function->addr;
    struct e1000_chip chip;
    struct e1000 *e1000 = NULL;
    const char *why = "cannot be reached";

    (void)ctx;
    if (!e1000_chip_is(function, &chip))
        return;
    if (e1000_chip_open(&chip) == 0)
        e1000 = card_make(&chip, &why);
    if (e1000 == NULL) {
        log_error("e1000: the card at %02x:%02x.%x %s: left out", addr->bus,
                  addr->dev, addr->fn, why);
        return;
    }
    log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x, %s at %02x:%02x.%x",
             e1000->net.device.name, e1000->net.mac[0], e1000->net.mac[1],
             e1000->net.mac[2], e1000->net.mac[3], e1000->net.mac[4],
             e1000->net.mac[5], chip.is_82574 ? "e1000e" : "e1000", addr->bus,
             addr->dev, addr->fn);
}

static int e1000_probe(void)
{
    pci_scan(found, NULL);
    return 0;
}

const struct driver e1000_driver = {.name = "e1000", .probe = e1000_probe};
