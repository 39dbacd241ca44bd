/* Connections that an attacker holds: peer.c. */
#ifndef TORC_TESTS_ATTACK_PEER_H
#define TORC_TESTS_ATTACK_PEER_H

#include "tests/attack/attack.h"

enum peer_state {
    PEER_CLOSED, /* to be opened, from `at_ms` on */
    PEER_SYN_SENT,
    PEER_OPEN,
};

struct peer {
    uint8_t state;
    uint8_t generation; /* each connection has another port */
    bool fin_came;
    uint32_t at_ms;    /* when it last did something by itself */
    uint32_t born_ms;  /* opened */
    uint32_t snd, rcv; /* next sequence numbers */
    uint32_t start;    /* rcv when it was opened */
    uint16_t window;   /* of the victim, when it was opened */
};

/* What makes one attack another. */
struct peer_ways {
    uint16_t syn_window;
    uint8_t scale;
    /* The handshake is done: send what is sent then. */
    void (*opened)(struct peer *peer);
    /* Bytes, or a FIN, have come, and rcv is behind those in order. */
    void (*came)(struct peer *peer);
    /* About every second. */
    void (*tick)(struct peer *peer);
};

/* Send bytes at snd, which moves behind them, with a window. */
void peer_send(struct peer *peer, uint16_t window, const char *text);
/* Bytes, but at another place; snd stays. */
void peer_send_at(struct peer *peer, uint32_t seq, uint16_t window,
                  const char *text);
void peer_ack(struct peer *peer, uint16_t window);
/* Leave it without a word, and open another one. */
void peer_forget(struct peer *peer);
/* End it with a FIN when `fin`, or a reset, and open another one. */
void peer_end(struct peer *peer, bool fin);
/* How long it has been open. */
uint32_t peer_age_ms(const struct peer *peer);

#endif
