/*
 * The simulated machine: all CPUs are contexts of one pthread, time is virtual,
 * and everything that is not decided by the program is decided by hal_choose().
 * So a run is a function of the choices, and the choices of a seed.
 *
 * Another CPU may run, and a device may act, at each preemption point
 * (preemption.h): HAL calls that another CPU, a device or a clock could notice,
 * accesses to registers among them; and each atomic access of the exchange
 * slots and of rings shared with devices, where the compiler puts calls in this
 * build (step_atomic.c).
 *
 * Simulated are the interleaving of CPUs and devices (sequentially consistent),
 * the time, and when interrupts are delivered. Not simulated is weaker memory,
 * for which there is tests/wmm.
 */
#ifndef TORC_HAL_POSIX_SIM_H
#define TORC_HAL_POSIX_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who asks. Each has a random stream of its own, so that an additional question
 * of one does not change the answers to the others. */
enum sim_tag {
    SIM_CPU,     /* which CPU runs next; 0: the current one, unless it yields */
    SIM_IRQ,     /* 0: the interrupt is delivered now */
    SIM_ENTROPY, /* hal_entropy() */
    SIM_WORK,    /* what the test does */
    SIM_FAULT,   /* what goes wrong */
    SIM_DEVICE,  /* when devices act, and in which order */
    SIM_TAG_COUNT,
};

/* A number from 0 to n-1 (n > 0). */
unsigned hal_choose(unsigned n, enum sim_tag tag);

enum { SIM_EVENT_MAX = 1024 };

/*
 * Call fn(arg) at the virtual time `at_ns`: what a device does by itself. It
 * happens between two steps of the CPUs and on none of them, so fn() passes no
 * preemption point; it may make choices, raise interrupts, reach memory by
 * dma_lookup() and add events. A time that is not in the future is the next
 * point. Events of one time come in the order in which they were added. At most
 * SIM_EVENT_MAX wait. The stack of fn() has 64 KiB.
 */
void sim_event(uint64_t at_ns, void (*fn)(void *arg), void *arg);

/* What a CPU is at takes so long: the access to a register of a device that
 * does not answer. What is due meanwhile happens at the next point. */
void sim_delay(uint64_t ns);

/* How choices are made. */
enum sim_driver {
    SIM_RANDOM, /* from the seed; at one point in `switch_interval` another CPU
                   may run */
    SIM_PCT,    /* each CPU has a random priority, and the highest runs; at
                   `depth` random steps the current one gets the lowest */
    SIM_TRACE,  /* from `trace`; the run must be the recorded one */
};

enum { SIM_TRACE_MAX = 1 << 20, SIM_DEPTH_MAX = 16 };

struct sim_choice {
    uint32_t n;     /* how many there were to choose from */
    uint32_t taken; /* 0 .. n-1 */
    uint32_t tag;   /* enum sim_tag: who asked */
};

struct sim_config {
    enum sim_driver driver;
    uint64_t seed;
    unsigned switch_interval; /* SIM_RANDOM: points, on average; 0: by seed */
    unsigned depth;           /* SIM_PCT: at most SIM_DEPTH_MAX */
    uint64_t length;          /* SIM_PCT: about how many points a run has */
    uint64_t step_limit;      /* more points are a livelock; 0: 50 million */
    uint64_t step_ns;         /* time that passes at a point; 0: by seed */
    const struct sim_choice *trace; /* SIM_TRACE */
    size_t trace_length;
    bool trace_open;     /* SIM_TRACE: behind its end, take 0 */
    void (*check)(void); /* called at every point; NULL: nobody */
    bool record;         /* keep the choices in sim_state.choices */
};

/* What a run has come to; memory that outlives the process it ran in. */
struct sim_state {
    uint64_t hash;    /* of every choice */
    uint64_t steps;   /* points passed */
    uint64_t time_ns; /* virtual */
    uint64_t step_ns;
    uint64_t switches;
    size_t choice_count;
    bool finished; /* hal_exit() was reached */
    int status;
    char failure[256]; /* why it did not */
    struct sim_choice choices[SIM_TRACE_MAX];
};

/* Before the machine is prepared. */
void sim_setup(const struct sim_config *config, struct sim_state *state);

/*
 * Call boot(arg), which makes a machine and enters its kernel, on a stack of
 * its own. Returns when the machine has ended by hal_exit(). Whatever else ends
 * it ends the process.
 */
void sim_run(void (*boot)(void *arg), void *arg);

/* A rule of the test is broken: say so, and end the run. */
_Noreturn void sim_fail(const char *why);

/* Whether that CPU is in hal_cpu_idle(), with nothing to wake it. */
bool sim_asleep(unsigned cpu);

#endif
