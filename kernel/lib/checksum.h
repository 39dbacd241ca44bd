/*
 * The Internet checksum (RFC 1071): one's complement sum of 16-bit big-endian
 * words. Sums chain: pass the previous result as `sum`. A piece of odd length
 * must be the last one.
 */
#ifndef TORC_KERNEL_LIB_CHECKSUM_H
#define TORC_KERNEL_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Add `len` bytes (at most 64 KiB a call) to the running `sum`. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);

/* Fold and complement: the value of the checksum field, host order. */
uint16_t checksum_finish(uint32_t sum);

#endif
