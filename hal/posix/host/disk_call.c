/*
 * Which system calls a request of a disk needs, one after the other, whoever
 * makes them: disk_internal.h.
 *
 * A transfer goes on where a short one has stopped; one that moves nothing has
 * met the end of a file that was cut, which is a broken medium. Zeroes are
 * written by the best call that the file system has: one that keeps the room,
 * one that gives it back, or a write.
 */
#include "hal/posix/host/disk_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <torc/assert.h>

enum {
    RETRY_MAX = 100,         /* of a call that was interrupted */
    ZERO_BYTES = 256 * 1024, /* of a write of zeroes */
};

static uint8_t zeroes[ZERO_BYTES] __attribute__((aligned(4096)));

void disk_begin(const struct disk *disk, struct host_disk_request *request)
{
    request->status = 0;
    request->cancelled = false;
    request->done = 0;
    request->retries = 0;
    request->step =
        request->op == HOST_DISK_FLUSH ? HOST_DISK_SYNC : HOST_DISK_MOVE;
    if (disk->read_only && request->op != HOST_DISK_READ) {
        request->status = -EROFS;
        request->step = HOST_DISK_END;
    }
}

static void zero_next(struct disk *disk, struct host_disk_request *request,
                      struct disk_call *call)
{
    uint64_t left = request->size - request->done;

    request->zeroing = atomic_load(&disk->zeroing);
    if (request->zeroing == DISK_WRITE_ZEROES) {
        request->zeroes.base = zeroes;
        request->zeroes.len = left < ZERO_BYTES ? left : ZERO_BYTES;
        call->kind = DISK_WRITEV;
        call->vec = &request->zeroes;
        call->vec_count = 1;
        return;
    }
    call->kind = DISK_ALLOCATE;
    call->mode = FALLOC_FL_KEEP_SIZE;
    call->mode |= request->zeroing == DISK_ZERO_RANGE ? FALLOC_FL_ZERO_RANGE
                                                      : FALLOC_FL_PUNCH_HOLE;
    call->size = left;
}

bool disk_next(struct disk *disk, struct host_disk_request *request,
               struct disk_call *call)
{
    if (request->step == HOST_DISK_END)
        return false;
    *call = (struct disk_call){.kind = DISK_DATASYNC};
    if (request->step == HOST_DISK_SYNC)
        return true;
    call->offset = disk->offset + request->offset + request->done;
    call->vec = request->vec;
    call->vec_count = request->vec_count;
    switch (request->op) {
    case HOST_DISK_READ:
        call->kind = DISK_READV;
        break;
    case HOST_DISK_WRITE:
        call->kind = DISK_WRITEV;
        call->durable = request->durable;
        break;
    case HOST_DISK_DISCARD:
        call->kind = DISK_ALLOCATE;
        call->mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
        call->size = request->size;
        break;
    case HOST_DISK_ZERO:
        zero_next(disk, request, call);
        break;
    case HOST_DISK_FLUSH:
        assert(false); /* it begins with the other step */
    }
    return true;
}

static void end(struct host_disk_request *request, int status)
{
    request->status = status;
    request->step = HOST_DISK_END;
}

static void fail(struct disk *disk, struct host_disk_request *request, int err)
{
    int tried = request->zeroing;

    if (err == EOPNOTSUPP && request->step == HOST_DISK_MOVE) {
        if (request->op == HOST_DISK_ZERO && tried != DISK_WRITE_ZEROES) {
            /* Once more, by the next best; another thread may be faster. */
            atomic_compare_exchange_strong(&disk->zeroing, &tried, tried + 1);
            return;
        }
        if (request->op == HOST_DISK_DISCARD) {
            end(request, -ENOTSUP);
            return;
        }
    }
    if (err == ENOSPC || err == EDQUOT)
        end(request, -ENOSPC);
    else if (err == ECANCELED)
        end(request, -ECANCELED);
    else
        end(request, -EIO);
}

/* Leave out the first `bytes` of the vector. */
static void vec_advance(struct host_disk_request *request, uint64_t bytes)
{
    while (request->vec_count > 0 && bytes >= request->vec->len) {
        bytes -= request->vec->len;
        request->vec++;
        request->vec_count--;
    }
    if (bytes == 0)
        return;
    assert(request->vec_count > 0);
    request->vec->base = (char *)request->vec->base + bytes;
    request->vec->len -= bytes;
}

/* So many bytes have been moved or made zero. */
static void moved(struct host_disk_request *request, uint64_t bytes)
{
    assert(bytes <= request->size - request->done);
    request->done += bytes;
    if (request->op == HOST_DISK_READ || request->op == HOST_DISK_WRITE)
        vec_advance(request, bytes);
    if (request->done < request->size)
        return;
    if (request->op == HOST_DISK_ZERO && request->durable)
        request->step = HOST_DISK_SYNC;
    else
        end(request, 0);
}

static bool allocates(const struct host_disk_request *request)
{
    return request->op == HOST_DISK_DISCARD ||
           (request->op == HOST_DISK_ZERO &&
            request->zeroing != DISK_WRITE_ZEROES);
}

void disk_result(struct disk *disk, struct host_disk_request *request,
                 long result)
{
    assert(request->step != HOST_DISK_END);
    if (result == -EINTR && request->cancelled)
        result = -ECANCELED;
    if ((result == -EINTR || result == -EAGAIN) &&
        request->retries++ < RETRY_MAX)
        return;
    if (result < 0)
        fail(disk, request, (int)-result);
    else if (request->step == HOST_DISK_SYNC)
        end(request, 0);
    else if (allocates(request))
        moved(request, request->size - request->done);
    else if (result == 0)
        end(request, -EIO); /* the file has been cut short */
    else
        moved(request, (uint64_t)result);
}
