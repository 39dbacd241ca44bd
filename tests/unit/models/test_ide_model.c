/*
 * The IDE model itself: registers, commands without DMA, resets. Each command
 * once, and each breach of the protocol once.
 */
#include "tests/unit/models/ide_hand.h"

/* ---- Registers ----------------------------------------------------------- */

static void test_status_shows_a_ready_drive(void **state)
{
    (void)state;
    plug();
    assert_int_equal(in8(0x1f7), DRDY);
    assert_int_equal(in8(0x3f6), DRDY);
    assert_int_equal(in8(0x1f1), 1); /* its diagnostic passed */
    assert_int_equal(in8(0x1f2), 1);
    assert_int_equal(in8(0x1f3), 1);
    assert_int_equal(in8(0x1f4), 0);
    assert_int_equal(in8(0x1f5), 0);
    assert_int_equal(in8(0x1f6), 0xa0);
}

static void test_a_packet_device_has_its_signature(void **state)
{
    (void)state;
    drive->kind = IDE_ATAPI;
    plug();
    assert_int_equal(in8(0x1f7), 0);
    assert_int_equal(in8(0x1f4), 0x14);
    assert_int_equal(in8(0x1f5), 0xeb);
}

static void test_nobody_is_read_as_what_floats(void **state)
{
    (void)state;
    plug();
    assert_int_equal(in8(0x177), 0x7f); /* nobody on the channel */
    assert_int_equal(in8(0x172), 0x7f);
    out8(0x172, 0x55);
    assert_int_equal(in8(0x172), 0x7f);
    out8(0x177, 0xec); /* nobody listens */
    run_all();
    assert_int_equal(in8(0x376), 0x7f);

    out8(0x1f6, 0x10); /* drive 0 answers for drive 1 */
    assert_int_equal(status_settled(), 0);
    assert_int_equal(in8(0x1f2), 1);
    out8(0x1f7, 0xec);
    run_all();
    assert_int_equal(status_settled(), 0);
    assert_int_equal(drive->commands[0xec], 0);

    model.floating = 0xff;
    assert_int_equal(in8(0x177), 0xff);
}

static void test_drive_1_alone_leaves_drive_0_floating(void **state)
{
    (void)state;
    model.channel[1].drive[1] = *drive;
    plug();
    assert_int_equal(in8(0x177), 0x7f);
    out8(0x176, 0x10);
    for (int i = 0; i < 4; i++)
        (void)in8(0x376);
    assert_int_equal(in8(0x376), DRDY);
    assert_int_equal(in8(0x176), 0xb0);
}

static void test_parameters_are_two_deep(void **state)
{
    (void)state;
    plug();
    for (uint16_t i = 1; i <= 5; i++) {
        out8(0x1f0 + i, (uint8_t)(0x10 + i));
        out8(0x1f0 + i, (uint8_t)(0x20 + i));
    }
    for (uint16_t i = 2; i <= 5; i++)
        assert_int_equal(in8(0x1f0 + i), 0x20 + i);
    out8(0x3f6, HOB);
    for (uint16_t i = 2; i <= 5; i++)
        assert_int_equal(in8(0x1f0 + i), 0x10 + i);
    assert_int_equal(drive->features[0], 0x21);
    assert_int_equal(drive->features[1], 0x11);
    out8(0x1f2, 9); /* any write ends it */
    assert_int_equal(in8(0x1f3), 0x23);
    /* A drive without 48 bits does not know the bit. */
    drive->lba48 = false;
    out8(0x3f6, HOB);
    assert_int_equal(in8(0x1f3), 0x23);
}

static void test_busy_shows_in_every_register(void **state)
{
    (void)state;
    plug();
    command28(0xec, 0, 0);
    (void)status_settled();
    assert_int_equal(in8(0x1f7), BSY);
    for (uint16_t i = 1; i <= 6; i++)
        assert_int_equal(in8(0x1f0 + i), BSY);
}

static void test_status_is_stale_for_400_ns(void **state)
{
    (void)state;
    plug();
    command28(0xec, 0, 0);
    channel->stale_since = hal_time_ns() + 1000000; /* no time passes */
    channel->stale_ns = 1000000 + 400;
    channel->stale_since -= 1000000;
    for (int i = 0; i < 4; i++)
        assert_int_equal(in8(0x3f6), DRDY);
    channel->stale_ns = 400; /* now they have */
    assert_int_equal(in8(0x3f6), BSY);
}

static void test_reading_the_status_answers_the_interrupt(void **state)
{
    (void)state;
    plug();
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(irqs[0], 1);
    assert_true(channel->line);
    assert_int_equal(status_settled(), DRDY); /* the alternate one does not */
    assert_true(channel->line);
    assert_int_equal(in8(0x1f7), DRDY);
    assert_false(channel->line);
    assert_int_equal(channel->interrupts, 1);
}

static void test_nien_holds_the_interrupt_back(void **state)
{
    (void)state;
    plug();
    out8(0x3f6, NIEN);
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(irqs[0], 0);
    assert_true(drive->pending);
    out8(0x3f6, 0);
    irqs_take();
    assert_int_equal(irqs[0], 1);
}

static void test_only_the_selected_drive_interrupts(void **state)
{
    (void)state;
    channel->drive[1] = *drive;
    plug();
    command28(0xe7, 0, 0);
    while (ide_model_step(&model))
        ;
    irqs_take();
    assert_true(channel->line);
    out8(0x1f6, 0x10);
    assert_false(channel->line);
    out8(0x1f6, 0);
    assert_true(channel->line);
    irqs_take();
    assert_int_equal(irqs[0], 2);
}

/* ---- IDENTIFY ------------------------------------------------------------ */

static uint16_t word[256];

static void identify_take(uint8_t code)
{
    uint8_t sum = 0;

    command28(code, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | DRQ);
    for (unsigned i = 0; i < 256; i++) {
        word[i] = in16(0x1f0);
        sum = (uint8_t)(sum + word[i] + (word[i] >> 8));
    }
    assert_int_equal(status_settled(), DRDY);
    assert_int_equal(sum, 0);
    assert_int_equal(word[255] & 0xff, 0xa5);
}

static void test_identify_tells_what_the_drive_is(void **state)
{
    (void)state;
    plug();
    identify_take(0xec);
    assert_int_equal(word[0], 0x40);
    assert_int_equal(word[10], 'M' << 8 | 'O');
    assert_int_equal(word[27], 'T' << 8 | 'o');
    assert_int_equal(word[47], 0x8010);
    assert_int_equal(word[49], 0x0f00);
    assert_int_equal(word[53], 7);
    assert_int_equal(word[60] | (uint32_t)word[61] << 16, SECTORS);
    assert_int_equal(word[63], 7);
    assert_int_equal(word[83], 0x7400);
    assert_int_equal(word[84], 0x4040);
    assert_int_equal(word[85], 0x4020); /* the cache is on */
    assert_int_equal(word[86], 0x3400);
    assert_int_equal(word[88], 0x203f); /* mode 5 is set */
    assert_int_equal(word[100], SECTORS);
    assert_int_equal(word[106], 0);
    assert_int_equal(irqs[0], 1);
}

static void other_size(struct ide_model_drive *at, uint16_t words[256])
{
    assert_ptr_equal(at, drive);
    words[100] = 77;
}

static void test_identify_tells_of_what_there_is_not(void **state)
{
    (void)state;
    drive->sectors = UINT64_C(1) << 33;
    drive->sector_size = 4096;
    drive->no_udma = drive->no_cache = drive->no_flush = true;
    drive->fua = false;
    drive->multiple_max = 0;
    drive->identify = other_size;
    plug();
    identify_take(0xec);
    assert_int_equal(word[1], 16383);
    assert_int_equal(word[47], 0x8000);
    assert_int_equal(word[53], 3);
    assert_int_equal(word[60] | (uint32_t)word[61] << 16, 0x0fffffff);
    assert_int_equal(word[63], 0x0407); /* multiword mode 2 is set */
    assert_int_equal(word[82], 0x4000);
    assert_int_equal(word[83], 0x4400);
    assert_int_equal(word[84], 0x4000);
    assert_int_equal(word[100], 77); /* a change by the test */
    assert_int_equal(word[102], 2);
    assert_int_equal(word[106], 0x5000);
    assert_int_equal(word[117], 2048);

    drive->no_dma = true;
    drive->lba48 = false;
    identify_take(0xec);
    assert_int_equal(word[49], 0x0e00);
    assert_int_equal(word[63], 0);
    assert_int_equal(word[83], 0x4000);
}

static void test_a_packet_device_has_another_identify(void **state)
{
    (void)state;
    drive->kind = IDE_ATAPI;
    plug();
    command28(0xec, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(in8(0x1f1), 4);
    assert_int_equal(in8(0x1f4), 0x14);
    assert_int_equal(in8(0x1f5), 0xeb);
    identify_take(0xa1);
    assert_int_equal(word[0], 0x8580);
    assert_int_equal(word[82], 0x4230);
    command28(0x20, 0, 1);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    command28(0xa0, 0, 1);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(drive->aborts, 3);
}

/* ---- Reading and writing by PIO ------------------------------------------ */

static void expect_sectors(uint64_t lba, unsigned count)
{
    for (unsigned i = 0; i < count * 256; i++)
        assert_int_equal(in16(0x1f0), le16_get(disk + lba * 512 + 2 * i));
}

static void test_read_sectors_interrupts_for_each(void **state)
{
    (void)state;
    plug();
    command28(0x20, 5, 3);
    assert_int_equal(status_settled(), BSY);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(irqs[0], i);
        run_all();
        assert_int_equal(irqs[0], i + 1);
        assert_int_equal(in8(0x1f7), DRDY | DRQ);
        expect_sectors(5 + i, 1);
    }
    assert_int_equal(status_settled(), DRDY);
    run_all();
    assert_int_equal(irqs[0], 3); /* none at the end */
    ide_model_check_idle(&model);
}

static void test_a_block_is_followed_by_a_stale_status(void **state)
{
    (void)state;
    plug();
    command28(0x20, 5, 2);
    run_all();
    (void)in8(0x1f7);
    expect_sectors(5, 1);
    channel->stale_since = hal_time_ns(); /* at once */
    channel->stale_ns = 1000000000;
    assert_int_equal(in8(0x3f6), DRDY | DRQ);
    channel->stale_ns = 100;
    assert_int_equal(in8(0x3f6), BSY);
}

static void test_read_takes_words_of_32_bits(void **state)
{
    (void)state;
    plug();
    command28(0x20, 9, 1);
    run_all();
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(in32(0x1f0), le32_get(disk + 9 * 512 + 4 * i));
    assert_int_equal(status_settled(), DRDY);
}

static void put_sectors(unsigned count, uint16_t first)
{
    for (unsigned i = 0; i < count * 256; i++)
        out16(0x1f0, (uint16_t)(first + i));
}

static void expect_written(uint64_t lba, unsigned count, uint16_t first)
{
    for (unsigned i = 0; i < count * 256; i++)
        assert_int_equal(le16_get(disk + lba * 512 + 2 * i),
                         (uint16_t)(first + i));
}

static void test_write_sectors_asks_for_the_first_in_silence(void **state)
{
    (void)state;
    plug();
    command28(0x30, 7, 2);
    run_all();
    assert_int_equal(irqs[0], 0);
    assert_int_equal(in8(0x1f7), DRDY | DRQ);
    put_sectors(1, 1000);
    assert_int_equal(status_settled(), BSY);
    run_all();
    assert_int_equal(irqs[0], 1);
    assert_int_equal(in8(0x1f7), DRDY | DRQ);
    for (unsigned i = 0; i < 128; i++)
        out32(0x1f0, 2000 + 2 * i + ((2001 + 2 * i) << 16));
    run_all();
    assert_int_equal(irqs[0], 2);
    assert_int_equal(in8(0x1f7), DRDY);
    expect_written(7, 1, 1000);
    expect_written(8, 1, 2000);
    assert_int_equal(drive->unflushed, 2);
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(drive->unflushed, 0);
}

static void test_multiple_moves_blocks(void **state)
{
    (void)state;
    plug();
    command28(0xc4, 0, 1); /* not before it is set */
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(in8(0x1f1), 4);
    command28(0xc6, 0, 4);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY);
    identify_take(0xec);
    assert_int_equal(word[59], 0x0104);
    irqs[0] = 0;

    command28(0xc4, 20, 6);
    run_all();
    (void)in8(0x1f7);
    expect_sectors(20, 4);
    run_all();
    (void)in8(0x1f7);
    expect_sectors(24, 2);
    assert_int_equal(status_settled(), DRDY);
    assert_int_equal(irqs[0], 2);

    command48(0x39, 40, 5);
    run_all();
    put_sectors(4, 0);
    run_all();
    put_sectors(1, 7);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY);
    expect_written(40, 4, 0);
    expect_written(44, 1, 7);
    command48(0xce, 50, 1); /* through the cache */
    run_all();
    drive->unflushed = 0;
    put_sectors(1, 9);
    run_all();
    assert_int_equal(drive->unflushed, 0);
    expect_written(50, 1, 9);
    command28(0xc5, 51, 1);
    run_all();
    put_sectors(1, 11);
    run_all();
    expect_written(51, 1, 11);
    command48(0x29, 51, 1);
    run_all();
    expect_sectors(51, 1);
}

static void test_set_multiple_takes_what_identify_allows(void **state)
{
    static const struct {
        const char *name;
        uint8_t count;
        uint8_t status;
    } rows[] = {
        {"one", 1, DRDY},
        {"the most", 16, DRDY},
        {"none", 0, DRDY},
        {"more", 32, DRDY | ERR},
        {"no power", 3, DRDY | ERR},
    };

    (void)state;
    plug();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        command28(0xc6, 0, rows[i].count);
        run_all();
        ROW(rows[i].name, in8(0x1f7) == rows[i].status);
        ROW(rows[i].name,
            drive->multiple == (rows[i].status == DRDY ? rows[i].count : 0));
    }
}

static void test_ext_commands_have_48_bits(void **state)
{
    const uint64_t first = UINT64_C(0x123456789a);

    (void)state;
    drive->sectors = UINT64_C(1) << 40;
    drive->data_first = first;
    drive->data_count = SECTORS;
    plug();
    command48(0x24, first + 3, 1);
    run_all();
    expect_sectors(3, 1);
    command48(0x34, first + 4, 1);
    run_all();
    put_sectors(1, 5);
    run_all();
    expect_written(4, 1, 5);
    command48(0x24, 3, 1); /* not kept */
    run_all();
    assert_int_equal(in16(0x1f0), 0);
    assert_int_equal(drive->strays, 0);
    for (unsigned i = 1; i < 256; i++)
        (void)in16(0x1f0);
    command48(0x34, 3, 1);
    run_all();
    put_sectors(1, 5);
    run_all();
    assert_int_equal(drive->strays, 1);

    command48(0x24, first + 1, 0); /* 65536 of them */
    run_all();
    assert_int_equal(drive->total, 65536);
}

static void test_count_0_is_256(void **state)
{
    (void)state;
    plug();
    command28(0x20, 0, 0);
    run_all();
    assert_int_equal(drive->total, 256);
}

static void test_sectors_of_4096_bytes_are_one_block(void **state)
{
    (void)state;
    drive->sector_size = 4096;
    drive->sectors = SECTORS / 8;
    plug();
    command28(0x20, 2, 1);
    run_all();
    expect_sectors(16, 8);
    assert_int_equal(status_settled(), DRDY);
    command28(0x20, SECTORS / 8, 1);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
}

static void test_sectors_beyond_the_end_are_not_found(void **state)
{
    static const struct {
        const char *name;
        bool is_ext;
        uint8_t code;
        uint64_t lba;
        uint16_t count;
        uint64_t said;
    } rows[] = {
        {"behind", false, 0x20, SECTORS, 1, SECTORS},
        {"across", false, 0x30, SECTORS - 1, 2, SECTORS},
        {"far", true, 0x24, UINT64_C(0xffffffffffff), 1,
         UINT64_C(0xffffffffffff)},
        {"dma", true, 0x35, SECTORS, 1, SECTORS},
    };

    (void)state;
    plug();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t lba;

        if (rows[i].is_ext)
            command48(rows[i].code, rows[i].lba, rows[i].count);
        else
            command28(rows[i].code, (uint32_t)rows[i].lba,
                      (uint8_t)rows[i].count);
        run_all();
        ROW(rows[i].name, in8(0x1f7) == (DRDY | ERR));
        ROW(rows[i].name, in8(0x1f1) == 0x10);
        lba =
            in8(0x1f3) | (uint64_t)in8(0x1f4) << 8 | (uint64_t)in8(0x1f5) << 16;
        if (rows[i].is_ext) {
            out8(0x3f6, HOB);
            lba |= (uint64_t)in8(0x1f3) << 24 | (uint64_t)in8(0x1f4) << 32 |
                   (uint64_t)in8(0x1f5) << 40;
        }
        ROW(rows[i].name, lba == rows[i].said);
    }
}

static void test_cylinders_heads_sectors(void **state)
{
    (void)state;
    plug();
    (void)status_settled();
    out8(0x1f2, 10); /* 10 sectors a track, 4 heads */
    out8(0x1f6, 3);
    out8(0x1f7, 0x91);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY);
    out8(0x1f2, 1);
    out8(0x1f3, 4); /* cylinder 2, head 1, sector 4: 2*40 + 10 + 3 */
    out8(0x1f4, 2);
    out8(0x1f5, 0);
    out8(0x1f6, 1);
    out8(0x1f7, 0x20);
    run_all();
    (void)in8(0x1f7);
    expect_sectors(93, 1);
    (void)status_settled();
    out8(0x1f3, 11); /* no such sector */
    out8(0x1f7, 0x20);
    run_all();
    assert_int_equal(status_settled(), DRDY | ERR);
    out8(0x1f3, 1);
    out8(0x1f6, 4); /* no such head */
    out8(0x1f7, 0x20);
    run_all();
    assert_int_equal(status_settled(), DRDY | ERR);
    out8(0x1f2, 0);
    out8(0x1f7, 0x91);
    run_all();
    assert_int_equal(status_settled(), DRDY | ERR);
}

/* ---- Commands without data ----------------------------------------------- */

static void test_commands_without_data(void **state)
{
    static const struct {
        const char *name;
        uint8_t code;
        uint8_t feature;
        uint8_t count;
        uint8_t status;
    } rows[] = {
        {"nop", 0x00, 0, 0, DRDY | ERR},
        {"device reset", 0x08, 0, 0, DRDY | ERR},
        {"identify packet", 0xa1, 0, 0, DRDY | ERR},
        {"flush", 0xe7, 0, 0, DRDY},
        {"flush ext", 0xea, 0, 0, DRDY},
        {"standby", 0xe0, 0, 0, DRDY},
        {"idle", 0xe1, 0, 0, DRDY},
        {"check power", 0xe5, 0, 0, DRDY},
        {"verify", 0x40, 0, 1, DRDY},
        {"verify ext", 0x42, 0, 1, DRDY},
        {"cache off", 0xef, 0x82, 0, DRDY},
        {"cache on", 0xef, 0x02, 0, DRDY},
        {"pio default", 0xef, 3, 1, DRDY},
        {"pio 4", 0xef, 3, 0x0c, DRDY},
        {"pio 5", 0xef, 3, 0x0d, DRDY | ERR},
        {"multiword 2", 0xef, 3, 0x22, DRDY},
        {"multiword 3", 0xef, 3, 0x23, DRDY | ERR},
        {"ultra 5", 0xef, 3, 0x45, DRDY},
        {"ultra 6", 0xef, 3, 0x46, DRDY | ERR},
        {"mode of old", 0xef, 3, 0x10, DRDY | ERR},
        {"no feature", 0xef, 0x99, 0, DRDY | ERR},
        {"no command", 0x77, 0, 0, DRDY | ERR},
    };

    (void)state;
    plug();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)status_settled();
        out8(0x1f1, rows[i].feature);
        command28(rows[i].code, 0, rows[i].count);
        run_all();
        ROW(rows[i].name, in8(0x1f7) == rows[i].status);
        ROW(rows[i].name, in8(0x1f1) == ((rows[i].status & ERR) != 0 ? 4 : 0));
        ROW(rows[i].name, irqs[0] == i + 1);
    }
    assert_int_equal(drive->dma_mode, 0x45);
    assert_int_equal(drive->pio_mode, 0x0c);
    assert_int_equal(in8(0x1f2), 0);
}

static void test_a_drive_refuses_what_it_has_not(void **state)
{
    static const uint8_t codes[] = {0x24, 0x34, 0x25, 0x35, 0x29, 0x39, 0x3d,
                                    0xce, 0xea, 0x42, 0xc8, 0xca, 0xe7};

    (void)state;
    drive->lba48 = drive->fua = false;
    drive->no_dma = drive->no_flush = drive->no_cache = true;
    plug();
    for (unsigned i = 0; i < sizeof(codes); i++) {
        command28(codes[i], 0, 1);
        run_all();
        assert_int_equal(in8(0x1f7), DRDY | ERR);
        assert_int_equal(in8(0x1f1), 4);
    }
    out8(0x1f1, 0x02);
    command28(0xef, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    out8(0x1f1, 0x03);
    command28(0xef, 0, 0x20);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    command28(0xe5, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f2), 0xff);
    assert_int_equal(drive->aborts, sizeof(codes) + 2);
}

static void test_without_a_cache_nothing_waits_in_it(void **state)
{
    (void)state;
    plug();
    out8(0x1f1, 0x82);
    command28(0xef, 0, 0);
    run_all();
    command28(0x30, 0, 1);
    run_all();
    put_sectors(1, 0);
    run_all();
    assert_int_equal(drive->unflushed, 0);
}

/* ---- Resets -------------------------------------------------------------- */

static void wait_ns(uint64_t ns)
{
    uint64_t start = hal_time_ns();

    while (hal_time_ns() - start < ns)
        ;
}

static void soft_reset(void)
{
    out8(0x3f6, SRST | NIEN);
    wait_ns(5000);
    out8(0x3f6, 0);
    wait_ns(2000000);
}

static void test_srst_ends_everything(void **state)
{
    (void)state;
    channel->drive[1].kind = IDE_ATAPI;
    channel->drive[1].sectors = 1;
    drive->slow_ready = true;
    plug();
    assert_int_equal(in8(0x3f6), 0);
    run_all();
    assert_int_equal(in8(0x3f6), DRDY);
    command28(0xc6, 0, 4);
    run_all();
    command28(0x20, 0, 2);
    run_all();
    assert_int_equal(in8(0x3f6), DRDY | DRQ);
    out8(0x3f6, SRST);
    assert_int_equal(in8(0x3f6), BSY);
    assert_false(channel->line);
    assert_false(ide_model_step(&model)); /* it is held */
    wait_ns(5000);
    out8(0x3f6, 0);
    wait_ns(2000000);
    assert_int_equal(in8(0x3f6), BSY);
    assert_true(ide_model_step(&model));
    assert_int_equal(in8(0x3f6), 0); /* not ready yet */
    run_all();
    assert_int_equal(in8(0x3f6), DRDY);
    assert_int_equal(in8(0x1f1), 1);
    assert_int_equal(drive->multiple, 0);
    assert_int_equal(drive->dma_mode, 0x45); /* this stays */
    out8(0x1f6, 0x10);
    assert_int_equal(status_settled(), 0);
    assert_int_equal(in8(0x1f4), 0x14);
    irqs_take();
    assert_int_equal(irqs[0], 2);
}

static void test_diagnostic_is_of_both_drives(void **state)
{
    (void)state;
    channel->drive[1] = *drive;
    plug();
    command28(0xc6, 0, 4);
    run_all();
    irqs[0] = 0;
    out8(0x1f6, 0x10);
    (void)status_settled();
    out8(0x1f7, 0x90);
    assert_int_equal(status_settled(), BSY);
    run_all();
    assert_int_equal(irqs[0], 1);
    assert_int_equal(in8(0x1f7), DRDY);
    assert_int_equal(in8(0x1f1), 1);
    assert_int_equal(in8(0x1f6), 0xa0); /* drive 0 is selected */
    assert_int_equal(channel->drive[1].commands[0x90], 1);
    assert_int_equal(drive->multiple, 4);
}

static void test_device_reset_is_for_packet_devices(void **state)
{
    (void)state;
    drive->kind = IDE_ATAPI;
    plug();
    command28(0xa1, 0, 0);
    out8(0x1f7, 0x08); /* though it is busy */
    run_all();
    assert_int_equal(status_settled(), 0);
    assert_int_equal(in8(0x1f5), 0xeb);
    assert_int_equal(irqs[0], 0);
}

static void test_patience_steps_by_itself(void **state)
{
    (void)state;
    plug();
    model.patience = 6;
    command28(0xe7, 0, 0);
    assert_int_equal(status_settled(), BSY);
    for (int i = 0; i < 10 && in8(0x3f6) == BSY; i++)
        ;
    assert_int_equal(in8(0x3f6), DRDY);
}

static unsigned works[2];

static void work_note(struct ide_model *which, unsigned index)
{
    assert_ptr_equal(which, &model);
    works[index]++;
}

static void test_work_is_announced(void **state)
{
    (void)state;
    plug();
    model.work = work_note;
    command28(0xe7, 0, 0);
    assert_int_equal(works[0], 1);
    assert_int_equal(works[1], 0);
    assert_false(ide_model_step_channel(&model, 1));
    assert_true(ide_model_step_channel(&model, 0));
}

/* ---- Faults -------------------------------------------------------------- */

static struct fault_plan plan;

static void fault(enum model_fault kind)
{
    plan = (struct fault_plan){.kind = kind, .nth = 1};
    model.faults = &plan;
    irqs[0] = 0;
}

static void test_reads_fail(void **state)
{
    (void)state;
    plug();
    fault(FAULT_FAIL);
    command28(0x20, 5, 4); /* the third sector */
    run_all();
    (void)in8(0x1f7);
    expect_sectors(5, 1);
    run_all();
    (void)in8(0x1f7);
    expect_sectors(6, 1);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(in8(0x1f1), 0x40);
    assert_int_equal(in8(0x1f3), 7);
    assert_int_equal(irqs[0], 3);
    assert_string_equal(plan.operation, "read");

    fault(FAULT_FAIL);
    drive->fail_df = true;
    drive->fail_error = 0x84;
    command28(0x30, 5, 1);
    run_all();
    put_sectors(1, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | DF);
    assert_int_equal(in8(0x1f1), 0x84);
    fault(FAULT_FAIL);
    drive->fail_df = false;
    drive->fail_error = 0;
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    assert_int_equal(in8(0x1f1), 4);
}

static void test_commands_are_late_or_never_done(void **state)
{
    unsigned steps = 0;

    (void)state;
    plug();
    fault(FAULT_LATE);
    command28(0xe7, 0, 0);
    while (irqs[0] == 0 && ide_model_step(&model)) {
        steps++;
        irqs_take();
    }
    assert_int_equal(steps, 51);
    assert_int_equal(in8(0x1f7), DRDY);

    fault(FAULT_NEVER);
    command28(0x20, 0, 1);
    run_all();
    assert_false(ide_model_step(&model));
    assert_int_equal(in8(0x1f7), BSY);
    soft_reset();
    run_all();
    assert_int_equal(in8(0x1f7), DRDY);

    fault(FAULT_LATE);
    drive->late_steps = 3;
    soft_reset();
    for (unsigned i = 0; i < 3; i++)
        assert_true(ide_model_step(&model));
    assert_int_equal(in8(0x1f7), BSY);
    assert_true(ide_model_step(&model));
    assert_int_equal(in8(0x1f7), DRDY);
    fault(FAULT_NEVER);
    soft_reset();
    assert_false(ide_model_step(&model));
    assert_int_equal(in8(0x1f7), BSY);
}

static void test_interrupts_come_twice_or_not_or_early(void **state)
{
    (void)state;
    plug();
    fault(FAULT_TWICE);
    command28(0xe7, 0, 0);
    assert_true(ide_model_step(&model));
    irqs_take();
    assert_int_equal(in8(0x1f7), DRDY);
    run_all();
    assert_int_equal(irqs[0], 2);
    assert_int_equal(in8(0x1f7), DRDY);
    fault(FAULT_TWICE);
    command28(0x20, 0, 1);
    run_all();
    expect_sectors(0, 1);
    (void)in8(0x1f7);
    run_all();
    assert_int_equal(irqs[0], 2);
    (void)in8(0x1f7);

    fault(FAULT_LOST_IRQ);
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(irqs[0], 0);
    assert_true(channel->line);
    assert_int_equal(in8(0x1f7), DRDY);
    command28(0xe7, 0, 0); /* the next one comes */
    run_all();
    assert_int_equal(irqs[0], 1);

    fault(FAULT_SPURIOUS_IRQ);
    command28(0xe7, 0, 0);
    assert_true(ide_model_step(&model));
    irqs_take();
    assert_int_equal(irqs[0], 1);
    assert_int_equal(status_settled(), BSY);
    run_all();
    assert_int_equal(irqs[0], 2);
}

static void test_transfers_are_short_or_reset(void **state)
{
    (void)state;
    plug();
    fault(FAULT_SHORT);
    command28(0x20, 0, 2);
    run_all();
    expect_sectors(0, 1);
    run_all();
    assert_int_equal(status_settled(), DRDY); /* without data, nor an error */
    fault(FAULT_SHORT);
    command28(0xec, 0, 2);
    run_all();
    assert_int_equal(status_settled(), DRDY);
    fault(FAULT_SHORT);
    command28(0xe7, 0, 2);
    run_all();
    assert_int_equal(status_settled(), DRDY);
    assert_false(plan.used);

    command28(0xc6, 0, 4);
    run_all();
    fault(FAULT_RESET);
    command28(0xc5, 0, 8);
    run_all();
    put_sectors(4, 0);
    run_all();
    put_sectors(4, 0);
    run_all();
    assert_int_equal(status_settled(), DRDY);
    assert_int_equal(in8(0x1f2), 1); /* the signature */
    assert_int_equal(drive->multiple, 0);
    assert_int_equal(drive->power_ons, 1);
    assert_int_equal(drive->unflushed, 0);
}

static void test_a_drive_that_fails_its_diagnostic_refuses_all(void **state)
{
    (void)state;
    plug();
    fault(FAULT_FAIL);
    soft_reset();
    run_all();
    assert_int_equal(in8(0x1f7), DRDY);
    assert_int_equal(in8(0x1f1), 2);
    command28(0xe7, 0, 0);
    run_all();
    assert_int_equal(in8(0x1f7), DRDY | ERR);
    fault(FAULT_LATE);
    drive->late_steps = 1;
    out8(0x1f7, 0x90);
    assert_true(ide_model_step(&model));
    assert_int_equal(status_settled(), BSY);
    assert_true(ide_model_step(&model));
    assert_int_equal(status_settled(), DRDY);
}

/* ---- Breaches ------------------------------------------------------------ */

static void breach_busy(void *arg)
{
    (void)arg;
    command28(0xe7, 0, 0);
    out8(0x1f2, 1);
}

static void breach_drq(void *arg)
{
    (void)arg;
    command28(0x20, 0, 1);
    run_all();
    out8(0x1f6, 0x10);
}

static void breach_in_reset(void *arg)
{
    (void)arg;
    out8(0x3f6, SRST);
    out8(0x1f2, 1);
}

static void breach_no_data(void *arg)
{
    (void)arg;
    (void)in16(0x1f0);
}

static void breach_no_data_out(void *arg)
{
    (void)arg;
    out16(0x1f0, 0);
}

static void breach_data_direction(void *arg)
{
    (void)arg;
    command28(0x20, 0, 1);
    run_all();
    out16(0x1f0, 0);
}

static void breach_data_8(void *arg)
{
    (void)arg;
    (void)in8(0x1f0);
}

static void breach_data_32(void *arg)
{
    (void)arg;
    model.no_data32 = true;
    (void)in32(0x1f0);
}

static void breach_register_16(void *arg)
{
    (void)arg;
    out16(0x1f2, 0);
}

static void breach_control_bits(void *arg)
{
    (void)arg;
    out8(0x3f6, 8);
}

static void breach_reset_short(void *arg)
{
    (void)arg;
    out8(0x3f6, SRST);
    channel->reset_ns = hal_time_ns();
    out8(0x3f6, 0);
}

static void breach_reset_impatient(void *arg)
{
    (void)arg;
    out8(0x3f6, SRST);
    wait_ns(5000);
    out8(0x3f6, 0);
    channel->reset_ns = hal_time_ns();
    (void)in8(0x3f6);
}

static void breach_unseen_status(void *arg)
{
    (void)arg;
    channel->drive[1] = *drive;
    out8(0x1f6, 0x10);
    out8(0x1f7, 0xec);
}

static void breach_not_ready(void *arg)
{
    (void)arg;
    drive->status = 0;
    command28(0xec, 0, 0);
}

static void breach_no_lba(void *arg)
{
    (void)arg;
    (void)status_settled();
    out8(0x1f6, 0);
    out8(0x1f7, 0x24);
    run_all();
}

static void breach_not_idle(void *arg)
{
    (void)arg;
    command28(0xe7, 0, 0);
    ide_model_check_idle(&model);
}

static void test_breaches(void **state)
{
    static const struct {
        void (*fn)(void *);
        const char *text;
    } rows[] = {
        {breach_busy, "register 2 written while the drive has BSY"},
        {breach_drq, "register 6 written while the drive has DRQ"},
        {breach_in_reset, "register 2 written during SRST"},
        {breach_no_data, "the data register is read, and the drive gives none"},
        {breach_no_data_out, "is written, and the drive takes none"},
        {breach_data_direction, "is written, and the drive takes none"},
        {breach_data_8, "register 0 accessed with 1 bytes"},
        {breach_data_32, "register 0 accessed with 4 bytes"},
        {breach_register_16, "register 2 accessed with 2 bytes"},
        {breach_control_bits, "device control 0x8: reserved bits"},
        {breach_reset_short, "at least 5 us"},
        {breach_reset_impatient, "less than 2 ms after SRST"},
        {breach_unseen_status, "0xec to a drive that was just selected"},
        {breach_not_ready, "0xec to a drive that is not ready"},
        {breach_no_lba, "0x24 without the bit LBA"},
        {breach_not_idle, "drive 0 of channel 0 is busy"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        model_fresh();
        plug();
        ROW(rows[i].text, model_breaches(rows[i].fn, NULL, rows[i].text));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_status_shows_a_ready_drive),
        TEST(test_a_packet_device_has_its_signature),
        TEST(test_nobody_is_read_as_what_floats),
        TEST(test_drive_1_alone_leaves_drive_0_floating),
        TEST(test_parameters_are_two_deep),
        TEST(test_busy_shows_in_every_register),
        TEST(test_status_is_stale_for_400_ns),
        TEST(test_reading_the_status_answers_the_interrupt),
        TEST(test_nien_holds_the_interrupt_back),
        TEST(test_only_the_selected_drive_interrupts),
        TEST(test_identify_tells_what_the_drive_is),
        TEST(test_identify_tells_of_what_there_is_not),
        TEST(test_a_packet_device_has_another_identify),
        TEST(test_read_sectors_interrupts_for_each),
        TEST(test_a_block_is_followed_by_a_stale_status),
        TEST(test_read_takes_words_of_32_bits),
        TEST(test_write_sectors_asks_for_the_first_in_silence),
        TEST(test_multiple_moves_blocks),
        TEST(test_set_multiple_takes_what_identify_allows),
        TEST(test_ext_commands_have_48_bits),
        TEST(test_count_0_is_256),
        TEST(test_sectors_of_4096_bytes_are_one_block),
        TEST(test_sectors_beyond_the_end_are_not_found),
        TEST(test_cylinders_heads_sectors),
        TEST(test_commands_without_data),
        TEST(test_a_drive_refuses_what_it_has_not),
        TEST(test_without_a_cache_nothing_waits_in_it),
        TEST(test_srst_ends_everything),
        TEST(test_diagnostic_is_of_both_drives),
        TEST(test_device_reset_is_for_packet_devices),
        TEST(test_patience_steps_by_itself),
        TEST(test_work_is_announced),
        TEST(test_reads_fail),
        TEST(test_commands_are_late_or_never_done),
        TEST(test_interrupts_come_twice_or_not_or_early),
        TEST(test_transfers_are_short_or_reset),
        TEST(test_a_drive_that_fails_its_diagnostic_refuses_all),
        TEST(test_breaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
