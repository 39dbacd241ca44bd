/* Who has a disk or a partition open, and what is always true of them. */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/thread/errand.h"
#include <torc/assert.h>
#include <torc/log.h>

/* ---- Opening ------------------------------------------------------------- */

/* Whether two devices of one disk have a sector in common. */
static bool overlap(const struct block_device *a, const struct block_device *b)
{
    return a->first_sector < b->first_sector + b->sectors &&
           b->first_sector < a->first_sector + a->sectors;
}

/* Who stands in the way of `open`; NULL: nobody. */
static const struct block_open *in_the_way(const struct block_open *open)
{
    list_for_each (link, &block_disk(open->dev)->opens) {
        const struct block_open *other =
            container_of(link, struct block_open, link);

        if ((open->mode == BLOCK_EXCLUSIVE || other->mode == BLOCK_EXCLUSIVE) &&
            overlap(open->dev, other->dev))
            return other;
    }
    return NULL;
}

/* Opening and closing, on the owner of the disk. */
struct claim {
    struct errand errand;
    struct block_open *open;
};

static void claim_arrive(struct errand *errand)
{
    struct block_open *open = container_of(errand, struct claim, errand)->open;
    const struct block_open *other = in_the_way(open);

    if (other != NULL) {
        log_error("%s: sectors of it are in use by way of %s: one user only",
                  open->dev->device.name, other->dev->device.name);
        errand_answer(errand, -EBUSY);
        return;
    }
    list_push_back(&block_disk(open->dev)->opens, &open->link);
    errand_answer(errand, 0);
}

static void release_arrive(struct errand *errand)
{
    list_remove(&container_of(errand, struct claim, errand)->open->link);
    errand_answer(errand, 0);
}

/* NULL: this CPU has none. */
static struct block_queue *queue_here(struct block_device *disk)
{
    for (unsigned i = 0; i < disk->queue_count; i++) {
        if (disk->queues[i] != NULL && disk->queues[i]->cpu == cpu_self()->id)
            return disk->queues[i];
    }
    return NULL;
}

int block_open(struct block_device *dev, enum block_mode mode,
               struct block_open *open)
{
    struct block_device *disk = block_disk(dev);
    struct claim claim = {.open = open};
    struct block_queue *queue = queue_here(disk);

    if (queue == NULL)
        return -EXDEV;
    *open = (struct block_open){
        .dev = dev,
        .queue = queue,
        .mode = mode,
        .first_sector = dev->first_sector,
        .sector_mask = dev->sector_size / BLOCK_SECTOR_SIZE - 1,
    };
    return errand_run(&claim.errand, disk->queues[0]->cpu, claim_arrive);
}

void block_close(struct block_open *open)
{
    struct claim claim = {.open = open};
    int status;

    assert(open->queue->cpu == cpu_self()->id);
    assert(open->under_way == 0);
    status = errand_run(&claim.errand, open->queue->disk->queues[0]->cpu,
                        release_arrive);
    assert(status == 0);
}

/* ---- Checking ------------------------------------------------------------ */

static void partition_check(const struct block_device *part)
{
    const struct block_device *disk = part->disk;

    assert(disk->disk == NULL);
    assert(part->first_sector > 0);
    assert(part->number > 0 && part->number <= BLOCK_PARTITION_MAX);
    assert(part->ops == disk->ops);
    assert(part->sector_size == disk->sector_size);
    assert(part->first_sector % (disk->sector_size / BLOCK_SECTOR_SIZE) == 0);
    assert(part->sectors % (disk->sector_size / BLOCK_SECTOR_SIZE) == 0);
}

static void opens_check(const struct block_device *disk)
{
    list_for_each (link, &disk->opens) {
        const struct block_open *open =
            container_of(link, struct block_open, link);

        assert(block_disk(open->dev) == disk);
        list_for_each (other, &disk->opens) {
            const struct block_open *second =
                container_of(other, struct block_open, link);

            assert(
                second == open || !overlap(open->dev, second->dev) ||
                (open->mode == BLOCK_SHARED && second->mode == BLOCK_SHARED));
        }
    }
}

void block_check(const struct block_device *dev)
{
    assert(dev->device.class == DEVICE_BLOCK);
    assert(dev->sectors > 0);
    assert(dev->limits.sectors > 0);
    if (dev->disk != NULL) {
        partition_check(dev);
        return;
    }
    assert(dev->first_sector == 0);
    list_for_each (link, &dev->partitions)
        partition_check(container_of(link, struct block_device, part_link));
    for (unsigned i = 0; i < dev->queue_count; i++) {
        if (dev->queues[i]->cpu == cpu_self()->id)
            block_queue_check(dev->queues[i]);
    }
    if (device_is_mine(&dev->device))
        opens_check(dev);
}
