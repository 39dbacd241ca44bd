/*
 * The inline part of hal.h on the model machine: a CPU is a model thread, and
 * the fence is the memory model's.
 */
#ifndef TORC_WMM_HAL_INLINE_H
#define TORC_WMM_HAL_INLINE_H

void *hal_cpu_local(void);

void wmm_fence(void);

/* In the caller even where nothing else is inlined: each use is a site. */
__attribute__((always_inline)) static inline void hal_fence(void)
{
    wmm_fence();
}

#endif
