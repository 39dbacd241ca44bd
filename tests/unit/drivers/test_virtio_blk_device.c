/*
 * The virtio disk over each transport: what it says of itself, starting it, and
 * what keeps it from starting.
 */
#include "tests/unit/drivers/virtio_blk_fixture.h"

/* Read, write, flush, many at once. */
static void exercise(void)
{
    uint8_t *buf = dma_alloc(600 * 512);

    assert_int_equal(start(), 0);
    assert_int_equal(disk->sectors, SECTORS);
    assert_int_equal(disk_read(&disk_open, 5, 600, buf), 0);
    assert_memory_equal(buf, data + 5 * 512, 600 * 512);
    memset(buf, 0xc3, 1024);
    assert_int_equal(disk_write(&disk_open, SECTORS - 2, 2, buf), 0);
    assert_memory_equal(data + (SECTORS - 2) * 512, buf, 1024);
    assert_int_equal(block_flush(&disk_open), 0);
    assert_int_equal(disk_read(&disk_open, SECTORS, 1, buf), -EINVAL);
    assert_int_equal(model.flushes, 1);
    assert_true(model.virtio.interrupts > 0);
    dma_free(buf, 600 * 512);
    finish();
}

/* Every transport, and everything that rings can be. */
static void test_blk_over_each_transport(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TRANSPORTS * 8; i++) {
        unsigned transport = i / 8;

        if (transport >= LEGACY_MMIO && (i & 4) != 0)
            continue; /* no packed rings */
        fresh();
        model.virtio.offered |= (i & 1 ? UINT64_C(1) << 28 : 0) |
                                (i & 2 ? UINT64_C(1) << 29 : 0) |
                                (i & 4 ? UINT64_C(1) << 34 : 0);
        plug(transport);
        exercise();
        assert_int_equal(model.virtio.by_message > 0,
                         transport == PCI || transport == LEGACY_PCI);
    }
}

static void test_blk_over_a_line(void **state)
{
    static const struct pci_model_options all[] = {
        {.no_msix = true},
        {.no_msix = true, .legacy = true, .no_modern = true},
        {.msix_entries = 1},
        {.cap_loop = true},
        {.device_id = 0x1001},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        fresh();
        if (all[i].legacy)
            model.virtio.offered &= UINT32_MAX;
        machine_attach(MEMORY);
        model_on_pci(&model.virtio, &all[i]);
        exercise();
        assert_int_equal(model.virtio.by_line > 0, all[i].no_msix);
    }
}

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
        machine_attach(MEMORY);
        model_on_pci(&model.virtio, &options[i]);
        probe();
        assert_null(disk);
        machine_detach();
    }
    for (unsigned i = 0; i < 3; i++) {
        fresh();
        model.virtio.refuse_features = i == 0;
        model.virtio.never_resets = i == 1;
        model.virtio.change_config_at = i == 2;
        model.virtio.restless = true;
        plug(MMIO);
        probe();
        assert_null(disk);
        assert_true(model.virtio.saw_failed);
        assert_true(console_has("does not start"));
        machine_detach();
    }
}

/* ---- What the device says of itself -------------------------------------- */

static void test_blk_features(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    blk_model_limits(&model, 4096, 0, 0);
    model.virtio.offered |= BLK_RO;
    model.virtio.offered &= ~(uint64_t)BLK_FLUSH;
    plug(MMIO);
    assert_int_equal(start(), 0);
    buf = dma_alloc(16384);
    assert_int_equal(disk_read(&disk_open, 0, 32, buf), 0);
    assert_int_equal(model.requests, 4);
    assert_memory_equal(buf, data, 16384);
    assert_int_equal(disk_write(&disk_open, 0, 1, buf), -EROFS);
    assert_int_equal(block_flush(&disk_open), 0); /* it writes through */
    assert_int_equal(model.requests, 4);
    dma_free(buf, 16384);
    finish();
}

/* What is read from the configuration: 5.2.4. */
static void test_blk_limits(void **state)
{
    static const struct {
        const char *name;
        uint64_t sectors;
        uint32_t size_max, seg_max, blk_size; /* 0: not offered */
        uint32_t segment_bytes, segments;
        const char *fault; /* the disk is left out */
    } rows[] = {
        {"nothing said", SECTORS, 0, 0, 0, UINT32_MAX, 1, NULL},
        {"a sector", SECTORS, 512, 0, 0, 512, 1, NULL},
        {"almost two", SECTORS, 1023, 0, 0, 1023, 1, NULL},
        {"less than one", SECTORS, 511, 0, 0, 0, 0, "less than a sector"},
        {"all there is", SECTORS, UINT32_MAX, 0, 0, UINT32_MAX, 1, NULL},
        {"ten pieces", SECTORS, 0, 10, 0, UINT32_MAX, 10, NULL},
        {"pieces without end", SECTORS, 0, UINT32_MAX, 0, UINT32_MAX, 62, NULL},
        {"one sector", 1, 0, 0, 0, UINT32_MAX, 1, NULL},
        {"none", 0, 0, 0, 0, 0, 0, "has a size that cannot be"},
        {"as many as bytes can be counted", (UINT64_C(1) << 55) - 1, 0, 0, 0,
         UINT32_MAX, 1, NULL},
        {"one more", UINT64_C(1) << 55, 0, 0, 0, 0, 0,
         "has a size that cannot be"},
        {"many more", UINT64_MAX, 0, 0, 0, 0, 0, "has a size that cannot be"},
        {"sectors of 512", SECTORS, 0, 0, 512, UINT32_MAX, 1, NULL},
        {"of 4096", SECTORS, 0, 0, 4096, UINT32_MAX, 1, NULL},
        {"of 1024", SECTORS, 0, 0, 1024, 0, 0, "neither 512 nor 4096"},
        {"of 1", SECTORS, 0, 0, 1, 0, 0, "neither 512 nor 4096"},
        {"less than one of 4096", 7, 0, 0, 4096, 0, 0, "cannot be"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mem_stats before;

        fresh();
        le64_put(model.virtio.config, rows[i].sectors);
        blk_model_limits(&model, rows[i].size_max, rows[i].seg_max,
                         rows[i].blk_size);
        model.virtio.offered |= BLK_TOPOLOGY;
        plug(MMIO);
        assert_int_equal(virtio_net_driver.probe(), 0); /* finds the devices */
        before = stats();
        probe();
        ROW(rows[i].name, (disk == NULL) == (rows[i].fault != NULL));
        ROW(rows[i].name, model.virtio.saw_failed == (disk == NULL));
        if (disk != NULL) {
            ROW(rows[i].name, disk->sectors == rows[i].sectors);
            ROW(rows[i].name,
                disk->sector_size ==
                    (rows[i].blk_size > 0 ? rows[i].blk_size : 512));
            ROW(rows[i].name,
                disk->limits.segment_bytes == rows[i].segment_bytes);
            ROW(rows[i].name, disk->limits.segments == rows[i].segments);
        } else {
            ROW(rows[i].name, console_has(rows[i].fault));
            ROW(rows[i].name, stats().block_count == before.block_count);
        }
        machine_detach();
    }
}

/* How many queues there can be: as many as the device has, and interrupts for
 * them. */
static void test_blk_queue_counts(void **state)
{
    static const struct {
        uint16_t queues; /* 0: no MQ */
        uint8_t msix;    /* 0: no MSI-X */
        unsigned queue_max;
    } rows[] = {{0, 12, 1}, {1, 12, 1}, {4, 12, 4}, {4, 3, 2},
                {4, 2, 1},  {4, 1, 1},  {4, 0, 1},  {10, 12, 10}};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        bool is_legacy = i % 2 != 0;
        const struct pci_model_options options = {
            .msix_entries = rows[i / 2].msix,
            .no_msix = rows[i / 2].msix == 0,
            .legacy = is_legacy,
            .no_modern = is_legacy,
        };

        fresh();
        if (rows[i / 2].queues > 0)
            blk_model_queues(&model, rows[i / 2].queues);
        if (is_legacy)
            model.virtio.offered &= UINT32_MAX;
        machine_attach(MEMORY);
        model_on_pci(&model.virtio, &options);
        probe();
        assert_int_equal(disk->queue_max, rows[i / 2].queue_max);
        machine_detach();
    }
    fresh();
    blk_model_queues(&model, 0);
    plug(MMIO);
    probe();
    assert_null(disk);
    assert_true(console_has("has a queue that is too short"));
    machine_detach();
    fresh();
    blk_model_queues(&model, 1);
    le16_put(model.virtio.config + 34, 0); /* it says so, and has one */
    plug(PCI);
    probe();
    assert_int_equal(disk->queue_max, 1);
    machine_detach();
}

/* There are names for 26 disks. */
static void test_blk_one_too_many(void **state)
{
    (void)state;
    fresh();
    machine_attach(MEMORY);
    for (unsigned i = 0; i < 27; i++)
        model_on_mmio(&model.virtio, 2);
    assert_int_equal(virtio_blk_driver.probe(), 0);
    assert_non_null(device_by_name("vdz"));
    assert_null(device_find(DEVICE_BLOCK, 26));
    assert_true(console_has("virtio: the disk at mmio 1001a000 is one too "
                            "many: no name is left (error -28): left out"));
    assert_true(model.virtio.saw_failed);
    machine_detach();
}

static void test_blk_out_of_memory_at_probe(void **state)
{
    struct mem_stats before;

    (void)state;
    fresh();
    plug(MMIO);
    assert_int_equal(virtio_net_driver.probe(), 0); /* finds the devices */
    before = stats();
    heap_fail(1);
    assert_int_equal(virtio_blk_driver.probe(), -ENOMEM);
    assert_int_equal(stats().block_count, before.block_count);
    assert_null(device_find(DEVICE_BLOCK, 0));
    machine_detach();
}

/* ---- Starting ------------------------------------------------------------ */

/* The device may have changed its mind since it was found. */
static void test_blk_does_not_start(void **state)
{
    static const struct {
        const char *name;
        int status;
    } rows[] = {
        {"it refuses the features", -ENOTSUP},
        {"it offers others", -ENODEV},
        {"it has no sectors", -ENODEV},
        {"its queue is shorter", -ENOTSUP},
        {"its queue is gone", -ENODEV},
        {"it does not come to rest", -EIO},
        {"nothing", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mem_stats before;
        struct blk_model was;

        fresh();
        blk_model_limits(&model, 0, 14, 0);
        plug(MMIO);
        probe();
        was = model;
        model.virtio.refuse_features = i == 0;
        if (i == 1)
            model.virtio.offered |= BLK_RO;
        if (i == 2)
            le64_put(model.virtio.config, 0);
        if (i == 3)
            model.virtio.queue_max = 8;
        if (i == 4)
            model.virtio.queue_count = 0;
        model.virtio.change_config_at = i == 5;
        model.virtio.restless = true;
        before = stats();
        ROW(rows[i].name, block_start_bare(disk) == rows[i].status);
        if (rows[i].status != 0) {
            ROW(rows[i].name, model.virtio.saw_failed);
            ROW(rows[i].name, model.virtio.status == 0);
            thread_spares_drop();
            ROW(rows[i].name, stats().block_count <= before.block_count + 2);
            model = was;
            assert_int_equal(block_start_bare(disk), 0);
        }
        assert_true(model.virtio.status & 4);
        machine_detach();
    }
}

/* It may have another size by now. */
static void test_blk_another_size_before_it_starts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t sectors = i == 0 ? SECTORS + 8 : 8;

        fresh();
        plug(MMIO);
        probe();
        le64_put(model.virtio.config, sectors);
        assert_int_equal(block_start_bare(disk), 0);
        thread_yield();
        thread_yield();
        assert_int_equal(disk->sectors, sectors);
        machine_detach();
    }
}

static void test_blk_without_an_interrupt(void **state)
{
    const struct pci_model_options options = {.no_msix = true, .no_line = true};

    (void)state;
    fresh();
    machine_attach(MEMORY);
    model_on_pci(&model.virtio, &options);
    assert_int_equal(start(), -ENODEV);
    assert_true(model.virtio.saw_failed);
    assert_int_equal(model.virtio.status, 0);
    finish();
}

/* An interrupt before the disk works, and one after it did not start. */
static void test_blk_interrupts_too_early(void **state)
{
    (void)state;
    fresh();
    plug(MMIO);
    probe();
    model.virtio.queue_count = 0;
    assert_int_equal(block_start_bare(disk), -ENODEV);
    model.virtio.isr = 3;
    model.virtio.raise(&model.virtio, 0);
    thread_yield();
    thread_yield();
    model.virtio.queue_count = 1;
    assert_int_equal(block_start_bare(disk), 0);
    machine_detach();
}

static void test_blk_out_of_memory_at_start(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct mem_stats before, after;
        int status;

        fresh();
        model.virtio.offered |= 1 << 28;
        plug(MMIO);
        probe();
        model.virtio.refuse_features = true; /* tables of the CPU grow once */
        assert_int_equal(block_start_bare(disk), -ENOTSUP);
        model.virtio.refuse_features = false;
        thread_spares_drop();
        mem_get_stats(&before);
        heap_fail(n);
        status = block_start_bare(disk);
        if (!heap_failed()) {
            heap_fail(0);
            assert_int_equal(status, 0);
            machine_detach();
            break;
        }
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(model.virtio.status & 4, 0); /* it does not work */
        thread_spares_drop();
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
        /* Some slabs stay for the next time. */
        assert_true(after.free_bytes + 128 * 1024 >= before.free_bytes);
        assert_int_equal(block_start_bare(disk), 0);
        assert_true(n < 60);
        machine_detach();
    }
}

/* It does not start and does not reset: what it knows is never used again. */
static void test_blk_start_fails_and_is_not_reset(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t desc;

        fresh();
        blk_model_limits(&model, 0, 14, 0);
        plug(i == 0 ? MMIO : PCI);
        probe();
        model.virtio.queue_max = 8; /* too short, when it is set up */
        model.virtio.reset_at_most = 1;
        assert_int_equal(block_start_bare(disk), -ENOTSUP);
        desc = model.virtio.queue[0].desc;
        assert_true(desc != 0);
        assert_int_equal(dma_lookup(desc, 1) != NULL, i == 0);
        model_touch(&model.virtio);
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blk_over_each_transport),
        cmocka_unit_test(test_blk_over_a_line),
        cmocka_unit_test(test_blk_devices_left_out),
        cmocka_unit_test(test_blk_features),
        cmocka_unit_test(test_blk_limits),
        cmocka_unit_test(test_blk_queue_counts),
        cmocka_unit_test(test_blk_one_too_many),
        cmocka_unit_test(test_blk_out_of_memory_at_probe),
        cmocka_unit_test(test_blk_does_not_start),
        cmocka_unit_test(test_blk_another_size_before_it_starts),
        cmocka_unit_test(test_blk_without_an_interrupt),
        cmocka_unit_test(test_blk_interrupts_too_early),
        cmocka_unit_test(test_blk_out_of_memory_at_start),
        cmocka_unit_test(test_blk_start_fails_and_is_not_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
