/*
 * What threads do to one another: suspend, resume, kill, move, ask; and what
 * they may keep: a pointer, cleanups. On one CPU; test_stress.c is for several.
 */
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/memory.h"
#include "kernel/base/boot_info.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fp_control.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

static int setup(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static int count_turns(void *arg)
{
    for (;;) {
        ++*(unsigned *)arg;
        thread_yield();
    }
    return 0;
}

static void yield_some(void)
{
    for (int i = 0; i < 5; i++)
        thread_yield();
}

static enum thread_state state_of(thread_id id)
{
    struct thread_info info;

    assert_int_equal(thread_get_info(id, &info), 0);
    return info.state;
}

static void expect_killed(thread_id id)
{
    int value;

    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ECANCELED);
}

/* ---- Suspend and resume -------------------------------------------------- */

static void test_suspend_stops_a_ready_thread(void **state)
{
    unsigned turns = 0, before;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), 0);
    yield_some();
    assert_true(turns > 0);
    assert_int_equal(state_of(id), THREAD_READY);
    assert_int_equal(thread_suspend(id), 0);
    assert_int_equal(state_of(id), THREAD_SUSPENDED);
    yield_some();
    before = turns;
    yield_some();
    assert_int_equal(turns, before);
    assert_int_equal(state_of(id), THREAD_SUSPENDED);
    assert_int_equal(thread_resume(id), 0);
    assert_int_equal(thread_resume(id), 0); /* harmless */
    yield_some();
    assert_true(turns > before);
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
}

static int wait_for_message(void *arg)
{
    uint64_t value;

    if (channel_receive(arg, TIME_NEVER, &value) != 0)
        return -1;
    return (int)value;
}

/* A new thread that waits for a message of a new channel. */
static thread_id thread_that_waits(struct channel **channel)
{
    thread_id id;

    assert_int_equal(channel_create(4, channel), 0);
    assert_int_equal(thread_create(NULL, wait_for_message, *channel, &id), 0);
    yield_some();
    return id;
}

static void test_suspend_holds_a_waiting_thread_when_it_is_woken(void **state)
{
    struct channel *channel;
    thread_id id;
    int value;

    (void)state;
    id = thread_that_waits(&channel);
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(thread_suspend(id), 0);
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(channel_send(channel, 9), 0);
    yield_some();
    assert_int_equal(state_of(id), THREAD_SUSPENDED);
    assert_int_equal(thread_resume(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 9);
    assert_int_equal(channel_destroy(channel), 0);
}

/* Woken first, suspended before its turn: it stops at the end of the wait. */
static void test_suspend_between_wake_and_turn(void **state)
{
    struct channel *channel;
    thread_id id;
    int value;

    (void)state;
    id = thread_that_waits(&channel);
    assert_int_equal(channel_send(channel, 9), 0);
    assert_int_equal(thread_suspend(id), 0);
    yield_some();
    assert_int_equal(state_of(id), THREAD_SUSPENDED);
    assert_int_equal(thread_resume(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 9);
    assert_int_equal(channel_destroy(channel), 0);
}

static int suspend_self(void *arg)
{
    *(unsigned *)arg = 1;
    if (thread_suspend(thread_self()) != 0)
        return 1;
    *(unsigned *)arg = 2;
    return 0;
}

static void test_suspend_itself(void **state)
{
    unsigned stage = 0;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, suspend_self, &stage, &id), 0);
    yield_some();
    assert_int_equal(stage, 1);
    assert_int_equal(thread_resume(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(stage, 2);
}

static void test_suspend_before_the_first_turn(void **state)
{
    unsigned turns = 0;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), 0);
    assert_int_equal(thread_suspend(id), 0);
    yield_some();
    assert_int_equal(turns, 0);
    assert_int_equal(thread_kill(id), 0); /* ends a suspended one too */
    expect_killed(id);
    assert_int_equal(turns, 0);
}

/* ---- Kill ---------------------------------------------------------------- */

static int sleep_long(void *arg)
{
    (void)arg;
    thread_sleep(TIME_NEVER);
    return 0;
}

static void test_kill_ends_a_sleep(void **state)
{
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, sleep_long, NULL, &id), 0);
    yield_some();
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(thread_kill(id), 0);
    assert_int_equal(thread_kill(id), 0); /* harmless */
    expect_killed(id);
    assert_int_equal(thread_kill(id), -ESRCH);
}

static void test_kill_ends_a_receive_and_loses_no_message(void **state)
{
    struct channel *channel;
    thread_id first, second;
    int value;

    (void)state;
    assert_int_equal(channel_create(4, &channel), 0);
    assert_int_equal(thread_create(NULL, wait_for_message, channel, &first), 0);
    assert_int_equal(thread_create(NULL, wait_for_message, channel, &second),
                     0);
    yield_some();
    assert_int_equal(thread_kill(first), 0);
    assert_int_equal(channel_send(channel, 5), 0);
    expect_killed(first);
    assert_int_equal(thread_join(second, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(channel_destroy(channel), 0);
}

static int wait_event(void *arg)
{
    return event_wait(arg, TIME_NEVER);
}

static int wait_semaphore(void *arg)
{
    return semaphore_wait(arg, TIME_NEVER);
}

static void test_kill_ends_waits(void **state)
{
    struct semaphore *semaphore;
    struct event *event;
    thread_id id;

    (void)state;
    assert_int_equal(event_create(&event), 0);
    assert_int_equal(thread_create(NULL, wait_event, event, &id), 0);
    yield_some();
    assert_int_equal(event_destroy(event), -EBUSY);
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
    assert_int_equal(event_destroy(event), 0);

    assert_int_equal(semaphore_create(0, &semaphore), 0);
    assert_int_equal(thread_create(NULL, wait_semaphore, semaphore, &id), 0);
    yield_some();
    assert_int_equal(semaphore_destroy(semaphore), -EBUSY);
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
    assert_int_equal(semaphore_destroy(semaphore), 0);
}

/* Woken first, killed before its turn: what it waited for is not lost. */
static void test_kill_between_wake_and_turn(void **state)
{
    struct channel *channel;
    thread_id id;
    int value;

    (void)state;
    id = thread_that_waits(&channel);
    assert_int_equal(channel_send(channel, 9), 0);
    assert_int_equal(thread_kill(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 9);
    assert_int_equal(channel_destroy(channel), 0);
}

static int kill_self(void *arg)
{
    (void)arg;
    (void)!thread_kill(thread_self());
    return 0;
}

static void test_kill_itself(void **state)
{
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, kill_self, NULL, &id), 0);
    expect_killed(id);
}

/* A killed thread that goes on into a wait does not wait. */
static int yield_into_sleep(void *arg)
{
    struct mutex *mutex = arg;

    if (mutex_lock(mutex, TIME_NEVER) != 0)
        return 1;
    thread_sleep(TIME_NEVER);
    return 2;
}

static void test_kill_waits_for_the_next_point(void **state)
{
    struct mutex *mutex;
    thread_id id;

    (void)state;
    assert_int_equal(mutex_create(&mutex), 0);
    assert_int_equal(mutex_lock(mutex, 0), 0);
    assert_int_equal(thread_create(NULL, yield_into_sleep, mutex, &id), 0);
    yield_some();
    assert_int_equal(thread_kill(id), 0); /* in mutex_lock(): no point */
    yield_some();
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(mutex_unlock(mutex), 0);
    expect_killed(id); /* it had the mutex, and took it along */
    assert_int_equal(mutex_destroy(mutex), -EBUSY);
}

/* ---- Cleanups, the pointer, information ---------------------------------- */

static char track[16];

static void note(void *arg)
{
    strncat(track, arg, 1);
}

static int with_cleanups(void *arg)
{
    struct thread_cleanup a, b, c;
    char names[] = "abcx";

    thread_cleanup_push(&a, note, &names[0]);
    thread_cleanup_push(&b, note, &names[1]);
    thread_cleanup_push(&c, note, &names[2]);
    thread_cleanup_pop(&c, true);
    thread_cleanup_push(&c, note, &names[3]);
    thread_cleanup_pop(&c, false);
    if (arg != NULL)
        thread_sleep(TIME_NEVER);
    thread_exit(3);
}

static void test_cleanups_run_in_reverse(void **state)
{
    thread_id id;
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(thread_create(NULL, with_cleanups, NULL, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 3);
    assert_string_equal(track, "cba");
    track[0] = '\0';
    assert_int_equal(thread_create(NULL, with_cleanups, track, &id), 0);
    yield_some();
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
    assert_string_equal(track, "cba");
}

/*
 * A cleanup may wait: the kill that ended the thread is done with by then, and
 * a second one changes nothing.
 */
struct slow_end {
    struct semaphore *begun;
    struct semaphore *go;
    int first;  /* how the first wait in the cleanup ended */
    int second; /* and the second */
    bool finished;
};

static void wait_twice(void *arg)
{
    struct slow_end *end = arg;

    (void)!semaphore_post(end->begun);
    thread_yield();
    end->first = semaphore_wait(end->go, TIME_NEVER);
    thread_sleep(NS_PER_US);
    end->second = semaphore_wait(end->go, TIME_NEVER);
    end->finished = true;
}

static int sleep_with_slow_end(void *arg)
{
    struct thread_cleanup cleanup;

    thread_cleanup_push(&cleanup, wait_twice, arg);
    thread_sleep(TIME_NEVER);
    return 0;
}

static int exit_with_slow_end(void *arg)
{
    struct thread_cleanup cleanup;

    thread_cleanup_push(&cleanup, wait_twice, arg);
    thread_exit(17);
}

static void end_slowly(int (*fn)(void *), bool kill_first, int exit_value)
{
    struct slow_end end = {.first = -1, .second = -1};
    thread_id id;
    int value;

    assert_int_equal(semaphore_create(0, &end.begun), 0);
    assert_int_equal(semaphore_create(0, &end.go), 0);
    assert_int_equal(thread_create(NULL, fn, &end, &id), 0);
    yield_some();
    if (kill_first)
        assert_int_equal(thread_kill(id), 0);
    assert_int_equal(semaphore_wait(end.begun, TIME_NEVER), 0);
    yield_some();
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(thread_kill(id), 0); /* it is ending already */
    yield_some();
    assert_int_equal(state_of(id), THREAD_WAITING);
    assert_int_equal(thread_suspend(id), 0); /* and kill lets it go on */
    assert_int_equal(semaphore_post(end.go), 0);
    assert_int_equal(semaphore_post(end.go), 0);
    yield_some();
    assert_int_equal(state_of(id), THREAD_SUSPENDED);
    assert_int_equal(thread_kill(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, exit_value);
    assert_int_equal(end.first, 0);
    assert_int_equal(end.second, 0);
    assert_true(end.finished);
    assert_int_equal(semaphore_destroy(end.begun), 0);
    assert_int_equal(semaphore_destroy(end.go), 0);
}

static void test_cleanups_may_wait(void **state)
{
    (void)state;
    end_slowly(sleep_with_slow_end, true, -ECANCELED);
    end_slowly(exit_with_slow_end, false, 17);
}

static int local_pointer(void *arg)
{
    if (thread_local_get() != NULL)
        return 1;
    thread_local_set(arg);
    thread_yield();
    return thread_local_get() == arg ? 0 : 2;
}

static void test_local_pointer_is_its_own(void **state)
{
    thread_id ids[3];
    int value;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_create(NULL, local_pointer, &ids[i], &ids[i]),
                         0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(thread_join(ids[i], &value), 0);
        assert_int_equal(value, 0);
    }
}

static int info_of_self(void *arg)
{
    return thread_get_info(thread_self(), arg);
}

static void test_info(void **state)
{
    const struct thread_attr attr = {.name = "curious", .stack_size = 20000};
    struct thread_info info;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(&attr, info_of_self, &info, &id), 0);
    yield_some();
    assert_int_equal(info.state, THREAD_RUNNING);
    assert_string_equal(info.name, "curious");
    assert_int_equal(info.cpu, 0);
    assert_int_equal(info.stack_size, 20480);
    assert_int_equal(info.cpu_time_ns, 0); /* cputime=1 was not given */
    assert_int_equal(state_of(id), THREAD_ENDED);
    assert_int_equal(thread_suspend(id), -ESRCH);
    assert_int_equal(thread_join(id, NULL), 0);
    info.cpu = 77;
    assert_int_equal(thread_get_info(id, &info), -ESRCH);
    assert_int_equal(info.cpu, 77); /* nothing is told */
    /* No such home. */
    assert_int_equal(thread_get_info(id | UINT64_C(7) << 24, &info), -ESRCH);
    assert_int_equal(thread_get_info(id | 0xffff, &info), -ESRCH);
}

static void test_detach_twice(void **state)
{
    unsigned turns = 0;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), 0);
    assert_int_equal(thread_detach(id), 0);
    assert_int_equal(thread_detach(id), -ESRCH);
    assert_int_equal(thread_join(id, NULL), -ESRCH);
    assert_int_equal(thread_kill(id), 0);
    yield_some();
    assert_int_equal(thread_kill(id), -ESRCH);
}

static void test_move_on_one_cpu(void **state)
{
    unsigned turns = 0;
    thread_id id;

    (void)state;
    assert_int_equal(thread_migrate(0), -EINVAL); /* a test's own stack */
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), 0);
    assert_int_equal(thread_move(id, 1), -EINVAL);
    assert_int_equal(thread_move(id, 0), 0);
    yield_some();
    assert_true(turns > 0);
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
}

/* ---- Floating point ------------------------------------------------------ */

enum { ROUND_UP = 2 << 13 }; /* in MXCSR */

static int round_up(void *arg)
{
    fp_control_set(fp_control_get() | ROUND_UP);
    for (int i = 0; i < 4; i++) {
        thread_yield();
        if ((fp_control_get() & ROUND_UP) == 0)
            return 1;
    }
    (void)arg;
    return 0;
}

static int round_to_nearest(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        if ((fp_control_get() & ROUND_UP) != 0)
            return 1;
        thread_yield();
    }
    return 0;
}

static void test_own_fp_control(void **state)
{
    const struct thread_attr own = {.own_fp_control = true};
    thread_id ids[4];
    int value;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_create(i % 2 == 0 ? &own : NULL,
                                       i % 2 == 0 ? round_up : round_to_nearest,
                                       NULL, &ids[i]),
                         0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(thread_join(ids[i], &value), 0);
        assert_int_equal(value, 0);
    }
    assert_int_equal(fp_control_get() & ROUND_UP, 0);
}

/* ---- Journeys that are called off ---------------------------------------- */

static struct thread *leaving;
static struct irq_work call_back;

/* As if a thread_move() arrived while it stands with one foot out. */
static void move_back(struct irq_work *work)
{
    (void)work;
    if (leaving->state == THREAD_MOVING)
        leaving->target = 0;
    else
        irq_work_raise(&call_back);
}

static int leave_and_stay(void *arg)
{
    (void)arg;
    leaving = thread_current();
    irq_work_init(&call_back, move_back);
    irq_work_raise(&call_back);
    if (thread_migrate(1) != 0)
        return 1;
    return cpu_id() == 0 ? 0 : 2;
}

static int leave_and_come_back(void *arg)
{
    thread_id id;
    int value;

    (void)arg;
    if (thread_create(NULL, leave_and_stay, NULL, &id) != 0 ||
        thread_join(id, &value) != 0)
        return 3;
    return value;
}

static void test_moved_back_before_it_left(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, leave_and_come_back, NULL), 0);
}

/* ---- What cannot be, told ------------------------------------------------ */

static void make_ready(struct irq_work *work)
{
    (void)work;
    queue_push(&cpu_self()->ready, &leaving->ready);
}

static int end_and_run(void *arg)
{
    (void)arg;
    leaving = thread_current();
    irq_work_init(&call_back, make_ready);
    irq_work_raise(&call_back);
    thread_exit(0);
}

static int ended_runs(void *arg)
{
    const struct thread_attr attr = {.detached = true};

    (void)arg;
    if (thread_create(&attr, end_and_run, NULL, NULL) != 0)
        return 1;
    thread_sleep(NS_PER_S);
    return 0;
}

static int second_timer(void *arg)
{
    (void)arg;
    sched_init();
    return 0;
}

static int second_timer_alone(void *arg)
{
    machine_cpu[0].own[IRQ_OWN_COUNT + HAL_IRQ_DOORBELL].handler = NULL;
    return second_timer(arg);
}

static int second_doorbell_alone(void *arg)
{
    machine_cpu[0].own[IRQ_OWN_COUNT + HAL_IRQ_TIMER].handler = NULL;
    return second_timer(arg);
}

static int idle_without_memory(void *arg)
{
    (void)arg;
    for (uint64_t n = 1; n <= 3; n++) {
        heap_fail(n);
        if (sched_adopt() != -ENOMEM || !heap_failed())
            return 1;
    }
    heap_fail(1);
    sched_run();
}

static void test_nonsense_is_told(void **state)
{
    static const struct {
        int (*fn)(void *);
        const char *text;
    } bad[] = {
        {ended_runs, "ran after its end"},
        {second_timer_alone, "no timer or doorbell interrupt"},
        {second_doorbell_alone, "no timer or doorbell interrupt"},
        {idle_without_memory, "no memory for the idle thread"},
    };
    char output[4096];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(machine_run_output(1, 8 << 20, "", bad[i].fn, NULL,
                                            output, sizeof(output)),
                         134);
        if (strstr(output, bad[i].text) == NULL)
            fail_msg("no \"%s\" in: %s", bad[i].text, output);
    }
}

/* The first thread makes the table: each allocation fails in turn. */
static void test_first_thread_without_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1;; n++) {
        thread_id id;
        int status;

        machine_attach(8 << 20);
        heap_fail(n);
        status = thread_create(NULL, kill_self, NULL, &id);
        if (!heap_failed()) {
            heap_fail(0);
            assert_int_equal(status, 0);
            expect_killed(id);
            machine_detach();
            break;
        }
        assert_int_equal(status, -ENOMEM);
        failures++;
        machine_detach();
    }
    assert_int_equal(failures, 3); /* object, stack, table */
}

/* Page tables can run out when a guard is set, and when it is lifted. */
static void test_guard_pages_that_cannot_be(void **state)
{
    const struct thread_attr attr = {.stack_size = 40960};
    struct mem_stats before, after;
    unsigned turns = 0;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), 0);
    mem_get_stats(&before);
    machine_attr_fails = 1;
    assert_int_equal(thread_create(&attr, kill_self, NULL, &id), -ENOMEM);
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    assert_int_equal(before.free_bytes, after.free_bytes);
    assert_int_equal(thread_create(&attr, kill_self, NULL, &id), 0);
    machine_attr_fails = 1;
    console_forget();
    expect_killed(id);
    yield_some();
    /* The stack is lost, and told of; nobody runs into its guard. */
    assert_true(console_has("a guard page could not be lifted; 40960 bytes"));
    mem_get_stats(&after);
    assert_int_equal(before.free_bytes, after.free_bytes + 40960 + 4096);
}

/* ---- Options ------------------------------------------------------------- */

static int spin_a_little(void *arg)
{
    uint64_t end = time_ns() + 3 * NS_PER_MS;

    while (time_ns() < end)
        ;
    return thread_get_info(thread_self(), arg);
}

static void test_cpu_time_is_counted(void **state)
{
    struct thread_info info, late;
    thread_id id;

    (void)state;
    machine_attach_cmdline(8 << 20, "cputime=1");
    assert_int_equal(thread_create(NULL, spin_a_little, &info, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    /* An old machine has counted far. */
    boot_cycles -= UINT64_C(1) << 50;
    assert_int_equal(thread_create(NULL, info_of_self, &late, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    boot_cycles += UINT64_C(1) << 50;
    assert_true(late.cpu_time_ns < NS_PER_S);
    /* Not less than it span; the clock and the counter may differ by a bit. */
    assert_true(info.cpu_time_ns > 2 * NS_PER_MS);
    assert_int_equal(thread_create(NULL, sleep_long, NULL, &id), 0);
    thread_sleep(5 * NS_PER_MS);
    assert_int_equal(thread_get_info(id, &info), 0);
    assert_true(info.cpu_time_ns < 4 * NS_PER_MS);
    /* The time of the one that asks is not that of the one asked about. */
    for (uint64_t end = time_ns() + 5 * NS_PER_MS; time_ns() < end;)
        ;
    assert_int_equal(thread_get_info(id, &info), 0);
    assert_true(info.cpu_time_ns < 4 * NS_PER_MS);
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
    machine_detach();
}

/* Of a machine that has counted far: the time of a thread that waits, as it
 * would be if it had used that part of all cycles, in eighths. */
static void cpu_time_of(thread_id id, uint64_t eighths)
{
    struct thread *thread = table_entry(cpu_self(), id)->thread;
    struct thread_info info;
    uint64_t want;

    thread->cycles = (hal_cycles() - boot_cycles) / 8 * eighths;
    want = time_ns() / 8 * eighths;
    assert_int_equal(thread_get_info(id, &info), 0);
    assert_in_range(info.cpu_time_ns, want - want / 16,
                    time_ns() / 8 * eighths + want / 16);
}

static void test_cpu_time_of_many_cycles(void **state)
{
    static const unsigned shifts[] = {50, 40, 33};
    thread_id id;

    (void)state;
    machine_attach_cmdline(8 << 20, "cputime=1");
    assert_int_equal(thread_create(NULL, sleep_long, NULL, &id), 0);
    thread_sleep(60 * NS_PER_MS);
    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        uint64_t before = boot_cycles;

        boot_cycles = hal_cycles() - (UINT64_C(1) << shifts[i]);
        cpu_time_of(id, 4);
        cpu_time_of(id, 8);
        cpu_time_of(id, 28);
        boot_cycles = before;
    }
    assert_int_equal(thread_kill(id), 0);
    expect_killed(id);
    machine_detach();
}

/* The next thread does not inherit what one has used. */
static void test_cpu_time_begins_with_nothing(void **state)
{
    struct thread_info info = {.cpu_time_ns = TIME_NEVER};
    thread_id id;

    (void)state;
    machine_attach_cmdline(8 << 20, "cputime=1");
    for (int tries = 0; tries < 20 && info.cpu_time_ns > NS_PER_MS; tries++) {
        assert_int_equal(thread_create(NULL, spin_a_little, &info, &id), 0);
        assert_int_equal(thread_join(id, NULL), 0);
        assert_int_equal(thread_create(NULL, info_of_self, &info, &id), 0);
        assert_int_equal(thread_join(id, NULL), 0);
    }
    assert_in_range(info.cpu_time_ns, 0, NS_PER_MS);
    machine_detach();
}

static void test_thread_limit_and_stack_option(void **state)
{
    struct thread_info info;
    unsigned turns = 0;
    thread_id ids[4];
    thread_id id;

    (void)state;
    machine_attach_cmdline(8 << 20, "threads=3 stack=32");
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_create(NULL, count_turns, &turns, &ids[i]), 0);
    assert_int_equal(thread_create(NULL, count_turns, &turns, &id), -EAGAIN);
    assert_int_equal(thread_get_info(ids[0], &info), 0);
    assert_int_equal(info.stack_size, 32768);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(thread_kill(ids[i]), 0);
        expect_killed(ids[i]);
    }
    machine_detach();
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int tell_stack_size(void *arg)
{
    struct thread_info info;
    thread_id id;

    (void)arg;
    if (thread_create(NULL, nothing, NULL, &id) != 0)
        return 1;
    if (thread_get_info(id, &info) != 0 || thread_join(id, NULL) != 0)
        return 2;
    console_print("stack %zu\n", info.stack_size);
    return 0;
}

/* The first and last values that are taken, and what they mean. */
static void test_option_limits(void **state)
{
    static const struct {
        const char *options;
        const char *want;
    } rows[] = {
        {"stack=8", "stack 8192\n"},
        {"stack=9", "stack 12288\n"},
        {"stack=8192", "stack 8388608\n"},
        {"threads=2", "stack 16384\n"},
        {"threads=1048576", "stack 16384\n"},
        {"poll=0 cputime=0 memcheck=0", "stack 16384\n"},
        {"poll=1000 cputime=1 memcheck=1", "stack 16384\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char output[1024];
        int status =
            machine_run_output(1, 64 << 20, rows[i].options, tell_stack_size,
                               NULL, output, sizeof(output));

        if (status != 0 || strstr(output, rows[i].want) == NULL)
            fail_msg("%s: %d, %s", rows[i].options, status, output);
    }
}

static void test_bad_options_are_named(void **state)
{
    static const char *const bad[] = {
        "threads=1", "threads=1048577", "threads=many",
        "stack=7",   "stack=8193",      "cputime=2",
        "poll=1001", "memcheck=on",     "memcheck=2",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char output[1024];

        assert_int_equal(machine_run_output(1, 8 << 20, bad[i], nothing, NULL,
                                            output, sizeof(output)),
                         2);
        assert_non_null(strstr(output, bad[i]));
        assert_non_null(strstr(output, "give a number from"));
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_suspend_stops_a_ready_thread),
        ATTACHED(test_suspend_holds_a_waiting_thread_when_it_is_woken),
        ATTACHED(test_suspend_between_wake_and_turn),
        ATTACHED(test_suspend_itself),
        ATTACHED(test_suspend_before_the_first_turn),
        ATTACHED(test_kill_ends_a_sleep),
        ATTACHED(test_kill_ends_a_receive_and_loses_no_message),
        ATTACHED(test_kill_ends_waits),
        ATTACHED(test_kill_between_wake_and_turn),
        ATTACHED(test_kill_itself),
        ATTACHED(test_kill_waits_for_the_next_point),
        ATTACHED(test_cleanups_run_in_reverse),
        ATTACHED(test_cleanups_may_wait),
        ATTACHED(test_local_pointer_is_its_own),
        ATTACHED(test_info),
        ATTACHED(test_detach_twice),
        ATTACHED(test_move_on_one_cpu),
        ATTACHED(test_own_fp_control),
        ATTACHED(test_guard_pages_that_cannot_be),
        cmocka_unit_test(test_moved_back_before_it_left),
        cmocka_unit_test(test_nonsense_is_told),
        cmocka_unit_test(test_first_thread_without_memory),
        cmocka_unit_test(test_cpu_time_is_counted),
        cmocka_unit_test(test_cpu_time_of_many_cycles),
        cmocka_unit_test(test_cpu_time_begins_with_nothing),
        cmocka_unit_test(test_thread_limit_and_stack_option),
        cmocka_unit_test(test_option_limits),
        cmocka_unit_test(test_bad_options_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
