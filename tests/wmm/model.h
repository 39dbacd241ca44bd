/*
 * Atomic memory: C11 5.1.2.4 and 7.17.3, with the repairs of RC11 (Lahav et
 * al., PLDI 2017), as a machine that runs one operation after the other.
 * docs/wmm.md lists what it leaves out.
 */
#ifndef TORC_WMM_MODEL_H
#define TORC_WMM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An order is a set of these; 0 is relaxed. */
enum order {
    ORDER_ACQUIRE = 1,
    ORDER_RELEASE = 2,
    ORDER_TOTAL = 4, /* takes part in the one order of 7.17.3p6 */
};

/* What a read-modify-write does with the value. */
enum modify {
    MODIFY_SWAP,
    MODIFY_ADD,
    MODIFY_SUB,
    MODIFY_AND,
    MODIFY_OR,
    MODIFY_XOR,
    MODIFY_NAND,
};

/* An operation, wherever it is. */
struct access {
    uintptr_t address;
    unsigned size; /* 1, 2, 4 or 8 */
    unsigned order;
    const void *site; /* who asks for it */
};

void model_init(void);

/* Begin a test: no memory is known to be atomic. */
void model_forget(void);

/* Begin an execution. */
void model_begin(unsigned threads);

/*
 * For a snapshot: note what of the model changes with most operations. It holds
 * for the locations that are known by then, and model_clear() sets those that
 * came later to what they were.
 */
void model_note(unsigned threads);
void model_clear(unsigned threads);

uint64_t model_load(const struct access *access);
void model_store(const struct access *access, uint64_t value);
uint64_t model_modify(const struct access *access, enum modify how,
                      uint64_t operand);
/* Whether it was `*expected`; if not, that is what was found instead. */
bool model_compare_swap(const struct access *access, unsigned failure_order,
                        uint64_t *expected, uint64_t desired);
void model_fence(unsigned order, const void *site);

/* A plain access to a word in which there are atomic locations. */
void model_plain(uintptr_t address, size_t size, bool write, const void *site);

/* The clock of a thread, and what the running thread knows of it. */
unsigned model_epoch(unsigned thread);
unsigned model_knows(unsigned thread);

/*
 * Changes to the 64 bytes at `line` that the running thread has not seen:
 * either they are over by now, and it will see them, or not; then returns true.
 */
bool model_unseen(uintptr_t line);

/* Let a thread see no old values of what is stored up to now. */
void model_refresh(unsigned thread);

/* The modification orders of all locations, as a hash. */
uint64_t model_order_hash(void);

#endif
