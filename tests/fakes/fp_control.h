/*
 * This CPU's floating-point control words, for tests: the x87 control word from
 * bit 32 on, MXCSR below.
 */
#ifndef TORC_TESTS_FAKES_FP_CONTROL_H
#define TORC_TESTS_FAKES_FP_CONTROL_H

#include <stdint.h>

static inline uint64_t fp_control_get(void)
{
    uint32_t mxcsr;
    uint16_t x87;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (uint64_t)x87 << 32 | mxcsr;
}

static inline void fp_control_set(uint64_t control)
{
    uint32_t mxcsr = (uint32_t)control;
    uint16_t x87 = (uint16_t)(control >> 32);

    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

#endif
