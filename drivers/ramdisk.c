/*
 * Disks in memory: the modules that the boot loader loaded. A request completes
 * before submit returns. What is written is lost when the machine ends.
 */
#include "kernel/base/boot_info.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/driver.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

struct ramdisk {
    struct block_device block;
    uint8_t *data; /* the module; the owner CPU's once dedicated */
};

static int ramdisk_submit(struct block_queue *queue,
                          struct block_request *first)
{
    struct ramdisk *ram = container_of(queue->disk, struct ramdisk, block);
    uint64_t sector = first->priv.sector;

    assert(sector + first->priv.sectors <= queue->disk->sectors);
    block_copy(first, ram->data + sector * BLOCK_SECTOR_SIZE);
    block_done(queue, first, 0);
    return 0;
}

static int ramdisk_start(struct block_device *disk)
{
    (void)disk;
    return 0;
}

static const struct block_ops ramdisk_ops = {.start = ramdisk_start,
                                             .submit = ramdisk_submit};

static int ramdisk_probe(void)
{
    const struct hal_boot_info *info = boot_info();

    for (unsigned i = 0; i < info->module_count; i++) {
        struct ramdisk *ram;

        if (boot_module_has_settings(&info->module[i]))
            continue;
        ram = mem_alloc_zeroed(sizeof(*ram));
        if (ram == NULL)
            return -ENOMEM;
        ram->data = (uint8_t *)(uintptr_t)info->module[i].base;
        ram->block.ops = &ramdisk_ops;
        ram->block.sectors = info->module[i].size / BLOCK_SECTOR_SIZE;
        ram->block.limits.zeroes_sectors = UINT32_MAX;
        if (block_register(&ram->block, "rd") != 0) {
            log_warn("boot module %u is smaller than a sector: left out", i);
            mem_free(ram);
            continue;
        }
        log_info("%s: %llu KiB, boot module", ram->block.device.name,
                 (unsigned long long)(ram->block.sectors / 2));
    }
    return 0;
}

const struct driver ramdisk_driver = {.name = "ramdisk",
                                      .probe = ramdisk_probe};
