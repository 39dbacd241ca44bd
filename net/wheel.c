#include "net/wheel.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>

/* The furthest slot of the highest level begins so many ticks from now, or
 * less. */
#define WHEEL_REACH \
    ((uint64_t)(WHEEL_SLOTS - 1) << WHEEL_DIGIT * (WHEEL_LEVELS - 1))

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return tick >> WHEEL_DIGIT * level & (WHEEL_SLOTS - 1);
}

static uint64_t tick_of(uint64_t ns)
{
    return ns >> WHEEL_TICK_SHIFT;
}

/* The level for a tick, from the present one on and within reach. */
static unsigned level_of(const struct wheel *wheel, uint64_t tick)
{
    uint64_t differs = (tick ^ wheel->tick) | 1;
    unsigned level = (63U - (unsigned)__builtin_clzll(differs)) / WHEEL_DIGIT;

    return min_u32(level, WHEEL_LEVELS - 1);
}

/* Put a timeout that is in no slot into its own. */
static void put(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t tick = max_u64(tick_of(timer->at), wheel->tick);
    unsigned level, digit;

    if (tick - wheel->tick > WHEEL_REACH)
        tick = wheel->tick + WHEEL_REACH;
    level = level_of(wheel, tick);
    digit = digit_of(tick, level);
    wheel->used[level] |= UINT64_C(1) << digit;
    list_push_back(&wheel->slot[level][digit], &timer->link);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t at)
{
    list_remove(&timer->link);
    timer->at = at;
    if (at == TIME_NEVER)
        return;
    if (at <= wheel->turning_ns)
        timer->at = wheel->turning_ns + 1;
    put(wheel, timer);
}

/* The next slot of a level that is not empty, from the present one on. Returns
 * false when there is none; else *ahead slots lie between. */
static bool level_next(struct wheel *wheel, unsigned level, unsigned *ahead)
{
    unsigned now = digit_of(wheel->tick, level);

    while (wheel->used[level] != 0) {
        uint64_t used = wheel->used[level];
        unsigned digit;

        used = used >> now | (now != 0 ? used << (WHEEL_SLOTS - now) : 0);
        *ahead = (unsigned)__builtin_ctzll(used);
        digit = (now + *ahead) % WHEEL_SLOTS;
        if (!list_empty(&wheel->slot[level][digit]))
            return true;
        wheel->used[level] &= ~(UINT64_C(1) << digit);
    }
    return false;
}

/* The tick at which the next slot is reached that is not empty, and its level.
 * A slot of a lower level comes first. Returns false when all are empty. */
static bool event_next(struct wheel *wheel, uint64_t *tick, unsigned *level)
{
    for (*level = 0; *level < WHEEL_LEVELS; ++*level) {
        unsigned shift = WHEEL_DIGIT * *level;
        unsigned ahead;

        if (level_next(wheel, *level, &ahead)) {
            *tick = ((wheel->tick >> shift) + ahead) << shift;
            return true;
        }
    }
    return false;
}

/* Empty a slot that the time has reached: what is due runs, the rest goes where
 * it belongs now. */
static void slot_turn(struct wheel *wheel, struct list *slot, uint64_t now_ns)
{
    struct list reached;
    struct list *node;

    list_init(&reached);
    while ((node = list_pop_front(slot)) != NULL)
        list_push_back(&reached, node);
    while ((node = list_pop_front(&reached)) != NULL) {
        struct wheel_timer *timer =
            container_of(node, struct wheel_timer, link);
        uint64_t at = timer->at;

        if (at > now_ns) {
            put(wheel, timer);
            continue;
        }
        timer->at = TIME_NEVER;
        wheel->run(wheel, timer, at);
    }
}

/* When the first timeout of this round is due, else when a slot of a higher
 * level is reached. */
static uint64_t call_next(struct wheel *wheel)
{
    uint64_t earliest = TIME_NEVER;
    unsigned level;
    uint64_t tick;

    if (!event_next(wheel, &tick, &level))
        return TIME_NEVER;
    if (level > 0)
        return tick << WHEEL_TICK_SHIFT;
    list_for_each (node, &wheel->slot[0][digit_of(tick, 0)])
        earliest =
            min_u64(earliest, container_of(node, struct wheel_timer, link)->at);
    return earliest;
}

uint64_t wheel_turn(struct wheel *wheel, uint64_t now_ns)
{
    uint64_t now = tick_of(now_ns);
    unsigned level;
    uint64_t tick;

    wheel->turning_ns = now_ns;
    while (event_next(wheel, &tick, &level) && tick <= now) {
        wheel->tick = tick;
        slot_turn(wheel, &wheel->slot[level][digit_of(tick, level)], now_ns);
        if (level == 0 && tick == now)
            break; /* what is left of this tick is due later */
    }
    wheel->turning_ns = 0;
    wheel->tick = max_u64(wheel->tick, now);
    return call_next(wheel);
}

__attribute__((cold)) void wheel_init(struct wheel *wheel, uint64_t now_ns,
                                      void (*run)(struct wheel *wheel,
                                                  struct wheel_timer *timer,
                                                  uint64_t at))
{
    *wheel = (struct wheel){.run = run, .tick = tick_of(now_ns)};
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned digit = 0; digit < WHEEL_SLOTS; digit++)
            list_init(&wheel->slot[level][digit]);
    }
}

/* ---- What must be true --------------------------------------------------- */

/* A timeout is where the time reaches it when it is due, or before, when that
 * is beyond all levels or has passed. */
static __attribute__((cold)) void timer_check(const struct wheel *wheel,
                                              unsigned level, unsigned digit,
                                              const struct wheel_timer *timer)
{
    unsigned shift = WHEEL_DIGIT * level;
    unsigned ahead = (digit - digit_of(wheel->tick, level)) % WHEEL_SLOTS;
    uint64_t slot = (wheel->tick >> shift) + ahead;
    uint64_t own = tick_of(timer->at) >> shift;

    assert(timer->at != TIME_NEVER);
    assert((wheel->used[level] >> digit & 1) != 0);
    assert(level == 0 || ahead > 0);
    assert(slot == own || (level == 0 && ahead == 0 && own < slot) ||
           (level == WHEEL_LEVELS - 1 && own > slot));
}

__attribute__((cold)) unsigned wheel_check(const struct wheel *wheel)
{
    unsigned count = 0;

    assert(wheel->turning_ns == 0);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned digit = 0; digit < WHEEL_SLOTS; digit++) {
            list_for_each (node, &wheel->slot[level][digit]) {
                timer_check(wheel, level, digit,
                            container_of(node, struct wheel_timer, link));
                count++;
            }
        }
    }
    return count;
}
