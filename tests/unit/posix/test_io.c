/* Registers and configuration space of the hosted machine: those of models. */
#include "hal/posix/kernel/platform.h"
#include "hal/posix/kernel/simbus.h"
#include "tests/unit/posix/machine_bare.h"

/* ---- A model that notes what it is asked --------------------------------- */

static struct note {
    void *model;
    size_t offset;
    unsigned width;
    uint32_t value;
    unsigned reads, writes;
} note;

static uint32_t note_read(void *model, size_t offset, unsigned width)
{
    note.model = model;
    note.offset = offset;
    note.width = width;
    note.reads++;
    return 0x89abcdef;
}

static void note_write(void *model, size_t offset, unsigned width,
                       uint32_t value)
{
    note.model = model;
    note.offset = offset;
    note.width = width;
    note.value = value;
    note.writes++;
}

static const struct sim_window window = {note_read, note_write, &note};

static uint32_t note_pci_read(void *model, unsigned reg)
{
    note.model = model;
    note.offset = reg;
    note.reads++;
    return 0x12345678;
}

static void note_pci_write(void *model, unsigned reg, uint32_t value)
{
    note.model = model;
    note.offset = reg;
    note.value = value;
    note.writes++;
}

enum { PORTS = 0x100, PORTS_SIZE = 16 };
#define MMIO      UINT64_C(0xfe000000)
#define MMIO_SIZE ((size_t)0x1000)

static int setup(void **state)
{
    (void)state;
    sim_reset();
    note = (struct note){0};
    bare_open((struct host_config){0});
    assert_int_equal(sim_claim(HAL_IO_PORT, PORTS, PORTS_SIZE, &window), 0);
    assert_int_equal(sim_claim(HAL_IO_MEMORY, MMIO, MMIO_SIZE, &window), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    sim_reset();
    return 0;
}

/* ---- Windows ------------------------------------------------------------- */

static void test_map_finds_claimed_windows_only(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        enum hal_io_space space;
        uint64_t base;
        size_t size;
        int want;
    } rows[] = {
        {"all ports", HAL_IO_PORT, PORTS, PORTS_SIZE, 0},
        {"the last port", HAL_IO_PORT, PORTS + PORTS_SIZE - 1, 1, 0},
        {"one port more", HAL_IO_PORT, PORTS, PORTS_SIZE + 1, -ENODEV},
        {"from one before", HAL_IO_PORT, PORTS - 1, 2, -ENODEV},
        {"past the last port", HAL_IO_PORT, PORTS + PORTS_SIZE, 1, -ENODEV},
        {"over the end", HAL_IO_PORT, PORTS + PORTS_SIZE - 1, 2, -ENODEV},
        {"port in memory", HAL_IO_MEMORY, PORTS, 1, -ENODEV},
        {"no ports", HAL_IO_PORT, PORTS, 0, -EINVAL},
        {"highest port", HAL_IO_PORT, 0xffff, 1, -ENODEV},
        {"past the port space", HAL_IO_PORT, 0xffff, 2, -EINVAL},
        {"beyond the port space", HAL_IO_PORT, 0x10000, 1, -EINVAL},
        {"all memory", HAL_IO_MEMORY, MMIO, MMIO_SIZE, 0},
        {"memory beyond", HAL_IO_MEMORY, MMIO + MMIO_SIZE, 4, -ENODEV},
        {"memory above the ports", HAL_IO_MEMORY, 0x10000, 1, -ENODEV},
        {"memory wraps", HAL_IO_MEMORY, UINT64_MAX, 2, -EINVAL},
        {"memory ends with the address space", HAL_IO_MEMORY, UINT64_MAX - 4, 4,
         -ENODEV},
        {"memory of everything", HAL_IO_MEMORY, MMIO, SIZE_MAX, -EINVAL},
        {"no memory", HAL_IO_MEMORY, MMIO, 0, -EINVAL},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hal_io io = {HAL_IO_PORT, 77, 77};

        ROW(rows[i].name, hal_io_map(rows[i].space, rows[i].base, rows[i].size,
                                     &io) == rows[i].want);
        if (rows[i].want == 0) {
            ROW(rows[i].name, io.space == rows[i].space);
            ROW(rows[i].name, io.base == rows[i].base);
            ROW(rows[i].name, io.size == rows[i].size);
        } else {
            ROW(rows[i].name, io.base == 77 && io.size == 77);
        }
    }
}

static void test_accesses_reach_the_model(void **state)
{
    struct hal_io io;

    (void)state;
    assert_int_equal(hal_io_map(HAL_IO_MEMORY, MMIO + 0x100, 0x10, &io), 0);
    assert_int_equal(hal_io_read8(io, 15), 0xef);
    assert_ptr_equal(note.model, &note);
    assert_int_equal(note.offset, 0x10f);
    assert_int_equal(note.width, 1);
    assert_int_equal(hal_io_read16(io, 14), 0xcdef);
    assert_int_equal(note.offset, 0x10e);
    assert_int_equal(note.width, 2);
    assert_int_equal(hal_io_read32(io, 12), 0x89abcdef);
    assert_int_equal(note.offset, 0x10c);
    assert_int_equal(note.width, 4);
    assert_int_equal(note.reads, 3);
    hal_io_write8(io, 15, 0x12);
    assert_int_equal(note.offset, 0x10f);
    assert_int_equal(note.width, 1);
    assert_int_equal(note.value, 0x12);
    hal_io_write16(io, 14, 0x1234);
    assert_int_equal(note.offset, 0x10e);
    assert_int_equal(note.width, 2);
    assert_int_equal(note.value, 0x1234);
    hal_io_write32(io, 12, 0x12345678);
    assert_int_equal(note.offset, 0x10c);
    assert_int_equal(note.width, 4);
    assert_int_equal(note.value, 0x12345678);
    assert_int_equal(note.writes, 3);
}

static struct hal_io death_io;
static size_t death_offset;

static void die_read8(void)
{
    (void)hal_io_read8(death_io, death_offset);
}

static void die_read32(void)
{
    (void)hal_io_read32(death_io, death_offset);
}

static void die_write16(void)
{
    hal_io_write16(death_io, death_offset, 0);
}

static void test_accesses_outside_stop_the_machine(void **state)
{
    static const struct hal_io claimed = {HAL_IO_PORT, PORTS, PORTS_SIZE};
    static const struct hal_io missing = {HAL_IO_PORT, PORTS + 64, 16};
    static const char read_end[] =
        "a register beyond the end of its window is read";
    static const char write_end[] =
        "a register beyond the end of its window is written";
    /* clang-format off */
    static const struct {
        const char *name;
        const struct hal_io *io;
        size_t offset;
        void (*fn)(void);
        const char *why;
    } rows[] = {
        {"read past the end", &claimed, 16, die_read8, read_end},
        {"read far past the end", &claimed, 17, die_read8, read_end},
        {"read over the end", &claimed, 13, die_read32, read_end},
        {"read that wraps", &claimed, SIZE_MAX, die_read32, read_end},
        {"write over the end", &claimed, 15, die_write16, write_end},
        {"write past the end", &claimed, 17, die_write16, write_end},
        {"read of nothing", &missing, 0, die_read8,
         "a register that was never mapped is read"},
        {"write of nothing", &missing, 0, die_write16,
         "a register that was never mapped is written"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        death_io = *rows[i].io;
        death_offset = rows[i].offset;
        bare_dies(rows[i].name, rows[i].fn, rows[i].why);
    }
}

static void test_windows_are_limited(void **state)
{
    unsigned count = 2; /* of setup() */
    struct hal_io io;

    (void)state;
    while (sim_claim(HAL_IO_PORT, 0x1000 + count, 1, &window) == 0)
        count++;
    assert_int_equal(count, 64);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0x2000, 1, &window), -ENOSPC);
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x1000 + 63, 1, &io), 0);
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x2000, 1, &io), -ENODEV);
    sim_reset();
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x1000 + 63, 1, &io), -ENODEV);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0x2000, 1, &window), 0);
}

/* ---- Configuration space ------------------------------------------------- */

static void test_pci_finds_its_function(void **state)
{
    static const struct hal_pci_addr at = {1, 2, 3};
    static const struct hal_pci_addr others[] = {
        {0, 2, 3}, {1, 3, 3}, {1, 2, 2}};
    unsigned number;
    const struct sim_pci function = {note_pci_read, note_pci_write, &number};

    (void)state;
    assert_int_equal(sim_pci(at, &function), 0);
    assert_int_equal(hal_pci_read32(at, 0x40), 0x12345678);
    assert_ptr_equal(note.model, &number);
    assert_int_equal(note.offset, 0x40);
    hal_pci_write32(at, 0x44, 0x55aa);
    assert_int_equal(note.offset, 0x44);
    assert_int_equal(note.value, 0x55aa);
    assert_int_equal(note.writes, 1);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_int_equal(hal_pci_read32(others[i], 0), 0xffffffff);
        hal_pci_write32(others[i], 0, 1);
    }
    assert_int_equal(note.reads, 1);
    assert_int_equal(note.writes, 1);
    sim_reset();
    assert_int_equal(hal_pci_read32(at, 0), 0xffffffff);
}

static void test_functions_are_limited(void **state)
{
    const struct sim_pci function = {note_pci_read, note_pci_write, &note};
    unsigned count = 0;

    (void)state;
    while (sim_pci((struct hal_pci_addr){(uint8_t)count, 0, 0}, &function) == 0)
        count++;
    assert_int_equal(count, 80);
    assert_int_equal(sim_pci((struct hal_pci_addr){0, 9, 0}, &function),
                     -ENOSPC);
    assert_int_equal(hal_pci_read32((struct hal_pci_addr){31, 0, 0}, 0),
                     0x12345678);
    assert_int_equal(hal_pci_read32((struct hal_pci_addr){0, 9, 0}, 0),
                     0xffffffff);
}

/* ---- Platform devices ---------------------------------------------------- */

static void test_platform_devices_are_listed(void **state)
{
    struct hal_platform_device device = {
        .id = "LNRO0005", .base = 0x1000, .size = 0x200, .irq = 5};
    struct hal_platform_device found;
    unsigned count = 0;

    (void)state;
    assert_int_equal(hal_platform_device(0, &found), -ENODEV);
    for (; platform_add(&device) == 0; count++)
        device.irq++;
    assert_int_equal(count, 40);
    assert_int_equal(platform_add(&device), -ENOSPC);
    assert_int_equal(hal_platform_device(39, &found), 0);
    assert_string_equal(found.id, "LNRO0005");
    assert_int_equal(found.base, 0x1000);
    assert_int_equal(found.size, 0x200);
    assert_int_equal(found.irq, 44);
    assert_int_equal(hal_platform_device(40, &found), -ENODEV);
    bare_open((struct host_config){0}); /* another machine */
    assert_int_equal(hal_platform_device(0, &found), -ENODEV);
}

#define WITH_BUS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BUS(test_map_finds_claimed_windows_only),
        WITH_BUS(test_accesses_reach_the_model),
        WITH_BUS(test_accesses_outside_stop_the_machine),
        WITH_BUS(test_windows_are_limited),
        WITH_BUS(test_pci_finds_its_function),
        WITH_BUS(test_functions_are_limited),
        WITH_BUS(test_platform_devices_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
