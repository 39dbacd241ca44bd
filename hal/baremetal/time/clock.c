/*
 * Time from the TSC. Its rate comes from CPUID where CPUID tells, else from
 * 0.05 ms at boot; from then on CPU 0 reads a reference counter now and then,
 * and discipline.c keeps the clock right.
 *
 * A reading is due after a time that grows from 1 ms to 1 s. Whoever asks for
 * the time when one is due causes it: CPU 0 by reading, another CPU by an
 * interrupt to CPU 0. So a machine that sleeps does nothing, and a machine that
 * wakes measures before it uses the time. Only in the first second does CPU 0
 * wake up for readings by itself.
 */
#include "hal/baremetal/time/clock.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/time/reference.h"
#include "hal/baremetal/time/tsc_sync.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    APIC_TICK_NS = 16,         /* of the 1 GHz of QEMU and KVM, divided by 16 */
    CPUID_LEAF_CRYSTAL = 0x15, /* Intel SDM volume 2, CPUID */
    CPUID_HYPERVISOR = 0x40000000,
    CPUID_HYPERVISOR_TSC = 0x40000010, /* VMware, KVM, Xen */
    ROUNDS = 8,
    AGREE_PERCENT = 4,
    SPINS_MAX = 1000 * 1000,
};
#define FIRST_NS      (50 * NS_PER_US) /* a measurement at boot */
#define FIRST_APIC_NS (20 * NS_PER_MS) /* by the APIC: there is no later one */
#define UNSURE_PPB    UINT64_C(30000000)
#define TOLD_PPB      UINT64_C(1000000)

/* Written by CPU 0, read by all. */
static struct timeline timeline;
static _Atomic uint64_t due_tsc = UINT64_MAX; /* of the next reading */
static _Atomic uint64_t apic_factor;          /* its ticks << 32 for a ns */

/* CPU 0 only. */
static struct line line; /* what `timeline` holds */
static struct discipline discipline;
static bool has_reference;
static bool apic_is_known;
static uint64_t apic_longest; /* TSC ticks it was measured over */

/* ---- What the processor tells -------------------------------------------- */

static bool has_hypervisor(void)
{
    return cpuid(1, 0).ecx >> 31 != 0;
}

/* QEMU and KVM let the local APIC's timer count at 1 GHz (hw/intc/apic.c,
 * APIC_BUS_CYCLE_NS); "KVMKVMKVM" and "TCGTCGTCGTCG" are their names. */
static bool apic_has_1_ghz(void)
{
    struct cpuid name;

    if (!has_hypervisor())
        return false;
    name = cpuid(CPUID_HYPERVISOR, 0);
    return (name.ebx == 0x4b4d564b && name.ecx == 0x564b4d56) ||
           (name.ebx == 0x54474354 && name.ecx == 0x43544743);
}

static uint64_t tsc_khz_told(void)
{
    struct cpuid r;

    if (has_hypervisor()) {
        r = cpuid(CPUID_HYPERVISOR, 0);
        if (r.eax >= CPUID_HYPERVISOR_TSC && r.eax < CPUID_HYPERVISOR + 0x10000)
            return cpuid(CPUID_HYPERVISOR_TSC, 0).eax;
        return 0;
    }
    if (cpuid(0, 0).eax < CPUID_LEAF_CRYSTAL)
        return 0;
    r = cpuid(CPUID_LEAF_CRYSTAL, 0);
    return tsc_khz_of_crystal(r.eax, r.ebx, r.ecx);
}

/* ---- The first rate ------------------------------------------------------ */

static uint64_t apic_counted(void)
{
    return UINT32_MAX - lapic_timer_left();
}

static bool agree(uint64_t a, uint64_t b)
{
    uint64_t difference = a > b ? a - b : b - a;

    return difference * 100 / AGREE_PERCENT <= a;
}

/*
 * The TSC's rate over a moment, by the reference; 0: the counter stands. `sure`
 * tells whether the local APIC's timer, of known rate, has seen the same time.
 */
static __attribute__((cold)) uint64_t
rate_by_reference(const struct reference *reference, bool *sure)
{
    uint64_t apic_from = apic_counted();
    struct reading from, to;
    uint64_t ns = 0;

    reference_read(&from);
    for (unsigned i = 0; i < SPINS_MAX && ns < FIRST_NS; i++) {
        reference_read(&to);
        ns = ns_of_count((to.count - from.count) & reference->mask,
                         reference->hz);
    }
    *sure =
        apic_is_known && agree(ns, (apic_counted() - apic_from) * APIC_TICK_NS);
    return ns < FIRST_NS ? 0 : rate_of(ns, to.tsc - from.tsc);
}

static __attribute__((cold)) uint64_t rate_by_apic(void)
{
    uint64_t from = apic_counted();
    uint64_t from_tsc = tsc_read();
    uint64_t ns;

    do {
        hal_cpu_relax();
        ns = (apic_counted() - from) * APIC_TICK_NS;
    } while (ns < FIRST_APIC_NS);
    return rate_of(ns, tsc_read() - from_tsc);
}

/*
 * The APIC must agree, or two measurements in a row: the processor may have
 * been taken away in one of them, and a short counter may have wrapped.
 */
static __attribute__((cold)) uint64_t
rate_measured(const struct reference *reference)
{
    uint64_t rate = 0, last;
    unsigned round = 0;
    bool sure;

    if (reference->hz == 0)
        return rate_by_apic();
    do {
        last = rate;
        rate = rate_by_reference(reference, &sure);
        sure = sure || (last != 0 && agree(rate, last));
    } while (++round < ROUNDS && !sure);
    return rate != 0 ? rate : rate_by_apic();
}

/* The local APIC's rate: as long as the TSC was just measured, or a moment. */
static __attribute__((cold)) void apic_rate_first(uint64_t start_tsc,
                                                  uint64_t factor)
{
    uint64_t ns;

    if (apic_is_known) {
        atomic_store_explicit(&apic_factor, (UINT64_C(1) << 32) / APIC_TICK_NS,
                              memory_order_relaxed);
        return;
    }
    do {
        hal_cpu_relax();
        ns = scaled(tsc_read() - start_tsc, factor);
    } while (ns < FIRST_NS);
    atomic_store_explicit(&apic_factor, rate_of(apic_counted(), ns) + 1,
                          memory_order_relaxed);
}

static __attribute__((cold)) void warn(const char *text)
{
    hal_console_write(text, str_len(text, 200));
}

/* CPU 0, for another CPU: VECTOR_CLOCK. */
static void clock_irq(void *arg)
{
    (void)arg;
    clock_measure();
    tsc_sync_check();
}

__attribute__((cold)) void clock_init(void)
{
    struct reference reference = reference_find();
    uint64_t khz = tsc_khz_told();
    struct reading reading = {0};
    uint64_t start_tsc;

    has_reference = reference.hz != 0;
    apic_is_known = apic_has_1_ghz();
    lapic_timer_start(UINT32_MAX);
    start_tsc = tsc_read();
    cpu_block_self()->timer_ticks = UINT32_MAX;
    cpu_block_self()->timer_tsc = start_tsc;
    if (has_reference)
        reference_read(&reading);
    else
        reading.tsc = start_tsc;
    if (khz == 0 && !has_reference && !apic_is_known)
        warn("warning: no counter of known rate: time is a guess\n");
    line.base_tsc = reading.tsc;
    line.base_ns = 1;
    line.factor =
        khz != 0 ? (UINT64_C(1000000) << 32) / khz : rate_measured(&reference);
    apic_rate_first(start_tsc, line.factor);
    timeline_write(&timeline, &line);
    if (has_reference)
        discipline_start(&discipline, reference.hz, reference.mask, &reading,
                         line.base_ns, line.factor,
                         khz != 0 ? TOLD_PPB : UNSURE_PPB);
    cpu_block_self()->handlers[VECTOR_CLOCK].fn = clock_irq;
    atomic_store_explicit(&due_tsc, 0, memory_order_relaxed);
    clock_measure();
}

/* ---- The time, and keeping it right -------------------------------------- */

uint64_t clock_now(void)
{
    struct line now;
    uint64_t tsc;

    timeline_read(&timeline, &now, &tsc, tsc_read);
    return line_ns(&now, tsc);
}

__attribute__((cold)) void clock_measure(void)
{
    uint64_t pause_ns = NS_PER_S;
    struct reading reading;

    assert(cpu_block_self()->id == 0);
    if (tsc_read() < atomic_load_explicit(&due_tsc, memory_order_relaxed))
        return;
    if (has_reference) {
        reference_read(&reading);
        discipline_sample(&discipline, &reading, &line);
        timeline_write(&timeline, &line);
        pause_ns = discipline_pause_ns(&discipline);
    }
    atomic_store_explicit(&due_tsc, tsc_read() + (pause_ns << 32) / line.factor,
                          memory_order_relaxed);
    if (pause_ns >= NS_PER_S)
        rtc_check();
    timer_program(cpu_block_self());
}

uint64_t clock_wake_ns(void)
{
    uint64_t due = atomic_load_explicit(&due_tsc, memory_order_relaxed);

    if (!has_reference || discipline_pause_ns(&discipline) >= NS_PER_S)
        return UINT64_MAX;
    return line_ns(&line, due) + 1;
}

/* ---- The rate of the local APIC's timer ---------------------------------- */

uint64_t clock_apic_ticks(uint64_t ns)
{
    uint64_t factor = atomic_load_explicit(&apic_factor, memory_order_relaxed);
    uint64_t ticks;

    if (ns >= NS_PER_S * 60)
        return UINT32_MAX;
    ticks = scaled(ns, factor) + 1;
    return ticks > UINT32_MAX ? UINT32_MAX : ticks;
}

/* The longest run gives the best rate. */
__attribute__((cold)) void clock_apic_measure(uint64_t ticks,
                                              uint64_t since_tsc)
{
    uint64_t tsc = tsc_read() - since_tsc;
    uint64_t ns = scaled(tsc, line.factor);

    if (apic_is_known || tsc <= apic_longest || ns < FIRST_NS || ticks == 0)
        return;
    apic_longest = tsc;
    atomic_store_explicit(&apic_factor, rate_of(ticks, ns) + 1,
                          memory_order_relaxed);
}

/* ---- Readings that somebody asks for ------------------------------------- */

void clock_request(void)
{
    lapic_ipi(cpu_blocks[0]->apic_id, IPI_FIXED | VECTOR_CLOCK);
}

/* A reading is due. Another CPU asks once for it, and goes on with the old
 * line. */
static noinline uint64_t time_overdue(uint64_t due)
{
    struct cpu_block *block = cpu_block_self();

    if (block->id == 0) {
        hal_irqflags flags = hal_irq_save();

        clock_measure();
        hal_irq_restore(flags);
    } else if (block->clock_asked != due) {
        block->clock_asked = due;
        tsc_sync_stamp(block);
        clock_request();
    }
    return clock_now();
}

uint64_t hal_time_ns(void)
{
    uint64_t due = atomic_load_explicit(&due_tsc, memory_order_relaxed);
    struct line now;
    uint64_t tsc;

    timeline_read(&timeline, &now, &tsc, tsc_read);
    if (unlikely(tsc >= due))
        return time_overdue(due);
    return line_ns(&now, tsc);
}
