/*
 * What must be true of an event, a semaphore, a mutex or a channel between any
 * two calls. Each panics when it is not. For tests and the simulated machine;
 * takes as long as there are waiters. Owner CPU.
 */
#ifndef TORC_KERNEL_SYNC_CHECK_H
#define TORC_KERNEL_SYNC_CHECK_H

struct event;
struct semaphore;
struct mutex;
struct channel;

void event_check(const struct event *event);
void semaphore_check(const struct semaphore *semaphore);
void mutex_check(const struct mutex *mutex);
void channel_check(const struct channel *channel);

#endif
