#include "tests/models/virtio_blk_model.h"
#include "kernel/lib/bytes.h"
#include <string.h>

/* Types and results of requests: 5.2.6. */
enum {
    TYPE_IN = 0,
    TYPE_OUT = 1,
    TYPE_FLUSH = 4,
    TYPE_DISCARD = 11,
    TYPE_WRITE_ZEROES = 13,
    OK = 0,
    IOERR = 1,
    UNSUPP = 2,
    SECTOR = 512,
};

void blk_model_init(struct blk_model *blk, uint8_t *data, uint64_t sectors)
{
    memset(blk, 0, sizeof(*blk));
    blk->data = data;
    blk->sectors = sectors;
    blk->late.steps = 3;
    blk->virtio.id = 2;
    blk->virtio.offered = UINT64_C(1) << 32 | BLK_FLUSH;
    blk->virtio.queue_max = 128;
    blk->virtio.queue_count = 1;
    le64_put(blk->virtio.config, sectors);
}

void blk_model_limits(struct blk_model *blk, uint32_t size_max,
                      uint32_t seg_max, uint32_t blk_size)
{
    blk->virtio.offered |= (size_max > 0 ? BLK_SIZE_MAX : 0) |
                           (seg_max > 0 ? BLK_SEG_MAX : 0) |
                           (blk_size > 0 ? BLK_BLK_SIZE : 0);
    le32_put(blk->virtio.config + 8, size_max);
    le32_put(blk->virtio.config + 12, seg_max);
    le32_put(blk->virtio.config + 20, blk_size);
}

void blk_model_queues(struct blk_model *blk, uint16_t count)
{
    blk->virtio.offered |= BLK_MQ;
    blk->virtio.queue_count = count;
    le16_put(blk->virtio.config + 34, count);
}

void blk_model_discard(struct blk_model *blk, uint32_t discard_max,
                       uint32_t zeroes_max)
{
    blk->virtio.offered |= (discard_max > 0 ? BLK_DISCARD : 0) |
                           (zeroes_max > 0 ? BLK_WRITE_ZEROES : 0);
    le32_put(blk->virtio.config + 36, discard_max);
    le32_put(blk->virtio.config + 40, 1);
    le32_put(blk->virtio.config + 44, 1);
    le32_put(blk->virtio.config + 48, zeroes_max);
    le32_put(blk->virtio.config + 52, 1);
}

/* ---- The form of a request ----------------------------------------------- */

static bool agreed(const struct blk_model *blk, uint32_t feature)
{
    return (blk->virtio.accepted & feature) != 0;
}

static uint32_t limit(const struct blk_model *blk, uint32_t feature,
                      unsigned field, uint32_t without)
{
    return agreed(blk, feature) ? le32_get(blk->virtio.config + field)
                                : without;
}

static void form_check(const struct blk_model *blk,
                       const struct ring_chain *chain)
{
    unsigned last = chain->count - 1;

    if (chain->count < 2 || chain->piece[0].len != 16 ||
        chain->piece[0].writable || chain->piece[last].len != 1 ||
        !chain->piece[last].writable)
        model_breach("a block request of a strange form");
    if (le32_get(chain->piece[0].data + 4) != 0)
        model_breach("the reserved field of a header is %u",
                     le32_get(chain->piece[0].data + 4));
    if (*chain->piece[last].data == OK)
        model_breach("the status is there before the device says it");
    if (chain->count - 2 > limit(blk, BLK_SEG_MAX, 12, 1))
        model_breach("%u segments of data", chain->count - 2);
}

/* The data of a read or a write: how many sectors. */
static uint32_t data_check(const struct blk_model *blk,
                           const struct ring_chain *chain, bool writable)
{
    uint64_t bytes = 0;

    for (unsigned i = 1; i + 1 < chain->count; i++) {
        uint32_t len = chain->piece[i].len;

        if (chain->piece[i].writable != writable)
            model_breach("data in the wrong direction");
        if (len > limit(blk, BLK_SIZE_MAX, 8, UINT32_MAX))
            model_breach("a segment of %u bytes", len);
        bytes += len;
    }
    if (bytes == 0 || bytes % limit(blk, BLK_BLK_SIZE, 20, SECTOR) != 0)
        model_breach("a request of %llu bytes", (unsigned long long)bytes);
    return (uint32_t)(bytes / SECTOR);
}

/* ---- Serving ------------------------------------------------------------- */

/* Copy the data, up to `bytes` of them. */
static void data_move(struct blk_model *blk, const struct ring_chain *chain,
                      uint64_t sector, bool is_read, uint64_t bytes)
{
    uint8_t *at = blk->data + sector * SECTOR;

    for (unsigned i = 1; i + 1 < chain->count && bytes > 0; i++) {
        uint32_t len = chain->piece[i].len;

        if (len > bytes)
            len = (uint32_t)bytes;
        if (is_read)
            memcpy(chain->piece[i].data, at, len);
        else
            memcpy(at, chain->piece[i].data, len);
        at += len;
        bytes -= len;
    }
}

static bool inside(const struct blk_model *blk, uint64_t sector, uint32_t count)
{
    return sector <= blk->sectors && count <= blk->sectors - sector;
}

/* A read or a write. Returns its status; *written: bytes of data. */
static uint8_t transfer(struct blk_model *blk, const struct ring_chain *chain,
                        bool is_read, enum model_fault fault, uint32_t *written)
{
    uint64_t sector = le64_get(chain->piece[0].data + 8);
    uint32_t count = data_check(blk, chain, is_read);
    uint64_t bytes = (uint64_t)count * SECTOR;

    if (is_read)
        blk->reads++;
    else
        blk->writes++;
    if (chain->count - 2 > blk->segments_most)
        blk->segments_most = chain->count - 2;
    if (fault == FAULT_FAIL || !inside(blk, sector, count) ||
        (!is_read && agreed(blk, BLK_RO)))
        return IOERR;
    if (fault == FAULT_SHORT)
        bytes -= SECTOR;
    data_move(blk, chain, sector, is_read, bytes);
    *written = is_read ? (uint32_t)bytes : 0;
    return OK;
}

/* A discard, or zeros: 5.2.6. */
static uint8_t clear(struct blk_model *blk, const struct ring_chain *chain,
                     bool is_discard, enum model_fault fault)
{
    const uint8_t *range = chain->piece[1].data;
    uint32_t max = is_discard ? limit(blk, BLK_DISCARD, 36, 0)
                              : limit(blk, BLK_WRITE_ZEROES, 48, 0);
    uint64_t sector;
    uint32_t count;

    if (chain->count != 3 || chain->piece[1].len != 16 ||
        chain->piece[1].writable)
        model_breach("a range of a strange form");
    sector = le64_get(range);
    count = le32_get(range + 8);
    if (count == 0 || count > max || le32_get(range + 12) != 0)
        model_breach("a range of %u sectors, flags %#x", count,
                     le32_get(range + 12));
    if (is_discard)
        blk->discards++;
    else
        blk->zeroes++;
    if (fault == FAULT_FAIL || !inside(blk, sector, count) ||
        agreed(blk, BLK_RO))
        return IOERR;
    memset(blk->data + sector * SECTOR, 0, (size_t)count * SECTOR);
    return OK;
}

static uint8_t flush(struct blk_model *blk, const struct ring_chain *chain,
                     enum model_fault fault)
{
    if (!agreed(blk, BLK_FLUSH))
        model_breach("a flush without the feature");
    if (chain->count != 2 || le64_get(chain->piece[0].data + 8) != 0)
        model_breach("a flush of a strange form");
    blk->flushes++;
    return fault == FAULT_FAIL ? IOERR : OK;
}

static const char *name_of(uint32_t type)
{
    return type == TYPE_IN             ? "read"
           : type == TYPE_OUT          ? "write"
           : type == TYPE_FLUSH        ? "flush"
           : type == TYPE_DISCARD      ? "discard"
           : type == TYPE_WRITE_ZEROES ? "zeroes"
                                       : "unknown";
}

uint32_t blk_model_perform(struct blk_model *blk, unsigned queue,
                           const struct ring_chain *chain,
                           enum model_fault *fault)
{
    uint32_t type, written = 0;
    uint8_t status;

    form_check(blk, chain);
    type = le32_get(chain->piece[0].data);
    *fault = fault_next(blk->plan, name_of(type));
    blk->requests++;
    blk->of_queue[queue]++;
    switch (type) {
    case TYPE_IN:
    case TYPE_OUT:
        status = transfer(blk, chain, type == TYPE_IN, *fault, &written);
        break;
    case TYPE_FLUSH:
        status = flush(blk, chain, *fault);
        break;
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        status = clear(blk, chain, type == TYPE_DISCARD, *fault);
        break;
    default:
        model_breach("a request of type %u", type);
        status = UNSUPP;
    }
    *chain->piece[chain->count - 1].data = status;
    return written + 1;
}

static void serve(struct blk_model *blk, unsigned queue,
                  const struct ring_chain *chain)
{
    enum model_fault fault;
    uint32_t written = blk_model_perform(blk, queue, chain, &fault);

    virtio_fault_end(&blk->virtio, &blk->late, queue, chain->head, written,
                     fault);
}

bool blk_model_step_queue(struct blk_model *blk, unsigned queue)
{
    static struct ring_chain chains[MODEL_QUEUES];

    if (blk->silent || !model_take(&blk->virtio, queue, &chains[queue]))
        return false;
    serve(blk, queue, &chains[queue]);
    return true;
}

bool blk_model_step(struct blk_model *blk)
{
    if (virtio_late_step(&blk->virtio, &blk->late))
        return true;
    for (unsigned i = 0; i < blk->virtio.queue_count; i++) {
        if (blk_model_step_queue(blk, i))
            return true;
    }
    return false;
}
