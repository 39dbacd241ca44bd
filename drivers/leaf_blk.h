/* Of the disks of the hosted machine: leaf_blk.c. */
#ifndef TORC_DRIVERS_LEAF_BLK_H
#define TORC_DRIVERS_LEAF_BLK_H

#include "kernel/device/block.h"

/* The unit of hal/leaf.h that a disk of this driver is. Any CPU. */
unsigned leaf_blk_unit(struct block_device *disk);

#endif
