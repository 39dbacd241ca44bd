/* <torc/siphash.h>, for the kernel. */
#ifndef TORC_KERNEL_SIPHASH_H
#define TORC_KERNEL_SIPHASH_H

#include <torc/siphash.h>

#endif
