/* The model of the NE2000, driven by hand: what it does, and what it does not
 * let a driver do. Expected values come from the data sheets. */
#include "hal/hal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/ne2000_model.h"
#include <string.h>
#include <torc/compiler.h>
#include <torc/thread.h>

enum {
    SLOT = 3,
    TX = 0x40,    /* pages: 0x40 to 0x45 to send, */
    START = 0x46, /* 0x46 to 0x7f to receive */
    STOP = 0x80,
};

static struct ne2000_model model;
static struct hal_io io;
static uint8_t got[1600];
static size_t got_len;
static unsigned got_count;
static unsigned interrupts;

static uint8_t reg(size_t at)
{
    return hal_io_read8(io, at);
}

static void set(size_t at, uint8_t value)
{
    hal_io_write8(io, at, value);
}

static void config_set(unsigned at, uint32_t value)
{
    const struct hal_pci_addr where = {0, SLOT, 0};

    hal_pci_write32(where, at, value);
}

static void sent(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    memcpy(got, frame, len);
    got_len = len;
    got_count++;
}

static void interrupted(void *arg)
{
    (void)arg;
    interrupts++;
}

static void settle(void)
{
    thread_yield();
    thread_yield();
}

static unsigned steps(void)
{
    unsigned count = 0;

    while (ne2000_model_step(&model))
        count++;
    return count;
}

static void plug(void)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    memcpy(model.mac, (const uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}, 6);
    model.sent = sent;
    got_count = interrupts = 0;
    clock_set(UINT64_C(1000000000));
    machine_attach(4 << 20);
    ne2000_model_plug(&model, SLOT);
    config_set(4, 1);
    assert_int_equal(
        hal_io_map(HAL_IO_PORT, NE2000_MODEL_PORTS + 0x100 * SLOT, 32, &io), 0);
    assert_int_equal(hal_irq_attach(NE2000_MODEL_LINE, 0, interrupted, NULL),
                     0);
}

static void unplug(void)
{
    machine_detach();
    clock_set(0);
}

/* DS, "Initialization sequence", up to the start, for words. */
static void prepare(void)
{
    plug();
    set(0, 0x21);
    set(0x0e, 0x49); /* words, normal, FIFO of 8 bytes */
    set(0x0a, 0);
    set(0x0b, 0);
    set(0x0c, 0x04); /* broadcast */
    set(0x0d, 0x02); /* loopback */
    set(0x01, START);
    set(0x02, STOP);
    set(0x03, START);
    set(0x07, 0xff);
    set(0x0f, 0x7f);
    set(0, 0x61);
    for (unsigned i = 0; i < 6; i++)
        set(1 + i, model.mac[i]);
    for (unsigned i = 0; i < 8; i++)
        set(8 + i, 0);
    set(7, START + 1);
}

static void start(void)
{
    prepare();
    set(0, 0x22);
    set(0x0d, 0);
}

static void remote_begin(uint16_t at, uint16_t count, uint8_t command)
{
    set(0x08, (uint8_t)at);
    set(0x09, (uint8_t)(at >> 8));
    set(0x0a, (uint8_t)count);
    set(0x0b, (uint8_t)(count >> 8));
    set(0, command);
}

static void remote_end(void)
{
    unsigned reads = 0;

    while ((reg(7) & 0x40) == 0)
        assert_true(++reads < 10);
    set(7, 0x40);
}

static void remote_read(uint16_t at, uint8_t *data, uint16_t size)
{
    remote_begin(at, size, (reg(0) & 1) != 0 ? 0x09 : 0x0a);
    for (unsigned i = 0; i < size; i += 2)
        le16_put(data + i, hal_io_read16(io, 0x10));
    remote_end();
}

static void remote_write(uint16_t at, const uint8_t *data, uint16_t size)
{
    remote_begin(at, size, 0x12);
    for (unsigned i = 0; i < size; i += 2)
        hal_io_write16(io, 0x10, le16_get(data + i));
    remote_end();
}

static size_t frame_make(uint8_t *frame, size_t len)
{
    memcpy(frame, model.mac, 6);
    for (size_t i = 6; i < len; i++)
        frame[i] = (uint8_t)(i * 7);
    return len;
}

static void arrive(size_t len)
{
    uint8_t frame[1600];

    assert_true(ne2000_model_receive(&model, frame, frame_make(frame, len)));
    steps();
}

static void send(size_t len)
{
    uint8_t frame[1600];

    frame_make(frame, len);
    remote_write(TX << 8, frame, (uint16_t)((len + 1) & ~1U));
    set(4, TX);
    set(5, (uint8_t)len);
    set(6, (uint8_t)(len >> 8));
    set(0, 0x26);
}

/* ---- What it does -------------------------------------------------------- */

static void test_ne2000_identity_and_reset(void **state)
{
    const struct hal_pci_addr where = {0, SLOT, 0};
    unsigned reads = 0;

    (void)state;
    plug();
    assert_int_equal(hal_pci_read32(where, 0), 0x802910ec);
    assert_int_equal(hal_pci_read32(where, 8) >> 8, 0x020000);
    assert_int_equal(reg(0), 0x21);
    assert_int_equal(reg(7), 0x80);
    assert_int_equal(reg(0x0a), 'P');
    assert_int_equal(reg(0x0b), 'C');
    set(0x0f, 0x7f);
    (void)reg(0x1f);
    while ((reg(7) & 0x80) == 0)
        assert_true(++reads < 10);
    assert_int_equal(model.resets, 1);
    set(0, 0xa1); /* page 2 */
    assert_int_equal(reg(0x0f), 0x80);
    assert_int_equal(reg(0x0e), 0x84);
    unplug();
}

static void test_ne2000_prom(void **state)
{
    uint8_t prom[32];

    (void)state;
    prepare();
    set(0, 0x21);
    remote_read(0, prom, 32);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(prom[2 * i], model.mac[i]);
        assert_int_equal(prom[2 * i + 1], model.mac[i]);
    }
    for (unsigned i = 28; i < 32; i++)
        assert_int_equal(prom[i], 0x57);
    unplug();
}

/* By bytes as by words; the address moves on. */
static void test_ne2000_remote_dma(void **state)
{
    uint8_t data[8];

    (void)state;
    plug();
    set(0, 0x21);
    set(0x0e, 0x48);
    remote_begin(0x4100, 3, 0x11);
    for (unsigned i = 0; i < 3; i++)
        set(0x10, (uint8_t)(10 + i));
    assert_int_equal(reg(8), 3);
    assert_int_equal(reg(9), 0x41);
    remote_end();
    set(0x0e, 0x49);
    remote_read(0x4100, data, 4);
    assert_int_equal(data[0], 10);
    assert_int_equal(data[2], 12);
    assert_int_equal(data[3], 0xa5);
    remote_begin(0x4100, 4, 0x09);
    assert_int_equal(hal_io_read32(io, 0x10), 0xa50c0b0a);
    remote_end();
    /* It can be broken off. */
    remote_begin(0x4100, 8, 0x09);
    set(0, 0x21);
    remote_read(0x4102, data, 2);
    assert_int_equal(data[0], 12);
    unplug();
}

static void test_ne2000_transmits(void **state)
{
    uint8_t frame[1514];

    (void)state;
    start();
    send(1514);
    assert_int_equal(reg(0), 0x26);
    assert_int_equal(got_count, 0);
    assert_true(ne2000_model_step(&model));
    assert_int_equal(got_count, 1);
    assert_int_equal(got_len, 1514);
    frame_make(frame, 1514);
    assert_memory_equal(got, frame, 1514);
    assert_int_equal(reg(0), 0x22);
    assert_int_equal(reg(4), 3); /* PTX */
    settle();
    assert_true(interrupts > 0);
    assert_int_equal(reg(7), 2);
    set(7, 2);
    assert_false(model.card.asserted);
    unplug();
}

static void test_ne2000_no_cable(void **state)
{
    (void)state;
    start();
    ne2000_model_link(&model, false);
    send(60);
    steps();
    assert_int_equal(got_count, 0);
    assert_int_equal(reg(4), 1 | 2 | 16); /* carrier lost */
    arrive(60);
    assert_int_equal(model.frames_received, 0);
    ne2000_model_link(&model, true);
    send(60);
    steps();
    assert_int_equal(got_count, 1);
    unplug();
}

static void test_ne2000_receives(void **state)
{
    uint8_t data[304], frame[300];

    (void)state;
    start();
    arrive(300);
    settle();
    assert_true(interrupts > 0);
    assert_int_equal(reg(7), 1);
    set(0, 0x62);
    assert_int_equal(reg(7), START + 3);
    set(0, 0x22);
    remote_read((START + 1) << 8, data, 304);
    assert_int_equal(data[0], 1);         /* PRX */
    assert_int_equal(data[1], START + 3); /* 308 bytes are two pages */
    assert_int_equal(le16_get(data + 2), 304);
    frame_make(frame, 300);
    assert_memory_equal(data + 4, frame, 300);
    unplug();
}

/* Over the end of the ring and around. */
static void test_ne2000_ring_wraps(void **state)
{
    uint8_t data[16];

    (void)state;
    start();
    for (unsigned i = 0; i < 20; i++) {
        uint8_t next;

        arrive(1000); /* four pages */
        assert_int_equal(model.frames_received, i + 1);
        set(0, 0x62);
        next = reg(7);
        set(0, 0x22);
        set(3, next == START ? STOP - 1 : next - 1);
        set(7, 1);
    }
    /* 80 pages on from START + 1, in a ring of 58. */
    assert_int_equal(model.current, START + 1 + 80 - 58);
    remote_read((START + 1 + 76 - 58) << 8, data, 16);
    assert_int_equal(data[1], START + 1 + 80 - 58);
    unplug();
}

static void test_ne2000_filter(void **state)
{
    /* The CRC of 01:00:5e:00:00:01 as the wire has it begins with 0x7f: the
     * upper 6 bits of 0x7fa32d9b are 31. */
    static const struct {
        const char *name;
        uint8_t to[6];
        uint8_t rcr;
        unsigned received;
    } rows[] = {
        {"its own", {0x52, 0x54, 0, 0x12, 0x34, 0x56}, 0, 1},
        {"another", {0x52, 0x54, 0, 0x12, 0x34, 0x57}, 0, 0},
        {"another, promiscuous", {0x52, 0x54, 0, 0x12, 0x34, 0x57}, 16, 1},
        {"broadcast", {255, 255, 255, 255, 255, 255}, 4, 1},
        {"broadcast, unwanted", {255, 255, 255, 255, 255, 255}, 8, 0},
        {"group", {1, 0, 0x5e, 0, 0, 1}, 8, 1},
        {"group, unwanted", {1, 0, 0x5e, 0, 0, 1}, 0, 0},
        {"another group", {1, 0, 0x5e, 0, 0, 2}, 8, 0},
        {"only counted", {0x52, 0x54, 0, 0x12, 0x34, 0x56}, 32, 0},
    };
    uint8_t frame[60];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        start();
        set(0x0c, rows[i].rcr);
        set(0, 0x62);
        set(8 + 31 / 8, 1 << 31 % 8);
        set(0, 0x22);
        frame_make(frame, 60);
        memcpy(frame, rows[i].to, 6);
        assert_true(ne2000_model_receive(&model, frame, 60));
        steps();
        ROW(rows[i].name, model.frames_received == rows[i].received);
        unplug();
    }
}

static void test_ne2000_bad_frames(void **state)
{
    uint8_t frame[60];

    (void)state;
    start();
    arrive(59);
    assert_int_equal(model.frames_received, 0);
    set(0x0c, 2);
    arrive(59);
    assert_int_equal(model.frames_received, 1);
    frame_make(frame, 60);
    assert_true(ne2000_model_receive_bad(&model, frame, 60));
    steps();
    assert_int_equal(model.frames_received, 1);
    assert_int_equal(reg(7), 4 | 1); /* RXE */
    assert_int_equal(reg(0x0c), 2);  /* CRC */
    assert_int_equal(reg(0x0e), 1);
    assert_int_equal(reg(0x0e), 0); /* reading clears */
    for (unsigned i = 0; i < 200; i++) {
        assert_true(ne2000_model_receive_bad(&model, frame, 60));
        steps();
        assert_int_equal((reg(7) & 32) != 0, i >= 127); /* CNT */
    }
    assert_int_equal(reg(0x0e), 192);
    set(0x0c, 1); /* SEP: errors are kept */
    assert_true(ne2000_model_receive_bad(&model, frame, 60));
    steps();
    assert_int_equal(model.frames_received, 2);
    unplug();
}

/* Fill the ring until it flows over. */
static void overflow(void)
{
    start();
    while (model.frames_missed == 0)
        arrive(1000);
    assert_int_equal(model.frames_received, 14); /* 57 pages, 4 each */
    assert_int_equal(reg(7) & 16, 16);
}

/* DS, "Overflow of the receive buffer ring", without the steps `without`. */
static void recover(unsigned without)
{
    set(0, 0x21);
    clock_set(clock_now() + ((without & 1) != 0 ? 1599999 : 1600000));
    if ((without & 2) == 0) {
        set(0x0a, 0);
        set(0x0b, 0);
    }
    if ((without & 4) == 0)
        set(0x0d, 2);
    set(0, 0x22);
    if ((without & 8) == 0)
        set(3, START + 4);
    if ((without & 16) == 0)
        set(7, 16);
    set(0x0d, 0);
}

static void test_ne2000_overflow(void **state)
{
    (void)state;
    overflow();
    assert_int_equal(model.tally[2], 1);
    /* Room alone does not help. */
    set(3, START + 8);
    arrive(60);
    assert_int_equal(model.frames_missed, 2);
    recover(0);
    arrive(60);
    assert_int_equal(model.frames_received, 15);
    unplug();
}

/* All from the start helps as well. */
static void test_ne2000_overflow_and_all_again(void **state)
{
    (void)state;
    overflow();
    set(0, 0x21);
    clock_set(clock_now() + 1600000);
    set(3, START);
    set(7, 0xff);
    set(0, 0x61);
    set(7, START + 1);
    set(0, 0x22);
    arrive(60);
    assert_int_equal(model.frames_received, 15);
    unplug();
}

/* A frame that was being sent at a stop is lost, or not. */
static void test_ne2000_stop_while_sending(void **state)
{
    (void)state;
    for (unsigned finishes = 0; finishes < 2; finishes++) {
        start();
        model.stop_finishes = finishes != 0;
        send(60);
        set(0, 0x21);
        assert_int_equal(reg(0) & 4, 0);
        assert_int_equal(got_count, finishes);
        assert_int_equal(reg(7) & 2, finishes != 0 ? 2 : 0);
        steps();
        assert_int_equal(got_count, finishes);
        assert_int_equal(reg(7) & 0x80, 0x80);
        set(7, 0x80); /* that clears nothing, */
        assert_int_equal(reg(7) & 0x80, 0x80);
        clock_set(clock_now() + 1600000);
        set(0, 0x22); /* but this does */
        assert_int_equal(reg(7) & 0x80, 0);
        unplug();
    }
}

static void test_ne2000_header_lies(void **state)
{
    uint8_t data[4];

    (void)state;
    start();
    model.lie = true;
    model.lie_next = 0xff;
    model.lie_len = 0xffff;
    arrive(60);
    remote_read((START + 1) << 8, data, 4);
    assert_int_equal(data[1], 0xff);
    assert_int_equal(le16_get(data + 2), 0xffff);
    arrive(60);
    remote_read((START + 2) << 8, data, 4);
    assert_int_equal(data[1], START + 3);
    unplug();
}

/* ---- Faults -------------------------------------------------------------- */

static struct fault_plan plan;

static void meets(enum model_fault kind)
{
    plan = (struct fault_plan){.kind = kind, .nth = 1};
    model.faults = &plan;
}

static void test_ne2000_faults_of_frames(void **state)
{
    static const struct {
        enum model_fault kind;
        unsigned sent, received;
        uint8_t isr;
        bool heard;
    } rows[] = {
        {FAULT_NONE, 1, 1, 2, true},  {FAULT_FAIL, 0, 0, 8, true},
        {FAULT_LATE, 0, 0, 0, false}, {FAULT_NEVER, 0, 0, 0, false},
        {FAULT_TWICE, 1, 1, 2, true}, {FAULT_LOST_IRQ, 1, 1, 2, false},
        {FAULT_SHORT, 1, 1, 2, true}, {FAULT_SPURIOUS_IRQ, 1, 1, 2, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = fault_name(rows[i].kind);

        start();
        set(0x0f, 0x0a); /* PTX, TXE */
        send(60);
        meets(rows[i].kind);
        steps();
        settle();
        ROW(name, got_count == rows[i].sent);
        ROW(name, reg(7) == rows[i].isr);
        ROW(name, (interrupts > 0) == rows[i].heard);
        if (rows[i].kind == FAULT_LATE) {
            clock_set(ne2000_model_next_ns(&model));
            steps();
            ROW(name, got_count == 1);
        }
        meets(rows[i].kind);
        arrive(60);
        ROW(name, model.frames_received == rows[i].received);
        if (rows[i].kind == FAULT_LATE) {
            clock_set(ne2000_model_next_ns(&model));
            steps();
            ROW(name, model.frames_received == 1);
        }
        unplug();
    }
}

static void test_ne2000_faults_of_requests(void **state)
{
    (void)state;
    start();
    send(60);
    meets(FAULT_RESET);
    steps();
    assert_int_equal(got_count, 0);
    assert_int_equal(reg(0), 0x21);
    assert_int_equal(reg(7), 0x80);
    unplug();

    start();
    meets(FAULT_LATE);
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read16(io, 0x10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(reg(7) & 0x40, 0);
    clock_set(clock_now() + NE2000_MODEL_LATE_NS);
    assert_int_equal(reg(7) & 0x40, 0x40);
    set(7, 0x40);
    meets(FAULT_NEVER);
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read16(io, 0x10);
    clock_set(clock_now() + NE2000_MODEL_LATE_NS);
    steps();
    assert_int_equal(reg(7) & 0x40, 0);
    meets(FAULT_NEVER);
    (void)reg(0x1f);
    clock_set(clock_now() + NE2000_MODEL_LATE_NS);
    steps();
    assert_int_equal(reg(7), 0);
    meets(FAULT_LATE);
    (void)reg(0x1f);
    assert_int_equal(steps(), 0);
    clock_set(clock_now() + NE2000_MODEL_LATE_NS);
    assert_int_equal(steps(), 1);
    assert_int_equal(reg(7), 0x80);
    unplug();
}

/* ---- Breaches ------------------------------------------------------------ */

static void no_ports(void *arg)
{
    (void)arg;
    config_set(4, 0);
    (void)reg(0);
}

static void by_words(void *arg)
{
    (void)arg;
    hal_io_write16(io, 0, 0x21);
}

static void read_by_words(void *arg)
{
    (void)arg;
    (void)hal_io_read16(io, 0);
}

static void neither(void *arg)
{
    (void)arg;
    set(0, 0x20);
}

static void no_remote_command(void *arg)
{
    (void)arg;
    set(0, 0x02);
}

static void send_packet(void *arg)
{
    (void)arg;
    set(0, 0x1a);
}

static void page_3(void *arg)
{
    (void)arg;
    set(0, 0xe2);
    (void)reg(3);
}

static void page_2_written(void *arg)
{
    (void)arg;
    set(0, 0xa2);
    set(1, 0);
}

static void diagnosis(void *arg)
{
    (void)arg;
    (void)reg(6);
}

static void diagnosis_2(void *arg)
{
    (void)arg;
    set(0, 0xa2);
    (void)reg(5);
}

static void ring_while_running(void *arg)
{
    (void)arg;
    set(1, START);
}

static void current_while_running(void *arg)
{
    (void)arg;
    set(0, 0x62);
    set(7, START);
}

static void dcr_while_running(void *arg)
{
    (void)arg;
    set(0x0e, 0x49);
}

static void boundary_outside(void *arg)
{
    (void)arg;
    set(3, STOP);
}

static void reserved_imr(void *arg)
{
    (void)arg;
    set(0x0f, 0xff);
}

static void reserved_rcr(void *arg)
{
    (void)arg;
    set(0x0c, 0x44);
}

static void reserved_tcr(void *arg)
{
    (void)arg;
    set(0x0d, 0x20);
}

static void without_check_sequence(void *arg)
{
    (void)arg;
    set(0x0d, 1);
}

static void start_untold(void *arg)
{
    (void)arg;
    set(0, 0x22);
}

static void start_without_ring(void *arg)
{
    (void)arg;
    set(0x0e, 0x49);
    set(0x0d, 2);
    set(0, 0x22);
}

static void start_full(void *arg)
{
    (void)arg;
    set(7, START);
    set(0, 0x22);
}

static void start_outside(void *arg)
{
    (void)arg;
    set(7, STOP);
    set(0, 0x22);
}

static void start_big_endian(void *arg)
{
    (void)arg;
    set(0, 0x21);
    set(0x0e, 0x4b);
    set(0, 0x22);
}

static void start_too_soon(void *arg)
{
    (void)arg;
    set(0, 0x21);
    set(0, 0x22);
}

static void dma_before_dcr(void *arg)
{
    (void)arg;
    remote_begin(0, 2, 0x09);
}

static void dma_of_nothing(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 0, 0x0a);
}

static void dma_odd(void *arg)
{
    (void)arg;
    remote_begin(0x4001, 2, 0x0a);
}

static void dma_nowhere(void *arg)
{
    (void)arg;
    remote_begin(0x7ffe, 4, 0x0a);
}

static void dma_to_prom(void *arg)
{
    (void)arg;
    remote_begin(0, 2, 0x12);
}

static void dma_to_ring(void *arg)
{
    (void)arg;
    remote_begin(START << 8, 2, 0x12);
}

static void dma_twice(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read16(io, 0x10);
    remote_begin(0x4000, 2, 0x0a);
}

static void dma_told_before(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read16(io, 0x10);
    steps();
    remote_begin(0x4000, 2, 0x0a);
}

static void dma_moved(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 4, 0x0a);
    set(8, 0);
}

static void data_without_dma(void *arg)
{
    (void)arg;
    (void)hal_io_read16(io, 0x10);
}

static void data_other_way(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 4, 0x0a);
    hal_io_write16(io, 0x10, 0);
}

static void data_by_bytes(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 4, 0x0a);
    (void)reg(0x10);
}

static void data_too_much(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read32(io, 0x10);
}

static void data_elsewhere(void *arg)
{
    (void)arg;
    remote_begin(0x4000, 2, 0x0a);
    (void)hal_io_read16(io, 0x12);
}

static void send_overwritten(void *arg)
{
    (void)arg;
    send(60);
    remote_begin(TX << 8, 2, 0x12);
}

static void send_changed(void *arg)
{
    (void)arg;
    send(60);
    set(5, 61);
}

static void send_twice(void *arg)
{
    (void)arg;
    send(60);
    set(0, 0x26);
}

static void send_runt(void *arg)
{
    (void)arg;
    send(59);
}

static void send_giant(void *arg)
{
    (void)arg;
    set(4, TX);
    set(5, 0xeb);
    set(6, 5);
    set(0, 0x26);
}

static void send_from_ring(void *arg)
{
    (void)arg;
    set(4, START - 1);
    set(5, 0);
    set(6, 2);
    set(0, 0x26);
}

static void send_from_nowhere(void *arg)
{
    (void)arg;
    set(4, 0x3f);
    set(5, 60);
    set(6, 0);
    set(0, 0x26);
}

static void send_too_soon(void *arg)
{
    (void)arg;
    remote_begin(TX << 8, 2, 0x12);
    hal_io_write16(io, 0x10, 0);
    set(4, TX);
    set(5, 60);
    set(6, 0);
    set(0, 0x26);
}

static void send_while_stopped(void *arg)
{
    (void)arg;
    set(4, TX);
    set(5, 60);
    set(6, 0);
    set(0, 0x25);
}

static void stopped(void)
{
    prepare();
    set(0, 0x21);
}

static void recover_without(void *arg)
{
    set(0x0a, 1); /* something to be cleared */
    recover(*(unsigned *)arg);
}

static const struct {
    const char *name;
    void (*stand)(void);
    void (*fn)(void *arg);
    const char *says;
} rules[] = {
    {"no ports", plug, no_ports, "COMMAND does not"},
    {"words", plug, by_words, "written with 2 bytes"},
    {"words read", plug, read_by_words, "read with 2 bytes"},
    {"neither start nor stop", plug, neither, "neither starts"},
    {"RD 0", start, no_remote_command, "RD 0"},
    {"send packet", start, send_packet, "send packet"},
    {"page 3", start, page_3, "page 3"},
    {"page 2", start, page_2_written, "page 2 is written"},
    {"diagnosis", start, diagnosis, "page 0 is for diagnosis"},
    {"diagnosis 2", start, diagnosis_2, "page 2 is for diagnosis"},
    {"PSTART", start, ring_while_running, "PSTART or PSTOP is written"},
    {"CURR", start, current_while_running, "CURR is written"},
    {"DCR", start, dcr_while_running, "DCR is written"},
    {"BNRY", start, boundary_outside, "BNRY 0x80"},
    {"IMR", start, reserved_imr, "of IMR"},
    {"RCR", start, reserved_rcr, "of RCR"},
    {"TCR", start, reserved_tcr, "of TCR"},
    {"no check sequence", start, without_check_sequence, "TCR.CRC"},
    {"nothing set", plug, start_untold, "before DCR and TCR"},
    {"no ring", plug, start_without_ring, "a receive ring of"},
    {"a full ring", prepare, start_full, "its ring is full"},
    {"CURR outside", prepare, start_outside, "is not in the ring"},
    {"big endian", prepare, start_big_endian, "started with DCR"},
    {"too soon", start, start_too_soon, "1.6 ms"},
    {"DMA before DCR", plug, dma_before_dcr, "before DCR"},
    {"DMA of nothing", start, dma_of_nothing, "0 bytes"},
    {"odd DMA", start, dma_odd, "by words"},
    {"DMA beyond", start, dma_nowhere, "no such memory"},
    {"DMA into the PROM", start, dma_to_prom, "no such memory"},
    {"DMA into the ring", start, dma_to_ring, "into the receive ring"},
    {"DMA twice", start, dma_twice, "before the last one"},
    {"RDC still set", start, dma_told_before, "RDC of the last one"},
    {"RSAR changes", start, dma_moved, "during remote DMA"},
    {"no DMA", start, data_without_dma, "no remote DMA"},
    {"the other way", start, data_other_way, "written, but no remote"},
    {"bytes", start, data_by_bytes, "with 1 bytes, DCR"},
    {"too much", start, data_too_much, "more than RBCR"},
    {"another port", start, data_elsewhere, "at 0x12"},
    {"overwritten", start, send_overwritten, "is overwritten"},
    {"TBCR changes", start, send_changed, "TPSR or TBCR"},
    {"TXP twice", start, send_twice, "TXP while a frame"},
    {"a short frame", start, send_runt, "59 bytes"},
    {"a long frame", start, send_giant, "1515 bytes"},
    {"from the ring", start, send_from_ring, "in the receive ring"},
    {"from nowhere", start, send_from_nowhere, "page 0x3f"},
    {"sent too soon", start, send_too_soon, "remote DMA is complete"},
    {"sent while stopped", stopped, send_while_stopped, "stopped"},
};

static void test_ne2000_breaches(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        rules[i].stand();
        ROW(rules[i].name, model_breaches(rules[i].fn, NULL, rules[i].says));
        unplug();
    }
}

/* Each step of the procedure after an overflow is needed. */
static void test_ne2000_overflow_step_by_step(void **state)
{
    static const char *const says[] = {
        "1.6 ms",  "RBCR is not cleared", "without loopback",
        "no room", "OVW is still set",
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(says); i++) {
        unsigned without = 1U << i;

        overflow();
        ROW(says[i], model_breaches(recover_without, &without, says[i]));
        unplug();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ne2000_identity_and_reset),
        cmocka_unit_test(test_ne2000_prom),
        cmocka_unit_test(test_ne2000_remote_dma),
        cmocka_unit_test(test_ne2000_transmits),
        cmocka_unit_test(test_ne2000_no_cable),
        cmocka_unit_test(test_ne2000_receives),
        cmocka_unit_test(test_ne2000_ring_wraps),
        cmocka_unit_test(test_ne2000_filter),
        cmocka_unit_test(test_ne2000_bad_frames),
        cmocka_unit_test(test_ne2000_overflow),
        cmocka_unit_test(test_ne2000_overflow_and_all_again),
        cmocka_unit_test(test_ne2000_stop_while_sending),
        cmocka_unit_test(test_ne2000_header_lies),
        cmocka_unit_test(test_ne2000_faults_of_frames),
        cmocka_unit_test(test_ne2000_faults_of_requests),
        cmocka_unit_test(test_ne2000_breaches),
        cmocka_unit_test(test_ne2000_overflow_step_by_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
