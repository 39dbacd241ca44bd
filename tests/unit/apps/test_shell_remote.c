/* Sessions by TCP, over sockets that the test plays. */
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/thread.h>
#include <torc/time.h>

#define machine_option  world_machine_option
#define socket_open_tcp world_socket_open_tcp
#define socket_bind     world_socket_bind
#define socket_listen   world_socket_listen
#define socket_accept   world_socket_accept
#define socket_read     world_socket_read
#define socket_write    world_socket_write
#define socket_close    world_socket_close
#define socket_peer     world_socket_peer

struct socket {
    unsigned number;
};
static const char *world_machine_option(const char *key);
static int world_socket_open_tcp(struct socket **out);
static int world_socket_bind(struct socket *socket,
                             const struct net_endpoint *local);
static int world_socket_listen(struct socket *socket, unsigned backlog);
static int world_socket_accept(struct socket *socket, struct socket **out,
                               uint64_t deadline);
static int64_t world_socket_read(struct socket *socket, void *buf, size_t size,
                                 uint64_t deadline);
static int64_t world_socket_write(struct socket *socket, const void *data,
                                  size_t size, uint64_t deadline);
static void world_socket_close(struct socket *socket);
static struct net_endpoint world_socket_peer(const struct socket *socket);

#include "apps/shell/remote.c"

enum { LISTENER, FIRST, SECOND, SOCKETS };
static struct socket sockets[SOCKETS];
static bool is_open[SOCKETS];
static char sent[2000];
static const char *option;
static int open_status, bind_status, listen_status;
static struct net_endpoint bound;
static unsigned connections, accepted;
static int64_t read_result;
static bool waits; /* what reads does not get anything */
static uint64_t read_deadline;
static unsigned takes; /* how many writes succeed */

static const char *world_machine_option(const char *key)
{
    assert_string_equal(key, "listen");
    return option;
}

static int world_socket_open_tcp(struct socket **out)
{
    *out = &sockets[LISTENER];
    is_open[LISTENER] = open_status == 0;
    return open_status;
}

static int world_socket_bind(struct socket *socket,
                             const struct net_endpoint *local)
{
    assert_ptr_equal(socket, &sockets[LISTENER]);
    bound = *local;
    return bind_status;
}

static int world_socket_listen(struct socket *socket, unsigned backlog)
{
    assert_ptr_equal(socket, &sockets[LISTENER]);
    assert_true(backlog > 0);
    return listen_status;
}

static int world_socket_accept(struct socket *socket, struct socket **out,
                               uint64_t deadline)
{
    assert_ptr_equal(socket, &sockets[LISTENER]);
    assert_true(deadline == TIME_NEVER);
    if (accepted == connections)
        return -ENOTCONN;
    accepted++;
    *out = &sockets[accepted];
    is_open[accepted] = true;
    return 0;
}

static int64_t world_socket_read(struct socket *socket, void *buf, size_t size,
                                 uint64_t deadline)
{
    (void)buf;
    (void)size;
    assert_ptr_equal(socket, &sockets[FIRST]);
    read_deadline = deadline;
    if (waits)
        thread_sleep_until(TIME_NEVER);
    return read_result;
}

static int64_t world_socket_write(struct socket *socket, const void *data,
                                  size_t size, uint64_t deadline)
{
    (void)deadline;
    assert_true(is_open[socket - sockets]);
    if (takes == 0)
        return -ECONNRESET;
    takes--;
    strncat(sent, data, size);
    return (int64_t)size;
}

static void world_socket_close(struct socket *socket)
{
    assert_true(is_open[socket - sockets]);
    is_open[socket - sockets] = false;
}

static struct net_endpoint world_socket_peer(const struct socket *socket)
{
    (void)socket;
    return (struct net_endpoint){.port = 99};
}

/* ---- The shell ----------------------------------------------------------- */

static struct shell *served;
static bool was_told;

void shell_init(struct shell *shell, const struct terminal *terminal)
{
    shell->terminal = *terminal;
}

void shell_session(struct shell *shell)
{
    char bytes[10];
    int64_t got;

    served = shell;
    shell->terminal.write(shell->terminal.ctx, "a\nbc\n\nd", 7);
    got = shell->terminal.read(shell->terminal.ctx, bytes, 10, TIME_NEVER);
    snprintf(sent + strlen(sent), 30, "[%d]", (int)got);
    was_told = shell->is_told;
    assert_true(shell->terminal.idle_ns == IDLE_NS);
    assert_true(shell->terminal.linger_ns == LINGER_NS);
}

const char *error_text(int error)
{
    static char text[30];

    snprintf(text, sizeof(text), "error %d", error);
    return text;
}

/* ---- Tests --------------------------------------------------------------- */

static void begin(void)
{
    console_forget();
    machine_attach(8 << 20);
    sent[0] = '\0';
    option = "10.0.2.15:23";
    open_status = bind_status = listen_status = 0;
    connections = accepted = 0;
    waits = false;
    takes = 100;
    read_result = 3;
    memset(is_open, 0, sizeof(is_open));
}

static void settle(void)
{
    for (unsigned i = 0; i < 6; i++)
        thread_yield();
}

static void test_the_option(void **state)
{
    static const struct {
        const char *option;
        int open, bind, listen, status;
        uint16_t port;
    } rows[] = {
        {NULL, 0, 0, 0, 0, 0},
        {"10.0.2.15:23", 0, 0, 0, 1, 23},
        {"0.0.0.0:24", 0, 0, 0, 1, 24},
        {"[::]:25", 0, 0, 0, 1, 25},
        {"x", 0, 0, 0, -EINVAL, 0},
        {"10.0.2.15:0", 0, 0, 0, -EINVAL, 0},
        {"10.0.2.15:23", -ENOTCONN, 0, 0, -ENOTCONN, 0},
        {"10.0.2.16:23", 0, -EINVAL, 0, -EINVAL, 23},
        {"10.0.2.15:23", 0, 0, -EADDRINUSE, -EADDRINUSE, 23},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        option = rows[i].option;
        open_status = rows[i].open;
        bind_status = rows[i].bind;
        listen_status = rows[i].listen;
        bound.port = 0;
        assert_int_equal(remote_start(), rows[i].status);
        assert_int_equal(bound.port, rows[i].port);
        assert_int_equal(is_open[LISTENER], rows[i].status > 0);
        assert_int_equal(console_has("who reaches that port"),
                         rows[i].status > 0);
        settle(); /* the one who accepts ends, since nobody comes */
        assert_int_equal(console_has("nobody listens any more"),
                         rows[i].status > 0);
        machine_detach();
    }
    begin();
    option = "0.0.0.0:24";
    assert_int_equal(remote_start(), 1);
    assert_true(bound.addr.word[0] == 0 && bound.addr.word[1] == 0);
    heap_fail(1);
    assert_int_equal(remote_start(), -ENOMEM);
    assert_false(is_open[LISTENER]);
    settle();
    machine_detach();
}

static void test_a_session(void **state)
{
    (void)state;
    begin();
    connections = 1;
    assert_int_equal(remote_start(), 1);
    settle();
    assert_string_equal(sent, "a\r\nbc\r\n\r\nd[3]");
    assert_true(read_deadline == TIME_NEVER);
    assert_false(is_open[FIRST]);
    assert_false(is_taken);
    assert_true(console_has("a session by TCP from "));
    assert_true(console_has("the session by TCP has ended"));
    machine_detach();
}

/* Nothing is typed; the peer goes; it takes nothing. */
static void test_ends(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin();
        connections = 1;
        read_result = i == 0 ? -EAGAIN : i == 1 ? -ECONNRESET : 5;
        takes = i == 2 ? 1 : 100;
        assert_int_equal(remote_start(), 1);
        settle();
        assert_non_null(strstr(sent, i == 0   ? "[-11]"
                                     : i == 1 ? "[-104]"
                                              : "[-32]"));
        assert_int_equal(was_told, i == 2);
        assert_false(is_open[FIRST]);
        machine_detach();
    }
}

static void test_a_look_does_not_wait(void **state)
{
    struct remote remote = {.socket = &sockets[FIRST]};
    char byte;

    (void)state;
    begin();
    read_result = -EAGAIN;
    assert_int_equal(remote_read(&remote, &byte, 1, 0), -EAGAIN);
    assert_int_equal(read_deadline, 0);
    machine_detach();
}

static void test_one_at_a_time(void **state)
{
    struct mem_stats before, after;
    thread_id id;

    (void)state;
    begin();
    mem_get_stats(&before);
    connections = 2;
    waits = true;
    assert_int_equal(remote_start(), 1);
    settle();
    assert_non_null(strstr(sent, "another session is open\r\n"));
    assert_true(is_open[FIRST]);
    assert_false(is_open[SECOND]);
    assert_true(is_taken);
    /* It is killed: it leaves nothing behind. */
    for (id = 0; thread_kill(id) != 0; id += id == 0 ? (1ull << 32) : 1)
        assert_true(id < (1ull << 32) + 100);
    settle();
    assert_false(is_open[FIRST]);
    assert_false(is_taken);
    mem_get_stats(&after);
    assert_true(after.block_count <= before.block_count + 10);
    machine_detach();
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin();
        assert_int_equal(remote_start(), 1);
        is_open[FIRST] = true;
        heap_fail(i + 1);
        session_begin(&sockets[FIRST]);
        assert_true(heap_failed());
        assert_string_equal(sent, "no memory\r\n");
        assert_false(is_open[FIRST]);
        assert_false(is_taken);
        settle();
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_option),
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_look_does_not_wait),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
