/* A lease of a card of several CPUs: all get it, all keep it, all lose it. */
#include "kernel/heap/heap.h"
#include "net/dhcp/client.h"
#include "net/ip4.h"
#include "net/servers.h"
#include "net/udp.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/group_card.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <torc/net_dhcp.h>
#include <torc/socket.h>

enum {
    DISCOVER = 1,
    OFFER = 2,
    REQUEST = 3,
    ACKNOWLEDGE = 5,
    REFUSE = 6,
    LEASE_S = 3600,
    DATA = 42,        /* behind Ethernet, IPv4 and UDP */
    STACK = 64 << 10, /* of a thread that starts all, without optimisation */
};

/* ---- The server ---------------------------------------------------------- */

/* The type of a message that the client has sent, which is in `last`; 0: no
 * message within two seconds. */
static uint8_t client_says(void)
{
    while (peer_gets(2000) != NO_QUEUE) {
        if (peer_get16(last.data + 12) == 0x0800 && last.data[14 + 9] == 17 &&
            peer_get16(last.data + 36) == 67)
            return last.data[DATA + 242];
    }
    return 0;
}

static uint32_t offered = OUR_ADDRESS;

/* Answer what is in `last`, by a frame for this card alone. */
static void server_says(unsigned queue, uint8_t type, uint16_t mtu)
{
    uint8_t frame[DATA + 300] = {0};
    uint8_t *data = frame + DATA, *option = data + 240;

    memcpy(data, "\2\1\6", 3);
    memcpy(data + 4, last.data + DATA + 4, 4);
    peer_put32(data + 16, offered);
    memcpy(data + 28, bench_mac, 6);
    peer_put32(data + 236, 0x63825363);
    memcpy(option, (uint8_t[]){53, 1, type, 54, 4}, 5);
    peer_put32(option + 5, PEER_ADDRESS);
    if (type != REFUSE) {
        memcpy(option + 9, "\1\4\377\377\377\0\3\4", 8);
        peer_put32(option + 17, GATEWAY);
        memcpy(option + 21, "\x33\4", 2);
        peer_put32(option + 23, LEASE_S);
        memcpy(option + 27, "\6\4\12\0\0\65\32\2", 8);
        peer_put16(option + 35, mtu);
        option += 28;
    }
    option[9] = 255;
    peer_put16(frame + 34, 67);
    peer_put16(frame + 36, 68);
    peer_put16(frame + 38, 8 + 300 - 12);
    come(queue, frame,
         peer_ip4(frame, PEER_ADDRESS, offered, 17, 8 + 300 - 12));
}

/* The client hears something, so it looks at the clock. */
static void client_looks(void)
{
    uint8_t frame[DATA + 8] = {0};
    size_t size;

    peer_put16(frame + 34, 67);
    peer_put16(frame + 36, 68);
    peer_put16(frame + 38, 16);
    size = peer_ip4(frame, PEER_ADDRESS, UINT32_MAX, 17, 16);
    memset(frame, 0xff, 6); /* to all: it is for the first member */
    come(0, frame, size);
}

/* ---- What all CPUs have -------------------------------------------------- */

struct wanted {
    uint32_t address;
    uint16_t mtu;
};

static int is_wanted_here(void *arg)
{
    const struct wanted *wanted = arg;
    const struct net_stack *stack = stack_self();
    const struct net_addr far = addr_of_ip4(0x08080808);
    struct net_addr servers[SERVERS_ALL_MAX], hop;
    bool has = wanted->address != 0;

    return stack->config.address == wanted->address &&
           stack->mtu == wanted->mtu && stack->ip4_count == has &&
           (route_next_hop(stack, &far, &hop) == 0) == has &&
           servers_get(stack, SERVER_DNS, servers) == has;
}

static uint64_t ahead_ns;

/* Within some seconds. Deadlines of a clock that is ahead come late: somebody
 * must wake the client. */
static bool one_has(unsigned cpu, uint32_t address, uint16_t mtu)
{
    struct wanted wanted = {address, mtu};
    uint64_t end = time_ns() + 8 * NS_PER_S;

    while (remote_call(cpu, is_wanted_here, &wanted) != 1) {
        if (time_ns() > end)
            return false;
        thread_sleep(NS_PER_MS);
        if (ahead_ns > 0)
            client_looks();
    }
    return true;
}

static bool all_have(uint32_t address, uint16_t mtu)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (!one_has(cpu, address, mtu))
            return false;
    }
    return true;
}

/* ---- The life of a lease ------------------------------------------------- */

static struct net_config leased;
static int started;
static bool has_started;

static int start_here(void *arg)
{
    (void)arg;
    leased = (struct net_config){0};
    started = net_dhcp_or_static_start_all(&card->dev.device, &leased);
    has_started = true;
    return 0;
}

/* Whether the start ends with an address, after probes that nobody answers. */
static bool starts(void)
{
    uint64_t end = time_ns() + 5 * NS_PER_S;

    while (!has_started && time_ns() < end)
        (void)peer_gets(5);
    return has_started && started == 0 && leased.address == OUR_ADDRESS;
}

static uint64_t clock_ahead(void)
{
    return time_ns() + ahead_ns;
}

static void time_goes(uint64_t ns)
{
    stack_self()->clock = clock_ahead;
    ahead_ns += ns;
    client_looks();
}

/* Its questions are answered, each on another queue. */
static bool gets_lease(void)
{
    if (client_says() != DISCOVER)
        return false;
    server_says(1, OFFER, 1400);
    if (client_says() != REQUEST)
        return false;
    server_says(0, ACKNOWLEDGE, 1400);
    return true;
}

static int run_lease(void *arg)
{
    const struct thread_attr attr = {
        .name = "starts", .stack_size = STACK, .detached = true};

    (void)arg;
    card_make(2);
    if (thread_create(&attr, start_here, NULL, NULL) != 0 || !gets_lease())
        return 1;
    if (!starts() || !all_have(OUR_ADDRESS, 1400))
        return 2;
    /* The lease is renewed, with a link that takes less. */
    time_goes(LEASE_S / 2 * NS_PER_S);
    if (client_says() != REQUEST)
        return 3;
    server_says(1, ACKNOWLEDGE, 1300);
    if (!all_have(OUR_ADDRESS, 1300))
        return 4;
    /* The server says no; then there is another one. */
    time_goes(LEASE_S / 2 * NS_PER_S);
    if (client_says() != REQUEST)
        return 5;
    server_says(0, REFUSE, 0);
    if (!all_have(0, 1500) || !gets_lease() || !all_have(OUR_ADDRESS, 1400))
        return 6;
    /* Nobody renews it. */
    time_goes((LEASE_S + 1) * NS_PER_S);
    if (!all_have(0, 1500))
        return 7;
    return all_are_right(CPUS) ? 0 : 8;
}

static void test_lease_of_all(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_lease, NULL), 0);
}

/* ---- What does not go well ----------------------------------------------- */

/* No server answers; with an address of the command line nobody asks. */
static int run_no_server(void *arg)
{
    struct net_config fixed = config;

    (void)arg;
    card_make(2);
    if (net_start_dhcp_all(&card->dev.device, NS_PER_MS) != -ETIMEDOUT)
        return 1;
    if (net_start_dhcp_all(&card->dev.device, 0) != -EBUSY ||
        net_dhcp_or_static_start_all(&card->dev.device, &fixed) != -EBUSY)
        return 2;
    fixed.address = 0;
    if (net_dhcp_or_static_start_all(&card->dev.device, &fixed) != -EBUSY)
        return 3;
    return all_have(0, 1500) ? 0 : 4;
}

static int run_fixed(void *arg)
{
    struct net_config fixed = config;

    (void)arg;
    card_make(2);
    if (net_dhcp_or_static_start_all(&card->dev.device, &fixed) != 0)
        return 1;
    while (peer_gets(20) != NO_QUEUE) {
        if (peer_get16(last.data + 12) != 0x0806)
            return 2;
    }
    return stack_self()->udp == NULL ? 0 : 3;
}

static void test_without_a_server(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_no_server, NULL), 0);
    assert_int_equal(machine_run(CPUS, MEMORY, run_fixed, NULL), 0);
}

enum { POOR_CPU = 2 };

static atomic_bool is_poor; /* written by CPU 0 */

/* The thread that was kept for the next call is taken, and there is no memory
 * for another one. */
static int be_poor(void *arg)
{
    void *taken = NULL, *block;

    (void)arg;
    for (size_t size = 1 << 20; size >= 64; size /= 2) {
        while ((block = mem_alloc(size)) != NULL) {
            *(void **)block = taken;
            taken = block;
        }
    }
    while (is_poor)
        thread_sleep(NS_PER_MS);
    while ((block = taken) != NULL) {
        taken = *(void **)block;
        mem_free(block);
    }
    return 0;
}

static bool one_gets_poor(void)
{
    const struct thread_attr attr = {
        .place = THREAD_ON_CPU, .cpu = POOR_CPU, .detached = true};

    is_poor = true;
    return thread_create(&attr, be_poor, NULL, NULL) == 0;
}

/* It has a connection that waits for the peer. */
static int connect_here(void *arg)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct socket *socket;
    int status = socket_open_tcp(&socket);

    (void)arg;
    return status != 0 ? status : socket_connect_start(socket, &remote);
}

static int conns_here(void *arg)
{
    (void)arg;
    return (int)stack_self()->conn_count;
}

static int address_here(void *arg)
{
    (void)arg;
    return (int)stack_self()->config.address;
}

/* Within some seconds; the rest of a lease needs memory, too. */
static bool poor_cpu_gets(uint32_t address)
{
    uint64_t end = time_ns() + 8 * NS_PER_S;

    while (remote_call(POOR_CPU, address_here, NULL) != (int)address) {
        if (time_ns() > end)
            return false;
        thread_sleep(NS_PER_MS);
        client_looks();
    }
    return true;
}

/* A CPU that has no memory for a call is told later, which the others do not
 * wait for; it may miss that an address was lost before there was another. */
static int run_late_cpu(void *arg)
{
    const struct thread_attr attr = {
        .name = "starts", .stack_size = STACK, .detached = true};

    (void)arg;
    card_make(2);
    if (thread_create(&attr, start_here, NULL, NULL) != 0 || !gets_lease() ||
        !one_gets_poor())
        return 1;
    if (!one_has(CPUS - 1, OUR_ADDRESS, 1400))
        return 2;
    is_poor = false;
    if (!starts() || !all_have(OUR_ADDRESS, 1400))
        return 3;
    if (remote_call(POOR_CPU, connect_here, NULL) != 0 ||
        remote_call(POOR_CPU, conns_here, NULL) != 1)
        return 4;
    time_goes(LEASE_S / 2 * NS_PER_S);
    if (client_says() != REQUEST || !one_gets_poor())
        return 5;
    server_says(0, REFUSE, 0);
    offered = OUR_ADDRESS + 8;
    if (!gets_lease())
        return 9;
    if (!one_has(CPUS - 1, offered, 1400))
        return 6;
    is_poor = false;
    if (!poor_cpu_gets(offered))
        return 7;
    return remote_call(POOR_CPU, conns_here, NULL) == 0 ? 0 : 8;
}

static void test_a_cpu_that_is_told_later(void **state)
{
    static char output[40000]; /* of all tries */

    (void)state;
    assert_int_equal(machine_run_output(CPUS, MEMORY, NULL, run_late_cpu, NULL,
                                        output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "a CPU cannot be told of the lease yet"));
}

enum { STARTS = 100, NO_MEMORY, WRONG };

/* The n-th allocation of the first CPU fails. */
static int run_no_memory(void *arg)
{
    uint64_t n = *(uint64_t *)arg;
    int status;

    card_make(1);
    heap_fail(n);
    status = net_start_dhcp_all(&card->dev.device, NS_PER_MS);
    if (!heap_failed())
        return status == -ETIMEDOUT ? STARTS : WRONG;
    heap_fail(0);
    if (status != -ENOMEM && status != -ETIMEDOUT)
        return WRONG;
    return status == -ENOMEM ? NO_MEMORY : 0;
}

static void test_a_start_without_memory(void **state)
{
    unsigned failures = 0;
    int status;

    (void)state;
    for (uint64_t n = 1;; n++) {
        status = machine_run(2, MEMORY, run_no_memory, &n);
        assert_int_not_equal(status, WRONG);
        if (status == STARTS)
            break;
        failures += status == NO_MEMORY;
        assert_true(n < 200);
    }
    /* The group and its stack; the client, its socket, its thread. */
    assert_true(failures >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_of_all),
        cmocka_unit_test(test_without_a_server),
        cmocka_unit_test(test_a_cpu_that_is_told_later),
        cmocka_unit_test(test_a_start_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
