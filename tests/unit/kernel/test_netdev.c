/* The net class: queues, their CPUs, what users and drivers call. */
#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>

enum { MEMORY = 8 << 20 };

static int setup(void **state)
{
    (void)state;
    console_forget();
    machine_attach(MEMORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

/* ---- A driver that notes what it is called with -------------------------- */

static int start_status;
static unsigned start_lowers_to; /* 0: it does not */
static unsigned start_waits;     /* so many passes */
static struct net_queue *called;
static struct packet *sent;
static bool armed;

static int card_start(struct net_device *dev)
{
    for (unsigned i = 0; i < start_waits; i++)
        thread_yield();
    if (start_lowers_to != 0)
        dev->queue_count = start_lowers_to;
    return start_status;
}

static unsigned card_send(struct net_queue *queue,
                          struct packet *const packets[], unsigned count)
{
    called = queue;
    sent = packets[0];
    return count - 1;
}

static unsigned card_poll(struct net_queue *queue, struct packet *packets[],
                          unsigned max)
{
    called = queue;
    packets[0] = sent;
    return max;
}

static bool card_arm(struct net_queue *queue, bool on)
{
    called = queue;
    armed = on;
    return !on;
}

static unsigned listens;

static void card_listen(struct net_device *dev)
{
    (void)dev;
    listens++;
}

static const struct net_ops card_ops = {.start = card_start,
                                        .send = card_send,
                                        .poll = card_poll,
                                        .arm = card_arm,
                                        .listen = card_listen};

/* In memory of the machine: its list has it until the machine ends. */
static struct net_device *card_new(unsigned queue_max)
{
    struct net_device *card =
        mem_alloc_aligned(sizeof(*card), _Alignof(struct net_device));

    memset(card, 0, sizeof(*card));
    card->ops = &card_ops;
    card->mtu = 1500;
    card->queue_max = queue_max;
    start_status = 0;
    start_lowers_to = 0;
    start_waits = 0;
    return net_register(card) == 0 ? card : NULL;
}

/* ---- Registering, dedicating --------------------------------------------- */

static void test_netdev_is_found(void **state)
{
    struct net_device *card = card_new(0);

    (void)state;
    assert_string_equal(device_name(&card->device), "net0");
    assert_ptr_equal(net_from_device(&card->device), card);
    assert_null(net_from_device(NULL));
    card->device.class = DEVICE_BLOCK;
    assert_null(net_from_device(&card->device));
    card->device.class = DEVICE_NET;
    assert_int_equal(card->queue_max, 1);
    assert_null(net_queue_mine(card)); /* nobody has it */
}

static void test_netdev_has_one_queue_by_default(void **state)
{
    struct net_device *card = card_new(4);

    (void)state;
    start_status = -EIO;
    assert_int_equal(device_dedicate(&card->device, 0), -EIO);
    assert_int_equal(card->queue_count, 0);
    start_status = 0;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    assert_int_equal(card->queue_count, 1);
    assert_ptr_equal(net_queue_mine(card), &card->queues[0]);
    assert_true(card->link_up);
    net_check(card);
}

/* CPU 0 dedicates to itself and the next ones. */
static int dedicate(void *arg)
{
    static const unsigned cpus[] = {1, 0, 2};
    static const unsigned twice[] = {0, 1, 0};
    static const unsigned beyond[] = {0, 3};
    struct net_device *card = card_new(8), *small = card_new(2);
    struct net_device *lowered = card_new(8);

    (void)arg;
    if (net_dedicate(card, cpus, 0) != -EINVAL ||
        net_dedicate(card, twice, 3) != -EINVAL ||
        net_dedicate(card, beyond, 2) != -EINVAL || card->queue_count != 0)
        return 1;
    if (net_dedicate(card, cpus, 3) != 0 || card->queue_count != 3)
        return 2;
    for (unsigned i = 0; i < 3; i++)
        if (card->queues[i].cpu != cpus[i] || card->queues[i].index != i ||
            card->queues[i].device != card)
            return 3;
    if (net_queue_mine(card) != &card->queues[1] ||
        device_is_mine(&card->device))
        return 4;
    /* Who comes later changes nothing. */
    if (net_dedicate(card, twice, 1) != -EBUSY || card->queue_count != 3 ||
        card->queues[0].cpu != 1)
        return 5;
    if (net_dedicate(card, cpus, 1) != 0 || card->queue_count != 3)
        return 6;
    /* The card has fewer, or the driver can do fewer. */
    if (net_dedicate(small, cpus, 3) != 0 || small->queue_count != 2)
        return 7;
    start_lowers_to = 1;
    if (net_dedicate(lowered, cpus, 3) != 0 || lowered->queue_count != 1 ||
        net_queue_mine(lowered) != NULL)
        return 8;
    return 0;
}

static void test_netdev_queues_have_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run(3, MEMORY, dedicate, NULL), 0);
}

/* While another card is being started two threads want this one, with other
 * queues: it is the first one's, as that one wants it. */
struct order {
    struct net_device *card;
    const unsigned *cpus;
    thread_id thread;
};

static int order_run(void *arg)
{
    const struct order *order = arg;

    return net_dedicate(order->card, order->cpus, 2);
}

static int dedicate_at_once(void *arg)
{
    static const unsigned cpus[2][2] = {{0, 1}, {1, 2}};
    struct net_device *other = card_new(1), *card = card_new(2);
    struct order orders[] = {
        {other, cpus[0], 0}, {card, cpus[0], 0}, {card, cpus[1], 0}};
    int status[3];

    (void)arg;
    start_waits = 10;
    for (unsigned i = 0; i < 3; i++)
        if (thread_create(NULL, order_run, &orders[i], &orders[i].thread) != 0)
            return 1;
    for (unsigned i = 0; i < 3; i++)
        if (thread_join(orders[i].thread, &status[i]) != 0)
            return 2;
    if (status[0] != 0 || status[1] != 0 || status[2] != -EBUSY)
        return 3;
    if (card->queue_count != 2 || card->queues[0].cpu != 0 ||
        card->queues[1].cpu != 1)
        return 4;
    return 0;
}

static void test_netdev_dedicated_by_two_at_once(void **state)
{
    (void)state;
    assert_int_equal(machine_run(3, MEMORY, dedicate_at_once, NULL), 0);
}

/* ---- Users and drivers --------------------------------------------------- */

static void test_netdev_calls_the_driver(void **state)
{
    struct net_device *card = card_new(1);
    struct net_queue *queue = &card->queues[0];
    struct packet *packets[2], *got[2] = {NULL, NULL};

    (void)state;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    assert_int_equal(packet_pool_grow(2), 0);
    packets[0] = packet_get();
    packets[1] = packet_get();
    assert_int_equal(net_send(queue, packets, 2), 1);
    assert_ptr_equal(called, queue);
    assert_ptr_equal(sent, packets[0]);
    called = NULL;
    assert_int_equal(net_poll(queue, got, 2), 2);
    assert_ptr_equal(called, queue);
    assert_ptr_equal(got[0], packets[0]);
    assert_false(net_arm(queue, true));
    assert_true(armed);
    assert_true(net_arm(queue, false));
    assert_false(armed);

    net_count_sent(queue, 60);
    net_count_received(queue, 70);
    assert_int_equal(queue->tx_frames, 1);
    assert_int_equal(queue->tx_bytes, 60);
    assert_int_equal(queue->rx_frames, 1);
    assert_int_equal(queue->rx_bytes, 70);
    net_drop_sent(queue, packets[0]);
    assert_int_equal(queue->tx_dropped, 1);
    assert_int_equal(packet_free_count(), 1);
    packet_put(packets[1]);
}

static unsigned wakes, attended, changes, announcements;

static void wake(struct net_queue *queue)
{
    wakes += queue->index + 1;
}

static void link_changed(struct net_device *dev)
{
    changes += dev->link_up ? 100 : 1;
}

static void announce(struct net_device *dev)
{
    announcements += dev->mtu == 1500;
}

static void attend(struct net_queue *queue)
{
    attended += queue->index == 0;
}

static void test_netdev_tells_its_user(void **state)
{
    struct net_device *card = card_new(1);

    (void)state;
    wakes = changes = announcements = 0;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    net_wake(&card->queues[0]); /* nobody: harmless */
    net_announce(card);
    net_link_set(card, false);
    assert_false(card->link_up);
    assert_true(console_has("net0: link down\n"));
    card->queues[0].wake = wake;
    card->link_changed = link_changed;
    card->announce = announce;
    net_wake(&card->queues[0]);
    assert_int_equal(wakes, 1);
    net_attend(&card->queues[0]);
    assert_int_equal(wakes, 2);
    card->queues[0].attend = attend;
    net_attend(&card->queues[0]);
    assert_int_equal(attended, 1);
    assert_int_equal(wakes, 2);
    net_announce(card);
    assert_int_equal(announcements, 1);
    net_link_set(card, false); /* as it is: nothing to tell */
    assert_int_equal(changes, 0);
    net_link_set(card, true);
    assert_int_equal(changes, 100);
    assert_true(console_has("net0: link up\n"));
}

static void test_netdev_keeps_groups(void **state)
{
    struct net_device *card = card_new(1);
    uint8_t group[6] = {0x33, 0x33, 0xff, 0, 0, 0};

    (void)state;
    listens = 0;
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    for (unsigned i = 0; i < NET_GROUPS_MAX; i++) {
        group[5] = (uint8_t)i;
        assert_int_equal(net_group_add(card, group), 0);
        assert_int_equal(net_group_add(card, group), -EEXIST);
        net_check(card);
    }
    assert_int_equal(listens, NET_GROUPS_MAX);
    group[5] = 99;
    assert_int_equal(net_group_add(card, group), -ENOSPC);
    assert_int_equal(net_group_remove(card, group), -ENOENT);
    assert_int_equal(listens, NET_GROUPS_MAX);
    group[5] = 3;
    assert_int_equal(net_group_remove(card, group), 0);
    assert_int_equal(listens, NET_GROUPS_MAX + 1);
    assert_int_equal(card->group_count, NET_GROUPS_MAX - 1);
    net_check(card);
    group[5] = 99;
    assert_int_equal(net_group_add(card, group), 0);
    net_check(card);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_netdev_is_found),
        ATTACHED(test_netdev_has_one_queue_by_default),
        cmocka_unit_test(test_netdev_queues_have_cpus),
        cmocka_unit_test(test_netdev_dedicated_by_two_at_once),
        ATTACHED(test_netdev_calls_the_driver),
        ATTACHED(test_netdev_tells_its_user),
        ATTACHED(test_netdev_keeps_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
