/* Disks the hosted machine has as files: the block class over hal_blk_*. */
#include "drivers/drivers.h"
#include "hal/hal.h"
#include "kernel/block.h"
#include "kernel/irq_work.h"
#include "kernel/lib/check.h"
#include "kernel/percpu.h"
#include <torc/log.h>
#include <torc/memory.h>

enum { FLIGHT_MAX = 32, SECTORS_MAX = 1024 };

struct leaf_flight {
    struct hal_blk_req req;
    struct leaf_flight *next_free;
};

struct leaf_blk {
    struct block_device block;
    unsigned unit;
    int irq;
    /* owner CPU only: */
    struct irq_work work;
    struct leaf_flight flights[FLIGHT_MAX];
    struct leaf_flight *free;
};

static struct leaf_blk *leaf_of(struct block_device *dev)
{
    return container_of(dev, struct leaf_blk, block);
}

static int leaf_submit(struct block_device *dev, struct block_request *request)
{
    struct leaf_blk *leaf = leaf_of(dev);
    struct leaf_flight *flight = leaf->free;
    int status;

    if (flight == NULL)
        return -EAGAIN;
    flight->req = (struct hal_blk_req){
        .sector = request->sector,
        .count = request->count,
        .write = request->op != BLOCK_READ,
        .buf = request->buf,
        .cookie = request,
    };
    status = hal_blk_submit(leaf->unit, &flight->req);
    if (status == 0)
        leaf->free = flight->next_free;
    return status;
}

static void leaf_poll(struct block_device *dev)
{
    struct leaf_blk *leaf = leaf_of(dev);
    struct hal_blk_req *req;

    while ((req = hal_blk_poll(leaf->unit)) != NULL) {
        struct leaf_flight *flight = container_of(req, struct leaf_flight, req);
        struct block_request *request = req->cookie;
        int status = req->status;

        flight->next_free = leaf->free;
        leaf->free = flight;
        block_done(dev, request, status);
    }
}

static void leaf_irq(void *arg)
{
    struct leaf_blk *leaf = arg;

    irq_work_raise(&leaf->work);
}

static void leaf_work(struct irq_work *work)
{
    leaf_poll(&container_of(work, struct leaf_blk, work)->block);
}

static int leaf_start(struct device *device)
{
    struct leaf_blk *leaf = leaf_of(block_from_device(device));

    irq_work_init(&leaf->work, leaf_work);
    leaf->free = NULL;
    for (unsigned i = 0; i < FLIGHT_MAX; i++) {
        leaf->flights[i].next_free = leaf->free;
        leaf->free = &leaf->flights[i];
    }
    return hal_irq_attach(leaf->irq, cpu_self()->id, leaf_irq, leaf);
}

static const struct block_ops leaf_ops = {.submit = leaf_submit,
                                          .poll = leaf_poll};

static int leaf_probe(void)
{
    struct hal_blk_info info;

    for (unsigned unit = 0; hal_blk_info(unit, &info) == 0; unit++) {
        struct leaf_blk *leaf = mem_alloc_zeroed(sizeof(*leaf));

        if (leaf == NULL)
            return -ENOMEM;
        leaf->unit = unit;
        leaf->irq = info.irq;
        leaf->block.ops = &leaf_ops;
        leaf->block.device.start = leaf_start;
        leaf->block.sectors = info.sectors;
        leaf->block.count_max = SECTORS_MAX;
        leaf->block.read_only = info.read_only;
        if (block_register(&leaf->block, "vd") != 0) {
            log_warn("disk %u has no sectors: left out", unit);
            mem_free(leaf);
            continue;
        }
        log_info("%s: %llu MiB%s, file", leaf->block.device.name,
                 (unsigned long long)(info.sectors / 2048),
                 info.read_only ? ", read-only" : "");
    }
    return 0;
}

const struct driver leaf_blk_driver = {"leaf_blk", leaf_probe};
