#include "kernel/device/packet.h"
#include "hal/hal.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/packet_pool.h"
#include "kernel/lib/poison.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/string.h>

static struct packet_pool *pool_get(struct cpu *cpu)
{
    if (cpu->packet_pool == NULL) {
        struct packet_pool *pool = mem_alloc(sizeof(*pool));

        if (pool != NULL) {
            queue_init(&pool->free);
            pool->free_count = 0;
            pool->given = NULL;
            pool->sent_home = 0;
        }
        cpu->packet_pool = pool;
    }
    return cpu->packet_pool;
}

/* ---- The pool ------------------------------------------------------------ */

/* The most recently used first: its buffer is in the cache. */
static inline void pool_put(struct packet_pool *pool, struct packet *packet)
{
    poison(packet->buf.base, PACKET_SIZE);
    queue_push_front(&pool->free, &packet->node);
    pool->free_count++;
}

/* Nobody has a reference to the packet's buffer any more. */
static inline void release(struct packet *packet)
{
    assert(packet->slice_count == 0);
    if (likely(packet->home == cpu_self()))
        pool_put(cpu_self()->packet_pool, packet);
    else
        packet_go_home(packet);
}

static void packet_release(struct buf *buf)
{
    release(container_of(buf, struct packet, buf));
}

/* A new packet, in the pool. Its slices are written before they are read. */
static void packet_init(struct packet_pool *pool, struct packet *packet,
                        uint8_t *base, uint64_t bus)
{
    packet->buf = (struct buf){
        .base = base,
        .bus = bus,
        .size = PACKET_SIZE,
        .owner = cpu_self(),
        .release = packet_release,
    };
    packet->home = cpu_self();
    packet->home_cpu = cpu_self()->id;
    packet->slice_count = 0;
    packet->rest = 0;
    pool_put(pool, packet);
}

/* Two buffers make a page, so no buffer crosses one. */
int packet_pool_grow(unsigned count)
{
    struct packet_pool *pool = pool_get(cpu_self());
    unsigned pairs = (count + 1) / 2;
    struct packet *packets;
    uint8_t *base;
    uint64_t bus;

    static_assert(2 * PACKET_SIZE == HAL_PAGE_SIZE, "two to a page");
    if (pool == NULL)
        return -ENOMEM;
    packets = mem_alloc(2 * pairs * sizeof(*packets));
    if (packets == NULL)
        return -ENOMEM;
    /* Zeros would take half of the boot, and a packet that is used again holds
     * old bytes, too. */
    base = dma_alloc_undefined((size_t)pairs * HAL_PAGE_SIZE);
    if (base == NULL) {
        mem_free(packets);
        return -ENOMEM;
    }
    bus = hal_dma_addr(base);
    for (unsigned i = 0; i < 2 * pairs; i++)
        packet_init(pool, &packets[i], base + (size_t)i * PACKET_SIZE,
                    bus + (uint64_t)i * PACKET_SIZE);
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
    assert(packet->buf.refs == 0);
    packet->buf.refs = 1;
    packet->data = packet->buf.base + PACKET_HEADROOM;
    packet->len = 0;
    packet->offload = (struct packet_offload){.segments = PACKET_WHOLE};
    packet->hops = 0;
    return packet;
}

static void slices_drop(struct packet *packet, unsigned keep)
{
    while (packet->slice_count > keep) {
        struct slice *last = &packet->slices[--packet->slice_count];

        packet->rest -= last->len;
        buf_put(last->buf);
    }
}

static noinline void put_with_slices(struct packet *packet)
{
    /* Slices of its home are dropped there; those of this CPU, as of fragments
     * that were put together here, are dropped here. All are of one CPU. */
    if (!buf_is_mine(packet->slices[0].buf)) {
        packet_go_home(packet);
        return;
    }
    slices_drop(packet, 0);
    buf_put(&packet->buf);
}

void packet_put(struct packet *packet)
{
    if (packet == NULL)
        return;
    if (unlikely(packet->slice_count > 0)) {
        put_with_slices(packet);
        return;
    }
    assert(buf_is_mine(&packet->buf) && packet->buf.refs > 0);
    if (--packet->buf.refs == 0)
        release(packet);
}

unsigned packet_free_count(void)
{
    struct packet_pool *pool = cpu_self()->packet_pool;

    return pool == NULL ? 0 : pool->free_count;
}

/* ---- The frame ----------------------------------------------------------- */

uint8_t *packet_append(struct packet *packet, size_t size)
{
    uint8_t *at = packet->data + packet->len;

    assert(packet->slice_count == 0);
    if (size > packet_tailroom(packet))
        return NULL;
    packet->len += (uint32_t)size;
    unpoison(at, size);
    return at;
}

void packet_trim(struct packet *packet, size_t len)
{
    uint32_t cut;

    assert(len <= packet_len(packet));
    cut = packet_len(packet) - (uint32_t)len;
    while (cut > 0 && packet->slice_count > 0) {
        struct slice *last = &packet->slices[packet->slice_count - 1];

        if (cut < last->len) {
            last->len -= cut;
            packet->rest -= cut;
            return;
        }
        cut -= last->len;
        slices_drop(packet, packet->slice_count - 1U);
    }
    packet->len -= cut;
    poison(packet->data + packet->len, cut);
}

int packet_add_slice(struct packet *packet, struct slice slice)
{
    assert(slice_valid(&slice) && slice.len > 0);
    if (packet->slice_count >= PACKET_SLICES)
        return -ENOSPC;
    packet->slices[packet->slice_count++] = slice;
    packet->rest += slice.len;
    return 0;
}

__attribute__((cold)) int packet_join(struct packet *packet,
                                      struct packet *next)
{
    const struct slice slice = {
        .buf = &next->buf,
        .offset = (uint32_t)packet_headroom(next),
        .len = next->len,
    };

    assert(next != packet && next->slice_count == 0);
    return packet_add_slice(packet, slice);
}

size_t packet_read(const struct packet *packet, size_t offset, void *to,
                   size_t size)
{
    size_t done = 0;

    if (offset < packet->len) {
        done = packet->len - offset < size ? packet->len - offset : size;
        memcpy(to, packet->data + offset, done);
    }
    if (done == size)
        return done;
    offset = offset + done - packet->len;
    return done + slices_read(packet->slices, packet->slice_count, offset,
                              (uint8_t *)to + done, size - done);
}

__attribute__((cold)) void packet_check(const struct packet *packet)
{
    uint32_t rest = 0;

    buf_check(&packet->buf);
    assert(buf_is_mine(&packet->buf));
    assert(packet->data >= packet->buf.base);
    assert(packet_headroom(packet) <= PACKET_SIZE);
    assert(packet->len <= PACKET_SIZE - packet_headroom(packet));
    assert(packet->slice_count <= PACKET_SLICES);
    for (unsigned i = 0; i < packet->slice_count; i++) {
        buf_check(packet->slices[i].buf);
        assert(slice_valid(&packet->slices[i]));
        assert(packet->slices[i].len > 0);
        rest += packet->slices[i].len;
    }
    assert(rest == packet->rest);
    assert((packet->offload.segments == PACKET_WHOLE) ==
           (packet->offload.segment_len == 0));
}
