#include "tests/models/virtio_ring.h"
#include "hal/posix/kernel/dma.h"
#include "kernel/lib/bytes.h"
#include "tests/models/breach.h"
#include "tests/models/model_sum.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Flags of descriptors: 2.7.5, 2.8.1; events: 2.8.14. */
enum {
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
    AVAIL = 1 << 7,
    USED = 1 << 15,
    EVENT_ENABLE = 0,
    EVENT_DISABLE = 1,
    EVENT_DESC = 2,
};

/* ---- Memory of the test -------------------------------------------------- */

struct block {
    struct block *next, *prev;
};

static struct block blocks = {&blocks, &blocks};
/* Each queue of a device may be served on a CPU of its own. */
static pthread_mutex_t blocks_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *block_alloc(size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + size);

    if (block == NULL)
        abort();
    pthread_mutex_lock(&blocks_mutex);
    block->next = &blocks;
    block->prev = blocks.prev;
    blocks.prev->next = block;
    blocks.prev = block;
    pthread_mutex_unlock(&blocks_mutex);
    return block + 1;
}

static void block_free(void *memory)
{
    struct block *block;

    if (memory == NULL)
        return;
    block = (struct block *)memory - 1;
    pthread_mutex_lock(&blocks_mutex);
    block->prev->next = block->next;
    block->next->prev = block->prev;
    pthread_mutex_unlock(&blocks_mutex);
    free(block);
}

void rings_reset(void)
{
    while (blocks.next != &blocks)
        block_free(blocks.next + 1);
}

/* ---- The areas ----------------------------------------------------------- */

uint8_t *ring_reach(uint64_t bus, size_t size, const char *what)
{
    uint8_t *data = dma_lookup(bus, size);

    if (data == NULL)
        model_breach("%s at %#llx (%zu bytes) is no memory a device may reach",
                     what, (unsigned long long)bus, size);
    return data;
}

static uint8_t *desc_area(const struct ring *ring)
{
    return ring_reach(ring->desc, 16U * ring->size, "the descriptor area");
}

static uint8_t *driver_area(const struct ring *ring)
{
    size_t size = ring->is_packed ? 4 : 6U + 2U * ring->size;

    return ring_reach(ring->driver, size, "the driver area");
}

static uint8_t *device_area(const struct ring *ring)
{
    size_t size = ring->is_packed ? 4 : 6U + 8U * ring->size;

    return ring_reach(ring->device, size, "the device area");
}

static uint16_t avail_idx(const struct ring *ring)
{
    return le16_get(driver_area(ring) + 2);
}

static uint8_t *buffer_of(const struct ring_piece *piece)
{
    return ring_reach(piece->bus, piece->len, "a buffer");
}

/* ---- Events -------------------------------------------------------------- */

/* Whether an event lies in the last `count` entries before `next`: 2.7.7.2. */
static bool passed(uint16_t event, uint16_t next, uint16_t count)
{
    return (uint16_t)(next - event - 1) < count;
}

/* The same for places of a packed ring, and the lap that each is of. */
static bool packed_passed(const struct ring *ring, uint16_t event,
                          uint16_t next, bool wrap, uint16_t count)
{
    uint16_t at = event & 0x7fff;

    if (at >= ring->size)
        model_breach("queue %u: an event at place %u of %u", ring->index, at,
                     ring->size);
    if ((event >> 15 != 0) != wrap)
        at = (uint16_t)(at - ring->size);
    return passed(at, next, count);
}

/* Say when to notify next. */
static void ask_notification(struct ring *ring)
{
    uint8_t *area = device_area(ring);
    uint16_t at = (uint16_t)(ring->seen + ring->notify_after);
    bool wrap = ring->seen_wrap;

    if (!ring->is_packed && !ring->has_event_idx) {
        le16_put(area, ring->no_notify ? 1 : 0);
    } else if (!ring->is_packed) {
        le16_put(area + 4 + 8 * ring->size,
                 (uint16_t)(ring->no_notify ? at - 1 : at));
    } else if (ring->no_notify || !ring->has_event_idx) {
        le32_put(area, (ring->no_notify ? EVENT_DISABLE : EVENT_ENABLE) << 16);
    } else {
        if (at >= ring->size) {
            at = (uint16_t)(at - ring->size);
            wrap = !wrap;
        }
        le32_put(area, (uint32_t)(at | wrap << 15 | EVENT_DESC << 16));
    }
}

/* Whether a driver that has added `count` entries must notify: 2.7.10.1,
 * 2.8.10. */
static bool kick_wanted(const struct ring *ring, uint16_t next, bool wrap,
                        uint16_t count)
{
    const uint8_t *area = device_area(ring);
    uint16_t flags;

    if (count == 0)
        return false;
    if (!ring->is_packed)
        return ring->has_event_idx
                   ? passed(le16_get(area + 4 + 8 * ring->size), next, count)
                   : (le16_get(area) & 1) == 0;
    flags = le16_get(area + 2);
    return flags == EVENT_DESC
               ? packed_passed(ring, le16_get(area), next, wrap, count)
               : flags == EVENT_ENABLE;
}

bool ring_wants_interrupt(struct ring *ring)
{
    const uint8_t *area = driver_area(ring);
    uint16_t fresh = ring->fresh;
    uint16_t flags = le16_get(area + (ring->is_packed ? 2 : 0));

    ring->fresh = 0;
    if (!ring->is_packed && ring->has_event_idx) {
        if (flags != 0)
            model_breach("queue %u: flags of the available ring with events: "
                         "2.7.7.1",
                         ring->index);
        return passed(le16_get(area + 4 + 2 * ring->size), ring->used, fresh);
    }
    if (!ring->is_packed)
        return (flags & 1) == 0;
    if (flags > EVENT_DESC || (flags == EVENT_DESC && !ring->has_event_idx))
        model_breach("queue %u: event flags %#x", ring->index, flags);
    return flags == EVENT_DESC ? packed_passed(ring, le16_get(area), ring->used,
                                               ring->used_wrap, fresh)
                               : flags == EVENT_ENABLE;
}

/* ---- What the device holds ----------------------------------------------- */

/* The driver must not have touched what is the device's: 2.7.13, 2.8.16. */
static void place_compare(const struct ring *ring, uint16_t at)
{
    if (!ring->lied &&
        memcmp(desc_area(ring) + 16U * at, ring->raw[at], 16) != 0)
        model_breach("queue %u: descriptor %u changed while the device held it",
                     ring->index, at);
}

static void places_compare(const struct ring *ring)
{
    for (uint16_t i = 0; i < ring->size; i++) {
        if (ring->held[i])
            place_compare(ring, i);
    }
}

static void flight_compare(const struct ring *ring, uint16_t id)
{
    const struct ring_flight *flight = &ring->flight[id];

    if (ring->lied)
        return;
    if (flight->table_len > 0 &&
        model_sum(ring_reach(flight->table, flight->table_len, "a table"),
                  flight->table_len) != flight->table_sum)
        model_breach("queue %u: the table of request %u changed while the "
                     "device held it",
                     ring->index, id);
    for (unsigned i = 0; i < flight->count; i++) {
        const struct ring_piece *piece = &flight->piece[i];

        if (model_sum(buffer_of(piece), piece->len) != piece->sum)
            model_breach("queue %u: buffer %u of request %u changed while the "
                         "device held it",
                         ring->index, i, id);
    }
}

static void flight_free(struct ring_flight *flight)
{
    for (unsigned i = 0; flight->taken && i < flight->count; i++)
        block_free(flight->piece[i].copy);
    block_free(flight->piece);
    *flight = (struct ring_flight){.owned = false};
}

/* The device holds a descriptor of the ring from now on. */
static void place_hold(struct ring *ring, uint16_t at)
{
    if (ring->held[at] && !ring->lied)
        model_breach("queue %u: descriptor %u is the device's already",
                     ring->index, at);
    ring->held[at] = true;
    memcpy(ring->raw[at], desc_area(ring) + 16U * at, 16);
}

static void piece_add(struct ring *ring, struct ring_flight *flight,
                      const uint8_t *desc, bool writable)
{
    struct ring_piece *piece = &flight->piece[flight->count];

    if (flight->count == RING_PIECES || flight->count == ring->size)
        model_breach("queue %u: a chain without end", ring->index);
    piece->bus = le64_get(desc);
    piece->len = le32_get(desc + 8);
    piece->writable = writable;
    if (piece->len == 0)
        model_breach("queue %u: an empty descriptor", ring->index);
    if (flight->count > 0 && !writable && piece[-1].writable)
        model_breach("queue %u: readable after writable: 2.7.4.2", ring->index);
    piece->sum = model_sum(buffer_of(piece), piece->len);
    flight->count++;
}

/* The descriptor `desc` refers to an indirect table: note it. */
static uint8_t *table_hold(struct ring *ring, struct ring_flight *flight,
                           const uint8_t *desc)
{
    uint8_t *table;

    if (!ring->has_indirect)
        model_breach("queue %u: an indirect table: not agreed on", ring->index);
    flight->table = le64_get(desc);
    flight->table_len = le32_get(desc + 8);
    if (flight->table_len == 0 || flight->table_len % 16 != 0 ||
        flight->table_len > 16U * ring->size)
        model_breach("queue %u: an indirect table of %u bytes", ring->index,
                     flight->table_len);
    table = ring_reach(flight->table, flight->table_len, "a table");
    flight->table_sum = model_sum(table, flight->table_len);
    return table;
}

/* A request of which nothing is known yet. */
static struct ring_flight *flight_begin(struct ring *ring, uint16_t id)
{
    struct ring_flight *flight;

    if (id >= ring->size)
        model_breach("queue %u: head %u", ring->index, id);
    flight = &ring->flight[id];
    if (flight->owned && !ring->lied)
        model_breach("queue %u: head %u is the device's already", ring->index,
                     id);
    flight_free(flight);
    flight->owned = true;
    flight->piece = block_alloc(RING_PIECES * sizeof(*flight->piece));
    ring->order[(ring->first_ask + ring->asked++) % RING_MAX] = id;
    return flight;
}

/* ---- Seeing requests ----------------------------------------------------- */

static void split_table_read(struct ring *ring, struct ring_flight *flight,
                             const uint8_t *desc)
{
    const uint8_t *table = table_hold(ring, flight, desc);
    uint16_t at = 0;
    uint16_t flags;

    do {
        if (at >= flight->table_len / 16)
            model_breach("queue %u: next in a table is %u", ring->index, at);
        flags = le16_get(table + 16 * at + 12);
        if ((flags & ~(NEXT | WRITE)) != 0)
            model_breach("queue %u: flags %#x in a table", ring->index, flags);
        piece_add(ring, flight, table + 16 * at, (flags & WRITE) != 0);
        at = le16_get(table + 16 * at + 14);
    } while ((flags & NEXT) != 0);
    if (flight->count != flight->table_len / 16)
        model_breach("queue %u: %u of the descriptors of a table are used",
                     ring->index, flight->count);
}

static void split_read(struct ring *ring, uint16_t head)
{
    struct ring_flight *flight = flight_begin(ring, head);
    uint16_t at = head;
    uint16_t flags;

    do {
        const uint8_t *desc;

        if (at >= ring->size)
            model_breach("queue %u: next is %u", ring->index, at);
        desc = desc_area(ring) + 16U * at;
        flags = le16_get(desc + 12);
        if ((flags & INDIRECT) != 0) {
            if ((flags & NEXT) != 0)
                model_breach("queue %u: a table, and a next", ring->index);
            split_table_read(ring, flight, desc);
        } else {
            piece_add(ring, flight, desc, (flags & WRITE) != 0);
        }
        place_hold(ring, at);
        flight->places++;
        at = le16_get(desc + 14);
    } while ((flags & NEXT) != 0);
}

static void split_look(struct ring *ring)
{
    const uint8_t *avail = driver_area(ring);
    uint16_t idx = avail_idx(ring);

    if ((uint16_t)(idx - ring->seen) > ring->size)
        model_breach("queue %u: available index jumps from %u to %u",
                     ring->index, ring->seen, idx);
    for (; ring->seen != idx; ring->seen++)
        split_read(ring, le16_get(avail + 4 + 2 * (ring->seen % ring->size)));
}

/* Whether the descriptor at a place is available, in that lap: 2.8.1. */
static bool is_available(const struct ring *ring, uint16_t at, bool wrap)
{
    uint16_t flags = le16_get(desc_area(ring) + 16U * at + 14);

    return ((flags & AVAIL) != 0) == wrap && ((flags & USED) != 0) != wrap;
}

static void advance(const struct ring *ring, uint16_t *at, bool *wrap)
{
    if (++*at == ring->size) {
        *at = 0;
        *wrap = !*wrap;
    }
}

static void packed_table_read(struct ring *ring, struct ring_flight *flight,
                              const uint8_t *desc)
{
    const uint8_t *table = table_hold(ring, flight, desc);

    for (unsigned i = 0; i < flight->table_len / 16; i++) {
        uint16_t flags = le16_get(table + 16 * i + 14);

        if ((flags & ~WRITE) != 0)
            model_breach("queue %u: flags %#x in a table", ring->index, flags);
        piece_add(ring, flight, table + 16 * i, (flags & WRITE) != 0);
    }
}

/* The buffer id of the request at the place: that of its last descriptor. */
static uint16_t packed_id(const struct ring *ring)
{
    uint16_t at = ring->seen;
    bool wrap = ring->seen_wrap;
    unsigned count = 0;

    while ((le16_get(desc_area(ring) + 16U * at + 14) & NEXT) != 0) {
        advance(ring, &at, &wrap);
        if (++count >= ring->size)
            model_breach("queue %u: a chain without end", ring->index);
        if (!is_available(ring, at, wrap))
            model_breach("queue %u: a part of a chain is not available: 2.8.6",
                         ring->index);
    }
    return le16_get(desc_area(ring) + 16U * at + 12);
}

static void packed_read(struct ring *ring)
{
    struct ring_flight *flight = flight_begin(ring, packed_id(ring));
    uint16_t flags;

    do {
        const uint8_t *desc = desc_area(ring) + 16U * ring->seen;

        flags = le16_get(desc + 14);
        if ((flags & ~(NEXT | WRITE | INDIRECT | AVAIL | USED)) != 0)
            model_breach("queue %u: flags %#x", ring->index, flags);
        if ((flags & INDIRECT) != 0) {
            if ((flags & NEXT) != 0 || flight->places != 0)
                model_breach("queue %u: a table in a chain: 2.8.17",
                             ring->index);
            packed_table_read(ring, flight, desc);
        } else {
            piece_add(ring, flight, desc, (flags & WRITE) != 0);
        }
        place_hold(ring, ring->seen);
        flight->places++;
        advance(ring, &ring->seen, &ring->seen_wrap);
    } while ((flags & NEXT) != 0);
}

void ring_look(struct ring *ring)
{
    if (ring->is_packed && ring->lied)
        return; /* it has written over what the driver tells it */
    if (!ring->is_packed) {
        split_look(ring);
    } else {
        unsigned count = 0; /* a lie may have made all of them available */

        while (is_available(ring, ring->seen, ring->seen_wrap) &&
               count++ < ring->size)
            packed_read(ring);
    }
    ask_notification(ring);
}

/* How many entries of the ring the driver has added and the device not seen,
 * and where they end. */
static uint16_t entries_new(const struct ring *ring, uint16_t *next, bool *wrap)
{
    uint16_t count = 0;

    *next = ring->seen;
    *wrap = ring->seen_wrap;
    if (!ring->is_packed) {
        *next = avail_idx(ring);
        return (uint16_t)(*next - ring->seen);
    }
    while (count < ring->size && is_available(ring, *next, *wrap)) {
        advance(ring, next, wrap);
        count++;
    }
    return count;
}

bool ring_kick_missing(const struct ring *ring)
{
    uint16_t next;
    bool wrap;
    uint16_t count = entries_new(ring, &next, &wrap);

    return kick_wanted(ring, next, wrap, count);
}

void ring_notified(struct ring *ring)
{
    uint16_t next;
    bool wrap;
    uint16_t count = entries_new(ring, &next, &wrap);

    ring->notifications++;
    if (!ring->lied && !ring->looked && count == 0)
        model_breach("queue %u: notified of nothing", ring->index);
    if (!ring->lied && !ring->looked && !kick_wanted(ring, next, wrap, count))
        model_breach("queue %u: notified against the device's wish",
                     ring->index);
    ring->looked = false;
    ring_look(ring);
}

/* ---- Using them ---------------------------------------------------------- */

void ring_begin(struct ring *ring)
{
    ring->ready = true;
    ring->seen_wrap = true;
    ring->used_wrap = true;
    if (le32_get(device_area(ring)) != 0)
        model_breach("queue %u: the device area is not zero", ring->index);
    for (unsigned i = 0; ring->is_packed && i < 16U * ring->size; i++) {
        if (desc_area(ring)[i] != 0)
            model_breach("queue %u: the ring is not zero", ring->index);
    }
    (void)driver_area(ring);
    ask_notification(ring);
}

bool ring_take(struct ring *ring, struct ring_chain *chain)
{
    struct ring_flight *flight;

    /* After a lie a head may stand in the ring that was given back. */
    while (ring->lied && ring->asked > 0 &&
           !ring->flight[ring->order[ring->first_ask]].owned) {
        ring->first_ask = (ring->first_ask + 1) % RING_MAX;
        ring->asked--;
    }
    if (ring->asked == 0)
        return false;
    *chain = (struct ring_chain){.head = ring->order[ring->first_ask]};
    ring->first_ask = (ring->first_ask + 1) % RING_MAX;
    ring->asked--;
    flight = &ring->flight[chain->head];
    places_compare(ring);
    flight_compare(ring, chain->head);
    chain->count = flight->count;
    for (unsigned i = 0; i < flight->count; i++) {
        struct ring_piece *piece = &flight->piece[i];

        if (flight->taken)
            block_free(piece->copy);
        piece->copy = block_alloc(piece->len);
        memcpy(piece->copy, buffer_of(piece), piece->len);
        chain->piece[i].data = piece->copy;
        chain->piece[i].len = piece->len;
        chain->piece[i].writable = piece->writable;
    }
    flight->taken = true;
    return true;
}

static void used_put(struct ring *ring, uint32_t id, uint32_t len,
                     uint16_t places, bool wrote)
{
    uint8_t *used;
    uint16_t flags = ring->used_wrap ? AVAIL | USED : 0;

    ring->fresh = (uint16_t)(ring->fresh + (ring->is_packed ? places : 1));
    if (!ring->is_packed) {
        used = device_area(ring);
        le32_put(used + 4 + 8 * (ring->used % ring->size), id);
        le32_put(used + 8 + 8 * (ring->used % ring->size), len);
        ring->used++;
        le16_put(used + 2, ring->used);
        return;
    }
    used = desc_area(ring) + 16U * ring->used;
    le32_put(used + 8, len);
    le16_put(used + 12, (uint16_t)id);
    le16_put(used + 14, (uint16_t)(flags | (wrote ? WRITE : 0)));
    while (places-- > 0)
        advance(ring, &ring->used, &ring->used_wrap);
}

/* The descriptors of a request are the driver's again: of a split ring those of
 * the chain, of a packed one as many from `used` on, of whichever request. */
static void places_give(struct ring *ring, uint16_t id)
{
    uint16_t at = ring->is_packed ? ring->used : id;

    for (uint16_t i = 0; i < ring->flight[id].places; i++) {
        uint16_t next = ring->is_packed ? (uint16_t)((at + 1) % ring->size)
                                        : le16_get(ring->raw[at] + 14);

        place_compare(ring, at);
        ring->held[at] = false;
        at = next % ring->size;
    }
}

void ring_complete(struct ring *ring, uint16_t id, uint32_t written)
{
    struct ring_flight *flight = &ring->flight[id];
    uint16_t places = flight->places;

    flight_compare(ring, id);
    for (unsigned i = 0; flight->taken && i < flight->count; i++) {
        if (flight->piece[i].writable)
            memcpy(buffer_of(&flight->piece[i]), flight->piece[i].copy,
                   flight->piece[i].len);
    }
    places_give(ring, id);
    flight_free(flight);
    used_put(ring, id, written, places, written > 0);
}

void ring_use_raw(struct ring *ring, uint32_t id, uint32_t len)
{
    ring->lied = true;
    used_put(ring, id, len, 1, true);
}

void ring_used_index(struct ring *ring, uint16_t to)
{
    ring->lied = true;
    if (ring->is_packed)
        return;
    ring->used = to;
    le16_put(device_area(ring) + 2, to);
}

void ring_touch(const struct ring *ring)
{
    if (!ring->ready)
        return;
    (void)desc_area(ring);
    (void)driver_area(ring);
    (void)device_area(ring);
    for (unsigned i = 0; i < ring->size; i++) {
        const struct ring_flight *flight = &ring->flight[i];

        for (unsigned j = 0; flight->owned && j < flight->count; j++)
            (void)buffer_of(&flight->piece[j]);
        if (flight->owned && flight->table_len > 0)
            (void)ring_reach(flight->table, flight->table_len, "a table");
    }
}

void ring_forget(struct ring *ring)
{
    unsigned index = ring->index;

    if (ring->ready) { /* until now the device may write to it */
        (void)desc_area(ring);
        (void)device_area(ring);
    }
    if (ring->ready)
        places_compare(ring);
    for (unsigned i = 0; ring->ready && i < ring->size; i++) {
        if (ring->flight[i].owned)
            flight_compare(ring, (uint16_t)i);
        flight_free(&ring->flight[i]);
    }
    memset(ring, 0, sizeof(*ring)); /* it is too large for a stack */
    ring->index = index;
}
