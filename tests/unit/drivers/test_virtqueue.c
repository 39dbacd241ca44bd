#include "drivers/virtqueue.h"
#include "hal/posix/dma.h"
#include "kernel/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/memory.h>

static struct virtqueue vq;
static uint8_t *buffer;
static uint16_t taken; /* the device's place in the available ring */

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    buffer = dma_alloc(4096);
    taken = 0;
    return vq_init(&vq, 8);
}

static int teardown(void **state)
{
    (void)state;
    vq_fini(&vq);
    machine_detach();
    return 0;
}

/* The device's side, by bus addresses: section 2.7. */
static uint8_t *avail(void)
{
    return dma_lookup(vq_avail_bus(&vq), 6 + 2 * 8);
}

static uint8_t *used(void)
{
    return dma_lookup(vq_used_bus(&vq), 6 + 8 * 8);
}

static bool device_take(uint16_t *head)
{
    if (le16_get(avail() + 2) == taken)
        return false;
    *head = le16_get(avail() + 4 + 2 * (taken++ % 8));
    return true;
}

static void device_use(uint32_t id, uint32_t len)
{
    uint16_t idx = le16_get(used() + 2);

    le32_put(used() + 4 + 8 * (idx % 8), id);
    le32_put(used() + 8 + 8 * (idx % 8), len);
    le16_put(used() + 2, (uint16_t)(idx + 1));
}

static int add(unsigned count, void *cookie)
{
    struct vq_piece pieces[VIRTQUEUE_CHAIN_MAX];

    for (unsigned i = 0; i < count; i++)
        pieces[i] = (struct vq_piece){DMA_BUS_BASE + i, 100, i > 0};
    return vq_add(&vq, pieces, count, cookie);
}

static void test_vq_sizes(void **state)
{
    static const struct {
        uint16_t size;
        int status;
    } rows[] = {{0, -EINVAL}, {1, -EINVAL},   {2, 0},        {3, -EINVAL},
                {256, 0},     {512, -EINVAL}, {100, -EINVAL}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct virtqueue other;

        assert_int_equal(vq_init(&other, rows[i].size), rows[i].status);
        if (rows[i].status == 0) {
            assert_int_equal(vq_used_bus(&other) % 4096, 0);
            vq_fini(&other);
        }
    }
    for (uint64_t n = 1; n <= 2; n++) {
        struct virtqueue other;
        struct mem_stats before, after;

        mem_get_stats(&before);
        heap_fail(n);
        assert_int_equal(vq_init(&other, 8), -ENOMEM);
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
    }
}

static void test_vq_full_and_empty(void **state)
{
    int cookies[9];
    uint32_t written;
    uint16_t head;
    void *cookie;

    (void)state;
    assert_int_equal(vq_take(&vq, &cookie, &written), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(add(1, &cookies[i]), 0);
    assert_int_equal(add(1, &cookies[8]), -EAGAIN);
    for (int i = 0; i < 8; i++) {
        assert_true(device_take(&head));
        device_use(head, 0);
    }
    assert_false(device_take(&head));
    assert_true(vq_has_used(&vq));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(vq_take(&vq, &cookie, &written), 1);
        assert_ptr_equal(cookie, &cookies[i]);
    }
    assert_false(vq_has_used(&vq));
    assert_int_equal(vq.free_count, 8);
}

static void test_vq_chains_and_order(void **state)
{
    int a, b;
    uint16_t first, second;
    uint32_t written;
    void *cookie;

    (void)state;
    assert_int_equal(add(3, &a), 0);
    assert_int_equal(add(4, &b), 0);
    assert_int_equal(vq.free_count, 1);
    assert_int_equal(add(2, &a), -EAGAIN);
    assert_true(device_take(&first));
    assert_true(device_take(&second));
    device_use(second, 300); /* out of order */
    device_use(first, 200);
    assert_int_equal(vq_take(&vq, &cookie, &written), 1);
    assert_ptr_equal(cookie, &b);
    assert_int_equal(written, 300);
    assert_int_equal(vq_take(&vq, &cookie, &written), 1);
    assert_ptr_equal(cookie, &a);
    assert_int_equal(written, 200);
    assert_int_equal(vq.free_count, 8);
    assert_int_equal(add(4, &a), 0);
    assert_int_equal(add(4, &b), 0);
}

static void test_vq_indices_wrap(void **state)
{
    uint32_t written;
    uint16_t head;
    void *cookie;
    int cookies[3];

    (void)state;
    for (unsigned round = 0; round < 70000; round++) {
        unsigned count = 1 + round % 3;

        for (unsigned i = 0; i < count; i++)
            assert_int_equal(add(1 + (round + i) % 2, &cookies[i]), 0);
        for (unsigned i = 0; i < count; i++) {
            assert_true(device_take(&head));
            device_use(head, (round + i) % 2 * 100);
        }
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(vq_take(&vq, &cookie, &written), 1);
            assert_ptr_equal(cookie, &cookies[i]);
            assert_int_equal(written, (round + i) % 2 * 100);
        }
    }
    assert_int_equal(vq.free_count, 8);
}

/* Each lie breaks the queue for good, and nothing is handed out. */
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
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t written = 7;
        void *cookie = &vq;
        int a;

        vq_fini(&vq);
        assert_int_equal(vq_init(&vq, 8), 0);
        assert_int_equal(add(2, &a), 0);
        le32_put(used() + 4, rows[i].id);
        le32_put(used() + 8, rows[i].len);
        le16_put(used() + 2, (uint16_t)rows[i].jump);
        ROW(rows[i].name, vq_take(&vq, &cookie, &written) == -EIO);
        ROW(rows[i].name, cookie == &vq && written == 7);
        ROW(rows[i].name, vq_take(&vq, &cookie, &written) == -EIO);
        ROW(rows[i].name, add(1, &a) == -EAGAIN);
        ROW(rows[i].name, !vq_has_used(&vq));
        ROW(rows[i].name, vq_recall(&vq) == &a);
        ROW(rows[i].name, vq_recall(&vq) == NULL);
    }
}

static void test_vq_completed_twice(void **state)
{
    uint32_t written;
    uint16_t head;
    void *cookie;
    int a;

    (void)state;
    assert_int_equal(add(1, &a), 0);
    assert_true(device_take(&head));
    device_use(head, 0);
    device_use(head, 0);
    assert_int_equal(vq_take(&vq, &cookie, &written), 1);
    assert_int_equal(vq_take(&vq, &cookie, &written), -EIO);
}

static void test_vq_notifications_and_interrupts(void **state)
{
    int a;

    (void)state;
    assert_false(vq_must_notify(&vq));
    assert_int_equal(add(1, &a), 0);
    assert_int_equal(add(1, &a), 0);
    assert_true(vq_must_notify(&vq));
    assert_false(vq_must_notify(&vq)); /* told already */
    le16_put(used(), 1);               /* the device wants none */
    assert_int_equal(add(1, &a), 0);
    assert_false(vq_must_notify(&vq));
    vq_want_interrupt(&vq, false);
    assert_int_equal(le16_get(avail()), 1);
    vq_want_interrupt(&vq, true);
    assert_int_equal(le16_get(avail()), 0);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_vq_sizes),
        READY(test_vq_full_and_empty),
        READY(test_vq_chains_and_order),
        READY(test_vq_indices_wrap),
        READY(test_vq_lying_device),
        READY(test_vq_completed_twice),
        READY(test_vq_notifications_and_interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
