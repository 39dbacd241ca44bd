/* The names and lines by address: tables as tools/symbols makes them. */
#include "kernel/base/backtrace.h"
#include "kernel/base/symbols.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

extern const uint8_t symbol_table[], symbol_pairs[], symbol_lines[],
    symbol_files[];
extern const char symbol_base[];

/* Functions at 16, 32, 33, 100, and, far away, at 1300; the last entry marks
 * the end. 1 turns whether they may be left: the third may. */
const char symbol_base[2048];
const uint8_t symbol_table[] = "\x10"
                               "a\0\x10"
                               "b\0\x01\x01"
                               "\x02\0\x43\x01"
                               "d\x03\x80\0\xb0\x09"
                               "\x81\0\x80\x01";

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
    0,
};

static void test_symbol_find(void **state)
{
    static const struct {
        unsigned at;
        const char *name; /* NULL: none */
        unsigned offset;
    } rows[] = {
        {0, NULL, 0},          {15, NULL, 0},
        {16, "a", 0},          {31, "a", 15},
        {32, "b", 0},          {33, "cc", 0},
        {99, "cc", 66},        {100, "d_cc_ccx", 0},
        {150, "d_cc_ccx", 50}, {1299, "d_cc_ccx", 1199},
        {1428, NULL, 0},       {2047, NULL, 0},
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
            assert_int_equal(symbol.may_be_left, rows[i].name[0] == 'c');
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
        {79, "tcc.h", 8},   {80, NULL, 0},      {2000, NULL, 0},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbol_find),
        cmocka_unit_test(test_symbol_pair_of_itself),
        cmocka_unit_test(test_symbol_line),
        cmocka_unit_test(test_symbols_in_a_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
