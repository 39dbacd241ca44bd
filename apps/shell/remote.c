/* Sessions by TCP: see remote.h. */
#include "apps/shell/remote.h"
#include "apps/shell/shell.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { BACKLOG = 4, STACK_SIZE = 64 * 1024 };
#define IDLE_NS   (600 * NS_PER_S) /* then a session ends */
#define LINGER_NS (10 * NS_PER_S)  /* a command goes on without its peer */
#define WRITE_NS  (20 * NS_PER_S)  /* a peer takes nothing for so long */

/* CPU 0 only. */
struct remote {
    struct socket *socket;
    bool has_failed; /* the peer is gone, or takes nothing */
    struct thread_cleanup cleanup;
    struct shell shell;
};
static struct socket *listener;
static bool is_taken; /* there is a session */

/* ---- Its terminal -------------------------------------------------------- */

static int64_t remote_read(void *ctx, void *buf, size_t size,
                           uint64_t deadline_ns)
{
    struct remote *remote = ctx;

    return remote->has_failed
               ? -EPIPE
               : socket_read(remote->socket, buf, size, deadline_ns);
}

/* When the peer takes nothing, the command ends, too. */
static void send(struct remote *remote, const char *text, size_t len)
{
    if (len == 0 || remote->has_failed)
        return;
    if (socket_write(remote->socket, text, len, time_ns() + WRITE_NS) !=
        (int64_t)len)
        remote->has_failed = remote->shell.is_told = true;
}

/* Lines end as terminals want it. */
static void remote_write(void *ctx, const char *text, size_t len)
{
    while (len > 0) {
        size_t part = 0;

        while (part < len && text[part] != '\n')
            part++;
        send(ctx, text, part);
        if (part < len) {
            send(ctx, "\r\n", 2);
            part++;
        }
        text += part;
        len -= part;
    }
}

/* ---- Sessions ------------------------------------------------------------ */

static void session_end(void *arg)
{
    struct remote *remote = arg;

    socket_close(remote->socket);
    mem_free(remote);
    is_taken = false;
    log_info("shell: the session by TCP has ended");
}

/* `kill` only tells it to end (shell_kill()): what its command has is freed. */
static int session(void *arg)
{
    struct remote *remote = arg;
    const struct terminal terminal = {.read = remote_read,
                                      .write = remote_write,
                                      .ctx = remote,
                                      .idle_ns = IDLE_NS,
                                      .linger_ns = LINGER_NS};

    thread_cleanup_push(&remote->cleanup, session_end, remote);
    shell_init(&remote->shell, &terminal);
    shell_session(&remote->shell);
    thread_cleanup_pop(&remote->cleanup, true);
    return 0;
}

static void refuse(struct socket *socket, const char *why)
{
    int64_t ignored = socket_write(socket, why, strlen(why), 0);

    (void)ignored;
    socket_close(socket);
}

static void session_begin(struct socket *socket)
{
    const struct thread_attr attr = {
        .name = "session", .stack_size = STACK_SIZE, .detached = true};
    char peer[NET_ENDPOINT_SIZE];
    struct net_endpoint end = socket_peer(socket);
    struct remote *remote;
    thread_id id;

    if (is_taken) {
        refuse(socket, "another session is open\r\n");
        return;
    }
    remote = mem_alloc_zeroed(sizeof(*remote));
    if (remote != NULL)
        remote->socket = socket;
    if (remote == NULL || thread_create(&attr, session, remote, &id) != 0) {
        mem_free(remote);
        refuse(socket, "no memory\r\n");
        return;
    }
    is_taken = true;
    net_endpoint_format(peer, &end);
    log_info("shell: a session by TCP from %s", peer);
}

static int acceptor(void *arg)
{
    struct socket *socket;
    int status;

    (void)arg;
    while ((status = socket_accept(listener, &socket, TIME_NEVER)) == 0)
        session_begin(socket);
    log_error("shell: nobody listens any more: %s", error_text(status));
    return status;
}

/* ---- Starting ------------------------------------------------------------ */

/* Returns 0 and *end, -EINVAL. */
static int parse(const char *option, struct net_endpoint *end)
{
    struct net_addr any4;

    if (net_endpoint_parse(option, end) != 0 || end->port == 0)
        return -EINVAL;
    if (net_addr_parse("0.0.0.0", &any4) == 0 &&
        memcmp(&end->addr, &any4, sizeof(any4)) == 0)
        end->addr = (struct net_addr){.word = {0, 0}};
    return 0;
}

static int start(const struct net_endpoint *end)
{
    const struct thread_attr attr = {.name = "listen", .detached = true};
    thread_id id;
    int status = socket_open_tcp(&listener);

    if (status != 0)
        return status;
    status = socket_bind(listener, end);
    if (status == 0)
        status = socket_listen(listener, BACKLOG);
    if (status == 0)
        status = thread_create(&attr, acceptor, NULL, &id);
    if (status != 0)
        socket_close(listener);
    return status;
}

int remote_start(void)
{
    const char *option = machine_option("listen");
    struct net_endpoint end;
    int status;

    if (option == NULL)
        return 0;
    is_taken = false;
    status = parse(option, &end);
    if (status == 0)
        status = start(&end);
    if (status != 0) {
        log_error("shell: listen=%s: %s", option, error_text(status));
        return status;
    }
    log_info("shell: listens on %s; who reaches that port has the machine",
             option);
    return 1;
}
