/*
 * Die on purpose, to see what a panic says. The first argument chooses how;
 * with "there" behind it, it happens on CPU 1.
 *
 *   read      a null pointer is read
 *   write     code is written
 *   execute   data is executed
 *   stack     a stack overflows
 *   assert    an assertion fails
 *   spin      nothing is given up for 300 ms; then all is well
 */
#include "kernel/lib/check.h"
#include "kernel/lib/str.h"
#include <stdbool.h>
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

/* A look through this keeps the compiler from seeing what will happen. */
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

static const struct {
    const char *name;
    int (*fn)(void *);
} faults[] = {
    {"read", fault_read},       {"write", fault_write},
    {"execute", fault_execute}, {"stack", fault_stack},
    {"assert", fault_assert},   {"spin", fault_spin},
};

static int app_main(int argc, char **argv)
{
    struct thread_attr attr = {.name = "victim"};
    thread_id id;

    if (argc > 2 && str_equal(argv[2], "there")) {
        attr.place = THREAD_ON_CPU;
        attr.cpu = 1;
    }
    for (size_t i = 0; argc > 1 && i < COUNT_OF(faults); i++) {
        if (!str_equal(argv[1], faults[i].name))
            continue;
        if (thread_create(&attr, faults[i].fn, NULL, &id) != 0)
            return 1;
        while (!ended)
            thread_sleep(10 * NS_PER_MS);
        return 0;
    }
    log_error("faults: read, write, execute, stack, assert or spin, then "
              "perhaps there");
    return 2;
}

const struct torc_app torc_app = {
    .name = "faults",
    .main = app_main,
};
