/* Names of hosts, and their addresses: docs/net_services.md. */
#ifndef TORC_NET_RESOLVE_H
#define TORC_NET_RESOLVE_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/net_addr.h>

enum resolve_family { RESOLVE_ANY, RESOLVE_IP4, RESOLVE_IP6 };

enum {
    NET_NAME_SIZE = 254, /* a name as text, with its NUL */
};

/*
 * The addresses of a host: of a name, by DNS, or of an address as text, which
 * is itself. Names of other letters than those of ASCII are to be given as
 * "xn--".
 *   family   RESOLVE_ANY: those of IPv4, then, when there is a route to
 *            IPv6, those of IPv6
 *   addrs    gets at most `size` of them
 *   deadline_ns  the end of the wait, as time_ns() counts
 *
 * Returns how many; -ENOENT: there is no such name; -ENODATA: it has no address
 * of that family; -EINVAL, -ENAMETOOLONG: it cannot be a name; -ETIMEDOUT: no
 * server answers; -EIO: none knows; -ENETUNREACH: none is known, or -EAGAIN: 16
 * others are asked for; -ELOOP: an alias without end;
 * -ENOTCONN: this CPU has no stack; -ENOMEM. Context: thread; waits.
 */
must_check int net_resolve(const char *name, enum resolve_family family,
                           struct net_addr *addrs, unsigned size,
                           uint64_t deadline_ns);

/*
 * The name of an address. Returns 0, or as net_resolve(); -EPROTO: it has
 * characters that no host's name has. Context: thread; waits.
 */
must_check int net_resolve_addr(const struct net_addr *addr,
                                char name[NET_NAME_SIZE], uint64_t deadline_ns);

/* The servers to ask before those that the network tells of; at most three are
 * kept. Returns 0, -ENOTCONN: this CPU has no stack. */
must_check int net_set_name_servers(const struct net_addr *addrs,
                                    unsigned count);

#endif
