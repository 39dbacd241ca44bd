/*
 * Die on purpose, to see what a panic says. The first argument chooses how;
 * with "there" behind it, it happens on CPU 1.
 *
 *   read      a null pointer is read
 *   write     code is written
 *   execute   data is executed
 *   stack     a stack overflows
 *   alloca    a frame much larger than a guard page is below the stack
 *   ist1..4   the page below a stack for interrupts is written (bare metal)
 *   boot      the page below the boot stack is written (bare metal)
 *   assert    an assertion fails; assert-late far down in a file,
 *   assert-header in a header
 *   spin      nothing is given up for 300 ms; then all is well
 *   corrupt   what the kernel knows of this CPU is overwritten, then read
 *   noisy     the same as read, while CPU 0 prints without end
 *   all       an assertion fails on every CPU at about the same time
 *   exit      lines are printed on every CPU, then the machine ends with 3
 *   random    sixteen random bytes are printed, and how many are believed in
 *   triple    the processor gives up (bare metal only)
 *   hang      nothing, for ever
 *   caught    exceptions are caught; then all is well
 *   caught-corrupt  as corrupt, where exceptions are caught
 *
 * more.c, and in tests/integration machine_faults.c and kernel_faults.c, have
 * others.
 */
#include "apps/faults/fault.h"
#include <stdbool.h>
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/buf.h>
#include <torc/cpu_local.h>
#include <torc/drivers.h>
#include <torc/exception.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/random.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

/* The compiler cannot know the value of this, so it keeps the faulty access. */
static volatile uintptr_t hidden;

static int fault_read(void *arg)
{
    (void)arg;
    hidden = 8;
    return *(volatile int *)hidden;
}

static int fault_write(void *arg)
{
    (void)arg;
    hidden = (uintptr_t)fault_read;
    *(volatile int *)hidden = 0;
    return 0;
}

static int fault_execute(void *arg)
{
    static unsigned char code[] = {0xc3}; /* ret */

    (void)arg;
    hidden = (uintptr_t)code;
    ((void (*)(void))hidden)();
    return 0;
}

static int fault_stack(void *arg)
{
    volatile char room[256];
    int (*volatile again)(void *) = fault_stack;

    room[0] = (char)hidden;
    return again(arg) + room[0];
}

/* The compiler must touch the pages in between, not only what is used. */
static int fault_alloca(void *arg)
{
    volatile char *far;

    (void)arg;
    hidden = 1024 * 1024;
    far = __builtin_alloca(hidden);
    far[0] = 1;
    return far[0];
}

static int fault_assert(void *arg)
{
    assert(arg != NULL);
    return 0;
}

/* Set on the CPU it happens on, looked at on CPU 0. */
static volatile bool ended;

/* Calls nothing for most of the time. */
static int fault_spin(void *arg)
{
    uint64_t end = time_ns() + 300 * NS_PER_MS;
    double sum = 0;

    (void)arg;
    while (time_ns() < end) {
        for (hidden = 0; hidden < 1000000; hidden++)
            sum += 1.0 / (double)(hidden + 1);
    }
    ended = sum > 1;
    return 0;
}

/* The report of the panic runs into the damage, and must not do so for ever. */
static int fault_corrupt(void *arg)
{
    memset(hal_cpu_local(), 0x5a, 64);
    return fault_read(arg);
}

static int wait_and_fail(void *arg)
{
    uint64_t *start = arg;

    while (time_ns() < *start)
        hidden++;
    assert(hidden == 0);
    return 0;
}

/* On every CPU; the last is this one. */
static int run_everywhere(int (*fn)(void *), void *arg)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {
            .name = "victim", .place = THREAD_ON_CPU, .cpu = cpu};

        if (cpu != cpu_id() && thread_create(&attr, fn, arg, NULL) != 0)
            return 1;
    }
    return fn(arg);
}

static int fault_all(void *arg)
{
    static uint64_t start;

    (void)arg;
    start = time_ns() + 100 * NS_PER_MS;
    return run_everywhere(wait_and_fail, &start);
}

enum { LINES = 50 };

static int say_lines(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < LINES; i++)
        console_print("line %u of cpu %u\n", i, cpu_id());
    return 0;
}

static int fault_exit(void *arg)
{
    (void)run_everywhere(say_lines, arg);
    thread_sleep(50 * NS_PER_MS); /* the others print theirs */
    (void)say_lines(arg);
    machine_exit(3);
}

static int make_noise(void *arg)
{
    (void)arg;
    while (!ended)
        console_print("noise\n");
    return 0;
}

static int fault_noisy(void *arg)
{
    thread_id id;

    (void)arg;
    if (thread_create(&(struct thread_attr){.name = "victim",
                                            .place = THREAD_ON_CPU,
                                            .cpu = cpu_count() - 1},
                      fault_read, NULL, &id) != 0)
        return 1;
    return make_noise(NULL);
}

static int show_random(void *arg)
{
    uint64_t word[2];
    size_t good = random_bytes(word, sizeof(word)) == 0 ? sizeof(word) : 0;

    (void)arg;
    console_print("random: %zu of 16: %016llx%016llx\n", good,
                  (unsigned long long)word[0], (unsigned long long)word[1]);
    ended = true;
    return 0;
}

static int fault_hang(void *arg)
{
    (void)arg;
    while (!ended)
        hidden++;
    return 0;
}

static int divide_by(void *arg)
{
    return (int)(100 / *(volatile uintptr_t *)arg);
}

/* Variables on top of the stack are addresses of the kernel's code. */
static int fault_text_on_top(void *arg)
{
    volatile uintptr_t word[2];

    (void)arg;
    for (unsigned i = 0; i < COUNT_OF(word); i++)
        word[i] = (uintptr_t)machine_exit + 1;
    hidden = 8;
    word[0] += *(volatile uintptr_t *)hidden;
    thread_yield(); /* it calls, so its variables are above the stack pointer */
    return (int)word[0];
}

/* With a register of the floating-point unit in use. */
static int fault_in_sum(void *arg)
{
    volatile long double term = 1;
    long double sum = term + term;

    (void)arg;
    hidden = 8;
    return (int)(sum + *(volatile long double *)hidden);
}

/* What is caught leaves nothing over; the last one is not the application's. */
static int fault_caught(void *arg)
{
    static uintptr_t zero, one = 1;
    struct exception what;
    int value;

    (void)arg;
    for (unsigned i = 0; i < 9; i++) {
        volatile long double seven = 7;

        assert(exception_catch(fault_in_sum, NULL, &value, NULL) == -EFAULT);
        assert(seven * seven + 1 == 50);
        assert(exception_catch(fault_text_on_top, NULL, &value, NULL) ==
               -EFAULT);
        assert(exception_catch(fault_read, NULL, &value, &what) == -EFAULT);
        assert(what.address == 8);
        assert(exception_catch(fault_write, NULL, &value, NULL) == -EFAULT);
        assert(exception_catch(fault_execute, NULL, &value, NULL) == -EFAULT);
        assert(exception_catch(divide_by, &zero, &value, NULL) == -EFAULT);
        assert(exception_catch(divide_by, &one, &value, NULL) == 0);
        assert(value == 100);
        thread_yield();
    }
    console_print("all were caught\n");
    ended = true;
    return 0;
}

static int fault_uncaught(void *arg)
{
    int value;

    (void)arg;
    return exception_catch(fault_stack, NULL, &value, NULL);
}

/* Who would catch it cannot be found. */
static int fault_caught_corrupt(void *arg)
{
    int value;

    return exception_catch(fault_corrupt, arg, &value, NULL);
}

/* Its line is beyond 255. */
static int fault_assert_late(void *arg)
{
    assert(arg != NULL);
    return 0;
}

static int fault_assert_header(void *arg)
{
    struct buf nobodys = {.refs = 0};

    (void)arg;
    buf_put(&nobodys);
    return 0;
}

static const struct fault faults[] = {
    {"read", fault_read},
    {"write", fault_write},
    {"execute", fault_execute},
    {"stack", fault_stack},
    {"assert", fault_assert},
    {"assert-late", fault_assert_late},
    {"assert-header", fault_assert_header},
    {"spin", fault_spin},
    {"alloca", fault_alloca},
    {"corrupt", fault_corrupt},
    {"noisy", fault_noisy},
    {"all", fault_all},
    {"exit", fault_exit},
    {"random", show_random},
    {"hang", fault_hang},
    {"caught", fault_caught},
    {"uncaught", fault_uncaught},
    {"caught-corrupt", fault_caught_corrupt},
    {NULL, NULL},
};

/* What to do for a name, or NULL. */
static int (*find(const struct fault *fault, const char *name))(void *)
{
    for (; fault != NULL && fault->name != NULL; fault++) {
        if (str_equal(name, fault->name))
            return fault->fn;
    }
    return NULL;
}

static int app_main(int argc, char **argv)
{
    struct thread_attr attr = {.name = "victim"};
    int (*fn)(void *) = NULL;
    thread_id id;

    if (argc > 2 && str_equal(argv[2], "there")) {
        attr.place = THREAD_ON_CPU;
        attr.cpu = 1;
    }
    if (argc > 1) {
        fn = find(faults, argv[1]);
        if (fn == NULL)
            fn = find(machine_faults, argv[1]);
        if (fn == NULL)
            fn = find(kernel_faults, argv[1]);
        if (fn == NULL)
            fn = find(more_faults, argv[1]);
    }
    if (fn != NULL) {
        if (thread_create(&attr, fn, NULL, &id) != 0)
            return 1;
        while (!ended)
            thread_sleep(10 * NS_PER_MS);
        return 0;
    }
    log_error("faults: read, write, execute, stack, alloca, ist1 to ist4, "
              "boot, assert, spin, corrupt, "
              "noisy, all, exit, random, triple or hang, then perhaps there");
    return 2;
}

static const struct driver *const drivers[] = {
    &virtio_blk_driver, &virtio_blk_dump_driver,
    &ide_driver,        &ide_dump_driver,
    &leaf_blk_driver,   &leaf_blk_dump_driver,
    &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &asleep_driver,
    &dump_disk_driver,  &framebuffer_driver,
    &gdb_driver,        NULL};

const struct torc_app torc_app = {
    .name = "faults",
    .drivers = drivers,
    .main = app_main,
    .has_arguments = true,
};
