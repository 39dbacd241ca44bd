/*
 * Mutexes that are watched: a thread that takes one twice, or gives back one
 * that it does not hold, ends the program. These functions are called in the
 * place of those of libc by everything in the program that includes this.
 */
#ifndef TORC_TESTS_UNIT_POSIX_CHECKED_LOCKS_H
#define TORC_TESTS_UNIT_POSIX_CHECKED_LOCKS_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOCKS_HELD_MAX = 4 };

/* Of this thread; NULL: none. */
static _Thread_local pthread_mutex_t *locks_held[LOCKS_HELD_MAX];

static inline pthread_mutex_t **lock_find(pthread_mutex_t *lock)
{
    for (unsigned i = 0; i < LOCKS_HELD_MAX; i++)
        if (locks_held[i] == lock)
            return &locks_held[i];
    return NULL;
}

static inline void lock_rule(int kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "broken rule of locks: %s\n", what);
    abort();
}

/* The function of libc behind one that is defined here. */
#define LIBC(name)                                                    \
    ({                                                                \
        static _Atomic(__typeof__(&name)) real_function;              \
                                                                      \
        if (atomic_load(&real_function) == NULL)                      \
            atomic_store(&real_function,                              \
                         (__typeof__(&name))dlsym(RTLD_NEXT, #name)); \
        atomic_load(&real_function);                                  \
    })

/* How many were taken. */
static atomic_uint locks_taken;

int pthread_mutex_lock(pthread_mutex_t *lock)
{
    pthread_mutex_t **free_place = lock_find(NULL);

    lock_rule(lock_find(lock) == NULL, "taken twice");
    lock_rule(free_place != NULL, "too many");
    lock_rule(LIBC(pthread_mutex_lock)(lock) == 0, "not open");
    *free_place = lock;
    atomic_fetch_add(&locks_taken, 1);
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *lock)
{
    pthread_mutex_t **place = lock_find(lock);

    lock_rule(place != NULL, "given back without having it");
    *place = NULL;
    return LIBC(pthread_mutex_unlock)(lock);
}

#endif
