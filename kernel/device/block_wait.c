/* Threads that wait for one request. */
#include "kernel/device/block_internal.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>

struct waiter {
    struct wait_queue queue;
    bool is_done;
    int status;
};

static void waiter_done(struct block_request *request, int status)
{
    struct waiter *waiter = request->cookie;

    waiter->is_done = true;
    waiter->status = status;
    wait_wake_all(&waiter->queue);
}

/* The request is whole but for its end. */
static int submit_and_wait(struct block_open *open,
                           struct block_request *request)
{
    struct waiter waiter = {.is_done = false};
    int status;

    wait_queue_init(&waiter.queue);
    request->done = waiter_done;
    request->cookie = &waiter;
    status = block_submit(open, request);
    if (status != 0)
        return status;
    while (!waiter.is_done)
        wait_on(&waiter.queue);
    return waiter.status;
}

static int transfer(struct block_open *open, enum block_op op, uint64_t sector,
                    const struct slice *vec, unsigned count)
{
    uint64_t len = slices_len(vec, count);
    struct block_request request = {
        .op = op,
        .sector = sector,
        .sectors = (uint32_t)(len / BLOCK_SECTOR_SIZE),
        .vec = vec,
        .count = count,
    };

    if (len / BLOCK_SECTOR_SIZE > UINT32_MAX)
        return -EINVAL;
    return submit_and_wait(open, &request);
}

int block_read(struct block_open *open, uint64_t sector,
               const struct slice *vec, unsigned count)
{
    return transfer(open, BLOCK_READ, sector, vec, count);
}

int block_write(struct block_open *open, uint64_t sector,
                const struct slice *vec, unsigned count)
{
    return transfer(open, BLOCK_WRITE, sector, vec, count);
}

int block_write_error(struct block_open *open)
{
    int status = open->write_error;

    open->write_error = 0;
    return status;
}

int block_flush(struct block_open *open)
{
    struct block_request request = {.op = BLOCK_FLUSH};
    int status = submit_and_wait(open, &request);
    int earlier;

    if (status == -EXDEV)
        return status;
    earlier = block_write_error(open);
    return earlier != 0 ? earlier : status;
}
