/* URLs of HTTP. Pure. */
#ifndef TORC_APPS_SHELL_URL_H
#define TORC_APPS_SHELL_URL_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/net_resolve.h>

struct url {
    char host[NET_NAME_SIZE + 8]; /* for the Host field: with the port */
    char name[NET_NAME_SIZE];     /* or an address, without brackets */
    uint16_t port;
    const char *target; /* part of the text */
};

/* Read http://HOST[:PORT][/PATH] (RFC 9110, 4.2.1). Returns 0, -EINVAL. */
must_check int url_parse(const char *text, struct url *out);

#endif
