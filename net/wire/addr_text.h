/* Addresses of both families as text: RFC 4291, 2.2; RFC 5952. */
#ifndef TORC_NET_WIRE_ADDR_TEXT_H
#define TORC_NET_WIRE_ADDR_TEXT_H

#include "net/wire/addr.h"
#include <torc/compiler.h>
#include <torc/errno.h>

/* "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" and its NUL. */
enum { ADDR_TEXT = 46 };

/*
 * Parse an address at the beginning of `text`: "10.0.2.15", "fe80::1",
 * "::ffff:10.0.2.15". Returns 0 and, when `end` is not NULL, what is behind it
 * in *end; or -EINVAL. With `end` NULL the address must be all of the text.
 */
must_check int addr_parse(const char *text, const char **end,
                          struct net_addr *out);

/* Write an address as RFC 5952 recommends; an IPv4 address as IPv4 is written.
 */
void addr_format(char text[ADDR_TEXT], const struct net_addr *addr);

#endif
