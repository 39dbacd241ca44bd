/* The hosted leaves and the RAM disk, over a real file. */
#include "hal/posix/host/machine.h"
#include "kernel/boot/init.h"
#include "kernel/device/block_internal.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/memory.h>
#include <unistd.h>

enum { SECTORS = 3000 };

static struct block_open disk_open;

static char path[] = "/tmp/torc_leaf_XXXXXX";
static char small_path[] = "/tmp/torc_leaf_XXXXXX";
static uint8_t contents[SECTORS * 512];

static int make(char *name, size_t size)
{
    int fd = mkstemp(name);

    if (write(fd, contents, size) != (ssize_t)size)
        return -1;
    return close(fd);
}

static int make_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(contents); i++)
        contents[i] = (uint8_t)(i * 7 + i / 512);
    if (make(small_path, 511) != 0)
        return -1;
    return make(path, sizeof(contents));
}

static int remove_file(void **state)
{
    (void)state;
    unlink(small_path);
    return unlink(path);
}

/* As machine_attach(), with that file as a disk, or as a boot module behind one
 * that is too small. */
static void attach(bool as_module, bool read_only)
{
    struct host_config config = {
        .cpus = 1, .mem_bytes = 16 << 20, .cmdline = "", .quiet = true};
    const struct hal_boot_info *info;
    const struct host_disk_config disk = {.path = path, .read_only = read_only};
    const char *const modules[] = {small_path, path};

    if (as_module) {
        config.module_count = 2;
        config.modules = modules;
    } else {
        config.disk_count = 1;
        config.disks = &disk;
    }
    info = host_machine_prepare(&config);
    assert_non_null(info);
    kernel_init(info, &torc_app);
    assert_int_equal(sched_adopt(), 0);
    hal_irq_restore(HAL_IRQS_ON);
}

static void test_leaf_disk_reads_and_writes(void **state)
{
    struct block_device *disk;
    uint8_t *buf;

    (void)state;
    attach(false, false);
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_non_null(disk);
    assert_int_equal(disk->sectors, SECTORS);
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    buf = dma_alloc(SECTORS * 512);
    assert_int_equal(disk_read(&disk_open, 0, SECTORS, buf), 0);
    assert_memory_equal(buf, contents, sizeof(contents));
    memset(buf, 0x11, 512);
    assert_int_equal(disk_write(&disk_open, 1234, 1, buf), 0);
    assert_int_equal(block_flush(&disk_open), 0);
    memset(buf, 0, 512);
    assert_int_equal(disk_read(&disk_open, 1234, 1, buf), 0);
    assert_int_equal(buf[511], 0x11);
    memcpy(buf, contents + 1234 * 512, 512);
    assert_int_equal(disk_write(&disk_open, 1234, 1, buf), 0);
    machine_detach();
}

static void test_leaf_disk_read_only(void **state)
{
    struct block_device *disk;
    uint8_t *buf;

    (void)state;
    attach(false, true);
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    buf = dma_alloc(512);
    assert_int_equal(disk_write(&disk_open, 0, 1, buf), -EROFS);
    machine_detach();
}

static unsigned done_count;

static void done(struct block_request *request, int status)
{
    (void)request;
    assert_int_equal(status, 0);
    done_count++;
}

static void test_leaf_disk_many_at_once(void **state)
{
    static struct block_request requests[500];
    static struct slice slices[500];
    struct block_device *disk;
    struct buf *buf;

    (void)state;
    attach(false, false);
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    buf = buf_alloc(500 * 512);
    done_count = 0;
    for (unsigned i = 0; i < 500; i++) {
        slices[i] = (struct slice){buf, i * 512, 512};
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = i,
                                             .sectors = 1,
                                             .vec = &slices[i],
                                             .count = 1,
                                             .done = done};
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
    }
    while (done_count < 500)
        thread_yield();
    assert_memory_equal(buf->base, contents, 500 * 512);
    machine_detach();
}

static void test_ramdisk_from_a_module(void **state)
{
    struct mem_stats before;
    struct block_device *disk;
    uint8_t *buf;

    (void)state;
    attach(true, false);
    console_forget();
    before = stats();
    heap_fail(1);
    assert_int_equal(ramdisk_driver.probe(), -ENOMEM);
    assert_int_equal(stats().block_count, before.block_count);
    assert_int_equal(ramdisk_driver.probe(), 0);
    assert_int_equal(stats().block_count, before.block_count + 1);
    assert_true(console_has(
        "warning: boot module 0 is smaller than a sector: left out\n"));
    assert_true(console_has("rda: 1500 KiB, boot module\n"));
    disk = block_from_device(device_by_name("rda"));
    assert_non_null(disk);
    assert_int_equal(disk->sectors, SECTORS);
    assert_true(disk->limits.zeroes_sectors > 0);
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    buf = dma_alloc(SECTORS * 512);
    assert_int_equal(disk_read(&disk_open, 0, SECTORS, buf), 0);
    assert_memory_equal(buf, contents, sizeof(contents));
    assert_int_equal(disk_read(&disk_open, SECTORS, 1, buf), -EINVAL);
    assert_int_equal(disk_read(&disk_open, 77, 3, buf), 0);
    assert_memory_equal(buf, contents + 77 * 512, 3 * 512);
    memset(buf, 0x5a, 1024);
    assert_int_equal(disk_write(&disk_open, 78, 2, buf), 0);
    assert_int_equal(block_flush(&disk_open), 0);
    memset(buf, 0, 2048);
    assert_int_equal(disk_read(&disk_open, 77, 4, buf), 0);
    assert_memory_equal(buf, contents + 77 * 512, 512);
    assert_int_equal(buf[512], 0x5a);
    assert_int_equal(buf[1535], 0x5a);
    assert_memory_equal(buf + 1536, contents + 80 * 512, 512);
    machine_detach();
}

static void test_leaves_absent(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    assert_int_equal(leaf_blk_driver.probe(), 0);
    assert_int_equal(leaf_net_driver.probe(), 0);
    assert_int_equal(ramdisk_driver.probe(), 0);
    assert_int_equal(virtio_blk_driver.probe(), 0);
    assert_int_equal(virtio_net_driver.probe(), 0);
    assert_null(device_find(DEVICE_BLOCK, 0));
    assert_null(device_find(DEVICE_NET, 0));
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaf_disk_reads_and_writes),
        cmocka_unit_test(test_leaf_disk_read_only),
        cmocka_unit_test(test_leaf_disk_many_at_once),
        cmocka_unit_test(test_ramdisk_from_a_module),
        cmocka_unit_test(test_leaves_absent),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
