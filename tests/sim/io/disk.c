#include "tests/sim/io/disk.h"
#include "hal/posix/sim/sim.h"
#include "kernel/lib/bytes.h"
#include "tests/sim/io/devices.h"
#include <string.h>
#include <torc/compiler.h>

/* VIRTIO 1.2, 5.2.6. */
enum { TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_DISCARD = 11, TYPE_ZEROES = 13 };

/* A write that is short says nothing of it, nor does a legacy device of any. */
static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds)
{
    const struct disk *disk = arg;

    if (!disk->has_faults)
        return FAULT_NONE;
    if (strcmp(operation, "read") != 0 || disk->model.virtio.legacy)
        kinds &= ~fault_bit(FAULT_SHORT);
    return fault_among(&device_faults, operation, kinds);
}

/* ---- Serving ------------------------------------------------------------- */

/* What a request that has done its work has made volatile, or durable. */
static void cache_note(struct disk *disk, const struct ring_chain *chain)
{
    uint32_t type = le32_get(chain->piece[0].data);
    uint64_t sector = le64_get(chain->piece[0].data + 8);
    uint64_t sectors = 0;

    if (!disk->has_cache || *chain->piece[chain->count - 1].data != 0)
        return;
    if (type == TYPE_FLUSH)
        memset(disk->volatile_now, 0, sizeof(disk->volatile_now));
    for (unsigned i = 1; type == TYPE_OUT && i + 1 < chain->count; i++)
        sectors += chain->piece[i].len;
    sectors /= DISK_SECTOR;
    if (type == TYPE_DISCARD || type == TYPE_ZEROES) {
        sector = le64_get(chain->piece[1].data);
        sectors = le32_get(chain->piece[1].data + 8);
    }
    for (; sectors > 0; sectors--)
        disk->volatile_now[sector++] = true;
}

static void serve(struct device_queue *queue, const struct ring_chain *chain)
{
    struct disk *disk = container_of(queue->model, struct disk, model.virtio);
    enum model_fault fault;
    uint32_t written =
        blk_model_perform(&disk->model, queue->index, chain, &fault);

    cache_note(disk, chain);
    device_queue_end(queue, chain->head, written, fault, device_step_ns());
}

static void notified(struct virtio_model *model, unsigned index)
{
    struct disk *disk = container_of(model, struct disk, model.virtio);

    device_queue_notified(&disk->queue[index]);
}

void disk_plug(struct disk *disk)
{
    static struct fault_plan plan;
    struct blk_model *model = &disk->model;

    blk_model_init(model, disk->data, DISK_SECTORS);
    plan = (struct fault_plan){.draw = draw_fault, .arg = disk};
    model->plan = &plan;
    model->virtio.offered = 0;
    disk->has_cache = hal_choose(3, SIM_DEVICE) != 0;
    if (disk->has_cache)
        model->virtio.offered |= BLK_FLUSH;
    blk_model_limits(model, hal_choose(3, SIM_DEVICE) * 1024,
                     hal_choose(5, SIM_DEVICE), 0);
    blk_model_queues(model,
                     (uint16_t)(1 + hal_choose(DISK_QUEUES, SIM_DEVICE)));
    blk_model_discard(model, hal_choose(3, SIM_DEVICE) * 8,
                      hal_choose(3, SIM_DEVICE) * 8);
    model->virtio.notified = notified;
    for (unsigned i = 0; i < DISK_QUEUES; i++)
        disk->queue[i] = (struct device_queue){
            .model = &model->virtio, .index = i, .serve = serve};
    virtio_device_plug(&model->virtio);
}
