/*
 * An attacker on a link: raw frames from as many hosts as it likes, none of
 * which the kernel knows. flood.c has the attacks without a memory, peer.c
 * those that hold connections, by a TCP of a few lines that breaks its rules
 * where the attack is.
 *
 * The hosts of the attacker are SOURCES addresses from NEAR_BASE on, which are
 * on the link and answer ARP, or from FAR_BASE on, behind the gateway, which is
 * the kernel of the honest clients: it drops what is for them, and we see it.
 */
#ifndef TORC_TESTS_ATTACK_ATTACK_H
#define TORC_TESTS_ATTACK_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NEAR_BASE = 0x0a4d8000,   /* 10.77.128.0/18: answer ARP */
    SILENT_BASE = 0x0a4dc000, /* 10.77.192.0/18: answer nothing */
    FAR_BASE = 0xc6120000,    /* 198.18.0.0/15 */
    NEAR_BITS = 14,
    FAR_BITS = 17,
    FRAME_MAX = 1514,
    FRAME_SEEN = 128, /* of what comes: its headers, and a little more */
    BATCH = 64,
};

enum {
    FLAG_FIN = 1,
    FLAG_SYN = 2,
    FLAG_RST = 4,
    FLAG_PSH = 8,
    FLAG_ACK = 16,
};

/* What the command line says. */
struct attack_options {
    uint64_t rate;    /* frames, or new connections, a second */
    uint64_t conns;   /* connections held at a time */
    uint64_t sources; /* hosts of the attacker */
    uint64_t near;    /* 1: on the link; 0: behind the gateway */
    uint64_t port;    /* of the victim */
};

struct frame {
    size_t len;
    uint8_t data[FRAME_MAX];
};

struct peer_ways;

struct segment {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint16_t len;  /* of the payload, which may be longer than what is seen */
    uint8_t scale; /* SYN: the window scale that is offered; 0: none */
    const void *data;
};

/* ---- wire.c -------------------------------------------------------------- */

extern struct attack_options options;
extern uint32_t victim;     /* its address */
extern uint8_t victim6[16]; /* its address, or zero */
extern uint8_t victim_mac[6];
extern uint64_t frames_out;  /* sent, and those that the link had no room */
extern uint64_t frames_lost; /* for */

/* Open the interface, and ask who has the address. Dies without an answer. */
void wire_open(const char *interface, const char *address);

/* A frame to be filled, that leaves with wire_flush() or when many wait. */
struct frame *wire_frame(void);
void wire_flush(void);

/* The frames that have come, BATCH at most: false when there is none. ARP for
 * our hosts is answered and not told. */
bool wire_receive(void (*take)(const uint8_t *frame, size_t len));

/* Wait until a frame comes, or so long. */
void wire_wait(uint64_t ns);

uint32_t random32(void);

void put16(uint8_t *at, unsigned value);
void put32(uint8_t *at, uint32_t value);
unsigned get16(const uint8_t *at);
uint32_t get32(const uint8_t *at);

/* The Internet checksum of data whose sum so far is `sum`. */
uint16_t checksum(uint32_t sum, const uint8_t *data, size_t len);

/* Headers. Each returns where what it carries begins. */
uint8_t *ether_fill(struct frame *frame, const uint8_t mac[6], unsigned type);
uint8_t *ip4_fill(struct frame *frame, uint32_t src, unsigned protocol,
                  unsigned fragment, size_t payload);
void mac_of(uint32_t source, uint8_t mac[6]);

void tcp_send(const struct segment *segment);
bool tcp_read(const uint8_t *frame, size_t len, struct segment *out);

/* ---- flood.c, peer.c, main.c --------------------------------------------- */

struct attack {
    const char *name;
    struct attack_options usual;
    void (*flood)(void);           /* send one frame of a flood; or */
    const struct peer_ways *peers; /* hold connections */
};

extern const struct attack floods[], holds[]; /* up to one without a name */

/* Whether it was told to end: SIGTERM, or the time. */
bool is_over(void);

/* Run until that; prints what was reached. */
void peers_run(const struct peer_ways *ways);

#endif
