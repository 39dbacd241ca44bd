/* URLs of HTTP: see url.h. */
#include "apps/shell/url.h"
#include <stddef.h>
#include <torc/string.h>

static const char scheme[] = "http://";

/* Copy a piece that is not too long. Returns 0, -EINVAL. */
static int piece(char *out, size_t size, const char *from, size_t len)
{
    if (len == 0 || len >= size)
        return -EINVAL;
    memcpy(out, from, len);
    out[len] = '\0';
    return 0;
}

/* What stands behind the name. Returns 0, -EINVAL. */
static int port_of(const char *text, struct url *out)
{
    uint64_t port = 80;

    if (*text == ':' &&
        (str_to_u64(text + 1, &port) != 0 || port < 1 || port > UINT16_MAX))
        return -EINVAL;
    out->port = (uint16_t)port;
    return *text == ':' || *text == '\0' ? 0 : -EINVAL;
}

int url_parse(const char *text, struct url *out)
{
    const char *host = text + sizeof(scheme) - 1;
    size_t len = 0, name_len = 0, open;

    if (!str_starts(text, scheme))
        return -EINVAL;
    while (host[len] != '\0' && host[len] != '/' && host[len] != '?')
        len++;
    if (host[len] == '?' || piece(out->host, sizeof(out->host), host, len) != 0)
        return -EINVAL; /* a query has a path before it */
    out->target = host[len] == '\0' ? "/" : host + len;
    open = out->host[0] == '[' ? 1 : 0;
    while (open + name_len < len &&
           out->host[open + name_len] != (open != 0 ? ']' : ':'))
        name_len++;
    if (piece(out->name, sizeof(out->name), out->host + open, name_len) != 0)
        return -EINVAL;
    if (open != 0 && out->host[open + name_len] != ']')
        return -EINVAL;
    return port_of(out->host + name_len + 2 * open, out);
}
