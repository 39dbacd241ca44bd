/* What is typed: the queue between drivers and threads that read. */
#include "kernel/cpu/percpu.h"
#include "kernel/device/console.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/console.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { QUEUE_SIZE = 1024 };

static unsigned resumed;

static void resume(struct console_source *source)
{
    (void)source;
    resumed++;
}

static void resume_and_end(struct console_source *source)
{
    resumed++;
    console_source_end(source);
}

static struct console_source source, second;

static void begin(void)
{
    console_forget();
    machine_attach(8 << 20);
    resumed = 0;
    source = second = (struct console_source){.resume = resume};
    assert_int_equal(console_source_add(&source), 0);
}

static void finish(void)
{
    console_check();
    clock_set(0);
    machine_detach();
}

static void type(const char *text)
{
    assert_true(console_room() >= strlen(text));
    console_input(text, strlen(text));
    console_check();
}

static void expect(const char *text)
{
    char got[64] = "";

    assert_int_equal(console_read(got, sizeof(got) - 1, 0), strlen(text));
    assert_string_equal(got, text);
}

static void test_bytes_come_in_their_order(void **state)
{
    char two[2];

    (void)state;
    begin();
    assert_int_equal(console_read(two, 2, 0), -EAGAIN);
    type("");
    assert_int_equal(console_read(two, 2, 0), -EAGAIN);
    type("abc");
    type("de");
    assert_int_equal(console_read(two, 2, 0), 2);
    assert_memory_equal(two, "ab", 2);
    expect("cde");
    finish();
}

static void test_without_a_source_there_is_no_console(void **state)
{
    char byte;

    (void)state;
    machine_attach(8 << 20);
    assert_int_equal(console_read(&byte, 1, 0), -ENODEV);
    console_check();
    machine_detach();
}

static void test_no_memory_for_the_queue(void **state)
{
    char byte;

    (void)state;
    machine_attach(4 << 20);
    heap_fail(1);
    assert_int_equal(console_source_add(&source), -ENOMEM);
    assert_int_equal(console_read(&byte, 1, 0), -ENODEV);
    assert_int_equal(console_source_add(&source), 0);
    finish();
}

/* The queue goes round its end; a full one says when there is room. */
static void test_a_full_queue_holds_back(void **state)
{
    static char text[QUEUE_SIZE], got[QUEUE_SIZE];

    (void)state;
    begin();
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    for (unsigned round = 0; round < 5; round++) {
        size_t room = console_room();

        assert_int_equal(room, QUEUE_SIZE);
        console_input(text, 700);
        assert_int_equal(console_room(), QUEUE_SIZE - 700);
        assert_int_equal(console_read(got, 100, 0), 100);
        assert_int_equal(resumed, round);
        console_input(text + 700, 324);
        console_input(text, 100);
        assert_int_equal(console_room(), 0);
        console_check();
        assert_int_equal(console_read(got + 100, 924, 0), 924);
        assert_memory_equal(got, text, sizeof(text));
        assert_int_equal(resumed, round + 1);
        assert_int_equal(console_read(got, sizeof(got), 0), 100);
    }
    finish();
}

/* One source ends while it is told that there is room, the other goes on. */
static void test_the_end(void **state)
{
    char byte;

    (void)state;
    begin();
    second.resume = resume_and_end;
    assert_int_equal(console_source_add(&second), 0);
    for (size_t i = 0; i < QUEUE_SIZE; i++)
        console_input("x", 1);
    assert_int_equal(console_room(), 0);
    assert_int_equal(console_read(&byte, 1, 0), 1);
    assert_int_equal(resumed, 2);
    for (size_t i = 1; i < QUEUE_SIZE; i++)
        assert_int_equal(console_read(&byte, 1, 0), 1);
    assert_int_equal(console_read(&byte, 1, 0), -EAGAIN);
    type("y");
    console_source_end(&source);
    expect("y"); /* what was typed before the end is not lost */
    assert_int_equal(console_read(&byte, 1, TIME_NEVER), 0);
    assert_int_equal(console_read(&byte, 1, 0), 0);
    finish();
}

/* The first of two is taken out: the list stays whole. */
static void test_either_source_ends(void **state)
{
    char byte;

    (void)state;
    begin();
    assert_int_equal(console_source_add(&second), 0);
    console_source_end(&source);
    assert_int_equal(console_read(&byte, 1, 0), -EAGAIN);
    console_source_end(&second);
    assert_int_equal(console_read(&byte, 1, 0), 0);
    finish();
}

/* ---- Threads that wait --------------------------------------------------- */

static int64_t results[2];
static uint64_t deadline;

static int reader(void *arg)
{
    char byte;
    int64_t *result = arg;

    *result = console_read(&byte, 1, deadline);
    if (*result == 1)
        *result = byte;
    return 0;
}

static thread_id start_reader(int64_t *result)
{
    thread_id id;

    *result = -1000;
    assert_int_equal(thread_create(NULL, reader, result, &id), 0);
    thread_yield();
    assert_int_equal(*result, -1000);
    return id;
}

/* Two threads wait for a byte each. */
static void begin_two(thread_id ids[2])
{
    begin();
    deadline = TIME_NEVER;
    for (unsigned i = 0; i < 2; i++)
        ids[i] = start_reader(&results[i]);
}

static void test_a_byte_wakes_one_and_the_rest_the_next(void **state)
{
    thread_id ids[2];

    (void)state;
    begin_two(ids);
    type("a");
    thread_yield();
    assert_int_equal(results[0], 'a');
    assert_int_equal(results[1], -1000);
    type("bc"); /* for one that waits and one that comes */
    thread_yield();
    assert_int_equal(results[1], 'b');
    expect("c");
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    finish();
}

static void test_two_bytes_at_once_wake_two(void **state)
{
    thread_id ids[2];

    (void)state;
    begin_two(ids);
    type("ab");
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_int_equal(results[0] + results[1], 'a' + 'b');
    finish();
}

static void test_the_wait_ends(void **state)
{
    thread_id id;
    int value;

    (void)state;
    begin();
    clock_set(1000);
    deadline = 5000;
    id = start_reader(&results[0]);
    clock_set(5000);
    timer_run(5000);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_int_equal(results[0], -EAGAIN);
    deadline = TIME_NEVER;
    id = start_reader(&results[0]);
    assert_int_equal(thread_kill(id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ECANCELED);
    assert_int_equal(results[0], -1000);
    id = start_reader(&results[0]);
    console_source_end(&source);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_int_equal(results[0], 0);
    finish();
}

/* ---- Another CPU --------------------------------------------------------- */

static int on_two_cpus(void *arg)
{
    char byte;

    (void)arg;
    if (thread_migrate(1) != 0)
        return 1;
    console_write("from the other\n", 15);
    return console_read(&byte, 1, 0) == -EXDEV ? 0 : 2;
}

static void test_the_console_is_of_cpu_0(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "", on_two_cpus, NULL, text,
                                        sizeof(text)),
                     0);
    assert_non_null(strstr(text, "from the other\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_in_their_order),
        cmocka_unit_test(test_without_a_source_there_is_no_console),
        cmocka_unit_test(test_no_memory_for_the_queue),
        cmocka_unit_test(test_a_full_queue_holds_back),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_either_source_ends),
        cmocka_unit_test(test_a_byte_wakes_one_and_the_rest_the_next),
        cmocka_unit_test(test_two_bytes_at_once_wake_two),
        cmocka_unit_test(test_the_wait_ends),
        cmocka_unit_test(test_the_console_is_of_cpu_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
