/* Disks of the hosted machine: a file behind hal_blk_*. */
#include "tests/unit/posix/machine_bare.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTORS = 64, QUEUE_MORE = 1000 };

static const struct hal_boot_info *boot;
static char path[64];
static unsigned irqs;

static void disk_open(bool read_only)
{
    const struct host_disk_config disk = {.path = path, .read_only = read_only};
    struct hal_blk_info info;

    boot = bare_open((struct host_config){.disk_count = 1, .disks = &disk});
    irqs = 0;
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.sectors, SECTORS);
    assert_int_equal(info.read_only, read_only);
    assert_int_equal(hal_irq_attach(info.irq, 0, count_irq, &irqs), 0);
    assert_int_equal(hal_blk_info(1, &info), -ENODEV);
}

static int setup(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/torc_disk_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    /* A part of a sector at the end does not count. */
    assert_int_equal(ftruncate(fd, SECTORS * 512 + 100), 0);
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_machine_close();
    unlink(path);
    return 0;
}

/* Wait for one request to come back. */
static struct hal_blk_req *reap(void)
{
    uint64_t end = hal_time_ns() + PATIENCE_NS;
    struct hal_blk_req *req;

    while ((req = hal_blk_poll(0)) == NULL) {
        assert_true(hal_time_ns() < end);
        hal_cpu_relax();
    }
    return req;
}

/* Returns the status of a request carried through. */
static int carry(uint64_t sector, uint32_t count, bool write, void *buf)
{
    struct hal_blk_req req = {.sector = sector,
                              .count = count,
                              .write = write,
                              .buf = buf,
                              .status = 77};
    int err = hal_blk_submit(0, &req);

    if (err != 0)
        return err;
    assert_ptr_equal(reap(), &req);
    return req.status;
}

static void test_write_is_read_back(void **state)
{
    char *out = NULL, *in;

    (void)state;
    disk_open(false);
    out = bare_page(boot, 8);
    in = bare_page(boot, 16);
    for (unsigned i = 0; i < 4096; i++)
        out[i] = (char)(i * 7);
    assert_int_equal(carry(SECTORS - 8, 8, true, out), 0);
    assert_int_equal(carry(0, 0, true, NULL), 0);
    host_machine_close();
    disk_open(true);
    in = bare_page(boot, 16);
    assert_int_equal(carry(SECTORS - 8, 8, false, in), 0);
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(in[i], (char)(i * 7));
}

static void test_completion_interrupts(void **state)
{
    struct hal_blk_req req = {.count = 1};

    (void)state;
    disk_open(false);
    req.buf = bare_page(boot, 8);
    assert_int_equal(hal_blk_submit(0, &req), 0);
    bare_wait(&irqs, 0);
    assert_ptr_equal(hal_blk_poll(0), &req);
    assert_null(hal_blk_poll(0));
}

static void test_submit_checks_range(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        uint64_t sector;
        uint32_t count;
        bool write;
        int want;
    } rows[] = {
        {"first sector", 0, 1, false, 0},
        {"last sector", SECTORS - 1, 1, true, 0},
        {"all", 0, SECTORS, false, 0},
        {"flush", 0, 0, true, 0},
        {"one past the end", SECTORS, 1, false, -EINVAL},
        {"straddles the end", SECTORS - 1, 2, true, -EINVAL},
        {"sum wraps", UINT64_MAX, 2, false, -EINVAL},
        {"bytes wrap", UINT64_MAX / 512 + 1, 1, false, -EINVAL},
        {"read of nothing", 0, 0, false, -EINVAL},
    };
    /* clang-format on */

    (void)state;
    disk_open(false);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, carry(rows[i].sector, rows[i].count, rows[i].write,
                                bare_page(boot, 8)) == rows[i].want);
}

static void test_read_only_disk_refuses_writes(void **state)
{
    (void)state;
    disk_open(true);
    assert_int_equal(carry(0, 1, true, bare_page(boot, 8)), -EROFS);
    assert_int_equal(carry(0, 0, true, NULL), -EROFS);
    assert_int_equal(carry(0, 1, false, bare_page(boot, 8)), 0);
}

static void test_file_cut_short_is_an_error(void **state)
{
    (void)state;
    disk_open(false);
    assert_int_equal(truncate(path, 10 * 512 + 256), 0);
    assert_int_equal(carry(9, 1, false, bare_page(boot, 8)), 0);
    assert_int_equal(carry(10, 1, false, bare_page(boot, 8)), -EIO);
    assert_int_equal(carry(8, 4, false, bare_page(boot, 8)), -EIO);
    assert_int_equal(carry(SECTORS - 1, 1, false, bare_page(boot, 8)), -EIO);
}

static void test_queue_is_bounded_and_loses_nothing(void **state)
{
    static struct hal_blk_req reqs[QUEUE_MORE];
    unsigned submitted = 0, reaped = 0, refused = 0;

    (void)state;
    disk_open(false);
    while (reaped < QUEUE_MORE) {
        struct hal_blk_req *req = &reqs[submitted];
        int err = -EAGAIN;

        if (submitted < QUEUE_MORE) {
            *req = (struct hal_blk_req){.sector = submitted % SECTORS,
                                        .count = 1,
                                        .write = submitted % 3 == 0,
                                        .buf = bare_page(boot, submitted % 512),
                                        .status = 77};
            err = hal_blk_submit(0, req);
            submitted += err == 0;
        }
        if (err == 0)
            continue;
        assert_int_equal(err, -EAGAIN);
        refused++;
        assert_int_equal(reap()->status, 0);
        reaped++;
    }
    assert_int_equal(submitted, QUEUE_MORE);
    assert_null(hal_blk_poll(0));
    assert_true(refused > 0);
    for (unsigned i = 0; i < QUEUE_MORE; i++)
        assert_int_equal(reqs[i].status, 0);
}

static void test_disk_is_not_shared_with_a_writer(void **state)
{
    const struct host_disk_config writers[] = {{.path = path}, {.path = path}};
    const struct host_disk_config readers[] = {
        {.path = path, .read_only = true}, {.path = path, .read_only = true}};
    struct host_config config = {.disk_count = 2, .disks = writers};
    struct hal_blk_info info;

    (void)state;
    assert_null(host_machine_prepare(&config));
    config.disks = readers;
    assert_non_null(host_machine_prepare(&config));
    assert_int_equal(hal_blk_info(1, &info), 0);
    assert_true(info.read_only);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_is_read_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_completion_interrupts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_submit_checks_range, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_read_only_disk_refuses_writes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_cut_short_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded_and_loses_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_is_not_shared_with_a_writer,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
