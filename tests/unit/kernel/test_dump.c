/* A crash dump on the console: what tools/gdb/torc_core.py reads of it. */
#include "kernel/base/boot_info.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include "kernel/thread/report.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/drivers.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { OUTPUT_MAX = 32 << 20, STREAM_MAX = 16 << 20 };

static char *output;
static uint8_t *stream;
static size_t stream_len;

static unsigned digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);

    assert_true(at != NULL && c != '\0');
    return (unsigned)(at - digits);
}

/* The bytes of all lines of the dump. */
static void stream_read(void)
{
    stream_len = 0;
    /* Not strstr(): ASan's takes the length of all that follows each time. */
    for (const char *at = output; (at = strchr(at, '\n')) != NULL;) {
        if (strncmp(at++, "\ndump: ", 7) != 0)
            continue;
        at += 6;
        for (; *at != '\n'; at += 4) {
            uint32_t word = digit(at[0]) << 18 | digit(at[1]) << 12;

            assert_true(stream_len + 3 < STREAM_MAX);
            stream[stream_len++] = (uint8_t)(word >> 16);
            if (at[2] == '=')
                continue;
            word |= digit(at[2]) << 6;
            stream[stream_len++] = (uint8_t)(word >> 8);
            if (at[3] == '=')
                continue;
            stream[stream_len++] = (uint8_t)(word | digit(at[3]));
        }
    }
}

/* What the stream has of a byte: 0 .. 255, or -1. */
static int byte_at(uint64_t address)
{
    for (size_t at = 8; at + 8 <= stream_len;) {
        uint32_t kind = le32_get(stream + at);
        uint32_t size = le32_get(stream + at + 4);
        const uint8_t *body = stream + at + 8;

        if (kind == 2 && address - le64_get(body) < size - 8)
            return body[8 + address - le64_get(body)];
        if (kind == 3 && address - le64_get(body) < le64_get(body + 8))
            return 0;
        at += 8 + size;
    }
    return -1;
}

/* Whether a record of memory begins there. */
static bool has_stretch_from(uint64_t address)
{
    for (size_t at = 8; at + 8 <= stream_len;) {
        uint32_t kind = le32_get(stream + at);

        if ((kind == 2 || kind == 3) && le64_get(stream + at + 8) == address)
            return true;
        at += 8 + le32_get(stream + at + 4);
    }
    return false;
}

/* A thread of that name: its record's body, or NULL. */
static const uint8_t *thread_named(const char *name)
{
    for (size_t at = 8; at + 8 <= stream_len;) {
        const uint8_t *body = stream + at + 8;

        if (le32_get(stream + at) == 1 &&
            strcmp((const char *)body + 16, name) == 0)
            return body;
        at += 8 + le32_get(stream + at + 4);
    }
    return NULL;
}

enum { RECORD_MAX = 16 * 1024, DUMPED_MAX = 64 * 1024 };

/* More is on its stack than is dumped, and than one record has. */
static int sleep_long(void *arg)
{
    volatile char full[DUMPED_MAX + RECORD_MAX];

    (void)arg;
    for (size_t i = 0; i < sizeof(full); i++)
        full[i] = 1;
    thread_sleep(1000 * NS_PER_S);
    return full[0];
}

static bool has_no_thread;

static int fail_now(void *arg)
{
    const struct thread_attr attr = {.name = "sleeper",
                                     .place = THREAD_ON_CPU,
                                     .cpu = 1,
                                     .stack_size = 128 * 1024};
    thread_id id;

    if (thread_create(&attr, sleep_long, NULL, &id) != 0)
        return 1;
    thread_sleep(20 * NS_PER_MS);
    if (arg != NULL) /* a CPU that is not made yet */
        ((struct hal_boot_info *)(uintptr_t)boot_info())->cpu_count = 3;
    if (has_no_thread) {
        /* what it has been switched from last is overwritten */
        thread_current()->context.sp = NULL;
        cpu_self()->current = NULL;
    }
    panic("enough");
}

static int run(const char *cmdline, void *arg)
{
    int status;

    machine_drivers[0] = &dump_driver;
    status = machine_run_output(2, 8 << 20, cmdline, fail_now, arg, output,
                                OUTPUT_MAX);
    machine_drivers[0] = NULL;
    stream_read();
    return status;
}

static void assert_whole(void)
{
    size_t end = stream_len - 12;

    assert_true(stream_len > 1000);
    assert_memory_equal(stream, "TORCDUMP", 8);
    assert_int_equal(le32_get(stream + end), 4);
    assert_int_equal(le32_get(stream + end + 8), crc32(0, stream, end));
}

static void test_dump_has_threads_and_memory(void **state)
{
    const uint8_t *thread;
    uint64_t sp;

    (void)state;
    assert_int_equal(run("dump=console", NULL), 134);
    assert_whole();
    thread = thread_named("main");
    assert_non_null(thread);
    assert_int_equal(le32_get(thread + 8), 0); /* the CPU */
    assert_int_equal(le32_get(thread + 12),
                     1 | 4 | 8); /* runs, known, failed */
    thread = thread_named("sleeper");
    assert_non_null(thread);
    assert_int_equal(le32_get(thread + 8), 1);
    assert_int_equal(le32_get(thread + 12), 4);
    sp = le64_get(thread + 32 + 8 * HAL_REGISTER_SP);
    assert_true(byte_at(sp) >= 0);
    assert_true(byte_at(sp - 24) >= 0); /* what the switch has left there */
    assert_true(byte_at(sp + DUMPED_MAX - 1024) >= 0);
    assert_int_equal(byte_at(sp + DUMPED_MAX), -1);
    assert_int_equal(byte_at(8), -1);
}

/* A thread without a name stands for the one that nobody knows. */
static void test_dump_without_current_thread(void **state)
{
    const uint8_t *thread;
    uint64_t sp;

    (void)state;
    has_no_thread = true;
    assert_int_equal(run("dump=console", NULL), 134);
    has_no_thread = false;
    assert_whole();
    thread = thread_named("");
    assert_non_null(thread);
    assert_int_equal(le32_get(thread + 8), 0);
    assert_int_equal(le32_get(thread + 12), 1 | 4 | 8);
    sp = le64_get(thread + 32 + 8 * HAL_REGISTER_SP);
    assert_true(has_stretch_from(sp));
    assert_int_equal(byte_at(sp - 1), -1);
}

/* Each record has room for its size, and the last one comes. */
static void test_dump_has_small_records(void **state)
{
    size_t largest = 0;

    (void)state;
    assert_int_equal(run("dump=console", output), 134);
    assert_whole();
    for (size_t at = 8; at + 8 <= stream_len;) {
        uint32_t size = le32_get(stream + at + 4);

        largest = size > largest ? size : largest;
        at += 8 + size;
    }
    assert_int_equal(largest, 8 + RECORD_MAX);
}

static void test_dump_only_when_asked(void **state)
{
    (void)state;
    assert_int_equal(run("", NULL), 134);
    assert_int_equal(stream_len, 0);
    assert_int_equal(run("dump=off", NULL), 134);
    assert_int_equal(stream_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_has_threads_and_memory),
        cmocka_unit_test(test_dump_without_current_thread),
        cmocka_unit_test(test_dump_has_small_records),
        cmocka_unit_test(test_dump_only_when_asked),
    };

    output = malloc(OUTPUT_MAX);
    stream = malloc(STREAM_MAX);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
