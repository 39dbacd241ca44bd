/* Stacks for signal handlers: see signal_stack.h. */
#include "hal/posix/host/signal_stack.h"
#include "hal/posix/host/memory.h"
#include <signal.h>

enum { SIGNAL_STACK_SIZE = 256 * 1024 };

void host_signal_stack_open(struct host_signal_stack *stack)
{
    stack_t new = {.ss_size = SIGNAL_STACK_SIZE};
    stack_t old;

    new.ss_sp = host_memory_map(SIGNAL_STACK_SIZE, 4096, HOST_ANYWHERE);
    stack->base = new.ss_sp;
    if (new.ss_sp == NULL)
        return;
    sigaltstack(&new, &old);
    stack->old_base = old.ss_sp;
    stack->old_size = old.ss_size;
    stack->old_flags = old.ss_flags;
}

void host_signal_stack_close(struct host_signal_stack *stack)
{
    stack_t old = {
        .ss_sp = stack->old_base,
        .ss_size = stack->old_size,
        .ss_flags = stack->old_flags,
    };

    if (stack->base == NULL)
        return;
    sigaltstack(&old, NULL);
    host_memory_unmap(stack->base, SIGNAL_STACK_SIZE);
}
