/*
 * Reading ahead of the reader of a file: struct readahead.
 *
 * What has been asked for ends at `end`. When the reader comes to `mark`, which
 * is where the last window begins, the next one is asked for, twice as long.
 * While the pages are in memory anyway nothing of this happens.
 */
#include "kernel/cache/cache_internal.h"

enum { WINDOW_MIN = 4, WINDOW_MAX = 64 };

static void window_widen(struct readahead *readahead)
{
    uint32_t twice = 2 * readahead->window;

    if (twice < WINDOW_MIN)
        twice = WINDOW_MIN;
    readahead->window = twice < WINDOW_MAX ? twice : WINDOW_MAX;
}

/* The reader has come to `mark`. */
static void window_next(struct mapping *mapping, struct readahead *readahead)
{
    uint64_t first = readahead->end;

    window_widen(readahead);
    readahead->mark = first;
    readahead->end = first + readahead->window;
    page_read_ahead(mapping, first, readahead->window);
}

/* How many pages to read with page `index`, which is not in memory. */
static uint32_t window_open(struct readahead *readahead, uint64_t index)
{
    if (readahead->window == 0 || index >= readahead->end) {
        window_widen(readahead);
        readahead->mark = index + readahead->window / 2;
        readahead->end = index + readahead->window;
    }
    return (uint32_t)(readahead->end - index - 1);
}

int page_read(struct mapping *mapping, uint64_t index,
              struct readahead *readahead, struct page **out)
{
    bool is_next = index == readahead->next;
    bool is_again = index + 1 == readahead->next;
    struct page *page;

    if (unlikely(!is_next && !is_again))
        *readahead = (struct readahead){.next = 0};
    readahead->next = index + 1;
    page = page_find(mapping, index);
    if (unlikely(page == NULL))
        return page_get(mapping, index,
                        is_next || is_again ? window_open(readahead, index) : 0,
                        out);
    if (unlikely(is_next && readahead->window > 0 && index == readahead->mark))
        window_next(mapping, readahead);
    *out = page;
    return 0;
}
