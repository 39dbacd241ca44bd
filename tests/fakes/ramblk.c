#include "tests/fakes/ramblk.h"
#include "kernel/percpu.h"
#include <stdlib.h>
#include <string.h>

static bool must_fail(struct ramblk *ram)
{
    bool fails = false;

    ram->requests++;
    if (ram->fail_at > 0)
        fails = --ram->fail_at == 0;
    if (ram->fail_from == 1)
        return true;
    if (ram->fail_from > 1)
        ram->fail_from--;
    return fails;
}

static void complete(struct ramblk *ram, struct block_request *request)
{
    uint8_t *at = ram->data + request->sector * BLOCK_SECTOR_SIZE;
    size_t size = (size_t)request->count * BLOCK_SECTOR_SIZE;

    if (must_fail(ram)) {
        ram->failures++;
        block_done(&ram->block, request, -EIO);
        return;
    }
    if (request->op == BLOCK_READ) {
        memcpy(request->buf, at, size);
        ram->sectors_read += request->count;
    } else if (request->op == BLOCK_WRITE) {
        memcpy(at, request->buf, size);
    }
    block_done(&ram->block, request, 0);
}

static int submit(struct block_device *dev, struct block_request *request)
{
    struct ramblk *ram = container_of(dev, struct ramblk, block);

    if (ram->deferred)
        queue_push(&ram->held, &request->node);
    else
        complete(ram, request);
    return 0;
}

unsigned ramblk_complete(struct ramblk *ram)
{
    struct queue held = ram->held;
    struct queue_node *node;
    unsigned count = 0;

    queue_init(&ram->held);
    while ((node = queue_pop(&held)) != NULL) {
        complete(ram, container_of(node, struct block_request, node));
        count++;
    }
    return count;
}

static int start(struct device *device)
{
    (void)device;
    return 0;
}

static void poll(struct block_device *dev)
{
    (void)dev;
}

static const struct block_ops ops = {.submit = submit, .poll = poll};

void ramblk_init(struct ramblk *ram, void *data, size_t size)
{
    memset(ram, 0, sizeof(*ram));
    ram->data = data;
    ram->block.ops = &ops;
    ram->block.sectors = size / BLOCK_SECTOR_SIZE;
    ram->block.count_max = 256;
    ram->block.device.start = start;
    queue_init(&ram->held);
    if (block_register(&ram->block, "rb") != 0)
        abort();
    /* Not by device_dedicate(): it would look for partitions. */
    ram->block.device.owner = (int)cpu_self()->id;
}
