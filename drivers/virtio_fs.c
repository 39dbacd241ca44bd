/*
 * The virtio file system device: VIRTIO 1.2, section 5.11. It carries messages
 * of the FUSE protocol, which fs/fuse speaks; this driver knows nothing of
 * them. Queue 0 is for those that come before others, queue 1 for requests;
 * more queues of requests are not used: all messages are this CPU's.
 *
 * A device that does not answer in time, breaks the rules of its queues or asks
 * for a reset is given up: what the server knows of this machine, and the
 * numbers that stand for its files, are gone with the connection.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/device/fuse_channel.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    QUEUE_FIRST = 0,
    QUEUE_REQUESTS = 1,
    QUEUE_COUNT = 2,
    QUEUE_SIZE = 256,
    QUEUE_SIZE_MIN = 64, /* half of it is for what is no transfer */
    TABLES_MAX = 32,
    CONFIG_TAG = 0, /* 5.11.4 */
};

struct virtio_fs {
    struct fuse_channel channel;
    struct virtio_device *virtio;

    /* owner CPU only: */
    struct virtqueue queues[QUEUE_COUNT];
    struct list calls; /* with the device */
    /* of one that is being sent */
    struct vq_piece pieces[FUSE_CHANNEL_SEGMENTS + FUSE_CHANNEL_PIECES];
};

static struct virtio_fs *fs_of(struct block_device *device)
{
    return container_of(device, struct virtio_fs, channel.block);
}

/* ---- Messages ------------------------------------------------------------ */

static int fs_send(struct fuse_channel *channel, struct fuse_call *call,
                   const struct fuse_piece *pieces, unsigned count, bool first)
{
    struct virtio_fs *fs = fs_of(&channel->block);
    struct virtqueue *vq = &fs->queues[first ? QUEUE_FIRST : QUEUE_REQUESTS];
    int status;

    assert(count > 0 && count <= COUNT_OF(fs->pieces));
    if (channel->is_dead)
        return -EIO;
    for (unsigned i = 0; i < count; i++)
        fs->pieces[i] = (struct vq_piece){pieces[i].bus, pieces[i].len,
                                          pieces[i].device_writes};
    status = vq_add(vq, fs->pieces, count, call);
    if (status == 0)
        list_push_back(&fs->calls, &call->link);
    return status;
}

static void fs_commit(struct fuse_channel *channel)
{
    struct virtio_fs *fs = fs_of(&channel->block);

    if (channel->is_dead)
        return;
    for (unsigned i = 0; i < QUEUE_COUNT; i++)
        virtio_kick(fs->virtio, i, &fs->queues[i]);
}

static const struct fuse_channel_ops channel_ops = {.send = fs_send,
                                                    .commit = fs_commit};

/* Nothing is mounted: no sector has content. */
static int transfer_nothing(struct block_queue *queue,
                            struct block_request *first)
{
    struct block_cursor cursor;
    struct block_piece piece;

    block_pieces_begin(first, &cursor);
    while (first->priv.op == BLOCK_READ &&
           block_piece_next(&cursor, UINT32_MAX, &piece))
        memset(piece.at, 0, piece.len);
    block_done(queue, first, first->priv.op == BLOCK_READ ? 0 : -EIO);
    return 0;
}

static int fs_submit(struct block_queue *queue, struct block_request *first)
{
    struct fuse_channel *channel = &fs_of(queue->disk)->channel;

    if (channel->is_dead)
        return -EIO;
    return channel->transfer != NULL ? channel->transfer(channel, first)
                                     : transfer_nothing(queue, first);
}

static void fs_submitted(struct block_queue *queue)
{
    fs_commit(&fs_of(queue->disk)->channel);
}

static void call_end(struct virtio_fs *fs, struct fuse_call *call, int status,
                     uint32_t written)
{
    list_remove(&call->link);
    call->done(call, status, written);
    wait_wake_all(&fs->channel.room);
}

/* Take what a queue has. Returns whether it keeps the rules. */
static bool queue_take(struct virtio_fs *fs, struct virtqueue *vq)
{
    uint32_t written;
    void *call;
    int status;

    do {
        while ((status = vq_take(vq, &call, &written)) > 0)
            call_end(fs, call, 0, written);
        if (status < 0)
            return false;
        vq_want_interrupt(vq, true);
    } while (vq_has_used(vq));
    return true;
}

static void fs_poll(struct block_queue *queue)
{
    struct virtio_fs *fs = fs_of(queue->disk);

    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        if (fs->channel.is_dead || fs->queues[i].memory == NULL)
            return;
        if (!queue_take(fs, &fs->queues[i])) {
            block_recover(queue, "it breaks the rules of its queue");
            return;
        }
    }
}

/* ---- Starting and ending ------------------------------------------------- */

static void fs_irq(void *arg)
{
    block_interrupt(arg);
}

static void fs_changed(struct virtio_device *virtio)
{
    struct virtio_fs *fs = virtio->driver;

    if (virtio_needs_reset(virtio) && fs->channel.block.queues[0] != NULL)
        block_recover(fs->channel.block.queues[0], "it asks to be reset");
}

/* How a queue is to be. */
static struct virtio_queue_wish wish_of(const struct virtio_fs *fs)
{
    return (struct virtio_queue_wish){
        .size_max = QUEUE_SIZE,
        .table_count = TABLES_MAX,
        .table_len =
            (uint16_t)(fs->channel.block.limits.segments + FUSE_CHANNEL_PIECES),
    };
}

static int queues_make(struct virtio_fs *fs)
{
    const struct virtio_queue_wish wish = wish_of(fs);
    int status = 0;

    for (unsigned i = 0; i < QUEUE_COUNT && status == 0; i++) {
        status = virtio_queue(fs->virtio, i, &wish, &fs->queues[i]);
        if (status == 0)
            vq_want_interrupt(&fs->queues[i], true);
    }
    return status;
}

static void queues_end(struct virtio_fs *fs, int stopped)
{
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        virtio_queue_end(&fs->queues[i], stopped);
        fs->queues[i] = (struct virtqueue){.memory = NULL};
    }
}

static int fs_start(struct block_device *disk)
{
    struct virtio_fs *fs = fs_of(disk);
    const struct virtio_vector vector = {fs_irq, disk->queues[0],
                                         disk->queues[0]->cpu};
    int status = virtio_begin(fs->virtio, 0);

    if (status == 0)
        status = virtio_attach(fs->virtio, &vector, 1, fs_changed);
    if (status > 0)
        status = queues_make(fs);
    if (status != 0) {
        queues_end(fs, virtio_fail(fs->virtio));
        virtio_detach(fs->virtio, 0);
        return status;
    }
    virtio_ready(fs->virtio);
    return 0;
}

/*
 * The end of the channel. If the device cannot be stopped it may still write to
 * the memory of calls: who sent them keeps it, and what the block layer has
 * given is not given back.
 */
static int fs_recover(struct block_device *disk)
{
    struct virtio_fs *fs = fs_of(disk);
    int stopped = virtio_fail(fs->virtio);

    log_error("%s: given up: its files are out of reach", disk->device.name);
    fs->channel.is_dead = true;
    fs->channel.is_lost = stopped != 0;
    while (!list_empty(&fs->calls))
        call_end(fs, container_of(fs->calls.next, struct fuse_call, link), -EIO,
                 0);
    virtio_detach(fs->virtio, 0);
    queues_end(fs, stopped);
    wait_wake_all(&fs->channel.room);
    return -EIO;
}

static const struct block_ops fs_ops = {
    .start = fs_start,
    .submit = fs_submit,
    .commit = fs_submitted,
    .poll = fs_poll,
    .recover = fs_recover,
};

/* ---- Finding ------------------------------------------------------------- */

/* What is wrong with the device; NULL: nothing. Fills the tag: 5.11.4. */
static const char *fault_of(struct virtio_fs *fs)
{
    struct virtio_field fields[FUSE_TAG_MAX / 4 + 1];
    uint64_t values[COUNT_OF(fields)];

    for (unsigned i = 0; i < COUNT_OF(fields); i++)
        fields[i] = (struct virtio_field){(uint8_t)(CONFIG_TAG + 4 * i), 4};
    if (virtio_config_read(fs->virtio, fields, COUNT_OF(fields), values) != 0)
        return "has a configuration that does not come to rest";
    for (unsigned i = 0; i < FUSE_TAG_MAX; i++)
        fs->channel.tag[i] = (char)(values[i / 4] >> 8 * (i % 4));
    if (fs->channel.tag[0] == '\0')
        return "has no tag";
    if (values[FUSE_TAG_MAX / 4] == 0)
        return "has no queue for requests";
    if (virtio_queue_max(fs->virtio, QUEUE_REQUESTS, QUEUE_SIZE) <
        QUEUE_SIZE_MIN)
        return "has a queue that is too short";
    return NULL;
}

static int left_out(struct virtio_fs *fs, const char *why, int status)
{
    log_error("virtio: the file system at %s %s (error %d): left out",
              fs->virtio->where, why, status);
    virtio_fail(fs->virtio);
    mem_free(fs);
    return 0;
}

static void describe(struct virtio_fs *fs)
{
    struct block_device *device = &fs->channel.block;
    uint16_t size = virtio_queue_max(fs->virtio, QUEUE_REQUESTS, QUEUE_SIZE);

    device->ops = &fs_ops;
    device->is_channel = true;
    device->sectors = FUSE_CHANNEL_SECTORS;
    device->sector_size = BLOCK_LOGICAL_MAX;
    device->limits.segments =
        min_u32(FUSE_CHANNEL_SEGMENTS, size / 2U - FUSE_CHANNEL_PIECES);
    device->limits.sectors =
        device->limits.segments * (BLOCK_LOGICAL_MAX / BLOCK_SECTOR_SIZE);
    fs->channel.ops = &channel_ops;
    list_init(&fs->calls);
    wait_queue_init(&fs->channel.room);
}

static int found(struct virtio_device *virtio)
{
    struct virtio_fs *fs = mem_alloc_zeroed(sizeof(*fs));
    struct fuse_channel *channel;
    const char *fault;
    int status;

    if (fs == NULL)
        return -ENOMEM;
    channel = &fs->channel;
    fs->virtio = virtio;
    virtio->driver = fs;
    status = virtio_begin(virtio, 0);
    if (status != 0)
        return left_out(fs, "does not start", status);
    fault = fault_of(fs);
    if (fault != NULL)
        return left_out(fs, fault, -EINVAL);
    describe(fs);
    status = block_register(&channel->block, "fs");
    if (status != 0)
        return left_out(fs, "is one too many", status);
    status = device_rename(&channel->block.device, channel->tag);
    if (status != 0)
        log_warn("virtio: no device can have the tag %s: it is %s (error %d)",
                 channel->tag, channel->block.device.name, status);
    log_info("%s: files of the host, virtio %s", channel->block.device.name,
             virtio->where);
    return 0;
}

static int fs_probe(void)
{
    return virtio_find(VIRTIO_ID_FS, found);
}

const struct driver virtio_fs_driver = {
    .name = "virtio_fs", .probe = fs_probe, .options = virtio_options};
