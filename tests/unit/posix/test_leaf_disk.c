/*
 * Disks of the hosted machine: a file behind hal_blk_*. Each test runs with
 * threads and with io_uring, as far as the host has it; what is Linux's answer
 * to a single system call is a matter of test_disk_threads.c and
 * test_disk_uring.c.
 */
#include "hal/leaf.h"
#include "hal/posix/host/disk.h"
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTORS = 64, QUEUE_MORE = 1000 };

/* ---- Linux, as far as opening a disk needs it ---------------------------- */

/* What the next call fails with; 0: it does not. */
static int stat_errno, lock_errno, open_errno;
static mode_t stat_type; /* instead of the file's; 0: that one */

static int fail_with(int *number)
{
    int error = *number;

    *number = 0;
    if (error != 0)
        errno = error;
    return error;
}

int fstat(int fd, struct stat *stat)
{
    if (fail_with(&stat_errno) != 0 || syscall(SYS_fstat, fd, stat) != 0)
        return -1;
    if (stat_type != 0)
        stat->st_mode = stat_type | 0600;
    return 0;
}

/* What Linux says of direct transfers, and does not do; NULL: that is its own
 * affair. */
struct direct {
    bool fails;
    unsigned mask;
    uint32_t offset_align, memory_align;
};
static const struct direct *direct;

int statx(int fd, const char *name, int flags, unsigned mask,
          struct statx *stat)
{
    if (direct == NULL)
        return (int)syscall(SYS_statx, fd, name, flags, mask, stat);
    assert_int_equal(flags, AT_EMPTY_PATH);
    assert_int_equal(mask, STATX_DIOALIGN);
    memset(stat, 0xff, sizeof(*stat));
    stat->stx_mask = direct->mask;
    stat->stx_dio_offset_align = direct->offset_align;
    stat->stx_dio_mem_align = direct->memory_align;
    return direct->fails ? -1 : 0;
}

int flock(int fd, int operation)
{
    if (fail_with(&lock_errno) != 0)
        return -1;
    assert_true(operation & LOCK_NB);
    return (int)syscall(SYS_flock, fd, operation);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    return thread_make(thread, attr, fn, arg);
}

/* For writing only. */
int open(const char *name, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    if (open_errno != 0 && (flags & O_ACCMODE) == O_RDWR) {
        errno = open_errno;
        return -1;
    }
    if (direct != NULL)
        flags &= ~O_DIRECT;
    errno = EACCES; /* from before: it counts only after a failure */
    return openat(AT_FDCWD, name, flags, mode);
}

/* ---- Machines with a disk ------------------------------------------------ */

static enum host_disk_engine engine;
static const struct hal_boot_info *boot;
static char path[64];
static unsigned irqs;

static void disk_open_as(struct host_disk_config disk)
{
    struct hal_blk_info info;
    int irq;

    disk.path = path;
    disk.engine = engine;
    boot = bare_open((struct host_config){.disk_count = 1, .disks = &disk});
    irqs = 0;
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.sectors, SECTORS - disk.offset / 512);
    assert_int_equal(info.read_only, disk.read_only);
    assert_int_equal(info.queue_count, 1);
    assert_int_equal(info.queue_depth, HOST_DISK_DEPTH);
    irq = hal_blk_open(0, 0);
    assert_true(irq >= 0);
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs), 0);
    assert_int_equal(hal_blk_open(0, 0), irq); /* once more */
    assert_int_equal(hal_blk_info(1, &info), -ENODEV);
}

static void disk_open(bool read_only)
{
    disk_open_as((struct host_disk_config){.read_only = read_only});
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
    bare_close();
    unlink(path);
    return 0;
}

/* Wait for one request to come back. */
static struct hal_blk_req *reap(void)
{
    uint64_t end = hal_time_ns() + PATIENCE_NS;
    struct hal_blk_req *req;

    while ((req = hal_blk_poll(0, 0)) == NULL) {
        assert_true(hal_time_ns() < end);
        hal_cpu_relax();
    }
    return req;
}

static int submit(struct hal_blk_req *req)
{
    int err = hal_blk_submit(0, 0, req);

    hal_blk_commit(0, 0);
    return err;
}

/* Returns the status of a request carried through; in `pieces` equal pieces. */
static int carry_flags(enum hal_blk_op op, unsigned flags, uint64_t sector,
                       uint64_t sectors, char *buf, unsigned pieces)
{
    struct hal_vec vec[HOST_DISK_VECS + 1];
    struct hal_blk_req req = {.op = op,
                              .flags = flags,
                              .sector = sector,
                              .sectors = sectors,
                              .vec = vec,
                              .vec_count = buf != NULL ? pieces : 0,
                              .status = 77};
    int err;

    for (unsigned i = 0; i < req.vec_count; i++) {
        vec[i].len = sectors * 512 / pieces;
        vec[i].base = buf + i * vec[i].len;
    }
    err = submit(&req);
    if (err != 0)
        return err;
    assert_ptr_equal(reap(), &req);
    return req.status;
}

static int carry(enum hal_blk_op op, uint64_t sector, uint64_t sectors,
                 void *buf)
{
    return carry_flags(op, 0, sector, sectors, buf, 1);
}

static void fill(char *buf, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (char)(i * 7 + i / 256 + seed);
}

static void test_write_is_read_back(void **state)
{
    char *out, *in;

    (void)state;
    disk_open(false);
    out = bare_page(boot, 8);
    fill(out, 4096, 0);
    assert_int_equal(carry(HAL_BLK_WRITE, SECTORS - 8, 8, out), 0);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, NULL), 0);
    host_machine_close();
    disk_open(true);
    in = bare_page(boot, 16);
    out = bare_page(boot, 8);
    fill(out, 4096, 0);
    assert_int_equal(carry(HAL_BLK_READ, SECTORS - 8, 8, in), 0);
    assert_memory_equal(in, out, 4096);
}

/* Of one byte, even: the memory of a request may lie anywhere. */
static void test_pieces_are_one_after_the_other(void **state)
{
    static const unsigned pieces[] = {1, 2, 3, 8, 256};
    char *out, *in;

    (void)state;
    disk_open(false);
    out = bare_page(boot, 8);
    in = bare_page(boot, 16);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        fill(out, 6 * 512, pieces[i]);
        assert_int_equal(carry_flags(HAL_BLK_WRITE, 0, 3, 6, out, pieces[i]),
                         0);
        assert_int_equal(carry(HAL_BLK_READ, 3, 6, in), 0);
        assert_memory_equal(in, out, 6 * 512);
        memset(in, 0, 6 * 512);
        assert_int_equal(carry_flags(HAL_BLK_READ, 0, 3, 6, in, pieces[i]), 0);
        assert_memory_equal(in, out, 6 * 512);
    }
    assert_int_equal(carry_flags(HAL_BLK_WRITE, HAL_BLK_FUA, 7, 2, out, 2), 0);
    assert_int_equal(carry(HAL_BLK_READ, 7, 2, in), 0);
    assert_memory_equal(in, out, 1024);
}

static void test_completion_interrupts(void **state)
{
    struct hal_vec vecs[3];
    struct hal_blk_req reqs[3];

    (void)state;
    disk_open(false);
    for (unsigned i = 0; i < 6; i++) {
        vecs[i % 3] = (struct hal_vec){bare_page(boot, 8 + i % 3), 512};
        reqs[i % 3] = (struct hal_blk_req){
            .sectors = 1, .vec = &vecs[i % 3], .vec_count = 1};
        assert_int_equal(hal_blk_submit(0, 0, &reqs[i % 3]), 0);
        if (i >= 3)
            continue;
        hal_blk_commit(0, 0);
        bare_wait(&irqs, 0);
        assert_ptr_equal(hal_blk_poll(0, 0), &reqs[i]);
        assert_null(hal_blk_poll(0, 0));
        assert_int_equal(irqs, 1);
        irqs = 0;
    }
    /* One for many, as long as they are not polled. */
    hal_blk_commit(0, 0);
    bare_wait(&irqs, 0);
    for (unsigned i = 0; i < 3; i++)
        reap();
    assert_null(hal_blk_poll(0, 0));
    hal_cpu_relax();
    assert_int_equal(irqs, 1);
}

static void test_submit_checks_range(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        enum hal_blk_op op;
        uint64_t sector, sectors;
        int want;
    } rows[] = {
        {"first sector", HAL_BLK_READ, 0, 1, 0},
        {"last sector", HAL_BLK_WRITE, SECTORS - 1, 1, 0},
        {"all", HAL_BLK_READ, 0, SECTORS, 0},
        {"flush", HAL_BLK_FLUSH, 0, 0, 0},
        {"one past the end", HAL_BLK_READ, SECTORS, 1, -EINVAL},
        {"straddles the end", HAL_BLK_WRITE, SECTORS - 1, 2, -EINVAL},
        {"sum wraps", HAL_BLK_READ, UINT64_MAX, 2, -EINVAL},
        {"bytes wrap", HAL_BLK_READ, UINT64_MAX / 512 + 1, 1, -EINVAL},
        {"length wraps", HAL_BLK_READ, 0, UINT64_MAX / 512 + 2, -EINVAL},
        {"read of nothing", HAL_BLK_READ, 0, 0, -EINVAL},
        {"flush of something", HAL_BLK_FLUSH, 0, 1, -EINVAL},
        {"discard past the end", HAL_BLK_DISCARD, SECTORS, 1, -EINVAL},
        {"zeroes past the end", HAL_BLK_WRITE_ZEROES, 1, SECTORS, -EINVAL},
        {"no such operation", HAL_BLK_WRITE_ZEROES + 1, 0, 1, -EINVAL},
    };
    /* clang-format on */

    (void)state;
    disk_open(false);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, carry(rows[i].op, rows[i].sector, rows[i].sectors,
                                bare_page(boot, 8)) == rows[i].want);
}

/* The pieces must be as long as the request, and none be empty. */
static void test_submit_checks_the_vector(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        size_t lens[3];
        unsigned count;
        int want;
    } rows[] = {
        {"fits", {512, 512}, 2, 0},
        {"odd", {1, 1000, 23}, 3, 0},
        {"too short", {512, 511}, 2, -EINVAL},
        {"too long", {512, 513}, 2, -EINVAL},
        {"an empty piece", {512, 0, 512}, 3, -EINVAL},
        {"no pieces", {0}, 0, -EINVAL},
        {"wraps", {SIZE_MAX - 511, 512, 1024}, 3, -EINVAL},
    };
    /* clang-format on */
    struct hal_vec vec[HOST_DISK_VECS + 1];
    struct hal_blk_req req = {.sectors = 2, .vec = vec};

    (void)state;
    disk_open(false);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned k = 0; k < 3; k++)
            vec[k] = (struct hal_vec){bare_page(boot, 8 + k), rows[i].lens[k]};
        req.vec = vec;
        req.vec_count = rows[i].count;
        ROW(rows[i].name, submit(&req) == rows[i].want);
        if (rows[i].want == 0)
            reap();
    }
    for (unsigned k = 0; k <= HOST_DISK_VECS; k++)
        vec[k] = (struct hal_vec){bare_page(boot, 8), 512};
    req = (struct hal_blk_req){.vec = vec, .sectors = 1, .vec_count = 257};
    vec[0].len = 256;
    assert_int_equal(submit(&req), -EINVAL);
}

static void test_large_requests_have_a_limit(void **state)
{
    static char large[HOST_DISK_BYTES + 512];
    struct hal_vec vec = {large, HOST_DISK_BYTES};
    struct hal_blk_req req = {
        .sectors = HOST_DISK_BYTES / 512, .vec = &vec, .vec_count = 1};
    const struct host_disk_config disk = {.path = path, .engine = engine};
    struct hal_blk_info info;

    (void)state;
    assert_int_equal(truncate(path, 3 * HOST_DISK_BYTES), 0);
    boot = bare_open((struct host_config){.disk_count = 1, .disks = &disk});
    assert_true(hal_blk_open(0, 0) >= 0);
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.sectors_max, HOST_DISK_BYTES / 512);
    assert_int_equal(info.vec_max, HOST_DISK_VECS);
    assert_int_equal(submit(&req), 0);
    assert_int_equal(reap()->status, 0);
    vec = (struct hal_vec){large, sizeof(large)};
    req.vec = &vec;
    req.sectors++;
    assert_int_equal(submit(&req), -EINVAL);
    /* Not of those without memory. */
    assert_int_equal(
        carry(HAL_BLK_WRITE_ZEROES, 0, 3 * HOST_DISK_BYTES / 512, NULL), 0);
}

static void test_sectors_of_4096(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        uint64_t sector, sectors;
        int want;
    } rows[] = {
        {"one", 8, 8, 0}, {"last", SECTORS - 8, 8, 0}, {"all", 0, SECTORS, 0},
        {"odd begin", 4, 8, -EINVAL}, {"odd length", 8, 4, -EINVAL},
        {"one of 512", 8, 1, -EINVAL}, {"past the end", SECTORS, 8, -EINVAL},
    };
    /* clang-format on */
    struct hal_blk_info info;

    (void)state;
    disk_open_as((struct host_disk_config){.sector_size = 4096});
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.sector_size, 4096);
    assert_int_equal(info.memory_align, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, carry(HAL_BLK_READ, rows[i].sector, rows[i].sectors,
                                bare_page(boot, 8)) == rows[i].want);
    /* A part of a sector at the end does not count. */
    assert_int_equal(truncate(path, SECTORS * 512 + 4095), 0);
    disk_open_as((struct host_disk_config){.sector_size = 4096});
}

/* A disk that begins somewhere in its file: nothing before it is touched. */
static void test_a_disk_in_a_file(void **state)
{
    enum { BEFORE = 24 };
    char *out, *in;
    struct hal_blk_info info;

    (void)state;
    disk_open_as((struct host_disk_config){.offset = BEFORE * 512});
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.sectors, SECTORS - BEFORE);
    out = bare_page(boot, 8);
    fill(out, 4096, 3);
    assert_int_equal(carry(HAL_BLK_WRITE, 0, 8, out), 0);
    assert_int_equal(carry(HAL_BLK_WRITE, 8, 8, out), 0);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 8, 8, NULL), 0);
    assert_int_equal(carry(HAL_BLK_READ, SECTORS - BEFORE, 1, out), -EINVAL);
    host_machine_close();
    disk_open(true);
    in = bare_page(boot, 8);
    out = bare_page(boot, 16);
    memset(out, 0, 4096);
    for (unsigned at = 0; at < BEFORE; at += 8) {
        assert_int_equal(carry(HAL_BLK_READ, at, 8, in), 0);
        assert_memory_equal(in, out, 4096);
    }
    assert_int_equal(carry(HAL_BLK_READ, BEFORE + 8, 8, in), 0);
    assert_memory_equal(in, out, 4096);
    fill(out, 4096, 3);
    assert_int_equal(carry(HAL_BLK_READ, BEFORE, 8, in), 0);
    assert_memory_equal(in, out, 4096);
}

/* Where /tmp has direct transfers. */
static void test_direct_transfers(void **state)
{
    const struct host_disk_config disk = {
        .path = path, .engine = engine, .direct = true};
    struct hal_blk_info info;
    char *out, *in;
    int fd = open(path, O_RDONLY | O_DIRECT);

    (void)state;
    if (fd < 0)
        return;
    close(fd);
    assert_int_equal(truncate(path, SECTORS * 512), 0);
    boot = bare_open((struct host_config){.disk_count = 1, .disks = &disk});
    assert_true(hal_blk_open(0, 0) >= 0);
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_true(info.sector_size == 512 || info.sector_size == 4096);
    assert_true(info.memory_align >= 1 && info.memory_align <= 512);
    assert_int_equal(info.sectors, SECTORS);
    out = bare_page(boot, 8);
    in = bare_page(boot, 16);
    fill(out, 8192, 1);
    assert_int_equal(carry_flags(HAL_BLK_WRITE, 0, 8, 16, out, 2), 0);
    assert_int_equal(carry_flags(HAL_BLK_READ, 0, 8, 16, in, 2), 0);
    assert_memory_equal(in, out, 8192);
    if (info.memory_align > 1)
        assert_int_equal(carry(HAL_BLK_READ, 8, 8, in + 1), -EINVAL);
}

static void test_read_only_disk_refuses_writes(void **state)
{
    (void)state;
    disk_open(true);
    assert_int_equal(carry(HAL_BLK_WRITE, 0, 1, bare_page(boot, 8)), -EROFS);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, NULL), -EROFS);
    assert_int_equal(carry(HAL_BLK_DISCARD, 0, 1, NULL), -EROFS);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 1, NULL), -EROFS);
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, bare_page(boot, 8)), 0);
}

/* At once, beside the queues; and what cannot be. */
static void test_moves_at_once(void **state)
{
    char *out, *in;

    (void)state;
    disk_open(false);
    out = bare_page(boot, 8);
    in = bare_page(boot, 16);
    fill(out, 4096, 3);
    assert_int_equal(hal_blk_now(0, true, SECTORS - 8, out, 4096), 0);
    assert_int_equal(hal_blk_now(0, true, 0, NULL, 0), 0);
    assert_int_equal(hal_blk_now(0, false, SECTORS - 8, in, 4096), 0);
    assert_memory_equal(in, out, 4096);
    assert_int_equal(hal_blk_now(1, false, 0, in, 512), -ENODEV);
    assert_int_equal(hal_blk_now(0, false, SECTORS - 7, in, 4096), -EINVAL);
    assert_int_equal(hal_blk_now(0, false, SECTORS + 1, in, 0), -EINVAL);
    assert_int_equal(hal_blk_now(0, false, UINT64_MAX, in, 512), -EINVAL);
    assert_int_equal(hal_blk_now(0, false, 0, in, 511), -EINVAL);
    assert_int_equal(truncate(path, 10 * 512), 0);
    assert_int_equal(hal_blk_now(0, false, 10, in, 512), -EIO);
    assert_int_equal(truncate(path, SECTORS * 512), 0);
    disk_open_as((struct host_disk_config){.read_only = true});
    assert_int_equal(hal_blk_now(0, true, 0, out, 512), -EROFS);
}

static void test_file_cut_short_is_an_error(void **state)
{
    char *buf;

    (void)state;
    disk_open(false);
    buf = bare_page(boot, 8);
    assert_int_equal(truncate(path, 10 * 512 + 256), 0);
    assert_int_equal(carry(HAL_BLK_READ, 9, 1, buf), 0);
    assert_int_equal(carry(HAL_BLK_READ, 10, 1, buf), -EIO);
    assert_int_equal(carry(HAL_BLK_READ, 8, 4, buf), -EIO);
    assert_int_equal(carry_flags(HAL_BLK_READ, 0, 8, 4, buf, 8), -EIO);
    assert_int_equal(carry(HAL_BLK_READ, SECTORS - 1, 1, buf), -EIO);
}

/* How many blocks of 512 bytes the file has on its medium. */
static unsigned blocks(void)
{
    struct stat stat;

    assert_int_equal(syscall(SYS_stat, path, &stat), 0);
    return (unsigned)stat.st_blocks;
}

static void test_discards_and_zeroes(void **state)
{
    unsigned all;
    char *buf;

    (void)state;
    disk_open(false);
    buf = bare_page(boot, 8);
    fill(buf, SECTORS * 512, 0);
    assert_int_equal(carry(HAL_BLK_WRITE, 0, SECTORS, buf), 0);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, NULL), 0);
    all = blocks();
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 9, 3, NULL), 0);
    assert_int_equal(
        carry_flags(HAL_BLK_WRITE_ZEROES, HAL_BLK_FUA, 20, 1, NULL, 0), 0);
    memset(buf, 1, SECTORS * 512);
    assert_int_equal(carry(HAL_BLK_READ, 0, SECTORS, buf), 0);
    for (unsigned i = 0; i < SECTORS * 512; i++) {
        bool zero = (i / 512 >= 9 && i / 512 < 12) || i / 512 == 20;

        assert_int_equal(buf[i], zero ? 0 : (char)(i * 7 + i / 256));
    }
    assert_int_equal(carry(HAL_BLK_DISCARD, 32, 32, NULL), 0);
    assert_true(blocks() < all); /* where the file system has holes */
    assert_int_equal(carry(HAL_BLK_READ, 31, 1, buf), 0);
    assert_int_equal(buf[1], (char)(7 + 31 * 2));
}

static void test_queue_is_bounded_and_loses_nothing(void **state)
{
    static struct hal_blk_req reqs[QUEUE_MORE];
    static struct hal_vec vecs[QUEUE_MORE];
    unsigned submitted = 0, reaped = 0, refused = 0;

    (void)state;
    disk_open(false);
    while (reaped < QUEUE_MORE) {
        struct hal_blk_req *req = &reqs[submitted];
        int err = -EAGAIN;

        if (submitted < QUEUE_MORE) {
            vecs[submitted] =
                (struct hal_vec){bare_page(boot, submitted % 512), 512};
            *req = (struct hal_blk_req){.op = submitted % 3 == 0 ? HAL_BLK_WRITE
                                                                 : HAL_BLK_READ,
                                        .sector = submitted % SECTORS,
                                        .sectors = 1,
                                        .vec = &vecs[submitted],
                                        .vec_count = 1,
                                        .status = 77};
            err = hal_blk_submit(0, 0, req);
            submitted += err == 0;
        }
        if (err == 0)
            continue;
        assert_int_equal(err, -EAGAIN);
        refused++;
        hal_blk_commit(0, 0);
        assert_int_equal(reap()->status, 0);
        reaped++;
    }
    assert_int_equal(submitted, QUEUE_MORE);
    assert_null(hal_blk_poll(0, 0));
    assert_true(refused > 0);
    for (unsigned i = 0; i < QUEUE_MORE; i++)
        assert_int_equal(reqs[i].status, 0);
}

/* A place is free again when its request has been polled. */
static void test_queue_has_128_places(void **state)
{
    static struct hal_blk_req reqs[129];
    static struct hal_vec vecs[129];
    unsigned count = 0;

    (void)state;
    disk_open(false);
    for (; count < 129; count++) {
        vecs[count] = (struct hal_vec){bare_page(boot, count), 512};
        reqs[count] = (struct hal_blk_req){.sector = 1,
                                           .sectors = 1,
                                           .vec = &vecs[count],
                                           .vec_count = 1,
                                           .status = 77};
        if (hal_blk_submit(0, 0, &reqs[count]) != 0)
            break;
    }
    assert_int_equal(count, 128);
    hal_blk_commit(0, 0);
    assert_int_equal(submit(&reqs[128]), -EAGAIN);
    assert_int_equal(reap()->status, 0);
    leaf_disks_check();
    assert_int_equal(submit(&reqs[128]), 0);
    for (unsigned i = 1; i < 129; i++)
        reap();
    assert_null(hal_blk_poll(0, 0));
    leaf_disks_check();
    for (unsigned i = 0; i < 129; i++)
        assert_int_equal(reqs[i].status, 0);
}

static void test_units_that_are_not_there(void **state)
{
    static const unsigned units[] = {1, HOST_DISK_MAX - 1, HOST_DISK_MAX, 9999};
    struct hal_blk_req req = {.op = HAL_BLK_FLUSH};
    struct hal_blk_info info;

    (void)state;
    disk_open(false);
    assert_int_equal(hal_blk_info(0, &info), 0);
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        assert_int_equal(hal_blk_info(units[i], &info), -ENODEV);
        assert_int_equal(hal_blk_open(units[i], 0), -ENODEV);
        assert_int_equal(hal_blk_submit(units[i], 0, &req), -ENODEV);
        hal_blk_commit(units[i], 0);
        assert_null(hal_blk_poll(units[i], 0));
        hal_blk_cancel(units[i], 0);
        /* Nor queues. */
        assert_int_equal(hal_blk_open(0, units[i]), -ENODEV);
        assert_int_equal(hal_blk_submit(0, units[i], &req), -ENODEV);
        hal_blk_commit(0, units[i]);
        assert_null(hal_blk_poll(0, units[i]));
        hal_blk_cancel(0, units[i]);
    }
    boot = bare_open((struct host_config){0}); /* another machine has none */
    assert_int_equal(hal_blk_info(0, &info), -ENODEV);
}

/* A queue that this CPU has not opened. */
static void test_a_queue_is_opened_first(void **state)
{
    const struct host_disk_config disk = {.path = path, .engine = engine};
    struct hal_blk_req req = {.op = HAL_BLK_FLUSH};
    struct hal_blk_info info;

    (void)state;
    boot = bare_open(
        (struct host_config){.cpus = 3, .disk_count = 1, .disks = &disk});
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_int_equal(info.queue_count, 3);
    assert_int_equal(hal_blk_submit(0, 1, &req), -ENODEV);
    assert_null(hal_blk_poll(0, 1));
    assert_true(hal_blk_open(0, 1) >= 0);
    assert_int_equal(hal_blk_submit(0, 1, &req), 0);
    assert_int_equal(hal_blk_submit(0, 2, &req), -ENODEV);
    assert_true(hal_blk_open(0, 2) != hal_blk_open(0, 1));
}

/* For writing, Linux says so: the disk is read-only then, or there is none. */
static void test_disk_nobody_may_write_is_read_only(void **state)
{
    static const int errors[] = {EACCES, EROFS, EPERM};
    const struct host_disk_config disk = {.path = path, .engine = engine};
    const struct host_config config = {
        .disk_count = 1, .disks = &disk, .quiet = true};
    struct hal_blk_info info;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_errno = errors[i];
        assert_non_null(host_machine_prepare(&config));
        assert_int_equal(hal_blk_info(0, &info), 0);
        assert_true(info.read_only);
    }
    open_errno = EIO;
    assert_null(host_machine_prepare(&config));
    open_errno = 0;
    assert_non_null(host_machine_prepare(&config));
    assert_int_equal(hal_blk_info(0, &info), 0);
    assert_false(info.read_only);
}

/* clang-format off */
static const struct {
    const char *name;
    int *fails;
    int number;
    mode_t type;
    off_t size;
    const char *text; /* behind the name; NULL: it opens */
    uint64_t offset;
} open_rows[] = {
    {"smallest", NULL, 0, 0, 512, NULL, 0},
    {"too small", NULL, 0, 0, 511,
     "it is smaller than a sector of 512 bytes", 0},
    {"empty", NULL, 0, 0, 0, "it is smaller than a sector of 512 bytes", 0},
    {"behind", NULL, 0, 0, 1024, NULL, 512},
    {"at the end", NULL, 0, 0, 1024,
     "it is smaller than a sector of 512 bytes", 1024},
    {"behind the end", NULL, 0, 0, 1024,
     "it begins behind the end of the file", 1536},
    {"in a sector", NULL, 0, 0, 1024, "it begins within a sector", 8},
    {"block device", NULL, 0, S_IFBLK, 512, NULL, 0},
    {"terminal", NULL, 0, S_IFCHR, 512,
     "it is neither a regular file nor a block device", 0},
    {"broken", &stat_errno, EIO, 0, 512, "Input/output error", 0},
    {"without locks", &lock_errno, ENOLCK, 0, 512, NULL, 0},
    {"locked", &lock_errno, EWOULDBLOCK, 0, 512,
     "another machine uses it; ,ro on both lets them share it", 0},
};
/* clang-format on */
static size_t open_row;

/* Nothing stays open; what is open is no affair of other programs. */
static void open_any(void)
{
    const struct host_disk_config disk = {
        .path = path, .engine = engine, .offset = open_rows[open_row].offset};
    const struct host_config config = {.disk_count = 1, .disks = &disk};
    bool opens = open_rows[open_row].text == NULL;
    unsigned before = fds_open();
    int next = dup(0); /* the lowest that is free */

    close(next);
    if (truncate(path, open_rows[open_row].size) != 0)
        _exit(1);
    stat_type = open_rows[open_row].type;
    if (open_rows[open_row].fails != NULL)
        *open_rows[open_row].fails = open_rows[open_row].number;
    if ((host_machine_prepare(&config) != NULL) != opens)
        _exit(2);
    if (opens && fcntl(next, F_GETFD) != FD_CLOEXEC)
        _exit(3);
    host_machine_close();
    if (fds_open() != before)
        _exit(4);
}

static void test_disks_are_inspected(void **state)
{
    char text[512], want[512];

    (void)state;
    for (open_row = 0; open_row < COUNT_OF(open_rows); open_row++) {
        const char *name = open_rows[open_row].name;
        const char *wrong = open_rows[open_row].text;

        ROW(name, bare_child(open_any, text, sizeof(text)) == 0);
        snprintf(want, sizeof(want), "torc: cannot use disk '%s': %s\n", path,
                 wrong != NULL ? wrong : "");
        ROW(name, strcmp(text, wrong != NULL ? want : "") == 0);
    }
}

/* clang-format off */
static const struct direct_row {
    const char *name;
    struct direct direct;
    uint32_t wish; /* sectors of so many bytes */
    off_t size;
    uint32_t sector_size, memory_align;
    const char *text; /* behind the name; NULL: it opens */
} direct_rows[] = {
    {"not told", {true, STATX_DIOALIGN, 512, 4}, 0, 8192, 4096, 512, NULL},
    {"not told of this file", {false, STATX_SIZE, 512, 4}, 0, 8192, 4096, 512,
     NULL},
    {"not direct", {false, STATX_DIOALIGN, 0, 0}, 0, 8192, 4096, 512, NULL},
    {"small", {false, STATX_DIOALIGN, 512, 4}, 0, 8192, 512, 4, NULL},
    {"smaller", {false, STATX_DIOALIGN, 1, 1}, 0, 512, 512, 1, NULL},
    {"large", {false, STATX_DIOALIGN, 4096, 512}, 0, 8192, 4096, 512, NULL},
    {"larger than the smallest", {false, STATX_DIOALIGN, 512, 4}, 4096, 8192,
     4096, 4, NULL},
    {"as is wished", {false, STATX_DIOALIGN, 512, 4}, 512, 8192, 512, 4, NULL},
    {"smaller than they can be", {false, STATX_DIOALIGN, 1024, 4}, 512, 8192,
     0, 0, "its direct transfers are of larger sectors"},
    {"memory", {false, STATX_DIOALIGN, 512, 1024}, 0, 8192, 0, 0,
     "its direct transfers want memory that is aligned to more than 512 "
     "bytes"},
    {"too small a file", {false, STATX_DIOALIGN, 4096, 512}, 0, 4095, 0, 0,
     "it is smaller than a sector of 4096 bytes"},
};
/* clang-format on */
static size_t direct_row;

static void open_direct(void)
{
    const struct direct_row *row = &direct_rows[direct_row];
    const struct host_disk_config disk = {.path = path,
                                          .engine = engine,
                                          .direct = true,
                                          .sector_size = row->wish};
    const struct host_config config = {.disk_count = 1, .disks = &disk};
    struct hal_blk_info info;

    direct = &row->direct;
    if (truncate(path, row->size) != 0)
        _exit(1);
    if ((host_machine_prepare(&config) == NULL) != (row->text != NULL))
        _exit(2);
    if (row->text == NULL &&
        (hal_blk_info(0, &info) != 0 || info.sector_size != row->sector_size ||
         info.memory_align != row->memory_align))
        _exit(3);
    host_machine_close();
}

/* What a host wants of direct transfers, whatever this one does. */
static void test_direct_transfers_are_inspected(void **state)
{
    char text[512], want[512];

    (void)state;
    for (direct_row = 0; direct_row < COUNT_OF(direct_rows); direct_row++) {
        const char *name = direct_rows[direct_row].name;
        const char *wrong = direct_rows[direct_row].text;

        ROW(name, bare_child(open_direct, text, sizeof(text)) == 0);
        snprintf(want, sizeof(want), "torc: cannot use disk '%s': %s\n", path,
                 wrong != NULL ? wrong : "");
        ROW(name, strcmp(text, wrong != NULL ? want : "") == 0);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    bool direct;
    int number;
    const char *text;
} refused_rows[] = {
    {"no direct transfers", true, EINVAL,
     "its file system has no direct transfers"},
    {"another reason", true, ENXIO, "No such device or address"},
    {"that reason without them", false, EINVAL, "Invalid argument"},
};
/* clang-format on */
static size_t refused_row;

static void open_refused(void)
{
    const struct host_disk_config disk = {
        .path = path, .direct = refused_rows[refused_row].direct};
    const struct host_config config = {.disk_count = 1, .disks = &disk};

    open_errno = refused_rows[refused_row].number;
    if (host_machine_prepare(&config) != NULL)
        _exit(1);
    open_errno = 0; /* of this disk only */
}

static void test_files_that_cannot_be_opened(void **state)
{
    char text[512], want[512];

    (void)state;
    for (refused_row = 0; refused_row < COUNT_OF(refused_rows); refused_row++) {
        const char *name = refused_rows[refused_row].name;

        ROW(name, bare_child(open_refused, text, sizeof(text)) == 0);
        snprintf(want, sizeof(want), "torc: cannot open disk '%s': %s\n", path,
                 refused_rows[refused_row].text);
        ROW(name, strcmp(text, want) == 0);
    }
}

/* Two CPUs open a queue at once: the second one has lost, and leaves nothing
 * behind. */
static void test_a_queue_has_one_owner(void **state)
{
    unsigned owner;
    int irq;

    (void)state;
    disk_open(false);
    irq = host_disk_queue_irq(0, 0, &owner);
    assert_int_equal(host_disk_queue_open(0, 0, 0, irq + 1), -EBUSY);
    assert_int_equal(host_disk_queue_irq(0, 0, &owner), irq);
    assert_int_equal(owner, 0);
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, bare_page(boot, 8)), 0);
}

/* A file may have the number 0. */
static void open_as_zero(void)
{
    close(0);
    disk_open(false);
    if (fcntl(0, F_GETFD) < 0 ||
        carry(HAL_BLK_WRITE, 0, 1, bare_page(boot, 8)) !=
            0) /* it is not read-only */
        _exit(1);
    host_machine_close();
    if (fcntl(0, F_GETFD) >= 0)
        _exit(2);
}

static void test_a_disk_may_have_the_number_zero(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(open_as_zero, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

/* A pipe has no size. */
static void open_pipe(void)
{
    const struct host_disk_config disk = {.path = "/dev/stdin",
                                          .read_only = true};
    const struct host_config config = {.disk_count = 1, .disks = &disk};
    int ends[2];

    stat_type = S_IFREG;
    if (pipe(ends) != 0 || dup2(ends[0], 0) != 0)
        _exit(1);
    _exit(host_machine_prepare(&config) == NULL ? 0 : 2);
}

static void test_a_disk_has_a_size(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(open_pipe, text, sizeof(text)), 0);
    assert_string_equal(text,
                        "torc: cannot use disk '/dev/stdin': Illegal seek\n");
}

/* Requests are on their way when the machine closes: the next machine begins
 * with a queue that is empty. */
static void test_close_forgets_requests(void **state)
{
    static struct hal_blk_req reqs[3];
    static struct hal_vec vecs[3];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        disk_open(false);
        assert_null(hal_blk_poll(0, 0));
        for (unsigned i = 0; i < 3; i++) {
            vecs[i] = (struct hal_vec){bare_page(boot, i), 512};
            reqs[i] = (struct hal_blk_req){
                .sectors = 1, .vec = &vecs[i], .vec_count = 1};
            assert_int_equal(hal_blk_submit(0, 0, &reqs[i]), 0);
        }
        if (round != 1)
            hal_blk_commit(0, 0);
        host_machine_close();
        assert_int_equal(threads, 0);
    }
    disk_open(false);
    usleep(5000);
    assert_null(hal_blk_poll(0, 0));
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, bare_page(boot, 8)), 0);
    assert_null(hal_blk_poll(0, 0));
}

/* A disk somebody else writes to: the line says what to do. */
static void open_shared(void)
{
    const struct host_disk_config disks[] = {{.path = path, .read_only = true},
                                             {.path = path}};
    const struct host_config config = {.disk_count = 2, .disks = disks};

    _exit(host_machine_prepare(&config) == NULL ? 0 : 1);
}

static void test_shared_disk_is_told(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(open_shared, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "torc: cannot use disk '/tmp/torc_disk_"));
    assert_non_null(strstr(text, "': another machine uses it; ,ro on both lets "
                                 "them share it\n"));
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
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_write_is_read_back),
        READY(test_pieces_are_one_after_the_other),
        READY(test_completion_interrupts),
        READY(test_submit_checks_range),
        READY(test_submit_checks_the_vector),
        READY(test_large_requests_have_a_limit),
        READY(test_sectors_of_4096),
        READY(test_a_disk_in_a_file),
        READY(test_a_disk_in_a_file),
        READY(test_direct_transfers),
        READY(test_read_only_disk_refuses_writes),
        READY(test_moves_at_once),
        READY(test_file_cut_short_is_an_error),
        READY(test_discards_and_zeroes),
        READY(test_queue_is_bounded_and_loses_nothing),
        READY(test_queue_has_128_places),
        READY(test_units_that_are_not_there),
        READY(test_a_queue_is_opened_first),
        READY(test_disk_nobody_may_write_is_read_only),
        READY(test_disks_are_inspected),
        READY(test_direct_transfers_are_inspected),
        READY(test_files_that_cannot_be_opened),
        READY(test_a_queue_has_one_owner),
        READY(test_a_disk_may_have_the_number_zero),
        READY(test_a_disk_has_a_size),
        READY(test_close_forgets_requests),
        READY(test_shared_disk_is_told),
        READY(test_disk_is_not_shared_with_a_writer),
    };
    int failed;

    engine = HOST_DISK_THREADS;
    failed = cmocka_run_group_tests_name("threads", tests, NULL, NULL);
    engine = HOST_DISK_URING;
    if (host_ring_probe() == 0)
        failed += cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
    return failed;
}
