/* Disks of the hosted machine without the block layer:
 * kernel/device/block_raw.h. */
#include "drivers/leaf_blk.h"
#include "hal/leaf.h"
#include "kernel/device/block_raw.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>

static int raw_prepare(struct block_device *disk)
{
    (void)disk;
    return 0;
}

static int raw_begin(struct block_device *disk)
{
    (void)disk; /* files need no reset */
    return 0;
}

static int raw_move(struct block_device *disk, bool is_write, uint64_t sector,
                    void *data, uint32_t bytes)
{
    return hal_blk_now(leaf_blk_unit(disk), is_write, sector, data, bytes);
}

static int raw_flush(struct block_device *disk)
{
    return hal_blk_now(leaf_blk_unit(disk), true, 0, NULL, 0);
}

const struct block_raw_ops leaf_blk_raw = {
    .prepare = raw_prepare,
    .begin = raw_begin,
    .move = raw_move,
    .flush = raw_flush,
};

const struct driver leaf_blk_dump_driver = {.name = "leaf_blk_dump"};
