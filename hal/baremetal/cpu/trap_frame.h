/* Registers on the stack of an exception or interrupt. */
#ifndef TORC_HAL_BAREMETAL_TRAP_FRAME_H
#define TORC_HAL_BAREMETAL_TRAP_FRAME_H

#include "hal/hal.h"

/* As vectors.S pushes it. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum { VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_BREAKPOINT = 3 };

/* In the order of struct hal_registers. */
void trap_registers(const struct trap_frame *frame, struct hal_registers *out);

/* The debugger's, where that is linked and has begun: an exception or an NMI
 * comes here first. Returns whether it was its own affair. */
extern bool (*trap_debug)(struct trap_frame *frame);

#endif
