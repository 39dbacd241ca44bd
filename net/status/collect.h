/* What the status page shows. Each CPU fills its own part. */
#ifndef TORC_NET_STATUS_COLLECT_H
#define TORC_NET_STATUS_COLLECT_H

#include "kernel/cpu/exchange.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/thread_list.h"
#include "net/stats.h"
#include <stdbool.h>
#include <torc/memory.h>

enum { STATUS_THREADS = 64, STATUS_DEVICES = 16 };

/* This CPU's queue of a disk or a card. */
struct status_queue {
    const char *device; /* its name */
    bool is_card;
    uint64_t sectors; /* of a disk, in 512 bytes */
    bool link_up;     /* of a card, on the CPU of its queue 0; else true */
    uint64_t submitted, failed;
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
};

struct status_cpu {
    unsigned cpu;
    uint64_t time_ns; /* time_ns() */
    struct cpu_load load;
    struct mem_stats memory;
    struct exchange_counters slots; /* with all other CPUs together */
    unsigned thread_count;          /* rows */
    struct thread_row threads[STATUS_THREADS];
    unsigned queue_count;
    struct status_queue queues[STATUS_DEVICES];
    bool has_net;
    unsigned connections;
    struct net_stats net;
};

/*
 * Ask every CPU; `out` has cpu_count() places. Context: thread; waits. Returns
 * 0, -ENOMEM, -EAGAIN.
 */
must_check int status_collect(struct status_cpu out[]);

/* Ask one CPU. As status_collect(). */
must_check int status_collect_one(unsigned cpu, struct status_cpu *out);

/* Counter cycles to nanoseconds; the rate is constant after
 * status_count_time(). */
extern uint64_t status_cycles_per_ms;
static inline uint64_t status_ns(uint64_t cycles)
{
    return cycles / status_cycles_per_ms * 1000000 +
           cycles % status_cycles_per_ms * 1000000 / status_cycles_per_ms;
}

/* Let each CPU count the time of its threads, and learn the rate of the
 * counter, which takes 20 ms. As status_collect(). */
must_check int status_count_time(void);

#endif
