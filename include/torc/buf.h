/*
 * Counted memory that devices can reach, and slices of it.
 *
 * A buffer belongs to the CPU that made it: only there references are taken and
 * dropped; elsewhere both panic, in every build. Another CPU uses the memory by
 * a loan (buf_lend()), which is a buffer of its own over the same bytes.
 */
#ifndef TORC_BUF_H
#define TORC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/compiler.h>
#include <torc/cpu_local.h>

struct buf {
    /* constant while there are references: */
    uint8_t *base;
    uint64_t bus;  /* the address of base for devices */
    uint32_t size; /* bytes, > 0 */
    void *owner;   /* what hal_cpu_local() is on the CPU it belongs to */
    /* The last reference was dropped: the memory is the maker's again. Owner
     * CPU; must not wait. */
    void (*release)(struct buf *buf);

    uint32_t refs; /* owner CPU only */
};

/* `len` bytes of a buffer, from `offset` on. */
struct slice {
    struct buf *buf;
    uint32_t offset;
    uint32_t len;
};

/* Whether the buffer belongs to the calling CPU. */
static inline bool buf_is_mine(const struct buf *buf)
{
    return buf->owner == hal_cpu_local();
}

/* One reference more, one less. Owner CPU; the caller has a reference. */
static inline void buf_get(struct buf *buf)
{
    assert(buf_is_mine(buf));
    assert(buf->refs > 0 && buf->refs < UINT32_MAX);
    buf->refs++;
}

static inline void buf_put(struct buf *buf)
{
    assert(buf_is_mine(buf));
    assert(buf->refs > 0);
    if (--buf->refs == 0)
        buf->release(buf);
}

/*
 * Make a buffer of this CPU over memory that devices reach (dma_alloc()), with
 * one reference. `release` gets the memory back.
 */
void buf_init(struct buf *buf, void *base, uint32_t size,
              void (*release)(struct buf *buf));

/*
 * Allocate a buffer of `size` zeroed bytes (> 0), rounded up to whole pages,
 * with one reference; dropping the last one frees it. Returns NULL when this
 * CPU's region has no room. Any thread; does not wait.
 */
must_check struct buf *buf_alloc(uint32_t size);

/* The same, contents undefined: a device or the caller fills it. */
must_check struct buf *buf_alloc_undefined(uint32_t size);

/*
 * A buffer over constant data of the application, with one reference. The data
 * stay as they are as long as the machine runs. They are not copied where
 * devices reach the image; elsewhere one copy is made now. Returns NULL: no
 * memory.
 */
must_check struct buf *buf_constant(const void *data, uint32_t size);

/*
 * Lend the memory to another CPU: a buffer that belongs to `cpu`, with one
 * reference, which is dropped there. It keeps one reference of `buf`, which is
 * dropped here when the loan has come back. Owner CPU of `buf`. Returns NULL:
 * no memory.
 */
must_check struct buf *buf_lend(struct buf *buf, unsigned cpu);

/* Assert what is always true of a buffer that has references. Any CPU. */
void buf_check(const struct buf *buf);

/* ---- Slices -------------------------------------------------------------- */

static inline uint8_t *slice_data(const struct slice *slice)
{
    return slice->buf->base + slice->offset;
}

static inline uint64_t slice_bus(const struct slice *slice)
{
    return slice->buf->bus + slice->offset;
}

/* All of a buffer. Takes no reference. */
static inline struct slice slice_whole(struct buf *buf)
{
    return (struct slice){.buf = buf, .len = buf->size};
}

/* Whether the bytes of a slice lie in its buffer. */
static inline bool slice_valid(const struct slice *slice)
{
    return slice->buf != NULL && slice->offset <= slice->buf->size &&
           slice->len <= slice->buf->size - slice->offset;
}

/* How many bytes `count` slices have together. */
uint64_t slices_len(const struct slice *vec, unsigned count);

/*
 * Copy up to `size` bytes, from byte `offset` of the slices on, to `to`; or to
 * the slices from `from`. Returns how many: fewer where the slices end.
 */
size_t slices_read(const struct slice *vec, unsigned count, uint64_t offset,
                   void *to, size_t size);
size_t slices_write(const struct slice *vec, unsigned count, uint64_t offset,
                    const void *from, size_t size);

#endif
