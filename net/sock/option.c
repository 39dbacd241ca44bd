/* What sockets of TCP can choose. */
#include "net/sock/sock.h"
#include <torc/memory.h>

#define KEEP_INTERVAL_NS (75 * NS_PER_S)
#define TIME_MAX_NS      (24 * 3600 * NS_PER_S)

enum {
    KEEP_COUNT = 9,
    KEEP_COUNT_MAX = 1000,
    DSCP_MAX = 63,
    DSCP_SHIFT = 2, /* in the traffic class: RFC 2474, 3 */
};

static const struct tcp_tuning usual = {
    .keep_interval_ns = KEEP_INTERVAL_NS,
    .keep_count = KEEP_COUNT,
};

/* What the socket has chosen so far. Returns 0, -EXDEV, -EINVAL (UDP). */
static int tuning_get(struct socket *socket, struct tcp_tuning *out)
{
    struct user_socket *user = NULL;

    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->client->calls != NULL ||
        (socket->client == &user_client &&
         user_socket_of(socket, false, &user) != 0))
        return -EINVAL;
    *out = usual;
    if (socket->conn != NULL)
        *out = tcp_tuning_of(socket->conn);
    else if (user != NULL && user->tuned != NULL)
        *out = user->tuned->tuning;
    if (out->keep_count == 0)
        *out = usual;
    return 0;
}

/* Keep it for the connection that will be. */
static int tuning_keep(struct user_socket *user,
                       const struct tcp_tuning *tuning)
{
    if (user->tuned == NULL)
        user->tuned = mem_alloc(sizeof(*user->tuned));
    if (user->tuned == NULL)
        return -ENOMEM;
    *user->tuned = (struct tuned){*tuning, tcp_tune};
    return 0;
}

static int tuning_set(struct socket *socket, const struct tcp_tuning *tuning)
{
    if (socket->conn != NULL)
        return tcp_tune(socket->conn, tuning);
    if (socket->client != &user_client)
        return -ENOTCONN;
    return tuning_keep(container_of(socket, struct user_socket, socket),
                       tuning);
}

int socket_set_option(struct socket *socket, enum socket_option option,
                      uint64_t value)
{
    struct tcp_tuning tuning;
    int error = tuning_get(socket, &tuning);

    if (error != 0)
        return error;
    if (value > TIME_MAX_NS)
        return -EINVAL;
    switch (option) {
    case SOCKET_NODELAY:
        error = value <= 1 ? 0 : -EINVAL;
        tuning.has_nagle = value == 0;
        break;
    case SOCKET_ECN:
        error = value <= 1 ? 0 : -EINVAL;
        tuning.asks_ecn = value == 1;
        break;
    case SOCKET_HOP_LIMIT:
        error = value <= UINT8_MAX ? 0 : -EINVAL;
        tuning.hops = (uint8_t)value;
        break;
    case SOCKET_DSCP:
        error = value <= DSCP_MAX ? 0 : -EINVAL;
        tuning.traffic_class = (uint8_t)(value << DSCP_SHIFT);
        break;
    case SOCKET_USER_TIMEOUT:
        tuning.user_timeout_ns = value;
        break;
    case SOCKET_KEEP_IDLE:
        error = value == 0 || value >= NS_PER_MS ? 0 : -EINVAL;
        tuning.keep_idle_ns = value;
        break;
    case SOCKET_KEEP_INTERVAL:
        error = value >= NS_PER_MS ? 0 : -EINVAL;
        tuning.keep_interval_ns = value;
        break;
    case SOCKET_KEEP_COUNT:
        error = value >= 1 && value <= KEEP_COUNT_MAX ? 0 : -EINVAL;
        tuning.keep_count = (uint32_t)value;
        break;
    default:
        error = -EINVAL;
        break;
    }
    return error != 0 ? error : tuning_set(socket, &tuning);
}

int socket_get_option(struct socket *socket, enum socket_option option,
                      uint64_t *value)
{
    struct tcp_tuning tuning;
    int error = tuning_get(socket, &tuning);

    if (error != 0)
        return error;
    switch (option) {
    case SOCKET_NODELAY:
        *value = !tuning.has_nagle;
        return 0;
    case SOCKET_ECN:
        *value = tuning.asks_ecn;
        return 0;
    case SOCKET_HOP_LIMIT:
        *value = tuning.hops;
        return 0;
    case SOCKET_DSCP:
        *value = tuning.traffic_class >> DSCP_SHIFT;
        return 0;
    case SOCKET_USER_TIMEOUT:
        *value = tuning.user_timeout_ns;
        return 0;
    case SOCKET_KEEP_IDLE:
        *value = tuning.keep_idle_ns;
        return 0;
    case SOCKET_KEEP_INTERVAL:
        *value = tuning.keep_interval_ns;
        return 0;
    case SOCKET_KEEP_COUNT:
        *value = tuning.keep_count;
        return 0;
    }
    return -EINVAL;
}
