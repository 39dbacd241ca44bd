/*
 * The block class over a disk of this file's own: it takes two requests at a
 * time and completes them when told.
 */
#include "kernel/block.h"
#include "kernel/heap.h"
#include "kernel/irq_work.h"
#include "kernel/lib/bytes.h"
#include "kernel/percpu.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/device.h>
#include <torc/memory.h>

enum { SECTORS = 64, ROOM = 2 };

static struct disk {
    struct block_device block;
    struct irq_work work;
    uint8_t data[SECTORS * BLOCK_SECTOR_SIZE];
    struct block_request *held[ROOM];
    unsigned held_count;
    unsigned submits;
    uint32_t largest;
    int start_status;
    int next_status;
    bool manual; /* complete only in step() */
} disk;

static void complete_one(void)
{
    struct block_request *request = disk.held[0];
    uint8_t *at = disk.data + request->sector * BLOCK_SECTOR_SIZE;
    size_t size = (size_t)request->count * BLOCK_SECTOR_SIZE;
    int status = disk.next_status;

    disk.held[0] = disk.held[1];
    disk.held_count--;
    disk.next_status = 0;
    if (status == 0 && request->op == BLOCK_READ)
        memcpy(request->buf, at, size);
    if (status == 0 && request->op == BLOCK_WRITE)
        memcpy(at, request->buf, size);
    block_done(&disk.block, request, status);
}

static void complete_all(struct irq_work *work)
{
    (void)work;
    while (disk.held_count > 0)
        complete_one();
}

static int disk_submit(struct block_device *dev, struct block_request *request)
{
    (void)dev;
    if (disk.held_count == ROOM)
        return -EAGAIN;
    disk.submits++;
    if (request->count > disk.largest)
        disk.largest = request->count;
    disk.held[disk.held_count++] = request;
    if (!disk.manual)
        irq_work_raise(&disk.work);
    return 0;
}

static int disk_start(struct device *device)
{
    (void)device;
    return disk.start_status;
}

static const struct block_ops disk_ops = {.submit = disk_submit};

/* One MBR entry. */
static void partition(unsigned index, uint8_t status, uint8_t type,
                      uint32_t first, uint32_t count)
{
    uint8_t *entry = disk.data + 446 + 16 * index;

    entry[0] = status;
    entry[4] = type;
    le32_put(entry + 8, first);
    le32_put(entry + 12, count);
    disk.data[510] = 0x55;
    disk.data[511] = 0xaa;
}

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    memset(&disk, 0, sizeof(disk));
    disk.block.ops = &disk_ops;
    disk.block.sectors = SECTORS;
    disk.block.count_max = 8;
    disk.block.device.start = disk_start;
    irq_work_init(&disk.work, complete_all);
    assert_int_equal(block_register(&disk.block, "vd"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void test_block_read_and_write(void **state)
{
    uint8_t *buf = dma_alloc(40 * 512);

    (void)state;
    for (unsigned i = 0; i < sizeof(disk.data); i++)
        disk.data[i] = (uint8_t)(i / 512 + 1);
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0); /* again */
    disk.submits = 0;
    assert_int_equal(block_read(&disk.block, 3, 40, buf), 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(buf[i * 512], i + 4);
    assert_int_equal(disk.submits, 5); /* split at 8 sectors */
    assert_int_equal(disk.largest, 8);
    memset(buf, 0xee, 1024);
    assert_int_equal(block_write(&disk.block, 62, 2, buf), 0);
    assert_int_equal(disk.data[62 * 512], 0xee);
    assert_int_equal(disk.data[64 * 512 - 1], 0xee);
    assert_int_equal(block_flush(&disk.block), 0);
    dma_free(buf, 40 * 512);
}

static void test_block_checks_range(void **state)
{
    static const struct {
        const char *name;
        uint64_t sector;
        uint32_t count;
        int status;
    } rows[] = {
        {"first sector", 0, 1, 0},
        {"last sector", SECTORS - 1, 1, 0},
        {"one past the end", SECTORS, 1, -EINVAL},
        {"straddles the end", SECTORS - 1, 2, -EINVAL},
        {"count zero", 0, 0, -EINVAL},
        {"sum wraps 64 bit", UINT64_MAX, 2, -EINVAL},
    };
    uint8_t *buf = dma_alloc(4096);

    (void)state;
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, block_read(&disk.block, rows[i].sector, rows[i].count,
                                     buf) == rows[i].status);
    disk.block.read_only = true;
    assert_int_equal(block_write(&disk.block, 0, 1, buf), -EROFS);
    dma_free(buf, 4096);
}

static void test_block_error_ends_transfer(void **state)
{
    uint8_t *buf = dma_alloc(40 * 512);

    (void)state;
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    disk.next_status = -EIO;
    disk.submits = 0;
    assert_int_equal(block_read(&disk.block, 0, 40, buf), -EIO);
    assert_int_equal(disk.submits, 1);
    assert_int_equal(block_read(&disk.block, 0, 40, buf), 0);
    dma_free(buf, 40 * 512);
}

static int order[8];
static int order_count;

static void note(struct block_request *request, int status)
{
    assert_int_equal(status, 0);
    order[order_count++] = (int)request->sector;
}

static void test_block_queues_what_the_driver_refuses(void **state)
{
    struct block_request requests[6];
    uint8_t *buf = dma_alloc(4096);

    (void)state;
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    disk.manual = true;
    order_count = 0;
    for (int i = 0; i < 6; i++) {
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = (uint64_t)i,
                                             .count = 1,
                                             .buf = buf,
                                             .done = note};
        assert_int_equal(block_submit(&disk.block, &requests[i]), 0);
    }
    assert_int_equal(disk.held_count, ROOM);
    while (disk.held_count > 0)
        complete_one();
    assert_int_equal(order_count, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(order[i], i);
    dma_free(buf, 4096);
}

static void test_block_foreign_or_unowned_is_refused(void **state)
{
    uint8_t *buf = dma_alloc(512);

    (void)state;
    assert_int_equal(block_read(&disk.block, 0, 1, buf), -EXDEV);
    assert_int_equal(device_dedicate(&disk.block.device, 1), -EINVAL);
    disk.block.device.owner = 1;
    assert_int_equal(device_dedicate(&disk.block.device, 0), -EBUSY);
    assert_int_equal(block_read(&disk.block, 0, 1, buf), -EXDEV);
    dma_free(buf, 512);
}

static void test_device_names_and_search(void **state)
{
    struct block_device other = disk.block;

    (void)state;
    assert_int_equal(block_register(&other, "vd"), 0);
    assert_string_equal(device_name(&disk.block.device), "vda");
    assert_string_equal(device_name(&other.device), "vdb");
    assert_ptr_equal(device_by_name("vdb"), &other.device);
    assert_null(device_by_name("vdc"));
    assert_ptr_equal(device_find(DEVICE_BLOCK, 1), &other.device);
    assert_null(device_find(DEVICE_BLOCK, 2));
    assert_null(device_find(DEVICE_NET, 0));
    assert_null(block_from_device(NULL));
    other.sectors = 0;
    assert_int_equal(block_register(&other, "vd"), -EINVAL);
}

static void test_device_start_may_fail_and_succeed_later(void **state)
{
    (void)state;
    disk.start_status = -ETIMEDOUT;
    assert_int_equal(device_dedicate(&disk.block.device, 0), -ETIMEDOUT);
    assert_int_equal(disk.block.device.owner, DEVICE_NOBODY);
    disk.start_status = 0;
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
}

static void test_partition_table(void **state)
{
    struct block_device *part;
    uint8_t *buf = dma_alloc(512);

    (void)state;
    partition(0, 0x80, 0x83, 8, 40);
    partition(1, 0, 0, 50, 2);    /* type 0: not there */
    partition(2, 0, 0x83, 60, 5); /* past the end: left out */
    partition(3, 0, 0x0c, 48, 16);
    disk.data[8 * 512] = 0x77;
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_null(device_by_name("vda2"));
    assert_null(device_by_name("vda3"));
    assert_non_null(device_by_name("vda4"));
    part = block_from_device(device_by_name("vda1"));
    assert_non_null(part);
    assert_int_equal(part->sectors, 40);
    assert_int_equal(block_read(part, 0, 1, buf), 0);
    assert_int_equal(buf[0], 0x77);
    assert_int_equal(block_read(part, 39, 1, buf), 0);
    assert_int_equal(block_read(part, 40, 1, buf), -EINVAL);
    assert_int_equal(block_flush(part), 0);
    dma_free(buf, 512);
}

static void test_partition_wrapping_entry_is_left_out(void **state)
{
    (void)state;
    partition(0, 0, 0x83, 1, UINT32_MAX);
    partition(1, 0, 0x83, UINT32_MAX, 1);
    partition(2, 0, 0x83, 0, 10);
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_int_equal(device_find(DEVICE_BLOCK, 1) == NULL, 1);
}

static void test_partition_boot_code_is_no_table(void **state)
{
    (void)state;
    partition(0, 0x55, 0x83, 8, 8); /* signature, but a senseless status */
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_null(device_find(DEVICE_BLOCK, 1));
}

static void test_partition_scan_reports_errors(void **state)
{
    (void)state;
    partition(0, 0, 0x83, 8, 8);
    disk.next_status = -EIO;
    assert_int_equal(device_dedicate(&disk.block.device, 0), -EIO);
    heap_fail(1);
    assert_int_equal(device_dedicate(&disk.block.device, 0), -ENOMEM);
    heap_fail(2);
    assert_int_equal(device_dedicate(&disk.block.device, 0), -ENOMEM);
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_non_null(device_by_name("vda1"));
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_block_read_and_write),
        ATTACHED(test_block_checks_range),
        ATTACHED(test_block_error_ends_transfer),
        ATTACHED(test_block_queues_what_the_driver_refuses),
        ATTACHED(test_block_foreign_or_unowned_is_refused),
        ATTACHED(test_device_names_and_search),
        ATTACHED(test_device_start_may_fail_and_succeed_later),
        ATTACHED(test_partition_table),
        ATTACHED(test_partition_wrapping_entry_is_left_out),
        ATTACHED(test_partition_boot_code_is_no_table),
        ATTACHED(test_partition_scan_reports_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
