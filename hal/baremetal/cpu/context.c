#include "hal/hal.h"
#include <torc/assert.h>

void context_begin(void);

/*
 * A new context looks as if it had called hal_context_switch(): what that takes
 * off the stack first is where to go on. The stack is aligned as the ABI wants
 * it at the call in context_begin.
 */
void hal_context_init(struct hal_context *ctx, void *stack, size_t size,
                      void (*entry)(void *), void *arg)
{
    uintptr_t *top = (uintptr_t *)(void *)((char *)stack + size);

    assert(((uintptr_t)top & 15) == 0);
    *--top = (uintptr_t)entry;
    *--top = (uintptr_t)arg;
    *--top = (uintptr_t)context_begin;
    *ctx = (struct hal_context){.sp = top,
                                .stack = stack,
                                .stack_size = size,
                                .fp_control = CONTEXT_FP_INITIAL};
}

void hal_context_fini(struct hal_context *ctx)
{
    (void)ctx;
}
