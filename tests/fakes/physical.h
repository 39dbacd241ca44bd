/*
 * Physical memory for the parsers of hal/baremetal/firmware. Each mapping is a
 * copy of exactly the bytes that were asked for, so AddressSanitizer sees a
 * read past them.
 */
#ifndef TORC_TESTS_FAKES_PHYSICAL_H
#define TORC_TESTS_FAKES_PHYSICAL_H

#include "hal/baremetal/firmware/physical.h"

/* Memory is `size` bytes at address `base`; the bytes stay the caller's. All
 * mappings made before are gone. */
void physical_set(uint64_t base, const uint8_t *bytes, size_t size);

extern const struct physical_memory physical;

#endif
