/*
 * An application with less of virtio than there is: this program has VIRTIO 1.x
 * on PCI alone, and no partitions.
 */
#include "kernel/device/block.h"
#include "tests/fakes/part_image.h"
#include "tests/fakes/ramblk.h"
#include "tests/unit/drivers/virtio_fixture.h"

const struct virtio_part *const virtio_parts[] = {&virtio_pci_part,
                                                  &virtio_mmio_left_out, NULL};
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
        assert_int_equal(console_has("image without MMIO: 1 left out"),
                         transport == MMIO || transport == LEGACY_MMIO);
        console_forget();
        assert_int_equal(virtio_find(ID, found), 0); /* told of once */
        assert_false(console_has("image without"));
        machine_detach();
    }
}

/* What there is on a bus that is left out, and what is none of it. */
static void test_parts_left_out_are_told(void **state)
{
    static const struct {
        const char *name;
        bool on_pci;
        uint32_t id; /* of MMIO; 0: an empty place */
        uint16_t device_id;
        const char *line; /* NULL: nothing */
    } rows[] = {
        {"mmio", false, ID, 0, "image without MMIO: 1 left out"},
        {"an empty place", false, 0, 0, NULL},
        {"pci", true, ID, 0x1040 + ID, "image without PCI: 1 left out"},
        {"something else on pci", true, ID, 0x1080, NULL},
    };
    const struct hal_platform_device others[] = {
        {.id = "PNP0501", .base = 0x10000000, .size = 0x1000, .irq = 40},
        {.id = "LNRO0005", .base = 0x30000000, .size = 4}, /* nothing there */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pci_model_options options = {.device_id =
                                                      rows[i].device_id};

        fresh();
        model.id = rows[i].id;
        if (rows[i].on_pci)
            model_on_pci(&model, &options);
        else
            model_on_mmio(&model, 2);
        for (size_t k = 0; k < COUNT_OF(others); k++)
            assert_int_equal(platform_add(&others[k]), 0);
        assert_int_equal(virtio_mmio_left_out.scan(NULL), 0);
        assert_int_equal(virtio_pci_left_out.scan(NULL), 0);
        ROW(rows[i].name,
            console_has("image without") == (rows[i].line != NULL));
        ROW(rows[i].name, rows[i].line == NULL || console_has(rows[i].line));
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
        cmocka_unit_test(test_parts_left_out_are_told),
        cmocka_unit_test(test_parts_transitional),
        cmocka_unit_test(test_parts_no_packed_ring),
        cmocka_unit_test(test_parts_have_their_options),
        cmocka_unit_test(test_parts_no_partitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
