/* The locks of device models: CPUs of a machine may use one at once. Held with
 * interrupts off. */
#ifndef TORC_TESTS_GUEST_PTHREAD_H
#define TORC_TESTS_GUEST_PTHREAD_H

#include <stdatomic.h>

/* Threads are the host's: tests/guest/host.c. */
typedef unsigned long pthread_t;
int pthread_create(pthread_t *thread, const void *attr, void *(*fn)(void *),
                   void *arg);
int pthread_join(pthread_t thread, void **value);

typedef struct {
    atomic_flag taken;
} pthread_mutex_t;
#define PTHREAD_MUTEX_INITIALIZER \
    {                             \
        ATOMIC_FLAG_INIT          \
    }

static inline int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    while (atomic_flag_test_and_set(&mutex->taken))
        ;
    return 0;
}

static inline int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    atomic_flag_clear(&mutex->taken);
    return 0;
}

#endif
