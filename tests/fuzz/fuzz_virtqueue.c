/*
 * Fuzz a virtqueue, and the disk driver over one, with a device that writes
 * what it likes into the memory that it shares with the driver.
 *
 * The first byte says which of the two, and the format of the queue; each of
 * the others is a step, of the driver or of the device, and takes what it needs
 * from the bytes that follow.
 * Whatever the device does:
 *   - vq_check() holds after every step;
 *   - a request ends once, with not more bytes than the device could write;
 *   - a queue that is broken stays broken, and gives its requests back;
 *   - every request of the disk ends.
 */
#include "drivers/virtqueue.h"
#include "hal/hal.h"
#include "kernel/device/block_internal.h"
#include "kernel/device/driver.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/machine.h"
#include "tests/fuzz/must.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- Input --------------------------------------------------------------- */

static const uint8_t *input, *input_end;

static uint32_t take_bytes(unsigned count)
{
    uint32_t value = 0;

    while (count-- > 0)
        value = value << 8 | (input < input_end ? *input++ : 0);
    return value;
}

/* ---- A queue ------------------------------------------------------------- */

enum { SIZE = 16, COOKIES = 64, PIECE = 64, PIECES_MAX = 8 };

static struct virtqueue vq;
/* The three areas, as bytes: 2.7, 2.8. */
static uint8_t *desc, *driver, *device;
static uint8_t *buffer;
static struct cookie {
    bool is_out; /* with the queue */
    uint32_t writable;
} cookies[COOKIES];
static unsigned out_count;

/* The device's place: split: of the available ring; packed: of the ring. */
static struct place {
    uint16_t at;
    bool wrap;
} seen, used;

static void request_add(void)
{
    struct vq_piece pieces[PIECES_MAX];
    uint32_t form = take_bytes(1);
    unsigned count = 1 + form % PIECES_MAX;
    unsigned readable = (form >> 4) % (count + 1);
    unsigned free = 0;
    uint16_t room = vq.free_count;
    unsigned needs = count;
    int status;

    while (free < COOKIES && cookies[free].is_out)
        free++;
    must(free < COOKIES);
    if (count >= 3 && count <= vq.table_len && vq.free_table != VQ_NO_TABLE)
        needs = 1;
    cookies[free].writable = 0;
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (struct vq_piece){hal_dma_addr(buffer) + i * PIECE,
                                      1 + (form >> i) % PIECE, i >= readable};
        if (i >= readable)
            cookies[free].writable += pieces[i].len;
    }
    status = vq_add(&vq, pieces, count, &cookies[free]);
    must(status == (vq.broken || room < needs ? -EAGAIN : 0));
    if (status != 0)
        return;
    must(vq.free_count == room - needs);
    cookies[free].is_out = true;
    out_count++;
}

static void request_take(void)
{
    bool was_broken = vq.broken;
    bool has = vq_has_used(&vq);
    uint32_t written = 0;
    void *cookie = NULL;
    int status = vq_take(&vq, &cookie, &written);
    struct cookie *mine = cookie;

    must(!was_broken || status == -EIO);
    must(status != 0 || !has);
    must((status == -EIO) == vq.broken);
    if (status != 1) {
        must(cookie == NULL);
        return;
    }
    must(mine >= cookies && mine < cookies + COOKIES);
    must(mine->is_out);
    must(written <= mine->writable);
    mine->is_out = false;
    out_count--;
}

static void advance(struct place *place, unsigned count)
{
    place->at = (uint16_t)(place->at + count);
    if (place->at >= SIZE) {
        place->at %= SIZE;
        place->wrap = !place->wrap;
    }
}

static void packed_use(uint16_t id, uint32_t len, uint16_t flags)
{
    le32_put(desc + 16 * used.at + 8, len);
    le16_put(desc + 16 * used.at + 12, id);
    le16_put(desc + 16 * used.at + 14,
             (uint16_t)(flags | (used.wrap ? 0x8080 : 0)));
}

static void split_use(uint32_t id, uint32_t len)
{
    uint16_t idx = le16_get(device + 2);

    le32_put(device + 4 + 8 * (idx % SIZE), id);
    le32_put(device + 8 + 8 * (idx % SIZE), len);
    le16_put(device + 2, (uint16_t)(idx + 1));
}

/* The device uses the oldest request that it has not used, as it should. */
static void device_serve(void)
{
    uint16_t flags, count = 1;

    if (!vq.is_packed) {
        if (le16_get(driver + 2) == seen.at)
            return;
        split_use(le16_get(driver + 4 + 2 * (seen.at++ % SIZE)), 0);
        return;
    }
    flags = le16_get(desc + 16 * seen.at + 14);
    if ((flags & 0x8080) != (seen.wrap ? 0x0080 : 0x8000))
        return;
    while ((flags & 1) != 0 && count < SIZE) {
        flags = le16_get(desc + 16 * ((seen.at + count) % SIZE) + 14);
        count++;
    }
    packed_use(le16_get(desc + 16 * ((seen.at + count - 1U) % SIZE) + 12), 0,
               0);
    advance(&seen, count);
    advance(&used, count);
}

static void device_step(unsigned step)
{
    switch (step) {
    case 0:
        device_serve();
        break;
    case 1: /* a used element of its own */
        if (!vq.is_packed) {
            split_use(take_bytes(1), take_bytes(2));
        } else {
            packed_use((uint16_t)take_bytes(1), take_bytes(2), 2);
            advance(&used, 1 + take_bytes(1) % 4);
        }
        break;
    case 2: /* the same with wide numbers */
        if (!vq.is_packed) {
            split_use(take_bytes(4), take_bytes(4));
        } else {
            packed_use((uint16_t)take_bytes(2), take_bytes(4),
                       (uint16_t)take_bytes(2));
            advance(&used, 1);
        }
        break;
    case 3: /* an index, or a place, of its own */
        if (!vq.is_packed)
            le16_put(device + 2,
                     (uint16_t)(le16_get(device + 2) + take_bytes(1) - 128));
        else
            advance(&used, take_bytes(1) % SIZE);
        break;
    case 4: /* an element in another place */
        if (!vq.is_packed)
            le32_put(device + 4 + 8 * (take_bytes(1) % SIZE), take_bytes(1));
        else
            le16_put(desc + 16 * (take_bytes(1) % SIZE) + 14,
                     (uint16_t)take_bytes(2));
        break;
    case 5: /* its wish to be notified */
        if (!vq.is_packed) {
            le16_put(device, (uint16_t)take_bytes(1));
            le16_put(device + 4 + 8 * SIZE, (uint16_t)take_bytes(2));
        } else {
            le32_put(device, take_bytes(4));
        }
        break;
    case 6: /* into the descriptors, which (split) it may only read */
        ((uint8_t *)vq.memory)[take_bytes(1)] = (uint8_t)take_bytes(1);
        break;
    default: /* into the available ring, or the tables */
        if (!vq.is_packed)
            le16_put(driver + 4 + 2 * (take_bytes(1) % SIZE),
                     (uint16_t)take_bytes(2));
        if (vq.table_count > 0)
            vq.tables[take_bytes(1)] = (uint8_t)take_bytes(1);
    }
}

static void queue_notify(void)
{
    bool wanted = (le16_get(device + (vq.is_packed ? 2 : 0)) &
                   (vq.is_packed ? 3 : 1)) != 1;
    bool told = vq_must_notify(&vq);

    if (vq.is_packed || !vq.has_event_idx)
        must(!told || wanted);
    must(!vq_must_notify(&vq)); /* nothing is new */
}

static void queue_run(unsigned form)
{
    const struct vq_shape shape = {
        .size = SIZE,
        .is_packed = (form & 1) != 0,
        .has_event_idx = (form & 2) != 0,
        .table_count = (form & 4) != 0 ? 4 : 0,
        .table_len = (form & 4) != 0 ? 6 : 0,
    };
    struct cookie *mine;

    memset(cookies, 0, sizeof(cookies));
    out_count = 0;
    seen = used = (struct place){.wrap = true};
    buffer = dma_alloc(4096);
    must(vq_init(&vq, &shape) == 0);
    desc = vq.memory;
    driver = desc + (vq_driver_bus(&vq) - vq_desc_bus(&vq));
    device = desc + (vq_device_bus(&vq) - vq_desc_bus(&vq));
    while (input < input_end) {
        unsigned step = take_bytes(1) % 16;

        if (step < 3)
            request_add();
        else if (step < 6)
            request_take();
        else if (step == 6)
            queue_notify();
        else if (step == 7)
            vq_want_interrupt(&vq, take_bytes(1) % 2 != 0);
        else
            device_step(step - 8);
        vq_check(&vq);
    }
    while ((mine = vq_recall(&vq)) != NULL) {
        must(mine->is_out);
        mine->is_out = false;
        out_count--;
        vq_check(&vq);
    }
    must(out_count == 0);
    must(vq.free_count == SIZE);
    vq_fini(&vq);
    dma_free(buffer, 4096);
}

/* ---- A disk -------------------------------------------------------------- */

enum { SECTORS = 64, REQUESTS = 32 };

static struct virtio_model model;
static struct block_request requests[REQUESTS];
static struct slice slices[REQUESTS];
static struct buf *disk_buf;
static struct block_open disk_open;
static bool is_submitted[REQUESTS];
static unsigned done_count, submit_count;

static void done(struct block_request *request, int status)
{
    size_t i = (size_t)(request - requests);

    must(is_submitted[i]);
    must(status == 0 || status == -EIO || status == -ETIMEDOUT ||
         status == -ENOTSUP);
    is_submitted[i] = false;
    done_count++;
}

static void disk_submit(void)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        uint32_t form;

        if (is_submitted[i])
            continue;
        form = take_bytes(1);
        slices[i] =
            (struct slice){disk_buf, i * BLOCK_SECTOR_SIZE, BLOCK_SECTOR_SIZE};
        requests[i] =
            (struct block_request){.op = form % 2 ? BLOCK_READ : BLOCK_WRITE,
                                   .sector = form % SECTORS,
                                   .sectors = 1,
                                   .vec = &slices[i],
                                   .count = 1,
                                   .done = done};
        is_submitted[i] = true;
        submit_count++;
        must(block_submit(&disk_open, &requests[i]) == 0);
        return;
    }
}

/* Take the next request and answer it, rightly or not. */
static void disk_serve(bool is_right)
{
    struct ring_chain chain;

    if (!model_take(&model, 0, &chain))
        return;
    *chain.piece[chain.count - 1].data = is_right ? 0 : (uint8_t)take_bytes(1);
    model_complete(&model, 0, chain.head,
                   !is_right                 ? take_bytes(2)
                   : chain.piece[1].writable ? 1 + chain.piece[1].len
                                             : 1);
}

static void disk_step(void)
{
    switch (take_bytes(1) % 8) {
    case 0:
    case 1:
        disk_submit();
        break;
    case 2:
        disk_serve(true);
        break;
    case 3:
        disk_serve(false);
        break;
    case 4:
        if (model.queue[0].ready)
            model_use_raw(&model, 0, take_bytes(1), take_bytes(2));
        break;
    case 5:
        if (model.queue[0].ready)
            model_used_index(&model, 0, (uint16_t)take_bytes(2));
        break;
    case 6:
        if (model.queue[0].ready)
            model_interrupt(&model, 0);
        thread_yield();
        break;
    default: /* without a cause, or with a cause and without a reason */
        model.isr = take_bytes(1) % 2;
        model.raise(&model, 0);
        thread_yield();
    }
}

static void disk_run(void)
{
    struct block_device *disk;

    model = (struct virtio_model){.id = 2,
                                  .offered = UINT64_C(1) << 32 | 1 << 9,
                                  .queue_max = 16,
                                  .queue_count = 1};
    le64_put(model.config, SECTORS);
    model_on_mmio(&model, 2);
    must(virtio_blk_driver.probe() == 0);
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    /* Not by device_dedicate(): nobody would answer its first read. */
    atomic_store(&disk->device.owner, 0);
    must(block_start_bare(disk) == 0);
    must(block_open(disk, BLOCK_SHARED, &disk_open) == 0);
    memset(is_submitted, 0, sizeof(is_submitted));
    done_count = submit_count = 0;
    disk_buf = buf_alloc(REQUESTS * BLOCK_SECTOR_SIZE);
    while (input < input_end) {
        disk_step();
        block_check(disk);
    }
    /* Nobody answers any more: the watchdog ends what there is. */
    for (int i = 0; i < 20 && done_count < submit_count; i++) {
        clock_set(time_ns() + 100 * NS_PER_S);
        timer_run(time_ns());
        thread_yield();
    }
    clock_set(0);
    must(done_count == submit_count);
    block_check(disk);
    if (model.queue[0].ready)
        model_set_status(&model, 0); /* frees what it holds */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    input = data + 1;
    input_end = data + (size < 4096 ? size : 4096);
    models_reset();
    machine_attach(2 << 20);
    if (data[0] % 2 == 0)
        queue_run(data[0] >> 1);
    else
        disk_run();
    machine_detach();
    return 0;
}
