/*
 * SipHash-2-4: a short keyed hash that outsiders cannot predict (Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF", 2012). A pure function.
 */
#ifndef TORC_SIPHASH_H
#define TORC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t word[2];
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
