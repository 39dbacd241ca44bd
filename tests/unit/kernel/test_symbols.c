/* The names of functions by address: a table as tools/symbols.sh makes it. */
#include "kernel/base/panic.h"
#include "kernel/base/symbols.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

extern const uint32_t symbol_count, symbol_offsets[], symbol_name_offsets[];
extern const char symbol_names[], symbol_base[];

/* Four functions; the last entry marks the end. */
const char symbol_base[256];
const uint32_t symbol_count = 5;
const uint32_t symbol_offsets[] = {16, 32, 33, 100, 200};
const uint32_t symbol_name_offsets[] = {0, 2, 4, 6, 8};
const char symbol_names[] = "a\0b\0c\0d\0end";

static void test_symbol_find(void **state)
{
    static const struct {
        unsigned at;
        const char *name; /* NULL: none */
        unsigned offset;
    } rows[] = {
        {0, NULL, 0},   {15, NULL, 0},  {16, "a", 0},   {31, "a", 15},
        {32, "b", 0},   {33, "c", 0},   {99, "c", 66},  {100, "d", 0},
        {150, "d", 50}, {199, "d", 99}, {200, NULL, 0}, {255, NULL, 0},
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
    snprintf(line, sizeof(line), "  in %016zx  c+0x39\n",
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
