/*
 * Devices of the simulated machine: events in virtual time, and the points at
 * accesses to registers. Only the files that are included here have points.
 */
#define HAL_SIM 1
#include "tests/unit/posix/machine_bare.h"

#include "hal/posix/kernel/io.c"
#include "hal/posix/kernel/pci.c"
#include "hal/posix/sim/event.c"
#include "hal/posix/sim/step.c"
#include "hal/posix/sim/step_atomic.c"
#include "tests/unit/posix/no_wires.h"

static struct sim_state state;

/* Every choice is 0: the CPU stays, interrupts come in at once. */
static const struct sim_choice no_trace[1];
static const struct sim_config calm = {
    .driver = SIM_TRACE, .trace = no_trace, .trace_open = true, .step_ns = 100};

enum { CPUS = 2, TOLD_MAX = 2000 };

/* What events have said, and when. */
static struct {
    uintptr_t word;
    uint64_t at_ns;
} told[TOLD_MAX];
static unsigned told_count;

static void tell(void *arg)
{
    assert_true(told_count < TOLD_MAX);
    told[told_count].word = (uintptr_t)arg;
    told[told_count++].at_ns = host_time_ns();
}

static void add(uint64_t at_ns, uintptr_t word)
{
    sim_event(at_ns, tell, (void *)word);
}

static void open_by(const struct sim_config *by)
{
    told_count = 0;
    sim_reset();
    sim_setup(by, &state);
    bare_open((struct host_config){.cpus = CPUS});
}

static int setup(void **unused)
{
    (void)unused;
    open_by(&calm);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    bare_close();
    return 0;
}

/* fn() ends the run in a child process with this word. */
static void dies(void (*fn)(void), const char *why)
{
    char text[512], want[256];

    snprintf(want, sizeof(want), "torc: %s\n", why);
    assert_int_equal(bare_child(fn, text, sizeof(text)), 134);
    assert_string_equal(text, want);
}

/* ---- When ---------------------------------------------------------------- */

static void test_an_event_comes_at_its_time(void **unused)
{
    (void)unused;
    add(301, 1);
    assert_int_equal(events_next_ns(), 301);
    preemption_point(); /* 101 */
    preemption_point();
    assert_int_equal(told_count, 0);
    preemption_point();
    assert_int_equal(told_count, 1);
    assert_int_equal(told[0].word, 1);
    assert_int_equal(told[0].at_ns, 301);
    assert_int_equal(events_next_ns(), UINT64_MAX);
    preemption_point();
    assert_int_equal(told_count, 1);
}

static void test_an_event_of_the_past_comes_at_the_next_point(void **unused)
{
    (void)unused;
    preemption_point(); /* 101 */
    add(0, 1);
    add(101, 2);
    add(UINT64_MAX, 9);
    assert_int_equal(events_next_ns(), 102);
    preemption_point();
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0].word, 1);
    assert_int_equal(told[1].word, 2);
}

/* Whatever the order in which they were added; those of one time in that. */
static void test_events_come_in_order(void **unused)
{
    static uint64_t want[SIM_EVENT_MAX];
    uint64_t random = 7;
    unsigned check = 0;

    (void)unused;
    for (unsigned i = 0; i < SIM_EVENT_MAX; i++) {
        want[i] = 2 + splitmix(&random) % 500;
        add(want[i], i);
    }
    while (told_count < SIM_EVENT_MAX)
        preemption_point();
    for (uint64_t at = 2; at < 502; at++) {
        for (unsigned i = 0; i < SIM_EVENT_MAX; i++) {
            if (want[i] == at)
                assert_int_equal(told[check++].word, i);
        }
    }
    assert_int_equal(check, SIM_EVENT_MAX);
}

/* Each of them adds the next one. */
static void chain(void *arg)
{
    uintptr_t left = (uintptr_t)arg;

    tell(arg);
    if (left > 0)
        sim_event(host_time_ns(), chain, (void *)(left - 1));
}

static void test_an_event_adds_events_for_later(void **unused)
{
    (void)unused;
    sim_event(50, chain, (void *)3);
    for (unsigned i = 1; i <= 4; i++) {
        preemption_point();
        assert_int_equal(told_count, i);
        assert_int_equal(told[i - 1].at_ns, 1 + 100 * i);
    }
    preemption_point();
    assert_int_equal(told_count, 4);
}

static void test_a_run_begins_without_events(void **unused)
{
    (void)unused;
    add(50, 1);
    bare_close();
    open_by(&calm);
    preemption_point();
    assert_int_equal(told_count, 0);
}

static void add_too_many(void)
{
    for (unsigned i = 0; i <= SIM_EVENT_MAX; i++)
        add(5000, 1);
}

static void test_too_many_events_end_the_run(void **unused)
{
    (void)unused;
    dies(add_too_many, "more events wait than there is room for "
                       "(CPU 0, point 0, 1 ns)");
}

/* ---- What they do -------------------------------------------------------- */

/* Points, choices, a stack that no thread has; the CPU is the interrupted one.
 */
static void act(void *arg)
{
    volatile char large[60 * 1024];

    large[0] = large[sizeof(large) - 1] = 1;
    assert_int_equal(hal_cpu_id(), 0);
    preemption_point();
    hal_cpu_relax();
    (void)hal_choose(5, SIM_DEVICE);
    irq_raise(5);
    tell(arg);
}

static void test_an_event_is_no_part_of_a_cpu(void **unused)
{
    unsigned count = 0;

    (void)unused;
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &count), 0);
    hal_irq_restore(HAL_IRQS_ON);
    for (uint64_t i = 1; i <= 50; i++) {
        sim_event(1, act, NULL);
        preemption_point();
        assert_int_equal(told_count, i);
        assert_int_equal(count, i); /* delivered at this point */
        assert_int_equal(state.steps, i);
    }
    hal_irq_restore(HAL_IRQS_OFF);
}

static void test_time_jumps_to_an_event(void **unused)
{
    unsigned count = 0;

    (void)unused;
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &count), 0);
    sim_event(70000, act, (void *)1); /* wakes the CPU */
    add(5000, 2);
    hal_timer_set(90000);
    hal_cpu_idle();
    assert_int_equal(count, 1);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0].at_ns, 5000);
    assert_int_equal(told[1].at_ns, 70000);
    assert_int_equal(hal_time_ns(), 70000 + 100);
    hal_timer_set(UINT64_MAX);
}

static void timer_early(void *arg)
{
    hal_timer_set(3000);
    tell(arg);
}

/* Timers and events of one time: a timer that is set is not forgotten. */
static void test_time_jumps_to_what_is_first(void **unused)
{
    unsigned expiries = 0;

    (void)unused;
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &expiries), 0);
    add(9000, 1);
    sim_event(2000, timer_early, NULL);
    hal_cpu_idle();
    assert_int_equal(expiries, 1);
    assert_int_equal(told_count, 1);
    assert_int_equal(hal_time_ns(), 3000 + 100);
}

static void sleep_over_events(void)
{
    add(7000, 1);
    hal_cpu_idle();
}

static void test_a_wake_up_that_is_lost_is_found_after_events(void **unused)
{
    (void)unused;
    dies(sleep_over_events,
         "every CPU sleeps and no timer is set: a wake-up was lost "
         "(CPU 0, point 0, 7000 ns)");
}

/* ---- Registers ----------------------------------------------------------- */

enum { BASE = 0x1000 };

static uint32_t reg_read(void *model, size_t offset, unsigned width)
{
    (void)offset, (void)width;
    return *(uint32_t *)model;
}

static void reg_write(void *model, size_t offset, unsigned width,
                      uint32_t value)
{
    (void)offset, (void)width;
    *(uint32_t *)model = value;
}

static uint32_t pci_get(void *model, unsigned reg)
{
    return reg_read(model, reg, 4);
}

static void pci_put(void *model, unsigned reg, uint32_t value)
{
    reg_write(model, reg, 4, value);
}

static uint32_t value;

static void value_set(void *arg)
{
    value = (uint32_t)(uintptr_t)arg;
}

/* A device may act before the access. */
static void test_accesses_to_registers_are_points(void **unused)
{
    const struct sim_window window = {reg_read, reg_write, &value};
    struct hal_io io;

    (void)unused;
    assert_int_equal(sim_claim(HAL_IO_PORT, BASE, 16, &window), 0);
    assert_int_equal(hal_io_map(HAL_IO_PORT, BASE, 16, &io), 0);
    assert_int_equal(state.steps, 0);
    sim_event(1, value_set, (void *)7);
    assert_int_equal(hal_io_read32(io, 0), 7);
    sim_event(1, value_set, (void *)8);
    hal_io_write8(io, 0, 9);
    assert_int_equal(value, 9);
    assert_int_equal(state.steps, 2);
}

static void test_configuration_space_has_points(void **unused)
{
    const struct sim_pci function = {pci_get, pci_put, &value};
    const struct hal_pci_addr addr = {0, 3, 0}, nobody = {0, 4, 0};

    (void)unused;
    assert_int_equal(sim_pci(addr, &function), 0);
    sim_event(1, value_set, (void *)7);
    assert_int_equal(hal_pci_read32(addr, 0), 7);
    sim_event(1, value_set, (void *)8);
    hal_pci_write32(addr, 0, 9);
    assert_int_equal(value, 9);
    assert_int_equal(state.steps, 2);
    assert_int_equal(hal_pci_read32(nobody, 0), UINT32_MAX);
    hal_pci_write32(nobody, 0, 1);
    assert_int_equal(state.steps, 2); /* there is nothing to notice */
}

#define ON_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MACHINE(test_an_event_comes_at_its_time),
        ON_MACHINE(test_an_event_of_the_past_comes_at_the_next_point),
        ON_MACHINE(test_events_come_in_order),
        ON_MACHINE(test_an_event_adds_events_for_later),
        ON_MACHINE(test_a_run_begins_without_events),
        ON_MACHINE(test_too_many_events_end_the_run),
        ON_MACHINE(test_an_event_is_no_part_of_a_cpu),
        ON_MACHINE(test_time_jumps_to_an_event),
        ON_MACHINE(test_time_jumps_to_what_is_first),
        ON_MACHINE(test_a_wake_up_that_is_lost_is_found_after_events),
        ON_MACHINE(test_accesses_to_registers_are_points),
        ON_MACHINE(test_configuration_space_has_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
