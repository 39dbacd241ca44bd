/* Secrets that are not needed any more. */
#ifndef TORC_KERNEL_LIB_WIPE_H
#define TORC_KERNEL_LIB_WIPE_H

#include <stddef.h>

/* Zero `size` bytes that nobody reads afterwards: memset() may be left out by the
 * compiler there, this is not. */
void secret_wipe(void *secret, size_t size);

#endif
