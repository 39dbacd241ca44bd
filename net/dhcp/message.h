/*
 * The messages of DHCP: RFC 2131, section 2; the options of RFC 2132; client
 * identifiers of RFC 4361; classless routes of RFC 3442; long options of RFC
 * 3396. Pure functions on bytes: no state, no allocation.
 */
#ifndef TORC_NET_DHCP_MESSAGE_H
#define TORC_NET_DHCP_MESSAGE_H

#include "net/wire/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum {
    DHCP_SERVER_PORT = 67,
    DHCP_CLIENT_PORT = 68,
    DHCP_FIXED_SIZE = 240,   /* up to the options, with the cookie */
    DHCP_REQUEST_SIZE = 300, /* what some relays want at least: RFC 1542, 2.1 */
    DHCP_REPLY_MAX = 1472,   /* we say that we take so much */
    DHCP_CLIENT_ID_SIZE = 15,
    DHCP_ROUTES_MAX = 8,
    DHCP_SERVERS_MAX = 3, /* of DNS, and of NTP */
    DHCP_NAME_SIZE = 64,  /* a host name and its NUL */
};

#define DHCP_FOREVER UINT32_MAX /* a lease without an end */

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_DECLINE = 4,
    DHCP_ACK = 5,
    DHCP_NAK = 6,
};

/* Addresses in host order; 0: there is none. */
struct dhcp_route {
    uint32_t prefix;  /* bits behind the first `len` are 0 */
    uint32_t gateway; /* 0: those addresses are on the link */
    uint8_t len;      /* 0 .. 32 */
};

/* What a server says. What is 0 was not said. */
struct dhcp_reply {
    uint8_t type; /* DHCP_OFFER, DHCP_ACK or DHCP_NAK */
    uint32_t xid;
    uint8_t mac[ETHER_ADDR_SIZE];
    bool has_client_id;
    uint8_t client_id[DHCP_CLIENT_ID_SIZE]; /* zeros: one of another length */
    uint32_t address;
    uint32_t server;
    uint32_t netmask;
    uint32_t gateway;
    uint32_t lease_s; /* DHCP_FOREVER: no end */
    uint32_t renew_s;
    uint32_t rebind_s;
    uint16_t mtu;
    bool has_routes; /* then the gateway means nothing: RFC 3442 */
    uint8_t route_count;
    uint8_t dns_count;
    uint8_t ntp_count;
    struct dhcp_route route[DHCP_ROUTES_MAX];
    uint32_t dns[DHCP_SERVERS_MAX];
    uint32_t ntp[DHCP_SERVERS_MAX];
    char host_name[DHCP_NAME_SIZE]; /* letters, digits, '-', '.'; may be "" */
};

/*
 * Parse a reply. Returns 0, or -EPROTO: no reply for an Ethernet card, an
 * option that is longer than its area or whose length its meaning does not
 * allow, or no type that a server sends; *out means nothing then. Routes and
 * servers beyond the room are left out; a host name with other characters
 * counts as none.
 */
must_check int dhcp_parse(const uint8_t *buf, size_t len,
                          struct dhcp_reply *out);

/* What the client says. */
struct dhcp_request {
    uint8_t type;
    uint32_t xid;
    uint16_t seconds;  /* since it began to ask */
    bool is_broadcast; /* the answer cannot reach it otherwise */
    uint8_t mac[ETHER_ADDR_SIZE];
    uint32_t client;    /* its address, when it may use it */
    uint32_t requested; /* option 50; 0: none */
    uint32_t server;    /* option 54; 0: none */
};

/* Write DHCP_REQUEST_SIZE bytes. */
void dhcp_emit(uint8_t buf[DHCP_REQUEST_SIZE],
               const struct dhcp_request *request);

/* The identifier that dhcp_emit() gives a card: RFC 4361, 6.1. */
void dhcp_client_id(uint8_t id[DHCP_CLIENT_ID_SIZE], const uint8_t *mac);

#endif
