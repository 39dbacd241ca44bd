#include "hal/baremetal/time/reference.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"

enum {
    PM_TIMER_HZ = 3579545,

    PIT_HZ = 1193182,
    PIT_CHANNEL_2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_LATCH_2 = 0x80,
    PIT_MODE_2 = 0xb4, /* channel 2, two bytes, rate generator, binary */
    PIT_MASK = 0xffff,
    SPEAKER = 0x61, /* bit 0 lets channel 2 count, bit 1 lets it be heard */

    TRIES = 5,
    LOOKS = 100, /* to see whether a counter counts */
};

/* Constant after reference_find(). */
static bool is_pit;

/* CPU 0: the shortest look so far, in TSC ticks. */
static uint64_t shortest = UINT64_MAX;

/* Count from 65536 down for ever; no interrupt is wired to this channel. */
static void pit_start(void)
{
    outb(SPEAKER, (inb(SPEAKER) & 0xfc) | 1);
    outb(PIT_COMMAND, PIT_MODE_2);
    outb(PIT_CHANNEL_2, 0);
    outb(PIT_CHANNEL_2, 0);
}

static void look(struct reading *reading)
{
    uint64_t before = tsc_read();
    uint64_t after;

    if (is_pit) {
        unsigned down;

        outb(PIT_COMMAND, PIT_LATCH_2);
        after = tsc_read();
        down = inb(PIT_CHANNEL_2);
        down |= (unsigned)inb(PIT_CHANNEL_2) << 8;
        reading->count = (0U - down) & PIT_MASK;
    } else {
        reading->count = inl(platform.pm_timer_port);
        after = tsc_read();
    }
    reading->tsc = before + (after - before) / 2;
    reading->window = after - before;
}

/* What is not there reads as all ones, and does not count. */
static bool is_counting(void)
{
    struct reading first, now;

    look(&first);
    for (unsigned i = 0; i < LOOKS; i++) {
        look(&now);
        if (now.count != first.count)
            return true;
    }
    return false;
}

struct reference reference_find(void)
{
    struct reference pm = {PM_TIMER_HZ, 0xffffff};

    if (platform.pm_timer_32bit)
        pm.mask = UINT32_MAX;
    if (platform.pm_timer_port != 0 && is_counting())
        return pm;
    is_pit = true;
    pit_start();
    if (is_counting())
        return (struct reference){PIT_HZ, PIT_MASK};
    return (struct reference){0, 0};
}

/*
 * A processor that is taken away in the middle makes a look long, and its
 * middle wrong. A look of at most twice the shortest one is good enough.
 */
void reference_read(struct reading *reading)
{
    struct reading try;

    look(reading);
    for (unsigned i = 1; i < TRIES && reading->window / 2 >= shortest; i++) {
        look(&try);
        if (try.window < reading->window)
            *reading = try;
    }
    if (reading->window < shortest)
        shortest = reading->window;
}
