/* The inline part of hal.h on the hosted machine: see there. */
#ifndef TORC_HAL_POSIX_INLINE_H
#define TORC_HAL_POSIX_INLINE_H

/*
 * A function and not a thread-local variable: a kernel thread may continue on
 * another pthread, and compilers keep the address of a thread-local across
 * calls.
 */
void *hal_cpu_local(void);

/* Not atomic_thread_fence(), which gcc refuses under ThreadSanitizer. */
static inline void hal_fence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

#endif
