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

/* ---- Events: something has happened -------------------------------------- */

struct event;

/* Make an event that has not happened. Returns 0 and *out, -ENOMEM. */
must_check int event_create(struct event **out);

/* It has happened: all waiters go on, and nobody waits until it is cleared. */
must_check int event_set(struct event *event);
must_check int event_clear(struct event *event);

/*
 * Wait until it has happened or deadline_ns (TIME_NEVER: for ever).
 * Returns 0, -ETIMEDOUT. A point at which a thread may be killed.
 */
must_check int event_wait(struct event *event, uint64_t deadline_ns);

/* Returns 0, -EBUSY (somebody waits). */
must_check int event_destroy(struct event *event);

/* ---- Semaphores: so many of something ------------------------------------ */

struct semaphore;

/* Returns 0 and *out, -ENOMEM. */
must_check int semaphore_create(uint64_t count, struct semaphore **out);

/* Give one. Returns 0, -EOVERFLOW. */
must_check int semaphore_post(struct semaphore *semaphore);

/*
 * Take one, waiting until there is one or deadline_ns; 0: do not wait. In the
 * order of their coming. Returns 0, -ETIMEDOUT. A point at which a thread may
 * be killed.
 */
must_check int semaphore_wait(struct semaphore *semaphore,
                              uint64_t deadline_ns);

/* Returns 0, -EBUSY (somebody waits). */
must_check int semaphore_destroy(struct semaphore *semaphore);

/* ---- Mutexes: one thread at a time --------------------------------------- */

struct mutex;

/* Returns 0 and *out, -ENOMEM. */
must_check int mutex_create(struct mutex **out);

/*
 * Take it, waiting until deadline_ns (TIME_NEVER: for ever; 0: do not wait), in
 * the order of coming. Returns 0, -ETIMEDOUT, -EDEADLK (the caller has it).
 * Not a point: a thread that is killed gets the mutex first.
 */
must_check int mutex_lock(struct mutex *mutex, uint64_t deadline_ns);

/* Give it to the one who waits longest. Returns 0, -EPERM (not the holder). */
must_check int mutex_unlock(struct mutex *mutex);

/* Returns 0, -EBUSY (held). */
must_check int mutex_destroy(struct mutex *mutex);

#endif
