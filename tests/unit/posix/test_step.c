/*
 * CPUs, time and choices of the simulated machine. Only this file has
 * preemption points here, so each point of a run is one that a test passes.
 */
#define HAL_SIM 1
#include "tests/unit/posix/machine_bare.h"
#include <sys/mman.h>
#include <sys/resource.h>

#include "hal/posix/sim/event.c"
#include "hal/posix/sim/step.c"
#include "hal/posix/sim/step_atomic.c"
#include "tests/unit/posix/no_wires.h"

enum {
    CPUS = 3,
    LOG_MAX = 1 << 17,
    CPU_STACK = 64 * 1024,
    RUN = 5001, /* by priority: points until it is another CPU's turn */
};

static struct sim_state state;

static void setup_by(const struct sim_config *by)
{
    sim_setup(by, &state);
}

static int teardown(void **unused)
{
    (void)unused;
    bare_close();
    return 0;
}

/* ---- Machines ------------------------------------------------------------ */

/* Which CPU passed each point. */
static unsigned char who[LOG_MAX];
static unsigned who_count;

static void note(void)
{
    assert_true(who_count < LOG_MAX);
    who[who_count++] = (unsigned char)hal_cpu_id();
}

static void walker(void *arg)
{
    (void)arg;
    for (;;) {
        note();
        preemption_point();
    }
}

static void yielder(void *arg)
{
    (void)arg;
    for (;;) {
        note();
        hal_cpu_relax();
    }
}

static void sleeper(void *arg)
{
    (void)arg;
    for (;;) {
        note();
        hal_cpu_idle();
    }
}

static void start(unsigned cpu, void (*entry)(void *), void *arg)
{
    void *stack = bare_page(&machine_boot, 64 * cpu);

    assert_int_equal(hal_cpu_start(cpu, entry, arg, stack, CPU_STACK), 0);
}

/* A machine on which CPU 1 and the following ones run `entry`, if any. */
static void sim_open(const struct sim_config *by, void (*entry)(void *))
{
    who_count = 0;
    setup_by(by);
    bare_open((struct host_config){.cpus = CPUS});
    for (unsigned cpu = 1; entry != NULL && cpu < CPUS; cpu++)
        start(cpu, entry, NULL);
}

/* CPU 0 goes on until the machine has passed so many points. */
static void walk_to(uint64_t steps, void (*at_each)(void))
{
    while (state.steps < steps) {
        note();
        at_each();
    }
}

/* Every choice is 0: the CPU stays, interrupts come in at once. */
static const struct sim_choice no_trace[1];
static const struct sim_config calm = {
    .driver = SIM_TRACE, .trace = no_trace, .trace_open = true, .step_ns = 100};

/* fn() ends the run in a child process with this word. */
static void dies(const char *name, void (*fn)(void), const char *why)
{
    char text[512], want[256];

    snprintf(want, sizeof(want), "torc: %s\n", why);
    ROW(name, bare_child(fn, text, sizeof(text)) == 134);
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s", name, text);
}

/* ---- Choices ------------------------------------------------------------- */

/* Vigna's splitmix64.c, from state 1234567. */
static void test_random_numbers_are_those_of_splitmix(void **unused)
{
    static const uint64_t want[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
        UINT64_C(16408922859458223821)};
    uint64_t from = 1234567;

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(splitmix(&from), want[i]);
}

/* A question of one asker does not change the answers to another one. */
static void test_each_asker_has_its_random_numbers(void **unused)
{
    static const enum sim_tag asks[] = {SIM_WORK,  SIM_IRQ, SIM_WORK,
                                        SIM_FAULT, SIM_IRQ, SIM_ENTROPY,
                                        SIM_WORK,  SIM_WORK};
    uint64_t stream[SIM_TAG_COUNT], seed = 42;

    (void)unused;
    setup_by(&(struct sim_config){.seed = 42});
    for (unsigned tag = 0; tag < SIM_TAG_COUNT; tag++)
        stream[tag] = splitmix(&seed);
    for (size_t i = 0; i < COUNT_OF(asks); i++)
        assert_int_equal(hal_choose(1000, asks[i]),
                         splitmix(&stream[asks[i]]) % 1000);
}

static void test_a_choice_of_one_is_no_choice(void **unused)
{
    (void)unused;
    setup_by(&(struct sim_config){.seed = 1});
    assert_int_equal(hal_choose(1, SIM_WORK), 0);
    assert_int_equal(state.choice_count, 0);
    assert_int_equal(state.hash, 0);
    (void)hal_choose(2, SIM_WORK);
    assert_int_equal(state.choice_count, 1);
}

static void test_entropy_is_chosen(void **unused)
{
    uint8_t bytes[64] = {0}, again[64];
    unsigned zeros = 0;

    (void)unused;
    setup_by(&(struct sim_config){.seed = 5, .record = true});
    assert_int_equal(host_entropy(bytes, 60), 60);
    assert_int_equal(state.choice_count, 60);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(state.choices[i].tag, SIM_ENTROPY);
        assert_int_equal(state.choices[i].n, 256);
        assert_int_equal(state.choices[i].taken, bytes[i]);
        zeros += bytes[i] == 0;
    }
    assert_true(zeros < 5);
    assert_int_equal(bytes[60], 0);
    setup_by(&(struct sim_config){.seed = 6});
    (void)host_entropy(again, 60);
    assert_memory_not_equal(again, bytes, 60);
}

static void test_choices_are_recorded_on_request(void **unused)
{
    struct sim_choice *last = &state.choices[SIM_TRACE_MAX - 1];
    unsigned taken;

    (void)unused;
    memset(&state, 0, sizeof(state));
    setup_by(&(struct sim_config){.seed = 1});
    (void)hal_choose(7, SIM_FAULT);
    assert_int_equal(state.choices[0].n, 0);
    setup_by(&(struct sim_config){.seed = 1, .record = true});
    taken = hal_choose(7, SIM_FAULT);
    assert_int_equal(state.choices[0].n, 7);
    assert_int_equal(state.choices[0].taken, taken);
    assert_int_equal(state.choices[0].tag, SIM_FAULT);
    state.choice_count = SIM_TRACE_MAX - 1;
    for (unsigned i = 0; i < 3; i++) /* as many as there is room for */
        (void)hal_choose(9 + i, SIM_WORK);
    assert_int_equal(last->n, 9);
    assert_int_equal(state.choice_count, SIM_TRACE_MAX + 2);
}

/* ---- Traces -------------------------------------------------------------- */

static void setup_trace(const struct sim_choice *trace, size_t length,
                        bool open)
{
    setup_by(&(struct sim_config){.driver = SIM_TRACE,
                                  .trace = trace,
                                  .trace_length = length,
                                  .trace_open = open});
}

static void test_a_trace_is_followed(void **unused)
{
    static const struct sim_choice trace[] = {
        {3, 2, SIM_WORK}, {5, 0, SIM_CPU}, {2, 1, SIM_IRQ}, {9, 8, SIM_CPU}};

    (void)unused;
    memset(&state, 0, sizeof(state));
    setup_trace(trace, COUNT_OF(trace), true);
    for (size_t i = 0; i < COUNT_OF(trace); i++)
        assert_int_equal(
            hal_choose(trace[i].n, (enum sim_tag)trace[i].tag), /* as asked */
            trace[i].taken);
    assert_memory_equal(state.choices, trace, sizeof(trace));
    assert_int_equal(hal_choose(4, SIM_WORK), 0); /* behind the end */
    assert_int_equal(state.choice_count, 5);
    assert_int_equal(state.choices[4].n, 4);
}

static const struct {
    const char *name;
    struct sim_choice recorded;
    size_t length;
    const char *why;
} misfits[] = {
    {"of fewer", {2, 0, SIM_WORK}, 1, "the run asks something else"},
    {"of more", {4, 0, SIM_WORK}, 1, "the run asks something else"},
    {"other asker", {3, 0, SIM_IRQ}, 1, "the run asks something else"},
    {"not among them", {3, 3, SIM_WORK}, 1, "the run asks something else"},
    {"at its end", {3, 0, SIM_WORK}, 0, "it ends before the run does"},
};
static size_t misfit;

static void ask_misfit(void)
{
    setup_trace(&misfits[misfit].recorded, misfits[misfit].length, false);
    (void)hal_choose(3, SIM_WORK);
}

static void test_a_trace_of_another_run_is_refused(void **unused)
{
    char why[128];

    (void)unused;
    for (misfit = 0; misfit < COUNT_OF(misfits); misfit++) {
        snprintf(why, sizeof(why),
                 "the trace does not fit: %s (CPU 0, point 0, 1 ns)",
                 misfits[misfit].why);
        dies(misfits[misfit].name, ask_misfit, why);
    }
}

static uint64_t hash_of(const struct sim_choice *choices, size_t count,
                        uint64_t steps)
{
    setup_trace(choices, count, false);
    state.steps = steps;
    for (size_t i = 0; i < count; i++)
        (void)hal_choose(choices[i].n, (enum sim_tag)choices[i].tag);
    return state.hash;
}

/* Whatever differs between two runs, their hashes differ. */
static void test_the_hash_tells_runs_apart(void **unused)
{
    static const struct sim_choice two[] = {
        {3, 1, SIM_WORK}, {3, 2, SIM_WORK}, {3, 1, SIM_WORK}};
    static uint64_t hashes[2000];
    unsigned count = 0;

    (void)unused;
    for (unsigned tag = 0; tag < SIM_TAG_COUNT; tag++)
        for (unsigned n = 2; n < 9; n++)
            for (unsigned taken = 0; taken < n; taken++)
                for (unsigned step = 0; step < 5; step++)
                    hashes[count++] =
                        hash_of(&(struct sim_choice){n, taken, tag}, 1, step);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(hashes[i], hashes[j]);
    assert_int_equal(hash_of(&two[0], 2, 1), hash_of(&two[0], 2, 1));
    assert_int_not_equal(hash_of(&two[0], 2, 1), hash_of(&two[1], 2, 1));
}

/* ---- What the seed decides ----------------------------------------------- */

static void test_the_seed_chooses_the_pace(void **unused)
{
    unsigned shortest = 1000, longest = 0, intervals = 0;

    (void)unused;
    for (unsigned seed = 0; seed < 6000; seed++) {
        setup_by(&(struct sim_config){.seed = seed});
        if (state.step_ns < shortest)
            shortest = (unsigned)state.step_ns;
        if (state.step_ns > longest)
            longest = (unsigned)state.step_ns;
        intervals |= switch_interval;
        assert_int_equal(switch_interval & (switch_interval - 1), 0);
    }
    assert_int_equal(shortest, 1);
    assert_int_equal(longest, 500);
    assert_int_equal(intervals, 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256);
    setup_by(&(struct sim_config){.switch_interval = 3, .step_ns = 77});
    assert_int_equal(switch_interval, 3);
    assert_int_equal(state.step_ns, 77);
}

static void test_a_run_begins_afresh(void **unused)
{
    (void)unused;
    memset(&state, 0xff, sizeof(state));
    setup_by(&(struct sim_config){.seed = 1});
    assert_int_equal(state.hash, 0);
    assert_int_equal(state.steps, 0);
    assert_int_equal(state.time_ns, 1);
    assert_int_equal(state.switches, 0);
    assert_int_equal(state.choice_count, 0);
    assert_false(state.finished);
    assert_string_equal(state.failure, "");
}

/* ---- Which CPU runs ------------------------------------------------------ */

/* How many of the noted points CPU `cpu` has passed. */
static unsigned points_of(unsigned cpu)
{
    unsigned count = 0;

    for (unsigned i = 0; i < who_count; i++)
        count += who[i] == cpu;
    return count;
}

static void test_random_switches_come_at_their_interval(void **unused)
{
    /* clang-format off */
    static const struct {
        const char *name;
        unsigned interval;
        unsigned least, most; /* of 6000: two thirds of 6000 / interval */
    } rows[] = {
        {"at each point", 1, 3800, 4200},
        {"at every tenth", 10, 320, 480},
        {"hardly ever", 1 << 30, 0, 0},
    };
    /* clang-format on */

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        sim_open(&(struct sim_config){.seed = 9,
                                      .switch_interval = rows[i].interval},
                 walker);
        walk_to(6000, preemption_point);
        ROW(rows[i].name, state.switches >= rows[i].least);
        ROW(rows[i].name, state.switches <= rows[i].most);
        for (unsigned cpu = 0; cpu < CPUS && rows[i].most > 0; cpu++)
            ROW(rows[i].name, points_of(cpu) > 1500);
    }
}

/* Who yields does not go on while another CPU can; they take turns. */
static void test_a_yield_passes_on_the_turn(void **unused)
{
    static const struct sim_config rows[] = {
        {.driver = SIM_RANDOM, .switch_interval = 1 << 30},
        {.driver = SIM_PCT},
        {.driver = SIM_TRACE, .trace = no_trace, .trace_open = true},
    };

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        sim_open(&rows[i], yielder);
        walk_to(300, host_cpu_relax);
        assert_int_equal(who_count, 300);
        for (unsigned at = 0; at + 3 < who_count; at++) {
            assert_int_not_equal(who[at], who[at + 1]);
            assert_int_not_equal(who[at], who[at + 2]);
            assert_int_equal(who[at], who[at + 3]);
        }
        assert_int_equal(state.switches, 299 + (who[299] != 0));
        sim_open(&rows[i], NULL); /* nobody to yield to */
        walk_to(10, host_cpu_relax);
        assert_int_equal(points_of(0), 10);
        assert_int_equal(state.switches, 0);
    }
}

/* Among those that yield, the turn is random, too. */
static void test_the_turn_is_random(void **unused)
{
    unsigned back = 0;

    (void)unused;
    sim_open(&(struct sim_config){.seed = 3, .switch_interval = 1}, yielder);
    walk_to(1000, host_cpu_relax);
    for (unsigned at = 0; at + 2 < who_count; at++) {
        assert_int_not_equal(who[at], who[at + 1]);
        back += who[at] == who[at + 2];
    }
    assert_true(back > 400 && back < 600);
}

/* ---- Priorities ---------------------------------------------------------- */

static void test_the_highest_priority_runs_until_its_limit(void **unused)
{
    unsigned first[CPUS] = {0};
    unsigned at;

    (void)unused;
    for (unsigned seed = 0; seed < 30; seed++) {
        sim_open(&(struct sim_config){.driver = SIM_PCT, .seed = seed}, walker);
        walk_to(2, preemption_point);
        assert_true(who_count >= 2);
        first[who[1]]++;
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        assert_true(first[cpu] > 3);
    sim_open(&(struct sim_config){.driver = SIM_PCT, .seed = 1}, walker);
    walk_to(40000, preemption_point);
    at = who[0] == who[1] ? 0 : 1;
    for (unsigned turn = 0; turn < 6; turn++) {
        for (unsigned i = 1; i < RUN; i++)
            assert_int_equal(who[at + i], who[at]);
        assert_int_not_equal(who[at + RUN], who[at]);
        at += RUN;
    }
    assert_true(points_of(0) > 9000 && points_of(1) > 9000 &&
                points_of(2) > 9000);
}

/* Whether the CPU of the given point was another one before. */
static bool switched_at(unsigned step)
{
    return who[step] != who[step - 1];
}

static void test_the_seed_chooses_when_priorities_change(void **unused)
{
    unsigned times[101] = {0}, all = 0;

    (void)unused;
    for (unsigned seed = 0; seed < 400; seed++) {
        unsigned switches = 0;

        sim_open(
            &(struct sim_config){
                .driver = SIM_PCT, .seed = seed, .depth = 2, .length = 100},
            walker);
        walk_to(301, preemption_point);
        for (unsigned step = 2; step <= 300; step++) {
            if (!switched_at(step))
                continue;
            assert_true(step <= 100);
            times[step]++;
            switches++;
        }
        assert_true(switches <= 2);
        all += switches;
    }
    assert_true(all > 700); /* some fall on the same step, or on the first */
    assert_true(times[100] > 0);
}

static void test_priorities_change_a_limited_number_of_times(void **unused)
{
    unsigned switches = 0;

    (void)unused;
    sim_open(&(struct sim_config){.driver = SIM_PCT,
                                  .depth = SIM_DEPTH_MAX + 20,
                                  .length = 100000},
             walker);
    assert_int_equal(config.depth, SIM_DEPTH_MAX);
    walk_to(3001, preemption_point);
    for (unsigned step = 2; step <= 3000; step++)
        switches += switched_at(step);
    assert_true(switches <= SIM_DEPTH_MAX);
}

/* By priority is recorded as if it were chosen: the trace leads to the run. */
static void test_runs_by_priority_can_be_replayed(void **unused)
{
    static struct sim_choice trace[4000];
    static unsigned char before[LOG_MAX];
    uint64_t hash;
    size_t count;

    (void)unused;
    sim_open(&(struct sim_config){.driver = SIM_PCT,
                                  .seed = 8,
                                  .depth = 9,
                                  .length = 1000,
                                  .step_ns = 1,
                                  .record = true},
             walker);
    walk_to(1000, preemption_point);
    count = state.choice_count;
    hash = state.hash;
    assert_int_equal(count, state.steps);
    memcpy(trace, state.choices, count * sizeof(trace[0]));
    memcpy(before, who, who_count);
    sim_open(&(struct sim_config){.driver = SIM_TRACE,
                                  .trace = trace,
                                  .trace_length = count,
                                  .step_ns = 1},
             walker);
    walk_to(1000, preemption_point);
    assert_int_equal(state.hash, hash);
    assert_memory_equal(who, before, who_count);
}

/* ---- Sleep --------------------------------------------------------------- */

static void test_a_sleeper_does_not_run(void **unused)
{
    unsigned before;

    (void)unused;
    sim_open(&(struct sim_config){.seed = 4, .switch_interval = 1}, NULL);
    start(1, sleeper, NULL);
    assert_false(sim_asleep(1)); /* it has not begun */
    walk_to(50, preemption_point);
    assert_true(sim_asleep(1));
    assert_false(sim_asleep(0));
    assert_false(sim_asleep(2)); /* it is not started */
    assert_int_equal(points_of(1), 1);
    hal_ipi_send(1);
    assert_false(sim_asleep(1));
    walk_to(100, preemption_point);
    assert_int_equal(points_of(1), 2);
    assert_int_equal(points_of(2), 0);
    /* With priorities, too. */
    sim_open(&(struct sim_config){.driver = SIM_PCT}, sleeper);
    walk_to(10, host_cpu_relax);
    before = state.choice_count;
    assert_int_equal(points_of(1), 1);
    assert_int_equal(points_of(2), 1);
    walk_to(20, host_cpu_relax);
    assert_int_equal(state.choice_count, before); /* there was no choice */
}

static void wake_first(void *arg)
{
    (void)arg;
    note();
    hal_ipi_send(0);
    sleeper(NULL);
}

/* CPU 0 sleeps: another one runs, and wakes it. */
static void test_a_sleeper_lets_others_run(void **unused)
{
    unsigned doorbells = 0;

    (void)unused;
    sim_open(&calm, NULL);
    assert_int_equal(hal_irq_attach(HAL_IRQ_DOORBELL, 0, count_irq, &doorbells),
                     0);
    start(2, wake_first, NULL);
    hal_cpu_idle();
    assert_int_equal(doorbells, 1);
    assert_int_equal(who[0], 2);
    assert_int_equal(state.time_ns, 1 + state.steps * 100); /* no jump */
    assert_false(sim_asleep(0));
}

static unsigned expired[CPUS];
static uint64_t expired_at[CPUS];

static void timer_note(void *arg)
{
    unsigned cpu = hal_cpu_id();

    (void)arg;
    expired[cpu]++;
    expired_at[cpu] = hal_time_ns();
}

static void timer_sleeper(void *arg)
{
    uint64_t deadline = (uint64_t)(uintptr_t)arg;

    if (hal_irq_attach(HAL_IRQ_TIMER, hal_cpu_id(), timer_note, NULL) != 0)
        sim_fail("no timer");
    hal_timer_set(deadline);
    sleeper(NULL);
}

static void test_time_jumps_when_all_sleep(void **unused)
{
    (void)unused;
    memset(expired, 0, sizeof(expired));
    sim_open(&calm, NULL);
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, timer_note, NULL), 0);
    start(1, timer_sleeper, (void *)(uintptr_t)2000000);
    start(2, timer_sleeper, (void *)(uintptr_t)1000000);
    hal_timer_set(3000000);
    while (expired[0] == 0)
        hal_cpu_idle();
    /* A CPU that wakes passes a point. */
    assert_int_equal(expired_at[2], 1000000 + 100);
    assert_int_equal(expired_at[1], 2000000 + 100);
    assert_int_equal(expired_at[0], 3000000 + 100);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        assert_int_equal(expired[cpu], 1);
}

static void sleep_for_ever(void)
{
    sim_open(&calm, NULL);
    start(1, sleeper, NULL);
    hal_timer_set(5000);
    hal_cpu_idle();
    hal_timer_set(6000);
    hal_timer_set(UINT64_MAX); /* taken back */
    hal_cpu_idle();
}

static void test_a_wake_up_that_is_lost_is_found(void **unused)
{
    (void)unused;
    dies("lost", sleep_for_ever,
         "every CPU sleeps and no timer is set: a wake-up was lost "
         "(CPU 0, point 1, 5100 ns)");
}

/* ---- CPUs that look on --------------------------------------------------- */

static bool changed; /* what they look at */
static uint64_t seen_at[CPUS];

static void looker(void *arg)
{
    unsigned cpu = hal_cpu_id();

    (void)arg;
    for (;;) {
        if (changed && seen_at[cpu] == 0)
            seen_at[cpu] = hal_time_ns();
        note();
        host_cpu_look_on(cpu);
    }
}

/* CPUs 1 and 2 have seen that nothing has changed; a timer is set. */
static void looks_open(uint64_t timer_ns)
{
    changed = false;
    memset(seen_at, 0, sizeof(seen_at));
    sim_open(&calm, looker);
    for (unsigned i = 0; i < CPUS; i++)
        host_cpu_relax();
    hal_timer_set(timer_ns);
}

static void test_time_jumps_when_all_sleep_or_look_on(void **unused)
{
    (void)unused;
    looks_open(1000000);
    for (unsigned i = 0; i < CPUS && hal_time_ns() < 1000000; i++)
        host_cpu_look_on(0);
    assert_in_range(hal_time_ns(), 1000000, 1000200);
    looks_open(1000000);
    hal_cpu_idle();
    assert_in_range(hal_time_ns(), 1000000, 1000200);
    assert_true(state.steps < 20);
}

/* It does not pass a change that somebody has made since his last point. */
static void change_and_wait(bool by_sleep)
{
    uint64_t start = hal_time_ns();

    changed = false;
    memset(seen_at, 0, sizeof(seen_at));
    hal_timer_set(start + 1000000);
    for (unsigned i = 0; i < CPUS; i++)
        host_cpu_relax(); /* they have seen that nothing has changed */
    preemption_point();
    changed = true;
    while (hal_time_ns() < start + 1000000) {
        if (by_sleep)
            hal_cpu_idle();
        else
            host_cpu_look_on(0);
    }
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        assert_in_range(seen_at[cpu], start, start + 5000);
}

static void test_who_looks_on_sees_what_has_changed(void **unused)
{
    (void)unused;
    looks_open(UINT64_MAX);
    for (unsigned i = 0; i < 4; i++)
        change_and_wait(i >= 2);
}

static void change(void *arg)
{
    (void)arg;
    changed = true;
}

static void test_who_looks_on_sees_what_a_device_has_changed(void **unused)
{
    (void)unused;
    looks_open(1000000);
    sim_event(500000, change, NULL);
    while (hal_time_ns() < 1000000)
        host_cpu_look_on(0);
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        assert_in_range(seen_at[cpu], 500000, 505000);
}

static void look_for_ever(void)
{
    looks_open(UINT64_MAX);
    for (;;)
        host_cpu_look_on(0);
}

static void test_a_wake_up_that_nobody_sees_is_found(void **unused)
{
    (void)unused;
    dies("unseen", look_for_ever,
         "every CPU sleeps and no timer is set: a wake-up was lost "
         "(CPU 2, point 11, 1101 ns)");
}

/* ---- Time and timers ----------------------------------------------------- */

static void test_time_passes_at_points(void **unused)
{
    (void)unused;
    sim_open(&calm, NULL);
    assert_int_equal(hal_time_ns(), 1);
    for (unsigned i = 1; i <= 5; i++) {
        preemption_point();
        assert_int_equal(hal_time_ns(), 1 + 100 * i);
        assert_int_equal(state.steps, i);
    }
    assert_int_equal(hal_cycles(), hal_time_ns());
    assert_int_equal(host_wall_ns(), 0);
}

static void test_a_timer_expires_once_when_its_time_has_come(void **unused)
{
    unsigned count = 0;

    (void)unused;
    sim_open(&calm, NULL);
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &count), 0);
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(201);
    preemption_point(); /* 101 */
    assert_int_equal(count, 0);
    preemption_point();
    assert_int_equal(count, 1);
    preemption_point();
    assert_int_equal(count, 1);
    hal_timer_set(302); /* one too late */
    preemption_point();
    assert_int_equal(count, 2);
    hal_timer_set(hal_time_ns()); /* now, and before now */
    preemption_point();
    assert_int_equal(count, 3);
    hal_timer_set(1);
    preemption_point();
    assert_int_equal(count, 4);
    hal_timer_set(700); /* the last one counts */
    hal_timer_set(900);
    while (hal_time_ns() < 800)
        preemption_point();
    assert_int_equal(count, 4);
    preemption_point();
    assert_int_equal(count, 5);
}

static void test_each_cpu_has_its_timer(void **unused)
{
    (void)unused;
    memset(expired, 0, sizeof(expired));
    sim_open(&calm, NULL);
    start(1, timer_sleeper, (void *)(uintptr_t)2000);
    host_cpu_relax(); /* it sets its timer and sleeps */
    hal_timer_set(5000);
    while (hal_time_ns() < 1900)
        preemption_point();
    assert_true(sim_asleep(1));
    preemption_point();
    assert_false(sim_asleep(1));
    host_cpu_relax();
    assert_int_equal(expired[1], 1);
    assert_int_equal(expired[0], 0);
    assert_true(sim_asleep(1));
}

/* ---- Points -------------------------------------------------------------- */

static void test_interrupts_come_in_when_chosen(void **unused)
{
    static const struct sim_choice later[] = {
        {2, 1, SIM_IRQ}, {2, 1, SIM_IRQ}, {2, 0, SIM_IRQ}};
    unsigned count = 0;

    (void)unused;
    sim_open(&(struct sim_config){.driver = SIM_TRACE,
                                  .trace = later,
                                  .trace_length = COUNT_OF(later)},
             NULL);
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &count), 0);
    irq_raise(5);
    preemption_point(); /* off: no question */
    assert_int_equal(state.choice_count, 0);
    machine_cpu[0].irq_on = true;
    preemption_point();
    preemption_point();
    assert_int_equal(count, 0);
    preemption_point();
    assert_int_equal(count, 1);
    preemption_point(); /* nothing is pending: no question */
    assert_int_equal(state.choice_count, 3);
    hal_irq_restore(HAL_IRQS_OFF);
}

static unsigned checks;

static void check(void)
{
    checks++;
    preemption_point(); /* no point of the run */
    host_cpu_relax();
}

static void test_the_check_is_called_at_each_point(void **unused)
{
    (void)unused;
    checks = 0;
    sim_open(&(struct sim_config){.check = check}, walker);
    walk_to(100, preemption_point);
    assert_int_equal(state.steps, 100);
    assert_int_equal(checks, 100);
}

static void walk_too_far(void)
{
    sim_open(&(struct sim_config){.step_limit = 10, .step_ns = 3}, NULL);
    walk_to(UINT64_MAX, preemption_point);
}

static void walk_far(void)
{
    sim_open(&(struct sim_config){.step_ns = 3}, NULL);
    state.steps = 49999999;
    walk_to(UINT64_MAX, preemption_point);
}

static void test_a_run_without_end_is_ended(void **unused)
{
    (void)unused;
    dies("ten", walk_too_far,
         "no end in sight: a livelock? (CPU 0, point 11, 31 ns)");
    dies("by default", walk_far,
         "no end in sight: a livelock? (CPU 0, point 50000001, 4 ns)");
}

static void test_atomic_accesses_are_points(void **unused)
{
    uint8_t byte = 1;
    uint16_t half = 5;
    uint32_t single = 6;
    uint64_t word = 2;

    (void)unused;
    sim_open(&calm, NULL);
    assert_int_equal(__tsan_atomic8_load(&byte, 0), 1);
    assert_int_equal(state.steps, 1);
    assert_int_equal(__tsan_atomic64_load(&word, 0), 2);
    assert_int_equal(state.steps, 2);
    __tsan_atomic8_store(&byte, 3, 0);
    assert_int_equal(state.steps, 3);
    assert_int_equal(byte, 3);
    __tsan_atomic64_store(&word, UINT64_C(4) << 40, 0);
    assert_int_equal(state.steps, 4);
    assert_int_equal(word, UINT64_C(4) << 40);
    assert_int_equal(__tsan_atomic16_load(&half, 0), 5);
    assert_int_equal(__tsan_atomic32_load(&single, 0), 6);
    __tsan_atomic16_store(&half, 700, 0);
    __tsan_atomic32_store(&single, 80000, 0);
    assert_int_equal(state.steps, 8);
    assert_int_equal(half, 700);
    assert_int_equal(single, 80000);
}

/* ---- Start and end ------------------------------------------------------- */

static void leave(unsigned cpu)
{
    host_complain("CPU %u leaves", cpu);
}

static void leave_a_cpu(void)
{
    sim_open(&calm, NULL);
    assert_int_equal(host_cpu_start(2, leave), 0);
    host_cpu_relax();
}

static void park(void)
{
    sim_open(&calm, NULL);
    host_cpu_park();
}

static void test_cpus_that_stop_are_found(void **unused)
{
    (void)unused;
    dies("leaves", leave_a_cpu,
         "CPU 2 leaves\n"
         "torc: a CPU left its entry function (CPU 2, point 1, 101 ns)");
    dies("parks", park,
         "a CPU ends the machine while another does (CPU 0, point 0, 1 ns)");
}

static void start_without_memory(void)
{
    static const struct rlimit none = {0, 0};
    static char stack[CPU_STACK] cache_aligned;

    sim_open(&calm, NULL);
    if (setrlimit(RLIMIT_AS, &none) != 0)
        _exit(1);
    _exit(hal_cpu_start(1, walker, NULL, stack, sizeof(stack)) == -ENODEV &&
                  host_cpu_start(2, leave) == -ENOMEM && !cpus[1].started
              ? 0
              : 2);
}

static void test_a_cpu_needs_memory(void **unused)
{
    char text[256];

    (void)unused;
    assert_int_equal(bare_child(start_without_memory, text, sizeof(text)), 0);
}

static bool mapped(void *page)
{
    unsigned char in_core;

    return mincore(page, 1, &in_core) == 0;
}

static void test_close_gives_stacks_back(void **unused)
{
    void *stacks[CPUS];

    (void)unused;
    sim_open(&calm, walker);
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        stacks[cpu] = cpus[cpu].stack;
        assert_true(mapped(stacks[cpu]));
        assert_true(mapped((char *)stacks[cpu] + STACK_SIZE - 1 -
                           (STACK_SIZE - 1) % 4096));
    }
    host_machine_close();
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        assert_false(mapped(stacks[cpu]));
    preemption_point(); /* no point of any run */
    assert_int_equal(state.steps, 0);
}

static void test_the_end_of_a_run_is_kept(void **unused)
{
    (void)unused;
    sim_open(&calm, walker);
    assert_true(host_is_cpu());
    host_cpus_stop(HOST_ABORTED);
    assert_false(state.finished);
    sim_open(&calm, walker);
    host_cpus_stop(17);
    assert_true(state.finished);
    assert_int_equal(state.status, 17);
    preemption_point();
    assert_int_equal(state.steps, 0);
}

/* ---- Runs from boot to end ----------------------------------------------- */

static void leaver(void *arg)
{
    (void)arg;
    host_cpus_stop(3);
}

static void boot(void *arg)
{
    (void)arg;
    bare_open((struct host_config){.cpus = CPUS});
    start(1, leaver, NULL);
    for (;;)
        hal_cpu_idle();
}

/* It ends where it began, whichever CPU ends it; then comes the next one. */
static void test_a_run_comes_back_when_it_ends(void **unused)
{
    const void *place = vcpu_self();

    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        setup_by(&calm);
        sim_run(boot, NULL);
        assert_true(state.finished);
        assert_int_equal(state.status, 3);
        assert_ptr_equal(vcpu_self(), place);
        host_machine_close();
    }
}

#define ON_MACHINE(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_numbers_are_those_of_splitmix),
        cmocka_unit_test(test_each_asker_has_its_random_numbers),
        cmocka_unit_test(test_a_choice_of_one_is_no_choice),
        cmocka_unit_test(test_entropy_is_chosen),
        cmocka_unit_test(test_choices_are_recorded_on_request),
        cmocka_unit_test(test_a_trace_is_followed),
        cmocka_unit_test(test_a_trace_of_another_run_is_refused),
        cmocka_unit_test(test_the_hash_tells_runs_apart),
        cmocka_unit_test(test_the_seed_chooses_the_pace),
        cmocka_unit_test(test_a_run_begins_afresh),
        ON_MACHINE(test_random_switches_come_at_their_interval),
        ON_MACHINE(test_a_yield_passes_on_the_turn),
        ON_MACHINE(test_the_turn_is_random),
        ON_MACHINE(test_the_highest_priority_runs_until_its_limit),
        ON_MACHINE(test_the_seed_chooses_when_priorities_change),
        ON_MACHINE(test_priorities_change_a_limited_number_of_times),
        ON_MACHINE(test_runs_by_priority_can_be_replayed),
        ON_MACHINE(test_a_sleeper_does_not_run),
        ON_MACHINE(test_a_sleeper_lets_others_run),
        ON_MACHINE(test_time_jumps_when_all_sleep),
        ON_MACHINE(test_a_wake_up_that_is_lost_is_found),
        ON_MACHINE(test_time_jumps_when_all_sleep_or_look_on),
        ON_MACHINE(test_who_looks_on_sees_what_has_changed),
        ON_MACHINE(test_who_looks_on_sees_what_a_device_has_changed),
        ON_MACHINE(test_a_wake_up_that_nobody_sees_is_found),
        ON_MACHINE(test_time_passes_at_points),
        ON_MACHINE(test_a_timer_expires_once_when_its_time_has_come),
        ON_MACHINE(test_each_cpu_has_its_timer),
        ON_MACHINE(test_interrupts_come_in_when_chosen),
        ON_MACHINE(test_the_check_is_called_at_each_point),
        ON_MACHINE(test_a_run_without_end_is_ended),
        ON_MACHINE(test_atomic_accesses_are_points),
        ON_MACHINE(test_cpus_that_stop_are_found),
        ON_MACHINE(test_a_cpu_needs_memory),
        ON_MACHINE(test_close_gives_stacks_back),
        ON_MACHINE(test_the_end_of_a_run_is_kept),
        cmocka_unit_test(test_a_run_comes_back_when_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
