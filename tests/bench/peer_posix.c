/* Peers of the C library and of Linux, and the bare cache line. */
#include "tests/bench/bench.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- ucontext ------------------------------------------------------------ */

static ucontext_t here;
static ucontext_t there;
static char stack[64 * 1024] __attribute__((aligned(16)));

static void bounce(void)
{
    struct bench_live live = {1, 2, 3, 4, 5};

    for (;;) {
        swapcontext(&there, &here);
        bench_live_use(&live);
    }
}

uint64_t bench_ucontext(uint64_t count)
{
    struct bench_live live = {1, 2, 3, 4, 5};
    uint64_t start;

    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof(stack);
    makecontext(&there, bounce, 0);
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i += 2) {
        swapcontext(&here, &there);
        bench_live_use(&live);
    }
    return bench_now_ns() - start;
}

/* ---- sched_yield --------------------------------------------------------- */

static void *yield_many(void *arg)
{
    uint64_t count = *(uint64_t *)arg;

    bench_pin(0);
    for (uint64_t i = 0; i < count; i++)
        sched_yield();
    return NULL;
}

/* Two pthreads on the caller's processor, while it waits for them. */
uint64_t bench_sched_yield(uint64_t count)
{
    uint64_t each = count / 2;
    pthread_t threads[2];
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, yield_many, &each) != 0)
            abort();
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return bench_now_ns() - start;
}

/* ---- Sleeping and waking ------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static unsigned turn; /* whose: under the lock */

static void cond_turns(unsigned self, uint64_t count)
{
    pthread_mutex_lock(&lock);
    for (uint64_t i = 0; i < count; i++) {
        while (turn != self)
            pthread_cond_wait(&turned, &lock);
        turn = !self;
        pthread_cond_signal(&turned);
    }
    pthread_mutex_unlock(&lock);
}

static void cond_here(uint64_t count)
{
    cond_turns(0, count);
}

static void cond_there(uint64_t count)
{
    cond_turns(1, count);
}

uint64_t bench_cond(uint64_t count)
{
    return pair_run(cond_here, cond_there, count);
}

static uint32_t word BENCH_LINE; /* whose turn */

static void futex_turns(uint32_t self, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != self)
            syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, !self, NULL);
        __atomic_store_n(&word, !self, __ATOMIC_RELEASE);
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
    }
}

static void futex_here(uint64_t count)
{
    futex_turns(0, count);
}

static void futex_there(uint64_t count)
{
    futex_turns(1, count);
}

uint64_t bench_futex(uint64_t count)
{
    return pair_run(futex_here, futex_there, count);
}

/* ---- A cache line -------------------------------------------------------- */

static uint64_t line BENCH_LINE;

static void line_turns(uint64_t self, uint64_t count)
{
    for (uint64_t i = self; i < 2 * count; i += 2) {
        while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != i)
            ;
        __atomic_store_n(&line, i + 1, __ATOMIC_RELEASE);
    }
}

static void line_here(uint64_t count)
{
    line_turns(0, count);
}

static void line_there(uint64_t count)
{
    line_turns(1, count);
}

/* The least a round trip between two processors can cost. */
uint64_t bench_line(uint64_t count)
{
    line = 0;
    return pair_run(line_here, line_there, count);
}
