/*
 * What the virtio disk does when its device lies, fails, is silent, or asks to
 * be reset: every request has an answer in its time, and the disk works again
 * or is given up.
 */
#include "tests/unit/drivers/virtio_blk_fixture.h"

static struct buf *buf;

static void started(unsigned transport)
{
    plug(transport);
    assert_int_equal(start(), 0);
    buf = buf_alloc(MANY * 512);
}

static void ended(void)
{
    buf_put(buf);
    finish();
}

static void assert_works(void)
{
    uint8_t sector[512];

    model.silent = false;
    assert_int_equal(disk_read(&disk_open, 77, 1, sector), 0);
    assert_memory_equal(sector, data + 77 * 512, 512);
    block_check(disk);
    blk_queue_check(queue_of(0));
}

static void assert_given_up(void)
{
    uint8_t sector[512];

    assert_true(console_has("the disk is given up\n"));
    assert_int_equal(disk_read(&disk_open, 77, 1, sector), -EIO);
}

/* ---- The sweep ----------------------------------------------------------- */

struct sweep {
    unsigned transport;
    uint64_t offered;
};

/* A scenario of every operation; n-th of them meets the fault. */
static void sweep_run(struct fault_plan *plan, void *arg)
{
    static const enum block_op ops[] = {BLOCK_READ,    BLOCK_WRITE,
                                        BLOCK_FLUSH,   BLOCK_READ,
                                        BLOCK_DISCARD, BLOCK_WRITE_ZEROES};
    const struct sweep *sweep = arg;
    struct mem_stats before;
    unsigned failed = 0;

    fresh();
    model.virtio.offered |= sweep->offered;
    blk_model_discard(&model, 8, 8);
    started(sweep->transport);
    clock_set(1000 * NS_PER_S);
    timer_run(time_ns());
    before = stats();
    model.plan = plan;
    done_count = 0;
    for (uintptr_t i = 0; i < 12; i++)
        assert_int_equal(
            block_submit(&disk_open, request_make(buf, i, ops[i % 6])), 0);
    for (unsigned i = 0; i < 400 && done_count < 12; i++) {
        for (unsigned k = 0; k < 4; k++)
            thread_yield();
        time_passes(NS_PER_S / 4);
        block_check(disk);
    }
    assert_int_equal(done_count, 12);
    for (unsigned i = 0; i < 12; i++) {
        int status = done_status[i];

        assert_true(done_ns[i] <= 1031 * NS_PER_S); /* in its time */
        failed += status != 0;
        if (status == 0 && ops[i % 6] == BLOCK_READ && i != 3)
            assert_memory_equal(buf->base + i * 512UL, data + i * 1024UL, 512);
        if (status == -EIO)
            assert_true(plan->kind == FAULT_FAIL || plan->kind == FAULT_SHORT);
        else if (status != 0)
            assert_true(status == -ETIMEDOUT && plan->kind == FAULT_NEVER);
    }
    assert_true(failed <= (plan->kind == FAULT_NEVER ? 12 : 1));
    model.plan = NULL;
    assert_works();
    assert_int_equal(queue_of(0)->in_flight, 0);
    assert_true(stats().block_count <= before.block_count + 4);
    ended();
}

static void test_blk_fault_sweep(void **state)
{
    static const struct sweep sweeps[] = {
        {MMIO, 0},
        {PCI, UINT64_C(1) << 34 | UINT64_C(1) << 29 | 1 << 28},
        {LEGACY_PCI, UINT64_C(1) << 29 | 1 << 28},
        {LEGACY_MMIO, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sweeps); i++) {
        struct sweep sweep = sweeps[i];
        unsigned kinds = FAULT_ALL;

        /* Of a legacy device nobody knows how much it has written: 2.7.8.1. */
        if (sweep.transport >= LEGACY_MMIO)
            kinds &= ~fault_bit(FAULT_SHORT);
        /* 12 operations, in at least seven ways. */
        assert_true(fault_sweep(kinds, sweep_run, &sweep) >= 7 * 12);
    }
}

/* ---- Lies ---------------------------------------------------------------- */

/* A device that lies is reset, and works again. */
static void test_blk_lying_device(void **state)
{
    (void)state;
    for (int lie = 0; lie < 6; lie++) {
        fresh();
        model.virtio.offered |= lie >= 4 ? UINT64_C(1) << 34 : 0;
        started(MMIO);
        model.silent = true;
        submit_reads(buf, MANY);
        if (lie == 0)
            model_use_raw(&model.virtio, 0, 60000, 1);
        else if (lie == 1)
            model_use_raw(&model.virtio, 0, 1, 1); /* inside a chain */
        else if (lie == 2)
            model_use_raw(&model.virtio, 0, 0, UINT32_MAX);
        else if (lie == 3)
            model_used_index(&model.virtio, 0, 5000);
        else
            model_use_raw(&model.virtio, 0, lie == 4 ? 60000 : 100, 1);
        model_interrupt(&model.virtio, 0);
        model.silent = false;
        await(MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(done_status[i], 0);
        assert_sectors_read(buf, MANY);
        assert_true(console_has("vda: it breaks the rules of its queue: "
                                "resetting it\n"));
        assert_true(console_has("vda: works again\n"));
        assert_false(model.virtio.saw_failed);
        assert_works();
        ended();
    }
}

/* What is submitted between the lie and the reset waits for it. */
static void test_blk_submitted_to_a_broken_queue(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fresh();
        started(MMIO);
        model.silent = true;
        submit_reads(buf, i); /* one, or none, is with the device */
        model_use_raw(&model.virtio, 0, 60000, 1);
        block_poll(disk->queues[0]);
        assert_true(queue_of(0)->vq.broken);
        assert_int_equal(
            block_submit(&disk_open, request_make(buf, 5, BLOCK_READ)), 0);
        model.silent = false;
        await(i + 1);
        assert_int_equal(done_status[5], 0);
        assert_works();
        ended();
    }
}

/* It lies each time: requests end all the same. */
static void test_blk_always_lies(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    model.silent = true;
    submit_reads(buf, 3);
    for (unsigned i = 0; i < 100 && done_count < 3; i++) {
        if (model.virtio.queue[0].ready && !model.virtio.queue[0].lied) {
            model_use_raw(&model.virtio, 0, 60000, 1);
            model_interrupt(&model.virtio, 0);
        }
        for (unsigned k = 0; k < 5; k++)
            thread_yield();
    }
    assert_int_equal(done_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(done_status[i], -EIO);
    assert_works();
    ended();
}

/* ---- Resets -------------------------------------------------------------- */

static void test_blk_needs_reset(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        unsigned resets;

        fresh();
        started(transport);
        model.silent = true;
        submit_reads(buf, MANY);
        resets = model.virtio.resets;
        model_need_reset(&model.virtio);
        model.silent = false;
        await(MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(done_status[i], 0);
        assert_sectors_read(buf, MANY);
        assert_true(console_has("vda: it asks to be reset: resetting it\n"));
        assert_true(model.virtio.resets > resets);
        assert_works();
        /* And once more, idle. */
        model_need_reset(&model.virtio);
        for (unsigned i = 0; i < 10; i++)
            thread_yield();
        assert_int_equal(model.virtio.status & 64, 0);
        assert_works();
        ended();
    }
}

/* After the reset it is another device, or none. */
static void test_blk_does_not_come_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        struct mem_stats before;
        uint64_t slots;

        fresh();
        started(i == 6 ? PCI : MMIO);
        slots = hal_dma_addr(queue_of(0)->slots);
        model.silent = true;
        submit_reads(buf, 3);
        before = stats();
        model.virtio.refuse_features = i == 0;
        if (i == 1)
            model.virtio.offered |= BLK_RO;
        if (i == 2)
            le64_put(model.virtio.config, 0);
        if (i == 3)
            model.virtio.queue_max = 2;
        if (i == 4)
            model.virtio.queue_count = 0;
        model.virtio.never_resets = i >= 5;
        model_need_reset(&model.virtio);
        await(3);
        for (int k = 0; k < 3; k++)
            assert_int_equal(done_status[k], -EIO);
        assert_given_up();
        if (i >= 5) {
            model_touch(&model.virtio); /* what it knows is still there */
            assert_int_equal(model.virtio.is_master, i == 5);
        } else {
            assert_int_equal(model.virtio.status, 0);
            assert_true(stats().block_count <= before.block_count);
        }
        /* The device may reach what it still knows, and nothing else. */
        assert_int_equal(dma_lookup(slots, 1) != NULL, i == 5);
        /* It does not come back, whatever interrupts. */
        model.virtio.isr = 3;
        model.virtio.raise(&model.virtio, 0);
        thread_yield();
        thread_yield();
        assert_given_up();
        ended();
    }
}

/* Each allocation of a recovery fails once. */
static void test_blk_out_of_memory_at_recovery(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 20; n++) {
        bool failed;

        fresh();
        model.virtio.offered |= 1 << 28;
        started(MMIO);
        model.silent = true;
        submit_reads(buf, 3);
        heap_fail(n);
        model_need_reset(&model.virtio);
        for (unsigned i = 0; i < 20; i++)
            thread_yield();
        failed = heap_failed();
        heap_fail(0);
        model.silent = false;
        await(3);
        if (failed)
            assert_given_up();
        else
            assert_works();
        assert_int_equal(done_status[0], failed ? -EIO : 0);
        ended();
        if (!failed)
            return;
    }
    fail();
}

/* ---- Time ---------------------------------------------------------------- */

static const uint64_t T0 = 1000 * NS_PER_S;

static void test_blk_silent_device(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        fresh();
        started(transport);
        clock_set(T0);
        timer_run(T0);
        model.silent = true;
        submit_reads(buf, MANY);
        time_passes(30 * NS_PER_S - 1);
        thread_yield();
        assert_int_equal(done_count, 0); /* not yet */
        time_passes(1);
        for (int i = 0; i < 10; i++)
            thread_yield();
        assert_int_equal(done_count, MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(done_status[i], -ETIMEDOUT);
        assert_works();
        ended();
    }
}

/* One request is lost; those behind it have time left, and are tried again. */
static void test_blk_one_request_is_lost(void **state)
{
    static struct ring_chain chain;

    (void)state;
    fresh();
    started(MMIO);
    clock_set(T0);
    timer_run(T0);
    submit_reads(buf, 1);
    assert_true(model_take(&model.virtio, 0, &chain)); /* and that is it */
    clock_set(T0 + 10 * NS_PER_S);
    model.silent = true;
    assert_int_equal(block_submit(&disk_open, request_make(buf, 1, BLOCK_READ)),
                     0);
    time_passes(20 * NS_PER_S);
    model.silent = false;
    await(2);
    assert_int_equal(done_status[0], -ETIMEDOUT);
    assert_int_equal(done_status[1], 0);
    assert_works();
    ended();
}

/* A disk that nobody asks anything is not silent. */
static void test_blk_idle_disk_stays(void **state)
{
    unsigned resets;

    (void)state;
    fresh();
    started(MMIO);
    clock_set(T0);
    resets = model.virtio.resets;
    for (unsigned i = 1; i < 4; i++) {
        assert_works();
        time_passes(i * 100 * NS_PER_S);
        thread_yield();
    }
    assert_int_equal(model.virtio.resets, resets);
    ended();
}

/* ---- Interrupts ---------------------------------------------------------- */

static void serve_one(void)
{
    model.silent = false;
    assert_true(blk_model_step(&model));
    model.silent = true;
}

/* Of two requests the first one's interrupt is lost: the second one's brings
 * both. If that is lost, too, the alarm looks, and finds the answers. */
static void test_blk_lost_interrupts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        fresh();
        model.virtio.offered |=
            (i & 1 ? UINT64_C(1) << 29 : 0) | (i & 2 ? UINT64_C(1) << 34 : 0);
        started(PCI);
        clock_set(T0);
        timer_run(T0);
        model.silent = true;
        submit_reads(buf, 3);
        model.virtio.lose_interrupts = true;
        serve_one();
        serve_one();
        thread_yield();
        thread_yield();
        if (i & 4)
            model.virtio.lose_interrupts = false;
        serve_one();
        for (unsigned k = 0; k < 10; k++)
            thread_yield();
        /* With EVENT_IDX one interrupt was asked for, which is lost. */
        if (done_count < 3) {
            assert_true((i & 4) == 0 || (i & 1) != 0);
            time_passes(30 * NS_PER_S);
        }
        await(3);
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(done_status[k], 0);
        model.virtio.lose_interrupts = false;
        assert_works();
        ended();
    }
}

/* Nor is the ring looked at when another device has interrupted. */
static void test_blk_interrupt_of_another(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    model.virtio.lose_interrupts = true;
    model.silent = true;
    submit_reads(buf, 1);
    serve_one();
    model.virtio.raise(&model.virtio, 0);
    thread_yield();
    thread_yield();
    assert_int_equal(done_count, 0);
    model.virtio.isr = 1;
    model.virtio.raise(&model.virtio, 0);
    await(1);
    model.virtio.lose_interrupts = false;
    ended();
}

static void test_blk_spurious_interrupts(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    for (unsigned i = 0; i < 10; i++) {
        model.virtio.isr = i % 4;
        model.virtio.raise(&model.virtio, 0);
        thread_yield();
    }
    assert_works();
    ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blk_fault_sweep),
        cmocka_unit_test(test_blk_lying_device),
        cmocka_unit_test(test_blk_submitted_to_a_broken_queue),
        cmocka_unit_test(test_blk_always_lies),
        cmocka_unit_test(test_blk_needs_reset),
        cmocka_unit_test(test_blk_does_not_come_back),
        cmocka_unit_test(test_blk_out_of_memory_at_recovery),
        cmocka_unit_test(test_blk_silent_device),
        cmocka_unit_test(test_blk_one_request_is_lost),
        cmocka_unit_test(test_blk_idle_disk_stays),
        cmocka_unit_test(test_blk_lost_interrupts),
        cmocka_unit_test(test_blk_interrupt_of_another),
        cmocka_unit_test(test_blk_spurious_interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
