/* Addresses as text, and what makes sense as an interface's configuration. */
#include "net/stack.h"
#include "tests/fakes/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int want;
        struct net_config config;
    } rows[] = {
        {"10.0.2.15/24", 0, {0x0a00020f, 0xffffff00, 0}},
        {"10.0.2.15/24,10.0.2.2", 0, {0x0a00020f, 0xffffff00, 0x0a000202}},
        {"0.0.0.0/0", 0, {0, 0, 0}},
        {"255.255.255.255/32", 0, {0xffffffff, 0xffffffff, 0}},
        {"1.2.3.4/1", 0, {0x01020304, 0x80000000, 0}},
        {"19.9.190.9/9", 0, {0x1309be09, 0xff800000, 0}},
        {"", -EINVAL, {0}},
        {"10.0.2.15", -EINVAL, {0}},
        {"10.0.2.15/", -EINVAL, {0}},
        {"10.0.2.15/33", -EINVAL, {0}},
        {"10.0.2.15/-1", -EINVAL, {0}},
        {"10.0.2.256/24", -EINVAL, {0}},
        {"10.0.2/24", -EINVAL, {0}},
        {"10.0.2.1.5/24", -EINVAL, {0}},
        {"10..2.15/24", -EINVAL, {0}},
        {" 10.0.2.15/24", -EINVAL, {0}},
        {"10.0.2.15/24 ", -EINVAL, {0}},
        {"10.0.2.15/24,", -EINVAL, {0}},
        {"10.0.2.15/24,10.0.2", -EINVAL, {0}},
        {"10.0.2.15/24,10.0.2.2x", -EINVAL, {0}},
        {"010.0.2.15/24", -EINVAL, {0}},
        {"00.0.2.15/24", -EINVAL, {0}},
        {"09.0.2.15/24", -EINVAL, {0}},
        {"10.0.2./24", -EINVAL, {0}},
        {"10.0.2.:/24", -EINVAL, {0}},
        {"10.0.2.1:/24", -EINVAL, {0}},
        {"10.0.2.1//24", -EINVAL, {0}},
        {"10.0.2.15:24", -EINVAL, {0}},
        {"10.0.2.15/24:", -EINVAL, {0}},
        {"99999999999999999999.0.0.1/24", -EINVAL, {0}},
        {"a.b.c.d/24", -EINVAL, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_config config = {1, 2, 3};

        print_message("row \"%s\"\n", rows[i].text);
        assert_int_equal(net_config_parse(rows[i].text, &config), rows[i].want);
        if (rows[i].want == 0) {
            assert_int_equal(config.address, rows[i].config.address);
            assert_int_equal(config.netmask, rows[i].config.netmask);
            assert_int_equal(config.gateway, rows[i].config.gateway);
        } else {
            assert_int_equal(config.gateway, 3); /* untouched */
        }
    }
    assert_int_equal(net_config_parse(NULL, NULL), -EINVAL);
}

static void test_check(void **state)
{
    static const struct {
        const char *name;
        struct net_config config;
        int want;
    } rows[] = {
        {"usual", {0x0a00020f, 0xffffff00, 0x0a000202}, 0},
        {"no gateway", {0x0a00020f, 0xffffff00, 0}, 0},
        {"/31", {0x0a000200, 0xfffffffe, 0x0a000201}, 0},
        {"/32", {0x0a000200, 0xffffffff, 0}, 0},
        {"netmask with a hole", {0x0a00020f, 0xff00ff00, 0}, -EINVAL},
        {"no netmask", {0x0a00020f, 0, 0}, -EINVAL},
        {"/1", {0x0a00020f, 0x80000000, 0}, 0},
        {"zero", {0, 0xffffff00, 0}, -EINVAL},
        {"the last of network 0", {0x00ffff01, 0xffffff00, 0}, -EINVAL},
        {"the first of network 1", {0x01000001, 0xffffff00, 0}, 0},
        {"before the loop", {0x7effff01, 0xffffff00, 0}, 0},
        {"loop", {0x7f000001, 0xff000000, 0}, -EINVAL},
        {"the last of the loop", {0x7fffff01, 0xffffff00, 0}, -EINVAL},
        {"behind the loop", {0x80000001, 0xffffff00, 0}, 0},
        {"before multicast", {0xdfffff01, 0xffffff00, 0}, 0},
        {"multicast", {0xe0000001, 0xffffff00, 0}, -EINVAL},
        {"/30, first", {0x0a000201, 0xfffffffc, 0x0a000202}, 0},
        {"/30, network", {0x0a000200, 0xfffffffc, 0}, -EINVAL},
        {"/30, broadcast", {0x0a000203, 0xfffffffc, 0}, -EINVAL},
        {"network", {0x0a000200, 0xffffff00, 0}, -EINVAL},
        {"broadcast", {0x0a0002ff, 0xffffff00, 0}, -EINVAL},
        {"gateway elsewhere", {0x0a00020f, 0xffffff00, 0x0a000302}, -EINVAL},
        {"/31, gateway elsewhere",
         {0x0a000200, 0xfffffffe, 0x0a000202},
         -EINVAL},
        {"/32, gateway", {0x0a000200, 0xffffffff, 0xc0a80101}, 0},
        {"/32, gateway is us", {0x0a000200, 0xffffffff, 0x0a000200}, -EINVAL},
        {"/32, gateway is no host",
         {0x0a000200, 0xffffffff, 0xe0000001},
         -EINVAL},
        {"gateway is us", {0x0a00020f, 0xffffff00, 0x0a00020f}, -EINVAL},
        {"gateway is all", {0x0a00020f, 0xffffff00, 0x0a0002ff}, -EINVAL},
    };

    (void)state;
    machine_attach(16 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        assert_int_equal(net_config_check(&rows[i].config), rows[i].want);
    }
    machine_detach();
}

static int check_config(void *arg)
{
    return net_config_check(arg) == -EINVAL ? 0 : 1;
}

/* What is refused is told. */
static void test_check_says_why(void **state)
{
    static char output[4096];
    static const struct {
        struct net_config config;
        const char *want;
    } rows[] = {
        {{0x0a00020f, 0xff00ff00, 0}, "the netmask is not a prefix"},
        {{0, 0xffffff00, 0}, "the address is not one a host can have"},
        {{0x0a00020f, 0xffffff00, 0x0a000302}, "the gateway is not another"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_config config = rows[i].config;

        assert_int_equal(machine_run_output(1, 8 << 20, "", check_config,
                                            &config, output, sizeof(output)),
                         0);
        assert_non_null(strstr(output, rows[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
