/*
 * The bus master of an IDE channel: [BM]. It knows 32 bits of address, moves
 * words, and crosses no multiple of 64 KiB. What it cannot reach goes by way of
 * a buffer that it can.
 */
#include "drivers/ide.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    REG_COMMAND = 0,
    REG_STATUS = 2,
    REG_TABLE = 4,
    COMMAND_START = 1,
    COMMAND_TO_MEMORY = 1 << 3,
    STATUS_CAPABLE = 3 << 5, /* the firmware's: kept */
    TABLE_SIZE = 4096,
    ENTRY_SIZE = 8,
    ENTRY_LAST = 1 << 7, /* of its last byte */
    REGION_SIZE = 65536,
    BOUNCE_SIZE = IDE_SECTORS_MAX * BLOCK_SECTOR_SIZE,
    STOP_LOOKS = 1000,
};
#define REACH (UINT64_C(1) << 32)

static_assert(TABLE_SIZE / ENTRY_SIZE >=
                  IDE_SEGMENTS_MAX + BOUNCE_SIZE / REGION_SIZE + 1,
              "each segment, and each boundary that is crossed");

bool ide_dma_prepare(struct ide_channel *channel)
{
    size_t size = TABLE_SIZE + BOUNCE_SIZE;
    uint8_t *memory = dma_alloc(size);
    uint64_t bus;

    if (memory == NULL)
        return false;
    bus = hal_dma_addr(memory);
    if (bus > REACH - size) {
        dma_free(memory, size);
        return false;
    }
    channel->table = memory;
    channel->table_bus = (uint32_t)bus; /* a page: it crosses no 64 KiB */
    channel->bounce = memory + TABLE_SIZE;
    channel->bounce_bus = (uint32_t)bus + TABLE_SIZE;
    return true;
}

/* ---- The table ----------------------------------------------------------- */

/* Add memory that it reaches to the table of `count` entries; how many it has
 * then. A length of 0 means 64 KiB: [BM] 1.2. */
static unsigned table_add(struct ide_channel *channel, unsigned count,
                          uint64_t bus, uint32_t len)
{
    while (len > 0) {
        uint8_t *entry = channel->table + ENTRY_SIZE * count;
        uint32_t room = REGION_SIZE - (uint32_t)bus % REGION_SIZE;
        uint32_t now = len < room ? len : room;

        assert(count < TABLE_SIZE / ENTRY_SIZE);
        le32_put(entry, (uint32_t)bus);
        le32_put(entry + 4, now % REGION_SIZE);
        bus += now;
        len -= now;
        count++;
    }
    return count;
}

/* The table of a request's own memory; 0: it does not reach all of that. */
static unsigned table_direct(struct ide_channel *channel,
                             const struct block_request *first)
{
    struct block_cursor cursor;
    struct block_piece piece;
    unsigned count = 0;

    block_pieces_begin(first, &cursor);
    while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
        if (piece.bus % 2 != 0 || piece.len % 2 != 0 ||
            piece.bus > REACH - piece.len)
            return 0;
        count = table_add(channel, count, piece.bus, piece.len);
    }
    return count;
}

/* Copy between a request and the bounce buffer. */
static void bounce_copy(struct ide_channel *channel,
                        const struct block_request *first, bool to_bounce)
{
    struct block_cursor cursor;
    struct block_piece piece;
    uint32_t at = 0;

    block_pieces_begin(first, &cursor);
    while (block_piece_next(&cursor, UINT32_MAX, &piece)) {
        assert(piece.len <= BOUNCE_SIZE - at);
        if (to_bounce)
            memcpy(channel->bounce + at, piece.at, piece.len);
        else
            memcpy(piece.at, channel->bounce + at, piece.len);
        at += piece.len;
    }
}

/* ---- A transfer: [BM] 3.1 ------------------------------------------------ */

void ide_dma_begin(struct ide_channel *channel,
                   const struct block_request *first)
{
    unsigned count = table_direct(channel, first);

    channel->is_bounced = count == 0;
    if (count == 0) {
        if (channel->is_write)
            bounce_copy(channel, first, true);
        count = table_add(channel, 0, channel->bounce_bus,
                          first->priv.sectors * BLOCK_SECTOR_SIZE);
    }
    channel->table[ENTRY_SIZE * count - 1] |= ENTRY_LAST;
    hal_io_write32(channel->master, REG_TABLE, channel->table_bus);
    hal_io_write8(channel->master, REG_COMMAND,
                  channel->is_write ? 0 : COMMAND_TO_MEMORY);
    ide_dma_clear(channel, IDE_MASTER_INTERRUPT | IDE_MASTER_ERROR);
    channel->has_event = false;
}

void ide_dma_go(struct ide_channel *channel)
{
    hal_io_write8(
        channel->master, REG_COMMAND,
        (uint8_t)(COMMAND_START | (channel->is_write ? 0 : COMMAND_TO_MEMORY)));
}

uint8_t ide_dma_status(const struct ide_channel *channel)
{
    return hal_io_read8(channel->master, REG_STATUS);
}

void ide_dma_clear(const struct ide_channel *channel, uint8_t bits)
{
    uint8_t kept = ide_dma_status(channel) & STATUS_CAPABLE;

    hal_io_write8(channel->master, REG_STATUS, kept | bits);
}

bool ide_dma_stop(const struct ide_channel *channel)
{
    if (!channel->has_master)
        return true;
    hal_io_write8(channel->master, REG_COMMAND, 0);
    for (unsigned i = 0; i < STOP_LOOKS; i++) {
        if ((ide_dma_status(channel) & IDE_MASTER_ACTIVE) == 0)
            return true;
    }
    return false;
}

void ide_dma_end(struct ide_channel *channel, const struct block_request *first)
{
    if (channel->is_bounced && !channel->is_write)
        bounce_copy(channel, first, false);
}
