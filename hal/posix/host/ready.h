/*
 * Interrupts of files that become ready: the ring of the CPU polls them, or,
 * where there is none, one thread waits for all (epoll).
 */
#ifndef TORC_HAL_POSIX_HOST_READY_H
#define TORC_HAL_POSIX_HOST_READY_H

#include "hal/posix/host/ring.h"
#include <stdatomic.h>
#include <stdbool.h>

/* Its fields are ready.c's. */
struct host_ready {
    int fd;
    short events; /* POLLIN, POLLOUT */
    int irq;
    unsigned cpu;
    bool by_ring;
    atomic_bool armed;
    struct host_ring_op op;
};

/*
 * From now on `irq` can be raised when `fd` has one of `events`. The CPU whose
 * number is `cpu`, whose interrupt it is. Returns 0 or an error.
 */
int host_ready_open(struct host_ready *ready, int fd, short events,
                    unsigned cpu, int irq);

/* CPU 0, which is alone; the file is open still. */
void host_ready_close(struct host_ready *ready);

/*
 * Raise the interrupt once, when the file is ready: now, if it is. That CPU.
 */
void host_ready_arm(struct host_ready *ready);

#endif
