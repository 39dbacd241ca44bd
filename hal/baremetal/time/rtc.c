/*
 * The wall time, from the clock chip of the PC (MC146818), which counts whole
 * seconds. CPU 0 owns the chip and the calendar; all CPUs read the offset.
 *
 * A reading tells the second, not where in it we are: the offset is right to a
 * second then, and never ahead. The chip's interrupt after an update is the
 * second's edge: it comes once for the asking. So the wall time is right a
 * second after boot, and boot does not wait.
 *
 * When CPU 0 is awake it compares the chip with the calendar now and then: the
 * chip goes on while the machine is paused, the TSC need not.
 */
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/baremetal/time/calendar.h"
#include "hal/baremetal/time/clock.h"
#include <stdatomic.h>
#include <torc/time.h>

enum {
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    RTC_IRQ = 8,
    EDGES = 2, /* looked for at a time: the better of them counts */
    PATIENCE_LOOKS = 20 * 1000,
};
#define EDGE_EVERY_NS (16 * NS_PER_S) /* while CPU 0 is awake */

/* Written by CPU 0, read by all: the wall time when the clock was 0; 0: not
 * known. */
static _Atomic uint64_t wall_offset;

/* CPU 0 only. */
static bool has_chip;
static bool has_irq;
static struct calendar calendar;
static unsigned edges_wanted;
static uint64_t edges_ns; /* when they were last looked for */

static uint8_t rtc_read(uint8_t reg)
{
    outb(RTC_INDEX, reg);
    return inb(RTC_DATA);
}

static void rtc_write(uint8_t reg, uint8_t value)
{
    outb(RTC_INDEX, reg);
    outb(RTC_DATA, value);
}

static bool is_updating(void)
{
    return (rtc_read(RTC_STATUS_A) & RTC_UPDATING) != 0;
}

/* What the chip shows, or 0: no date, or it changed meanwhile. */
static uint64_t seconds_read(void)
{
    uint8_t reg[RTC_TIME_COUNT];
    uint8_t status_b = rtc_read(RTC_STATUS_B);
    int century = -1;

    if (is_updating())
        return 0;
    for (uint8_t i = 0; i < RTC_TIME_COUNT; i++)
        reg[i] = rtc_read(i);
    if (platform.rtc_century != 0)
        century = rtc_read(platform.rtc_century);
    if (is_updating() || rtc_read(RTC_SECONDS) != reg[RTC_SECONDS])
        return 0;
    return calendar_seconds(reg, status_b, century);
}

/* Ask for the interrupt at the next edges. Old flags are cleared first. */
static void edges_want(uint64_t now_ns)
{
    edges_ns = now_ns;
    if (!has_irq)
        return;
    edges_wanted = EDGES;
    (void)rtc_read(RTC_STATUS_C);
    rtc_write(RTC_STATUS_B, rtc_read(RTC_STATUS_B) | RTC_UPDATE_IRQ);
}

static void take(uint64_t seconds, uint64_t before_ns, uint64_t after_ns)
{
    bool changed = calendar_reading(&calendar, seconds, before_ns, after_ns);

    atomic_store_explicit(&wall_offset, calendar.offset, memory_order_relaxed);
    if (changed && edges_wanted == 0)
        edges_want(after_ns);
}

/* The second has just begun. */
static void edge_irq(void *arg)
{
    uint64_t edge_ns = clock_now();
    uint64_t seconds;

    (void)arg;
    if ((rtc_read(RTC_STATUS_C) & RTC_UPDATE_ENDED) == 0 || edges_wanted == 0)
        return;
    edges_wanted--;
    if (edges_wanted == 0)
        rtc_write(RTC_STATUS_B,
                  rtc_read(RTC_STATUS_B) & (uint8_t)~RTC_UPDATE_IRQ);
    seconds = seconds_read();
    if (seconds != 0 && clock_now() - edge_ns < NS_PER_S / 2)
        take(seconds, edge_ns, edge_ns);
}

void rtc_check(void)
{
    uint64_t before_ns = clock_now();
    uint64_t seconds;

    if (!has_chip)
        return;
    seconds = seconds_read();
    if (seconds != 0)
        take(seconds, before_ns, clock_now());
    if (before_ns - edges_ns >= EDGE_EVERY_NS && edges_wanted == 0)
        edges_want(before_ns);
}

void rtc_init(void)
{
    has_chip = rtc_read(RTC_STATUS_A) != 0xff || rtc_read(RTC_STATUS_B) != 0xff;
    if (!has_chip)
        return;
    /* An update takes 2 ms, once in a second. */
    for (unsigned i = 0; i < PATIENCE_LOOKS && is_updating(); i++)
        hal_cpu_relax();
    has_irq = hal_irq_attach(RTC_IRQ, 0, edge_irq, NULL) == 0;
    rtc_check();
}

uint64_t hal_wall_ns(void)
{
    uint64_t now = hal_time_ns(); /* looks at the chip if that is due */
    uint64_t offset = atomic_load_explicit(&wall_offset, memory_order_relaxed);

    return offset == 0 ? 0 : offset + now;
}
