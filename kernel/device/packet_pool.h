/* The pool of a CPU's packets: for packet.c and packet_give.c. */
#ifndef TORC_KERNEL_PACKET_POOL_H
#define TORC_KERNEL_PACKET_POOL_H

#include <torc/list.h>

/* Owner CPU only. */
struct packet_pool {
    struct queue free;
    unsigned free_count;
    unsigned *given; /* by CPU: given to it, not home yet; NULL: not shared */
    unsigned sent_home; /* packets of others, since the last were hurried */
};

#endif
