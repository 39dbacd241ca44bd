/*
 * NE2000 on PCI: Realtek's RTL8029AS. One queue, no offloads. The chip has 16
 * KiB of memory of its own: the processor copies each frame through a port.
 *
 * Two frames to send are in that memory: while one is sent the next is copied.
 * A received frame interrupts while the queue is armed; a sent one only while
 * both places are taken. The handler forbids all interrupts; what comes of them
 * is decided between two threads, in service().
 *
 * Overflow. When frames find no room the chip has to go through the procedure
 * of DS 7.0: stopped; 1.6 ms later started, in loopback; then the next poll
 * makes room, and it goes on. Nobody waits for that.
 *
 * A timer looks at the card: every second while frames come and go, and else
 * less and less often. So an interrupt that is lost is only late. A card that
 * does not end what it has begun, whose ring is broken, or that somebody has
 * reset is reset and set up anew; frames in its memory are lost. One that is
 * reset several times without a frame in between, or is gone, is given up.
 */
#include "drivers/ne2000_chip.h"
#include "drivers/pci.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/timer.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    PCI_VENDOR = 0x10ec,
    PCI_DEVICE = 0x8029,
    MTU = 1500,
    FRAME_MIN = 60, /* without the check sequence */
    FRAME_MAX = 1514,
    CHECK_SEQUENCE = 4,
    HEADER = 4, /* before each frame in the ring: status, next page, length */
    PACKETS = 256,
    PACKETS_SMALL = 128, /* where memory is short */
    SMALL_MEMORY = 16 * 1024 * 1024,
    RESETS_MAX = 4, /* without a frame in between */
    RECEIVES = NE_RCR_BROADCAST | NE_RCR_GROUPS,
};

#define LOOK_NS     NS_PER_S
#define LOOK_MAX_NS (64 * NS_PER_S)
#define SEND_NS     NS_PER_S  /* 16 collisions take less than half of it */
#define STOP_NS     (1600000) /* DS 7.0: until a stop is complete */
#define RESET_STEP  NS_PER_MS

enum state {
    STATE_OFF,   /* not started */
    STATE_LIVE,  /* works */
    STATE_STOP,  /* overflow: the chip comes to a stop, */
    STATE_DRAIN, /* and runs in loopback: a poll is to make room */
    STATE_RESET, /* is being reset */
    STATE_DEAD,  /* given up */
};

struct ne2000 {
    struct net_device net;
    struct pci_function function;
    struct hal_io io;

    /* owner CPU only: */
    enum state state;
    struct irq_work work; /* there may be something to do */
    struct timer timer;   /* always set, from the start to the end */
    uint64_t look_ns;     /* from one look at the card to the next */
    uint64_t look_frames; /* sent and received, at the last look */
    uint64_t reset_ns;    /* when the reset began */
    unsigned resets;      /* since the last frame */

    uint8_t next; /* page of the next frame to receive */
    bool more;    /* the last poll has left some */
    bool armed;
    bool waits; /* the sender has found no room */
    bool news;  /* wake it in any case */

    /* Frames in the chip's memory: the oldest is being sent. */
    unsigned tx_first; /* its slot */
    unsigned tx_count;
    uint16_t tx_len[NE_TX_SLOTS];
    uint64_t tx_ns;           /* when its transmission began */
    uint8_t frame[FRAME_MAX]; /* on its way there */

    /* owner CPU, its threads and its handler, with interrupts off: */
    uint8_t mask; /* what interrupts: IMR */
};

static struct ne2000 *ne2000_of(struct net_device *dev)
{
    return container_of(dev, struct ne2000, net);
}

static struct net_queue *queue_of(struct ne2000 *ne)
{
    return &ne->net.queues[0];
}

/* What is always true between two operations. */
static void ne2000_check(const struct ne2000 *ne)
{
    assert(ne->tx_count <= NE_TX_SLOTS && ne->tx_first < NE_TX_SLOTS);
    assert(ne->next >= NE_RX_FIRST && ne->next < NE_RX_END);
    assert(ne->state == STATE_LIVE || ne->mask == 0);
    assert(ne->state != STATE_DEAD || ne->tx_count == 0);
    assert(ne->state != STATE_DEAD || !ne->net.link_up);
    assert(timer_is_set(&ne->timer) == (ne->state != STATE_DEAD));
}

/* ---- Interrupts ---------------------------------------------------------- */

static void mask_set(struct ne2000 *ne, uint8_t mask)
{
    hal_irqflags flags = hal_irq_save();

    if (ne->mask != mask)
        ne2000_set(ne->io, NE_IMR, mask);
    ne->mask = mask;
    hal_irq_restore(flags);
}

/* Let that interrupt which somebody waits for. */
static void mask_update(struct ne2000 *ne)
{
    uint8_t mask = 0;

    if (ne->state == STATE_LIVE && ne->armed)
        mask |= NE_PRX | NE_OVW;
    if (ne->state == STATE_LIVE && ne->tx_count == NE_TX_SLOTS)
        mask |= NE_PTX | NE_TXE;
    mask_set(ne, mask);
}

/* Other devices may have the same line. */
static void ne2000_irq(void *arg)
{
    struct ne2000 *ne = arg;

    if (ne->mask == 0 || (ne2000_get(ne->io, NE_ISR) & ne->mask) == 0)
        return;
    mask_set(ne, 0);
    irq_work_raise(&ne->work);
}

/* ---- The timer ----------------------------------------------------------- */

static void timer_in(struct ne2000 *ne, uint64_t ns)
{
    int status = timer_set(&ne->timer, time_ns() + ns);

    assert(status == 0); /* it is set, or it was a moment ago */
}

/* Something happens: the next look comes soon. */
static void look_soon(struct ne2000 *ne)
{
    ne->look_ns = LOOK_NS;
    if (ne->timer.deadline_ns > time_ns() + LOOK_NS)
        timer_in(ne, LOOK_NS);
}

/* ---- Reset --------------------------------------------------------------- */

/* Whoever polls or sends is to try again, as soon as it has returned. */
static void tell(struct ne2000 *ne)
{
    ne->news = true;
    irq_work_raise(&ne->work);
}

static void die(struct ne2000 *ne, const char *why)
{
    log_error("%s: the card %s: it is given up", ne->net.device.name, why);
    ne->state = STATE_DEAD;
    timer_cancel(&ne->timer);
    net_link_set(&ne->net, false);
    tell(ne);
}

/* The chip is reset: set it to work. */
static void begin(struct ne2000 *ne)
{
    assert(ne->tx_count == 0 && ne->mask == 0);
    if (ne2000_setup(ne->io, ne->net.mac, RECEIVES) != 0) {
        die(ne, "is gone");
        return;
    }
    ne2000_set(ne->io, NE_TCR, 0);
    ne->next = NE_RX_FIRST + 1;
    ne->more = false;
    ne->state = STATE_LIVE;
    ne->look_ns = LOOK_NS;
    timer_in(ne, LOOK_NS);
    mask_update(ne);
    tell(ne);
}

/* Begin a reset, as long as there is hope. */
static void reset_begin(struct ne2000 *ne, const char *why)
{
    if (ne->resets++ == RESETS_MAX) {
        die(ne, why);
        return;
    }
    log_warn("%s: the card %s: it is reset", ne->net.device.name, why);
    ne->state = STATE_RESET;
    ne->reset_ns = time_ns();
    ne2000_reset(ne->io);
    timer_in(ne, RESET_STEP);
}

static void reset_go_on(struct ne2000 *ne)
{
    if (ne2000_is_reset(ne->io))
        begin(ne);
    else if (time_ns() - ne->reset_ns >= NE_RESET_NS)
        reset_begin(ne, "does not reset");
    else
        timer_in(ne, RESET_STEP);
}

/* The card cannot go on as it is. */
static void recover(struct ne2000 *ne, const char *why)
{
    assert(ne->state == STATE_LIVE || ne->state == STATE_DRAIN);
    mask_set(ne, 0);
    queue_of(ne)->tx_dropped += ne->tx_count;
    ne->tx_count = 0;
    reset_begin(ne, why);
    if (ne->state == STATE_RESET && ne2000_is_reset(ne->io))
        begin(ne); /* as most do at once */
}

/* Read ISR of a card that works. False when it has been reset: then it is being
 * set up anew. */
static bool isr_read(struct ne2000 *ne, uint8_t *isr)
{
    *isr = ne2000_get(ne->io, NE_ISR);
    if ((*isr & NE_RST) == 0)
        return true;
    recover(ne, "has been reset");
    return false;
}

/* ---- Sending ------------------------------------------------------------- */

/* Frames were taken back by somebody else than the one who waits for room: no
 * interrupt tells him. */
static void room_tell(struct ne2000 *ne)
{
    if (ne->waits && ne->state == STATE_LIVE && ne->tx_count < NE_TX_SLOTS)
        irq_work_raise(&ne->work);
}

/* Send the oldest frame in the chip's memory. */
static void tx_start(struct ne2000 *ne)
{
    unsigned page = NE_TX_FIRST + ne->tx_first * NE_TX_PAGES;
    unsigned len = ne->tx_len[ne->tx_first];

    ne2000_transmit(ne->io, (uint8_t)page, len < FRAME_MIN ? FRAME_MIN : len);
    ne->tx_ns = time_ns();
    look_soon(ne);
}

/* The oldest frame was sent, or was not: `isr` tells. */
static void tx_end(struct ne2000 *ne, uint8_t isr)
{
    assert(ne->tx_count > 0);
    ne2000_set(ne->io, NE_ISR, NE_PTX | NE_TXE);
    if ((isr & NE_PTX) != 0)
        net_count_sent(queue_of(ne), ne->tx_len[ne->tx_first]);
    else
        queue_of(ne)->tx_dropped++;
    ne->resets = 0;
    ne->tx_first = (ne->tx_first + 1) % NE_TX_SLOTS;
    ne->tx_count--;
}

/* Take back what was sent, and send what comes next. */
static void tx_reclaim(struct ne2000 *ne, uint8_t isr)
{
    if ((isr & (NE_PTX | NE_TXE)) == 0 || ne->tx_count == 0)
        return;
    tx_end(ne, isr);
    if (ne->tx_count > 0)
        tx_start(ne);
}

/* Copy the frame into the chip's memory. Returns 0, -ETIMEDOUT, -ENODEV. */
static int tx_add(struct ne2000 *ne, const struct packet *packet)
{
    unsigned slot = (ne->tx_first + ne->tx_count) % NE_TX_SLOTS;
    unsigned address = (NE_TX_FIRST + slot * NE_TX_PAGES) * NE_PAGE;
    size_t len = packet_read(packet, 0, ne->frame, FRAME_MAX);
    size_t padded = len < FRAME_MIN ? FRAME_MIN : len;
    int status;

    assert(ne->tx_count < NE_TX_SLOTS);
    memset(ne->frame + len, 0, padded - len);
    status = ne2000_copy_in(ne->io, address, ne->frame, padded);
    if (status != 0)
        return status;
    ne->tx_len[slot] = (uint16_t)len;
    if (ne->tx_count++ == 0)
        tx_start(ne);
    return 0;
}

/* Whether there is a place for one more frame. */
static bool tx_room(struct ne2000 *ne)
{
    uint8_t isr;

    if (!isr_read(ne, &isr))
        return false;
    tx_reclaim(ne, isr);
    return ne->tx_count < NE_TX_SLOTS;
}

/* Whether the packet is taken: the chip has its frame, or it is dropped. */
static bool tx_one(struct ne2000 *ne, struct packet *packet)
{
    if (packet_len(packet) > FRAME_MAX) {
        net_drop_sent(queue_of(ne), packet);
        return true;
    }
    if (ne->state == STATE_LIVE && tx_room(ne)) {
        if (tx_add(ne, packet) == 0) {
            packet_put(packet);
            return true;
        }
        recover(ne, "does not take a frame");
    }
    if (ne->state == STATE_DEAD)
        net_drop_sent(queue_of(ne), packet);
    return ne->state == STATE_DEAD;
}

static unsigned ne2000_send(struct net_queue *queue,
                            struct packet *const packets[], unsigned count)
{
    struct ne2000 *ne = ne2000_of(queue->device);
    unsigned taken = 0;

    while (taken < count && tx_one(ne, packets[taken]))
        taken++;
    if (taken < count)
        ne->waits = true;
    mask_update(ne);
    room_tell(ne);
    ne2000_check(ne);
    return taken;
}

/* ---- Receiving ----------------------------------------------------------- */

/* The page `count` pages on in the ring, at most once around. */
static uint8_t page_after(unsigned page, unsigned count)
{
    page += count;
    return (uint8_t)(page < NE_RX_END ? page : page - NE_RX_PAGES);
}

/* The chip may write up to the page before that of the next frame: so a full
 * ring is not taken for an empty one (DS 7.0). */
static void boundary_set(struct ne2000 *ne)
{
    ne2000_set(ne->io, NE_BNRY, page_after(ne->next, NE_RX_PAGES - 1));
}

/*
 * Copy `len` bytes of the ring out of the chip, from `offset` in the first page
 * of the next frame on: in two parts where the ring ends between.
 */
static int ring_read(struct ne2000 *ne, unsigned offset, uint8_t *to,
                     unsigned len)
{
    unsigned address = ne->next * NE_PAGE + offset;
    unsigned until_end = NE_RX_END * NE_PAGE - address;
    int status;

    assert(offset < NE_PAGE);
    if (len <= until_end)
        return ne2000_copy_out(ne->io, address, to, len);
    status = ne2000_copy_out(ne->io, address, to, until_end);
    if (status != 0)
        return status;
    return ne2000_copy_out(ne->io, NE_RX_FIRST * NE_PAGE, to + until_end,
                           len - until_end);
}

/*
 * A packet with the frame of `len` bytes, of which `head` has the first
 * FRAME_MIN. *packet is NULL when there is no memory. Returns 0, -ETIMEDOUT.
 */
static int frame_read(struct ne2000 *ne, const uint8_t *head, unsigned len,
                      struct packet **packet)
{
    uint8_t *at;

    *packet = packet_get();
    if (*packet == NULL)
        return 0;
    at = packet_append(*packet, len);
    assert(at != NULL);
    memcpy(at, head, FRAME_MIN);
    if (len > FRAME_MIN && ring_read(ne, HEADER + FRAME_MIN, at + FRAME_MIN,
                                     len - FRAME_MIN) != 0) {
        packet_put(*packet);
        *packet = NULL;
        return -ETIMEDOUT;
    }
    return 0;
}

/*
 * Take the next frame out of the ring, which has frames up to page `current`.
 * *packet is NULL when it is dropped. Returns NULL, or what is wrong with the
 * card.
 */
static const char *rx_one(struct ne2000 *ne, uint8_t current,
                          struct packet **packet)
{
    uint8_t head[HEADER + FRAME_MIN]; /* of the longest and of any other */
    unsigned used, len, pages;

    *packet = NULL;
    if (ring_read(ne, 0, head, sizeof(head)) != 0)
        return "does not give a frame";
    len = le16_get(head + 2); /* with the check sequence */
    pages = (HEADER + len + NE_PAGE - 1) / NE_PAGE;
    used = (current + NE_RX_PAGES - ne->next) % NE_RX_PAGES;
    if ((head[0] & NE_RSR_PRX) == 0 || pages > used ||
        head[1] != page_after(ne->next, pages))
        return "breaks the rules of its ring";
    if (len >= FRAME_MIN + CHECK_SEQUENCE &&
        len <= FRAME_MAX + CHECK_SEQUENCE &&
        frame_read(ne, head + HEADER, len - CHECK_SEQUENCE, packet) != 0)
        return "does not give a frame";
    if (*packet == NULL)
        queue_of(ne)->rx_dropped++;
    else
        net_count_received(queue_of(ne), len - CHECK_SEQUENCE);
    ne->resets = 0;
    ne->next = head[1];
    boundary_set(ne);
    return NULL;
}

/* Take at most `max` frames; one that is dropped counts as work done. */
static unsigned rx_take(struct ne2000 *ne, struct packet *packets[],
                        unsigned max)
{
    const char *wrong = NULL;
    unsigned count = 0;
    uint8_t current;

    /* What comes from now on says so once more. */
    ne2000_set(ne->io, NE_ISR, NE_PRX | NE_RXE);
    current = ne2000_current(ne->io);
    if (current < NE_RX_FIRST || current >= NE_RX_END)
        wrong = "breaks the rules of its ring";
    for (unsigned i = 0; wrong == NULL && i < max && ne->next != current; i++) {
        wrong = rx_one(ne, current, &packets[count]);
        if (wrong == NULL && packets[count] != NULL)
            count++;
    }
    ne->more = ne->next != current;
    if (wrong != NULL)
        recover(ne, wrong);
    return count;
}

/* ---- Overflow: DS 7.0 ---------------------------------------------------- */

static void overflow_begin(struct ne2000 *ne)
{
    mask_set(ne, 0);
    ne2000_set(ne->io, NE_CR, NE_STP | NE_ABORT);
    ne->state = STATE_STOP;
    timer_in(ne, STOP_NS);
}

/* The chip has stopped. */
static void overflow_go_on(struct ne2000 *ne)
{
    ne2000_set(ne->io, NE_RBCR0, 0);
    ne2000_set(ne->io, NE_RBCR1, 0);
    ne2000_set(ne->io, NE_TCR, NE_TCR_LOOPBACK);
    ne2000_set(ne->io, NE_CR, NE_STA | NE_ABORT);
    ne->state = STATE_DRAIN;
    tell(ne);
}

/* There is room. A frame that was being sent when the chip was stopped has left
 * it, or is to be sent again. */
static void overflow_end(struct ne2000 *ne, uint8_t isr)
{
    boundary_set(ne);
    ne2000_set(ne->io, NE_ISR, NE_OVW);
    ne2000_set(ne->io, NE_TCR, 0);
    ne->state = STATE_LIVE;
    if (ne->tx_count > 0 && (isr & (NE_PTX | NE_TXE)) != 0)
        tx_end(ne, isr);
    if (ne->tx_count > 0)
        tx_start(ne);
    look_soon(ne);
}

/* ---- Polling ------------------------------------------------------------- */

static unsigned poll_live(struct ne2000 *ne, struct packet *packets[],
                          unsigned max, uint8_t isr)
{
    tx_reclaim(ne, isr);
    if ((isr & NE_OVW) != 0) {
        overflow_begin(ne);
        return 0;
    }
    if ((isr & NE_PRX) == 0 && !ne->more)
        return 0;
    return rx_take(ne, packets, max);
}

static unsigned ne2000_poll(struct net_queue *queue, struct packet *packets[],
                            unsigned max)
{
    struct ne2000 *ne = ne2000_of(queue->device);
    unsigned count = 0;
    uint8_t isr;

    if (ne->state == STATE_LIVE && isr_read(ne, &isr)) {
        count = poll_live(ne, packets, max, isr);
    } else if (ne->state == STATE_DRAIN && isr_read(ne, &isr)) {
        count = rx_take(ne, packets, max);
        if (ne->state == STATE_DRAIN)
            overflow_end(ne, isr);
    }
    mask_update(ne);
    room_tell(ne);
    ne2000_check(ne);
    return count;
}

static bool ne2000_arm(struct net_queue *queue, bool on)
{
    struct ne2000 *ne = ne2000_of(queue->device);
    bool has_come = false;

    if (on && ne->state == STATE_LIVE)
        has_come = ne->more || (ne2000_get(ne->io, NE_ISR) &
                                (NE_PRX | NE_OVW | NE_RST)) != 0;
    else if (on)
        has_come = ne->state == STATE_DRAIN;
    ne->armed = on && !has_come;
    mask_update(ne);
    return !has_come;
}

/* ---- What happens by itself ---------------------------------------------- */

/* Look what the card has done, and wake who waits for it. */
static void service(struct ne2000 *ne)
{
    bool wake = ne->news;
    uint8_t isr;

    ne->news = false;
    if (ne->state == STATE_LIVE && isr_read(ne, &isr)) {
        tx_reclaim(ne, isr);
        if (ne->armed && (isr & (NE_PRX | NE_OVW)) != 0) {
            ne->armed = false;
            wake = true;
        }
        if (ne->waits && ne->tx_count < NE_TX_SLOTS)
            wake = true;
        mask_update(ne);
    }
    if (!wake)
        return;
    ne->waits = false;
    net_wake(queue_of(ne));
}

static void work_run(struct irq_work *work)
{
    service(container_of(work, struct ne2000, work));
}

/* Frames that the card did not receive, of those that were for it. */
static void tally(struct ne2000 *ne)
{
    (void)ne2000_get(ne->io, NE_CNTR0); /* CNTR1 counts them as well */
    queue_of(ne)->rx_dropped += ne2000_get(ne->io, NE_CNTR1);
    queue_of(ne)->rx_dropped += ne2000_get(ne->io, NE_CNTR2);
}

/* Is all well, though nothing was heard of it? */
static void look(struct ne2000 *ne)
{
    const struct net_queue *queue = queue_of(ne);
    uint64_t frames;

    service(ne);
    if (ne->state != STATE_LIVE)
        return;
    if (ne->tx_count > 0 && time_ns() - ne->tx_ns >= SEND_NS) {
        recover(ne, "does not send");
        return;
    }
    tally(ne);
    frames = queue->rx_frames + queue->tx_frames;
    if (ne->tx_count == 0 && frames == ne->look_frames &&
        ne->look_ns < LOOK_MAX_NS)
        ne->look_ns *= 2;
    else if (frames != ne->look_frames)
        ne->look_ns = LOOK_NS;
    ne->look_frames = frames;
    timer_in(ne, ne->look_ns);
}

static void timer_work(struct timer *timer)
{
    struct ne2000 *ne = container_of(timer, struct ne2000, timer);

    timer_in(ne, LOOK_NS); /* or as it is decided below */
    if (ne->state == STATE_RESET)
        reset_go_on(ne);
    else if (ne->state == STATE_STOP)
        overflow_go_on(ne);
    else if (ne->state == STATE_DRAIN)
        tell(ne);
    else
        look(ne);
    ne2000_check(ne);
}

/* ---- Start --------------------------------------------------------------- */

static int ne2000_start(struct net_device *dev)
{
    struct ne2000 *ne = ne2000_of(dev);
    bool is_msix;
    int status;

    irq_work_init(&ne->work, work_run);
    timer_init(&ne->timer, timer_work);
    status = ne2000_reset_wait(ne->io);
    if (status == 0)
        status = timer_set(&ne->timer, TIME_NEVER);
    if (status == 0)
        status = packet_pool_grow(
            mem_free_bytes() < SMALL_MEMORY ? PACKETS_SMALL : PACKETS);
    if (status == 0)
        status = pci_attach_irq(&ne->function, cpu_self()->id, ne2000_irq, ne,
                                &is_msix);
    if (status == 0) {
        begin(ne);
        status = ne->state == STATE_LIVE ? 0 : -EIO;
    }
    if (status != 0) {
        timer_cancel(&ne->timer);
        ne->state = STATE_OFF;
        return status;
    }
    ne2000_check(ne);
    return 0;
}

static void check(const struct net_device *dev)
{
    ne2000_check(container_of(dev, struct ne2000, net));
}

static const struct net_ops ne2000_ops = {.start = ne2000_start,
                                          .send = ne2000_send,
                                          .poll = ne2000_poll,
                                          .arm = ne2000_arm,
                                          .check = check};

/* Fill in the card. Returns NULL, or why it is left out. */
static const char *card_read(struct ne2000 *ne)
{
    pci_enable(&ne->function);
    if (pci_map_bar(&ne->function, 0, 0, NE_PORTS, &ne->io) != 0)
        return "has no registers";
    if (ne2000_read_address(ne->io, ne->net.mac) != 0)
        return "does not answer";
    if (!net_address_valid(ne->net.mac))
        return "has a group address, or none";
    ne->net.ops = &ne2000_ops;
    ne->net.mtu = MTU;
    if (net_register(&ne->net) != 0)
        return "is one too many: no name is left";
    return NULL;
}

static void card_found(const struct pci_function *function, void *arg)
{
    struct hal_pci_addr at = function->addr;
    int *status = arg;
    struct ne2000 *ne;
    const uint8_t *mac;
    const char *wrong;

    if (function->vendor != PCI_VENDOR || function->device != PCI_DEVICE ||
        *status != 0)
        return;
    ne = mem_alloc_zeroed(sizeof(*ne));
    if (ne == NULL) {
        *status = -ENOMEM;
        return;
    }
    ne->function = *function;
    wrong = card_read(ne);
    if (wrong != NULL) {
        log_error("ne2000: the card at pci %02x:%02x.%x %s: left out", at.bus,
                  at.dev, at.fn, wrong);
        mem_free(ne);
        return;
    }
    mac = ne->net.mac;
    log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x, ne2000 pci %02x:%02x.%x",
             ne->net.device.name, mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5], at.bus, at.dev, at.fn);
}

static int ne2000_probe(void)
{
    int status = 0;

    pci_scan(card_found, &status);
    return status;
}

const struct driver ne2000_driver = {.name = "ne2000", .probe = ne2000_probe};
