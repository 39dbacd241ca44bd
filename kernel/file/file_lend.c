/* file_lend(): memory of a file without a copy, also to another CPU. */
#include "kernel/file/carry.h"

struct lend_call {
    struct carried call;
    struct slice *slices;
    unsigned count;
};

/* In place of each buffer a loan for another CPU, NULL where there is no memory
 * for one. */
static void lend_on(struct slice *slices, unsigned count, unsigned cpu)
{
    for (unsigned i = 0; i < count; i++) {
        struct buf *own = slices[i].buf;

        slices[i].buf = buf_lend(own, cpu);
        buf_put(own);
    }
}

static int64_t run_lend(struct carried *call)
{
    struct lend_call *lend = container_of(call, struct lend_call, call);
    int64_t got = file_lend(call->file, call->offset, call->size, lend->slices,
                            &lend->count);

    lend_on(lend->slices, lend->count, call->errand.from);
    return got;
}

/* What was lent is all there; or it is given back. */
static int64_t check_loans(const struct slice *slices, unsigned *count)
{
    unsigned loans = 0;

    for (unsigned i = 0; i < *count; i++)
        loans += slices[i].buf != NULL;
    if (loans == *count)
        return 0;
    for (unsigned i = 0; i < *count; i++) {
        if (slices[i].buf != NULL)
            buf_put(slices[i].buf);
    }
    *count = 0;
    return -ENOMEM;
}

static int64_t lend_away(struct file *file, uint64_t offset, uint64_t size,
                         struct slice *slices, unsigned *count)
{
    struct lend_call lend = {
        .call = {.run = run_lend, .file = file, .size = size, .offset = offset},
        .slices = slices,
        .count = *count,
    };
    int64_t got = carry_file(&lend.call), status;

    *count = got < 0 ? 0 : lend.count;
    status = check_loans(slices, count);
    return status != 0 ? status : got;
}

static noinline int64_t lend_slowly(struct file *file, uint64_t offset,
                                    uint64_t size, struct slice *slices,
                                    unsigned *count)
{
    if (!file_is_mine(file))
        return lend_away(file, offset, size, slices, count);
    if ((file->flags & FILE_READ) == 0) {
        *count = 0;
        return -EBADF;
    }
    return vfs_lend(file->inode, offset, size, &file->readahead, slices, count);
}

int64_t file_lend(struct file *file, uint64_t offset, uint64_t size,
                  struct slice *slices, unsigned *count)
{
    if (likely(file_is_mine(file) && (file->flags & FILE_READ) != 0 &&
               *count > 0 && is_quick(file->inode, offset, size))) {
        struct buf *buf = page_lend_now(
            &file->inode->pages, offset >> PAGE_BYTES_SHIFT, &file->readahead);

        if (likely(buf != NULL)) {
            *slices = (struct slice){buf, (uint32_t)(offset % PAGE_BYTES),
                                     (uint32_t)size};
            *count = 1;
            return (int64_t)size;
        }
    }
    return lend_slowly(file, offset, size, slices, count);
}
