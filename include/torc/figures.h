/*
 * What each CPU, its memory, threads, slots, disks and cards do, for programs
 * that show it: the figures of the status page (docs/status.md).
 */
#ifndef TORC_FIGURES_H
#define TORC_FIGURES_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/memory.h>
#include <torc/thread.h>

enum { FIGURES_THREADS = 64, FIGURES_QUEUES = 16 };

struct figures_thread {
    thread_id id;
    enum thread_state state;
    uint64_t time_ns; /* it has run, since figures_start() */
    size_t stack_size;
    char name[THREAD_NAME_MAX];
};

/* A queue of a disk or a card that belongs to the CPU. */
struct figures_queue {
    const char *device; /* its name */
    bool is_card;
    bool link_up;
    uint64_t sectors; /* of a disk, in 512 bytes */
    uint64_t requests, failed;
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
};

/* Of one CPU. */
struct figures {
    uint64_t time_ns; /* time_ns() */
    uint64_t idle_ns; /* without work, since figures_start() */
    uint64_t switches;
    struct mem_stats memory;
    /* with all other CPUs together: lists of items, passes that found a slot
     * full, items */
    uint64_t lists_sent, lists_taken, blocked, items_received;
    unsigned threads_all;  /* how many there are */
    unsigned thread_count; /* of which these are here */
    struct figures_thread threads[FIGURES_THREADS];
    unsigned queue_count;
    struct figures_queue queues[FIGURES_QUEUES];
    bool has_net;
    unsigned connections;
};

/* Let each CPU count the time of its threads, and learn the rate of the
 * counter, which takes 20 ms. Once, before figures_get(). Context: thread;
 * waits. Returns 0, or as remote_call() of <torc/message.h>. */
must_check int figures_start(void);

/* Ask a CPU, 0 .. cpu_count()-1. Context: thread; waits. Returns 0, -ENOMEM, or
 * as remote_call(). */
must_check int figures_get(unsigned cpu, struct figures *out);

#endif
