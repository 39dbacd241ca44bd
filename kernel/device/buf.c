/* Buffers, loans of them, and slices: <torc/buf.h>. */
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include <torc/buf.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/page_run.h>
#include <torc/string.h>

void buf_init(struct buf *buf, void *base, uint32_t size,
              void (*release)(struct buf *buf))
{
    *buf = (struct buf){
        .base = base,
        .bus = hal_dma_addr(base),
        .size = size,
        .owner = cpu_self(),
        .release = release,
        .refs = 1,
    };
    buf_check(buf);
}

__attribute__((cold)) void buf_check(const struct buf *buf)
{
    assert(buf->base != NULL);
    assert(buf->size > 0);
    assert(buf->owner != NULL);
    assert(buf->release != NULL);
    assert(!buf_is_mine(buf) || buf->refs > 0);
}

/* ---- Memory of their own ------------------------------------------------- */

static void alloc_release(struct buf *buf)
{
    dma_free(buf->base, buf->size);
    mem_free(buf);
}

struct buf *buf_alloc_undefined(uint32_t size)
{
    const uint32_t mask = HAL_PAGE_SIZE - 1;
    struct buf *buf;
    void *base;

    assert(size > 0);
    if (size > UINT32_MAX - mask)
        return NULL;
    size = (size + mask) & ~mask;
    buf = mem_alloc(sizeof(*buf));
    base = buf == NULL ? NULL : dma_alloc_undefined(size);
    if (base == NULL) {
        mem_free(buf);
        return NULL;
    }
    buf_init(buf, base, size, alloc_release);
    return buf;
}

struct buf *buf_of_page(void *page)
{
    struct buf *buf = mem_alloc(sizeof(*buf));

    if (buf != NULL)
        buf_init(buf, page, HAL_PAGE_SIZE, alloc_release);
    return buf;
}

struct buf *buf_alloc(uint32_t size)
{
    struct buf *buf = buf_alloc_undefined(size);

    if (buf != NULL)
        memset(buf->base, 0, buf->size);
    return buf;
}

/* ---- Constant data ------------------------------------------------------- */

static __attribute__((cold)) void constant_release(struct buf *buf)
{
    mem_free(buf);
}

/* Whether devices reach the pages that the bytes lie in. */
static __attribute__((cold)) bool constant_reached(const void *data,
                                                   uint32_t size)
{
    const uintptr_t mask = HAL_PAGE_SIZE - 1;
    uintptr_t first = (uintptr_t)data & ~mask;
    uintptr_t end = ((uintptr_t)data + size + mask) & ~mask;

    return hal_dma_map((void *)first, end - first) == 0;
}

__attribute__((cold)) struct buf *buf_constant(const void *data, uint32_t size)
{
    struct buf *buf;

    assert(size > 0);
    if (!constant_reached(data, size)) {
        buf = buf_alloc(size);
        if (buf == NULL)
            return NULL;
        memcpy(buf->base, data, size);
        return buf;
    }
    buf = mem_alloc(sizeof(*buf));
    if (buf == NULL)
        return NULL;
    buf_init(buf, (void *)(uintptr_t)data, size, constant_release);
    return buf;
}

/* ---- Loans --------------------------------------------------------------- */

struct loan {
    struct buf buf; /* the borrower's */
    /* constant: */
    struct buf *lent;
    unsigned home;             /* the CPU of `lent` */
    struct exchange_item item; /* the borrower's, then the way home */
};

/* At home: the borrower has dropped its last reference. */
static void loan_came_home(struct exchange_item *item)
{
    struct loan *loan = container_of(item, struct loan, item);
    struct buf *lent = loan->lent;

    assert(loan->buf.refs == 0);
    mem_free(loan);
    buf_put(lent);
}

static void loan_release(struct buf *buf)
{
    struct loan *loan = container_of(buf, struct loan, buf);

    exchange_send(loan->home, &loan->item);
}

struct buf *buf_lend(struct buf *buf, unsigned cpu)
{
    struct loan *loan;

    assert(cpu < cpu_count());
    assert(cpu != cpu_self()->id);
    loan = mem_alloc(sizeof(*loan));
    if (loan == NULL)
        return NULL;
    buf_get(buf);
    loan->buf = *buf;
    loan->buf.owner = cpu_of(cpu); /* its address only */
    loan->buf.release = loan_release;
    loan->buf.refs = 1;
    loan->lent = buf;
    loan->home = cpu_self()->id;
    loan->item.run = loan_came_home;
    return &loan->buf;
}

/* ---- Slices -------------------------------------------------------------- */

uint64_t slices_len(const struct slice *vec, unsigned count)
{
    uint64_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += vec[i].len;
    return len;
}

/* Copies one piece; in one of the two directions. */
static void piece_copy(uint8_t *at, void *to, const void *from, size_t done,
                       size_t size)
{
    if (to != NULL)
        memcpy((uint8_t *)to + done, at, size);
    else
        memcpy(at, (const uint8_t *)from + done, size);
}

static size_t slices_copy(const struct slice *vec, unsigned count,
                          uint64_t offset, void *to, const void *from,
                          size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < size; i++) {
        size_t piece = vec[i].len;

        assert(slice_valid(&vec[i]));
        if (offset >= piece) {
            offset -= piece;
            continue;
        }
        piece -= (size_t)offset;
        if (piece > size - done)
            piece = size - done;
        piece_copy(slice_data(&vec[i]) + offset, to, from, done, piece);
        done += piece;
        offset = 0;
    }
    return done;
}

size_t slices_read(const struct slice *vec, unsigned count, uint64_t offset,
                   void *to, size_t size)
{
    return slices_copy(vec, count, offset, to, NULL, size);
}

size_t slices_write(const struct slice *vec, unsigned count, uint64_t offset,
                    const void *from, size_t size)
{
    return slices_copy(vec, count, offset, NULL, from, size);
}
