#include "kernel/lib/wipe.h"
#include <torc/string.h>

/* In a file of its own, so the compiler does not see it where it is called. */
void secret_wipe(void *secret, size_t size)
{
    memset(secret, 0, size);
}
