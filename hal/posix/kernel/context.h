/*
 * Execution contexts of the hosted machine (context.c).
 */
#ifndef TORC_HAL_POSIX_CONTEXT_H
#define TORC_HAL_POSIX_CONTEXT_H

#include "hal/hal.h"

struct vcpu;

/* Switch without delivering anything. */
void context_jump(struct vcpu *cpu, struct hal_context *from,
                  struct hal_context *to);

/* The sanitizers forget what they know of this memory. */
void context_memory_fresh(void *base, size_t size);

#endif
