/*
 * CPUs and time of the simulated machine: sim.h; the "CPUs and time" of host.h,
 * in the place of host_thread.c.
 */
#include "hal/posix/machine.h"
#include "hal/posix/point.h"
#include "hal/posix/sim.h"
#include "kernel/lib/str.h"

#define NEVER UINT64_MAX

enum {
    STACK_SIZE = 64 * 1024,
    STEP_LIMIT = 50 * 1000 * 1000,
    STAY_SHIFT_MAX = 7, /* SIM_RANDOM: stays of 2 to 2^8 points */
    STEP_NS_MAX = 500,
    PATIENCE = 5000, /* SIM_PCT: points a CPU may have in a row */
};

struct step_cpu {
    struct hal_context at; /* while another one runs */
    struct hal_context first;
    void *stack;
    void (*main)(unsigned cpu);
    bool started;
    bool asleep;
    const atomic_bool *attention;
    uint64_t deadline_ns;
    uint64_t priority; /* SIM_PCT */
};

static struct step_cpu cpus[HOST_CPU_MAX];
static unsigned cpu_count;
static unsigned current;
static bool running; /* points count */
static uint64_t next_deadline_ns;
static uint64_t step_ns;

static struct sim_config config;
static struct sim_state *sim;
static uint64_t random_state[SIM_TAG_COUNT];
static unsigned stay;
static uint64_t change_at[SIM_DEPTH_MAX]; /* SIM_PCT */
static uint64_t lowest;                   /* below every priority given */
static uint64_t arrived_at;               /* the step the current CPU came on */

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

/* The CPU to go on with, of the n that could: 0 is the one that runs. */
static unsigned draw_cpu(unsigned n)
{
    uint64_t r = draw(SIM_CPU);

    if (r % stay != 0)
        return 0;
    return (unsigned)((r >> 32) % n);
}

static unsigned replay(unsigned n)
{
    size_t at = sim->choice_count;
    unsigned taken = at < config.trace_length ? config.trace[at].taken : 0;

    return taken < n ? taken : n - 1;
}

static void record(unsigned n, unsigned taken, enum sim_tag tag)
{
    uint64_t mix =
        sim->hash ^ ((uint64_t)tag << 56 | (uint64_t)n << 28 | taken);

    sim->hash = splitmix(&mix) + sim->steps;
    if ((config.record || config.driver == SIM_TRACE) &&
        sim->choice_count < SIM_TRACE_MAX)
        sim->choices[sim->choice_count] = (struct sim_choice){
            (uint8_t)(n < 255 ? n : 255), (uint8_t)taken, (uint8_t)tag};
    sim->choice_count++;
}

unsigned hal_choose(unsigned n, enum sim_tag tag)
{
    unsigned taken;

    if (n == 1)
        return 0;
    if (config.driver == SIM_TRACE)
        taken = replay(n);
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
    arrived_at = 0;
    lowest = UINT64_MAX >> 1;
    sim->time_ns = 0;
    sim->switches = 0;
    sim->choice_count = 0;
    sim->finished = false;
    sim->failure[0] = '\0';
    for (unsigned i = 0; i < SIM_TAG_COUNT; i++)
        random_state[i] = splitmix(&seed);
    stay = config.stay;
    if (stay == 0)
        stay = 2U << draw(SIM_CPU) % (STAY_SHIFT_MAX + 1);
    step_ns = 1 + draw(SIM_CPU) % STEP_NS_MAX;
    if (config.driver == SIM_TRACE)
        step_ns = 50;
    for (unsigned i = 0; i < config.depth && i < SIM_DEPTH_MAX; i++)
        change_at[i] = draw(SIM_CPU) % (config.length + 1);
    if (config.step_limit == 0)
        config.step_limit = STEP_LIMIT;
}

void sim_fail(const char *why)
{
    running = false;
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

static void go(unsigned to)
{
    struct step_cpu *from = &cpus[current];

    if (to == current)
        return;
    sim->switches++;
    current = to;
    arrived_at = sim->steps;
    vcpu_become(&machine_cpu[to]);
    context_jump(&machine_cpu[to], &from->at, &cpus[to].at);
}

/* The CPU with the highest priority; the running one is demoted at times. */
static unsigned pick_by_priority(bool others)
{
    unsigned best = current;

    for (unsigned i = 0; i < config.depth; i++) {
        if (change_at[i] == sim->steps)
            cpus[current].priority = lowest--;
    }
    if (sim->steps - arrived_at > PATIENCE)
        others = true; /* threads of it may wait for one another and for us */
    if (others)        /* it spins: whoever it waits for must get on */
        cpus[current].priority = lowest--;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (runnable(i) && (!runnable(best) || (others && best == current) ||
                            cpus[i].priority > cpus[best].priority))
            best = i;
    }
    return best;
}

/*
 * The CPU to go on with: the current one first, unless others are asked for, or
 * it sleeps. Returns cpu_count when none can go on.
 */
static unsigned pick(bool others)
{
    unsigned candidate[HOST_CPU_MAX];
    unsigned n = 0;

    if (config.driver == SIM_PCT) {
        unsigned best = pick_by_priority(others);

        return runnable(best) ? best : cpu_count;
    }
    if (!others && runnable(current))
        candidate[n++] = current;
    for (unsigned i = 1; i < cpu_count; i++) {
        unsigned cpu = (current + i) % cpu_count;

        if (runnable(cpu))
            candidate[n++] = cpu;
    }
    if (n == 0)
        return runnable(current) ? current : cpu_count;
    if (others || !runnable(current)) /* must leave: all are as good */
        return candidate[hal_choose(n + 1, SIM_CPU) % n];
    return candidate[hal_choose(n, SIM_CPU)];
}

/* ---- Time ---------------------------------------------------------------- */

static void deadlines_scan(void)
{
    next_deadline_ns = NEVER;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].deadline_ns < next_deadline_ns)
            next_deadline_ns = cpus[i].deadline_ns;
    }
}

static void timers_expire(void)
{
    if (sim->time_ns < next_deadline_ns)
        return;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].deadline_ns > sim->time_ns)
            continue;
        cpus[i].deadline_ns = NEVER;
        machine_timer_expired(i);
    }
    deadlines_scan();
}

uint64_t host_time_ns(void)
{
    return sim->time_ns + 1;
}

void host_timer_set(unsigned cpu, uint64_t deadline_ns)
{
    cpus[cpu].deadline_ns = deadline_ns;
    deadlines_scan();
    timers_expire();
}

/* ---- Points -------------------------------------------------------------- */

static void point(bool others)
{
    struct vcpu *vcpu;

    if (!running)
        return;
    if (++sim->steps > config.step_limit)
        sim_fail("no end in sight: a livelock?");
    if (config.check != NULL) {
        running = false; /* what it calls is no part of the run */
        config.check();
        running = true;
    }
    sim->time_ns += step_ns;
    timers_expire();
    go(pick(others));
    vcpu = vcpu_self();
    if (vcpu->irq_on && atomic_load(&vcpu->attention) &&
        hal_choose(2, SIM_IRQ) == 0)
        cpu_attend(vcpu);
}

void machine_point(void)
{
    point(false);
}

void host_cpu_relax(void)
{
    point(true);
}

/* Everybody sleeps: on to the next deadline. */
static void time_jump(void)
{
    if (next_deadline_ns == NEVER)
        sim_fail("every CPU sleeps and no timer is set: a wake-up was lost");
    if (sim->time_ns < next_deadline_ns)
        sim->time_ns = next_deadline_ns;
    timers_expire();
}

void host_cpu_sleep(unsigned cpu, const atomic_bool *attention)
{
    struct step_cpu *self = &cpus[cpu];

    self->attention = attention;
    self->asleep = true;
    while (!atomic_load(attention)) {
        unsigned next = pick(true);

        if (next == cpu_count)
            time_jump();
        else
            go(next);
    }
    self->asleep = false;
    point(false);
}

void host_cpu_wake(unsigned cpu)
{
    (void)cpu; /* runnable() looks at its attention */
}

/* ---- Start and end ------------------------------------------------------- */

int host_cpus_open(unsigned count)
{
    cpu_count = count;
    current = 0;
    for (unsigned i = 0; i < count; i++) {
        cpus[i] = (struct step_cpu){.deadline_ns = NEVER};
        cpus[i].priority = UINT64_MAX - (draw(SIM_CPU) >> 32);
    }
    cpus[0].started = true;
    next_deadline_ns = NEVER;
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

    self->stack = host_memory_map(STACK_SIZE, HAL_PAGE_SIZE, 0);
    if (self->stack == NULL)
        return -ENOMEM;
    self->main = main;
    hal_context_init(&self->at, self->stack, STACK_SIZE, cpu_first, self);
    self->started = true;
    return 0;
}

/* The CPUs but 0 never run again; their stacks go. */
void host_cpus_close(void)
{
    running = false;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i].stack != NULL)
            host_memory_unmap(cpus[i].stack, STACK_SIZE);
        cpus[i] = (struct step_cpu){0};
    }
    cpu_count = 0;
}

bool host_is_cpu(void)
{
    return true;
}

void sim_exit(int status)
{
    running = false;
    sim->finished = true;
    sim->status = status;
}
