/* What is typed on a PC's keyboard, against a model of an 8042. */
#include "drivers/ps2_keys.h"
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
#include <torc/thread.h>

enum { LINE = 1, QUEUE_SIZE = 1024 };

static struct ps2_model {
    uint8_t config;
    uint8_t codes[3000]; /* what waits */
    size_t first, count;
    bool is_mouse; /* the byte that waits */
    uint8_t command;
    bool keyboard_on, has_started;
    unsigned busy;        /* so many looks: it takes nothing; -1: for ever */
    bool is_silent;       /* it never answers READ_CONFIG */
    unsigned stop_before; /* the n-th write: from then on busy for ever */
    bool is_absent;
} model;

static void push(uint8_t code)
{
    model.codes[model.first + model.count++] = code;
}

static uint32_t read(void *arg, size_t offset, unsigned width)
{
    uint32_t status;

    (void)arg;
    if (width != 1)
        model_breach("a register of %u bytes", width);
    if (model.is_absent)
        return 0xff;
    if (offset == 0) {
        if (model.count == 0)
            model_breach("a code is read that is not there");
        model.count--;
        return model.codes[model.first++];
    }
    if (offset != 4)
        model_breach("register %u is read", (unsigned)offset);
    status = (model.count > 0 ? 1u : 0) | (model.is_mouse ? 0x20 : 0) |
             (model.busy != 0 ? 2 : 0);
    if (model.busy != 0 && model.busy != UINT32_MAX)
        model.busy--;
    return status;
}

static void command_run(uint32_t value)
{
    model.command = 0;
    switch (value) {
    case 0x20:
        if (!model.is_silent)
            push(model.config);
        break;
    case 0x60:
        model.command = 0x60;
        break;
    case 0xa7:
        break;
    case 0xad:
        model.keyboard_on = false;
        break;
    case 0xae:
        model.keyboard_on = true;
        break;
    default:
        model_breach("command %#x", value);
    }
}

static void write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    (void)arg;
    (void)width;
    if (model.busy != 0)
        model_breach("a write while the controller is busy");
    if (offset == 4) {
        command_run(value);
    } else if (offset == 0 && model.command == 0x60) {
        model.config = (uint8_t)value;
        model.command = 0;
    } else if (offset == 0 && value == 0xf4) {
        model.has_started = true;
        push(0xfa);
    } else {
        model_breach("%#x is written to register %u", value, (unsigned)offset);
    }
    model.busy = 2;
    if (model.stop_before > 0 && --model.stop_before == 0)
        model.busy = UINT32_MAX;
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void plug(void)
{
    const struct sim_window window = {read, write, NULL};

    sim_reset();
    memset(&model, 0, sizeof(model));
    model.config = 0x32; /* the mouse interrupts, both are off */
    console_forget();
    machine_attach(8 << 20);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0x60, 5, &window), 0);
}

static void begin(void)
{
    plug();
    push(0x1c); /* typed before anybody was there: forgotten */
    assert_int_equal(ps2_driver.probe(), 0);
    assert_true(console_has("ps2: the console is read from the keyboard"));
    assert_int_equal(model.config, 0x61);
    assert_true(model.keyboard_on && model.has_started);
}

static void finish(void)
{
    console_check();
    sim_reset();
    machine_detach();
}

static void codes(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        push((uint8_t)bytes[i]);
    irq_raise(LINE);
    settle();
}

static void test_what_is_typed_is_read(void **state)
{
    char got[32] = "";

    (void)state;
    begin();
    codes("\x26\xa6\x1f\x9f\x1c\x9c", 6);
    assert_int_equal(console_read(got, sizeof(got), 0), 3);
    assert_string_equal(got, "ls\r");
    model.is_mouse = true;
    codes("\x26", 1);
    model.is_mouse = false;
    codes("\xfa\xfe", 2); /* answers are no keys */
    assert_int_equal(console_read(got, sizeof(got), 0), -EAGAIN);
    finish();
}

static void test_more_than_there_is_room_for(void **state)
{
    static char many[2000], got[2000];
    size_t len = 0;

    (void)state;
    begin();
    memset(many, 0x1e, sizeof(many));
    codes(many, sizeof(many));
    for (unsigned i = 0; i < 100; i++) {
        irq_raise(LINE); /* a keyboard repeats */
        settle();
    }
    assert_true(console_room() < 4);
    while (len < sizeof(got)) {
        int64_t more = console_read(got + len, 10, 0);

        assert_true(more > 0);
        len += (size_t)more;
        settle(); /* no interrupt: the driver is told of room */
    }
    for (size_t i = 0; i < len; i++)
        assert_int_equal(got[i], 'a');
    finish();
}

static void test_no_keyboard(void **state)
{
    size_t waiting;
    char byte;

    (void)state;
    sim_reset();
    machine_attach(8 << 20);
    assert_int_equal(ps2_driver.probe(), 0);
    finish();
    plug();
    model.is_absent = true;
    assert_int_equal(ps2_driver.probe(), 0);
    assert_false(console_has("ps2:"));
    finish();
    plug();
    model.is_silent = true;
    assert_int_equal(ps2_driver.probe(), 0);
    assert_true(console_has("ps2: the keyboard does not start (error -110)"));
    finish();
    for (unsigned i = 1; i <= 6; i++) {
        plug();
        model.stop_before = i;
        assert_int_equal(ps2_driver.probe(), 0);
        assert_true(console_has("ps2: the keyboard does not start"));
        model.busy = 0;
        waiting = model.count;
        codes("\x1e", 1); /* nobody takes it */
        assert_int_equal(model.count, waiting + 1);
        assert_int_equal(console_read(&byte, 1, 0), 0);
        finish();
    }
}

static void ignore(void *arg)
{
    (void)arg;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        plug();
        heap_fail(i + 1);
        assert_int_equal(ps2_driver.probe(), -ENOMEM);
        assert_true(heap_failed());
        finish();
    }
    plug();
    while (hal_irq_attach(LINE, 0, ignore, NULL) == 0)
        ; /* until there is no room for handlers */
    assert_int_equal(ps2_driver.probe(), -ENOMEM);
    finish();
}

/* ---- Keys ---------------------------------------------------------------- */

static const struct {
    const char *codes;
    const char *text;
} rows[] = {
    {"\x1e\x9e", "a"},
    {"\x2a\x1e\xaa\x1e", "Aa"},
    {"\x36\x02\xb6\x02", "!1"},
    {"\x3a\xba\x1e\x02\x2a\x1e\xaa\x3a\xba\x1e", "A1aa"}, /* caps */
    {"\x1d\x2e\x9d\x2e", "\x03"
                         "c"},
    {"\xe0\x1d\x26\xe0\x9d\x26", "\x0cl"},
    {"\x1d\x02\x9d", "1"}, /* control and a digit */
    {"\x38\x30\xb8\x30", "\x1b"
                         "bb"},
    {"\x0e\x0f\x1c\x01\x39", "\x7f\t\r\x1b "},
    {"\xe0\x48\xe0\x50\xe0\x4b\xe0\x4d", "\x1b[A\x1b[B\x1b[D\x1b[C"},
    {"\xe0\x47\xe0\x4f\xe0\x53", "\x1b[H\x1b[F\x1b[3~"},
    {"\x48", "\x1b[A"}, /* beside the numbers */
    {"\xe0\x1c\xe0\x35", "\r/"},
    {"\xe0\x2a\xe0\x37\xe0\xb7\xe0\xaa\x1e", "a"}, /* print screen */
    {"\xe0\x36\xe0\xb6\x1e", "a"},
    {"\xe1\x1d\x45\xe1\x9d\xc5\x1e", "a"}, /* pause */
    {"\x3b\x57\x7f\x1e", "a"},             /* F1, F11, no key */
    {"\xe0\x1e\x1e", "a"},
    {"\x2b\x2a\x2b\xaa\x29", "\\|`"},
};

static void test_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps2_keys keys = {.skip = 0};
        char text[64] = "", key[PS2_KEY_MAX];

        for (const char *at = rows[i].codes; *at != '\0'; at++)
            strncat(text, key, ps2_key(&keys, (uint8_t)*at, key));
        if (strcmp(text, rows[i].text) != 0)
            fail_msg("row %u: \"%s\"", i, text);
    }
}

/* Any codes: no key is longer than there is room for. */
static void test_any_codes(void **state)
{
    struct ps2_keys keys = {.skip = 0};
    char key[PS2_KEY_MAX];
    uint32_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * 1664525 + 1013904223;
        assert_true(ps2_key(&keys, (uint8_t)(seed >> 24), key) <= PS2_KEY_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_typed_is_read),
        cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_no_keyboard),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_any_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
