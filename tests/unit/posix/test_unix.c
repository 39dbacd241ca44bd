/* Wires to another process: cards on Unix datagram sockets. The other process
 * is this one, too. All with the rings of CPUs, and without. */
#include "hal/leaf.h"
#include "tests/unit/posix/frames.h"
#include "tests/unit/posix/machine_bare.h"
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { SIZE = 1514 };

/* ---- Linux --------------------------------------------------------------- */

static bool no_rings;
static int send_errno, recv_errno, bind_errno;
static unsigned send_failures;      /* that there are of send_errno; 0: one */
static int socket_fails, add_fails; /* the n-th file; 0: none */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params)
{
    return no_rings ? -EPERM
                    : REAL(io_uring_queue_init_params)(entries, ring, params);
}

int socket(int domain, int type, int protocol)
{
    if (socket_fails > 0 && --socket_fails == 0) {
        errno = EMFILE;
        return -1;
    }
    return REAL(socket)(domain, type, protocol);
}

int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && event->data.ptr != NULL && add_fails > 0 &&
        --add_fails == 0) {
        errno = ENOMEM;
        return -1;
    }
    return REAL(epoll_ctl)(set, op, fd, event);
}

static int fail_with(int *number)
{
    int error = *number;

    *number = 0;
    if (error != 0)
        errno = error;
    return error;
}

int bind(int fd, const struct sockaddr *at, socklen_t size)
{
    return fail_with(&bind_errno) != 0 ? -1 : REAL(bind)(fd, at, size);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (send_failures > 1) {
        send_failures--;
        errno = send_errno;
        return -1;
    }
    return fail_with(&send_errno) != 0
               ? -1
               : REAL(sendmmsg)(fd, messages, count, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
             struct timespec *timeout)
{
    return fail_with(&recv_errno) != 0
               ? -1
               : REAL(recvmmsg)(fd, messages, count, flags, timeout);
}

/* ---- Machines ------------------------------------------------------------ */

static char place[] = "/tmp/torc_unix_XXXXXX";
static char names[2][64];
static struct host_net_config nets[2];
static unsigned irqs[2];

static int setup(void **state)
{
    (void)state;
    memcpy(place + strlen(place) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(place));
    for (unsigned i = 0; i < 2; i++) {
        snprintf(names[i], sizeof(names[i]), "%s/%u", place, i);
        nets[i] = (struct host_net_config){
            .kind = HOST_NET_UNIX, .path = names[i], .peer = names[1 - i]};
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    /* Nothing is left there. */
    assert_int_equal(rmdir(place), 0);
    return 0;
}

static void card_open(unsigned unit)
{
    int irq = hal_net_open(unit, 0);

    assert_true(irq >= 0);
    irqs[unit] = 0;
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs[unit]), 0);
}

static void cards_open(unsigned count)
{
    bare_open((struct host_config){.net_count = count, .nets = nets});
    for (unsigned i = 0; i < count; i++)
        card_open(i);
    hal_irq_restore(HAL_IRQS_ON);
}

static int give(unsigned unit, uint8_t fill, uint32_t len)
{
    uint8_t bytes[SIZE + 1];

    memset(bytes, fill, sizeof(bytes));
    return frame_send(unit, bytes, len);
}

/* Receives a frame of these bytes. */
static void expect(unsigned unit, uint8_t fill, int len)
{
    uint8_t bytes[SIZE];

    assert_int_equal(frame_recv(unit, bytes, sizeof(bytes)), len);
    for (int i = 0; i < len; i++)
        assert_int_equal(bytes[i], fill);
}

static void expect_none(unsigned unit)
{
    uint8_t bytes[SIZE];

    assert_int_equal(frame_recv(unit, bytes, sizeof(bytes)), -EAGAIN);
}

/* A socket of somebody else with that name. */
static int other_open(unsigned which)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", names[which]);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void other_close(int fd, unsigned which)
{
    close(fd);
    assert_int_equal(unlink(names[which]), 0);
}

/* ---- Frames -------------------------------------------------------------- */

static void test_frames_go_both_ways(void **state)
{
    struct hal_net_info info;

    (void)state;
    cards_open(2);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.queue_count, 1);
    assert_int_equal(info.offloads, 0);
    assert_true(hal_net_link(0));
    assert_int_equal(give(0, 1, 14), 0);
    assert_int_equal(give(1, 2, SIZE), 0);
    assert_int_equal(give(0, 3, SIZE), 0);
    expect(1, 1, 14);
    expect(1, 3, SIZE);
    expect(0, 2, SIZE);
    expect_none(0);
    assert_int_equal(give(0, 1, SIZE + 1), -EMSGSIZE);
}

static void test_an_interrupt_tells_of_frames(void **state)
{
    (void)state;
    cards_open(2);
    expect_none(1); /* now it waits */
    assert_int_equal(give(0, 1, 60), 0);
    bare_wait(&irqs[1], 0);
    assert_int_equal(irqs[0], 0);
    expect(1, 1, 60);
    assert_int_equal(give(0, 2, 60), 0); /* nobody has asked */
    expect(1, 2, 60);
    expect_none(1);
    assert_int_equal(give(0, 3, 60), 0);
    bare_wait(&irqs[1], 1);
    expect(1, 3, 60);
}

/* Frames in two pieces, more than fit one call. */
enum { MANY = 40 };

static void test_many_at_once(void **state)
{
    static uint8_t bytes[2][MANY][100];
    struct hal_vec vec[2][MANY][2];
    struct hal_net_frame frames[2][MANY];
    unsigned sent = 0, got = 0;

    (void)state;
    cards_open(2);
    for (unsigned i = 0; i < MANY; i++) {
        memset(bytes[0][i], (int)i, 100);
        for (unsigned k = 0; k < 2; k++) {
            vec[k][i][0] = (struct hal_vec){bytes[k][i], 20};
            vec[k][i][1] =
                (struct hal_vec){bytes[k][i] + 20, k == 0 ? 20 + i : 80};
            frames[k][i] = (struct hal_net_frame){
                .vec = vec[k][i], .vec_count = 2, .status = 1};
        }
        frames[0][i].len = 40 + i;
    }
    frames[0][3].len = 10; /* nonsense */
    /* A queue may hold as few as ten. */
    while (got < MANY - 1) {
        sent += hal_net_send_all(0, 0, frames[0] + sent, MANY - sent);
        got += hal_net_recv_all(1, 0, frames[1] + got, MANY - got);
    }
    assert_int_equal(sent, MANY);
    assert_int_equal(got, MANY - 1);
    assert_int_equal(frames[0][3].status, -EMSGSIZE);
    for (unsigned i = 0; i < MANY - 1; i++) {
        unsigned from = i < 3 ? i : i + 1;

        assert_int_equal(frames[0][from].status, 0);
        assert_int_equal(frames[1][i].status, 0);
        assert_int_equal(frames[1][i].len, 40 + from);
        assert_memory_equal(bytes[1][i], bytes[0][from], 40 + from);
    }
}

/* What others send need not be frames. */
static void test_nonsense_is_lost(void **state)
{
    static const size_t lengths[] = {0, 1, 13, SIZE + 1, 60000};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static uint8_t bytes[60000], got[SIZE];
    int fd;

    (void)state;
    cards_open(1);
    fd = other_open(1);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", names[0]);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(sendto(fd, bytes, lengths[i], 0,
                                (struct sockaddr *)&at, sizeof(at)),
                         lengths[i]);
        assert_int_equal(frame_recv(0, got, sizeof(got)), -EMSGSIZE);
    }
    expect_none(0);
    other_close(fd, 1);
}

/* A slow reader holds up the sender, who is told of room. */
static void test_a_full_queue(void **state)
{
    unsigned sent = 0, before;
    int err;

    (void)state;
    cards_open(2);
    while ((err = give(0, (uint8_t)sent, 60)) == 0 && sent < 100000)
        sent++;
    assert_int_equal(err, -EAGAIN);
    assert_true(sent >= 2);
    before = irqs[0];
    for (unsigned i = 0; i < sent; i++)
        expect(1, (uint8_t)i, 60);
    bare_wait(&irqs[0], before);
    assert_int_equal(give(0, 7, 60), 0);
    expect(1, 7, 60);
}

/* ---- The other end ------------------------------------------------------- */

static void test_the_other_end_comes_and_goes(void **state)
{
    uint8_t got[100];
    int fd;

    (void)state;
    cards_open(1);
    assert_int_equal(give(0, 1, 60), -EIO);
    for (unsigned round = 0; round < 3; round++) {
        fd = other_open(1);
        assert_int_equal(give(0, 2, 60), 0);
        assert_int_equal(recv(fd, got, sizeof(got), 0), 60);
        assert_int_equal(got[59], 2);
        other_close(fd, 1);
        assert_int_equal(give(0, 3, 60), -EIO);
        assert_int_equal(give(0, 3, 60), -EIO);
    }
}

/* Who waits for room is not left alone when the other end ends. */
static void test_the_other_end_goes_while_full(void **state)
{
    int fd;

    (void)state;
    cards_open(1);
    fd = other_open(1);
    while (give(0, 1, 60) == 0)
        ;
    other_close(fd, 1);
    bare_wait(&irqs[0], 0);
    assert_int_equal(give(0, 1, 60), -EIO);
}

static void test_errors_of_the_host(void **state)
{
    (void)state;
    cards_open(2);
    send_errno = EINTR;
    assert_int_equal(give(0, 1, 60), 0);
    send_errno = EMSGSIZE;
    assert_int_equal(give(0, 2, 60), -EMSGSIZE);
    send_errno = ENOBUFS;
    assert_int_equal(give(0, 3, 60), -EIO);
    recv_errno = EINTR;
    expect(1, 1, 60);
    recv_errno = ENOMEM;
    expect_none(1);
    assert_true(hal_net_arm(1, 0, false)); /* nothing is armed by that */
}

/* The other end is looked for by its name, once for each call. */
static void test_the_other_end_is_found_again(void **state)
{
    static const int errors[] = {ENOTCONN, ECONNREFUSED, EPIPE};

    (void)state;
    cards_open(2);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        send_errno = errors[i];
        assert_int_equal(give(0, 1, 60), 0);
        expect(1, 1, 60);
        send_errno = errors[i];
        send_failures = 2;
        assert_int_equal(give(0, 2, 60), -EIO);
        assert_int_equal(send_errno, 0);
        send_failures = 0;
        expect_none(1);
    }
}

/* ---- Opening ------------------------------------------------------------- */

static void refused(const char *why)
{
    const struct host_config config = {.net_count = 1, .nets = nets};
    char text[512] = "";
    int ends[2], saved = dup(STDERR_FILENO);
    unsigned fds = fds_open();

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    assert_null(host_machine_prepare(&config));
    dup2(saved, STDERR_FILENO);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    close(ends[0]);
    close(ends[1]);
    ROW(text, strstr(text, why) != NULL);
    assert_int_equal(fds_open(), fds);
    close(saved);
}

static void test_names(void **state)
{
    int fd;

    (void)state;
    fd = other_open(0);
    refused("is there already");
    close(fd); /* the name stays: as after kill -9 */
    cards_open(2);
    assert_int_equal(give(1, 1, 60), 0);
    expect(0, 1, 60);
    bare_close();
    assert_int_equal(access(names[0], F_OK), -1);

    fd = open(names[0], O_CREAT | O_WRONLY, 0600);
    refused("is there already"); /* a file is nobody's wire */
    other_close(fd, 0);
    nets[0].path = "/nowhere/wire";
    refused("cannot make the socket '/nowhere/wire': No such file");
    nets[0].path = names[0];
    for (int n = 1; n <= 2; n++) {
        socket_fails = n;
        refused("Too many open files");
        assert_int_equal(socket_fails, 0);
    }
    bind_errno = EADDRINUSE; /* and the name has gone since */
    refused("is there already");
    cards_open(1);
}

static void test_a_queue_that_cannot_be_opened(void **state)
{
    (void)state;
    if (!no_rings)
        return;
    bare_open((struct host_config){.net_count = 2, .nets = nets});
    add_fails = 1;
    assert_true(hal_net_open(0, 0) < 0);
    add_fails = 2;
    assert_true(hal_net_open(0, 0) < 0);
    add_fails = 0;
    card_open(0);
    card_open(1);
    assert_int_equal(give(0, 1, 60), 0);
    expect(1, 1, 60);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames_go_both_ways),
        TEST(test_an_interrupt_tells_of_frames),
        TEST(test_many_at_once),
        TEST(test_nonsense_is_lost),
        TEST(test_a_full_queue),
        TEST(test_the_other_end_comes_and_goes),
        TEST(test_the_other_end_goes_while_full),
        TEST(test_errors_of_the_host),
        TEST(test_the_other_end_is_found_again),
        TEST(test_names),
        TEST(test_a_queue_that_cannot_be_opened),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    no_rings = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
