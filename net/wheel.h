/*
 * A timer wheel (Varghese and Lauck, 1987): the timeouts of all connections of
 * a stack, so that setting one costs the same however many there are, and needs
 * no memory.
 *
 * Time is counted in ticks of WHEEL_TICK_NS, and a tick is written with
 * WHEEL_LEVELS digits of 64 values. A timeout is in a slot of the level of the
 * highest digit in which its tick differs from the present one: of level 0 when
 * it is due in this round of 64 ticks, of level 1 when in this round of 64^2,
 * and so on. When the time reaches a slot of a higher level, what is in it goes
 * to lower ones. Timeouts beyond all levels wait in the slot that is reached
 * last, and are looked at again there.
 *
 * Pure: whoever owns a wheel calls wheel_turn() at the time that the last call
 * of it has told, or earlier when wheel_set() was told an earlier one. So each
 * timeout runs at its time to the nanosecond.
 */
#ifndef TORC_NET_WHEEL_H
#define TORC_NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>
#include <torc/time.h>

enum {
    WHEEL_TICK_SHIFT = 20, /* a tick has 2^20 ns */
    WHEEL_LEVELS = 4,      /* 4.8 hours */
    WHEEL_DIGIT = 6,       /* bits */
    WHEEL_SLOTS = 1 << WHEEL_DIGIT,
};

/* A timeout. */
struct wheel_timer {
    struct list link; /* in its slot; on itself when it is not set */
    uint64_t at;      /* when it is due, or TIME_NEVER: it is not set */
};

struct wheel {
    void (*run)(struct wheel *wheel, struct wheel_timer *timer, uint64_t at);
    uint64_t tick;       /* the present one: what was due before it has run */
    uint64_t turning_ns; /* wheel_turn() runs what is due until then; 0: no */
    /* Of each level: where something may be. A clear bit: nothing is. */
    uint64_t used[WHEEL_LEVELS];
    struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* An empty wheel at the time `now_ns`; run(wheel, timer, at) is called when a
 * timeout that was set to `at` is due, which is not set any more then. It may
 * set and cancel any. */
void wheel_init(struct wheel *wheel, uint64_t now_ns,
                void (*run)(struct wheel *wheel, struct wheel_timer *timer,
                            uint64_t at));

static inline void wheel_timer_init(struct wheel_timer *timer)
{
    list_init(&timer->link);
    timer->at = TIME_NEVER;
}

/* Set a timeout that is to run at the first wheel_turn() from `at` on, or move
 * it there; TIME_NEVER: it is not to run. One that a turn sets to a time that
 * has come runs at the next turn. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t at);

static inline void wheel_cancel(struct wheel_timer *timer)
{
    list_remove(&timer->link);
    timer->at = TIME_NEVER;
}

/* Run what is due at `now_ns`, which never goes back. Returns when to call
 * again, at the latest; TIME_NEVER: nothing is set. */
uint64_t wheel_turn(struct wheel *wheel, uint64_t now_ns);

/* Assert what must be true of a wheel; returns how many timeouts are set. */
unsigned wheel_check(const struct wheel *wheel);

#endif
