/* Crash dumps, for those that bring them somewhere. */
#ifndef TORC_KERNEL_DUMP_H
#define TORC_KERNEL_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a dump goes, in pieces of `size` bytes, the last one perhaps less. */
struct dump_sink {
    uint8_t *piece; /* memory for one */
    size_t size;
    /* Returns false: no more of them. Must not wait for anybody. */
    bool (*write)(const uint8_t *piece, size_t len);
};

/* Write a dump. In a report of a panic: all other CPUs are stopped. */
void dump_stream(const struct dump_sink *sink);

/* dump_stream() has run into a fault: write what it has of its last piece. */
void dump_rest(void);

#endif
