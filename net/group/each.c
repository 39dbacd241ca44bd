/* What is done on each CPU of a card, and services there. */
#include "net/group.h"
#include "net/stack.h"
#include <torc/message.h>

int net_each_cpu(int (*fn)(void *), void *arg)
{
    const struct net_stack *stack = stack_self();
    int status = 0;

    if (stack == NULL)
        return -ENOTCONN;
    if (stack->group == NULL)
        return fn(arg);
    for (unsigned i = 0; status == 0 && i < stack->group->count; i++)
        status = remote_call(stack->group->cpu[i], fn, arg);
    return status;
}

static int register_here(void *service)
{
    return service_register(service);
}

int service_register_all(struct service *service)
{
    return net_each_cpu(register_here, service);
}
