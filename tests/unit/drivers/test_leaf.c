/* The hosted leaves and the RAM disk, over a real file. */
#include "drivers/drivers.h"
#include "hal/posix/host.h"
#include "kernel/block.h"
#include "kernel/init.h"
#include "kernel/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>
#include <unistd.h>

enum { SECTORS = 3000 };

static char path[] = "/tmp/torc_leaf_XXXXXX";
static uint8_t contents[SECTORS * 512];

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < sizeof(contents); i++)
        contents[i] = (uint8_t)(i * 7 + i / 512);
    if (write(fd, contents, sizeof(contents)) != sizeof(contents))
        return -1;
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* As machine_attach(), with that file as a disk or as a boot module. */
static void attach(bool as_module, bool read_only)
{
    struct host_config config = {
        .cpus = 1, .mem_bytes = 16 << 20, .cmdline = "", .quiet = true};
    const struct hal_boot_info *info;
    const struct host_disk_config disk = {path, read_only};
    const char *module = path;

    if (as_module) {
        config.module_count = 1;
        config.modules = &module;
    } else {
        config.disk_count = 1;
        config.disks = &disk;
    }
    info = host_machine_prepare(&config);
    assert_non_null(info);
    kernel_init(info, "test");
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
    buf = dma_alloc(SECTORS * 512);
    assert_int_equal(block_read(disk, 0, SECTORS, buf), 0);
    assert_memory_equal(buf, contents, sizeof(contents));
    memset(buf, 0x11, 512);
    assert_int_equal(block_write(disk, 1234, 1, buf), 0);
    assert_int_equal(block_flush(disk), 0);
    memset(buf, 0, 512);
    assert_int_equal(block_read(disk, 1234, 1, buf), 0);
    assert_int_equal(buf[511], 0x11);
    memcpy(buf, contents + 1234 * 512, 512);
    assert_int_equal(block_write(disk, 1234, 1, buf), 0);
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
    buf = dma_alloc(512);
    assert_int_equal(block_write(disk, 0, 1, buf), -EROFS);
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
    struct block_device *disk;
    uint8_t *buf;

    (void)state;
    attach(false, false);
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    buf = dma_alloc(500 * 512);
    done_count = 0;
    for (unsigned i = 0; i < 500; i++) {
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = i,
                                             .count = 1,
                                             .buf = buf + i * 512,
                                             .done = done};
        assert_int_equal(block_submit(disk, &requests[i]), 0);
    }
    while (done_count < 500)
        thread_yield();
    assert_memory_equal(buf, contents, 500 * 512);
    machine_detach();
}

static void test_ramdisk_from_a_module(void **state)
{
    struct block_device *disk;
    uint8_t *buf;

    (void)state;
    attach(true, false);
    assert_int_equal(ramdisk_driver.probe(), 0);
    disk = block_from_device(device_by_name("rda"));
    assert_non_null(disk);
    assert_int_equal(disk->sectors, SECTORS);
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    buf = dma_alloc(SECTORS * 512);
    assert_int_equal(block_read(disk, 0, SECTORS, buf), 0);
    assert_memory_equal(buf, contents, sizeof(contents));
    assert_int_equal(block_read(disk, SECTORS, 1, buf), -EINVAL);
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
