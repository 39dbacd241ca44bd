/*
 * Plain memory: who has touched each byte, and what it was before. A program
 * with a data race has no meaning in C11 (5.1.2.4p25), so plain accesses need
 * no model beyond finding the races.
 */
#ifndef TORC_WMM_RACE_H
#define TORC_WMM_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The memory that is watched: the data of the program, stacks excluded. */
void race_init(void);

/* A plain access of the running thread, before it is done. */
void race_access(uintptr_t address, size_t size, bool write, const void *site);

/* An atomic one: against the plain accesses there were. */
void race_against_plain(uintptr_t address, size_t size, bool write,
                        const void *site);

/* Memory at `address` will change: note what it is. */
void race_save(uintptr_t address);

/* Whether the runtime watches this address. */
bool race_watches(uintptr_t address);

/* For each watched byte, the location it belongs to, or 0. */
uint8_t *race_location(uintptr_t address);

#endif
