/*
 * Whether what several threads were told can have happened in some order, one
 * call after the other: calls on three names of one directory, each of which
 * has its moment between its begin and its end (Herlihy, Wing: Linearizability,
 * 1990). A link has two: what the old name leads to is found before the new
 * name is looked at, as POSIX does not ask for more. A call that has failed for
 * want of memory, or by the disk, has done nothing.
 */
#ifndef TORC_TESTS_SIM_NAMES_ORDER_H
#define TORC_TESTS_SIM_NAMES_ORDER_H

#include <stdbool.h>
#include <stdint.h>

enum { ORDER_NAMES = 3, ORDER_THREADS = 4, ORDER_CALLS_MAX = 63 };

enum order_kind {
    ORDER_CREATE, /* a file, exclusively */
    ORDER_MKDIR,
    ORDER_UNLINK,
    ORDER_RMDIR,
    ORDER_RENAME, /* flags: as file_rename() */
    ORDER_LINK,
    ORDER_STAT, /* the answer is the type */
    ORDER_KINDS,
};

struct order_call {
    uint8_t kind; /* enum order_kind */
    uint8_t a, b; /* names */
    uint8_t flags;
    uint8_t thread;
    int status;          /* the answer */
    uint32_t begin, end; /* moments, all different */
};

/* What the names lead to in the end: the number of the call that has made it,
 * from 1 on, as far as it is known; 0: nothing. */
struct order_end {
    bool is_there[ORDER_NAMES];
    bool is_directory[ORDER_NAMES];
    uint8_t made_by[ORDER_NAMES]; /* of a file; 0: it does not say */
    uint64_t inode[ORDER_NAMES];
};

/* Whether there is such an order that ends so. */
bool order_exists(const struct order_call *calls, unsigned count,
                  const struct order_end *end);

#endif
