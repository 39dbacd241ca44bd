/*
 * Threads and the scheduler, from inside: see <torc/thread.h> for the outside.
 */
#ifndef TORC_KERNEL_THREAD_H
#define TORC_KERNEL_THREAD_H

#include "hal/hal.h"
#include "kernel/lib/list.h"
#include "kernel/percpu.h"
#include "kernel/timer.h"
#include "kernel/wait.h"
#include <torc/thread.h>

enum thread_state {
    THREAD_READY,   /* on the ready list */
    THREAD_RUNNING, /* the current one */
    THREAD_WAITING, /* on a wait queue, or asleep */
    THREAD_ENDED,   /* for thread_join() to find */
};

struct thread {
    /* owner CPU only: */
    struct list link; /* on the ready list or a wait queue */
    struct hal_context context;
    enum thread_state state;
    bool detached;
    bool joining;   /* somebody waits in thread_join() */
    bool timed_out; /* the last wait ended by its deadline */
    struct timer timeout;
    int exit_value;
    struct wait_queue joiner; /* at most one */
    uint32_t slot;            /* in cpu->threads */

    /* constant: */
    thread_id id;
    int (*fn)(void *arg);
    void *arg;
    char *stack; /* lowest byte above the guard page; NULL: not ours */
    size_t stack_size;
    char name[THREAD_NAME_MAX];
};

enum {
    THREAD_COUNT_MAX = 1 << 20, /* of one CPU */
    THREAD_STACK_CACHE = 32,    /* default stacks kept for the next thread */
};

/*
 * Make the calling context the idle thread of this CPU and run the scheduler's
 * idle loop for ever. Interrupts are off at entry.
 */
_Noreturn void sched_run(void);

/*
 * Make the calling context an ordinary thread of this CPU, with an idle thread
 * behind it. For unit tests, which live on a stack of libc's. Returns 0,
 * -ENOMEM.
 */
must_check int sched_adopt(void);

/* Attach this CPU's timer and doorbell. Each CPU for itself, once. */
void sched_init(void);

/* Create a thread on this CPU: thread_create() without the journey. */
must_check int thread_create_here(const struct thread_attr *attr,
                                  int (*fn)(void *), void *arg,
                                  struct thread **out);

/* Give up the CPU; the caller has put itself where somebody will find it. */
void sched_switch(void);

/* Put a waiting thread at the end of the ready list. */
void sched_ready(struct thread *thread);

/* One pass: interrupts' work, exchange slots. */
void sched_pass(void);

static inline struct thread *thread_current(void)
{
    return cpu_self()->current;
}

#endif
