/* Floods: frames that nothing is remembered of. */
#include "tests/attack/attack.h"
#include <string.h>

/* ---- TCP ----------------------------------------------------------------- */

static void syn_from(uint32_t src)
{
    const struct segment segment = {
        .src = src,
        .sport = (uint16_t)(1024 + random32() % 60000),
        .dport = (uint16_t)options.port,
        .seq = random32(),
        .flags = FLAG_SYN,
        .window = 65535,
        .scale = 7,
    };

    tcp_send(&segment);
}

static void syn_far(void)
{
    syn_from(FAR_BASE + random32() % (1U << FAR_BITS));
}

/* From neighbours that answer no ARP. */
static void syn_silent(void)
{
    syn_from(SILENT_BASE + 1 + random32() % ((1U << NEAR_BITS) - 2));
}

/* ---- Fragments ----------------------------------------------------------- */

/* First pieces, last ones, and some that overlap; UDP, TCP, ICMP. */
static void fragment(void)
{
    static const uint8_t protocols[] = {17, 6, 1};
    uint32_t src = FAR_BASE + random32() % (uint32_t)options.sources;
    unsigned offset = random32() % 4 == 0 ? 0 : random32() % 8000;
    unsigned more = random32() % 3 == 0 ? 0 : 0x2000;
    uint8_t *data = ip4_fill(wire_frame(), src, protocols[random32() % 3],
                             offset | more, 1024);

    memset(data, 0, 1024);
    put16(data, 1234);
    put16(data + 2, 123);
    put16(data + 4, 8000);
}

/* ---- ARP ----------------------------------------------------------------- */

/* Questions for the victim from hosts that do not exist, claims of the
 * gateway's address, and answers that nobody asked for. */
static void arp(void)
{
    uint32_t sender = SILENT_BASE + random32() % (1U << NEAR_BITS);
    struct frame *frame = wire_frame();
    unsigned kind = random32() % 3;
    uint8_t mac[6], *at;

    mac_of(random32(), mac);
    at = ether_fill(frame, mac, 0x0806);
    memset(at, 0, 28);
    put32(at, 0x00010800);
    put32(at + 4, 0x06040000U | (kind == 0 ? 1 : 2));
    memcpy(at + 8, mac, 6);
    put32(at + 14, kind == 1 ? (victim & 0xffff0000U) + 1 : sender);
    memcpy(at + 18, victim_mac, 6);
    put32(at + 24, victim);
    frame->len += 28;
}

/* ---- Neighbour Discovery ------------------------------------------------- */

static void some_address(uint8_t at[16], unsigned head)
{
    memset(at, 0, 16);
    put16(at, head);
    put32(at + 8, random32());
    put32(at + 12, random32() | 1);
}

static void icmp6_end(struct frame *frame, uint8_t *ip, size_t len)
{
    put32(ip, 0x60000000);
    put16(ip + 4, (unsigned)len);
    ip[6] = 58;
    ip[7] = 255;
    put16(ip + 42, 0);
    put16(ip + 42, checksum((uint32_t)len + 58, ip + 8, 32 + len));
    frame->len += 40 + len;
}

/* Solicitations of the victim, advertisements that claim the honest clients'
 * address (fd77::1), and routers with prefixes. */
static void nd(void)
{
    static const uint8_t honest[16] = {0xfd, 0x77, [15] = 1};
    struct frame *frame = wire_frame();
    unsigned kind = random32() % 3;
    uint8_t mac[6], *ip, *message;

    mac_of(random32(), mac);
    ip = ether_fill(frame, mac, 0x86dd);
    message = ip + 40;
    memset(ip, 0, 128);
    some_address(ip + 8, kind == 2 ? 0xfe80 : 0xfd77);
    memcpy(ip + 24, victim6, 16);
    memcpy(message + 8, kind == 0 ? victim6 : honest, 16);
    message[24] = kind == 0 ? 1 : 2; /* the option of a link-layer address */
    message[25] = 1;
    memcpy(message + 26, mac, 6);
    if (kind == 0) {
        message[0] = 135;
    } else if (kind == 1) {
        message[0] = 136;
        message[4] = 0x60;
    } else {
        message[0] = 134;
        put32(message + 4, 0x40080708);
        memset(message + 8, 0, 24);
        put32(message + 16, 0x030440c0); /* a prefix */
        put32(message + 20, 600);
        put32(message + 24, 300);
        some_address(message + 32, 0x2001);
        memset(message + 40, 0, 8);
    }
    icmp6_end(frame, ip, kind == 2 ? 48 : 32);
}

/* ---- ICMP ---------------------------------------------------------------- */

/*
 * Errors about segments of the honest clients' connections, whose ports and
 * numbers are guessed, and about nothing: unreachable (port, protocol, host),
 * "fragmentation needed" with tiny MTUs, source quench, redirects, time
 * exceeded.
 */
static void icmp(void)
{
    static const struct {
        uint8_t type, code;
        uint16_t mtu;
    } lies[] = {{3, 3, 0}, {3, 2, 0},   {3, 1, 0}, {3, 4, 68},
                {3, 4, 0}, {3, 4, 552}, {4, 0, 0}, {5, 1, 0},
                {5, 0, 0}, {11, 0, 0},  {12, 0, 0}};
    unsigned kind = random32() % (sizeof(lies) / sizeof(lies[0]));
    uint32_t honest = (victim & 0xffff0000U) + 1;
    uint8_t *at = ip4_fill(wire_frame(), honest, 1, 0, 36), *quoted = at + 8;

    memset(at, 0, 36);
    at[0] = lies[kind].type;
    at[1] = lies[kind].code;
    put16(at + 6, lies[kind].mtu);
    if (at[0] == 5)
        put32(at + 4, SILENT_BASE + random32() % (1U << NEAR_BITS));
    quoted[0] = 0x45;
    put16(quoted + 2, 1500);
    quoted[8] = 64;
    quoted[9] = 6;
    put32(quoted + 12, victim);
    put32(quoted + 16, honest);
    put16(quoted + 10, checksum(0, quoted, 20));
    put16(quoted + 20, (unsigned)options.port);
    put16(quoted + 22, 32768 + random32() % 28232);
    put32(quoted + 24, random32());
    put16(at + 2, checksum(0, at, 36));
}

const struct attack floods[] = {
    {"syn", {.rate = 200000}, syn_far, NULL},
    {"syn-silent", {.rate = 20000}, syn_silent, NULL},
    {"fragments", {.rate = 50000, .sources = 64}, fragment, NULL},
    {"arp", {.rate = 50000}, arp, NULL},
    {"nd", {.rate = 50000}, nd, NULL},
    {"icmp", {.rate = 50000}, icmp, NULL},
    {NULL, {0}, NULL, NULL},
};
