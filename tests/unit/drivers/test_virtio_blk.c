/*
 * The virtio disk over each transport, against the model: what it sets up, what
 * it sends, and what it does when the device lies, fails, or says nothing.
 */
#include "drivers/drivers.h"
#include "kernel/block.h"
#include "kernel/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { SECTORS = 2048, F_SIZE_MAX = 1, F_RO = 5, F_FLUSH = 9 };

static struct virtio_model model;
static uint8_t data[SECTORS * 512];
static unsigned flushes;
static unsigned requests_seen;
static int fail_request;  /* the n-th gets IOERR */
static int short_request; /* the n-th writes less than it should */
static bool silent;       /* nothing is answered */

/* VIRTIO 1.2, 5.2.6: one request. */
static void serve(struct model_chain *chain)
{
    uint8_t *header = chain->piece[0].data;
    uint8_t *status = chain->piece[chain->count - 1].data;
    uint32_t type = le32_get(header);
    uint64_t sector = le64_get(header + 8);
    uint32_t written = 1;

    if (chain->count < 2 || chain->piece[0].len != 16 ||
        chain->piece[chain->count - 1].len != 1 ||
        !chain->piece[chain->count - 1].writable || chain->piece[0].writable)
        model_breach("a block request of a strange form");
    requests_seen++;
    *status = fail_request > 0 && --fail_request == 0 ? 1 : 0;
    if (type == 4) {
        if (!(model.accepted & 1 << F_FLUSH))
            model_breach("a flush without the feature");
        flushes++;
    }
    for (unsigned i = 1; i + 1 < chain->count; i++) {
        uint32_t len = chain->piece[i].len;

        if (sector * 512 + len > sizeof(data) || len % 512 != 0)
            model_breach("sector %llu, %u bytes", (unsigned long long)sector,
                         len);
        if (chain->piece[i].writable != (type == 0))
            model_breach("data in the wrong direction");
        if (type == 0 && *status == 0)
            memcpy(chain->piece[i].data, data + sector * 512, len);
        else if (type == 1 && *status == 0)
            memcpy(data + sector * 512, chain->piece[i].data, len);
        if (type == 0)
            written += len;
        sector += len / 512;
    }
    if (short_request > 0 && --short_request == 0)
        written = 1;
    model_complete(&model, 0, chain->head, written);
}

static void step(void)
{
    struct model_chain chain;

    while (!silent && model_take(&model, 0, &chain))
        serve(&chain);
}

/* A thread that is the device, so that others may wait for it. */
static bool stop;
static thread_id device_thread;

static int device_run(void *arg)
{
    (void)arg;
    while (!stop) {
        step();
        thread_yield();
    }
    return 0;
}

static struct block_device *disk;

static void fresh(void)
{
    models_reset();
    memset(&model, 0, sizeof(model));
    model = (struct virtio_model){
        .id = 2,
        .offered = UINT64_C(1) << 32 | 1 << F_FLUSH,
        .queue_max = 128,
        .queue_count = 1,
    };
    le64_put(model.config, SECTORS);
    flushes = requests_seen = 0;
    fail_request = short_request = 0;
    silent = stop = false;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 * 7 + i % 512);
}

static int start(void)
{
    assert_int_equal(virtio_blk_driver.probe(), 0);
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    if (disk == NULL)
        return -ENODEV;
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    return device_dedicate(&disk->device, 0);
}

static void finish(void)
{
    stop = true;
    assert_int_equal(thread_join(device_thread, NULL), 0);
    machine_detach();
}

/* Read, write, flush, many at once: the same over every transport. */
static void exercise(void)
{
    uint8_t *buf = dma_alloc(600 * 512);

    assert_int_equal(start(), 0);
    assert_int_equal(disk->sectors, SECTORS);
    assert_int_equal(block_read(disk, 5, 600, buf), 0);
    assert_memory_equal(buf, data + 5 * 512, 600 * 512);
    memset(buf, 0xc3, 1024);
    assert_int_equal(block_write(disk, SECTORS - 2, 2, buf), 0);
    assert_memory_equal(data + (SECTORS - 2) * 512, buf, 1024);
    assert_int_equal(block_flush(disk), 0);
    assert_int_equal(block_read(disk, SECTORS, 1, buf), -EINVAL);
    assert_int_equal(flushes, (model.accepted & 1 << F_FLUSH) ? 1 : 0);
    assert_true(model.interrupts > 0);
    dma_free(buf, 600 * 512);
    finish();
}

static void test_blk_over_mmio(void **state)
{
    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    exercise();
    assert_true(model.accepted >> 32 & 1);
}

static void test_blk_over_legacy_mmio(void **state)
{
    (void)state;
    fresh();
    model.offered = 1 << F_FLUSH;
    machine_attach(8 << 20);
    model_on_mmio(&model, 1);
    exercise();
}

static void test_blk_over_pci(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_pci(&model, &options);
    exercise();
}

static void test_blk_over_pci_line(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_pci(&model, &options);
    exercise();
}

static void test_blk_transitional_id(void **state)
{
    const struct pci_model_options options = {.device_id = 0x1001};

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_pci(&model, &options);
    exercise();
}

/* What cannot be used is left out, and says so; the machine goes on. */
static void test_blk_devices_left_out(void **state)
{
    static const struct pci_model_options options[] = {
        {.no_modern = true},
        {.no_modern = true, .cap_loop = true},
        {.bar_at_zero = true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        fresh();
        machine_attach(8 << 20);
        model_on_pci(&model, &options[i]);
        assert_int_equal(virtio_blk_driver.probe(), 0);
        assert_null(device_find(DEVICE_BLOCK, 0));
        machine_detach();
    }
    for (unsigned i = 0; i < 4; i++) {
        fresh();
        model.refuse_features = i == 0;
        model.never_resets = i == 1;
        if (i == 2)
            le64_put(model.config, 0); /* no sectors */
        if (i == 3)
            le64_put(model.config, UINT64_MAX);
        machine_attach(8 << 20);
        model_on_mmio(&model, 2);
        assert_int_equal(virtio_blk_driver.probe(), 0);
        assert_null(device_find(DEVICE_BLOCK, 0));
        machine_detach();
    }
}

static void test_blk_capability_loop_ends(void **state)
{
    const struct pci_model_options options = {.cap_loop = true};

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_pci(&model, &options);
    exercise();
}

static void test_blk_features(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    model.offered |= 1 << F_RO | 1 << F_SIZE_MAX;
    model.offered &= ~(uint64_t)(1 << F_FLUSH);
    le32_put(model.config + 8, 4096); /* size_max */
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(16384);
    requests_seen = 0;
    assert_int_equal(block_read(disk, 0, 32, buf), 0);
    assert_int_equal(requests_seen, 4);
    assert_memory_equal(buf, data, 16384);
    assert_int_equal(block_write(disk, 0, 1, buf), -EROFS);
    requests_seen = 0;
    assert_int_equal(block_flush(disk), 0); /* it writes through */
    assert_int_equal(requests_seen, 0);
    dma_free(buf, 16384);
    finish();
}

static void test_blk_error_sweep(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(1024 * 512);
    for (int n = 1;; n++) {
        int status;

        fail_request = n % 2 ? n / 2 + 1 : 0;
        short_request = n % 2 ? 0 : n / 2;
        status = block_read(disk, 0, 1024, buf);
        if (fail_request > 0 || short_request > 0) {
            assert_int_equal(status, 0);
            break;
        }
        assert_int_equal(status, -EIO);
        assert_true(n < 20);
    }
    fail_request = short_request = 0;
    assert_int_equal(block_read(disk, 0, 1024, buf), 0);
    assert_memory_equal(buf, data, 1024 * 512);
    dma_free(buf, 1024 * 512);
    finish();
}

/* ---- Many requests ------------------------------------------------------- */

static int done_status[200];
static unsigned done_count;

static void done(struct block_request *request, int status)
{
    done_status[(uintptr_t)request->cookie] = status;
    done_count++;
}

static struct block_request requests[200];

static void submit_all(uint8_t *buf)
{
    done_count = 0;
    for (uintptr_t i = 0; i < 200; i++) {
        done_status[i] = 1;
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = i,
                                             .count = 1,
                                             .buf = buf + i * 512,
                                             .done = done,
                                             .cookie = (void *)i};
        assert_int_equal(block_submit(disk, &requests[i]), 0);
    }
}

static void test_blk_more_requests_than_descriptors(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    model.queue_max = 16;
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(200 * 512);
    submit_all(buf);
    for (int i = 0; i < 10000 && done_count < 200; i++)
        thread_yield();
    assert_int_equal(done_count, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(done_status[i], 0);
    assert_memory_equal(buf, data, 200 * 512);
    dma_free(buf, 200 * 512);
    finish();
}

static void test_blk_completions_out_of_order(void **state)
{
    struct model_chain chains[4];
    uint8_t *buf;

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(200 * 512);
    silent = true;
    submit_all(buf);
    for (int i = 0; i < 4; i++)
        assert_true(model_take(&model, 0, &chains[i]));
    for (int i = 3; i >= 0; i--)
        serve(&chains[i]);
    thread_yield();
    thread_yield();
    assert_int_equal(done_count, 4);
    silent = false;
    for (int i = 0; i < 10000 && done_count < 200; i++)
        thread_yield();
    assert_memory_equal(buf, data, 200 * 512);
    dma_free(buf, 200 * 512);
    finish();
}

/* A device that lies or is silent is given up: everything fails, nothing
 * hangs. */
static void all_fail(uint8_t *buf, int status)
{
    for (int i = 0; i < 10000 && done_count < 200; i++)
        thread_yield();
    assert_int_equal(done_count, 200);
    for (int i = 0; i < 200; i++) {
        if (done_status[i] != status && done_status[i] != -EIO)
            fail_msg("request %d: %d", i, done_status[i]);
    }
    assert_int_equal(block_read(disk, 0, 1, buf), -EIO);
    assert_int_equal(model.status, 0); /* it was reset */
}

static void test_blk_lying_device_is_given_up(void **state)
{
    uint8_t *buf;

    (void)state;
    for (int lie = 0; lie < 4; lie++) {
        fresh();
        machine_attach(8 << 20);
        model_on_mmio(&model, 2);
        assert_int_equal(start(), 0);
        buf = dma_alloc(200 * 512);
        silent = true;
        submit_all(buf);
        if (lie == 0)
            model_use_raw(&model, 0, 60000, 1);
        else if (lie == 1)
            model_use_raw(&model, 0, 1, 1); /* inside a chain */
        else if (lie == 2)
            model_use_raw(&model, 0, 0, UINT32_MAX);
        else
            model_used_index(&model, 0, 5000);
        model_interrupt(&model, 0);
        all_fail(buf, -EIO);
        finish();
    }
}

static void test_blk_silent_device_times_out(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(200 * 512);
    silent = true;
    submit_all(buf);
    timer_run(time_ns() + 20 * NS_PER_S);
    assert_int_equal(done_count, 0); /* not yet */
    timer_run(time_ns() + 40 * NS_PER_S);
    all_fail(buf, -ETIMEDOUT);
    assert_int_equal(done_status[0], -ETIMEDOUT);
    finish();
}

static void test_blk_spurious_interrupts(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
    assert_int_equal(start(), 0);
    buf = dma_alloc(512);
    for (int i = 0; i < 10; i++) {
        model.raise(&model); /* without a cause */
        model.isr |= 1;
        model.raise(&model); /* with a cause, and nothing done */
        thread_yield();
    }
    assert_int_equal(block_read(disk, 9, 1, buf), 0);
    assert_memory_equal(buf, data + 9 * 512, 512);
    dma_free(buf, 512);
    finish();
}

static void test_blk_out_of_memory_at_start(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct mem_stats before, after;
        int status;

        fresh();
        machine_attach(8 << 20);
        model_on_mmio(&model, 2);
        assert_int_equal(virtio_blk_driver.probe(), 0);
        disk = block_from_device(device_find(DEVICE_BLOCK, 0));
        mem_get_stats(&before);
        heap_fail(n);
        status = disk->device.start(&disk->device);
        if (!heap_failed()) {
            heap_fail(0);
            assert_int_equal(status, 0);
            machine_detach();
            break;
        }
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(model.status, 0);
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
        /* Some slabs stay for the next time. */
        assert_true(after.free_bytes + 128 * 1024 >= before.free_bytes);
        assert_true(n < 20);
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blk_over_mmio),
        cmocka_unit_test(test_blk_over_legacy_mmio),
        cmocka_unit_test(test_blk_over_pci),
        cmocka_unit_test(test_blk_over_pci_line),
        cmocka_unit_test(test_blk_transitional_id),
        cmocka_unit_test(test_blk_devices_left_out),
        cmocka_unit_test(test_blk_capability_loop_ends),
        cmocka_unit_test(test_blk_features),
        cmocka_unit_test(test_blk_error_sweep),
        cmocka_unit_test(test_blk_more_requests_than_descriptors),
        cmocka_unit_test(test_blk_completions_out_of_order),
        cmocka_unit_test(test_blk_lying_device_is_given_up),
        cmocka_unit_test(test_blk_silent_device_times_out),
        cmocka_unit_test(test_blk_spurious_interrupts),
        cmocka_unit_test(test_blk_out_of_memory_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
