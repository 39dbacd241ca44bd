/* PCI: enumeration, BARs and capabilities over a small fake configuration
 * space. */
#include "drivers/pci.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/device/device.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <stdlib.h>
#include <string.h>

enum { FUNCTIONS = 80 };

struct fake {
    uint8_t config[256];
    uint32_t bar_mask[6]; /* bits of each BAR that stay as they are, */
    uint32_t bar_type[6]; /* and what they are */
    uint16_t controls[8]; /* of MSI-X, in the order they were written */
    unsigned control_count;
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

        assert_int_equal(fake->config[4] & 3, 0); /* it answers to nothing */
        value = (value & ~fake->bar_mask[bar]) | fake->bar_type[bar];
    }
    if (reg == 4) {
        assert_int_equal(value >> 16, 0); /* a one clears a bit of status */
        value |= (uint32_t)le16_get(fake->config + 6) << 16;
    }
    if (reg == 0x40 && fake->config[0x40] == 0x11)
        fake->controls[fake->control_count++] = (uint16_t)(value >> 16);
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

static uint16_t found[FUNCTIONS];
static unsigned found_count;
static struct pci_function last;

static void note(const struct pci_function *function, void *ctx)
{
    (void)ctx;
    last = *function;
    found[found_count++] = function->device;
}

static struct fake *fakes[FUNCTIONS];
static unsigned fake_count;

static int setup(void **state)
{
    (void)state;
    models_reset();
    console_forget();
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

static void test_pci_no_bus(void **state)
{
    (void)state;
    pci_scan(note, NULL);
    assert_int_equal(found_count, 0);
}

/* Whether exactly these were found, in this order; a 0 ends them. */
static bool found_these(const uint16_t *ids)
{
    unsigned count = 0;

    while (ids[count] != 0)
        count++;
    return count == found_count &&
           memcmp(found, ids, count * sizeof(*ids)) == 0;
}

/* A bridge to bus `to`; the buses before and behind it say nothing. */
static void bridge_add(uint8_t bus, uint8_t dev, uint8_t header, uint8_t to)
{
    struct fake *fake = add(bus, dev, 0, 99, header);

    fake->config[0x18] = 0x33;
    fake->config[0x19] = to;
    fake->config[0x1a] = 0x55;
}

/* A host bridge, whose other bytes of the class are not zero. */
static void root_add(uint8_t dev, uint16_t id)
{
    struct fake *fake = add(0, dev, 0, id, 0);

    memcpy(fake->config + 8, "\xff\xff\x00\x06", 4);
}

static void test_pci_finds_functions_and_bridges(void **state)
{
    static const uint16_t ids[] = {1, 2, 3, 4, 5, 8, 6, 7, 0};

    (void)state;
    add(0, 0, 0, 1, 0);
    add(0, 4, 0, 2, 0x80); /* several functions, with gaps */
    add(0, 4, 3, 3, 0);
    add(0, 4, 6, 4, 0x80);
    add(0, 4, 7, 5, 0);
    add(0, 5, 0, 8, 0);
    add(0, 5, 1, 98, 0); /* behind a function that says it is alone */
    add(0, 6, 1, 98, 0); /* there is no function 0 */
    add(0, 7, 7, 98, 0);
    bridge_add(0, 31, 0x81, 7); /* with one function that is there */
    bridge_add(7, 2, 1, 0);     /* one that leads back */
    bridge_add(7, 3, 1, 7);
    add(7, 4, 0, 6, 0);
    add(7, 31, 0, 7, 0);
    pci_scan(note, NULL);
    assert_true(found_these(ids));
    assert_int_equal(last.addr.bus, 7);
    assert_int_equal(last.addr.dev, 31);
    assert_int_equal(last.addr.fn, 0);
}

/* Nobody is there who answers with all ones, or with nothing at all. */
static void test_pci_who_answers(void **state)
{
    static const uint16_t ids[] = {0xffff, 2, 3, 0};

    (void)state;
    le16_put(add(0, 1, 0, 1, 0)->config, 0xffff);
    le16_put(add(0, 2, 0, 0xffff, 0)->config, 0xfffe);
    le16_put(add(0, 3, 0, 0, 0)->config, 0);
    le16_put(add(0, 4, 0, 2, 0)->config, 0);
    le16_put(add(0, 5, 0, 0, 0)->config, 0xffff);
    add(0, 6, 0, 3, 0);
    pci_scan(note, NULL);
    assert_true(found_these(ids));
}

/* What is known of a function once it is found. */
static void test_pci_identity(void **state)
{
    struct fake *fake = add(0, 9, 0, 0x8765, 0);

    (void)state;
    le32_put(fake->config + 0x2c, 0xa9871234);
    fake->config[0x3c] = 0x9d;
    fake->config[0x3d] = 0xff;
    le32_put(fake->config + 0x50, 0x87654321);
    pci_scan(note, NULL);
    assert_int_equal(last.vendor, 0x1234);
    assert_int_equal(last.device, 0x8765);
    assert_int_equal(last.subsystem, 0xa987);
    assert_int_equal(last.irq_line, 0x9d);
    assert_int_equal(pci_read8(&last, 0x50), 0x21);
    assert_int_equal(pci_read8(&last, 0x51), 0x43);
    assert_int_equal(pci_read8(&last, 0x52), 0x65);
    assert_int_equal(pci_read8(&last, 0x53), 0x87);
    assert_int_equal(pci_read16(&last, 0x50), 0x4321);
    assert_int_equal(pci_read16(&last, 0x52), 0x8765);
}

/* Buses of a second host bridge are found, each once, and after those that
 * bridges lead to; the first one's 00:00.0 is no reason to look for more. */
static void test_pci_more_roots(void **state)
{
    static const uint16_t ids[] = {1, 3, 7, 8, 4, 2, 5, 6, 0};

    (void)state;
    root_add(0, 1);
    add(64, 3, 0, 2, 0);
    pci_scan(note, NULL);
    assert_int_equal(found_count, 1);
    found_count = 0;
    device_list_init(); /* another boot */
    root_add(5, 3);
    bridge_add(0, 6, 1, 9); /* and from there to bus 8 */
    add(9, 0, 0, 7, 0);
    bridge_add(9, 1, 1, 8);
    add(8, 0, 0, 8, 0);
    add(1, 0, 0, 4, 0);
    bridge_add(64, 4, 1, 65); /* a bridge there */
    add(65, 0, 0, 5, 0);
    add(255, 31, 0, 6, 0);
    pci_scan(note, NULL);
    assert_true(found_these(ids));
}

/* The second scan of a boot looks where the first one has found something, and
 * reads anew what is there. */
static void test_pci_known_functions(void **state)
{
    static const uint16_t ids[] = {1, 2, 3, 0}, later[] = {9, 3, 0};
    static const uint16_t all[] = {9, 4, 3, 0};
    struct fake *changes, *goes;

    (void)state;
    changes = add(0, 1, 0, 1, 0);
    bridge_add(0, 2, 1, 1);
    goes = add(0, 3, 0, 2, 0);
    add(1, 7, 0, 3, 0);
    pci_scan(note, NULL);
    assert_true(found_these(ids));
    add(0, 4, 0, 4, 0);
    le16_put(changes->config + 2, 9);
    le16_put(goes->config, 0xffff);
    found_count = 0;
    pci_scan(note, NULL);
    assert_true(found_these(later));
    assert_int_equal(last.addr.bus, 1);
    assert_int_equal(last.addr.dev, 7);
    assert_int_equal(last.addr.fn, 0);
    device_list_init(); /* another boot */
    found_count = 0;
    pci_scan(note, NULL);
    assert_true(found_these(all));
}

/* As many as can be remembered, and one more. */
static void test_pci_many_functions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        add(0, (uint8_t)(i / 8), i % 8, (uint16_t)(i + 1), 0x80);
    pci_scan(note, NULL);
    assert_int_equal(found_count, 64);
    add(0, 16, 0, 65, 0);
    found_count = 0;
    pci_scan(note, NULL);
    assert_int_equal(found_count, 64); /* they are known */
    device_list_init();
    found_count = 0;
    pci_scan(note, NULL);
    assert_int_equal(found_count, 65);
    add(0, 17, 0, 66, 0);
    found_count = 0;
    pci_scan(note, NULL);
    assert_int_equal(found_count, 66); /* these are not */
}

/* Only a host bridge is a root: 00:01.0 is one, and any other class is not. */
static void test_pci_what_is_a_root(void **state)
{
    static const struct {
        const char *name;
        uint8_t dev;
        const char *class;
        unsigned count;
    } rows[] = {
        {"a host bridge", 1, "\0\0\0\6", 2},
        {"another bridge", 1, "\0\0\1\6", 1},
        {"a disk", 1, "\0\0\0\1", 1},
        {"nothing known", 1, "\0\0\0\0", 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        memcpy(add(0, rows[i].dev, 0, 1, 0)->config + 8, rows[i].class, 4);
        add(2, 0, 0, 2, 0);
        pci_scan(note, NULL);
        ROW(rows[i].name, found_count == rows[i].count);
    }
}

static uint32_t no_read(void *model, size_t offset, unsigned width)
{
    (void)model;
    (void)width;
    return (uint32_t)offset;
}

static void no_write(void *model, size_t offset, unsigned width, uint32_t value)
{
    (void)model;
    (void)offset;
    (void)width;
    (void)value;
}

/* One BAR: the bits that stay as they are, what they are, and its value. */
static void bar_put(struct fake *fake, unsigned bar, uint32_t mask,
                    uint32_t type, uint32_t value)
{
    fake->bar_mask[bar] = mask;
    fake->bar_type[bar] = type;
    le32_put(fake->config + 0x10 + 4 * bar, value | type);
}

/* Two functions with all kinds of BARs, and registers behind each. */
static void bars_fill(struct fake *first, struct fake *second)
{
    static const struct {
        enum hal_io_space space;
        uint64_t base;
        size_t size;
    } windows[] = {
        {HAL_IO_MEMORY, 0xfeb00000, 4096},
        {HAL_IO_MEMORY, UINT64_C(0x8a0000000), 0x4000},
        {HAL_IO_PORT, 0xc000, 32},
        {HAL_IO_MEMORY, UINT64_C(0x600000000), 4096},
        {HAL_IO_MEMORY, 0, 4096}, /* where no BAR leads */
        {HAL_IO_PORT, 0xc0a4, 4},
        {HAL_IO_MEMORY, 0xfec00010, 16},
        {HAL_IO_MEMORY, 0xfed00000, 4096},
    };
    const struct sim_window window = {no_read, no_write, NULL};

    for (size_t i = 0; i < COUNT_OF(windows); i++)
        assert_int_equal(sim_claim(windows[i].space, windows[i].base,
                                   windows[i].size, &window),
                         0);
    bar_put(first, 0, 4095, 0, 0xfeb00000);
    bar_put(first, 1, 0x3fff, 0xc, 0xa0000000); /* 64 bits, and the next */
    bar_put(first, 2, 0, 0, 8);
    bar_put(first, 3, 0xffff001f, 1, 0xc000); /* ports: 16 bits */
    bar_put(first, 4, 15, 0, 0);
    bar_put(first, 5, UINT32_MAX, 0, 0);
    bar_put(second, 0, 3, 1, 0xc0a4);      /* ports: 32 bits */
    bar_put(second, 1, 15, 8, 0xfec00010); /* may be prefetched */
    bar_put(second, 2, UINT32_MAX, 1, 0);
    bar_put(second, 3, 4095, 2, 0xfed00000); /* once: below 1 MiB */
    bar_put(second, 4, UINT32_MAX, 4, 0);    /* 64 bits: 4 GiB, at 24 GiB */
    bar_put(second, 5, 0, 0, 6);
}

static void test_pci_bars(void **state)
{
    static const struct {
        const char *name;
        unsigned fn, bar;
        uint64_t offset, size;
        int status;
    } rows[] = {
        {"all of a 32-bit BAR", 0, 0, 0, 4096, 0},
        {"its last byte", 0, 0, 4095, 1, 0},
        {"one byte beyond", 0, 0, 4096, 1, -EINVAL},
        {"two bytes beyond", 0, 0, 4097, 1, -EINVAL},
        {"longer than it is", 0, 0, 0, 4097, -EINVAL},
        {"straddles the end", 0, 0, 4090, 10, -EINVAL},
        {"sum wraps 64 bit", 0, 0, UINT64_MAX, 2, -EINVAL},
        {"nothing", 0, 0, 0, 0, -EINVAL},
        {"a 64-bit BAR", 0, 1, 0x1000, 0x3000, 0},
        {"beyond it", 0, 1, 0x1000, 0x3001, -EINVAL},
        {"I/O ports", 0, 3, 0, 32, 0},
        {"more ports than there are", 0, 3, 0, 33, -EINVAL},
        {"a BAR without an address", 0, 4, 0, 16, -ENODEV},
        {"a BAR that is not there", 0, 5, 0, 16, -EINVAL},
        {"a BAR no function has", 0, 6, 0, 16, -EINVAL},
        {"few ports", 1, 0, 0, 4, 0},
        {"a port more", 1, 0, 0, 5, -EINVAL},
        {"16 bytes", 1, 1, 0, 16, 0},
        {"17 bytes", 1, 1, 0, 17, -EINVAL},
        {"ports that are not there", 1, 2, 0, 1, -EINVAL},
        {"of the third kind", 1, 3, 0, 4096, 0},
        {"and beyond", 1, 3, 0, 4097, -EINVAL},
        {"4 GiB", 1, 4, 1, 4095, 0},
        {"and a byte", 1, 4, 1, UINT64_C(1) << 32, -EINVAL},
    };
    struct fake *fakes_of[2] = {add(0, 1, 0, 9, 0), add(0, 2, 0, 9, 0)};
    struct pci_function functions[2] = {{.addr = {0, 1, 0}},
                                        {.addr = {0, 2, 0}}};
    uint8_t before[2][256];

    (void)state;
    bars_fill(fakes_of[0], fakes_of[1]);
    for (unsigned i = 0; i < 2; i++) {
        le16_put(fakes_of[i]->config + 4, 0x0447);
        le16_put(fakes_of[i]->config + 6, 0xffff);
        memcpy(before[i], fakes_of[i]->config, 256);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pci_function *function = &functions[rows[i].fn];
        struct hal_io io = {.size = 0};

        ROW(rows[i].name, pci_map_bar(function, rows[i].bar, rows[i].offset,
                                      rows[i].size, &io) == rows[i].status);
        if (rows[i].status == 0)
            ROW(rows[i].name, hal_io_read8(io, 0) == (uint8_t)rows[i].offset);
        /* Sizing left everything as it was. */
        ROW(rows[i].name, memcmp(before[0], fakes_of[0]->config, 256) == 0 &&
                              memcmp(before[1], fakes_of[1]->config, 256) == 0);
    }
}

/* Two bits say that a BAR has 64 bits; the last one has no room for them. */
static void test_pci_last_bar_of_64_bits(void **state)
{
    const struct sim_window window = {no_read, no_write, NULL};
    struct fake *fake = add(0, 1, 0, 9, 0);
    struct hal_io io;

    (void)state;
    bar_put(fake, 5, 4095, 4, 0xfeb00000);
    le32_put(fake->config + 0x28, 7); /* no BAR */
    assert_int_equal(sim_claim(HAL_IO_MEMORY, 0xfeb00000, 4096, &window), 0);
    pci_scan(note, NULL);
    assert_int_equal(pci_map_bar(&last, 5, 0, 4096, &io), 0);
    assert_int_equal(pci_map_bar(&last, 5, 0, 4097, &io), -EINVAL);
    assert_int_equal(le32_get(fake->config + 0x28), 7);
}

static void test_pci_capabilities(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    pci_scan(note, NULL);
    fake->config[0x34] = 0x80;
    fake->config[0x80] = 9;
    /* The status says that there is no list. */
    assert_int_equal(pci_capability(&last, 9, 0), 0);
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
    fake->config[0x10] = 17;
    assert_int_equal(pci_capability(&last, 17, 0), 0);
    fake->config[0x34] = 0xff; /* the last place there is */
    fake->config[0xfc] = 17;
    assert_int_equal(pci_capability(&last, 17, 0), 0xfc);
}

/* What says so is in its capability: not in its place where there is none. */
static void test_pci_msix_is_on(void **state)
{
    struct fake *fake = add(0, 1, 0, 0x9000, 0);

    (void)state;
    pci_scan(note, NULL);
    assert_false(pci_msix_is_on(&last));
    fake->config[6] = 0x10;
    fake->config[0x34] = 0x60;
    fake->config[0x60] = 0x11;
    assert_false(pci_msix_is_on(&last));
    fake->config[0x63] = 0x80;
    assert_true(pci_msix_is_on(&last));
}

/* As many as there is room for. */
static void test_pci_long_capability_list(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    fake->config[6] = 0x10;
    fake->config[0x34] = 0x40;
    for (unsigned at = 0x40; at < 0x100; at += 4) {
        fake->config[at] = (uint8_t)(at < 0xf8 ? 5 : 17);
        fake->config[at + 1] = (uint8_t)(at + 4);
    }
    pci_scan(note, NULL);
    assert_int_equal(pci_capability(&last, 17, 0), 0xf8);
    assert_int_equal(pci_capability(&last, 17, 0xf8), 0xfc);
    assert_int_equal(pci_capability(&last, 17, 0xfc), 0);
    assert_int_equal(pci_capability(&last, 5, 0xec), 0xf0);
}

/* The table may be in any BAR, at any offset: 6.8.2.4. */
static uint32_t msix[64];

static uint32_t msix_read(void *model, size_t offset, unsigned width)
{
    (void)model;
    (void)width;
    return msix[offset % sizeof(msix) / 4];
}

static void msix_write(void *model, size_t offset, unsigned width,
                       uint32_t value)
{
    (void)model;
    assert_int_equal(width, 4);
    assert_int_equal(offset % 4, 0);
    assert_in_range(offset, 0x800, 0x83c);
    if (offset < 0x80c)
        assert_int_equal(msix[3], 1); /* it is masked meanwhile */
    msix[(offset - 0x800) / 4] = value;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* A function with MSI-X; its table in BAR 3 has four entries. */
static struct fake *msix_add(uint32_t table, uint8_t line)
{
    const struct sim_window window = {msix_read, msix_write, NULL};
    struct fake *fake = add(0, 1, 0, 9, 0);

    memset(msix, 0, sizeof(msix));
    le16_put(fake->config + 4, 0x0143);
    le16_put(fake->config + 6, 0x0010);
    fake->config[0x34] = 0x40;
    fake->config[0x3c] = line;
    fake->config[0x40] = 0x11;
    le16_put(fake->config + 0x42, 0x3803); /* and bits that say nothing */
    le32_put(fake->config + 0x44, table | 3);
    bar_put(fake, 3, 4095, 0, 0xfeb10000);
    assert_int_equal(sim_claim(HAL_IO_MEMORY, 0xfeb10000, 4096, &window), 0);
    pci_scan(note, NULL);
    return fake;
}

static void test_pci_msix_table(void **state)
{
    struct fake *fake = msix_add(0x800, 0);
    bool is_msix = false;

    (void)state;
    assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix), 0);
    assert_true(is_msix);
    assert_int_equal(msix[0] >> 20, 0xfee); /* to a local APIC */
    assert_int_equal(msix[1], 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(msix[4 * i + 3], i == 0 ? 0 : 1); /* masked */
    /* On, first with all entries masked; and no line. */
    assert_int_equal(fake->control_count, 2);
    assert_int_equal(fake->controls[0], 0xf803);
    assert_int_equal(fake->controls[1], 0xb803);
    assert_int_equal(le16_get(fake->config + 4), 0x0543);
}

/* The whole table must be in the BAR: the line is used instead. */
static void test_pci_msix_table_at_the_end(void **state)
{
    static const struct {
        uint32_t table;
        bool is_msix;
    } rows[] = {{0x800, true}, {0xfc8, false}, {0xfd0, false}, {0x1000, false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_msix = !rows[i].is_msix;
        struct fake *fake;

        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        fake = msix_add(rows[i].table, 11);
        assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix), 0);
        assert_int_equal(is_msix, rows[i].is_msix);
        assert_int_equal(console_has("pci 00:01.0: MSI-X does not work"),
                         !rows[i].is_msix);
        assert_int_equal(fake->control_count, rows[i].is_msix ? 2 : 0);
        assert_int_equal(fake->config[5] & 4, rows[i].is_msix ? 4 : 0);
    }
}

/* Without the capability no other register is taken for one. */
static void test_pci_no_msix(void **state)
{
    const struct sim_window window = {no_read, no_write, NULL};
    struct fake *fake = add(0, 1, 0, 9, 0);
    bool is_msix = true;

    (void)state;
    le16_put(fake->config + 4, 3); /* as a table at the start of BAR 3 */
    fake->config[0x3c] = 11;
    bar_put(fake, 3, 4095, 0, 0xfeb10000);
    assert_int_equal(sim_claim(HAL_IO_MEMORY, 0xfeb10000, 4096, &window), 0);
    pci_scan(note, NULL);
    assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix), 0);
    assert_false(is_msix);
    assert_int_equal(le16_get(fake->config + 4), 3);
    assert_false(console_has("MSI-X"));
}

/* MSI-X was tried, and is off again. */
static void assert_msix_off(const struct fake *fake)
{
    assert_true(fake->control_count > 0);
    assert_int_equal(fake->controls[fake->control_count - 1] & 0xc000, 0);
    assert_int_equal(fake->config[5] & 4, 0); /* the line is not off */
}

/* No message is left: the line, or nothing. */
static void test_pci_no_message_left(void **state)
{
    uint64_t addr;
    uint32_t data;
    bool is_msix = true;
    struct fake *fake = msix_add(0x800, 11);

    (void)state;
    while (hal_irq_msi(0, &addr, &data) >= 0)
        continue;
    assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix), 0);
    assert_false(is_msix);
    assert_msix_off(fake);
    last.irq_line = 255;
    assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix),
                     -ENODEV);
}

/* The machine has no place left for a handler. */
static void test_pci_no_handler_left(void **state)
{
    struct fake *fake = msix_add(0x800, 11);
    bool is_msix = true;

    (void)state;
    while (hal_irq_attach(20, 0, nothing, NULL) == 0)
        continue;
    assert_int_equal(pci_attach_irq(&last, 0, nothing, NULL, &is_msix),
                     -ENOMEM);
    assert_false(is_msix);
    assert_msix_off(fake);
}

/* Vectors one by one, and again: what is not attached stays masked. */
static void test_pci_msix_vectors(void **state)
{
    struct fake *fake = msix_add(0x800, 0);
    struct pci_msix table;

    (void)state;
    assert_false(pci_msix_is_on(&last));
    assert_int_equal(pci_msix_open(&last, &table), 0);
    assert_true(pci_msix_is_on(&last));
    assert_int_equal(table.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(msix[4 * i + 3], 1);
    assert_int_equal(pci_msix_attach(&table, 2, 0, nothing, NULL), 0);
    assert_int_equal(pci_msix_attach(&table, 1, 0, nothing, NULL), 0);
    assert_int_equal(msix[3], 1);
    assert_int_equal(msix[4 + 3], 0);
    assert_int_equal(msix[8 + 3], 0);
    assert_int_equal(msix[12 + 3], 1);
    assert_int_not_equal(msix[4 + 2], msix[8 + 2]); /* a message each */
    assert_int_equal(msix[4] >> 20, 0xfee);
    fake->controls[0] = 0;
    pci_msix_close(&table);
    assert_false(pci_msix_is_on(&last));
    assert_msix_off(fake);
}

static void test_pci_msix_is_not_there(void **state)
{
    struct pci_msix table;

    (void)state;
    add(0, 1, 0, 9, 0);
    pci_scan(note, NULL);
    assert_int_equal(pci_msix_open(&last, &table), -ENODEV);
    assert_int_equal(table.cap, 0);
    assert_false(pci_msix_is_on(&last));
}

static void test_pci_isolate(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    le16_put(fake->config + 4, 0x0147);
    pci_scan(note, NULL);
    assert_int_equal(pci_isolate(&last), 0);
    assert_int_equal(le16_get(fake->config + 4), 0x0143);
    pci_enable(&last);
    assert_int_equal(le16_get(fake->config + 4), 0x0147);
}

static void test_pci_bar_sizes(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    bar_put(fake, 3, 4095, 0, 0xfeb10000);
    pci_scan(note, NULL);
    assert_int_equal(pci_bar_size(&last, 3), 4096);
    assert_int_equal(pci_bar_size(&last, 6), 0);
}

static void test_pci_lines(void **state)
{
    static const struct {
        const char *name;
        uint8_t line;
        int status;
    } rows[] = {
        {"the firmware set none", 0, -ENODEV},
        {"the first", 1, 0},
        {"the last", 254, 0},
        {"none", 255, -ENODEV},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_msix = true;

        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        add(0, 1, 0, 9, 0)->config[0x3c] = rows[i].line;
        pci_scan(note, NULL);
        ROW(rows[i].name, pci_attach_irq(&last, 0, nothing, NULL, &is_msix) ==
                              rows[i].status);
        ROW(rows[i].name, !is_msix);
        ROW(rows[i].name, !console_has("MSI-X")); /* it has none */
    }
}

static void test_pci_enable(void **state)
{
    struct fake *fake = add(0, 1, 0, 9, 0);

    (void)state;
    le16_put(fake->config + 4, 0x0540);
    le16_put(fake->config + 6, 0xfff0);
    pci_scan(note, NULL);
    pci_enable(&last);
    assert_int_equal(pci_read16(&last, 4), 0x0147);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_pci_no_bus),
        READY(test_pci_finds_functions_and_bridges),
        READY(test_pci_who_answers),
        READY(test_pci_identity),
        READY(test_pci_more_roots),
        READY(test_pci_known_functions),
        READY(test_pci_many_functions),
        READY(test_pci_what_is_a_root),
        READY(test_pci_bars),
        READY(test_pci_last_bar_of_64_bits),
        READY(test_pci_capabilities),
        READY(test_pci_msix_is_on),
        READY(test_pci_long_capability_list),
        READY(test_pci_msix_table),
        READY(test_pci_msix_table_at_the_end),
        READY(test_pci_no_msix),
        READY(test_pci_no_message_left),
        READY(test_pci_no_handler_left),
        READY(test_pci_lines),
        READY(test_pci_enable),
        READY(test_pci_msix_vectors),
        READY(test_pci_msix_is_not_there),
        READY(test_pci_isolate),
        READY(test_pci_bar_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
