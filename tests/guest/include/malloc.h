/* tests/guest/libc.c. */
#ifndef TORC_TESTS_GUEST_MALLOC_H
#define TORC_TESTS_GUEST_MALLOC_H

#include <stddef.h>

size_t malloc_usable_size(void *ptr);

#endif
