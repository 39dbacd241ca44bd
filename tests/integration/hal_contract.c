/*
 * The contract of hal/hal.h, checked. A kernel of its own: it is linked with a
 * HAL and kernel/lib and nothing else, and runs on every machine.
 *
 * Words of the command line: fault=guard and fault=stack end with a deliberate
 * fault, exit=N with that status. It prints what CMocka prints.
 *
 * CPU 0 runs the tests. The others sleep until it gives them a function to run
 * and rings their doorbell; so nearly every test tests sleeping and waking too.
 */
#include "hal/hal.h"
#include "kernel/lib/fmt.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/str.h"
#include <stdarg.h>
#include <stdatomic.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

enum {
    STACK_SIZE = 32 * 1024,
    SWITCH_ROUNDS = 1000,
    CLOCK_ROUNDS = 200,
    LINE_SIZE = 256,
    WALL_2020_S = 1577836800,
};

/* How long anything may take on a slow, crowded, emulated machine. */
#define PATIENCE_NS (10 * S)

struct cpu {
    /* CPU 0 writes: */
    void (*fn)(void);
    atomic_uint given;
    /* the CPU itself writes: */
    atomic_uint arrived;
    atomic_uint done;
    atomic_uint failures;
    atomic_uint doorbells;
    atomic_uint timers;
    uint64_t timer_wanted_ns; /* an earlier interrupt does not count */
    uint64_t timer_fired_ns;
    uintptr_t entry_sp;
    hal_irqflags entry_flags;
    void *entry_local;
    unsigned entry_id;
} cache_aligned;

static const struct hal_boot_info *boot;
static struct cpu cpus[HAL_CPU_MAX];
static hal_irqflags main_flags;

/* ---- Reporting ---------------------------------------------------------------- */

static void print(const char *format, ...) printf_like(1, 2);

static void print(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(line, sizeof(line), format, args);
    va_end(args);
    hal_console_write(line, len < sizeof(line) ? len : sizeof(line) - 1);
}

/* Add to a number only this CPU writes: no read-modify-write is needed. */
static void count_up(atomic_uint *number)
{
    unsigned value = atomic_load_explicit(number, memory_order_relaxed);

    atomic_store_explicit(number, value + 1, memory_order_release);
}

static unsigned count_get(const atomic_uint *number)
{
    return atomic_load_explicit(number, memory_order_acquire);
}

static bool check(bool holds, const char *what, int line)
{
    unsigned cpu = hal_cpu_id();

    if (!holds) {
        count_up(&cpus[cpu].failures);
        print("hal_contract.c:%d: cpu %u: not true: %s\n", line, cpu, what);
    }
    return holds;
}

#define CHECK(e) check((e), #e, __LINE__)

static unsigned failures_total(void)
{
    unsigned total = 0;

    for (unsigned i = 0; i < boot->cpu_count; i++)
        total += count_get(&cpus[i].failures);
    return total;
}

/* ---- Memory, CPUs, waiting ------------------------------------------------------ */

static struct cpu *self(void)
{
    return &cpus[hal_cpu_id()];
}

/* Pages of the largest region, from its end; never given back. */
static void *pages_take(size_t size)
{
    static size_t taken;
    const struct hal_region *region = &boot->region[0];

    for (unsigned i = 1; i < boot->region_count; i++)
        if (boot->region[i].size > region->size)
            region = &boot->region[i];
    taken += size;
    if (taken > region->size) {
        print("hal_contract.c: the machine has too little memory\n");
        hal_exit(1);
    }
    return (void *)(region->base + region->size - taken);
}

static bool in_regions(const void *ptr)
{
    uintptr_t at = (uintptr_t)ptr;

    for (unsigned i = 0; i < boot->region_count; i++)
        if (at >= boot->region[i].base &&
            at - boot->region[i].base < boot->region[i].size)
            return true;
    return false;
}

/* Spin until the number has come to `value`; false when it does not. */
static bool wait_for(const atomic_uint *number, unsigned value)
{
    uint64_t end = hal_time_ns() + PATIENCE_NS;

    while ((int)(count_get(number) - value) < 0) {
        if (hal_time_ns() > end)
            return false;
        hal_cpu_relax();
    }
    return true;
}

static void spin_ns(uint64_t ns)
{
    uint64_t end = hal_time_ns() + ns;

    while (hal_time_ns() < end)
        hal_cpu_relax();
}

static void doorbell_irq(void *arg)
{
    struct cpu *cpu = arg;

    count_up(&cpu->doorbells);
}

static void timer_irq(void *arg)
{
    struct cpu *cpu = arg;
    uint64_t now = hal_time_ns();

    if (now < cpu->timer_wanted_ns) {
        hal_timer_set(cpu->timer_wanted_ns); /* hal.h: it may come early */
        return;
    }
    cpu->timer_fired_ns = now;
    count_up(&cpu->timers);
}

static void irqs_attach(struct cpu *cpu)
{
    unsigned id = hal_cpu_id();

    CHECK(hal_irq_attach(HAL_IRQ_DOORBELL, id, doorbell_irq, cpu) == 0);
    CHECK(hal_irq_attach(HAL_IRQ_TIMER, id, timer_irq, cpu) == 0);
}

/* What the other CPUs do: interrupts are off except while they sleep. */
static void cpu_entry(void *arg)
{
    struct cpu *cpu = arg;
    unsigned done = 0;

    cpu->entry_sp = (uintptr_t)&cpu;
    cpu->entry_flags = hal_irq_save();
    cpu->entry_id = hal_cpu_id();
    cpu->entry_local = hal_cpu_local();
    hal_cpu_set_local(cpu);
    irqs_attach(cpu);
    count_up(&cpu->arrived);
    for (;;) {
        while (count_get(&cpu->given) == done)
            hal_cpu_idle();
        cpu->fn();
        count_up(&cpu->done);
        done++;
    }
}

static void cpu_give(unsigned id, void (*fn)(void))
{
    cpus[id].fn = fn;
    count_up(&cpus[id].given);
    hal_ipi_send(id);
}

static bool cpu_finish(unsigned id)
{
    return wait_for(&cpus[id].done, count_get(&cpus[id].given));
}

/* Run fn on each CPU in turn, CPU 0 first. */
static void on_each(void (*fn)(void))
{
    fn();
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        cpu_give(i, fn);
        if (!CHECK(cpu_finish(i)))
            return;
    }
}

/* ---- Start ----------------------------------------------------------------------- */

static void test_boot_info(void)
{
    CHECK(boot->cmdline != NULL);
    CHECK(str_len(boot->cmdline, 4096) < 4096);
    CHECK(boot->cpu_count >= 1 && boot->cpu_count <= HAL_CPU_MAX);
    CHECK(boot->region_count >= 1 && boot->region_count <= HAL_REGION_MAX);
    CHECK(boot->module_count <= HAL_MODULE_MAX);
    CHECK(boot->machine != NULL && boot->machine[0] != '\0');
    CHECK(boot->boot_wall_ns == 0 || boot->boot_wall_ns / S > WALL_2020_S);
    CHECK(main_flags == HAL_IRQS_OFF);
    CHECK(hal_cpu_id() == 0);
    CHECK(hal_cpu_local() == &cpus[0]);
}

static void test_regions_are_whole_pages_ascending(void)
{
    uintptr_t end = 0;

    for (unsigned i = 0; i < boot->region_count; i++) {
        const struct hal_region *region = &boot->region[i];

        CHECK(region->base % HAL_PAGE_SIZE == 0);
        CHECK(region->size % HAL_PAGE_SIZE == 0 && region->size > 0);
        CHECK(region->base >= end && region->base > 0);
        CHECK(region->base + region->size > region->base);
        end = region->base + region->size;
    }
}

static void test_regions_are_free(void)
{
    int on_stack;

    CHECK(!in_regions(&on_stack));
    CHECK(!in_regions(&boot));
    CHECK(!in_regions(boot));
    CHECK(!in_regions(boot->cmdline));
    for (unsigned i = 0; i < boot->module_count; i++) {
        CHECK(boot->module[i].size > 0);
        CHECK(!in_regions(boot->module[i].base));
        CHECK(!in_regions(boot->module[i].base + boot->module[i].size - 1));
    }
}

static void test_regions_are_writable_at_both_ends(void)
{
    for (unsigned i = 0; i < boot->region_count; i++) {
        volatile uint64_t *first = (uint64_t *)boot->region[i].base;
        volatile uint64_t *last = first + boot->region[i].size / 8 - 1;

        *first = UINT64_C(0x0123456789abcdef) + i;
        *last = UINT64_C(0xfedcba9876543210) - i;
        CHECK(*first == UINT64_C(0x0123456789abcdef) + i);
        CHECK(*last == UINT64_C(0xfedcba9876543210) - i);
    }
}

static void test_console_takes_any_length(void)
{
    hal_console_write("", 0);
    hal_console_write("console: a ", 11);
    hal_console_write("line in two pieces\n", 19);
}

/* ---- Processors --------------------------------------------------------------------- */

static void *cpu_stack[HAL_CPU_MAX];

static void test_cpu_start_refuses_nonsense(void)
{
    void *stack = pages_take(STACK_SIZE);

    CHECK(hal_cpu_start(0, cpu_entry, &cpus[0], stack, STACK_SIZE) == -EINVAL);
    CHECK(hal_cpu_start(boot->cpu_count, cpu_entry, &cpus[0], stack,
                        STACK_SIZE) == -EINVAL);
    CHECK(hal_cpu_start(UINT32_MAX, cpu_entry, &cpus[0], stack, STACK_SIZE) ==
          -EINVAL);
}

static void test_cpus_start(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        cpu_stack[i] = pages_take(STACK_SIZE);
        if (!CHECK(hal_cpu_start(i, cpu_entry, &cpus[i], cpu_stack[i],
                                 STACK_SIZE) == 0))
            hal_exit(1);
    }
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        if (!CHECK(wait_for(&cpus[i].arrived, 1)))
            hal_exit(1); /* nothing below would mean anything */
        CHECK(hal_cpu_start(i, cpu_entry, &cpus[i], cpu_stack[i], STACK_SIZE) ==
              -EINVAL);
    }
}

static void test_cpus_enter_as_promised(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        uintptr_t stack = (uintptr_t)cpu_stack[i];

        CHECK(cpus[i].entry_id == i);
        CHECK(cpus[i].entry_flags == HAL_IRQS_OFF);
        CHECK(cpus[i].entry_local == NULL);
        CHECK(cpus[i].entry_sp >= stack &&
              cpus[i].entry_sp < stack + STACK_SIZE);
    }
}

static void check_local(void)
{
    CHECK(hal_cpu_local() == self());
    hal_cpu_set_local(cpu_stack);
    CHECK(hal_cpu_local() == cpu_stack);
    hal_cpu_set_local(self());
    CHECK(hal_cpu_local() == self());
}

static void test_cpu_local_is_per_cpu(void)
{
    on_each(check_local);
    CHECK(hal_cpu_local() == &cpus[0]);
}

/* ---- Interrupt flag --------------------------------------------------------------------- */

static void check_irq_nesting(void)
{
    hal_irqflags outer, inner;

    hal_irq_restore(HAL_IRQS_ON);
    outer = hal_irq_save();
    inner = hal_irq_save();
    CHECK(outer == HAL_IRQS_ON);
    CHECK(inner == HAL_IRQS_OFF);
    hal_irq_restore(inner);
    inner = hal_irq_save();
    CHECK(inner == HAL_IRQS_OFF);
    hal_irq_restore(outer);
    CHECK(hal_irq_save() == HAL_IRQS_ON);
}

static void test_irq_save_nests(void)
{
    on_each(check_irq_nesting);
}

static void check_irqs_off_hold(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->doorbells);

    hal_ipi_send(hal_cpu_id());
    spin_ns(2 * MS);
    CHECK(count_get(&cpu->doorbells) == before);
    hal_irq_restore(HAL_IRQS_ON);
    CHECK(wait_for(&cpu->doorbells, before + 1));
    hal_irq_save();
}

static void test_irqs_off_hold_back(void)
{
    on_each(check_irqs_off_hold);
}

static void irq_never(void *arg)
{
    (void)arg;
}

static void test_irq_attach_refuses_nonsense(void)
{
    CHECK(hal_irq_attach(-3, 0, irq_never, NULL) == -EINVAL);
    CHECK(hal_irq_attach(1 << 20, 0, irq_never, NULL) == -EINVAL);
    CHECK(hal_irq_attach(HAL_IRQ_TIMER, 0, irq_never, NULL) == -EBUSY);
    CHECK(hal_irq_attach(HAL_IRQ_DOORBELL, 0, irq_never, NULL) == -EBUSY);
    CHECK(hal_irq_attach(200, boot->cpu_count, irq_never, NULL) == -EINVAL);
}

static void test_irq_msi(void)
{
    unsigned last = boot->cpu_count - 1;
    uint64_t addr = 0;
    uint32_t data = 0;
    int irq = hal_irq_msi(last, &addr, &data);
    int other = hal_irq_msi(last, &addr, &data);

    if (irq == -ENODEV)
        return;
    CHECK(irq >= 256);
    CHECK(other >= 256 && other != irq);
    CHECK(addr != 0);
    CHECK(hal_irq_attach(irq, last, irq_never, NULL) == 0);
}

/* ---- Time --------------------------------------------------------------------------------- */

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

/* ---- Timer -------------------------------------------------------------------------------- */

static void timer_begin(uint64_t wanted_ns)
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

/* ---- Sleep and doorbell ----------------------------------------------------------------------- */

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
    /* cpu_give() rings as well when from == to. */
    return heard && after - before <= times + (from == to);
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

/* ---- Contexts ----------------------------------------------------------------------------------- */

static struct hal_context main_context, side_context;
static void *side_stack;
static uint64_t side_seen;

/* Values the compiler keeps in registers and on the stack over the switch. */
static uint64_t switch_mix(struct hal_context *from, struct hal_context *to,
                           uint64_t seed, unsigned rounds)
{
    uint64_t a = seed, b = seed ^ 3, c = seed * 5, d = seed + 7, e = ~seed;
    volatile uint64_t kept[16];

    for (unsigned i = 0; i < 16; i++)
        kept[i] = seed + i;
    for (unsigned round = 0; round < rounds; round++) {
        a += b;
        b ^= c;
        c -= d;
        d += e;
        e = a ^ round;
        hal_context_switch(from, to);
    }
    for (unsigned i = 0; i < 16; i++)
        a += kept[i] - seed - i;
    return a ^ b ^ c ^ d ^ e;
}

/* The same without switches. */
static uint64_t plain_mix(uint64_t seed, unsigned rounds)
{
    uint64_t a = seed, b = seed ^ 3, c = seed * 5, d = seed + 7, e = ~seed;

    for (unsigned round = 0; round < rounds; round++) {
        a += b;
        b ^= c;
        c -= d;
        d += e;
        e = a ^ round;
    }
    return a ^ b ^ c ^ d ^ e;
}

static void side_entry(void *arg)
{
    _Alignas(16) volatile char aligned[16] = {0};
    uintptr_t at = (uintptr_t)aligned;

    CHECK(arg == &side_seen);
    CHECK(at % 16 == 0);
    CHECK(at >= (uintptr_t)side_stack &&
          at < (uintptr_t)side_stack + STACK_SIZE);
    side_seen = switch_mix(&side_context, &main_context, 99, SWITCH_ROUNDS);
    hal_context_switch(&side_context, &main_context);
    CHECK(!"a context that is gone went on");
}

static void check_contexts(void)
{
    uint64_t mixed;

    side_seen = 0;
    hal_context_init(&side_context, side_stack, STACK_SIZE, side_entry,
                     &side_seen);
    mixed = switch_mix(&main_context, &side_context, 42, SWITCH_ROUNDS);
    CHECK(mixed == plain_mix(42, SWITCH_ROUNDS));
    hal_context_switch(&main_context, &side_context);
    CHECK(side_seen == plain_mix(99, SWITCH_ROUNDS));
    hal_context_fini(&side_context);
}

static void test_contexts_keep_registers_and_stack(void)
{
    side_stack = pages_take(STACK_SIZE);
    on_each(check_contexts);
    on_each(check_contexts);
}

static void flags_entry(void *arg)
{
    hal_irqflags *seen = arg;

    for (;;) {
        *seen = hal_irq_save();
        hal_irq_restore(*seen);
        hal_context_switch(&side_context, &main_context);
    }
}

static void test_contexts_leave_the_interrupt_flag(void)
{
    hal_irqflags seen = 77;

    hal_context_init(&side_context, side_stack, STACK_SIZE, flags_entry, &seen);
    hal_context_switch(&main_context, &side_context);
    CHECK(seen == HAL_IRQS_OFF);
    hal_irq_restore(HAL_IRQS_ON);
    hal_context_switch(&main_context, &side_context);
    CHECK(seen == HAL_IRQS_ON);
    CHECK(hal_irq_save() == HAL_IRQS_ON);
    hal_context_fini(&side_context);
}

static void loop_entry(void *arg)
{
    (void)arg;
    for (;;)
        hal_context_switch(&side_context, &main_context);
}

static void test_timer_interrupts_switching_threads(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->timers);
    uint64_t end;

    hal_context_init(&side_context, side_stack, STACK_SIZE, loop_entry, NULL);
    timer_begin(hal_time_ns() + 3 * MS);
    end = cpu->timer_wanted_ns + PATIENCE_NS;
    hal_irq_restore(HAL_IRQS_ON);
    while (count_get(&cpu->timers) == before && hal_time_ns() < end)
        hal_context_switch(&main_context, &side_context);
    hal_irq_save();
    CHECK(count_get(&cpu->timers) == before + 1);
    CHECK(cpu->timer_fired_ns - cpu->timer_wanted_ns < S);
    hal_context_fini(&side_context);
}

/* A context begins here and goes on there. */
static struct hal_context away_context;
static unsigned roamer_cpu;
static struct hal_context *roamer_home;

static void roamer_entry(void *arg)
{
    (void)arg;
    for (;;) {
        roamer_cpu = hal_cpu_id();
        CHECK(hal_cpu_local() == &cpus[roamer_cpu]);
        hal_context_switch(&side_context, roamer_home);
    }
}

static void roamer_take(void)
{
    roamer_home = &away_context;
    hal_context_switch(&away_context, &side_context);
}

static void test_contexts_move_between_cpus(void)
{
    hal_context_init(&side_context, side_stack, STACK_SIZE, roamer_entry, NULL);
    for (unsigned round = 0; round < 100; round++) {
        unsigned last = boot->cpu_count - 1;

        roamer_take();
        CHECK(roamer_cpu == 0);
        if (last == 0)
            continue;
        cpu_give(last, roamer_take);
        if (!CHECK(cpu_finish(last)))
            return;
        CHECK(roamer_cpu == last);
    }
    hal_context_fini(&side_context);
}

/* ---- Memory --------------------------------------------------------------------------------------- */

static _Alignas(HAL_PAGE_SIZE) uint8_t own_page[HAL_PAGE_SIZE];

static void test_page_attr_refuses_nonsense(void)
{
    uint8_t *page = pages_take(2 * HAL_PAGE_SIZE);

    CHECK(hal_page_attr(page + 8, HAL_PAGE_SIZE, HAL_PAGE_NONE) == -EINVAL);
    CHECK(hal_page_attr(page, HAL_PAGE_SIZE - 8, HAL_PAGE_NONE) == -EINVAL);
    CHECK(hal_page_attr(own_page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == -EINVAL);
    *(volatile uint8_t *)page = 1;
}

static void test_page_attr_comes_and_goes(void)
{
    uint8_t *page = pages_take(2 * HAL_PAGE_SIZE);
    volatile uint8_t *second = page + HAL_PAGE_SIZE;
    int err;

    for (unsigned round = 0; round < 3; round++) {
        CHECK(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == 0);
        *second = (uint8_t)round; /* the neighbour is not concerned */
        CHECK(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL) == 0);
        *(volatile uint8_t *)page = 7;
        CHECK(*(volatile uint8_t *)page == 7);
        CHECK(*second == round);
    }
    err = hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_UNCACHED);
    CHECK(err == 0 || err == -ENOTSUP);
    *(volatile uint8_t *)page = 8;
    CHECK(*(volatile uint8_t *)page == 8);
    CHECK(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL) == 0);
}

static void test_dma_addresses_are_contiguous(void)
{
    uint8_t *page = pages_take(4 * HAL_PAGE_SIZE);
    uint64_t bus;

    CHECK(hal_dma_map(page + 8, HAL_PAGE_SIZE) == -EINVAL);
    CHECK(hal_dma_map(page, HAL_PAGE_SIZE - 8) == -EINVAL);
    CHECK(hal_dma_map(own_page, HAL_PAGE_SIZE) == -EINVAL);
    if (!CHECK(hal_dma_map(page, 4 * HAL_PAGE_SIZE) == 0))
        return;
    bus = hal_dma_addr(page);
    CHECK(bus % HAL_PAGE_SIZE == 0);
    for (unsigned i = 0; i < 4 * HAL_PAGE_SIZE; i += 1021)
        CHECK(hal_dma_addr(page + i) == bus + i);
    hal_dma_unmap(page, 4 * HAL_PAGE_SIZE);
    CHECK(hal_dma_map(page, HAL_PAGE_SIZE) == 0);
    CHECK(hal_dma_addr(page) % HAL_PAGE_SIZE == 0);
    hal_dma_unmap(page, HAL_PAGE_SIZE);
}

/* ---- Entropy and devices ----------------------------------------------------------------------------- */

static void test_entropy_differs(void)
{
    uint8_t a[32] = {0}, b[32] = {0};
    size_t got = hal_entropy(a, sizeof(a));

    CHECK(hal_entropy(a, 0) == 0);
    CHECK(got <= sizeof(a));
    if (got == sizeof(a) && hal_entropy(b, sizeof(b)) == sizeof(b))
        CHECK(memcmp(a, b, sizeof(a)) != 0);
}

static void test_device_lists_end(void)
{
    struct hal_platform_device device;
    struct hal_blk_info blk;
    struct hal_net_info net;
    struct hal_blk_req req = {.count = 1};
    uint8_t frame[64] = {0};
    unsigned count = 0;

    while (count < 256 && hal_platform_device(count, &device) == 0)
        count++;
    CHECK(count < 256);
    CHECK(hal_blk_info(64, &blk) == -ENODEV);
    CHECK(hal_blk_submit(64, &req) == -ENODEV);
    CHECK(hal_blk_poll(64) == NULL);
    CHECK(hal_net_info(64, &net) == -ENODEV);
    CHECK(hal_net_send(64, frame, sizeof(frame)) == -ENODEV);
    CHECK(hal_net_recv(64, frame, sizeof(frame)) == -ENODEV);
}

/* ---- The run ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fn)(void);
} tests[] = {
    {"boot_info", test_boot_info},
    {"regions_are_whole_pages_ascending",
     test_regions_are_whole_pages_ascending},
    {"regions_are_free", test_regions_are_free},
    {"regions_are_writable_at_both_ends",
     test_regions_are_writable_at_both_ends},
    {"console_takes_any_length", test_console_takes_any_length},
    {"cpu_start_refuses_nonsense", test_cpu_start_refuses_nonsense},
    {"cpus_start", test_cpus_start},
    {"cpus_enter_as_promised", test_cpus_enter_as_promised},
    {"cpu_local_is_per_cpu", test_cpu_local_is_per_cpu},
    {"irq_save_nests", test_irq_save_nests},
    {"irqs_off_hold_back", test_irqs_off_hold_back},
    {"irq_attach_refuses_nonsense", test_irq_attach_refuses_nonsense},
    {"irq_msi", test_irq_msi},
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
    {"contexts_keep_registers_and_stack",
     test_contexts_keep_registers_and_stack},
    {"contexts_leave_the_interrupt_flag",
     test_contexts_leave_the_interrupt_flag},
    {"timer_interrupts_switching_threads",
     test_timer_interrupts_switching_threads},
    {"contexts_move_between_cpus", test_contexts_move_between_cpus},
    {"page_attr_refuses_nonsense", test_page_attr_refuses_nonsense},
    {"page_attr_comes_and_goes", test_page_attr_comes_and_goes},
    {"dma_addresses_are_contiguous", test_dma_addresses_are_contiguous},
    {"entropy_differs", test_entropy_differs},
    {"device_lists_end", test_device_lists_end},
};

static unsigned tests_run(void)
{
    unsigned failed = 0;

    print("[==========] Running %zu test(s).\n", COUNT_OF(tests));
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        unsigned before = failures_total();

        print("[ RUN      ] %s\n", tests[i].name);
        tests[i].fn();
        if (failures_total() == before) {
            print("[       OK ] %s\n", tests[i].name);
        } else {
            print("[  FAILED  ] %s\n", tests[i].name);
            failed++;
        }
    }
    print("[==========] %zu test(s) run.\n", COUNT_OF(tests));
    print("[  PASSED  ] %zu test(s).\n", COUNT_OF(tests) - failed);
    return failed;
}

/* ---- Deliberate ends ------------------------------------------------------------------------------------ */

static uint8_t *fault_page; /* where a fault is expected, or NULL */
static const char *fault_test = "no fault";

void kernel_fault(const struct hal_fault *fault)
{
    bool expected = fault_page != NULL &&
                    fault->address >= (uintptr_t)fault_page &&
                    fault->address - (uintptr_t)fault_page < HAL_PAGE_SIZE &&
                    hal_irq_save() == HAL_IRQS_OFF && fault->what != NULL &&
                    fault->detail != NULL && fault->ip != 0 && fault->sp != 0;

    if (!expected)
        print("fault: %s, ip %lx sp %lx fp %lx address %lx\n%s", fault->what,
              (unsigned long)fault->ip, (unsigned long)fault->sp,
              (unsigned long)fault->fp, (unsigned long)fault->address,
              fault->detail);
    print("[%s] %s\n", expected ? "       OK " : "  FAILED  ", fault_test);
    hal_exit(expected ? 0 : 1);
}

/* Use more stack with each call; the address keeps it from becoming a loop. */
static unsigned stack_use(volatile unsigned *above)
{
    volatile unsigned here[32];

    if (*above == UINT32_MAX)
        return 0;
    here[0] = *above + 1;
    return stack_use(here) + here[0];
}

static void stack_overflow(void *arg)
{
    volatile unsigned depth = 0;

    (void)arg;
    (void)stack_use(&depth);
    hal_exit(1);
}

static void fault_make(const char *kind)
{
    uint8_t *page = pages_take(STACK_SIZE + HAL_PAGE_SIZE);

    fault_test = kind;
    print("[ RUN      ] %s\n", kind);
    if (hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == 0) {
        fault_page = page;
        if (str_equal(kind, "fault=stack")) {
            hal_context_init(&side_context, page + HAL_PAGE_SIZE, STACK_SIZE,
                             stack_overflow, NULL);
            hal_context_switch(&main_context, &side_context);
        }
        *(volatile uint8_t *)(page + 64) = 1;
    }
    print("[  FAILED  ] %s\n", kind);
    hal_exit(1);
}

/* Whether `word` is on the command line; *rest is what follows it. */
static bool word_find(const char *word, const char **rest)
{
    size_t len = str_len(word, LINE_SIZE);

    for (const char *at = boot->cmdline; *at != '\0'; at++) {
        if ((at == boot->cmdline || at[-1] == ' ') && str_starts(at, word)) {
            *rest = at + len;
            return true;
        }
    }
    return false;
}

void kernel_main(const struct hal_boot_info *info)
{
    const char *rest;

    main_flags = hal_irq_save();
    boot = info;
    print("hal contract: %s, %u cpus, cmdline \"%s\"\n", info->machine,
          info->cpu_count, info->cmdline);
    if (hal_cpu_local() != NULL)
        count_up(&cpus[0].failures);
    hal_cpu_set_local(&cpus[0]);
    irqs_attach(&cpus[0]);
    if (tests_run() != 0 || failures_total() != 0)
        hal_exit(1);
    if (word_find("fault=guard", &rest))
        fault_make("fault=guard");
    if (word_find("fault=stack", &rest))
        fault_make("fault=stack");
    if (word_find("exit=", &rest))
        hal_exit((rest[0] - '0') * 10 + (rest[1] - '0'));
    hal_exit(0);
}
