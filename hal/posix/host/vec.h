/*
 * A piece of memory, as struct iovec and struct hal_vec.
 */
#ifndef TORC_HAL_POSIX_HOST_VEC_H
#define TORC_HAL_POSIX_HOST_VEC_H

#include <stddef.h>

struct host_vec {
    void *base;
    size_t len;
};

#endif
