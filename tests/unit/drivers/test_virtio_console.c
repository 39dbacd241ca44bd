/* The virtio console, against a model of VIRTIO 1.2, section 5.3. */
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS, RX = 0, TX = 1 };

static struct virtio_model model;
static char shown[100000]; /* by the device */
static size_t shown_len;

static void plug(unsigned transport)
{
    const struct pci_model_options pci = {
        .legacy = transport == LEGACY_PCI,
        .no_modern = transport == LEGACY_PCI,
    };

    models_reset();
    memset(&model, 0, sizeof(model));
    model.id = 3;
    model.offered = transport >= LEGACY_MMIO ? 0 : UINT64_C(1) << 32;
    model.offered |= 7; /* size, more ports, emergency write */
    model.queue_max = 8;
    model.queue_count = 2;
    shown_len = 0;
    shown[0] = '\0';
    console_forget();
    machine_attach(8 << 20);
    if (transport == MMIO || transport == LEGACY_MMIO)
        model_on_mmio(&model, transport == MMIO ? 2 : 1);
    else
        model_on_pci(&model, &pci);
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void start(unsigned transport)
{
    plug(transport);
    assert_int_equal(virtio_console_driver.probe(), 0);
    assert_true((model.status & 4) != 0);
    assert_true(console_has("virtio: a console at "));
    assert_int_equal(model.accepted & 7, 0);
    settle();
}

static void finish(void)
{
    console_check();
    model_set_status(&model, 0);
    machine_detach();
}

/* The device shows the next buffer. Returns whether there was one. */
static bool show_one(void)
{
    static struct ring_chain chain;

    if (!model_take(&model, TX, &chain))
        return false;
    if (chain.count != 1 || chain.piece[0].writable)
        model_breach("what is sent is one buffer that the device reads");
    assert_true(shown_len + chain.piece[0].len < sizeof(shown));
    memcpy(shown + shown_len, chain.piece[0].data, chain.piece[0].len);
    shown_len += chain.piece[0].len;
    shown[shown_len] = '\0';
    model_complete(&model, TX, chain.head, 0);
    return true;
}

static void show_all(void)
{
    while (show_one())
        settle();
}

/* The device types. Returns whether there was a buffer for it. */
static bool type(const char *text)
{
    static struct ring_chain chain;

    if (!model_take(&model, RX, &chain))
        return false;
    assert_true(chain.count == 1 && chain.piece[0].writable);
    assert_true(strlen(text) <= chain.piece[0].len);
    memcpy(chain.piece[0].data, text, strlen(text));
    model_complete(&model, RX, chain.head, (uint32_t)strlen(text));
    settle();
    return true;
}

static void test_each_transport(void **state)
{
    char got[64] = "";

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        start(transport);
        show_all();
        assert_non_null(strstr(shown, "virtio: a console at "));
        console_write("one\ntwo\n", 8);
        log_info("three");
        show_all();
        assert_non_null(strstr(shown, "one\r\ntwo\r\n["));
        assert_non_null(strstr(shown, "three\r\n"));
        for (unsigned i = 0; i < 10; i++) {
            assert_true(type("hel"));
            assert_true(type(""));
            assert_true(type("lo"));
            memset(got, 0, sizeof(got));
            assert_int_equal(console_read(got, sizeof(got), 0), 5);
            assert_string_equal(got, "hello");
        }
        assert_int_equal(console_read(got, sizeof(got), 0), -EAGAIN);
        finish();
    }
}

/* More than the buffers hold waits in the ring, in its order. */
static void test_much_is_shown(void **state)
{
    char line[8] = "......\n", want[9] = "......\r\n";

    (void)state;
    start(MMIO);
    show_all();
    shown_len = 0;
    for (unsigned i = 0; i < 700; i++) {
        memset(line, 'a' + (int)(i % 26), 6);
        console_write(line, 7);
        if (i % 300 == 299)
            show_all();
    }
    show_all();
    assert_int_equal(shown_len, 700 * 8);
    for (unsigned i = 0; i < 700; i++) {
        memset(want, 'a' + (int)(i % 26), 6);
        assert_memory_equal(shown + i * 8, want, 8);
    }
    finish();
}

/* A device that shows while the writer waits loses nothing; one that does not
 * costs a moment, and what has no room is lost. */
static void shows(struct virtio_model *its, unsigned index)
{
    (void)its;
    if (index == TX)
        (void)show_one();
}

/* Only the first writer waits for a device that shows nothing: those behind it
 * cost less together than its wait for each part would. */
static void test_stuck(void)
{
    static char text[20000];
    uint64_t began;

    memset(text, 'y', sizeof(text));
    console_write(text, sizeof(text));
    began = time_ns();
    for (unsigned i = 0; i < 20; i++)
        console_write(text, sizeof(text));
    assert_true(time_ns() - began < 2 * NS_PER_S); /* not 20 * 20 waits */
    show_all();
}

static void test_a_writer_waits_for_room(void **state)
{
    static char text[20000];

    (void)state;
    start(MMIO);
    show_all();
    shown_len = 0;
    memset(text, 'x', sizeof(text));
    model.notified = shows;
    console_write(text, sizeof(text));
    show_all();
    assert_int_equal(shown_len, sizeof(text));
    model.notified = NULL;
    console_write(text, sizeof(text));
    show_all();
    assert_true(shown_len > sizeof(text) + 4000);
    assert_true(shown_len < 2 * sizeof(text));
    test_stuck();
    shown_len = 0;
    console_write("again", 5);
    show_all();
    assert_string_equal(shown, "again");
    finish();
}

/* What the console has no room for waits, and then the device. */
static void test_much_is_typed(void **state)
{
    static char text[401], got[6000];
    unsigned typed = 0;
    size_t len = 0;

    (void)state;
    start(PCI);
    memset(text, 'k', 400);
    while (type(text))
        typed += 400;
    assert_true(typed > 2000);
    while (len < typed) {
        int64_t more = console_read(got + len, 300, 0);

        assert_true(more > 0);
        len += (size_t)more;
        settle();
    }
    assert_int_equal(console_read(got, 1, 0), -EAGAIN);
    assert_true(type("x"));
    assert_int_equal(console_read(got, 1, 0), 1);
    finish();
}

/* Queues that are shorter than ours. */
static void test_short_queues(void **state)
{
    static char text[3000];
    char got[64];

    (void)state;
    plug(MMIO);
    model.queue_max = 2;
    assert_int_equal(virtio_console_driver.probe(), 0);
    settle();
    for (unsigned i = 0; i < 10; i++) {
        assert_true(type("abc"));
        assert_int_equal(console_read(got, sizeof(got), 0), 3);
        console_write("abc", 3);
        show_all();
    }
    assert_non_null(strstr(shown, "abcabcabc"));
    memset(text, 'x', sizeof(text));
    console_write(text, sizeof(text)); /* more than two buffers */
    shown_len = 0;
    show_all();
    assert_int_equal(shown_len, sizeof(text));
    finish();
}

/* A device that gives each buffer back at once, with nothing in it. */
static unsigned emptied;

static void empties(struct virtio_model *its, unsigned index)
{
    static struct ring_chain chain;

    while (index == RX && model_take(its, RX, &chain)) {
        emptied++;
        model_complete(its, RX, chain.head, 0);
    }
}

static void test_buffers_with_nothing(void **state)
{
    (void)state;
    start(PCI);
    show_all();
    emptied = 0;
    model.notified = empties;
    empties(&model, RX);
    assert_int_equal(emptied, 4);
    model_interrupt(&model, RX);
    settle();
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = emptied;

        thread_yield(); /* returns: others run, too */
        assert_true(emptied > before && emptied <= before + 8);
    }
    model.notified = NULL;
    settle();
    assert_true(type("x"));
    finish();
}

/* With EVENT_IDX one interrupt answers a wish. The device completes buffers
 * before it has seen the wish: nobody is interrupted. */
static unsigned quiet; /* notifications that it answers so */

static void completes_quietly(struct virtio_model *its, unsigned index)
{
    static struct ring_chain chain;

    if (quiet == 0)
        return;
    quiet--;
    its->lose_interrupts = true;
    while (index == TX && show_one())
        continue;
    if (index == RX && model_take(its, RX, &chain)) {
        chain.piece[0].data[0] = 'q';
        model_complete(its, RX, chain.head, 1);
    }
    its->lose_interrupts = false;
}

static void test_completed_before_the_wish(void **state)
{
    char lines[1024], got[16];

    (void)state;
    memset(lines, '\n', sizeof(lines));
    for (unsigned i = 0; i < 2; i++) {
        plug(MMIO);
        model.offered |= 1 << 29 | (i == 1 ? UINT64_C(1) << 34 : 0);
        assert_int_equal(virtio_console_driver.probe(), 0);
        settle();
        show_all();
        quiet = 5;
        model.notified = completes_quietly;
        assert_true(type("p"));
        settle();
        assert_int_equal(quiet, 0);
        assert_int_equal(console_read(got, sizeof(got), 0), 6);
        assert_memory_equal(got, "pqqqqq", 6);
        console_write("x", 1); /* a buffer, which stays with the device */
        shown_len = 0;
        quiet = 1;
        console_write(lines, sizeof(lines)); /* more than the other three */
        show_all();
        assert_int_equal(shown_len, 1 + 2 * sizeof(lines));
        finish();
    }
}

static void test_lies(void **state)
{
    char byte;

    (void)state;
    for (unsigned lie = 0; lie < 4; lie++) {
        start(PCI);
        show_all();
        if (lie == 0)
            model_use_raw(&model, RX, 500, 8);
        else if (lie == 1)
            model_use_raw(&model, RX, 0, 513);
        else
            model_used_index(&model, TX, 500);
        if (lie < 3) {
            model_interrupt(&model, lie == 2 ? TX : RX);
            settle();
        } else {
            console_write("found by who writes", 19);
            assert_false(console_has("breaks the rules"));
            settle(); /* a sink does not log */
        }
        assert_true(console_has("breaks the rules of its queue: it is left "
                                "alone"));
        assert_int_equal(model.status, 0);
        assert_int_equal(console_read(&byte, 1, 0), 0);
        console_write("no more", 7);
        model.isr = 3;
        model.raise(&model, RX);
        model.raise(&model, MODEL_CONFIG);
        settle();
        assert_int_equal(model.status, 0);
        finish();
    }
}

static void test_asks_to_be_reset(void **state)
{
    (void)state;
    for (unsigned never = 0; never < 2; never++) {
        start(MMIO);
        model_config_changed(&model); /* that is nothing */
        settle();
        model.never_resets = never != 0;
        model_need_reset(&model);
        settle();
        assert_true(console_has("asks to be reset: it is left alone"));
        if (never)
            model_touch(&model);
        machine_detach();
    }
}

static void test_does_not_start(void **state)
{
    char byte;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        plug(MMIO);
        model.refuse_features = i == 0;
        model.queue_count = i == 1 ? 0 : i == 2 ? 1 : 2;
        model.never_resets = i == 3;
        assert_int_equal(virtio_console_driver.probe(), 0);
        assert_true(console_has("does not start"));
        assert_true(model.saw_failed);
        assert_int_equal(console_read(&byte, 1, 0), 0);
        machine_detach();
    }
}

static void test_out_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        int status;
        bool failed;

        plug(MMIO);
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        heap_fail(n);
        status = virtio_console_driver.probe();
        failed = heap_failed();
        heap_fail(0);
        assert_true(status == 0 || status == -ENOMEM);
        settle();
        if (status == 0 && !failed)
            assert_true(type("x"));
        failures += failed;
        machine_detach();
        if (!failed)
            break;
    }
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_transport),
        cmocka_unit_test(test_much_is_shown),
        cmocka_unit_test(test_a_writer_waits_for_room),
        cmocka_unit_test(test_much_is_typed),
        cmocka_unit_test(test_short_queues),
        cmocka_unit_test(test_buffers_with_nothing),
        cmocka_unit_test(test_completed_before_the_wish),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_asks_to_be_reset),
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
