/* The inline part of hal.h on the hosted machine: see there. */
#ifndef TORC_HAL_POSIX_INLINE_H
#define TORC_HAL_POSIX_INLINE_H

#include "hal/posix/preemption.h"
#include <stdatomic.h>

/* Not atomic_thread_fence(), which gcc refuses under ThreadSanitizer. */
static inline void hal_fence(void)
{
    preemption_point();
    __asm__ volatile("mfence" ::: "memory");
}

/* The time stamp counter: constant rate, the same on all CPUs. */
static inline uint64_t hal_cycles(void)
{
#if HAL_SIM
    return hal_time_ns();
#else
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
#endif
}

/* Builds with a sanitizer tell it of each switch: context.c. */
#define CONTEXT_SWITCH_TOLD (SANITIZE_ADDRESS || SANITIZE_THREAD)
void context_switch_told(struct hal_context *from, struct hal_context *to);

/* Deliver what is pending: the slow side of hal_context_switch(). */
void context_attend(void);

static inline bool context_attention(void)
{
    const atomic_bool *attention;

    __asm__ volatile("movq %%fs:machine_attention@tpoff, %0" : "=r"(attention));
    return atomic_load_explicit(attention, memory_order_relaxed);
}

/*
 * Nothing but two registers, the place to go on and the stack pointer is saved:
 * to the compiler all other registers change here, so it has stored what it
 * still needs. (The frame pointer it would not. With r15 its own stores are an
 * even number, which spares it aligning the stack.) The jump is indirect, not a
 * return, which the processor would predict by the calls of the other context.
 */
static inline void context_swap(struct hal_context *from,
                                struct hal_context *to)
{
    __asm__ volatile("pushq %%rbp\n\t"
                     "pushq %%r15\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%0)\n\t"
                     "movq (%1), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmp *%%rax\n"
                     "1:\tpopq %%r15\n\t"
                     "popq %%rbp"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "r12", "r13", "r14", "memory", "cc", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
}

static inline void hal_context_switch(struct hal_context *from,
                                      struct hal_context *to)
{
    if (unlikely(context_attention()))
        context_attend();
    if (CONTEXT_SWITCH_TOLD)
        context_switch_told(from, to);
    else
        context_swap(from, to);
}

/* As the switch, and hal_context_init(), leave a stack. */
static inline void hal_context_where(const struct hal_context *ctx,
                                     uintptr_t *ip, uintptr_t *sp,
                                     uintptr_t *fp)
{
    const uintptr_t *saved = ctx->sp;

    *ip = saved[0];
    *fp = saved[2];
    *sp = (uintptr_t)(saved + 3);
}

/*
 * What a CPU and a new context begin with (System V ABI, AMD64, 3.2.1): round
 * to nearest, all exceptions masked. The x87 control word from bit 32 on, MXCSR
 * below.
 */
#define CONTEXT_FP_INITIAL (UINT64_C(0x37f) << 32 | 0x1f80)

static inline void hal_context_switch_fp(struct hal_context *from,
                                         const struct hal_context *to)
{
    uint64_t control = to != NULL ? to->fp_control : CONTEXT_FP_INITIAL;
    uint32_t mxcsr = (uint32_t)control;
    uint16_t x87 = (uint16_t)(control >> 32);

    if (from != NULL) {
        uint32_t old_mxcsr;
        uint16_t old_x87;

        __asm__ volatile("stmxcsr %0\n\tfnstcw %1"
                         : "=m"(old_mxcsr), "=m"(old_x87));
        from->fp_control = (uint64_t)old_x87 << 32 | old_mxcsr;
    }
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

#endif
