/* The names and lines by address: tables as tools/symbols makes them. */
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/base/symbols.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <torc/assert.h>

extern const uint8_t symbol_table[], symbol_pairs[], symbol_lines[],
    symbol_files[];
extern const char symbol_base[];

/* Functions at 16, 32, 33, 100, and, far away, at 1300; two more from 1428 to
 * 1492; the last entry marks the end. 1 turns whether they may be left: the
 * third may. The last name has 70 characters. */
const char symbol_base[2048];
#define LONG "abcdefghijabcdefghijabcdefghijABCDE"
const uint8_t symbol_table[] = "\x10"
                               "a\0\x10"
                               "b\0\x01\x01"
                               "\x02\0\x43\x01"
                               "d\x03\x80\0\xb0\x09"
                               "\x81\0\x80\x01"
                               "check_failed\0\x20" LONG LONG "\0\x20";

/* Code 2 is "cc", 3 is "_" and 2; the codes from 128 on are behind 44 of the
 * lower ones. 129 is itself, and never ends. */
const uint8_t symbol_pairs[2 * 48] = {
    'c', 'c', '_', 2, [88] = 3, [89] = 'x', [90] = 129, [91] = 129};

/* As the table of lines tells in its first words. */
#define LINE(bytes, lines) (5 + (bytes)*14 + (lines) + 4)
const uint8_t symbol_files[] = "one.c\0t\x02.h\0";
const uint8_t symbol_lines[] = {
    2,          1,           3,          200,
    1,          LINE(16, 0), /* 16: one.c, 100 */
    LINE(4, 3),              /* 20: 103 */
    2,          2,           3,          207,
    1,          LINE(0, 7),                          /* 20: tcc.h, 7 */
    4,          LINE(2, -1),                         /* 22: one.c, 102 */
    4,          1,           50,         LINE(0, 1), /* 72: tcc.h, 8 */
    2,          0,           LINE(8, 0),             /* 80: none */
    2,          1,           1,          0x9c,
    0x0e,       LINE(0, 0), /* 1900 */
    0,                      /* where the last line ends is not known */
};

static void test_symbol_find(void **state)
{
    static const struct {
        unsigned at;
        const char *name; /* NULL: none */
        unsigned offset;
    } rows[] = {
        {0, NULL, 0},
        {15, NULL, 0},
        {16, "a", 0},
        {31, "a", 15},
        {32, "b", 0},
        {33, "cc", 0},
        {99, "cc", 66},
        {100, "d_cc_ccx", 0},
        {150, "d_cc_ccx", 50},
        {1299, "d_cc_ccx", 1199},
        {1428, "check_failed", 0},
        {1492, NULL, 0},
        {2047, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uintptr_t ip = (uintptr_t)symbol_base + rows[i].at;
        struct symbol symbol = {.offset = 77};

        if (rows[i].name == NULL) {
            assert_false(symbol_find(ip, &symbol));
            assert_int_equal(symbol.offset, 77);
        } else {
            assert_true(symbol_find(ip, &symbol));
            assert_string_equal(symbol.name, rows[i].name);
            assert_int_equal(symbol.offset, rows[i].offset);
            assert_int_equal(symbol.may_be_left,
                             strcmp(rows[i].name, "cc") == 0);
        }
    }
    assert_false(symbol_find((uintptr_t)symbol_base - 1, &(struct symbol){0}));
}

/* A damaged table is read to an end. */
static void test_symbol_pair_of_itself(void **state)
{
    struct symbol symbol;

    (void)state;
    assert_true(symbol_find((uintptr_t)symbol_base + 1300, &symbol));
    assert_true(strlen(symbol.name) < SYMBOL_NAME_MAX);
}

static void test_symbol_name_is_cut(void **state)
{
    struct symbol symbol;

    (void)state;
    assert_true(symbol_find((uintptr_t)symbol_base + 1460, &symbol));
    assert_int_equal(strlen(symbol.name), SYMBOL_NAME_MAX - 1);
    assert_memory_equal(symbol.name, LONG LONG, SYMBOL_NAME_MAX - 1);
}

static void test_symbol_line(void **state)
{
    static const struct {
        unsigned at;
        const char *file; /* NULL: none */
        unsigned line;
    } rows[] = {
        {0, NULL, 0},       {15, NULL, 0},      {16, "one.c", 100},
        {19, "one.c", 100}, {20, "tcc.h", 7},   {21, "tcc.h", 7},
        {22, "one.c", 102}, {71, "one.c", 102}, {72, "tcc.h", 8},
        {79, "tcc.h", 8},   {80, NULL, 0},      {1900, NULL, 0},
        {2000, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct source_line line = {.line = 77};
        bool found = symbol_line((uintptr_t)symbol_base + rows[i].at, &line);

        assert_int_equal(found, rows[i].file != NULL);
        assert_int_equal(line.line, found ? rows[i].line : 77);
        if (found)
            assert_string_equal(line.file, rows[i].file);
    }
    assert_false(
        symbol_line((uintptr_t)symbol_base - 1, &(struct source_line){0}));
}

static int print_places(void *arg)
{
    (void)arg;
    backtrace_print((uintptr_t)symbol_base + 90, 0, 1, 0);
    backtrace_print((uintptr_t)symbol_base + 2, 0, 1, 0);
    backtrace_in((uintptr_t)symbol_base + 20);
    backtrace_at((uintptr_t)symbol_base + 32); /* the call ends a function */
    backtrace_brief((uintptr_t)symbol_base + 20, 0, 1, 0);
    return 0;
}

/* A report names what has a name. */
static void test_symbols_in_a_report(void **state)
{
    static const struct {
        const char *label, *name;
        unsigned at;
    } rows[] = {
        {"in", "  cc+0x39\n", 90},
        {"in", "\n", 2},
        {"in", "  a+0x4  tcc.h:7\n", 20},
        {"at", "  a+0x10  one.c:102\n", 32},
    };
    char output[1024], line[80];

    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "", print_places, NULL,
                                        output, sizeof(output)),
                     0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(line, sizeof(line), "  %s %016zx%s", rows[i].label,
                 (uintptr_t)symbol_base + rows[i].at, rows[i].name);
        assert_non_null(strstr(output, line));
    }
    assert_non_null(strstr(output, "\n a  tcc.h:7\n"));
}

/* As a function with a frame pointer leaves it. */
static struct {
    uintptr_t caller, return_ip;
} frames[2];

static uintptr_t at_frames(unsigned first, unsigned second)
{
    frames[0].caller = (uintptr_t)&frames[1];
    frames[0].return_ip = (uintptr_t)symbol_base + first;
    frames[1].caller = 0;
    frames[1].return_ip = (uintptr_t)symbol_base + second;
    return (uintptr_t)frames;
}

static int print_briefly(void *arg)
{
    uintptr_t base = (uintptr_t)symbol_base;
    uintptr_t end = (uintptr_t)(frames + 2), fp = at_frames(33, 101);

    (void)arg;
    backtrace_brief(base + 20, fp, fp, end);
    fp = at_frames(2, 33);
    backtrace_brief(0x999, fp, fp, end);
    return 0;
}

/* What has no name is left out, but for where it begins. */
static void test_brief_backtrace(void **state)
{
    char output[1024];

    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "", print_briefly, NULL,
                                        output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "\n a  tcc.h:7 < b < d_cc_ccx\n"));
    assert_non_null(strstr(output, "\n 0x999 < b\n"));
}

/* ---- The place of a panic ------------------------------------------------ */

enum { NOWHERE = 2, CHECK_FAILED = 1430 };

/* Offsets from symbol_base: where the fault is, where a jump there has come
 * from, which lies at the stack pointer, and two callers. */
struct fault_at {
    const char *says; /* the last line; "": nothing */
    unsigned ip, jump, frame, next;
    bool jumped, askew, elsewhere;
};

static void tell_place(void)
{
    const struct panic_place *place = panic_place();

    if (place->is_known)
        say("place: %s+%u\n", place->symbol.name,
            (unsigned)place->symbol.offset);
}

static int fail_at(void *arg)
{
    static uintptr_t stack[2];
    uintptr_t from;
    const struct fault_at *row = arg;
    struct hal_fault fault = {.what = "made-up fault", .detail = ""};

    from = (uintptr_t)symbol_base + row->jump;
    memcpy((char *)stack + row->askew, &from, sizeof(from));
    fault.ip = (uintptr_t)symbol_base + row->ip;
    fault.address = fault.ip + row->elsewhere;
    fault.sp = (uintptr_t)stack + row->askew;
    fault.access = row->jumped ? HAL_EXECUTE : HAL_WRITE;
    fault.fp = row->frame == 0 ? 0 : at_frames(row->frame, row->next);
    panic_add_part(tell_place);
    kernel_fault(&fault);
    return 0;
}

static void test_panic_names_its_place(void **state)
{
    static const struct fault_at rows[] = {
        {"place: a+4\npanic in a, tcc.h:7\n", .ip = 20, .frame = 101},
        {"place: cc+57\npanic in cc\n", .ip = 90},
        {"", .ip = NOWHERE},
        {"place: b+0\npanic in b, one.c:102\n", .ip = NOWHERE, .frame = 33},
        {"", .ip = NOWHERE, .frame = NOWHERE, .next = 33},
        {"place: a+4\npanic in a, tcc.h:7\n", .ip = NOWHERE, .jump = 21,
         .jumped = true, .frame = 33},
        {"place: b+0\npanic in b, one.c:102\n", .ip = NOWHERE, .jump = NOWHERE,
         .jumped = true, .frame = 33},
        {"", .ip = NOWHERE, .jump = 21, .jumped = true, .askew = true},
        {"", .ip = NOWHERE, .jump = 21, .jumped = true, .elsewhere = true},
        {"", .ip = NOWHERE, .jump = 21},
        {"place: b+0\npanic in b, one.c:102\n", .ip = CHECK_FAILED,
         .frame = 33},
    };
    char output[4096], jump[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct fault_at *row = &rows[i];
        bool is_read = row->jumped && !row->askew && !row->elsewhere;

        assert_int_equal(machine_run_output(1, 4 << 20, "", fail_at,
                                            (void *)(uintptr_t)row, output,
                                            sizeof(output)),
                         134);
        assert_null(strstr(output, "failed:"));
        if (row->says[0] != '\0')
            assert_non_null(strstr(output, row->says));
        else
            assert_null(strstr(output, "panic in "));
        snprintf(jump, sizeof(jump), "  at %016zx",
                 (uintptr_t)symbol_base + row->jump);
        assert_int_equal(row->jump != 0 && strstr(output, jump) != NULL,
                         is_read);
        assert_int_equal(strstr(output, "write of text") != NULL,
                         !row->jumped && row->ip != NOWHERE);
    }
}

static char check[] = "a < b";

static int fail_check(void *arg)
{
    check_failed("file.c", 7, arg);
    return 0;
}

static int fail_line(void *arg)
{
    (void)arg;
    check_failed_line(7);
    return 0;
}

static void test_check_with_and_without_text(void **state)
{
    char output[4096];

    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "", fail_check, NULL,
                                        output, sizeof(output)),
                     134);
    assert_non_null(strstr(output, "panic: file.c:7: assertion failed\n"));
    assert_int_equal(machine_run_output(1, 4 << 20, "", fail_check, check,
                                        output, sizeof(output)),
                     134);
    assert_non_null(
        strstr(output, "panic: file.c:7: assertion failed: a < b\n"));
    assert_int_equal(machine_run_output(1, 4 << 20, "", fail_line, NULL, output,
                                        sizeof(output)),
                     134);
    assert_non_null(strstr(output, "panic: line 7: assertion failed\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbol_find),
        cmocka_unit_test(test_symbol_pair_of_itself),
        cmocka_unit_test(test_symbol_line),
        cmocka_unit_test(test_symbol_name_is_cut),
        cmocka_unit_test(test_symbols_in_a_report),
        cmocka_unit_test(test_brief_backtrace),
        cmocka_unit_test(test_panic_names_its_place),
        cmocka_unit_test(test_check_with_and_without_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
