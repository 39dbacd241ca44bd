/*
 * CPUs, time and randomness of the simulated machine (sim.h): it implements
 * host/cpu.h, host/clock.h and host/entropy.h in the place of host/thread.c,
 * host/clock.c and host/entropy.c. (host/fresh.c is there for host/memory.c.)
 */
#include "hal/hal.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/entropy.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/kernel/context.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/preemption.h"
#include "hal/posix/sim/event.h"
#include "hal/posix/sim/sim.h"
#include <torc/assert.h>
#include <torc/string.h>

#define NEVER UINT64_MAX

/* Two runs are the same only if their addresses are. */
#define MEMORY_BASE UINT64_C(0x200000000000)

const struct host_kind host_kind = {
    .name = "posix sim",
    .memory_hint = MEMORY_BASE,
    .memory_protect = false, /* too slow for thousands of machines a second */
};

enum {
    STACK_SIZE = 64 * 1024,
    BOOT_STACK_SIZE = 256 * 1024,
    STEP_LIMIT = 50 * 1000 * 1000,
    INTERVAL_SHIFT_MAX = 7, /* SIM_RANDOM: switch intervals from 2 to 2^8 */
    STEP_NS_MAX = 500,
    FAIRNESS_LIMIT = 5000, /* SIM_PCT: points a CPU may pass in a row */
};

struct step_cpu {
    struct hal_context context; /* while another one runs */
    void *stack;
    void (*main)(unsigned cpu);
    bool started;
    bool asleep;
    const atomic_bool *attention;
    bool looks_on;   /* it has done nothing else since its last look */
    uint64_t looked; /* how many changes there were then */
    uint64_t deadline_ns;
    int64_t priority; /* SIM_PCT; negative once it was demoted */
};

static struct step_cpu cpus[HOST_CPU_MAX];
static unsigned cpu_count;
static unsigned current;
static bool running;     /* else preemption points do nothing */
static uint64_t changes; /* of memory, that who looks on may not have seen */
static struct hal_context event_context;
static struct hal_context interrupted; /* by events */
static _Alignas(16) char event_stack[STACK_SIZE];
static struct hal_context boot_context;
static struct hal_context outside; /* who called sim_run() */
static bool in_run;
static uint64_t step_ns;

static struct sim_config config;
static struct sim_state *sim;
static uint64_t random_state[SIM_TAG_COUNT];
static unsigned switch_interval;
static uint64_t change_at[SIM_DEPTH_MAX]; /* SIM_PCT: steps of demotions */
static int64_t lowest_priority;           /* of all CPUs, or 0 */
static uint64_t running_since;            /* the step of the last switch */

/* ---- Choices ------------------------------------------------------------- */

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t draw(enum sim_tag tag)
{
    return splitmix(&random_state[tag]);
}

/* Which of n CPUs runs next: the first one, except at one point in
 * switch_interval on average. */
static unsigned draw_cpu(unsigned n)
{
    if (draw(SIM_CPU) % switch_interval != 0)
        return 0;
    return (unsigned)(draw(SIM_CPU) % n);
}

/* The next choice of the trace. It must be an answer to the question that is
 * asked; otherwise this is not the run that was recorded. */
static unsigned replay(unsigned n, enum sim_tag tag)
{
    size_t at = sim->choice_count;
    const struct sim_choice *choice = &config.trace[at];

    if (at >= config.trace_length) {
        if (!config.trace_open)
            sim_fail("the trace does not fit: it ends before the run does");
        return 0;
    }
    if (choice->n != n || choice->tag != tag || choice->taken >= n)
        sim_fail("the trace does not fit: the run asks something else");
    return choice->taken;
}

static void hash_add(uint64_t word)
{
    uint64_t mixed = sim->hash ^ word;

    sim->hash = splitmix(&mixed);
}

static void record(unsigned n, unsigned taken, enum sim_tag tag)
{
    hash_add(tag);
    hash_add(n);
    hash_add(taken);
    hash_add(sim->steps);
    if ((config.record || config.driver == SIM_TRACE) &&
        sim->choice_count < SIM_TRACE_MAX)
        sim->choices[sim->choice_count] = (struct sim_choice){n, taken, tag};
    sim->choice_count++;
}

unsigned hal_choose(unsigned n, enum sim_tag tag)
{
    unsigned taken;

    if (n == 1)
        return 0;
    if (config.driver == SIM_TRACE)
        taken = replay(n, tag);
    else if (tag == SIM_CPU)
        taken = draw_cpu(n);
    else
        taken = (unsigned)(draw(tag) % n);
    record(n, taken, tag);
    return taken;
}

void sim_setup(const struct sim_config *new_config, struct sim_state *state)
{
    uint64_t seed = new_config->seed;

    config = *new_config;
    sim = state;
    sim->hash = 0;
    sim->steps = 0;
    sim->time_ns = 1; /* 0 is no time: clock.h */
    sim->switches = 0;
    sim->choice_count = 0;
    sim->finished = false;
    sim->failure[0] = '\0';
    for (unsigned i = 0; i < SIM_TAG_COUNT; i++)
        random_state[i] = splitmix(&seed);
    switch_interval = config.switch_interval;
    if (switch_interval == 0)
        switch_interval = 2U << draw(SIM_CPU) % (INTERVAL_SHIFT_MAX + 1);
    step_ns = 1 + draw(SIM_CPU) % STEP_NS_MAX;
    if (config.step_ns != 0)
        step_ns = config.step_ns;
    sim->step_ns = step_ns;
    if (config.depth > SIM_DEPTH_MAX)
        config.depth = SIM_DEPTH_MAX;
    for (unsigned i = 0; i < config.depth; i++)
        change_at[i] = draw(SIM_CPU) % (config.length + 1);
    if (config.step_limit == 0)
        config.step_limit = STEP_LIMIT;
    running_since = 0;
    lowest_priority = 0;
    changes = 0;
    events_reset();
}

void sim_fail(const char *why)
{
    (void)str_copy(sim->failure, sizeof(sim->failure), why);
    host_complain("%s (CPU %u, point %lu, %lu ns)", why, current,
                  (unsigned long)sim->steps, (unsigned long)sim->time_ns);
    host_abort();
}

/* ---- Which CPU ----------------------------------------------------------- */

static bool runnable(unsigned cpu)
{
    const struct step_cpu *step = &cpus[cpu];

    return step->started && (!step->asleep || atomic_load(step->attention));
}

bool sim_asleep(unsigned cpu)
{
    return cpus[cpu].started && !runnable(cpu);
}

static void switch_to(unsigned cpu)
{
    struct step_cpu *from = &cpus[current];

    if (cpu == current)
        return;
    sim->switches++;
    current = cpu;
    running_since = sim->steps;
    vcpu_become(&machine_cpu[cpu]);
    context_jump(&machine_cpu[cpu], &from->context, &cpus[cpu].context);
}

/*
 * The CPUs that can run next: first the current one, unless it sleeps or
 * yields; then the others in the order of their numbers. Returns how many.
 */
static unsigned candidates(bool yields, unsigned *candidate)
{
    unsigned n = 0;

    if (!yields && runnable(current))
        candidate[n++] = current;
    for (unsigned i = 1; i < cpu_count; i++) {
        unsigned cpu = (current + i) % cpu_count;

        if (runnable(cpu))
            candidate[n++] = cpu;
    }
    return n;
}

/*
 * SIM_PCT: the current CPU gets the lowest priority at the steps that the seed
 * has chosen; when it yields, since it waits for another CPU; and when it has
 * run for long, since two of its threads may yield to each other and both wait
 * for another CPU.
 */
static void priority_update(bool yields)
{
    bool demote = yields || sim->steps - running_since > FAIRNESS_LIMIT;

    for (unsigned i = 0; i < config.depth; i++)
        demote = demote || change_at[i] == sim->steps;
    if (demote)
        cpus[current].priority = --lowest_priority;
}

/* SIM_PCT: which candidate has the highest priority. It is recorded as a
 * choice, so that a trace can replay it. */
static unsigned choose_by_priority(const unsigned *candidate, unsigned n)
{
    unsigned best = 0;

    for (unsigned i = 1; i < n; i++)
        if (cpus[candidate[i]].priority > cpus[candidate[best]].priority)
            best = i;
    if (n > 1)
        record(n, best, SIM_CPU);
    return best;
}

/* The CPU that runs next; cpu_count when all of them sleep. */
static unsigned pick_next(bool yields)
{
    unsigned candidate[HOST_CPU_MAX];
    unsigned n = candidates(yields, candidate);

    if (config.driver == SIM_PCT)
        priority_update(yields);
    if (n == 0)
        return runnable(current) ? current : cpu_count;
    if (config.driver == SIM_PCT)
        return candidate[choose_by_priority(candidate, n)];
    return candidate[hal_choose(n, SIM_CPU)];
}

/* ---- Time ---------------------------------------------------------------- */

static void timers_expire(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].deadline_ns > sim->time_ns)
            continue;
        changes++;
        cpus[i].deadline_ns = NEVER;
        machine_timer_expired(i);
    }
}

uint64_t host_time_ns(void)
{
    return sim->time_ns;
}

void sim_delay(uint64_t ns)
{
    sim->time_ns += ns;
}

uint64_t host_wall_ns(void)
{
    return 0;
}

size_t host_entropy(void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)hal_choose(256, SIM_ENTROPY);
    return len;
}

void host_timer_set(unsigned cpu, uint64_t deadline_ns)
{
    cpus[cpu].deadline_ns = deadline_ns;
    timers_expire();
}

/*
 * Events have a stack of their own: threads have small ones. Only the switch to
 * it comes back from here.
 */
static void events_main(void *unused)
{
    (void)unused;
    for (;;) {
        events_run(sim->time_ns);
        context_jump(vcpu_self(), &event_context, &interrupted);
    }
}

/* What is due happens. It is no part of what the CPUs do: no points. */
static void time_passed(void)
{
    bool was_running = running;

    timers_expire();
    if (events_next_ns() > sim->time_ns)
        return;
    changes++;
    running = false;
    context_jump(vcpu_self(), &interrupted, &event_context);
    running = was_running;
}

/* ---- Preemption points --------------------------------------------------- */

static void step(bool yields)
{
    struct vcpu *vcpu;

    if (++sim->steps > config.step_limit)
        sim_fail("no end in sight: a livelock?");
    if (config.check != NULL) {
        running = false; /* calls of the check are no part of the run */
        config.check();
        running = true;
    }
    sim->time_ns += step_ns;
    time_passed();
    switch_to(pick_next(yields));
    vcpu = vcpu_self();
    if (vcpu->irq_on && atomic_load(&vcpu->attention) &&
        hal_choose(2, SIM_IRQ) == 0)
        cpu_attend(vcpu);
}

static void point(bool yields)
{
    if (!running)
        return;
    cpus[current].looks_on = false;
    step(yields);
}

void preemption_point(void)
{
    point(false);
}

void host_cpu_relax(void)
{
    point(true);
}

/* All CPUs sleep: it becomes the time of the next deadline, or event. */
static void time_jump(void)
{
    uint64_t next = events_next_ns();

    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].deadline_ns < next)
            next = cpus[i].deadline_ns;
    }
    if (next == NEVER)
        sim_fail("every CPU sleeps and no timer is set: a wake-up was lost");
    assert(next > sim->time_ns);
    sim->time_ns = next;
    time_passed();
}

void host_cpu_sleep(unsigned cpu, const atomic_bool *attention)
{
    struct step_cpu *self = &cpus[cpu];

    self->attention = attention;
    self->asleep = true;
    self->looks_on = false;
    changes++;
    while (!atomic_load(attention)) {
        unsigned next = pick_next(true);

        if (next == cpu_count)
            time_jump();
        else
            switch_to(next);
    }
    self->asleep = false;
    point(false);
}

/* Whether no CPU does anything until time has passed. What one has changed
 * since its last point counts when it looks on or sleeps. */
static bool all_wait(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct step_cpu *cpu = &cpus[i];

        if (runnable(i) && !(cpu->looks_on && cpu->looked == changes))
            return false;
    }
    return true;
}

void host_cpu_look_on(unsigned cpu)
{
    struct step_cpu *self = &cpus[cpu];

    if (!running)
        return;
    if (!self->looks_on)
        changes++;
    self->looks_on = true;
    self->looked = changes;
    if (all_wait())
        time_jump();
    step(true);
}

void host_cpu_wake(unsigned cpu)
{
    (void)cpu; /* runnable() looks at the flag it sleeps over */
}

/* ---- Start and end ------------------------------------------------------- */

int host_cpus_open(unsigned count)
{
    assert(current == 0);
    cpu_count = count;
    for (unsigned i = 0; i < count; i++) {
        cpus[i] = (struct step_cpu){.deadline_ns = NEVER};
        cpus[i].priority = (uint32_t)draw(SIM_CPU);
    }
    cpus[0].started = true;
    hal_context_init(&event_context, event_stack, STACK_SIZE, events_main,
                     NULL);
    running = true;
    return 0;
}

static void cpu_first(void *arg)
{
    struct step_cpu *self = arg;

    self->main((unsigned)(self - cpus));
    sim_fail("a CPU left its entry function");
}

int host_cpu_start(unsigned cpu, void (*main)(unsigned cpu))
{
    struct step_cpu *self = &cpus[cpu];

    self->stack = host_memory_map(STACK_SIZE, HAL_PAGE_SIZE, HOST_ANYWHERE);
    if (self->stack == NULL)
        return -ENOMEM;
    self->main = main;
    hal_context_init(&self->context, self->stack, STACK_SIZE, cpu_first, self);
    self->started = true;
    return 0;
}

/* CPU 0 is the caller. The others do not run again: their stacks are freed. */
void host_cpus_close(void)
{
    running = false;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].stack != NULL)
            host_memory_unmap(cpus[i].stack, STACK_SIZE);
    }
    hal_context_fini(&event_context);
}

bool host_cpus_here(void)
{
    return true;
}

bool host_is_cpu(void)
{
    return true;
}

/* One pthread runs all CPUs: without preemption points it stays the caller. In
 * sim_run() that is its end. */
void host_cpus_stop(int status)
{
    struct hal_context from = {0};

    running = false;
    if (status == HOST_ABORTED)
        return;
    sim->finished = true;
    sim->status = status;
    if (in_run)
        context_jump(vcpu_self(), &from, &outside);
}

void sim_run(void (*boot)(void *arg), void *arg)
{
    void *stack =
        host_memory_map(BOOT_STACK_SIZE, HAL_PAGE_SIZE, HOST_ANYWHERE);

    assert(!in_run);
    assert(stack != NULL);
    in_run = true;
    hal_context_init(&boot_context, stack, BOOT_STACK_SIZE, boot, arg);
    context_jump(vcpu_self(), &outside, &boot_context);
    in_run = false;
    current = 0; /* another CPU may have ended it */
    vcpu_become(&machine_cpu[0]);
    hal_context_fini(&boot_context);
    host_memory_unmap(stack, BOOT_STACK_SIZE);
}

void host_cpu_park(void)
{
    sim_fail("a CPU ends the machine while another does");
}
