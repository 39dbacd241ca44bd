/* Virtio devices over PCI, by either interface. */
#include "tests/unit/drivers/virtio_fixture.h"

/*
 * Of two structures of a type the first one that can be mapped is used: 4.1.4.
 */
static void test_virtio_pci_first_structure_that_maps(void **state)
{
    const struct pci_model_options options = {.decoys = true};

    (void)state;
    fresh();
    model_on_pci(&model, &options);
    find();
    assert_int_equal(virtio_begin(device, WANTED), 0);
    assert_int_equal(model.accepted, UINT64_C(1) << 32 | WANTED);
    machine_detach();
}

/* The structures a device must have, and how long they must be. */
static void test_virtio_pci_structures(void **state)
{
    static const char missing[] =
        "virtio: pci 00:03.0 has no interface that is known";
    static const char damaged[] =
        "virtio: the registers of pci 00:03.0 cannot be reached (error -22)";
    static const struct {
        const char *name;
        struct pci_model_options options;
        const char *line; /* NULL: it is found */
        uint8_t config;   /* the first byte that is read */
    } rows[] = {
        {"all", {.odd_type = 0}, NULL, 7},
        {"no common", {.odd_type = 1, .odd_is_missing = true}, missing, 0},
        {"common, long", {.odd_type = 1, .odd_length = 57}, NULL, 7},
        {"common, short", {.odd_type = 1, .odd_length = 55}, damaged, 0},
        {"common, too long", {.odd_type = 1, .odd_length = 16385}, damaged, 0},
        {"no notification",
         {.odd_type = 2, .odd_is_missing = true},
         missing,
         0},
        {"notification of one queue",
         {.odd_type = 2, .odd_length = 2},
         NULL,
         7},
        {"of half a queue", {.odd_type = 2, .odd_length = 1}, damaged, 0},
        {"no ISR", {.odd_type = 3, .odd_is_missing = true}, missing, 0},
        {"ISR, empty", {.odd_type = 3, .odd_length = 0}, damaged, 0},
        {"no configuration", {.odd_type = 4, .odd_is_missing = true}, NULL, 0},
        {"configuration, empty", {.odd_type = 4, .odd_length = 0}, NULL, 0},
        {"of a byte", {.odd_type = 4, .odd_length = 1}, NULL, 7},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mem_stats before;

        fresh();
        model.config[0] = 7;
        model.config[1] = 8;
        before = stats();
        model_on_pci(&model, &rows[i].options);
        assert_int_equal(virtio_find(ID, found), 0);
        ROW(rows[i].name, found_count == (rows[i].line == NULL));
        if (device != NULL) {
            ROW(rows[i].name, virtio_io_read(device->ops->config(device), 0,
                                             1) == rows[i].config);
        } else {
            ROW(rows[i].name, console_has(rows[i].line));
            ROW(rows[i].name, stats().block_count == before.block_count);
        }
        machine_detach();
    }
}

/* ---- Finding over PCI ---------------------------------------------------- */

static void test_virtio_pci_ids(void **state)
{
    static const struct {
        const char *name;
        uint16_t vendor, device;
        uint32_t id; /* that is looked for */
        unsigned count;
    } rows[] = {
        {"modern", 0, 0x1040 + ID, ID, 1},
        {"first modern", 0, 0x1041, 1, 1},
        {"last modern", 0, 0x107f, 0x3f, 1},
        {"transitional: the subsystem's", 0, 0x1000, ID, 1},
        {"last transitional", 0, 0x103f, ID, 1},
        {"below", 0, 0x0fff, ID, 0},
        {"above", 0, 0x1080, 0x40, 0},
        {"another vendor", 0x1af5, 0x1040 + ID, ID, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pci_model_options options = {.vendor_id = rows[i].vendor,
                                                  .device_id = rows[i].device};

        fresh();
        model_on_pci(&model, &options);
        assert_int_equal(virtio_find(rows[i].id, found), 0);
        ROW(rows[i].name, found_count == rows[i].count);
        machine_detach();
    }
}

/* ---- The legacy interface ------------------------------------------------ */

/* Which interface is used of a device that has one, both, or none. */
static void test_virtio_pci_interfaces(void **state)
{
    static const struct {
        const char *name;
        struct pci_model_options options;
        unsigned count;
        bool is_legacy;
        const char *line;
    } rows[] = {
        {"both", {.legacy = true}, 1, false, NULL},
        {"modern", {.legacy = false}, 1, false, NULL},
        {"legacy", {.legacy = true, .no_modern = true}, 1, true, NULL},
        {"none", {.no_modern = true}, 0, false, "no interface that is known"},
        {"of a device that cannot be transitional",
         {.legacy = true, .no_modern = true, .device_id = 0x1040 + ID},
         0,
         false,
         "no interface that is known"},
        {"not at ports",
         {.legacy = true, .no_modern = true, .legacy_in_memory = true},
         0,
         false,
         "left out"},
        {"the modern one is damaged",
         {.legacy = true, .odd_type = 1, .odd_length = 55},
         0,
         false,
         "the registers of pci 00:03.0 cannot be reached (error -22)"},
        {"a part of the modern one is missing",
         {.legacy = true, .odd_type = 3, .odd_is_missing = true},
         1,
         true,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mem_stats before;

        fresh();
        before = stats();
        model_on_pci(&model, &rows[i].options);
        assert_int_equal(virtio_find(ID, found), 0);
        ROW(rows[i].name, found_count == rows[i].count);
        if (rows[i].line != NULL) {
            ROW(rows[i].name, console_has(rows[i].line));
            ROW(rows[i].name, stats().block_count == before.block_count);
        } else {
            model.legacy = rows[i].is_legacy;
            ROW(rows[i].name, device->is_legacy == rows[i].is_legacy);
            ROW(rows[i].name, virtio_begin(device, WANTED) == 0);
        }
        machine_detach();
    }
}

/* The configuration moves when MSI-X is turned on. */
static void test_virtio_pci_legacy_configuration_moves(void **state)
{
    static const struct pci_model_options all[] = {
        {.legacy = true, .no_modern = true},
        {.legacy = true, .no_modern = true, .no_msix = true}};
    static const struct virtio_field fields[] = {{0, 1}, {4, 4}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        for (unsigned round = 0; round < 2; round++) {
            uint64_t values[2];

            if (round == 0) {
                fresh();
                model_on_pci(&model, &all[i]);
                find();
                for (unsigned n = 0; n < sizeof(model.config); n++)
                    model.config[n] = (uint8_t)(n + 1);
                assert_int_equal(virtio_begin(device, 0), 0);
            } else {
                assert_int_equal(attach(ignore, NULL), 1);
            }
            assert_int_equal(virtio_config_read(device, fields, 2, values), 0);
            assert_int_equal(values[0], 1);
            assert_int_equal(values[1], 0x08070605);
        }
        machine_detach();
    }
}

/* ---- Interrupts ---------------------------------------------------------- */

static unsigned handled[3], changes;

static void handler(void *arg)
{
    ++*(unsigned *)arg;
}

static void changed(struct virtio_device *virtio)
{
    assert_ptr_equal(virtio, device);
    changes++;
}

static const struct virtio_vector vectors[] = {{handler, &handled[0], 0},
                                               {handler, &handled[1], 0},
                                               {handler, &handled[2], 0}};

static void let_interrupt(void)
{
    hal_irq_restore(HAL_IRQS_ON);
    irq_work_run();
}

/* Which interrupts there are for three queues, and which when those cannot
 * be. */
static void test_virtio_pci_interrupts(void **state)
{
    static const struct {
        const char *name;
        struct pci_model_options options;
        int vectors; /* or an error */
        bool is_line;
        bool is_shared; /* with changes of the configuration */
    } rows[] = {
        {"MSI-X", {.no_line = false}, 3, false, false},
        {"MSI-X without a line", {.no_line = true}, 3, false, false},
        {"four", {.msix_entries = 4}, 3, false, false},
        {"three", {.msix_entries = 3}, 2, false, false},
        {"two", {.msix_entries = 2}, 1, false, false},
        {"one", {.msix_entries = 1}, 1, false, true},
        {"a line", {.no_msix = true}, 1, true, false},
        {"neither", {.no_msix = true, .no_line = true}, -ENODEV, true, false},
        {"its table outside", {.msix_table_outside = true}, 1, true, false},
        {"its table outside, no line",
         {.msix_table_outside = true, .no_line = true},
         -ENODEV,
         true,
         false},
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        const char *name = rows[i / 2].name;
        int count = rows[i / 2].vectors;
        struct virtqueue vqs[3];

        fresh();
        model.queue_count = 3;
        model_on(i % 2 == 0 ? PCI : LEGACY_PCI, &rows[i / 2].options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        ROW(name, virtio_attach(device, vectors, 3, changed) == count);
        for (unsigned n = 0; count > 0 && n < 3; n++) {
            const struct virtio_queue_wish wish = {
                .size_max = 16, .vector = n < (unsigned)count ? n : 0};

            assert_int_equal(virtio_queue(device, n, &wish, &vqs[n]), 0);
        }
        if (count > 0)
            virtio_ready(device);
        for (unsigned n = 0; count > 0 && n < 3; n++) {
            unsigned vector = n < (unsigned)count ? n : 0;

            memset(handled, 0, sizeof(handled));
            changes = model.by_line = model.by_message = 0;
            model_interrupt(&model, n);
            let_interrupt();
            for (unsigned m = 0; m < 3; m++)
                ROW(name, handled[m] == (m == vector));
            ROW(name, changes == rows[i / 2].is_shared);
            ROW(name, model.isr == 0); /* read: the line is low */
            ROW(name, model.by_line == rows[i / 2].is_line);
            ROW(name, model.by_message == !rows[i / 2].is_line);
        }
        if (count > 0) {
            memset(handled, 0, sizeof(handled));
            changes = 0;
            model_config_changed(&model);
            let_interrupt();
            ROW(name, handled[0] == rows[i / 2].is_shared);
            ROW(name, changes == 1);
        }
        machine_detach();
    }
}

/* The device takes no vector for its configuration. */
static void test_virtio_pci_no_vector_for_changes(void **state)
{
    const struct pci_model_options options = {.refuse_config_vector = true};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fresh();
        model_on(i == 0 ? PCI : LEGACY_PCI, &options);
        find();
        assert_int_equal(virtio_begin(device, 0), 0);
        assert_int_equal(virtio_attach(device, vectors, 3, changed), -ENODEV);
        machine_detach();
    }
}

/* The machine has fewer messages left than there are vectors. */
static void test_virtio_pci_messages_run_out(void **state)
{
    const struct pci_model_options options = {.no_msix = false};
    unsigned all = 0;

    (void)state;
    for (unsigned left = 0; left <= 5; left++) {
        uint64_t addr;
        uint32_t data;
        int count;

        fresh();
        model_on_pci(&model, &options);
        find();
        if (all == 0) {
            while (hal_irq_msi(0, &addr, &data) >= 0)
                all++;
            machine_detach();
            left--;
            continue;
        }
        for (unsigned i = left; i < all; i++)
            assert_true(hal_irq_msi(0, &addr, &data) >= 0);
        assert_int_equal(virtio_begin(device, 0), 0);
        count = virtio_attach(device, vectors, 3, changed);
        assert_int_equal(count, left < 2 ? 1 : left < 4 ? left - 1 : 3);
        assert_int_equal(console_has("the interrupt line is used"), left < 2);
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_pci_first_structure_that_maps),
        cmocka_unit_test(test_virtio_pci_structures),
        cmocka_unit_test(test_virtio_pci_ids),
        cmocka_unit_test(test_virtio_pci_interfaces),
        cmocka_unit_test(test_virtio_pci_legacy_configuration_moves),
        cmocka_unit_test(test_virtio_pci_interrupts),
        cmocka_unit_test(test_virtio_pci_no_vector_for_changes),
        cmocka_unit_test(test_virtio_pci_messages_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
