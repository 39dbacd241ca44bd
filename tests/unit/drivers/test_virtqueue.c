/*
 * Virtqueues of both formats, with and without EVENT_IDX and indirect tables,
 * against the device's side of tests/models/virtio_ring.c.
 */
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"
#include "drivers/virtqueue_internal.h"
#include "hal/hal.h"
#include "hal/posix/kernel/dma.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/breach.h"
#include "tests/models/virtio_ring.h"
#include <stdlib.h>
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>

enum { SIZE = 8, PIECE = 100, PIECES_MAX = 8 };

static struct virtqueue vq;
static struct ring ring;
static uint8_t *buffer;

/* All that a queue can be. */
static const struct form {
    const char *name;
    struct vq_shape shape;
} forms[] = {
    {"split", {.size = SIZE}},
    {"split, events", {.size = SIZE, .has_event_idx = true}},
    {"split, tables", {.size = SIZE, .table_count = 3, .table_len = 6}},
    {"packed", {.size = SIZE, .is_packed = true}},
    {"packed, events",
     {.size = SIZE, .is_packed = true, .has_event_idx = true}},
    {"packed, tables",
     {.size = SIZE, .is_packed = true, .table_count = 3, .table_len = 6}},
    {"packed, all",
     {.size = SIZE,
      .is_packed = true,
      .has_event_idx = true,
      .table_count = 8,
      .table_len = 8}},
};

static void ring_for(const struct vq_shape *shape)
{
    ring_forget(&ring);
    ring.size = shape->size;
    ring.is_packed = shape->is_packed;
    ring.has_event_idx = shape->has_event_idx;
    ring.has_indirect = shape->table_count > 0;
    ring.desc = vq_desc_bus(&vq);
    ring.driver = vq_driver_bus(&vq);
    ring.device = vq_device_bus(&vq);
    ring_begin(&ring);
}

static void begin(const struct vq_shape *shape)
{
    machine_attach(8 << 20);
    rings_reset();
    memset(&ring, 0, sizeof(ring));
    buffer = dma_alloc(4096);
    assert_int_equal(vq_init(&vq, shape), 0);
    ring_for(shape);
}

/* The driver's queue again, as after a reset of the device. */
static void again(const struct vq_shape *shape)
{
    ring_forget(&ring);
    vq_fini(&vq);
    assert_int_equal(vq_init(&vq, shape), 0);
    ring_for(shape);
}

static void end(void)
{
    vq_check(&vq);
    ring_forget(&ring);
    vq_fini(&vq);
    machine_detach();
}

static bool short_way; /* of each second request of one piece */

/* A request of `count` pieces; all but the first are written by the device. */
static int add(unsigned count, void *cookie)
{
    struct vq_piece pieces[PIECES_MAX + 1];

    for (unsigned i = 0; i < count; i++)
        pieces[i] =
            (struct vq_piece){hal_dma_addr(buffer) + i * PIECE, PIECE, i > 0};
    short_way = !short_way;
    return count == 1 && short_way
               ? vq_add_one(&vq, pieces[0].bus, PIECE, false, cookie)
               : vq_add(&vq, pieces, count, cookie);
}

static void kick(void)
{
    if (vq_must_notify(&vq))
        ring_notified(&ring);
    assert_false(ring_kick_missing(&ring));
}

/* The device uses the oldest request that it has seen. */
static void serve(uint32_t written)
{
    static struct ring_chain chain;

    assert_true(ring_take(&ring, &chain));
    ring_complete(&ring, chain.head, written);
}

static void take(void *cookie, uint32_t written)
{
    void *got = NULL;
    uint32_t len = 0;

    assert_true(vq_has_used(&vq));
    assert_int_equal(vq_take(&vq, &got, &len), 1);
    assert_ptr_equal(got, cookie);
    assert_int_equal(len, written);
}

static void take_none(void)
{
    uint32_t written = 7;
    void *cookie = &vq;

    assert_false(vq_has_used(&vq));
    assert_int_equal(vq_take(&vq, &cookie, &written), 0);
    assert_true(cookie == &vq && written == 7);
}

static void for_each_form(void (*test)(const struct form *form))
{
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        print_message("    %s\n", forms[i].name);
        begin(&forms[i].shape);
        test(&forms[i]);
        end();
    }
}

/* ---- Making -------------------------------------------------------------- */

static void test_vq_shapes(void **state)
{
    static const struct {
        struct vq_shape shape;
        int status;
    } rows[] = {
        {{.size = 0}, -EINVAL},
        {{.size = 1}, -EINVAL},
        {{.size = 2}, 0},
        {{.size = 3}, -EINVAL},
        {{.size = 100}, -EINVAL},
        {{.size = 256}, 0},
        {{.size = 1024}, 0},
        {{.size = 2048}, -EINVAL},
        {{.size = 8, .table_count = 1024, .table_len = 8}, 0},
        {{.size = 8, .table_count = 1025, .table_len = 8}, -EINVAL},
        {{.size = 8, .table_count = 1, .table_len = 9}, -EINVAL},
    };

    (void)state;
    machine_attach(8 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned packed = 0; packed < 2; packed++) {
            struct vq_shape shape = rows[i].shape;
            struct mem_stats before = stats();
            struct virtqueue other;

            shape.is_packed = packed;
            assert_int_equal(vq_init(&other, &shape), rows[i].status);
            if (rows[i].status == 0) {
                vq_check(&other);
                vq_fini(&other);
            }
            assert_int_equal(stats().block_count, before.block_count);
        }
    }
    machine_detach();
}

static void test_vq_out_of_memory(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        for (uint64_t n = 1; n <= 2; n++) {
            struct mem_stats before = stats();
            struct virtqueue other;

            heap_fail(n);
            assert_int_equal(vq_init(&other, &forms[i].shape), -ENOMEM);
            assert_int_equal(stats().block_count, before.block_count);
        }
    }
    machine_detach();
}

/* Where the areas are: 2.7.2, 2.8.10.1. And nothing is behind them. */
static void test_vq_split_layout(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    for (unsigned size = 2; size <= 1024; size *= 2) {
        const struct vq_shape shape = {.size = (uint16_t)size};
        uint64_t desc, avail_end, used;
        struct virtqueue other;

        assert_int_equal(vq_init(&other, &shape), 0);
        desc = vq_desc_bus(&other);
        avail_end = desc + 16 * size + 6 + 2 * size;
        used = (avail_end + 4095) & ~UINT64_C(4095);
        assert_int_equal(desc % 4096, 0);
        assert_int_equal(vq_driver_bus(&other), desc + 16 * size);
        assert_int_equal(vq_device_bus(&other), used);
        assert_non_null(dma_lookup(used, 6 + 8 * size));
        vq_fini(&other);
        assert_null(dma_lookup(desc, 1));
        assert_null(other.memory);
    }
    machine_detach();
}

static void test_vq_packed_layout(void **state)
{
    (void)state;
    /* what links the packed format */
    assert_int_equal(virtio_packed_part.features, VIRTIO_F_RING_PACKED);
    machine_attach(8 << 20);
    for (unsigned size = 2; size <= 1024; size *= 2) {
        const struct vq_shape shape = {.size = (uint16_t)size,
                                       .is_packed = true};
        uint64_t desc, driver, device;
        struct virtqueue other;

        assert_int_equal(vq_init(&other, &shape), 0);
        desc = vq_desc_bus(&other);
        driver = vq_driver_bus(&other);
        device = vq_device_bus(&other);
        assert_int_equal(desc % 16, 0);
        assert_int_equal(driver % 64, 0);
        assert_true(driver >= desc + 16 * size);
        assert_true(driver < desc + 16 * size + 64);
        assert_int_equal(device, driver + 64); /* no line is shared */
        assert_non_null(dma_lookup(device, 4));
        vq_fini(&other);
    }
    machine_detach();
}

/* ---- Requests ------------------------------------------------------------ */

static void full_and_empty(const struct form *form)
{
    int cookies[SIZE + 1];

    (void)form;
    take_none();
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(add(1, &cookies[i]), 0);
    assert_int_equal(add(1, &cookies[SIZE]), -EAGAIN);
    assert_int_equal(vq.free_count, 0);
    vq_check(&vq);
    kick();
    take_none();
    for (int i = 0; i < SIZE; i++)
        serve(0);
    for (int i = 0; i < SIZE; i++) {
        vq_check(&vq);
        take(&cookies[i], 0);
    }
    take_none();
    assert_int_equal(vq.free_count, SIZE);
}

static void test_vq_full_and_empty(void **state)
{
    (void)state;
    for_each_form(full_and_empty);
}

/* How many descriptors of the ring a request of `count` pieces takes. */
static unsigned taken_by(const struct form *form, unsigned count,
                         unsigned tables_free)
{
    return count >= 3 && count <= form->shape.table_len && tables_free > 0
               ? 1
               : count;
}

static void chains(const struct form *form)
{
    unsigned tables = form->shape.table_count;
    struct ring_chain first, second;
    int a, b;

    assert_int_equal(add(3, &a), 0);
    assert_int_equal(vq.free_count, SIZE - taken_by(form, 3, tables));
    if (tables == 0) {
        assert_int_equal(add(4, &b), 0);
        assert_int_equal(vq.free_count, 1);
        assert_int_equal(add(2, &a), -EAGAIN);
    } else {
        assert_int_equal(add(4, &b), 0);
        assert_int_equal(vq.free_count, SIZE - 2);
    }
    vq_check(&vq);
    kick();
    assert_true(ring_take(&ring, &first));
    assert_true(ring_take(&ring, &second));
    assert_int_equal(first.count, 3);
    assert_int_equal(second.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(second.piece[i].len, PIECE);
        assert_int_equal(second.piece[i].writable, i > 0);
    }
    ring_complete(&ring, second.head, 300); /* out of order */
    take(&b, 300);
    vq_check(&vq);
    ring_complete(&ring, first.head, 200);
    take(&a, 200);
    assert_int_equal(vq.free_count, SIZE);
    assert_int_equal(add(8, &a), 0); /* as long as the queue */
    vq_check(&vq);
    kick();
    serve(700);
    take(&a, 700);
}

static void test_vq_chains_and_order(void **state)
{
    (void)state;
    for_each_form(chains);
}

/* Requests go without a table when none is free, or they are too long for one,
 * or too short. */
static void test_vq_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        int a, b, c, d, e;

        if (forms[i].shape.table_count != 3)
            continue;
        begin(&forms[i].shape);
        assert_int_equal(add(6, &a), 0);
        assert_int_equal(vq.free_count, SIZE - 1);
        assert_int_equal(add(2, &b), 0);
        assert_int_equal(vq.free_count, SIZE - 3);
        assert_int_equal(add(3, &c), 0);
        assert_int_equal(add(3, &d), 0);
        assert_int_equal(vq.free_count, SIZE - 5);
        vq_check(&vq);
        assert_int_equal(add(4, &e), -EAGAIN); /* four, and three are free */
        assert_int_equal(add(3, &e), 0);
        assert_int_equal(vq.free_count, 0);
        assert_int_equal(add(3, &e), -EAGAIN);
        kick();
        for (unsigned n = 0; n < 5; n++)
            serve(100);
        take(&a, 100);
        assert_int_equal(add(3, &a), 0); /* a table is free again */
        assert_int_equal(vq.free_count, 0);
        take(&b, 100);
        take(&c, 100);
        take(&d, 100);
        take(&e, 100);
        vq_check(&vq);
        assert_int_equal(vq.free_count, SIZE - 1);
        assert_int_equal(add(7, &b), 0); /* longer than a table */
        assert_int_equal(vq.free_count, 0);
        kick();
        serve(0);
        serve(0);
        take(&a, 0);
        take(&b, 0);
        end();
    }
}

/* A request that finds a table but no descriptor gives the table back. */
static void test_vq_table_without_room(void **state)
{
    static const struct vq_shape shapes[] = {
        {.size = 2, .table_count = 2, .table_len = 2},
        {.size = 4, .table_count = 4, .table_len = 4},
        {.size = 4, .table_count = 4, .table_len = 4, .is_packed = true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        int cookies[4];

        begin(&shapes[i]);
        for (unsigned n = 0; n < shapes[i].size; n++)
            assert_int_equal(add(1, &cookies[n]), 0);
        assert_int_equal(add(2, &cookies[0]), -EAGAIN);
        if (shapes[i].size > 2)
            assert_int_equal(add(3, &cookies[0]), -EAGAIN);
        vq_check(&vq);
        ring_look(&ring);
        for (unsigned n = 0; n < shapes[i].size; n++) {
            serve(0);
            take(&cookies[n], 0);
        }
        end();
    }
}

static void wraps(const struct form *form)
{
    int cookies[3];

    (void)form;
    for (unsigned round = 0; round < 70000; round++) {
        unsigned count = 1 + round % 3;

        for (unsigned i = 0; i < count; i++)
            assert_int_equal(add(1 + (round + i) % 2, &cookies[i]), 0);
        if (vq_must_notify(&vq))
            ring_notified(&ring);
        if (round % 64 == 0)
            vq_check(&vq);
        for (unsigned i = 0; i < count; i++)
            serve((round + i) % 2 * PIECE);
        for (unsigned i = 0; i < count; i++)
            take(&cookies[i], (round + i) % 2 * PIECE);
    }
    assert_int_equal(vq.free_count, SIZE);
}

static void test_vq_indices_wrap(void **state)
{
    (void)state;
    for_each_form(wraps);
}

/* Some requests stay with the device for laps of the ring, out of order. */
static void out_of_order(const struct form *form)
{
    static struct ring_chain held[3];
    int cookies[3];
    unsigned seed = 1;

    (void)form;
    for (unsigned round = 0; round < 3000; round++) {
        bool out[3] = {false};

        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(add(1 + (round + i) % 2, &cookies[i]), 0);
        kick();
        for (unsigned i = 0; i < 3; i++)
            assert_true(ring_take(&ring, &held[i]));
        for (unsigned i = 0; i < 3; i++) {
            unsigned which = (seed = seed * 1103515245 + 12345) >> 16;

            which %= 3;
            while (out[which])
                which = (which + 1) % 3;
            out[which] = true;
            ring_complete(&ring, held[which].head, 0);
            take(&cookies[which], 0);
            vq_check(&vq);
        }
    }
}

static void test_vq_out_of_order(void **state)
{
    (void)state;
    for_each_form(out_of_order);
}

/* ---- Notifications and interrupts ---------------------------------------- */

static void notifications(const struct form *form)
{
    int a;

    assert_false(vq_must_notify(&vq));
    assert_int_equal(add(1, &a), 0);
    assert_int_equal(add(1, &a), 0);
    assert_true(vq_must_notify(&vq));
    ring_notified(&ring);
    assert_false(vq_must_notify(&vq)); /* told already */
    ring.no_notify = true;
    ring_look(&ring);
    assert_int_equal(add(1, &a), 0);
    assert_false(vq_must_notify(&vq));
    assert_false(ring_kick_missing(&ring));
    assert_int_equal(ring.notifications, 1);
    ring.no_notify = false;
    ring_look(&ring);
    assert_int_equal(add(form->shape.table_count > 0 ? 3 : 2, &a), 0);
    assert_true(vq_must_notify(&vq));
    ring_notified(&ring);
    for (unsigned i = 0; i < 4; i++) {
        serve(0);
        take(&a, 0);
    }
}

static void test_vq_notifications(void **state)
{
    (void)state;
    for_each_form(notifications);
}

/* With EVENT_IDX the device names the entry of which it wants to be told; on
 * each round the ring begins elsewhere. */
static void test_vq_notified_at_the_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (!forms[i].shape.has_event_idx)
            continue;
        begin(&forms[i].shape);
        for (unsigned round = 0; round < 66000; round++) {
            uint16_t after = (uint16_t)(round % 4);
            int a;

            ring.notify_after = after;
            ring_look(&ring);
            for (unsigned n = 0; n < after; n++) {
                assert_int_equal(add(1, &a), 0);
                assert_false(vq_must_notify(&vq));
            }
            assert_int_equal(add(1, &a), 0);
            assert_true(vq_must_notify(&vq));
            ring_notified(&ring);
            for (unsigned n = 0; n <= after; n++) {
                serve(0);
                take(&a, 0);
            }
        }
        end();
    }
}

/* Several requests at once pass the event in the middle. */
static void test_vq_notified_of_a_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (!forms[i].shape.has_event_idx)
            continue;
        begin(&forms[i].shape);
        for (unsigned round = 0; round < 3000; round++) {
            unsigned count = 1 + round % SIZE;
            int a;

            ring.notify_after = (uint16_t)(round % 5);
            ring_look(&ring);
            for (unsigned n = 0; n < count; n++)
                assert_int_equal(add(1, &a), 0);
            if (vq_must_notify(&vq)) {
                assert_true(count > ring.notify_after);
                ring_notified(&ring);
            } else {
                assert_true(count <= ring.notify_after);
                ring_look(&ring);
            }
            for (unsigned n = 0; n < count; n++) {
                serve(0);
                take(&a, 0);
            }
        }
        end();
    }
}

static void interrupts(const struct form *form)
{
    int a;

    for (unsigned round = 0; round < 1000; round++) {
        vq_want_interrupt(&vq, false);
        assert_int_equal(add(2, &a), 0);
        assert_int_equal(add(1, &a), 0);
        assert_int_equal(add(1, &a), 0);
        kick();
        serve(0);
        assert_false(ring_wants_interrupt(&ring));
        vq_want_interrupt(&vq, true);
        assert_true(vq_has_used(&vq)); /* before it was asked for */
        take(&a, 0);
        vq_want_interrupt(&vq, true);
        serve(0);
        assert_true(ring_wants_interrupt(&ring));
        serve(0);
        /* With events one interrupt was asked for. */
        assert_int_equal(ring_wants_interrupt(&ring),
                         !form->shape.has_event_idx);
        take(&a, 0);
        take(&a, 0);
    }
}

static void test_vq_interrupts(void **state)
{
    (void)state;
    for_each_form(interrupts);
}

/* A word of the device's events that a driver without EVENT_IDX does not
 * understand, or that is reserved: better notify. */
static void test_vq_odd_events(void **state)
{
    static const struct {
        bool has_event_idx;
        uint32_t word;
        bool notified;
    } rows[] = {
        {false, 0, true},
        {false, 1 << 16, false},
        {false, 2 << 16 | 5, true},
        {false, 3 << 16, true},
        {true, 0, true},
        {true, 1 << 16, false},
        {true, 3 << 16, true},
        {true, 2 << 16 | 1 << 15, true},
        {true, 2 << 16 | 1 << 15 | 1, false},
        {true, 2 << 16 | 0x7fff, false},
        {true, 2 << 16 | 0xffff, false},
        {true, UINT32_C(0xfffc0000), true}, /* reserved bits are ignored */
        {true, UINT32_C(0xfffd0000), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct vq_shape shape = {.size = SIZE,
                                       .is_packed = true,
                                       .has_event_idx = rows[i].has_event_idx};
        int a;

        begin(&shape);
        le32_put(dma_lookup(vq_device_bus(&vq), 4), rows[i].word);
        assert_int_equal(add(1, &a), 0);
        assert_int_equal(vq_must_notify(&vq), rows[i].notified);
        end();
    }
}

/* ---- Hostile devices ----------------------------------------------------- */

static uint8_t *used(void)
{
    return dma_lookup(vq_device_bus(&vq), 6 + 8 * SIZE);
}

/* The queue is broken for good, nothing was handed out, and the request that it
 * had comes back. */
static void broken(const char *name, void *request)
{
    uint32_t written = 7;
    void *cookie = &vq;
    int a;

    ROW(name, vq_take(&vq, &cookie, &written) == -EIO);
    ROW(name, cookie == &vq && written == 7);
    ROW(name, vq_take(&vq, &cookie, &written) == -EIO);
    ROW(name, add(1, &a) == -EAGAIN);
    ROW(name, !vq_has_used(&vq));
    vq_check(&vq);
    ROW(name, vq_recall(&vq) == request);
    vq_check(&vq);
    ROW(name, vq_recall(&vq) == NULL);
}

static void test_vq_lying_device(void **state)
{
    static const struct {
        const char *name;
        uint32_t id;
        uint32_t len;
        int jump; /* added to the used index instead of 1 */
    } rows[] = {
        {"id beyond the table", 8, 0, 1},
        {"id all ones", UINT32_MAX, 0, 1},
        {"id of nobody", 5, 0, 1},
        {"id inside a chain", 1, 0, 1},
        {"more written than there is room", 0, 101, 1},
        {"length all ones", 0, UINT32_MAX, 1},
        {"index beyond the ring", 0, 0, 9},
        {"index backwards", 0, 0, -1},
    };

    (void)state;
    begin(&forms[0].shape);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int a;

        again(&forms[0].shape);
        assert_int_equal(add(2, &a), 0);
        le32_put(used() + 4, rows[i].id);
        le32_put(used() + 8, rows[i].len);
        le16_put(used() + 2, (uint16_t)rows[i].jump);
        broken(rows[i].name, &a);
    }
    end();
}

static void test_vq_lying_packed_device(void **state)
{
    static const struct {
        const char *name;
        uint16_t id;
        uint32_t len;
        uint16_t flags;
        int status;
        uint32_t written;
    } rows[] = {
        {"as it should be", 0, 100, 0x8082, 1, 100},
        {"of the lap before", 0, 100, 0x0002, 0, 0},
        {"still available", 0, 100, 0x0080, 0, 0},
        {"used, of no lap", 0, 100, 0x8000, 0, 0},
        {"id beyond the ring", 8, 0, 0x8080, -EIO, 0},
        {"id all ones", 0xffff, 0, 0x8080, -EIO, 0},
        {"id of nobody", 5, 0, 0x8080, -EIO, 0},
        {"more written than there is room", 0, 101, 0x8082, -EIO, 0},
        {"length all ones", 0, UINT32_MAX, 0x8082, -EIO, 0},
        {"a length that means nothing", 0, UINT32_MAX, 0x8080, 1, 0},
        {"a length as QEMU says it", 0, 100, 0x8080, 1, 100},
    };

    (void)state;
    begin(&forms[3].shape);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *desc;
        int a;

        again(&forms[3].shape);
        assert_int_equal(add(2, &a), 0);
        desc = dma_lookup(vq_desc_bus(&vq), 16);
        le32_put(desc + 8, rows[i].len);
        le16_put(desc + 12, rows[i].id);
        le16_put(desc + 14, rows[i].flags);
        if (rows[i].status == 1)
            take(&a, rows[i].written);
        else if (rows[i].status == 0)
            take_none();
        else
            broken(rows[i].name, &a);
    }
    end();
}

static void completed_twice(const struct form *form)
{
    uint16_t id;
    uint32_t written;
    void *cookie;
    int a;

    (void)form;
    assert_int_equal(add(1, &a), 0);
    kick();
    id = ring.order[0];
    serve(0);
    ring_use_raw(&ring, id, 0);
    take(&a, 0);
    assert_int_equal(vq_take(&vq, &cookie, &written), -EIO);
}

static void test_vq_completed_twice(void **state)
{
    (void)state;
    for_each_form(completed_twice);
}

/* Nothing is added to a queue that is gone, and nothing comes out of it. */
static void after_its_end(const struct form *form)
{
    uint32_t written;
    void *cookie;
    int a;

    assert_int_equal(add(1, &a), 0);
    ring_forget(&ring);
    vq_fini(&vq);
    assert_int_equal(add(1, &a), -EAGAIN);
    assert_int_equal(vq_take(&vq, &cookie, &written), -EIO);
    assert_false(vq_has_used(&vq));
    assert_null(vq_recall(&vq));
    assert_int_equal(vq_init(&vq, &form->shape), 0);
    assert_int_equal(add(1, &a), 0);
}

static void test_vq_after_its_end(void **state)
{
    (void)state;
    for_each_form(after_its_end);
}

/* What the device holds at a reset comes back, tables and all. */
static void recalled(const struct form *form)
{
    int cookies[3];
    bool seen[3] = {false};
    int *cookie;

    (void)form;
    assert_int_equal(add(3, &cookies[0]), 0);
    assert_int_equal(add(1, &cookies[1]), 0);
    assert_int_equal(add(3, &cookies[2]), 0);
    kick();
    serve(0);
    while ((cookie = vq_recall(&vq)) != NULL) {
        assert_false(seen[cookie - cookies]);
        seen[cookie - cookies] = true;
        vq_check(&vq);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(vq.free_count, SIZE);
}

static void test_vq_recall(void **state)
{
    (void)state;
    for_each_form(recalled);
}

/* ---- vq_check() ---------------------------------------------------------- */

/* A queue of 8 with one request, and then one thing wrong. */
struct damage {
    const char *name;
    bool is_packed;
    unsigned pieces;
    void (*damage)(void);
};

static void free_one_twice(void)
{
    vq.slots[vq.free_head].next = vq.free_head;
}

static void request_in_a_circle(void)
{
    vq.slots[0].next = 0;
}

static void request_goes_on(void)
{
    vq.slots[0].next = 2;
}

static void one_is_lost(void)
{
    vq.free_count--;
}

static void one_too_many(void)
{
    vq.free_count++;
}

static void not_made_available(void)
{
    vq.avail_next--;
}

static void longer_than_it_was(void)
{
    vq.slots[0].count++;
}

static void another_lap(void)
{
    vq.used_flags ^= DESC_AVAIL | DESC_USED;
}

static void table_twice(void)
{
    vq.free_table = vq.slots[0].table;
}

static void table_lost(void)
{
    vq.slots[0].table = VQ_NO_TABLE;
}

static void table_and_chain(void)
{
    vq.slots[0].table = vq.free_table;
    vq.free_table = vq.table_next[vq.free_table];
}

static void nothing_wrong(void)
{
}

static int damage_run(void *arg)
{
    const struct damage *row = arg;
    const struct vq_shape shape = {.size = 8,
                                   .is_packed = row->is_packed,
                                   .table_count = 2,
                                   .table_len = 4};
    struct vq_piece pieces[3] = {{DMA_BUS_BASE, 1, false},
                                 {DMA_BUS_BASE, 1, true},
                                 {DMA_BUS_BASE, 1, true}};
    static int cookie;

    if (vq_init(&vq, &shape) != 0 ||
        vq_add(&vq, pieces, row->pieces, &cookie) != 0)
        return 1;
    vq_check(&vq);
    row->damage();
    vq_check(&vq);
    return 0;
}

static void test_vq_check_sees_damage(void **state)
{
    static const struct damage rows[] = {
        {"none", false, 2, nothing_wrong},
        {"none, packed", true, 2, nothing_wrong},
        {"a free descriptor follows itself", false, 2, free_one_twice},
        {"a free id follows itself", true, 2, free_one_twice},
        {"so does one of the request", false, 2, request_in_a_circle},
        {"the request goes on with a free one", false, 2, request_goes_on},
        {"one is lost", false, 2, one_is_lost},
        {"one is lost, packed", true, 2, one_is_lost},
        {"one too many", true, 2, one_too_many},
        {"nobody made it available", false, 2, not_made_available},
        {"nobody made it available, packed", true, 2, not_made_available},
        {"longer than it was", false, 2, longer_than_it_was},
        {"longer than it was, packed", true, 2, longer_than_it_was},
        {"another lap", true, 2, another_lap},
        {"a table twice", false, 3, table_twice},
        {"a table lost", true, 3, table_lost},
        {"a table and a chain", false, 2, table_and_chain},
        {"a table and a chain, packed", true, 2, table_and_chain},
    };
    char output[65536];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = machine_run_output(1, 8 << 20, "", damage_run,
                                        (void *)(uintptr_t)&rows[i], output,
                                        sizeof(output));

        ROW(rows[i].name, status == (i < 2 ? 0 : 134));
    }
}

/* ---- The device's side --------------------------------------------------- */

static void notify_it(void *arg)
{
    (void)arg;
    ring_notified(&ring);
}

static void look_at_it(void *arg)
{
    (void)arg;
    ring_look(&ring);
}

static void complete_it(void *arg)
{
    (void)arg;
    ring_complete(&ring, ring.order[0], 0);
}

static void strict(const struct form *form)
{
    bool is_packed = form->shape.is_packed;
    uint8_t *desc = dma_lookup(vq_desc_bus(&vq), 16 * SIZE);
    uint8_t *table = vq.tables;
    int a;

    assert_true(model_breaches(notify_it, NULL, "notified of nothing"));
    ring.no_notify = true;
    ring_look(&ring);
    assert_int_equal(add(2, &a), 0);
    assert_true(model_breaches(notify_it, NULL, "against the device's wish"));
    ring.no_notify = false;
    ring_look(&ring);
    desc[0] ^= 1;
    assert_true(model_breaches(complete_it, NULL, "descriptor 0 changed"));
    desc[0] ^= 1;
    buffer[2 * PIECE - 1] ^= 1;
    assert_true(model_breaches(complete_it, NULL, "buffer 1 of request 0"));
    buffer[2 * PIECE - 1] ^= 1;
    complete_it(NULL);
    take(&a, 0);
    if (form->shape.table_count == 0)
        return;
    ring.first_ask = ring.asked = 0;
    assert_int_equal(add(3, &a), 0);
    ring_look(&ring);
    table[2 * 16] ^= 1;
    assert_true(model_breaches(complete_it, NULL, "the table of request"));
    table[2 * 16] ^= 1;
    complete_it(NULL);
    take(&a, 0);
    assert_int_equal(add(3, &a), 0);
    table[16 + (is_packed ? 14 : 12)] |= 4; /* a table in a table */
    assert_true(model_breaches(look_at_it, NULL, "in a table"));
    ring.lied = true; /* it has seen half of a request */
}

static void test_ring_is_strict(void **state)
{
    (void)state;
    for_each_form(strict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vq_shapes),
        cmocka_unit_test(test_vq_out_of_memory),
        cmocka_unit_test(test_vq_split_layout),
        cmocka_unit_test(test_vq_packed_layout),
        cmocka_unit_test(test_vq_full_and_empty),
        cmocka_unit_test(test_vq_chains_and_order),
        cmocka_unit_test(test_vq_tables),
        cmocka_unit_test(test_vq_table_without_room),
        cmocka_unit_test(test_vq_indices_wrap),
        cmocka_unit_test(test_vq_out_of_order),
        cmocka_unit_test(test_vq_notifications),
        cmocka_unit_test(test_vq_notified_at_the_event),
        cmocka_unit_test(test_vq_notified_of_a_batch),
        cmocka_unit_test(test_vq_interrupts),
        cmocka_unit_test(test_vq_odd_events),
        cmocka_unit_test(test_vq_lying_device),
        cmocka_unit_test(test_vq_lying_packed_device),
        cmocka_unit_test(test_vq_completed_twice),
        cmocka_unit_test(test_vq_after_its_end),
        cmocka_unit_test(test_vq_recall),
        cmocka_unit_test(test_vq_check_sees_damage),
        cmocka_unit_test(test_ring_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
