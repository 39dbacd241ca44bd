#include "kernel/packet.h"
#include "hal/hal.h"
#include "kernel/lib/check.h"
#include "kernel/lib/poison.h"
#include "kernel/percpu.h"
#include <torc/memory.h>

/* Owner CPU only. */
struct packet_pool {
    struct queue free;
    unsigned free_count;
};

static struct packet_pool *pool_get(struct cpu *cpu)
{
    if (cpu->packet_pool == NULL) {
        struct packet_pool *pool = mem_alloc(sizeof(*pool));

        if (pool != NULL) {
            queue_init(&pool->free);
            pool->free_count = 0;
        }
        cpu->packet_pool = pool;
    }
    return cpu->packet_pool;
}

/* Two buffers make a page, so no buffer crosses one. */
int packet_pool_grow(unsigned count)
{
    struct packet_pool *pool = pool_get(cpu_self());
    unsigned pairs = (count + 1) / 2;
    struct packet *packets;
    uint8_t *base;

    static_assert(2 * PACKET_SIZE == HAL_PAGE_SIZE, "two to a page");
    if (pool == NULL)
        return -ENOMEM;
    packets = mem_alloc_zeroed(2 * pairs * sizeof(*packets));
    if (packets == NULL)
        return -ENOMEM;
    base = dma_alloc((size_t)pairs * HAL_PAGE_SIZE);
    if (base == NULL) {
        mem_free(packets);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < 2 * pairs; i++) {
        packets[i].base = base + (size_t)i * PACKET_SIZE;
        packets[i].bus = hal_dma_addr(packets[i].base);
        packet_put(&packets[i]);
    }
    return 0;
}

struct packet *packet_get(void)
{
    struct packet_pool *pool = cpu_self()->packet_pool;
    struct packet *packet;

    if (pool == NULL || queue_empty(&pool->free))
        return NULL;
    packet = container_of(queue_pop(&pool->free), struct packet, node);
    pool->free_count--;
    unpoison(packet->base, PACKET_SIZE);
    packet->data = packet->base + PACKET_HEADROOM;
    packet->len = 0;
    return packet;
}

void packet_put(struct packet *packet)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    if (packet == NULL)
        return;
    poison(packet->base, PACKET_SIZE);
    /* The most recently used first: its buffer is in the cache. */
    queue_push_front(&pool->free, &packet->node);
    pool->free_count++;
}

unsigned packet_free_count(void)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    return pool == NULL ? 0 : pool->free_count;
}

uint8_t *packet_push(struct packet *packet, size_t size)
{
    if (size > packet_headroom(packet))
        return NULL;
    packet->data -= size;
    packet->len += size;
    return packet->data;
}

uint8_t *packet_append(struct packet *packet, size_t size)
{
    uint8_t *at = packet->data + packet->len;

    if (size > packet_tailroom(packet))
        return NULL;
    packet->len += size;
    return at;
}

uint8_t *packet_pull(struct packet *packet, size_t size)
{
    uint8_t *at = packet->data;

    if (size > packet->len)
        return NULL;
    packet->data += size;
    packet->len -= size;
    return at;
}
