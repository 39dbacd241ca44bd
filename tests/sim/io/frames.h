/*
 * The frames of a run: the reference that knows of each one whether it was
 * sent, how often it has left the card, how many copies of it the cable has
 * carried to the card, and how often it came back. A frame that is not as it
 * was sent, or is there more often than it can be, ends the run.
 *
 * A frame's first bytes say which one it is: to the card's own address or to
 * all, from sender and number. If it is long enough there is a TCP header
 * without options where that of IPv4 has one.
 */
#ifndef TORC_TESTS_SIM_IO_FRAMES_H
#define TORC_TESTS_SIM_IO_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_SENDERS = 7, /* the last one has frames to see whether a card works */
    FRAMES_EACH = 12,
    FRAME_MIN = 20,
    FRAME_MAX = 1514,
    FRAME_LARGE = 20000,
    FRAME_TCP = 34, /* where its header begins, */
    FRAME_TCP_SUM = FRAME_TCP + 16,
    FRAME_HEADERS = FRAME_TCP + 20, /* and ends */
};

/* The card's address. */
extern const uint8_t frames_mac[6];

/* Before the first one: shorter frames leave the card filled up with zeros to
 * `padded_to` bytes. */
void frames_begin(uint32_t padded_to);

/* Frame `number` of a sender, of `len` bytes, is sent. */
void frame_make(uint8_t *data, uint32_t len, unsigned sender, unsigned number);

/* A frame leaves the card; a copy of it arrives there; it comes from there. */
void frame_leaves(const uint8_t *data, uint32_t len);
void frame_arrives(const uint8_t *data, uint32_t len);
void frame_comes(const uint8_t *data, uint32_t len);

/* How many have left; how many came; whether that one has left. */
unsigned frames_left(void);
unsigned frames_came(void);
bool frame_has_left(unsigned sender, unsigned number);

#endif
