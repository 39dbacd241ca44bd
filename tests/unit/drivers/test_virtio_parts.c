/*
 * An application with less of virtio than there is: this program has VIRTIO 1.x
 * on PCI alone, and no partitions.
 */
#include "kernel/device/block.h"
#include "tests/fakes/part_image.h"
#include "tests/fakes/ramblk.h"
#include "tests/unit/drivers/virtio_fixture.h"

const struct virtio_part *const virtio_parts[] = {&virtio_pci_part, NULL};
int (*const disk_partitions)(struct block_device *disk) = NULL;

static void test_parts_left_out_are_not_found(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        fresh();
        model_on(transport, &options);
        assert_int_equal(virtio_find(ID, found), 0);
        assert_int_equal(found_count, transport == PCI);
        assert_int_equal(
            console_has("has no interface that is known: left out"),
            transport == LEGACY_PCI);
        machine_detach();
    }
}

/* A transitional device is used by the interface that is there. */
static void test_parts_transitional(void **state)
{
    const struct pci_model_options options = {.legacy = true};

    (void)state;
    fresh();
    model_on_pci(&model, &options);
    find();
    assert_false(device->is_legacy);
    machine_detach();
}

static void test_parts_no_packed_ring(void **state)
{
    const struct pci_model_options options = {.no_msix = false};
    const uint64_t rings = UINT64_C(1) << 29 | 1 << 28;
    struct virtqueue vq;

    (void)state;
    fresh();
    model.offered |= rings | VIRTIO_F_RING_PACKED;
    model_on_pci(&model, &options);
    find();
    assert_int_equal(virtio_begin(device, WANTED), 0);
    assert_int_equal(model.accepted, WANTED | UINT64_C(1) << 32 | rings);
    assert_int_equal(attach(ignore, NULL), 1);
    assert_int_equal(queue(0, 16, &vq), 0);
    assert_false(vq.is_packed);
    virtio_queue_end(&vq, virtio_fail(device));
    machine_detach();
}

/* A word that the drivers would know is nobody's. */
static void test_parts_have_their_options(void **state)
{
    (void)state;
    assert_null(virtio_options);
    assert_null(virtio_blk_driver.options);
}

/* The disk itself is there. */
static void test_parts_no_partitions(void **state)
{
    static uint8_t data[512 * 64];
    struct ramblk disk;

    (void)state;
    fresh();
    mbr_image_entry(data, 0, 0x83, 1, 10);
    ramblk_prepare(&disk, data, sizeof(data));
    ramblk_start(&disk);
    assert_true(list_empty(&disk.block.partitions));
    assert_null(block_partition(&disk.block, 1));
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_left_out_are_not_found),
        cmocka_unit_test(test_parts_transitional),
        cmocka_unit_test(test_parts_no_packed_ring),
        cmocka_unit_test(test_parts_have_their_options),
        cmocka_unit_test(test_parts_no_partitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
