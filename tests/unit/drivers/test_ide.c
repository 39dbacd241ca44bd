/* The IDE driver against the model: what it finds, reads and writes. */
#include "kernel/heap/heap.h"
#include "tests/fakes/heap.h"
#include "tests/models/ne2000_model.h"
#include "tests/unit/drivers/ide_bench.h"

/* Commands: ATA/ATAPI-6, chapter 8. */
enum {
    READ_SECTORS = 0x20,
    READ_SECTORS_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_MULTIPLE_EXT = 0x29,
    WRITE_DMA_EXT = 0x35,
    WRITE_DMA_FUA_EXT = 0x3d,
    WRITE_SECTORS = 0x30,
    READ_MULTIPLE = 0xc4,
    WRITE_MULTIPLE = 0xc5,
    READ_DMA = 0xc8,
    WRITE_DMA = 0xca,
    FLUSH = 0xe7,
    FLUSH_EXT = 0xea,
    SET_FEATURES = 0xef,
    SET_MULTIPLE = 0xc6,
};

/* Sectors of a disk are what its media have, and get there. */
static void exercise(unsigned disk, unsigned place)
{
    uint8_t *buf = dma_alloc(300 * 512);
    uint8_t *at = media[place];

    assert_non_null(buf);
    assert_int_equal(disk_read(&opens[disk], 8, 296, buf), 0);
    assert_memory_equal(buf, at + 8 * 512, 296 * 512);
    for (size_t i = 0; i < 296 * 512; i++)
        buf[i] = (uint8_t)(i * 11 + place);
    assert_int_equal(disk_write(&opens[disk], SECTORS - 296, 296, buf), 0);
    assert_memory_equal(at + (SECTORS - 296) * 512, buf, 296 * 512);
    assert_int_equal(block_flush(&opens[disk]), 0);
    assert_int_equal(drive_at(place)->unflushed, 0);
    assert_int_equal(drive_at(place)->strays, 0);
    block_check(disks[disk]);
    dma_free(buf, 300 * 512);
}

/* ---- What is there ------------------------------------------------------- */

static void test_ide_by_dma(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    assert_int_equal(disk_count, 1);
    assert_string_equal(disks[0]->device.name, "hda");
    assert_int_equal(disks[0]->sectors, SECTORS);
    assert_true(console_has("hda: 0 MiB in sectors of 512, Torc model of a "
                            "drive, pci 00:07.0 channel 0 drive 0, DMA"));
    exercise(0, 0);
    assert_true(commands(0, READ_DMA, WRITE_DMA) > 0);
    assert_int_equal(commands(0, READ_DMA_EXT, WRITE_DMA_EXT), 0);
    assert_int_equal(commands(0, READ_MULTIPLE, WRITE_MULTIPLE), 0);
    assert_int_equal(drive_at(0)->dma_mode, 0x45);
    ide_model_check_idle(&model);
    finish();
}

static void test_ide_by_pio(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    start("ide=pio");
    exercise(0, 0);
    assert_int_equal(commands(0, READ_DMA, WRITE_DMA), 0);
    assert_true(commands(0, READ_MULTIPLE, WRITE_MULTIPLE) > 0);
    assert_int_equal(drive_at(0)->multiple, 16);
    ide_model_check_idle(&model);
    finish();
}

static void test_ide_option(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    probe_at(LOW_BUS, "ide=off");
    assert_int_equal(disk_count, 0);
    assert_int_equal(model.steps, 0);
    finish();
    fresh();
    drive_add(0);
    start("ide=dma");
    exercise(0, 0);
    assert_true(commands(0, READ_DMA, WRITE_DMA) > 0);
    finish();
}

/* Kinds of drives at the four places: A(TA), P(acket), or nothing; and how many
 * disks that makes. */
static const struct {
    const char *places;
    unsigned disks;
    unsigned others;
} place_rows[] = {
    {"----", 0, 0}, {"A---", 1, 0}, {"-A--", 1, 0}, {"AA--", 2, 0},
    {"--A-", 1, 0}, {"---A", 1, 0}, {"AAAA", 4, 0}, {"A-A-", 2, 0},
    {"P---", 0, 1}, {"-P--", 0, 1}, {"PA--", 1, 1}, {"AP--", 1, 1},
    {"--P-", 0, 1}, {"A-P-", 1, 1}, {"PP--", 0, 2},
};

static unsigned places_fill(const char *places)
{
    unsigned found = 0;

    for (unsigned i = 0; i < DRIVES; i++) {
        if (places[i] == 'A')
            drive_add(i);
        if (places[i] == 'P')
            drive_at(i)->kind = IDE_ATAPI;
        found += places[i] == 'A';
    }
    return found;
}

static void test_ide_places(void **state)
{
    static const uint8_t nobody[] = {0, 0xff, 0x7f, 0x01, 0x50};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(place_rows); i++) {
        const char *places = place_rows[i].places;
        unsigned disk = 0;

        fresh();
        model.floating = nobody[i % COUNT_OF(nobody)];
        places_fill(places);
        start(NULL);
        ROW(places, disk_count == place_rows[i].disks);
        ROW(places, console_has("(ATAPI, or without LBA): not used") ==
                        (place_rows[i].others > 0));
        for (unsigned k = 0; k < DRIVES; k++)
            if (places[k] == 'A')
                exercise(disk++, k);
        ide_model_check_idle(&model);
        finish();
    }
}

/* The CPU stands still at each look at the clock: what a drive is given to
 * settle passes without a look at its status. */
static void test_ide_places_by_a_slow_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(place_rows); i++) {
        fresh();
        places_fill(place_rows[i].places);
        look_ns = 500;
        start(NULL);
        look_ns = 0;
        clock_step(0);
        ROW(place_rows[i].places, disk_count == place_rows[i].disks);
        ROW(place_rows[i].places,
            console_has("(ATAPI, or without LBA): not used") ==
                (place_rows[i].others > 0));
        finish();
    }
}

/* The firmware has left the drive in the middle of something. */
static void test_ide_found_at_work(void **state)
{
    static const enum ide_model_phase phases[] = {IDE_HUNG, IDE_DATA_IN,
                                                  IDE_DATA_OUT};

    (void)state;
    for (unsigned i = 0; i < 2 * COUNT_OF(phases); i++) {
        fresh();
        drive_add(0);
        drive_add(1);
        machine_begin(LOW_BUS, NULL);
        drive_at(i % 2)->phase = phases[i / 2];
        assert_int_equal(ide_driver.probe(), 0);
        disks_note();
        open_all();
        assert_int_equal(disk_count, 2);
        exercise(0, 0);
        exercise(1, 1);
        finish();
    }
}

static void test_ide_slow_to_be_ready(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->slow_ready = true;
    drive_add(1)->slow_ready = true;
    start(NULL);
    assert_int_equal(disk_count, 2);
    exercise(0, 0);
    exercise(1, 1);
    finish();
}

/* Where the channels are, and who interrupts. */
static void test_ide_native_mode(void **state)
{
    static const struct {
        const char *name;
        uint8_t prog_if;
        bool no_line;
        const char *cmdline;
    } rows[] = {
        {"both native", 0x85, false, NULL},
        {"both native, PIO", 0x85, false, "ide=pio"},
        {"the first", 0x81, false, NULL},
        {"the second", 0x84, false, NULL},
        {"changeable, left alone", 0x8a, false, NULL},
        {"without a line", 0x85, true, NULL},
        {"without a line, PIO", 0x85, true, "ide=pio"},
        {"without a bus master", 0x05, false, NULL},
        {"compatibility, without a bus master", 0x00, false, NULL},
        {"without a bus master and a line", 0x05, true, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool by_dma = (rows[i].prog_if & 0x80) != 0 && rows[i].cmdline == NULL;

        fresh();
        model.prog_if = rows[i].prog_if;
        model.no_line = rows[i].no_line;
        drive_add(0);
        drive_add(3);
        start(rows[i].cmdline);
        ROW(rows[i].name, disk_count == 2);
        exercise(0, 0);
        exercise(1, 3);
        ROW(rows[i].name, (commands(0, READ_DMA, WRITE_DMA) > 0) == by_dma);
        ROW(rows[i].name, (commands(3, READ_DMA, WRITE_DMA) > 0) == by_dma);
        finish();
    }
}

static void test_ide_registers_nowhere(void **state)
{
    (void)state;
    fresh();
    model.prog_if = 0x85;
    model.bars_unset = true;
    drive_add(0);
    probe_at(LOW_BUS, NULL);
    assert_int_equal(disk_count, 0);
    assert_true(console_has("channel 0: its registers cannot be reached"));
    assert_true(console_has("channel 1: its registers cannot be reached"));
    finish();
}

/* ---- What drives say ----------------------------------------------------- */

static void without_lba(struct ide_model_drive *drive, uint16_t *word)
{
    (void)drive;
    word[49] &= 0xfdff;
}

static void without_sectors(struct ide_model_drive *drive, uint16_t *word)
{
    (void)drive;
    word[60] = word[61] = word[100] = 0;
}

static void with_data32(struct ide_model_drive *drive, uint16_t *word)
{
    (void)drive;
    word[48] = 1;
}

static void test_ide_left_out(void **state)
{
    static const struct {
        void (*identify)(struct ide_model_drive *drive, uint16_t *word);
        bool bad_checksum;
        const char *says;
    } rows[] = {
        {without_lba, false, "drive 0 is no disk that this driver knows"},
        {without_sectors, false, "drive 0 has no sectors: not used"},
        {NULL, true, "drive 0 does not say what it is: not used"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        drive_add(0)->identify = rows[i].identify;
        drive_at(0)->bad_checksum = rows[i].bad_checksum;
        drive_add(1);
        start(NULL);
        ROW(rows[i].says, disk_count == 1);
        ROW(rows[i].says, console_has(rows[i].says));
        exercise(0, 1);
        finish();
    }
}

/* Each way of moving data, by what the drive offers. */
static void test_ide_ways(void **state)
{
    static const struct {
        const char *name;
        bool lba48, no_dma, no_udma, no_modes;
        unsigned multiple;
        uint8_t read, mode;
    } rows[] = {
        {"UDMA", true, false, false, false, 16, READ_DMA, 0x45},
        {"multiword DMA", true, false, true, false, 16, READ_DMA, 0x22},
        {"no DMA", true, true, false, false, 16, READ_MULTIPLE, 0},
        {"no mode is set", true, false, false, true, 16, READ_MULTIPLE, 0},
        {"no DMA, 28 bits", false, true, false, false, 16, READ_MULTIPLE, 0},
        {"blocks of 2", true, true, false, false, 2, READ_MULTIPLE, 0},
        {"blocks of 128", true, true, false, false, 128, READ_MULTIPLE, 0},
        {"blocks of 1", true, true, false, false, 1, READ_SECTORS, 0},
        {"no blocks", true, true, false, false, 0, READ_SECTORS, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ide_model_drive *drive;

        fresh();
        drive = drive_add(0);
        drive->lba48 = rows[i].lba48;
        drive->no_dma = rows[i].no_dma;
        drive->no_udma = rows[i].no_udma;
        drive->no_modes = rows[i].no_modes;
        drive->multiple_max = rows[i].multiple;
        start(NULL);
        exercise(0, 0);
        ROW(rows[i].name, drive->commands[rows[i].read] > 0);
        ROW(rows[i].name, drive->dma_mode == rows[i].mode);
        ROW(rows[i].name, drive->aborts == 0);
        finish();
    }
}

static void test_ide_data_by_32_bits(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->identify = with_data32;
    start("ide=pio");
    exercise(0, 0);
    finish();
    /* Who does not say so gets 16 bits. */
    fresh();
    drive_add(0);
    model.no_data32 = true;
    start("ide=pio");
    exercise(0, 0);
    finish();
}

static void test_ide_long_sectors(void **state)
{
    (void)state;
    for (unsigned pio = 0; pio < 2; pio++) {
        fresh();
        drive_add(0)->sector_size = 4096;
        drive_at(0)->sectors = SECTORS / 8;
        start(pio != 0 ? "ide=pio" : NULL);
        assert_int_equal(disks[0]->sector_size, 4096);
        assert_int_equal(disks[0]->sectors, SECTORS);
        exercise(0, 0);
        finish();
    }
}

/* 28 bits as far as they reach. */
static void test_ide_addresses(void **state)
{
    static const struct {
        const char *name;
        uint64_t sector;
        uint32_t sectors;
        bool ext;
    } rows[] = {
        {"the first", 0, 256, false},
        {"the last that 28 bits reach", 0x0fffffff - 256, 256, false},
        {"one more", 0x0fffffff - 255, 256, true},
        {"behind them", 0x0fffffff, 8, true},
        {"29 bits", 1 << 28, 8, true},
        {"32 bits", UINT64_C(1) << 32, 8, true},
        {"the last of all", (UINT64_C(1) << 40) - 8, 8, true},
    };
    uint8_t *buf;

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        size_t row = i / 2;
        bool pio = i % 2 != 0;
        struct ide_model_drive *drive;
        unsigned ext;

        fresh();
        drive = drive_add(0);
        drive->sectors = UINT64_C(1) << 40;
        drive->data_first = rows[row].sector;
        drive->data_count = SECTORS;
        start(pio ? "ide=pio" : NULL);
        buf = dma_alloc(256 * 512);
        memset(drive->commands, 0, sizeof(drive->commands));
        assert_int_equal(
            disk_read(&opens[0], rows[row].sector, rows[row].sectors, buf), 0);
        ROW(rows[row].name,
            memcmp(buf, media[0], rows[row].sectors * 512) == 0);
        memset(buf, 0x3c, 256 * 512);
        assert_int_equal(
            disk_write(&opens[0], rows[row].sector, rows[row].sectors, buf), 0);
        ROW(rows[row].name,
            memcmp(buf, media[0], rows[row].sectors * 512) == 0);
        ROW(rows[row].name, drive->strays == 0);
        ext = pio ? commands(0, READ_MULTIPLE_EXT, 0x39)
                  : commands(0, READ_DMA_EXT, WRITE_DMA_EXT);
        ROW(rows[row].name, ext == (rows[row].ext ? 2 : 0));
        finish();
    }
}

/* ---- Durability ---------------------------------------------------------- */

static void test_ide_fua(void **state)
{
    static const struct {
        const char *name;
        bool fua, no_cache;
        const char *cmdline;
        unsigned by_command, flushes;
    } rows[] = {
        {"by the command", true, false, NULL, 1, 0},
        {"by a flush", false, false, NULL, 0, 1},
        {"by a flush, PIO", true, false, "ide=pio", 0, 1},
        {"without a cache", true, true, NULL, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf *buf;
        struct slice slice;
        struct ide_model_drive *drive;

        fresh();
        drive = drive_add(0);
        drive->fua = rows[i].fua;
        drive->no_cache = rows[i].no_cache;
        start(rows[i].cmdline);
        buf = buf_alloc(4096);
        memset(buf->base, 0x77, 4096);
        slice = slice_whole(buf);
        request = (struct block_request){.op = BLOCK_WRITE,
                                         .flags = BLOCK_FUA,
                                         .sector = 16,
                                         .sectors = 8,
                                         .vec = &slice,
                                         .count = 1};
        ROW(rows[i].name, request_run(0) == 0);
        ROW(rows[i].name, memcmp(media[0] + 16 * 512, buf->base, 4096) == 0);
        ROW(rows[i].name, drive->unflushed == 0);
        ROW(rows[i].name,
            drive->commands[WRITE_DMA_FUA_EXT] == rows[i].by_command);
        ROW(rows[i].name, commands(0, FLUSH, FLUSH_EXT) == rows[i].flushes);
        buf_put(buf);
        finish();
    }
}

/* Nothing interrupts for the first block that is written: the driver looks for
 * itself. No alarm is needed for any of the ways. */
static void test_ide_nobody_waits_for_an_alarm(void **state)
{
    static const char *const ways[] = {"ide=dma", "ide=pio"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        uint64_t begun_ns;
        uint8_t *buf;

        fresh();
        drive_add(0);
        start(ways[i]);
        buf = dma_alloc(100 * 512);
        begun_ns = clock_now();
        assert_int_equal(disk_write(&opens[0], 16, 8, buf), 0);
        assert_int_equal(disk_write(&opens[0], 16, 100, buf), 0);
        assert_int_equal(disk_read(&opens[0], 16, 100, buf), 0);
        assert_int_equal(block_flush(&opens[0]), 0);
        ROW(ways[i], clock_now() - begun_ns < NS_PER_S);
        dma_free(buf, 100 * 512);
        finish();
    }
}

/* A cache that cannot be flushed is turned off. */
static void test_ide_cache_without_flush(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->no_flush = true;
    start(NULL);
    assert_false(drive_at(0)->cache_on);
    assert_int_equal(disks[0]->features, 0);
    exercise(0, 0);
    assert_int_equal(commands(0, FLUSH, FLUSH_EXT), 0);
    finish();
}

static void test_ide_flush_of_28_bits(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->lba48 = false;
    start(NULL);
    exercise(0, 0);
    assert_int_equal(drive_at(0)->commands[FLUSH_EXT], 0);
    assert_true(drive_at(0)->commands[FLUSH] > 0);
    finish();
}

/* ---- Memory -------------------------------------------------------------- */

/* Slices at any address, of any length: 3 sectors out of one buffer, with
 * gaps. */
static void scattered(unsigned op, struct buf *buf, uint32_t offset,
                      uint8_t *flat)
{
    static const uint32_t lens[] = {1, 510, 3, 2, 515, 1, 4, 500};
    struct slice slices[COUNT_OF(lens)];
    uint32_t at = 0;

    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        slices[i] =
            (struct slice){buf, offset + at + (uint32_t)(2 * i), lens[i]};
        if (op == BLOCK_WRITE)
            memcpy(slice_data(&slices[i]), flat + at, lens[i]);
        at += lens[i];
    }
    assert_int_equal(at, 3 * 512);
    request = (struct block_request){.op = op,
                                     .sector = 7,
                                     .sectors = 3,
                                     .vec = slices,
                                     .count = COUNT_OF(lens)};
    assert_int_equal(request_run(0), 0);
    for (size_t i = 0; op == BLOCK_READ && i < COUNT_OF(lens); i++) {
        memcpy(flat, slice_data(&slices[i]), lens[i]);
        flat += lens[i];
    }
}

static void test_ide_scattered_memory(void **state)
{
    uint8_t flat[3 * 512];

    (void)state;
    for (unsigned pio = 0; pio < 3; pio++) {
        fresh();
        drive_add(0);
        if (pio == 2)
            drive_at(0)->identify = with_data32;
        start(pio != 0 ? "ide=pio" : NULL);
        for (uint32_t offset = 0; offset < 4; offset++) {
            struct buf *buf = buf_alloc(4096);

            scattered(BLOCK_READ, buf, offset, flat);
            assert_memory_equal(flat, media[0] + 7 * 512, sizeof(flat));
            for (size_t i = 0; i < sizeof(flat); i++)
                flat[i] = (uint8_t)(i * 5 + offset);
            scattered(BLOCK_WRITE, buf, offset, flat);
            assert_memory_equal(flat, media[0] + 7 * 512, sizeof(flat));
            buf_put(buf);
        }
        finish();
    }
}

/* Even pieces go straight from and to their memory. */
static void test_ide_even_pieces_are_not_copied(void **state)
{
    struct buf *buf;
    struct slice slices[2];

    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    buf = buf_alloc(4096);
    slices[0] = (struct slice){buf, 2, 510};
    slices[1] = (struct slice){buf, 1024, 514};
    request = (struct block_request){
        .op = BLOCK_READ, .sectors = 2, .vec = slices, .count = 2};
    assert_int_equal(request_run(0), 0);
    assert_memory_equal(buf->base + 2, media[0], 510);
    assert_memory_equal(buf->base + 1024, media[0] + 510, 514);
    assert_int_equal(model.channel[0].region_at, 2);
    assert_int_equal(model.channel[0].region[0].bus, buf->bus + 2);
    buf_put(buf);
    finish();
}

/* Memory on both sides of 4 GiB: what lies above goes by the buffer. */
static void test_ide_memory_above_4_gib(void **state)
{
    struct buf *bufs[8];
    unsigned above = 0;

    (void)state;
    fresh();
    drive_add(0);
    probe_at((UINT64_C(4) << 30) - MEMORY / 2, NULL);
    open_all();
    assert_true(console_has("drive 0, DMA"));
    for (unsigned i = 0; i < COUNT_OF(bufs); i++) {
        struct slice slice;

        bufs[i] = buf_alloc(1 << 20);
        assert_non_null(bufs[i]);
        above += bufs[i]->bus >> 32 != 0;
        slice = slice_whole(bufs[i]);
        slice.len = 300 * 512;
        assert_int_equal(block_read(&opens[0], 3, &slice, 1), 0);
        assert_memory_equal(bufs[i]->base, media[0] + 3 * 512, 300 * 512);
        memset(bufs[i]->base, (int)(i + 1), 300 * 512);
        assert_int_equal(block_write(&opens[0], 3, &slice, 1), 0);
        assert_memory_equal(media[0] + 3 * 512, bufs[i]->base, 300 * 512);
    }
    assert_true(above > 0);
    assert_true(above < COUNT_OF(bufs));
    for (unsigned i = 0; i < COUNT_OF(bufs); i++)
        buf_put(bufs[i]);
    finish();
}

static void test_ide_no_memory_below_4_gib(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    probe_at(UINT64_C(4) << 30, NULL);
    open_all();
    assert_true(console_has("no memory that its bus master reaches: PIO"));
    exercise(0, 0);
    assert_int_equal(commands(0, READ_DMA, WRITE_DMA), 0);
    finish();
}

/* ---- Two drives, two channels -------------------------------------------- */

enum { EACH = 6 };
static unsigned order[2 * EACH], order_count;
static struct block_request many[2][EACH];

static void many_done(struct block_request *ended, int status)
{
    assert_int_equal(status, 0);
    order[order_count++] = (unsigned)(uintptr_t)ended->cookie;
}

/* Requests for both drives of a channel: they take turns. */
static void test_ide_drives_take_turns(void **state)
{
    struct buf *buf;
    struct slice slice;

    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    start(NULL);
    buf = buf_alloc(4096);
    slice = slice_whole(buf);
    order_count = 0;
    for (unsigned disk = 0; disk < 2; disk++) {
        for (unsigned i = 0; i < EACH; i++)
            many[disk][i] = (struct block_request){
                .op = BLOCK_READ,
                .sector = 100U - 16 * i, /* not to be joined */
                .sectors = 8,
                .vec = &slice,
                .count = 1,
                .next = i + 1 < EACH ? &many[disk][i + 1] : NULL,
                .done = many_done,
                .cookie = (void *)(uintptr_t)disk,
            };
        assert_int_equal(block_submit(&opens[disk], many[disk]), 0);
    }
    while (order_count < 2 * EACH)
        thread_yield();
    for (unsigned i = 2; i + 2 < 2 * EACH; i++)
        assert_int_not_equal(order[i], order[i + 1]);
    ide_model_check_idle(&model);
    buf_put(buf);
    finish();
}

/* One bus master for two channels: the second works by PIO. */
static void test_ide_simplex(void **state)
{
    (void)state;
    fresh();
    model.simplex = true;
    drive_add(0);
    drive_add(2);
    start(NULL);
    assert_true(console_has("the controller has one bus master only: PIO"));
    exercise(0, 0);
    exercise(1, 2);
    assert_true(commands(0, READ_DMA, WRITE_DMA) > 0);
    assert_int_equal(commands(2, READ_DMA, WRITE_DMA), 0);
    finish();
    /* When the first has no use for it, the second has it. */
    fresh();
    model.simplex = true;
    drive_add(0)->no_dma = true;
    drive_add(2);
    start(NULL);
    exercise(1, 2);
    assert_true(commands(2, READ_DMA, WRITE_DMA) > 0);
    finish();
}

/* A drive comes while the other one of its channel is at work. */
static void test_ide_start_beside_work(void **state)
{
    struct buf *buf;
    struct slice slice;

    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    probe_at(LOW_BUS, NULL);
    assert_int_equal(device_dedicate(&disks[0]->device, 0), 0);
    assert_int_equal(block_open(disks[0], BLOCK_SHARED, &opens[0]), 0);
    buf = buf_alloc(4096);
    slice = slice_whole(buf);
    request = (struct block_request){.op = BLOCK_READ,
                                     .sectors = 8,
                                     .vec = &slice,
                                     .count = 1,
                                     .done = request_done};
    request_ended = false;
    assert_int_equal(block_submit(&opens[0], &request), 0);
    assert_int_equal(device_dedicate(&disks[1]->device, 0), 0);
    assert_true(request_ended);
    assert_int_equal(request_status, 0);
    assert_int_equal(block_open(disks[1], BLOCK_SHARED, &opens[1]), 0);
    exercise(0, 0);
    exercise(1, 1);
    buf_put(buf);
    finish();
}

/* ---- Beside others --------------------------------------------------------
 */

/* What is no IDE controller is left alone. */
static void test_ide_other_functions(void **state)
{
    static struct ne2000_model card;

    (void)state;
    fresh();
    drive_add(0);
    machine_begin(LOW_BUS, NULL);
    memset(&card, 0, sizeof(card));
    ne2000_model_plug(&card, 3);
    assert_int_equal(ide_driver.probe(), 0);
    disks_note();
    open_all();
    assert_int_equal(disk_count, 1);
    exercise(0, 0);
    finish();
}

/* There are 26 names. */
static void test_ide_no_name_left(void **state)
{
    static struct block_device taken[25];

    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    drive_add(2);
    machine_begin(LOW_BUS, NULL);
    for (unsigned i = 0; i < COUNT_OF(taken); i++) {
        taken[i] = (struct block_device){.sectors = 8};
        assert_int_equal(block_register(&taken[i], "hd"), 0);
    }
    assert_int_equal(ide_driver.probe(), 0);
    assert_true(console_has("hdz: 0 MiB"));
    assert_true(console_has("channel 0 drive 1 cannot be registered (error "
                            "-28): left out"));
    disks[0] = block_from_device(device_find(DEVICE_BLOCK, 25));
    assert_int_equal(device_dedicate(&disks[0]->device, 0), 0);
    assert_int_equal(block_open(disks[0], BLOCK_SHARED, &opens[0]), 0);
    exercise(0, 0);
    finish();
}

/* Both drives of a channel belong to one CPU. */
static int two_cpus(void *arg)
{
    (void)arg;
    ide_model_add(&model);
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    assert_int_equal(ide_driver.probe(), 0);
    disks_note();
    if (disk_count != 3 || device_dedicate(&disks[0]->device, 0) != 0)
        return 1;
    if (device_dedicate(&disks[1]->device, 1) != -EXDEV)
        return 2;
    if (device_dedicate(&disks[1]->device, 0) != 0)
        return 3;
    return 0;
}

static void test_ide_two_cpus(void **state)
{
    (void)state;
    fresh();
    clock_set(0);
    drive_add(0);
    drive_add(1);
    drive_add(2);
    assert_int_equal(machine_run(2, MEMORY, two_cpus, NULL), 0);
}

/* ---- Too little ---------------------------------------------------------- */

static void nothing(void *arg)
{
    (void)arg;
}

static void test_ide_no_interrupt_left(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    probe_at(LOW_BUS, NULL);
    while (hal_irq_attach(100, 0, nothing, NULL) == 0)
        continue;
    assert_int_equal(device_dedicate(&disks[0]->device, 0), -ENOMEM);
    finish();
}

/* Each allocation of the probe fails in turn. */
static void test_ide_out_of_memory_at_probe(void **state)
{
    unsigned n = 0;
    int status = -ENOMEM;
    unsigned without_dma = 0;

    (void)state;
    while (status != 0 || disk_count < 2 || without_dma == 0) {
        struct mem_stats before;

        fresh();
        drive_add(0);
        drive_add(2);
        machine_begin(LOW_BUS, NULL);
        before = stats();
        heap_fail(++n);
        status = ide_driver.probe();
        heap_fail(0);
        disks_note();
        assert_true(status == 0 || status == -ENOMEM);
        if (disk_count == 0)
            assert_int_equal(stats().block_count, before.block_count);
        without_dma += status == 0 && console_has("bus master reaches: PIO");
        finish();
        assert_true(n < 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ide_by_dma),
        cmocka_unit_test(test_ide_by_pio),
        cmocka_unit_test(test_ide_option),
        cmocka_unit_test(test_ide_places),
        cmocka_unit_test(test_ide_places_by_a_slow_cpu),
        cmocka_unit_test(test_ide_found_at_work),
        cmocka_unit_test(test_ide_slow_to_be_ready),
        cmocka_unit_test(test_ide_native_mode),
        cmocka_unit_test(test_ide_registers_nowhere),
        cmocka_unit_test(test_ide_left_out),
        cmocka_unit_test(test_ide_ways),
        cmocka_unit_test(test_ide_data_by_32_bits),
        cmocka_unit_test(test_ide_long_sectors),
        cmocka_unit_test(test_ide_addresses),
        cmocka_unit_test(test_ide_fua),
        cmocka_unit_test(test_ide_nobody_waits_for_an_alarm),
        cmocka_unit_test(test_ide_cache_without_flush),
        cmocka_unit_test(test_ide_flush_of_28_bits),
        cmocka_unit_test(test_ide_scattered_memory),
        cmocka_unit_test(test_ide_even_pieces_are_not_copied),
        cmocka_unit_test(test_ide_memory_above_4_gib),
        cmocka_unit_test(test_ide_no_memory_below_4_gib),
        cmocka_unit_test(test_ide_drives_take_turns),
        cmocka_unit_test(test_ide_simplex),
        cmocka_unit_test(test_ide_start_beside_work),
        cmocka_unit_test(test_ide_other_functions),
        cmocka_unit_test(test_ide_no_name_left),
        cmocka_unit_test(test_ide_two_cpus),
        cmocka_unit_test(test_ide_no_interrupt_left),
        cmocka_unit_test(test_ide_out_of_memory_at_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
