/* More ways to die: see main.c. */
#include "apps/faults/fault.h"
#include <torc/assert.h>
#include <torc/cpu_local.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

/* The compiler cannot know its value, so it keeps the faulty access. */
static volatile uintptr_t hidden;

static int fault_jump(void *arg)
{
    (void)arg;
    hidden = 16;
    ((void (*)(void))hidden)();
    return 0;
}

static int fault_smash(void *arg)
{
    volatile uintptr_t *frame = __builtin_frame_address(0);

    (void)arg;
    frame[1] = 16; /* where it returns to */
    return 0;
}

static const int constant = 1;

static int fault_constant(void *arg)
{
    (void)arg;
    hidden = (uintptr_t)&constant;
    *(volatile int *)hidden = 2;
    return 0;
}

static int fault_divide(void *arg)
{
    (void)arg;
    hidden = 0;
    return (int)(100 / hidden);
}

enum { MXCSR_DIVISION = 0x1f80 & ~0x200 }; /* it is an exception */

static int fault_fp(void *arg)
{
    volatile double zero = 0;

    (void)arg;
    __builtin_ia32_ldmxcsr(MXCSR_DIVISION);
    return (int)(1 / zero);
}

typedef float vector __attribute__((vector_size(16)));

static int fault_align(void *arg)
{
    static vector place[2];

    (void)arg;
    hidden = (uintptr_t)place + 4;
    *(volatile vector *)hidden = (vector){1};
    return 0;
}

static int fault_canonical(void *arg)
{
    (void)arg;
    hidden = (uintptr_t)1 << 63;
    return *(volatile int *)hidden;
}

static int fault_invalid(void *arg)
{
    (void)arg;
    __builtin_trap();
}

/* ---- Memory: with memcheck=1 --------------------------------------------- */

static int fault_free_twice(void *arg)
{
    void *block = mem_alloc(40);

    (void)arg;
    mem_free(block);
    mem_free(block);
    return 0;
}

static int free_it(void *arg)
{
    mem_free(arg);
    return 0;
}

/* On the CPU it belongs to, and on another. */
static int fault_free_there(void *arg)
{
    struct thread_attr attr = {.place = THREAD_ON_CPU,
                               .cpu = (cpu_id() + 1) % cpu_count()};
    void *block = mem_alloc(40);
    thread_id id;

    (void)arg;
    mem_free(block);
    if (thread_create(&attr, free_it, block, &id) != 0 ||
        thread_join(id, NULL) != 0)
        return 1;
    thread_sleep(100 * NS_PER_MS); /* it comes home */
    return 0;
}

static int fault_overrun(void *arg)
{
    volatile char *block = mem_alloc(40);

    (void)arg;
    hidden = 40;
    block[hidden] = 1;
    mem_free((void *)(uintptr_t)block);
    return 0;
}

/* ---- The kernel's data --------------------------------------------------- */

enum { READY_AT = 8, EXCHANGE_AT = 40 }; /* in what the kernel has of a CPU */

static int fault_queue(void *arg)
{
    (void)arg;
    memset((char *)hal_cpu_local() + READY_AT, 0x5a, 16);
    thread_yield();
    thread_yield();
    return 0;
}

static int fault_slot(void *arg)
{
    memset((char *)hal_cpu_local() + EXCHANGE_AT, 0x5a, 24);
    return fault_free_there(arg);
}

/* ---- Threads ------------------------------------------------------------- */

static struct mutex *left, *right;

static int lock_right_left(void *arg)
{
    (void)arg;
    assert(mutex_lock(right, TIME_NEVER) == 0);
    thread_yield();
    thread_yield();
    assert(mutex_lock(left, TIME_NEVER) == 0);
    return 0;
}

static int fault_deadlock(void *arg)
{
    thread_id id;

    (void)arg;
    if (mutex_create(&left) != 0 || mutex_create(&right) != 0 ||
        mutex_lock(left, TIME_NEVER) != 0 ||
        thread_create(NULL, lock_right_left, NULL, &id) != 0)
        return 1;
    thread_yield();
    assert(mutex_lock(right, TIME_NEVER) == 0);
    return 0;
}

/* With watchdog=50 stuck=end. */
static int fault_stuck(void *arg)
{
    for (hidden = 0; hidden < UINTPTR_MAX; hidden++)
        ;
    return arg != NULL;
}

const struct fault more_faults[] = {
    {"jump", fault_jump},
    {"smash", fault_smash},
    {"constant", fault_constant},
    {"divide", fault_divide},
    {"fp", fault_fp},
    {"align", fault_align},
    {"canonical", fault_canonical},
    {"invalid", fault_invalid},
    {"twice", fault_free_twice},
    {"twice-there", fault_free_there},
    {"overrun", fault_overrun},
    {"queue", fault_queue},
    {"slot", fault_slot},
    {"deadlock", fault_deadlock},
    {"stuck", fault_stuck},
    {NULL, NULL},
};
