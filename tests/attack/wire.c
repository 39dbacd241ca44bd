#include "tests/attack/attack.h"
#include "tests/bench/link_end.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct attack_options options;
uint32_t victim;
uint8_t victim6[16];
uint8_t victim_mac[6];
uint64_t frames_out, frames_lost;

static int wire = -1;
static struct frame out[BATCH];
static unsigned out_count;

uint32_t random32(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

uint16_t checksum(uint32_t sum, const uint8_t *data, size_t len)
{
    for (; len > 1; len -= 2, data += 2)
        sum += get16(data);
    if (len > 0)
        sum += (uint32_t)data[0] << 8;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* ---- Frames -------------------------------------------------------------- */

void mac_of(uint32_t source, uint8_t mac[6])
{
    mac[0] = 0x02;
    mac[1] = 0xa7;
    put32(mac + 2, source);
}

uint8_t *ether_fill(struct frame *frame, const uint8_t mac[6], unsigned type)
{
    memcpy(frame->data, victim_mac, 6);
    memcpy(frame->data + 6, mac, 6);
    put16(frame->data + 12, type);
    frame->len = 14;
    return frame->data + 14;
}

uint8_t *ip4_fill(struct frame *frame, uint32_t src, unsigned protocol,
                  unsigned fragment, size_t payload)
{
    uint8_t mac[6], *ip;

    mac_of(src, mac);
    ip = ether_fill(frame, mac, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + payload));
    put16(ip + 4, random32() & 0xffff);
    put16(ip + 6, fragment);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put32(ip + 12, src);
    put32(ip + 16, victim);
    put16(ip + 10, checksum(0, ip, 20));
    frame->len += 20 + payload;
    return ip + 20;
}

void tcp_send(const struct segment *segment)
{
    struct frame *frame = wire_frame();
    size_t options_len = (segment->flags & FLAG_SYN) == 0 ? 0
                         : segment->scale != 0            ? 8
                                                          : 4;
    size_t len = 20 + options_len + segment->len;
    uint8_t *ip, *tcp = ip4_fill(frame, segment->src, 6, 0, len);

    ip = tcp - 20;
    memset(tcp, 0, 20);
    put16(tcp, segment->sport);
    put16(tcp + 2, segment->dport);
    put32(tcp + 4, segment->seq);
    put32(tcp + 8, segment->ack);
    tcp[12] = (uint8_t)((20 + options_len) / 4 << 4);
    tcp[13] = segment->flags;
    put16(tcp + 14, segment->window);
    if (options_len > 0)
        put32(tcp + 20, 0x020405b4); /* an MSS of 1460 */
    if (options_len > 4)
        put32(tcp + 24, 0x01030300U | segment->scale);
    if (segment->len > 0)
        memcpy(tcp + 20 + options_len, segment->data, segment->len);
    put16(tcp + 16,
          checksum(6 + (uint32_t)len + get16(ip + 12) + get16(ip + 14) +
                       get16(ip + 16) + get16(ip + 18),
                   tcp, len));
}

bool tcp_read(const uint8_t *frame, size_t len, struct segment *out_segment)
{
    const uint8_t *ip = frame + 14, *tcp = ip + 20;
    size_t header;

    if (len < 54 || get16(frame + 12) != 0x0800 || ip[0] != 0x45 || ip[9] != 6)
        return false;
    header = 20 + (size_t)(tcp[12] >> 4) * 4;
    *out_segment = (struct segment){
        .src = get32(ip + 12),
        .dst = get32(ip + 16),
        .sport = (uint16_t)get16(tcp),
        .dport = (uint16_t)get16(tcp + 2),
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .window = (uint16_t)get16(tcp + 14),
        .len = (uint16_t)(get16(ip + 2) - header),
    };
    return get16(ip + 2) >= header;
}

/* ---- Out and in ---------------------------------------------------------- */

void wire_flush(void)
{
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    unsigned done = 0;

    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < out_count; i++) {
        pieces[i] = (struct iovec){out[i].data, out[i].len};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (done < out_count) {
        int count = sendmmsg(wire, messages + done, out_count - done, 0);

        if (count < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            link_die("send");
        if (count > 0) {
            done += (unsigned)count;
            frames_out += (unsigned)count;
        } else { /* the link is full: this frame is lost, as on any */
            done++;
            frames_lost++;
        }
    }
    out_count = 0;
}

struct frame *wire_frame(void)
{
    if (out_count == BATCH)
        wire_flush();
    return &out[out_count++];
}

/* Whether a host of ours answers for an address. */
static bool is_near(uint32_t address)
{
    return address >> NEAR_BITS == (uint32_t)NEAR_BASE >> NEAR_BITS;
}

/* Answer an ARP request for one of our hosts; true when the frame was ARP. */
static bool arp_answer(const uint8_t *data, size_t len)
{
    const uint8_t *arp = data + 14;
    struct frame *frame;
    uint8_t mac[6], *reply;

    if (len < 42 || get16(data + 12) != 0x0806)
        return false;
    if (get16(arp + 6) != 1 || !is_near(get32(arp + 24)))
        return true;
    frame = wire_frame();
    mac_of(get32(arp + 24), mac);
    reply = ether_fill(frame, mac, 0x0806);
    memcpy(reply, arp, 28);
    put16(reply + 6, 2);
    memcpy(reply + 8, mac, 6);
    memcpy(reply + 14, arp + 24, 4);
    memcpy(reply + 18, arp + 8, 10);
    frame->len += 28;
    return true;
}

bool wire_receive(void (*take)(const uint8_t *frame, size_t len))
{
    static uint8_t in[BATCH][FRAME_SEEN];
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    int count;

    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){in[i], FRAME_SEEN};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    count = recvmmsg(wire, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        if (!arp_answer(in[i], messages[i].msg_len))
            take(in[i], messages[i].msg_len);
    }
    return count > 0;
}

void wire_wait(uint64_t ns)
{
    struct pollfd fd = {wire, POLLIN, 0};
    struct timespec limit = {0, (long)ns};

    (void)ppoll(&fd, 1, &limit, NULL);
}

/* ---- Beginning ----------------------------------------------------------- */

static bool is_found;

static void take_reply(const uint8_t *frame, size_t len)
{
    (void)frame;
    (void)len;
}

/* Ask for the victim with a broadcast, and look at what comes. */
static bool ask(void)
{
    uint8_t mac[6], in[FRAME_SEEN], *arp;
    struct frame *frame = wire_frame();
    ssize_t len;

    mac_of(NEAR_BASE + 1, mac);
    memset(victim_mac, 0xff, 6);
    arp = ether_fill(frame, mac, 0x0806);
    memset(arp, 0, 28);
    put32(arp, 0x00010800);
    put32(arp + 4, 0x06040001);
    memcpy(arp + 8, mac, 6);
    put32(arp + 14, NEAR_BASE + 1);
    put32(arp + 24, victim);
    frame->len += 28;
    wire_flush();
    wire_wait(100000000);
    while ((len = recv(wire, in, sizeof(in), 0)) > 0) {
        if (len < 42 || get16(in + 12) != 0x0806 || get32(in + 28) != victim)
            continue;
        memcpy(victim_mac, in + 22, 6);
        is_found = true;
    }
    return is_found;
}

/* Show us ARP, and IPv4 for our hosts; the rest is the honest clients'. */
static void filter(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0806, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, NEAR_BITS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)NEAR_BASE >> NEAR_BITS, 2,
                 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, FAR_BITS - NEAR_BITS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)FAR_BASE >> FAR_BITS, 0,
                 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_SEEN),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog all = {sizeof(program) / sizeof(program[0]), program};

    if (setsockopt(wire, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof(all)) != 0)
        link_die("filter");
}

void wire_open(const char *interface, const char *address)
{
    char name[64];
    struct in_addr parsed;

    if (inet_pton(AF_INET, address, &parsed) != 1)
        link_die(address);
    victim = ntohl(parsed.s_addr);
    snprintf(name, sizeof(name), "raw:%s", interface);
    wire = link_open(name);
    filter();
    for (unsigned i = 0; i < 50 && !ask(); i++)
        continue;
    if (!is_found)
        link_die("nobody answers ARP");
    while (wire_receive(take_reply))
        continue;
}
