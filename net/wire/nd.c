/* Messages of Neighbour Discovery: RFC 4861, 4; RFC 4191, 2; RFC 8106, 5.1. */
#include "kernel/lib/bytes.h"
#include "net/wire/icmp6.h"
#include <torc/string.h>

enum {
    OPTION_SOURCE_MAC = 1,
    OPTION_TARGET_MAC = 2,
    OPTION_PREFIX = 3,
    OPTION_MTU = 5,
    OPTION_NONCE = 14,
    OPTION_DNS = 25,
    PREFIX_SIZE = 32,
    MTU_SIZE = 8,
    DNS_HEADER_SIZE = 8,
    ADDR_SIZE = 16,
    ROUTER_SIZE = 16,   /* without options */
    REDIRECT_SIZE = 40, /* without options */
    ON_LINK = 0x80,     /* of a prefix */
    AUTONOMOUS = 0x40,
};

/* What is left of the options of a message. */
struct options {
    const uint8_t *at;
    size_t left;
};

/*
 * The next option: its first byte is its kind. Returns its length, 0 (there is
 * none), -EPROTO: RFC 4861, 4.6.
 */
static int option_next(struct options *options, const uint8_t **option)
{
    size_t len;

    if (options->left == 0)
        return 0;
    if (options->left < 8)
        return -EPROTO;
    len = 8 * (size_t)options->at[1];
    if (len == 0 || len > options->left)
        return -EPROTO;
    *option = options->at;
    options->at += len;
    options->left -= len;
    return (int)len;
}

/* Find the hardware address of that kind among the options, and see that all of
 * them are well-formed. */
static int mac_find(const uint8_t *buf, size_t len, uint8_t kind,
                    const uint8_t **mac)
{
    struct options options = {buf, len};
    const uint8_t *option;
    int size;

    *mac = NULL;
    while ((size = option_next(&options, &option)) > 0) {
        if (option[0] != kind)
            continue;
        if (size != ND_MAC_OPTION_SIZE || ether_is_group(option + 2))
            return -EPROTO;
        *mac = option + 2;
    }
    return size;
}

static int parse_neighbour(const uint8_t *buf, size_t len, uint8_t kind,
                           struct nd_neighbour *out)
{
    if (len < ND_SOLICIT_SIZE)
        return -EPROTO;
    out->flags = be32_get(buf + 4);
    memcpy(out->target.byte, buf + 8, ADDR_SIZE);
    return mac_find(buf + ND_SOLICIT_SIZE, len - ND_SOLICIT_SIZE, kind,
                    &out->mac);
}

/* The nonce among options that are well-formed, or NULL. */
static const uint8_t *nonce_find(const uint8_t *buf, size_t len)
{
    struct options options = {buf, len};
    const uint8_t *option;
    int size;

    while ((size = option_next(&options, &option)) > 0) {
        if (option[0] == OPTION_NONCE && size == ND_NONCE_SIZE)
            return option + 2;
    }
    return NULL;
}

int nd_parse_solicit(const uint8_t *buf, size_t len, struct nd_neighbour *out)
{
    int error = parse_neighbour(buf, len, OPTION_SOURCE_MAC, out);

    if (error == 0)
        out->nonce = nonce_find(buf + ND_SOLICIT_SIZE, len - ND_SOLICIT_SIZE);
    return error;
}

int nd_parse_advert(const uint8_t *buf, size_t len, struct nd_neighbour *out)
{
    out->nonce = NULL;
    return parse_neighbour(buf, len, OPTION_TARGET_MAC, out);
}

int nd_parse_redirect(const uint8_t *buf, size_t len, struct nd_redirect *out)
{
    if (len < REDIRECT_SIZE)
        return -EPROTO;
    memcpy(out->target.byte, buf + 8, ADDR_SIZE);
    memcpy(out->destination.byte, buf + 24, ADDR_SIZE);
    return mac_find(buf + REDIRECT_SIZE, len - REDIRECT_SIZE, OPTION_TARGET_MAC,
                    &out->mac);
}

/* ---- Advertisements of routers ------------------------------------------- */

/* An option of `size` bytes. Returns 0, -EPROTO. */
static int read_prefix(const uint8_t *option, int size, struct nd_router *out)
{
    struct nd_prefix *prefix;

    if (size != PREFIX_SIZE || option[2] > 128)
        return -EPROTO;
    if (out->prefix_count == ND_PREFIXES_MAX)
        return 0;
    prefix = &out->prefix[out->prefix_count++];
    prefix->len = option[2];
    prefix->on_link = (option[3] & ON_LINK) != 0;
    prefix->autonomous = (option[3] & AUTONOMOUS) != 0;
    prefix->valid_s = be32_get(option + 4);
    prefix->preferred_s = be32_get(option + 8);
    memcpy(prefix->prefix.byte, option + 16, ADDR_SIZE);
    return 0;
}

static int read_dns(const uint8_t *option, int size, struct nd_router *out)
{
    int count = (size - DNS_HEADER_SIZE) / ADDR_SIZE;

    if (size % ADDR_SIZE != DNS_HEADER_SIZE || count == 0)
        return -EPROTO;
    out->has_dns = true;
    out->dns_s = be32_get(option + 4);
    for (int i = 0; i < count && out->dns_count < ND_DNS_MAX; i++)
        memcpy(out->dns[out->dns_count++].byte,
               option + DNS_HEADER_SIZE + i * ADDR_SIZE, ADDR_SIZE);
    return 0;
}

static int read_option(const uint8_t *option, int size, struct nd_router *out)
{
    switch (option[0]) {
    case OPTION_SOURCE_MAC:
        if (size != ND_MAC_OPTION_SIZE || ether_is_group(option + 2))
            return -EPROTO;
        out->mac = option + 2;
        return 0;
    case OPTION_MTU:
        if (size != MTU_SIZE)
            return -EPROTO;
        out->mtu = be32_get(option + 4);
        return 0;
    case OPTION_PREFIX:
        return read_prefix(option, size, out);
    case OPTION_DNS:
        return read_dns(option, size, out);
    default:
        return 0;
    }
}

/* RFC 4191, 2.1; the value that is reserved counts as the middle one. */
static int8_t preference_of(uint8_t flags)
{
    static const int8_t values[4] = {0, 1, 0, -1};

    return values[flags >> 3 & 3];
}

int nd_parse_router(const uint8_t *buf, size_t len, struct nd_router *out)
{
    struct options options;
    const uint8_t *option;
    int size;

    *out = (struct nd_router){0};
    if (len < ROUTER_SIZE)
        return -EPROTO;
    out->hops = buf[4];
    out->preference = preference_of(buf[5]);
    out->lifetime_s = be16_get(buf + 6);
    options = (struct options){buf + ROUTER_SIZE, len - ROUTER_SIZE};
    while ((size = option_next(&options, &option)) > 0) {
        if (read_option(option, size, out) != 0)
            return -EPROTO;
    }
    return size;
}

/* ---- Out ----------------------------------------------------------------- */

void nd_emit_target(uint8_t *buf, const struct net_addr *target)
{
    memcpy(buf + ICMP6_HEADER_SIZE, target->byte, ADDR_SIZE);
}

void nd_emit_mac(uint8_t *buf, bool of_target,
                 const uint8_t mac[ETHER_ADDR_SIZE])
{
    buf[0] = of_target ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC;
    buf[1] = ND_MAC_OPTION_SIZE / 8;
    memcpy(buf + 2, mac, ETHER_ADDR_SIZE);
}

void nd_emit_nonce(uint8_t *buf, const uint8_t nonce[ND_NONCE_LEN])
{
    buf[0] = OPTION_NONCE;
    buf[1] = ND_NONCE_SIZE / 8;
    memcpy(buf + 2, nonce, ND_NONCE_LEN);
}
