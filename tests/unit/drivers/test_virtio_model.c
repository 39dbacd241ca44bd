/* The model of a virtio device: it must see what it is for. */
#include "tests/unit/drivers/virtio_fixture.h"

/* ---- The model ----------------------------------------------------------- */

static struct virtqueue vq;
static uint8_t *buffer; /* a page: read by the device, and written */

static void model_ready(void)
{
    fresh();
    model_on_mmio(&model, 2);
    find();
    assert_int_equal(virtio_begin(device, 0), 0);
    assert_int_equal(attach(ignore, NULL), 1);
    assert_int_equal(queue(0, 16, &vq), 0);
    virtio_ready(device);
    buffer = dma_alloc(4096);
    memset(buffer, 7, 4096);
}

static void request_add(void)
{
    const struct vq_piece pieces[] = {
        {hal_dma_addr(buffer), 100, false},
        {hal_dma_addr(buffer) + 100, 200, true},
    };

    assert_int_equal(vq_add(&vq, pieces, 2, buffer), 0);
}

static void test_model_serves_what_was_notified(void **state)
{
    struct ring_chain chain;

    (void)state;
    model_ready();
    request_add();
    assert_false(model_take(&model, 0, &chain));
    virtio_kick(device, 0, &vq);
    request_add();
    assert_true(model_take(&model, 0, &chain));
    model_complete(&model, 0, chain.head, 0);
    assert_false(model_take(&model, 0, &chain)); /* the second one */
    virtio_kick(device, 0, &vq);
    assert_true(model_take(&model, 0, &chain));
    model_complete(&model, 0, chain.head, 0);
    virtio_fail(device);
    machine_detach();
}

/* What the driver must not do while the device holds a request. */
struct touch {
    const char *name;
    unsigned where; /* 0: descriptors, 1: available ring, 2: buffer */
    size_t offset;
    const char *breach;
};

static struct ring_chain held;
static const struct touch *touched;

static void flip(const struct touch *touch)
{
    uint8_t *at = touch->where == 0   ? (uint8_t *)(uintptr_t)vq.desc
                  : touch->where == 1 ? (uint8_t *)(uintptr_t)vq.avail
                                      : buffer;

    at[touch->offset] ^= 0x40;
}

static void take_it(void *arg)
{
    (void)arg;
    assert_true(model_take(&model, 0, &held));
}

static void use_it(void *arg)
{
    (void)arg;
    model_complete(&model, 0, held.head, 200);
}

static void reset_it(void *arg)
{
    (void)arg;
    virtio_fail(device);
}

static void test_model_sees_what_the_driver_touches(void **state)
{
    static const struct touch touches[] = {
        {"a descriptor's address", 0, 0, "descriptor 0 changed"},
        {"the next one's length", 0, 16 + 8, "descriptor 1 changed"},
        {"what the device reads", 2, 99, "buffer 0 of request 0 changed"},
        {"what the device writes", 2, 100, "buffer 1 of request 0 changed"},
        {"its last byte", 2, 299, "buffer 1 of request 0 changed"},
        {"a free descriptor", 0, 32, NULL},
        {"the byte behind", 2, 300, NULL},
        {"the available ring", 1, 4, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(touches); i++) {
        void (*const ends[])(void *) = {take_it, use_it, reset_it};

        /* Before it is taken, before it is used, before the reset. */
        for (unsigned end = 0; end < COUNT_OF(ends); end++) {
            touched = &touches[i];
            model_ready();
            request_add();
            virtio_kick(device, 0, &vq);
            if (end > 0)
                take_it(NULL);
            if (touched->where == 1 && end > 0) {
                /* It was read: it may change. */
            } else if (touched->breach != NULL) {
                flip(touched);
                ROW(touched->name,
                    model_breaches(ends[end], NULL, touched->breach));
                flip(touched); /* as it was, so that the rest may end well */
            } else {
                flip(touched);
                ends[end](NULL);
            }
            virtio_fail(device);
            machine_detach();
        }
    }
}

static void test_model_writes_when_it_completes(void **state)
{
    (void)state;
    model_ready();
    request_add();
    virtio_kick(device, 0, &vq);
    take_it(NULL);
    assert_int_equal(held.count, 2);
    assert_false(held.piece[0].writable);
    assert_true(held.piece[1].writable);
    memset(held.piece[0].data, 1, 100); /* a device that goes wrong */
    memset(held.piece[1].data, 2, 200);
    assert_int_equal(buffer[100], 7);
    use_it(NULL);
    assert_int_equal(buffer[99], 7);
    assert_int_equal(buffer[100], 2);
    assert_int_equal(buffer[299], 2);
    assert_int_equal(buffer[300], 7);
    virtio_fail(device);
    machine_detach();
}

/* Reading the generation of the configuration is what a driver should do. */
static void test_model_has_a_generation(void **state)
{
    const struct pci_model_options options = {.no_msix = false};
    struct hal_io io;
    uint64_t base;
    int irq;

    (void)state;
    fresh();
    model.generation = 9;
    model_hidden_on_mmio(&model, 2, &base, &irq);
    model_on_pci(&model, &options);
    assert_int_equal(hal_io_map(HAL_IO_MEMORY, base, 0x200, &io), 0);
    assert_int_equal(hal_io_read32(io, 0xfc), 9);
    assert_int_equal(hal_io_map(HAL_IO_MEMORY, UINT64_C(0x880000000), 64, &io),
                     0);
    assert_int_equal(hal_io_read8(io, 21), 9);
    assert_int_equal(model.generation_reads, 2);
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_serves_what_was_notified),
        cmocka_unit_test(test_model_sees_what_the_driver_touches),
        cmocka_unit_test(test_model_writes_when_it_completes),
        cmocka_unit_test(test_model_has_a_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
