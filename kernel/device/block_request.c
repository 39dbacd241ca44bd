/* One request: what it may be, the steps it takes, and joining two of them. */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>

/* The flags that each operation may have. */
static const uint8_t flags_allowed[] = {
    [BLOCK_READ] = BLOCK_META | BLOCK_AHEAD,
    [BLOCK_WRITE] = BLOCK_META | BLOCK_FUA | BLOCK_PREFLUSH,
    [BLOCK_FLUSH] = BLOCK_META,
    [BLOCK_DISCARD] = BLOCK_META,
    [BLOCK_WRITE_ZEROES] = BLOCK_META | BLOCK_FUA | BLOCK_PREFLUSH,
};

static bool has_data(const struct block_request *request)
{
    return request->op == BLOCK_READ || request->op == BLOCK_WRITE;
}

uint32_t block_sectors_max(const struct block_limits *limits, enum block_op op)
{
    switch (op) {
    case BLOCK_DISCARD:
        return limits->discard_sectors;
    case BLOCK_WRITE_ZEROES:
        return limits->zeroes_sectors;
    default:
        return limits->sectors;
    }
}

uint32_t block_segments(const struct block_limits *limits,
                        const struct slice *vec, uint32_t skip, uint64_t bytes)
{
    uint32_t segments = 0;

    while (bytes > 0) {
        uint32_t left = (uint32_t)min_u64(vec->len - skip, bytes);
        uint32_t len = block_piece_len(limits, slice_bus(vec) + skip, left);

        bytes -= len;
        skip += len;
        if (skip == vec->len) {
            vec++;
            skip = 0;
        }
        segments++;
    }
    return segments;
}

/* ---- Checking ------------------------------------------------------------ */

static int range_check(const struct block_open *open,
                       const struct block_request *request)
{
    const struct block_device *dev = open->dev;
    uint64_t end = dev->disk != NULL ? dev->sectors : open->queue->sectors;
    uint32_t sectors = request->sectors;

    if (sectors == 0 || sectors > end || request->sector > end - sectors)
        return -EINVAL;
    if (((request->sector | sectors) & open->sector_mask) != 0)
        return -EINVAL;
    if (request->op != BLOCK_READ && dev->read_only)
        return -EROFS;
    return 0;
}

/* Slices as long as the request, of this CPU, and aligned; counts the pieces
 * they are. */
static inline int slices_check(const struct block_queue *queue,
                               const struct block_request *request,
                               uint32_t *segments)
{
    const struct block_limits *limits = &queue->disk->limits;
    const struct slice *slice = request->vec;
    const struct slice *end = slice + request->count;
    uint64_t bytes = 0;
    uint32_t pieces = 0;

    for (; slice != end; slice++) {
        if (!slice_valid(slice) || slice->len == 0)
            return -EINVAL;
        if (!buf_is_mine(slice->buf))
            return -EXDEV;
        if (((slice_bus(slice) | slice->len) & (limits->align - 1)) != 0)
            return -EINVAL;
        bytes += slice->len;
        if (likely(slice->len <= queue->plain_bytes))
            pieces++;
        else
            pieces += block_segments(limits, slice, 0, slice->len);
    }
    *segments = pieces;
    return bytes == (uint64_t)request->sectors * BLOCK_SECTOR_SIZE ? 0
                                                                   : -EINVAL;
}

static int request_check(struct block_open *open,
                         const struct block_request *request,
                         uint32_t *segments)
{
    const struct block_limits *limits = &open->queue->disk->limits;
    int status;

    if ((unsigned)request->op >= COUNT_OF(flags_allowed) ||
        (request->flags & ~(unsigned)flags_allowed[request->op]) != 0)
        return -EINVAL;
    *segments = 0;
    if (request->op == BLOCK_FLUSH)
        return request->sector == 0 && request->sectors == 0 &&
                       request->count == 0
                   ? 0
                   : -EINVAL;
    status = range_check(open, request);
    if (status != 0)
        return status;
    if (has_data(request))
        return slices_check(open->queue, request, segments);
    if (request->count != 0)
        return -EINVAL;
    if (request->op == BLOCK_DISCARD && limits->discard_sectors == 0)
        return -ENOTSUP;
    return 0;
}

/* ---- Steps --------------------------------------------------------------- */

static uint8_t steps_of(const struct block_device *disk,
                        const struct block_request *request)
{
    bool has_cache = (disk->features & BLOCK_HAS_CACHE) != 0;
    uint8_t steps = BLOCK_STEP_MAIN;

    if (!has_cache)
        return request->op == BLOCK_FLUSH ? 0 : steps;
    if ((request->flags & BLOCK_PREFLUSH) != 0)
        steps |= BLOCK_STEP_PREFLUSH;
    if ((request->flags & BLOCK_FUA) != 0 &&
        (disk->features & BLOCK_HAS_FUA) == 0)
        steps |= BLOCK_STEP_FLUSH;
    return steps;
}

static uint8_t driver_flags(const struct block_device *disk, unsigned flags)
{
    const unsigned both = BLOCK_HAS_CACHE | BLOCK_HAS_FUA;
    unsigned kept = flags & BLOCK_META;

    if ((disk->features & both) == both)
        kept |= flags & BLOCK_FUA;
    return (uint8_t)kept;
}

/* What the driver sees of a flush. */
static void flush_begin(struct block_request *request)
{
    struct block_private *priv = &request->priv;

    priv->op = BLOCK_FLUSH;
    priv->flags = 0;
    priv->sector = 0;
    priv->sectors = 0;
    priv->segments = 0;
    priv->is_long = false;
    priv->status = 0;
}

/* What the driver sees of the operation itself, which is `segments` pieces. */
static void main_begin(struct block_request *request, uint32_t segments)
{
    struct block_private *priv = &request->priv;
    const struct block_device *disk = priv->open->queue->disk;

    if (unlikely(request->op == BLOCK_FLUSH)) {
        flush_begin(request);
        return;
    }
    priv->op = (uint8_t)request->op;
    priv->flags = driver_flags(disk, request->flags);
    priv->sector = priv->open->first_sector + request->sector;
    priv->sectors = request->sectors;
    priv->segments = segments;
    priv->is_long =
        request->sectors > block_sectors_max(&disk->limits, request->op) ||
        segments > disk->limits.segments;
    if (unlikely(priv->is_long)) {
        priv->rest_vec = has_data(request) ? request->vec : NULL;
        priv->rest_skip = 0;
        priv->rest_sectors = request->sectors;
        priv->status = 0;
    }
}

void block_step_begin(struct block_request *request)
{
    const struct block_private *priv = &request->priv;
    uint64_t bytes = (uint64_t)request->sectors * BLOCK_SECTOR_SIZE;

    assert(priv->steps != 0);
    if ((priv->steps & BLOCK_STEP_PREFLUSH) != 0 ||
        (priv->steps & BLOCK_STEP_MAIN) == 0)
        flush_begin(request);
    else
        main_begin(request,
                   has_data(request)
                       ? block_segments(&priv->open->queue->disk->limits,
                                        request->vec, priv->skip, bytes)
                       : 0);
}

/* ---- Preparing ----------------------------------------------------------- */

/* A deadline of its own; one that has passed ends the request at once. */
static void deadline_set(struct block_request *request, uint64_t now_ns)
{
    struct block_private *priv = &request->priv;

    priv->deadline_ns = priv->earliest_ns = request->deadline_ns;
    if (priv->deadline_ns <= now_ns) {
        priv->steps = 0;
        priv->status = -ETIMEDOUT;
        priv->is_alone = true;
    }
}

/* A long request can be cut, and there are zeros to write. */
static int long_check(struct block_open *open,
                      const struct block_request *request)
{
    if (request->op == BLOCK_WRITE_ZEROES &&
        open->queue->disk->limits.zeroes_sectors == 0 &&
        block_zeroes(open->queue) == NULL)
        return -ENOMEM;
    return block_parts_possible(request) ? 0 : -EINVAL;
}

/* Any request; what all have in common is filled. */
static int prepare_any(struct block_open *open, struct block_request *request)
{
    struct block_private *priv = &request->priv;
    uint32_t segments;
    int status = request_check(open, request, &segments);

    if (status != 0)
        return status;
    priv->steps = steps_of(open->queue->disk, request);
    main_begin(request, segments);
    if (priv->is_long) {
        status = long_check(open, request);
        if (status != 0)
            return status;
    }
    priv->is_alone = priv->is_long || priv->steps != BLOCK_STEP_MAIN;
    if ((priv->steps & BLOCK_STEP_PREFLUSH) != 0)
        flush_begin(request);
    return 0;
}

/* What most requests are: reads and writes without flags, that the driver takes
 * as they are. Returns false when it is none of these, or one with an error. */
static inline bool prepare_plain(struct block_open *open,
                                 struct block_request *request)
{
    struct block_private *priv = &request->priv;
    const struct block_limits *limits = &open->queue->disk->limits;
    uint32_t segments;

    if (request->op > BLOCK_WRITE || request->flags != 0 ||
        range_check(open, request) != 0 ||
        slices_check(open->queue, request, &segments) != 0 ||
        request->sectors > limits->sectors || segments > limits->segments)
        return false;
    priv->sector = open->first_sector + request->sector;
    priv->sectors = request->sectors;
    priv->segments = segments;
    priv->op = (uint8_t)request->op;
    priv->flags = 0;
    priv->steps = BLOCK_STEP_MAIN;
    priv->is_alone = false;
    priv->is_long = false;
    return true;
}

int block_prepare(struct block_open *open, struct block_request *request,
                  uint64_t now_ns)
{
    struct block_private *priv = &request->priv;
    int status;

    assert(priv->state == BLOCK_IDLE);
    priv->open = open;
    if (unlikely(!prepare_plain(open, request))) {
        status = prepare_any(open, request);
        if (status != 0)
            return status;
    }
    priv->deadline_ns = priv->earliest_ns = now_ns + BLOCK_TIMEOUT_NS;
    if (unlikely(request->deadline_ns != 0))
        deadline_set(request, now_ns);
    priv->tries = 0;
    priv->state = BLOCK_CHECKED;
    return 0;
}

/* ---- Joining ------------------------------------------------------------- */

static bool can_join(const struct block_request *first,
                     const struct block_request *other)
{
    const struct block_limits *limits = &first->priv.open->queue->disk->limits;
    const struct block_private *a = &first->priv;
    const struct block_private *b = &other->priv;

    if (a->sector + a->sectors != b->sector || first->op != other->op ||
        first->flags != other->flags || a->is_alone || b->is_alone)
        return false;
    if (first->op == BLOCK_FLUSH)
        return true;
    return b->sectors <= block_sectors_max(limits, first->op) - a->sectors &&
           b->segments <= limits->segments - a->segments;
}

bool block_join(struct block_request *first, struct block_request *other)
{
    struct block_private *a = &first->priv;
    struct block_private *b = &other->priv;

    if (!can_join(first, other))
        return false;
    assert(a->steps == BLOCK_STEP_MAIN);
    assert(b->steps == BLOCK_STEP_MAIN);
    *(a->joined != NULL ? &a->last->priv.joined : &a->joined) = other;
    a->last = b->joined != NULL ? b->last : other;
    a->sectors += b->sectors;
    a->segments += b->segments;
    a->earliest_ns = min_u64(a->earliest_ns, b->earliest_ns);
    b->state = BLOCK_JOINED;
    return true;
}
