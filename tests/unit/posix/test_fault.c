/*
 * Processor exceptions and samples of the hosted machine: what the kernel is
 * told. This program is the kernel: it has the upcalls.
 */
#include "hal/posix/host/fault.h"
#include "hal/posix/host/sample.h"
#include "hal/posix/host/signal_stack.h"
#include "hal/posix/kernel/irq.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <torc/assert.h>

/* What the kernel was told; seen by parent and child. */
static struct told {
    unsigned faults;
    char what[64];
    char detail[1024];
    uintptr_t ip, sp, fp, address;
    hal_irqflags flags;
    char here; /* on which stack it ran */
    uintptr_t stack;
    atomic_uint samples;
    uintptr_t sample_ip, sample_sp, sample_fp;
    hal_irqflags sample_flags;
    int sample_errno;
    atomic_uint samples_off;
    uint64_t off_ns; /* of the last of these */
    bool off_irqs;   /* interrupts were on when it ran */
} * told;

static bool fault_again;

void kernel_fault(const struct hal_fault *fault)
{
    char here;

    told->faults++;
    snprintf(told->what, sizeof(told->what), "%s", fault->what);
    snprintf(told->detail, sizeof(told->detail), "%s", fault->detail);
    told->ip = fault->ip;
    told->sp = fault->sp;
    told->fp = fault->fp;
    told->address = fault->address;
    told->flags = hal_irq_save();
    told->stack = (uintptr_t)&here;
    if (fault_again)
        __asm__ volatile("ud2");
    _exit(50);
}

void kernel_sample(const struct hal_fault *where)
{
    errno = 77; /* the interrupted code must not see it */
    if (where->off_ns != 0) {
        told->off_ns = where->off_ns;
        told->off_irqs = hal_irq_save() == HAL_IRQS_ON;
        atomic_fetch_add(&told->samples_off, 1);
        return;
    }
    told->sample_ip = where->ip;
    told->sample_sp = where->sp;
    told->sample_fp = where->fp;
    told->sample_flags = hal_irq_save();
    atomic_fetch_add(&told->samples, 1);
}

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    abort();
}

/* ---- Faults -------------------------------------------------------------- */

static struct host_signal_stack signal_stack;
static void *no_page; /* of a file, behind its end */

static void fault_prepare(void)
{
    bare_open((struct host_config){0});
    host_signal_stack_open(&signal_stack);
    host_fault_catch();
    hal_irq_restore(HAL_IRQS_ON);
}

static void fault_read(void)
{
    fault_prepare();
    __asm__ volatile("movq $0x1111, %%r11\n\tmovq $0x2222, %%r12\n\t"
                     "movb 0x123, %%al" ::
                         : "rax", "r11", "r12");
}

static void fault_bus(void)
{
    fault_prepare();
    *(volatile char *)no_page = 1;
}

static void fault_instruction(void)
{
    fault_prepare();
    __asm__ volatile("ud2");
}

static void fault_breakpoint(void)
{
    fault_prepare();
    __asm__ volatile("int3");
}

static void fault_division(void)
{
    fault_prepare();
    __asm__ volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\t"
                     "idivl %%ecx" ::
                         : "rax", "rcx", "rdx", "cc");
}

static void fault_twice(void)
{
    fault_again = true;
    fault_instruction();
}

static void *fault_thread(void *arg)
{
    (void)arg;
    __asm__ volatile("ud2");
    return NULL;
}

static void fault_elsewhere(void)
{
    pthread_t thread;

    fault_prepare();
    pthread_create(&thread, NULL, fault_thread, NULL);
    pthread_join(thread, NULL);
}

static void test_faults_are_reported(void **state)
{
    /* clang-format off */
    const struct {
        const char *name;
        void (*fn)(void);
        const char *what;
        uintptr_t address;
    } rows[] = {
        {"read", fault_read, "segmentation fault", 0x123},
        {"bus", fault_bus, "bus error", (uintptr_t)no_page},
        {"instruction", fault_instruction, "invalid instruction", 0},
        {"breakpoint", fault_breakpoint, "breakpoint", 0},
        {"division", fault_division, "arithmetic fault", 0},
    };
    /* clang-format on */
    char text[1024], here;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uintptr_t fn = (uintptr_t)rows[i].fn;

        memset(told, 0, sizeof(*told));
        ROW(rows[i].name, bare_child(rows[i].fn, text, sizeof(text)) == 50);
        ROW(rows[i].name, told->faults == 1);
        ROW(rows[i].name, strcmp(told->what, rows[i].what) == 0);
        ROW(rows[i].name, told->address == rows[i].address);
        ROW(rows[i].name, told->ip >= fn && told->ip < fn + 300);
        ROW(rows[i].name, told->sp > (uintptr_t)&here - 100000 &&
                              told->sp < (uintptr_t)&here);
        ROW(rows[i].name, told->fp >= told->sp && told->fp < told->sp + 1000);
        ROW(rows[i].name, told->flags == HAL_IRQS_OFF);
        /* On a stack of its own: mostly the other one has overflowed. */
        ROW(rows[i].name, told->stack < told->sp - 1000000 ||
                              told->stack > told->sp + 10000000);
    }
}

/* All registers, each with its value. */
static void test_a_fault_shows_registers(void **state)
{
    static const char *const names[] = {
        "rax ", "rbx ", "rcx ", "rdx ", "rsi ",   "rdi ", "\nr8  ",
        "r9  ", "r10 ", "r12 ", "r13 ", "\nr14 ", "r15 ", "flags "};
    char text[1024];

    (void)state;
    memset(told, 0, sizeof(*told));
    assert_int_equal(bare_child(fault_read, text, sizeof(text)), 50);
    assert_non_null(strstr(told->detail, "r11 0000000000001111  "
                                         "r12 0000000000002222  "));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ROW(names[i], strstr(told->detail, names[i]) != NULL);
    assert_int_equal(told->detail[strlen(told->detail) - 1], '\n');
}

static void test_faults_that_cannot_be_reported(void **state)
{
    char text[1024];

    (void)state;
    memset(told, 0, sizeof(*told));
    assert_int_equal(bare_child(fault_twice, text, sizeof(text)), 134);
    assert_int_equal(told->faults, 9); /* all but the first are the report's */
    assert_memory_equal(text, "torc: invalid instruction at 0x", 31);
    assert_non_null(strstr(text, ", while another is reported\n"));
    assert_int_equal(bare_child(fault_elsewhere, text, sizeof(text)), 134);
    assert_memory_equal(text, "torc: invalid instruction at 0x", 31);
    assert_non_null(strstr(text, "address 0, in a thread of the host half\n"));
}

/* ---- Samples ------------------------------------------------------------- */

/* Timers of Linux: how many there are, and what the last one was set to. */
static int timers;
static struct itimerspec timer_set_to;
static bool create_fails, set_fails;

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    int id;

    assert_int_equal(clock, CLOCK_THREAD_CPUTIME_ID);
    if (create_fails || syscall(SYS_timer_create, clock, event, &id) != 0)
        return -1;
    *timer = (timer_t)(intptr_t)id;
    timers++;
    return 0;
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *to,
                  struct itimerspec *old)
{
    if (set_fails)
        return -1;
    assert_int_equal(flags, 0);
    timer_set_to = *to;
    return (int)syscall(SYS_timer_settime, (int)(intptr_t)timer, flags, to,
                        old);
}

int timer_delete(timer_t timer)
{
    timers--;
    return (int)syscall(SYS_timer_delete, (int)(intptr_t)timer);
}

static uint64_t cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Use processor time without a call of the HAL; errno must stay. */
static noinline void burn(unsigned ms)
{
    uint64_t end = cpu_ms() + ms;

    errno = 5;
    while (cpu_ms() < end && errno == 5)
        ;
    assert_int_equal(errno, 5);
}

/*
 * Use processor time until there are `count` samples. Linux looks at such a
 * timer at its own ticks, and counts the time that a hypervisor takes as the
 * thread's: how many samples a time gives has no lower limit but one.
 */
static noinline void burn_until(unsigned count)
{
    uint64_t end = cpu_ms() + 60 * 1000;

    while (atomic_load(&told->samples) < count && cpu_ms() < end)
        ;
    assert_true(atomic_load(&told->samples) >= count);
}

static int sample_setup(void **state)
{
    (void)state;
    memset(told, 0, sizeof(*told));
    bare_open((struct host_config){0});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    return 0;
}

static void test_samples_come_while_interrupts_are_on(void **state)
{
    unsigned before;
    uint64_t began;
    char here;

    (void)state;
    assert_int_equal(hal_sample_start(2 * 1000 * 1000), 0);
    burn(50);
    for (began = cpu_ms(); atomic_load(&told->samples_off) == 0;)
        assert_true(cpu_ms() < began + 60 * 1000);
    assert_int_equal(atomic_load(&told->samples), 0); /* they are off */
    began = cpu_ms();
    hal_irq_restore(HAL_IRQS_ON);
    burn_until(5);
    before = atomic_load(&told->samples);
    assert_true(before <= (cpu_ms() - began) / 2 + 2);
    assert_int_equal(told->sample_flags, HAL_IRQS_OFF);
    assert_true(told->sample_sp > (uintptr_t)&here - 100000 &&
                told->sample_sp < (uintptr_t)&here + 100000);
    assert_true(told->sample_ip != 0);
    assert_true(told->sample_fp != 0);
    assert_int_equal(hal_irq_save(), HAL_IRQS_ON); /* as before */
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(hal_sample_start(0), 0);
    before = atomic_load(&told->samples);
    burn(30);
    assert_int_equal(atomic_load(&told->samples), before);
    /* Again, with another period; not below HAL_SAMPLE_MIN_NS. */
    began = cpu_ms();
    assert_int_equal(hal_sample_start(1), 0);
    burn_until(before + 5);
    assert_true(atomic_load(&told->samples) <
                before + 10 * (cpu_ms() - began + 2));
}

/* With interrupts off: from the fourth period on, and told since when. */
static void test_samples_of_a_cpu_that_hangs(void **state)
{
    uint64_t began = cpu_ms();
    unsigned before;

    (void)state;
    assert_int_equal(hal_sample_start(2 * 1000 * 1000), 0);
    while (atomic_load(&told->samples_off) == 0)
        burn(1);
    assert_true(cpu_ms() - began >= HAL_SAMPLES_MISSED * 2);
    assert_true(told->off_ns >= HAL_SAMPLES_MISSED * 2 * 1000 * 1000);
    assert_true(told->off_ns <= (cpu_ms() - began + 1) * 1000 * 1000);
    assert_false(told->off_irqs);
    assert_int_equal(hal_irq_save(), HAL_IRQS_OFF); /* as before */
    assert_int_equal(atomic_load(&told->samples), 0);
    /* Whoever turns them on now and then does not hang. */
    hal_irq_restore(HAL_IRQS_ON);
    before = atomic_load(&told->samples_off);
    began = cpu_ms();
    while (cpu_ms() - began < 50) {
        (void)hal_irq_save();
        hal_irq_restore(HAL_IRQS_ON);
        (void)hal_irq_save();
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
        hal_irq_restore(HAL_IRQS_ON);
    }
    assert_int_equal(atomic_load(&told->samples_off), before);
}

static void test_a_sleeper_has_no_samples(void **state)
{
    uint64_t began = cpu_ms();

    (void)state;
    assert_int_equal(hal_sample_start(1000 * 1000), 0);
    hal_timer_set(hal_time_ns() + 50 * 1000 * 1000);
    hal_cpu_idle();
    assert_true(atomic_load(&told->samples) <= cpu_ms() - began + 2);
}

/* A sample that a CPU gets while it sleeps does not keep others from waking it:
 * what it would set means that it is awake. */
static pthread_t sleeper;

static void *sampler_thread(void *arg)
{
    const struct timespec moment = {.tv_nsec = 30 * 1000 * 1000};

    (void)arg;
    nanosleep(&moment, NULL);
    pthread_kill(sleeper, SIGPROF);
    nanosleep(&moment, NULL);
    irq_raise(5);
    return NULL;
}

static void test_a_sample_does_not_lose_a_wake_up(void **state)
{
    unsigned interrupts = 0;
    uint64_t began;
    pthread_t thread;

    (void)state;
    sleeper = pthread_self();
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &interrupts), 0);
    assert_int_equal(hal_sample_start(3600 * UINT64_C(1000000000)), 0);
    began = hal_time_ns();
    hal_timer_set(began + 10 * UINT64_C(1000000000));
    assert_int_equal(pthread_create(&thread, NULL, sampler_thread, NULL), 0);
    while (interrupts == 0)
        hal_cpu_idle();
    assert_true(hal_time_ns() - began < 9 * UINT64_C(1000000000));
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&told->samples), 0);
}

/* The next machine begins without; ending what never began is harmless. */
static void test_samples_end_with_the_machine(void **state)
{
    unsigned before;

    (void)state;
    assert_int_equal(hal_sample_start(0), 0);
    assert_int_equal(hal_sample_start(1000 * 1000), 0);
    bare_open((struct host_config){0});
    hal_irq_restore(HAL_IRQS_ON);
    before = atomic_load(&told->samples);
    burn(30);
    assert_int_equal(atomic_load(&told->samples), before);
    assert_int_equal(hal_sample_start(1000 * 1000), 0);
    burn_until(before + 1);
}

/* A thread that is no CPU has none, whatever sends it the signal. */
static void *signal_thread(void *arg)
{
    (void)arg;
    raise(SIGPROF);
    return NULL;
}

static void test_other_threads_have_no_samples(void **state)
{
    pthread_t thread;
    unsigned before;

    (void)state;
    assert_int_equal(hal_sample_start(3600 * UINT64_C(1000000000)), 0);
    hal_irq_restore(HAL_IRQS_ON);
    before = atomic_load(&told->samples);
    assert_int_equal(pthread_create(&thread, NULL, signal_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&told->samples), before);
    raise(SIGPROF);
    assert_int_equal(atomic_load(&told->samples), before + 1);
}

/* A CPU has one timer, from its first sample on until the machine closes. */
static void test_a_cpu_has_one_timer(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        uint64_t period_ns;
        time_t s;
        long ns;
    } rows[] = {
        {"a second and more", UINT64_C(1000000001), 1, 1},
        {"less than a second", 999999999, 0, 999999999},
        {"shortest", HAL_SAMPLE_MIN_NS, 0, HAL_SAMPLE_MIN_NS},
        {"too short", HAL_SAMPLE_MIN_NS - 1, 0, HAL_SAMPLE_MIN_NS},
        {"never", 0, 0, 0},
    };
    /* clang-format on */

    (void)state;
    assert_int_equal(hal_sample_start(0), 0);
    assert_int_equal(timers, 0);
    create_fails = true;
    assert_int_equal(hal_sample_start(3600 * UINT64_C(1000000000)), -ENOTSUP);
    create_fails = false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].name, hal_sample_start(rows[i].period_ns) == 0);
        ROW(rows[i].name, timers == 1);
        ROW(rows[i].name, timer_set_to.it_interval.tv_sec == rows[i].s);
        ROW(rows[i].name, timer_set_to.it_interval.tv_nsec == rows[i].ns);
        ROW(rows[i].name, timer_set_to.it_value.tv_sec == rows[i].s);
        ROW(rows[i].name, timer_set_to.it_value.tv_nsec == rows[i].ns);
    }
    set_fails = true;
    assert_int_equal(hal_sample_start(0), -ENOTSUP);
    set_fails = false;
    host_machine_close();
    assert_int_equal(timers, 0);
}

/* ---- The program --------------------------------------------------------- */

static int group_setup(void **state)
{
    char path[] = "/tmp/torc_fault_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unlink(path);
    no_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return told == MAP_FAILED || no_page == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_reported),
        cmocka_unit_test(test_a_fault_shows_registers),
        cmocka_unit_test(test_faults_that_cannot_be_reported),
        cmocka_unit_test_setup_teardown(
            test_samples_come_while_interrupts_are_on, sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_samples_of_a_cpu_that_hangs,
                                        sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sleeper_has_no_samples,
                                        sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sample_does_not_lose_a_wake_up,
                                        sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_samples_end_with_the_machine,
                                        sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_threads_have_no_samples,
                                        sample_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_cpu_has_one_timer, sample_setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
