/*
 * The servers that this host was told to use, of names (DNS) and of time (NTP),
 * by whom: the command line, DHCP, or router advertisements. Each of them has
 * its own list, which it replaces as a whole; the lists follow each other in
 * that order. IPv6 keeps that of the routers itself. Owner: the stack's CPU;
 * nothing here yields.
 */
#ifndef TORC_NET_SERVERS_H
#define TORC_NET_SERVERS_H

#include "net/wire/addr.h"

struct net_stack;

enum { SERVERS_MAX = 3 }; /* of one kind, by one source */

enum server_kind { SERVER_DNS, SERVER_NTP, SERVER_KINDS };
enum server_source { SERVER_BY_OPTION, SERVER_BY_DHCP, SERVER_SOURCES };

enum { SERVERS_ALL_MAX = SERVERS_MAX * (SERVER_SOURCES + 1) };

struct servers {
    struct net_addr addr[SERVER_KINDS][SERVER_SOURCES][SERVERS_MAX];
    uint8_t count[SERVER_KINDS][SERVER_SOURCES];
};

/* Replace the list of a source by `count` addresses, of which the first
 * SERVERS_MAX are kept. */
void servers_set(struct net_stack *stack, enum server_kind kind,
                 enum server_source source, const struct net_addr *addr,
                 unsigned count);

/* Copy what is known, each address once. Returns how many. */
unsigned servers_get(const struct net_stack *stack, enum server_kind kind,
                     struct net_addr addr[SERVERS_ALL_MAX]);

#endif
