/*
 * What all virtio drivers share: the initialisation sequence, the queues, the
 * interrupts, the configuration.
 */
#include "hal/posix/kernel/irq.h"
#include "tests/unit/drivers/virtio_fixture.h"

/* ---- virtio.c ------------------------------------------------------------ */

static void test_virtio_initialisation(void **state)
{
    static const struct {
        const char *name;
        uint64_t offered;
        bool refuse;
        bool never_resets;
        int status;
        uint64_t agreed;
    } rows[] = {
        {"version 1", UINT64_C(1) << 32, false, false, 0, UINT64_C(1) << 32},
        {"one of the wanted", UINT64_C(1) << 32 | WANTED | 2, false, false, 0,
         UINT64_C(1) << 32 | WANTED},
        {"no version 1", WANTED, false, false, -ENOTSUP, WANTED},
        {"nothing at all", 0, false, false, -ENOTSUP, 0},
        {"refused", UINT64_C(1) << 32, true, false, -ENOTSUP,
         UINT64_C(1) << 32},
        {"does not reset", UINT64_C(1) << 32, false, true, -ETIMEDOUT, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        model.offered = rows[i].offered;
        model.refuse_features = rows[i].refuse;
        model.never_resets = rows[i].never_resets;
        model_on_mmio(&model, 2);
        find();
        ROW(rows[i].name, virtio_begin(device, WANTED) == rows[i].status);
        ROW(rows[i].name, model.accepted == rows[i].agreed);
        ROW(rows[i].name, device->features == rows[i].agreed);
        virtio_fail(device);
        ROW(rows[i].name, model.saw_failed); /* before the reset */
        machine_detach();
    }
}

/* A reset may take 100 ms; each look at the clock takes one. */
static void test_virtio_slow_reset(void **state)
{
    static const struct {
        unsigned reads;
        uint64_t step_ns; /* the second: the CPU stood still */
        int status;
    } rows[] = {{0, NS_PER_MS, 0},   {1, NS_PER_MS, 0},
                {100, NS_PER_MS, 0}, {101, NS_PER_MS, -ETIMEDOUT},
                {1, NS_PER_S, 0},    {2, NS_PER_S, -ETIMEDOUT}};
    static const char line[] =
        "virtio: mmio 10000000 does not reset: it may still write to memory";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        model.slow_reset = rows[i].reads;
        model_on_mmio(&model, 2);
        find();
        clock_set(NS_PER_S);
        clock_step(rows[i].step_ns);
        assert_int_equal(virtio_begin(device, WANTED), rows[i].status);
        virtio_fail(device);
        assert_int_equal(console_has(line), rows[i].status != 0);
        clock_set(0);
        machine_detach();
    }
}

static unsigned counted;

static void count(void *arg)
{
    (void)arg;
    counted++;
}

/* While one device takes its time, others interrupt. */
static void test_virtio_interrupts_during_a_reset(void **state)
{
    (void)state;
    fresh();
    model.slow_reset = 3;
    model_on_mmio(&model, 2);
    find();
    assert_int_equal(virtio_begin(device, 0), 0);
    assert_int_equal(hal_irq_attach(50, 0, count, NULL), 0);
    counted = 0;
    irq_raise(50);
    assert_int_equal(counted, 0);
    virtio_fail(device);
    assert_int_equal(counted, 1);
    machine_detach();
}

static void test_virtio_finds_each_id_once(void **state)
{
    static struct virtio_model other;

    (void)state;
    fresh();
    other = model;
    other.id = ID + 1;
    model_on_mmio(&other, 2);
    model_on_mmio(&model, 2);
    assert_int_equal(virtio_find(ID + 2, found), 0);
    assert_int_equal(found_count, 0);
    assert_int_equal(virtio_find(ID, found), 0);
    assert_int_equal(found_count, 1);
    assert_int_equal(device->id, ID);
    assert_int_equal(virtio_find(ID + 1, found), 0);
    assert_int_equal(device->id, ID + 1);
    machine_detach();
}

static void test_virtio_queue_lengths(void **state)
{
    static const struct {
        uint16_t queue_max, size_max;
        int status;
        uint16_t size;
    } rows[] = {
        {0, 16, -ENODEV, 0}, {1, 16, -ENOTSUP, 0}, {2, 16, 0, 2},
        {3, 16, 0, 2},       {100, 128, 0, 64},    {16, 16, 0, 16},
        {256, 128, 0, 128},  {256, 256, 0, 256},   {255, 256, 0, 128},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct virtqueue vq;

        fresh();
        model.queue_max = rows[i].queue_max;
        model_on_mmio(&model, 2);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        assert_int_equal(queue(1, rows[i].size_max, &vq), rows[i].status);
        if (rows[i].status == 0) {
            assert_int_equal(vq.size, rows[i].size);
            assert_int_equal(model.queue[1].size, rows[i].size);
            assert_false(model.queue[0].ready);
            virtio_fail(device);
            vq_fini(&vq);
        }
        machine_detach();
    }
}

/* A queue the device does not take is freed. */
static void test_virtio_queue_that_fails_leaves_nothing(void **state)
{
    static const struct {
        const char *name;
        struct pci_model_options options;
        int status;
    } rows[] = {
        {"as it should be", {.no_msix = false}, 0},
        {"last place to notify", {.notify_offset = MODEL_QUEUES - 1}, 0},
        {"to the last byte",
         {.notify_offset = 2, .odd_type = 2, .odd_length = 10},
         0},
        {"a byte beyond",
         {.notify_offset = 2, .odd_type = 2, .odd_length = 9},
         -ENODEV},
        {"far beyond", {.notify_offset = 0xffff}, -ENODEV},
        {"notified beyond the BAR", {.notify_offset = MODEL_QUEUES}, -ENODEV},
        {"no vector taken", {.refuse_vector = true}, -ENODEV},
        {"no vector needed", {.refuse_vector = true, .no_msix = true}, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mem_stats before;
        struct virtqueue vq;

        fresh();
        model_on_pci(&model, &rows[i].options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, &vq), 1);
        before = stats();
        ROW(rows[i].name, queue(0, 16, &vq) == rows[i].status);
        virtio_fail(device);
        if (rows[i].status == 0)
            vq_fini(&vq);
        ROW(rows[i].name, stats().block_count == before.block_count);
        machine_detach();
    }
    fresh();
    model_on_mmio(&model, 2);
    find();
    for (uint64_t n = 1; n <= 2; n++) {
        struct mem_stats before = stats();
        struct virtqueue vq;

        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        heap_fail(n);
        assert_int_equal(queue(0, 16, &vq), -ENOMEM);
        assert_int_equal(stats().block_count, before.block_count);
    }
    machine_detach();
}

/* A legacy device over PCI says how long its queues are. */
static void test_virtio_queue_lengths_that_are_fixed(void **state)
{
    static const struct {
        uint16_t queue_max, size_max;
        int status;
    } rows[] = {
        {0, 16, -ENODEV}, {1, 16, -ENOTSUP}, {2, 16, 0},  {3, 16, -ENOTSUP},
        {16, 16, 0},      {128, 16, 0},      {256, 2, 0}, {2048, 16, -ENOTSUP},
    };
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct virtqueue vq;

        fresh();
        model.queue_max = rows[i].queue_max;
        model_on(LEGACY_PCI, &options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        assert_int_equal(queue(1, rows[i].size_max, &vq), rows[i].status);
        if (rows[i].status == 0) {
            assert_int_equal(vq.size, rows[i].queue_max);
            assert_int_equal(model.queue[1].desc, vq_desc_bus(&vq));
            assert_int_equal(model.queue[1].device, vq_device_bus(&vq));
            virtio_queue_end(&vq, virtio_fail(device));
        }
        machine_detach();
    }
}

/* What queues are made of is agreed on for every driver. */
static void test_virtio_ring_features(void **state)
{
    const struct pci_model_options options = {.no_msix = false};
    const struct virtio_queue_wish wish = {
        .size_max = 16, .table_count = 4, .table_len = 64};
    const uint64_t rings = UINT64_C(1) << 34 | UINT64_C(1) << 29 | 1 << 28;

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        bool is_legacy = transport >= MODERN;
        struct virtqueue vq;

        fresh();
        model.offered |= rings | 1 << 27;
        model_on(transport, &options);
        find();
        assert_int_equal(virtio_begin(device, WANTED), 0);
        assert_int_equal(model.accepted,
                         WANTED | (is_legacy ? UINT64_C(7) << 27
                                             : UINT64_C(1) << 32 | rings));
        assert_int_equal(attach(ignore, NULL), 1);
        assert_int_equal(virtio_queue(device, 0, &wish, &vq), 0);
        assert_int_equal(vq.is_packed, !is_legacy);
        assert_true(vq.has_event_idx);
        assert_int_equal(vq.table_count, 4);
        assert_int_equal(vq.table_len, 16); /* not longer than the queue */
        virtio_queue_end(&vq, virtio_fail(device));

        model.offered &= ~rings;
        assert_int_equal(virtio_begin(device, WANTED), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        assert_int_equal(virtio_queue(device, 0, &wish, &vq), 0);
        assert_false(vq.is_packed);
        assert_false(vq.has_event_idx);
        assert_int_equal(vq.table_count, 0);
        virtio_queue_end(&vq, virtio_fail(device));
        machine_detach();
    }
}

/* ---- Configuration ------------------------------------------------------- */

static const struct virtio_field some_fields[] = {
    {0, 8}, {8, 4}, {16, 2}, {18, 1}, {63, 1}, {64, 1}, {200, 4}, {62, 4}};

static void test_virtio_configuration_fields(void **state)
{
    static const uint64_t expected[] = {
        0x1716151413121110, 0x1b1a1918, 0x2120, 0x22, 0x4f, 0, 0, 0};
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        uint64_t values[COUNT_OF(some_fields)];

        fresh();
        for (unsigned i = 0; i < sizeof(model.config); i++)
            model.config[i] = (uint8_t)(0x10 + i);
        model_on(transport, &options);
        find();
        assert_int_equal(virtio_config_read(device, some_fields,
                                            COUNT_OF(some_fields), values),
                         0);
        for (size_t i = 0; i + 1 < COUNT_OF(some_fields); i++)
            assert_int_equal(values[i], expected[i]);
        machine_detach();
    }
}

/* The configuration changes at any time while it is read: what is read is one
 * of the two, never a mixture. */
static void test_virtio_configuration_changes(void **state)
{
    static const struct virtio_field fields[] = {{0, 8}, {16, 2}, {20, 4}};
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        bool seen[2] = {false, false};

        for (unsigned at = 1; at <= 16; at++) {
            uint64_t values[COUNT_OF(fields)];
            bool is_new;

            fresh();
            model.id = 2;
            memset(model.config, 0x11, sizeof(model.config));
            memset(model.other_config, 0x22, sizeof(model.config));
            model.change_config_at = at;
            model_on(transport, &options);
            assert_int_equal(virtio_find(2, found), 0);
            assert_int_equal(
                virtio_config_read(device, fields, COUNT_OF(fields), values),
                0);
            is_new = (values[1] & 0xff) == 0x22;
            seen[is_new] = true;
            assert_int_equal(values[0],
                             is_new ? 0x2222222222222222 : 0x1111111111111111);
            assert_int_equal(values[1], is_new ? 0x2222 : 0x1111);
            assert_int_equal(values[2], is_new ? 0x22222222 : 0x11111111);
            machine_detach();
        }
        assert_true(seen[0] && seen[1]);
    }
}

static void test_virtio_configuration_never_rests(void **state)
{
    const struct pci_model_options options = {.no_msix = false};
    const struct virtio_field field = {0, 4};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        uint64_t value;

        fresh();
        memset(model.other_config, 0x22, sizeof(model.config));
        model.change_config_at = 1;
        model.restless = true;
        model_on(transport, &options);
        find();
        assert_int_equal(virtio_config_read(device, &field, 1, &value), -EIO);
        assert_true(console_has("does not come to rest"));
        machine_detach();
    }
}

/* ---- Resets -------------------------------------------------------------- */

/* A device that does not reset is cut off where that can be; else its memory is
 * not used again. */
static void test_virtio_that_does_not_stop(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        bool is_pci = transport == PCI || transport == LEGACY_PCI;
        struct vq_piece piece = {.len = 100, .device_writes = true};
        struct mem_stats before;
        struct virtqueue vq;
        uint64_t bus;

        fresh();
        model_on(transport, &options);
        find();
        piece.bus = hal_dma_addr(dma_alloc(4096));
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        before = stats();
        assert_int_equal(queue(0, 16, &vq), 0);
        bus = vq_desc_bus(&vq);
        virtio_ready(device);
        assert_true(model.is_master);
        assert_int_equal(vq_add(&vq, &piece, 1, &vq), 0);
        virtio_kick(device, 0, &vq);
        model.never_resets = true;
        assert_int_equal(virtio_stop(device), is_pci ? 0 : -ETIMEDOUT);
        assert_int_equal(model.is_master, !is_pci);
        virtio_queue_end(&vq, is_pci ? 0 : -ETIMEDOUT);
        assert_null(vq.memory);
        virtio_queue_end(&vq, 0); /* it is gone */
        assert_int_equal(dma_lookup(bus, 1) == NULL, is_pci);
        assert_int_equal(stats().block_count, before.block_count);
        model_touch(&model);
        assert_true(console_has(is_pci ? "it is cut off from memory"
                                       : "it may still write to memory"));
        /* It is not let in again before it was reset. */
        assert_int_equal(virtio_begin(device, 0), -ETIMEDOUT);
        assert_int_equal(model.is_master, !is_pci);
        model.never_resets = false;
        if (is_pci) {
            model.is_master = true; /* for what it forgets */
            model.queue[0].lied = true;
            model.queue[0].ready = false;
        }
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_true(model.is_master);
        machine_detach();
    }
}

static void test_virtio_needs_reset(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        fresh();
        model_on(transport, &options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(attach(ignore, NULL), 1);
        virtio_ready(device);
        assert_false(virtio_needs_reset(device));
        model_need_reset(&model);
        assert_true(virtio_needs_reset(device));
        assert_int_equal(virtio_stop(device), 0);
        assert_false(virtio_needs_reset(device));
        machine_detach();
    }
}

/* Whatever was selected by the first time, the second one is the same. */
static void test_virtio_begins_again(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    for (unsigned transport = 0; transport < 2; transport++) {
        fresh();
        model_on(transport, &options);
        find();
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(virtio_begin(device, WANTED), 0);
            assert_int_equal(device->features, UINT64_C(1) << 32 | WANTED);
            assert_int_equal(model.accepted, UINT64_C(1) << 32 | WANTED);
        }
        machine_detach();
    }
}

/* A legacy device has 32 bits of features, whatever it says of others. */
static void test_virtio_legacy_features(void **state)
{
    (void)state;
    fresh();
    model.offered = UINT64_C(0x500000000) | WANTED | 1 << 9;
    model_on_mmio(&model, 1);
    find();
    assert_int_equal(device->ops->get_features(device), WANTED | 1 << 9);
    assert_int_equal(virtio_begin(device, WANTED), 0);
    assert_int_equal(device->features, WANTED);
    virtio_fail(device);
    machine_detach();
}

/* ---- Interrupts ---------------------------------------------------------- */

static unsigned handled, changes;

static void handler(void *arg)
{
    handled++;
    assert_ptr_equal(arg, &handled);
}

static void changed(struct virtio_device *virtio)
{
    assert_ptr_equal(virtio, device);
    changes++;
}

static void let_interrupt(void)
{
    hal_irq_restore(HAL_IRQS_ON);
    (void)hal_irq_save();
    hal_irq_restore(HAL_IRQS_ON);
    irq_work_run();
}

/* An interrupt of this device, and of another one on the same line. */
static void test_virtio_acknowledges_its_own(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        const struct virtio_vector vector = {handler, &handled, 0};

        fresh();
        model_on(transport, &options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(virtio_attach(device, &vector, 1, changed), 1);
        for (unsigned cause = 0; cause < 4; cause++) {
            handled = changes = 0;
            model.isr = cause;
            model.raise(&model, 0);
            let_interrupt();
            assert_int_equal(model.isr, 0);
            assert_int_equal(handled, cause & 1);
            assert_int_equal(changes, cause >> 1);
        }
        machine_detach();
    }
}

/* Setting up again attaches nothing a second time; nobody need look at
 * changes. */
static void test_virtio_attaches_once(void **state)
{
    static const struct pci_model_options all[] = {
        {.no_msix = true}, {.msix_entries = 1}, {.msix_entries = 2}};

    (void)state;
    for (unsigned i = 0; i < TRANSPORTS * COUNT_OF(all); i++) {
        const struct virtio_vector vector = {handler, &handled, 0};
        const struct virtio_queue_wish wish = {.size_max = 16};
        struct virtqueue vq;

        fresh();
        model_on(i % TRANSPORTS, &all[i / TRANSPORTS]);
        find();
        for (unsigned round = 0; round < 3; round++) {
            assert_int_equal(virtio_begin(device, 0), 0);
            assert_int_equal(virtio_attach(device, &vector, 1, NULL), 1);
            assert_int_equal(virtio_queue(device, 0, &wish, &vq), 0);
            virtio_ready(device);
            vq_want_interrupt(&vq, true);
            handled = 0;
            model_interrupt(&model, 0);
            let_interrupt();
            assert_int_equal(handled, 1);
            model_config_changed(&model);
            let_interrupt();
            virtio_queue_end(&vq, virtio_stop(device));
        }
        machine_detach();
    }
}

/* A queue is set up whichever was asked about before. */
static void test_virtio_queue_is_selected(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        struct vq_piece piece = {.len = 1};
        struct virtqueue vq;

        fresh();
        model_on(transport, &options);
        find();
        piece.bus = hal_dma_addr(dma_alloc(1));
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(vq_init(&vq, &(struct vq_shape){.size = 16}), 0);
        assert_int_equal(device->ops->queue_max(device, 2), 0);
        assert_int_equal(device->ops->queue_max(device, 1), 16);
        assert_int_equal(device->ops->queue_max(device, 2), 0);
        assert_int_equal(device->ops->queue_max(device, 0), 16);
        assert_int_equal(device->ops->queue_setup(device, 1, &vq, 0), 0);
        assert_true(model.queue[1].ready);
        assert_false(model.queue[0].ready);
        virtio_ready(device);
        assert_int_equal(vq_add(&vq, &piece, 1, &vq), 0);
        device->ops->notify(device, 1);
        assert_int_equal(model.queue[1].notifications, 1);
        virtio_fail(device);
        vq_fini(&vq);
        machine_detach();
    }
}

/* ---- What the log says --------------------------------------------------- */

static struct virtio_model more[8], on_pci[4];

static void more_add(unsigned i, unsigned version)
{
    more[i] = model;
    model_on_mmio(&more[i], version);
}

static int attach_it(struct virtio_device *virtio)
{
    device = virtio;
    if (strncmp(virtio->where, "pci", 3) != 0)
        return 0;
    return virtio_begin(virtio, 0) == 0 && attach(handler, &handled) == 1
               ? 0
               : -EIO;
}

/* One machine with all that can be wrong with a device. */
static int all_wrong(void *arg)
{
    const struct pci_model_options pci[] = {{.no_modern = true},
                                            {.bar_at_zero = true},
                                            {.msix_table_outside = true},
                                            {.no_msix = true}};

    (void)arg;
    models_reset();
    memset(&model, 0, sizeof(model)); /* it is too large for a stack */
    model.id = 2;
    model.offered = UINT64_C(1) << 32;
    model.queue_max = 16;
    model.queue_count = 2;
    le64_put(model.config, 4096);
    for (unsigned i = 0; i < 4; i++) {
        on_pci[i] = model;
        model_on_pci(&on_pci[i], &pci[i]);
    }
    more_add(0, 3); /* of an unknown version */
    model.refuse_features = true;
    model.offered |= UINT64_C(1) << 33;
    more_add(1, 2);
    model.refuse_features = false;
    model.offered = UINT64_C(1) << 32 | 1 << 5;
    model.never_resets = true;
    more_add(2, 2);
    model.never_resets = false;
    le64_put(model.config, 0);
    more_add(3, 2); /* no sectors */
    le64_put(model.config, 8191);
    more_add(4, 2);
    model.id = 1;
    memcpy(model.config, "\x52\x54\x01\x02\x03\x04", 6);
    more_add(5, 2);
    model.config[0] = 1; /* a group */
    more_add(6, 2);
    model.refuse_features = true;
    more_add(7, 2);
    if (virtio_blk_driver.probe() != 0 || virtio_net_driver.probe() != 0)
        return 1;
    return virtio_find(2, attach_it) == 0 ? 0 : 2;
}

static void test_virtio_says_why(void **state)
{
    static const char *const lines[] = {
        "virtio: pci 00:03.0 has no interface that is known: left out",
        "virtio: the registers of pci 00:04.0 cannot be reached (error -19): "
        "left out",
        "virtio: mmio 10000000 has version 3: left out",
        "virtio: mmio 10001000 refuses the features 100000000: it wants an "
        "IOMMU (QEMU: iommu_platform=off)",
        "virtio: the disk at mmio 10001000 does not start (error -95): left "
        "out",
        "virtio: the disk at mmio 10002000 does not start (error -110): left "
        "out",
        "virtio: mmio 10002000 does not reset: it may still write to memory",
        "virtio: the disk at mmio 10003000 has a size that cannot be (error "
        "-22): left out",
        "vda: 2 MiB, virtio pci 00:05.0",
        "vdb: 2 MiB, virtio pci 00:06.0",
        "virtio: pci 00:05.0: MSI-X does not work (error -22): the interrupt "
        "line is used",
        "vdc: 3 MiB, read-only, virtio mmio 10004000",
        "net0: 52:54:01:02:03:04, virtio mmio 10005000",
        "virtio: the card at mmio 10006000 has a group address, or none: left "
        "out",
        "virtio: mmio 10007000 refuses the features 100000020\n",
        "virtio: the card at mmio 10007000 does not start: left out",
    };
    static char output[65536];

    (void)state;
    assert_int_equal(machine_run_output(1, 8 << 20, "log=debug", all_wrong,
                                        NULL, output, sizeof(output)),
                     0);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (strstr(output, lines[i]) == NULL)
            fail_msg("no line \"%s\" in:\n%s", lines[i], output);
    }
    assert_null(strstr(output, "pci 00:06.0: MSI-X")); /* it has none */
}

/* A search that had no memory found who knows what: every driver hears it. */
static void test_virtio_search_out_of_memory(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < 2; transport++) {
        struct mem_stats before;

        fresh();
        for (unsigned i = 0; i < 2; i++) {
            if (transport == 0)
                model_on_pci(&model, &options);
            else
                model_on_mmio(&model, 2);
        }
        before = stats();
        heap_fail(1);
        for (unsigned driver = 0; driver < 2; driver++) {
            assert_int_equal(virtio_find(ID, found), -ENOMEM);
            assert_int_equal(found_count, 0);
            assert_int_equal(stats().block_count, before.block_count);
        }
        machine_detach();
    }
}

static int fails_at_third(struct virtio_device *virtio)
{
    (void)virtio;
    return ++found_count == 3 ? -ENOMEM : 0;
}

static void test_virtio_many_devices(void **state)
{
    (void)state;
    fresh();
    for (unsigned i = 0; i < 33; i++)
        model_on_mmio(&model, 2);
    assert_int_equal(virtio_find(ID, found), 0);
    assert_int_equal(found_count, 32); /* the last one is left out */
    assert_true(console_has(
        "warning: virtio: mmio 10020000 is one device too many: left out\n"));
    assert_false(console_has("mmio 1001f000 is"));
    found_count = 0;
    assert_int_equal(virtio_find(ID, fails_at_third), -ENOMEM);
    assert_int_equal(found_count, 3);
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_initialisation),
        cmocka_unit_test(test_virtio_slow_reset),
        cmocka_unit_test(test_virtio_interrupts_during_a_reset),
        cmocka_unit_test(test_virtio_finds_each_id_once),
        cmocka_unit_test(test_virtio_queue_lengths),
        cmocka_unit_test(test_virtio_queue_that_fails_leaves_nothing),
        cmocka_unit_test(test_virtio_queue_lengths_that_are_fixed),
        cmocka_unit_test(test_virtio_ring_features),
        cmocka_unit_test(test_virtio_configuration_fields),
        cmocka_unit_test(test_virtio_configuration_changes),
        cmocka_unit_test(test_virtio_configuration_never_rests),
        cmocka_unit_test(test_virtio_that_does_not_stop),
        cmocka_unit_test(test_virtio_needs_reset),
        cmocka_unit_test(test_virtio_begins_again),
        cmocka_unit_test(test_virtio_legacy_features),
        cmocka_unit_test(test_virtio_acknowledges_its_own),
        cmocka_unit_test(test_virtio_attaches_once),
        cmocka_unit_test(test_virtio_queue_is_selected),
        cmocka_unit_test(test_virtio_says_why),
        cmocka_unit_test(test_virtio_search_out_of_memory),
        cmocka_unit_test(test_virtio_many_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
