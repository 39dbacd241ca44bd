/* The memory of a request, in pieces that the device takes. */
#include "kernel/device/block_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

uint32_t block_piece_len(const struct block_limits *limits, uint64_t bus,
                         uint32_t left)
{
    uint32_t len = min_u32(left, limits->segment_bytes);

    if (limits->boundary != 0) {
        uint32_t in = (uint32_t)bus & (limits->boundary - 1);

        len = min_u32(len, limits->boundary - in);
    }
    return len;
}

/* Let the cursor have bytes left of a slice; false: there are none. */
bool block_cursor_settle(struct block_cursor *cursor)
{
    if (cursor->left == 0) {
        const struct block_request *next = cursor->request->priv.joined;

        if (next == NULL)
            return false;
        block_pieces_begin(next, cursor);
        return cursor->left > 0;
    }
    assert(cursor->offset == cursor->slice->len);
    cursor->slice++;
    cursor->offset = 0;
    assert(cursor->slice->len > 0);
    return true;
}

/* How much of the next `len` bytes is one piece. */
uint32_t block_cursor_cut(const struct block_cursor *cursor, uint32_t len)
{
    return block_piece_len(&cursor->request->priv.open->queue->disk->limits,
                           slice_bus(cursor->slice) + cursor->offset, len);
}

void block_copy(const struct block_request *first, uint8_t *at)
{
    struct block_cursor cursor;
    struct block_piece piece;

    if (first->priv.op == BLOCK_WRITE_ZEROES)
        memset(at, 0, (size_t)first->priv.sectors * BLOCK_SECTOR_SIZE);
    block_pieces_begin(first, &cursor);
    while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
        if (first->priv.op == BLOCK_READ)
            memcpy(piece.at, at, piece.len);
        else
            memcpy(at, piece.at, piece.len);
        at += piece.len;
    }
}
