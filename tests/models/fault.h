/*
 * Faults of device models. A model asks at each operation which fault it meets,
 * and then behaves that way: the fault is the device's, its driver must cope.
 *
 * Who decides is a plan. A unit test lets the n-th operation meet one kind of
 * fault, for n = 1, 2, 3 ... until a run has no n-th operation any more:
 * fault_sweep() does that for every kind. The simulated machine draws the
 * faults instead, by a callback.
 */
#ifndef TORC_TESTS_MODELS_FAULT_H
#define TORC_TESTS_MODELS_FAULT_H

#include <stdbool.h>

enum model_fault {
    FAULT_NONE,
    FAULT_FAIL,         /* the operation ends with an error */
    FAULT_LATE,         /* it ends well, but after a long time */
    FAULT_NEVER,        /* it does not end before a reset */
    FAULT_TWICE,        /* it ends well, and the device says so twice */
    FAULT_LOST_IRQ,     /* it ends well, its interrupt does not come */
    FAULT_SPURIOUS_IRQ, /* an interrupt comes before there is a reason */
    FAULT_SHORT,        /* it ends after less data than was asked for */
    FAULT_RESET,        /* the device forgets everything, as after a reset */
    FAULT_KINDS
};

/* A set of kinds: those that make sense at an operation. */
enum {
    FAULT_ALL = (1 << FAULT_KINDS) - (1 << FAULT_FAIL),
    FAULT_SWEEP_MAX = 10000, /* operations of one run */
};

static inline unsigned fault_bit(enum model_fault kind)
{
    return 1U << kind;
}

struct fault_plan {
    /* The operation number `nth` (1 ...) meets `kind`; 0: none does. */
    enum model_fault kind;
    unsigned nth;

    /* Instead: the callback chooses FAULT_NONE or one of `kinds`. */
    enum model_fault (*draw)(void *arg, const char *operation, unsigned kinds);
    void *arg;

    /* Set by fault_next(): */
    unsigned count;        /* operations so far */
    bool reached;          /* the n-th came */
    bool used;             /* and the kind made sense there */
    const char *operation; /* which it was */
};

/*
 * The next operation, called `operation` (a constant: "read"), starts: which
 * fault does it meet? Never one outside of `kinds`; without a plan (NULL) it
 * meets none.
 */
enum model_fault fault_among(struct fault_plan *plan, const char *operation,
                             unsigned kinds);

/* The same, where every kind makes sense. */
enum model_fault fault_next(struct fault_plan *plan, const char *operation);

/* "fail", "late" ... : for messages. */
const char *fault_name(enum model_fault kind);

/*
 * For every kind in `kinds`, for n = 1, 2, 3 ...: call run(plan, arg), until a
 * run did not reach its n-th operation. Each run begins with a fresh machine
 * and fails the test by itself; what it meets is said on stdout before. Returns
 * how many runs met their fault.
 */
unsigned fault_sweep(unsigned kinds,
                     void (*run)(struct fault_plan *plan, void *arg),
                     void *arg);

#endif
