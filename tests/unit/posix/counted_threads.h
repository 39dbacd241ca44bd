/*
 * Threads that are made and joined, counted. pthread_join() is called in the
 * place of that of libc by everything in the program that includes this; its
 * pthread_create() calls thread_make().
 */
#ifndef TORC_TESTS_UNIT_POSIX_COUNTED_THREADS_H
#define TORC_TESTS_UNIT_POSIX_COUNTED_THREADS_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

/* Made, and not joined. */
static atomic_int threads;

static inline int thread_make(pthread_t *thread, const pthread_attr_t *attr,
                              void *(*fn)(void *), void *arg)
{
    int err = ((__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create"))(
        thread, attr, fn, arg);

    if (err == 0)
        atomic_fetch_add(&threads, 1);
    return err;
}

int pthread_join(pthread_t thread, void **result)
{
    atomic_fetch_sub(&threads, 1);
    return ((__typeof__(&pthread_join))dlsym(RTLD_NEXT, "pthread_join"))(
        thread, result);
}

#endif
