/*
 * The virtio card's link, announcements and commands; several queues, each on a
 * CPU of its own, in a whole machine.
 */
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "tests/unit/drivers/virtio_net_fixture.h"
#include <stdatomic.h>
#include <torc/machine.h>
#include <torc/message.h>

enum { ANNOUNCE = NETF_STATUS | NETF_CTRL_VQ | NETF_GUEST_ANNOUNCE };

/* ---- The link ------------------------------------------------------------ */

static unsigned link_changes;

static void link_changed(struct net_device *dev)
{
    assert_ptr_equal(dev, card);
    link_changes++;
}

static void test_link_changes(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        started(transport, NETF_STATUS);
        link_changes = 0;
        card->link_changed = link_changed;
        assert_true(card->link_up);
        for (unsigned i = 1; i <= 4; i++) {
            net_model_link(&model, i % 2 == 0);
            settle();
            assert_int_equal(card->link_up, i % 2 == 0);
            assert_int_equal(link_changes, i);
        }
        /* Changed, but as before. */
        net_model_link(&model, true);
        settle();
        assert_int_equal(link_changes, 4);
        assert_true(console_has("net0: link down\n"));
        assert_works();
        finish();
    }
}

static void test_link_at_the_start(void **state)
{
    (void)state;
    for (unsigned up = 0; up < 2; up++) {
        fresh();
        net_model_offer(&model, NETF_STATUS, 1);
        le16_put(model.virtio.config + 6, (uint16_t)up);
        plug(MMIO);
        start();
        assert_int_equal(card->link_up, up);
        finish();
    }
    started(MMIO, 0); /* a card that cannot tell */
    assert_true(card->link_up);
    model_config_changed(&model.virtio);
    settle();
    assert_true(card->link_up);
    finish();
}

/* The interrupt of a change is lost: the watchdog looks, too. */
static void test_link_seen_by_the_watchdog(void **state)
{
    (void)state;
    started(PCI, NETF_STATUS);
    clock_set(1000 * NS_PER_S);
    timer_run(time_ns());
    model.virtio.lose_interrupts = true;
    net_model_link(&model, false);
    settle();
    assert_true(card->link_up);
    time_passes(5 * NS_PER_S);
    time_passes(10 * NS_PER_S);
    assert_false(card->link_up);
    model.virtio.lose_interrupts = false;
    finish();
    clock_set(0);
}

/* ---- Announcements ------------------------------------------------------- */

static unsigned announcements;

static void announce(struct net_device *dev)
{
    assert_ptr_equal(dev, card);
    announcements++;
}

static void test_announcements(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        started(transport, ANNOUNCE);
        announcements = 0;
        assert_int_equal(model.virtio.queue[2].size >= 2, 1);
        for (unsigned i = 1; i <= 3; i++) {
            card->announce = i == 1 ? NULL : announce;
            net_model_announce(&model);
            settle();
            assert_int_equal(announcements, i - 1);
            assert_int_equal(model.announced, i - 1);
            assert_true(net_model_command(&model));
            assert_int_equal(model.announced, i);
            assert_false(net_model_command(&model));
            settle();
            assert_false(NET->ctrl.is_busy);
            assert_int_equal(NET->ctrl.status, 0);
        }
        assert_works();
        finish();
    }
}

/* Asked again before the device has seen the answer, which is for both; and
 * once more before the driver knows that it has: then there is another one. */
static void test_announcement_while_one_is_under_way(void **state)
{
    (void)state;
    started(PCI, ANNOUNCE);
    card->announce = announce;
    announcements = 0;
    net_model_announce(&model);
    settle();
    net_model_announce(&model);
    settle();
    assert_int_equal(announcements, 1);
    net_check(card);
    assert_true(net_model_command(&model));
    net_model_announce(&model);
    settle();
    assert_int_equal(announcements, 2);
    assert_true(net_model_command(&model));
    settle();
    assert_false(net_model_command(&model));
    assert_int_equal(announcements, 2);
    assert_false(NET->ctrl.is_busy);
    assert_works();
    finish();
}

/* It has asked before the card was started. */
static void test_announcement_at_the_start(void **state)
{
    (void)state;
    fresh();
    net_model_offer(&model, ANNOUNCE, 1);
    le16_put(model.virtio.config + 6, 3);
    plug(MMIO);
    start();
    assert_true(net_model_command(&model));
    assert_int_equal(model.announced, 1);
    settle();
    finish();
}

/* The device does not answer: it is reset. A lost interrupt is none. */
static void test_command_without_an_answer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned resets;

        started(PCI, ANNOUNCE);
        clock_set(1000 * NS_PER_S);
        timer_run(time_ns());
        time_passes(5 * NS_PER_S);
        resets = model.virtio.resets;
        net_model_announce(&model);
        settle();
        assert_true(NET->ctrl.is_busy);
        if (i == 0) {
            model.virtio.lose_interrupts = true;
            assert_true(net_model_command(&model));
            model.virtio.lose_interrupts = false;
        }
        time_passes(5 * NS_PER_S);
        assert_int_equal(model.virtio.resets, resets);
        assert_int_equal(NET->ctrl.is_busy, i);
        time_passes(5 * NS_PER_S);
        assert_int_equal(model.virtio.resets, resets + i * 2);
        assert_int_equal(
            console_has("net0: the card does not answer: it is reset\n"), i);
        if (i == 1) /* it is still asked to announce itself */
            assert_true(net_model_command(&model));
        settle();
        assert_works();
        finish();
        clock_set(0);
    }
}

/* ---- Several queues ------------------------------------------------------ */

enum { CPUS = 3, FRAMES = 200, OWNER = 1 };

static const unsigned cpus[CPUS] = {OWNER, 0, 2};
static atomic_bool quit;

/* The device's side of the commands. It runs on the card's owner, which alone
 * resets the device and gives it commands: the model has no locks. */
static int side_run(void *arg)
{
    (void)arg;
    while (!atomic_load(&quit)) {
        (void)net_model_command(&model);
        thread_yield();
    }
    return 0;
}

static int start_here(void *arg)
{
    (void)arg;
    return net_dedicate(card, cpus, CPUS);
}

/* A frame to each queue, and one back, on this CPU. */
static int exchange_here(void *arg)
{
    unsigned index = (unsigned)(uintptr_t)arg;
    struct net_queue *queue = net_queue_mine(card);
    const struct net_model_frame *frame;
    struct packet *packet;
    uint8_t data[60] = {(uint8_t)index};

    if (queue == NULL || queue->index != index || queue->cpu != cpu_self()->id)
        panic("CPU %u has not queue %u", cpu_self()->id, index);
    for (unsigned i = 0; i < FRAMES; i++) {
        packet = make(60);
        if (net_send(queue, &packet, 1) != 1)
            panic("a frame is not taken");
        settle();
        frame = net_model_take(&model, index);
        if (frame == NULL || frame->pair != index || frame->len != 60)
            panic("queue %u has sent nothing", index);
        if (!net_model_send(&model, index, NULL, data, sizeof(data)))
            panic("queue %u has no buffers", index);
        if (net_poll(queue, &packet, 1) != 1 || packet->data[0] != index)
            panic("queue %u has received nothing", index);
        packet_put(packet);
    }
    vnet_pair_check(vnet_pair_of(queue));
    return 0;
}

static int several_queues(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = OWNER};
    thread_id side;
    unsigned resets;

    (void)arg;
    card = net_from_device(device_find(DEVICE_NET, 0));
    if (card == NULL || card->queue_max != 4)
        panic("a card of four queues");
    if (thread_create(&attr, side_run, NULL, &side) != 0 ||
        remote_call(0, start_here, NULL) != 0 || card->queue_count != CPUS)
        panic("it does not start");
    if (model.pairs != CPUS)
        panic("the device has %u pairs", model.pairs);
    for (uintptr_t i = 0; i < CPUS; i++) {
        if (remote_call(cpus[i], exchange_here, (void *)i) != 0)
            panic("an exchange");
    }
    /* Each CPU has its interrupts. */
    resets = model.virtio.resets;
    model_need_reset(&model.virtio);
    while (model.virtio.resets == resets || !NET->is_up)
        thread_yield();
    thread_sleep(10 * NS_PER_MS);
    for (uintptr_t i = 0; i < CPUS; i++) {
        if (remote_call(cpus[i], exchange_here, (void *)i) != 0)
            panic("an exchange after the reset");
    }
    atomic_store(&quit, true);
    return thread_join(side, NULL) == 0 ? 0 : 1;
}

static void test_several_queues(void **state)
{
    (void)state;
    fresh();
    net_model_offer(&model, ANNOUNCE | NETF_MQ, 4);
    model_on_pci(&model.virtio, &(struct pci_model_options){.no_msix = false});
    machine_drivers[0] = &virtio_net_driver;
    assert_int_equal(machine_run(CPUS, 8 << 20, several_queues, NULL), 0);
    machine_drivers[0] = NULL;
}

/* How many queues a card has, as far as the device and the machine have. */
static void test_how_many_queues(void **state)
{
    static const struct {
        const char *name;
        uint32_t features;
        uint16_t pairs;
        uint8_t vectors;
        unsigned queues;
    } rows[] = {
        {"one", NETF_CTRL_VQ, 1, 0, 1},
        {"four", NETF_CTRL_VQ | NETF_MQ, 4, 0, 4},
        {"without commands", NETF_MQ, 4, 0, 1},
        {"none, it says", NETF_CTRL_VQ | NETF_MQ, 0, 0, 1},
        {"more than its commands can be behind", NETF_CTRL_VQ | NETF_MQ, 33, 0,
         1},
        {"and as many as they can", NETF_CTRL_VQ | NETF_MQ, 32, 0, 11},
        {"three vectors", NETF_CTRL_VQ | NETF_MQ, 4, 3, 2},
        {"one vector", NETF_CTRL_VQ | NETF_MQ, 4, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pci_model_options options = {.msix_entries =
                                                      rows[i].vectors};

        fresh();
        net_model_offer(&model, rows[i].features, rows[i].pairs);
        model.virtio.queue_count = 9;
        machine_attach(MEMORY);
        model_on_pci(&model.virtio, &options);
        probe();
        ROW(rows[i].name, card->queue_max == rows[i].queues);
        machine_detach();
    }
}

/* A device that does not let us use its pairs does not start. */
static int refused(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = OWNER};
    bool answers = arg != NULL;
    thread_id side;

    card = net_from_device(device_find(DEVICE_NET, 0));
    model.fail_commands = true;
    if (answers && thread_create(&attr, side_run, NULL, &side) != 0)
        panic("no thread");
    if (remote_call(0, start_here, NULL) != (answers ? -EIO : -ETIMEDOUT))
        panic("it has started");
    if (model.virtio.status != 0 || !model.virtio.saw_failed)
        panic("it was not reset");
    atomic_store(&quit, true);
    if (answers && thread_join(side, NULL) != 0)
        panic("join");
    /* The next time it does. */
    atomic_store(&quit, false);
    model.fail_commands = false;
    if (thread_create(&attr, side_run, NULL, &side) != 0 ||
        remote_call(0, start_here, NULL) != 0 || model.pairs != CPUS)
        panic("it does not start");
    atomic_store(&quit, true);
    return thread_join(side, NULL) == 0 ? 0 : 1;
}

static void test_pairs_are_refused(void **state)
{
    (void)state;
    for (uintptr_t answers = 0; answers < 2; answers++) {
        fresh();
        net_model_offer(&model, NETF_CTRL_VQ | NETF_MQ, 4);
        model_on_pci(&model.virtio,
                     &(struct pci_model_options){.no_msix = false});
        machine_drivers[0] = &virtio_net_driver;
        assert_int_equal(machine_run(CPUS, 8 << 20, refused, (void *)answers),
                         0);
        machine_drivers[0] = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_changes),
        cmocka_unit_test(test_link_at_the_start),
        cmocka_unit_test(test_link_seen_by_the_watchdog),
        cmocka_unit_test(test_announcements),
        cmocka_unit_test(test_announcement_while_one_is_under_way),
        cmocka_unit_test(test_announcement_at_the_start),
        cmocka_unit_test(test_command_without_an_answer),
        cmocka_unit_test(test_several_queues),
        cmocka_unit_test(test_how_many_queues),
        cmocka_unit_test(test_pairs_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
