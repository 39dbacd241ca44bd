#include "tests/crash/disk.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include <stdlib.h>
#include <string.h>

static struct crash_event *event_add(struct crash_log *log)
{
    if (log->count == log->room) {
        log->room = log->room == 0 ? 64 : 2 * log->room;
        log->event = realloc(log->event, log->room * sizeof(*log->event));
        if (log->event == NULL)
            abort();
    }
    log->event[log->count] = (struct crash_event){.kind = CRASH_MARK};
    return &log->event[log->count++];
}

static void write_note(struct crash_disk *disk,
                       const struct block_request *first)
{
    struct crash_event *event = event_add(&disk->log);
    size_t size = (size_t)first->priv.sectors * BLOCK_SECTOR_SIZE;

    *event = (struct crash_event){
        .kind = CRASH_WRITE,
        .is_durable = (first->priv.flags & BLOCK_FUA) != 0,
        .sector = first->priv.sector,
        .sectors = first->priv.sectors,
        .data = malloc(size),
    };
    if (event->data == NULL)
        abort();
    memcpy(event->data, disk->image + event->sector * BLOCK_SECTOR_SIZE, size);
}

static int submit(struct block_queue *queue, struct block_request *first)
{
    struct crash_disk *disk =
        container_of(queue->disk, struct crash_disk, block);
    bool is_write =
        first->priv.op == BLOCK_WRITE || first->priv.op == BLOCK_WRITE_ZEROES;

    block_copy(first, disk->image + first->priv.sector * BLOCK_SECTOR_SIZE);
    if (disk->is_recording && is_write)
        write_note(disk, first);
    if (disk->is_recording && first->priv.op == BLOCK_FLUSH &&
        !disk->drops_all && (disk->drop_flush == 0 || --disk->drop_flush > 0))
        event_add(&disk->log)->kind = CRASH_FLUSH;
    block_done(queue, first, 0);
    return 0;
}

static int start(struct block_device *disk)
{
    (void)disk;
    return 0;
}

static const struct block_ops ops = {.start = start, .submit = submit};

void crash_disk_init(struct crash_disk *disk, uint8_t *image, size_t size,
                     bool has_fua)
{
    memset(disk, 0, sizeof(*disk));
    disk->image = image;
    disk->block.ops = &ops;
    disk->block.sectors = size / BLOCK_SECTOR_SIZE;
    disk->block.limits.sectors = 256;
    disk->block.features = BLOCK_HAS_CACHE | (has_fua ? BLOCK_HAS_FUA : 0);
    disk->block.queue_max = 1;
    if (block_register(&disk->block, "crash") != 0)
        abort();
    disk->block.device.owner = (int)cpu_self()->id;
    if (block_start_bare(&disk->block) != 0)
        abort();
}

void crash_disk_record(struct crash_disk *disk)
{
    crash_log_free(&disk->log);
    disk->is_recording = true;
}

void crash_disk_mark(struct crash_disk *disk, int mark)
{
    event_add(&disk->log)->mark = mark;
}

void crash_log_free(struct crash_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        free(log->event[i].data);
    free(log->event);
    *log = (struct crash_log){.event = NULL};
}
