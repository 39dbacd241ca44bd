/*
 * A TCP for attackers: it opens connections, takes what comes in order, and
 * does nothing again that was lost but the SYN. `sources` hosts have `conns`
 * connections together; a host's connection of number n has port PORT_FIRST +
 * n + generation * their number, so that a segment's ports say whose it is.
 */
#include "tests/attack/peer.h"
#include "tests/bench/link_end.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_FIRST = 1024, PORTS = 64512, SYN_MS = 3000, PAUSE_MS = 500 };

static struct peer *peers;
static uint32_t per_source; /* connections */
static const struct peer_ways *ways;
static uint32_t now_ms;
static uint64_t opened, ended, came_bytes;

static uint32_t base(void)
{
    return options.near ? NEAR_BASE + 16 : FAR_BASE + 16;
}

static void ends_of(const struct peer *peer, struct segment *segment)
{
    uint32_t i = (uint32_t)(peer - peers);

    segment->src = base() + i % (uint32_t)options.sources;
    segment->sport =
        (uint16_t)(PORT_FIRST + i / options.sources +
                   peer->generation % (PORTS / per_source) * per_source);
    segment->dport = (uint16_t)options.port;
}

static struct peer *peer_find(const struct segment *segment)
{
    uint32_t source = segment->dst - base();
    uint32_t at = segment->dport - PORT_FIRST;
    struct segment ends;
    struct peer *peer;

    if (source >= options.sources || segment->dport < PORT_FIRST)
        return NULL;
    source += at % per_source * (uint32_t)options.sources;
    if (source >= options.conns)
        return NULL;
    peer = &peers[source];
    ends_of(peer, &ends);
    return ends.sport == segment->dport ? peer : NULL;
}

/* ---- Sending ------------------------------------------------------------- */

static void send_flags(struct peer *peer, uint32_t seq, uint8_t flags,
                       uint16_t window, const char *text)
{
    struct segment segment = {
        .seq = seq,
        .ack = (flags & FLAG_ACK) != 0 ? peer->rcv : 0,
        .flags = flags,
        .window = window,
        .scale = ways->scale,
        .len = (uint16_t)strlen(text),
        .data = text,
    };

    ends_of(peer, &segment);
    tcp_send(&segment);
}

void peer_send_at(struct peer *peer, uint32_t seq, uint16_t window,
                  const char *text)
{
    send_flags(peer, seq, FLAG_ACK | FLAG_PSH, window, text);
}

void peer_send(struct peer *peer, uint16_t window, const char *text)
{
    peer_send_at(peer, peer->snd, window, text);
    peer->snd += (uint32_t)strlen(text);
}

void peer_ack(struct peer *peer, uint16_t window)
{
    send_flags(peer, peer->snd, FLAG_ACK, window, "");
}

void peer_forget(struct peer *peer)
{
    peer->state = PEER_CLOSED;
    peer->generation++;
    peer->at_ms = now_ms + PAUSE_MS;
    ended++;
}

void peer_end(struct peer *peer, bool fin)
{
    send_flags(peer, peer->snd, fin ? FLAG_ACK | FLAG_FIN : FLAG_RST, 0, "");
    peer_forget(peer);
}

uint32_t peer_age_ms(const struct peer *peer)
{
    return now_ms - peer->born_ms;
}

static void peer_open(struct peer *peer)
{
    *peer = (struct peer){
        .state = PEER_SYN_SENT,
        .generation = peer->generation,
        .at_ms = now_ms,
        .snd = random32(),
    };
    send_flags(peer, peer->snd, FLAG_SYN, ways->syn_window, "");
}

/* ---- Receiving ----------------------------------------------------------- */

static void take_handshake(struct peer *peer, const struct segment *segment)
{
    if ((segment->flags & (FLAG_SYN | FLAG_ACK)) != (FLAG_SYN | FLAG_ACK) ||
        segment->ack != peer->snd + 1)
        return;
    peer->snd++;
    peer->rcv = segment->seq + 1;
    peer->start = peer->rcv;
    peer->window = segment->window;
    peer->state = PEER_OPEN;
    peer->at_ms = peer->born_ms = now_ms;
    opened++;
    ways->opened(peer);
}

static void take(const uint8_t *frame, size_t len)
{
    struct segment segment;
    struct peer *peer;
    uint32_t bytes;

    if (!tcp_read(frame, len, &segment))
        return;
    peer = peer_find(&segment);
    if (peer == NULL || peer->state == PEER_CLOSED)
        return;
    if ((segment.flags & FLAG_RST) != 0) {
        peer_forget(peer);
        return;
    }
    if (peer->state == PEER_SYN_SENT) {
        take_handshake(peer, &segment);
        return;
    }
    bytes = segment.len;
    if (bytes == 0 && (segment.flags & FLAG_FIN) == 0 &&
        segment.seq == peer->rcv)
        return;
    if (segment.seq - peer->rcv + bytes <= bytes) { /* begins at or before rcv
                                                       and ends behind it */
        came_bytes += segment.seq + bytes - peer->rcv;
        peer->rcv = segment.seq + bytes;
    }
    if (segment.seq + bytes == peer->rcv && (segment.flags & FLAG_FIN) != 0 &&
        !peer->fin_came) {
        peer->fin_came = true;
        peer->rcv++;
    }
    ways->came(peer);
}

/* ---- The loop ------------------------------------------------------------ */

/* Look at a part of the connections, all of them once a second. */
static void look(uint32_t count)
{
    static uint32_t at;

    for (; count > 0; count--, at = (at + 1) % (uint32_t)options.conns) {
        struct peer *peer = &peers[at];

        if (peer->state == PEER_OPEN)
            ways->tick(peer);
        else if (peer->state == PEER_SYN_SENT && now_ms - peer->at_ms >= SYN_MS)
            send_flags(peer, peer->snd, FLAG_SYN, ways->syn_window, "");
    }
}

/* Open connections that are to be, `allowed` at most. Returns how many. */
static uint32_t open_some(uint32_t allowed)
{
    static uint32_t at;
    uint32_t count = 0;

    for (uint32_t i = 0; i < options.conns && count < allowed; i++) {
        struct peer *peer = &peers[at];

        at = (at + 1) % (uint32_t)options.conns;
        if (peer->state == PEER_CLOSED &&
            (int32_t)(now_ms - peer->at_ms) >= 0) {
            peer_open(peer);
            count++;
        }
    }
    return count;
}

static void report(void)
{
    uint64_t open = 0;

    for (uint32_t i = 0; i < options.conns; i++)
        open += peers[i].state == PEER_OPEN;
    printf("held %lu opened %lu ended %lu bytes %lu frames %lu lost %lu\n",
           open, opened, ended, came_bytes, frames_out, frames_lost);
}

void peers_run(const struct peer_ways *how)
{
    uint64_t begin = link_now_ns(), now = begin, started = 0, looked = 0;

    ways = how;
    per_source =
        (uint32_t)((options.conns + options.sources - 1) / options.sources);
    peers = calloc(options.conns, sizeof(*peers));
    if (peers == NULL)
        link_die("memory");
    for (; !is_over(); now = link_now_ns()) {
        uint64_t due = (now - begin) / 1000 * options.rate / 1000000;
        uint64_t looks = (now - begin) / 1000 * options.conns / 1000000;

        now_ms = (uint32_t)(now / 1000000);
        /* What could not be done in time is not made up for. */
        if (due > started + options.rate / 100)
            started = due - options.rate / 100;
        started += open_some((uint32_t)(due - started));
        if (due > started)
            started = due; /* nothing is to be opened */
        if (looks > looked + options.conns)
            looked = looks - options.conns;
        look((uint32_t)(looks - looked));
        looked = looks;
        for (unsigned i = 0; i < 16 && wire_receive(take); i++)
            continue;
        wire_flush();
        wire_wait(500000);
    }
    report();
}
