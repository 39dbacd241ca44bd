/*
 * Time from the TSC, without waiting for a calibration.
 *
 * The TSC's rate is taken from CPUID where CPUID tells it. Where it does not,
 * it is measured against a counter of known rate that runs since boot anyway:
 *  - under a hypervisor the local APIC's timer: QEMU and KVM both let it count
 *    at 1 GHz (KVM: APIC_BUS_CYCLE_NS; QEMU: hw/intc/apic.c);
 *  - else the ACPI PM timer, 3.579545 MHz (ACPI 6.4, 4.8.3.3).
 * Until enough time has passed, time is that counter itself; then a first
 * factor is set, and each timer that is set later improves it, the long run
 * making the error small. Each change continues from the time the old factor
 * gives, so time never jumps or goes back.
 *
 * The factor is written by CPU 0 alone, guarded by a sequence number that
 * readers check: plain stores in order.
 */
#include "hal/baremetal/machine.h"
#include "kernel/lib/check.h"
#include <stdatomic.h>

#define NS_PER_S UINT64_C(1000000000)
enum {
    HYPERVISOR_TICK_NS = 16, /* 1 GHz by the divider */
    PM_TIMER_HZ = 3579545,
    FIRST_NS = 200 * 1000, /* of counter time for a first factor */
};
#define REFINE_NS UINT64_C(10000000)
#define DONE_NS   UINT64_C(2000000000)

/* Written by CPU 0, read by all under `sequence`. */
static struct {
    _Atomic uint32_t sequence; /* odd while it changes */
    _Atomic uint64_t base_tsc;
    _Atomic uint64_t base_ns;
    _Atomic uint64_t factor; /* ns << 32 for one TSC tick; 0: none yet */
} scale;

/* CPU 0 only. */
static bool reference_is_lapic;
static uint64_t reference_tsc;   /* TSC when the reference was at 0 */
static uint32_t reference_start; /* of the PM timer */
static uint64_t sum_ns;          /* measured so far */
static uint64_t sum_tsc;
static bool settled; /* the factor is final */

/* Written by CPU 0 before the others start, then constant: ticks << 32 a ns. */
static uint64_t lapic_factor;

static uint64_t scaled(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

static void scale_set(uint64_t base_tsc, uint64_t base_ns, uint64_t factor)
{
    uint32_t sequence =
        atomic_load_explicit(&scale.sequence, memory_order_relaxed);

    /* Readers that see any new value below also see the odd number. */
    atomic_store_explicit(&scale.sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&scale.base_tsc, base_tsc, memory_order_relaxed);
    atomic_store_explicit(&scale.base_ns, base_ns, memory_order_relaxed);
    atomic_store_explicit(&scale.factor, factor, memory_order_relaxed);
    /* pairs with the acquire in scale_time() */
    atomic_store_explicit(&scale.sequence, sequence + 2, memory_order_release);
}

/* The time by the factor, or 0 when there is none yet. */
static uint64_t scale_time(uint64_t *at_tsc)
{
    for (;;) {
        uint32_t before =
            atomic_load_explicit(&scale.sequence, memory_order_acquire);
        uint64_t base_tsc =
            atomic_load_explicit(&scale.base_tsc, memory_order_relaxed);
        uint64_t base_ns =
            atomic_load_explicit(&scale.base_ns, memory_order_relaxed);
        uint64_t factor =
            atomic_load_explicit(&scale.factor, memory_order_relaxed);
        uint64_t tsc = tsc_read();

        atomic_thread_fence(memory_order_acquire);
        if ((before & 1) != 0 ||
            atomic_load_explicit(&scale.sequence, memory_order_relaxed) !=
                before)
            continue;
        *at_tsc = tsc;
        if (factor == 0)
            return 0;
        /* Another CPU's TSC may be a moment behind the base. */
        return tsc < base_tsc ? base_ns
                              : base_ns + scaled(tsc - base_tsc, factor);
    }
}

/* ---- The reference ------------------------------------------------------- */

static uint64_t reference_ns(void)
{
    uint32_t ticks;

    if (reference_is_lapic)
        return (uint64_t)(UINT32_MAX - lapic_timer_left()) * HYPERVISOR_TICK_NS;
    ticks = inl(acpi.pm_timer_port) - reference_start;
    if (!acpi.pm_timer_32bit)
        ticks &= 0xffffff;
    return ticks * NS_PER_S / PM_TIMER_HZ;
}

static bool has_hypervisor(void)
{
    return cpuid(1, 0).ecx >> 31 != 0;
}

/* ---- Rates the processor tells ------------------------------------------- */

/* kHz, or 0. Leaf 0x40000010 is the hypervisors' agreement (VMware, KVM). */
static uint64_t tsc_khz_told(void)
{
    struct cpuid r;

    if (has_hypervisor()) {
        r = cpuid(0x40000000, 0);
        if (r.eax >= 0x40000010 && r.eax < 0x40010000)
            return cpuid(0x40000010, 0).eax;
        return 0;
    }
    r = cpuid(0, 0);
    if (r.eax >= 0x15) {
        struct cpuid crystal = cpuid(0x15, 0);

        if (crystal.eax != 0 && crystal.ebx != 0 && crystal.ecx != 0)
            return (uint64_t)crystal.ecx * crystal.ebx / crystal.eax / 1000;
    }
    return 0;
}

/* ---- Start and refinement ------------------------------------------------ */

void clock_init(void)
{
    uint64_t khz = tsc_khz_told();

    reference_is_lapic = has_hypervisor() || acpi.pm_timer_port == 0;
    lapic_timer_start(UINT32_MAX);
    if (!reference_is_lapic)
        reference_start = inl(acpi.pm_timer_port);
    reference_tsc = tsc_read();
    if (reference_is_lapic)
        lapic_factor = (UINT64_C(1) << 32) / HYPERVISOR_TICK_NS;
    if (khz != 0) {
        scale_set(reference_tsc, 1, (UINT64_C(1000000) << 32) / khz);
        settled = true;
    }
}

/* The first factor, from the time since boot. */
static uint64_t first_factor(uint64_t elapsed_ns)
{
    uint64_t tsc = tsc_read();

    sum_ns = elapsed_ns;
    sum_tsc = tsc - reference_tsc;
    scale_set(tsc, elapsed_ns, (sum_ns << 32) / sum_tsc);
    if (!reference_is_lapic)
        lapic_factor =
            ((uint64_t)(UINT32_MAX - lapic_timer_left()) << 32) / sum_ns;
    return elapsed_ns;
}

void clock_settle(void)
{
    uint64_t tsc;

    while (scale_time(&tsc) == 0)
        first_factor(reference_ns() + 1);
}

/*
 * CPU 0's timer ran from `ticks` for a known number of TSC ticks: one more
 * sample. The counter must still be running, or its end is not known.
 */
static void refine(struct cpu_block *block)
{
    uint32_t left = lapic_timer_left();
    uint64_t tsc = tsc_read();
    uint64_t now, at;

    if (settled || left == 0 || block->timer_ticks == 0 || sum_ns == 0)
        return;
    sum_ns += (block->timer_ticks - left) * HYPERVISOR_TICK_NS;
    sum_tsc += tsc - block->timer_tsc;
    if (sum_ns < REFINE_NS || sum_tsc == 0)
        return;
    now = scale_time(&at);
    if (now == 0)
        return;
    settled = sum_ns >= DONE_NS;
    while (sum_ns >> 32 !=
           0) { /* a long sample: keep the quotient in 64 bits */
        sum_ns /= 2;
        sum_tsc /= 2;
    }
    scale_set(at, now, (sum_ns << 32) / sum_tsc);
}

uint64_t hal_time_ns(void)
{
    uint64_t tsc;
    uint64_t now = scale_time(&tsc);

    if (likely(now != 0))
        return now;
    now = reference_ns() + 1;
    return now < FIRST_NS ? now : first_factor(now);
}

/* ---- The timer: for deadlines and for samples ---------------------------- */

/* What the counter must count for a deadline. */
static uint64_t ticks_until(uint64_t deadline_ns, uint64_t now)
{
    uint64_t wait = deadline_ns > now ? deadline_ns - now : 0;
    uint64_t ticks;

    if (wait >= NS_PER_S * 60)
        return UINT32_MAX;
    ticks = scaled(wait, lapic_factor) + 1;
    return ticks > UINT32_MAX ? UINT32_MAX : ticks;
}

/* Let the timer count to the nearer of the two. */
static void timer_program(struct cpu_block *block)
{
    hal_irqflags flags = hal_irq_save(); /* what is measured must be so */
    uint64_t next = block->deadline_ns < block->sample_ns ? block->deadline_ns
                                                          : block->sample_ns;
    uint64_t ticks = 0;
    uint64_t now;
    uint64_t tsc;

    if (scale_time(&tsc) == 0)
        clock_settle(); /* the reference counter is needed now */
    now = hal_time_ns();
    if (block->id == 0 && reference_is_lapic)
        refine(block);
    if (next != UINT64_MAX)
        ticks = ticks_until(next, now);
    else if (block->id == 0 && reference_is_lapic && !settled)
        ticks = UINT32_MAX; /* go on measuring: nothing else to count */
    block->timer_ticks = ticks;
    block->timer_tsc = tsc_read();
    lapic_timer_start((uint32_t)ticks);
    hal_irq_restore(flags);
}

void hal_timer_set(uint64_t deadline_ns)
{
    struct cpu_block *block = cpu_block_self();

    block->deadline_ns = deadline_ns;
    timer_program(block);
}

int hal_sample_start(uint64_t period_ns)
{
    struct cpu_block *block = cpu_block_self();
    hal_irqflags flags = hal_irq_save();

    if (period_ns != 0 && period_ns < HAL_SAMPLE_MIN_NS)
        period_ns = HAL_SAMPLE_MIN_NS;
    block->sample_period = period_ns;
    block->sample_ns = period_ns == 0 ? UINT64_MAX : hal_time_ns() + period_ns;
    timer_program(block);
    hal_irq_restore(flags);
    return 0;
}

void clock_sleep_begin(void)
{
    struct cpu_block *block = cpu_block_self();
    bool is_next = block->sample_ns < block->deadline_ns;

    block->sample_ns = UINT64_MAX;
    if (is_next)
        timer_program(block);
}

void clock_sleep_end(void)
{
    struct cpu_block *block = cpu_block_self();

    if (block->sample_period == 0)
        return;
    block->sample_ns = hal_time_ns() + block->sample_period;
    if (block->sample_ns < block->deadline_ns)
        timer_program(block);
}

/* An interrupt that comes early, or that a sleep made void, is a deadline's:
 * hal.h lets those be early. */
unsigned clock_timer_fired(void)
{
    struct cpu_block *block = cpu_block_self();
    unsigned fired = 0;
    uint64_t now;

    if (block->sample_ns == UINT64_MAX) {
        block->deadline_ns = UINT64_MAX;
        return TIMER_DEADLINE;
    }
    now = hal_time_ns();
    if (block->sample_ns <= now || block->sample_ns < block->deadline_ns) {
        fired |= TIMER_SAMPLE;
        block->sample_ns = now + block->sample_period;
    }
    if (block->deadline_ns <= now || fired == 0) {
        fired |= TIMER_DEADLINE;
        block->deadline_ns = UINT64_MAX;
    }
    timer_program(block);
    return fired;
}

/* ---- The wall clock: the RTC of the PC (MC146818) ------------------------ */

enum {
    RTC_SECONDS = 0,
    RTC_MINUTES = 2,
    RTC_HOURS = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_STATUS_A = 10,
    RTC_STATUS_B = 11,
    RTC_UPDATING = 0x80,
    RTC_BINARY = 4,
    RTC_24H = 2,
    RTC_PM = 0x80
};

static uint8_t rtc_read(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static unsigned rtc_number(uint8_t value, bool binary)
{
    return binary ? value : (value >> 4) * 10U + (value & 15U);
}

/* Days since 1970 of a date, months 1..12 (proleptic Gregorian). */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;

    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
           day - 1 - 719468;
}

uint64_t clock_rtc_ns(void)
{
    uint8_t reg[10];
    uint8_t status_b;
    bool binary;
    unsigned hour, month, day;

    /* An update under way takes 2 ms: no date is better than that wait. */
    if (rtc_read(RTC_STATUS_A) & RTC_UPDATING)
        return 0;
    for (uint8_t i = 0; i < sizeof(reg); i++)
        reg[i] = rtc_read(i);
    status_b = rtc_read(RTC_STATUS_B);
    if (rtc_read(RTC_SECONDS) != reg[RTC_SECONDS])
        return 0;
    binary = (status_b & RTC_BINARY) != 0;
    hour = rtc_number(reg[RTC_HOURS] & 0x7f, binary);
    if ((status_b & RTC_24H) == 0)
        hour = hour % 12 + (reg[RTC_HOURS] & RTC_PM ? 12 : 0);
    month = rtc_number(reg[RTC_MONTH], binary);
    day = rtc_number(reg[RTC_DAY], binary);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23)
        return 0;
    return (days_of(2000 + rtc_number(reg[RTC_YEAR], binary), month, day) *
                86400 +
            hour * 3600 + rtc_number(reg[RTC_MINUTES], binary) * 60 +
            rtc_number(reg[RTC_SECONDS], binary)) *
           NS_PER_S;
}
