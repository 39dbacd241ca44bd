/* PCI: enumeration, BARs and capabilities over a small fake configuration
 * space. */
#include "drivers/pci.h"
#include "hal/posix/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <stdlib.h>
#include <string.h>

struct fake {
    uint8_t config[256];
    uint32_t bar_mask[6]; /* bits of each BAR that stay as they are, */
    uint32_t bar_type[6]; /* and what they are */
};

static uint32_t read(void *model, unsigned reg)
{
    struct fake *fake = model;

    return le32_get(fake->config + reg);
}

static void write(void *model, unsigned reg, uint32_t value)
{
    struct fake *fake = model;

    if (reg >= 0x10 && reg < 0x28) {
        unsigned bar = (reg - 0x10) / 4;

        value = (value & ~fake->bar_mask[bar]) | fake->bar_type[bar];
    }
    le32_put(fake->config + reg, value);
}

static struct fake *fake_add(uint8_t bus, uint8_t dev, uint8_t fn, uint16_t id,
                             uint8_t header)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    const struct sim_pci function = {read, write, fake};

    le16_put(fake->config, 0x1234);
    le16_put(fake->config + 2, id);
    fake->config[0x0e] = header;
    assert_int_equal(sim_pci((struct hal_pci_addr){bus, dev, fn}, &function),
                     0);
    return fake;
}

static uint16_t found[32];
static unsigned found_count;
static struct pci_function last;

static void note(const struct pci_function *function, void *ctx)
{
    (void)ctx;
    last = *function;
    found[found_count++] = function->device;
}

static struct fake *fakes[8];
static unsigned fake_count;

static int setup(void **state)
{
    (void)state;
    models_reset();
    machine_attach(8 << 20);
    found_count = 0;
    fake_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < fake_count; i++)
        free(fakes[i]);
    machine_detach();
    models_reset();
    return 0;
}

static struct fake *add(uint8_t bus, uint8_t dev, uint8_t fn, uint16_t id,
                        uint8_t header)
{
    return fakes[fake_count++] = fake_add(bus, dev, fn, id, header);
}

static bool was_found(uint16_t id)
{
    for (unsigned i = 0; i < found_count; i++) {
        if (found[i] == id)
            return true;
    }
    return false;
}

static void test_pci_no_bus(void **state)
{
    (void)state;
    pci_scan(note, NULL);
    assert_int_equal(found_count, 0);
}

static void test_pci_finds_functions_and_bridges(void **state)
{
    (void)state;
    add(0, 0, 0, 1, 0);
    add(0, 4, 0, 2, 0x80); /* several functions, with a gap */
    add(0, 4, 5, 3, 0);
    add(0, 5, 0, 4, 0);
    add(0, 5, 1, 5, 0); /* behind a function that says it is alone */
    add(0, 31, 0, 6, 1)->config[0x19] = 7; /* a bridge to bus 7 */
    add(7, 2, 0, 7, 1)->config[0x19] = 0;  /* one that leads back */
    add(7, 3, 0, 8, 0);
    pci_scan(note, NULL);
    assert_int_equal(found_count, 5);
    assert_true(was_found(1) && was_found(2) && was_found(3) && was_found(4) &&
                was_found(8));
}

static uint32_t no_read(void *model, size_t offset, unsigned width)
{
    (void)model;
    (void)width;
    return (uint32_t)offset;
}

static void test_pci_bars(void **state)
{
    static const struct {
        const char *name;
        unsigned bar;
        uint64_t offset, size;
        int status;
    } rows[] = {
        {"all of a 32-bit BAR", 0, 0, 4096, 0},
        {"its last byte", 0, 4095, 1, 0},
        {"one byte beyond", 0, 4096, 1, -EINVAL},
        {"straddles the end", 0, 4090, 10, -EINVAL},
        {"sum wraps 64 bit", 0, UINT64_MAX, 2, -EINVAL},
        {"nothing", 0, 0, 0, -EINVAL},
        {"a 64-bit BAR", 1, 0x1000, 0x3000, 0},
        {"beyond it", 1, 0x1000, 0x3001, -EINVAL},
        {"I/O ports", 3, 0, 32, 0},
        {"more ports than there are", 3, 0, 33, -EINVAL},
        {"a BAR without an address", 4, 0, 16, -ENODEV},
        {"a BAR that is not there", 5, 0, 16, -EINVAL},
        {"a BAR no function has", 6, 0, 16, -EINVAL},
    };
    const struct sim_window window = {no_read, NULL, NULL};
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    le32_put(fake->config + 0x10, 0xfeb00000);
    fake->bar_mask[0] = 4095;
    le32_put(fake->config + 0x14, 0x80000000 | 4);
    le32_put(fake->config + 0x18, 0x8);
    fake->bar_mask[1] = 0x3fff;
    fake->bar_type[1] = 4;
    le32_put(fake->config + 0x1c, 0xc000 | 1);
    fake->bar_mask[3] = 31;
    fake->bar_type[3] = 1;
    fake->bar_mask[4] = 15;
    fake->bar_mask[5] = UINT32_MAX;
    assert_int_equal(sim_claim(HAL_IO_MEMORY, 0xfeb00000, 4096, &window), 0);
    assert_int_equal(
        sim_claim(HAL_IO_MEMORY, UINT64_C(0x880000000), 0x4000, &window), 0);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0xc000, 32, &window), 0);
    pci_scan(note, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hal_io io = {.size = 0};

        ROW(rows[i].name, pci_map_bar(&last, rows[i].bar, rows[i].offset,
                                      rows[i].size, &io) == rows[i].status);
        if (rows[i].status == 0)
            ROW(rows[i].name, hal_io_read8(io, 0) == (uint8_t)rows[i].offset);
    }
    /* Sizing left everything as it was. */
    assert_int_equal(le32_get(fake->config + 0x10), 0xfeb00000);
    assert_int_equal(le32_get(fake->config + 0x18), 8);
}

static void test_pci_capabilities(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    pci_scan(note, NULL);
    assert_int_equal(pci_capability(&last, 9, 0), 0); /* none at all */
    fake->config[6] = 0x10;
    fake->config[0x34] = 0x80; /* descending, and two of a kind */
    fake->config[0x80] = 9;
    fake->config[0x81] = 0x60;
    fake->config[0x60] = 5;
    fake->config[0x61] = 0x43; /* the two low bits do not count */
    fake->config[0x40] = 9;
    assert_int_equal(pci_capability(&last, 9, 0), 0x80);
    assert_int_equal(pci_capability(&last, 9, 0x80), 0x40);
    assert_int_equal(pci_capability(&last, 9, 0x40), 0);
    assert_int_equal(pci_capability(&last, 5, 0), 0x60);
    assert_int_equal(pci_capability(&last, 17, 0), 0);
    fake->config[0x41] = 0x80; /* a loop ends */
    assert_int_equal(pci_capability(&last, 17, 0), 0);
    assert_int_equal(pci_capability(&last, 9, 0x40), 0);
    fake->config[0x41] = 0x10; /* into the header */
    assert_int_equal(pci_capability(&last, 17, 0), 0);
    fake->config[0x34] = 0xfc; /* the last place there is */
    fake->config[0xfc] = 17;
    assert_int_equal(pci_capability(&last, 17, 0), 0xfc);
}

static void test_pci_no_interrupt(void **state)
{
    bool is_msix;

    (void)state;
    add(0, 1, 0, 9, 0)->config[0x3c] = 255;
    pci_scan(note, NULL);
    assert_int_equal(pci_attach_irq(&last, 0, NULL, NULL, &is_msix), -ENODEV);
    assert_false(is_msix);
    pci_enable(&last);
    assert_int_equal(pci_read16(&last, 4) & 7, 7);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_pci_no_bus),
        READY(test_pci_finds_functions_and_bridges),
        READY(test_pci_bars),
        READY(test_pci_capabilities),
        READY(test_pci_no_interrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
