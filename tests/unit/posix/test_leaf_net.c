/* Nets of the hosted machine: libslirp, and taps where the host allows them. */
#include "hal/leaf.h"
#include "tests/unit/posix/frames.h"
#include "tests/unit/posix/machine_bare.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_SIZE = 1514, ARP_SIZE = 42, TYPE_TEST = 0x88b5 };

static unsigned irqs;

static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void net_open(const struct host_net_config *net)
{
    struct hal_net_info info;
    int irq;

    bare_open((struct host_config){.net_count = 1, .nets = net});
    irqs = 0;
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_memory_equal(info.mac, mac, 6);
    assert_int_equal(info.mtu, 1500);
    irq = hal_net_open(0, 0);
    assert_true(irq >= 0);
    assert_int_equal(hal_net_open(0, 0), irq); /* once more */
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs), 0);
    assert_true(hal_net_link(0));
    assert_int_equal(hal_net_info(1, &info), -ENODEV);
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    return 0;
}

/* Take frames as a driver does: to the end, then sleep until the interrupt. */
static int frame_wait(uint8_t frame[FRAME_SIZE])
{
    for (;;) {
        unsigned before = irqs;
        int len = frame_recv(0, frame, FRAME_SIZE);

        if (len != -EAGAIN)
            return len;
        bare_wait(&irqs, before);
    }
}

/* RFC 826: who has 10.0.2.2? tell 10.0.2.15. */
static void arp_request(uint8_t frame[ARP_SIZE])
{
    static const uint8_t fixed[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
    static const uint8_t us[] = {10, 0, 2, 15};
    static const uint8_t gateway[] = {10, 0, 2, 2};

    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, fixed, 10);
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 28, us, 4);
    memset(frame + 32, 0, 6);
    memcpy(frame + 38, gateway, 4);
}

static void arp_exchange(void)
{
    uint8_t request[ARP_SIZE], reply[FRAME_SIZE];
    int len;

    arp_request(request);
    assert_int_equal(frame_send(0, request, ARP_SIZE), 0);
    len = frame_wait(reply);
    assert_true(len >= ARP_SIZE);
    assert_memory_equal(reply, mac, 6);             /* to us */
    assert_memory_equal(reply + 12, "\x08\x06", 2); /* ARP */
    assert_memory_equal(reply + 20, "\x00\x02", 2); /* a reply */
    assert_memory_equal(reply + 28, "\x0a\x00\x02\x02", 4);
}

static void test_slirp_answers(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_USER};

    (void)state;
    net_open(&net);
    for (unsigned i = 0; i < 200; i++)
        arp_exchange();
}

static void test_frame_sizes_are_checked(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_USER};
    uint8_t frame[FRAME_SIZE + 1] = {0};
    uint8_t small[20];
    unsigned before;

    (void)state;
    net_open(&net);
    assert_int_equal(frame_send(0, frame, FRAME_SIZE + 1), -EMSGSIZE);
    assert_int_equal(frame_send(0, frame, 13), -EMSGSIZE);
    assert_int_equal(frame_send(0, frame, FRAME_SIZE), 0);
    assert_int_equal(frame_recv(0, small, sizeof(small)), -EAGAIN);
    before = irqs;
    arp_request(frame);
    assert_int_equal(frame_send(0, frame, ARP_SIZE), 0);
    bare_wait(&irqs, before);
    assert_int_equal(frame_recv(0, small, sizeof(small)), -EMSGSIZE);
    assert_int_equal(frame_recv(0, frame, FRAME_SIZE), -EAGAIN);
}

/* A free TCP port of the loopback, or 0. */
static uint16_t port_find(int *socket_out)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *socket_out = fd;
    return ntohs(at.sin_port);
}

static struct host_net_config used_net = {.kind = HOST_NET_USER,
                                          .forward_count = 1};

static void open_used(void)
{
    const struct host_config config = {.net_count = 1, .nets = &used_net};

    _exit(host_machine_prepare(&config) == NULL ? 0 : 1);
}

static void test_forward_of_a_used_port_is_refused(void **state)
{
    char text[256], want[256];
    int fd;

    (void)state;
    used_net.forward[0].host_address = INADDR_LOOPBACK;
    used_net.forward[0].host_port = port_find(&fd);
    used_net.forward[0].guest_port = 80;
    snprintf(want, sizeof(want),
             "torc: cannot listen on tcp port 127.0.0.1:%u: Address already in "
             "use; choose another port for hostfwd\n",
             used_net.forward[0].host_port);
    assert_int_equal(bare_child(open_used, text, sizeof(text)), 0);
    assert_string_equal(text, want);
    close(fd);
}

/* A datagram to a port of the host, in both directions. */
static void test_forward_brings_datagrams(void **state)
{
    struct host_net_config net = {.kind = HOST_NET_USER, .forward_count = 1};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t frame[FRAME_SIZE];
    int client = socket(AF_INET, SOCK_DGRAM, 0);
    int fd;

    (void)state;
    assert_true(client >= 0);
    net.forward[0].udp = true;
    net.forward[0].host_address = INADDR_LOOPBACK;
    net.forward[0].host_port = port_find(&fd);
    net.forward[0].guest_port = 53;
    close(fd);
    at.sin_port = htons(net.forward[0].host_port);
    net_open(&net);
    arp_exchange(); /* so that the gateway knows our address */
    assert_int_equal(
        sendto(client, "torc!", 5, 0, (struct sockaddr *)&at, sizeof(at)), 5);
    assert_int_equal(frame_wait(frame), 14 + 20 + 8 + 5);
    assert_int_equal(frame[23], 17); /* UDP */
    assert_memory_equal(frame + 30, "\x0a\x00\x02\x0f", 4);
    assert_memory_equal(frame + 36, "\x00\x35", 2); /* port 53 */
    assert_memory_equal(frame + 42, "torc!", 5);
    close(client);
}

static void test_each_card_has_its_address(void **state)
{
    static const struct host_net_config nets[] = {
        {.kind = HOST_NET_USER},
        {.kind = HOST_NET_USER},
        {.kind = HOST_NET_USER, .mac = {2, 0, 0, 0, 0, 0}},
        {.kind = HOST_NET_USER, .mac = {0, 0, 0, 0, 0, 2}},
    };
    static const uint8_t want[][6] = {
        {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        {0x52, 0x54, 0, 0x12, 0x34, 0x57},
        {2, 0, 0, 0, 0, 0},
        {0, 0, 0, 0, 0, 2},
    };
    struct hal_net_info info;

    (void)state;
    bare_open((struct host_config){.net_count = 4, .nets = nets});
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(hal_net_info(i, &info), 0);
        assert_memory_equal(info.mac, want[i], 6);
        assert_int_equal(info.queue_count, 1);
        assert_int_equal(info.offloads, 0);
        assert_int_equal(info.frame_max, FRAME_SIZE);
    }
    assert_int_equal(hal_net_info(4, &info), -ENODEV);
    bare_open((struct host_config){0}); /* another machine has none */
    assert_int_equal(hal_net_info(0, &info), -ENODEV);
}

static void test_forward_brings_a_connection(void **state)
{
    int fd, client;
    struct host_net_config net = {.kind = HOST_NET_USER, .forward_count = 1};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t frame[FRAME_SIZE];

    (void)state;
    net.forward[0].host_address = INADDR_LOOPBACK;
    net.forward[0].host_port = port_find(&fd);
    net.forward[0].guest_port = 80;
    at.sin_port = htons(net.forward[0].host_port);
    close(fd);
    net_open(&net);
    arp_exchange(); /* so that the gateway knows our address */
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_true(frame_wait(frame) >= 54);
    assert_memory_equal(frame + 12, "\x08\x00\x45", 3); /* IPv4 */
    assert_int_equal(frame[23], 6);                     /* TCP */
    assert_memory_equal(frame + 30, "\x0a\x00\x02\x0f", 4);
    assert_memory_equal(frame + 36, "\x00\x50", 2); /* port 80 */
    assert_int_equal(frame[47] & 0x3f, 2);          /* SYN */
    close(client);
}

/* Of units and queues that are not there, or are not open. */
static void test_queues_that_are_not_there(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_USER};
    static const unsigned none[] = {1, HOST_NET_MAX - 1, HOST_NET_MAX, 9999};
    uint8_t bytes[60] = {0};
    const struct hal_vec vec = {bytes, sizeof(bytes)};
    struct hal_net_frame frame = {.vec = &vec, .vec_count = 1, .len = 60};

    (void)state;
    bare_open((struct host_config){.net_count = 1, .nets = &net});
    assert_int_equal(hal_net_send(0, 0, &frame), -ENODEV);
    assert_int_equal(hal_net_recv(0, 0, &frame), -ENODEV);
    assert_true(hal_net_arm(0, 0, true));
    assert_true(hal_net_open(0, 0) >= 0);
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        assert_int_equal(hal_net_open(none[i], 0), -ENODEV);
        assert_int_equal(hal_net_send(none[i], 0, &frame), -ENODEV);
        assert_int_equal(hal_net_recv(none[i], 0, &frame), -ENODEV);
        assert_true(hal_net_arm(none[i], 0, true));
        assert_false(hal_net_link(none[i]));
        assert_int_equal(hal_net_open(0, none[i]), -ENODEV);
        assert_int_equal(hal_net_send(0, none[i], &frame), -ENODEV);
        assert_int_equal(hal_net_recv(0, none[i], &frame), -ENODEV);
        assert_true(hal_net_arm(0, none[i], true));
    }
    assert_int_equal(hal_net_send(0, 0, &frame), 0);
}

static int other_open, other_send;

static void open_on_another(void *arg)
{
    uint8_t bytes[60] = {0};
    const struct hal_vec vec = {bytes, sizeof(bytes)};
    const struct hal_net_frame frame = {.vec = &vec, .vec_count = 1, .len = 60};

    other_open = hal_net_open(0, 0);
    other_send = hal_net_send(0, 0, &frame);
    atomic_store((atomic_bool *)arg, true);
    for (;;)
        hal_cpu_relax();
}

/* A queue belongs to the CPU that has opened it. */
static void test_a_queue_has_one_cpu(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_USER};
    static char stack[65536] cache_aligned;
    atomic_bool there = false;

    (void)state;
    bare_open((struct host_config){.cpus = 2, .net_count = 1, .nets = &net});
    assert_true(hal_net_open(0, 0) >= 0);
    assert_int_equal(
        hal_cpu_start(1, open_on_another, &there, stack, sizeof(stack)), 0);
    while (!atomic_load(&there))
        hal_cpu_relax();
    assert_int_equal(other_open, -EBUSY);
    assert_int_equal(other_send, -ENODEV);
}

/* clang-format off */
static const struct {
    const char *name;
    uint32_t len;
    size_t lens[3];
    unsigned count;
    struct hal_net_frame asks; /* offloads */
    int want;
} frame_rows[] = {
    {"one piece", 60, {60}, 1, {.len = 0}, 0},
    {"three pieces", 60, {14, 6, 40}, 3, {.len = 0}, 0},
    {"an empty piece", 60, {14, 0, 46}, 3, {.len = 0}, 0},
    {"shorter than a header", 13, {13}, 1, {.len = 0}, -EMSGSIZE},
    {"longest", 1514, {14, 1500}, 2, {.len = 0}, 0},
    {"too long", 1515, {15, 1500}, 2, {.len = 0}, -EMSGSIZE},
    {"pieces too short", 61, {20, 40}, 2, {.len = 0}, -EMSGSIZE},
    {"pieces too long", 59, {20, 40}, 2, {.len = 0}, -EMSGSIZE},
    {"no pieces", 60, {0}, 0, {.len = 0}, -EMSGSIZE},
    {"too many pieces", 60, {60}, HAL_NET_VECS + 1, {.len = 0}, -EMSGSIZE},
    {"a checksum", 60, {60}, 1,
     {.csum_partial = true, .csum_start = 34, .csum_at = 50}, -EMSGSIZE},
    {"segments", 60, {60}, 1, {.segments = HAL_NET_TCP4, .segment_len = 10},
     -EMSGSIZE},
    {"no such segments", 60, {60}, 1, {.segments = 9}, -EMSGSIZE},
};
/* clang-format on */

/* This card has no offloads. */
static void test_frames_are_checked(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_USER};
    uint8_t bytes[3][1514] = {{0}};
    struct hal_vec vec[HAL_NET_VECS + 1];

    (void)state;
    net_open(&net);
    for (size_t i = 0; i < COUNT_OF(frame_rows); i++) {
        struct hal_net_frame frame = frame_rows[i].asks;

        for (unsigned k = 0; k <= HAL_NET_VECS; k++)
            vec[k] = (struct hal_vec){bytes[k % 3], 0};
        for (unsigned k = 0; k < 3; k++)
            vec[k].len = frame_rows[i].lens[k];
        frame.vec = vec;
        frame.vec_count = frame_rows[i].count;
        frame.len = frame_rows[i].len;
        ROW(frame_rows[i].name,
            hal_net_send(0, 0, &frame) == frame_rows[i].want);
    }
}

/* ---- Taps ---------------------------------------------------------------- */

/* A raw socket on the other side of the tap, which it brings up; -1: cannot. */
static int tap_peer(const char *name)
{
    struct ifreq request = {.ifr_flags = 0};
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(TYPE_TEST)};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(TYPE_TEST));

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        return -1;
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0 ||
        ioctl(fd, SIOCGIFINDEX, &request) != 0)
        return -1;
    at.sll_ifindex = request.ifr_ifindex;
    return bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? fd : -1;
}

/* The next frame of our type; others (IPv6 discovery) come unasked. */
static int frame_wait_test(uint8_t frame[FRAME_SIZE])
{
    int len;

    do {
        len = frame_wait(frame);
    } while (len > 0 && memcmp(frame + 12, "\x88\xb5", 2) != 0);
    return len;
}

static void tap_exchange(int peer)
{
    uint8_t frame[FRAME_SIZE] = {0}, got[FRAME_SIZE];

    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, "\x88\xb5", 2);
    for (unsigned i = 0; i < 200; i++) {
        unsigned len = 60 + i * (FRAME_SIZE - 60) / 199;

        frame[len - 1] = (uint8_t)i;
        assert_int_equal(frame_send(0, frame, len), 0);
        assert_int_equal(recv(peer, got, sizeof(got), 0), len);
        assert_memory_equal(got, frame, len);
        assert_int_equal(send(peer, frame, len, 0), len);
        assert_int_equal(frame_wait_test(got), len);
        assert_memory_equal(got, frame, len);
    }
    /* Many at once, then one after the ring was empty. */
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(send(peer, frame, 100, 0), 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(frame_wait_test(got), 100);
    assert_int_equal(send(peer, frame, 100, 0), 100);
    assert_int_equal(frame_wait_test(got), 100);
}

static void test_tap_carries_frames(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_TAP,
                                               .tap = "torctest"};
    const struct host_config config = {
        .net_count = 1, .nets = &net, .quiet = true};
    int peer;

    (void)state;
    if (unshare(CLONE_NEWNET) != 0 || host_machine_prepare(&config) == NULL)
        skip();
    net_open(&net);
    peer = tap_peer("torctest");
    if (peer < 0)
        skip();
    tap_exchange(peer);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_slirp_answers, teardown),
        cmocka_unit_test_teardown(test_frame_sizes_are_checked, teardown),
        cmocka_unit_test_teardown(test_forward_of_a_used_port_is_refused,
                                  teardown),
        cmocka_unit_test_teardown(test_forward_brings_a_connection, teardown),
        cmocka_unit_test_teardown(test_forward_brings_datagrams, teardown),
        cmocka_unit_test_teardown(test_each_card_has_its_address, teardown),
        cmocka_unit_test_teardown(test_queues_that_are_not_there, teardown),
        cmocka_unit_test_teardown(test_a_queue_has_one_cpu, teardown),
        cmocka_unit_test_teardown(test_frames_are_checked, teardown),
        cmocka_unit_test_teardown(test_tap_carries_frames, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
