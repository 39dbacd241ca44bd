/*
 * Packets that are given to other CPUs. Only the owner changes a packet: the
 * exchange slot that carries it hands it over with all that was written to it.
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/packet.h"
#include "kernel/device/packet_pool.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>

int packet_pool_share(void)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    assert(pool != NULL);
    if (pool->given == NULL)
        pool->given =
            mem_alloc_zeroed(exchange_cpu_count * sizeof(*pool->given));
    return pool->given == NULL ? -ENOMEM : 0;
}

/* This CPU's packet is here again. */
static void is_home(const struct packet *packet)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    assert(pool->given[packet->host_cpu] > 0);
    pool->given[packet->host_cpu]--;
}

static void arrived(struct exchange_item *item)
{
    struct packet *packet = container_of(item, struct packet, trip);

    packet->buf.owner = cpu_self();
    if (packet->home == cpu_self())
        is_home(packet);
    packet->arrive(packet);
}

void packet_give(struct packet *packet, unsigned cpu,
                 void (*arrive)(struct packet *packet))
{
    assert(buf_is_mine(&packet->buf) && packet->buf.refs == 1);
    assert(cpu != cpu_self()->id);
    if (packet->home == cpu_self()) {
        struct packet_pool *pool = cpu_self()->packet_pool;

        packet->host_cpu = cpu;
        pool->given[cpu]++;
    }
    packet->arrive = arrive;
    packet->trip.run = arrived;
    exchange_send(cpu, &packet->trip);
}

bool packet_is_home(const struct packet *packet)
{
    return packet->home == cpu_self();
}

unsigned packet_given_count(unsigned cpu)
{
    const struct packet_pool *pool = cpu_self()->packet_pool;

    return pool->given[cpu];
}

static void come_home(struct exchange_item *item)
{
    struct packet *packet = container_of(item, struct packet, trip);

    packet->buf.owner = cpu_self();
    is_home(packet);
    packet_put(packet);
}

/* How many packets go home before they are in a hurry. */
enum { HOME_BATCH = 16 };

/* In no hurry: its home has others, and looks before it sleeps. But a CPU that
 * never sleeps sends some from time to time. */
void packet_go_home(struct packet *packet)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    assert(packet->buf.refs <= 1);
    packet->buf.refs = 1;
    packet->trip.run = come_home;
    exchange_send_lazily(packet->home_cpu, &packet->trip);
    if (pool != NULL && ++pool->sent_home % HOME_BATCH == 0)
        exchange_flush();
}
