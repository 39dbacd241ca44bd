/* The inline part of hal.h on x86-64: see there for the contract. */
#ifndef TORC_HAL_BAREMETAL_INLINE_H
#define TORC_HAL_BAREMETAL_INLINE_H

/* The per-CPU block is at %gs:0; hal/baremetal/cpu.c sets the base. */
static inline void *hal_cpu_local(void)
{
    void *local;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(local));
    return local;
}

/* MFENCE, not the LOCK-prefixed idiom compilers emit for a seq_cst fence. */
static inline void hal_fence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

#endif
