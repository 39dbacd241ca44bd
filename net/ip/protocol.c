/* The protocols above IP. */
#include "net/ip.h"
#include "net/stack.h"
#include <torc/assert.h>

const struct ip_protocol *ip_protocol_find(const struct net_stack *stack,
                                           uint8_t number)
{
    for (unsigned i = 0; i < stack->protocol_count; i++) {
        if (stack->protocol[i]->number == number)
            return stack->protocol[i];
    }
    return NULL;
}

void ip_protocol_add(struct net_stack *stack,
                     const struct ip_protocol *protocol)
{
    if (ip_protocol_find(stack, protocol->number) != NULL)
        return;
    assert(stack->protocol_count < IP_PROTOCOLS_MAX);
    stack->protocol[stack->protocol_count++] = protocol;
}
