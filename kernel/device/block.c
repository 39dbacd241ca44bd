/* Disks and partitions: registering, starting, and who has them open. */
#include "kernel/device/block.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/message.h>

struct block_device *block_from_device(struct device *device)
{
    if (device == NULL || device->class != DEVICE_BLOCK)
        return NULL;
    return container_of(device, struct block_device, device);
}

struct block_device *block_partition(struct block_device *disk, unsigned number)
{
    list_for_each (link, &disk->partitions) {
        struct block_device *part =
            container_of(link, struct block_device, part_link);

        if (part->number == number)
            return part;
    }
    return NULL;
}

/* ---- Registering --------------------------------------------------------- */

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* A limit that is not there is a large one: no user has to ask. */
static void limits_complete(struct block_limits *limits)
{
    if (limits->sectors == 0)
        limits->sectors = BLOCK_SECTORS_MAX;
    limits->sectors = min_u32(limits->sectors, BLOCK_SECTORS_MAX);
    limits->discard_sectors =
        min_u32(limits->discard_sectors, BLOCK_SECTORS_MAX);
    limits->zeroes_sectors = min_u32(limits->zeroes_sectors, BLOCK_SECTORS_MAX);
    if (limits->segments == 0)
        limits->segments = UINT32_MAX;
    if (limits->segment_bytes == 0)
        limits->segment_bytes = UINT32_MAX;
    if (limits->align == 0)
        limits->align = 1;
}

/* A request of one sector is possible, and pieces that are cut stay aligned. */
static bool limits_possible(struct block_limits *limits, uint32_t sector_size)
{
    uint32_t sectors = sector_size / BLOCK_SECTOR_SIZE;

    if (!is_power_of_two(limits->align) || limits->align > BLOCK_SECTOR_SIZE)
        return false;
    limits->segment_bytes -= limits->segment_bytes % limits->align;
    limits->sectors -= limits->sectors % sectors;
    limits->discard_sectors -= limits->discard_sectors % sectors;
    limits->zeroes_sectors -= limits->zeroes_sectors % sectors;
    if (limits->boundary != 0 && (!is_power_of_two(limits->boundary) ||
                                  limits->boundary < limits->align))
        return false;
    return limits->segment_bytes > 0 && limits->sectors > 0;
}

static int block_start(struct device *device);

int block_register(struct block_device *disk, const char *prefix)
{
    if (disk->sector_size == 0)
        disk->sector_size = BLOCK_SECTOR_SIZE;
    if (!is_power_of_two(disk->sector_size) ||
        disk->sector_size < BLOCK_SECTOR_SIZE ||
        disk->sector_size > BLOCK_LOGICAL_MAX)
        return -EINVAL;
    disk->sectors -= disk->sectors % (disk->sector_size / BLOCK_SECTOR_SIZE);
    limits_complete(&disk->limits);
    if (disk->sectors == 0 ||
        !limits_possible(&disk->limits, disk->sector_size))
        return -EINVAL;
    if (disk->queue_max == 0)
        disk->queue_max = 1;
    if (disk->queue_max > BLOCK_QUEUE_MAX)
        disk->queue_max = BLOCK_QUEUE_MAX;
    disk->device.class = DEVICE_BLOCK;
    disk->device.start = block_start;
    list_init(&disk->partitions);
    list_init(&disk->opens);
    return device_register(&disk->device, prefix);
}

/* ---- Starting ------------------------------------------------------------ */

/* A queue to be made or unmade on its CPU. */
struct queue_call {
    struct block_device *disk;
    unsigned index;
    struct block_queue *queue;
};

static int create_here(void *arg)
{
    struct queue_call *call = arg;

    call->queue = block_queue_create(call->disk, call->index);
    return call->queue != NULL ? 0 : -ENOMEM;
}

static int destroy_here(void *arg)
{
    const struct queue_call *call = arg;

    block_queue_destroy(call->queue);
    return 0;
}

/* Keep the first `count` queues. */
static void queues_keep(struct block_device *disk, unsigned count)
{
    for (unsigned i = count; i < BLOCK_QUEUE_MAX; i++) {
        struct queue_call call = {.queue = disk->queues[i]};

        if (disk->queues[i] == NULL)
            continue;
        disk->queues[i] = NULL;
        /* Without memory there the queue stays, and nobody knows of it. */
        if (remote_call(disk->queue_cpus[i], destroy_here, &call) != 0)
            log_warn("%s: the memory of a queue is lost", disk->device.name);
    }
}

/* One on each of the CPUs that the disk is for, all or none. A disk that is not
 * in the list of devices is for this one. */
static int queues_create(struct block_device *disk)
{
    const unsigned here = cpu_self()->id;
    bool is_listed = disk->device.cpu_count > 0;
    const unsigned *cpus = is_listed ? disk->device.cpus : &here;
    int status = 0;

    disk->queue_count =
        is_listed ? min_u32(disk->device.cpu_count, disk->queue_max) : 1;
    for (unsigned i = 0; status == 0 && i < disk->queue_count; i++) {
        struct queue_call call = {.disk = disk, .index = i};

        disk->queue_cpus[i] = (uint16_t)cpus[i];
        status = remote_call(disk->queue_cpus[i], create_here, &call);
        disk->queues[i] = call.queue;
    }
    if (status != 0)
        queues_keep(disk, 0);
    return status;
}

int block_start_bare(struct block_device *disk)
{
    int status = queues_create(disk);

    if (status != 0)
        goto fail_queues;
    status = block_recovery_create(disk);
    if (status != 0)
        goto fail_recovery;
    status = disk->ops->start(disk);
    if (status != 0)
        goto fail_start;
    assert(disk->queue_count > 0); /* the driver may have lowered it */
    queues_keep(disk, disk->queue_count);
    return 0;

fail_start:
    block_recovery_destroy(disk);
fail_recovery:
    queues_keep(disk, 0);
fail_queues:
    disk->queue_count = 0;
    return status;
}

/*
 * On the new owner. Without its partitions the whole disk is of use still, and
 * it has been started: so it stays dedicated when the table cannot be read.
 */
static int block_start(struct device *device)
{
    struct block_device *disk = block_from_device(device);
    int status = block_start_bare(disk);

    if (status != 0)
        return status;
    if (disk_partitions != NULL)
        status = disk_partitions(disk);
    if (status != 0)
        log_error("%s: its partition table cannot be read (error %d): "
                  "partitions are missing",
                  device->name, status);
    return 0;
}

int block_dedicate(struct block_device *disk, const unsigned cpus[],
                   unsigned count)
{
    if (disk->disk != NULL)
        return -EBUSY;
    return device_dedicate_cpus(&disk->device, cpus, count);
}
