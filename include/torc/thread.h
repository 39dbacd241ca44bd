/*
 * Threads: cooperative, each owned by one CPU. A thread runs until it yields,
 * waits or ends, so code between two such points is atomic on its CPU.
 */
#ifndef TORC_THREAD_H
#define TORC_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/* Names a thread for ever: never reused, safe to keep. 0 names none. */
typedef uint64_t thread_id;

enum {
    THREAD_NAME_MAX = 16,             /* with its NUL */
    THREAD_STACK_DEFAULT = 16 * 1024, /* or the option stack=KIB */
    THREAD_STACK_MIN = 8 * 1024, /* timers and the network run on it, too */
    THREAD_STACK_MAX = 8 * 1024 * 1024,
};

enum thread_place {
    THREAD_HERE,   /* the caller's CPU */
    THREAD_ON_CPU, /* the CPU named */
    THREAD_SPREAD, /* the next CPU in turn */
};

/* All zero is a good default. */
struct thread_attr {
    const char *name; /* copied, cut at THREAD_NAME_MAX-1; NULL: "thread" */
    enum thread_place place;
    unsigned cpu;      /* with THREAD_ON_CPU: 0 .. cpu_count()-1 */
    size_t stack_size; /* bytes, rounded up to pages; 0: the default */

    /*
     * Floating-point registers need no care, but a thread that changes the
     * rounding mode or the exception mask across a yield or wait must say so:
     * its control words are then its own.
     */
    bool own_fp_control;
    bool detached; /* as if by thread_detach() */
};

enum thread_state {
    THREAD_READY,     /* waits for its turn */
    THREAD_RUNNING,   /* has the CPU */
    THREAD_WAITING,   /* for an event, a message, a time */
    THREAD_SUSPENDED, /* until thread_resume() */
    THREAD_MOVING,    /* between two CPUs */
    THREAD_ENDED,     /* for thread_join() to find */
};

/* What thread_get_info() tells. */
struct thread_info {
    enum thread_state state;
    unsigned cpu;         /* where it is */
    uint64_t cpu_time_ns; /* how long it has run; 0 without cputime=1 */
    size_t stack_size;
    char name[THREAD_NAME_MAX];
};

/*
 * Create a thread that runs fn(arg); what fn returns is its exit value. Its
 * memory comes from the CPU it is made on. `attr` may be NULL for the defaults.
 *
 * Returns 0 and *out, -EINVAL (place, CPU or stack size), -ENOMEM, -EAGAIN
 * (thread limit: threads=N). Context: thread; waits for the answer when the CPU
 * is another.
 */
must_check int thread_create(const struct thread_attr *attr, int (*fn)(void *),
                             void *arg, thread_id *out);

/*
 * The functions below that take an id work on a thread of any CPU, also after
 * it has moved. They wait for an answer when it is on another CPU, and return
 * -ESRCH when no such thread exists or it is gone.
 */

/*
 * Wait until thread `id` ends and take its exit value (may be NULL). Each
 * thread is either joined once or detached.
 *
 * Returns 0, -ESRCH (unknown, joined or detached), -EDEADLK (itself), -EBUSY
 * (another thread joins it already). Context: thread; waits. No cancellation
 * point: a caller that is killed ends after the thread it waits for has ended.
 */
must_check int thread_join(thread_id id, int *exit_value);

/* Let a thread clean up by itself when it ends. Returns 0, -ESRCH, -EBUSY. */
must_check int thread_detach(thread_id id);

/*
 * Stop thread `id` until thread_resume(). A waiting thread stops when its wait
 * is over. The calling thread may suspend itself.
 * Returns 0, -ESRCH.
 */
must_check int thread_suspend(thread_id id);
must_check int thread_resume(thread_id id);

/*
 * End thread `id` with the exit value -ECANCELED. It ends at its next
 * cancellation point: a yield, a sleep, or a wait for a message, an event or a
 * semaphore. If it waits in one now, it ends now; if it never reaches one, it
 * never ends. Its cleanups run, and may wait: a thread that is ending cannot be
 * killed again.
 * Returns 0, -ESRCH.
 */
must_check int thread_kill(thread_id id);

/*
 * Move thread `id` to another CPU, at its next cancellation point (see
 * thread_kill()). Its memory stays where it is and may still be freed by it.
 * It must hold no objects that belong to a CPU: files, sockets, channels.
 * Returns 0, -ESRCH, -EINVAL (no such CPU), -EBUSY (it has a working directory:
 * file_chdir()).
 */
must_check int thread_move(thread_id id, unsigned cpu);

/* Continue on another CPU. Returns as thread_move(). */
must_check int thread_migrate(unsigned cpu);

/* Returns 0 and *out, -ESRCH. */
must_check int thread_get_info(thread_id id, struct thread_info *out);

/* End the calling thread. */
_Noreturn void thread_exit(int exit_value);

/* Let the other ready threads of this CPU run, then go on. */
void thread_yield(void);

/* Wait until time_ns() >= deadline_ns. */
void thread_sleep_until(uint64_t deadline_ns);

/* Wait for `ns` nanoseconds. */
void thread_sleep(uint64_t ns);

/* The calling thread, and its name. */
thread_id thread_self(void);
const char *thread_name(void);

/* One pointer of the calling thread's own; NULL at first. */
void *thread_local_get(void);
void thread_local_set(void *value);

/*
 * Let fn(arg) run when the calling thread ends, by itself or killed; the last
 * one pushed runs first. The caller keeps `cleanup` until it has run or has
 * been popped. Cleanups are popped in the reverse order of their pushes; pop
 * runs fn(arg) if `run` is true.
 */
struct thread_cleanup {
    struct thread_cleanup *next;
    void (*fn)(void *);
    void *arg;
};
void thread_cleanup_push(struct thread_cleanup *cleanup, void (*fn)(void *),
                         void *arg);
void thread_cleanup_pop(struct thread_cleanup *cleanup, bool run);

#endif
