#include "tests/sim/run.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/fresh.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "hal/posix/kernel/idle.h"
#include "kernel/boot/init.h"
#include "tests/sim/invariants.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <torc/app.h>
#include <unistd.h>

_Noreturn void kernel_main(const struct hal_boot_info *boot);

enum {
    RUN_SECONDS = 10,    /* of processor time */
    WATCHING_EVERY = 13, /* one seed has CPUs that watch memory */
    /* One of FILLED_EVERY groups of FILLED seeds begins with filled memory. Not
     * every so many seeds: such a machine leaves many pages to clear. */
    FILLED = 64,
    FILLED_EVERY = 16,
};

static const struct scenario *scenario;

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

static void boot(void *arg)
{
    const struct run *run = arg;
    const struct host_config host = {
        .cpus = run->cpus,
        .mem_bytes = scenario->mem_bytes,
        .memory_bus = scenario->memory_bus,
        .cmdline = "log=error",
        .fill = run->seed / FILLED % FILLED_EVERY == 1,
    };
    const struct hal_boot_info *info;

    machine_watches = run->seed % WATCHING_EVERY == 0;
    info = host_machine_prepare(&host);
    if (info == NULL)
        exit(EXIT_FAILURE);
    if (scenario->plug != NULL)
        scenario->plug();
    kernel_main(info);
}

/* Signals are handled by the process that runs machines. */
static void signals_open(void)
{
    static struct host_signal_stack stack;

    host_signal_stack_open(&stack);
    host_fault_catch();
}

/* Returns whether it ended well. */
static bool machine(const struct run *run, struct sim_state *state)
{
    struct sim_config config = run->config;

    config.check = check;
    sim_setup(&config, state);
    sim_run(boot, (void *)(uintptr_t)run);
    return state->finished && state->status == 0;
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
    if (dup2(console, 1) < 0 || dup2(console, 2) < 0)
        exit(EXIT_FAILURE);
}

static void console_forget(void)
{
    if (ftruncate(console, 0) != 0 || lseek(console, 0, SEEK_SET) != 0)
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

/* ---- Processes ----------------------------------------------------------- */

static pid_t child(void)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    return pid;
}

/* For loops without preemption points. */
static void time_limit(void)
{
    const struct itimerval limit = {.it_value.tv_sec = RUN_SECONDS};

    setitimer(ITIMER_PROF, &limit, NULL);
}

static bool ended_well(pid_t pid, struct sim_state *state)
{
    int status;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return true;
    failure_explain(state, status);
    return false;
}

bool run_alone(const struct run *run, struct sim_state *state, bool quiet)
{
    pid_t pid = child();

    if (pid > 0)
        return ended_well(pid, state);
    console_forget();
    if (quiet)
        be_quiet();
    time_limit();
    run_here(run, state);
}

void run_here(const struct run *run, struct sim_state *state)
{
    signals_open();
    exit(machine(run, state) ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool run_many(bool (*next)(void *arg, struct run *run), void *arg,
              struct sim_state *state)
{
    pid_t pid = child();
    struct run run;

    if (pid > 0)
        return ended_well(pid, state);
    console_forget();
    be_quiet();
    signals_open();
    if (host_fresh_keep() != 0)
        _exit(EXIT_FAILURE);
    while (next(arg, &run)) {
        time_limit();
        if (!machine(&run, state))
            _exit(EXIT_FAILURE);
        if (scenario->unplug != NULL)
            scenario->unplug();
        host_fresh_restore();
        console_forget();
    }
    _exit(EXIT_SUCCESS);
}

/* -------------------------------------------------------------------------- */

void *run_share(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return map;
}

void run_open(const struct scenario *what)
{
    scenario = what;
    drivers_set(what->drivers);
    console_open();
}
