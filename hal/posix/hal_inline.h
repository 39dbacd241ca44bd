/* The inline part of hal.h on the hosted machine: see there. */
#ifndef TORC_HAL_POSIX_INLINE_H
#define TORC_HAL_POSIX_INLINE_H

/*
 * What hal_cpu_set_local() stored, in thread-local storage; read in assembly,
 * because a kernel thread may continue on another pthread and compilers keep
 * the address of a thread-local across calls.
 */
static inline void *hal_cpu_local(void)
{
    void *local;

    __asm__ volatile("movq %%fs:machine_local@tpoff, %0" : "=r"(local));
    return local;
}

/* Not atomic_thread_fence(), which gcc refuses under ThreadSanitizer. */
static inline void hal_fence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

#endif
