/*
 * A stack on which a pthread handles signals: the usual cause of a fault is
 * that its own stack has overflowed.
 */
#ifndef TORC_HAL_POSIX_HOST_SIGNAL_STACK_H
#define TORC_HAL_POSIX_HOST_SIGNAL_STACK_H

#include <stddef.h>

struct host_signal_stack {
    void *base;
    void *old_base;
    size_t old_size;
    int old_flags;
};

/* For the calling pthread, which closes it before it ends. */
void host_signal_stack_open(struct host_signal_stack *stack);
void host_signal_stack_close(struct host_signal_stack *stack);

#endif
