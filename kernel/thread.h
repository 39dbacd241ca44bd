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

/* What others ask of a thread: bits. */
enum {
    REQUEST_SUSPEND = 1, /* until the bit goes */
    REQUEST_KILL = 2,    /* never goes */
    REQUEST_MOVE = 4,    /* to thread->target */
};

/*
 * A thread has a home: the CPU it was made on, whose memory it and its stack
 * are in and whose table knows it. It may live on another as a guest; the CPU
 * where it lives owns all fields.
 */
struct thread_entry;

struct thread {
    struct hal_context context;
    struct queue_node ready; /* on the ready list */
    struct list link;        /* on a wait queue */
    uint64_t cycles;         /* of CPU time, up to the last switch */
    uint8_t state; /* enum thread_state but RUNNING: that is `current` */
    uint8_t requests;
    bool killable; /* waits in wait_killable() */
    bool own_fp_control;
    uint64_t fp_control; /* while it does not run */
    int wait_status;     /* how the last wait ended: 0, -ETIMEDOUT, -EINTR */
    unsigned target;     /* the CPU it goes to */
    struct timer timeout;
    void *local; /* thread_set_local() */
    struct thread_cleanup *cleanups;
    int exit_value;
    struct exchange_item item; /* while it travels */
    struct list guest;         /* on cpu->guests, away from home */

    /* constant while it lives: */
    thread_id id;
    int (*fn)(void *arg);
    void *arg;
    char *stack; /* lowest byte above the guard page; NULL: not ours */
    size_t stack_size;
    char name[THREAD_NAME_MAX]; /* "": it has none */
};

enum {
    THREAD_COUNT_MAX = 1 << 20, /* of one CPU */
    THREAD_SPARES = 32,         /* ended ones kept for the next */
};

/*
 * Read the options: threads=N, how many a CPU may have; stack=KIB, the stack of
 * a thread that asks for none; cputime=0|1, count the CPU time of each, which
 * costs a look at the counter for each switch. CPU 0, at boot. Returns 0,
 * -EINVAL after a line in the log.
 */
must_check int thread_init(void);

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

/* CPU time is counted; constant after thread_init(). */
extern bool thread_accounting;

/* Give up the CPU for good. */
_Noreturn void sched_leave(void);

/* Give up the CPU; the caller has put itself where somebody will find it. */
void sched_switch(void);

/* Put a waiting thread at the end of the ready list. */
void sched_ready(struct thread *thread);

/* Free the threads kept for the next: memory is short. Owner CPU. */
void thread_spares_drop(void);

/* The calling thread stays here while it is suspended. */
void sched_park(void);

/* One pass: interrupts' work, exchange slots. */
void sched_pass(void);

/*
 * The calling thread does what was asked of it: ends, or moves. A point where
 * it holds nothing of the kernel's.
 */
void thread_point(void);

static inline struct thread *thread_current(void)
{
    return cpu_self()->current;
}

/* For people. */
static inline const char *thread_name_of(const struct thread *thread)
{
    return thread->name[0] != '\0' ? thread->name : "thread";
}

#endif
