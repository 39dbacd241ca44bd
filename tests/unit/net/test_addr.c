/* <torc/net_addr.h>. The text of addresses alone is in test_wire6.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <torc/net_addr.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void test_endpoints_there_and_back(void **state)
{
    const char *const rows[] = {
        "10.0.2.15:80",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[2001:db8::1]:443",
        "[::]:1",
        "[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
    };
    char text[NET_ENDPOINT_SIZE];
    struct net_endpoint end;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(net_endpoint_parse(rows[i], &end), 0);
        net_endpoint_format(text, &end);
        assert_string_equal(text, rows[i]);
    }
    assert_int_equal(net_endpoint_parse("1.2.3.4:258", &end), 0);
    assert_int_equal(end.port, 258);
    assert_memory_equal(end.addr.byte, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4",
                        16);
}

static void test_what_is_no_endpoint(void **state)
{
    const char *const rows[] = {
        "",
        ":",
        ":80",
        "10.0.2.15",
        "10.0.2.15:",
        "10.0.2.15:x",
        "10.0.2.15:80x",
        "10.0.2.15:-1",
        "10.0.2.15:+1",
        "10.0.2.15: 1",
        "10.0.2.15:65536",
        "10.0.2.15:18446744073709551617",
        "[10.0.2.15]:80",
        "2001:db8::1:80",
        "[2001:db8::1]",
        "[2001:db8::1]:",
        "[2001:db8::1]80",
        "[2001:db8::1",
        "[]:80",
        "name:80",
    };
    struct net_endpoint end = {.port = 77};

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(net_endpoint_parse(rows[i], &end), -EINVAL);
    assert_int_equal(end.port, 77); /* untouched */
}

static void test_addresses(void **state)
{
    char text[NET_ADDR_SIZE];
    struct net_addr addr;

    (void)state;
    assert_int_equal(net_addr_parse("2001:DB8:0::1", &addr), 0);
    net_addr_format(text, &addr);
    assert_string_equal(text, "2001:db8::1");
    assert_int_equal(net_addr_parse("2001:db8::1 ", &addr), -EINVAL);
    assert_int_equal(net_addr_parse("10.0.2", &addr), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints_there_and_back),
        cmocka_unit_test(test_what_is_no_endpoint),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
