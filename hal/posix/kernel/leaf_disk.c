/*
 * Disks of the hosted machine, which are files of the host: hal/leaf.h. What is
 * asked is checked here; the host half carries it out.
 */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "hal/posix/host/disk.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/leaf.h"
#include <torc/assert.h>

enum { SECTOR_SIZE = 512 };

static_assert(sizeof(struct hal_vec) == sizeof(struct host_vec) &&
                  offsetof(struct hal_vec, base) ==
                      offsetof(struct host_vec, base) &&
                  offsetof(struct hal_vec, len) ==
                      offsetof(struct host_vec, len),
              "a piece of memory is the same in both halves");

/* Constant from host_machine_prepare() on. */
static struct disk {
    bool present;
    unsigned queue_count;
    struct host_disk_info info;
} disks[HOST_DISK_MAX];

int leaf_disks_open(const struct host_config *config)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < config->disk_count; i++) {
        struct disk *disk = &disks[i];

        disk->queue_count = machine_boot.cpu_count;
        err = host_disk_open(i, &config->disks[i], disk->queue_count,
                             &disk->info);
        disk->present = err == 0;
    }
    return err;
}

void leaf_disks_close(void)
{
    for (unsigned i = 0; i < HOST_DISK_MAX; i++) {
        if (disks[i].present)
            host_disk_close(i);
        disks[i].present = false;
    }
}

void leaf_disks_check(void)
{
    for (unsigned i = 0; i < HOST_DISK_MAX; i++) {
        for (unsigned j = 0; disks[i].present && j < disks[i].queue_count; j++)
            host_disk_check(i, j);
    }
}

static struct disk *disk_of(unsigned unit)
{
    return unit < HOST_DISK_MAX && disks[unit].present ? &disks[unit] : NULL;
}

int hal_blk_info(unsigned unit, struct hal_blk_info *info)
{
    const struct disk *disk = disk_of(unit);

    if (disk == NULL)
        return -ENODEV;
    *info = (struct hal_blk_info){
        .sectors = disk->info.size / SECTOR_SIZE,
        .sector_size = disk->info.sector_size,
        .memory_align = disk->info.memory_align,
        .vec_max = HOST_DISK_VECS,
        .sectors_max = HOST_DISK_BYTES / SECTOR_SIZE,
        .queue_count = disk->queue_count,
        .queue_depth = HOST_DISK_DEPTH,
        .read_only = disk->info.read_only,
    };
    return 0;
}

/* ---- Queues -------------------------------------------------------------- */

/* Whether this CPU has opened the queue; it alone may use it. */
static bool queue_mine(unsigned unit, unsigned queue)
{
    const struct disk *disk = disk_of(unit);
    unsigned cpu;

    return disk != NULL && queue < disk->queue_count &&
           host_disk_queue_irq(unit, queue, &cpu) >= 0 &&
           cpu == vcpu_self()->id;
}

int hal_blk_open(unsigned unit, unsigned queue)
{
    const struct disk *disk = disk_of(unit);
    unsigned cpu = vcpu_self()->id, owner;
    uint64_t address;
    uint32_t data;
    int irq, err;

    if (disk == NULL || queue >= disk->queue_count)
        return -ENODEV;
    irq = host_disk_queue_irq(unit, queue, &owner);
    if (irq >= 0)
        return owner == cpu ? irq : -EBUSY;
    irq = hal_irq_msi(cpu, &address, &data);
    if (irq < 0)
        return irq;
    err = host_disk_queue_open(unit, queue, cpu, irq);
    return err != 0 ? err : irq;
}

/* The pieces are aligned, and as long as the request. */
static bool vec_fits(const struct disk *disk, const struct hal_blk_req *req)
{
    uint64_t left = req->sectors * SECTOR_SIZE;

    for (unsigned i = 0; i < req->vec_count; i++) {
        uintptr_t base = (uintptr_t)req->vec[i].base;
        size_t len = req->vec[i].len;

        if (len == 0 || len > left ||
            ((base | len) & (disk->info.memory_align - 1)) != 0)
            return false;
        left -= len;
    }
    return left == 0;
}

static bool request_fits(const struct disk *disk, const struct hal_blk_req *req)
{
    uint64_t sectors = disk->info.size / SECTOR_SIZE;
    uint64_t unit = disk->info.sector_size / SECTOR_SIZE;

    if (req->op == HAL_BLK_FLUSH)
        return req->sectors == 0;
    if (req->sectors == 0 || req->sector > sectors ||
        req->sectors > sectors - req->sector)
        return false;
    if (((req->sector | req->sectors) & (unit - 1)) != 0)
        return false;
    if (req->op == HAL_BLK_DISCARD || req->op == HAL_BLK_WRITE_ZEROES)
        return true;
    return req->sectors <= HOST_DISK_BYTES / SECTOR_SIZE &&
           req->vec_count <= HOST_DISK_VECS && vec_fits(disk, req);
}

int hal_blk_submit(unsigned unit, unsigned queue, struct hal_blk_req *req)
{
    static const enum host_disk_op ops[] = {
        [HAL_BLK_READ] = HOST_DISK_READ,
        [HAL_BLK_WRITE] = HOST_DISK_WRITE,
        [HAL_BLK_FLUSH] = HOST_DISK_FLUSH,
        [HAL_BLK_DISCARD] = HOST_DISK_DISCARD,
        [HAL_BLK_WRITE_ZEROES] = HOST_DISK_ZERO,
    };
    struct host_disk_request *request;

    if (!queue_mine(unit, queue))
        return -ENODEV;
    if ((unsigned)req->op >= COUNT_OF(ops) || !request_fits(&disks[unit], req))
        return -EINVAL;
    request = host_disk_get(unit, queue);
    if (request == NULL)
        return -EAGAIN;
    request->op = ops[req->op];
    request->durable = (req->flags & HAL_BLK_FUA) != 0;
    request->offset = req->sector * SECTOR_SIZE;
    request->size = req->sectors * SECTOR_SIZE;
    request->vec = (struct host_vec *)req->vec;
    request->vec_count = req->vec_count;
    request->cookie = req;
    host_disk_submit(unit, queue, request);
    return 0;
}

void hal_blk_commit(unsigned unit, unsigned queue)
{
    if (!queue_mine(unit, queue))
        return;
    host_disk_commit(unit, queue);
    cpu_watch_ring();
}

struct hal_blk_req *hal_blk_poll(unsigned unit, unsigned queue)
{
    struct host_disk_request *done;
    struct hal_blk_req *req;

    if (!queue_mine(unit, queue))
        return NULL;
    done = host_disk_poll(unit, queue);
    if (done == NULL)
        return NULL;
    assert(done->status <= 0);
    req = done->cookie;
    req->status = done->status;
    host_disk_put(unit, queue, done);
    return req;
}

void hal_blk_cancel(unsigned unit, unsigned queue)
{
    if (queue_mine(unit, queue))
        host_disk_cancel(unit, queue);
}

int hal_blk_now(unsigned unit, bool is_write, uint64_t sector, void *data,
                size_t size)
{
    const struct disk *disk = disk_of(unit);
    uint64_t sectors = size / SECTOR_SIZE;

    if (disk == NULL)
        return -ENODEV;
    if (size % disk->info.sector_size != 0 ||
        sector > disk->info.size / SECTOR_SIZE ||
        sectors > disk->info.size / SECTOR_SIZE - sector)
        return -EINVAL;
    if (is_write && disk->info.read_only)
        return -EROFS;
    return host_disk_now(unit, is_write, sector * SECTOR_SIZE, data, size);
}
