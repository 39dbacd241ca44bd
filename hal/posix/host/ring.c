/*
 * Rings of the CPUs: ring.h.
 *
 * Who wakes a CPU writes to an eventfd that its ring polls. The poll is one
 * request that stays and posts a completion for each write, so waking needs no
 * preparation by the sleeper, and the eventfd is never read.
 *
 * With DEFER_TASKRUN Linux does the last part of each operation only when the
 * CPU enters the kernel for it, many at once, instead of interrupting it for
 * each; a flag in the ring's memory says that this is wanted. Older kernels
 * without it do as before.
 */
#include "hal/posix/host/ring.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/cpu.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

enum {
    SUBMIT_ENTRIES = 256,
    COMPLETE_ENTRIES = 4096,
    IN_FLIGHT_MAX = COMPLETE_ENTRIES - 64, /* the rest is for wakes */
    CLOSE_S = 10,
    NS_PER_S = 1000000000,
};

struct ring {
    struct io_uring uring;
    /* constant while the ring is open: */
    int wake_fd;
    /* the CPU only: */
    bool wake_polled; /* Linux polls wake_fd */
    unsigned in_flight;
    unsigned staying; /* of them, those that closing does not wait for */
    unsigned looks;   /* since there is something to submit */
};

/* Made and freed by the CPU. Others look while it sleeps in it: thread.c. */
static struct ring *rings[HOST_CPU_MAX];

/* ---- Open and close ------------------------------------------------------ */

/* What is used of Linux (5.13): waits with a timeout, polls that stay. */
enum { FEATURES = IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS };

static const int operations[] = {
    IORING_OP_POLL_ADD,  IORING_OP_READ,         IORING_OP_READV,
    IORING_OP_WRITE,     IORING_OP_WRITEV,       IORING_OP_FSYNC,
    IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
};

static int operations_check(struct io_uring *uring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
    int err = 0;

    if (probe == NULL)
        return -ENOSYS;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (!io_uring_opcode_supported(probe, operations[i]))
            err = -ENOSYS;
    io_uring_free_probe(probe);
    return err;
}

/* The best that this Linux has; see the flags in io_uring_setup(2). */
static int uring_open(struct io_uring *uring)
{
    static const unsigned wishes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int err = -EINVAL;

    for (unsigned i = 0; err == -EINVAL && i < 3; i++) {
        struct io_uring_params params = {
            .flags = wishes[i] | IORING_SETUP_CQSIZE,
            .cq_entries = COMPLETE_ENTRIES,
        };

        err = io_uring_queue_init_params(SUBMIT_ENTRIES, uring, &params);
        if (err == 0 && (params.features & FEATURES) != FEATURES) {
            io_uring_queue_exit(uring);
            return -ENOSYS;
        }
    }
    return err;
}

int host_ring_probe(void)
{
    struct io_uring uring;
    int err = uring_open(&uring);

    if (err != 0)
        return err;
    err = operations_check(&uring);
    io_uring_queue_exit(&uring);
    return err;
}

int host_ring_open(unsigned cpu)
{
    struct ring *ring;
    int err;

    assert(cpu < HOST_CPU_MAX);
    if (rings[cpu] != NULL)
        return 0;
    ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return -ENOMEM;
    err = uring_open(&ring->uring);
    if (err != 0)
        goto fail_uring;
    ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd < 0) {
        err = -errno;
        goto fail_eventfd;
    }
    /* A little faster, where Linux has it. */
    (void)io_uring_register_ring_fd(&ring->uring);
    rings[cpu] = ring;
    return 0;

fail_eventfd:
    io_uring_queue_exit(&ring->uring);
fail_uring:
    free(ring);
    return err;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void host_ring_close(unsigned cpu)
{
    struct ring *ring = rings[cpu];
    uint64_t end = now_ns() + (uint64_t)CLOSE_S * NS_PER_S;

    if (ring == NULL)
        return;
    /* The child of a fork() has none of the operations of its parent. */
    while (ring->in_flight > ring->staying && host_cpus_here() &&
           now_ns() < end) {
        host_ring_sleep(cpu, NS_PER_S / 10);
        (void)host_ring_reap(cpu);
    }
    rings[cpu] = NULL;
    io_uring_queue_exit(&ring->uring);
    close(ring->wake_fd);
    free(ring);
}

/* ---- Operations ---------------------------------------------------------- */

/* A place for an operation, or NULL: Linux does not take the ones before. */
static struct io_uring_sqe *place_get(struct ring *ring)
{
    struct io_uring_sqe *place = io_uring_get_sqe(&ring->uring);

    if (place != NULL)
        return place;
    (void)io_uring_submit(&ring->uring);
    return io_uring_get_sqe(&ring->uring);
}

int host_ring_push(unsigned cpu, const struct io_uring_sqe *sqe,
                   struct host_ring_op *op)
{
    struct ring *ring = rings[cpu];
    struct io_uring_sqe *place;

    assert(ring != NULL);
    assert(op != NULL && op->done != NULL);
    if (ring->in_flight == IN_FLIGHT_MAX)
        return -EAGAIN;
    place = place_get(ring);
    if (place == NULL)
        return -EAGAIN;
    *place = *sqe;
    io_uring_sqe_set_data(place, op);
    ring->in_flight++;
    ring->staying += op->stays;
    return 0;
}

/* What Linux does not take now (-EAGAIN, -EBUSY) stays, for the next time. */
void host_ring_submit(unsigned cpu)
{
    struct ring *ring = rings[cpu];

    if (ring == NULL || io_uring_sq_ready(&ring->uring) == 0)
        return;
    (void)io_uring_submit(&ring->uring);
    ring->looks = 0;
}

bool host_ring_busy(unsigned cpu)
{
    const struct ring *ring = rings[cpu];

    return ring != NULL && ring->in_flight > 0;
}

/* Linux has completions that it wants to be asked for. */
static bool asks(const struct ring *ring)
{
    unsigned flags = IO_URING_READ_ONCE(*ring->uring.sq.kflags);

    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static void complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
    struct host_ring_op *op = io_uring_cqe_get_data(cqe);

    if (op == NULL) { /* a wake */
        ring->wake_polled = (cqe->flags & IORING_CQE_F_MORE) != 0;
        return;
    }
    assert(ring->in_flight > 0);
    ring->in_flight--;
    ring->staying -= op->stays;
    op->done(op, cqe->res);
}

bool host_ring_reap(unsigned cpu)
{
    struct ring *ring = rings[cpu];
    unsigned count, ready;
    bool any;

    if (ring == NULL)
        return false;
    ready = io_uring_sq_ready(&ring->uring);
    if (io_uring_cq_ready(&ring->uring) == 0 && asks(ring))
        (void)io_uring_get_events(&ring->uring);
    /* What completes from now on waits for the next time. */
    count = io_uring_cq_ready(&ring->uring);
    assert(count <= *ring->uring.cq.kring_entries);
    any = count > 0;
    for (; count > 0; count--) {
        struct io_uring_cqe *next = NULL;
        struct io_uring_cqe cqe;

        if (io_uring_peek_cqe(&ring->uring, &next) != 0 || next == NULL)
            break;
        cqe = *next;
        io_uring_cqe_seen(&ring->uring, next);
        complete(ring, &cqe);
    }
    /* What goes on does so at once; what is new may join the next sleep. */
    if (io_uring_sq_ready(&ring->uring) > ready || ++ring->looks > 1)
        host_ring_submit(cpu);
    return any;
}

/* ---- Sleeping ------------------------------------------------------------ */

static void wake_poll(struct ring *ring)
{
    struct io_uring_sqe *place = place_get(ring);

    if (place == NULL)
        return; /* the sleep is short then: see below */
    io_uring_prep_poll_multishot(place, ring->wake_fd, POLLIN);
    io_uring_sqe_set_data(place, NULL);
    ring->wake_polled = true;
}

void host_ring_sleep(unsigned cpu, uint64_t ns)
{
    struct ring *ring = rings[cpu];
    struct __kernel_timespec time;
    struct io_uring_cqe *cqe;

    assert(ring != NULL);
    if (!ring->wake_polled)
        wake_poll(ring);
    if (!ring->wake_polled)
        ns = 1000000;
    time.tv_sec = (int64_t)(ns / NS_PER_S);
    time.tv_nsec = (int64_t)(ns % NS_PER_S);
    ring->looks = 0;
    (void)io_uring_submit_and_wait_timeout(
        &ring->uring, &cqe, 1, ns == UINT64_MAX ? NULL : &time, NULL);
}

void host_ring_wake(unsigned cpu)
{
    struct ring *ring = rings[cpu];

    if (ring != NULL)
        (void)eventfd_write(ring->wake_fd, 1);
}
