/*
 * Disks in memory: the modules the boot loader brought along. Requests complete
 * before submit returns. What is written lives until the machine ends.
 */
#include "drivers/drivers.h"
#include "kernel/block.h"
#include "kernel/init.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include <torc/log.h>
#include <torc/memory.h>

enum { SECTORS_MAX = 4096 };

struct ramdisk {
    struct block_device block;
    uint8_t *data; /* the module; the owner CPU's once dedicated */
};

static int ramdisk_submit(struct block_device *dev,
                          struct block_request *request)
{
    struct ramdisk *ram = container_of(dev, struct ramdisk, block);
    uint8_t *at = ram->data + request->sector * BLOCK_SECTOR_SIZE;
    size_t size = (size_t)request->count * BLOCK_SECTOR_SIZE;

    if (request->op == BLOCK_READ)
        memcpy(request->buf, at, size);
    else if (request->op == BLOCK_WRITE)
        memcpy(at, request->buf, size);
    request->done(request, 0);
    return 0;
}

static void ramdisk_poll(struct block_device *dev)
{
    (void)dev;
}

static int ramdisk_start(struct device *device)
{
    (void)device;
    return 0;
}

static const struct block_ops ramdisk_ops = {.submit = ramdisk_submit,
                                             .poll = ramdisk_poll};

static int ramdisk_probe(void)
{
    const struct hal_boot_info *info = boot_info();

    for (unsigned i = 0; i < info->module_count; i++) {
        struct ramdisk *ram = mem_alloc_zeroed(sizeof(*ram));

        if (ram == NULL)
            return -ENOMEM;
        ram->data = (uint8_t *)(uintptr_t)info->module[i].base;
        ram->block.ops = &ramdisk_ops;
        ram->block.device.start = ramdisk_start;
        ram->block.sectors = info->module[i].size / BLOCK_SECTOR_SIZE;
        ram->block.count_max = SECTORS_MAX;
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

const struct driver ramdisk_driver = {"ramdisk", ramdisk_probe};
