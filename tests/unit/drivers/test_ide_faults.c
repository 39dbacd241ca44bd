/* The IDE driver when drives, the controller or interrupts fail. */
#include "hal/posix/kernel/irq.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/heap.h"
#include "tests/unit/drivers/ide_bench.h"
#include <stdio.h>

enum {
    WRITE_DMA = 0xca,
    READ_DMA = 0xc8,
    READ_MULTIPLE = 0xc4,
    READ_SECTORS = 0x20,
    FLUSH_EXT = 0xea,
    LEN = 40, /* sectors of a step of the scenario */
};

static struct fault_plan plan;

static void meets(enum model_fault kind, unsigned nth)
{
    plan = (struct fault_plan){.kind = kind, .nth = nth};
    model.faults = &plan;
}

/* The place 0 .. 3 that a disk's drive has, by what the log has said. */
static unsigned place_of(const struct block_device *disk)
{
    for (unsigned i = 0; i < DRIVES; i++) {
        char text[100];

        snprintf(text, sizeof(text),
                 "%s: 0 MiB in sectors of 512, Torc model of a drive, pci "
                 "00:07.0 channel %u drive %u",
                 disk->device.name, i / 2, i % 2);
        if (console_has(text))
            return i;
    }
    fail_msg("a disk that nobody knows");
    return 0;
}

/* ---- The sweep ----------------------------------------------------------- */

struct arrangement {
    const char *name;
    const char *places; /* as in test_ide.c */
    const char *cmdline;
    uint8_t prog_if;
};

/* What ends well, if late, whatever of these a drive meets. */
static bool is_harmless(enum model_fault kind)
{
    return kind == FAULT_LATE || kind == FAULT_TWICE ||
           kind == FAULT_LOST_IRQ || kind == FAULT_SPURIOUS_IRQ;
}

static bool is_allowed(int status)
{
    return status == 0 || status == -EIO || status == -ETIMEDOUT;
}

/* Write, flush, read again: what ends well is right. Returns whether all did.
 */
static bool disk_exercise(unsigned disk)
{
    uint8_t *buf = dma_alloc(LEN * 512);
    uint8_t *back = dma_alloc(LEN * 512);
    uint8_t *at = media[place_of(disks[disk])] + 16 * 512;
    int written, flushed, read;

    for (size_t i = 0; i < LEN * 512; i++)
        buf[i] = (uint8_t)(i * 13 + disk);
    written = disk_write(&opens[disk], 16, LEN, buf);
    flushed = block_flush(&opens[disk]);
    read = disk_read(&opens[disk], 16, LEN, back);
    assert_true(is_allowed(written));
    assert_true(is_allowed(flushed));
    assert_true(is_allowed(read));
    if (written == 0)
        assert_memory_equal(at, buf, LEN * 512);
    if (read == 0)
        assert_memory_equal(at, back, LEN * 512);
    if (written == 0 && flushed == 0 && plan.kind != FAULT_RESET)
        assert_int_equal(drive_at(place_of(disks[disk]))->unflushed, 0);
    dma_free(buf, LEN * 512);
    dma_free(back, LEN * 512);
    return written == 0 && flushed == 0 && read == 0;
}

static void sweep_run(struct fault_plan *with, void *arg)
{
    const struct arrangement *how = arg;
    unsigned works = 0, wanted = 0;
    size_t blocks;

    fresh();
    model.prog_if = how->prog_if;
    for (unsigned i = 0; i < DRIVES; i++) {
        if (how->places[i] != 'A')
            continue;
        drive_add(i);
        wanted++;
    }
    plan.kind = with->kind;
    model.faults = with;
    probe_at(LOW_BUS, how->cmdline);
    for (unsigned i = 0; i < disk_count; i++) {
        int status = device_dedicate(&disks[i]->device, 0);

        if (status != 0) {
            assert_true(is_allowed(status) || status == -ENODEV);
            continue;
        }
        assert_int_equal(block_open(disks[i], BLOCK_SHARED, &opens[i]), 0);
        blocks = stats().block_count;
        works += disk_exercise(i);
        assert_int_equal(stats().block_count, blocks);
        block_check(disks[i]);
    }
    if (with->kind == FAULT_NONE || is_harmless(with->kind)) {
        assert_int_equal(works, wanted);
        assert_false(console_has("given up"));
    }
    /* Two steps of a scenario may wait for their deadlines, and for resets. */
    assert_true(clock_now() - START_NS < 300 * NS_PER_S);
    finish();
}

static void test_ide_fault_sweep(void **state)
{
    static struct arrangement rows[] = {
        {"DMA", "A---", NULL, 0x80},
        {"PIO", "A---", "ide=pio", 0x80},
        {"two drives, DMA", "AA--", NULL, 0x80},
        {"native mode, without a bus master", "A---", NULL, 0x05},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_plan none = {.kind = FAULT_NONE};

        printf("%s\n", rows[i].name);
        sweep_run(&none, &rows[i]);
        assert_true(fault_sweep(FAULT_ALL, sweep_run, &rows[i]) > 20);
    }
}

/* Each read meets a fault. */
static enum model_fault always(void *arg, const char *operation, unsigned kinds)
{
    const enum model_fault *kind = arg;

    (void)kinds;
    return strcmp(operation, "read") == 0 ? *kind : FAULT_NONE;
}

/* ---- Errors of the medium ------------------------------------------------ */

static void test_ide_errors(void **state)
{
    static const struct {
        const char *cmdline;
        bool is_write;
        uint8_t error;
        bool df;
        const char *says;
    } rows[] = {
        {NULL, false, 0x40, false,
         "hda: read of 40 sectors at 16: uncorrectable data (status 0x41, "
         "error 0x40) at sector 36 of 512 bytes"},
        {NULL, true, 0x10, false, "hda: write of 40 sectors at 16: no such"},
        {NULL, false, 0x02, false, "hda: read of 40 sectors at 16: error ("},
        {NULL, false, 0x40, true, "device fault (status 0x60"},
        {"ide=pio", false, 0x40, false, "at sector 32 of 512 bytes"},
        {"ide=pio", true, 0x10, false, "at sector 32 of 512 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *buf;
        struct ide_model_drive *drive;

        fresh();
        drive = drive_add(0);
        drive->fail_error = rows[i].error;
        drive->fail_df = rows[i].df;
        start(rows[i].cmdline);
        buf = dma_alloc(LEN * 512);
        meets(FAULT_FAIL, 1);
        if (rows[i].is_write)
            assert_int_equal(disk_write(&opens[0], 16, LEN, buf), -EIO);
        else
            assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -EIO);
        ROW(rows[i].says, console_has(rows[i].says));
        ROW(rows[i].says, !console_has("resetting"));
        ROW(rows[i].says, disk_read(&opens[0], 16, LEN, buf) == 0);
        ROW(rows[i].says, memcmp(buf, media[0] + 16 * 512, LEN * 512) == 0);
        dma_free(buf, LEN * 512);
        finish();
    }
}

static void test_ide_failing_flush(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->fail_df = true;
    start(NULL);
    meets(FAULT_FAIL, 1);
    assert_int_equal(block_flush(&opens[0]), -EIO);
    assert_true(console_has("hda: flush of 0 sectors at 0: device fault"));
    assert_true(disk_exercise(0));
    finish();
}

/* A durable write is a write and a flush by PIO: which of them has failed is
 * said. */
static void test_ide_failing_durable_write(void **state)
{
    static const char *const says[] = {
        "hda: write of 8 sectors at 16: device fault",
        "hda: flush of 8 sectors at 16: device fault",
    };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct buf *buf;
        struct slice slice;

        fresh();
        drive_add(0)->fail_df = true;
        start("ide=pio");
        buf = buf_alloc(4096);
        slice = slice_whole(buf);
        request = (struct block_request){.op = BLOCK_WRITE,
                                         .flags = BLOCK_FUA,
                                         .sector = 16,
                                         .sectors = 8,
                                         .vec = &slice,
                                         .count = 1};
        meets(FAULT_FAIL, i + 1);
        assert_int_equal(request_run(0), -EIO);
        assert_true(console_has(says[i]));
        assert_int_equal(block_flush(&opens[0]), -EIO); /* told once */
        assert_true(disk_exercise(0));
        buf_put(buf);
        finish();
    }
}

/* A refused command: after a reset it is tried once more. */
static void test_ide_refused_command(void **state)
{
    static enum model_fault kind = FAULT_FAIL;
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0)->fail_error = 0x04;
    start(NULL);
    buf = dma_alloc(LEN * 512);
    meets(FAULT_FAIL, 1);
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_true(console_has("hda: it refuses a command: resetting it"));
    plan = (struct fault_plan){.draw = always, .arg = &kind};
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -EIO);
    assert_true(console_has("command refused (status 0x41, error 0x4)"));
    /* No reset for the next one: the last has not helped. */
    memset(drive_at(0)->commands, 0, sizeof(drive_at(0)->commands));
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -EIO);
    assert_int_equal(drive_at(0)->commands[READ_DMA], 1);
    /* It obeys again: then a reset may help again. */
    model.faults = NULL;
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    meets(FAULT_FAIL, 1);
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    dma_free(buf, LEN * 512);
    finish();
}

/* The failing sector of commands with EXT has 48 bits. */
static void test_ide_error_far_behind(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0)->sectors = UINT64_C(1) << 40;
    drive_at(0)->data_count = SECTORS;
    start(NULL);
    assert_true(console_has("hda: 536870912 MiB in sectors of 512"));
    buf = dma_alloc(LEN * 512);
    meets(FAULT_FAIL, 1);
    assert_int_equal(disk_read(&opens[0], UINT64_C(0x9876543210), LEN, buf),
                     -EIO);
    assert_true(console_has("at sector 654820258340 of 512")); /* + 20 */
    meets(FAULT_NONE, 0);
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    dma_free(buf, LEN * 512);
    finish();
}

/* ---- DMA that does not work ---------------------------------------------- */

/* Errors on the cable: three times, then by PIO. */
static void test_ide_dma_becomes_pio(void **state)
{
    static enum model_fault kind = FAULT_FAIL;
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0)->fail_error = 0x84; /* ICRC, ABRT */
    start(NULL);
    buf = dma_alloc(LEN * 512);
    memset(drive_at(0)->commands, 0, sizeof(drive_at(0)->commands));
    meets(FAULT_FAIL, 1);
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_int_equal(drive_at(0)->commands[READ_DMA], 2);
    assert_false(console_has("by PIO"));
    plan = (struct fault_plan){.draw = always, .arg = &kind};
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -EIO);
    assert_int_equal(drive_at(0)->commands[READ_DMA], 5);
    assert_true(console_has("hda: DMA has failed 3 times in a row: from now on "
                            "by PIO"));
    model.faults = NULL;
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
    assert_int_equal(drive_at(0)->commands[READ_DMA], 5);
    assert_true(drive_at(0)->commands[READ_MULTIPLE] > 0);
    dma_free(buf, LEN * 512);
    finish();
}

/* A bus master whose end never comes: after resets, by PIO as well. */
static void test_ide_dma_hangs(void **state)
{
    static enum model_fault kind = FAULT_NEVER;
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    buf = dma_alloc(LEN * 512);
    plan = (struct fault_plan){.draw = always, .arg = &kind};
    model.faults = &plan;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -ETIMEDOUT);
    assert_true(console_has("from now on by PIO"));
    model.faults = NULL;
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
    dma_free(buf, LEN * 512);
    finish();
}

static struct block_request request;
static struct buf *request_buf;
static struct slice request_slice;
static int request_status;
static bool request_ended;

static void flight_done(struct block_request *ended, int status)
{
    (void)ended;
    request_status = status;
    request_ended = true;
}

/* A read, not waited for; and its end. */
static void request_start(unsigned disk)
{
    request_buf = buf_alloc(4096);
    request_slice = slice_whole(request_buf);
    request = (struct block_request){.op = BLOCK_READ,
                                     .sector = 64,
                                     .sectors = 8,
                                     .vec = &request_slice,
                                     .count = 1,
                                     .done = flight_done};
    request_ended = false;
    assert_int_equal(block_submit(&opens[disk], &request), 0);
}

static int request_wait(void)
{
    while (!request_ended)
        thread_yield();
    assert_int_equal(request_buf->refs, 1);
    buf_put(request_buf);
    return request_status;
}

/* ---- The bus master ------------------------------------------------------ */

static bool bm_fails;

static void bm_disturb(struct ide_model *of, unsigned channel)
{
    if (bm_fails && of->channel[channel].bm_running) {
        of->channel[channel].bm_status |= 2; /* error */
        bm_fails = false;
    }
}

/* It could not reach memory, say; the drive knows nothing of that. */
static void test_ide_bus_master_fails(void **state)
{
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0);
    model.work = bm_disturb;
    start(NULL);
    buf = dma_alloc(LEN * 512);
    bm_fails = true;
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
    assert_true(console_has("hda: its bus master has failed: resetting it"));
    assert_true(disk_exercise(0));
    dma_free(buf, LEN * 512);
    finish();
}

/* It may still reach memory: nobody gets that memory again. */
static void test_ide_bus_master_does_not_stop(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    start(NULL);
    model.bm_stuck = true;
    request_start(0);
    while (!request_ended)
        thread_yield();
    assert_int_equal(request_status, -EIO);
    assert_int_equal(request_buf->refs, 2);
    assert_true(console_has("hda: its bus master does not stop: resetting"));
    assert_true(console_has("hda: it cannot be reset (error -5)"));
    /* Nor may the other drive start anything. */
    request_start(1);
    assert_int_equal(request_wait(), -ETIMEDOUT);
    await_text("hdb: it cannot be reset (error -5)");
    request_start(0);
    assert_int_equal(request_wait(), -EIO);
    finish();
}

/* It does stop in the end, for the sake of the other drive. */
static void test_ide_bus_master_stops_later(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    start(NULL);
    model.bm_stuck = true;
    request_start(0);
    while (!request_ended)
        thread_yield();
    await_text("hda: it cannot be reset (error -5)");
    model.bm_stuck = false;
    request_start(1);
    assert_int_equal(request_wait(), -ETIMEDOUT);
    await_text("hdb: works again");
    assert_true(disk_exercise(1));
    finish();
}

/* ---- Silence ------------------------------------------------------------- */

/* A command without end: a reset, and again. Its time is 30 s. */
static void test_ide_silent_drive(void **state)
{
    uint8_t *buf;
    uint64_t start_ns;

    (void)state;
    for (unsigned pio = 0; pio < 2; pio++) {
        fresh();
        drive_add(0);
        start(pio != 0 ? "ide=pio" : NULL);
        buf = dma_alloc(LEN * 512);
        meets(FAULT_NEVER, 1);
        start_ns = clock_now();
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -ETIMEDOUT);
        assert_in_range(clock_now() - start_ns, 30 * NS_PER_S, 31 * NS_PER_S);
        assert_true(console_has("hda: no answer in time: resetting it"));
        await_text("hda: works again");
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
        assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
        assert_int_equal(drive_at(0)->multiple, 16);
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* The first read has no end, and blocks of more than a sector are refused. */
static enum model_fault sectors_only(void *arg, const char *operation,
                                     unsigned kinds)
{
    bool *is_hung = arg;

    (void)kinds;
    if (strcmp(operation, "set multiple") == 0)
        return FAULT_FAIL;
    if (strcmp(operation, "read") != 0 || *is_hung)
        return FAULT_NONE;
    *is_hung = true;
    return FAULT_NEVER;
}

/* The first read has no end, and the reset takes long. */
static enum model_fault hangs_once(void *arg, const char *operation,
                                   unsigned kinds)
{
    bool *is_hung = arg;

    (void)kinds;
    if (strcmp(operation, "reset") == 0)
        return FAULT_LATE;
    if (strcmp(operation, "read") != 0 || *is_hung)
        return FAULT_NONE;
    *is_hung = true;
    return FAULT_NEVER;
}

/* After the reset the drive takes blocks of one sector only. */
static void test_ide_blocks_forgotten(void **state)
{
    bool is_hung = false;
    uint8_t *buf;

    (void)state;
    fresh();
    drive_add(0);
    start("ide=pio");
    buf = dma_alloc(LEN * 512);
    plan = (struct fault_plan){.draw = sectors_only, .arg = &is_hung};
    model.faults = &plan;
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -ETIMEDOUT);
    await_text("hda: works again");
    memset(drive_at(0)->commands, 0, sizeof(drive_at(0)->commands));
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
    assert_int_equal(drive_at(0)->commands[READ_MULTIPLE], 0);
    assert_int_equal(drive_at(0)->commands[READ_SECTORS], 1);
    dma_free(buf, LEN * 512);
    finish();
}

/* It does not come back from the reset: the disk is given up, the other one of
 * the channel as well, and each request ends. */
static void test_ide_dead_channel(void **state)
{
    uint8_t *buf;
    struct mem_stats before;

    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    drive_add(2);
    start(NULL);
    buf = dma_alloc(LEN * 512);
    silent = true;
    model.patience = 0;
    before = stats();
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -ETIMEDOUT);
    await_text("hda: it cannot be reset (error -110): the disk is given up");
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -EIO);
    assert_int_equal(disk_read(&opens[1], 16, LEN, buf), -ETIMEDOUT);
    await_text("hdb: it cannot be reset");
    assert_int_equal(stats().block_count, before.block_count);
    silent = false;
    model.patience = 3;
    assert_int_equal(disk_read(&opens[1], 16, LEN, buf), -EIO);
    assert_int_equal(disk_read(&opens[2], 16, LEN, buf), 0);
    dma_free(buf, LEN * 512);
    finish();
}

/* clang-format off */
static const struct {
    const char *name;
    unsigned places; /* a bit for each */
    uint8_t floating;
    unsigned seconds; /* that each drive of a channel takes after the other */
} slow_resets[] = {
    {"drive 0 alone", 1, 0, 25},
    {"drive 1 alone", 2, 0, 25},
    {"drive 1 alone, the bus floats high", 2, 0xff, 25},
    {"drive 1 alone, on the second channel", 8, 0, 30},
    {"both", 3, 0, 12},
};
/* clang-format on */

static void slow_add(size_t row, unsigned percent, bool *is_hung)
{
    fresh();
    plan = (struct fault_plan){.draw = hangs_once, .arg = is_hung};
    model.patience = 0; /* ten steps each ms */
    model.floating = slow_resets[row].floating;
    for (unsigned i = 0; i < DRIVES; i++)
        if ((slow_resets[row].places >> i & 1) != 0)
            drive_add(i)->late_steps =
                slow_resets[row].seconds * 10000 / 100 * percent;
}

/* A drive has 31 s for a reset: [ATA] 9.2. It ends with drive 0 selected, so
 * the bus floats then where there is only drive 1. */
static void test_ide_slow_reset(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT_OF(slow_resets); row++) {
        bool is_hung = false;
        uint8_t *buf;

        slow_add(row, 100, &is_hung);
        start(NULL);
        buf = dma_alloc(LEN * 512);
        model.faults = &plan;
        ROW(slow_resets[row].name,
            disk_read(&opens[0], 16, LEN, buf) == -ETIMEDOUT);
        await_text("hda: works again");
        for (unsigned i = 0; i < disk_count; i++)
            ROW(slow_resets[row].name, disk_exercise(i));
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* The same when drives are looked for, which the firmware has waited for. */
static void test_ide_slow_reset_at_probe(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT_OF(slow_resets); row++) {
        unsigned wanted = (unsigned)__builtin_popcount(slow_resets[row].places);
        bool is_hung = true;

        slow_add(row, 30, &is_hung);
        model.faults = &plan;
        start(NULL);
        ROW(slow_resets[row].name, disk_count == wanted);
        for (unsigned i = 0; i < disk_count; i++)
            ROW(slow_resets[row].name, disk_exercise(i));
        finish();
    }
}

static struct block_request others[8];
static unsigned others_ended;

static void other_done(struct block_request *ended, int status)
{
    assert_int_equal(status, 0);
    (void)ended;
    others_ended++;
}

static void request_late(struct block_request *ended, int status)
{
    assert_int_equal(status, -ETIMEDOUT);
    (void)ended;
    others_ended++;
}

/* A drive hangs; the other one of its channel loses no request. */
static void test_ide_neighbour_of_a_silent_drive(void **state)
{
    uint8_t *buf;
    struct buf *shared;
    struct slice slice;

    (void)state;
    for (unsigned pio = 0; pio < 2; pio++) {
        fresh();
        drive_add(0);
        drive_add(1);
        start(pio != 0 ? "ide=pio" : NULL);
        buf = dma_alloc(LEN * 512);
        shared = buf_alloc(4096);
        slice = slice_whole(shared);
        others_ended = 0;
        meets(FAULT_NEVER, 1);
        for (unsigned i = 0; i < COUNT_OF(others); i++)
            others[i] = (struct block_request){
                .op = BLOCK_READ,
                .sector = 200U - 16 * i,
                .sectors = 8,
                .vec = &slice,
                .count = 1,
                .deadline_ns = clock_now() + 100 * NS_PER_S,
                .next = i + 1 < COUNT_OF(others) ? &others[i + 1] : NULL,
                .done = other_done,
            };
        /* The first command is hda's, and has no end. */
        assert_int_equal(disk_count, 2);
        request_start(0);
        assert_int_equal(block_submit(&opens[1], others), 0);
        assert_int_equal(request_wait(), -ETIMEDOUT);
        while (others_ended < COUNT_OF(others))
            thread_yield();
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
        assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
        buf_put(shared);
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* Drive 0 goes while the other one hangs: that works after the reset. */
static void test_ide_neighbour_of_a_drive_that_goes(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    drive_add(1);
    start("ide=pio");
    meets(FAULT_NEVER, 1);
    request_start(1);
    thread_sleep(NS_PER_MS);
    drive_at(0)->kind = IDE_ABSENT;
    assert_int_equal(request_wait(), -ETIMEDOUT);
    await_text("hdb: works again");
    assert_true(disk_exercise(1));
    finish();
}

/* Longer than the driver's own looks at the status are apart. */
static void test_ide_slow_drive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fresh();
        drive_add(0)->late_steps = 25000; /* 2.5 s */
        start(i % 2 != 0 ? "ide=pio" : NULL);
        meets(FAULT_LATE, 1 + i / 2);
        assert_true(disk_exercise(0));
        assert_false(console_has("resetting"));
        finish();
    }
}

/* The patience of hdb ends first: its reset hits a command of hda that is only
 * slow, and which starts again. */
static void test_ide_innocent_neighbour(void **state)
{
    struct buf *shared;
    struct slice slice;

    (void)state;
    fresh();
    drive_add(0)->late_steps = 100000; /* 10 s */
    drive_add(1);
    start(NULL);
    shared = buf_alloc(4096);
    slice = slice_whole(shared);
    meets(FAULT_LATE, 1);
    request_start(0);
    others_ended = 0;
    others[0] = (struct block_request){.op = BLOCK_READ,
                                       .sectors = 8,
                                       .vec = &slice,
                                       .count = 1,
                                       .deadline_ns = clock_now() + NS_PER_S,
                                       .done = request_late};
    assert_int_equal(block_submit(&opens[1], others), 0);
    assert_int_equal(request_wait(), 0);
    assert_int_equal(others_ended, 1);
    assert_int_equal(disk_exercise(1), true);
    buf_put(shared);
    finish();
}

/* ---- Lost and strange interrupts ----------------------------------------- */

static void time_passes(uint64_t ns)
{
    uint64_t end_ns = clock_now() + ns;

    while (clock_now() < end_ns)
        thread_yield();
}

/* By PIO each block interrupts, and nobody looks before: one that is lost costs
 * a second as well. */
static void test_ide_lost_interrupt_of_a_block(void **state)
{
    (void)state;
    for (unsigned is_write = 0; is_write < 2; is_write++) {
        uint8_t *buf;
        uint64_t start_ns;

        fresh();
        drive_add(0);
        start("ide=pio");
        buf = dma_alloc(LEN * 512);
        time_passes(3 * NS_PER_S); /* no look is left of what was before */
        meets(FAULT_LOST_IRQ, 1);
        start_ns = clock_now();
        if (is_write)
            assert_int_equal(disk_write(&opens[0], 16, LEN, buf), 0);
        else
            assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
        assert_in_range(clock_now() - start_ns, 900 * NS_PER_MS,
                        1100 * NS_PER_MS);
        assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* Without interrupts there are looks all the time: each block takes a few
 * milliseconds. */
static void test_ide_polled_blocks(void **state)
{
    uint64_t start_ns;

    (void)state;
    fresh();
    model.prog_if = 0x05;
    model.no_line = true;
    drive_add(0);
    start("ide=pio");
    time_passes(3 * NS_PER_S);
    start_ns = clock_now();
    assert_true(disk_exercise(0));
    assert_in_range(clock_now() - start_ns, 1, 100 * NS_PER_MS);
    finish();
}

/* The first block of a write does not interrupt: the driver looks for a while,
 * and gives the drive its data at once. */
static void test_ide_first_block_of_a_write(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    start("ide=pio");
    silent = true;
    request_start(0);
    assert_int_equal(request_wait(), 0); /* it steps while it is looked at */
    request_buf = buf_alloc(4096);
    request_slice = slice_whole(request_buf);
    request = (struct block_request){.op = BLOCK_WRITE,
                                     .sector = 64,
                                     .sectors = 8,
                                     .vec = &request_slice,
                                     .count = 1,
                                     .done = flight_done};
    request_ended = false;
    assert_int_equal(block_submit(&opens[0], &request), 0);
    assert_true(drive_at(0)->has_block || drive_at(0)->done == 8);
    assert_int_equal(request_wait(), 0);
    silent = false;
    assert_true(disk_exercise(0));
    finish();
}

/* Pieces of an odd length, at even addresses: the bus master knows words
 * only. */
static void test_ide_pieces_of_odd_length(void **state)
{
    struct slice pieces[2];

    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    request_start(0);
    assert_int_equal(request_wait(), 0);
    request_buf = buf_alloc(4096);
    pieces[0] = (struct slice){request_buf, 0, 513};
    pieces[1] = (struct slice){request_buf, 1024, 511};
    request = (struct block_request){.op = BLOCK_READ,
                                     .sector = 64,
                                     .sectors = 2,
                                     .vec = pieces,
                                     .count = 2,
                                     .done = flight_done};
    request_ended = false;
    assert_int_equal(block_submit(&opens[0], &request), 0);
    while (!request_ended)
        thread_yield();
    assert_int_equal(request_status, 0);
    assert_memory_equal(request_buf->base, media[0] + 64 * 512, 513);
    assert_memory_equal(request_buf->base + 1024, media[0] + 64 * 512 + 513,
                        511);
    buf_put(request_buf);
    finish();
}

/* BAR 4 is the bus master's only where the interface says so. */
static void test_ide_another_bar(void **state)
{
    (void)state;
    fresh();
    model.prog_if = 0x05;
    model.other_bar4 = true;
    drive_add(0);
    start(NULL);
    assert_true(disk_exercise(0));
    assert_true(console_has("drive 0, PIO"));
    finish();
}

/* The drive is done before all of its data is in memory, which the bus master
 * tells of: looks at the status in between change nothing. */
static void test_ide_done_before_its_data(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    drive_at(0)->commands[READ_DMA] = 0;
    silent = true;
    meets(FAULT_LOST_IRQ, 1);
    request_start(0);
    thread_yield();
    while (ide_model_step(&model))
        ;
    assert_int_equal(drive_at(0)->commands[READ_DMA], 1);
    assert_int_equal(model.channel[0].bm_status & 4, 4);
    model.channel[0].bm_status &= (uint8_t)~4;
    time_passes(3 * NS_PER_S);
    assert_false(request_ended);
    model.channel[0].bm_status |= 4;
    assert_int_equal(request_wait(), 0);
    assert_false(console_has("resetting"));
    silent = false;
    assert_true(disk_exercise(0));
    finish();
}

/* Its registers look as after a reset, since that is what the command has
 * written; but the drive is at work. */
static void test_ide_looks_like_a_reset(void **state)
{
    (void)state;
    fresh();
    drive_add(0)->dma_drq = true;
    start(NULL);
    drive_at(0)->commands[READ_DMA] = 0;
    silent = true;
    model.patience = 0;
    request_start(0);
    thread_yield();
    while (drive_at(0)->phase != IDE_DMA)
        assert_true(ide_model_step(&model));
    drive_at(0)->error = 1; /* as an old reset has left it */
    drive_at(0)->count[0] = drive_at(0)->low[0] = 1;
    drive_at(0)->mid[0] = drive_at(0)->high[0] = 0;
    time_passes(3 * NS_PER_S);
    assert_false(console_has("resetting"));
    silent = false;
    assert_int_equal(request_wait(), 0);
    assert_int_equal(drive_at(0)->commands[READ_DMA], 1);
    assert_true(disk_exercise(0));
    finish();
}

static void test_ide_interrupt_for_nothing(void **state)
{
    (void)state;
    fresh();
    model.prog_if = 0x85;
    drive_add(0);
    start(NULL);
    for (unsigned i = 0; i < 5; i++) {
        irq_raise(IDE_MODEL_LINE); /* somebody else's */
        thread_yield();
    }
    assert_true(disk_exercise(0));
    finish();
}

/* It costs a second, no more. */
static void test_ide_lost_interrupt(void **state)
{
    uint8_t *buf;
    uint64_t start_ns;

    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    buf = dma_alloc(LEN * 512);
    meets(FAULT_LOST_IRQ, 1);
    start_ns = clock_now();
    assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
    assert_memory_equal(buf, media[0] + 16 * 512, LEN * 512);
    assert_in_range(clock_now() - start_ns, 1, 1100 * NS_PER_MS);
    assert_false(console_has("resetting"));
    dma_free(buf, LEN * 512);
    finish();
}

/* ---- Drives that forget -------------------------------------------------- */

/* What was in the cache may be lost: the next flush tells, once. */
static void test_ide_cache_is_lost(void **state)
{
    uint8_t *buf;

    (void)state;
    for (unsigned pio = 0; pio < 2; pio++) {
        fresh();
        drive_add(0);
        start(pio != 0 ? "ide=pio" : NULL);
        buf = dma_alloc(LEN * 512);
        assert_int_equal(disk_write(&opens[0], 16, LEN, buf), 0);
        meets(FAULT_RESET, 1);
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), 0);
        assert_true(console_has("hda: it was reset by itself: resetting it"));
        assert_int_equal(block_flush(&opens[0]), -EIO);
        assert_true(console_has("what it had in its cache is lost"));
        assert_int_equal(block_flush(&opens[0]), 0);
        assert_true(disk_exercise(0));
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* The flush itself is forgotten. */
static void test_ide_flush_is_forgotten(void **state)
{
    (void)state;
    fresh();
    drive_add(0);
    start(NULL);
    meets(FAULT_RESET, 1);
    assert_int_equal(block_flush(&opens[0]), -EIO);
    assert_true(console_has("what it had in its cache is lost"));
    assert_true(disk_exercise(0));
    finish();
}

/* After the reset there is another drive. */
static unsigned changed;

static void other_identity(struct ide_model_drive *drive, uint16_t *word)
{
    (void)drive;
    switch (changed) {
    case 1: /* serial number */
        word[10] = 0x5858;
        break;
    case 2: /* model */
        word[27] = 0x5858;
        break;
    case 3:
        word[100]--;
        break;
    case 4:
        word[106] = 0x5000;
        word[117] = 512;
        break;
    default:
        break;
    }
}

static void test_ide_another_drive(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 4; i++) {
        uint8_t *buf;

        changed = 0;
        fresh();
        drive_add(0)->identify = other_identity;
        start(NULL);
        buf = dma_alloc(LEN * 512);
        changed = i;
        meets(FAULT_NEVER, 1);
        assert_int_equal(disk_read(&opens[0], 16, LEN, buf), -ETIMEDOUT);
        await_text("hda: it cannot be reset (error -19): the disk is given "
                   "up");
        dma_free(buf, LEN * 512);
        finish();
    }
}

/* ---- Starts -------------------------------------------------------------- */

/* A start that fails is followed by one that does not. */
static void test_ide_start_again(void **state)
{
    unsigned n = 0;
    bool failed = true;

    (void)state;
    while (failed) {
        int status;

        fresh();
        drive_add(0);
        drive_add(1);
        probe_at(LOW_BUS, NULL);
        assert_int_equal(device_dedicate(&disks[1]->device, 0), 0);
        assert_int_equal(block_open(disks[1], BLOCK_SHARED, &opens[1]), 0);
        meets(FAULT_NEVER, ++n);
        status = device_dedicate(&disks[0]->device, 0);
        failed = plan.reached && status != 0;
        assert_true(status == 0 || status == -ETIMEDOUT);
        model.faults = NULL;
        assert_true(disk_exercise(1));
        if (status != 0)
            assert_int_equal(device_dedicate(&disks[0]->device, 0), 0);
        assert_int_equal(block_open(disks[0], BLOCK_SHARED, &opens[0]), 0);
        assert_true(disk_exercise(0));
        finish();
    }
    assert_true(n > 2);
}

/* Commands that a thread waits for do not interrupt. */
static enum model_fault quiet(void *arg, const char *operation, unsigned kinds)
{
    unsigned *count = arg;

    (void)kinds;
    if (strcmp(operation, "read") != 0) {
        assert_int_equal(model.channel[0].control & 2, 2); /* nIEN */
        (*count)++;
    }
    return FAULT_NONE;
}

static void test_ide_starts_without_interrupts(void **state)
{
    unsigned count = 0;

    (void)state;
    fresh();
    drive_add(0);
    probe_at(LOW_BUS, NULL);
    plan = (struct fault_plan){.draw = quiet, .arg = &count};
    model.faults = &plan;
    open_all();
    assert_true(count >= 2);
    assert_int_equal(model.channel[0].control & 2, 0);
    model.faults = NULL;
    assert_true(disk_exercise(0));
    finish();
}

static void test_ide_out_of_memory_at_start(void **state)
{
    int status = -ENOMEM;

    (void)state;
    for (unsigned n = 1; status != 0; n++) {
        fresh();
        drive_add(0);
        probe_at(LOW_BUS, NULL);
        heap_fail(n);
        status = device_dedicate(&disks[0]->device, 0);
        heap_fail(0);
        assert_true(status == 0 || status == -ENOMEM);
        if (status != 0)
            assert_int_equal(device_dedicate(&disks[0]->device, 0), 0);
        assert_int_equal(block_open(disks[0], BLOCK_SHARED, &opens[0]), 0);
        assert_true(disk_exercise(0));
        finish();
        assert_true(n < 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ide_errors),
        cmocka_unit_test(test_ide_failing_flush),
        cmocka_unit_test(test_ide_failing_durable_write),
        cmocka_unit_test(test_ide_refused_command),
        cmocka_unit_test(test_ide_error_far_behind),
        cmocka_unit_test(test_ide_dma_becomes_pio),
        cmocka_unit_test(test_ide_dma_hangs),
        cmocka_unit_test(test_ide_bus_master_fails),
        cmocka_unit_test(test_ide_bus_master_does_not_stop),
        cmocka_unit_test(test_ide_bus_master_stops_later),
        cmocka_unit_test(test_ide_neighbour_of_a_drive_that_goes),
        cmocka_unit_test(test_ide_slow_drive),
        cmocka_unit_test(test_ide_silent_drive),
        cmocka_unit_test(test_ide_blocks_forgotten),
        cmocka_unit_test(test_ide_dead_channel),
        cmocka_unit_test(test_ide_neighbour_of_a_silent_drive),
        cmocka_unit_test(test_ide_innocent_neighbour),
        cmocka_unit_test(test_ide_interrupt_for_nothing),
        cmocka_unit_test(test_ide_lost_interrupt),
        cmocka_unit_test(test_ide_lost_interrupt_of_a_block),
        cmocka_unit_test(test_ide_polled_blocks),
        cmocka_unit_test(test_ide_first_block_of_a_write),
        cmocka_unit_test(test_ide_pieces_of_odd_length),
        cmocka_unit_test(test_ide_another_bar),
        cmocka_unit_test(test_ide_done_before_its_data),
        cmocka_unit_test(test_ide_looks_like_a_reset),
        cmocka_unit_test(test_ide_slow_reset),
        cmocka_unit_test(test_ide_slow_reset_at_probe),
        cmocka_unit_test(test_ide_cache_is_lost),
        cmocka_unit_test(test_ide_flush_is_forgotten),
        cmocka_unit_test(test_ide_another_drive),
        cmocka_unit_test(test_ide_start_again),
        cmocka_unit_test(test_ide_starts_without_interrupts),
        cmocka_unit_test(test_ide_out_of_memory_at_start),
        cmocka_unit_test(test_ide_fault_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
