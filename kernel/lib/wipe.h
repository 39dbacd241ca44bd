/* Secrets that are not needed any more. */
#ifndef TORC_KERNEL_LIB_WIPE_H
#define TORC_KERNEL_LIB_WIPE_H

#include <stddef.h>

/* Zero `size` bytes that nobody reads afterwards: the compiler may leave out a
 * memset() there, but not this. */
void secret_wipe(void *secret, size_t size);

#endif
