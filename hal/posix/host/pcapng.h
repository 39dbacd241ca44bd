/*
 * The format of a file of frames: draft-ietf-opsawg-pcapng. It is a list of
 * blocks, each a multiple of 4 bytes long: one for the section, one for each
 * network card, one for each frame. Nothing here writes to a file.
 */
#ifndef TORC_HAL_POSIX_HOST_PCAPNG_H
#define TORC_HAL_POSIX_HOST_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

enum {
    PCAPNG_BLOCK_MAX = 192, /* of a block without a frame */
    PCAPNG_TEXT_MAX = 63,   /* of a name or description that is not cut */
};

/* What is known of a frame (draft, 4.3.1). */
enum pcapng_flags {
    PCAPNG_IN = 1,
    PCAPNG_OUT = 2,
    PCAPNG_CSUM_NOT_READY = 1 << 9, /* left to who gets the frame */
    PCAPNG_CSUM_VALID = 1 << 10,
    PCAPNG_SEGMENTS = 1 << 11, /* stands for several segments of TCP */
};

struct pcapng_frame {
    uint32_t card;     /* blocks of cards before its own */
    uint32_t flags;    /* enum pcapng_flags */
    uint64_t time_ns;  /* UTC since 1970 */
    uint32_t captured; /* bytes that are written */
    uint32_t len;      /* bytes of the frame */
    uint64_t lost;     /* frames of the card since the last one */
};

/* The section, which comes first. Returns its size. */
size_t pcapng_section(uint8_t *to);

/* A card that carries Ethernet; `snap`: so much of a frame is written at most,
 * 0: all. Returns its size. */
size_t pcapng_card(uint8_t *to, const char *name, const char *description,
                   uint32_t snap);

/* Bytes of the frame's block. */
size_t pcapng_frame_size(const struct pcapng_frame *frame);

/* Write the block but for frame->captured bytes of the frame. Returns where
 * these belong. */
uint8_t *pcapng_frame_write(uint8_t *to, const struct pcapng_frame *frame);

#endif
