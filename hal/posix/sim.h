/*
 * The simulated machine: all CPUs are contexts of one pthread, time is virtual,
 * and everything that is not decided by the program is decided by hal_choose().
 * So a run is a function of the choices, and the choices of a seed.
 *
 * A CPU may be left at each point (point.h): HAL calls that another CPU, a
 * device or a clock could notice, and each atomic access of the exchange slots,
 * which this build compiles with calls there (step_atomic.c).
 *
 * What is simulated: the interleaving of CPUs, sequentially consistent; when
 * interrupts come in; time. What is not: weaker memory (tests/wmm), devices.
 */
#ifndef TORC_HAL_POSIX_SIM_H
#define TORC_HAL_POSIX_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who asks. Each has a random stream of its own, so that one more question of
 * the one does not change what the others are told. */
enum sim_tag {
    SIM_CPU,     /* which CPU goes on; 0: the one that runs */
    SIM_IRQ,     /* 0: the interrupt comes in now */
    SIM_ENTROPY, /* hal_entropy() */
    SIM_WORK,    /* what the test does */
    SIM_FAULT,   /* what goes wrong */
    SIM_TAG_COUNT,
};

/* A number from 0 to n-1 (n > 0). */
unsigned hal_choose(unsigned n, enum sim_tag tag);

/* How choices are made. */
enum sim_driver {
    SIM_RANDOM, /* from the seed; a CPU is left at one point in `stay` */
    SIM_PCT,    /* the CPU of the highest random priority runs; at `depth`
                   random steps the running one becomes the lowest */
    SIM_TRACE,  /* from `trace`; 0 behind its end */
};

enum { SIM_TRACE_MAX = 1 << 20, SIM_DEPTH_MAX = 16 };

struct sim_choice {
    uint8_t n; /* 255: or more */
    uint8_t taken;
    uint8_t tag;
};

struct sim_config {
    enum sim_driver driver;
    uint64_t seed;
    unsigned stay;       /* SIM_RANDOM: on average so many points; 0: by seed */
    unsigned depth;      /* SIM_PCT: at most SIM_DEPTH_MAX */
    uint64_t length;     /* SIM_PCT: about how many points a run has */
    uint64_t step_limit; /* more points are a livelock; 0: 50 million */
    const struct sim_choice *trace; /* SIM_TRACE */
    size_t trace_length;
    void (*check)(void); /* called at every point; NULL: nobody */
    bool record;         /* keep the choices in sim_state.choices */
};

/* What a run has come to; memory that outlives the process it ran in. */
struct sim_state {
    uint64_t hash;    /* of every choice */
    uint64_t steps;   /* points passed */
    uint64_t time_ns; /* virtual */
    uint64_t switches;
    size_t choice_count;
    bool finished; /* hal_exit() was reached */
    int status;
    char failure[256]; /* why it did not */
    struct sim_choice choices[SIM_TRACE_MAX];
};

/* Before the machine is prepared. */
void sim_setup(const struct sim_config *config, struct sim_state *state);

/* A rule of the test is broken: say so, and end the run. */
_Noreturn void sim_fail(const char *why);

/* The machine ends: boot.c. */
void sim_exit(int status);

/* Whether that CPU is in hal_cpu_idle(), with nothing to wake it. */
bool sim_asleep(unsigned cpu);

#endif
