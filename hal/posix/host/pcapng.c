/* The format of a file of frames: pcapng.h. Numbers are in this machine's byte
 * order, which the section tells (draft-ietf-opsawg-pcapng, 4.1). */
#include "hal/posix/host/pcapng.h"
#include <string.h>
#include <torc/assert.h>

/* Blocks: 11.1; options: 3.5, 4.2, 4.3. */
enum {
    BLOCK_CARD = 1,
    BLOCK_FRAME = 6,
    BLOCK_SECTION = 0x0a0d0d0a,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    VERSION_MAJOR = 1,
    VERSION_MINOR = 0,
    LINKTYPE_ETHERNET = 1,

    OPTION_END = 0,
    OPTION_APPLICATION = 4, /* of the section */
    OPTION_NAME = 2,        /* of a card .. */
    OPTION_DESCRIPTION = 3,
    OPTION_TIME_UNIT = 9,
    OPTION_FLAGS = 2, /* of a frame .. */
    OPTION_LOST = 4,

    UNIT_NS = 9, /* 10^-9 s */

    FRAME_HEAD = 28,
    FLAGS_SIZE = 4 + 4,
    LOST_SIZE = 4 + 8,
    OPTIONS_END = 4,
    BLOCK_TAIL = 4,
};

/* ---- Pieces: each returns what lies behind it ---------------------------- */

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    memset(at + len, 0, padded(len) - len);
    return at + padded(len);
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put(at, &value, sizeof(value));
}

static uint8_t *put16s(uint8_t *at, uint16_t first, uint16_t second)
{
    const uint16_t pair[] = {first, second};

    return put(at, pair, sizeof(pair));
}

static uint8_t *option(uint8_t *at, uint16_t code, const void *value,
                       size_t len)
{
    return put(put16s(at, code, (uint16_t)len), value, len);
}

static uint8_t *option_text(uint8_t *at, uint16_t code, const char *text)
{
    return option(at, code, text, strnlen(text, PCAPNG_TEXT_MAX));
}

/* The block at `to` ends at `at`. Returns its size. */
static size_t block_end(uint8_t *to, uint8_t *at)
{
    uint32_t size = (uint32_t)(at - to) + BLOCK_TAIL;

    assert(size % 4 == 0);
    put32(to + 4, size);
    put32(at, size);
    return size;
}

/* ---- Blocks -------------------------------------------------------------- */

size_t pcapng_section(uint8_t *to)
{
    static const uint64_t unknown = UINT64_MAX; /* the section's length */
    uint8_t *at = put32(to, BLOCK_SECTION);

    at = put32(at, 0); /* the size: block_end() */
    at = put32(at, BYTE_ORDER_MAGIC);
    at = put16s(at, VERSION_MAJOR, VERSION_MINOR);
    at = put(at, &unknown, sizeof(unknown));
    at = option_text(at, OPTION_APPLICATION, "Torc");
    at = put16s(at, OPTION_END, 0);
    return block_end(to, at);
}

size_t pcapng_card(uint8_t *to, const char *name, const char *description,
                   uint32_t snap)
{
    static const uint8_t unit = UNIT_NS;
    uint8_t *at = put32(to, BLOCK_CARD);
    size_t size;

    at = put32(at, 0);
    at = put16s(at, LINKTYPE_ETHERNET, 0);
    at = put32(at, snap);
    at = option_text(at, OPTION_NAME, name);
    at = option_text(at, OPTION_DESCRIPTION, description);
    at = option(at, OPTION_TIME_UNIT, &unit, sizeof(unit));
    at = put16s(at, OPTION_END, 0);
    size = block_end(to, at);
    assert(size <= PCAPNG_BLOCK_MAX);
    return size;
}

size_t pcapng_frame_size(const struct pcapng_frame *frame)
{
    return FRAME_HEAD + padded(frame->captured) + FLAGS_SIZE +
           (frame->lost > 0 ? LOST_SIZE : 0) + OPTIONS_END + BLOCK_TAIL;
}

uint8_t *pcapng_frame_write(uint8_t *to, const struct pcapng_frame *frame)
{
    uint8_t *at = put32(to, BLOCK_FRAME);
    uint8_t *bytes;

    assert(frame->captured <= frame->len);
    at = put32(at, 0);
    at = put32(at, frame->card);
    at = put32(at, (uint32_t)(frame->time_ns >> 32));
    at = put32(at, (uint32_t)frame->time_ns);
    at = put32(at, frame->captured);
    at = put32(at, frame->len);
    bytes = at;
    at = bytes + padded(frame->captured);
    memset(bytes + frame->captured, 0,
           padded(frame->captured) - frame->captured);
    at = option(at, OPTION_FLAGS, &frame->flags, sizeof(frame->flags));
    if (frame->lost > 0)
        at = option(at, OPTION_LOST, &frame->lost, sizeof(frame->lost));
    at = put16s(at, OPTION_END, 0);
    block_end(to, at);
    return bytes;
}
