/* Names that a directory index cannot tell apart. */
#ifndef TORC_TESTS_FAKES_COLLIDE_H
#define TORC_TESTS_FAKES_COLLIDE_H

#include <stdbool.h>
#include <stddef.h>

/* `count` names of `len` bytes (6 .. 255) with one hash by the legacy
 * algorithm, bytes with or without sign. */
void collide(char names[][256], unsigned count, size_t len, bool is_unsigned);

#endif
