/*
 * Requests of the page cache as messages: READ and WRITE. They have no thread:
 * the block layer gives them, and gets them back when the server has answered.
 *
 * Pages are whole, files end within one. What a file has behind the end that
 * the server knows reads as zeros; what a page has behind the end of the file
 * is not written.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>
#include <torc/string.h>

enum {
    SLOT_BYTES = 128,
    ANSWER_AT = 96, /* in a slot: behind the header and what follows it */
    WINDOWS_MIN = 64,
};
static_assert(FUSE_IN_HEADER + FUSE_READ_IN <= ANSWER_AT, "it has room");
static_assert(ANSWER_AT + FUSE_OUT_HEADER + FUSE_WRITE_OUT <= SLOT_BYTES,
              "it has room");

/* A request that is with the server. Owner CPU only. */
struct flight {
    struct fuse_call call;
    struct fuse_fs *fs;
    struct block_request *request; /* NULL: this flight is free */
    struct fuse_inode *node;
    uint64_t unique;
    uint64_t offset; /* in the file */
    uint32_t len;    /* bytes that are read or written */
    uint8_t *slot;   /* its own, constant */
    uint64_t bus;    /* of the slot */
    struct flight *next_free;
};

/* ---- Windows ------------------------------------------------------------- */

static int windows_grow(struct fuse_fs *fs)
{
    uint32_t count = fs->window_count == 0 ? WINDOWS_MIN : 2 * fs->window_count;
    struct fuse_inode **windows;

    if (count > FUSE_WINDOWS_MAX)
        return -ENFILE;
    windows = mem_resize(fs->windows, count * sizeof(*windows));
    if (windows == NULL)
        return -ENOMEM;
    memset(windows + fs->window_count, 0,
           (count - fs->window_count) * sizeof(*windows));
    fs->windows = windows;
    fs->window_count = count;
    return 0;
}

int window_open(struct fuse_inode *node)
{
    struct fuse_fs *fs = fuse_of(&node->inode);
    int status = 0;

    if (node->window != 0)
        return 0;
    while (fs->window_hint < fs->window_count &&
           fs->windows[fs->window_hint] != NULL)
        fs->window_hint++;
    if (fs->window_hint >= fs->window_count)
        status = windows_grow(fs);
    if (status != 0)
        return status;
    node->window = fs->window_hint++;
    fs->windows[node->window] = node;
    return 0;
}

void window_close(struct fuse_inode *node)
{
    struct fuse_fs *fs = fuse_of(&node->inode);

    if (node->window == 0)
        return;
    fs->windows[node->window] = NULL;
    if (node->window < fs->window_hint)
        fs->window_hint = node->window;
    node->window = 0;
}

static struct fuse_inode *window_at(const struct fuse_fs *fs, uint64_t sector)
{
    uint64_t window = sector >> FUSE_WINDOW_SHIFT;

    return window < fs->window_count ? fs->windows[window] : NULL;
}

/* ---- The end ------------------------------------------------------------- */

static void flight_free(struct flight *flight)
{
    flight->node->in_flight--;
    flight->request = NULL;
    flight->next_free = flight->fs->free_flight;
    flight->fs->free_flight = flight;
}

/* What the server did not give is zeros. */
static void clear_from(const struct block_request *request, uint32_t from)
{
    struct block_cursor cursor;
    struct block_piece piece;
    uint32_t at = 0;

    block_pieces_begin(request, &cursor);
    while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
        uint32_t skip = at >= from ? 0 : from - at;

        if (skip < piece.len)
            memset(piece.at + skip, 0, piece.len - skip);
        at += piece.len;
    }
}

static int written_check(struct flight *flight, int64_t got)
{
    struct fuse_inode *node = flight->node;

    if (got != FUSE_WRITE_OUT)
        return fuse_fault(flight->fs, "an answer of another length");
    if (le32_get(flight->slot + ANSWER_AT + FUSE_OUT_HEADER) != flight->len)
        return -EIO; /* not all of it */
    fuse_changed(node);
    if (flight->offset + flight->len > node->server_size)
        node->server_size = flight->offset + flight->len;
    return 0;
}

/* Returns how it has ended. */
static int answer_check(struct flight *flight, uint32_t written)
{
    const struct block_request *request = flight->request;
    int64_t got =
        parse_header(flight->slot + ANSWER_AT, written, flight->unique);

    if (got == -EPROTO)
        return fuse_fault(flight->fs, "an answer without a header");
    if (got < 0)
        return (int)got;
    if (request->priv.op == BLOCK_WRITE)
        return written_check(flight, got);
    if (got < flight->len)
        clear_from(request, (uint32_t)got);
    return 0;
}

static void flight_ended(struct fuse_call *call, int status, uint32_t written)
{
    struct flight *flight = container_of(call, struct flight, call);
    struct block_request *request = flight->request;
    struct fuse_channel *channel = flight->fs->channel;

    if (status == 0)
        status = answer_check(flight, written);
    else if (channel->is_lost)
        return; /* the server may still write to its memory */
    else
        status = -ECANCELED;
    flight_free(flight);
    block_done(channel->block.queues[0], request, status);
}

/* ---- The beginning ------------------------------------------------------- */

/* The header, and what follows it for READ and WRITE alike. */
static void slot_fill(struct flight *flight, bool writes, uint64_t fh)
{
    const uint32_t len = FUSE_IN_HEADER + FUSE_READ_IN;
    uint8_t *slot = flight->slot;

    static_assert(FUSE_READ_IN == FUSE_WRITE_IN, "they have the same fields");
    memset(slot, 0, SLOT_BYTES);
    le32_put(slot, writes ? len + flight->len : len);
    le32_put(slot + 4, writes ? FUSE_WRITE : FUSE_READ);
    le64_put(slot + 8, flight->unique);
    le64_put(slot + 16, flight->node->inode.number);
    le64_put(slot + FUSE_IN_HEADER, fh);
    le64_put(slot + FUSE_IN_HEADER + 8, flight->offset);
    le32_put(slot + FUSE_IN_HEADER + 16, flight->len);
}

/* The pieces of a message: how many. */
static unsigned pieces_fill(struct flight *flight, bool writes)
{
    struct fuse_piece *pieces = flight->fs->pieces;
    const struct fuse_piece answer = {
        flight->bus + ANSWER_AT,
        FUSE_OUT_HEADER + (writes ? FUSE_WRITE_OUT : 0), true};
    struct block_cursor cursor;
    struct block_piece piece;
    uint32_t left = flight->len;
    unsigned count = 0;

    pieces[count++] =
        (struct fuse_piece){flight->bus, FUSE_IN_HEADER + FUSE_READ_IN, false};
    if (!writes)
        pieces[count++] = answer;
    block_pieces_begin(flight->request, &cursor);
    while (left > 0 && block_piece_next(&cursor, left, &piece)) {
        pieces[count++] = (struct fuse_piece){piece.bus, piece.len, !writes};
        left -= piece.len;
    }
    if (writes)
        pieces[count++] = answer;
    return count;
}

/* How many bytes of a request are before the end of the file. */
static uint32_t len_of(const struct block_request *first,
                       const struct fuse_inode *node, uint64_t offset)
{
    const uint64_t size = node->inode.pages.size_bytes;
    const uint32_t len = first->priv.sectors * BLOCK_SECTOR_SIZE;

    if (first->priv.op == BLOCK_READ)
        return len;
    if (offset >= size)
        return 0;
    return size - offset < len ? (uint32_t)(size - offset) : len;
}

static int flight_send(struct fuse_fs *fs, struct flight *flight, uint64_t fh)
{
    struct fuse_channel *channel = fs->channel;
    bool writes = flight->request->priv.op == BLOCK_WRITE;
    int status;

    slot_fill(flight, writes, fh);
    status = channel->ops->send(channel, &flight->call, fs->pieces,
                                pieces_fill(flight, writes), false);
    if (status != 0) {
        flight->request = NULL;
        return status;
    }
    fs->free_flight = flight->next_free;
    flight->node->in_flight++;
    return 0;
}

int fuse_transfer(struct fuse_channel *channel, struct block_request *first)
{
    struct fuse_fs *fs = channel->fs;
    struct fuse_inode *node = window_at(fs, first->priv.sector);
    const uint64_t mask = (UINT64_C(1) << FUSE_WINDOW_SHIFT) - 1;
    const uint64_t offset = (first->priv.sector & mask) * BLOCK_SECTOR_SIZE;
    struct flight *flight = fs->free_flight;
    const struct handle *handle;

    if (node == NULL || first->priv.op > BLOCK_WRITE)
        return -EIO;
    handle = first->priv.op == BLOCK_READ ? handle_any(node)
                                          : &node->handles[HANDLE_BOTH];
    if (handle == NULL || !handle->is_open)
        return -EIO;
    if (len_of(first, node, offset) == 0) {
        block_done(channel->block.queues[0], first, 0);
        return 0;
    }
    if (flight == NULL)
        return -EAGAIN;
    flight->request = first;
    flight->node = node;
    flight->unique = fs->unique_next++;
    flight->offset = offset;
    flight->len = len_of(first, node, offset);
    return flight_send(fs, flight, handle->fh);
}

/* ---- Making -------------------------------------------------------------- */

int transfers_init(struct fuse_fs *fs)
{
    fs->window_hint = 1;
    fs->slots = buf_alloc(FUSE_FLIGHTS * SLOT_BYTES);
    fs->flights = mem_alloc_zeroed(FUSE_FLIGHTS * sizeof(*fs->flights));
    if (fs->slots == NULL || fs->flights == NULL) {
        transfers_fini(fs);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < FUSE_FLIGHTS; i++) {
        struct flight *flight = &fs->flights[i];

        flight->call.done = flight_ended;
        flight->fs = fs;
        flight->slot = fs->slots->base + (size_t)i * SLOT_BYTES;
        flight->bus = fs->slots->bus + (uint64_t)i * SLOT_BYTES;
        flight->next_free = fs->free_flight;
        fs->free_flight = flight;
    }
    return 0;
}

/* Of a device that was not stopped the slots are never used again. */
void transfers_fini(struct fuse_fs *fs)
{
    if (fs->slots != NULL && !fs->channel->is_lost)
        buf_put(fs->slots);
    mem_free(fs->flights);
    mem_free(fs->windows);
}
