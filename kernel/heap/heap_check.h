/*
 * memcheck=1, blocks with guards: heap_check.c.
 */
#ifndef TORC_KERNEL_HEAP_CHECK_H
#define TORC_KERNEL_HEAP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange_item;
struct heap;

/* memcheck=1: freed blocks whose memory is not used again yet; owner only. */
enum { QUARANTINE_BLOCKS = 64 };
struct quarantine {
    void *block[QUARANTINE_BLOCKS]; /* a ring */
    unsigned next;                  /* where the next one is put */
    unsigned count;
};

/* Blocks have guards; constant after heap_init(). */
extern bool heap_checking;

/* With guards: memcheck=1. On the owner CPU, with what check_alloc() gave. */
void *check_alloc(struct heap *heap, size_t size, size_t align);
void check_free(struct heap *heap, void *ptr);
size_t check_usable(const void *ptr);

/*
 * A block leaves the CPU that frees it for its owner. What check_send()
 * returned, the serial number, is for check_arrived() at home; without memory
 * to carry it, check_item() is the message, for check_item_arrived().
 */
uint64_t check_send(void *ptr);
void check_arrived(struct heap *heap, void *ptr, uint64_t serial);
struct exchange_item *check_item(void *ptr);
void check_item_arrived(struct heap *heap, struct exchange_item *item);

/* Give back the freed blocks that are kept. Owner CPU. */
void check_trim(struct heap *heap);

#endif
