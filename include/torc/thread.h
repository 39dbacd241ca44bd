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
    THREAD_NAME_MAX = 16, /* with its NUL */
    THREAD_STACK_DEFAULT = 16 * 1024,
    THREAD_STACK_MIN = 4 * 1024,
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
};

/*
 * Create a thread that runs fn(arg); what fn returns is its exit value. Its
 * memory comes from the CPU it runs on. `attr` may be NULL for the defaults.
 *
 * Returns 0 and *out, -EINVAL (CPU or stack size), -ENOMEM, -EAGAIN (thread
 * limit). Context: thread; waits for the answer when the CPU is another.
 */
must_check int thread_create(const struct thread_attr *attr, int (*fn)(void *),
                             void *arg, thread_id *out);

/*
 * Wait until thread `id` ends and take its exit value (may be NULL). Each
 * thread is either joined once or detached.
 *
 * Returns 0, -ESRCH (unknown, joined or detached), -EDEADLK (itself), -EBUSY
 * (somebody joins it already), -EXDEV (lives on another CPU).
 * Context: thread; waits.
 */
must_check int thread_join(thread_id id, int *exit_value);

/* Let a thread clean up by itself when it ends. Returns 0, -ESRCH, -EXDEV. */
must_check int thread_detach(thread_id id);

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

#endif
