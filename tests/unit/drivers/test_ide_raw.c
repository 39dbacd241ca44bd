/* IDE disks without the block layer, by looking only. */
#include "kernel/device/block_raw.h"
#include "tests/unit/drivers/ide_bench.h"

/* The drive goes on by itself when it is looked at, and each look takes time.
 */
static void begin(void)
{
    probe_at(LOW_BUS, "");
    assert_null(ide_dump_driver.probe);
    assert_true(disk_count > 0);
    assert_ptr_equal(disks[0]->ops->raw, &ide_raw);
    clock_step(NS_PER_US);
}

static void raw_use(unsigned place, unsigned disk, uint32_t unit)
{
    uint8_t *memory = dma_alloc(BLOCK_RAW_BYTES);

    assert_int_equal(ide_raw.prepare(disks[disk]), 0);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(ide_raw.begin(disks[disk]), 0);
        memset(memory, (int)round + 1, BLOCK_RAW_BYTES);
        assert_int_equal(
            ide_raw.move(disks[disk], true, 64, memory, BLOCK_RAW_BYTES), 0);
        assert_int_equal(ide_raw.flush(disks[disk]), 0);
        assert_int_equal(media[place][64 * 512], round + 1);
        assert_int_equal(media[place][64 * 512 + BLOCK_RAW_BYTES - 1],
                         round + 1);
        assert_memory_equal(media[place] + 64 * 512 + BLOCK_RAW_BYTES,
                            pattern(place) + 64 * 512 + BLOCK_RAW_BYTES, 4096);
        assert_int_equal(ide_raw.move(disks[disk], false, 56, memory, unit), 0);
        assert_memory_equal(memory, media[place] + 56 * 512, unit);
    }
}

static void test_raw_by_pio(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 5; kind++) {
        struct ide_model_drive *drive;

        fresh();
        drive = drive_add(kind == 1 ? 1 : 0);
        drive->lba48 = kind != 2;
        drive->no_flush = kind == 3;
        if (kind == 4) {
            drive->sector_size = 4096;
            drive->sectors = SECTORS / 8;
        }
        if (kind == 1)
            (void)drive_add(0);
        begin();
        raw_use(kind == 1 ? 1 : 0, kind == 1 ? 1 : 0, kind == 4 ? 4096 : 512);
        finish();
    }
}

/* A drive that works by DMA is taken from the driver, and given back. */
static void test_the_driver_goes_on(void **state)
{
    struct slice slice;

    (void)state;
    fresh();
    (void)drive_add(0);
    begin();
    raw_use(0, 0, 512);
    clock_set(clock_now());
    open_all();
    slice = slice_whole(buf_alloc(512));
    slice.len = 512;
    request = (struct block_request){
        .op = BLOCK_READ, .sector = 5, .sectors = 1, .vec = &slice, .count = 1};
    assert_int_equal(request_run(0), 0);
    assert_memory_equal(slice_data(&slice), media[0] + 5 * 512, 512);
    finish();
}

static void test_raw_fails(void **state)
{
    struct fault_plan faults = {.kind = FAULT_FAIL, .nth = 1};
    struct ide_model_drive *drive;
    uint8_t *memory;

    (void)state;
    fresh();
    drive = drive_add(0);
    begin();
    memory = dma_alloc(BLOCK_RAW_BYTES);
    assert_int_equal(ide_raw.begin(disks[0]), 0);
    drive->bad_write = 12;
    assert_int_equal(ide_raw.move(disks[0], true, 8, memory, 4096), -EIO);
    drive->bad_read = 20;
    assert_int_equal(ide_raw.move(disks[0], false, 20, memory, 512), -EIO);
    assert_int_equal(ide_raw.move(disks[0], false, 8, memory, 512), 0);
    model.faults = &faults;
    assert_int_equal(ide_raw.flush(disks[0]), -EIO);
    faults = (struct fault_plan){.kind = FAULT_NEVER, .nth = 1};
    assert_int_equal(ide_raw.move(disks[0], true, 8, memory, 512), -ETIMEDOUT);
    model.faults = NULL;
    assert_int_equal(ide_raw.begin(disks[0]), 0);
    assert_int_equal(ide_raw.move(disks[0], true, 8, memory, 512), 0);
    model.bm_stuck = true; /* it may still write to memory */
    assert_int_equal(ide_raw.begin(disks[0]), -EIO);
    model.bm_stuck = false;
    model.patience = 0; /* the reset does not end */
    clock_step(10 * NS_PER_MS);
    assert_int_equal(ide_raw.begin(disks[0]), -ETIMEDOUT);
    model.patience = 3;
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_by_pio),
        cmocka_unit_test(test_the_driver_goes_on),
        cmocka_unit_test(test_raw_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
