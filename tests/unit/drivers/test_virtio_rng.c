/* The virtio entropy device, against a model of VIRTIO 1.2, section 5.4. */
#include "kernel/device/driver.h"
#include "kernel/device/random.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS };

static struct virtio_model model;

static void plug(unsigned transport)
{
    const struct pci_model_options pci = {
        .legacy = transport == LEGACY_PCI,
        .no_modern = transport == LEGACY_PCI,
    };

    models_reset();
    memset(&model, 0, sizeof(model));
    model.id = 4;
    model.offered = UINT64_C(1) << 32;
    model.queue_max = 8;
    model.queue_count = 1;
    if (transport >= LEGACY_MMIO)
        model.offered = 0;
    console_forget();
    entropy_set(0, 0); /* the machine has nothing by itself */
    machine_attach(8 << 20);
    if (transport == MMIO || transport == LEGACY_MMIO)
        model_on_mmio(&model, transport == MMIO ? 2 : 1);
    else
        model_on_pci(&model, &pci);
}

static void start(unsigned transport)
{
    plug(transport);
    assert_int_equal(virtio_rng_driver.probe(), 0);
    assert_true((model.status & 4) != 0);
    assert_true(console_has("virtio: an entropy device at "));
}

static void finish(void)
{
    random_check();
    model_set_status(&model, 0);
    machine_detach();
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

/* The device gives up to `len` bytes. Returns how many it was asked for; 0: it
 * was not. */
static uint32_t give(uint32_t len)
{
    static struct ring_chain chain;
    uint32_t asked;

    if (!model_take(&model, 0, &chain))
        return 0;
    asked = chain.piece[0].len;
    if (chain.count != 1 || !chain.piece[0].writable)
        model_breach("a buffer that the device reads: 5.4.6.1");
    for (uint32_t i = 0; i < asked && i < len; i++)
        chain.piece[0].data[i] = (uint8_t)(i * 3 + 1);
    model_complete(&model, 0, chain.head, len < asked ? len : asked);
    settle();
    return asked;
}

static bool is_ended(void)
{
    return model.status == 0;
}

static const char seeded[] = "virtio: random numbers are seeded by the device";

static void test_seed_over_each_transport(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        start(transport);
        assert_false(random_is_seeded());
        assert_int_equal(give(100), RANDOM_SEED);
        assert_true(random_is_seeded());
        assert_true(console_has(seeded));
        assert_true(is_ended());
        assert_false(model.saw_failed);
        assert_int_equal(give(100), 0);
        finish();
    }
}

/* The device may give less than it is asked for (5.4.6.2): a byte at least. */
static void test_seed_in_pieces(void **state)
{
    (void)state;
    for (uint32_t len = 1; len < RANDOM_SEED; len += 5) {
        uint32_t left = RANDOM_SEED;

        start(PCI);
        while (left > 0) {
            assert_false(console_has(seeded));
            assert_int_equal(give(len), left);
            left -= len < left ? len : left;
        }
        assert_true(console_has(seeded));
        assert_true(is_ended());
        finish();
    }
}

/* What the device gives is in what comes. */
static void test_the_seed_counts(void **state)
{
    uint8_t a[32], b[32];

    (void)state;
    clock_set(NS_PER_S);
    for (unsigned i = 0; i < 2; i++) {
        start(MMIO);
        random_add("known", 5, 0);
        if (i == 1)
            assert_int_equal(give(100), RANDOM_SEED);
        assert_int_equal(random_bytes(i == 0 ? a : b, 32),
                         i == 0 ? -EAGAIN : 0);
        finish();
    }
    assert_memory_not_equal(a, b, 32);
    clock_set(0);
}

static void test_nothing_is_given(void **state)
{
    (void)state;
    start(MMIO);
    assert_int_equal(give(0), RANDOM_SEED);
    assert_true(console_has("gives nothing: it is left alone"));
    assert_true(is_ended());
    finish();
}

static void test_lies(void **state)
{
    (void)state;
    for (unsigned lie = 0; lie < 3; lie++) {
        start(PCI);
        if (lie == 0)
            model_use_raw(&model, 0, 500, 8);
        else if (lie == 1)
            model_use_raw(&model, 0, 0, RANDOM_SEED + 1);
        else
            model_used_index(&model, 0, 500);
        model_interrupt(&model, 0);
        settle();
        assert_true(console_has("breaks the rules of its queue: it is left "
                                "alone"));
        assert_false(console_has(seeded));
        assert_true(is_ended());
        /* Nor does it come back. */
        model.isr = 3;
        model.raise(&model, 0);
        settle();
        finish();
    }
}

static void time_passes(uint64_t ns)
{
    clock_set(clock_now() + ns);
    timer_run(time_ns());
    settle();
}

/* The interrupt is lost: a timer looks. An answer that never comes is waited
 * for four minutes. */
static void test_late_and_never(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        clock_set(1000 * NS_PER_S);
        start(PCI);
        if (i == 0) {
            model.lose_interrupts = true;
            assert_int_equal(give(100), RANDOM_SEED);
            assert_false(console_has(seeded));
            time_passes(NS_PER_S);
            assert_true(console_has(seeded));
        } else if (i == 1) {
            for (unsigned k = 0; k < 20; k++)
                time_passes(10 * NS_PER_S);
            assert_int_equal(give(100), RANDOM_SEED);
            assert_true(console_has(seeded));
        } else {
            for (unsigned k = 0; k < 40; k++)
                time_passes(10 * NS_PER_S);
            assert_true(console_has("does not answer: it is left alone"));
        }
        assert_true(is_ended());
        finish();
        clock_set(0);
    }
}

static void test_spurious_interrupts(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        start(transport);
        for (int source = -1; source < 1; source++) {
            model.isr = 3;
            model.raise(&model, source);
            settle();
        }
        assert_false(is_ended());
        assert_int_equal(give(100), RANDOM_SEED);
        assert_true(console_has(seeded));
        finish();
    }
}

/* It asks for a reset: it is left alone, once, and what it has given so far is
 * not used. One that does not do the reset may still write to its memory. */
static void test_asks_to_be_reset(void **state)
{
    uint8_t bytes[16];

    (void)state;
    for (unsigned never = 0; never < 2; never++) {
        start(MMIO);
        model.never_resets = never != 0;
        assert_int_equal(give(RANDOM_SEED - 1), RANDOM_SEED);
        model_need_reset(&model);
        settle();
        assert_true(console_has("asks to be reset: it is left alone"));
        assert_int_equal(console_has("it may still write to memory"), never);
        assert_false(console_has(seeded));
        assert_false(random_is_seeded());
        assert_int_equal(random_bytes(bytes, sizeof(bytes)), -EAGAIN);
        if (never) {
            model_touch(&model);
            machine_detach();
            continue;
        }
        assert_true(is_ended());
        console_forget();
        model.isr = 3;
        model.raise(&model, 0);
        settle();
        assert_false(console_has("asks to be reset"));
        assert_true(is_ended());
        finish();
    }
}

static void test_does_not_start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct mem_stats before;

        plug(MMIO);
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        before = stats();
        model.refuse_features = i == 0;
        model.queue_count = i == 1 ? 0 : 1;
        model.never_resets = i == 2;
        assert_int_equal(virtio_rng_driver.probe(), 0);
        assert_true(console_has("does not start"));
        assert_true(model.saw_failed);
        assert_int_equal(stats().block_count, before.block_count);
        machine_detach();
    }
}

/* Each allocation fails once: the driver says so, or does without. */
static void test_out_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; n < 20; n++) {
        int status;
        bool failed;

        plug(MMIO);
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        heap_fail(n);
        status = virtio_rng_driver.probe();
        failed = heap_failed();
        heap_fail(0);
        if (status != 0)
            assert_int_equal(status, -ENOMEM);
        else if (!is_ended())
            assert_int_equal(give(100), RANDOM_SEED);
        failures += failed;
        machine_detach();
        if (!failed)
            break;
    }
    assert_true(failures >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_over_each_transport),
        cmocka_unit_test(test_seed_in_pieces),
        cmocka_unit_test(test_the_seed_counts),
        cmocka_unit_test(test_nothing_is_given),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_late_and_never),
        cmocka_unit_test(test_spurious_interrupts),
        cmocka_unit_test(test_asks_to_be_reset),
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
