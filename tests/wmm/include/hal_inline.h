/*
 * The inline part of hal.h on the model machine: the fence is the memory
 * model's.
 */
#ifndef TORC_WMM_HAL_INLINE_H
#define TORC_WMM_HAL_INLINE_H

void wmm_fence(void);

/* In the caller even where nothing else is inlined: each use is a site. */
__attribute__((always_inline)) static inline void hal_fence(void)
{
    wmm_fence();
}

#endif
