/* The thread that keeps the wall time: <torc/net_ntp.h>. */
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
#include "net/stack.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/fakenet.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/net_ntp.h>
#include <torc/random.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* Whether a frame that was sent asks who has that address. */
static bool asks_for(uint32_t address)
{
    const struct fakenet_frame *sent;
    bool found = false;

    while ((sent = fakenet_sent(&bench.net)) != NULL)
        found = found || (sent->len == 42 && sent->data[13] == 6 &&
                          peer_get32(sent->data + 38) == address);
    return found;
}

static int start_net(void)
{
    static const struct net_config config = {OUR_ADDRESS, 0xffffff00, 0};
    uint8_t byte;

    fakenet_init(&bench.net, bench_mac);
    if (random_bytes(&byte, 1) != 0 || packet_pool_grow(2) != 0)
        return -EINVAL;
    return net_start(&bench.net.dev.device, &config);
}

static void let_run(void)
{
    for (unsigned i = 0; i < 20; i++)
        thread_yield();
}

static int run(void *server)
{
    if (net_ntp_start(server) != -ENOTCONN)
        return 1;
    if (start_net() != 0)
        return 2;
    heap_fail(1);
    if (net_ntp_start(server) != -ENOMEM)
        return 3;
    heap_fail(0);
    (void)asks_for(0);
    if (net_ntp_start(server) != 0)
        return 4;
    let_run();
    return asks_for(PEER_ADDRESS) ? 10 : 0;
}

/* DHCP tells of a server. */
static int run_told(void *server)
{
    const struct net_addr told = addr_of_ip4(PEER_ADDRESS);

    if (start_net() != 0)
        return 2;
    servers_set(stack_self(), SERVER_NTP, SERVER_BY_DHCP, &told, 1);
    (void)asks_for(0);
    if (net_ntp_start(server) != 0)
        return 4;
    let_run();
    return asks_for(PEER_ADDRESS) ? 10 : 0;
}

/* Nobody is there; then DHCP tells of another one. */
static int run_told_again(void *server)
{
    const struct net_addr told[] = {addr_of_ip4(PEER_ADDRESS),
                                    addr_of_ip4(PEER_ADDRESS + 1)};

    if (start_net() != 0)
        return 2;
    servers_set(stack_self(), SERVER_NTP, SERVER_BY_DHCP, &told[0], 1);
    if (net_ntp_start(server) != 0)
        return 4;
    for (unsigned s = 1; s < 1500; s++) {
        clock_set(clock_now() + NS_PER_S);
        timer_run(clock_now());
        let_run();
        if (asks_for(PEER_ADDRESS + 1))
            return s > 400 ? 10 : 5;
        servers_set(stack_self(), SERVER_NTP, SERVER_BY_DHCP, &told[1], 1);
    }
    return 0;
}

/* The client has no memory. */
static int run_poor(void *server)
{
    const struct net_addr told = addr_of_ip4(PEER_ADDRESS);

    if (start_net() != 0)
        return 2;
    servers_set(stack_self(), SERVER_NTP, SERVER_BY_DHCP, &told, 1);
    if (net_ntp_start(server) != 0)
        return 4;
    heap_fail(1);
    let_run();
    return asks_for(PEER_ADDRESS) ? 10 : 0;
}

static void test_how_servers_are_found(void **state)
{
    static const struct {
        int (*run)(void *server);
        const char *server;
        int status;
        const char *says; /* NULL: anything */
    } rows[] = {
        {run, "10.0.0.2", 10, NULL},
        {run, NULL, 0, "ntp: no server is known; DHCP tells of none"},
        {run, "time.test", 0, "ntp: time.test is not found: error -101"},
        {run_told, NULL, 10, NULL},
        {run_told_again, NULL, 10, NULL},
        {run_poor, NULL, 0, "ntp: no memory: the clock is not kept"},
    };
    static char output[4000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = machine_run_output(1, 32 << 20, "", rows[i].run,
                                        (void *)(uintptr_t)rows[i].server,
                                        output, sizeof(output));

        if (status != rows[i].status)
            fail_msg("row %zu: %d: %s", i, status, output);
        if (rows[i].says != NULL && strstr(output, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_servers_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
