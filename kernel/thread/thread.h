/*
 * Threads, from inside: see <torc/thread.h> for the outside, sched.h for the
 * scheduler.
 */
#ifndef TORC_KERNEL_THREAD_H
#define TORC_KERNEL_THREAD_H

#include "hal/hal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/timer.h"
#include "kernel/thread/wait.h"
#include <torc/list.h>
#include <torc/thread.h>

/* What others ask of a thread: bits. */
enum {
    REQUEST_SUSPEND = 1, /* until the bit goes */
    REQUEST_KILL = 2,    /* until the thread begins to end */
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
    bool killable;       /* waits in wait_killable() */
    bool ending;         /* in thread_exit(): it cannot be killed any more */
    bool own_fp_control; /* its context has control words of its own */
    int wait_status;     /* how the last wait ended: 0, -ETIMEDOUT, -EINTR */
    unsigned target;     /* the CPU it goes to */
    struct timer timeout;
    void *local; /* thread_set_local() */
    struct thread_cleanup *cleanups;
    /* Where its paths begin (kernel/file/cwd.c), given back by directory_drop()
     * when it ends; NULL: nothing. It belongs to the CPU where the thread
     * lives, which stays there as long as it has one. */
    void *directory;
    void (*directory_drop)(void *directory);
    void *directory_away; /* they begin behind a portal, which `directory` is:
                           * the inode of the other CPU, held; or NULL */
    struct mutex *blocked_on; /* waits for it without a deadline; or NULL */
    struct exception_frame *catches; /* the innermost exception_catch(), or
                                      * NULL */
    int exit_value;
    struct exchange_item item; /* while it travels */
    struct list guest;         /* on cpu->guests, away from home */
    bool parked;               /* at home, between two CPUs, for an errand */
    uint32_t holds_over;       /* errands with a hold that did not find it */

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

/* Create a thread on this CPU: thread_create() without the journey. */
must_check int thread_create_here(const struct thread_attr *attr,
                                  int (*fn)(void *), void *arg,
                                  struct thread **out);

/* CPU time is counted; constant after thread_init(). */
extern bool thread_accounting;

/* Free the threads kept for the next: memory is short. Owner CPU. */
void thread_spares_drop(void);

/*
 * The calling thread does what was asked of it: ends, or moves. A point where
 * it holds nothing of the kernel's.
 */
void thread_requests_handle(void);

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
