/* What the model of the e1000 does not let a driver do: each rule once. */
#include "tests/unit/drivers/e1000_hand.h"

enum { CTRL = 0, RCTL = 0x100, TCTL = 0x400, RDT = 0x2818, TDT = 0x3818 };

/* One rule: fn() breaks it on a card of this kind that stands like that. */
struct rule {
    const char *name;
    void (*stand)(enum e1000_chip chip);
    enum e1000_chip chip;
    void (*fn)(void *arg);
    const char *says;
};

static void rules_check(const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rules[i].stand(rules[i].chip);
        ROW(rules[i].name, model_breaches(rules[i].fn, NULL, rules[i].says));
        machine_detach();
        clock_set(0);
    }
}

static void steps(void)
{
    while (e1000_model_step(&model))
        continue;
}

static void bar_map(void)
{
    assert_int_equal(hal_io_map(HAL_IO_MEMORY, 0xf0000000 + 0x100000 * SLOT,
                                E1000_MODEL_BAR_SIZE, &bar),
                     0);
}

/* ---- PCI ----------------------------------------------------------------- */

static void no_memory_space(void *arg)
{
    (void)arg;
    bar_map();
    (void)reg(8);
}

static void moved_bar(void *arg)
{
    (void)arg;
    bar_map();
    config_set(4, 6);
    config_set(0x10, UINT32_MAX);
    (void)reg(8);
}

static void no_bus_master(void *arg)
{
    (void)arg;
    config_set(4, 2);
    rx_give(0, 1);
}

static void read_only_config(void *arg)
{
    (void)arg;
    config_set(0, 1);
}

static void reserved_command(void *arg)
{
    (void)arg;
    config_set(4, 0x0800);
}

static void read_by_bytes(void *arg)
{
    (void)arg;
    (void)hal_io_read8(bar, 8);
}

static void written_by_words(void *arg)
{
    (void)arg;
    hal_io_write16(bar, 0x410, 1);
}

static void no_register(void *arg)
{
    (void)arg;
    (void)reg(0x0c);
}

static void of_the_other_chip(void *arg)
{
    (void)arg;
    set(0xe4, 0);
}

static void write_only(void *arg)
{
    (void)arg;
    (void)reg(0xd8);
}

static void statistics_written(void *arg)
{
    (void)arg;
    set(0x4074, 0);
}

static void reserved_bits(void *arg)
{
    (void)arg;
    set(RCTL, 1);
}

static void reserved_address_bits(void *arg)
{
    (void)arg;
    set(0x540c, 0x80100000);
}

static void reserved_causes(void *arg)
{
    (void)arg;
    set(0xd0, 1 << 5);
}

static const struct rule pci_rules[] = {
    {"memory space is off", plug, 0, no_memory_space, "COMMAND does not"},
    {"the BAR is moved", plug, 0, moved_bar, "at another address"},
    {"no bus master", prepare, 0, no_bus_master, "not bus master"},
    {"a read-only register", plug, 0, read_only_config, "read-only"},
    {"reserved bits of COMMAND", plug, 0, reserved_command, "COMMAND"},
    {"a byte", wake_up, 0, read_by_bytes, "read with 1 bytes"},
    {"a word", wake_up, 0, written_by_words, "written with 2 bytes"},
    {"no register", wake_up, 0, no_register, "0xc is not for reading"},
    {"a register of another chip", wake_up, 0, of_the_other_chip,
     "0xe4 is not for writing"},
    {"write-only", wake_up, 0, write_only, "0xd8 is not for reading"},
    {"a statistic", wake_up, 0, statistics_written, "not for writing"},
    {"reserved bits", wake_up, 0, reserved_bits, "reserved bits change"},
    {"reserved bits of RAH", wake_up, 0, reserved_address_bits, "of RAH"},
    {"reserved causes", wake_up, 0, reserved_causes, "reserved causes 0x20"},
};

static void test_breach_of_pci_and_registers(void **state)
{
    (void)state;
    rules_check(pci_rules, COUNT_OF(pci_rules));
}

/* ---- Requests and resets ------------------------------------------------- */

static void reset_read_at_once(void *arg)
{
    (void)arg;
    set(CTRL, 1 << 26);
    (void)reg(CTRL);
}

static void reset_and_another(void *arg)
{
    (void)arg;
    set(CTRL, 1 << 26);
    clock_set(clock_now() + 1000);
    (void)reg(8);
}

static void reset_twice(void *arg)
{
    (void)arg;
    set(CTRL, 1 << 26);
    set(CTRL, 1 << 26);
}

static void eeprom_without_start(void *arg)
{
    (void)arg;
    set(0x14, 1 << 8);
}

static void eeprom_twice(void *arg)
{
    (void)arg;
    set(0x14, 1);
    set(0x14, 1 | 1 << 8);
}

static void eeprom_too_far(void *arg)
{
    (void)arg;
    set(0x14, 64 << 8 | 1);
}

static void phy_twice(void *arg)
{
    (void)arg;
    set(0x20, 2 << 26 | 1 << 21);
    set(0x20, 2 << 26 | 1 << 21);
}

static void phy_no_operation(void *arg)
{
    (void)arg;
    set(0x20, 3 << 26 | 1 << 21);
}

static void phy_ready_written(void *arg)
{
    (void)arg;
    set(0x20, 1 << 28 | 2 << 26 | 1 << 21);
}

static void phy_read_only(void *arg)
{
    (void)arg;
    set(0x20, 1 << 26 | 1 << 21 | 2 << 16);
    steps();
}

static const struct rule request_rules[] = {
    {"CTRL at once", wake_up, 0, reset_read_at_once, "within 1 us"},
    {"another register", wake_up, 0, reset_and_another, "during a reset"},
    {"a reset in a reset", wake_up, 0, reset_twice, "during a reset"},
    {"EEPROM without START", wake_up, 0, eeprom_without_start, "START"},
    {"EEPROM twice", wake_up, 0, eeprom_twice, "before the last read"},
    {"EEPROM word 64", wake_up, 0, eeprom_too_far, "EEPROM word 64"},
    {"PHY twice", wake_up, 0, phy_twice, "before the last operation"},
    {"PHY operation 3", wake_up, 0, phy_no_operation, "MDIC operation 3"},
    {"PHY ready", wake_up, 0, phy_ready_written, "the ready bit"},
    {"PHY read-only", wake_up, 0, phy_read_only, "PHY register 2"},
};

static void test_breach_of_requests(void **state)
{
    (void)state;
    rules_check(request_rules, COUNT_OF(request_rules));
}

/* ---- Rings --------------------------------------------------------------- */

static void ring_unaligned(void *arg)
{
    (void)arg;
    set(0x2800, 8);
}

static void ring_odd_length(void *arg)
{
    (void)arg;
    set(0x2808, 64);
}

static void ring_too_long(void *arg)
{
    (void)arg;
    set(0x3808, 0x80000);
}

static void head_beyond(void *arg)
{
    (void)arg;
    set(0x2810, RING);
}

static void tail_beyond(void *arg)
{
    (void)arg;
    set(RDT, RING);
}

static void tail_without_length(void *arg)
{
    (void)arg;
    set(RDT, 1);
}

static void tail_passes_head(void *arg)
{
    (void)arg;
    rx_give(0, RING - 1);
    rx_give(RING - 1, 2);
}

static void tail_goes_back(void *arg)
{
    (void)arg;
    rx_give(0, 5);
    set(RDT, 4);
}

static void ring_moved_while_on(void *arg)
{
    (void)arg;
    set(0x2808, 128);
}

static void ring_moved_while_held(void *arg)
{
    (void)arg;
    set(RCTL, 0);
    set(0x2810, 0);
}

static void ring_unmapped(void *arg)
{
    (void)arg;
    set(0x2804, 0xffff);
    rx_give(0, 1);
}

static void buffer_unmapped(void *arg)
{
    (void)arg;
    le64_put(rx_ring, 0);
    set(RDT, 1);
}

static void given_with_done(void *arg)
{
    (void)arg;
    le64_put(rx_ring, hal_dma_addr(buffer(0)));
    rx_ring[12] = 1;
    set(RDT, 1);
}

static void enabled_without_ring(void *arg)
{
    (void)arg;
    table_clear();
    set(RCTL, 2);
}

static void enabled_without_table(void *arg)
{
    (void)arg;
    rings_set(0);
    set(RCTL, 2);
}

static void transmit_without_ring(void *arg)
{
    (void)arg;
    set(0x410, 10);
    set(TCTL, 2);
}

static void transmit_without_gap(void *arg)
{
    (void)arg;
    rings_set(0);
    set(TCTL, 2);
}

static void size_reserved(void *arg)
{
    (void)arg;
    set(RCTL, 1 << 25);
}

static void size_changes(void *arg)
{
    (void)arg;
    set(RCTL, reg(RCTL) | 1 << 16);
}

static void loopback_reserved(void *arg)
{
    (void)arg;
    set(RCTL, 2 | 3 << 6);
}

static void kind_changes(void *arg)
{
    (void)arg;
    set(0x5008, 1 << 15);
}

static void scaling_without_ring(void *arg)
{
    (void)arg;
    set(0x5818, 1);
    set(RCTL, 2);
}

static const struct rule ring_rules[] = {
    {"not aligned", wake_up, 0, ring_unaligned, "multiple of 16"},
    {"an odd length", wake_up, 0, ring_odd_length, "multiple of 128"},
    {"too long", wake_up, 0, ring_too_long, "too long"},
    {"a head beyond", prepare, 0, head_beyond, "receive head 16"},
    {"a tail beyond", prepare, 0, tail_beyond, "receive tail 16"},
    {"no length", wake_up, 0, tail_without_length, "has a length"},
    {"over the head", prepare, 0, tail_passes_head, "passes the head"},
    {"backwards", prepare, 0, tail_goes_back, "passes the head"},
    {"moved while on", start, 0, ring_moved_while_on, "while it is enabled"},
    {"moved while held", start, 0, ring_moved_while_held, "holds its"},
    {"a ring nowhere", prepare, 0, ring_unmapped, "a descriptor at"},
    {"a buffer nowhere", prepare, 0, buffer_unmapped, "a buffer at 0"},
    {"DD is set", prepare, 0, given_with_done, "with DD set"},
    {"no ring to receive", wake_up, 0, enabled_without_ring,
     "the receiver is enabled before its ring"},
    {"no multicast table", wake_up, 0, enabled_without_table, "multicast"},
    {"no ring to transmit", wake_up, 0, transmit_without_ring,
     "the transmitter is enabled before its ring"},
    {"no gap", wake_up, 0, transmit_without_gap, "TIPG"},
    {"no such size", prepare, 0, size_reserved, "BSEX with BSIZE 0"},
    {"another size", start, 0, size_changes, "size of receive buffers"},
    {"no such loopback", prepare, 0, loopback_reserved, "loopback"},
    {"another kind", start, E1000_82574L, kind_changes, "kind of receive"},
    {"no second ring", prepare, E1000_82574L, scaling_without_ring,
     "the receiver is enabled before its ring"},
};

static void test_breach_of_rings(void **state)
{
    (void)state;
    rules_check(ring_rules, COUNT_OF(ring_rules));
}

/* ---- What the device holds ----------------------------------------------- */

static void arrive(void)
{
    uint8_t frame[60];

    assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
    steps();
}

static void rx_descriptor_touched(void *arg)
{
    (void)arg;
    rx_ring[8] = 1;
    arrive();
}

static void rx_buffer_touched(void *arg)
{
    (void)arg;
    buffer(0)[2047]++;
    arrive();
}

static void rx_buffer_touched_at_reset(void *arg)
{
    (void)arg;
    buffer(5)[0]++;
    set(CTRL, 1 << 26);
}

static void rx_touched_while_off(void *arg)
{
    (void)arg;
    set(RCTL, 0);
    buffer(5)[0]++;
    e1000_model_check(&model);
}

static void rx_memory_freed(void *arg)
{
    (void)arg;
    dma_free(buffers, PAGES);
    arrive();
}

static void tx_send(uint8_t command)
{
    frame_make(buffer(RING), 60);
    tx_put(0, 60, command);
    set(TDT, 1);
}

static void tx_descriptor_touched(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS);
    tx_ring[11] |= RS;
    steps();
}

static void tx_buffer_touched(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS);
    buffer(RING)[59]++;
    steps();
}

static void tx_buffer_touched_at_reset(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS);
    buffer(RING)[59]++;
    set(CTRL, 1 << 26);
}

static void tx_touched_while_off(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS);
    set(TCTL, 0);
    buffer(RING)[59]++;
    e1000_model_check(&model);
}

static const struct rule owner_rules[] = {
    {"a receive descriptor", start, 0, rx_descriptor_touched,
     "receive descriptor 0 changed"},
    {"a receive buffer", start, 0, rx_buffer_touched,
     "buffer of receive descriptor 0"},
    {"at a reset", start, 0, rx_buffer_touched_at_reset,
     "buffer of receive descriptor 5"},
    {"while it is off", start, 0, rx_touched_while_off,
     "buffer of receive descriptor 5"},
    {"freed", start, 0, rx_memory_freed, "a buffer at"},
    {"a transmit descriptor", start, 0, tx_descriptor_touched,
     "transmit descriptor 0 changed"},
    {"a transmit buffer", start, 0, tx_buffer_touched,
     "buffer of transmit descriptor 0"},
    {"transmit, at a reset", start, 0, tx_buffer_touched_at_reset,
     "buffer of transmit descriptor 0"},
    {"transmit, while it is off", start, 0, tx_touched_while_off,
     "buffer of transmit descriptor 0"},
};

static void test_breach_of_owners(void **state)
{
    (void)state;
    rules_check(owner_rules, COUNT_OF(owner_rules));
}

/* ---- What is sent -------------------------------------------------------- */

static void no_check_sequence(void *arg)
{
    (void)arg;
    tx_send(EOP);
    steps();
}

static void reserved_command_bit(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS | 16);
}

static void status_set(void *arg)
{
    (void)arg;
    tx_put(0, 60, EOP | IFCS);
    tx_ring[12] = 1;
    set(TDT, 1);
}

static void descriptor_too_long(void *arg)
{
    (void)arg;
    tx_put(0, 16289, EOP | IFCS);
    set(TDT, 1);
}

static void no_such_type(void *arg)
{
    (void)arg;
    tx_put(0, 60, EOP | IFCS | DEXT);
    tx_ring[10] = 2 << 4;
    set(TDT, 1);
}

static void reserved_options(void *arg)
{
    (void)arg;
    tx_put(0, 60, EOP | IFCS | DEXT);
    tx_ring[10] = 1 << 4;
    tx_ring[13] = 4;
    set(TDT, 1);
}

static void sixteen_bytes(void *arg)
{
    (void)arg;
    tx_put(0, 16, EOP | IFCS);
    set(TDT, 1);
    steps();
}

static void no_padding(void *arg)
{
    (void)arg;
    set(TCTL, reg(TCTL) & ~8U);
    tx_put(0, 59, EOP | IFCS);
    set(TDT, 1);
    steps();
}

static void more_than_the_fifo(void *arg)
{
    (void)arg;
    tx_put(0, 16000, 0);
    tx_put(1, 1000, EOP | IFCS);
    set(TDT, 2);
    steps();
}

static void empty_within(void *arg)
{
    (void)arg;
    tx_put(0, 60, 0);
    tx_put(1, 0, EOP | IFCS);
    set(TDT, 2);
    steps();
}

static void tag_without_vme(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS | VLE);
    steps();
}

static void context_put(uint8_t command, uint8_t header, uint16_t mss,
                        uint32_t payload)
{
    memset(tx_ring, 0, 16);
    tx_ring[0] = 14;
    tx_ring[1] = 24;
    le16_put(tx_ring + 2, 33);
    tx_ring[4] = 34;
    tx_ring[5] = 50;
    le32_put(tx_ring + 8, payload);
    tx_ring[11] = command | DEXT;
    tx_ring[13] = header;
    le16_put(tx_ring + 14, mss);
}

static void data_put(unsigned index, uint32_t len, uint8_t command,
                     uint8_t options)
{
    tx_put(index, 0, command | DEXT);
    le32_put(tx_ring + 16 * index + 8,
             len | 1 << 20 | (uint32_t)(command | DEXT) << 24);
    tx_ring[16 * index + 13] = options;
}

static void sum_without_context(void *arg)
{
    (void)arg;
    data_put(0, 60, EOP | IFCS, 1);
    set(TDT, 1);
    steps();
}

static void sum_outside(void *arg)
{
    (void)arg;
    context_put(0, 0, 0, 0);
    data_put(1, 51, EOP | IFCS, 2);
    set(TDT, 2);
    steps();
}

static void context_within(void *arg)
{
    (void)arg;
    context_put(0, 0, 0, 0);
    memcpy(tx_ring + 16, tx_ring, 16);
    data_put(0, 60, 0, 0);
    data_put(2, 60, EOP | IFCS, 0);
    set(TDT, 3);
    steps();
}

static void two_kinds(void *arg)
{
    (void)arg;
    data_put(0, 60, 0, 0);
    tx_put(1, 60, EOP | IFCS);
    set(TDT, 2);
    steps();
}

static void segmented_in_part(void *arg)
{
    (void)arg;
    context_put(TSE | 3, 54, 100, 100);
    data_put(1, 54, TSE | IFCS, 3);
    data_put(2, 100, EOP | IFCS, 3);
    set(TDT, 3);
    steps();
}

static void segments_of_nothing(void *arg)
{
    (void)arg;
    context_put(TSE | 3, 54, 0, 100);
    set(TDT, 1);
}

static void segments_without_context(void *arg)
{
    (void)arg;
    context_put(3, 54, 100, 100);
    data_put(1, 154, EOP | TSE | IFCS, 3);
    set(TDT, 2);
    steps();
}

static void segments_of_another_length(void *arg)
{
    (void)arg;
    context_put(TSE | 3, 54, 100, 100);
    data_put(1, 153, EOP | TSE | IFCS, 3);
    set(TDT, 2);
    steps();
}

static void segments_without_header(void *arg)
{
    (void)arg;
    context_put(TSE | 3, 42, 100, 100);
    tx_ring[5] = 41;
    data_put(1, 142, EOP | TSE | IFCS, 3);
    set(TDT, 2);
    steps();
}

static const struct rule send_rules[] = {
    {"no IFCS", start, 0, no_check_sequence, "IFCS"},
    {"a reserved command", start, 0, reserved_command_bit, "command"},
    {"DD is set", start, 0, status_set, "status 0x1"},
    {"too long", start, 0, descriptor_too_long, "16289 bytes"},
    {"no such type", start, 0, no_such_type, "type 2"},
    {"reserved options", start, 0, reserved_options, "options: 0x4"},
    {"16 bytes", start, 0, sixteen_bytes, "16 bytes is sent"},
    {"no padding", start, 0, no_padding, "PSP"},
    {"more than the FIFO", start, 0, more_than_the_fifo, "the FIFO has"},
    {"an empty piece", start, 0, empty_within, "empty descriptor"},
    {"a tag without VME", start, 0, tag_without_vme, "VME"},
    {"no context", start, 0, sum_without_context, "there is a context"},
    {"a sum outside", start, 0, sum_outside, "put at 50"},
    {"a context within", start, 0, context_within, "in the middle"},
    {"two kinds", start, 0, two_kinds, "legacy and of data"},
    {"segmented in part", start, 0, segmented_in_part, "in part"},
    {"segments of nothing", start, 0, segments_of_nothing, "segments of 0"},
    {"no context for it", start, 0, segments_without_context,
     "without a context for it"},
    {"another length", start, 0, segments_of_another_length,
     "a packet of 153 bytes"},
    {"too short a header", start, 0, segments_without_header,
     "do not fit in 42"},
};

static void test_breach_of_what_is_sent(void **state)
{
    (void)state;
    rules_check(send_rules, COUNT_OF(send_rules));
}

/* ---- MSI-X --------------------------------------------------------------- */

static struct hal_io table;

static void msix(enum e1000_chip chip)
{
    uint64_t addr;
    uint32_t data;
    int irq;

    wake_up(chip);
    assert_int_equal(hal_io_map(HAL_IO_MEMORY,
                                0xf0000000 + 0x100000 * SLOT + 0x80000, 0x4000,
                                &table),
                     0);
    irq = hal_irq_msi(0, &addr, &data);
    assert_int_equal(hal_irq_attach(irq, 0, interrupted, NULL), 0);
    hal_io_write32(table, 0, (uint32_t)addr);
    hal_io_write32(table, 4, (uint32_t)(addr >> 32));
    hal_io_write32(table, 8, data);
    config_set(0xa0, 0x80000000);
}

static void cause_without_vector(void *arg)
{
    (void)arg;
    set(0xd0, 1 << 20);
    set(0xc8, 1 << 20);
}

static void vector_that_is_not(void *arg)
{
    (void)arg;
    set(0xe4, 13);
    set(0xd0, 1 << 20);
    set(0xc8, 1 << 20);
}

static void entry_of_nothing(void *arg)
{
    (void)arg;
    hal_io_write32(table, 16 + 12, 0);
    set(0xe4, 9);
    set(0xd0, 1 << 20);
    set(0xc8, 1 << 20);
}

static void entry_changes(void *arg)
{
    (void)arg;
    hal_io_write32(table, 12, 0);
    hal_io_write32(table, 8, 0);
}

static void entry_by_words(void *arg)
{
    (void)arg;
    hal_io_write16(table, 8, 0);
}

static void entry_read_by_bytes(void *arg)
{
    (void)arg;
    (void)hal_io_read8(table, 8);
}

static void entry_unaligned(void *arg)
{
    (void)arg;
    hal_io_write32(table, 0, 0xfee00001);
}

static void entry_reserved(void *arg)
{
    (void)arg;
    hal_io_write32(table, 12, 2);
}

static void entry_beyond(void *arg)
{
    (void)arg;
    hal_io_write32(table, 16 * 5, 0);
}

static void pending_beyond(void *arg)
{
    (void)arg;
    (void)hal_io_read32(table, 0x2008);
}

static void control_reserved(void *arg)
{
    (void)arg;
    config_set(0xa0, 0x88000000);
}

static void message_without_master(void *arg)
{
    (void)arg;
    config_set(4, 2);
    hal_io_write32(table, 12, 0);
    config_set(4, 2);
    set(0xe4, 8);
    set(0xd0, 1 << 20);
    set(0xc8, 1 << 20);
}

static const struct rule msix_rules[] = {
    {"no vector", msix, E1000_82574L, cause_without_vector, "no vector"},
    {"vector 5", msix, E1000_82574L, vector_that_is_not, "vector 5"},
    {"an empty entry", msix, E1000_82574L, entry_of_nothing, "no interrupt"},
    {"an entry changes", msix, E1000_82574L, entry_changes, "not masked"},
    {"a word", msix, E1000_82574L, entry_by_words, "2 bytes at 0x8"},
    {"a byte", msix, E1000_82574L, entry_read_by_bytes, "1 bytes at 0x8"},
    {"not aligned", msix, E1000_82574L, entry_unaligned, "multiple of 4"},
    {"reserved", msix, E1000_82574L, entry_reserved, "vector control"},
    {"beyond", msix, E1000_82574L, entry_beyond, "at 0x50"},
    {"pending bits beyond", msix, E1000_82574L, pending_beyond, "pending"},
    {"control", msix, E1000_82574L, control_reserved, "MSI-X control"},
    {"no bus master", msix, E1000_82574L, message_without_master,
     "not bus master"},
};

static void test_breach_of_msix(void **state)
{
    (void)state;
    rules_check(msix_rules, COUNT_OF(msix_rules));
}

/* What breaks no rule does not breach. */
static void nothing(void *arg)
{
    (void)arg;
    tx_send(EOP | IFCS);
    arrive();
}

static void test_no_breach(void **state)
{
    (void)state;
    start(E1000_82540EM);
    assert_false(model_breaches(nothing, NULL, ""));
    assert_int_equal(got_count, 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_breach_of_pci_and_registers),
        cmocka_unit_test(test_breach_of_requests),
        cmocka_unit_test(test_breach_of_rings),
        cmocka_unit_test(test_breach_of_owners),
        cmocka_unit_test(test_breach_of_what_is_sent),
        cmocka_unit_test(test_breach_of_msix),
        cmocka_unit_test(test_no_breach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
