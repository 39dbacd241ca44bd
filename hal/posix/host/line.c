/* One direction of a wire: line.h. */
#include "hal/posix/host/line.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/host/net_internal.h"
#include <errno.h>
#include <string.h>
#include <torc/assert.h>

enum {
    OVERTAKEN_MAX = 3, /* by how many frames one is overtaken */
    PAGE = 4096,
    NS_PER_S = 1000000000,
};

/* How long a frame waits for others to overtake it. */
#define HOLD_NS UINT64_C(10000000)

struct line_frame {
    uint64_t at_ns;   /* it arrives */
    uint64_t order;   /* of those that arrive at the same time */
    unsigned passes;  /* held: how many are still to overtake it */
    uint64_t hold_ns; /* held: goes on then at the latest */
    uint32_t len;
    struct line_frame *next_free;
    uint8_t bytes[];
};

/* ---- Draws --------------------------------------------------------------- */

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
static uint64_t draw(struct line *line)
{
    uint64_t z = line->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* What happens to a frame. All is drawn for each, so that what happens to one
 * does not change what happens to the next. */
struct fate {
    bool lost, repeated, corrupted, reordered;
    uint64_t bit;         /* which one is turned over */
    unsigned passes;      /* who overtakes it */
    uint64_t extra_ns[2]; /* of it and of its copy */
};

static bool happens(struct line *line, uint32_t ppm)
{
    return draw(line) % 1000000 < ppm;
}

static struct fate fate_draw(struct line *line)
{
    const struct host_line_config *config = &line->config;
    struct fate fate;

    fate.lost = happens(line, config->loss_ppm);
    fate.repeated = happens(line, config->repeat_ppm);
    fate.corrupted = happens(line, config->corrupt_ppm);
    fate.reordered = happens(line, config->reorder_ppm);
    fate.bit = draw(line);
    fate.passes = 1 + (unsigned)(draw(line) % OVERTAKEN_MAX);
    for (unsigned i = 0; i < 2; i++)
        fate.extra_ns[i] = draw(line) % (config->jitter_ns + 1);
    return fate;
}

/* ---- Open and close ------------------------------------------------------ */

static size_t memory_size(const struct line *line)
{
    return LINE_FRAMES * line->slot_size;
}

int line_open(struct line *line, const struct host_line_config *config,
              uint32_t frame_max, unsigned which)
{
    memset(line, 0, sizeof(*line));
    line->config = *config;
    line->frame_max = frame_max;
    line->slot_size = (sizeof(struct line_frame) + frame_max + 7) & ~7UL;
    line->random = config->seed * 2 + which;
    line->slots = host_memory_map(memory_size(line), PAGE, HOST_ANYWHERE);
    if (line->slots == NULL)
        return -ENOMEM;
    for (unsigned i = LINE_FRAMES; i-- > 0;) {
        struct line_frame *slot = (void *)(line->slots + i * line->slot_size);

        slot->next_free = line->free;
        line->free = slot;
    }
    return 0;
}

void line_close(struct line *line)
{
    if (line->slots != NULL)
        host_memory_unmap(line->slots, memory_size(line));
    line->slots = NULL;
}

static void slot_free(struct line *line, struct line_frame *slot)
{
    slot->next_free = line->free;
    line->free = slot;
}

void line_clear(struct line *line)
{
    while (line->count > 0)
        slot_free(line, line->frames[--line->count]);
    while (line->held_count > 0)
        slot_free(line, line->held[--line->held_count]);
}

/* ---- The heap ------------------------------------------------------------ */

static bool before(const struct line_frame *a, const struct line_frame *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_add(struct line *line, struct line_frame *frame)
{
    unsigned at = line->count++;

    assert(line->count <= LINE_FRAMES);
    for (; at > 0 && before(frame, line->frames[(at - 1) / 2]);
         at = (at - 1) / 2)
        line->frames[at] = line->frames[(at - 1) / 2];
    line->frames[at] = frame;
}

static struct line_frame *heap_take(struct line *line)
{
    struct line_frame *first = line->frames[0];
    struct line_frame *last = line->frames[--line->count];
    unsigned at = 0;

    for (;;) {
        unsigned child = 2 * at + 1;

        if (child >= line->count)
            break;
        if (child + 1 < line->count &&
            before(line->frames[child + 1], line->frames[child]))
            child++;
        if (!before(line->frames[child], last))
            break;
        line->frames[at] = line->frames[child];
        at = child;
    }
    line->frames[at] = last;
    return first;
}

/* ---- Frames that are overtaken ------------------------------------------- */

/* Held frame `i` goes on, and arrives at `at_ns` at the earliest. */
static void release(struct line *line, unsigned i, uint64_t at_ns)
{
    struct line_frame *frame = line->held[i];

    line->held[i] = line->held[--line->held_count];
    frame->order = line->order++;
    if (frame->at_ns < at_ns)
        frame->at_ns = at_ns;
    heap_add(line, frame);
}

/* A frame that arrives at `at_ns` overtakes those that are held. */
static void held_pass(struct line *line, uint64_t at_ns)
{
    for (unsigned i = line->held_count; i-- > 0;) {
        if (--line->held[i]->passes == 0)
            release(line, i, at_ns);
    }
}

/* They have waited long enough. */
static void held_expire(struct line *line, uint64_t now_ns)
{
    for (unsigned i = line->held_count; i-- > 0;) {
        if (line->held[i]->hold_ns <= now_ns)
            release(line, i, now_ns);
    }
}

/* ---- Frames -------------------------------------------------------------- */

/* When the wire has carried the frame. */
static uint64_t carry(struct line *line, uint64_t now_ns, uint32_t len)
{
    uint64_t rate = line->config.rate_bps;

    if (rate == 0)
        return now_ns;
    if (line->free_at_ns < now_ns)
        line->free_at_ns = now_ns;
    line->free_at_ns += (uint64_t)len * 8 * NS_PER_S / rate;
    return line->free_at_ns;
}

static struct line_frame *slot_fill(struct line *line,
                                    const struct host_frame *frame)
{
    struct line_frame *slot = line->free;

    line->free = slot->next_free;
    slot->len = frame->len;
    slot->order = line->order++;
    frame_gather(frame, slot->bytes);
    return slot;
}

/* Behind the Ethernet header: a card drops what has a wrong check sequence, so
 * what is corrupted and arrives was so before that was made. */
static void corrupt(struct line *line, struct line_frame *slot, uint64_t bit)
{
    if (slot->len <= HOST_ETHER)
        return;
    bit %= (uint64_t)(slot->len - HOST_ETHER) * 8;
    slot->bytes[HOST_ETHER + bit / 8] ^= (uint8_t)(1U << bit % 8);
    line->stats.corrupted++;
}

static void travel(struct line *line, struct line_frame *slot,
                   const struct fate *fate)
{
    if (!fate->reordered || line->held_count == LINE_HELD_MAX) {
        heap_add(line, slot);
        held_pass(line, slot->at_ns);
        return;
    }
    held_pass(line, slot->at_ns);
    slot->passes = fate->passes;
    slot->hold_ns = slot->at_ns + HOLD_NS;
    line->held[line->held_count++] = slot;
    line->stats.reordered++;
}

int line_push(struct line *line, uint64_t now_ns,
              const struct host_frame *frame)
{
    unsigned limit = line->config.queue != 0 ? line->config.queue : LINE_FRAMES;
    struct line_frame *slot, *copy;
    struct fate fate;
    uint64_t at_ns;

    assert(frame->len <= line->frame_max);
    if (line->free == NULL)
        return -EAGAIN;
    line->stats.sent++;
    fate = fate_draw(line);
    if (line->count + line->held_count >= limit) {
        line->stats.full++;
        return 0;
    }
    at_ns = carry(line, now_ns, frame->len) + line->config.delay_ns;
    if (fate.lost) {
        line->stats.lost++;
        return 0;
    }
    slot = slot_fill(line, frame);
    slot->at_ns = at_ns + fate.extra_ns[0];
    if (fate.corrupted)
        corrupt(line, slot, fate.bit);
    travel(line, slot, &fate);
    if (!fate.repeated || line->free == NULL)
        return 0;
    copy = slot_fill(line, frame);
    copy->at_ns = at_ns + fate.extra_ns[1];
    heap_add(line, copy);
    line->stats.repeated++;
    return 0;
}

int line_pop(struct line *line, uint64_t now_ns, struct host_frame *frame)
{
    struct line_frame *slot;
    int err;

    held_expire(line, now_ns);
    if (line->count == 0 || line->frames[0]->at_ns > now_ns)
        return -EAGAIN;
    slot = heap_take(line);
    err = slot->len <= frame_room(frame) ? 0 : -EMSGSIZE;
    if (err == 0) {
        frame_scatter(frame, slot->bytes, slot->len);
        frame_plain(frame, slot->len);
    }
    line->stats.received++;
    slot_free(line, slot);
    return err;
}

uint64_t line_next(const struct line *line)
{
    uint64_t next = line->count > 0 ? line->frames[0]->at_ns : LINE_NEVER;

    for (unsigned i = 0; i < line->held_count; i++) {
        if (line->held[i]->hold_ns < next)
            next = line->held[i]->hold_ns;
    }
    return next;
}

void line_check(const struct line *line)
{
    unsigned free_count = 0;

    assert(line->slots != NULL);
    assert(line->held_count <= LINE_HELD_MAX);
    for (unsigned i = 1; i < line->count; i++)
        assert(!before(line->frames[i], line->frames[(i - 1) / 2]));
    for (unsigned i = 0; i < line->held_count; i++)
        assert(line->held[i]->passes > 0);
    for (const struct line_frame *slot = line->free; slot != NULL;
         slot = slot->next_free) {
        free_count++;
        assert(free_count <= LINE_FRAMES); /* no circle */
    }
    assert(free_count + line->count + line->held_count == LINE_FRAMES);
}
