/* Which CPUs that sleep are told of, and which are left in peace. */
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/format.h>

static bool is_on, is_the_end;

/* In place of the options. */
#define watchdog_is_on      is_on_now
#define watchdog_is_the_end is_the_end_now
static bool is_on_now(void)
{
    return is_on;
}

static bool is_the_end_now(void)
{
    return is_the_end;
}
#include "kernel/boot/asleep.c"

#define NOW (100 * NS_PER_S)

static struct thread ready;
static struct irq_work work;
static struct exchange_item item;

static void nothing(struct cpu *cpu)
{
    (void)cpu;
}

static void thread_is_ready(struct cpu *cpu)
{
    queue_push(&cpu->ready, &ready.ready);
}

static void work_is_left(struct cpu *cpu)
{
    cpu->irq_work_head = &work;
}

static void message_waits(struct cpu *cpu)
{
    atomic_store(cpu_of(2)->exchange->links[cpu->id].slot,
                 (uintptr_t)&item.node);
}

/* As one that frees memory: nobody is woken for it. */
static void quiet_message_waits(struct cpu *cpu)
{
    message_waits(cpu);
    cpu_of(2)->exchange->links[cpu->id].quietly = true;
}

static void overdue(struct cpu *cpu)
{
    atomic_store(&cpu->sleep_end_ns, NOW - NS_PER_S - 1);
}

static void due(struct cpu *cpu)
{
    atomic_store(&cpu->sleep_end_ns, NOW - NS_PER_S);
}

static const struct {
    const char *name;
    void (*plant)(struct cpu *cpu);
    const char *why; /* NULL: all is well */
} rows[] = {
    {"a server that waits", nothing, NULL},
    {"ready", thread_is_ready, "a thread is ready"},
    {"work", work_is_left, "an interrupt has left work"},
    {"message", message_waits, "a message waits"},
    {"quiet message", quiet_message_waits, NULL},
    {"overdue", overdue, "a timer is overdue"},
    {"due a moment ago", due, NULL},
};

static struct cpu *begin(void)
{
    struct cpu *cpu;

    machine_attach_still(3, 4 << 20);
    hal_cpu_set_local(cpu_of(0));
    memset(state, 0, sizeof(state));
    is_on = true;
    is_the_end = false;
    cpu = cpu_of(1);
    atomic_store(&cpu->sleep_end_ns, TIME_NEVER);
    atomic_store(&cpu->sleeps, 7);
    console_forget();
    return cpu;
}

static void finish(struct cpu *cpu)
{
    queue_init(&cpu->ready);
    cpu->irq_work_head = NULL;
    atomic_store(cpu_of(2)->exchange->links[1].slot, 0);
    machine_detach();
}

/* One sleep in one state, at three looks: told once. */
static void test_each_reason(void **unused)
{
    char line[80];

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cpu *cpu = begin();
        bool is_bad = rows[i].why != NULL;

        rows[i].plant(cpu);
        fmt_print(line, sizeof(line), "warning: cpu 1 sleeps, and %s\n",
                  is_bad ? rows[i].why : "");
        for (unsigned look = 1; look < LOOKS; look++) {
            ROW(rows[i].name, look_at(0, cpu, NOW) == is_bad);
            ROW(rows[i].name, !console_has("warning"));
        }
        ROW(rows[i].name, !look_at(0, cpu, NOW)); /* no need to be soon */
        ROW(rows[i].name, console_has(is_bad ? line : "") &&
                              console_has("warning") == is_bad);
        console_forget();
        ROW(rows[i].name, !look_at(0, cpu, NOW));
        ROW(rows[i].name, !console_has("warning")); /* again */
        atomic_store(&cpu->sleeps, 9);              /* another sleep */
        for (unsigned look = 0; look < LOOKS; look++)
            (void)look_at(0, cpu, NOW);
        ROW(rows[i].name, console_has("warning") == is_bad);
        finish(cpu);
    }
}

/* It is awake; it wakes between the looks; what there was to do has gone. */
static void test_sleeps_that_end(void **unused)
{
    struct cpu *cpu = begin();

    (void)unused;
    thread_is_ready(cpu);
    atomic_store(&cpu->sleeps, 8); /* it runs */
    for (unsigned look = 0; look < LOOKS; look++)
        assert_false(look_at(0, cpu, NOW));
    for (unsigned look = 0; look < 2 * LOOKS; look++) {
        atomic_store(&cpu->sleeps, 9 + look / 2 * 2);
        assert_true(look_at(0, cpu, NOW));
    }
    atomic_store(&cpu->sleeps, 101);
    assert_true(look_at(0, cpu, NOW));
    assert_true(look_at(0, cpu, NOW));
    queue_init(&cpu->ready);
    assert_false(look_at(0, cpu, NOW));
    thread_is_ready(cpu);
    assert_true(look_at(0, cpu, NOW)); /* from the begin */
    assert_false(console_has("warning"));
    finish(cpu);
    cpu = begin();
    overdue(cpu);
    assert_false(look_at(0, cpu, OVERDUE_NS)); /* soon after boot */
    finish(cpu);
}

/* Two neighbours in the ring are at least a quarter of a period apart. */
static void test_when_it_looks(void **unused)
{
    (void)unused;
    for (unsigned cpus = 1; cpus <= 9; cpus++) {
        for (unsigned cpu = 0; cpu < cpus; cpu++) {
            uint64_t now = 77 * PERIOD_NS + 5;
            uint64_t mine = next_look(cpu, cpus, now);
            uint64_t other = next_look((cpu + 1) % cpus, cpus, now);
            uint64_t apart = mine > other ? mine - other : other - mine;

            assert_true(mine > now && mine <= now + PERIOD_NS);
            assert_true(cpus == 1 ||
                        (apart >= PERIOD_NS / 4 && apart <= PERIOD_NS * 3 / 4));
            assert_true(next_look(cpu, cpus, mine) == mine + PERIOD_NS);
        }
    }
}

/* This CPU itself, at its wake. */
static void test_woken_ready(void **unused)
{
    struct cpu *cpu = begin();

    (void)unused;
    is_on = false;
    idle_woken_ready(cpu);
    assert_false(console_has("warning"));
    is_on = true;
    idle_woken_ready(cpu);
    assert_true(console_has("warning: cpu 1 sleeps, and a thread is ready\n"));
    finish(cpu);
}

/* ---- A machine that runs ------------------------------------------------- */

static int rest(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    return 0;
}

static int make_ready(void *arg)
{
    volatile struct timer *timers = &state[0].timer;

    (void)arg;
    if (timer_is_set((struct timer *)timers) != is_on)
        return 1;
    is_the_end = true;
    idle_woken_ready(cpu_self());
    return 0;
}

static void test_machines(void **unused)
{
    static char output[16384];

    (void)unused;
    machine_drivers[0] = &asleep_driver;
    for (unsigned on = 0; on < 2; on++) {
        is_on = on;
        is_the_end = false;
        for (unsigned cpus = 1; cpus <= 3; cpus++)
            assert_int_equal(machine_run(cpus, 4 << 20, rest, NULL), 0);
        assert_int_equal(machine_run_output(2, 4 << 20, "", make_ready, NULL,
                                            output, sizeof(output)),
                         on ? 134 : 0);
        assert_true(strstr(output, "panic: cpu 0 sleeps, and a thread is "
                                   "ready\n") != NULL ||
                    !on);
    }
    machine_drivers[0] = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reason),
        cmocka_unit_test(test_sleeps_that_end),
        cmocka_unit_test(test_when_it_looks),
        cmocka_unit_test(test_woken_ready),
        cmocka_unit_test(test_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
