/*
 * Keeping the clock right: the TSC's rate and the clock's error, from readings
 * of a reference counter whose rate is known. Pure arithmetic; CPU 0 owns the
 * state and calls it.
 *
 * Each reading pairs a TSC value with a count. The rate is that of the TSC over
 * the time since an older reading, the anchor: the longer that time, the less
 * the error of the two readings matters. The error of the clock is the
 * reference's time minus the clock's; the new line begins where the old one is
 * and takes the error away within some multiple of it, so that time neither
 * jumps nor goes backwards.
 */
#ifndef TORC_HAL_BAREMETAL_DISCIPLINE_H
#define TORC_HAL_BAREMETAL_DISCIPLINE_H

#include "hal/baremetal/time/timeline.h"
#include <torc/time.h>

/* One look at the reference. */
struct reading {
    uint64_t tsc;    /* in the middle of the look */
    uint64_t window; /* TSC ticks the look took: `tsc` is right to half of it */
    uint64_t count;  /* the counter, as wide as it is */
};

struct anchor {
    uint64_t tsc;
    uint64_t window;
    uint64_t count;
};

struct discipline {
    uint64_t hz;          /* of the reference */
    uint64_t mask;        /* its width: all ones */
    struct anchor oldest; /* the rate is measured from here */
    struct anchor next;   /* takes its place when that is too long ago */
    struct anchor last;   /* the last reading */
    uint64_t last_raw;    /* its counter before counts were made wide */
    uint64_t start_count; /* the clock was start_ns here */
    uint64_t start_ns;
    uint64_t factor;        /* nanoseconds << 32 for one TSC tick */
    uint64_t uncertain_ppb; /* what that may be wrong by */
};

/* value * factor >> 32, in 96 bits. */
uint64_t scaled(uint64_t value, uint64_t factor);

/* ns for `count` ticks of `hz` a second, rounded down; exact for 500 years. */
uint64_t ns_of_count(uint64_t count, uint64_t hz);

/* Nanoseconds << 32 for a tick, of `ticks` in `ns`; ticks is not 0. */
uint64_t rate_of(uint64_t ns, uint64_t ticks);

/* The TSC's kHz by CPUID leaf 15h (Intel SDM volume 2, CPUID), 0: not told. */
uint64_t tsc_khz_of_crystal(uint32_t denominator, uint32_t numerator,
                            uint32_t crystal_hz);

/*
 * Begin with a reading, at which the clock says `now_ns`, and a first rate,
 * which may be wrong by `uncertain_ppb`.
 */
void discipline_start(struct discipline *state, uint64_t hz, uint64_t mask,
                      const struct reading *reading, uint64_t now_ns,
                      uint64_t factor, uint64_t uncertain_ppb);

/*
 * Take in a reading. `line` is the clock's line and becomes the new one, which
 * begins at the reading. Readings may be as far apart as the counter is
 * unambiguous: while the error of the rate adds up to less than half its
 * period.
 */
void discipline_sample(struct discipline *state, const struct reading *reading,
                       struct line *line);

/* How long after the last reading the next one is worth its cost, in ns. */
uint64_t discipline_pause_ns(const struct discipline *state);

/* Stop the machine if the state is not sound. */
void discipline_check(const struct discipline *state);

#endif
