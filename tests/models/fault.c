#include "tests/models/fault.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const names[FAULT_KINDS] = {
    [FAULT_NONE] = "none",
    [FAULT_FAIL] = "fail",
    [FAULT_LATE] = "late",
    [FAULT_NEVER] = "never",
    [FAULT_TWICE] = "twice",
    [FAULT_LOST_IRQ] = "lost interrupt",
    [FAULT_SPURIOUS_IRQ] = "spurious interrupt",
    [FAULT_SHORT] = "short",
    [FAULT_RESET] = "reset",
};

const char *fault_name(enum model_fault kind)
{
    return names[kind];
}

enum model_fault fault_among(struct fault_plan *plan, const char *operation,
                             unsigned kinds)
{
    enum model_fault drawn;

    if (plan == NULL)
        return FAULT_NONE;
    plan->count++;
    if (plan->draw != NULL) {
        drawn = plan->draw(plan->arg, operation, kinds & FAULT_ALL);
        return (kinds & fault_bit(drawn)) != 0 ? drawn : FAULT_NONE;
    }
    if (plan->nth == 0 || plan->count != plan->nth)
        return FAULT_NONE;
    plan->reached = true;
    plan->operation = operation;
    plan->used = (kinds & fault_bit(plan->kind)) != 0;
    return plan->used ? plan->kind : FAULT_NONE;
}

enum model_fault fault_next(struct fault_plan *plan, const char *operation)
{
    return fault_among(plan, operation, FAULT_ALL);
}

unsigned fault_sweep(unsigned kinds,
                     void (*run)(struct fault_plan *plan, void *arg), void *arg)
{
    unsigned used = 0;

    for (unsigned kind = FAULT_FAIL; kind < FAULT_KINDS; kind++) {
        unsigned n = 0;
        bool reached = (kinds & fault_bit(kind)) != 0;

        while (reached) {
            struct fault_plan plan = {.kind = kind, .nth = ++n};

            printf("fault: operation %u meets \"%s\"\n", n, names[kind]);
            fflush(stdout);
            run(&plan, arg);
            used += plan.used;
            reached = plan.reached;
            if (n == FAULT_SWEEP_MAX) {
                fprintf(stderr, "fault_sweep: a run that does not end\n");
                abort();
            }
        }
    }
    return used;
}
