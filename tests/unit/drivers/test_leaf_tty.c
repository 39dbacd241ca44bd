/* The hosted terminal's driver, over a host that the test plays. */
#include "hal/leaf.h"
#include "hal/posix/kernel/irq.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>

enum { TTY_IRQ = 231, QUEUE_SIZE = 1024 };

static int open_status;
static char typed[3000];
static size_t first, count;
static bool has_ended;
static bool is_open;

int hal_tty_open(void)
{
    is_open = open_status >= 0;
    return open_status;
}

void hal_tty_close(void)
{
    assert_true(is_open);
    is_open = false;
}

int hal_tty_read(void *buf, size_t size)
{
    size_t len = size < count ? size : count;

    assert_true(size > 0);
    if (len == 0)
        return has_ended ? -EPIPE : 0;
    memcpy(buf, typed + first, len);
    first += len;
    count -= len;
    return (int)len;
}

static void begin(void)
{
    open_status = TTY_IRQ;
    first = count = 0;
    has_ended = false;
    console_forget();
    machine_attach(8 << 20);
}

static void finish(void)
{
    console_check();
    machine_detach();
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void type(const char *text)
{
    first = 0;
    count = strlen(text);
    memcpy(typed, text, count);
    irq_raise(TTY_IRQ);
    settle();
}

static void test_what_is_typed_is_read(void **state)
{
    char got[200] = "";

    (void)state;
    begin();
    assert_int_equal(leaf_tty_driver.probe(), 0);
    assert_int_equal(console_read(got, 1, 0), -EAGAIN);
    type("hello");
    assert_int_equal(console_read(got, sizeof(got), 0), 5);
    assert_string_equal(got, "hello");
    has_ended = true;
    type("bye");
    irq_raise(TTY_IRQ); /* of the end, once more */
    settle();
    assert_int_equal(console_read(got, sizeof(got), 0), 3);
    assert_int_equal(console_read(got, sizeof(got), 0), 0);
    finish();
}

static void test_more_than_there_is_room_for(void **state)
{
    static char text[2001], got[2001];
    size_t len = 0;

    (void)state;
    begin();
    for (unsigned i = 0; i < 2000; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(leaf_tty_driver.probe(), 0);
    type(text);
    assert_int_equal(count, 2000 - QUEUE_SIZE);
    while (len < 2000) {
        int64_t more = console_read(got + len, 300, 0);

        assert_true(more > 0);
        len += (size_t)more;
        settle();
    }
    assert_string_equal(got, text);
    finish();
}

static void test_no_terminal(void **state)
{
    static const struct {
        const char *name;
        int status;
        bool is_told;
    } rows[] = {
        {"there is none", -ENODEV, false},
        {"open already", -EBUSY, true},
        {"no such interrupt", 100000, true},
    };
    char byte;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin();
        open_status = rows[i].status;
        ROW(rows[i].name, leaf_tty_driver.probe() == 0);
        ROW(rows[i].name, !is_open);
        ROW(rows[i].name, console_has("terminal: ") == rows[i].is_told);
        ROW(rows[i].name, console_read(&byte, 1, 0) == 0);
        finish();
    }
}

static void test_no_memory(void **state)
{
    char byte;

    (void)state;
    begin();
    heap_fail(1);
    assert_int_equal(leaf_tty_driver.probe(), -ENOMEM);
    heap_fail(2);
    assert_int_equal(leaf_tty_driver.probe(), 0);
    assert_true(heap_failed());
    assert_true(console_has("terminal: error -12"));
    assert_int_equal(console_read(&byte, 1, 0), -ENODEV);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_typed_is_read),
        cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_no_terminal),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
