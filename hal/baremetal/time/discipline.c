#include "hal/baremetal/time/discipline.h"
#include <torc/assert.h>

#define SLEW_SHORTEST_NS (20 * NS_PER_MS)
#define SLEW_MAX_NS      NS_PER_S /* a larger error: jump */
#define ANCHOR_AGE_NS    (128 * NS_PER_S)
#define PAUSE_MIN_NS     NS_PER_MS
#define PAUSE_MAX_NS     NS_PER_S
#define PPB              UINT64_C(1000000000)
enum {
    SLEW_TIMES = 4, /* an error is taken away in four times its length */
};

uint64_t scaled(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

uint64_t ns_of_count(uint64_t count, uint64_t hz)
{
    return count / hz * NS_PER_S + count % hz * NS_PER_S / hz;
}

uint64_t rate_of(uint64_t ns, uint64_t ticks)
{
    while (ns >> 32 != 0) { /* the quotient is in 64 bits then */
        ns /= 2;
        ticks /= 2;
    }
    return (ns << 32) / (ticks == 0 ? 1 : ticks);
}

uint64_t tsc_khz_of_crystal(uint32_t denominator, uint32_t numerator,
                            uint32_t crystal_hz)
{
    if (denominator == 0 || numerator == 0 || crystal_hz == 0)
        return 0;
    return (uint64_t)crystal_hz * numerator / denominator / 1000;
}

void discipline_check(const struct discipline *state)
{
    assert(state->hz != 0 && state->factor != 0);
    assert(((state->mask + 1) & state->mask) == 0);
    assert(state->last.tsc >= state->next.tsc);
    assert(state->next.tsc >= state->oldest.tsc);
    assert(state->last.count >= state->next.count);
    assert(state->next.count >= state->oldest.count);
    assert((state->last.count & state->mask) == state->last_raw);
}

static void restart(struct discipline *state, const struct reading *reading,
                    uint64_t now_ns)
{
    state->last = (struct anchor){reading->tsc, reading->window,
                                  reading->count & state->mask};
    state->last_raw = state->last.count;
    state->oldest = state->last;
    state->next = state->last;
    state->start_count = state->last.count;
    state->start_ns = now_ns;
}

void discipline_start(struct discipline *state, uint64_t hz, uint64_t mask,
                      const struct reading *reading, uint64_t now_ns,
                      uint64_t factor, uint64_t uncertain_ppb)
{
    *state = (struct discipline){.hz = hz,
                                 .mask = mask,
                                 .factor = factor,
                                 .uncertain_ppb = uncertain_ppb};
    restart(state, reading, now_ns);
    discipline_check(state);
}

/* The count since the beginning: how often the counter has wrapped since the
 * last reading follows from the TSC. */
static uint64_t count_widen(const struct discipline *state,
                            const struct reading *reading)
{
    uint64_t period = state->mask + 1; /* 0: it never wraps */
    uint64_t delta = (reading->count - state->last_raw) & state->mask;
    uint64_t ns = scaled(reading->tsc - state->last.tsc, state->factor);
    uint64_t expected =
        ns / NS_PER_S * state->hz + ns % NS_PER_S * state->hz / NS_PER_S;

    if (period != 0 && expected > delta)
        delta += (expected - delta + period / 2) / period * period;
    return state->last.count + delta;
}

/* A better rate, if the time since the oldest anchor gives one. */
static void rate_improve(struct discipline *state)
{
    uint64_t ticks = state->last.tsc - state->oldest.tsc;
    uint64_t ns =
        ns_of_count(state->last.count - state->oldest.count, state->hz);
    /* Either look may be off by half its window, the count by one. */
    uint64_t window_ns =
        scaled(state->oldest.window + state->last.window, state->factor) / 2 +
        NS_PER_S / state->hz + 1;
    uint64_t ppb;

    if (ns < PAUSE_MIN_NS / 2 || ticks == 0)
        return;
    ppb = window_ns >= ns ? PPB : window_ns * PPB / ns;
    if (ppb <= state->uncertain_ppb || ns >= ANCHOR_AGE_NS / 2) {
        state->factor = rate_of(ns, ticks);
        state->uncertain_ppb = ppb;
    }
    if (ns >= ANCHOR_AGE_NS) {
        state->oldest = state->next;
        state->next = state->last;
    } else if (ns < ANCHOR_AGE_NS / 2) {
        state->next = state->last;
    }
}

/* Half the window on either side of 0 is no error that we know of. */
static int64_t error_beyond(int64_t error, uint64_t window_ns)
{
    int64_t half = (int64_t)(window_ns / 2);

    if (error > half)
        return error - half;
    return error < -half ? error + half : 0;
}

/* The line from here on, by the new rate, with the error taken away. */
static void line_bend(struct discipline *state, struct line *line,
                      uint64_t now_ns, int64_t error)
{
    uint64_t length = (uint64_t)(error < 0 ? -error : error) * SLEW_TIMES;

    *line = (struct line){.base_tsc = state->last.tsc,
                          .base_ns = now_ns,
                          .factor = state->factor};
    if (length == 0)
        return;
    if (length < SLEW_SHORTEST_NS)
        length = SLEW_SHORTEST_NS;
    line->slew_ticks = (length << 32) / state->factor;
    line->slew = error * (INT64_C(1) << 32) / (int64_t)line->slew_ticks;
}

/* An error that the uncertainty of the rate does not explain: the TSC or the
 * reference has stood still, or was set. */
static bool is_break(const struct discipline *state, int64_t error,
                     uint64_t passed_ns)
{
    uint64_t size = (uint64_t)(error < 0 ? -error : error);

    return size > SLEW_MAX_NS &&
           size / 2 > passed_ns / PPB * state->uncertain_ppb + NS_PER_MS;
}

void discipline_sample(struct discipline *state, const struct reading *reading,
                       struct line *line)
{
    uint64_t now_ns = line_ns(line, reading->tsc);
    uint64_t passed_ns = scaled(reading->tsc - state->last.tsc, state->factor);
    uint64_t count = count_widen(state, reading);
    int64_t error;

    if (reading->tsc <= state->last.tsc)
        return; /* nothing has passed */
    state->last = (struct anchor){reading->tsc, reading->window, count};
    state->last_raw = reading->count & state->mask;
    error =
        (int64_t)(state->start_ns +
                  ns_of_count(count - state->start_count, state->hz) - now_ns);
    error = error_beyond(error, scaled(reading->window, state->factor));
    if (!is_break(state, error, passed_ns))
        rate_improve(state);
    if (error > (int64_t)SLEW_MAX_NS)
        now_ns += (uint64_t)error; /* behind: jump */
    if (error > (int64_t)SLEW_MAX_NS || error < -(int64_t)SLEW_MAX_NS) {
        restart(state, reading, now_ns);
        error = 0;
    }
    line_bend(state, line, now_ns, error);
    discipline_check(state);
}

uint64_t discipline_pause_ns(const struct discipline *state)
{
    uint64_t ns =
        ns_of_count(state->last.count - state->start_count, state->hz) * 9;

    if (ns < PAUSE_MIN_NS)
        return PAUSE_MIN_NS;
    return ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS;
}
