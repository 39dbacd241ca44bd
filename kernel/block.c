#include "kernel/block.h"
#include "kernel/lib/check.h"
#include "kernel/percpu.h"

struct block_device *block_from_device(struct device *device)
{
    if (device == NULL || device->class != DEVICE_BLOCK)
        return NULL;
    return container_of(device, struct block_device, device);
}

int block_register(struct block_device *dev, const char *prefix)
{
    if (dev->sectors == 0 || dev->count_max == 0)
        return -EINVAL;
    dev->device.class = DEVICE_BLOCK;
    dev->device.owner = DEVICE_NOBODY;
    queue_init(&dev->waiting);
    return device_register(&dev->device, prefix);
}

/* Start what waits, as far as the driver has room. */
static void start_waiting(struct block_device *disk)
{
    while (!queue_empty(&disk->waiting)) {
        struct block_request *request =
            container_of(queue_pop(&disk->waiting), struct block_request, node);
        int status = disk->ops->submit(disk, request);

        if (status == -EAGAIN) {
            queue_push_front(&disk->waiting, &request->node);
            return;
        }
        if (status != 0)
            request->done(request, status);
    }
}

void block_done(struct block_device *disk, struct block_request *request,
                int status)
{
    request->done(request, status);
    start_waiting(disk);
}

static int check_request(const struct block_device *dev,
                         const struct block_request *request)
{
    if (request->op == BLOCK_FLUSH)
        return request->sector == 0 && request->count == 0 ? 0 : -EINVAL;
    if (request->count == 0 || request->count > dev->count_max)
        return -EINVAL;
    if (request->sector > dev->sectors ||
        request->count > dev->sectors - request->sector)
        return -EINVAL;
    if (request->op == BLOCK_WRITE && dev->read_only)
        return -EROFS;
    return 0;
}

int block_submit(struct block_device *dev, struct block_request *request)
{
    struct block_device *disk = dev->disk != NULL ? dev->disk : dev;
    int status = check_request(dev, request);

    if (status != 0)
        return status;
    if (!device_is_mine(&disk->device))
        return -EXDEV;
    if (request->op != BLOCK_FLUSH)
        request->sector += dev->first_sector;
    queue_push(&disk->waiting, &request->node);
    start_waiting(disk);
    return 0;
}

/* ---- Waiting for one request --------------------------------------------- */

struct waiter {
    struct wait_queue queue;
    bool done;
    int status;
};

static void waiter_done(struct block_request *request, int status)
{
    struct waiter *waiter = request->cookie;

    waiter->done = true;
    waiter->status = status;
    wait_wake_all(&waiter->queue);
}

static int submit_and_wait(struct block_device *dev, enum block_op op,
                           uint64_t sector, uint32_t count, void *buf)
{
    struct waiter waiter = {.done = false};
    struct block_request request = {
        .op = op,
        .sector = sector,
        .count = count,
        .buf = buf,
        .done = waiter_done,
        .cookie = &waiter,
    };
    int status;

    wait_queue_init(&waiter.queue);
    status = block_submit(dev, &request);
    if (status != 0)
        return status;
    while (!waiter.done)
        wait_on(&waiter.queue);
    return waiter.status;
}

/* In pieces the device takes. */
static int transfer(struct block_device *dev, enum block_op op, uint64_t sector,
                    uint32_t count, void *buf)
{
    char *at = buf;

    if (count == 0)
        return -EINVAL;
    while (count > 0) {
        uint32_t piece = count < dev->count_max ? count : dev->count_max;
        int status = submit_and_wait(dev, op, sector, piece, at);

        if (status != 0)
            return status;
        sector += piece;
        count -= piece;
        at += (size_t)piece * BLOCK_SECTOR_SIZE;
    }
    return 0;
}

int block_read(struct block_device *dev, uint64_t sector, uint32_t count,
               void *buf)
{
    return transfer(dev, BLOCK_READ, sector, count, buf);
}

int block_write(struct block_device *dev, uint64_t sector, uint32_t count,
                const void *buf)
{
    return transfer(dev, BLOCK_WRITE, sector, count, (void *)(uintptr_t)buf);
}

int block_flush(struct block_device *dev)
{
    return submit_and_wait(dev, BLOCK_FLUSH, 0, 0, NULL);
}
