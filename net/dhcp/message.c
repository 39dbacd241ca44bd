/* The messages of DHCP: RFC 2131, RFC 2132. */
#include "net/dhcp/message.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

#define COOKIE UINT32_C(0x63825363)

enum {
    /* The fixed part: RFC 2131, figure 1. */
    AT_XID = 4,
    AT_SECONDS = 8,
    AT_FLAGS = 10,
    AT_CLIENT = 12,
    AT_YOURS = 16,
    AT_MAC = 28,
    AT_SERVER_NAME = 44,
    AT_FILE = 108,
    AT_COOKIE = 236,
    SERVER_NAME_SIZE = 64,
    FILE_SIZE = 128,
    OP_REQUEST = 1,
    OP_REPLY = 2,
    HARDWARE_ETHER = 1,
    FLAG_BROADCAST = 0x8000,

    /* The options: RFC 2132. */
    OPTION_PAD = 0,
    OPTION_NETMASK = 1,
    OPTION_GATEWAY = 3,
    OPTION_DNS = 6,
    OPTION_HOST_NAME = 12,
    OPTION_MTU = 26,
    OPTION_NTP = 42,
    OPTION_REQUESTED = 50,
    OPTION_LEASE = 51,
    OPTION_OVERLOAD = 52,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_SIZE_MAX = 57,
    OPTION_RENEW = 58,
    OPTION_REBIND = 59,
    OPTION_CLIENT_ID = 61,
    OPTION_ROUTES = 121,
    OPTION_END = 255,

    OVERLOAD_FILE = 1,
    OVERLOAD_SERVER_NAME = 2,
    OPTION_JOINED_MAX = 512, /* bytes of one option in all its parts */
};

/* ---- The options of a message -------------------------------------------- */

/* Where options are. */
struct area {
    const uint8_t *at;
    size_t len;
};

/* In the order in which the parts of one option are joined: RFC 3396, 5. */
enum { AREAS = 3 };

struct options {
    struct area area[AREAS];
    uint8_t data[OPTION_JOINED_MAX]; /* of the option that was joined last */
};

/* The next option of what is left of an area, which shrinks to what is behind
 * it. Returns its code, OPTION_END when there is none, or -EPROTO. */
static int option_next(struct area *rest, const uint8_t **data, size_t *len)
{
    while (rest->len > 0 && rest->at[0] == OPTION_PAD) {
        rest->at++;
        rest->len--;
    }
    if (rest->len == 0 || rest->at[0] == OPTION_END)
        return OPTION_END;
    if (rest->len < 2 || rest->at[1] > rest->len - 2)
        return -EPROTO;
    *data = rest->at + 2;
    *len = rest->at[1];
    rest->len -= 2 + *len;
    rest->at = *data + *len;
    return (*data)[-2];
}

/*
 * Join all parts of an option in options->data. Returns its length; 0 when it
 * is not there, or is empty; -EPROTO when an area is damaged or there is more
 * than OPTION_JOINED_MAX.
 */
static int option_join(struct options *options, int code)
{
    size_t total = 0;

    for (unsigned i = 0; i < AREAS; i++) {
        struct area rest = options->area[i];
        const uint8_t *data;
        size_t len;
        int found;

        while ((found = option_next(&rest, &data, &len)) != OPTION_END) {
            if (found < 0)
                return found;
            if (found != code)
                continue;
            if (len > sizeof(options->data) - total)
                return -EPROTO;
            memcpy(options->data + total, data, len);
            total += len;
        }
    }
    return (int)total;
}

/* An option that is a number of `size` bytes; 0: it is not there. */
static int option_number(struct options *options, int code, int size,
                         uint32_t *out)
{
    int len = option_join(options, code);
    uint32_t value = 0;

    if (len < 0 || (len != 0 && len != size))
        return -EPROTO;
    for (int i = 0; i < len; i++)
        value = value << 8 | options->data[i];
    *out = value;
    return 0;
}

/* An option that is a list of addresses, of which the first `max` are kept. */
static int option_addresses(struct options *options, int code, unsigned max,
                            uint32_t *out, uint8_t *count)
{
    const uint8_t *data = options->data;
    int len = option_join(options, code);
    unsigned kept;

    if (len < 0 || len % 4 != 0)
        return -EPROTO;
    kept = (unsigned)min_size((size_t)len / 4, max);
    for (unsigned i = 0; i < kept; i++)
        out[i] = be32_get(data + 4 * i);
    *count = (uint8_t)kept;
    return 0;
}

static int find_options(const uint8_t *buf, size_t len, struct options *out)
{
    uint32_t overload;

    memset(out->area, 0, sizeof(out->area));
    out->area[0] = (struct area){buf + DHCP_FIXED_SIZE, len - DHCP_FIXED_SIZE};
    if (option_number(out, OPTION_OVERLOAD, 1, &overload) != 0 ||
        overload > (OVERLOAD_FILE | OVERLOAD_SERVER_NAME))
        return -EPROTO;
    if (overload & OVERLOAD_FILE)
        out->area[1] = (struct area){buf + AT_FILE, FILE_SIZE};
    if (overload & OVERLOAD_SERVER_NAME)
        out->area[2] = (struct area){buf + AT_SERVER_NAME, SERVER_NAME_SIZE};
    return 0;
}

/* ---- What they say ------------------------------------------------------- */

/* RFC 3442: the length of a prefix, those of its bytes that are not 0, and the
 * gateway. Returns the bytes taken, or -EPROTO. */
static int route_parse(const uint8_t *data, size_t left, struct dhcp_route *out)
{
    unsigned len = data[0];
    unsigned bytes = (len + 7) / 8;
    uint32_t prefix = 0;

    if (len > 32 || left < 1 + bytes + 4)
        return -EPROTO;
    for (unsigned i = 0; i < bytes; i++)
        prefix |= (uint32_t)data[1 + i] << (24 - 8 * i);
    out->prefix = len == 0 ? 0 : prefix & UINT32_MAX << (32 - len);
    out->len = (uint8_t)len;
    out->gateway = be32_get(data + 1 + bytes);
    return (int)(1 + bytes + 4);
}

static int parse_routes(struct options *options, struct dhcp_reply *out)
{
    const uint8_t *data = options->data;
    int len = option_join(options, OPTION_ROUTES);

    if (len < 0)
        return len;
    out->has_routes = len > 0;
    for (int at = 0; at < len;) {
        struct dhcp_route route;
        int size = route_parse(data + at, (size_t)(len - at), &route);

        if (size < 0)
            return size;
        at += size;
        if (out->route_count < DHCP_ROUTES_MAX)
            out->route[out->route_count++] = route;
    }
    return 0;
}

static bool is_name_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || c == '-' || c == '.';
}

static int parse_name(struct options *options, struct dhcp_reply *out)
{
    const uint8_t *data = options->data;
    int len = option_join(options, OPTION_HOST_NAME);

    if (len < 0)
        return len;
    if (len > 0 && data[len - 1] == '\0') /* RFC 2132, 2: some add one */
        len--;
    if (len >= DHCP_NAME_SIZE)
        return 0;
    for (int i = 0; i < len; i++) {
        if (!is_name_char(data[i]))
            return 0;
    }
    memcpy(out->host_name, data, (size_t)len);
    return 0;
}

/* RFC 6842: a server sends the identifier back. */
static int parse_client_id(struct options *options, struct dhcp_reply *out)
{
    const uint8_t *data = options->data;
    int len = option_join(options, OPTION_CLIENT_ID);

    if (len < 0)
        return len;
    out->has_client_id = len > 0;
    if (len == DHCP_CLIENT_ID_SIZE)
        memcpy(out->client_id, data, DHCP_CLIENT_ID_SIZE);
    return 0;
}

static int parse_numbers(struct options *options, struct dhcp_reply *out)
{
    uint32_t type, mtu;

    if (option_number(options, OPTION_TYPE, 1, &type) != 0 ||
        option_number(options, OPTION_SERVER, 4, &out->server) != 0 ||
        option_number(options, OPTION_NETMASK, 4, &out->netmask) != 0 ||
        option_number(options, OPTION_LEASE, 4, &out->lease_s) != 0 ||
        option_number(options, OPTION_RENEW, 4, &out->renew_s) != 0 ||
        option_number(options, OPTION_REBIND, 4, &out->rebind_s) != 0 ||
        option_number(options, OPTION_MTU, 2, &mtu) != 0)
        return -EPROTO;
    if (type != DHCP_OFFER && type != DHCP_ACK && type != DHCP_NAK)
        return -EPROTO;
    out->type = (uint8_t)type;
    out->mtu = (uint16_t)mtu;
    return 0;
}

static int parse_lists(struct options *options, struct dhcp_reply *out)
{
    uint8_t gateways;

    if (option_addresses(options, OPTION_GATEWAY, 1, &out->gateway,
                         &gateways) != 0 ||
        option_addresses(options, OPTION_DNS, DHCP_SERVERS_MAX, out->dns,
                         &out->dns_count) != 0 ||
        option_addresses(options, OPTION_NTP, DHCP_SERVERS_MAX, out->ntp,
                         &out->ntp_count) != 0)
        return -EPROTO;
    return 0;
}

int dhcp_parse(const uint8_t *buf, size_t len, struct dhcp_reply *out)
{
    struct options options;

    if (len < DHCP_FIXED_SIZE || buf[0] != OP_REPLY ||
        buf[1] != HARDWARE_ETHER || buf[2] != ETHER_ADDR_SIZE ||
        be32_get(buf + AT_COOKIE) != COOKIE)
        return -EPROTO;
    *out = (struct dhcp_reply){0};
    out->xid = be32_get(buf + AT_XID);
    out->address = be32_get(buf + AT_YOURS);
    memcpy(out->mac, buf + AT_MAC, ETHER_ADDR_SIZE);
    if (find_options(buf, len, &options) != 0 ||
        parse_numbers(&options, out) != 0 || parse_lists(&options, out) != 0 ||
        parse_routes(&options, out) != 0 || parse_name(&options, out) != 0 ||
        parse_client_id(&options, out) != 0)
        return -EPROTO;
    return 0;
}

/* ---- What the client says ------------------------------------------------ */

void dhcp_client_id(uint8_t id[DHCP_CLIENT_ID_SIZE], const uint8_t *mac)
{
    /* Type 255; the interface, 1; a DUID of type 3 (RFC 8415, 11.4): its
     * hardware address. */
    static const uint8_t start[] = {255, 0, 0, 0, 1, 0, 3, 0, HARDWARE_ETHER};

    static_assert(sizeof(start) + ETHER_ADDR_SIZE == DHCP_CLIENT_ID_SIZE,
                  "the parts are the whole");
    memcpy(id, start, sizeof(start));
    memcpy(id + sizeof(start), mac, ETHER_ADDR_SIZE);
}

static uint8_t *option_put(uint8_t *at, uint8_t code, const void *data,
                           size_t len)
{
    at[0] = code;
    at[1] = (uint8_t)len;
    memcpy(at + 2, data, len);
    return at + 2 + len;
}

static uint8_t *address_put(uint8_t *at, uint8_t code, uint32_t address)
{
    uint8_t data[4];

    if (address == 0)
        return at;
    be32_put(data, address);
    return option_put(at, code, data, sizeof(data));
}

void dhcp_emit(uint8_t buf[DHCP_REQUEST_SIZE],
               const struct dhcp_request *request)
{
    /* RFC 3442: classless routes are asked for before the gateway. */
    static const uint8_t wanted[] = {
        OPTION_NETMASK,   OPTION_ROUTES, OPTION_GATEWAY, OPTION_DNS,
        OPTION_HOST_NAME, OPTION_MTU,    OPTION_NTP,     OPTION_LEASE,
        OPTION_RENEW,     OPTION_REBIND,
    };
    static const uint8_t size_max[] = {DHCP_REPLY_MAX >> 8,
                                       DHCP_REPLY_MAX & 0xff};
    uint8_t id[DHCP_CLIENT_ID_SIZE];
    uint8_t *at = buf + DHCP_FIXED_SIZE;

    memset(buf, 0, DHCP_REQUEST_SIZE);
    buf[0] = OP_REQUEST;
    buf[1] = HARDWARE_ETHER;
    buf[2] = ETHER_ADDR_SIZE;
    be32_put(buf + AT_XID, request->xid);
    be16_put(buf + AT_SECONDS, request->seconds);
    be16_put(buf + AT_FLAGS, request->is_broadcast ? FLAG_BROADCAST : 0);
    be32_put(buf + AT_CLIENT, request->client);
    memcpy(buf + AT_MAC, request->mac, ETHER_ADDR_SIZE);
    be32_put(buf + AT_COOKIE, COOKIE);
    at = option_put(at, OPTION_TYPE, &request->type, 1);
    dhcp_client_id(id, request->mac);
    at = option_put(at, OPTION_CLIENT_ID, id, sizeof(id));
    at = address_put(at, OPTION_REQUESTED, request->requested);
    at = address_put(at, OPTION_SERVER, request->server);
    if (request->type != DHCP_DECLINE) { /* RFC 2131, table 5 */
        at = option_put(at, OPTION_WANTED, wanted, sizeof(wanted));
        at = option_put(at, OPTION_SIZE_MAX, size_max, sizeof(size_max));
    }
    *at++ = OPTION_END;
    assert(at <= buf + DHCP_REQUEST_SIZE);
}
