/* A stack that DHCP configures: <torc/net_dhcp.h>. */
#include "kernel/heap/heap.h"
#include "net/stack.h"
#include "tests/fakes/fakenet.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/net_dhcp.h>
#include <torc/random.h>
#include <torc/thread.h>
#include <torc/time.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { AS_WANTED, NO_MEMORY, LATER, WRONG };

/* Whether the next frame is a DISCOVER. */
static bool has_asked(void)
{
    const struct fakenet_frame *sent = fakenet_sent(&bench.net);

    return sent != NULL && sent->len == 342 && sent->data[23] == 17 &&
           peer_get16(sent->data + 36) == 67 && sent->data[14 + 28 + 242] == 1;
}

/* Start without a server, with the n-th allocation failing; 0: none. */
static int start(void *arg)
{
    struct device *device = &bench.net.dev.device;
    uint64_t n = *(const uint64_t *)arg;
    struct net_config config;
    uint64_t began = time_ns();
    uint8_t byte;
    bool failed;
    int error;

    fakenet_init(&bench.net, bench_mac);
    if (net_get_config(&config) != -ENOTCONN || random_bytes(&byte, 1) != 0 ||
        packet_pool_grow(2) != 0)
        return WRONG;
    heap_fail(n);
    error = net_start_dhcp(device, 30 * NS_PER_MS);
    failed = n != 0 && heap_failed();
    heap_fail(0);
    if (error == -ENOMEM)
        return failed ? NO_MEMORY : WRONG;
    if (error == -ETIMEDOUT && failed)
        return LATER; /* as if the first question were lost */
    if (error != -ETIMEDOUT || time_ns() - began < 30 * NS_PER_MS)
        return WRONG;
    /* It goes on asking, and the address is still to come. */
    if (!has_asked() || net_get_config(&config) != 0 || config.address != 0)
        return WRONG;
    return net_start_dhcp(device, 0) == -EBUSY ? AS_WANTED : WRONG;
}

static void test_a_start_without_a_server(void **state)
{
    uint64_t n = 0;

    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, start, &n), AS_WANTED);
}

static void test_a_start_without_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        int status = machine_run(1, 32 << 20, start, &n);

        assert_int_not_equal(status, WRONG);
        failures += status == NO_MEMORY;
    }
    /* The stack, its chains, packets; the client, its socket, its thread. */
    assert_true(failures >= 7);
    assert_true(failures < 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_without_a_server),
        cmocka_unit_test(test_a_start_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
