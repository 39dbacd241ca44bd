/* An application's only card, as its options want it: <torc/net_card.h>. */
#include "net/stack.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/net_card.h>

enum { MEMORY = 16 << 20, PORT = 99 };

/* ---- A card -------------------------------------------------------------- */

static int start_status;

static int card_start(struct net_device *dev)
{
    (void)dev;
    return start_status;
}

static unsigned card_poll(struct net_queue *queue, struct packet *packets[],
                          unsigned max)
{
    (void)queue;
    (void)packets;
    (void)max;
    return 0;
}

static unsigned card_send(struct net_queue *queue,
                          struct packet *const packets[], unsigned count)
{
    (void)queue;
    for (unsigned i = 0; i < count; i++)
        packet_put(packets[i]);
    return count;
}

static bool card_arm(struct net_queue *queue, bool on)
{
    (void)queue;
    (void)on;
    return true;
}

static const struct net_ops card_ops = {
    .start = card_start, .poll = card_poll, .send = card_send, .arm = card_arm};

static void card_make(void)
{
    struct net_device *dev =
        mem_alloc_aligned(sizeof(*dev), _Alignof(struct net_device));

    memset(dev, 0, sizeof(*dev));
    dev->ops = &card_ops;
    dev->mtu = 1500;
    assert(net_register(dev) == 0);
}

/* ---- The options --------------------------------------------------------- */

struct run {
    bool has_card;
    int status;    /* of net_card_start() */
    uint16_t port; /* then */
    uint32_t address;
};

static int run_start(void *arg)
{
    const struct run *run = arg;
    struct net_config config;
    uint16_t port = PORT;
    int status;

    start_status = run->status == -EIO ? -EIO : 0;
    if (run->has_card)
        card_make();
    status = net_card_start(&port);
    if (status != run->status)
        return 1;
    if (status != 0)
        return stack_self() == NULL ? 0 : 2;
    if (port != run->port)
        return 3;
    return net_get_config(&config) == 0 && config.address == run->address ? 0
                                                                          : 4;
}

static void test_card_is_as_the_options_say(void **state)
{
    static const struct {
        const char *cmdline;
        struct run run;
        const char *says;
    } row[] = {
        {"", {true, 0, PORT, 0x0a00020f}, "test: port 99 of 10.0.2.15"},
        {"net=10.1.2.3/24", {true, 0, PORT, 0x0a010203}, "port 99 of 10.1.2.3"},
        {"port=1", {true, 0, 1, 0x0a00020f}, "port 1 of"},
        {"port=65535", {true, 0, 65535, 0x0a00020f}, "port 65535 of"},
        {"port=0", {true, -EINVAL, 0, 0}, "port=0: no number"},
        {"port=65536", {true, -EINVAL, 0, 0}, "port=65536: no number"},
        {"port=8o", {true, -EINVAL, 0, 0}, "port=8o: no number"},
        {"net=10.1.2.3", {true, -EINVAL, 0, 0}, "net=10.1.2.3: no ADDRESS"},
        {"", {false, -ENODEV, 0, 0}, "no network card"},
        {"", {true, -EIO, 0, 0}, "net0: cannot be set up: error -5"},
    };
    static char output[4096];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(row); i++) {
        struct run run = row[i].run;
        int status = machine_run_output(1, MEMORY, row[i].cmdline, run_start,
                                        &run, output, sizeof(output));

        if (status != 0 || strstr(output, row[i].says) == NULL)
            fail_msg("row %u \"%s\": %d, %s", i, row[i].cmdline, status,
                     output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_card_is_as_the_options_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
