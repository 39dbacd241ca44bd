/*
 * The clock of all CPUs, the timer of each CPU, and the calendar. docs/time.md
 * says how they work together.
 */
#ifndef TORC_HAL_BAREMETAL_CLOCK_H
#define TORC_HAL_BAREMETAL_CLOCK_H

#include "hal/baremetal/base/cpu_block.h"

/* ---- clock.c ------------------------------------------------------------- */

/* CPU 0, at boot, after its local APIC and the firmware's tables. */
void clock_init(void);

/* The time, without looking whether a reading of the reference is due. */
uint64_t clock_now(void);

/* CPU 0, interrupts off: read the reference if that is due. */
void clock_measure(void);

/* CPU 0: it must measure at this time even if nobody asks, or UINT64_MAX. */
uint64_t clock_wake_ns(void);

/* The local APIC's timer: ticks that take `ns`, at most UINT32_MAX. */
uint64_t clock_apic_ticks(uint64_t ns);

/* CPU 0: that timer has counted `ticks` since a TSC value. */
void clock_apic_measure(uint64_t ticks, uint64_t since_tsc);

/* Any CPU: ask CPU 0 for a reading. */
void clock_request(void);

/* ---- timer.c ------------------------------------------------------------- */

/* The timer's interrupt: what it is for, perhaps several, perhaps none. */
enum { TIMER_DEADLINE = 1, TIMER_SAMPLE = 2 };
unsigned clock_timer_fired(void);

/* No samples from here to there: around a sleep, with interrupts off. */
void clock_sleep_begin(struct cpu_block *block);
void clock_sleep_end(void);

/* Whether nothing but that timer's looks at other CPUs has come since the
 * beginning; without samples nobody looks. */
static inline bool clock_is_asleep(const struct cpu_block *block)
{
    return block->sample_period != 0 && block->sample_ns == UINT64_MAX;
}

/* Set the timer of this CPU to the nearest of what it is for. */
void timer_program(struct cpu_block *block);

/* ---- hang.c -------------------------------------------------------------- */

/* The next sample of this CPU is due at `ns`; UINT64_MAX: there is none. */
void hang_sample_due(struct cpu_block *block, uint64_t ns);

/* Whether this CPU watches others, so that it has to wake now and then. */
bool hang_watches(const struct cpu_block *block);

/* Ask each CPU that this one watches, and whose samples are missed, what it
 * does: by a non-maskable interrupt. Interrupts are off. */
void hang_look(const struct cpu_block *block, uint64_t now_ns);

/*
 * A non-maskable interrupt has come: whether another CPU has asked so. *off_ns
 * is how long interrupts have been off; 0: they have been on meanwhile.
 */
bool hang_asked(uint64_t *off_ns);

/* ---- rtc.c --------------------------------------------------------------- */

/* CPU 0, at boot, after clock_init(). */
void rtc_init(void);

/* CPU 0, interrupts off: compare the wall time with the chip. */
void rtc_check(void);

#endif
