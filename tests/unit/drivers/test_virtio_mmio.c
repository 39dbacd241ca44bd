/* Virtio devices over MMIO, of both versions. */
#include "tests/unit/drivers/virtio_fixture.h"

static unsigned handled;

static void handler(void *arg)
{
    handled++;
    assert_ptr_equal(arg, &handled);
}

/* Over MMIO a length has 32 bits; a queue has 1024 descriptors at most. */
static void test_virtio_mmio_queue_lengths(void **state)
{
    static const uint32_t lengths[][2] = {
        {0, 0},         {1, 1},           {1023, 1023},      {1024, 1024},
        {1025, 1024},   {65535, 1024},    {65536, 1024},     {65537, 1024},
        {0x8000, 1024}, {0x800001, 1024}, {UINT32_MAX, 1024}};

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    find();
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        model.queue_max = lengths[i][0];
        assert_int_equal(device->ops->queue_max(device, 1), lengths[i][1]);
    }
    machine_detach();
}

/* ---- Finding over MMIO --------------------------------------------------- */

static void test_virtio_mmio_command_line(void **state)
{
    static const struct {
        const char *name;
        const char *format; /* of the address and the line */
        bool is_there;
    } rows[] = {
        {"as Firecracker has it", "virtio_mmio.device=512@0x%llx:%d", true},
        {"in KiB", "virtio_mmio.device=4K@0x%llx:%d", true},
        {"too small", "virtio_mmio.device=511@0x%llx:%d", false},
        {"4 KiB and no more", "virtio_mmio.device=4097@0x%llx:%d", false},
        {"no size", "virtio_mmio.device=@0x%llx:%d", false},
        {"no at", "virtio_mmio.device=512", false},
        {"no colon", "virtio_mmio.device=512@0x%llx", false},
        {"no line", "virtio_mmio.device=512@0x%llx:", false},
        {"size no number", "virtio_mmio.device=x12@0x%llx:%d", false},
        {"address no number", "virtio_mmio.device=512@y%llx:%d", false},
        {"line no number", "virtio_mmio.device=512@0x%llx:%dz", false},
        {"a second word behind", "virtio_mmio.device=512@0x%llx:%d:7", false},
        {"line 256", "virtio_mmio.device=512@0x%llx:256", false},
        {"line 255", "virtio_mmio.device=512@0x%llx:255", true},
        {"23 digits", "virtio_mmio.device=00000000000000000000512@0x%llx:%d",
         true},
        {"24 digits", "virtio_mmio.device=000000000000000000000512@0x%llx:%d",
         false},
        {"25 digits", "virtio_mmio.device=0000000000000000000000512@0x%llx:%d",
         false},
        {"nothing there", "virtio_mmio.device=512@0x1%llx:%d", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char cmdline[200];
        uint64_t base;
        int irq;

        models_reset();
        model_hidden_on_mmio(&model, 2, &base, &irq); /* for its place */
        snprintf(cmdline, sizeof(cmdline), rows[i].format,
                 (unsigned long long)base, irq);
        fresh_with(cmdline);
        model_hidden_on_mmio(&model, 2, &base, &irq);
        assert_int_equal(virtio_find(ID, found), 0);
        ROW(rows[i].name, found_count == rows[i].is_there);
        ROW(rows[i].name, rows[i].is_there != console_has("virtio"));
        if (device != NULL && strstr(rows[i].format, "255") == NULL) {
            assert_int_equal(virtio_begin(device, 0), 0);
            assert_int_equal(attach(handler, &handled), 1);
            handled = 0;
            model.isr = 1;
            model.raise(&model, 0);
            hal_irq_restore(HAL_IRQS_ON);
            ROW(rows[i].name, handled == 1);
        }
        machine_detach();
    }
}

/* Two devices that the command line tells of, and two mistakes. */
static void two_options(void)
{
    uint64_t base;
    int irq;

    fresh_with("virtio_mmio.device=512@0x10001000:41 "
               "virtio_mmio.device=512 "
               "virtio_mmio.device=512@0x10007000:47 "
               "virtio_mmio.device=512@0x10000000:40");
    model_hidden_on_mmio(&model, 2, &base, &irq);
    model_hidden_on_mmio(&model, 2, &base, &irq);
}

static void test_virtio_mmio_several_options(void **state)
{
    (void)state;
    two_options();
    heap_fail(1); /* the first one: no other is looked for */
    assert_int_equal(virtio_find(ID, found), -ENOMEM);
    assert_int_equal(found_count, 0);
    assert_false(console_has("virtio_mmio.device"));
    machine_detach();

    two_options();
    assert_int_equal(virtio_find(ID, found), 0);
    assert_int_equal(found_count, 2);
    assert_string_equal(device->where, "mmio 10000000"); /* the last one */
    assert_true(console_has("error: virtio_mmio.device=512: use "
                            "SIZE@ADDRESS:IRQ, as 4K@0xd0000000:5\n"));
    assert_true(
        console_has("warning: virtio: nothing at mmio 10007000: left out\n"));
    machine_detach();
}

static uint32_t zeros(void *arg, size_t offset, unsigned width)
{
    (void)arg;
    (void)offset;
    (void)width;
    return 0;
}

static void deaf(void *arg, size_t offset, unsigned width, uint32_t value)
{
    (void)arg;
    (void)offset;
    (void)width;
    (void)value;
}

/* Registers that are no virtio device's, and a device that is none. */
static void test_virtio_mmio_something_else(void **state)
{
    static const struct hal_platform_device others[] = {
        {.id = "LNRO0005", .base = 0x20000000, .size = 0x200},
        {.id = "PNP0501", .base = 0x10000000, .size = 0x1000, .irq = 40},
        {.id = "LNRO0005", .base = 0x30000000, .size = 0x200},
    };
    const struct sim_window window = {zeros, deaf, NULL};
    uint64_t base;
    int irq;

    (void)state;
    fresh();
    model_hidden_on_mmio(&model, 2, &base, &irq);
    assert_int_equal(sim_claim(HAL_IO_MEMORY, 0x20000000, 0x200, &window), 0);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(platform_add(&others[i]), 0);
    assert_int_equal(virtio_find(ID, found), 0);
    assert_int_equal(found_count, 0);
    assert_true(console_has("nothing at mmio 20000000: left out"));
    assert_true(console_has("nothing at mmio 30000000: left out"));
    machine_detach();
}

/* The configuration ends with the registers. */
static uint32_t config_byte(size_t offset)
{
    return virtio_io_read(device->ops->config(device), offset, 1);
}

static void test_virtio_mmio_configuration_ends(void **state)
{
    uint64_t base;
    int irq;

    (void)state;
    fresh_with("virtio_mmio.device=0x120@0x10000000:40 "
               "virtio_mmio.device=0x220@0x10000000:40");
    memset(model.config, 7, sizeof(model.config));
    model_hidden_on_mmio(&model, 2, &base, &irq);
    find();
    assert_int_equal(found_count, 1); /* the first one is too short */
    assert_int_equal(config_byte(0), 7);
    assert_int_equal(config_byte(0x3f), 7);
    assert_int_equal(config_byte(0x11f), 0);
    assert_int_equal(config_byte(0x120), 0);
    assert_int_equal(config_byte(UINT32_MAX), 0);
    machine_detach();
}

static void test_virtio_mmio_left_out(void **state)
{
    static const struct {
        const char *name;
        uint32_t id;
        unsigned version;
        unsigned count;
    } rows[] = {
        {"version 2", ID, 2, 1},     {"version 1", ID, 1, 1},
        {"version 0", ID, 0, 0},     {"version 3", ID, 3, 0},
        {"an empty place", 0, 2, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        model.id = rows[i].id;
        model_on_mmio(&model, rows[i].version);
        assert_int_equal(virtio_find(rows[i].id, found), 0);
        ROW(rows[i].name, found_count == rows[i].count);
        if (device != NULL)
            ROW(rows[i].name, device->is_legacy == (rows[i].version == 1));
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_mmio_queue_lengths),
        cmocka_unit_test(test_virtio_mmio_command_line),
        cmocka_unit_test(test_virtio_mmio_several_options),
        cmocka_unit_test(test_virtio_mmio_something_else),
        cmocka_unit_test(test_virtio_mmio_configuration_ends),
        cmocka_unit_test(test_virtio_mmio_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
