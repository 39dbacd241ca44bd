/*
 * A network card on libslirp. The library and Linux are played by this file, so
 * that time, frames, sockets and failures are what a test wants.
 */
#include "tests/unit/posix/machine_bare.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libslirp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

/* The function of libc behind one that is defined here. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- Memory that can run out --------------------------------------------- */

static bool calloc_fails, realloc_fails;
static unsigned map_fails; /* the n-th map from now; 0: none */
static size_t mapped;      /* bytes */

static void *card_calloc(size_t count, size_t size)
{
    return calloc_fails ? NULL : calloc(count, size);
}

/* The bytes behind the old ones hold anything but zero. */
static void *card_realloc(void *old, size_t size)
{
    static size_t old_size;
    char *fresh;

    if (realloc_fails)
        return NULL;
    fresh = malloc(size);
    assert_non_null(fresh);
    memset(fresh, 0xa5, size);
    if (old != NULL)
        memcpy(fresh, old, old_size);
    free(old);
    old_size = size;
    return fresh;
}

/* The sanitizers call both before they are ready for more. */
__attribute__((no_sanitize_thread)) void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (map_fails > 0 && --map_fails == 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    mapped += size;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

__attribute__((no_sanitize_thread)) int munmap(void *at, size_t size)
{
    mapped -= size;
    return (int)syscall(SYS_munmap, at, size);
}

#define calloc  card_calloc
#define realloc card_realloc
#include "hal/posix/host/slirp.c"
#undef calloc
#undef realloc

/* Time and poll() are played; the thread of a card uses the real ones. */
static bool fake;

/* ---- libslirp ------------------------------------------------------------ */

enum { SOCKETS_MAX = 200 };

static struct {
    SlirpConfig config;
    const SlirpCb *calls;
    void *opaque;
    unsigned cleaned;
    bool new_fails;
    /* frames that it was given */
    atomic_uint frames;
    uint8_t frame[HOST_FRAME_MAX];
    int frame_len;
    /* ports that it was to open; it fails at the last of fail_forward */
    unsigned forwards, fail_forward;
    struct {
        int udp, host_port, guest_port;
        struct in_addr host, guest;
    } forward[4];
    /* sockets that it waits for, and what it hears of them */
    unsigned sockets;
    int fd[SOCKETS_MAX], wants[SOCKETS_MAX];
    int index[SOCKETS_MAX], hears[SOCKETS_MAX];
    uint32_t timeout; /* how long it allows to wait */
    uint32_t timeout_seen;
    int error;
    atomic_uint fills, polls; /* the test reads them while the thread runs */
} lib;

Slirp *slirp_new(const SlirpConfig *config, const SlirpCb *calls, void *opaque)
{
    if (lib.new_fails)
        return NULL;
    lib.config = *config;
    lib.calls = calls;
    lib.opaque = opaque;
    return (Slirp *)&lib;
}

void slirp_cleanup(Slirp *slirp)
{
    assert_ptr_equal(slirp, &lib);
    lib.cleaned++;
}

void slirp_input(Slirp *slirp, const uint8_t *frame, int len)
{
    assert_ptr_equal(slirp, &lib);
    assert_true(len > 0 && len <= HOST_FRAME_MAX);
    memcpy(lib.frame, frame, (size_t)len);
    lib.frame_len = len;
    atomic_fetch_add(&lib.frames, 1);
}

int slirp_add_hostfwd(Slirp *slirp, int udp, struct in_addr host, int host_port,
                      struct in_addr guest, int guest_port)
{
    unsigned i = lib.forwards++;

    assert_ptr_equal(slirp, &lib);
    assert_true(i < COUNT_OF(lib.forward));
    lib.forward[i].udp = udp;
    lib.forward[i].host = host;
    lib.forward[i].host_port = host_port;
    lib.forward[i].guest = guest;
    lib.forward[i].guest_port = guest_port;
    errno = EADDRINUSE;
    return lib.forwards == lib.fail_forward ? -1 : 0;
}

void slirp_pollfds_fill(Slirp *slirp, uint32_t *timeout, SlirpAddPollCb add,
                        void *opaque)
{
    assert_ptr_equal(slirp, &lib);
    atomic_fetch_add(&lib.fills, 1);
    lib.timeout_seen = *timeout;
    if (lib.timeout < *timeout)
        *timeout = lib.timeout;
    for (unsigned i = 0; i < lib.sockets; i++)
        lib.index[i] = add(lib.fd[i], lib.wants[i], opaque);
}

void slirp_pollfds_poll(Slirp *slirp, int error, SlirpGetREventsCb events,
                        void *opaque)
{
    assert_ptr_equal(slirp, &lib);
    atomic_fetch_add(&lib.polls, 1);
    if (!fake)
        usleep(1000); /* who closes the card waits for the thread */
    lib.error = error;
    for (unsigned i = 0; i < lib.sockets; i++)
        lib.hears[i] = events(lib.index[i], opaque);
}

/* ---- Linux --------------------------------------------------------------- */

static int64_t fake_ns;

static struct pollfd polled[SOCKETS_MAX];
static nfds_t polled_count;
static int polled_timeout;
static short answers[SOCKETS_MAX]; /* the events that come */
static int poll_result;

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (!fake)
        return REAL(poll)(fds, count, timeout);
    assert_true(count <= SOCKETS_MAX);
    memcpy(polled, fds, count * sizeof(*fds));
    polled_count = count;
    polled_timeout = timeout;
    for (nfds_t i = 0; i < count && poll_result >= 0; i++)
        fds[i].revents = answers[i];
    return poll_result;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!fake || clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = fake_ns / 1000000000;
    now->tv_nsec = fake_ns % 1000000000;
    return 0;
}

static int event_errno, thread_errno, listen_errno;

static int fail_with(int *number)
{
    int error = *number;

    *number = 0;
    errno = error;
    return error;
}

int eventfd(unsigned count, int flags)
{
    return fail_with(&event_errno) != 0 ? -1 : REAL(eventfd)(count, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    int error = fail_with(&thread_errno);

    return error != 0 ? error : REAL(pthread_create)(thread, attr, fn, arg);
}

static unsigned listens;
static int listen_fd, listen_backlog;

int listen(int fd, int backlog)
{
    listens++;
    listen_fd = fd;
    listen_backlog = backlog;
    return fail_with(&listen_errno) != 0 ? -1 : REAL(listen)(fd, backlog);
}

/* ---- The kernel half ----------------------------------------------------- */

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    abort();
}

static unsigned irqs;

void machine_irq_raise(int irq)
{
    assert_int_equal(irq, 77);
    irqs++;
}

/* ---- A card without its thread ------------------------------------------- */

static struct host_slirp *net;

static int host_slirp_send(struct host_slirp *card, const void *bytes,
                           size_t len)
{
    const struct host_vec vec = {(void *)(uintptr_t)bytes, len};
    const struct host_frame frame = {
        .vec = &vec, .vec_count = 1, .len = (uint32_t)len};

    assert_ptr_equal(card, networks[0]);
    return net_send(0, 0, &frame);
}

/* Returns the length, or an error; with -EAGAIN an interrupt is asked for. */
static int host_slirp_recv(struct host_slirp *card, void *bytes, size_t size)
{
    const struct host_vec vec = {bytes, size};
    struct host_frame frame = {.vec = &vec, .vec_count = 1};
    int err = net_recv(0, 0, &frame);

    assert_ptr_equal(card, networks[0]);
    if (err == -EAGAIN)
        assert_true(net_arm(0, 0, true));
    return err != 0 ? err : (int)frame.len;
}

static struct host_slirp *host_slirp_open(const struct host_net_config *config,
                                          int irq)
{
    struct host_net_info info;

    if (net_open(0, config, 1, &info) != 0)
        return NULL;
    assert_int_equal(net_queue_open(0, 0, 0, irq), 0);
    return networks[0];
}

static void host_slirp_close(struct host_slirp *card)
{
    assert_ptr_equal(card, networks[0]);
    net_close(0);
}

static int setup(void **state)
{
    (void)state;
    memset(&lib, 0, sizeof(lib));
    memset(answers, 0, sizeof(answers));
    lib.timeout = UINT32_MAX;
    irqs = 0;
    fake = true;
    fake_ns = INT64_C(5000000000);
    poll_result = 0;
    net = calloc(1, sizeof(*net));
    net->irq = 77;
    net->slirp = (Slirp *)&lib;
    net->wake = eventfd(0, EFD_NONBLOCK);
    networks[0] = net;
    return frame_ring_open(&net->to_machine, 4096, HOST_FRAME_MAX) == 0 &&
                   frame_ring_open(&net->from_machine, 4096, HOST_FRAME_MAX) ==
                       0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    fake = false;
    slirp_free(net);
    assert_int_equal(lib.cleaned, 1);
    return 0;
}

/* How often the thread was woken since the last look. */
static uint64_t wakes(void)
{
    uint64_t count = 0;

    if (read(net->wake, &count, sizeof(count)) < 0)
        assert_int_equal(errno, EAGAIN);
    return count;
}

/* ---- Frames -------------------------------------------------------------- */

static void test_a_frame_wakes_the_thread_once(void **state)
{
    static const uint8_t frame[60] = {1, 2, 3};

    (void)state;
    assert_int_equal(host_slirp_send(net, frame, sizeof(frame)), 0);
    assert_int_equal(wakes(), 1);
    assert_int_equal(host_slirp_send(net, frame, sizeof(frame)), 0);
    assert_int_equal(wakes(), 0); /* it is awake */
    assert_false(frames_in(net));
    assert_int_equal(lib.frames, 2);
    assert_int_equal(host_slirp_send(net, frame, sizeof(frame)), 0);
    assert_int_equal(wakes(), 1);
}

static void test_frames_reach_the_library_in_bursts(void **state)
{
    uint8_t frame[HOST_FRAME_MAX + 1];

    (void)state;
    for (unsigned i = 0; i < 700; i++) {
        memset(frame, (int)i, sizeof(frame));
        assert_int_equal(host_slirp_send(net, frame, 815 + i), 0);
    }
    assert_true(frames_in(net));
    assert_int_equal(lib.frames, 512);
    assert_int_equal(lib.frame_len, 815 + 511);
    assert_false(frames_in(net));
    assert_int_equal(lib.frames, 700);
    assert_int_equal(lib.frame_len, HOST_FRAME_MAX);
    assert_memory_equal(lib.frame, frame, HOST_FRAME_MAX);
    assert_int_equal(host_slirp_send(net, frame, HOST_FRAME_MAX + 1),
                     -EMSGSIZE);
}

static void test_a_frame_for_the_machine_interrupts_it(void **state)
{
    uint8_t frame[HOST_FRAME_MAX + 1] = {7}, got[HOST_FRAME_MAX];

    (void)state;
    assert_int_equal(frame_out(frame, HOST_FRAME_MAX + 1, net),
                     HOST_FRAME_MAX + 1); /* dropped */
    assert_int_equal(irqs, 0);
    assert_int_equal(frame_out(frame, HOST_FRAME_MAX, net), HOST_FRAME_MAX);
    assert_int_equal(irqs, 1);
    assert_int_equal(frame_out(frame, 60, net), 60);
    assert_int_equal(irqs, 1);
    assert_int_equal(host_slirp_recv(net, got, sizeof(got)), HOST_FRAME_MAX);
    assert_int_equal(got[0], 7);
    assert_int_equal(host_slirp_recv(net, got, sizeof(got)), 60);
    assert_int_equal(host_slirp_recv(net, got, sizeof(got)), -EAGAIN);
    for (unsigned i = 0; i < 5000; i++) /* more than the ring holds */
        assert_int_equal(frame_out(frame, 60, net), 60);
    assert_int_equal(irqs, 2);
}

/* The ring to the library is full: the machine is told when there is room, and
 * not before its queue is open. */
static void test_the_machine_is_told_of_room(void **state)
{
    static const uint8_t frame[60] = {1};
    unsigned sent = 0;

    (void)state;
    while (host_slirp_send(net, frame, sizeof(frame)) == 0)
        sent++;
    assert_int_equal(sent, 4096);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(irqs, 0);
        assert_true(frames_in(net)); /* 512 */
    }
    assert_int_equal(irqs, 1);
    assert_int_equal(host_slirp_send(net, frame, sizeof(frame)), 0);
    net->irq = NO_IRQ;
    while (host_slirp_send(net, frame, sizeof(frame)) == 0)
        sent++;
    while (frames_in(net))
        ;
    assert_int_equal(irqs, 1);
}

/* ---- Timers -------------------------------------------------------------- */

static unsigned fired[TIMER_MAX];

static void timer_fires(void *arg)
{
    fired[(uintptr_t)arg]++;
}

static void *timer_make(uintptr_t number)
{
    return timer_new(timer_fires, (void *)number, net);
}

static void test_timers_fire_when_they_are_due(void **state)
{
    void *timer[TIMER_MAX];

    (void)state;
    memset(fired, 0, sizeof(fired));
    for (uintptr_t i = 0; i < TIMER_MAX; i++)
        timer[i] = timer_make(i);
    timers_run(net); /* none is set */
    assert_int_equal(timers_next(net), UINT32_MAX);
    timer_mod(timer[1], 5000, net); /* now */
    timer_mod(timer[2], 5001, net);
    timer_mod(timer[3], 5040, net);
    assert_int_equal(timers_next(net), 0);
    timers_run(net);
    timers_run(net);
    assert_int_equal(fired[0], 0);
    assert_int_equal(fired[1], 1);
    assert_int_equal(fired[2], 0);
    assert_int_equal(timers_next(net), 1);
    fake_ns += 1999999; /* 5001 ms */
    timers_run(net);
    assert_int_equal(fired[2], 1);
    assert_int_equal(timers_next(net), 39);
    fake_ns = INT64_C(6000000000); /* late */
    assert_int_equal(timers_next(net), 0);
    timer_mod(timer[0], INT64_C(5000000000000), net); /* far away */
    timer_free(timer[3], net);
    timers_run(net);
    assert_int_equal(fired[3], 0);
    assert_int_equal(timers_next(net), UINT32_MAX);
    timer_mod(timer[1], 6000 + INT64_C(0xfffffffe), net);
    assert_int_equal(timers_next(net), 0xfffffffe);
}

static void timer_again(void *arg)
{
    timer_mod(*(void **)arg, 5010, net);
    fired[0]++;
}

/* Set again when it fires, it fires again: the wait is not longer than that. */
static void test_a_timer_may_set_itself_again(void **state)
{
    void *timer;

    (void)state;
    memset(fired, 0, sizeof(fired));
    timer = timer_new(timer_again, &timer, net);
    timer_mod(timer, 4000, net);
    sockets_wait(net, false);
    assert_int_equal(fired[0], 1);
    assert_int_equal(polled_timeout, 10);
    fake_ns += 10 * 1000000;
    timers_run(net);
    assert_int_equal(fired[0], 2);
}

static void too_many_timers(void)
{
    for (unsigned i = 0; i <= TIMER_MAX; i++)
        (void)timer_make(0);
}

static void test_timers_are_few(void **state)
{
    void *first, *second;
    char text[128];

    (void)state;
    assert_int_equal(bare_child(too_many_timers, text, sizeof(text)), 134);
    assert_string_equal(text, "torc: libslirp wants more than 4 timers\n");
    first = timer_make(0);
    second = timer_make(1);
    assert_ptr_not_equal(first, second);
    timer_mod(first, 1, net);
    timer_free(first, net);
    assert_ptr_equal(timer_make(2), first); /* its place is free again */
    assert_int_equal(timers_next(net), UINT32_MAX); /* and it is not set */
}

/* ---- Sockets ------------------------------------------------------------- */

static void test_events_are_translated_both_ways(void **state)
{
    static const struct {
        const char *name;
        int slirp;
        short host;
    } rows[] = {
        {"in", SLIRP_POLL_IN, POLLIN},
        {"out", SLIRP_POLL_OUT, POLLOUT},
        {"pri", SLIRP_POLL_PRI, POLLPRI},
        {"err", SLIRP_POLL_ERR, POLLERR},
        {"hup", SLIRP_POLL_HUP, POLLHUP},
        {"none", 0, 0},
        {"two", SLIRP_POLL_IN | SLIRP_POLL_HUP, POLLIN | POLLHUP},
        {"all",
         SLIRP_POLL_IN | SLIRP_POLL_OUT | SLIRP_POLL_PRI | SLIRP_POLL_ERR |
             SLIRP_POLL_HUP,
         POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        lib.fd[i] = 500 + (int)i;
        lib.wants[i] = rows[i].slirp;
        answers[1 + i] = rows[i].host;
    }
    lib.sockets = COUNT_OF(rows);
    poll_result = 1;
    sockets_wait(net, false);
    assert_int_equal(polled_count, 1 + COUNT_OF(rows));
    assert_int_equal(polled[0].fd, net->wake);
    assert_int_equal(polled[0].events, POLLIN);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].name, polled[1 + i].fd == lib.fd[i]);
        ROW(rows[i].name, polled[1 + i].events == rows[i].host);
        ROW(rows[i].name, lib.index[i] == 1 + (int)i);
        ROW(rows[i].name, lib.hears[i] == rows[i].slirp);
    }
    assert_int_equal(poll_events(-1, net), 0);
    answers[COUNT_OF(rows)] = 0;
    net->polls[1 + COUNT_OF(rows)].revents = POLLIN; /* not asked for */
    assert_int_equal(poll_events(1 + COUNT_OF(rows), net), 0);
}

static void test_sockets_may_be_many(void **state)
{
    (void)state;
    lib.sockets = SOCKETS_MAX - 1;
    for (int i = 0; i < SOCKETS_MAX - 1; i++) {
        lib.fd[i] = 1000 + i;
        lib.wants[i] = SLIRP_POLL_IN;
        answers[1 + i] = i % 3 == 0 ? POLLIN : 0;
    }
    poll_result = 1;
    for (unsigned round = 0; round < 2; round++) {
        sockets_wait(net, false);
        assert_int_equal(polled_count, SOCKETS_MAX);
        for (int i = 0; i < SOCKETS_MAX - 1; i++) {
            assert_int_equal(polled[1 + i].fd, 1000 + i);
            assert_int_equal(lib.hears[i], i % 3 == 0 ? SLIRP_POLL_IN : 0);
        }
    }
}

static void test_sockets_without_memory_are_left_out(void **state)
{
    (void)state;
    lib.sockets = 10;
    sockets_wait(net, false);
    lib.sockets = 100;
    realloc_fails = true;
    sockets_wait(net, false);
    realloc_fails = false;
    assert_int_equal(polled_count, 64);
    assert_int_equal(lib.index[62], 63);
    for (unsigned i = 63; i < 100; i++) {
        assert_int_equal(lib.index[i], -1);
        assert_int_equal(lib.hears[i], 0);
    }
}

static void test_the_wait_ends_in_time(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        int64_t timer_ms; /* from now; 0: none */
        uint32_t library; /* what it allows */
        bool more;
        uint32_t seen;
        int want;
    } rows[] = {
        {"for ever", 0, UINT32_MAX, false, UINT32_MAX, -1},
        {"a timer", 30, UINT32_MAX, false, 30, 30},
        {"the library", 0, 20, false, UINT32_MAX, 20},
        {"the earlier one", 30, 20, false, 30, 20},
        {"more frames", 30, 20, true, 30, 0},
        {"longest", 0, INT32_MAX, false, UINT32_MAX, INT32_MAX},
        {"too long", 0, (uint32_t)INT32_MAX + 1, false, UINT32_MAX, -1},
    };
    /* clang-format on */
    void *timer = timer_make(0);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        timer_mod(timer, rows[i].timer_ms == 0 ? 0 : 5000 + rows[i].timer_ms,
                  net);
        lib.timeout = rows[i].library;
        sockets_wait(net, rows[i].more);
        ROW(rows[i].name, lib.timeout_seen == rows[i].seen);
        ROW(rows[i].name, polled_timeout == rows[i].want);
    }
}

static void test_a_wake_up_is_taken_back(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        int result;
        short answer; /* of the event */
        uint64_t left;
    } rows[] = {
        {"woken", 1, POLLIN, 0},
        {"by a socket", 1, 0, 1},
        {"by nobody", 0, POLLIN, 1},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        thread_wake(net);
        poll_result = rows[i].result;
        answers[0] = rows[i].answer;
        sockets_wait(net, false);
        ROW(rows[i].name, lib.error == 0);
        ROW(rows[i].name, wakes() == rows[i].left);
    }
}

static void test_a_wait_that_fails(void **state)
{
    (void)state;
    lib.sockets = 1;
    poll_result = -1;
    sockets_wait(net, false);
    assert_int_equal(lib.error, 1);
    assert_int_equal(lib.hears[0], 0);
}

/* ---- Open and close ------------------------------------------------------ */

static int open_setup(void **state)
{
    (void)state;
    memset(&lib, 0, sizeof(lib));
    lib.timeout = 10;
    fake = false;
    listens = 0;
    return 0;
}

static const struct host_net_config forwards = {
    .kind = HOST_NET_USER,
    .forward_count = 2,
    .forward = {{.udp = false,
                 .host_address = INADDR_LOOPBACK,
                 .host_port = 8080,
                 .guest_port = 80},
                {.udp = true,
                 .host_port = 5353,
                 .guest_address = 0x0a00020f,
                 .guest_port = 53}}};

static void test_the_network_is_the_one_of_the_manual(void **state)
{
    struct host_slirp *card = host_slirp_open(&forwards, 77);

    (void)state;
    assert_non_null(card);
    assert_ptr_equal(lib.opaque, card);
    assert_int_equal(lib.config.version, 1);
    assert_true(lib.config.in_enabled);
    assert_false(lib.config.in6_enabled);
    assert_string_equal(inet_ntoa(lib.config.vnetwork), "10.0.2.0");
    assert_string_equal(inet_ntoa(lib.config.vnetmask), "255.255.255.0");
    assert_string_equal(inet_ntoa(lib.config.vhost), "10.0.2.2");
    assert_string_equal(inet_ntoa(lib.config.vdhcp_start), "10.0.2.15");
    assert_string_equal(inet_ntoa(lib.config.vnameserver), "10.0.2.3");
    assert_int_equal(lib.forwards, 2);
    assert_int_equal(lib.forward[0].udp, 0);
    assert_string_equal(inet_ntoa(lib.forward[0].host), "127.0.0.1");
    assert_int_equal(lib.forward[0].host_port, 8080);
    assert_string_equal(inet_ntoa(lib.forward[0].guest), "0.0.0.0");
    assert_int_equal(lib.forward[0].guest_port, 80);
    assert_int_equal(lib.forward[1].udp, 1);
    assert_string_equal(inet_ntoa(lib.forward[1].host), "0.0.0.0");
    assert_int_equal(lib.forward[1].host_port, 5353);
    assert_string_equal(inet_ntoa(lib.forward[1].guest), "10.0.2.15");
    assert_int_equal(lib.forward[1].guest_port, 53);
    host_slirp_close(card);
}

/* Frames and time pass through the callbacks and the thread. */
static void test_the_thread_serves_the_card(void **state)
{
    static const uint8_t frame[60] = {9};
    struct host_slirp *card = host_slirp_open(&forwards, 77);
    struct timespec now;
    int64_t before, after;
    atomic_uint *frames = &lib.frames;

    (void)state;
    assert_non_null(card);
    assert_int_equal(fcntl(card->wake, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(card->wake, F_GETFL) & O_NONBLOCK);
    clock_gettime(CLOCK_MONOTONIC, &now);
    before = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    after = lib.calls->clock_get_ns(card);
    assert_true(after >= before && after < before + INT64_C(5000000000));
    lib.calls->guest_error("wrong", card); /* nothing of it is seen */
    lib.calls->register_poll_fd(1, card);
    lib.calls->unregister_poll_fd(1, card);
    lib.calls->notify(card);
    irqs = 0;
    assert_int_equal(lib.calls->send_packet(frame, 60, card), 60);
    assert_int_equal(irqs, 1);
    for (unsigned i = 0; i < 100; i++) {
        unsigned so_far = *frames;

        assert_int_equal(host_slirp_send(card, frame, sizeof(frame)), 0);
        while (*frames == so_far)
            sched_yield();
    }
    host_slirp_close(card);
    assert_int_equal(lib.cleaned, 1);
    assert_int_equal(lib.frames, 100);
}

/* While the thread waits for ever, a frame and the end wake it. */
static void test_the_thread_sleeps_until_it_is_woken(void **state)
{
    static const uint8_t frame[60] = {9};
    struct host_slirp *card;
    atomic_uint *frames = &lib.frames;
    atomic_uint *fills = &lib.fills;
    unsigned so_far = 0;

    (void)state;
    lib.timeout = UINT32_MAX;
    card = host_slirp_open(&forwards, 77);
    assert_non_null(card);
    while (*fills < 2)
        sched_yield();
    for (unsigned i = 0; i < 50; i++) { /* it may take some time to begin */
        so_far = *fills;
        usleep(20000);
        if (*fills == so_far)
            break;
    }
    assert_int_equal(*fills, so_far); /* it does not spin */
    assert_int_equal(host_slirp_send(card, frame, sizeof(frame)), 0);
    while (*frames == 0)
        sched_yield();
    usleep(5000);
    assert_true(*fills <= so_far + 2);
    host_slirp_close(card);
}

static void test_sockets_that_listen_get_a_backlog(void **state)
{
    struct host_slirp *card;

    (void)state;
    lib.sockets = 3;
    lib.fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    lib.fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    lib.fd[2] = -1;
    assert_int_equal(listen(lib.fd[1], 1), 0);
    listens = 0;
    card = host_slirp_open(&forwards, 77);
    assert_non_null(card);
    host_slirp_close(card);
    assert_int_equal(listens, 1);
    assert_int_equal(listen_fd, lib.fd[1]);
    assert_int_equal(listen_backlog, 1024);
    close(lib.fd[0]);
    close(lib.fd[1]);
}

/* clang-format off */
static const struct {
    const char *name;
    int *number; /* fails with this errno, */
    int error;
    bool *flag;    /* or, */
    unsigned *nth; /* or at the n-th time */
    unsigned times;
    bool opens;
    const char *text;
} open_rows[] = {
    {"no memory", NULL, 0, &calloc_fails, NULL, 0, false,
     "torc: no memory for --net user\n"},
    {"no event", &event_errno, EMFILE, NULL, NULL, 0, false,
     "torc: no memory for --net user\n"},
    {"no ring", NULL, 0, NULL, &map_fails, 1, false,
     "torc: no memory for --net user\n"},
    {"no second ring", NULL, 0, NULL, &map_fails, 2, false,
     "torc: no memory for --net user\n"},
    {"no library", NULL, 0, &lib.new_fails, NULL, 0, false,
     "torc: libslirp does not start\n"},
    {"first port", NULL, 0, NULL, &lib.fail_forward, 1, false,
     "torc: cannot listen on tcp port 127.0.0.1:8080: Address already in use; "
     "choose another port for hostfwd\n"},
    {"second port", NULL, 0, NULL, &lib.fail_forward, 2, false,
     "torc: cannot listen on udp port 0.0.0.0:5353: Address already in use; "
     "choose another port for hostfwd\n"},
    {"no thread", &thread_errno, EAGAIN, NULL, NULL, 0, false,
     "torc: no thread for --net user: Resource temporarily unavailable\n"},
    {"no backlog", &listen_errno, EOPNOTSUPP, NULL, NULL, 0, true,
     "torc: clients may have to try twice to connect, since listen() fails: "
     "Operation not supported\n"},
};
/* clang-format on */
static size_t open_row;

static void open_fails(void)
{
    struct host_slirp *card;
    unsigned before, cleaned;
    size_t mapped_before = mapped;

    lib.sockets = 1;
    lib.fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listen(lib.fd[0], 1) != 0)
        _exit(1);
    before = fds_open();
    if (open_rows[open_row].number != NULL)
        *open_rows[open_row].number = open_rows[open_row].error;
    if (open_rows[open_row].flag != NULL)
        *open_rows[open_row].flag = true;
    if (open_rows[open_row].nth != NULL)
        *open_rows[open_row].nth = open_rows[open_row].times;
    card = host_slirp_open(&forwards, 77);
    if ((card != NULL) != open_rows[open_row].opens)
        _exit(2);
    if (card != NULL)
        host_slirp_close(card);
    cleaned = lib.opaque != NULL;
    if (lib.cleaned != cleaned || fds_open() != before ||
        mapped != mapped_before)
        _exit(3);
}

static void test_cards_that_cannot_be_opened(void **state)
{
    char text[256];

    (void)state;
    for (open_row = 0; open_row < COUNT_OF(open_rows); open_row++) {
        const char *name = open_rows[open_row].name;

        ROW(name, bare_child(open_fails, text, sizeof(text)) == 0);
        ROW(name, strcmp(text, open_rows[open_row].text) == 0);
    }
}

#define ON_CARD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define OPENING(test) cmocka_unit_test_setup(test, open_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CARD(test_a_frame_wakes_the_thread_once),
        ON_CARD(test_frames_reach_the_library_in_bursts),
        ON_CARD(test_a_frame_for_the_machine_interrupts_it),
        ON_CARD(test_the_machine_is_told_of_room),
        ON_CARD(test_timers_fire_when_they_are_due),
        ON_CARD(test_a_timer_may_set_itself_again),
        ON_CARD(test_timers_are_few),
        ON_CARD(test_events_are_translated_both_ways),
        ON_CARD(test_sockets_may_be_many),
        ON_CARD(test_sockets_without_memory_are_left_out),
        ON_CARD(test_the_wait_ends_in_time),
        ON_CARD(test_a_wake_up_is_taken_back),
        ON_CARD(test_a_wait_that_fails),
        OPENING(test_the_network_is_the_one_of_the_manual),
        OPENING(test_the_thread_serves_the_card),
        OPENING(test_the_thread_sleeps_until_it_is_woken),
        OPENING(test_sockets_that_listen_get_a_backlog),
        OPENING(test_cards_that_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
