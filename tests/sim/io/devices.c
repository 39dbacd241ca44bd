#include "tests/sim/io/devices.h"
#include "hal/hal.h"
#include "hal/posix/sim/sim.h"
#include <torc/compiler.h>

struct device_manner device_manner;

static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds);

struct fault_plan device_faults = {.draw = draw_fault};

static unsigned pick(const unsigned *values, unsigned count, enum sim_tag tag)
{
    return values[hal_choose(count, tag)];
}

/* One of the kinds, or none. */
static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds)
{
    unsigned count, nth;

    (void)arg, (void)operation;
    kinds &= device_manner.fault_kinds;
    if (device_manner.fault_one_in == 0 || kinds == 0 ||
        hal_choose(device_manner.fault_one_in, SIM_FAULT) != 1)
        return FAULT_NONE;
    count = (unsigned)__builtin_popcount(kinds);
    for (nth = hal_choose(count, SIM_FAULT); nth > 0; nth--)
        kinds &= kinds - 1;
    return (enum model_fault)__builtin_ctz(kinds);
}

void devices_draw(unsigned kinds)
{
    static const unsigned units[] = {100, 10, 500, 2000, 10000};
    static const unsigned odds[] = {0, 4, 16, 64};

    device_manner = (struct device_manner){
        .unit_ns = pick(units, COUNT_OF(units), SIM_DEVICE),
        .fault_one_in = pick(odds, COUNT_OF(odds), SIM_FAULT),
        .polls = hal_choose(2, SIM_DEVICE) != 0,
    };
    for (unsigned kind = FAULT_FAIL; kind < FAULT_KINDS; kind++) {
        if ((kinds & fault_bit(kind)) != 0 && hal_choose(2, SIM_FAULT) != 0)
            device_manner.fault_kinds |= fault_bit(kind);
    }
}

uint64_t device_step_ns(void)
{
    return 1 + hal_choose(16, SIM_DEVICE) * device_manner.unit_ns;
}

uint64_t device_late_ns(void)
{
    static const unsigned units[] = {100, 1000, 10000};

    return pick(units, COUNT_OF(units), SIM_DEVICE) * device_manner.unit_ns;
}

bool device_sometimes(unsigned n)
{
    return hal_choose(n, SIM_DEVICE) == 1;
}

void device_after(uint64_t ns, void (*fn)(void *arg), void *arg)
{
    sim_event(hal_time_ns() + ns, fn, arg);
}

void device_after_step(void (*fn)(void *arg), void *arg)
{
    device_after(device_step_ns(), fn, arg);
}

/* ---- Models that are stepped --------------------------------------------- */

static void agenda_plan(struct device_agenda *agenda, uint64_t at_ns);

/* Unless an earlier step has made another plan. */
static void agenda_run(void *arg)
{
    struct device_agenda *agenda = arg;
    uint64_t now = hal_time_ns();
    uint64_t next;

    if (agenda->due_ns == 0 || agenda->due_ns > now)
        return;
    agenda->due_ns = 0;
    if (agenda->step()) {
        device_work(agenda);
        return;
    }
    next = agenda->next_ns();
    if (next > now && next != UINT64_MAX)
        agenda_plan(agenda, next);
}

static void agenda_plan(struct device_agenda *agenda, uint64_t at_ns)
{
    if (agenda->due_ns != 0 && agenda->due_ns <= at_ns)
        return;
    agenda->due_ns = at_ns;
    sim_event(at_ns, agenda_run, agenda);
}

void device_work(struct device_agenda *agenda)
{
    uint64_t now = hal_time_ns();

    if (agenda->due_ns == 0 ||
        agenda->due_ns > now + 1 + 16 * device_manner.unit_ns)
        agenda_plan(agenda, now + device_step_ns());
}
