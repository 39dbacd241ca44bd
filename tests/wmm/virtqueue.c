/*
 * A virtqueue of each format, with and without EVENT_IDX, and a device that is
 * another processor. Both sleep when there is nothing to do and say first
 * whether, or at what, they want to be woken: VIRTIO 1.2, sections 2.7.7.1,
 * 2.7.13.4.1, 2.8.19.3 and 2.8.21. A request or an answer that is lost, or of
 * which nobody is told, is a deadlock; memory that the other side sees too
 * early is a race.
 */
#include "drivers/virtqueue.h"
#include "hal/hal.h"
#include "tests/wmm/machine.h"
#include "tests/wmm/scenarios.h"
#include "tests/wmm/wmm.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/list.h>

enum { QUEUE_SIZE = 4, DRIVER = 0, DEVICE = 1, SILENT = 1, REQUESTS_MAX = 2 };

/* Flags of the packed ring, and of its events: 2.8.1, 2.8.14. */
enum {
    AVAIL = 1 << 7,
    USED = 1 << 15,
    EVENT_OFF = 1,
    EVENT_AT = 2,
};

/* The split rings as the device sees them: 2.7.5, 2.7.6, 2.7.8. */
struct device_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct device_avail {
    _Atomic uint16_t flags;
    _Atomic uint16_t idx;
    uint16_t ring[QUEUE_SIZE];
    _Atomic uint16_t used_event;
};

struct device_used {
    _Atomic uint16_t flags;
    _Atomic uint16_t idx;
    struct {
        _Atomic uint32_t id;
        _Atomic uint32_t len;
    } ring[QUEUE_SIZE];
    _Atomic uint16_t avail_event;
};

/* The packed one: 2.8.13. */
struct device_packed {
    uint64_t addr;
    _Atomic uint32_t len;
    _Atomic uint16_t id;
    _Atomic uint16_t flags;
};

static struct virtqueue vq;

/* Plain memory that the two give to each other. */
static struct {
    uint32_t question;
    uint32_t answer;
} buffers[REQUESTS_MAX];

static struct {
    uint16_t avail_next; /* index, or place; no ring of this size wraps here */
    uint16_t used_next;
    uint16_t told; /* used_next when the events were last looked at */
} device;

static void setup(bool is_packed, bool has_event_idx)
{
    const struct vq_shape shape = {.size = QUEUE_SIZE,
                                   .is_packed = is_packed,
                                   .has_event_idx = has_event_idx};

    machine_boot(1, 1, (const unsigned[]){0});
    if (vq_init(&vq, &shape) != 0)
        wmm_fail("no memory for the queue");
    vq_want_interrupt(&vq, false);
    device.avail_next = 0;
    device.used_next = 0;
    device.told = 0;
}

void virtqueue_setup(void)
{
    setup(false, false);
}

void virtqueue_event_setup(void)
{
    setup(false, true);
}

void virtqueue_packed_setup(void)
{
    setup(true, false);
}

void virtqueue_packed_event_setup(void)
{
    setup(true, true);
}

/* ---- The driver ---------------------------------------------------------- */

static void ask(unsigned which)
{
    const struct vq_piece pieces[] = {
        {hal_dma_addr(&buffers[which].question), sizeof(uint32_t), false},
        {hal_dma_addr(&buffers[which].answer), sizeof(uint32_t), true},
    };

    buffers[which].question = 10 + which;
    if (vq_add(&vq, pieces, COUNT_OF(pieces), &buffers[which]) != 0)
        wmm_fail("no room in the queue");
    if (vq_must_notify(&vq))
        wmm_interrupt_send(DEVICE);
}

static void await_answer(void)
{
    void *cookie;
    uint32_t written;
    int status;
    unsigned which;

    while ((status = vq_take(&vq, &cookie, &written)) == 0) {
        vq_want_interrupt(&vq, true);
        if (!vq_has_used(&vq))
            wmm_interrupt_wait();
        vq_want_interrupt(&vq, false);
    }
    assert(status == 1);
    assert(written == sizeof(uint32_t));
    which = cookie == &buffers[1];
    assert(buffers[which].answer == 20 + which);
    vq_check(&vq);
}

void virtqueue_driver_1(void)
{
    ask(0);
    await_answer();
}

void virtqueue_driver_2(void)
{
    ask(0);
    ask(1);
    await_answer();
    await_answer();
}

/* The second request takes the places of the first one. */
void virtqueue_driver_again(void)
{
    ask(0);
    await_answer();
    ask(0);
    await_answer();
}

/* ---- The device, split --------------------------------------------------- */

static struct device_avail *avail_ring(void)
{
    return (void *)(uintptr_t)vq_driver_bus(&vq);
}

static struct device_used *used_ring(void)
{
    return (void *)(uintptr_t)vq_device_bus(&vq);
}

/* Whether `event` lies in the last `count` entries before `next`: 2.7.7.2. */
static bool passed(uint16_t event, uint16_t next, uint16_t count)
{
    return (uint16_t)(next - event - 1) < count;
}

static void answer(uint64_t question, uint64_t to)
{
    *(uint32_t *)(uintptr_t)to = 10 + *(const uint32_t *)(uintptr_t)question;
}

static bool split_has_work(void)
{
    return atomic_load_explicit(&avail_ring()->idx, memory_order_acquire) !=
           device.avail_next;
}

/* Say that the next request is to be told of, or none is. */
static void split_want(bool want)
{
    if (vq.has_event_idx)
        atomic_store_explicit(&used_ring()->avail_event,
                              (uint16_t)(device.avail_next - !want),
                              memory_order_relaxed);
    else
        atomic_store_explicit(&used_ring()->flags, want ? 0 : SILENT,
                              memory_order_relaxed);
}

static bool split_driver_wants(void)
{
    uint16_t count = (uint16_t)(device.used_next - device.told);

    device.told = device.used_next;
    if (!vq.has_event_idx)
        return atomic_load_explicit(&avail_ring()->flags,
                                    memory_order_relaxed) == 0;
    return passed(
        atomic_load_explicit(&avail_ring()->used_event, memory_order_relaxed),
        device.used_next, count);
}

static void split_answer(void)
{
    const struct device_desc *desc = (void *)(uintptr_t)vq_desc_bus(&vq);
    struct device_used *used = used_ring();
    uint16_t head = avail_ring()->ring[device.avail_next++ % QUEUE_SIZE];
    const struct device_desc *first = &desc[head];
    const struct device_desc *second = &desc[first->next];
    unsigned at = device.used_next++ % QUEUE_SIZE;

    answer(first->addr, second->addr);
    atomic_store_explicit(&used->ring[at].id, head, memory_order_relaxed);
    atomic_store_explicit(&used->ring[at].len, second->len,
                          memory_order_relaxed);
    atomic_store_explicit(&used->idx, device.used_next, memory_order_release);
}

/* ---- The device, packed -------------------------------------------------- */

/* Both count on; the places are those of a ring, and the laps follow. */
static struct device_packed *packed_at(uint16_t index)
{
    struct device_packed *ring = (void *)(uintptr_t)vq_desc_bus(&vq);

    return &ring[index % QUEUE_SIZE];
}

static bool lap_of(uint16_t index)
{
    return index / QUEUE_SIZE % 2 == 0;
}

static uint32_t event_at(uint16_t index)
{
    return index % QUEUE_SIZE | (uint32_t)lap_of(index) << 15;
}

static bool packed_has_work(void)
{
    uint16_t wanted = lap_of(device.avail_next) ? AVAIL : USED;

    return (atomic_load_explicit(&packed_at(device.avail_next)->flags,
                                 memory_order_acquire) &
            (AVAIL | USED)) == wanted;
}

static _Atomic uint32_t *events(uint64_t bus)
{
    return (void *)(uintptr_t)bus;
}

static void packed_want(bool want)
{
    uint32_t word = !want ? EVENT_OFF << 16
                    : vq.has_event_idx
                        ? EVENT_AT << 16 | event_at(device.avail_next)
                        : 0;

    atomic_store_explicit(events(vq_device_bus(&vq)), word,
                          memory_order_relaxed);
}

static bool packed_driver_wants(void)
{
    uint32_t word =
        atomic_load_explicit(events(vq_driver_bus(&vq)), memory_order_relaxed);
    uint16_t told = device.told;

    device.told = device.used_next;
    if (word >> 16 != EVENT_AT)
        return word >> 16 != EVENT_OFF;
    for (; told != device.used_next; told++) {
        if ((word & 0xffff) == event_at(told))
            return true;
    }
    return false;
}

static void packed_answer(void)
{
    const struct device_packed *first = packed_at(device.avail_next);
    const struct device_packed *second =
        packed_at((uint16_t)(device.avail_next + 1));
    struct device_packed *used = packed_at(device.used_next);
    uint16_t id = atomic_load_explicit(&second->id, memory_order_relaxed);

    answer(first->addr, second->addr);
    atomic_store_explicit(&used->len, sizeof(uint32_t), memory_order_relaxed);
    atomic_store_explicit(&used->id, id, memory_order_relaxed);
    atomic_store_explicit(&used->flags,
                          lap_of(device.used_next) ? AVAIL | USED : 0,
                          memory_order_release);
    device.avail_next = (uint16_t)(device.avail_next + 2);
    device.used_next = (uint16_t)(device.used_next + 2);
}

/* ---- The device ---------------------------------------------------------- */

static bool device_has_work(void)
{
    return vq.is_packed ? packed_has_work() : split_has_work();
}

static void device_want(bool want)
{
    if (vq.is_packed)
        packed_want(want);
    else
        split_want(want);
}

static void device_run(unsigned requests)
{
    for (unsigned i = 0; i < requests; i++) {
        while (!device_has_work()) {
            device_want(true);
            hal_fence();
            if (!device_has_work())
                wmm_interrupt_wait();
            device_want(false);
        }
        if (vq.is_packed)
            packed_answer();
        else
            split_answer();
        hal_fence();
        if (vq.is_packed ? packed_driver_wants() : split_driver_wants())
            wmm_interrupt_send(DRIVER);
    }
}

void virtqueue_device_1(void)
{
    device_run(1);
}

void virtqueue_device_2(void)
{
    device_run(2);
}
