#include "tests/sim/runner.h"
#include "tests/sim/run.h"
#include "tests/sim/trace.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    STEPS_MAX = 200000, /* points of a run, for each CPU */
    BATCH = 128,        /* runs of seeds, and again, in one process */
    ALONE_EVERY = 32,   /* of those one is also made in a new process */
    DFS_BATCH = 8192,
    DFS_STEP_NS = 50
};

enum mode { MODE_SEEDS, MODE_ONE, MODE_TRACE, MODE_DFS, MODE_REPLAYS };

static struct options {
    enum mode mode;
    uint64_t first;
    uint64_t seeds;
    unsigned jobs;
    unsigned cpus; /* 0: by seed */
    enum sim_driver driver;
    unsigned bound; /* DFS: preemptions */
    const char *trace_in;
    const char *trace_out;
    bool here; /* no child process: for gdb */
} options = {.first = 1, .seeds = 1000, .driver = SIM_RANDOM, .bound = 2};

static const struct scenario *scenario;
static const char *program;

static unsigned cpus_of(uint64_t seed)
{
    unsigned span = scenario->cpus_max - scenario->cpus_min + 1;

    if (options.cpus != 0)
        return options.cpus;
    return scenario->cpus_min + (unsigned)(seed % span);
}

static void run_of(uint64_t seed, struct run *run)
{
    *run = (struct run){.config = {.driver = options.driver,
                                   .seed = seed,
                                   .depth = 3,
                                   .length = 20000,
                                   .step_limit = STEPS_MAX * cpus_of(seed)},
                        .seed = seed,
                        .cpus = cpus_of(seed)};
}

static struct sim_state *state_map(void)
{
    return run_share(sizeof(struct sim_state));
}

/* ---- Many seeds ---------------------------------------------------------- */

/* What the workers tell; each writes its own. */
struct tally {
    uint64_t seeds;
    uint64_t steps;
    uint64_t switches;
    uint64_t failed; /* the first seed that failed, or 0 */
    char failure[256];
};

static struct tally *tallies;
static volatile sig_atomic_t *stop;

static void seed_failed(struct tally *tally, uint64_t seed, const char *why)
{
    tally->failed = seed;
    snprintf(tally->failure, sizeof(tally->failure), "%s", why);
    *stop = 1;
}

/*
 * Seeds of a worker that run in one process: each of them, and then each again,
 * the last one first, so that it comes after another one than before. What a
 * run leaves to the next one shows as a difference. What it leaves to all, as a
 * difference to the run in a new process.
 */
struct batch {
    struct sim_state *state;
    struct tally *tally;
    uint64_t first; /* they are `options.jobs` apart */
    unsigned count;
    unsigned at; /* 0 .. 2 * count: runs begun */
    struct {
        uint64_t hash;
        uint64_t steps;
    } result[BATCH];
};

static unsigned batch_index(const struct batch *batch, unsigned at)
{
    return at < batch->count ? at : 2 * batch->count - 1 - at;
}

static uint64_t batch_seed(const struct batch *batch, unsigned index)
{
    return batch->first + (uint64_t)index * options.jobs;
}

static bool same(const struct batch *batch, unsigned index)
{
    return batch->result[index].hash == batch->state->hash &&
           batch->result[index].steps == batch->state->steps;
}

/* A run has ended well. Returns whether it is what it should be. */
static bool batch_note(struct batch *batch)
{
    unsigned at = batch->at - 1;
    unsigned index = batch_index(batch, at);

    if (at >= batch->count)
        return same(batch, index);
    batch->result[index].hash = batch->state->hash;
    batch->result[index].steps = batch->state->steps;
    batch->tally->seeds++;
    batch->tally->steps += batch->state->steps;
    batch->tally->switches += batch->state->switches;
    return true;
}

static bool batch_next(void *arg, struct run *run)
{
    struct batch *batch = arg;

    if (batch->at > 0 && !batch_note(batch)) {
        seed_failed(batch->tally,
                    batch_seed(batch, batch_index(batch, batch->at - 1)),
                    "two runs of one seed differ");
        return false;
    }
    if (batch->at == 2 * batch->count || *stop)
        return false;
    run_of(batch_seed(batch, batch_index(batch, batch->at++)), run);
    return true;
}

static void batch_run_alone(struct batch *batch, unsigned index)
{
    uint64_t seed = batch_seed(batch, index);
    struct run run;

    run_of(seed, &run);
    if (!run_alone(&run, batch->state, true))
        seed_failed(batch->tally, seed, batch->state->failure);
    else if (!same(batch, index))
        seed_failed(batch->tally, seed,
                    "runs in a new process and in an old one differ");
}

static void batch_run(struct batch *batch)
{
    batch->at = 0;
    if (!run_many(batch_next, batch, batch->state)) {
        seed_failed(batch->tally,
                    batch_seed(batch, batch_index(batch, batch->at - 1)),
                    batch->state->failure);
        return;
    }
    for (unsigned i = batch->count; i > 0 && !*stop; i--) {
        if (i == batch->count || i % ALONE_EVERY == 0)
            batch_run_alone(batch, i - 1);
    }
}

static void worker(unsigned job)
{
    struct batch *batch = run_share(sizeof(*batch));

    run_open(scenario);
    batch->state = state_map();
    batch->tally = &tallies[job];
    for (uint64_t i = job; i < options.seeds && !*stop;
         i += (uint64_t)BATCH * options.jobs) {
        uint64_t left = (options.seeds - i - 1) / options.jobs + 1;

        batch->first = options.first + i;
        batch->count = left < BATCH ? (unsigned)left : BATCH;
        batch_run(batch);
    }
    exit(EXIT_SUCCESS);
}

static void progress(double seconds)
{
    uint64_t seeds = 0;

    for (unsigned i = 0; i < options.jobs; i++)
        seeds += tallies[i].seeds;
    if (isatty(2))
        fprintf(stderr, "\r%s: %lu of %lu seeds, %.0f s ", scenario->name,
                (unsigned long)seeds, (unsigned long)options.seeds, seconds);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say_replay(uint64_t seed)
{
    const char *driver = options.driver == SIM_PCT ? " --driver pct" : "";
    char cpus[32] = "";

    if (options.cpus != 0)
        snprintf(cpus, sizeof(cpus), " --cpus %u", options.cpus);
    printf("  replay: %s --seed %lu%s%s\n", program, (unsigned long)seed,
           driver, cpus);
    printf("  gdb:    gdb -ex 'break sim_fail' -ex 'break panic' -ex run "
           "--args %s --seed %lu%s%s --here\n",
           program, (unsigned long)seed, driver, cpus);
}

static void workers_run(void)
{
    pid_t pids[JOBS_MAX];
    double start = now();
    unsigned left = options.jobs;

    for (unsigned i = 0; i < options.jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            worker(i);
    }
    while (left > 0) {
        const struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};

        for (unsigned i = 0; i < options.jobs; i++) {
            if (pids[i] > 0 && waitpid(pids[i], NULL, WNOHANG) == pids[i]) {
                pids[i] = 0;
                left--;
            }
        }
        if (left > 0)
            nanosleep(&tick, NULL);
        progress(now() - start);
    }
    if (isatty(2))
        fprintf(stderr, "\r\033[K");
}

static int seeds_run(void)
{
    double start = now();
    struct tally all = {0};
    int status = EXIT_SUCCESS;

    tallies = run_share(sizeof(struct tally) * (JOBS_MAX + 1));
    stop = (volatile sig_atomic_t *)&tallies[JOBS_MAX];
    workers_run();
    for (unsigned i = 0; i < options.jobs; i++) {
        all.seeds += tallies[i].seeds;
        all.steps += tallies[i].steps;
        all.switches += tallies[i].switches;
        if (tallies[i].failed == 0)
            continue;
        printf("FAIL %s, seed %lu: %s\n", scenario->name,
               (unsigned long)tallies[i].failed, tallies[i].failure);
        say_replay(tallies[i].failed);
        status = EXIT_FAILURE;
    }
    printf("%s %s: %lu seeds, each twice: %lu points, %lu changes of CPU, "
           "%.1f s\n",
           status == EXIT_SUCCESS ? "ok  " : "FAIL", scenario->name,
           (unsigned long)all.seeds, (unsigned long)all.steps,
           (unsigned long)all.switches, now() - start);
    return status;
}

/* ---- Traces -------------------------------------------------------------- */

static void record_to(const char *path, const struct run *run,
                      const struct sim_state *state)
{
    const struct trace_head head = {
        .seed = run->seed, .cpus = run->cpus, .step_ns = state->step_ns};

    trace_write(path, scenario->name, &head, state);
}

static struct sim_choice *trace_map(void)
{
    return run_share(sizeof(struct sim_choice) * SIM_TRACE_MAX);
}

/* A recorded run; its choices are put into `trace`. */
static void run_of_trace(const char *path, struct sim_choice *trace,
                         struct run *run)
{
    struct trace_head head;
    size_t length = trace_read(path, scenario->name, &head, trace);

    run_of(head.seed, run);
    run->cpus = head.cpus;
    run->config.driver = SIM_TRACE;
    run->config.step_ns = head.step_ns;
    run->config.trace = trace;
    run->config.trace_length = length;
}

static int one_run(void)
{
    struct sim_state *state = state_map();
    struct run run;
    bool well;

    run_of(options.first, &run);
    if (options.mode == MODE_TRACE)
        run_of_trace(options.trace_in, trace_map(), &run);
    run.config.record = true;
    if (options.here)
        run_here(&run, state);
    well = run_alone(&run, state, false);
    printf("%s %s: hash %016lx, %lu points, %lu choices, %lu ns%s%s\n",
           well ? "ok  " : "FAIL", scenario->name, (unsigned long)state->hash,
           (unsigned long)state->steps, (unsigned long)state->choice_count,
           (unsigned long)state->time_ns, well ? "" : ": ",
           well ? "" : state->failure);
    if (options.trace_out != NULL)
        record_to(options.trace_out, &run, state);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Traces tell the truth ----------------------------------------------- */

/* Whether this trace leads to the run that was recorded. */
static bool same_again(const struct run *run, const struct sim_state *recorded,
                       struct sim_state *again)
{
    return run_alone(run, again, true) && again->hash == recorded->hash &&
           again->steps == recorded->steps &&
           again->time_ns == recorded->time_ns;
}

/* Whether the run ends with the word that the trace is of another one. */
static bool refused(const struct run *run, struct sim_state *again)
{
    static const char word[] = "the trace does not fit";

    return !run_alone(run, again, true) &&
           strncmp(again->failure, word, sizeof(word) - 1) == 0;
}

struct replay {
    const char *path;
    struct sim_choice *trace;
    struct sim_state *recorded;
    struct sim_state *again;
};

/* The recorded run of a seed, again from its file; and not, when a choice of it
 * was altered or the last one is missing. NULL, or what is wrong. */
static const char *replay_check(uint64_t seed, const struct replay *replay)
{
    struct run run;
    struct sim_choice *middle;

    run_of(seed, &run);
    run.config.record = true;
    if (!run_alone(&run, replay->recorded, true))
        return replay->recorded->failure;
    record_to(replay->path, &run, replay->recorded);
    run_of_trace(replay->path, replay->trace, &run);
    if (!same_again(&run, replay->recorded, replay->again))
        return "its trace leads to another run";
    middle = &replay->trace[run.config.trace_length / 2];
    middle->n++;
    if (!refused(&run, replay->again))
        return "a trace with another number of choices is taken";
    middle->n--;
    middle->tag++;
    if (!refused(&run, replay->again))
        return "a trace of another question is taken";
    middle->tag--;
    run.config.trace_length--;
    return refused(&run, replay->again) ? NULL : "a trace that is cut is taken";
}

static int replays_run(void)
{
    char path[] = "/tmp/sim-trace-XXXXXX";
    int fd = mkstemp(path);
    const struct replay replay = {.path = path,
                                  .trace = trace_map(),
                                  .recorded = state_map(),
                                  .again = state_map()};
    const char *wrong = fd < 0 ? "there is no place for its trace" : NULL;
    uint64_t seed = options.first;

    for (; wrong == NULL && seed < options.first + options.seeds; seed++)
        wrong = replay_check(seed, &replay);
    if (wrong != NULL)
        printf("FAIL %s, seed %lu: %s\n", scenario->name,
               (unsigned long)seed - 1, wrong);
    else
        printf("ok   %s: the traces of %lu seeds lead to the same runs\n",
               scenario->name, (unsigned long)options.seeds);
    close(fd);
    unlink(path);
    return wrong == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Every schedule up to a bound ---------------------------------------- */

/*
 * The next trace in depth-first order: the last choice that can be another one
 * without passing the bound. A choice other than 0 is a preemption, or an
 * interrupt that comes later. Returns its length; 0: that was all.
 */
static size_t trace_next(struct sim_choice *trace, size_t length)
{
    while (length-- > 0) {
        unsigned spent = 0;

        if (trace[length].taken + 1 >= trace[length].n)
            continue;
        for (size_t i = 0; i < length; i++)
            spent += trace[i].taken != 0;
        if (spent + 1 > options.bound)
            continue;
        trace[length].taken++;
        return length + 1;
    }
    return 0;
}

struct dfs {
    struct sim_state *state;
    struct sim_choice *trace; /* of the run under way */
    size_t length;
    uint64_t runs;
    bool begun;
};

static void dfs_run_of(const struct dfs *dfs, struct run *run)
{
    run_of(0, run);
    run->config.driver = SIM_TRACE;
    run->config.step_ns = DFS_STEP_NS;
    run->config.trace = dfs->trace;
    run->config.trace_length = dfs->length;
    run->config.trace_open = true;
}

/* A process makes DFS_BATCH of them. It leaves the last trace and its hash. */
static bool dfs_next(void *arg, struct run *run)
{
    struct dfs *dfs = arg;

    if (dfs->begun && dfs->runs % DFS_BATCH == 0)
        return false;
    if (dfs->runs > 0) {
        const struct sim_state *state = dfs->state;

        memcpy(dfs->trace, state->choices,
               state->choice_count * sizeof(struct sim_choice));
        dfs->length = trace_next(dfs->trace, state->choice_count);
        if (dfs->length == 0)
            return false;
    }
    dfs->begun = true;
    dfs->runs++;
    dfs_run_of(dfs, run);
    return true;
}

/* The last run of a process, again in a new one. */
static bool dfs_same_alone(const struct dfs *dfs, struct sim_state *again)
{
    struct run run;

    dfs_run_of(dfs, &run);
    run.config.trace = dfs->state->choices;
    run.config.trace_length = dfs->state->choice_count;
    if (run_alone(&run, again, true) && again->hash == dfs->state->hash &&
        again->steps == dfs->state->steps)
        return true;
    snprintf(dfs->state->failure, sizeof(dfs->state->failure),
             "runs in a new process and in an old one differ");
    return false;
}

static int dfs_failed(const struct dfs *dfs)
{
    struct run run;

    dfs_run_of(dfs, &run);
    record_to("sim.trace", &run, dfs->state);
    printf("FAIL %s, schedule %lu: %s\n  replay: %s --trace sim.trace\n",
           scenario->name, (unsigned long)dfs->runs, dfs->state->failure,
           program);
    return EXIT_FAILURE;
}

static int dfs_run(void)
{
    struct dfs *dfs = run_share(sizeof(*dfs));
    struct sim_state *again = state_map();
    double start = now();

    dfs->state = state_map();
    dfs->trace = trace_map();
    do {
        dfs->begun = false;
        if (!run_many(dfs_next, dfs, dfs->state) || !dfs_same_alone(dfs, again))
            return dfs_failed(dfs);
        if (isatty(2))
            fprintf(stderr, "\r%s: %lu schedules ", scenario->name,
                    (unsigned long)dfs->runs);
    } while (dfs->length > 0);
    printf("ok   %s: all %lu schedules with at most %u preemptions, %.1f s\n",
           scenario->name, (unsigned long)dfs->runs, options.bound,
           now() - start);
    return EXIT_SUCCESS;
}

/* ---- Arguments ----------------------------------------------------------- */

static const char usage[] =
    "usage: %s [OPTION]...\n"
    "  --seeds N       run so many seeds, each twice (1000)\n"
    "  --first S       from this one on (1)\n"
    "  --jobs N        processes at once (one for each processor)\n"
    "  --seed S        run this one, and say what the machine says\n"
    "  --here          in this process: for gdb\n"
    "  --cpus N        CPUs of the machine (the seed chooses)\n"
    "  --driver D      random, or pct: priorities with three changes\n"
    "  --record FILE   with --seed: write the choices\n"
    "  --trace FILE    make these choices\n"
    "  --replays N     whether the traces of so many seeds lead to their runs\n"
    "  --dfs BOUND     every schedule with at most BOUND preemptions\n";

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "%s: '%s' is not a number\n", program, text);
        exit(2);
    }
    return value;
}

static enum sim_driver driver_of(const char *text)
{
    if (strcmp(text, "random") == 0)
        return SIM_RANDOM;
    if (strcmp(text, "pct") == 0)
        return SIM_PCT;
    fprintf(stderr, "%s: drivers are random and pct\n", program);
    exit(2);
}

static void option_take(int option)
{
    switch (option) {
    case 'n':
        options.seeds = number(optarg);
        break;
    case 'f':
        options.first = number(optarg);
        break;
    case 'j':
        options.jobs = (unsigned)number(optarg);
        break;
    case 's':
        options.mode = MODE_ONE;
        options.first = number(optarg);
        break;
    case 'c':
        options.cpus = (unsigned)number(optarg);
        break;
    case 'd':
        options.driver = driver_of(optarg);
        break;
    case 'b':
        options.mode = MODE_DFS;
        options.bound = (unsigned)number(optarg);
        break;
    case 't':
        options.mode = MODE_TRACE;
        options.trace_in = optarg;
        break;
    case 'p':
        options.mode = MODE_REPLAYS;
        options.seeds = number(optarg);
        break;
    case 'r':
        options.trace_out = optarg;
        break;
    case 'h':
        options.here = true;
        break;
    default:
        fprintf(stderr, usage, program);
        exit(2);
    }
}

int sim_main(int argc, char **argv, const struct scenario *what)
{
    static const struct option longs[] = {
        {"seeds", 1, NULL, 'n'},   {"first", 1, NULL, 'f'},
        {"jobs", 1, NULL, 'j'},    {"seed", 1, NULL, 's'},
        {"cpus", 1, NULL, 'c'},    {"driver", 1, NULL, 'd'},
        {"dfs", 1, NULL, 'b'},     {"trace", 1, NULL, 't'},
        {"record", 1, NULL, 'r'},  {"here", 0, NULL, 'h'},
        {"replays", 1, NULL, 'p'}, {NULL, 0, NULL, 0},
    };
    int option;

    scenario = what;
    program = argv[0];
    run_open(scenario);
    options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        option_take(option);
    if (options.jobs < 1 || options.jobs > JOBS_MAX)
        options.jobs = 2;
    if (options.mode == MODE_SEEDS)
        return seeds_run();
    if (options.mode == MODE_REPLAYS)
        return replays_run();
    return options.mode == MODE_DFS ? dfs_run() : one_run();
}
