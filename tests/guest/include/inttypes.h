#ifndef TORC_TESTS_GUEST_INTTYPES_H
#define TORC_TESTS_GUEST_INTTYPES_H

#include <stdint.h>

#define PRIu32 "u"
#define PRId32 "d"
#define PRIx32 "x"
#define PRIu64 "lu"
#define PRId64 "ld"
#define PRIx64 "lx"

#endif
