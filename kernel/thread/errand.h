/*
 * An errand: a request that is sent to another CPU and comes back with its
 * answer. The thread that sends it waits for it. The errand is an object on the
 * stack of that thread, so the wait must not end before the errand is back.
 */
#ifndef TORC_KERNEL_ERRAND_H
#define TORC_KERNEL_ERRAND_H

#include "kernel/cpu/exchange.h"
#include "kernel/thread/wait.h"
#include <torc/compiler.h>

struct errand {
    struct exchange_item item;
    void (*arrive)(struct errand *errand);
    unsigned from;
    int status;
    bool answered;
    struct wait_queue sender;
};

/*
 * Let arrive(errand) run on `cpu`, in its scheduler's pass or, when that is
 * this CPU, at once; wait for the answer. Returns its status. Context: thread.
 */
int errand_run(struct errand *errand, unsigned cpu,
               void (*arrive)(struct errand *errand));

/* Send it home with its answer. On the CPU where it is; once. */
void errand_answer(struct errand *errand, int status);

/* Send it on: arrive(errand) runs on `cpu`, which is not this one. */
void errand_forward(struct errand *errand, unsigned cpu);

#endif
