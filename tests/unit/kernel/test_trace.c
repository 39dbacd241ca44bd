/* The trace: what becomes an event, in which order, and what is lost. */
#include "hal/hal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/netdev.h"
#include "kernel/heap/heap.h"
#include "kernel/trace/trace.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tools/trace/decode.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/log_listen.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { MEMORY = 8 << 20 };

static char output[1 << 20];
static struct decoded trace;

/* Take the whole trace, as a file would have it, and decode it. */
static const char *take_all(void)
{
    struct trace_header header;
    char *file = (char *)&header;
    size_t len = sizeof(header);
    const char *wrong;
    char *all = NULL;

    if (trace_header_get(&header) != 0)
        return "no header";
    all = malloc(16 << 20);
    memcpy(all, file, len);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        void *part;
        size_t part_len;

        if (trace_take(cpu, &part, &part_len) != 0)
            return "not taken";
        memcpy(all + len, part, part_len);
        len += part_len;
        mem_free(part);
    }
    wrong = decode(all, len, &trace);
    free(all);
    return wrong;
}

/* The n-th event of a kind on a CPU, counted from 0; NULL: there is none. */
static const struct event *find(unsigned cpu, enum trace_kind kind, unsigned n)
{
    for (size_t i = 0; i < trace.event_count; i++) {
        const struct event *event = &trace.events[i];

        if (event->cpu == cpu && event->kind == kind && n-- == 0)
            return event;
    }
    return NULL;
}

static unsigned count_of(enum trace_kind kind)
{
    unsigned count = 0;

    for (size_t i = 0; i < trace.event_count; i++)
        count += trace.events[i].kind == kind;
    return count;
}

static void begin(const char *cmdline)
{
    machine_attach_cmdline(MEMORY, cmdline);
}

static void end(void)
{
    trace_check();
    decode_free(&trace);
    machine_detach();
}

/* ---- Events of one CPU --------------------------------------------------- */

static void test_trace_marks_in_their_order(void **state)
{
    (void)state;
    begin("trace=mark");
    trace_begin("request", 7);
    trace_mark("exactly 12 b", 8);
    trace_mark("cut at twelve bytes", UINT64_MAX);
    trace_mark("a\"b\\<&\n", 9);
    trace_end("request");
    assert_null(take_all());
    assert_int_equal(trace.event_count, 5);
    assert_int_equal(trace.lost[0], 0);
    assert_int_equal(trace.events[0].kind, TRACE_BEGIN);
    assert_string_equal(trace.events[0].name, "request");
    assert_int_equal(trace.events[0].value, 7);
    assert_int_equal(trace.events[1].kind, TRACE_MARK);
    assert_string_equal(trace.events[1].name, "exactly 12 b");
    assert_string_equal(trace.events[2].name, "cut at twelv");
    assert_int_equal(trace.events[2].value, UINT64_MAX);
    assert_string_equal(trace.events[3].name, "a?b????");
    assert_int_equal(trace.events[4].kind, TRACE_END);
    for (unsigned i = 1; i < 5; i++)
        assert_true(trace.events[i].ns >= trace.events[i - 1].ns);
    assert_true(trace.events[4].ns <= trace.end_ns);
    end();
}

static void test_trace_keeps_the_newest(void **state)
{
    (void)state;
    begin("trace=mark trace_events=65"); /* rounded up: 128 */
    for (unsigned i = 0; i < 127; i++)
        trace_mark("m", i);
    assert_null(take_all());
    assert_int_equal(trace.event_count, 127);
    assert_int_equal(trace.lost[0], 0);
    decode_free(&trace);
    trace_mark("m", 127);
    assert_null(take_all());
    assert_int_equal(trace.event_count, 128);
    assert_int_equal(trace.lost[0], 0);
    decode_free(&trace);
    for (unsigned i = 128; i < 1000; i++)
        trace_mark("m", i);
    assert_null(take_all());
    assert_int_equal(trace.event_count, 128);
    assert_int_equal(trace.lost[0], 1000 - 128);
    assert_int_equal(trace.interrupts[0], 0);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(trace.events[i].value, 1000 - 128 + i);
    end();
}

static int named_thread(void *arg)
{
    (void)arg;
    trace_mark("inside", 0);
    return 0;
}

static void test_trace_switches_name_the_thread(void **state)
{
    const struct thread_attr attr = {.name = "a_long_name_it_has"};
    const struct event *event;
    thread_id id;

    (void)state;
    begin("trace=switch,mark");
    assert_int_equal(thread_create(&attr, named_thread, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_null(take_all());
    event = find(0, TRACE_SWITCH, 0);
    assert_non_null(event);
    assert_int_equal(event->value, id);
    assert_string_equal(event->name, "a_long_name_");
    assert_true(event->order < find(0, TRACE_MARK, 0)->order);
    assert_string_equal(find(0, TRACE_SWITCH, 1)->name, "test");
    assert_int_equal(count_of(TRACE_ALLOC) + count_of(TRACE_INTERRUPT), 0);
    end();
}

static void test_trace_interrupts_have_a_ring_of_their_own(void **state)
{
    (void)state;
    begin("trace=irq,mark trace_events=64"); /* of interrupts 16 */
    for (unsigned i = 0; i < 40; i++) {
        hal_timer_set(hal_time_ns());
        thread_sleep(NS_PER_US);
    }
    trace_mark("after", 0);
    assert_null(take_all());
    assert_int_equal(count_of(TRACE_INTERRUPT), 16);
    assert_int_equal(count_of(TRACE_MARK), 1);
    assert_true(trace.interrupts[0] >= 40 - 16);
    assert_int_equal(trace.lost[0], trace.interrupts[0]);
    end();
}

static void test_trace_allocations(void **state)
{
    unsigned boot = 0; /* events before ours */
    char *small;
    char *large;

    (void)state;
    begin("trace=alloc");
    small = mem_alloc(100);
    large = mem_alloc(20000);
    assert_non_null(small);
    assert_non_null(large);
    mem_free(small);
    mem_free(large);
    assert_null(take_all());
    while (find(0, TRACE_ALLOC, boot)->value != (uintptr_t)small)
        boot++;
    assert_int_equal(find(0, TRACE_ALLOC, boot)->more, 112);
    assert_int_equal(find(0, TRACE_ALLOC, boot + 1)->value, (uintptr_t)large);
    assert_int_equal(find(0, TRACE_ALLOC, boot + 1)->more, 5 * 4096);
    assert_int_equal(find(0, TRACE_FREE, 0)->value, (uintptr_t)small);
    assert_int_equal(find(0, TRACE_FREE, 1)->value, (uintptr_t)large);
    end();
}

static void test_trace_requests_of_a_disk(void **state)
{
    static uint8_t data[64 * 512];
    struct ramblk ram = {.fail_at = 0};
    struct block_open open;
    uint8_t sectors[3 * 512];
    const struct event *first;

    (void)state;
    begin("trace=io");
    ramblk_init(&ram, data, sizeof(data));
    assert_int_equal(block_open(&ram.block, BLOCK_SHARED, &open), 0);
    assert_int_equal(disk_read(&open, 5, 3, sectors), 0);
    ram.fail_at = 1;
    assert_true(disk_write(&open, 9, 1, sectors) < 0);
    block_close(&open);
    assert_null(take_all());
    first = find(0, TRACE_IO_BEGIN, 0);
    assert_int_equal(first->detail, BLOCK_READ);
    assert_int_equal(first->count, 3);
    assert_int_equal(first->more, 5);
    assert_int_equal(find(0, TRACE_IO_END, 0)->value, first->value);
    assert_int_equal(find(0, TRACE_IO_END, 0)->count, 0);
    assert_int_equal(find(0, TRACE_IO_BEGIN, 1)->detail, BLOCK_WRITE);
    assert_int_equal(find(0, TRACE_IO_END, 1)->count, EIO);
    end();
}

static void test_trace_packets(void **state)
{
    struct net_queue queue = {.index = 3};

    (void)state;
    begin("trace=packet");
    net_count_received(&queue, 1514);
    net_count_sent(&queue, 60);
    assert_int_equal(queue.rx_frames, 1);
    assert_int_equal(queue.tx_frames, 1);
    assert_null(take_all());
    assert_int_equal(trace.event_count, 2);
    assert_int_equal(find(0, TRACE_PACKET_IN, 0)->value, 1);
    assert_int_equal(find(0, TRACE_PACKET_IN, 0)->count, 1514);
    assert_int_equal(find(0, TRACE_PACKET_IN, 0)->detail, 3);
    assert_int_equal(find(0, TRACE_PACKET_OUT, 0)->count, 60);
    end();
}

/* ---- Several CPUs -------------------------------------------------------- */

static int visit(void *arg)
{
    (void)arg;
    trace_mark("visited", cpu_id());
    trace_check();
    return 0;
}

/* Every list that CPU 1 took from CPU 0 was sent before by the same number; but
 * for the one that asks for CPU 1's trace when CPU 0's is taken. */
static int lists_match(void *arg)
{
    const struct event *take;
    unsigned n = 0;

    (void)arg;
    for (unsigned i = 0; i < 20; i++) {
        if (remote_call(1, visit, NULL) != 0)
            return 2;
    }
    if (take_all() != NULL)
        return 3;
    for (; (take = find(1, TRACE_SLOT_TAKE, n)) != NULL; n++) {
        const struct event *sent = NULL;

        for (unsigned i = 0; (sent = find(0, TRACE_SLOT_SEND, i)) != NULL; i++)
            if (sent->detail == 1 && sent->value == take->value)
                break;
        if (sent == NULL && find(1, TRACE_SLOT_TAKE, n + 1) == NULL)
            break;
        if (take->detail != 0 || sent == NULL || sent->ns > take->ns + 1000)
            return 4;
        if (find(1, TRACE_SLOT_RAN, n) == NULL ||
            find(1, TRACE_SLOT_RAN, n)->count == 0)
            return 5;
    }
    if (n == 0 || find(1, TRACE_MARK, 19) == NULL ||
        find(1, TRACE_MARK, 20) != NULL || find(0, TRACE_MARK, 0) != NULL)
        return 6;
    return trace_take(2, &(void *){NULL}, &(size_t){0}) == -EINVAL ? 0 : 7;
}

static void test_trace_lists_between_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(2, MEMORY, "trace=slot,mark",
                                        lists_match, NULL, output,
                                        sizeof(output)),
                     0);
}

/* ---- What fails ---------------------------------------------------------- */

static void test_trace_off_there_is_none(void **state)
{
    struct trace_header header;
    void *data;
    size_t len;

    (void)state;
    begin("");
    trace_mark("nobody", 0);
    trace_check();
    assert_null(cpu_self()->trace);
    assert_int_equal(trace_header_get(&header), -ENODATA);
    assert_int_equal(trace_take(0, &data, &len), -ENODATA);
    trace_exit(0);
    machine_detach();
}

static void test_trace_without_memory_is_not_taken(void **state)
{
    void *data;
    size_t len;

    (void)state;
    begin("trace=all");
    heap_fail(1);
    assert_int_equal(trace_take(0, &data, &len), -ENOMEM);
    assert_true(heap_failed());
    heap_fail(0);
    machine_detach();
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void test_trace_options(void **state)
{
    static const struct {
        const char *cmdline;
        int status;
        const char *says;
    } rows[] = {
        {"trace=switch,slot,irq,io,packet,alloc,mark", 0, ""},
        {"trace=", 2, "trace=: use switch, slot"},
        {"trace=switch,", 2, "trace=switch,: use"},
        {"trace=switc", 2, "trace=switc: use"},
        {"trace=switches", 2, "trace=switches: use"},
        {"trace_events=63", 2, "trace_events=63: give a number from 64"},
        {"trace_dump=2", 2, "trace_dump=2: give a number from 0 to 1"},
        {"trace=all trace_events=1048576", 2,
         "trace_events=1048576: too little memory for the rings"},
        {"help=", 0, "trace=KIND"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = machine_run_output(1, MEMORY, rows[i].cmdline, nothing,
                                        NULL, output, sizeof(output));

        ROW(rows[i].cmdline, status == rows[i].status);
        ROW(rows[i].cmdline, strstr(output, rows[i].says) != NULL);
    }
}

static int mark_and_end(void *arg)
{
    (void)arg;
    trace_mark("the last", 12345);
    return 3;
}

static int end_with_4(void *arg)
{
    (void)arg;
    machine_exit(4);
}

static int mark_and_end_on_1(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};

    (void)mark_and_end(arg);
    if (thread_create(&there, end_with_4, NULL, NULL) != 0)
        return 1;
    thread_sleep(TIME_NEVER);
    return 1;
}

static int mark_and_end_without_a_thread(void *arg)
{
    heap_fail(1);
    return mark_and_end(arg);
}

static void slowly(const char *line, size_t len)
{
    uint64_t end = time_ns() + 10 * NS_PER_MS;

    (void)line;
    (void)len;
    while (time_ns() < end)
        hal_cpu_relax();
}

static volatile bool may_end;

static int end_with_9(void *arg)
{
    (void)arg;
    while (!may_end)
        thread_yield();
    machine_exit(9);
}

/* Others end the machine, too, while it is printed, on both CPUs. */
static int mark_and_end_often(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};

    (void)mark_and_end(arg);
    log_listen(slowly);
    if (thread_create(NULL, end_with_9, NULL, NULL) != 0 ||
        thread_create(&there, end_with_9, NULL, NULL) != 0)
        return 1;
    may_end = true;
    machine_exit(4);
}

static void test_trace_is_printed_at_the_end(void **state)
{
    static const struct {
        const char *name;
        int (*fn)(void *);
        int status;
    } rows[] = {
        {"main returns", mark_and_end, 3},
        {"on CPU 1", mark_and_end_on_1, 4},
        {"without memory", mark_and_end_without_a_thread, 3},
        {"often", mark_and_end_often, 4},
    };
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status =
            machine_run_output(2, MEMORY,
                               "trace=all trace_events=64 "
                               "trace_dump=1",
                               rows[i].fn, NULL, output, sizeof(output));

        ROW(rows[i].name, status == rows[i].status);
        len = decode_log(output, strlen(output));
        ROW(rows[i].name, decode(output, len, &trace) == NULL);
        ROW(rows[i].name, trace.cpu_count == 2);
        ROW(rows[i].name, find(0, TRACE_MARK, 0)->value == 12345);
        decode_free(&trace);
    }
}

static volatile bool is_held;

static int hold(void *arg)
{
    (void)arg;
    is_held = true;
    for (;;)
        hal_cpu_relax();
    return 0;
}

static int end_beside_held(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};

    (void)arg;
    if (thread_create(&there, hold, NULL, NULL) != 0)
        return 1;
    while (!is_held)
        thread_yield();
    return 3;
}

static void test_trace_of_a_cpu_that_does_not_yield(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(2, MEMORY, "trace=mark trace_dump=1",
                                        end_beside_held, NULL, output,
                                        sizeof(output)),
                     3);
    assert_non_null(
        strstr(output, "cpu 1: its trace cannot be taken (error -110)"));
}

static int corrupt(void *arg)
{
    struct trace_ring *ring = &cpu_self()->trace->rings[TRACE_RING_THREADS];

    trace_mark("m", 0);
    trace_mark("m", 0);
    if (arg == NULL)
        ring->events[(ring->next - 1) & ring->mask].kind = TRACE_KIND_COUNT;
    else
        ring->events[(ring->next - 1) & ring->mask].cycles = 1;
    trace_check();
    return 0;
}

static void test_trace_check_finds_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(1, MEMORY, "trace=mark", corrupt, NULL,
                                        output, sizeof(output)),
                     134);
    assert_int_equal(machine_run_output(1, MEMORY, "trace=mark", corrupt,
                                        output, output, sizeof(output)),
                     134);
}

static int fail_and_end(void *arg)
{
    heap_fail(*(const uint64_t *)arg);
    return 0;
}

/* The first allocations are for the thread that ends the machine. */
static void test_trace_that_cannot_be_taken_is_said(void **state)
{
    unsigned said = 0;

    (void)state;
    for (uint64_t after = 1; after < 6; after++) {
        assert_int_equal(
            machine_run_output(1, MEMORY, "trace=mark trace_dump=1",
                               fail_and_end, &after, output, sizeof(output)),
            0);
        said += strstr(output, "cpu 0: its trace cannot be taken (error "
                               "-12)") != NULL;
    }
    assert_int_equal(said, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_marks_in_their_order),
        cmocka_unit_test(test_trace_keeps_the_newest),
        cmocka_unit_test(test_trace_switches_name_the_thread),
        cmocka_unit_test(test_trace_interrupts_have_a_ring_of_their_own),
        cmocka_unit_test(test_trace_allocations),
        cmocka_unit_test(test_trace_requests_of_a_disk),
        cmocka_unit_test(test_trace_packets),
        cmocka_unit_test(test_trace_lists_between_cpus),
        cmocka_unit_test(test_trace_off_there_is_none),
        cmocka_unit_test(test_trace_without_memory_is_not_taken),
        cmocka_unit_test(test_trace_options),
        cmocka_unit_test(test_trace_is_printed_at_the_end),
        cmocka_unit_test(test_trace_of_a_cpu_that_does_not_yield),
        cmocka_unit_test(test_trace_check_finds_what_is_wrong),
        cmocka_unit_test(test_trace_that_cannot_be_taken_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
