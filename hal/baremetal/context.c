#include "hal/hal.h"
#include "kernel/lib/check.h"

void context_begin(void);

/*
 * A new context looks as if it had called hal_context_switch() from
 * context_begin: six saved registers and a return address. The stack is aligned
 * so that the call there leaves it as the ABI wants it.
 */
void hal_context_init(struct hal_context *ctx, void *stack, size_t size,
                      void (*entry)(void *), void *arg)
{
    uintptr_t *top = (uintptr_t *)(void *)((char *)stack + size);

    assert(((uintptr_t)top & 15) == 0);
    *--top = 0;
    *--top = (uintptr_t)context_begin;
    *--top = 0;                /* rbp */
    *--top = (uintptr_t)entry; /* rbx */
    *--top = (uintptr_t)arg;   /* r12 */
    *--top = 0;                /* r13 */
    *--top = 0;                /* r14 */
    *--top = 0;                /* r15 */
    *ctx = (struct hal_context){
        .sp = top, .stack = stack, .stack_size = size};
}

void hal_context_fini(struct hal_context *ctx)
{
    (void)ctx;
}
