/* The stub for gdb as a driver: gdb=, its serial port, its end in a panic. */
#include "hal/debug.h"
#include "kernel/base/panic.h"
#include "kernel/device/driver.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/log.h>

/* ---- A machine that can be debugged -------------------------------------- */

static int open_status;
static unsigned opened;
static void (*received)(uint8_t byte);
static const char *input = "";

static bool (*is_awaited)(void);

static int fake_open(unsigned port, void (*fn)(uint8_t byte), bool (*is)(void))
{
    is_awaited = is;
    opened = port;
    received = fn;
    return open_status;
}

static int fake_get(uint64_t deadline_ns)
{
    (void)deadline_ns;
    return (uint8_t)*input++;
}

static void fake_put(uint8_t byte)
{
    (void)byte;
}

static void fake_stop(int signal)
{
    const struct hal_debug_stop stop = {.signal = signal, .point = -1};
    unsigned cpu;

    console_print("stopped by %d\n", signal);
    if (*input != '\0')
        console_print("and goes on: %d\n", kernel_debug(&stop, &cpu));
}

static struct hal_debug_cpu *fake_cpu(unsigned cpu)
{
    (void)cpu;
    return NULL;
}

const struct hal_debug_ops hal_debug_ops = {.open = fake_open,
                                            .get = fake_get,
                                            .put = fake_put,
                                            .stop = fake_stop,
                                            .cpu = fake_cpu};

static char output[65536];

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

static int run(const char *cmdline, int (*fn)(void *))
{
    int status;

    machine_drivers[0] = &gdb_driver;
    status = machine_run_output(1, 4 << 20, cmdline, fn, NULL, output,
                                sizeof(output));
    machine_drivers[0] = NULL;
    return status;
}

static int give_port(void *arg)
{
    (void)arg;
    return (int)opened;
}

static void test_ports(void **state)
{
    (void)state;
    assert_int_equal(run("gdb=com2", give_port), 2);
    assert_true(says("gdb=com2: a debugger may connect, 115200 baud\n"));
    assert_int_equal(run("gdb=com4", give_port), 4);
    assert_int_equal(run("gdb=off", give_port), 0);
    assert_int_equal(run("", give_port), 0);
    assert_false(says("gdb"));
    assert_int_equal(run("gdb=com1", give_port), 2); /* the console's */
    open_status = -ENODEV;
    assert_int_equal(run("gdb=com3", give_port), 3);
    assert_true(says("gdb=com3: no such serial port (error -19)\n"));
    open_status = -EBUSY;
    assert_int_equal(run("gdb=com3", give_port), 3);
    assert_true(says("gdb=com3: its interrupt is in use (error -16)\n"));
    open_status = 0;
}

/* What is no packet is nothing; the key counts once somebody is there. */
static int get_bytes(void *arg)
{
    (void)arg;
    received('x');
    received(3);
    console_print("connects\n");
    assert_false(is_awaited());
    input = "c#63";
    received('$');
    assert_true(is_awaited());
    input = "";
    received('x');
    received(3);
    return 0;
}

static void test_bytes_that_stop_it(void **state)
{
    const char *at;

    (void)state;
    assert_int_equal(run("gdb=com2", get_bytes), 0);
    at = strstr(output, "connects\nstopped by 2\nand goes on: 0\n");
    assert_non_null(at);
    assert_non_null(strstr(at + 30, "stopped by 2\n"));
    assert_null(strstr(output, "stopped by 2\nconnects"));
}

static int kill_it(void *arg)
{
    (void)arg;
    input = "k#6b";
    received('$');
    return 0;
}

static int attach_and_panic(void *arg)
{
    (void)arg;
    input = "c#63";
    received('$');
    input = "";
    panic("enough");
}

static int only_panic(void *arg)
{
    (void)arg;
    panic("enough");
}

static void test_ends(void **state)
{
    (void)state;
    assert_int_equal(run("gdb=com2", kill_it), 1);
    assert_int_equal(run("gdb=com2", attach_and_panic), 134);
    assert_true(says("stopped by 6\n"));
    assert_int_equal(run("gdb=com2", only_panic), 134);
    assert_false(says("stopped by"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_bytes_that_stop_it),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
