/* A question over TCP, whose answer is larger than UDP takes: RFC 7766. */
#include "kernel/lib/bytes.h"
#include "net/dns/resolver.h"
#include <torc/memory.h>
#include <torc/socket.h>

enum { LENGTH_SIZE = 2 }; /* in front of each message: RFC 1035, 4.2.2 */

static int read_all(struct socket *socket, uint8_t *buf, size_t size,
                    uint64_t deadline_ns)
{
    while (size > 0) {
        int64_t got = socket_read(socket, buf, size, deadline_ns);

        if (got <= 0)
            return got == 0 ? -ECONNRESET : (int)got;
        buf += got;
        size -= (size_t)got;
    }
    return 0;
}

static int send_question(struct socket *socket, const struct dns_query *query,
                         uint16_t id, uint64_t deadline_ns)
{
    uint8_t buf[LENGTH_SIZE + DNS_QUERY_MAX];
    size_t len = dns_query_emit(buf + LENGTH_SIZE, id, &query->current,
                                query->type, query->has_edns);
    int64_t sent;

    be16_put(buf, (uint16_t)len);
    sent = socket_write(socket, buf, LENGTH_SIZE + len, deadline_ns);
    if (sent < 0)
        return (int)sent;
    return (size_t)sent == LENGTH_SIZE + len ? 0 : -ETIMEDOUT;
}

static int take_answer(struct socket *socket, struct dns_query *query,
                       uint16_t id, uint64_t deadline_ns)
{
    uint8_t head[LENGTH_SIZE];
    int error = read_all(socket, head, sizeof(head), deadline_ns);
    size_t len;
    uint8_t *buf;

    if (error != 0)
        return error;
    len = be16_get(head);
    buf = mem_alloc(len + 1); /* of 0 bytes, too */
    if (buf == NULL)
        return -ENOMEM;
    error = read_all(socket, buf, len, deadline_ns);
    if (error == 0)
        error = dns_answer_parse(buf, len, id, &query->current, query->type,
                                 &query->answer);
    mem_free(buf);
    return error;
}

int dns_tcp_ask(struct dns_query *query, const struct net_addr *server,
                uint64_t deadline_ns)
{
    const struct net_endpoint remote = {*server, DNS_PORT};
    struct socket *socket;
    uint16_t id = query->id;
    int error = socket_open_tcp(&socket);

    if (error != 0)
        return error;
    error = socket_connect(socket, &remote, deadline_ns);
    if (error == 0)
        error = send_question(socket, query, id, deadline_ns);
    if (error == 0)
        error = take_answer(socket, query, id, deadline_ns);
    socket_close(socket);
    return error;
}
