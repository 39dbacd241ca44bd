#include "threads.h"
#include "explore.h"
#include "model.h"
#include "trail.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

enum {
    STACK_SIZE = 64 * 1024,
    SNAPSHOTS_MAX = CHOICES_MAX + 1,
    OPERATIONS_MAX = 4000, /* in one execution: more is a livelock */
    OLD_PAUSES_MAX = 4,    /* pauses after which old values may be read */
    STALL_US = 250 * 1000,
    STALL_LOOKS = 4,
};

enum status {
    RUNNABLE,
    PAUSED,  /* until another thread stores */
    WAITING, /* for an interrupt */
    ENDED,
};

struct thread {
    void *stack_pointer;
    uint64_t observed; /* hash of all it did and saw */
    enum status status;
    bool seen;              /* thread_seen() since the last thread_point() */
    bool retry;             /* others have stored since it paused last */
    bool interrupt;         /* pending */
    bool rests;             /* it may wait for one for ever */
    uint64_t interrupt_ops; /* they are in one order: the last one's place */
    uintptr_t watched;      /* line; 0 when none is */
    unsigned pauses;
    unsigned fresh; /* stores when it was brought up to date */
};

/* How far an execution has come. */
struct progress {
    unsigned preemptions;
    unsigned operations;
    unsigned stores;
};

/*
 * In front of a choice. What has changed since is brought back by the trail;
 * what changes all the time lies there between `begin` and `end`.
 */
struct snapshot {
    unsigned depth; /* choices made */
    size_t begin;
    size_t end;
};

unsigned thread_now;
bool threads_active;
bool threads_verbose;
bool threads_all_points;

static struct {
    const struct wmm_test *test;
    struct thread thread[WMM_THREADS];
    unsigned bound;
    struct progress so_far;
    unsigned long total; /* operations of all executions */
    bool wants_snapshot;
    unsigned snapshots;
    struct snapshot snapshot[SNAPSHOTS_MAX];
    enum run_end end;
    void *main_stack_pointer;
    char *stacks;
    char failure[512];
} state;

void thread_switch(void **save, void *load);

/* A broken list is followed to nowhere: that is a fault of the execution. */
static void on_fault(int signal)
{
    if (!threads_active)
        _Exit(3);
    wmm_fail("signal %d: an invalid address, perhaps", signal);
}

/*
 * Code without atomic operations can loop for ever unnoticed otherwise. The
 * timer counts the time for which this process computes, and one look is not
 * enough: a machine that is busy or stood still stretches an execution, and
 * that is no fault of it.
 */
static void on_timer(int signal)
{
    static unsigned long last;
    static unsigned looks; /* one after the other that found nothing new */

    (void)signal;
    looks = threads_active && state.total == last ? looks + 1 : 0;
    last = state.total;
    if (looks == STALL_LOOKS)
        wmm_fail("an endless loop");
}

static void catch_faults(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const struct itimerval interval = {{0, STALL_US}, {0, STALL_US}};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

    for (size_t i = 0; i < COUNT_OF(faults); i++)
        sigaction(faults[i], &action, NULL);
    action.sa_handler = on_timer;
    action.sa_flags |= SA_RESTART;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &interval, NULL);
}

void threads_init(void)
{
    state.stacks = mmap(NULL, STACK_SIZE * WMM_THREADS, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (state.stacks == MAP_FAILED)
        abort();
    catch_faults();
}

unsigned wmm_self(void)
{
    return thread_now;
}

const char *threads_failure(void)
{
    return state.failure;
}

/* Leave the execution. What is on the threads' stacks is forgotten. */
_Noreturn static void leave(enum run_end end)
{
    void *nowhere;

    state.end = end;
    threads_active = false;
    thread_switch(&nowhere, state.main_stack_pointer);
    abort();
}

_Noreturn void wmm_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(state.failure, sizeof(state.failure), format, args);
    va_end(args);
    if (!threads_active) { /* in setup() or finish() */
        state.end = RUN_FAILED;
        fprintf(stderr, "wmm: outside an execution: %s\n", state.failure);
        exit(3);
    }
    leave(RUN_FAILED);
}

/* ---- Choosing ------------------------------------------------------------ */

/* Where there is something to choose for the first time, others will. */
unsigned thread_choose(unsigned count)
{
    if (count > 1 && explore_depth() >= explore_given()) {
        state.wants_snapshot = true;
        thread_switch(&state.thread[thread_now].stack_pointer,
                      state.main_stack_pointer);
    }
    return explore_choose(count);
}

/*
 * The name of the state. What a thread has done and seen determines where it
 * is; with the order of the stores of each location it determines memory. Two
 * executions that differ only in the order of operations that do not touch each
 * other come to the same name.
 */
static uint64_t state_hash(void)
{
    uint64_t hash = model_order_hash();

    for (unsigned i = 0; i < state.test->threads; i++) {
        const struct thread *thread = &state.thread[i];

        hash += hash_mix(thread->observed, i + 1);
        hash = hash_mix(hash, (uint64_t)thread->status << 2 |
                                  (uint64_t)thread->retry << 1 | thread->seen);
    }
    return hash_mix(hash, thread_now);
}

static unsigned preemptions_left(void)
{
    return state.bound >= WMM_UNBOUNDED
               ? WMM_UNBOUNDED
               : state.bound - state.so_far.preemptions;
}

/* The threads that may be next, the present one first. */
static unsigned candidates(unsigned *who, bool preempting)
{
    unsigned count = 0;

    if (state.thread[thread_now].status == RUNNABLE)
        who[count++] = thread_now;
    if (preempting && preemptions_left() == 0)
        return count;
    for (unsigned i = 0; i < state.test->threads; i++) {
        if (i != thread_now && state.thread[i].status == RUNNABLE)
            who[count++] = i;
    }
    return count;
}

static const char *status_name(enum status status)
{
    static const char *const names[] = {"runs", "waits for a store", "sleeps",
                                        "has ended"};

    return names[status];
}

_Noreturn static void stuck(void)
{
    char text[256];
    int length = 0;

    for (unsigned i = 0; i < state.test->threads; i++)
        length += snprintf(text + length, sizeof(text) - (size_t)length,
                           "%s%u %s", i == 0 ? "" : ", ", i,
                           status_name(state.thread[i].status));
    wmm_fail("deadlock: %s", text);
}

/* Stores become visible in finite time (C11 7.17.3p16): all, to one thread. */
static void refresh(unsigned index)
{
    struct thread *thread = &state.thread[index];

    model_refresh(index);
    thread->observed = hash_mix(thread->observed, model_order_hash());
    thread->fresh = state.so_far.stores;
    if (threads_verbose)
        printf("  %u   now sees all stores\n", index);
}

/* Whether those that have not ended need no more than they have got. */
static bool all_rest(void)
{
    for (unsigned i = 0; i < state.test->threads; i++) {
        const struct thread *thread = &state.thread[i];

        if (thread->status != ENDED &&
            (thread->status != WAITING || !thread->rests))
            return false;
    }
    return true;
}

/*
 * Nobody can go on: it is the end or a deadlock if the newest stores change
 * nothing.
 */
static void bring_up_to_date(void)
{
    bool any = false;

    for (unsigned i = 0; i < state.test->threads; i++) {
        struct thread *thread = &state.thread[i];

        if (thread->status != PAUSED || thread->fresh == state.so_far.stores)
            continue;
        refresh(i);
        thread->status = RUNNABLE;
        any = true;
    }
    if (!any && all_rest())
        leave(RUN_DONE);
    if (!any)
        stuck();
}

static void go_on_with(unsigned next)
{
    struct thread *from = &state.thread[thread_now];

    if (next == thread_now)
        return;
    thread_now = next;
    thread_switch(&from->stack_pointer, state.thread[next].stack_pointer);
}

/* Choose who goes on; taking over from a thread that could is counted. */
static void choose_next(bool preempting)
{
    unsigned who[WMM_THREADS];
    unsigned count;
    unsigned next;

    if (explore_visited(state_hash(), preemptions_left()))
        leave(RUN_PRUNED);
    count = candidates(who, preempting);
    if (count == 0) {
        bring_up_to_date();
        count = candidates(who, false);
    }
    next = who[thread_choose(count)];
    if (preempting && next != thread_now)
        state.so_far.preemptions++;
    go_on_with(next);
}

void thread_point(void)
{
    struct thread *self = &state.thread[thread_now];

    state.total++;
    if (++state.so_far.operations > OPERATIONS_MAX)
        wmm_fail("livelock: %u operations and no end", OPERATIONS_MAX);
    if (!self->seen && !threads_all_points)
        return;
    self->seen = false;
    choose_next(true);
}

void thread_seen(void)
{
    state.thread[thread_now].seen = true;
}

void thread_stored(void)
{
    state.thread[thread_now].seen = true;
    state.so_far.stores++;
    for (unsigned i = 0; i < state.test->threads; i++) {
        struct thread *thread = &state.thread[i];

        if (i == thread_now)
            continue;
        if (thread->status == PAUSED)
            thread->status = RUNNABLE;
        else
            thread->retry = true;
    }
}

void thread_observe(uint64_t what)
{
    struct thread *self = &state.thread[thread_now];

    self->observed = hash_mix(self->observed, what);
}

unsigned wmm_choose(unsigned count)
{
    unsigned choice = thread_choose(count);

    thread_observe('c' + choice);
    return choice;
}

/* ---- Waiting ------------------------------------------------------------- */

/*
 * The loop may go round once more for each store of another thread, and may
 * read old values all the same; then it waits for the next store. Two loops
 * that store could keep each other going, so only the first rounds read old
 * values.
 */
void wmm_pause(void)
{
    struct thread *self = &state.thread[thread_now];

    state.total++;
    if (++state.so_far.operations > OPERATIONS_MAX)
        wmm_fail("livelock: %u operations and no end", OPERATIONS_MAX);
    if (!self->retry)
        self->status = PAUSED;
    self->retry = false;
    self->seen = false;
    thread_observe('p');
    choose_next(false);
    if (++self->pauses > OLD_PAUSES_MAX)
        refresh(thread_now);
}

/* Interrupts are in one order, as the operations on one location are. */
static void interrupt_order(struct thread *of, const char *what)
{
    of->interrupt_ops++;
    thread_observe((uint64_t)(of - state.thread) << 32 | of->interrupt_ops);
    thread_seen();
    if (threads_verbose)
        printf("  %u   interrupt of %u %s\n", thread_now,
               (unsigned)(of - state.thread), what);
}

static void interrupt(struct thread *target, const char *how)
{
    target->interrupt = true;
    if (target->status == WAITING)
        target->status = RUNNABLE;
    interrupt_order(target, how);
}

void wmm_interrupt_send(unsigned thread)
{
    thread_point();
    interrupt(&state.thread[thread], "sent");
}

void wmm_interrupt_watch(const void *line)
{
    struct thread *self = &state.thread[thread_now];

    thread_point();
    self->watched = (uintptr_t)line;
    interrupt_order(self, "by what it watches");
    if (model_unseen(self->watched))
        interrupt(self, "sent by a store that is under way");
}

void thread_wake_watchers(uintptr_t line)
{
    for (unsigned i = 0; i < state.test->threads; i++) {
        struct thread *thread = &state.thread[i];

        if (i != thread_now && thread->watched == line)
            interrupt(thread, "sent by the store");
    }
}

void wmm_interrupt_wait(void)
{
    struct thread *self = &state.thread[thread_now];

    thread_point();
    interrupt_order(self, "waited for");
    if (!self->interrupt) {
        self->status = WAITING;
        self->seen = false;
        choose_next(false);
    }
    self->interrupt = false;
    interrupt_order(self, "taken");
}

void wmm_rest(void)
{
    state.thread[thread_now].rests = true;
}

void wmm_interrupt_clear(void)
{
    struct thread *self = &state.thread[thread_now];

    thread_point();
    self->interrupt = false;
    self->watched = 0;
    interrupt_order(self, "cleared");
}

/* ---- Contexts ------------------------------------------------------------ */

static void thread_main(void)
{
    struct thread *self = &state.thread[thread_now];

    state.test->run[thread_now]();
    self->status = ENDED;
    self->seen = false;
    for (unsigned i = 0; i < state.test->threads; i++) {
        if (state.thread[i].status != ENDED) {
            choose_next(false);
            abort();
        }
    }
    leave(RUN_DONE);
}

static char *stack_top(unsigned index)
{
    return state.stacks + (size_t)STACK_SIZE * (index + 1);
}

static void thread_prepare(unsigned index)
{
    void **stack = (void **)(void *)stack_top(index);

    /* As if thread_main had been called: the stack is off by one word. */
    *--stack = NULL;
    *--stack = (void *)thread_main;
    for (unsigned i = 0; i < 6; i++)
        *--stack = NULL;
    state.thread[index] = (struct thread){.stack_pointer = stack};
}

/* ---- Snapshots ----------------------------------------------------------- */

/* The running thread waits in thread_choose(). */
static void snapshot_take(void)
{
    unsigned threads = state.test->threads;
    struct snapshot *snapshot = &state.snapshot[state.snapshots++];

    snapshot->depth = explore_depth();
    snapshot->begin = trail_mark();
    for (unsigned i = 0; i < threads; i++) {
        char *from = state.thread[i].stack_pointer;

        trail_note(from, (size_t)(stack_top(i) - from));
    }
    trail_note(state.thread, sizeof(state.thread[0]) * threads);
    trail_note(&state.so_far, sizeof(state.so_far));
    trail_note(&thread_now, sizeof(thread_now));
    model_note(threads);
    snapshot->end = trail_mark();
}

/*
 * Go back to the last snapshot that the next execution passes through; false:
 * there is none.
 */
static bool snapshot_return(void)
{
    const struct snapshot *snapshot;

    while (state.snapshots > 0 &&
           state.snapshot[state.snapshots - 1].depth >= explore_given())
        state.snapshots--;
    if (state.snapshots == 0)
        return false;
    snapshot = &state.snapshot[state.snapshots - 1];
    trail_back(snapshot->end);
    model_clear(state.test->threads);
    trail_repeat(snapshot->begin, snapshot->end);
    explore_restart(snapshot->depth);
    return true;
}

void threads_forget(void)
{
    state.snapshots = 0;
    trail_back(0);
}

/* ---- An execution -------------------------------------------------------- */

static void begin(void)
{
    threads_forget();
    explore_restart(0);
    state.so_far = (struct progress){0};
    for (unsigned i = 0; i < state.test->threads; i++)
        thread_prepare(i);
    model_begin(state.test->threads);
    thread_now = explore_choose(state.test->threads);
}

enum run_end threads_run(const struct wmm_test *test, unsigned bound)
{
    state.test = test;
    state.bound = bound;
    if (!snapshot_return())
        begin();
    threads_active = true;
    for (;;) {
        state.wants_snapshot = false;
        thread_switch(&state.main_stack_pointer,
                      state.thread[thread_now].stack_pointer);
        if (!state.wants_snapshot)
            return state.end;
        snapshot_take();
    }
}
