/*
 * The IDE model's bus master, its PCI function and native mode, by hand.
 */
#include "tests/unit/models/ide_hand.h"

enum {
    NATIVE = 0xc000,
    BM = 0xc040, /* bus master of channel 0: command, status, table */
    BM_START = 1,
    BM_READ = 8, /* the drive is read, memory written */
    BM_ACTIVE = 1,
    BM_ERROR = 2,
    BM_INTERRUPT = 4,
    TABLE = 0x30000, /* in `memory` */
};

static const struct hal_pci_addr function = {0, 7, 0};

static void put_entry(unsigned index, uint32_t offset, uint32_t size, bool last)
{
    uint8_t *entry = memory + TABLE + 8 * index;

    le32_put(entry, (uint32_t)memory_bus + offset);
    le32_put(entry + 4, (size & 0xffff) | (last ? 0x80000000 : 0));
}

/* Everything that comes before the command. */
static void dma_prepare(uint8_t direction)
{
    out32(BM + 4, (uint32_t)memory_bus + TABLE);
    out8(BM, direction);
    out8(BM + 2, BM_ERROR | BM_INTERRUPT);
}

static void dma_begin(uint8_t direction, uint8_t code, uint32_t lba,
                      uint16_t count)
{
    dma_prepare(direction);
    if (code < 0x40)
        command48(code, lba, count);
    else
        command28(code, lba, (uint8_t)count);
    out8(BM, direction | BM_START);
}

static void dma_end(void)
{
    out8(BM, 0);
    assert_int_equal(in8(BM + 2), BM_INTERRUPT);
    assert_int_equal(in8(0x1f7), DRDY);
    out8(BM + 2, BM_INTERRUPT);
    assert_int_equal(in8(BM + 2), 0);
}

/* ---- Transfers ----------------------------------------------------------- */

static void test_dma_reads_into_pieces_of_memory(void **state)
{
    (void)state;
    plug();
    put_entry(0, 100, 700, false);
    put_entry(1, 0x10000, 65536, false);
    put_entry(2, 0x20000, 200 * 512 - 700 - 65536, true);
    dma_begin(BM_READ, 0xc8, 3, 200);
    assert_int_equal(in8(BM + 2), BM_ACTIVE);
    assert_int_equal(irqs[0], 0);
    run_all();
    assert_int_equal(irqs[0], 1);
    dma_end();
    assert_memory_equal(memory + 100, disk + 3 * 512, 700);
    assert_memory_equal(memory + 0x10000, disk + 3 * 512 + 700, 65536);
    assert_memory_equal(memory + 0x20000, disk + 3 * 512 + 700 + 65536,
                        200 * 512 - 700 - 65536);
    ide_model_check_idle(&model);
    assert_int_equal(channel->bm_starts, 1);
}

static void test_dma_writes_from_memory(void **state)
{
    static const struct {
        const char *name;
        uint8_t code;
        unsigned unflushed;
    } rows[] = {
        {"dma", 0xca, 2}, {"dma ext", 0x35, 2}, {"dma fua ext", 0x3d, 0}};

    (void)state;
    plug();
    for (unsigned i = 0; i < 3; i++) {
        drive->unflushed = 0;
        memset(memory, (int)(0x50 + i), 1024);
        put_entry(0, 0, 1024, true);
        dma_begin(0, rows[i].code, 10 * i, 2);
        run_all();
        dma_end();
        ROW(rows[i].name, disk[10 * i * 512] == 0x50 + i);
        ROW(rows[i].name, disk[10 * i * 512 + 1023] == 0x50 + i);
        ROW(rows[i].name, drive->unflushed == rows[i].unflushed);
    }
    put_entry(0, 0, 512, true);
    dma_begin(BM_READ, 0x25, 77, 1);
    run_all();
    dma_end();
    assert_memory_equal(memory, disk + 77 * 512, 512);
}

static void test_dma_waits_for_the_bus_master(void **state)
{
    (void)state;
    plug();
    put_entry(0, 0, 512, true);
    dma_prepare(BM_READ);
    command28(0xc8, 0, 1);
    run_all(); /* the drive is ready first */
    assert_int_equal(status_settled(), BSY);
    assert_int_equal(irqs[0], 0);
    out8(BM, BM_READ | BM_START);
    run_all();
    dma_end();
}

static void test_a_stop_in_the_middle_leaves_a_hung_drive(void **state)
{
    (void)state;
    plug();
    put_entry(0, 0, 65536, true);
    dma_begin(BM_READ, 0xc8, 0, 128);
    assert_true(ide_model_step(&model)); /* it takes the command */
    assert_true(ide_model_step(&model)); /* 16 sectors */
    out8(BM, 0);
    assert_int_equal(channel->bm_aborts, 1);
    assert_int_equal(in8(BM + 2), 0);
    memory[0] ^= 1; /* it is ours again */
    assert_false(ide_model_step(&model));
    assert_int_equal(status_settled(), BSY);
}

static void test_a_refused_command_leaves_the_bus_master_active(void **state)
{
    (void)state;
    plug();
    put_entry(0, 0, 512, true);
    dma_begin(BM_READ, 0xc8, SECTORS, 1);
    run_all();
    assert_int_equal(irqs[0], 1);
    assert_int_equal(in8(BM + 2), BM_ACTIVE | BM_INTERRUPT);
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    out8(BM, 0);
    assert_int_equal(in8(BM + 2), BM_INTERRUPT);
    assert_int_equal(channel->bm_aborts, 0);
}

static void test_dma_fails_in_the_middle(void **state)
{
    struct fault_plan plan = {.kind = FAULT_FAIL, .nth = 1};

    (void)state;
    plug();
    model.faults = &plan;
    memset(memory, 0, 4096);
    put_entry(0, 0, 4096, true);
    dma_begin(BM_READ, 0xc8, 8, 8);
    run_all();
    assert_int_equal(in8(BM + 2), BM_ACTIVE | BM_INTERRUPT);
    out8(BM, 0);
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(in8(0x1f3), 12);
    assert_memory_equal(memory, disk + 8 * 512, 2048);
    assert_int_equal(memory[2048], 0);

    plan = (struct fault_plan){.kind = FAULT_SHORT, .nth = 1};
    dma_begin(0, 0xca, 8, 8);
    run_all();
    assert_int_equal(in8(BM + 2), BM_ACTIVE | BM_INTERRUPT);
    assert_int_equal(in8(0x1f7), DRDY);
    out8(BM, 0);

    plan = (struct fault_plan){.kind = FAULT_NEVER, .nth = 1};
    dma_begin(0, 0xca, 8, 8);
    run_all();
    assert_int_equal(in8(BM + 2), BM_ACTIVE);
    out8(BM, 0);
    assert_int_equal(channel->bm_aborts, 1);
}

static void test_the_other_channel_has_its_own(void **state)
{
    (void)state;
    model.channel[1].drive[0] = *drive;
    model.simplex = true;
    plug();
    assert_int_equal(in8(BM + 2), 0x80);
    put_entry(0, 0, 512, true);
    out32(BM + 12, (uint32_t)memory_bus + TABLE);
    assert_int_equal(in32(BM + 12), memory_bus + TABLE);
    assert_int_equal(in32(BM + 4), 0);
    out8(BM + 8, BM_READ);
    out8(BM + 10, BM_INTERRUPT | 0x60);
    assert_int_equal(in8(BM + 10), 0xe0); /* DMA capable, for software */
    assert_int_equal(in8(0x177), DRDY);
    out8(0x172, 1);
    out8(0x173, 99);
    out8(0x176, LBA);
    out8(0x177, 0xc8);
    out8(BM + 8, BM_READ | BM_START);
    assert_int_equal(in8(BM + 8), BM_READ | BM_START);
    run_all();
    assert_int_equal(irqs[1], 1);
    assert_int_equal(irqs[0], 0);
    out8(BM + 8, 0);
    assert_memory_equal(memory, disk + 99 * 512, 512);
}

/* ---- The PCI function ---------------------------------------------------- */

static uint32_t bar_mask(unsigned bar)
{
    uint32_t before = hal_pci_read32(function, 0x10 + 4 * bar);
    uint32_t mask;

    hal_pci_write32(function, 0x10 + 4 * bar, UINT32_MAX);
    mask = hal_pci_read32(function, 0x10 + 4 * bar);
    hal_pci_write32(function, 0x10 + 4 * bar, before);
    assert_int_equal(hal_pci_read32(function, 0x10 + 4 * bar), before);
    return mask;
}

static void test_the_function_is_an_ide_controller(void **state)
{
    (void)state;
    plug();
    assert_int_equal(hal_pci_read32(function, 0), 0x70108086);
    assert_int_equal(hal_pci_read32(function, 8), 0x01018000);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bar_mask(i), 0);
    assert_int_equal(bar_mask(4), 0xfffffff1);
    assert_int_equal(bar_mask(5), 0);
    assert_int_equal(hal_pci_read32(function, 0x3c), 0x100 | IDE_MODEL_LINE);
    hal_pci_write32(function, 0x0c, 0x4000);
    assert_int_equal(hal_pci_read32(function, 0x0c), 0x4000);
    sim_check();
}

static void test_native_mode_has_bars(void **state)
{
    (void)state;
    model.prog_if = 0x8f;
    model.vendor_id = 0x1234;
    model.device_id = 0x5678;
    model.no_line = true;
    plug();
    assert_int_equal(hal_pci_read32(function, 0), 0x56781234);
    assert_int_equal(hal_pci_read32(function, 0x10), NATIVE | 1);
    assert_int_equal(bar_mask(0), 0xfffffff9);
    assert_int_equal(bar_mask(1), 0xfffffffd);
    assert_int_equal(hal_pci_read32(function, 0x3c), 0xff);
    model.prog_if = 0;
    model.bars_unset = true;
    sim_reset();
    plug();
    assert_int_equal(hal_pci_read32(function, 0x20), 0); /* no bus master */
    model.prog_if = 0x8f;
    sim_reset();
    plug();
    assert_int_equal(hal_pci_read32(function, 0x20), 1); /* without a place */
}

static void test_native_mode_interrupts_until_it_is_quieted(void **state)
{
    (void)state;
    model.prog_if = 0x85;
    plug();
    assert_int_equal(in8(NATIVE + 7), DRDY);
    assert_int_equal(in8(NATIVE + 0x12), DRDY);
    out8(NATIVE + 6, 0);
    out8(NATIVE + 7, 0xe7);
    run_all();
    assert_int_equal(line_irqs, 1);
    assert_int_equal(irqs[0], 0);
    assert_false(ide_model_step(&model));
    irqs_take();
    assert_int_equal(line_irqs, 2); /* level-triggered */
    for (int i = 0; i < 4; i++)
        (void)in8(NATIVE + 0x12);
    assert_int_equal(in8(NATIVE + 7), DRDY);
    run_all();
    assert_int_equal(line_irqs, 2);
    assert_int_equal(in8(BM + 2), BM_INTERRUPT);
    out8(NATIVE + 0x12, NIEN);
    assert_int_equal(channel->control, NIEN);

    hal_pci_write32(function, 4, 0x405); /* no INTx */
    out8(NATIVE + 0x12, 0);
    out8(NATIVE + 7, 0xe7);
    run_all();
    assert_int_equal(line_irqs, 2);
}

static void test_a_mode_changes_where_it_may(void **state)
{
    (void)state;
    model.prog_if = 0x82; /* the first channel may */
    plug();
    hal_pci_write32(function, 8, 0x0500);
    assert_int_equal(hal_pci_read32(function, 8) >> 8 & 0xff, 0x83);
    assert_int_equal(in8(NATIVE + 7), DRDY);
    assert_int_equal(in8(0x177), 0x7f);
    hal_pci_write32(function, 8, 0);
    assert_int_equal(in8(0x1f7), DRDY);
}

static void test_a_channel_that_is_not_decoded_is_not_there(void **state)
{
    (void)state;
    plug();
    hal_pci_write32(function, 0x40, 0x80000000);
    assert_int_equal(hal_pci_read32(function, 0x40), 0x80000000);
    assert_int_equal(in8(0x1f7), 0xff);
    assert_int_equal(in8(0x3f6), 0xff);
    assert_int_equal(in16(0x1f0), 0xffff);
    out8(0x1f7, 0xe7);
    out8(0x3f6, 2);
    assert_int_equal(drive->commands[0xe7], 0);
    assert_int_equal(in8(0x177), 0x7f);
}

/* ---- Breaches ------------------------------------------------------------ */

static void good_table(void)
{
    put_entry(0, 0, 512, true);
}

static void breach_not_wanted(void *arg)
{
    (void)arg;
    dma_prepare(BM_READ);
    out8(BM, BM_READ | BM_START);
}

static void breach_no_table(void *arg)
{
    (void)arg;
    out8(BM, BM_READ);
    out8(BM + 2, BM_INTERRUPT);
    command28(0xc8, 0, 1);
    out8(BM, BM_READ | BM_START);
}

static void breach_no_master(void *arg)
{
    (void)arg;
    hal_pci_write32(function, 4, 1);
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_master_lost(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    hal_pci_write32(function, 4, 1);
    run_all();
}

static void breach_not_cleared(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    run_all();
    (void)in8(0x1f7);
    out8(BM, 0);
    out32(BM + 4, (uint32_t)memory_bus + TABLE);
    command28(0xc8, 0, 1);
    out8(BM, BM_READ | BM_START);
}

static void breach_direction(void *arg)
{
    (void)arg;
    dma_begin(0, 0xc8, 0, 1);
}

static void breach_direction_out(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0x35, 0, 1);
}

static void breach_direction_change(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    out8(BM, BM_START);
}

static void breach_start_twice(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    out8(BM, BM_READ | BM_START);
}

static void breach_simplex(void *arg)
{
    (void)arg;
    model.simplex = true;
    model.channel[1].bm_running = true;
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_table_short(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 2);
    run_all();
}

static void breach_table_odd(void *arg)
{
    (void)arg;
    put_entry(0, 1, 512, true);
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_table_reserved(void *arg)
{
    (void)arg;
    memory[TABLE + 6] = 1;
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_table_boundary(void *arg)
{
    (void)arg;
    put_entry(0, 0x10000 - 256, 512, true);
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_table_crosses(void *arg)
{
    (void)arg;
    le32_put(memory + 0xfff8, (uint32_t)memory_bus);
    le32_put(memory + 0xfffc, 256);
    le32_put(memory + 0x10000, (uint32_t)memory_bus);
    le32_put(memory + 0x10004, 0x80000000 | 256);
    out32(BM + 4, (uint32_t)memory_bus + 0xfff8);
    out8(BM, BM_READ);
    out8(BM + 2, BM_INTERRUPT);
    command28(0xc8, 0, 1);
    out8(BM, BM_READ | BM_START);
}

static void breach_table_endless(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < IDE_MODEL_REGIONS; i++) {
        le32_put(memory + 0x10000 + 8 * i, (uint32_t)memory_bus);
        le32_put(memory + 0x10004 + 8 * i, 2);
    }
    out32(BM + 4, (uint32_t)memory_bus + 0x10000);
    out8(BM, BM_READ);
    out8(BM + 2, BM_INTERRUPT);
    command28(0xc8, 0, 1);
    out8(BM, BM_READ | BM_START);
}

static void breach_table_nowhere(void *arg)
{
    (void)arg;
    put_entry(0, 0x8000000, 512, true);
    dma_begin(BM_READ, 0xc8, 0, 1);
}

static void breach_table_unaligned(void *arg)
{
    (void)arg;
    out32(BM + 4, (uint32_t)memory_bus + 2);
}

static void breach_table_moved(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    out32(BM + 4, (uint32_t)memory_bus);
}

static void breach_buffer_touched(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    memory[5] ^= 1;
    run_all();
}

static void breach_buffer_touched_before_stop(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, SECTORS, 1);
    run_all();
    memory[5] ^= 1;
    out8(BM, 0);
}

static void breach_table_touched(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    memory[TABLE + 4] ^= 2;
    run_all();
}

static void breach_command_reserved(void *arg)
{
    (void)arg;
    out8(BM, 2);
}

static void breach_read_width(void *arg)
{
    (void)arg;
    (void)in16(BM + 2);
}

static void breach_write_width(void *arg)
{
    (void)arg;
    out8(BM + 4, 0);
}

static void breach_no_mode(void *arg)
{
    (void)arg;
    drive->dma_mode = 0;
    dma_begin(BM_READ, 0xc8, 0, 1);
    run_all();
}

static void breach_command_while_running(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, SECTORS, 1);
    run_all();
    command28(0xe7, 0, 0);
}

static void breach_held(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    ide_model_check_idle(&model);
}

static void breach_not_stopped(void *arg)
{
    (void)arg;
    dma_begin(BM_READ, 0xc8, 0, 1);
    run_all();
    ide_model_check_idle(&model);
}

static void breach_io_off(void *arg)
{
    (void)arg;
    hal_pci_write32(function, 4, 0);
    (void)in8(0x1f7);
}

static void breach_bar_missing(void *arg)
{
    (void)arg;
    (void)in8(NATIVE + 7);
}

static void breach_bar_moved(void *arg)
{
    (void)arg;
    hal_pci_write32(function, 0x20, 0xd001);
    (void)in8(BM);
}

static void breach_legacy_in_native(void *arg)
{
    (void)arg;
    hal_pci_write32(function, 8, 0x100);
    model.config[9] |= 1;
    (void)in8(0x1f7);
}

static void breach_native_control(void *arg)
{
    (void)arg;
    model.config[9] |= 1;
    (void)in8(NATIVE + 0x10);
}

static void breach_mode_while_held(void *arg)
{
    (void)arg;
    model.config[9] |= 2;
    dma_begin(BM_READ, 0xc8, 0, 1);
    hal_pci_write32(function, 8, 0x100);
}

static void breach_config_read_only(void *arg)
{
    (void)arg;
    hal_pci_write32(function, 0, 0);
}

static void breach_never_quiet(void *arg)
{
    (void)arg;
    model.config[9] |= 1;
    out8(NATIVE + 7, 0xe7);
    for (int i = 0; i < 200000; i++)
        (void)ide_model_step(&model);
}

static void test_breaches(void **state)
{
    static const struct {
        void (*fn)(void *);
        const char *text;
    } rows[] = {
        {breach_not_wanted, "no DMA command was given"},
        {breach_no_table, "without a PRD table"},
        {breach_no_master, "the function may not access memory"},
        {breach_master_lost, "may not access memory any more"},
        {breach_not_cleared, "was not cleared"},
        {breach_direction, "wrong direction"},
        {breach_direction_out, "wrong direction"},
        {breach_direction_change, "the direction changed"},
        {breach_start_twice, "started again without a stop"},
        {breach_simplex, "both channels of a simplex controller"},
        {breach_table_short, "has 512 bytes, the command transfers 1024"},
        {breach_table_odd, "PRD 0: an odd address or length"},
        {breach_table_reserved, "PRD 0: reserved bits"},
        {breach_table_boundary, "cross 64 KiB"},
        {breach_table_crosses, "the PRD table crosses 64 KiB"},
        {breach_table_endless, "a PRD table without an end"},
        {breach_table_nowhere, "is no memory a device may reach"},
        {breach_table_unaligned, "not a multiple of 4"},
        {breach_table_moved, "the PRD pointer is written while"},
        {breach_buffer_touched, "memory 0 of the PRD table changed"},
        {breach_buffer_touched_before_stop,
         "memory 0 of the PRD table changed"},
        {breach_table_touched, "the PRD table changed"},
        {breach_command_reserved, "bus master command 0x2: reserved bits"},
        {breach_read_width, "bus master register 2 read with 2 bytes"},
        {breach_write_width, "bus master register 4 written with 1 bytes"},
        {breach_no_mode, "no DMA mode is set"},
        {breach_command_while_running, "while the bus master still runs"},
        {breach_held, "channel 0 still holds memory"},
        {breach_not_stopped, "of channel 0 was not stopped"},
        {breach_io_off, "may not answer to ports"},
        {breach_bar_missing, "a port of BAR 0, which is not there"},
        {breach_bar_moved, "a port of BAR 4, which leads elsewhere"},
        {breach_legacy_in_native, "a port of compatibility mode"},
        {breach_native_control, "control block offset 0 accessed"},
        {breach_mode_while_held, "changes its mode while it works"},
        {breach_config_read_only, "configuration register 0 is read-only"},
        {breach_never_quiet, "nobody quiets the interrupt of channel 0"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        model_fresh();
        plug();
        good_table();
        ROW(rows[i].text, model_breaches(rows[i].fn, NULL, rows[i].text));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dma_reads_into_pieces_of_memory),
        TEST(test_dma_writes_from_memory),
        TEST(test_dma_waits_for_the_bus_master),
        TEST(test_a_stop_in_the_middle_leaves_a_hung_drive),
        TEST(test_a_refused_command_leaves_the_bus_master_active),
        TEST(test_dma_fails_in_the_middle),
        TEST(test_the_other_channel_has_its_own),
        TEST(test_the_function_is_an_ide_controller),
        TEST(test_native_mode_has_bars),
        TEST(test_native_mode_interrupts_until_it_is_quieted),
        TEST(test_a_mode_changes_where_it_may),
        TEST(test_a_channel_that_is_not_decoded_is_not_there),
        TEST(test_breaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
