/*
 * The packet formats of the network. Parsers turn bytes into structures in host
 * byte order, and emitters the reverse. They are pure functions: no state, no
 * allocation, and no other part of the stack is needed.
 *
 * A parser is told how many bytes there are and checks each length field in
 * them; what it accepts is safe to use. Addresses are in host byte order
 * (10.0.2.15 is 0x0a00020f).
 */
#ifndef TORC_NET_WIRE_WIRE_H
#define TORC_NET_WIRE_WIRE_H

#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/string.h>

/* ---- Ethernet II (IEEE 802.3, clause 3) ---------------------------------- */

enum {
    ETHER_HEADER_SIZE = 14,
    ETHER_ADDR_SIZE = 6,
    ETHER_TYPE_IP4 = 0x0800,
    ETHER_TYPE_ARP = 0x0806,
    ETHER_TYPE_IP6 = 0x86dd,
};

struct ether_header {
    uint8_t dst[ETHER_ADDR_SIZE];
    uint8_t src[ETHER_ADDR_SIZE];
    uint16_t type;
};

/* Whether the address names a group: multicast or broadcast. */
static inline bool ether_is_group(const uint8_t *addr)
{
    return (addr[0] & 1) != 0;
}

/* Returns 0, -EPROTO (too short, or a group address as the source). */
must_check static inline int ether_parse(const uint8_t *frame, size_t len,
                                         struct ether_header *out)
{
    if (len < ETHER_HEADER_SIZE || ether_is_group(frame + ETHER_ADDR_SIZE))
        return -EPROTO;
    memcpy(out->dst, frame, ETHER_ADDR_SIZE);
    memcpy(out->src, frame + ETHER_ADDR_SIZE, ETHER_ADDR_SIZE);
    out->type = be16_get(frame + 12);
    return 0;
}

/* Write ETHER_HEADER_SIZE bytes. */
static inline void ether_put(uint8_t *frame, const uint8_t *dst,
                             const uint8_t *src, uint16_t type)
{
    memcpy(frame, dst, ETHER_ADDR_SIZE);
    memcpy(frame + ETHER_ADDR_SIZE, src, ETHER_ADDR_SIZE);
    be16_put(frame + 12, type);
}

static inline void ether_emit(uint8_t *frame, const struct ether_header *header)
{
    ether_put(frame, header->dst, header->src, header->type);
}

/* ---- ARP for IPv4 over Ethernet (RFC 826) -------------------------------- */

enum { ARP_SIZE = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_message {
    uint16_t op; /* ARP_REQUEST or ARP_REPLY */
    uint8_t sender_mac[ETHER_ADDR_SIZE];
    uint32_t sender;
    uint8_t target_mac[ETHER_ADDR_SIZE];
    uint32_t target;
};

/*
 * Returns 0, -EPROTO (too short, another hardware or protocol, wrong address
 * lengths, another operation, a group or zero address as the sender's).
 */
must_check int arp_parse(const uint8_t *buf, size_t len,
                         struct arp_message *out);

/* Write ARP_SIZE bytes. */
void arp_emit(uint8_t *buf, const struct arp_message *message);

/* ---- IPv4 (RFC 791) ------------------------------------------------------ */

enum {
    IP4_HEADER_SIZE = 20, /* without options */
    IP4_TTL = 64,
    IP4_MORE_FRAGMENTS = 0x2000, /* in the field of the fragment's offset */
    IP4_DONT_FRAGMENT = 0x4000,
    IP4_OFFSET_MASK = 0x1fff, /* in units of 8 bytes */
    IP4_ICMP = 1,
    IP4_TCP = 6,
    IP4_UDP = 17,
    IP4_ADDRESS_TEXT = 16, /* "255.255.255.255" and its NUL */
    IP_ECN_CAPABLE = 2,    /* in the traffic class: ECT(0), RFC 3168 */
    IP_ECN_MARKED = 3,     /* CE; and the mask of both */
    IP6_HEADER_SIZE = 40,  /* RFC 8200, without extensions */
};

struct ip4_header {
    uint32_t src;
    uint32_t dst;
    uint16_t id;
    uint8_t protocol;
    uint8_t ttl;
    uint8_t traffic_class; /* the TOS octet: RFC 2474, RFC 3168 */
    bool is_fragment;
    bool dont_fragment;
    bool more_fragments;
    uint32_t fragment_offset; /* bytes; 0 when sent */
    size_t header_len;        /* 20 .. 60 */
    size_t total_len;         /* header_len .. the length given */
};

/*
 * Returns 0, -EPROTO (version, header length, total length), -EUCLEAN (the
 * header checksum). Bytes after total_len are link padding.
 */
must_check int ip4_parse(const uint8_t *buf, size_t len,
                         struct ip4_header *out);

/* As ip4_parse() for the header an ICMP error quotes: the datagram may be cut
 * off after its header, and the checksum is not looked at. */
must_check int ip4_parse_quoted(const uint8_t *buf, size_t len,
                                struct ip4_header *out);

static inline uint64_t ip4_header_word(const uint8_t *buf)
{
    uint32_t word;

    memcpy(&word, buf, sizeof(word));
    return word;
}

/* The checksum over a header of `len` bytes, at least IP4_HEADER_SIZE and a
 * multiple of 4: RFC 1071 as in checksum_add(). */
static inline uint16_t ip4_header_sum(const uint8_t *buf, size_t len)
{
    uint64_t sum = ip4_header_word(buf) + ip4_header_word(buf + 4) +
                   ip4_header_word(buf + 8) + ip4_header_word(buf + 12) +
                   ip4_header_word(buf + 16);

    for (size_t i = IP4_HEADER_SIZE; i < len; i += 4)
        sum += ip4_header_word(buf + i);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~__builtin_bswap16((uint16_t)sum);
}

/* ip4_emit() in line, for the way that each segment of TCP takes. */
static inline void ip4_header_put(uint8_t *buf, const struct ip4_header *header)
{
    buf[0] = 4 << 4 | IP4_HEADER_SIZE / 4;
    buf[1] = header->traffic_class;
    be16_put(buf + 2, (uint16_t)header->total_len);
    be16_put(buf + 4, header->id);
    be16_put(buf + 6, header->dont_fragment ? IP4_DONT_FRAGMENT : 0);
    buf[8] = header->ttl;
    buf[9] = header->protocol;
    be16_put(buf + 10, 0);
    be32_put(buf + 12, header->src);
    be32_put(buf + 16, header->dst);
    be16_put(buf + 10, ip4_header_sum(buf, IP4_HEADER_SIZE));
}

/* Write IP4_HEADER_SIZE bytes with the checksum; header_len is ignored. */
void ip4_emit(uint8_t *buf, const struct ip4_header *header);

/* The sum over the pseudo header (RFC 9293, 3.1), for checksum_add(). */
static inline uint32_t ip4_pseudo_sum(uint32_t src, uint32_t dst,
                                      uint8_t protocol, size_t len)
{
    return (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) +
           protocol + (uint32_t)len;
}

/* Write an address as text. */
void ip4_format(char text[IP4_ADDRESS_TEXT], uint32_t address);

/* ---- ICMP (RFC 792) ------------------------------------------------------ */

enum {
    ICMP4_HEADER_SIZE = 8,
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_CODE_TRANSIT = 0, /* of ICMP4_TIME_EXCEEDED: the hop limit */
    ICMP4_CODE_REASSEMBLY = 1,
    ICMP4_CODE_PROTOCOL = 2,
    ICMP4_CODE_PORT = 3,
    ICMP4_CODE_TOO_BIG = 4,
};

struct icmp4_message {
    uint8_t type;
    uint8_t code;
    uint32_t rest; /* the type's own four bytes */
};

/* Returns 0, -EPROTO (too short), -EUCLEAN (the checksum). */
must_check int icmp4_parse(const uint8_t *buf, size_t len,
                           struct icmp4_message *out);

/* Write the header in front of the payload that is in place already; `len` is
 * that of both. */
void icmp4_emit(uint8_t *buf, size_t len, const struct icmp4_message *message);

/* ---- UDP (RFC 768) ------------------------------------------------------- */

enum { UDP_HEADER_SIZE = 8 };

struct udp_header {
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t len; /* of header and payload */
    uint16_t sum; /* as it is in the datagram */
};

/* Returns 0, -EPROTO (too short, or says so, or to port 0). The datagram may be
 * longer than `len`: its rest may lie elsewhere. The checksum is not looked at.
 */
must_check int udp_parse(const uint8_t *buf, size_t len,
                         struct udp_header *out);

/* Write UDP_HEADER_SIZE bytes. */
void udp_emit(uint8_t *buf, const struct udp_header *header);

/* ---- TCP (RFC 9293, 3.1; RFC 7323 for the options) ----------------------- */

enum {
    TCP_HEADER_SIZE = 20, /* without options */
    TCP_OPTIONS_MAX = 40,
    TCP_CHECKSUM_OFFSET = 16,
    TCP_STAMP_OPTION = 12, /* the timestamps, with two NOPs before them */
    /* NOP, NOP, kind 8, 10 bytes: RFC 7323, appendix A */
    TCP_STAMP_START = 0x0101080a,
    TCP_SACK_SIZE = 8, /* a block: begin and end */
    TCP_SACKS_MAX = 4, /* blocks in a segment */
};

/* Who adds a checksum up. */
enum wire_sum { WIRE_SUM_HERE, WIRE_SUM_BY_CARD };

enum tcp_flag {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    TCP_URG = 32,
    TCP_ECE = 64, /* RFC 3168 */
    TCP_CWR = 128,
};

struct tcp_options {
    uint16_t mss;          /* 0: none */
    bool has_scale;        /* window scale */
    uint8_t scale;         /* 0 .. 14 */
    bool sack_permitted;   /* RFC 2018 */
    bool has_timestamp;    /* RFC 7323 */
    uint32_t timestamp;    /* TSval */
    uint32_t timestamp_of; /* TSecr */
    uint8_t sack_count;    /* 0 .. TCP_SACKS_MAX */
    const uint8_t *sack;   /* TCP_SACK_SIZE bytes each, in network order */
};

struct tcp_segment {
    uint16_t src_port;
    uint16_t dst_port;
    uint32_t seq;
    uint32_t ack;
    uint8_t flags; /* enum tcp_flag */
    uint16_t window;
    uint16_t urgent;
    bool is_marked; /* its datagram is: congestion experienced; not parsed */
    struct tcp_options options;
    const uint8_t *payload; /* into the buffer parsed */
    size_t payload_len;
};

/*
 * `sum`: whether the checksum is to be looked at; `pseudo`: the sum over the
 * pseudo header, whose length is `len` (not used otherwise). Returns 0, -EPROTO
 * (header length, an option of length 0 or 1, past the end, or of another
 * length than its kind has), -EUCLEAN (the checksum).
 */
must_check int tcp_parse(const uint8_t *buf, size_t len, uint32_t pseudo,
                         enum wire_sum sum, struct tcp_segment *out);

/* How long the header of a segment to emit is, and the options of it. */
size_t tcp_options_len(const struct tcp_segment *segment);

static inline size_t tcp_header_len(const struct tcp_segment *segment)
{
    return (segment->flags & TCP_SYN) == 0 && !segment->options.has_timestamp &&
                   segment->options.sack_count == 0
               ? TCP_HEADER_SIZE
               : TCP_HEADER_SIZE + tcp_options_len(segment);
}

/* The parts of tcp_emit() in line, for the segments that most are: the header
 * of `header_len` bytes without the checksum; timestamps, as the only option;
 * and the checksum. */
static inline void tcp_header_put(uint8_t *buf, size_t header_len,
                                  const struct tcp_segment *segment)
{
    be16_put(buf, segment->src_port);
    be16_put(buf + 2, segment->dst_port);
    be32_put(buf + 4, segment->seq);
    be32_put(buf + 8, segment->ack);
    be32_put(buf + 12, (uint32_t)header_len << 26 |
                           (uint32_t)segment->flags << 16 | segment->window);
    be32_put(buf + 16, segment->urgent);
}

static inline void tcp_stamp_put(uint8_t *option, uint32_t timestamp,
                                 uint32_t timestamp_of)
{
    be32_put(option, TCP_STAMP_START);
    be32_put(option + 4, timestamp);
    be32_put(option + 8, timestamp_of);
}

static inline void tcp_sum_put(uint8_t *buf, size_t len, uint32_t pseudo,
                               enum wire_sum sum)
{
    if (sum == WIRE_SUM_HERE)
        be16_put(buf + 16, checksum_finish(checksum_add(pseudo, buf, len)));
    else
        be16_put(buf + 16, (uint16_t)~checksum_finish(pseudo));
}

/*
 * Write the header in front of the payload that is in place already; `len` is
 * that of both, and that in `pseudo`. A SYN carries options.mss and, as
 * has_scale and sack_permitted say, those; any segment what has_timestamp and
 * sack_count say. When the card adds the checksum up, its field gets `pseudo`,
 * the sum of the pseudo header.
 */
void tcp_emit(uint8_t *buf, size_t len, uint32_t pseudo, enum wire_sum sum,
              const struct tcp_segment *segment);

#endif
