/*
 * What the measuring programs share. Each prints samples, one a line:
 *
 *   sample ROW CONTENDER PICOSECONDS
 *
 * and in the end how many of them are bad, "disturbed NUMBER",
 * and tools/bench_core.sh makes the tables of them. C and C++.
 */
#ifndef TORC_TESTS_BENCH_BENCH_H
#define TORC_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE __attribute__((aligned(64)))

/* ---- The host (host.c) --------------------------------------------------- */

/* Processors this process may use. */
unsigned bench_processors(void);

/* Bind the calling pthread to the n-th of them; ends the process otherwise. */
void bench_pin(unsigned n);

uint64_t bench_now_ns(void);

/* Does `count` operations; returns the nanoseconds they took. */
typedef uint64_t (*bench_fn)(uint64_t count);

/*
 * Picoseconds of one of `count` operations. With `quiet` the sample is taken
 * again (for a while) when another process had a processor of ours meanwhile;
 * that is for what neither sleeps nor yields to the host by itself.
 */
uint64_t bench_sample_ps(bench_fn run, uint64_t count, bool quiet);

/* Samples that stayed disturbed. */
extern unsigned bench_disturbed;

/* ---- Two processors (pair.c) --------------------------------------------- */

/* Serve pair_run() on the second processor, until pair_stop(). */
void pair_serve(void);

/*
 * Run side0(count) here and side1(count) on the second processor at once.
 * Returns the nanoseconds until both have ended.
 */
uint64_t pair_run(void (*side0)(uint64_t), void (*side1)(uint64_t),
                  uint64_t count);
void pair_stop(void);

/* ---- Contenders ---------------------------------------------------------- */

uint64_t bench_torc_trace(uint64_t count);  /* torc_trace.c */
uint64_t bench_torc_switch(uint64_t count); /* torc_switch.c */
uint64_t bench_torc_switch_bare(uint64_t count);
uint64_t bench_torc_yield(uint64_t count);
uint64_t bench_torc_slots_32(uint64_t count); /* torc_slots.c */
uint64_t bench_torc_slots_256(uint64_t count);
uint64_t bench_torc_slots_1(uint64_t count);
uint64_t bench_torc_turn(uint64_t count);
uint64_t bench_torc_channel(uint64_t count); /* torc_wake.c */
uint64_t bench_torc_remote_call(uint64_t count);

uint64_t bench_ucontext(uint64_t count); /* peer_posix.c */
uint64_t bench_sched_yield(uint64_t count);
uint64_t bench_cond(uint64_t count);
uint64_t bench_futex(uint64_t count);
uint64_t bench_line(uint64_t count);

uint64_t bench_ring_32(uint64_t count); /* peer_ring.c */
uint64_t bench_ring_256(uint64_t count);
uint64_t bench_ring_1(uint64_t count);
uint64_t bench_ring_turn(uint64_t count);

uint64_t bench_fcontext(uint64_t count); /* peer_boost.cc */
uint64_t bench_spsc(uint64_t count);
uint64_t bench_spsc_turn(uint64_t count);

/*
 * Five values in registers, as many as a called function must keep (the sixth
 * is the frame pointer): what a context switch has to save.
 */
struct bench_live {
    uint64_t a, b, c, d, e;
};

static inline void bench_live_use(struct bench_live *live)
{
    __asm__ volatile(""
                     : "+r"(live->a), "+r"(live->b), "+r"(live->c),
                       "+r"(live->d), "+r"(live->e));
}

/* What the contenders cannot know to be unused. */
extern volatile uint64_t bench_sink;

#ifdef __cplusplus
}
#endif

#endif
