/* What is typed on the serial port, against a model of a 16550 (PC16550D). */
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/models/breach.h"
#include <string.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>

enum { LINE = 4, QUEUE_SIZE = 1024 };

/* Registers 8.1; bytes wait in `typed`, without an end of the FIFO. */
static struct uart_model {
    bool has_scratch, half_scratch;
    uint8_t scratch, irq_enable, modem;
    uint8_t errors; /* of the next byte; in the line status */
    bool overrun;
    char typed[3000];
    size_t first, count;
    bool has_no_end;  /* a byte is always there */
    unsigned enables; /* of the interrupt */
} model;

static bool has_byte(void)
{
    return model.has_no_end || model.count > 0;
}

static void interrupt(void)
{
    if ((model.irq_enable & 1) != 0 && (model.modem & 8) != 0 && has_byte())
        irq_raise(LINE);
}

static uint32_t data_read(void)
{
    char byte;

    if (model.has_no_end)
        return 'x';
    if (model.count == 0)
        model_breach("a byte is read that is not there");
    byte = model.typed[model.first++];
    model.count--;
    model.errors = 0;
    return (uint8_t)byte;
}

static uint32_t read(void *arg, size_t offset, unsigned width)
{
    uint32_t status;

    (void)arg;
    if (width != 1)
        model_breach("a register of %u bytes", width);
    switch (offset) {
    case 0:
        return data_read();
    case 5:
        status = (has_byte() ? 1u | model.errors : 0) |
                 (model.overrun ? 2 : 0) | 0x60;
        model.overrun = false;
        return status;
    case 7:
        return !model.has_scratch   ? 0xff
               : model.half_scratch ? 0xa5
                                    : model.scratch;
    default:
        model_breach("register %u is read", (unsigned)offset);
        return 0;
    }
}

static void write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    (void)arg;
    (void)width;
    switch (offset) {
    case 1:
        model.irq_enable = (uint8_t)value;
        model.enables += value & 1;
        interrupt();
        break;
    case 4:
        model.modem = (uint8_t)value;
        break;
    case 7:
        model.scratch = (uint8_t)value;
        break;
    default:
        model_breach("register %u is written", (unsigned)offset);
    }
}

static void plug(void)
{
    const struct sim_window window = {read, write, NULL};

    sim_reset();
    memset(&model, 0, sizeof(model));
    model.has_scratch = true;
    console_forget();
    machine_attach(8 << 20);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0x3f8, 8, &window), 0);
}

static void begin(void)
{
    plug();
    assert_int_equal(uart_driver.probe(), 0);
    assert_true(console_has("uart: the console is read from the serial port"));
    assert_int_equal(model.irq_enable, 1);
    assert_int_equal(model.modem, 0x0b);
}

static void finish(void)
{
    console_check();
    sim_reset();
    machine_detach();
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void type(const char *text)
{
    size_t len = strlen(text);

    memcpy(model.typed + model.first + model.count, text, len);
    model.count += len;
    interrupt();
    settle();
}

static void expect(const char *text)
{
    char got[64] = "";

    assert_int_equal(console_read(got, sizeof(got) - 1, 0), strlen(text));
    assert_string_equal(got, text);
}

static void test_what_is_typed_is_read(void **state)
{
    char byte;

    (void)state;
    begin();
    assert_int_equal(console_read(&byte, 1, 0), -EAGAIN);
    type("l");
    type("s\r");
    expect("ls\r");
    assert_int_equal(model.irq_enable, 1);
    finish();
}

/* More than the console holds waits in the port. */
static void test_a_long_paste_is_not_lost(void **state)
{
    static char text[2501], got[2501];
    size_t len = 0;

    (void)state;
    begin();
    for (unsigned i = 0; i < 2500; i++)
        text[i] = (char)('a' + i % 26);
    type(text);
    assert_int_equal(model.irq_enable, 0);
    assert_int_equal(model.count, 2500 - QUEUE_SIZE);
    while (len < 2500) {
        int64_t more = console_read(got + len, 100, 0);

        assert_true(more > 0);
        len += (size_t)more;
        settle();
    }
    assert_string_equal(got, text);
    assert_int_equal(model.irq_enable, 1);
    finish();
}

/* A port that never runs dry has the queue, not the machine. */
static void test_a_port_without_end(void **state)
{
    char byte;

    (void)state;
    begin();
    model.has_no_end = true;
    interrupt();
    settle();
    assert_int_equal(console_room(), 0);
    assert_int_equal(model.irq_enable, 0);
    assert_int_equal(model.enables, 1); /* at the start */
    assert_int_equal(console_read(&byte, 1, 0), 1);
    settle();
    assert_int_equal(model.irq_enable, 0);
    finish();
}

static void test_damaged_bytes_are_left_out(void **state)
{
    static const uint8_t errors[] = {4, 8, 16};

    (void)state;
    begin();
    for (unsigned i = 0; i < 3; i++) {
        model.errors = errors[i];
        type("!");
        type("+");
    }
    expect("+++");
    model.overrun = true;
    type("a");
    assert_true(console_has("came too fast"));
    console_forget();
    model.overrun = true;
    type("b");
    assert_false(console_has("came too fast")); /* once is enough */
    expect("ab");
    finish();
}

static void test_no_port(void **state)
{
    char byte;

    (void)state;
    sim_reset();
    machine_attach(8 << 20);
    assert_int_equal(uart_driver.probe(), 0); /* no register at all */
    assert_int_equal(console_read(&byte, 1, 0), -ENODEV);
    finish();
    for (unsigned i = 0; i < 2; i++) {
        plug();
        model.has_scratch = i == 1;
        model.half_scratch = true;
        assert_int_equal(uart_driver.probe(), 0);
        assert_int_equal(console_read(&byte, 1, 0), -ENODEV);
        assert_int_equal(model.irq_enable, 0);
        finish();
    }
}

static void ignore(void *arg)
{
    (void)arg;
}

static void test_no_interrupt(void **state)
{
    char byte;

    (void)state;
    plug();
    while (hal_irq_attach(LINE, 0, ignore, NULL) == 0)
        ; /* until there is no room for handlers */
    assert_int_equal(uart_driver.probe(), 0);
    assert_true(console_has("uart: no interrupt 4"));
    assert_int_equal(console_read(&byte, 1, 0), 0);
    assert_int_equal(model.irq_enable, 0);
    finish();
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        plug();
        heap_fail(i + 1);
        assert_int_equal(uart_driver.probe(), -ENOMEM);
        assert_true(heap_failed());
        assert_int_equal(model.irq_enable, 0);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_typed_is_read),
        cmocka_unit_test(test_a_long_paste_is_not_lost),
        cmocka_unit_test(test_a_port_without_end),
        cmocka_unit_test(test_damaged_bytes_are_left_out),
        cmocka_unit_test(test_no_port),
        cmocka_unit_test(test_no_interrupt),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
