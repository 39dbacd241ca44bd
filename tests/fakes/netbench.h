/*
 * A bench for the network stack: a stack on a fake card, a clock the test
 * moves, and a peer whose segments the test writes by hand. What the peer emits
 * and expects is built here from the RFCs, not with net/wire, so that a mistake
 * there cannot hide itself.
 *
 *     bench_open(64);
 *     bench_serve(&service);
 *     peer_send((struct peer_segment){.flags = SYN, .seq = 1000});
 *     peer_expect((struct peer_segment){.flags = SYN | ACK, .ack = 1001});
 *
 * Sequence numbers of the stack are written relative to its first one when
 * bench.relative is set (as packetdrill does): the SYN-ACK is 0, its data
 * begin at 1.
 */
#ifndef TORC_TESTS_FAKES_NETBENCH_H
#define TORC_TESTS_FAKES_NETBENCH_H

#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include "tests/fakes/fakenet.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FIN = 1,
    SYN = 2,
    RST = 4,
    PSH = 8,
    ACK = 16,
    URG = 32,
    OUR_ADDRESS = 0x0a000001,  /* 10.0.0.1/24: the stack's */
    PEER_ADDRESS = 0x0a000002, /* 10.0.0.2 */
    GATEWAY = 0x0a0000fe,      /* 10.0.0.254 */
    SERVICE_PORT = 80,
    PEER_PORT = 40000,
};

struct peer_segment {
    uint32_t seq;
    uint32_t ack;
    uint8_t flags;
    uint16_t window;
    uint16_t urgent;
    uint8_t tos;      /* of the IPv4 header */
    uint16_t port;    /* the peer's; 0: PEER_PORT */
    uint16_t target;  /* the stack's port; 0: SERVICE_PORT */
    uint32_t address; /* the peer's; 0: PEER_ADDRESS */
    uint32_t own;     /* the stack's; 0: OUR_ADDRESS */
    const void *data;
    size_t len;
    const uint8_t *options; /* a multiple of 4 */
    size_t options_len;
};

struct bench {
    struct fakenet net;
    struct net_stack *stack;
    struct server *server;
    uint64_t now;
    struct siphash_key hash_key; /* the random one; the bench has its own */
    bool answers_arp; /* for the peer and the gateway, unseen by the test */
    uint32_t iss;     /* the stack's first sequence number */
    bool relative;    /* count from it */
    uint8_t ttl;      /* what datagrams of ours have to have; 64 */
    uint8_t frame[FAKENET_FRAME_MAX]; /* what `data` of the last one is in */
    size_t blocks;                    /* live memory, when there is no stack */
    unsigned check_every; /* check the stack at every n-th occasion; 1 */
    unsigned check_calls;
    struct socket *socket; /* the last that bench_accept() took, and how many */
    unsigned accepted;
};

extern struct bench bench;

/* A machine of that size with a stack on a fake card that knows its peer. */
void bench_open(size_t mem_mib);

/* The same with another configuration than 10.0.0.1/24,10.0.0.254. */
void bench_open_as(size_t mem_mib, const struct net_config *config);

/* Let the stack have another address and netmask, without a gateway. */
void bench_set_address(uint32_t address, uint32_t netmask);

/* End it; fails the test when memory was lost or a timer is left. */
void bench_close(void);

/* Make a server without a thread: bench_run() calls it back. */
void bench_serve(struct service *service);

/* What a service does that the test is not about: it takes each connection and
 * remembers it in `bench`; it leaves what comes, or reads and forgets it. */
int bench_accept(struct service *service, struct socket *socket);
void bench_leave(struct service *service, struct socket *socket);
void bench_drain(struct service *service, struct socket *socket);

/* Let time pass, in steps of the timers that go off. */
void bench_sleep(uint64_t ns);

/* Assert what must be true of the stack and all its parts: stack_check(). The
 * bench does so after each frame, timeout and callback. */
void bench_check(void);

/* The connection of a peer's address and port with a port of ours, or NULL; and
 * the hash chain where it is or would be. */
struct tcp_conn *bench_conn(uint32_t remote, uint16_t rport, uint16_t lport);
/* What there is before it is established, or remains in TIME-WAIT, or NULL; and
 * its state in all cases, or TCP_CLOSED. */
struct tcp_half *bench_half(uint32_t remote, uint16_t rport, uint16_t lport);
struct tcp_wait *bench_wait(uint32_t remote, uint16_t rport, uint16_t lport);
enum tcp_state bench_state(uint32_t remote, uint16_t rport, uint16_t lport);
struct tcp_conn **bench_chain(uint32_t remote, uint16_t rport, uint16_t lport);

/* Another stack was made, for which the pool got so many packets: they stay. */
void bench_pool_grew(unsigned packets);

/* What the stack knows of the neighbour `address`, or NULL. */
struct neigh *bench_neigh(uint32_t address);

/* Hand over what was injected, then call back until all is quiet. */
void bench_run(void);

/* As bench_run() without the services. */
void bench_poll(void);

/* ---- The peer ------------------------------------------------------------ */

/* Build a frame around an IPv4 datagram; returns its length. */
size_t peer_frame(uint8_t *frame, const struct peer_segment *segment);

/* Inject a segment and let the stack and the services run. */
void peer_send(struct peer_segment segment);

/* As peer_send() but nobody is called back. */
void peer_send_quietly(struct peer_segment segment);

/* The next segment the stack sent. Checks the addresses and both checksums.
 * Returns false when there is none. */
bool peer_receive(struct peer_segment *out);

/*
 * The next segment must be this: flags without PSH, seq, ack, length, and the
 * window when it is given.
 */
#define peer_expect(...) \
    peer_expect_at((struct peer_segment)__VA_ARGS__, __FILE__, __LINE__)
void peer_expect_at(struct peer_segment want, const char *file, int line);

/* Nothing more was sent. */
#define peer_expect_nothing() peer_expect_nothing_at(__FILE__, __LINE__)
void peer_expect_nothing_at(const char *file, int line);

/* Make a connection from `port` beginning at `seq`, with an MSS of 1000 and a
 * window of `window` bytes (no scale); sets bench.iss and bench.relative. */
void peer_connect(uint16_t port, uint32_t seq, uint16_t window);

/* Independent arithmetic for building frames. */
uint16_t peer_checksum(const uint8_t *data, size_t len, uint32_t sum);
void peer_put16(uint8_t *p, unsigned value);
void peer_put32(uint8_t *p, uint32_t value);
uint32_t peer_get16(const uint8_t *p);
uint32_t peer_get32(const uint8_t *p);

/* Ethernet and IPv4 headers in front of `len` bytes at frame + 34. */
size_t peer_ip4(uint8_t *frame, uint32_t src, uint32_t dst, uint8_t protocol,
                size_t len);

extern const uint8_t bench_mac[6];
extern const uint8_t peer_mac[6];

#endif
