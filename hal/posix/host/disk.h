/*
 * Disks: files or block devices of the host.
 *
 * A disk has queues, each used by one CPU. Their requests run side by side, in
 * any order: by io_uring on that CPU (disk_uring.c), or on threads
 * (disk_threads.c).
 */
#ifndef TORC_HAL_POSIX_HOST_DISK_H
#define TORC_HAL_POSIX_HOST_DISK_H

#include "hal/posix/host/config.h"
#include "hal/posix/host/ring.h"
#include "hal/posix/host/vec.h"

enum {
    HOST_DISK_DEPTH = 128,     /* requests of a queue */
    HOST_DISK_VECS = 256,      /* pieces of a request */
    HOST_DISK_BYTES = 8 << 20, /* of a request that moves bytes */
};

enum host_disk_op {
    HOST_DISK_READ,
    HOST_DISK_WRITE,
    HOST_DISK_FLUSH,
    HOST_DISK_DISCARD,
    HOST_DISK_ZERO,
};

enum host_disk_step { HOST_DISK_MOVE, HOST_DISK_SYNC, HOST_DISK_END };

/*
 * Belongs to the caller from get to submit and from poll to put; then to the
 * host half.
 */
struct host_disk_request {
    /* the caller's to fill: */
    enum host_disk_op op;
    bool durable;         /* WRITE, ZERO: ends when it is on the medium */
    uint64_t offset;      /* bytes */
    uint64_t size;        /* bytes; FLUSH: 0 */
    struct host_vec *vec; /* READ, WRITE: `size` bytes. Changed */
    unsigned vec_count;
    void *cookie;
    /* at completion: 0, -EIO, -EROFS, -ENOSPC, -ENOTSUP, -ECANCELED */
    int status;

    /* the host half's: */
    struct host_ring_op ring;
    struct host_disk_queue *queue;
    struct host_disk_request *next;
    enum host_disk_step step;
    bool under_way; /* from submit on, until it is over */
    bool cancelled; /* it was asked for */
    unsigned retries;
    uint64_t done; /* bytes */
    int zeroing;   /* ZERO: how it is tried */
    struct host_vec zeroes;
};

struct host_disk_info {
    uint64_t size;         /* bytes */
    uint32_t sector_size;  /* bytes; offset and size are multiples */
    uint32_t memory_align; /* of the base and length of each piece */
    bool read_only;
};

/*
 * Open disk `unit` with room for `queue_count` queues. Returns 0, or an error
 * after a line on stderr.
 */
int host_disk_open(unsigned unit, const struct host_disk_config *config,
                   unsigned queue_count, struct host_disk_info *info);

/* Its requests are over, or have been forgotten. CPU 0, which is alone. */
void host_disk_close(unsigned unit);

/*
 * Open a queue for the calling CPU, whose number is `cpu`. A completion raises
 * `irq`, unless it was raised since the last host_disk_poll() that returned
 * NULL. Returns 0, -ENOMEM, -EBUSY (open already).
 */
int host_disk_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq);

/* The interrupt of a queue, or -ENOENT: it is not open. *cpu: whose it is. */
int host_disk_queue_irq(unsigned unit, unsigned queue, unsigned *cpu);

/* Move bytes at once, beside all queues; 0 bytes: make durable what was moved
 * so. Any thread. Returns 0, -EIO. */
int host_disk_now(unsigned unit, bool is_write, uint64_t offset, void *data,
                  size_t size);

/* ---- The CPU that has opened the queue ----------------------------------- */

/* A request that is free, or NULL: all are under way. */
struct host_disk_request *host_disk_get(unsigned unit, unsigned queue);
void host_disk_put(unsigned unit, unsigned queue,
                   struct host_disk_request *request);

/* Hand a request over; it starts at the next commit at the latest. */
void host_disk_submit(unsigned unit, unsigned queue,
                      struct host_disk_request *request);
void host_disk_commit(unsigned unit, unsigned queue);

/* A completed request, or NULL. */
struct host_disk_request *host_disk_poll(unsigned unit, unsigned queue);

/* What has not begun ends with -ECANCELED. */
void host_disk_cancel(unsigned unit, unsigned queue);

/* What is always true of a queue. */
void host_disk_check(unsigned unit, unsigned queue);

#endif
