#include "tests/fakes/ramblk.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include <stdlib.h>
#include <string.h>
#include <torc/thread.h>

static struct ramblk *ram_of(struct block_queue *queue)
{
    return container_of(queue->disk, struct ramblk, block);
}

static struct ramblk_queue *mine(struct block_queue *queue)
{
    return &ram_of(queue)->queues[queue->index];
}

static struct block_request *request_of(struct queue_node *node)
{
    return container_of(node, struct block_request, priv.node);
}

/* ---- What becomes of a request ------------------------------------------- */

static bool must_fail(struct ramblk *ram)
{
    bool fails = false;

    if (ram->fail_at > 0)
        fails = --ram->fail_at == 0;
    if (ram->fail_from == 1)
        return true;
    if (ram->fail_from > 1)
        ram->fail_from--;
    return fails;
}

static enum model_fault fault_of(struct ramblk *ram, unsigned op)
{
    static const char *const names[] = {"read", "write", "flush", "discard",
                                        "zeroes"};
    unsigned kinds = FAULT_ALL;

    if (op == BLOCK_FLUSH)
        kinds &= ~fault_bit(FAULT_SHORT);
    return fault_among(ram->faults, names[op], kinds);
}

static bool has_bad_sector(const struct ramblk *ram,
                           const struct block_private *priv)
{
    return ram->bad_sector != 0 && priv->sector <= ram->bad_sector &&
           ram->bad_sector < priv->sector + priv->sectors;
}

/* Do it, as far as it is done. */
static int work(struct ramblk *ram, const struct block_request *first,
                bool is_short)
{
    if (must_fail(ram) || has_bad_sector(ram, &first->priv)) {
        ram->failures++;
        return -EIO;
    }
    if (first->priv.op == BLOCK_FLUSH)
        ram->flushes++;
    block_copy(first, ram->data + first->priv.sector * BLOCK_SECTOR_SIZE);
    if (first->priv.op == BLOCK_READ)
        ram->sectors_read += first->priv.sectors;
    return is_short ? -EIO : 0;
}

/* The status of those that are finished is in priv.status. */
static void finish(struct block_queue *queue, struct block_request *first,
                   int status)
{
    mine(queue)->with_us++;
    first->priv.status = status;
    queue_push(&mine(queue)->finished, &first->priv.node);
}

static void keep(struct ramblk_queue *queue, struct queue *list,
                 struct block_request *first)
{
    queue->with_us++;
    queue_push(list, &first->priv.node);
}

/* Everything that it has is lost. */
static void forget(struct ramblk_queue *queue)
{
    struct queue_node *node;

    while ((node = queue_pop(&queue->held)) != NULL ||
           (node = queue_pop(&queue->finished)) != NULL)
        queue_push(&queue->lost, node);
}

static void meet(struct block_queue *queue, struct block_request *first,
                 enum model_fault fault)
{
    struct ramblk_queue *ours = mine(queue);

    switch (fault) {
    case FAULT_FAIL:
        finish(queue, first, -EIO);
        block_interrupt(queue);
        break;
    case FAULT_LATE:
        keep(ours, &ours->held, first);
        break;
    case FAULT_NEVER:
        keep(ours, &ours->lost, first);
        break;
    case FAULT_LOST_IRQ:
        finish(queue, first, work(ram_of(queue), first, false));
        break;
    case FAULT_RESET:
        keep(ours, &ours->held, first);
        forget(ours);
        break;
    default: /* TWICE and SPURIOUS_IRQ: there is nothing to interrupt for */
        finish(queue, first, work(ram_of(queue), first, fault == FAULT_SHORT));
        block_interrupt(queue);
        break;
    }
}

static int submit(struct block_queue *queue, struct block_request *first)
{
    struct ramblk *ram = ram_of(queue);
    struct ramblk_queue *ours = mine(queue);
    enum model_fault fault;

    if (first->priv.sector + first->priv.sectors > queue->sectors)
        abort();
    if (ram->room != 0 && ours->with_us == ram->room)
        return -EAGAIN;
    ram->given[ram->requests++ % RAMBLK_LOG] = first->priv;
    fault = fault_of(ram, first->priv.op);
    if (ours->requests++ < ram->silent_first ||
        (ram->silent_step != 0 && first->priv.sector % ram->silent_step == 0))
        fault = FAULT_NEVER;
    if (fault != FAULT_NONE) {
        meet(queue, first, fault);
    } else if (ram->deferred) {
        keep(ours, &ours->held, first);
    } else if (ram->by_interrupt || ram->faults != NULL) {
        finish(queue, first, work(ram, first, false));
        block_interrupt(queue);
    } else {
        block_done(queue, first, work(ram, first, false));
    }
    return 0;
}

static void commit(struct block_queue *queue)
{
    mine(queue)->commits++;
}

static void poll(struct block_queue *queue)
{
    struct ramblk_queue *ours = mine(queue);
    struct queue_node *node;

    while ((node = queue_pop(&ours->finished)) != NULL) {
        ours->with_us--;
        block_done(queue, request_of(node), request_of(node)->priv.status);
    }
}

/* ---- Recovery ------------------------------------------------------------ */

static void give_back(struct block_queue *queue)
{
    struct ramblk_queue *ours = mine(queue);
    struct queue_node *node;

    forget(ours);
    while ((node = queue_pop(&ours->lost)) != NULL) {
        ours->with_us--;
        block_done(queue, request_of(node), -ECANCELED);
    }
}

static int recover(struct block_device *disk)
{
    struct ramblk *ram = container_of(disk, struct ramblk, block);

    ram->recoveries++;
    for (unsigned i = 0; i < ram->recover_yields; i++)
        thread_yield();
    if (!ram->keeps)
        block_each_queue(disk, give_back);
    return ram->recover_status;
}

/* ---- For tests ----------------------------------------------------------- */

unsigned ramblk_complete(struct ramblk *ram)
{
    struct ramblk_queue *ours = &ram->queues[0];
    struct queue held = ours->held;
    struct queue_node *node;
    unsigned count = 0;

    queue_init(&ours->held);
    while ((node = queue_pop(&held)) != NULL) {
        struct block_request *first = request_of(node);

        ours->with_us--;
        block_done(ram->block.queues[0], first, work(ram, first, false));
        count++;
    }
    return count;
}

bool ramblk_complete_one(struct ramblk *ram, int status)
{
    struct ramblk_queue *ours = &ram->queues[0];
    struct queue_node *node = queue_pop(&ours->held);

    if (node == NULL)
        return false;
    ours->with_us--;
    if (status == 0)
        status = work(ram, request_of(node), false);
    block_done(ram->block.queues[0], request_of(node), status);
    return true;
}

static int start(struct block_device *disk)
{
    struct ramblk *ram = container_of(disk, struct ramblk, block);

    if (ram->queues_used != 0)
        disk->queue_count = ram->queues_used;
    return 0;
}

static const struct block_ops ops = {
    .start = start,
    .submit = submit,
    .commit = commit,
    .poll = poll,
    .recover = recover,
};

void ramblk_prepare(struct ramblk *ram, void *data, size_t size)
{
    memset(ram, 0, sizeof(*ram));
    ram->data = data;
    ram->block.ops = &ops;
    ram->block.sectors = size / BLOCK_SECTOR_SIZE;
    ram->block.limits.sectors = 256;
    ram->block.features = BLOCK_HAS_CACHE;
    ram->block.queue_max = RAMBLK_QUEUES;
    for (unsigned i = 0; i < RAMBLK_QUEUES; i++) {
        queue_init(&ram->queues[i].held);
        queue_init(&ram->queues[i].finished);
        queue_init(&ram->queues[i].lost);
    }
}

void ramblk_start(struct ramblk *ram)
{
    /* Not by device_dedicate(): it would look for partitions. */
    if (block_register(&ram->block, "rb") != 0)
        abort();
    ram->block.device.owner = (int)cpu_self()->id;
    if (block_start_bare(&ram->block) != 0)
        abort();
}

void ramblk_init(struct ramblk *ram, void *data, size_t size)
{
    ramblk_prepare(ram, data, size);
    ramblk_start(ram);
}

/* ---- Plain bytes --------------------------------------------------------- */

static int transfer(struct block_open *open, uint64_t sector, uint32_t sectors,
                    void *to, const void *from)
{
    uint32_t size = sectors * BLOCK_SECTOR_SIZE;
    struct buf *buf = buf_alloc(size > 0 ? size : 1);
    struct slice slice = {.buf = buf, .len = size};
    int status;

    if (buf == NULL)
        return -ENOMEM;
    if (from != NULL)
        memcpy(buf->base, from, size);
    status = from != NULL ? block_write(open, sector, &slice, 1)
                          : block_read(open, sector, &slice, 1);
    if (status == 0 && to != NULL)
        memcpy(to, buf->base, size);
    buf_put(buf);
    return status;
}

int disk_read(struct block_open *open, uint64_t sector, uint32_t sectors,
              void *to)
{
    return transfer(open, sector, sectors, to, NULL);
}

int disk_write(struct block_open *open, uint64_t sector, uint32_t sectors,
               const void *from)
{
    return transfer(open, sector, sectors, NULL, from);
}
