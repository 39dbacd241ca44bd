/* What the model of the e1000 does, driven by hand. Expected values come from
 * the SDM, the 82574 datasheet and RFCs. */
#include "tests/unit/drivers/e1000_hand.h"

static const enum e1000_chip both[] = {E1000_82540EM, E1000_82574L};

static unsigned steps(void)
{
    unsigned count = 0;

    while (e1000_model_step(&model))
        count++;
    return count;
}

/* ---- Registers ----------------------------------------------------------- */

static void test_model_identity(void **state)
{
    (void)state;
    plug(E1000_82540EM);
    assert_int_equal(hal_pci_read32(*where(), 0), 0x100e8086);
    assert_int_equal(hal_pci_read32(*where(), 8) >> 8, 0x020000);
    machine_detach();
    plug(E1000_82574L);
    assert_int_equal(hal_pci_read32(*where(), 0), 0x10d38086);
    /* BARs can be sized. */
    config_set(0x10, UINT32_MAX);
    assert_int_equal(hal_pci_read32(*where(), 0x10), 0xfffe0000);
    config_set(0x18, UINT32_MAX);
    assert_int_equal(hal_pci_read32(*where(), 0x18), 0);
    machine_detach();
}

static uint32_t eeprom_read(unsigned word)
{
    uint32_t start = model.chip == E1000_82574L ? word << 2 | 1 : word << 8 | 1;
    uint32_t done = model.chip == E1000_82574L ? 2 : 16;
    unsigned reads = 0;

    set(0x14, start);
    while ((reg(0x14) & done) == 0)
        assert_true(++reads < 10);
    return reg(0x14) >> 16;
}

static void test_model_eeprom(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint16_t sum = 0;

        wake_up(both[i]);
        assert_int_equal(eeprom_read(0), 0x5452);
        assert_int_equal(eeprom_read(1), 0x1200);
        assert_int_equal(eeprom_read(2), 0x5634);
        for (unsigned word = 0; word < 64; word++)
            sum = (uint16_t)(sum + eeprom_read(word));
        assert_int_equal(sum, 0xbaba);
        /* The station address is loaded from there. */
        assert_int_equal(reg(0x5400), 0x12005452);
        assert_int_equal(reg(0x5404), 0x80005634);
        stop();
    }
}

static uint32_t phy(unsigned index, uint32_t op, uint16_t value)
{
    unsigned reads = 0;

    set(0x20, op << 26 | 1 << 21 | index << 16 | value);
    while ((reg(0x20) & 1 << 28) == 0)
        assert_true(++reads < 10);
    return reg(0x20) & 0x4000ffff;
}

static void test_model_phy(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    assert_int_equal(phy(2, 2, 0), 0x0141);
    assert_int_equal(phy(3, 2, 0), 0x0c20);
    assert_int_equal(phy(4, 1, 0x01e1), 0x01e1);
    assert_int_equal(phy(4, 2, 0), 0x01e1);
    /* The link bit latches low. */
    (void)phy(1, 2, 0);
    assert_true((phy(1, 2, 0) & 4) != 0);
    e1000_model_link(&model, false);
    steps();
    e1000_model_link(&model, true);
    steps();
    assert_true((phy(1, 2, 0) & 4) == 0);
    assert_true((phy(1, 2, 0) & 4) != 0);
    /* There is one PHY. */
    set(0x20, 2 << 26 | 2 << 21 | 2 << 16);
    steps();
    assert_int_equal(reg(0x20) >> 28, 5); /* error, ready */
    stop();
}

static void test_model_phy_restart_drops_the_link(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    set(0xd0, 1 << 2);
    assert_true((reg(8) & 2) != 0);
    (void)phy(0, 1, 0x1340);
    assert_true((reg(8) & 2) == 0);
    assert_int_equal(reg(0xc0), 1 << 2);
    steps();
    assert_true((reg(8) & 2) != 0);
    assert_int_equal(reg(0xc0), 1 << 2);
    (void)phy(0, 1, 0x0940); /* power down */
    steps();
    assert_true((reg(8) & 2) == 0);
    stop();
}

static void test_model_link(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wake_up(both[i]);
        assert_int_equal(reg(8) & 0xc2, 0x82); /* up, 1000 Mb/s */
        (void)reg(0xc0);
        set(0xd0, 1 << 2);
        e1000_model_link(&model, false);
        assert_true((reg(8) & 2) != 0); /* not yet */
        steps();
        assert_true((reg(8) & 2) == 0);
        settle();
        assert_int_equal(interrupts, 1);
        assert_true((reg(0xc0) & 1 << 2) != 0);
        set(0, 0x201); /* without SLU there is none */
        e1000_model_link(&model, true);
        steps();
        assert_true((reg(8) & 2) == 0);
        set(0, 0x241);
        assert_true((reg(8) & 2) != 0);
        stop();
    }
}

static void test_model_causes(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    (void)reg(0xc0);
    set(0xc8, 0x10); /* ICS */
    assert_false(model.card.asserted);
    set(0xd0, 0x14);
    assert_true(model.card.asserted);
    settle();
    assert_int_equal(interrupts, 1);
    assert_int_equal(reg(0xd0), 0x14);
    assert_int_equal(reg(0xc0), 0x10); /* reading clears */
    assert_int_equal(reg(0xc0), 0);
    assert_false(model.card.asserted);
    set(0xc8, 0x14);
    set(0xc0, 0x04); /* and so does writing a 1 */
    assert_int_equal(reg(0xc0), 0x10);
    set(0xd8, 0x10); /* IMC */
    set(0xc8, 0x10);
    assert_false(model.card.asserted);
    assert_int_equal(reg(0xd0), 0x04);
    stop();
}

/* A level: as long as nobody takes it away it interrupts again. */
static void test_model_line_is_a_level(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    set(0xd0, 4);
    set(0xc8, 4);
    settle();
    steps();
    settle();
    assert_int_equal(interrupts, 2);
    assert_true((hal_pci_read32(*where(), 4) >> 16 & 8) != 0);
    config_set(4, 6 | 1 << 10); /* INTx off */
    steps();
    settle();
    assert_int_equal(interrupts, 2);
    config_set(4, 6);
    settle();
    assert_int_equal(interrupts, 3);
    stop();
}

static void test_model_interrupt_rate(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    set(0xc4, 1000); /* ITR: 256 us apart */
    set(0xd0, 4);
    set(0xc8, 4);
    settle();
    assert_int_equal(interrupts, 1);
    (void)reg(0xc0);
    set(0xc8, 4);
    assert_false(model.card.asserted);
    assert_int_equal(e1000_model_next_ns(&model), clock_now() + 256000);
    clock_set(clock_now() + 256000);
    steps();
    settle();
    assert_int_equal(interrupts, 2);
    stop();
}

/* Without an interrupt, reading ICR changes nothing on the 82574L. */
static void test_model_icr_of_the_82574(void **state)
{
    (void)state;
    wake_up(E1000_82574L);
    (void)reg(0xc0);
    set(0xc8, 4);
    assert_int_equal(reg(0xc0), 1 << 24 | 4); /* mask 0: cleared */
    assert_int_equal(reg(0xc0), 0);
    set(0xd0, 1 << 4);
    set(0xc8, 4);
    assert_int_equal(reg(0xc0), 1 << 24 | 4);
    assert_int_equal(reg(0xc0), 1 << 24 | 4);
    set(0xd0, 1 << 2);
    assert_int_equal(reg(0xc0), 0x81000004);
    assert_int_equal(reg(0xc0), 0);
    /* IAME masks what is in IAM. */
    set(0x18, 1 << 27);
    set(0xe0, 4);
    set(0xc8, 4);
    (void)reg(0xc0);
    assert_int_equal(reg(0xd0), 1 << 4);
    stop();
}

static void test_model_statistics_clear_on_read(void **state)
{
    (void)state;
    start(E1000_82540EM);
    frame_make(buffer(RING), 100);
    tx_put(0, 100, EOP | IFCS | RS);
    set(0x3818, 1);
    steps();
    assert_int_equal(reg(0x4080), 1); /* GPTC */
    assert_int_equal(reg(0x4080), 0);
    assert_int_equal(reg(0x40dc), 1);   /* 65 to 127 bytes */
    assert_int_equal(reg(0x4090), 104); /* GOTC: cleared with the high half */
    assert_int_equal(reg(0x4090), 104);
    assert_int_equal(reg(0x4094), 0);
    assert_int_equal(reg(0x4090), 0);
    stop();
}

/* ---- Receiving ----------------------------------------------------------- */

static void test_model_receives(void **state)
{
    uint8_t frame[1514];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(both[i]);
        set(0xd0, 1 << 7);
        assert_true(e1000_model_receive(&model, frame,
                                        frame_make(frame, sizeof(frame))));
        settle();
        assert_int_equal(interrupts, 0); /* nothing happens by itself */
        assert_int_equal(rx_ring[12], 0);
        assert_true(e1000_model_step(&model));
        settle();
        assert_int_equal(interrupts, 1);
        assert_true((reg(0xc0) & 1 << 7) != 0);
        assert_int_equal(le16_get(rx_ring + 8), 1514);
        assert_int_equal(rx_ring[12], 1 | 2 | 4); /* DD, EOP, IXSM */
        assert_memory_equal(buffer(0), frame, 1514);
        assert_int_equal(reg(0x2810), 1);
        assert_int_equal(reg(0x4074), 1); /* GPRC */
        assert_int_equal(reg(0x4088), 1518);
        stop();
    }
}

static void test_model_keeps_the_check_sequence(void **state)
{
    static const uint8_t check[] = "123456789";
    uint8_t frame[60];

    (void)state;
    assert_int_equal(model_crc32(check, 9), 0xcbf43926);
    start(E1000_82540EM);
    set(0x0100, 1 << 1);
    assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
    steps();
    assert_int_equal(le16_get(rx_ring + 8), 64);
    assert_int_equal(le32_get(buffer(0) + 60), model_crc32(frame, 60));
    stop();
}

/* A frame longer than a buffer lies in several; EOP is in the last. */
static void test_model_receives_in_pieces(void **state)
{
    uint8_t frame[1514];

    (void)state;
    prepare(E1000_82540EM);
    set(0x0100, 2 << 16 | 1 << 26); /* 512 bytes */
    rx_give(0, RING - 1);
    set(0x0100, 1 << 1 | 2 << 16 | 1 << 26);
    assert_true(
        e1000_model_receive(&model, frame, frame_make(frame, sizeof(frame))));
    assert_int_equal(steps(), 1);
    assert_int_equal(rx_ring[12], 1);
    assert_int_equal(le16_get(rx_ring + 8), 512);
    assert_int_equal(rx_ring[16 + 12], 1);
    assert_int_equal(rx_ring[32 + 12], 1 | 2 | 4);
    assert_int_equal(le16_get(rx_ring + 32 + 8), 1514 - 1024);
    assert_memory_equal(buffer(2), frame + 1024, 490);
    stop();
}

static const struct {
    const char *name;
    uint8_t to[6];
    uint32_t rctl;
    bool wanted;
} filter_rows[] = {
    {"its own", {0x52, 0x54, 0, 0x12, 0x34, 0x56}, 0, true},
    {"another", {0x52, 0x54, 0, 0x12, 0x34, 0x57}, 0, false},
    {"another, promiscuous", {0x52, 0x54, 0, 0x12, 0x34, 0x57}, 8, true},
    {"broadcast, unwanted", {255, 255, 255, 255, 255, 255}, 0, false},
    {"broadcast", {255, 255, 255, 255, 255, 255}, 1 << 15, true},
    {"group", {0x01, 0, 0x5e, 0, 0, 0x01}, 0, false},
    {"all groups", {0x01, 0, 0x5e, 0, 0, 0x01}, 16, true},
    /* 13.5.1: of 12:34:56:78:9a:bc, bits 47 to 36 are 0xbc9. */
    {"in the table", {0x13, 0x34, 0x56, 0x78, 0x9a, 0xbc}, 0, true},
    {"in the table, other bits",
     {0x13, 0x34, 0x56, 0x78, 0x9a, 0xbc},
     3 << 12,
     false},
    {"the second address", {2, 0, 0, 0, 0, 9}, 0, true},
};

static void test_model_filter(void **state)
{
    uint8_t frame[60];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(filter_rows); i++) {
        start(E1000_82540EM);
        set(0x5200 + 4 * (0xbc9 / 32), 1U << 0xbc9 % 32);
        set(0x5408, 0x00000002);
        set(0x540c, 0x80000900);
        set(0x0100, 1 << 1 | filter_rows[i].rctl);
        frame_make(frame, 60);
        memcpy(frame, filter_rows[i].to, 6);
        ROW(filter_rows[i].name,
            e1000_model_receive(&model, frame, 60) == filter_rows[i].wanted);
        steps();
        /* PIF: only the table may have been wrong. */
        if (filter_rows[i].wanted && filter_rows[i].rctl == 0)
            ROW(filter_rows[i].name,
                (rx_ring[12] & 128) == ((frame[0] & 1) != 0 ? 128 : 0));
        stop();
    }
}

static void test_model_lengths_and_bad_frames(void **state)
{
    uint8_t frame[1600];

    (void)state;
    start(E1000_82540EM);
    frame_make(frame, sizeof(frame));
    assert_false(e1000_model_receive(&model, frame, 59));
    assert_int_equal(reg(0x40a4), 1); /* RUC */
    assert_false(e1000_model_receive(&model, frame, 1519));
    assert_int_equal(reg(0x40ac), 1); /* ROC */
    assert_true(e1000_model_receive(&model, frame, 1518));
    assert_false(e1000_model_receive_bad(&model, frame, 100));
    assert_int_equal(reg(0x4000), 1);      /* CRCERRS */
    set(0x0100, 1 << 1 | 1 << 2 | 1 << 5); /* SBP, LPE */
    assert_true(e1000_model_receive(&model, frame, 1519));
    assert_true(e1000_model_receive_bad(&model, frame, 100));
    assert_int_equal(steps(), 3);
    assert_int_equal(rx_ring[32 + 13], 1); /* CE */
    stop();
}

static void test_model_no_receiver_no_frame(void **state)
{
    uint8_t frame[60];

    (void)state;
    start(E1000_82540EM);
    frame_make(frame, 60);
    e1000_model_link(&model, false);
    steps();
    assert_false(e1000_model_receive(&model, frame, 60));
    e1000_model_link(&model, true);
    steps();
    assert_true(e1000_model_receive(&model, frame, 60));
    assert_true(e1000_model_receive(&model, frame, 60));
    set(0x0100, 0);
    assert_false(e1000_model_receive(&model, frame, 60));
    /* What was on its way arrives, the rest does not: 13.4.22. */
    steps();
    assert_int_equal(model.frames_received, 1);
    assert_true((rx_ring[12] & 1) != 0);
    stop();
}

static void test_model_no_descriptor(void **state)
{
    uint8_t frame[1514];
    unsigned in = 0;

    (void)state;
    prepare(E1000_82540EM);
    rx_give(0, 2);
    set(0x0100, 1 << 1);
    set(0xd0, 1 << 6);
    frame_make(frame, sizeof(frame));
    while (e1000_model_receive(&model, frame, sizeof(frame)))
        in++;
    /* PBA gives 48 KiB to frames with their check sequence. */
    assert_int_equal(in, 48 * 1024 / 1518);
    assert_int_equal(reg(0x4010), 1); /* MPC */
    settle();
    assert_int_equal(interrupts, 1); /* RXO */
    assert_int_equal(reg(0xc0) & 1 << 6, 1 << 6);
    assert_int_equal(steps(), 2);
    assert_int_equal(reg(0x40a0), 1); /* RNBC */
    rx_give(2, 4);
    assert_int_equal(steps(), 2);
    assert_int_equal(model.frames_received, 4);
    stop();
}

static void test_model_threshold(void **state)
{
    static const unsigned few[] = {RING / 2, RING / 4, RING / 8};
    uint8_t frame[60];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        unsigned left = RING - 1;

        start(E1000_82540EM);
        set(0x0100, 1 << 1 | i << 8);
        (void)reg(0xc0);
        frame_make(frame, 60);
        while ((reg(0xc0) & 1 << 4) == 0) {
            assert_true(e1000_model_receive(&model, frame, 60));
            steps();
            left--;
        }
        assert_int_equal(left, few[i]);
        stop();
    }
}

static void test_model_receive_timers(void **state)
{
    uint8_t frame[60];

    (void)state;
    start(E1000_82540EM);
    set(0x2820, 10); /* RDTR: 10.24 us after the last, */
    set(0x282c, 15); /* RADV: 15.36 us after the first */
    frame_make(frame, 60);
    (void)reg(0xc0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(e1000_model_receive(&model, frame, 60));
        steps();
        assert_int_equal(reg(0xc0) & 1 << 7, 0);
        clock_set(clock_now() + 5120);
    }
    assert_int_equal(e1000_model_next_ns(&model), clock_now());
    assert_int_equal(steps(), 1);
    assert_int_equal(reg(0xc0) & 1 << 7, 1 << 7);
    /* Small frames interrupt at once. */
    set(0x2c00, 60);
    assert_true(e1000_model_receive(&model, frame, 60));
    steps();
    assert_int_equal(reg(0xc0) & 1 << 16, 1 << 16);
    stop();
}

/* A TCP segment over IPv4 with right checksums: 10.0.0.1 to 10.0.0.2. */
static size_t tcp_make(uint8_t *frame, size_t payload)
{
    static const uint8_t head[] = {
        0x08, 0x00, 0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0,    64, 6,  0, 0,
        10,   0,    0,    1, 10, 0, 0,    2,    0x04, 0xd2, 0,  80, 0, 0,
        0x10, 0,    0,    0, 0,  1, 0x50, 0x19, 0x20, 0,    0,  0,  0, 0};
    uint32_t sum = 0;
    size_t len = 54 + payload;

    frame_make(frame, len);
    memcpy(frame + 12, head, sizeof(head));
    be16_put(frame + 16, (uint16_t)(len - 14));
    for (unsigned i = 14; i < 34; i += 2)
        sum += be16_get(frame + i);
    sum = (sum & 0xffff) + (sum >> 16);
    be16_put(frame + 24, (uint16_t)~sum);
    sum = 10 << 8 | 0;
    sum = 0x0a00 + 1 + 0x0a00 + 2 + 6 + (uint32_t)(len - 34);
    for (size_t i = 34; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    be16_put(frame + 50, (uint16_t)~sum);
    return len;
}

static const struct {
    const char *name;
    uint32_t rxcsum;
    unsigned at; /* a byte that is changed; 0: none */
    uint8_t status, errors;
} sum_rows[] = {
    {"nobody looks", 0, 0, 4, 0},          {"both right", 0x300, 0, 0x60, 0},
    {"IP only", 0x100, 0, 0x40, 0},        {"TCP only", 0x200, 0, 0x20, 0},
    {"IP wrong", 0x300, 22, 0x60, 0x40},   {"TCP wrong", 0x300, 60, 0x60, 0x20},
    {"a fragment", 0x300, 21, 0x40, 0x40}, {"no IPv4", 0x300, 12, 4, 0},
};

static void test_model_receive_checksums(void **state)
{
    uint8_t frame[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sum_rows); i++) {
        start(E1000_82540EM);
        set(0x5000, sum_rows[i].rxcsum | 14);
        tcp_make(frame, 46);
        frame[sum_rows[i].at] ^= sum_rows[i].at != 0;
        assert_true(e1000_model_receive(&model, frame, 100));
        steps();
        ROW(sum_rows[i].name, (rx_ring[12] & ~3) == sum_rows[i].status);
        ROW(sum_rows[i].name, rx_ring[13] == sum_rows[i].errors);
        stop();
    }
}

/* The sum from PCSS on, as it is. */
static void test_model_packet_checksum(void **state)
{
    uint8_t frame[60] = {0};

    (void)state;
    start(E1000_82540EM);
    set(0x5000, 50);
    frame_make(frame, 60);
    memset(frame + 50, 0, 10);
    be16_put(frame + 50, 0xffff);
    be16_put(frame + 58, 0x0102);
    assert_true(e1000_model_receive(&model, frame, 60));
    steps();
    assert_int_equal(le16_get(rx_ring + 10), 0x0102);
    stop();
}

static void test_model_vlan(void **state)
{
    uint8_t frame[64];

    (void)state;
    start(E1000_82540EM);
    for (unsigned i = 0; i < 128; i++)
        set(0x5600 + 4 * i, 0);
    set(0x5600, 1 << 5);
    set(0, 0x241 | 1 << 30);                 /* VME */
    set(0x0100, 1 << 1 | 1 << 18 | 1 << 26); /* VFE */
    frame_make(frame, 64);
    be16_put(frame + 12, 0x8100);
    be16_put(frame + 14, 0x2006);
    assert_false(e1000_model_receive(&model, frame, 64));
    be16_put(frame + 14, 0x2005);
    assert_true(e1000_model_receive(&model, frame, 64));
    steps();
    assert_int_equal(rx_ring[12] & 8, 8); /* VP */
    assert_int_equal(le16_get(rx_ring + 14), 0x2005);
    assert_int_equal(le16_get(rx_ring + 8), 60);
    assert_memory_equal(buffer(0), frame, 12);
    assert_memory_equal(buffer(0) + 12, frame + 16, 48);
    /* And out: the tag of the descriptor. */
    frame_make(buffer(RING), 60);
    tx_put(0, 60, EOP | IFCS | RS | VLE);
    le16_put(tx_ring + 14, 0x2005);
    set(0x3818, 1);
    steps();
    assert_int_equal(got_len, 64);
    assert_int_equal(be32_get(got + 12), 0x81002005);
    assert_memory_equal(got + 16, buffer(RING) + 12, 48);
    stop();
}

/* RFCTL.EXSTEN: another form of what is written back. */
static void test_model_extended_descriptors(void **state)
{
    uint8_t frame[200];

    (void)state;
    prepare(E1000_82574L);
    set(0x5008, 1 << 15);
    set(0x5000, 0x300 | 14);
    rx_give(0, RING - 1);
    set(0x0100, 1 << 1 | 1 << 26);
    tcp_make(frame, 46);
    assert_true(e1000_model_receive(&model, frame, 100));
    frame[60] ^= 1;
    assert_true(e1000_model_receive(&model, frame, 100));
    steps();
    assert_int_equal(le16_get(rx_ring + 4), 0x1234); /* IP identification */
    assert_int_equal(le32_get(rx_ring + 8), 0x63);   /* IPCS TCPCS EOP DD */
    assert_int_equal(le16_get(rx_ring + 12), 100);
    assert_int_equal(le32_get(rx_ring + 16 + 8), 1 << 29 | 0x63); /* TCPE */
    stop();
}

/* UDP, and TCP over IPv6, are checked by the 82574L. */
static void test_model_checks_more(void **state)
{
    uint8_t frame[74];
    uint8_t ip[40] = {0x60, 0, 0, 0, 0, 20, 6, 64, [23] = 1, [39] = 2};

    (void)state;
    start(E1000_82574L);
    set(0x5000, 0x300);
    frame_make(frame, sizeof(frame));
    be16_put(frame + 12, 0x86dd);
    memcpy(frame + 14, ip, 40);
    memset(frame + 54, 0, 20);
    be16_put(frame + 70, (uint16_t) ~(1 + 2 + 20 + 6));
    assert_true(e1000_model_receive(&model, frame, sizeof(frame)));
    frame[73] ^= 1;
    assert_true(e1000_model_receive(&model, frame, sizeof(frame)));
    /* UDP over IPv4, without and with a wrong sum. */
    tcp_make(frame, 20);
    frame[23] = 17;
    be16_put(frame + 24, (uint16_t)(be16_get(frame + 24) - 11));
    be16_put(frame + 40, 0);
    assert_true(e1000_model_receive(&model, frame, sizeof(frame)));
    be16_put(frame + 40, 1);
    assert_true(e1000_model_receive(&model, frame, sizeof(frame)));
    steps();
    assert_int_equal(rx_ring[12], 0x23);
    assert_int_equal(rx_ring[13], 0);
    assert_int_equal(rx_ring[16 + 13], 0x20);
    assert_int_equal(rx_ring[32 + 12], 0x43);
    assert_int_equal(rx_ring[48 + 12], 0x73);
    assert_int_equal(rx_ring[48 + 13], 0x20);
    stop();
}

/* The example of the Toeplitz hash: 66.9.149.187:2794 to 161.142.100.80:1766
 * is 0x51ccc178, without ports 0x323e8fc2. */
static void test_model_receive_side_scaling(void **state)
{
    static const uint8_t key[40] = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
        0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
        0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    uint8_t frame[200];
    uint8_t *second;

    (void)state;
    prepare(E1000_82574L);
    second = dma_alloc(4096);
    set(0x2900, (uint32_t)hal_dma_addr(second));
    set(0x2904, (uint32_t)(hal_dma_addr(second) >> 32));
    set(0x2908, RING * 16);
    le64_put(second, hal_dma_addr(buffer(RING)));
    set(0x2918, 1);
    for (unsigned i = 0; i < 10; i++)
        set(0x5c80 + 4 * i, le32_get(key + 4 * i));
    for (unsigned i = 0; i < 32; i++)
        set(0x5c00 + 4 * i, i == 0x78 / 4 ? 0x80 : 0);
    set(0x5818, 1 | 1 << 16 | 1 << 17);
    set(0x5008, 1 << 15);
    set(0x5000, 1 << 13); /* PCSD: the hash is told */
    rx_give(0, RING - 1);
    set(0x0100, 1 << 1);
    tcp_make(frame, 46);
    memcpy(frame + 26, (const uint8_t[]){66, 9, 149, 187, 161, 142, 100, 80},
           8);
    be16_put(frame + 34, 2794);
    be16_put(frame + 36, 1766);
    assert_true(e1000_model_receive(&model, frame, 100));
    frame[23] = 1; /* no ports */
    assert_true(e1000_model_receive(&model, frame, 100));
    steps();
    assert_int_equal(le32_get(second + 4), 0x51ccc178);
    assert_int_equal(le32_get(second), 1 << 8 | 1);
    assert_int_equal(le32_get(rx_ring + 4), 0x323e8fc2);
    assert_int_equal(le32_get(rx_ring), 2);
    assert_int_equal(reg(0xc0) & 3 << 20, 3 << 20); /* RXQ0, RXQ1 */
    stop();
}

/* ---- Transmitting -------------------------------------------------------- */

static void test_model_transmits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(both[i]);
        (void)reg(0xc0);
        set(0xd0, 3);
        frame_make(buffer(RING), 1000);
        frame_make(buffer(RING + 1), 514);
        tx_put(0, 1000, 0);
        tx_put(1, 514, EOP | IFCS | RS);
        set(0x3818, 2);
        settle();
        assert_int_equal(got_count, 0);
        assert_true(e1000_model_step(&model));
        assert_int_equal(got_count, 1);
        assert_int_equal(got_len, 1514);
        assert_memory_equal(got, buffer(RING), 1000);
        assert_memory_equal(got + 1000, buffer(RING + 1), 514);
        assert_int_equal(tx_ring[12], 0); /* no RS */
        assert_int_equal(tx_ring[16 + 12], 1);
        assert_int_equal(reg(0x3810), 2);
        settle();
        assert_int_equal(interrupts, 1);
        assert_int_equal(reg(0xc0) & 3, 3); /* TXDW, TXQE */
        stop();
    }
}

static void test_model_waits_for_the_whole_packet(void **state)
{
    (void)state;
    start(E1000_82540EM);
    frame_make(buffer(RING), 100);
    tx_put(0, 50, 0);
    set(0x3818, 1);
    assert_int_equal(steps(), 0);
    tx_put(1, 50, EOP | IFCS);
    set(0x3818, 2);
    assert_int_equal(steps(), 1);
    assert_int_equal(got_len, 100);
    stop();
}

static void test_model_pads(void **state)
{
    (void)state;
    start(E1000_82540EM);
    frame_make(buffer(RING), 42);
    tx_put(0, 42, EOP | IFCS);
    set(0x3818, 1);
    steps();
    assert_int_equal(got_len, 60);
    for (unsigned i = 42; i < 60; i++)
        assert_int_equal(got[i], 0);
    stop();
}

static void test_model_link_down_keeps_frames(void **state)
{
    (void)state;
    start(E1000_82540EM);
    e1000_model_link(&model, false);
    steps();
    frame_make(buffer(RING), 60);
    tx_put(0, 60, EOP | IFCS | RS);
    set(0x3818, 1);
    assert_int_equal(steps(), 0);
    e1000_model_link(&model, true);
    steps();
    assert_int_equal(got_count, 1);
    stop();
}

static void test_model_transmit_timers(void **state)
{
    (void)state;
    start(E1000_82540EM);
    set(0x3820, 10);
    set(0x382c, 15);
    (void)reg(0xc0);
    for (unsigned i = 0; i < 3; i++) {
        frame_make(buffer(RING + i), 60);
        tx_put(i, 60, EOP | IFCS | RS | IDE);
        set(0x3818, i + 1);
        steps();
        assert_int_equal(tx_ring[16 * i + 12], 1);
        assert_int_equal(reg(0xc0) & 1, 0);
        clock_set(clock_now() + 5120);
    }
    steps();
    assert_int_equal(reg(0xc0) & 1, 1);
    stop();
}

static void test_model_low_threshold(void **state)
{
    (void)state;
    start(E1000_82540EM);
    set(0x3828, 1 << 25); /* fewer than 8 */
    (void)reg(0xc0);
    for (unsigned i = 0; i < 9; i++) {
        frame_make(buffer(RING + i), 60);
        tx_put(i, 60, EOP | IFCS);
    }
    set(0x3818, 9);
    assert_true(e1000_model_step(&model));
    assert_int_equal(reg(0xc0) & 1 << 15, 0);
    assert_true(e1000_model_step(&model));
    assert_int_equal(reg(0xc0) & 1 << 15, 1 << 15);
    stop();
}

static void test_model_loopback(void **state)
{
    (void)state;
    start(E1000_82540EM);
    set(0x0100, 1 << 1 | 1 << 6 | 1 << 26);
    frame_make(buffer(RING), 60);
    tx_put(0, 60, EOP | IFCS);
    set(0x3818, 1);
    assert_int_equal(steps(), 2);
    assert_int_equal(got_count, 0);
    assert_memory_equal(buffer(0), buffer(RING), 60);
    stop();
}

/* CSS and CSO of a legacy descriptor. */
static void test_model_legacy_checksum(void **state)
{
    (void)state;
    start(E1000_82540EM);
    memset(buffer(RING), 0, 60);
    memcpy(buffer(RING), model.mac, 6);
    be16_put(buffer(RING) + 20, 0x1234);
    tx_put(0, 60, EOP | IFCS | IC);
    tx_ring[10] = 30;
    tx_ring[13] = 14;
    set(0x3818, 1);
    steps();
    assert_int_equal(be16_get(got + 30), (uint16_t)~0x1234);
    stop();
}

/* ---- Context and data descriptors ---------------------------------------- */

static void context_put(unsigned index, uint8_t command, uint32_t payload,
                        uint16_t mss)
{
    uint8_t *desc = tx_ring + 16 * index;

    memset(desc, 0, 16);
    desc[0] = 14; /* IP header: bytes 14 to 33, sum at 24 */
    desc[1] = 24;
    le16_put(desc + 2, 33);
    desc[4] = 34; /* TCP: from 34 on, sum at 50 */
    desc[5] = 50;
    le32_put(desc + 8, payload);
    desc[11] = command | DEXT;
    desc[13] = 54;
    le16_put(desc + 14, mss);
}

static void data_put(unsigned index, const uint8_t *at, uint32_t len,
                     uint8_t command, uint8_t options)
{
    uint8_t *desc = tx_ring + 16 * index;

    memset(desc, 0, 16);
    le64_put(desc, hal_dma_addr(at));
    le32_put(desc + 8, len | 1 << 20);
    desc[11] = command | DEXT;
    desc[13] = options;
}

/* What is left for the driver to sum: addresses and protocol, 3.5.8, and the
 * length unless the card segments. */
static void sums_prepare(uint8_t *frame, uint32_t tcp_len)
{
    uint32_t sum = 0x0a00 + 1 + 0x0a00 + 2 + 6 + tcp_len;

    be16_put(frame + 24, 0);
    be16_put(frame + 50, (uint16_t)sum);
}

static void test_model_checksum_offload(void **state)
{
    uint8_t frame[100];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(both[i]);
        tcp_make(frame, 46);
        memcpy(buffer(RING), frame, 100);
        sums_prepare(buffer(RING), 66);
        context_put(0, 3, 0, 0);
        data_put(1, buffer(RING), 60, IFCS, 3);
        data_put(2, buffer(RING) + 60, 40, EOP | IFCS | RS, 0);
        set(0x3818, 3);
        steps();
        assert_int_equal(got_len, 100);
        assert_memory_equal(got, frame, 100);
        assert_int_equal(tx_ring[32 + 12], 1);
        /* The context stays. */
        data_put(3, buffer(RING), 100, EOP | IFCS, 3);
        set(0x3818, 4);
        steps();
        assert_int_equal(got_count, 2);
        assert_memory_equal(got, frame, 100);
        stop();
    }
}

/* A UDP sum of 0 is sent as 0xffff. */
static void test_model_udp_checksum_is_never_zero(void **state)
{
    (void)state;
    start(E1000_82540EM);
    memset(buffer(RING), 0, 60);
    memcpy(buffer(RING), model.mac, 6);
    be16_put(buffer(RING) + 40, 0xffff);
    context_put(0, 2, 0, 0);
    data_put(1, buffer(RING), 60, EOP | IFCS, 2);
    set(0x3818, 2);
    steps();
    assert_int_equal(be16_get(got + 50), 0xffff);
    stop();
}

static uint8_t segments[8][1600];

static void segment_sent(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    assert_in_range(got_count, 0, 7);
    memcpy(segments[got_count], frame, len);
    got_len = len;
    got_count++;
}

/* 3000 bytes in segments of 1400: as many frames as TCP would make by hand. */
static void test_model_segments(void **state)
{
    uint8_t frame[3100], want[1600];

    (void)state;
    start(E1000_82574L);
    model.sent = segment_sent;
    tcp_make(frame, 3000);
    memcpy(buffer(RING), frame, 3054);
    sums_prepare(buffer(RING), 0);
    context_put(0, 7, 3000, 1400);
    data_put(1, buffer(RING), 54, TSE | IFCS, 3);
    data_put(2, buffer(RING) + 54, 3000, EOP | TSE | IFCS | RS, 3);
    set(0x3818, 3);
    steps();
    assert_int_equal(got_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        size_t size = i < 2 ? 1400 : 200;
        uint32_t sum = 0;

        /* Flags ACK, PSH, FIN: only the last has PSH and FIN. */
        assert_int_equal(segments[i][47], i < 2 ? 0x10 : 0x19);
        assert_int_equal(be16_get(segments[i] + 16), 40 + size);
        assert_int_equal(be16_get(segments[i] + 18), 0x1234 + i);
        assert_int_equal(be32_get(segments[i] + 38), 0x1000 + 1400 * i);
        assert_memory_equal(segments[i] + 54, frame + 54 + 1400 * i, size);
        memcpy(want, segments[i], 54 + size);
        for (unsigned k = 14; k < 34; k += 2)
            sum += be16_get(want + k);
        assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
        sum = 0x0a00 + 1 + 0x0a00 + 2 + 6 + 20 + (uint32_t)size;
        for (unsigned k = 34; k < 54 + size; k += 2)
            sum += be16_get(want + k);
        sum = (sum & 0xffff) + (sum >> 16);
        assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
    }
    assert_int_equal(reg(0x40f8), 1); /* TSCTC */
    stop();
}

/* ---- MSI-X --------------------------------------------------------------- */

static unsigned message_count[3];

static void message(void *arg)
{
    ++*(unsigned *)arg;
}

/* Three vectors, by hand: receive, transmit, other. */
static void messages_on(void)
{
    struct hal_io table;

    memset(message_count, 0, sizeof(message_count));
    assert_int_equal(hal_io_map(HAL_IO_MEMORY,
                                0xf0000000 + 0x100000 * SLOT + 0x80000, 0x4000,
                                &table),
                     0);
    config_set(0xa0, 0xc0000000);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t addr;
        uint32_t data;
        int irq = hal_irq_msi(0, &addr, &data);

        assert_int_equal(hal_irq_attach(irq, 0, message, &message_count[i]), 0);
        hal_io_write32(table, 16 * i, (uint32_t)addr);
        hal_io_write32(table, 16 * i + 4, (uint32_t)(addr >> 32));
        hal_io_write32(table, 16 * i + 8, data);
        hal_io_write32(table, 16 * i + 12, 0);
    }
    config_set(0xa0, 0x80000000);
    set(0xe4, 8 | 8 << 4 | 9 << 8 | 9 << 12 | 10 << 16);
}

static void test_model_messages(void **state)
{
    uint8_t frame[60];

    (void)state;
    start(E1000_82574L);
    messages_on();
    (void)reg(0xc0);
    set(0xdc, 1 << 20 | 1 << 22); /* EIAC */
    set(0xd0, 1 << 20 | 1 << 22 | 1 << 24 | 1 << 2);
    assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
    steps();
    settle();
    assert_int_equal(message_count[0], 1);
    assert_int_equal(interrupts, 0);
    /* EIAC has cleared cause and mask. */
    assert_int_equal(reg(0xd0), 1 << 22 | 1 << 24 | 1 << 2);
    assert_true(e1000_model_receive(&model, frame, 60));
    steps();
    settle();
    assert_int_equal(message_count[0], 1);
    set(0xd0, 1 << 20); /* it comes now */
    settle();
    assert_int_equal(message_count[0], 2);
    frame_make(buffer(RING), 60);
    tx_put(0, 60, EOP | IFCS | RS);
    set(0x3818, 1);
    steps();
    settle();
    assert_int_equal(message_count[1], 1);
    e1000_model_link(&model, false);
    steps();
    settle();
    assert_int_equal(message_count[2], 1);
    assert_true((reg(0xc0) & (1 << 24 | 1 << 2)) == (1 << 24 | 1 << 2));
    assert_int_equal(model.card.by_message, 4);
    stop();
}

static void test_model_message_rate(void **state)
{
    (void)state;
    start(E1000_82574L);
    messages_on();
    set(0xe8, 1000);
    set(0xd0, 1 << 20);
    set(0xdc, 1 << 20);
    for (unsigned i = 0; i < 2; i++) {
        set(0xc8, 1 << 20);
        set(0xd0, 1 << 20);
        steps();
    }
    settle();
    assert_int_equal(message_count[0], 1);
    clock_set(clock_now() + 256000);
    steps();
    settle();
    assert_int_equal(message_count[0], 2);
    stop();
}

/* A masked message waits in the pending bits. */
static void test_model_masked_message(void **state)
{
    struct hal_io table;

    (void)state;
    start(E1000_82574L);
    messages_on();
    assert_int_equal(hal_io_map(HAL_IO_MEMORY,
                                0xf0000000 + 0x100000 * SLOT + 0x80000, 0x4000,
                                &table),
                     0);
    hal_io_write32(table, 12, 1);
    assert_int_equal(hal_io_read32(table, 12), 1);
    set(0xd0, 1 << 20);
    set(0xc8, 1 << 20);
    settle();
    assert_int_equal(message_count[0], 0);
    assert_int_equal(hal_io_read32(table, 0x2000), 1);
    assert_int_equal(hal_io_read32(table, 0x2004), 0);
    hal_io_write32(table, 12, 0);
    settle();
    assert_int_equal(message_count[0], 1);
    assert_int_equal(hal_io_read32(table, 0x2000), 0);
    config_set(0xa0, 0xc0000000); /* all */
    set(0xc0, 1 << 20);
    set(0xc8, 1 << 20);
    settle();
    assert_int_equal(message_count[0], 1);
    config_set(0xa0, 0x80000000);
    settle();
    assert_int_equal(message_count[0], 2);
    stop();
}

/* ---- Faults -------------------------------------------------------------- */

static struct fault_plan plan;

static void meets(enum model_fault kind, unsigned nth)
{
    plan = (struct fault_plan){.kind = kind, .nth = nth};
    model.faults = &plan;
}

/* One frame out and one in, each with the fault. */
static void test_model_faults_of_frames(void **state)
{
    static const struct {
        enum model_fault kind;
        unsigned sent, received, interrupts;
    } rows[] = {
        {FAULT_NONE, 1, 1, 1},  {FAULT_FAIL, 0, 1, 1},
        {FAULT_LATE, 0, 0, 0},  {FAULT_NEVER, 0, 0, 0},
        {FAULT_TWICE, 1, 1, 2}, {FAULT_LOST_IRQ, 1, 1, 0},
        {FAULT_SHORT, 1, 1, 1},
    };
    uint8_t frame[60];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = fault_name(rows[i].kind);

        start(E1000_82540EM);
        (void)reg(0xc0);
        set(0xd0, 1 << 7);
        meets(rows[i].kind, 1);
        assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
        assert_int_equal(steps() > 0, 1);
        settle();
        ROW(name, model.frames_received == rows[i].received);
        ROW(name,
            rows[i].kind == FAULT_TWICE || interrupts == rows[i].interrupts);
        if (rows[i].kind == FAULT_LATE) {
            clock_set(e1000_model_next_ns(&model));
            steps();
            ROW(name, model.frames_received == 1);
        }
        meets(rows[i].kind, 1);
        frame_make(buffer(RING), 60);
        tx_put(0, 60, EOP | IFCS | RS);
        set(0x3818, 1);
        steps();
        ROW(name, got_count == rows[i].sent);
        ROW(name, rows[i].kind != FAULT_FAIL || tx_ring[12] == 3);
        if (rows[i].kind == FAULT_LATE) {
            clock_set(e1000_model_next_ns(&model));
            steps();
            ROW(name, got_count == 1);
        }
        stop();
    }
}

static void test_model_twice_and_spurious(void **state)
{
    uint8_t frame[60];

    (void)state;
    start(E1000_82540EM);
    (void)reg(0xc0);
    meets(FAULT_TWICE, 1);
    assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
    assert_true(e1000_model_step(&model));
    settle();
    assert_int_equal(interrupts, 0);
    assert_true(e1000_model_step(&model));
    settle();
    assert_int_equal(interrupts, 1);
    meets(FAULT_SPURIOUS_IRQ, 1);
    assert_true(e1000_model_receive(&model, frame, 60));
    assert_true(e1000_model_step(&model));
    settle();
    assert_int_equal(interrupts, 2);
    assert_int_equal(model.frames_received, 2);
    stop();
}

/* The card forgets everything, as after a reset. */
static void test_model_reset_by_itself(void **state)
{
    (void)state;
    start(E1000_82540EM);
    meets(FAULT_RESET, 1);
    frame_make(buffer(RING), 60);
    tx_put(0, 60, EOP | IFCS | RS);
    set(0x3818, 1);
    steps();
    assert_int_equal(got_count, 0);
    assert_int_equal(reg(0x0400), 0);
    assert_int_equal(reg(0x2808), 0);
    assert_int_equal(model.resets, 1); /* the driver's */
    stop();
}

static void test_model_faults_of_requests(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    meets(FAULT_FAIL, 1);
    assert_int_equal(phy(2, 2, 0), 0x4000ffff);
    meets(FAULT_FAIL, 1);
    assert_int_equal(eeprom_read(0), 0xffff);
    meets(FAULT_NEVER, 1);
    set(0x14, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(reg(0x14) & 16, 0);
    meets(FAULT_LATE, 1);
    set(0x20, 2 << 26 | 1 << 21 | 2 << 16);
    assert_int_equal(steps(), 0);
    clock_set(clock_now() + E1000_MODEL_LATE_NS);
    assert_int_equal(steps(), 1);
    assert_int_equal(reg(0x20) & 0xffff, 0x0141);
    meets(FAULT_NEVER, 1);
    set(0, 1 << 26);
    clock_set(clock_now() + E1000_MODEL_LATE_NS);
    for (unsigned i = 0; i < 100; i++)
        assert_true((reg(0) & 1 << 26) != 0);
    stop();
}

static void test_model_late_reset(void **state)
{
    (void)state;
    wake_up(E1000_82540EM);
    meets(FAULT_LATE, 1);
    set(0, 1 << 26);
    clock_set(clock_now() + 1000);
    for (unsigned i = 0; i < 10; i++)
        assert_true((reg(0) & 1 << 26) != 0);
    clock_set(clock_now() + E1000_MODEL_LATE_NS);
    assert_true((reg(0) & 1 << 26) != 0);
    assert_true((reg(0) & 1 << 26) == 0);
    stop();
}

static void test_model_lost_message(void **state)
{
    uint8_t frame[60];

    (void)state;
    start(E1000_82574L);
    messages_on();
    (void)reg(0xc0);
    set(0xd0, 1 << 20);
    meets(FAULT_LOST_IRQ, 1);
    assert_true(e1000_model_receive(&model, frame, frame_make(frame, 60)));
    steps();
    settle();
    assert_int_equal(message_count[0], 0);
    assert_true((reg(0xc0) & 1 << 20) != 0);
    meets(FAULT_SPURIOUS_IRQ, 1);
    assert_true(e1000_model_receive(&model, frame, 60));
    assert_true(e1000_model_step(&model));
    settle();
    assert_true(message_count[0] >= 1);
    assert_int_equal(message_count[2], 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_identity),
        cmocka_unit_test(test_model_eeprom),
        cmocka_unit_test(test_model_phy),
        cmocka_unit_test(test_model_phy_restart_drops_the_link),
        cmocka_unit_test(test_model_link),
        cmocka_unit_test(test_model_causes),
        cmocka_unit_test(test_model_line_is_a_level),
        cmocka_unit_test(test_model_interrupt_rate),
        cmocka_unit_test(test_model_icr_of_the_82574),
        cmocka_unit_test(test_model_statistics_clear_on_read),
        cmocka_unit_test(test_model_receives),
        cmocka_unit_test(test_model_keeps_the_check_sequence),
        cmocka_unit_test(test_model_receives_in_pieces),
        cmocka_unit_test(test_model_filter),
        cmocka_unit_test(test_model_lengths_and_bad_frames),
        cmocka_unit_test(test_model_no_receiver_no_frame),
        cmocka_unit_test(test_model_no_descriptor),
        cmocka_unit_test(test_model_threshold),
        cmocka_unit_test(test_model_receive_timers),
        cmocka_unit_test(test_model_receive_checksums),
        cmocka_unit_test(test_model_packet_checksum),
        cmocka_unit_test(test_model_vlan),
        cmocka_unit_test(test_model_extended_descriptors),
        cmocka_unit_test(test_model_checks_more),
        cmocka_unit_test(test_model_receive_side_scaling),
        cmocka_unit_test(test_model_transmits),
        cmocka_unit_test(test_model_waits_for_the_whole_packet),
        cmocka_unit_test(test_model_pads),
        cmocka_unit_test(test_model_link_down_keeps_frames),
        cmocka_unit_test(test_model_transmit_timers),
        cmocka_unit_test(test_model_low_threshold),
        cmocka_unit_test(test_model_loopback),
        cmocka_unit_test(test_model_legacy_checksum),
        cmocka_unit_test(test_model_checksum_offload),
        cmocka_unit_test(test_model_udp_checksum_is_never_zero),
        cmocka_unit_test(test_model_segments),
        cmocka_unit_test(test_model_messages),
        cmocka_unit_test(test_model_message_rate),
        cmocka_unit_test(test_model_masked_message),
        cmocka_unit_test(test_model_faults_of_frames),
        cmocka_unit_test(test_model_twice_and_spurious),
        cmocka_unit_test(test_model_reset_by_itself),
        cmocka_unit_test(test_model_faults_of_requests),
        cmocka_unit_test(test_model_late_reset),
        cmocka_unit_test(test_model_lost_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
