/*
 * Pages in memory, many or as a whole: what a reader copies at once, and what
 * is overwritten without a look at what was there.
 */
#ifndef TORC_KERNEL_CACHE_RUN_H
#define TORC_KERNEL_CACHE_RUN_H

#include "kernel/cache/mapping.h"

/*
 * Copy up to `size` (> 0) bytes at `at`, which are before the mapping's end,
 * for the reader of a file, without a wait: as far as the pages are in memory
 * and nothing is to be read ahead. Returns how many bytes; behind them
 * page_read() is needed.
 */
size_t page_copy_now(struct mapping *mapping, uint64_t at, void *to,
                     size_t size, struct readahead *readahead);

/*
 * page_take(), page_modify() and page_dirty() in one step: the `size` (> 0)
 * bytes at `at`, which lie in one page, become those at `from`. Waits. Returns
 * as these.
 */
must_check int page_overwrite(struct mapping *mapping, uint64_t at,
                              const void *from, uint32_t size);

/*
 * The same of whole pages before the mapping's end, without a wait: as many
 * from `at` on as are in memory, have room, and lie one behind the other.
 * Returns how many bytes; behind them page_overwrite() is needed.
 */
size_t page_overwrite_now(struct mapping *mapping, uint64_t at,
                          const void *from, size_t size);

/*
 * page_overwrite() of a whole page, without a copy: the page gets the buffer,
 * which has PAGE_BYTES, and the caller's reference to it, which is dropped
 * after an error. The bytes are not changed any more by who has made it.
 */
must_check int page_give(struct mapping *mapping, uint64_t index,
                         struct buf *buf);

#endif
