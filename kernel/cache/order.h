/*
 * The order in which parts of a device become durable.
 *
 * A file system without a journal says which of its blocks, as they are now,
 * must be durable before which others are written. mapping_write() then writes
 * what waits for nothing, flushes the device, writes what has waited for that,
 * and so on: one flush for each step, however many blocks there are.
 *
 * What is asked for is a graph, of the blocks that are dirty, without circles:
 * what would close one is written first, in its older version. An edge is there
 * until its first end is durable. A block that gets another version meanwhile
 * has more edges, not fewer.
 */
#ifndef TORC_KERNEL_CACHE_ORDER_H
#define TORC_KERNEL_CACHE_ORDER_H

#include "kernel/cache/mapping.h"

/* `before` is to be durable before `after` is written: each a block that begins
 * at a byte of a pinned page. */
struct order_pair {
    struct page *before;
    struct page *after;
    uint32_t before_from;
    uint32_t after_from;
};

/* Let the mapping of a device have an order of its blocks, of `block_bytes`: a
 * power of two, whole units, PAGE_BYTES at most. It ends with the mapping.
 * Returns 0, -ENOMEM. */
must_check int mapping_order_init(struct mapping *mapping,
                                  uint32_t block_bytes);

/*
 * Ask for an order of blocks that are about to change, all of them before the
 * caller waits again. Thread; may wait, and says so. Returns 0: it is kept from
 * now on; 1: it is not, but what was in the way has been written, and the
 * caller tries again; -ENOMEM, or the error of the device.
 */
must_check int mapping_order(struct mapping *mapping,
                             const struct order_pair *pairs, unsigned count);

/* Whether mapping_order() of a pair would keep it at once: it waits for nobody,
 * and it is seen soon that it closes no circle. Does not wait. */
bool mapping_order_fits(const struct mapping *mapping,
                        const struct order_pair *pair);

/* Flush the device: what has been written of a mapping with an order is
 * durable. Thread; waits. Returns as block_flush(). */
must_check int mapping_flush(struct mapping *mapping);

#endif
