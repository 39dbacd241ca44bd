/* Nets of the hosted machine: libslirp, and taps where the host allows them. */
#include "tests/unit/posix/machine_bare.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
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

    bare_open((struct host_config){.net_count = 1, .nets = net});
    irqs = 0;
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_memory_equal(info.mac, mac, 6);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(hal_irq_attach(info.irq, 0, count_irq, &irqs), 0);
    assert_int_equal(hal_net_info(1, &info), -ENODEV);
}

static int teardown(void **state)
{
    (void)state;
    host_machine_close();
    return 0;
}

/* Take frames as a driver does: to the end, then sleep until the interrupt. */
static int frame_wait(uint8_t frame[FRAME_SIZE])
{
    for (;;) {
        unsigned before = irqs;
        int len = hal_net_recv(0, frame, FRAME_SIZE);

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
    assert_int_equal(hal_net_send(0, request, ARP_SIZE), 0);
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
    assert_int_equal(hal_net_send(0, frame, FRAME_SIZE + 1), -EMSGSIZE);
    assert_int_equal(hal_net_send(0, frame, 13), -EMSGSIZE);
    assert_int_equal(hal_net_send(0, frame, FRAME_SIZE), 0);
    assert_int_equal(hal_net_recv(0, small, sizeof(small)), -EAGAIN);
    before = irqs;
    arp_request(frame);
    assert_int_equal(hal_net_send(0, frame, ARP_SIZE), 0);
    bare_wait(&irqs, before);
    assert_int_equal(hal_net_recv(0, small, sizeof(small)), -EMSGSIZE);
    assert_int_equal(hal_net_recv(0, frame, FRAME_SIZE), -EAGAIN);
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

static void test_forward_of_a_used_port_is_refused(void **state)
{
    int fd;
    struct host_net_config net = {.kind = HOST_NET_USER, .forward_count = 1};
    const struct host_config config = {.net_count = 1, .nets = &net};

    (void)state;
    net.forward[0].host_address = INADDR_LOOPBACK;
    net.forward[0].host_port = port_find(&fd);
    net.forward[0].guest_port = 80;
    assert_null(host_machine_prepare(&config));
    close(fd);
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

/* ---- Taps -------------------------------------------------------------------------- */

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
        assert_int_equal(hal_net_send(0, frame, len), 0);
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
        cmocka_unit_test_teardown(test_tap_carries_frames, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
