#include "tests/sim/runner.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "hal/posix/kernel/idle.h"
#include "hal/posix/sim/sim.h"
#include "kernel/boot/init.h"
#include "tests/sim/invariants.h"
#include "tests/sim/trace.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <torc/app.h>
#include <unistd.h>

_Noreturn void kernel_main(const struct hal_boot_info *boot);

enum {
    JOBS_MAX = 64,
    RUN_SECONDS = 60,
    WATCHING_EVERY = 8,
    FILLED_EVERY = 16,
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

/* ---- The machine --------------------------------------------------------- */

static int app_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return scenario->run();
}

enum { DRIVERS_MAX = 8 };
static const struct driver *drivers[DRIVERS_MAX + 1]; /* the scenario's */

const struct torc_app torc_app = {
    .name = "sim", .main = app_main, .drivers = drivers};

static void drivers_set(const struct driver *const *from)
{
    for (unsigned i = 0; from != NULL && from[i] != NULL; i++) {
        assert(i < DRIVERS_MAX);
        drivers[i] = from[i];
    }
}

/* At every point. */
static void check(void)
{
    invariants_check();
    if (scenario->check != NULL)
        scenario->check();
}

static unsigned cpus_of(uint64_t seed)
{
    unsigned span = scenario->cpus_max - scenario->cpus_min + 1;

    if (options.cpus != 0)
        return options.cpus;
    return scenario->cpus_min + (unsigned)(seed % span);
}

static void config_of(uint64_t seed, struct sim_config *config)
{
    *config = (struct sim_config){
        .driver = options.driver,
        .seed = seed,
        .depth = 3,
        .length = 20000,
        .check = check,
    };
}

static _Noreturn void machine(const struct sim_config *config, uint64_t seed,
                              struct sim_state *state)
{
    const struct host_config host = {
        .cpus = cpus_of(seed),
        .mem_bytes = scenario->mem_bytes,
        .cmdline = "log=error",
        .fill = seed % FILLED_EVERY == 0, /* it takes as long as the run */
    };
    const struct hal_boot_info *boot;
    struct host_signal_stack stack;

    sim_setup(config, state);
    machine_watches = seed % WATCHING_EVERY == 0;
    boot = host_machine_prepare(&host);
    if (boot == NULL)
        exit(EXIT_FAILURE);
    if (scenario->plug != NULL)
        scenario->plug();
    host_signal_stack_open(&stack);
    host_fault_catch();
    kernel_main(boot);
}

/* ---- One run in a child -------------------------------------------------- */

static struct sim_state *state_map(void)
{
    void *map = mmap(NULL, sizeof(struct sim_state), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return map;
}

/* ---- What a run that nobody watches says --------------------------------- */

static int console; /* a file without a name; each process has its own */

static void console_open(void)
{
    console = memfd_create("console", 0);
    if (console < 0) {
        perror("memfd_create");
        exit(EXIT_FAILURE);
    }
}

static void be_quiet(void)
{
    if (ftruncate(console, 0) != 0 || lseek(console, 0, SEEK_SET) != 0 ||
        dup2(console, 1) < 0 || dup2(console, 2) < 0)
        exit(EXIT_FAILURE);
}

/* The rest of the line behind the last `word` that was said, or "". */
static const char *said_after(const char *word)
{
    static char text[8192];
    ssize_t len = pread(console, text, sizeof(text) - 1, 0);
    char *at;

    text[len < 0 ? 0 : len] = '\0';
    at = strstr(text, word);
    if (at == NULL)
        return "";
    at += strlen(word);
    at[strcspn(at, "\n")] = '\0';
    return at;
}

static void failure_explain(struct sim_state *state, int status)
{
    const char *panic = said_after("panic: ");

    if (state->failure[0] != '\0')
        return;
    if (state->finished)
        snprintf(state->failure, sizeof(state->failure),
                 "the scenario failed with status %d: %s", state->status,
                 said_after("error: "));
    else if (panic[0] != '\0')
        snprintf(state->failure, sizeof(state->failure), "panic: %s", panic);
    else
        snprintf(state->failure, sizeof(state->failure), "signal %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* Returns whether it ended well; else state->failure says why. */
static bool run(const struct sim_config *config, uint64_t seed,
                struct sim_state *state, bool quiet)
{
    pid_t pid;
    int status;

    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    if (pid == 0) {
        alarm(RUN_SECONDS);
        if (quiet)
            be_quiet();
        machine(config, seed, state);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (state->finished && state->status == 0 && WIFEXITED(status) &&
        WEXITSTATUS(status) == 0)
        return true;
    failure_explain(state, status);
    return false;
}

/* ---- Many seeds ---------------------------------------------------------- */

/* What the workers tell; each writes its own. */
struct tally {
    uint64_t seeds;
    uint64_t steps;
    uint64_t switches;
    uint64_t failed; /* the first seed that failed, or 0 */
    bool differed;   /* it did not fail: its two runs differed */
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

static void worker(unsigned job)
{
    struct tally *tally = &tallies[job];
    struct sim_state *first = state_map();
    struct sim_state *second = state_map();

    console_open();
    for (uint64_t i = job; i < options.seeds && !*stop; i += options.jobs) {
        uint64_t seed = options.first + i;
        struct sim_config config;

        config_of(seed, &config);
        if (!run(&config, seed, first, true)) {
            seed_failed(tally, seed, first->failure);
        } else if (!run(&config, seed, second, true) ||
                   first->hash != second->hash ||
                   first->steps != second->steps) {
            tally->differed = true;
            seed_failed(tally, seed, "two runs of one seed differ");
        }
        tally->seeds++;
        tally->steps += first->steps;
        tally->switches += first->switches;
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
        const struct timespec tick = {.tv_nsec = 100 * 1000 * 1000};

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

    tallies = mmap(NULL, sizeof(struct tally) * (JOBS_MAX + 1),
                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED)
        return EXIT_FAILURE;
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

static void record_to(const char *path, uint64_t seed,
                      const struct sim_state *state)
{
    const struct trace_head head = {
        .seed = seed, .cpus = cpus_of(seed), .step_ns = state->step_ns};

    trace_write(path, scenario->name, &head, state);
}

/* The configuration of a recorded run; its machine is that of --cpus. */
static void config_of_trace(const char *path, struct sim_choice *trace,
                            struct sim_config *config)
{
    struct trace_head head;
    size_t length = trace_read(path, scenario->name, &head, trace);

    config_of(head.seed, config);
    options.cpus = head.cpus;
    config->driver = SIM_TRACE;
    config->step_ns = head.step_ns;
    config->trace = trace;
    config->trace_length = length;
}

static int one_run(void)
{
    static struct sim_choice trace[SIM_TRACE_MAX];
    struct sim_state *state = state_map();
    struct sim_config config;
    bool well;

    config_of(options.first, &config);
    if (options.mode == MODE_TRACE)
        config_of_trace(options.trace_in, trace, &config);
    config.record = true;
    if (options.here)
        machine(&config, config.seed, state);
    well = run(&config, config.seed, state, false);
    printf("%s %s: hash %016lx, %lu points, %lu choices, %lu ns%s%s\n",
           well ? "ok  " : "FAIL", scenario->name, (unsigned long)state->hash,
           (unsigned long)state->steps, (unsigned long)state->choice_count,
           (unsigned long)state->time_ns, well ? "" : ": ",
           well ? "" : state->failure);
    if (options.trace_out != NULL)
        record_to(options.trace_out, config.seed, state);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Traces tell the truth ----------------------------------------------- */

/* Whether this trace leads to the run that was recorded. */
static bool same_again(const struct sim_config *config,
                       const struct sim_state *recorded,
                       struct sim_state *again)
{
    return run(config, config->seed, again, true) &&
           again->hash == recorded->hash && again->steps == recorded->steps &&
           again->time_ns == recorded->time_ns;
}

/* Whether the run ends with the word that the trace is of another one. */
static bool refused(const struct sim_config *config, struct sim_state *again)
{
    static const char word[] = "the trace does not fit";

    return !run(config, config->seed, again, true) &&
           strncmp(again->failure, word, sizeof(word) - 1) == 0;
}

/* The recorded run of a seed, again from its file; and not, when a choice of it
 * was altered or the last one is missing. NULL, or what is wrong. */
static const char *replay_check(uint64_t seed, const char *path,
                                struct sim_state *recorded,
                                struct sim_state *again)
{
    static struct sim_choice trace[SIM_TRACE_MAX];
    struct sim_config config;
    struct sim_choice *middle;

    config_of(seed, &config);
    config.record = true;
    if (!run(&config, seed, recorded, true))
        return recorded->failure;
    record_to(path, seed, recorded);
    config_of_trace(path, trace, &config);
    if (!same_again(&config, recorded, again))
        return "its trace leads to another run";
    middle = &trace[config.trace_length / 2];
    middle->n++;
    if (!refused(&config, again))
        return "a trace with another number of choices is taken";
    middle->n--;
    middle->tag++;
    if (!refused(&config, again))
        return "a trace of another question is taken";
    middle->tag--;
    config.trace_length--;
    return refused(&config, again) ? NULL : "a trace that is cut is taken";
}

static int replays_run(void)
{
    struct sim_state *recorded = state_map();
    struct sim_state *again = state_map();
    char path[] = "/tmp/sim-trace-XXXXXX";
    int fd = mkstemp(path);
    const char *wrong = fd < 0 ? "there is no place for its trace" : NULL;
    uint64_t seed = options.first;
    unsigned cpus = options.cpus;

    for (; wrong == NULL && seed < options.first + options.seeds; seed++) {
        wrong = replay_check(seed, path, recorded, again);
        options.cpus = cpus;
    }
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

static int dfs_run(void)
{
    static struct sim_choice trace[SIM_TRACE_MAX];
    struct sim_state *state = state_map();
    double start = now();
    uint64_t runs = 0;
    size_t length = 0;

    for (;;) {
        struct sim_config config;

        config_of(0, &config);
        config.driver = SIM_TRACE;
        config.step_ns = DFS_STEP_NS;
        config.trace = trace;
        config.trace_length = length;
        config.trace_open = true;
        runs++;
        if (!run(&config, 0, state, true)) {
            record_to("sim.trace", 0, state);
            printf("FAIL %s, schedule %lu: %s\n  replay: %s --trace "
                   "sim.trace\n",
                   scenario->name, (unsigned long)runs, state->failure,
                   program);
            return EXIT_FAILURE;
        }
        memcpy(trace, state->choices,
               state->choice_count * sizeof(struct sim_choice));
        length = trace_next(trace, state->choice_count);
        if (length == 0)
            break;
        if (isatty(2) && runs % 100 == 0)
            fprintf(stderr, "\r%s: %lu schedules ", scenario->name,
                    (unsigned long)runs);
    }
    printf("ok   %s: all %lu schedules with at most %u preemptions, %.1f s\n",
           scenario->name, (unsigned long)runs, options.bound, now() - start);
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
    drivers_set(what->drivers);
    program = argv[0];
    console_open();
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
