/*
 * HTTP/1.1: a client (RFC 9110, RFC 9112), over the sockets of <torc/socket.h>.
 * Calls wait, until a deadline in time_ns(). A client belongs to the CPU it was
 * opened on, and to one thread at a time.
 *
 *     http_client_open(&server, deadline, &client);
 *     status = http_client_request(client, &request, deadline);
 *     while ((got = http_client_read(client, buf, sizeof(buf), deadline)) > 0)
 *         ...
 *     http_client_close(client);
 *
 * Another request may follow when all content was read: on the same connection
 * if the server keeps it, else -ENOTCONN.
 */
#ifndef TORC_HTTP_CLIENT_H
#define TORC_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/net_addr.h>
#include <torc/span.h>

struct http_client;

struct http_client_request {
    const char *method; /* a token: "GET" */
    const char *target; /* "/path?query", encoded */
    const char *host;   /* of the Host field: "example.org", "10.0.2.2:81" */
    const char *fields; /* more field lines, each with its CR LF; NULL: none */

    /* Content: these bytes; or, if read is not NULL, what it gives, in
     * chunks: how many bytes, 0: the end, or an error by which the request
     * fails. */
    const void *body;
    size_t body_len;
    int64_t (*read)(void *cookie, void *buf, size_t size);
    void *cookie;
};

enum { HTTP_CLIENT_FIELDS_MAX = 4096 };

#define HTTP_CLIENT_LENGTH_UNKNOWN UINT64_MAX

/* Connect. Returns 0 and *out, -ENOMEM, or as socket_open_tcp() and
 * socket_connect(). */
must_check int http_client_open(const struct net_endpoint *server,
                                uint64_t deadline_ns, struct http_client **out);

/*
 * Send a request and read the head of its response; interim ones (1xx) are
 * skipped, up to 16 of them. Returns the status, 200 .. 599; -EINVAL (the
 * request has a part that is none), -EMSGSIZE (it is too long), -EBUSY (content
 * of the last response is left), -ENOTCONN (the connection has ended: open
 * another one), -EPROTO (the response breaks the protocol), -ETIMEDOUT (the
 * deadline has passed), -ECONNRESET. After an error, but for the first three,
 * the connection is of no use any more.
 */
must_check int http_client_request(struct http_client *client,
                                   const struct http_client_request *request,
                                   uint64_t deadline_ns);

/* The first field of the response with that name; at == NULL: none. Valid until
 * the next request. */
struct span http_client_field(const struct http_client *client,
                              const char *name);

/* How many bytes of content the response has, or HTTP_CLIENT_LENGTH_UNKNOWN. */
uint64_t http_client_length(const struct http_client *client);

/* Take at most `size` (> 0) bytes of content. Returns how many; 0: that was
 * all; or as http_client_request(): -EPROTO, too, when it ends too early. */
must_check int64_t http_client_read(struct http_client *client, void *buf,
                                    size_t size, uint64_t deadline_ns);

/* Close the connection, and free the client; NULL is ignored. */
void http_client_close(struct http_client *client);

#endif
