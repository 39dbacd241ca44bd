/*
 * Disks by io_uring: requests go into the ring of the CPU (ring.h) and complete
 * there, so nothing here is shared with another thread.
 */
#include "hal/posix/host/disk_internal.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <torc/assert.h>
#include <torc/compiler.h>

static void describe(const struct disk *disk, const struct disk_call *call,
                     struct io_uring_sqe *sqe)
{
    const struct iovec *vec = (const struct iovec *)call->vec;
    unsigned count = call->vec_count;

    memset(sqe, 0, sizeof(*sqe));
    switch (call->kind) {
    case DISK_READV:
        if (count == 1)
            io_uring_prep_read(sqe, disk->fd, vec->iov_base,
                               (unsigned)vec->iov_len, call->offset);
        else
            io_uring_prep_readv(sqe, disk->fd, vec, count, call->offset);
        break;
    case DISK_WRITEV:
        if (count == 1)
            io_uring_prep_write(sqe, disk->fd, vec->iov_base,
                                (unsigned)vec->iov_len, call->offset);
        else
            io_uring_prep_writev(sqe, disk->fd, vec, count, call->offset);
        sqe->rw_flags = call->durable ? RWF_DSYNC : 0;
        break;
    case DISK_DATASYNC:
        io_uring_prep_fsync(sqe, disk->fd, IORING_FSYNC_DATASYNC);
        break;
    case DISK_ALLOCATE:
        io_uring_prep_fallocate(sqe, disk->fd, call->mode, (off_t)call->offset,
                                (off_t)call->size);
        break;
    }
}

/* Start the next call of the request, or end it. */
static void go_on(struct host_disk_queue *queue,
                  struct host_disk_request *request)
{
    struct io_uring_sqe sqe;
    struct disk_call call;

    if (disk_next(queue->disk, request, &call)) {
        describe(queue->disk, &call, &sqe);
        if (host_ring_push(queue->cpu, &sqe, &request->ring) == 0)
            return;
        request->status = -EIO; /* Linux has no memory for it */
    }
    if (disk_done(queue, request))
        machine_irq_raise(queue->irq);
}

static void call_done(struct host_ring_op *op, int result)
{
    struct host_disk_request *request =
        container_of(op, struct host_disk_request, ring);

    disk_result(request->queue->disk, request, result);
    go_on(request->queue, request);
}

static int uring_open(struct disk *disk, const char *path)
{
    (void)disk;
    (void)path;
    return 0;
}

static void uring_close(struct disk *disk)
{
    (void)disk;
}

static int queue_open(struct host_disk_queue *queue)
{
    return host_error(-host_ring_open(queue->cpu));
}

static void submit(struct host_disk_queue *queue,
                   struct host_disk_request *request)
{
    request->ring.done = call_done;
    disk_begin(queue->disk, request);
    go_on(queue, request);
}

static void commit(struct host_disk_queue *queue)
{
    host_ring_submit(queue->cpu);
}

static struct host_disk_request *poll(struct host_disk_queue *queue)
{
    if (queue->done.head == NULL)
        host_ring_reap(queue->cpu);
    return disk_done_pop(queue);
}

/* The answer to a cancellation says nothing that its request does not say. */
static void cancel_done(struct host_ring_op *op, int result)
{
    (void)op;
    (void)result;
}

static void cancel(struct host_disk_queue *queue)
{
    static struct host_ring_op op = {.done = cancel_done};

    for (unsigned i = 0; i < HOST_DISK_DEPTH; i++) {
        struct host_disk_request *request = &queue->requests[i];
        struct io_uring_sqe sqe;

        if (!request->under_way)
            continue;
        request->cancelled = true;
        memset(&sqe, 0, sizeof(sqe));
        io_uring_prep_cancel(&sqe, &request->ring, 0);
        if (host_ring_push(queue->cpu, &sqe, &op) != 0)
            break;
    }
    host_ring_submit(queue->cpu);
}

const struct disk_engine disk_uring = {
    .open = uring_open,
    .close = uring_close,
    .queue_open = queue_open,
    .submit = submit,
    .commit = commit,
    .poll = poll,
    .cancel = cancel,
};
