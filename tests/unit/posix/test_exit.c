/*
 * The end of the hosted machine: its status, its message, and that no CPU goes
 * on. Each machine is a child process.
 */
#include "hal/posix/host/exit.h"
#include "hal/posix/kernel/exit.h"
#include "hal/posix/kernel/irq.h"
#include "tests/unit/posix/machine_bare.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CPUS = 4, ALL = CPUS, STACK_SIZE = 64 * 1024, LOOK_MS = 30 };

/* What the child tells; memory that both processes see. */
struct report {
    atomic_uint arrived;
    atomic_ulong count[CPUS]; /* each CPU counts while it runs */
    atomic_uint looked;       /* how often the end was looked at */
    atomic_uint still_runs;   /* and a CPU counted on */
    atomic_uint held;         /* and a CPU was stopped with the lock */
};
static struct report *report;

/* A lock of the host, such as malloc() has, that CPU 1 takes and gives back. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void (*end)(void); /* what ends the machine, and on which CPU */
static unsigned ender;    /* ALL: each of them */

static bool watch_interrupts; /* they are off when the end comes */

/* ---- In the child -------------------------------------------------------- */

/* Called while the process ends: does any CPU still count? */
static void look(void)
{
    const struct timespec some = {.tv_nsec = LOOK_MS * 1000000L};
    unsigned long before[CPUS];

    for (unsigned i = 0; i < CPUS; i++)
        before[i] = atomic_load(&report->count[i]);
    nanosleep(&some, NULL);
    for (unsigned i = 0; i < CPUS; i++)
        if (atomic_load(&report->count[i]) != before[i])
            atomic_fetch_add(&report->still_runs, 1);
    if (watch_interrupts && hal_irq_save() != HAL_IRQS_OFF)
        atomic_fetch_add(&report->still_runs, 1);
    if (pthread_mutex_trylock(&lock) != 0)
        atomic_fetch_add(&report->held, 1);
    atomic_fetch_add(&report->looked, 1);
}

static void look_at_abort(int signal)
{
    (void)signal;
    look();
}

static void end_if_asked(unsigned cpu)
{
    if (cpu != ender && ender != ALL)
        return;
    while (atomic_load(&report->arrived) < CPUS)
        hal_cpu_relax();
    end();
}

static void lock_for_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 2 * 1000 * 1000};

    pthread_mutex_lock(&lock);
    nanosleep(&moment, NULL);
    pthread_mutex_unlock(&lock);
}

/* CPU 1 spins with delivery points, 2 spins without any, 3 sleeps. */
static void cpu_run(void *arg)
{
    unsigned cpu = hal_cpu_id();

    (void)arg;
    atomic_fetch_add(&report->arrived, 1);
    end_if_asked(cpu);
    for (;;) {
        atomic_fetch_add(&report->count[cpu], 1);
        if (cpu == 1)
            lock_for_a_moment();
        if (cpu == 3)
            hal_cpu_idle();
        else if (cpu != 2)
            hal_cpu_relax();
    }
}

static _Noreturn void child(int out)
{
    const struct host_config config = {.cpus = CPUS, .mem_bytes = 4 << 20};
    const struct hal_boot_info *boot = host_machine_prepare(&config);

    dup2(out, STDERR_FILENO);
    signal(SIGABRT, look_at_abort);
    atexit(look);
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        if (hal_cpu_start(cpu, cpu_run, NULL, bare_page(boot, 64 * cpu),
                          STACK_SIZE) != 0)
            _exit(99);
    cpu_run(NULL);
    _exit(98);
}

/* ---- In the parent ------------------------------------------------------- */

static char output[4096];

/* End a machine on `cpu` by fn(); returns its exit status, or 128 + signal. */
static int run(unsigned cpu, void (*fn)(void))
{
    size_t len = 0;
    ssize_t got;
    int ends[2];
    int status;
    pid_t pid;

    memset(report, 0, sizeof(*report));
    ender = cpu;
    end = fn;
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(ends[1]);
    }
    close(ends[1]);
    while ((got = read(ends[0], output + len, sizeof(output) - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void abort_now(void)
{
    hal_abort(HAL_END_OFF);
}

/* The first of several CPUs comes back, once; then it may say why and end. */
static void panic_begin(void)
{
    hal_irq_restore(HAL_IRQS_ON);
    if (!hal_panic_begin())
        _exit(96);
    if (hal_irq_save() != HAL_IRQS_OFF || hal_panic_begin())
        _exit(95);
    look(); /* the others do not run while it says why */
    atomic_fetch_sub(&report->looked, 1);
    if (write(STDERR_FILENO, "why\n", 4) != 4)
        _exit(94);
    hal_abort(HAL_END_OFF);
}

static void exit_0(void)
{
    hal_exit(0);
}

static void exit_7(void)
{
    hal_exit(7);
}

static void exit_with_interrupts(void)
{
    hal_irq_restore(HAL_IRQS_ON);
    watch_interrupts = true;
    hal_exit(7);
}

static void exit_127(void)
{
    hal_exit(127);
}

static void bad_ipi(void)
{
    hal_ipi_send(CPUS);
}

static void idle_with_interrupts(void)
{
    hal_irq_restore(HAL_IRQS_ON);
    hal_cpu_idle();
}

static void context_returns(void *arg)
{
    (void)arg;
}

static void context_that_returns(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    struct hal_context from, to;

    hal_context_init(&to, stack, sizeof(stack), context_returns, NULL);
    hal_context_switch(&from, &to);
}

static void context_of_odd_size(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    struct hal_context to;

    hal_context_init(&to, stack, sizeof(stack) - 8, context_returns, NULL);
}

static void context_of_odd_place(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    struct hal_context to;

    hal_context_init(&to, stack + 8, sizeof(stack) - 16, context_returns, NULL);
}

static void context_too_small(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    struct hal_context to;

    hal_context_init(&to, stack, 2048 - 16, context_returns, NULL);
}

static void raise_none(void)
{
    irq_raise(-1);
}

static void raise_too_many(void)
{
    irq_raise(IRQ_COUNT);
}

static void *raise_thread(void *arg)
{
    (void)arg;
    raise_none();
    return NULL;
}

static void raise_in_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, raise_thread, NULL) != 0)
        _exit(97);
    for (;;)
        hal_cpu_relax();
}

static void *end_thread(void *arg)
{
    (void)arg;
    machine_exit_request(143);
    return NULL;
}

/* As after SIGTERM: not a CPU ends the machine, and the CPU goes on. */
static void end_by_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, end_thread, NULL) != 0)
        _exit(97);
    for (;;)
        hal_cpu_relax();
}

static void test_end_stops_every_cpu(void **state)
{
    static const char why[] = "why\n";
    static const char bug[] = "torc: broken rule of hal.h on CPU ";
    /* clang-format off */
    static const struct {
        const char *name;
        unsigned cpu;
        void (*fn)(void);
        int status;
        const char *text; /* behind `bug` and the CPU; NULL: nothing is said */
    } rows[] = {
        {"success", 0, exit_0, 0, NULL},
        {"failure", 0, exit_7, 7, NULL},
        {"with interrupts on", 1, exit_with_interrupts, 7, NULL},
        {"largest status", 1, exit_127, 127, NULL},
        {"a sleeper's exit", 3, exit_7, 7, NULL},
        {"panic", 0, abort_now, 134, NULL},
        {"panic of another", 1, abort_now, 134, NULL},
        {"panic with a reason", 1, panic_begin, 134, why},
        {"all panic with a reason", ALL, panic_begin, 134, why},
        {"all exit", ALL, exit_7, 7, NULL},
        {"all panic", ALL, abort_now, 134, NULL},
        {"signal", 0, end_by_thread, 143, NULL},
        {"all break a rule", ALL, bad_ipi, 134,
         "hal_ipi_send() to a CPU that is not there"},
        {"ipi to nobody", 1, bad_ipi, 134,
         "hal_ipi_send() to a CPU that is not there"},
        {"sleep with interrupts on", 2, idle_with_interrupts, 134,
         "hal_cpu_idle() with interrupts on"},
        {"context returns", 3, context_that_returns, 134,
         "the entry function of a context returned"},
        {"stack size", 0, context_of_odd_size, 134,
         "hal_context_init() with a bad stack"},
        {"stack place", 0, context_of_odd_place, 134,
         "hal_context_init() with a bad stack"},
        {"stack too small", 0, context_too_small, 134,
         "hal_context_init() with a bad stack"},
        {"raise -1", 0, raise_none, 134,
         "a device raised an interrupt that does not exist"},
        {"raise in a thread", 0, raise_in_thread, 134,
         "torc: broken rule of hal.h in a device's thread: "
         "a device raised an interrupt that does not exist"},
        {"raise too many", 1, raise_too_many, 134,
         "a device raised an interrupt that does not exist"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = run(rows[i].cpu, rows[i].fn);
        char want[256] = "";

        if (rows[i].text == why)
            strcpy(want, why);
        else if (rows[i].text != NULL && rows[i].fn == raise_in_thread)
            snprintf(want, sizeof(want), "%s\n", rows[i].text);
        else if (rows[i].text != NULL)
            snprintf(want, sizeof(want), "%s%c: %s\n", bug,
                     rows[i].cpu == ALL ? output[sizeof(bug) - 1]
                                        : '0' + (char)rows[i].cpu,
                     rows[i].text);
        ROW(rows[i].name, status == rows[i].status);
        ROW(rows[i].name, strcmp(output, want) == 0);
        ROW(rows[i].name, atomic_load(&report->looked) == 1);
        ROW(rows[i].name, atomic_load(&report->still_runs) == 0);
        /* Before an exit, a CPU has time to come out of the host half. */
        ROW(rows[i].name,
            rows[i].status == 134 || atomic_load(&report->held) == 0);
    }
}

static int setup(void **state)
{
    (void)state;
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return report == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_stops_every_cpu),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
