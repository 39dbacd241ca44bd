/* IPv6 headers and their extensions: RFC 8200; addresses: RFC 4291. */
#include "net/wire/ip6.h"
#include "kernel/lib/bytes.h"
#include "net/wire/icmp6.h"
#include <torc/string.h>

/* ---- Addresses ----------------------------------------------------------- */

const struct net_addr ip6_all_nodes = {.byte = {[0] = 0xff, [1] = 2, [15] = 1}};
const struct net_addr ip6_all_routers = {
    .byte = {[0] = 0xff, [1] = 2, [15] = 2}};
const struct net_addr ip6_all_mld = {
    .byte = {[0] = 0xff, [1] = 2, [15] = 0x16}};

unsigned ip6_scope(const struct net_addr *addr)
{
    if (ip6_is_multicast(addr))
        return addr->byte[1] & 15;
    if (ip6_is_link_local(addr) || ip6_is_loop(addr))
        return IP6_SCOPE_LINK;
    if (addr->byte[0] == 0xfe && (addr->byte[1] & 0xc0) == 0xc0)
        return IP6_SCOPE_SITE; /* fec0::/10: RFC 3879 */
    return IP6_SCOPE_GLOBAL;
}

bool ip6_is_unicast(const struct net_addr *addr)
{
    if (ip6_is_multicast(addr))
        return false;
    /* ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d are all in ::/64. */
    return addr->word[0] != 0;
}

unsigned ip6_common_len(const struct net_addr *a, const struct net_addr *b)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned differs = a->byte[i] ^ b->byte[i];
        unsigned bit = 0;

        if (differs == 0)
            continue;
        while ((differs & 0x80u >> bit) == 0)
            bit++;
        return 8 * i + bit;
    }
    return 128;
}

unsigned ip6_label(const struct net_addr *addr)
{
    static const struct {
        struct net_addr prefix;
        uint8_t len;
        uint8_t label;
    } table[] = {
        {{.byte = {[15] = 1}}, 128, 0},
        {{.byte = {[10] = 0xff, 0xff}}, 96, 4},
        {{.byte = {0}}, 96, 3},
        {{.byte = {0x20, 1}}, 32, 5},
        {{.byte = {0x20, 2}}, 16, 2},
        {{.byte = {0x3f, 0xfe}}, 16, 12},
        {{.byte = {0xfe, 0xc0}}, 10, 11},
        {{.byte = {0xfc}}, 7, 13},
    };

    for (unsigned i = 0; i < COUNT_OF(table); i++) {
        if (ip6_common_len(addr, &table[i].prefix) >= table[i].len)
            return table[i].label;
    }
    return 1;
}

bool ip6_id_is_reserved(const uint8_t id[8])
{
    static const uint8_t none[8];
    static const uint8_t ethernet[5] = {0x02, 0x00, 0x5e, 0xff, 0xfe};
    static const uint8_t anycast[7] = {0xfd, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff};

    return memcmp(id, none, 8) == 0 || memcmp(id, ethernet, 5) == 0 ||
           (memcmp(id, anycast, 7) == 0 && id[7] >= 0x80);
}

struct net_addr ip6_solicited_node(const struct net_addr *addr)
{
    struct net_addr group = {
        .byte = {[0] = 0xff, [1] = 2, [11] = 1, [12] = 0xff}};

    memcpy(group.byte + 13, addr->byte + 13, 3);
    return group;
}

void ip6_group_mac(const struct net_addr *group, uint8_t mac[ETHER_ADDR_SIZE])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group->byte + 12, 4);
}

/* ---- The header ---------------------------------------------------------- */

int ip6_parse_quoted(const uint8_t *buf, size_t len, struct ip6_header *out)
{
    if (len < IP6_HEADER_SIZE || buf[0] >> 4 != 6)
        return -EPROTO;
    out->traffic_class = (uint8_t)(buf[0] << 4 | buf[1] >> 4);
    out->payload_len = be16_get(buf + IP6_PAYLOAD_LEN_AT);
    out->next = buf[IP6_NEXT_AT];
    out->hops = buf[7];
    memcpy(out->src.byte, buf + 8, 16);
    memcpy(out->dst.byte, buf + 24, 16);
    return 0;
}

int ip6_parse(const uint8_t *buf, size_t len, struct ip6_header *out)
{
    struct ip6_header header;

    if (ip6_parse_quoted(buf, len, &header) != 0 ||
        header.payload_len > len - IP6_HEADER_SIZE)
        return -EPROTO;
    *out = header;
    return 0;
}

void ip6_emit(uint8_t *buf, const struct ip6_header *header)
{
    be32_put(buf, 6u << 28 | (uint32_t)header->traffic_class << 20);
    be16_put(buf + IP6_PAYLOAD_LEN_AT, header->payload_len);
    buf[IP6_NEXT_AT] = header->next;
    buf[7] = header->hops;
    memcpy(buf + 8, header->src.byte, 16);
    memcpy(buf + 24, header->dst.byte, 16);
}

/* ---- Options: RFC 8200, 4.2 ---------------------------------------------- */

enum {
    OPTION_PAD1 = 0,
    OPTION_PADN = 1,
    OPTION_ALERT = 5, /* RFC 2711 */
    ALERT_MLD = 0,
    ACTION_SKIP = 0,
    ACTION_DROP = 1,
    ACTION_TELL = 2, /* 3: only when it was sent to one host */
};

static enum ip6_verdict problem(struct ip6_chain *chain, uint8_t code,
                                size_t at)
{
    chain->code = code;
    chain->at = (uint16_t)at;
    return IP6_PROBLEM;
}

static enum ip6_verdict option_unknown(struct ip6_chain *chain, uint8_t type,
                                       size_t at)
{
    switch (type >> 6) {
    case ACTION_SKIP:
        return IP6_TAKE;
    case ACTION_DROP:
        return IP6_DROP;
    default:
        chain->to_group_too = type >> 6 == ACTION_TELL;
        return problem(chain, ICMP6_CODE_OPTION, at);
    }
}

/* The options at buf[at .. end). */
static enum ip6_verdict options_walk(const uint8_t *buf, size_t at, size_t end,
                                     struct ip6_chain *chain)
{
    while (at < end) {
        uint8_t type = buf[at];
        size_t len;

        if (type == OPTION_PAD1) {
            at++;
            continue;
        }
        if (end - at < 2 || buf[at + 1] > end - at - 2)
            return IP6_DROP;
        len = buf[at + 1];
        if (type == OPTION_ALERT && len == 2) {
            chain->is_alert |= be16_get(buf + at + 2) == ALERT_MLD;
        } else if (type != OPTION_PADN) {
            enum ip6_verdict verdict = option_unknown(chain, type, at);

            if (verdict != IP6_TAKE)
                return verdict;
        }
        at += 2 + len;
    }
    return IP6_TAKE;
}

/* ---- Extensions ---------------------------------------------------------- */

enum { FRAGMENT_MORE = 1, FRAGMENT_OFFSET = 0xfff8 };

static bool is_extension(uint8_t next)
{
    return next == IP6_HOP_BY_HOP || next == IP6_ROUTING ||
           next == IP6_FRAGMENT || next == IP6_DESTINATION;
}

static void fragment_read(const uint8_t *buf, size_t at,
                          struct ip6_chain *chain)
{
    uint16_t field = be16_get(buf + at + 2);

    chain->has_fragment = true;
    chain->fragment_at = (uint16_t)at;
    chain->fragment_offset = field & FRAGMENT_OFFSET;
    chain->more_fragments = (field & FRAGMENT_MORE) != 0;
    chain->fragment_id = be32_get(buf + at + 4);
    chain->is_fragment = chain->fragment_offset != 0 || chain->more_fragments;
}

/* The extension at `at`, which has `size` bytes. */
static enum ip6_verdict extension_read(const uint8_t *buf, size_t at,
                                       size_t size, struct ip6_chain *chain)
{
    switch (chain->protocol) {
    case IP6_HOP_BY_HOP:
        if (at != IP6_HEADER_SIZE) /* RFC 8200, 4: it comes first */
            return problem(chain, ICMP6_CODE_NEXT_HEADER, chain->next_at);
        return options_walk(buf, at + 2, at + size, chain);
    case IP6_DESTINATION:
        return options_walk(buf, at + 2, at + size, chain);
    case IP6_ROUTING:
        if (buf[at + 3] != 0) /* segments left: RFC 8200, 4.4; RFC 5095 */
            return problem(chain, ICMP6_CODE_FIELD, at + 2);
        return IP6_TAKE;
    default:
        fragment_read(buf, at, chain);
        return IP6_TAKE;
    }
}

enum ip6_verdict ip6_chain_walk(const uint8_t *buf, size_t len,
                                struct ip6_chain *out)
{
    size_t at = IP6_HEADER_SIZE;

    *out = (struct ip6_chain){.protocol = buf[IP6_NEXT_AT],
                              .next_at = IP6_NEXT_AT,
                              .len = IP6_HEADER_SIZE};
    for (unsigned i = 0; is_extension(out->protocol) && !out->is_fragment;
         i++) {
        enum ip6_verdict verdict;
        size_t size;

        if (i == IP6_EXTENSIONS_MAX || len - at < 8)
            return IP6_DROP;
        size = out->protocol == IP6_FRAGMENT ? IP6_FRAGMENT_SIZE
                                             : 8 * ((size_t)buf[at + 1] + 1);
        if (size > len - at)
            return IP6_DROP;
        verdict = extension_read(buf, at, size, out);
        if (verdict != IP6_TAKE)
            return verdict;
        out->protocol = buf[at];
        out->next_at = (uint16_t)at;
        at += size;
        out->len = (uint16_t)at;
    }
    return IP6_TAKE;
}

void ip6_make_whole(uint8_t *buf, const struct ip6_chain *chain, size_t len)
{
    be16_put(buf + IP6_PAYLOAD_LEN_AT, (uint16_t)(len - IP6_HEADER_SIZE));
    be16_put(buf + chain->fragment_at + 2, 0);
}

void ip6_emit_alert(uint8_t *buf, uint8_t next)
{
    const uint8_t bytes[IP6_ALERT_SIZE] = {next, 0,         OPTION_ALERT, 2,
                                           0,    ALERT_MLD, OPTION_PADN,  0};

    memcpy(buf, bytes, sizeof(bytes));
}
