/*
 * What the CPUs do with the devices, and what must be true of it. A rule that
 * is broken ends the run by sim_fail().
 */
#ifndef TORC_TESTS_SIM_IO_WORK_H
#define TORC_TESTS_SIM_IO_WORK_H

#include "hal/posix/sim/sim.h"
#include <torc/thread.h>

/* What takes longer never comes: virtual time. */
#define PATIENCE_NS UINT64_C(1000000000)

static inline void expect(bool holds, const char *rule)
{
    if (!holds)
        sim_fail(rule);
}

static inline unsigned draw(unsigned n)
{
    return hal_choose(n, SIM_WORK);
}

/* Run fn(arg) in a thread on that CPU. */
static inline thread_id thread_on(unsigned cpu, int (*fn)(void *arg), void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};
    thread_id id = 0;

    expect(thread_create(&attr, fn, arg, &id) == 0,
           "a thread cannot be created");
    return id;
}

static inline void thread_ends(thread_id id)
{
    int value = 1;

    expect(thread_join(id, &value) == 0, "a thread is lost");
    expect(value == 0, "a thread has failed");
}

/* A workload: network frames (net_work.c), a disk (disk_work.c). */
void net_work_plug(void);
void net_work_begin(void); /* in the main thread, first */
void net_work_start(void); /* threads that work */
void net_work_end(void);   /* all comes to an end, and nothing was lost */
void net_work_check(void); /* at every point */
/* Whether this CPU's memory may be with a card that was given up. */
bool net_work_keeps(void);
void disk_work_plug(void);
void disk_work_begin(void);
void disk_work_start(void);
void disk_work_end(void);
void disk_work_check(void);

#endif
