/*
 * Frames of TCP and UDP whose checksums, and cutting into segments, are left to
 * a card: packets as a stack makes them, and what has to come out of the card.
 */
#ifndef TORC_TESTS_FAKES_OFFLOAD_FLOW_H
#define TORC_TESTS_FAKES_OFFLOAD_FLOW_H

#include "kernel/device/packet.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLOW_ETHER = 14,
    FLOW_TCP = 6,
    FLOW_UDP = 17,
    FLOW_COUNT = 18,
    FLOW_TSO4 = 10, /* a flow with segments of IPv4 */
};

/* The address that frames come from, and the one they go to. */
extern const uint8_t flow_from[6], flow_to[6];

/* A packet, and how it is sent. */
struct flow {
    const char *name;
    bool six;
    uint8_t protocol;
    size_t ip_options, options; /* of IPv4 and of TCP, bytes */
    unsigned segment;           /* bytes of payload in each; 0: whole */
    size_t first, rest;         /* payload beside the headers, and in slices */
};

extern const struct flow flows[FLOW_COUNT];

size_t flow_ip_len(const struct flow *flow);
size_t flow_headers_len(const struct flow *flow);
size_t flow_sum_at(const struct flow *flow); /* of TCP or UDP, in the frame */
size_t flow_payload(const struct flow *flow);
unsigned flow_frames(const struct flow *flow);

/* A packet of this CPU's pool. */
struct packet *flow_make(const struct flow *flow);

/* The whole frame, with right checksums. Returns its length. */
size_t flow_frame(const struct flow *flow, uint8_t *frame);

/* Ones' complement: RFC 1071. */
uint32_t flow_sum_add(uint32_t sum, const uint8_t *data, size_t len);
uint16_t flow_sum_fold(uint32_t sum);

/* What has come of a flow. */
struct flow_progress {
    const struct flow *flow;
    size_t arrived; /* bytes of its payload */
    unsigned frames;
};

/* The next frame is as it has to be, or the test fails. A short one may be
 * padded to 60 bytes. */
void flow_check(struct flow_progress *progress, const uint8_t *frame,
                size_t len);

#endif
