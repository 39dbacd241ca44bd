/*
 * What was pushed where: for each place in the guest's memory to which a call
 * pushed a return address, that address, and what the caller was. It is found
 * by the place, not by the order of calls, so it holds however the guest
 * changes between stacks.
 */
#ifndef TORC_TOOLS_PROFILE_SHADOW_H
#define TORC_TOOLS_PROFILE_SHADOW_H

#include "tools/profile/tree.h"
#include <stdint.h>

struct slot {
    struct node *caller; /* NULL: nothing was pushed there */
    uint64_t returns_to;
};

/*
 * The slot of the eight bytes at `place`. It stays where it is. Ends the
 * program when memory runs out.
 */
struct slot *shadow_slot(uint64_t place);

#endif
