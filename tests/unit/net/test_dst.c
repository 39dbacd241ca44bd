/* The path MTU that a way keeps: RFC 1191. */
#include "net/dst.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <torc/compiler.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void test_path_mtu(void **state)
{
    static const struct {
        const char *name;
        struct dst before;
        uint32_t mtu;
        uint32_t len;
        bool want;
        struct dst after;
    } rows[] = {
        {"usual", {0}, 1400, 1500, true, {.pmtu = 1400}},
        {"smaller", {.pmtu = 1400}, 1300, 1400, true, {.pmtu = 1300}},
        {"the same", {.pmtu = 1400}, 1400, 1400, false, {.pmtu = 1400}},
        {"larger", {.pmtu = 1400}, 1401, 1500, false, {.pmtu = 1400}},
        {"the least", {0}, 552, 1500, true, {.pmtu = 552}},
        {"less", {0}, 551, 1500, true, {.pmtu = 552, .may_fragment = true}},
        {"less, from the least",
         {.pmtu = 552},
         551,
         552,
         true,
         {.pmtu = 552, .may_fragment = true}},
        {"less, again",
         {.pmtu = 552, .may_fragment = true},
         296,
         552,
         false,
         {.pmtu = 552, .may_fragment = true}},
        {"unsaid, 65535", {0}, 0, 65535, true, {.pmtu = 32000}},
        {"unsaid, 32000", {0}, 0, 32000, true, {.pmtu = 17914}},
        {"unsaid, 1500", {0}, 0, 1500, true, {.pmtu = 1492}},
        {"unsaid, 1492", {.pmtu = 1492}, 0, 1492, true, {.pmtu = 1006}},
        {"unsaid, 1007", {0}, 0, 1007, true, {.pmtu = 1006}},
        {"unsaid, 1006",
         {0},
         0,
         1006,
         true,
         {.pmtu = 552, .may_fragment = true}},
        {"unsaid, 0", {0}, 0, 0, true, {.pmtu = 552, .may_fragment = true}},
        {"beyond 16 bits", {0}, 70000, 70000, false, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dst dst = rows[i].before;

        print_message("row %s\n", rows[i].name);
        assert_int_equal(dst_too_big(&dst, rows[i].mtu, rows[i].len),
                         rows[i].want);
        assert_int_equal(dst.pmtu, rows[i].after.pmtu);
        assert_int_equal(dst.may_fragment, rows[i].after.may_fragment);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_mtu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
