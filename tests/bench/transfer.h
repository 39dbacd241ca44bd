/*
 * What the programs of `make bench-net` say to each other: a request of
 * TRANSFER_REQUEST bytes, 'G' (the server sends so many bytes and closes) or
 * 'P' (the client sends them, and the server answers with one byte). Byte n of
 * a transfer is transfer_byte(n).
 */
#ifndef TORC_TESTS_BENCH_TRANSFER_H
#define TORC_TESTS_BENCH_TRANSFER_H

#include <stdint.h>

enum {
    TRANSFER_REQUEST = 16,     /* "G00000001000000\n" */
    TRANSFER_PERIOD = 65521,   /* a prime */
    TRANSFER_PIECE = 64 * 1024 /* that is read or written at once */
};

static inline uint8_t transfer_byte(uint64_t n)
{
    n %= TRANSFER_PERIOD;
    return (uint8_t)(n ^ n >> 7);
}

/* A piece from any place of a transfer on is part of this. */
static inline void transfer_fill(uint8_t *pattern)
{
    for (uint32_t i = 0; i < TRANSFER_PERIOD + TRANSFER_PIECE; i++)
        pattern[i] = transfer_byte(i);
}

#endif
