/*
 * Faults of apps/faults that need what applications have not: the HAL, and a
 * disk as the kernel has it.
 */
#include "apps/faults/fault.h"
#include "hal/hal.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/thread.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/thread.h>

static volatile uintptr_t hidden;

/* With watchdog=20 stuck=end: it yields to nobody, and nothing interrupts. */
static int fault_hang_off(void *arg)
{
    (void)hal_irq_save();
    for (hidden = 0; hidden < UINTPTR_MAX; hidden++)
        ;
    return arg != NULL;
}

/* ---- A report that fails ------------------------------------------------ */

static void assert_in_report(void)
{
    assert(hidden == 1);
}

/* A part of the report fails an assertion: on bare metal that is an exception,
 * on the stack of the one that is reported. */
static int fault_assert_report(void *arg)
{
    panic_add_part(assert_in_report);
    return *(volatile int *)hidden + (arg != NULL);
}

/* ---- CPUs that sleep though there is something to do --------------------- */

/* With watchdog=20 stuck=end; the CPU that it is about is CPU 1, which sleeps
 * soon after this. */
static void ignored(struct exchange_item *item)
{
    (void)item;
}

static int sleep_for_ever(void *arg)
{
    thread_sleep_until(TIME_NEVER);
    return arg != NULL;
}

/* Made ready by who may not. */
static int fault_asleep_ready(void *arg)
{
    static struct thread nobody; /* CPU 1's, as far as it is anybody's */

    (void)arg;
    thread_sleep(NS_PER_S);
    queue_push(&cpu_of(1)->ready, &nobody.ready);
    return sleep_for_ever(NULL);
}

/* Published, and nobody is woken: soon after CPU 1 has woken by itself to look
 * at CPU 0. */
static int fault_asleep_message(void *arg)
{
    static struct exchange_item item = {.run = ignored};

    (void)arg;
    thread_sleep_until(time_ns() / (4 * NS_PER_S) * 4 * NS_PER_S +
                       3 * NS_PER_S);
    atomic_store_explicit(cpu_self()->exchange->links[1].slot,
                          (uintptr_t)&item.node, memory_order_release);
    return sleep_for_ever(NULL);
}

/* The clock's interrupt is lost. */
static int lose_timer(void *arg)
{
    hal_timer_set(TIME_NEVER);
    return sleep_for_ever(arg);
}

static int fault_asleep_timer(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 1};

    (void)arg;
    if (thread_create(&attr, lose_timer, NULL, NULL) != 0)
        return 1;
    return sleep_for_ever(NULL);
}

/* ---- A disk that vanishes ------------------------------------------------ */

static bool is_done;
static int result;

static void read_done(struct block_request *request, int status)
{
    (void)request;
    result = status;
    is_done = true;
}

/* One sector, within a second. */
static int read_sector(struct block_open *open, const struct slice *slice)
{
    struct block_request request = {.op = BLOCK_READ,
                                    .sectors = 1,
                                    .count = 1,
                                    .vec = slice,
                                    .deadline_ns = time_ns() + NS_PER_S,
                                    .done = read_done};
    int status;

    is_done = false;
    status = block_submit(open, &request);
    while (status == 0 && !is_done)
        thread_sleep(NS_PER_MS);
    return status != 0 ? status : result;
}

/* The application decides what becomes of it: this one ends. */
static int fault_lost_disk(void *arg)
{
    struct device *device = device_find(DEVICE_BLOCK, 0);
    struct buf *buf = buf_alloc(BLOCK_SECTOR_SIZE);
    struct slice slice = {.buf = buf, .len = BLOCK_SECTOR_SIZE};
    struct block_open open;
    int status;

    (void)arg;
    if (device == NULL || buf == NULL ||
        device_dedicate(device, cpu_id()) != 0 ||
        block_open(block_from_device(device), BLOCK_SHARED, &open) != 0)
        machine_exit(3);
    log_info("%s is read", device_name(device));
    if (read_sector(&open, &slice) != 0)
        machine_exit(4);
    if (lose_disk != NULL)
        lose_disk();
    do {
        thread_sleep(10 * NS_PER_MS);
        status = read_sector(&open, &slice);
    } while (status == 0);
    log_error("faults: %s cannot be read (error %d)", device_name(device),
              status);
    machine_exit(5);
}

/* ---- A card that vanishes ------------------------------------------------ */

/* Take what has come, and give it a frame that nobody knows. */
static void card_use(struct net_queue *queue)
{
    struct packet *packet, *come[8];
    unsigned count = net_poll(queue, come, COUNT_OF(come));

    while (count > 0)
        packet_put(come[--count]);
    packet = packet_get();
    if (packet == NULL)
        return;
    memset(packet_append(packet, 60), 0, 60);
    memcpy(packet->data + 6, queue->device->mac, 6);
    packet->data[12] = 0x88; /* for experiments: IEEE 802, 88b5 */
    packet->data[13] = 0xb5;
    if (net_send(queue, &packet, 1) == 0)
        packet_put(packet);
}

/* The link goes down, frames are taken and dropped, and the application, which
 * is told so, goes on: it ends. */
static int fault_lost_card(void *arg)
{
    struct device *device = device_find(DEVICE_NET, 0);
    unsigned cpu = cpu_id();
    uint64_t end_ns, dropped;
    struct net_device *card;

    (void)arg;
    if (device == NULL)
        machine_exit(3);
    card = net_from_device(device);
    if (net_dedicate(card, &cpu, 1) != 0)
        machine_exit(3);
    if (lose_disk != NULL)
        lose_disk();
    end_ns = time_ns() + 60 * NS_PER_S;
    for (; card->link_up && time_ns() < end_ns; thread_sleep(10 * NS_PER_MS))
        card_use(&card->queues[0]);
    dropped = card->queues[0].tx_dropped;
    card_use(&card->queues[0]);
    log_error("faults: %s has %s link, and drops %u of 1", device_name(device),
              card->link_up ? "a" : "no",
              (unsigned)(card->queues[0].tx_dropped - dropped));
    thread_sleep(NS_PER_MS);
    machine_exit(5);
}

/* ---- For a debugger ------------------------------------------------------ */

static volatile int debug_counter; /* CPU 0's */

static noinline void debug_here(unsigned thread_here)
{
    hidden = thread_here;
}

static noinline void debug_count(void)
{
    debug_counter++;
    debug_counter++;
}

static int pass_by(void *arg)
{
    for (;;) {
        debug_here(cpu_id());
        thread_sleep(5 * NS_PER_MS);
    }
    return arg != NULL;
}

/* Both CPUs pass by breakpoints, for ever. */
static int fault_debug(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;

    if (thread_create(&attr, pass_by, arg, &id) != 0)
        machine_exit(3);
    for (;;) {
        debug_here(cpu_id());
        debug_count();
        thread_sleep(5 * NS_PER_MS);
    }
}

/* When a debugger has set the counter. */
static int fault_debug_fault(void *arg)
{
    (void)arg;
    while (debug_counter == 0)
        thread_sleep(5 * NS_PER_MS);
    hidden = 8;
    return *(volatile int *)hidden;
}

const struct fault kernel_faults[] = {
    {"assert-report", fault_assert_report},
    {"asleep-ready", fault_asleep_ready},
    {"asleep-message", fault_asleep_message},
    {"asleep-timer", fault_asleep_timer},
    {"debug", fault_debug},
    {"debug-fault", fault_debug_fault},
    {"hang-off", fault_hang_off},
    {"lost-card", fault_lost_card},
    {"lost-disk", fault_lost_disk},
    {NULL, NULL},
};
