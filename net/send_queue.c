#include "net/send_queue.h"
#include "kernel/lib/minmax.h"
#include <torc/memory.h>
#include <torc/string.h>

enum { PIECES_FIRST = 31, PIECE_PACKET = PACKET_SIZE - PACKET_HEADROOM };

uint32_t send_queue_limit(const struct send_queue *queue,
                          struct net_budget *budget)
{
    return net_budget_share(budget, (uint32_t)send_queue_size(queue));
}

uint32_t send_queue_room(const struct send_queue *queue,
                         struct net_budget *budget)
{
    return send_queue_limit(queue, budget) - (uint32_t)send_queue_size(queue);
}

/* ---- Pieces -------------------------------------------------------------- */

static struct slice *piece_at(const struct send_queue *queue, unsigned i)
{
    return &queue->pieces->piece[queue->first + i];
}

/* A place behind the last piece, or NULL. */
static struct slice *piece_new(struct send_queue *queue)
{
    unsigned size = queue->size == 0 ? PIECES_FIRST : queue->size * 2U + 1;
    struct send_pieces *pieces;

    if (queue->first + queue->count < queue->size)
        return piece_at(queue, queue->count);
    if (queue->first > queue->size / 2) {
        memmove(queue->pieces->piece, piece_at(queue, 0),
                queue->count * sizeof(struct slice));
        queue->first = 0;
        return piece_at(queue, queue->count);
    }
    if (size > SEND_PIECES_MAX)
        return NULL;
    pieces = mem_resize(queue->pieces,
                        sizeof(*pieces) + size * sizeof(struct slice));
    if (pieces == NULL)
        return NULL;
    if (queue->pieces == NULL)
        pieces->last = (struct send_place){.offset = 0};
    queue->pieces = pieces;
    queue->size = (uint16_t)size;
    return piece_at(queue, queue->count);
}

/* The pieces say of all bytes where they are. Returns whether they can. */
static bool pieces_begin(struct send_queue *queue)
{
    struct slice *piece;

    if (queue->count > 0 || queue->used == 0)
        return true;
    piece = piece_new(queue);
    if (piece == NULL)
        return false;
    *piece = (struct slice){.len = queue->used};
    queue->count = 1;
    return true;
}

/* Bytes were added to the ring. There is a place for a piece. */
static void pieces_grow(struct send_queue *queue, uint32_t len)
{
    struct slice *last;

    if (queue->count == 0)
        return;
    last = piece_at(queue, queue->count - 1U);
    if (last->buf == NULL)
        last->len += len;
    else
        *piece_at(queue, queue->count++) = (struct slice){.len = len};
}

/* ---- Putting in ---------------------------------------------------------- */

/* Make room in the ring for `len` bytes, or for a part of them where there is
 * less memory. Returns for how many. */
static uint32_t ring_reserve(struct net_buffer *ring, struct net_budget *budget,
                             uint32_t len)
{
    uint32_t part = len;

    while (part > 0 && net_buffer_reserve(ring, budget, ring->used + part) != 0)
        part = part > NET_BUFFER_MIN ? part / 2 : 0;
    return part == 0 ? 0 : min_u32(len, ring->size - ring->used);
}

/* Put the first bytes into a packet. Returns whether there was one. */
static bool write_packet(struct send_queue *queue, struct net_budget *budget,
                         const void *data, uint32_t len)
{
    struct packet *packet;

    if (len > PIECE_PACKET || budget->lent >= budget->lent_max)
        return false;
    packet = packet_get();
    if (packet == NULL)
        return false;
    memcpy(packet_append(packet, len), data, len);
    assert(queue->ring.base == NULL);
    net_buffer_give(&queue->ring, budget, &packet->buf, packet->data, len);
    queue->used = len;
    return true;
}

uint32_t send_queue_write(struct send_queue *queue, struct net_budget *budget,
                          const void *data, uint32_t len)
{
    struct net_buffer *ring = &queue->ring;

    if (len == 0)
        return 0;
    if (queue->used == 0 && write_packet(queue, budget, data, len))
        return len;
    if (queue->count > 0 && piece_new(queue) == NULL)
        return 0;
    len = ring_reserve(ring, budget, len);
    if (len == 0)
        return 0;
    net_buffer_write(ring, ring->used, data, len);
    net_buffer_commit(ring, len);
    pieces_grow(queue, len);
    queue->used += len;
    return len;
}

uint32_t send_queue_lend(struct send_queue *queue, struct net_budget *budget,
                         const struct slice *slices, unsigned count,
                         uint32_t len)
{
    uint32_t done = 0;

    len = (uint32_t)min_size(len, budget->limit - budget->used);
    if (len == 0 || !pieces_begin(queue))
        return 0;
    for (; count > 0 && done < len; count--, slices++) {
        struct slice *piece;

        if (slices->len == 0)
            continue;
        piece = piece_new(queue);
        if (piece == NULL)
            break;
        *piece = *slices;
        piece->len = min_u32(piece->len, len - done);
        buf_get(piece->buf);
        queue->count++;
        done += piece->len;
    }
    queue->used += done;
    queue->lent += done;
    budget->used += done;
    return done;
}

/* ---- Taking out ---------------------------------------------------------- */

/* Go on to the next piece, when the place is at the end of this one: but not of
 * the last one, if that is the ring's, which may grow. */
static inline bool piece_left(const struct send_queue *queue,
                              struct send_place *place,
                              const struct slice *piece)
{
    if (place->skip < piece->len ||
        (piece->buf == NULL && place->piece == queue->count - 1U))
        return false;
    place->piece++;
    place->skip = 0;
    return true;
}

/* Move a place forward to `offset`. */
static void place_move(const struct send_queue *queue, struct send_place *place,
                       uint32_t offset)
{
    uint32_t left = offset - place->offset;

    place->offset = offset;
    while (place->piece < queue->count) {
        const struct slice *piece = piece_at(queue, place->piece);
        uint32_t part = min_u32(piece->len - place->skip, left);

        if (piece->buf == NULL)
            place->ring += part;
        place->skip += part;
        left -= part;
        if (!piece_left(queue, place, piece))
            return;
    }
}

static struct send_place place_find(const struct send_queue *queue,
                                    uint32_t offset)
{
    struct send_place place = {.offset = 0};

    if (queue->count == 0) /* all is in the ring */
        return (struct send_place){.offset = offset, .ring = offset};
    if (queue->pieces->last.offset <= offset)
        place = queue->pieces->last;
    place_move(queue, &place, offset);
    return place;
}

/* The next bytes of one kind, at most `len`: a slice, or with buf NULL bytes of
 * the ring from `offset` on. */
static struct slice next_part(const struct send_queue *queue,
                              struct send_place *place, uint32_t len)
{
    struct slice part = {.offset = place->ring, .len = len};

    if (place->piece < queue->count) {
        part = *piece_at(queue, place->piece);
        part.offset =
            part.buf != NULL ? part.offset + place->skip : place->ring;
        part.len = min_u32(part.len - place->skip, len);
        place->skip += part.len;
        (void)piece_left(queue, place, piece_at(queue, place->piece));
    }
    if (part.buf == NULL)
        place->ring += part.len;
    place->offset += part.len;
    return part;
}

/* What follows is not searched for from the beginning. */
static void place_keep(struct send_queue *queue, const struct send_place *place)
{
    if (queue->count > 0 && place->offset > queue->pieces->last.offset)
        queue->pieces->last = *place;
}

void send_queue_peek(struct send_queue *queue, uint32_t offset, void *to,
                     uint32_t len)
{
    struct send_place place = place_find(queue, offset);
    uint8_t *at = to;

    assert(offset <= queue->used && len <= queue->used - offset);
    while (len > 0) {
        struct slice part = next_part(queue, &place, len);

        if (part.buf == NULL)
            net_buffer_peek(&queue->ring, part.offset, at, part.len);
        else
            memcpy(at, slice_data(&part), part.len);
        at += part.len;
        len -= part.len;
    }
    place_keep(queue, &place);
}

/* Copy bytes of the ring to the end of a packet, in as many buffers as that
 * takes. */
static int fill_copied(const struct send_queue *queue, struct slice part,
                       struct packet *packet)
{
    while (part.len > 0) {
        struct packet *own =
            packet->slice_count == 0 && packet_tailroom(packet) > 0
                ? packet
                : packet_get();
        uint32_t len;
        int status = 0;

        if (own == NULL)
            return -ENOMEM;
        len = (uint32_t)min_size(part.len, packet_tailroom(own));
        net_buffer_peek(&queue->ring, part.offset, packet_append(own, len),
                        len);
        if (own != packet)
            status = packet_join(packet, own);
        if (status != 0) {
            packet_put(own);
            return status;
        }
        part.offset += len;
        part.len -= len;
    }
    return 0;
}

int send_queue_fill(struct send_queue *queue, uint32_t offset, uint32_t len,
                    struct packet *packet)
{
    struct send_place place = place_find(queue, offset);

    assert(offset <= queue->used && len <= queue->used - offset);
    while (len > 0) {
        struct slice part = next_part(queue, &place, len);
        int status;

        len -= part.len;
        if (part.buf == NULL) {
            status = fill_copied(queue, part, packet);
        } else {
            status = packet_add_slice(packet, part);
            if (status == 0)
                buf_get(part.buf);
        }
        if (status != 0)
            return status;
    }
    place_keep(queue, &place);
    return 0;
}

struct packet *send_queue_packet(const struct send_queue *queue,
                                 uint32_t offset, uint32_t len)
{
    const struct net_buffer *ring = &queue->ring;
    struct packet *packet;

    if (!ring->is_lent || offset != 0 || len != queue->used ||
        len != ring->used)
        return NULL;
    packet = container_of(ring->lent, struct packet, buf);
    /* Headers are in front of it, when it is on its way or was. */
    if (packet->data != ring->base || packet->buf.refs != 1)
        return NULL;
    buf_get(&packet->buf);
    return packet;
}

uint32_t send_queue_fit(const struct send_queue *queue, uint32_t offset,
                        uint32_t len)
{
    struct send_place place = place_find(queue, offset);
    unsigned left = PACKET_SLICES;
    uint32_t fit = 0;

    while (fit < len && left > 0) {
        uint32_t room = min_u32(len - fit, left * (uint32_t)PIECE_PACKET);
        struct slice part = next_part(queue, &place, room);

        if (part.buf != NULL)
            left--;
        else
            left -= (part.len + PIECE_PACKET - 1U) / PIECE_PACKET;
        fit += part.len;
    }
    return fit;
}

/* `len` bytes were removed, `pieces` whole ones and `skip` bytes of the next
 * among them. */
static void place_shift(struct send_place *place, uint32_t len,
                        uint32_t from_ring, unsigned pieces, uint32_t skip)
{
    if (place->offset <= len) {
        *place = (struct send_place){.offset = 0};
        return;
    }
    assert(place->piece >= pieces);
    if (place->piece == pieces)
        place->skip -= skip;
    place->piece -= pieces;
    place->offset -= len;
    place->ring -= from_ring;
}

void send_queue_drop(struct send_queue *queue, struct net_budget *budget,
                     uint32_t len)
{
    uint32_t from_ring = queue->count == 0 ? len : 0;
    uint32_t all = len, skip = 0;
    unsigned first = queue->first;

    assert(len <= queue->used);
    queue->used -= len;
    if (likely(queue->used == 0 && queue->size == 0)) {
        net_buffer_release(&queue->ring, budget);
        return;
    }
    while (queue->count > 0 && len > 0) {
        struct slice *piece = piece_at(queue, 0);
        uint32_t part = min_u32(piece->len, len);

        len -= part;
        piece->len -= part;
        piece->offset += part;
        if (piece->buf == NULL) {
            from_ring += part;
        } else {
            queue->lent -= part;
            budget->used -= part;
        }
        if (piece->len > 0) {
            skip = part;
            break;
        }
        if (piece->buf != NULL)
            buf_put(piece->buf);
        queue->first++;
        queue->count--;
    }
    if (queue->pieces != NULL)
        place_shift(&queue->pieces->last, all, from_ring, queue->first - first,
                    skip);
    net_buffer_drop(&queue->ring, from_ring);
    if (queue->used == 0)
        send_queue_release(queue, budget);
    else if (queue->ring.is_lent && queue->ring.used == 0)
        net_buffer_release(&queue->ring, budget); /* others need the packet */
}

void send_queue_release(struct send_queue *queue, struct net_budget *budget)
{
    for (unsigned i = 0; i < queue->count; i++) {
        if (piece_at(queue, i)->buf != NULL)
            buf_put(piece_at(queue, i)->buf);
    }
    assert(queue->lent <= budget->used);
    budget->used -= queue->lent;
    net_buffer_release(&queue->ring, budget);
    if (queue->pieces != NULL)
        mem_free(queue->pieces);
    queue->pieces = NULL;
    queue->used = queue->lent = 0;
    queue->size = queue->first = queue->count = 0;
}

/* What is remembered is what a search finds. */
static void last_check(const struct send_queue *queue)
{
    const struct send_place *last = &queue->pieces->last;
    struct send_place place = {.offset = 0}, same = *last;

    assert(last->offset <= queue->used);
    place_move(queue, &place, last->offset);
    place_move(queue, &same, last->offset);
    assert(place.piece == same.piece && place.skip == same.skip);
    assert(place.ring == same.ring);
}

void send_queue_check(const struct send_queue *queue)
{
    uint32_t lent = 0, copied = 0;

    net_buffer_check(&queue->ring);
    assert((queue->pieces != NULL) == (queue->size != 0));
    if (queue->pieces != NULL)
        last_check(queue);
    assert(queue->first + queue->count <= queue->size);
    for (unsigned i = 0; i < queue->count; i++) {
        const struct slice *piece = piece_at(queue, i);

        assert(piece->len > 0);
        if (piece->buf == NULL) {
            copied += piece->len;
        } else {
            assert(slice_valid(piece));
            lent += piece->len;
        }
    }
    assert(lent == queue->lent);
    assert(queue->count == 0 || copied == queue->ring.used);
    assert(queue->used == queue->ring.used + queue->lent);
    assert((queue->used == 0) ==
           (queue->ring.base == NULL && queue->lent == 0));
}
