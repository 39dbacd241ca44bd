/*
 * What frames and disk requests cost in guest instructions: an image for a
 * machine with two cards on one wire, net0 and net1, a disk, vda, and one CPU.
 * tools/bench_io_guest.sh boots it and counts.
 *
 * Prints "bench NAME COUNT" for each pair of marks, in their order.
 */
#include "apps/bench/marks.h"
#include "hal/hal.h"
#include "kernel/device/block.h"
#include "kernel/device/netdev.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

/* ---- Two cards ----------------------------------------------------------- */

enum { BATCH = 32, ROUNDS = 20, WARM = 4, LATE_MAX = 100, CONSTANT_LEN = 1460 };

#define WIRE_TIMEOUT_NS (10 * NS_PER_S)

static struct net_queue *sender, *receiver;
static unsigned wakes;
static bool was_marked; /* the round has made a pair of marks */

static void wake(struct net_queue *queue)
{
    (void)queue;
    wakes++;
}

static struct net_queue *card_start(unsigned index)
{
    struct device *device = device_find(DEVICE_NET, index);
    struct net_queue *queue;

    if (device == NULL || device_dedicate(device, 0) != 0)
        return NULL;
    queue = &net_from_device(device)->queues[0];
    queue->wake = wake;
    return queue;
}

/* Each pair of marks has a line of its own: the script counts them. */
static void mark_end(void)
{
    bench_end();
    was_marked = true;
}

struct load {
    const char *name;
    size_t len;          /* of a frame, in its packet */
    bool sent, received; /* which half is measured */
    bool with_constant;  /* CONSTANT_LEN bytes more, in a slice */
};

/* What an application sends again and again. */
static const uint8_t page[CONSTANT_LEN] = {1, 2, 3};
static struct buf *constant;

/* The rest of the frame lies in the application's constant: nothing is copied.
 */
static bool constant_add(struct packet *packet)
{
    buf_get(constant);
    return packet_add_slice(packet, slice_whole(constant)) == 0;
}

/* BATCH frames from one card to the other, `len` bytes of each in its packet.
 */
static bool frames_make(struct packet *packets[BATCH], size_t len,
                        bool with_constant)
{
    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t *at;

        packets[i] = packet_get();
        if (packets[i] == NULL)
            return false;
        at = packet_append(packets[i], len);
        memset(at, 0, len);
        memcpy(at, receiver->device->mac, 6);
        memcpy(at + 6, sender->device->mac, 6);
        at[12] = 0x88; /* a type for experiments: IEEE 802 EtherType 88b5 */
        at[13] = 0xb5;
        if (with_constant && !constant_add(packets[i]))
            return false;
    }
    return true;
}

/* Send a batch; the device is notified in the pass. */
static bool send_batch(const struct load *load, bool measure)
{
    struct packet *packets[BATCH];
    unsigned taken;

    if (!frames_make(packets, load->len, load->with_constant))
        return false;
    if (measure)
        bench_begin();
    taken = net_send(sender, packets, BATCH);
    thread_yield();
    if (measure)
        mark_end();
    return taken == BATCH;
}

/* Everything from the interrupt on: its work, the poll, the packets' way back
 * to the pool. Returns how many frames. */
static unsigned receive_batch(void)
{
    struct packet *packets[BATCH];
    unsigned count;

    thread_yield();
    (void)net_arm(receiver, false);
    count = net_poll(receiver, packets, BATCH);
    for (unsigned i = 0; i < count; i++)
        packet_put(packets[i]);
    return count;
}

/* How long the wire is given to deliver a batch. */
static void pause(void)
{
    uint64_t end = time_ns() + 20 * NS_PER_MS;

    while (time_ns() < end)
        hal_cpu_relax();
}

/*
 * One batch over the wire. Interrupts are off until all frames are there, as if
 * the CPU had been busy: one interrupt tells of all.
 */
static bool round_trip(const struct load *load, bool measure)
{
    hal_irqflags flags;
    unsigned count;

    was_marked = false;
    if (!net_arm(receiver, true) || !send_batch(load, measure && load->sent))
        return false;
    flags = hal_irq_save();
    pause();
    if (measure && load->received)
        bench_begin();
    hal_irq_restore(flags);
    count = receive_batch();
    if (measure && load->received)
        mark_end();
    (void)net_poll(sender, NULL, 0); /* what was sent comes back */
    return count == BATCH;
}

static const struct load loads_of_cards[] = {
    {"sent-64", 64, true, false, false},
    {"received-64", 64, false, true, false},
    {"sent-1500", 1514, true, false, false},
    {"received-1500", 1514, false, true, false},
    {"sent-constant", 54, true, false, true},
};

/* Everything that is still on the wire. */
static void drain(void)
{
    do
        pause();
    while (receive_batch() > 0);
}

/*
 * Wait until the wire delivers. QEMU's e1000 takes no frame for a second after
 * its receiver was set up, and then all that have come meanwhile: they must not
 * be taken for those of a round.
 */
static int wire_wait(void)
{
    uint64_t end = time_ns() + WIRE_TIMEOUT_NS;

    while (!round_trip(&loads_of_cards[0], false)) {
        if (time_ns() >= end)
            return -ETIMEDOUT;
    }
    drain();
    return 0;
}

/* Rounds in which the wire was slow are told as "late", and repeated. */
static int load_run(const struct load *load)
{
    unsigned rounds = 0, late = 0;

    for (unsigned i = 0; i < WARM; i++) {
        if (!round_trip(load, false))
            drain();
    }
    while (rounds < ROUNDS && late < LATE_MAX) {
        bool complete = round_trip(load, true);

        if (was_marked)
            console_print("bench %s %u\n", complete ? load->name : "late",
                          BATCH);
        rounds += complete;
        late += !complete;
        if (!complete)
            drain();
    }
    return rounds == ROUNDS ? 0 : -ETIMEDOUT;
}

/* ---- A disk -------------------------------------------------------------- */

enum { DEPTH = 32, READ_SECTORS = 8, READ_ROUNDS = 20 };

static struct block_open disk;
static struct block_request reads[DEPTH];
static struct slice slices[DEPTH];
static unsigned reads_left;
static int reads_status;

static void read_done(struct block_request *request, int status)
{
    (void)request;
    if (status != 0)
        reads_status = status;
    reads_left--;
}

static bool disk_open(void)
{
    struct block_device *dev = block_from_device(device_by_name("vda"));

    if (dev == NULL || device_dedicate(&dev->device, 0) != 0 ||
        block_open(dev, BLOCK_SHARED, &disk) != 0)
        return false;
    for (unsigned i = 0; i < DEPTH; i++) {
        slices[i].buf = buf_alloc(READ_SECTORS * BLOCK_SECTOR_SIZE);
        if (slices[i].buf == NULL)
            return false;
        slices[i] = slice_whole(slices[i].buf);
    }
    return true;
}

/* 4 KiB each, at places of which no two are neighbours. */
static void reads_make(unsigned count)
{
    static uint64_t seed = 1;
    uint64_t places = disk.dev->sectors / READ_SECTORS / 2;

    for (unsigned i = 0; i < count; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        reads[i].op = BLOCK_READ;
        reads[i].sector = (seed >> 33) % places * 2 * READ_SECTORS;
        reads[i].sectors = READ_SECTORS;
        reads[i].vec = &slices[i];
        reads[i].count = 1;
        reads[i].done = read_done;
        reads[i].next = i + 1 < count ? &reads[i + 1] : NULL;
    }
    reads_left = count;
}

/* `count` reads at once, from the submission to the last one's end. */
static bool reads_run(unsigned count, bool measure)
{
    int status;

    reads_make(count);
    if (measure)
        bench_begin();
    status = block_submit(&disk, reads);
    while (status == 0 && reads_left > 0)
        thread_sleep(NS_PER_MS);
    if (measure)
        bench_end();
    return status == 0 && reads_status == 0;
}

static int reads_load(const char *name, unsigned depth)
{
    for (unsigned i = 0; i < WARM + READ_ROUNDS; i++) {
        if (!reads_run(depth, i >= WARM))
            return 3;
        if (i >= WARM)
            console_print("bench %s %u\n", name, depth);
    }
    return 0;
}

/* All loads, or the one that is named. */
static int app_main(int argc, char **argv)
{
    int status;

    sender = card_start(0);
    receiver = card_start(1);
    constant = buf_constant(page, sizeof(page));
    if (sender == NULL || receiver == NULL || constant == NULL ||
        !disk_open()) {
        log_error("two cards and a disk are needed: net0, net1, vda");
        return 1;
    }
    status = wire_wait();
    for (unsigned i = 0; status == 0 && i < COUNT_OF(loads_of_cards); i++) {
        if (argc < 2 || str_equal(argv[1], loads_of_cards[i].name))
            status = load_run(&loads_of_cards[i]);
    }
    if (status == 0 && (argc < 2 || str_equal(argv[1], "read-4k")))
        status = reads_load("read-4k", DEPTH);
    if (status == 0 && (argc < 2 || str_equal(argv[1], "read-4k-one")))
        status = reads_load("read-4k-one", 1);
    if (status != 0)
        log_error("a frame was not received, or a disk not read: %d", status);
    return status;
}

static const struct driver *const drivers[] = {
    &virtio_net_driver, &e1000_driver, &virtio_blk_driver, NULL};

const struct torc_app torc_app = {.name = "io_guest",
                                  .main = app_main,
                                  .has_arguments = true,
                                  .drivers = drivers};
