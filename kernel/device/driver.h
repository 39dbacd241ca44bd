/* What a driver is to the kernel: something to ask at boot. */
#ifndef TORC_KERNEL_DRIVER_H
#define TORC_KERNEL_DRIVER_H

#include <torc/compiler.h>

struct driver {
    const char *name;

    /*
     * Look for devices and register each with block_register() or
     * net_register(). On CPU 0, in a thread, once. Finding none is success; a
     * device that fails to answer is logged and left out. Returns 0, -ENOMEM.
     * NULL: it has nothing to look for, and is named for what it links.
     */
    int (*probe)(void);

    /* Its options: a table of kernel/base/options.h; NULL: none. */
    const char *const *options;
};

#endif
