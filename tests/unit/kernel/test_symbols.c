/* The names of functions by address: a table as tools/symbols.sh makes it. */
#include "kernel/base/panic.h"
#include "kernel/base/symbols.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

extern const uint8_t symbol_table[];
extern const char symbol_base[];

/* Functions at 16, 32, 33, 100, and, far away, at 1300; the last entry marks
 * the end. */
const char symbol_base[2048];
const uint8_t symbol_table[] = "\x10"
                               "a\0\x10"
                               "b\0\x01"
                               "cc\0\x43"
                               "d\0\xb0\x09"
                               "e\0\x80\x01";

static void test_symbol_find(void **state)
{
    static const struct {
        unsigned at;
        const char *name; /* NULL: none */
        unsigned offset;
    } rows[] = {
        {0, NULL, 0},    {15, NULL, 0},     {16, "a", 0},   {31, "a", 15},
        {32, "b", 0},    {33, "cc", 0},     {99, "cc", 66}, {100, "d", 0},
        {150, "d", 50},  {1299, "d", 1199}, {1300, "e", 0}, {1427, "e", 127},
        {1428, NULL, 0}, {2047, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uintptr_t offset = 77;
        const char *name =
            symbol_find((uintptr_t)symbol_base + rows[i].at, &offset);

        if (rows[i].name == NULL) {
            assert_null(name);
            assert_int_equal(offset, 77);
        } else {
            assert_string_equal(name, rows[i].name);
            assert_int_equal(offset, rows[i].offset);
        }
    }
    assert_null(symbol_find((uintptr_t)symbol_base - 1, &(uintptr_t){0}));
}

static int print_places(void *arg)
{
    (void)arg;
    backtrace_print((uintptr_t)symbol_base + 90, 0, 1, 0);
    backtrace_print((uintptr_t)symbol_base + 2, 0, 1, 0);
    return 0;
}

/* A report names what has a name. */
static void test_symbols_in_a_report(void **state)
{
    char output[1024], line[80];

    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "", print_places, NULL,
                                        output, sizeof(output)),
                     0);
    snprintf(line, sizeof(line), "  in %016zx  cc+0x39\n",
             (uintptr_t)symbol_base + 90);
    assert_non_null(strstr(output, line));
    snprintf(line, sizeof(line), "  in %016zx\n", (uintptr_t)symbol_base + 2);
    assert_non_null(strstr(output, line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbol_find),
        cmocka_unit_test(test_symbols_in_a_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
