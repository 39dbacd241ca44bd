/*
 * Requests of the virtio disk: each operation, many at a time, long ones, their
 * ends in any order, their errors; another size; several queues.
 */
#include "tests/unit/drivers/virtio_blk_fixture.h"

static struct buf *buf;

/* A started disk, and a buffer for MANY sectors. */
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

/* Submit one request, and wait. */
static int run(struct block_request *request)
{
    done_count = 0;
    done_status[(uintptr_t)request->cookie] = 1;
    if (block_submit(&disk_open, request) != 0)
        return 1;
    await(1);
    return done_status[(uintptr_t)request->cookie];
}

static void test_blk_each_operation(void **state)
{
    static const uint8_t zeros[2048];

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        struct block_request *request;

        fresh();
        blk_model_discard(&model, 16, 32);
        started(transport);
        assert_int_equal(run(request_make(buf, 3, BLOCK_READ)), 0);
        assert_memory_equal(buf->base + 3 * 512, data + 6 * 512, 512);
        memset(buf->base, 0x5a, 512);
        assert_int_equal(run(request_make(buf, 0, BLOCK_WRITE)), 0);
        assert_memory_equal(data, buf->base, 512);
        assert_int_equal(run(request_make(buf, 0, BLOCK_FLUSH)), 0);
        assert_int_equal(model.flushes, 1);
        request = request_make(buf, 4, BLOCK_DISCARD);
        request->sectors = 4;
        assert_int_equal(run(request), 0);
        assert_memory_equal(data + 8 * 512, zeros, 2048);
        assert_int_equal(data[12 * 512], (uint8_t)(12 * 7));
        request = request_make(buf, 10, BLOCK_WRITE_ZEROES);
        request->sectors = 2;
        assert_int_equal(run(request), 0);
        assert_memory_equal(data + 20 * 512, zeros, 1024);
        assert_int_equal(data[22 * 512], (uint8_t)(22 * 7));
        assert_int_equal(model.discards, 1);
        assert_int_equal(model.zeroes, 1);
        assert_int_equal(model.reads, 1);
        assert_int_equal(model.writes, 1);
        ended();
    }
}

/* Ranges longer than the device takes go in parts. */
static void test_blk_long_ranges(void **state)
{
    struct block_request *request;

    (void)state;
    fresh();
    blk_model_discard(&model, 16, 32);
    started(MMIO);
    request = request_make(buf, 0, BLOCK_DISCARD);
    request->sectors = 100;
    assert_int_equal(run(request), 0);
    assert_int_equal(model.discards, 7);
    request = request_make(buf, 1, BLOCK_WRITE_ZEROES);
    request->sectors = 100;
    assert_int_equal(run(request), 0);
    assert_int_equal(model.zeroes, 4);
    for (unsigned i = 0; i < 102 * 512; i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(data[102 * 512], (uint8_t)(102 * 7));
    ended();
}

/* What the device does not offer it is not asked for. */
static void test_blk_operations_it_has_not(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    assert_int_equal(
        block_submit(&disk_open, request_make(buf, 0, BLOCK_DISCARD)),
        -ENOTSUP);
    assert_int_equal(run(request_make(buf, 0, BLOCK_WRITE_ZEROES)), 0);
    assert_int_equal(model.zeroes, 0);
    assert_int_equal(model.writes, 1); /* of zeros */
    assert_int_equal(data[0] | data[511], 0);
    ended();
}

/* A write with FUA is followed by a flush; PREFLUSH comes before. */
static void test_blk_durable_writes(void **state)
{
    struct block_request *request;

    (void)state;
    fresh();
    started(MMIO);
    request = request_make(buf, 0, BLOCK_WRITE);
    request->flags = BLOCK_FUA;
    assert_int_equal(run(request), 0);
    assert_int_equal(model.flushes, 1);
    request = request_make(buf, 0, BLOCK_WRITE);
    request->flags = BLOCK_FUA | BLOCK_PREFLUSH;
    assert_int_equal(run(request), 0);
    assert_int_equal(model.flushes, 3);
    ended();
}

static void test_blk_large_sectors(void **state)
{
    uint8_t *bytes;

    (void)state;
    fresh();
    blk_model_limits(&model, 0, 0, 4096);
    plug(MMIO);
    assert_int_equal(start(), 0);
    bytes = dma_alloc(65536);
    assert_int_equal(disk->sector_size, 4096);
    assert_int_equal(disk_read(&disk_open, 8, 128, bytes), 0);
    assert_memory_equal(bytes, data + 8 * 512, 65536);
    assert_int_equal(disk_read(&disk_open, 1, 8, bytes), -EINVAL);
    dma_free(bytes, 65536);
    finish();
}

/* ---- Many requests ------------------------------------------------------- */

/* Of each form of ring, of each length. */
static void test_blk_more_requests_than_descriptors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8 * 3; i++) {
        fresh();
        model.virtio.offered |= (i & 1 ? UINT64_C(1) << 28 : 0) |
                                (i & 2 ? UINT64_C(1) << 29 : 0) |
                                (i & 4 ? UINT64_C(1) << 34 : 0);
        model.virtio.queue_max = i / 8 == 0 ? 4 : i / 8 == 1 ? 16 : 128;
        started(MMIO);
        submit_reads(buf, MANY);
        await(MANY);
        for (int k = 0; k < MANY; k++)
            assert_int_equal(done_status[k], 0);
        assert_sectors_read(buf, MANY);
        assert_int_equal(queue_of(0)->in_flight, 0);
        ended();
    }
}

/* How many requests the device has at a time. */
static void test_blk_depth(void **state)
{
    static const struct {
        uint16_t queue_max;
        bool has_tables;
        bool has_memory;
        unsigned at_once;
    } rows[] = {
        {4, false, false, 1},    {8, false, false, 2},
        {100, false, false, 21}, {128, false, false, 21},
        {4, true, false, 4},     {16, true, false, 10},
        {64, true, false, 26},   {256, true, false, 26},
        {256, false, true, 85},  {256, true, true, 96},
        {64, true, true, 42},    {128, true, true, 64},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct ring_chain chain;
        unsigned count = 0;

        fresh();
        model.virtio.queue_max = rows[i].queue_max;
        model.virtio.offered |= rows[i].has_tables ? 1 << 28 : 0;
        memory = rows[i].has_memory ? 32 << 20 : MEMORY;
        started(MMIO);
        memory = MEMORY;
        model.silent = true;
        submit_reads(buf, MANY);
        blk_queue_check(queue_of(0));
        while (model_take(&model.virtio, 0, &chain)) {
            chain.piece[chain.count - 1].data[0] = 0;
            count++;
        }
        assert_int_equal(count, rows[i].at_once);
        assert_int_equal(queue_of(0)->in_flight, count);
        time_passes(31 * NS_PER_S); /* they time out, and it works again */
        await(MANY);
        model.silent = false;
        assert_int_equal(run(request_make(buf, 0, BLOCK_READ)), 0);
        ended();
    }
}

/* Requests as long as the device takes, in as many pieces. */
static void test_blk_long_chains(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        static struct slice vec[62];
        struct block_request request;

        fresh();
        model.virtio.offered |=
            (i & 1 ? UINT64_C(1) << 28 : 0) | (i & 2 ? UINT64_C(1) << 34 : 0);
        model.virtio.queue_max = i & 4 ? 128 : 64;
        blk_model_limits(&model, 0, 254, 0);
        started(MMIO);
        assert_int_equal(disk->limits.segments, 62);
        for (unsigned k = 0; k < 62; k++) /* backwards: no two are one */
            vec[k] = (struct slice){buf, (61 - k) * 1024, 512};
        for (unsigned k = 0; k < 3; k++) {
            request = *request_make(buf, 5, BLOCK_READ);
            request.vec = vec;
            request.count = 62;
            request.sectors = 62;
            memset(buf->base, 0, buf->size);
            assert_int_equal(run(&request), 0);
            assert_int_equal(model.segments_most, 62);
            for (unsigned n = 0; n < 62; n++)
                assert_memory_equal(buf->base + (61 - n) * 1024,
                                    data + (10 + n) * 512, 512);
        }
        ended();
    }
}

/* Several long ones, and short ones between them. */
static void test_blk_long_chains_among_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static struct slice vec[100][30];

        fresh();
        model.virtio.offered |=
            (i & 1 ? UINT64_C(1) << 28 : 0) | (i & 2 ? UINT64_C(1) << 34 : 0);
        blk_model_limits(&model, 0, 30, 0);
        started(MMIO);
        done_count = 0;
        for (uintptr_t k = 0; k < 100; k++) {
            struct block_request *request = request_make(buf, k, BLOCK_READ);

            if (k % 3 == 0) {
                for (unsigned n = 0; n < 30; n++)
                    vec[k][n] = (struct slice){buf, (uint32_t)k * 512, 512};
                request->vec = vec[k];
                request->count = request->sectors = 30;
            }
            assert_int_equal(block_submit(&disk_open, request), 0);
        }
        await(100);
        for (unsigned k = 0; k < 100; k++) {
            assert_int_equal(done_status[k], 0);
            /* The last sector that was read into the place stays there. */
            assert_memory_equal(buf->base + k * 512UL,
                                data + (2 * k + (k % 3 == 0 ? 29 : 0)) * 512UL,
                                512);
        }
        ended();
    }
}

static void test_blk_completions_out_of_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static struct ring_chain chains[4];

        fresh();
        model.virtio.offered |=
            (i & 1 ? UINT64_C(1) << 29 : 0) | (i & 2 ? UINT64_C(1) << 34 : 0);
        started(MMIO);
        model.silent = true;
        submit_reads(buf, MANY);
        for (int k = 0; k < 4; k++)
            assert_true(model_take(&model.virtio, 0, &chains[k]));
        for (int k = 3; k >= 0; k--) {
            memcpy(chains[k].piece[1].data, data + k * 1024, 512);
            chains[k].piece[2].data[0] = 0;
            model_complete(&model.virtio, 0, chains[k].head, 513);
        }
        await(4);
        for (int k = 0; k < 4; k++)
            assert_int_equal(done_status[k], 0);
        model.silent = false;
        await(MANY);
        assert_sectors_read(buf, MANY);
        ended();
    }
}

/* The device is told once of all that a list starts. */
static void test_blk_one_notification_a_list(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned before;

        fresh();
        model.virtio.offered |=
            i == 0 ? 0 : UINT64_C(1) << 29 | UINT64_C(1) << 34;
        started(MMIO);
        before = model.virtio.queue[0].notifications;
        done_count = 0;
        for (uintptr_t k = 0; k < 10; k++) {
            request_make(buf, k, BLOCK_READ);
            requests[k].next = k < 9 ? &requests[k + 1] : NULL;
        }
        assert_int_equal(block_submit(&disk_open, &requests[0]), 0);
        assert_int_equal(model.virtio.queue[0].notifications, before + 1);
        await(10);
        assert_sectors_read(buf, 10);
        ended();
    }
}

/* ---- Results ------------------------------------------------------------- */

/* What the device says of a read, and what comes of it. */
static void test_blk_results(void **state)
{
    static const struct {
        const char *name;
        uint8_t status;
        uint32_t written;
        int result, legacy_result;
    } rows[] = {
        {"well", 0, 513, 0, 0},
        {"an error", 1, 513, -EIO, -EIO},
        {"an error, and nothing else", 1, 1, -EIO, -EIO},
        {"not known", 2, 1, -ENOTSUP, -ENOTSUP},
        {"a status that is none", 3, 513, -EIO, -EIO},
        {"no status", 0xff, 513, -EIO, -EIO},
        {"less than a sector", 0, 512, -EIO, 0}, /* legacy: who knows */
        {"the status alone", 0, 1, -EIO, 0},
        {"nothing", 0, 0, -EIO, 0},
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        bool is_legacy = i % 2 != 0;
        static struct ring_chain chain;

        fresh();
        started(is_legacy ? LEGACY_MMIO : MMIO);
        model.silent = true;
        submit_reads(buf, 1);
        assert_true(model_take(&model.virtio, 0, &chain));
        chain.piece[2].data[0] = rows[i / 2].status;
        model_complete(&model.virtio, 0, chain.head, rows[i / 2].written);
        await(1);
        ROW(rows[i / 2].name,
            done_status[0] ==
                (is_legacy ? rows[i / 2].legacy_result : rows[i / 2].result));
        ended();
    }
}

/* What was written of a write, or a flush, does not count. */
static void test_blk_written_of_a_write(void **state)
{
    static struct ring_chain chain;

    (void)state;
    fresh();
    started(MMIO);
    model.silent = true;
    for (unsigned i = 0; i < 2; i++) {
        done_count = 0;
        assert_int_equal(
            block_submit(&disk_open,
                         request_make(buf, 0, i ? BLOCK_FLUSH : BLOCK_WRITE)),
            0);
        assert_true(model_take(&model.virtio, 0, &chain));
        chain.piece[chain.count - 1].data[0] = 0;
        model_complete(&model.virtio, 0, chain.head, 0);
        await(1);
        assert_int_equal(done_status[0], 0);
    }
    ended();
}

/* ---- Another size -------------------------------------------------------- */

static void resize(uint64_t sectors)
{
    le64_put(model.virtio.config, sectors);
    model_config_changed(&model.virtio);
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void test_blk_changes_its_size(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        fresh();
        model.sectors = 100;
        le64_put(model.virtio.config, 100);
        started(transport);
        assert_int_equal(
            block_submit(&disk_open, request_make(buf, 60, BLOCK_READ)),
            -EINVAL);
        model.sectors = SECTORS;
        resize(SECTORS);
        assert_true(console_has("vda: has 4096 sectors now, had 100\n"));
        assert_int_equal(run(request_make(buf, 60, BLOCK_READ)), 0);
        resize(SECTORS); /* nothing has changed */
        assert_false(console_has("now, had 4096"));
        resize(50);
        assert_true(console_has("vda: has 50 sectors now, had 4096\n"));
        assert_int_equal(
            block_submit(&disk_open, request_make(buf, 60, BLOCK_READ)),
            -EINVAL);
        resize(0); /* that cannot be */
        assert_int_equal(run(request_make(buf, 6, BLOCK_READ)), 0);
        ended();
    }
}

/* While it was reset it has become another size. */
static void test_blk_another_size_after_a_reset(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    model.sectors = 100;
    le64_put(model.virtio.config, 100);
    model_need_reset(&model.virtio);
    for (unsigned i = 0; i < 10; i++)
        thread_yield();
    assert_int_equal(disk->sectors, 100);
    assert_int_equal(run(request_make(buf, 6, BLOCK_READ)), 0);
    ended();
}

/* It changes while it is read: nothing comes of it. */
static void test_blk_size_that_does_not_rest(void **state)
{
    (void)state;
    fresh();
    started(MMIO);
    model.virtio.change_config_at = 1;
    model.virtio.restless = true;
    model_config_changed(&model.virtio);
    thread_yield();
    thread_yield();
    assert_int_equal(disk->sectors, SECTORS);
    assert_true(console_has("does not come to rest"));
    model.virtio.change_config_at = 0;
    assert_int_equal(run(request_make(buf, 6, BLOCK_READ)), 0);
    ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blk_each_operation),
        cmocka_unit_test(test_blk_long_ranges),
        cmocka_unit_test(test_blk_operations_it_has_not),
        cmocka_unit_test(test_blk_durable_writes),
        cmocka_unit_test(test_blk_large_sectors),
        cmocka_unit_test(test_blk_more_requests_than_descriptors),
        cmocka_unit_test(test_blk_depth),
        cmocka_unit_test(test_blk_long_chains),
        cmocka_unit_test(test_blk_long_chains_among_others),
        cmocka_unit_test(test_blk_completions_out_of_order),
        cmocka_unit_test(test_blk_one_notification_a_list),
        cmocka_unit_test(test_blk_results),
        cmocka_unit_test(test_blk_written_of_a_write),
        cmocka_unit_test(test_blk_changes_its_size),
        cmocka_unit_test(test_blk_another_size_after_a_reset),
        cmocka_unit_test(test_blk_size_that_does_not_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
