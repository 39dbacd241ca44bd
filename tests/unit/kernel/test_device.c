/*
 * The device list and dedication: starts never overlap, and a device that is
 * asked for twice gives both callers the same answer.
 */
#include "kernel/device/device.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/wait.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/time.h>

/* A device whose start waits for several passes of the scheduler. */
struct slow {
    struct device device;
    int start_status;
    unsigned starts;
    unsigned started_on;
    struct device *child; /* what start() finds; NULL: nothing */
};

/* Starts under way, over all CPUs: a relaxed counter is enough to see two. */
static atomic_int starting;
static atomic_int most_starting;

static int slow_start(struct device *device)
{
    struct slow *slow = container_of(device, struct slow, device);
    int now = atomic_fetch_add(&starting, 1) + 1;

    if (now > atomic_load(&most_starting))
        atomic_store(&most_starting, now);
    slow->starts++;
    slow->started_on = cpu_id();
    for (int i = 0; i < 5; i++)
        thread_yield();
    thread_sleep(NS_PER_MS);
    if (slow->child != NULL && slow->start_status == 0)
        device_add_child(device, slow->child);
    atomic_fetch_sub(&starting, 1);
    return slow->start_status;
}

static struct slow slows[4];

static void slows_register(void)
{
    memset(slows, 0, sizeof(slows));
    atomic_store(&starting, 0);
    atomic_store(&most_starting, 0);
    for (unsigned i = 0; i < COUNT_OF(slows); i++) {
        slows[i].device.class = DEVICE_NET;
        slows[i].device.start = slow_start;
        if (device_register(&slows[i].device, "slow") != 0)
            abort();
    }
}

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    slows_register();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static int dedicate_here(void *arg)
{
    return device_dedicate(arg, 0);
}

static void test_device_starts_do_not_overlap(void **state)
{
    thread_id threads[COUNT_OF(slows)];
    int status;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(slows); i++)
        assert_int_equal(
            thread_create(NULL, dedicate_here, &slows[i].device, &threads[i]),
            0);
    for (unsigned i = 0; i < COUNT_OF(slows); i++) {
        assert_int_equal(thread_join(threads[i], &status), 0);
        assert_int_equal(status, 0);
        assert_true(device_is_mine(&slows[i].device));
        assert_int_equal(slows[i].starts, 1);
    }
    assert_int_equal(atomic_load(&most_starting), 1);
}

/* The second caller waits for the first one's start, and gets its result. */
static void test_device_same_twice_gives_the_same_answer(void **state)
{
    static const int results[] = {0, -EIO};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        thread_id first, second;
        int first_status, second_status;

        slows[i].start_status = results[i];
        assert_int_equal(
            thread_create(NULL, dedicate_here, &slows[i].device, &first), 0);
        assert_int_equal(
            thread_create(NULL, dedicate_here, &slows[i].device, &second), 0);
        assert_int_equal(thread_join(second, &second_status), 0);
        assert_int_equal(atomic_load(&starting), 0);
        assert_int_equal(thread_join(first, &first_status), 0);
        assert_int_equal(first_status, results[i]);
        assert_int_equal(second_status, results[i]);
        assert_int_equal(slows[i].starts, 1);
        assert_int_equal(device_is_mine(&slows[i].device), results[i] == 0);
    }
    /* A later call starts it again. */
    slows[1].start_status = 0;
    assert_int_equal(device_dedicate(&slows[1].device, 0), 0);
    assert_int_equal(slows[1].starts, 2);
}

static void test_device_children_follow_their_parent(void **state)
{
    static struct device child;

    (void)state;
    memset(&child, 0, sizeof(child));
    child.class = DEVICE_NET;
    strcpy(child.name, "slow0a");
    slows[0].child = &child;
    slows[0].start_status = -EIO;
    assert_int_equal(device_dedicate(&slows[0].device, 0), -EIO);
    assert_null(device_by_name("slow0a"));
    slows[0].start_status = 0;
    assert_int_equal(device_dedicate(&slows[0].device, 0), 0);
    assert_ptr_equal(device_by_name("slow0a"), &child);
    assert_ptr_equal(device_by_name("/dev/slow0a"), &child);
    assert_null(device_by_name("/dev/"));
    assert_null(device_by_name("/slow0a"));
    assert_ptr_equal(device_find(DEVICE_NET, COUNT_OF(slows)), &child);
    assert_true(device_is_mine(&child));
    assert_int_equal(device_dedicate(&child, 0), 0); /* it came along */
    child.owner = DEVICE_NOBODY;
    assert_int_equal(device_dedicate(&child, 0), -EBUSY);
}

/* Whoever keeps something about the devices of a machine can tell the next one
 * from it. */
static void test_device_epochs(void **state)
{
    unsigned before = device_epoch();

    (void)state;
    assert_non_null(device_by_name("slow0"));
    device_list_init();
    assert_null(device_by_name("slow0"));
    assert_int_equal(device_epoch(), before + 1);
    slows_register();
    assert_ptr_equal(device_by_name("slow0"), &slows[0].device);
    assert_int_equal(device_epoch(), before + 1);
}

static void test_device_names_run_out(void **state)
{
    static struct device many[27];

    (void)state;
    memset(many, 0, sizeof(many));
    for (unsigned i = 0; i < COUNT_OF(many); i++) {
        many[i].class = DEVICE_BLOCK;
        assert_int_equal(device_register(&many[i], "x"), i < 26 ? 0 : -ENOSPC);
    }
    assert_ptr_equal(device_by_name("xa"), &many[0]);
    assert_ptr_equal(device_by_name("xz"), &many[25]);
    assert_ptr_equal(device_find(DEVICE_BLOCK, 25), &many[25]);
    assert_null(device_find(DEVICE_BLOCK, 26));
}

/* ---- On several CPUs ----------------------------------------------------- */

struct order {
    struct slow *slow;
    unsigned cpu;
};

static int order_run(void *arg)
{
    const struct order *order = arg;

    return device_dedicate(&order->slow->device, order->cpu);
}

static int two_cpus(void *arg)
{
    static const struct order orders[] = {
        {&slows[0], 0}, {&slows[1], 1}, {&slows[2], 0}, {&slows[3], 1}};
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id threads[COUNT_OF(orders)];
    int status;

    (void)arg;
    slows_register();
    for (unsigned i = 0; i < COUNT_OF(orders); i++) {
        if (thread_create(i < 2 ? NULL : &there, order_run,
                          (void *)(uintptr_t)&orders[i], &threads[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < COUNT_OF(orders); i++) {
        if (thread_join(threads[i], &status) != 0 || status != 0)
            return 2;
        if (slows[i].starts != 1 || slows[i].started_on != orders[i].cpu)
            return 3;
    }
    if (atomic_load(&most_starting) != 1)
        return 4;
    /* Where it is already, and where it cannot go any more. */
    if (device_dedicate(&slows[1].device, 1) != 0)
        return 5;
    if (device_dedicate(&slows[1].device, 0) != -EBUSY)
        return 6;
    if (device_is_mine(&slows[1].device))
        return 7;
    return device_dedicate(&slows[1].device, 2) == -EINVAL ? 0 : 8;
}

/* Two CPUs want one device: the first one gets it. When its start fails, the
 * second one's own start decides. */
static int one_device_for_two_cpus(void *arg)
{
    static const struct {
        int start_status;
        int second;
        unsigned starts;
    } rows[] = {{0, -EBUSY, 1}, {-EIO, -EIO, 2}};

    (void)arg;
    slows_register();
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        const struct order orders[] = {{&slows[i], 0}, {&slows[i], 1}};
        thread_id threads[2];
        int status[2];

        slows[i].start_status = rows[i].start_status;
        for (unsigned k = 0; k < 2; k++) {
            if (thread_create(NULL, order_run, (void *)(uintptr_t)&orders[k],
                              &threads[k]) != 0)
                return 1;
        }
        if (thread_join(threads[0], &status[0]) != 0 ||
            thread_join(threads[1], &status[1]) != 0)
            return 2;
        if (status[0] != rows[i].start_status || status[1] != rows[i].second)
            return 3;
        if (slows[i].starts != rows[i].starts)
            return 4;
    }
    return 0;
}

static void test_device_one_for_two_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, one_device_for_two_cpus, NULL), 0);
}

static void test_device_starts_do_not_overlap_on_two_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, two_cpus, NULL), 0);
}

enum { APPENDED = 2000 };
static struct device appended[APPENDED];
static atomic_bool walker_stops;

/* Walk the list for as long as CPU 0 appends to it. */
static int walk(void *arg)
{
    unsigned seen = 0;

    (void)arg;
    while (!atomic_load_explicit(&walker_stops, memory_order_relaxed)) {
        struct device *device = device_find(DEVICE_BLOCK, seen);

        if (device != NULL && device->start != slow_start)
            return -1;
        if (device != NULL && device_name(device)[0] != 'p')
            return -2;
        seen += device != NULL;
        (void)device_by_name("none");
        thread_yield();
    }
    return (int)seen;
}

static int append_while_walked(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id walker;
    int seen;

    (void)arg;
    if (thread_create(&there, walk, NULL, &walker) != 0)
        return 1;
    for (unsigned i = 0; i < APPENDED; i++) {
        char prefix[DEVICE_NAME_MAX];

        snprintf(prefix, sizeof(prefix), "p%u", i / 20);
        appended[i].class = DEVICE_BLOCK;
        appended[i].start = slow_start;
        if (device_register(&appended[i], prefix) != 0)
            return 2;
        if (i % 10 == 0)
            thread_yield();
    }
    atomic_store_explicit(&walker_stops, true, memory_order_relaxed);
    if (thread_join(walker, &seen) != 0)
        return 3;
    return seen > 0 ? 0 : 4;
}

static void test_device_list_grows_while_another_cpu_walks_it(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, append_while_walked, NULL), 0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_device_starts_do_not_overlap),
        ATTACHED(test_device_same_twice_gives_the_same_answer),
        ATTACHED(test_device_children_follow_their_parent),
        ATTACHED(test_device_epochs),
        ATTACHED(test_device_names_run_out),
        cmocka_unit_test(test_device_starts_do_not_overlap_on_two_cpus),
        cmocka_unit_test(test_device_one_for_two_cpus),
        cmocka_unit_test(test_device_list_grows_while_another_cpu_walks_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
