/*
 * io_uring: each CPU may have one ring, through which Linux works for it.
 *
 * Operations complete in the ring's memory. Nobody interrupts the CPU for it:
 * while operations are under way it looks there itself, at its delivery points
 * (kernel/cpu.c), and when it has nothing to do it sleeps in the ring
 * (host/thread.c), so that a completion ends the sleep.
 *
 * A ring belongs to its CPU: only that one may call what has `cpu` in it.
 */
#ifndef TORC_HAL_POSIX_HOST_RING_H
#define TORC_HAL_POSIX_HOST_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct io_uring_sqe;

/*
 * An operation of Linux. done() is called once, on the CPU, from
 * host_ring_reap() or host_ring_close(), with what the system call would have
 * returned: a count or a negative errno of the host. It may start others.
 */
struct host_ring_op {
    void (*done)(struct host_ring_op *op, int result);
    bool stays; /* it may never complete: closing does not wait for it */
};

/*
 * Whether Linux lets this process have a ring that can do all we need. Returns
 * 0 or a negative errno of the host. Any thread.
 */
int host_ring_probe(void);

/* Make the ring of the CPU, unless it has one. Returns 0, or the negative errno
 * of the host. */
int host_ring_open(unsigned cpu);

/*
 * Wait until all operations have completed (ten seconds at most), then take the
 * ring away. Does nothing when there is none.
 */
void host_ring_close(unsigned cpu);

/*
 * Start an operation that *sqe describes (user_data is the ring's). Linux sees
 * it at host_ring_submit(); else when the CPU sleeps, or has looked at the ring
 * twice. Returns 0, or -EAGAIN when there is no room.
 */
int host_ring_push(unsigned cpu, const struct io_uring_sqe *sqe,
                   struct host_ring_op *op);
void host_ring_submit(unsigned cpu);

/* Whether operations are under way. */
bool host_ring_busy(unsigned cpu);

/*
 * Call done() of what has completed: no system call when nothing has. Returns
 * whether anything had, wakes included.
 */
bool host_ring_reap(unsigned cpu);

/*
 * Sleep until an operation completes, host_ring_wake() is called or `ns` are
 * over; UINT64_MAX: not limited. May also end without any of them.
 */
void host_ring_sleep(unsigned cpu, uint64_t ns);

/* End the sleep of the CPU, or its next one. Any thread. */
void host_ring_wake(unsigned cpu);

#endif
