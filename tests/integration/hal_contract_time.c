/*
 * The contract of hal/hal.h, sections 2 and 4: clock, timer, sleep, doorbell.
 */
#include "tests/integration/hal_contract.h"

enum { CLOCK_ROUNDS = 200 };

/* ---- Time ---------------------------------------------------------------- */

static void check_time(void)
{
    uint64_t first = hal_time_ns();
    uint64_t last = first;
    unsigned backwards = 0;

    CHECK(first != 0);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = hal_time_ns();

        backwards += now < last;
        last = now;
    }
    CHECK(backwards == 0);
    CHECK(last > first);
}

static void test_time_goes_forward(void)
{
    on_each(check_time);
}

/* Two CPUs hand each other the time: nobody gets one later than his own. */
static uint64_t ball_ns;
static atomic_uint ball_round;

static unsigned ball_play(unsigned first)
{
    unsigned early = 0;

    for (unsigned round = first; round < 2 * CLOCK_ROUNDS; round += 2) {
        uint64_t now;

        if (!CHECK(wait_for(&ball_round, round)))
            break;
        now = hal_time_ns();
        early += now < ball_ns;
        ball_ns = now;
        count_up(&ball_round);
    }
    return early;
}

static void ball_partner(void)
{
    CHECK(ball_play(1) == 0);
}

static void test_time_is_the_same_on_all_cpus(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        ball_ns = 0;
        atomic_store_explicit(&ball_round, 0, memory_order_relaxed);
        cpu_give(i, ball_partner);
        CHECK(ball_play(0) == 0);
        if (!CHECK(cpu_finish(i)))
            return;
    }
}

/* ---- Timer --------------------------------------------------------------- */

void timer_begin(uint64_t wanted_ns)
{
    self()->timer_wanted_ns = wanted_ns;
    hal_timer_set(wanted_ns);
}

/* Sleep until the timer has fired once more than `before`. */
static void timer_end_idle(unsigned before)
{
    struct cpu *cpu = self();

    while (count_get(&cpu->timers) == before)
        hal_cpu_idle();
    CHECK(cpu->timer_fired_ns >= cpu->timer_wanted_ns);
    CHECK(cpu->timer_fired_ns - cpu->timer_wanted_ns < S);
    CHECK(hal_irq_save() == HAL_IRQS_OFF);
}

static void check_timer_idle(void)
{
    unsigned before = count_get(&self()->timers);

    timer_begin(hal_time_ns() + 3 * MS);
    timer_end_idle(before);
}

static void test_timer_ends_sleep_on_time(void)
{
    on_each(check_timer_idle);
}

static void check_timer_past(void)
{
    unsigned before = count_get(&self()->timers);

    timer_begin(1);
    while (count_get(&self()->timers) == before)
        hal_cpu_idle();
    before++;
    timer_begin(hal_time_ns());
    timer_end_idle(before);
    before++;
    timer_begin(1);
    hal_irq_restore(HAL_IRQS_ON);
    CHECK(wait_for(&self()->timers, before + 1));
    hal_irq_save();
}

static void test_timer_in_the_past_fires_at_once(void)
{
    on_each(check_timer_past);
}

static void check_timer_replaced(void)
{
    unsigned before = count_get(&self()->timers);

    hal_timer_set(hal_time_ns() + 1000 * S);
    timer_begin(hal_time_ns() + 3 * MS);
    timer_end_idle(before);
    hal_timer_set(hal_time_ns() + 20 * MS);
    timer_begin(hal_time_ns() + 60 * MS);
    timer_end_idle(before + 1);
    CHECK(count_get(&self()->timers) == before + 2);
}

static void test_timer_is_replaced(void)
{
    on_each(check_timer_replaced);
}

static void check_timer_cancelled(void)
{
    unsigned before = count_get(&self()->timers);

    timer_begin(hal_time_ns() + 50 * MS);
    hal_timer_set(UINT64_MAX);
    hal_irq_restore(HAL_IRQS_ON);
    spin_ns(70 * MS);
    hal_irq_save();
    CHECK(count_get(&self()->timers) == before);
}

static void test_timer_is_cancelled(void)
{
    on_each(check_timer_cancelled);
}

static void check_timer_busy(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->timers);

    timer_begin(hal_time_ns() + 3 * MS);
    hal_irq_restore(HAL_IRQS_ON);
    CHECK(wait_for(&cpu->timers, before + 1));
    hal_irq_save();
    CHECK(cpu->timer_fired_ns - cpu->timer_wanted_ns < S);
}

static void test_timer_interrupts_a_busy_cpu(void)
{
    on_each(check_timer_busy);
}

/* ---- Sleep and doorbell -------------------------------------------------- */

/* An interrupt that is pending when the sleep begins must end it. */
static void check_idle_pending(void)
{
    struct cpu *cpu = self();
    unsigned bells = count_get(&cpu->doorbells);
    uint64_t start = hal_time_ns();

    timer_begin(start + 5 * S); /* so that a failure does not hang */
    for (unsigned round = 1; round <= 20; round++) {
        hal_ipi_send(hal_cpu_id());
        spin_ns(MS / 10);
        while (count_get(&cpu->doorbells) == bells)
            hal_cpu_idle();
        bells++;
    }
    CHECK(hal_time_ns() - start < 4 * S);
    CHECK(hal_irq_save() == HAL_IRQS_OFF);
    hal_timer_set(UINT64_MAX);
}

static void test_idle_returns_on_pending_irq(void)
{
    on_each(check_idle_pending);
}

static unsigned bell_target;
static unsigned bell_times;

static void bell_ring(void)
{
    for (unsigned i = 0; i < bell_times; i++)
        hal_ipi_send(bell_target);
}

/* Let `from` ring `to`; whether `to`, interrupts on or asleep, hears it. */
static bool bell_heard(unsigned from, unsigned to, unsigned times)
{
    unsigned before = count_get(&cpus[to].doorbells);
    unsigned after;
    bool heard;

    bell_target = to;
    bell_times = times;
    if (from == 0) {
        bell_ring();
    } else {
        cpu_give(from, bell_ring);
        if (!CHECK(cpu_finish(from)))
            return false;
    }
    hal_irq_restore(HAL_IRQS_ON);
    heard = wait_for(&cpus[to].doorbells, before + 1);
    hal_irq_save();
    after = count_get(&cpus[to].doorbells);
    /* cpu_give() rings as well when from == to; and one ring of those before,
     * which were heard as one, may still have been on its way. */
    return heard && after - before <= times + (from == to) + 1;
}

static void test_doorbell_from_each_to_each(void)
{
    unsigned step = boot->cpu_count > 8 ? boot->cpu_count / 8 : 1;

    for (unsigned from = 0; from < boot->cpu_count; from += step)
        for (unsigned to = 0; to < boot->cpu_count; to += step)
            if (!CHECK(bell_heard(from, to, 1)))
                print("from %u to %u\n", from, to);
}

static void test_doorbell_coalesces(void)
{
    unsigned last = boot->cpu_count - 1;

    CHECK(bell_heard(0, last, 1000));
    CHECK(bell_heard(0, last, 1));
    CHECK(bell_heard(last, 0, 1000));
    CHECK(bell_heard(last, 0, 1));
}

/* Give the last CPU work at all moments of its way to sleep. */
static unsigned work_sum;

static void work_add(void)
{
    work_sum++;
}

static void test_no_wakeup_is_lost(void)
{
    unsigned last = boot->cpu_count - 1;

    if (last == 0)
        return;
    work_sum = 0;
    for (unsigned i = 0; i < 2000; i++) {
        cpu_give(last, work_add);
        if (!CHECK(cpu_finish(last)))
            return;
        for (unsigned pause = i % 64; pause > 0; pause--)
            (void)hal_cpu_id();
    }
    CHECK(work_sum == 2000);
}

/* ---- Samples ------------------------------------------------------------- */

static volatile unsigned spun;

/* Calls nothing of the HAL while it spins. */
static void spin_alone(uint64_t ns)
{
    uint64_t end = hal_time_ns() + ns;

    while (hal_time_ns() < end) {
        for (unsigned i = 0; i < 100000; i++)
            spun = i;
    }
}

/* At least so long, and until `samples` have come: a busy host gives this CPU
 * little of its time. How long it took. */
static uint64_t spin_until(const atomic_uint *number, unsigned samples,
                           uint64_t ns)
{
    uint64_t begin = hal_time_ns();

    spin_alone(ns);
    while ((int)(count_get(number) - samples) < 0 &&
           hal_time_ns() - begin < PATIENCE_NS)
        spin_alone(10 * MS);
    return hal_time_ns() - begin;
}

static void check_samples(void)
{
    struct cpu *cpu = self();
    uint64_t took;
    unsigned before = count_get(&cpu->samples);
    unsigned timers = count_get(&cpu->timers);
    unsigned after;
    int err = hal_sample_start(2 * MS);

    CHECK(err == 0 || err == -ENOTSUP);
    if (err != 0)
        return;
    spin_alone(20 * MS); /* interrupts are off */
    CHECK(count_get(&cpu->samples) <= before);
    timer_begin(hal_time_ns() + 20 * MS);
    hal_irq_restore(HAL_IRQS_ON);
    took = spin_until(&cpu->samples, before + 5, 300 * MS);
    hal_irq_save();
    after = count_get(&cpu->samples);
    CHECK(after >= before + 5 && after <= before + took / (2 * MS) + 15);
    CHECK(cpu->bad_samples == 0);
    hal_irq_restore(HAL_IRQS_ON);
    CHECK(wait_for(&cpu->timers, timers + 1));
    hal_irq_save();
    CHECK(cpu->timer_fired_ns - cpu->timer_wanted_ns < PATIENCE_NS);
}

static void check_no_samples_asleep(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->samples);
    unsigned timers = count_get(&cpu->timers);

    timer_begin(hal_time_ns() + 100 * MS);
    timer_end_idle(timers);
    CHECK(count_get(&cpu->samples) <= before + 2);
    CHECK(hal_sample_start(0) == 0);
    before = count_get(&cpu->samples);
    hal_irq_restore(HAL_IRQS_ON);
    spin_alone(30 * MS);
    hal_irq_save();
    CHECK(count_get(&cpu->samples) <= before + 1);
}

static void check_sampling(void)
{
    check_samples();
    check_no_samples_asleep();
}

static void test_samples(void)
{
    on_each(check_sampling);
}

/*
 * A store to the watched line, and nothing else, ends the sleep; where the
 * machine cannot, an interrupt does as always.
 */
static cache_aligned atomic_uint watched[64 / sizeof(atomic_uint)];
static bool watch_works;

static void watch_wait(void)
{
    while (count_get(&watched[3]) == 0) {
        watch_works = hal_cpu_watch(watched);
        if (!watch_works)
            return;
        if (count_get(&watched[3]) == 0)
            hal_cpu_idle();
    }
}

static void test_store_ends_watched_sleep(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        for (unsigned round = 0; round < 20; round++) {
            atomic_store_explicit(&watched[3], 0, memory_order_relaxed);
            cpu_give(i, watch_wait);
            spin_ns(round * MS / 10);
            count_up(&watched[3]);
            if (!CHECK(cpu_finish(i)))
                return;
        }
    }
    if (!watch_works)
        print("no store ends a sleep on this machine\n");
}

static void check_watch_and_interrupt(void)
{
    (void)hal_cpu_watch(watched);
    check_timer_idle();
    check_idle_pending();
}

static void test_interrupt_ends_watched_sleep(void)
{
    on_each(check_watch_and_interrupt);
}

/* ---- The tests ----------------------------------------------------------- */

/* clang-format off */
const struct contract_test contract_time_tests[] = {
    {"time_goes_forward", test_time_goes_forward},
    {"time_is_the_same_on_all_cpus", test_time_is_the_same_on_all_cpus},
    {"timer_ends_sleep_on_time", test_timer_ends_sleep_on_time},
    {"timer_in_the_past_fires_at_once", test_timer_in_the_past_fires_at_once},
    {"timer_is_replaced", test_timer_is_replaced},
    {"timer_is_cancelled", test_timer_is_cancelled},
    {"timer_interrupts_a_busy_cpu", test_timer_interrupts_a_busy_cpu},
    {"idle_returns_on_pending_irq", test_idle_returns_on_pending_irq},
    {"doorbell_from_each_to_each", test_doorbell_from_each_to_each},
    {"doorbell_coalesces", test_doorbell_coalesces},
    {"no_wakeup_is_lost", test_no_wakeup_is_lost},
    {"samples", test_samples},
    {"store_ends_watched_sleep", test_store_ends_watched_sleep},
    {"interrupt_ends_watched_sleep", test_interrupt_ends_watched_sleep},
    {NULL, NULL},
};
/* clang-format on */
