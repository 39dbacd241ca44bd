#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <limits.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/sync.h>
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

static char track[64];

static int append(void *arg)
{
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(track);

        track[len] = *(char *)arg;
        track[len + 1] = '\0';
        thread_yield();
    }
    return *(char *)arg;
}

static void test_thread_round_robin_and_join(void **state)
{
    char name_a[] = "a", name_b[] = "b";
    thread_id a, b;
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(thread_create(NULL, append, name_a, &a), 0);
    assert_int_equal(thread_create(NULL, append, name_b, &b), 0);
    assert_int_not_equal(a, b);
    assert_int_equal(thread_join(a, &value), 0);
    assert_int_equal(value, 'a');
    assert_int_equal(thread_join(b, &value), 0);
    assert_int_equal(value, 'b');
    assert_string_equal(track, "ababab");
}

static int give_7(void *arg)
{
    (void)arg;
    thread_exit(7);
}

static void test_thread_join_errors(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    assert_int_equal(thread_join(thread_self(), NULL), -ESRCH); /* adopted */
    assert_int_equal(thread_join(id + 1, NULL), -ESRCH);
    assert_int_equal(thread_join(id | UINT64_C(5) << 24, NULL), -ESRCH);
    thread_yield(); /* it ends before the join */
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 7);
    assert_int_equal(thread_join(id, NULL), -ESRCH);
    assert_int_equal(thread_detach(id), -ESRCH);
}

static int join_self(void *arg)
{
    (void)arg;
    return thread_join(thread_self(), NULL);
}

static void test_thread_join_itself(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, join_self, NULL, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -EDEADLK);
}

static int join_other(void *arg)
{
    return thread_join(*(thread_id *)arg, NULL);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    return 0;
}

static void test_thread_second_joiner_is_refused(void **state)
{
    thread_id target, first;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, sleep_a_little, NULL, &target), 0);
    assert_int_equal(thread_create(NULL, join_other, &target, &first), 0);
    thread_yield();
    assert_int_equal(thread_join(target, NULL), -EBUSY);
    assert_int_equal(thread_detach(target), -EBUSY);
    assert_int_equal(thread_join(first, &value), 0);
    assert_int_equal(value, 0);
}

static void test_thread_detached_frees_itself(void **state)
{
    struct mem_stats before, after;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    mem_get_stats(&before);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
        assert_int_equal(thread_detach(id), 0);
        thread_yield();
    }
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    assert_int_equal(before.free_bytes, after.free_bytes);
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    thread_yield(); /* ended first, detached then */
    assert_int_equal(thread_detach(id), 0);
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
}

/* An id is never given again: a slot whose generations are used up retires. */
static void test_thread_ids_are_never_reused(void **state)
{
    enum { LAST = 3, COUNT = 12 };
    struct cpu *cpu = cpu_self();
    thread_id id[COUNT];
    uint32_t slot;

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &id[0]), 0);
    assert_int_equal(thread_join(id[0], NULL), 0);
    slot = cpu->thread_free; /* this one, as if it had been used often */
    cpu->threads[slot].id &= UINT32_MAX;
    cpu->threads[slot].id |= (uint64_t)(UINT32_MAX - LAST) << 32;
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(thread_create(NULL, give_7, NULL, &id[i]), 0);
        assert_int_not_equal(id[i] >> 32, 0);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(id[i], id[j]);
        assert_int_equal((id[i] & 0xffffff) == slot, i < LAST);
        assert_int_equal(thread_join(id[i], NULL), 0);
        for (unsigned j = 0; j <= i; j++)
            assert_int_equal(thread_detach(id[j]), -ESRCH);
    }
    assert_int_equal(id[LAST - 1] >> 32, UINT32_MAX);
    assert_int_equal(cpu->thread_count, 0);
}

static void test_thread_table_grows(void **state)
{
    struct cpu *cpu = cpu_self();
    struct thread_info info;
    thread_id ids[65];

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(thread_create(NULL, give_7, NULL, &ids[i]), 0);
    assert_int_equal(cpu->thread_slots, 64);
    assert_int_equal(thread_get_info(GENERATION | 64, &info), -ESRCH);
    table_check(cpu);
    assert_int_equal(thread_create(NULL, give_7, NULL, &ids[64]), 0);
    assert_int_equal(cpu->thread_slots, 128);
    assert_int_equal(ids[64] & 0xffffff, 64);
    table_check(cpu);
    for (unsigned i = 0; i < 65; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    table_check(cpu);
    assert_int_equal(cpu->thread_count, 0);
}

/* There are numbers for 2^24 slots. */
static void test_thread_slots_run_out(void **state)
{
    struct cpu *cpu = cpu_self();
    unsigned slots = cpu->thread_slots;

    (void)state;
    cpu->thread_slots = 1 << 23;
    assert_int_equal(table_grow(cpu), -ENOMEM);
    cpu->thread_slots = 1 << 24;
    assert_int_equal(table_grow(cpu), -EAGAIN);
    cpu->thread_slots = slots;
}

/* Threads that have ended are kept for the next, so many, until memory is
 * short. */
static void test_thread_spares(void **state)
{
    struct cpu *cpu = cpu_self();
    thread_id ids[THREAD_SPARES + 2];
    struct mem_stats before, after;

    (void)state;
    mem_trim();
    assert_int_equal(cpu->spare_count, 0);
    for (unsigned i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(thread_create(NULL, give_7, NULL, &ids[i]), 0);
    for (unsigned i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    thread_yield();
    assert_int_equal(cpu->spare_count, THREAD_SPARES);
    table_check(cpu);
    mem_get_stats(&before);
    assert_int_equal(thread_create(NULL, give_7, NULL, &ids[0]), 0);
    assert_int_equal(cpu->spare_count, THREAD_SPARES - 1);
    mem_get_stats(&after);
    assert_int_equal(before.free_bytes, after.free_bytes);
    assert_int_equal(thread_join(ids[0], NULL), 0);
    mem_trim();
    assert_int_equal(cpu->spare_count, 0);
    table_check(cpu);
}

/* Whoever yields is counted, whether somebody else is ready or not. */
static void test_thread_switches_are_counted(void **state)
{
    struct cpu *cpu = cpu_self();
    uint64_t before = cpu->switch_count;
    thread_id id;

    (void)state;
    thread_yield();
    assert_int_equal(cpu->switch_count, before + 1);
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_int_equal(cpu->switch_count, before + 3); /* there and back */
}

static const struct {
    const char *name;
    struct thread_attr attr;
    int want;
    size_t stack_size; /* when it is created */
} attributes[] = {
    {"default", {.stack_size = 0}, 0, THREAD_STACK_DEFAULT},
    {"smallest stack", {.stack_size = THREAD_STACK_MIN}, 0, THREAD_STACK_MIN},
    {"below it", {.stack_size = THREAD_STACK_MIN - 1}, -EINVAL, 0},
    {"rounded up", {.stack_size = THREAD_STACK_MIN + 1}, 0, 12288},
    {"largest stack", {.stack_size = THREAD_STACK_MAX}, 0, THREAD_STACK_MAX},
    {"above it", {.stack_size = THREAD_STACK_MAX + 1}, -EINVAL, 0},
    {"size that wraps", {.stack_size = SIZE_MAX}, -EINVAL, 0},
    {"size that wraps to 0", {.stack_size = SIZE_MAX - 4094}, -EINVAL, 0},
    {"this CPU", {.place = THREAD_ON_CPU}, 0, THREAD_STACK_DEFAULT},
    {"no CPU", {.place = THREAD_ON_CPU, .cpu = 1}, -EINVAL, 0},
    {"no CPU at all", {.place = THREAD_ON_CPU, .cpu = UINT_MAX}, -EINVAL, 0},
    {"spread", {.place = THREAD_SPREAD, .cpu = 9}, 0, THREAD_STACK_DEFAULT},
    {"no place", {.place = (enum thread_place)3}, -EINVAL, 0},
};

static void test_thread_attributes(void **state)
{
    thread_id id;

    machine_detach();
    machine_attach(64 << 20); /* for the largest stack */
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(attributes); i++) {
        struct thread_info info;
        int status = thread_create(&attributes[i].attr, give_7, NULL, &id);

        if (status != attributes[i].want)
            fail_msg("%s: %d", attributes[i].name, status);
        if (attributes[i].want != 0)
            continue;
        assert_int_equal(thread_get_info(id, &info), 0);
        assert_int_equal(info.stack_size, attributes[i].stack_size);
        assert_int_equal(thread_join(id, NULL), 0);
    }
    assert_int_equal(thread_create(NULL, NULL, NULL, &id), -EINVAL);
}

static int check_name(void *arg)
{
    return strcmp(thread_name(), arg);
}

static void test_thread_name_is_cut(void **state)
{
    const struct thread_attr attr = {.name = "a name that is too long"};
    char expected[] = "a name that is ", unnamed[] = "thread";
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(&attr, check_name, expected, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    /* The next one has none of its own. */
    assert_int_equal(thread_create(NULL, check_name, unnamed, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
}

/* ---- Interrupts get in, whatever the threads do -------------------------- */

static bool is_over;

static int end_it(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    is_over = true;
    return 0;
}

static struct semaphore *ball[2];

static int play(void *arg)
{
    uintptr_t me = (uintptr_t)arg;

    while (!is_over) {
        if (semaphore_wait(ball[me], TIME_NEVER) != 0)
            return 1;
        (void)!semaphore_post(ball[1 - me]);
    }
    return 0;
}

static int live_on(void *arg)
{
    const struct thread_attr attr = {.detached = true};

    return is_over ? 0 : thread_create(&attr, live_on, arg, NULL);
}

/* One of two threads always waits, and no thread lives long: none yields, and
 * the CPU is never idle. */
static void test_thread_switches_let_interrupts_in(void **state)
{
    thread_id ids[3];

    (void)state;
    is_over = false;
    assert_int_equal(thread_create(NULL, end_it, NULL, &ids[2]), 0);
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(semaphore_create(i, &ball[i]), 0);
        assert_int_equal(thread_create(NULL, play, (void *)i, &ids[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    is_over = false;
    assert_int_equal(thread_create(NULL, end_it, NULL, &ids[2]), 0);
    assert_int_equal(live_on(NULL), 0);
    assert_int_equal(thread_join(ids[2], NULL), 0);
    for (int i = 0; i < 2; i++) {
        while (semaphore_wait(ball[i], 0) == 0)
            ;
        assert_int_equal(semaphore_destroy(ball[i]), 0);
    }
    thread_yield();
    thread_yield();
}

static int stay(void *arg)
{
    while (!*(bool *)arg)
        thread_yield();
    return 0;
}

/* Threads until the memory is gone: an error, and everything comes back. */
static void test_thread_exhaustion(void **state)
{
    static thread_id ids[4096];
    struct mem_stats before, after;
    bool stop = false;
    int count = 0;
    int status;

    (void)state;
    mem_get_stats(&before);
    while ((status = thread_create(NULL, stay, &stop, &ids[count])) == 0)
        count++;
    assert_int_equal(status, -ENOMEM);
    assert_in_range(count, 500, 1000); /* 16 MiB by 20 KiB each */
    stop = true;
    for (int i = 0; i < count; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    mem_trim(); /* threads are kept for the next */
    mem_get_stats(&after);
    /* Kept: the table of threads. */
    assert_true(after.block_count <= before.block_count + 1);
    assert_true(after.free_bytes + 1100 * 1024 > before.free_bytes);
}

static void test_thread_create_survives_each_failed_allocation(void **state)
{
    thread_id first; /* makes the table, which stays */

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &first), 0);
    assert_int_equal(thread_join(first, NULL), 0);
    for (uint64_t n = 1; n < 10; n++) {
        struct mem_stats before, after;
        thread_id id;
        int status;

        mem_get_stats(&before);
        heap_fail(n);
        status = thread_create(NULL, give_7, NULL, &id);
        if (!heap_failed()) {
            heap_fail(0);
            assert_int_equal(status, 0);
            assert_int_equal(thread_join(id, NULL), 0);
            return;
        }
        assert_int_equal(status, -ENOMEM);
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
    }
    fail_msg("thread_create allocates without end");
}

static void test_thread_sleep_is_not_early(void **state)
{
    uint64_t start = time_ns();

    (void)state;
    thread_sleep(2 * NS_PER_MS);
    assert_true(time_ns() - start >= 2 * NS_PER_MS);
    thread_sleep_until(start); /* past: returns */
}

/* ---- Several CPUs -------------------------------------------------------- */

static int where(void *arg)
{
    (void)arg;
    return (int)cpu_id();
}

static int on_every_cpu(void *arg)
{
    (void)arg;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};
        thread_id id;
        int value;

        if (thread_create(&attr, where, NULL, &id) != 0)
            return 1;
        if (thread_join(id, &value) != 0 || value != (int)cpu)
            return 2;
        if (thread_detach(id) != -ESRCH)
            return 3;
    }
    return 0;
}

static void test_thread_on_every_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(8, 8 << 20, on_every_cpu, NULL), 0);
}

static int overflow(void *arg)
{
    volatile char page[512];

    page[0] = (char)(uintptr_t)arg;
    if ((uintptr_t)arg == 1 << 30) /* for the compiler */
        return 0;
    return page[0] + overflow((void *)((uintptr_t)arg + 1)) + page[1];
}

static int overflowing(void *arg)
{
    const struct thread_attr attr = {.name = "deep"};
    thread_id id;

    (void)arg;
    if (thread_create(&attr, overflow, NULL, &id) != 0)
        return 1;
    return thread_join(id, NULL);
}

static void test_thread_overflow_is_named(void **state)
{
    char output[8192];
    int status = machine_run_output(1, 8 << 20, "", overflowing, NULL, output,
                                    sizeof(output));

    (void)state;
    assert_int_not_equal(status, 0);
    if (strstr(output, "panic: stack overflow") == NULL ||
        strstr(output, "thread deep") == NULL)
        fail_msg("no stack overflow in: %s", output);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_thread_round_robin_and_join),
        ATTACHED(test_thread_join_errors),
        ATTACHED(test_thread_join_itself),
        ATTACHED(test_thread_second_joiner_is_refused),
        ATTACHED(test_thread_detached_frees_itself),
        ATTACHED(test_thread_ids_are_never_reused),
        ATTACHED(test_thread_table_grows),
        ATTACHED(test_thread_slots_run_out),
        ATTACHED(test_thread_spares),
        ATTACHED(test_thread_switches_are_counted),
        ATTACHED(test_thread_switches_let_interrupts_in),
        ATTACHED(test_thread_attributes),
        ATTACHED(test_thread_name_is_cut),
        ATTACHED(test_thread_exhaustion),
        ATTACHED(test_thread_create_survives_each_failed_allocation),
        ATTACHED(test_thread_sleep_is_not_early),
        cmocka_unit_test(test_thread_on_every_cpu),
        cmocka_unit_test(test_thread_overflow_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
