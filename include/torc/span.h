/* A piece of somebody else's text, which is not NUL-terminated. */
#ifndef TORC_SPAN_H
#define TORC_SPAN_H

#include <stddef.h>

struct span {
    const char *at;
    size_t len;
};

#endif
