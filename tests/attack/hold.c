/* Attacks that hold connections. */
#include "tests/attack/peer.h"

static const char big[] = "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n";
static const char last[] =
    "GET /index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* The victim's end is answered like an honest client's. */
static bool has_ended(struct peer *peer)
{
    if (!peer->fin_came)
        return false;
    peer_end(peer, true);
    return true;
}

/* ---- Heads of requests that never end ------------------------------------ */

static void head_opened(struct peer *peer)
{
    peer_send(peer, 65535, "GET / HTTP/1.1\r\nA: ");
}

static void head_came(struct peer *peer)
{
    if (!has_ended(peer))
        peer_ack(peer, 65535);
}

static void head_tick(struct peer *peer)
{
    if (random32() % 4 == 0)
        peer_send(peer, 65535, "a");
}

static const struct peer_ways slow_heads = {65535, 0, head_opened, head_came,
                                            head_tick};

/* ---- Readers ------------------------------------------------------------- */

static void byte_opened(struct peer *peer)
{
    peer_send(peer, 1, big);
}

static void byte_came(struct peer *peer)
{
    if (!has_ended(peer))
        peer_ack(peer, 1);
}

static void nothing(struct peer *peer)
{
    (void)peer;
}

static const struct peer_ways one_byte = {1, 0, byte_opened, byte_came,
                                          nothing};

static void zero_opened(struct peer *peer)
{
    peer_send(peer, 0, big);
}

static void zero_came(struct peer *peer)
{
    if (!has_ended(peer))
        peer_ack(peer, 0);
}

static const struct peer_ways zero_window = {1000, 0, zero_opened, zero_came,
                                             nothing};

/* 4096 bytes a second, by an application that is slow: 64 KiB are taken at
 * once, and the window follows what it has read. */
static uint16_t slow_window(const struct peer *peer)
{
    uint32_t read = (uint32_t)((uint64_t)peer_age_ms(peer) * 4096 / 1000);
    uint32_t edge = peer->start + 65535 + read;
    uint32_t window = edge - peer->rcv;

    return (uint16_t)(window < 65535 ? window : 65535);
}

static void slow_opened(struct peer *peer)
{
    peer_send(peer, 65535, big);
}

static void slow_came(struct peer *peer)
{
    if (!has_ended(peer))
        peer_ack(peer, slow_window(peer));
}

static void slow_tick(struct peer *peer)
{
    if (peer->rcv != peer->start)
        peer_ack(peer, slow_window(peer));
}

static const struct peer_ways slow_readers = {65535, 0, slow_opened, slow_came,
                                              slow_tick};

/* All that the disk gives, again and again. */
static void fast_opened(struct peer *peer)
{
    peer_send(peer, 65535, big);
}

static void fast_came(struct peer *peer)
{
    peer->at_ms = peer_age_ms(peer);
    if (has_ended(peer))
        return;
    if (peer->rcv - peer->start >= 20971520) { /* and its head */
        peer->start = peer->rcv;
        peer_send(peer, 65535, big);
    } else {
        peer_ack(peer, 65535);
    }
}

static void fast_tick(struct peer *peer)
{
    if (peer_age_ms(peer) - peer->at_ms > 3000)
        peer_end(peer, false); /* it has lost its request, say */
}

static const struct peer_ways fast_readers = {65535, 7, fast_opened, fast_came,
                                              fast_tick};

/* ---- Bytes that are not in order ----------------------------------------- */

static void hole_opened(struct peer *peer)
{
    peer_send(peer, 65535, "GET / HTTP/1.1\r\nA: ");
    peer_send_at(peer, peer->snd + peer->window - 40, 65535, "z");
}

static const struct peer_ways hole = {65535, 0, hole_opened, head_came,
                                      head_tick};

/* ---- Ends that do not come ----------------------------------------------- */

static void last_opened(struct peer *peer)
{
    peer_send(peer, 65535, last);
}

/* Everything is acknowledged, our end never comes; the next one begins. */
static void no_fin_came(struct peer *peer)
{
    peer_ack(peer, 65535);
    if (peer->fin_came)
        peer_forget(peer);
}

static const struct peer_ways no_fin = {65535, 0, last_opened, no_fin_came,
                                        nothing};

/* Nothing at all is acknowledged once the request is sent. */
static const struct peer_ways no_ack = {65535, 0, slow_opened, nothing,
                                        nothing};

const struct attack holds[] = {
    {"slow-heads", {3000, 10000, 250, 0, 0}, NULL, &slow_heads},
    {"one-byte", {3000, 10000, 250, 0, 0}, NULL, &one_byte},
    {"zero-window", {3000, 10000, 250, 0, 0}, NULL, &zero_window},
    {"slow-readers", {1000, 1000, 100, 0, 0}, NULL, &slow_readers},
    {"fast-readers", {100, 4, 4, 0, 0}, NULL, &fast_readers},
    {"hole", {3000, 10000, 250, 0, 0}, NULL, &hole},
    {"no-fin", {3000, 10000, 250, 0, 0}, NULL, &no_fin},
    {"no-ack", {3000, 10000, 250, 0, 0}, NULL, &no_ack},
    {NULL, {0}, NULL, NULL},
};
