/*
 * The part of CMocka's interface that the unit tests use, in the guest
 * (tests/guest/cmocka.c). It prints what CMocka 1.1 prints. Tests run one after
 * the other on CPU 0.
 */
#ifndef TORC_TESTS_GUEST_CMOCKA_H
#define TORC_TESTS_GUEST_CMOCKA_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func; /* NULL: none; not 0: the test has failed */
    CMFixtureFunction teardown_func;
    void *initial_state;
};

#define cmocka_unit_test(f)     \
    {                           \
#f, f, NULL, NULL, NULL \
    }
#define cmocka_unit_test_setup(f, setup) \
    {                                    \
#f, f, setup, NULL, NULL         \
    }
#define cmocka_unit_test_teardown(f, teardown) \
    {                                          \
#f, f, NULL, teardown, NULL            \
    }
#define cmocka_unit_test_prestate(f, state) \
    {                                       \
#f, f, NULL, NULL, state            \
    }
#define cmocka_unit_test_setup_teardown(f, s, t) \
    {                                            \
#f, f, s, t, NULL                        \
    }
#define cmocka_unit_test_prestate_setup_teardown(f, s, t, state) \
    {                                                            \
#f, f, s, t, state                                       \
    }

/* Returns how many have failed; -1 when the group's setup has. */
int _cmocka_run_group_tests(const char *group_name,
                            const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup,
                            CMFixtureFunction teardown);
#define cmocka_run_group_tests(tests, setup, teardown)                     \
    _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof(*tests), \
                            setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)        \
    _cmocka_run_group_tests(name, tests, sizeof(tests) / sizeof(*tests), \
                            setup, teardown)

/* They end the running test. */
_Noreturn void _fail(const char *file, int line);
_Noreturn void _skip(const char *file, int line);
#define fail() _fail(__FILE__, __LINE__)
#define skip() _skip(__FILE__, __LINE__)
#define fail_msg(...)                       \
    do {                                    \
        print_error("ERROR: " __VA_ARGS__); \
        print_error("\n");                  \
        _fail(__FILE__, __LINE__);          \
    } while (0)

void print_message(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CMOCKA_INTEGER(value) ((unsigned long)(value))
#define CMOCKA_POINTER(value) ((unsigned long)(uintptr_t)(value))

void _assert_true(unsigned long result, const char *text, const char *file,
                  int line);
void _assert_int_equal(unsigned long a, unsigned long b, const char *file,
                       int line);
void _assert_int_not_equal(unsigned long a, unsigned long b, const char *file,
                           int line);
void _assert_string_equal(const char *a, const char *b, const char *file,
                          int line);
void _assert_string_not_equal(const char *a, const char *b, const char *file,
                              int line);
void _assert_memory_equal(const void *a, const void *b, size_t size,
                          const char *file, int line);
void _assert_memory_not_equal(const void *a, const void *b, size_t size,
                              const char *file, int line);
void _assert_in_range(unsigned long value, unsigned long minimum,
                      unsigned long maximum, const char *file, int line);
void _assert_not_in_range(unsigned long value, unsigned long minimum,
                          unsigned long maximum, const char *file, int line);

#define assert_true(c) _assert_true(CMOCKA_INTEGER(c), #c, __FILE__, __LINE__)
#define assert_false(c) \
    _assert_true(!(CMOCKA_INTEGER(c)), #c, __FILE__, __LINE__)
#define assert_non_null(c) \
    _assert_true(CMOCKA_POINTER(c), #c, __FILE__, __LINE__)
#define assert_null(c) \
    _assert_true(!(CMOCKA_POINTER(c)), #c, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) \
    _assert_int_equal(CMOCKA_POINTER(a), CMOCKA_POINTER(b), __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b)                                        \
    _assert_int_not_equal(CMOCKA_POINTER(a), CMOCKA_POINTER(b), __FILE__, \
                          __LINE__)
#define assert_int_equal(a, b) \
    _assert_int_equal(CMOCKA_INTEGER(a), CMOCKA_INTEGER(b), __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                        \
    _assert_int_not_equal(CMOCKA_INTEGER(a), CMOCKA_INTEGER(b), __FILE__, \
                          __LINE__)
#define assert_string_equal(a, b)                                        \
    _assert_string_equal((const char *)(a), (const char *)(b), __FILE__, \
                         __LINE__)
#define assert_string_not_equal(a, b)                                        \
    _assert_string_not_equal((const char *)(a), (const char *)(b), __FILE__, \
                             __LINE__)
#define assert_memory_equal(a, b, size)                                        \
    _assert_memory_equal((const void *)(a), (const void *)(b), size, __FILE__, \
                         __LINE__)
#define assert_memory_not_equal(a, b, size)                              \
    _assert_memory_not_equal((const void *)(a), (const void *)(b), size, \
                             __FILE__, __LINE__)
#define assert_in_range(value, minimum, maximum)                     \
    _assert_in_range(CMOCKA_INTEGER(value), CMOCKA_INTEGER(minimum), \
                     CMOCKA_INTEGER(maximum), __FILE__, __LINE__)
#define assert_not_in_range(value, minimum, maximum)                     \
    _assert_not_in_range(CMOCKA_INTEGER(value), CMOCKA_INTEGER(minimum), \
                         CMOCKA_INTEGER(maximum), __FILE__, __LINE__)

#define test_malloc(size)        malloc(size)
#define test_calloc(count, size) calloc(count, size)
#define test_free(ptr)           free(ptr)

#endif
