/* Virtio disks without the block layer, by looking only. */
#include "kernel/device/block_raw.h"
#include "tests/unit/drivers/virtio_blk_fixture.h"

/* The device serves what it is told of at once. */
static void serve(struct virtio_model *virtio, unsigned index)
{
    (void)virtio;
    (void)index;
    while (blk_model_step(&model))
        ;
}

static void raw_plug(unsigned transport, uint64_t features, uint32_t size_max)
{
    fresh();
    model.virtio.offered |= features;
    model.virtio.notified = serve;
    if (size_max != 0) { /* and it has no cache */
        model.virtio.offered &= ~(uint64_t)BLK_FLUSH;
        blk_model_limits(&model, size_max, 0, 0);
    }
    plug(transport);
    clock_set(NS_PER_S);
    clock_step(NS_PER_MS);
    assert_null(virtio_blk_dump_driver.probe); /* it is linked */
    probe();
    assert_non_null(disk);
    assert_ptr_equal(disk->ops->raw, &virtio_blk_raw);
}

static void unplug(void)
{
    clock_set(0);
    machine_detach();
}

/* Written, made durable, and read back; again after another begin. */
static void raw_use(void)
{
    uint8_t *bytes = dma_alloc(BLOCK_RAW_BYTES);

    assert_int_equal(virtio_blk_raw.prepare(disk), 0);
    assert_int_equal(virtio_blk_raw.prepare(disk), 0); /* once more */
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(virtio_blk_raw.begin(disk), 0);
        memset(bytes, (int)round + 1, BLOCK_RAW_BYTES);
        for (unsigned i = 0; i < 5; i++) /* more than the ring has */
            assert_int_equal(
                virtio_blk_raw.move(disk, true, 100, bytes, BLOCK_RAW_BYTES),
                0);
        assert_int_equal(virtio_blk_raw.flush(disk), 0);
        assert_int_equal(data[100 * 512], round + 1);
        assert_int_equal(data[100 * 512 + BLOCK_RAW_BYTES - 1], round + 1);
        assert_int_equal(virtio_blk_raw.move(disk, false, 99, bytes, 1024), 0);
        assert_memory_equal(bytes, data + 99 * 512, 1024);
    }
}

static void test_raw_on_each_transport(void **state)
{
    static const uint64_t features[] = {
        0, BLK_FLUSH, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED,
        VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        for (size_t i = 0; i < COUNT_OF(features); i++) {
            raw_plug(transport, features[i], 0);
            raw_use();
            assert_true(model.flushes == 3 ||
                        (disk->features & BLOCK_HAS_CACHE) == 0);
            assert_int_equal(model.virtio.interrupts, 0);
            unplug();
        }
    }
}

/* The device takes less at a time than a move has. */
static void test_raw_in_pieces(void **state)
{
    static const uint32_t sizes[] = {4096, 8191, 1024};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        raw_plug(MMIO, BLK_SIZE_MAX, sizes[i]);
        raw_use();
        unplug();
    }
}

/* Afterwards the driver has it as ever. */
static void test_the_driver_goes_on(void **state)
{
    (void)state;
    raw_plug(PCI, 0, 0);
    raw_use();
    model.virtio.notified = NULL;
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    stop = false;
    assert_int_equal(block_start_bare(disk), 0);
    assert_int_equal(virtio_blk_raw.begin(disk), 0); /* and back */
    stop = true;
    assert_int_equal(thread_join(device_thread, NULL), 0);
    unplug();
}

/* Somebody has the disk: to prepare does not reset it. */
static void test_prepare_of_an_open_disk(void **state)
{
    uint8_t *bytes;

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        raw_plug(transport, 0, 0);
        assert_int_equal(block_start_bare(disk), 0);
        assert_true((model.virtio.status & VIRTIO_DRIVER_OK) != 0);
        assert_int_equal(virtio_blk_raw.prepare(disk), 0);
        assert_true((model.virtio.status & VIRTIO_DRIVER_OK) != 0);
        bytes = dma_alloc(BLOCK_RAW_BYTES);
        assert_int_equal(virtio_blk_raw.begin(disk), 0); /* the dump's */
        assert_int_equal(
            virtio_blk_raw.move(disk, true, 100, bytes, BLOCK_RAW_BYTES), 0);
        unplug();
    }
}

static void test_raw_prepare_fails(void **state)
{
    struct block_device *first;
    struct mem_stats before;

    (void)state;
    raw_plug(MMIO, 0, 0);
    before = stats();
    for (unsigned i = 1; i <= 3; i++) {
        heap_fail(i);
        assert_int_equal(virtio_blk_raw.prepare(disk), -ENOMEM);
        heap_fail(0);
        assert_int_equal(stats().block_count, before.block_count);
    }
    assert_int_equal(virtio_blk_raw.prepare(disk), 0);
    first = disk;
    assert_int_equal(
        virtio_blk_raw.prepare(&(struct block_device){.sectors = 1}), -EBUSY);
    assert_ptr_equal(first, disk);
    unplug();
}

static void test_raw_fails(void **state)
{
    uint8_t *bytes;
    struct fault_plan faults = {.kind = FAULT_FAIL, .nth = 1};

    (void)state;
    raw_plug(MMIO, 0, 0);
    bytes = dma_alloc(BLOCK_RAW_BYTES);
    assert_int_equal(virtio_blk_raw.prepare(disk), 0);
    model.virtio.never_resets = true;
    assert_int_equal(virtio_blk_raw.begin(disk), -ETIMEDOUT);
    model.virtio.never_resets = false;
    model.virtio.offered &= ~(uint64_t)BLK_FLUSH; /* it is another one */
    assert_int_equal(virtio_blk_raw.begin(disk), -ENODEV);
    model.virtio.offered |= BLK_FLUSH;
    model.virtio.queue_max = 2;
    assert_int_equal(virtio_blk_raw.begin(disk), -ENODEV);
    model.virtio.queue_max = 128;
    assert_int_equal(virtio_blk_raw.begin(disk), 0);
    model.plan = &faults;
    assert_int_equal(virtio_blk_raw.move(disk, true, 8, bytes, 512), -EIO);
    model.plan = NULL;
    model.silent = true;
    assert_int_equal(virtio_blk_raw.move(disk, true, 8, bytes, 512),
                     -ETIMEDOUT);
    /* The ring is full of what it does not answer. */
    assert_int_equal(virtio_blk_raw.move(disk, true, 8, bytes, 512), -EAGAIN);
    model.silent = false;
    assert_int_equal(virtio_blk_raw.begin(disk), 0);
    assert_int_equal(virtio_blk_raw.move(disk, true, 8, bytes, 512), 0);
    /* It lies about what it has done. */
    model.silent = true;
    model.virtio.notified = NULL;
    model_use_raw(&model.virtio, 0, 99, 0);
    assert_int_equal(virtio_blk_raw.move(disk, true, 8, bytes, 512), -EIO);
    unplug();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_on_each_transport),
        cmocka_unit_test(test_raw_in_pieces),
        cmocka_unit_test(test_the_driver_goes_on),
        cmocka_unit_test(test_prepare_of_an_open_disk),
        cmocka_unit_test(test_raw_prepare_fails),
        cmocka_unit_test(test_raw_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
