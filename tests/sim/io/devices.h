/*
 * Device models in the simulated machine act by events: when, in which order,
 * and what goes wrong is drawn. Each run draws first how its devices are: how
 * fast, how reliable, and which of their kinds of faults they have. So seeds
 * differ in kind, not only in detail.
 */
#ifndef TORC_TESTS_SIM_IO_DEVICES_H
#define TORC_TESTS_SIM_IO_DEVICES_H

#include "tests/models/fault.h"
#include <stdbool.h>
#include <stdint.h>

struct device_manner {
    uint64_t unit_ns;      /* a step takes up to 16 of them */
    unsigned fault_one_in; /* operations; 0: nothing goes wrong */
    unsigned fault_kinds;  /* of those that do */
    bool polls;            /* devices also look when nobody notifies them */
};

/* Of this run. */
extern struct device_manner device_manner;

/* For struct fault_plan users: draws by SIM_FAULT. */
extern struct fault_plan device_faults;

/* Draw the manner; of faults at most `kinds`. Before any device acts. */
void devices_draw(unsigned kinds);

/* How long a step takes; how long a late one: by SIM_DEVICE. */
uint64_t device_step_ns(void);
uint64_t device_late_ns(void);

/* Whether something happens that does once in n times, by SIM_DEVICE; the first
 * answer is no. */
bool device_sometimes(unsigned n);

/* Call fn(arg) after a step, or after `ns`. */
void device_after_step(void (*fn)(void *arg), void *arg);
void device_after(uint64_t ns, void (*fn)(void *arg), void *arg);

/*
 * A model that does units of work when it is stepped: it is, a while after
 * there is something to do.
 */
struct device_agenda {
    /* constant: do a unit of work; returns whether there may be more. And when
     * there will be some in any case; UINT64_MAX: never. */
    bool (*step)(void);
    uint64_t (*next_ns)(void);
    uint64_t due_ns; /* the next step; 0: none is planned */
};

/* There is something to do. */
void device_work(struct device_agenda *agenda);

/* Whether a fault of that kind can come in this run. */
static inline bool device_has_fault(enum model_fault kind)
{
    return device_manner.fault_one_in != 0 &&
           (device_manner.fault_kinds & fault_bit(kind)) != 0;
}

#endif
