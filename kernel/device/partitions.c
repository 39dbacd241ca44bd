/* For applications that do not say that they use disks whole. */
#include "kernel/device/block_internal.h"
#include <torc/drivers.h>

int (*const disk_partitions)(struct block_device *disk) = partition_scan;
