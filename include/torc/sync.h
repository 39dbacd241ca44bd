/*
 * Events, semaphores and mutexes for threads of one CPU. Threads are
 * cooperative: between two waits nothing else runs, so most data needs none of
 * these. A mutex is for what must stay whole across a wait.
 *
 * Each object belongs to the CPU it was made on; elsewhere every function
 * returns -EXDEV. Between CPUs there are messages (<torc/message.h>).
 */
#ifndef TORC_SYNC_H
#define TORC_SYNC_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/* ---- Events -------------------------------------------------------------- */

struct event;

/* Make an event that is not set. Returns 0 and *out, -ENOMEM. */
must_check int event_create(struct event **out);

/* Set: all waiters go on, and no thread waits until the event is cleared. */
must_check int event_set(struct event *event);
must_check int event_clear(struct event *event);

/*
 * Wait until the event is set, until deadline_ns at most (TIME_NEVER: for
 * ever). Returns 0, -ETIMEDOUT. A cancellation point (thread_kill()).
 */
must_check int event_wait(struct event *event, uint64_t deadline_ns);

/* Returns 0, -EBUSY (a thread waits for it). */
must_check int event_destroy(struct event *event);

/* ---- Semaphores ---------------------------------------------------------- */

struct semaphore;

/* Make a semaphore of `count` units. Returns 0 and *out, -ENOMEM. */
must_check int semaphore_create(uint64_t count, struct semaphore **out);

/* Add one unit, and wake the first waiter. Returns 0, -EOVERFLOW. */
must_check int semaphore_post(struct semaphore *semaphore);

/*
 * Take one unit. Threads that wait for one are served in the order in which
 * they came, until deadline_ns at most (TIME_NEVER: for ever; 0: do not wait).
 * Returns 0, -ETIMEDOUT. A cancellation point (thread_kill()).
 */
must_check int semaphore_wait(struct semaphore *semaphore,
                              uint64_t deadline_ns);

/* Returns 0, -EBUSY (a thread waits for it). */
must_check int semaphore_destroy(struct semaphore *semaphore);

/* ---- Mutexes ------------------------------------------------------------- */

struct mutex;

/* Returns 0 and *out, -ENOMEM. */
must_check int mutex_create(struct mutex **out);

/*
 * Take the mutex. Threads that wait for it are served in the order in which
 * they came, until deadline_ns at most (TIME_NEVER: for ever; 0: do not wait).
 * Returns 0, -ETIMEDOUT, -EDEADLK (the caller holds it, or would wait for ever
 * for a thread that waits for ever for the caller). No cancellation point: a
 * thread that is killed while it waits gets the mutex first.
 */
must_check int mutex_lock(struct mutex *mutex, uint64_t deadline_ns);

/*
 * Hand the mutex to the thread that waits longest, or free it. Returns 0,
 * -EPERM (the caller does not hold it).
 */
must_check int mutex_unlock(struct mutex *mutex);

/* Returns 0, -EBUSY (held). */
must_check int mutex_destroy(struct mutex *mutex);

#endif
