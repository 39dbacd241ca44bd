/*
 * What the disks of the hosted machine make of each answer of Linux: the test
 * stands between them and its system calls, and its completions. All with
 * threads and with io_uring, as far as the host has it.
 */
#include "hal/leaf.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/disk.h"
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/machine_bare.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTORS = 2048, CALLS_MAX = 400 };

/* ---- Answers ------------------------------------------------------------- */

enum { KEEP = 1000000 }; /* what Linux really says */

static atomic_flag answers_lock = ATOMIC_FLAG_INIT;
static const long *answers; /* the next ones; 0 behind the last: KEEP */
static unsigned answers_left;
static long answer_always; /* when not KEEP */

/* The calls that were made. */
static struct call {
    enum call_kind { READ, WRITE, SYNC, ALLOCATE } kind;
    int flags;
    uint64_t offset, size;
} calls[CALLS_MAX];
static unsigned call_count;

/* Threads: how many calls were made at once, while they are slow. */
static atomic_bool slow;
static atomic_uint active, active_max;
static int thread_errno;

static void called(enum call_kind kind, int flags, uint64_t offset,
                   uint64_t size)
{
    assert_true(call_count < CALLS_MAX);
    calls[call_count++] = (struct call){kind, flags, offset, size};
}

static long answer(long real)
{
    long value = answer_always;

    if (answers_left > 0) {
        value = *answers++;
        answers_left--;
    }
    return value == KEEP || (value >= 0 && value > real) ? real : value;
}

static void answer_with(const long *list, unsigned count)
{
    answers = list;
    answers_left = count;
    answer_always = KEEP;
    call_count = 0;
}

/* ---- Threads ------------------------------------------------------------- */

static ssize_t made(enum call_kind kind, int flags, uint64_t offset,
                    uint64_t size, long real)
{
    long value;

    if (atomic_load(&slow)) {
        unsigned now = atomic_fetch_add(&active, 1) + 1;

        usleep(20000);
        if (now > atomic_load(&active_max))
            atomic_store(&active_max, now);
        atomic_fetch_sub(&active, 1);
    }
    real = real < 0 ? -errno : real;
    while (atomic_flag_test_and_set(&answers_lock))
        ;
    called(kind, flags, offset, size);
    value = answer(real);
    atomic_flag_clear(&answers_lock);
    errno = value < 0 ? (int)-value : EINTR; /* it counts only after -1 */
    return value < 0 ? -1 : value;
}

static uint64_t size_of(const struct iovec *vec, int count)
{
    uint64_t size = 0;

    for (int i = 0; i < count; i++)
        size += vec[i].iov_len;
    return size;
}

ssize_t preadv(int fd, const struct iovec *vec, int count, off_t at)
{
    return made(READ, 0, (uint64_t)at, size_of(vec, count),
                syscall(SYS_preadv, fd, vec, count, at, 0));
}

ssize_t pwritev2(int fd, const struct iovec *vec, int count, off_t at,
                 int flags)
{
    return made(WRITE, flags, (uint64_t)at, size_of(vec, count),
                syscall(SYS_pwritev2, fd, vec, count, at, 0, flags));
}

int fdatasync(int fd)
{
    return (int)made(SYNC, 0, 0, 0, syscall(SYS_fdatasync, fd));
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return (int)made(ALLOCATE, mode, (uint64_t)at, (uint64_t)len,
                     syscall(SYS_fallocate, fd, mode, at, len));
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    return thread_errno != 0 ? thread_errno
                             : thread_make(thread, attr, fn, arg);
}

/* ---- io_uring ------------------------------------------------------------ */

/* What Linux will see. */
static void note_submitted(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    for (unsigned at = sq->sqe_head; at != sq->sqe_tail; at++) {
        const struct io_uring_sqe *sqe = &sq->sqes[at & *sq->kring_mask];
        uint64_t size = sqe->len;

        switch (sqe->opcode) {
        case IORING_OP_READV:
        case IORING_OP_WRITEV:
            size = size_of((const void *)(uintptr_t)sqe->addr, (int)sqe->len);
            break;
        case IORING_OP_FALLOCATE: /* its mode is `len` */
            called(ALLOCATE, (int)sqe->len, sqe->off, sqe->addr);
            continue;
        case IORING_OP_FSYNC:
            assert_int_equal(sqe->fsync_flags, IORING_FSYNC_DATASYNC);
            called(SYNC, 0, 0, 0);
            continue;
        }
        if (sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READV)
            called(READ, (int)sqe->rw_flags, sqe->off, size);
        if (sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITEV)
            called(WRITE, (int)sqe->rw_flags, sqe->off, size);
    }
}

/* Change what has completed. The rings are shared memory. */
static void change_completed(struct io_uring *ring)
{
    static struct io_uring *last_ring;
    static unsigned seen; /* up to here */
    struct io_uring_cq *cq = &ring->cq;
    unsigned tail = io_uring_smp_load_acquire(cq->ktail);

    if (ring != last_ring || *cq->khead - seen > *cq->kring_entries)
        seen = *cq->khead;
    last_ring = ring;
    for (; seen != tail; seen++) {
        struct io_uring_cqe *cqe = &cq->cqes[seen & *cq->kring_mask];

        if (cqe->user_data != 0) /* not a wake */
            cqe->res = (int)answer(cqe->res);
    }
}

int io_uring_submit(struct io_uring *ring)
{
    int result;

    note_submitted(ring);
    result = LIBC(io_uring_submit)(ring);
    change_completed(ring);
    return result;
}

int io_uring_get_events(struct io_uring *ring)
{
    int result = LIBC(io_uring_get_events)(ring);

    change_completed(ring);
    return result;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe, unsigned count,
                                     struct __kernel_timespec *time,
                                     sigset_t *mask)
{
    int result;

    note_submitted(ring);
    result =
        LIBC(io_uring_submit_and_wait_timeout)(ring, cqe, count, time, mask);
    change_completed(ring);
    return result;
}

/* ---- A machine with a disk ----------------------------------------------- */

static enum host_disk_engine engine;
static const struct hal_boot_info *boot;
static char path[64];
static unsigned irqs;

static void disk_open(unsigned cpus)
{
    const struct host_disk_config disk = {.path = path, .engine = engine};
    int irq;

    boot = bare_open(
        (struct host_config){.cpus = cpus, .disk_count = 1, .disks = &disk});
    irqs = 0;
    irq = hal_blk_open(0, 0);
    assert_true(irq >= 0);
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs), 0);
}

static int setup(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/torc_disk_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
    close(fd);
    answer_with(NULL, 0);
    atomic_store(&slow, false);
    thread_errno = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    unlink(path);
    return 0;
}

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

static struct hal_blk_req reqs[200];
static struct hal_vec vecs[200][4];

/* Submit request `i`, of pieces of so many bytes. */
static void submit(unsigned i, enum hal_blk_op op, uint64_t sector,
                   uint64_t sectors, unsigned pieces)
{
    char *buf = (char *)bare_page(boot, 8) + i * 4096;

    for (unsigned k = 0; k < pieces; k++) {
        vecs[i][k].len = sectors * 512 / pieces;
        vecs[i][k].base = buf + k * vecs[i][k].len;
    }
    reqs[i] = (struct hal_blk_req){.op = op,
                                   .flags = reqs[i].flags,
                                   .sector = sector,
                                   .sectors = sectors,
                                   .vec = vecs[i],
                                   .vec_count = pieces,
                                   .status = 77};
    assert_int_equal(hal_blk_submit(0, 0, &reqs[i]), 0);
}

static int carry(enum hal_blk_op op, unsigned flags, uint64_t sectors,
                 unsigned pieces)
{
    reqs[0].flags = flags;
    submit(0, op, 3, sectors, pieces);
    hal_blk_commit(0, 0);
    assert_ptr_equal(reap(), &reqs[0]);
    reqs[0].flags = 0;
    return reqs[0].status;
}

/* ---- Answers to transfers ------------------------------------------------ */

/* clang-format off */
static const struct {
    const char *name;
    long answers[3];
    unsigned count;
    int status;
    unsigned calls;
} transfer_rows[] = {
    {"all at once", {KEEP}, 1, 0, 1},
    {"interrupted", {-EINTR}, 1, 0, 2},
    {"interrupted twice", {-EINTR, -EINTR}, 2, 0, 3},
    {"not now", {-EAGAIN}, 1, 0, 2},
    {"in the first piece", {100}, 1, 0, 2},
    {"at the end of a piece", {512}, 1, 0, 2},
    {"two pieces", {1024}, 1, 0, 2},
    {"in the last piece", {2000}, 1, 0, 2},
    {"of one byte", {1, 1, 1}, 3, 0, 4},
    {"short, interrupted", {600, -EINTR, 600}, 3, 0, 4},
    {"an error", {-EIO}, 1, -EIO, 1},
    {"another error", {-ENXIO}, 1, -EIO, 1},
    {"short, then an error", {600, -EIO}, 2, -EIO, 2},
    {"no room", {-ENOSPC}, 1, -ENOSPC, 1},
    {"no room for this user", {-EDQUOT}, 1, -ENOSPC, 1},
    {"short, then no room", {1024, -ENOSPC}, 2, -ENOSPC, 2},
    {"nothing", {0}, 1, -EIO, 1},
    {"short, then nothing", {600, 0}, 2, -EIO, 2},
    {"not supported", {-EOPNOTSUPP}, 1, -EIO, 1},
};
/* clang-format on */

static void test_answers_to_transfers(void **state)
{
    static const enum hal_blk_op ops[] = {HAL_BLK_WRITE, HAL_BLK_READ};
    char *buf, want[2048];

    (void)state;
    disk_open(1);
    buf = bare_page(boot, 8);
    for (size_t i = 0; i < COUNT_OF(transfer_rows); i++) {
        const char *name = transfer_rows[i].name;

        for (size_t k = 0; k < 2; k++) {
            for (unsigned at = 0; at < 2048; at++)
                want[at] = (char)(at * 7 + at / 256 + i);
            memcpy(buf, want, 2048);
            if (ops[k] == HAL_BLK_READ)
                memset(buf, 0, 2048);
            answer_with(transfer_rows[i].answers, transfer_rows[i].count);
            ROW(name, carry(ops[k], 0, 4, 4) == transfer_rows[i].status);
            ROW(name, call_count == transfer_rows[i].calls);
            if (transfer_rows[i].status == 0)
                ROW(name, memcmp(buf, want, 2048) == 0);
        }
    }
}

/* The rest is asked for, not all of it again. */
static void test_a_short_transfer_goes_on(void **state)
{
    static const long list[] = {100, 900};

    (void)state;
    disk_open(1);
    answer_with(list, 2);
    assert_int_equal(carry(HAL_BLK_READ, 0, 4, 4), 0);
    assert_int_equal(call_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t done[] = {0, 100, 1000};

        assert_int_equal(calls[i].kind, READ);
        assert_int_equal(calls[i].offset, 3 * 512 + done[i]);
        assert_int_equal(calls[i].size, 2048 - done[i]);
    }
}

/* What is interrupted for ever is broken. */
static void test_retries_end(void **state)
{
    (void)state;
    disk_open(1);
    answer_with(NULL, 0);
    answer_always = -EINTR;
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, 1), -EIO);
    assert_int_equal(call_count, 101);
    answer_with(NULL, 0);
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, 1), 0);
}

static void test_a_flush_is_of_the_medium(void **state)
{
    static const long broken[] = {-EIO}, interrupted[] = {-EINTR};

    (void)state;
    disk_open(1);
    answer_with(NULL, 0);
    assert_int_equal(carry(HAL_BLK_WRITE, 0, 1, 1), 0);
    assert_int_equal(call_count, 1);
    assert_int_equal(calls[0].flags, 0);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, 0), 0);
    assert_int_equal(call_count, 2);
    assert_int_equal(calls[1].kind, SYNC);
    assert_int_equal(carry(HAL_BLK_WRITE, HAL_BLK_FUA, 1, 1), 0);
    assert_int_equal(calls[2].flags, RWF_DSYNC);
    answer_with(broken, 1);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, 0), -EIO);
    answer_with(interrupted, 1);
    assert_int_equal(carry(HAL_BLK_FLUSH, 0, 0, 0), 0);
    assert_int_equal(call_count, 2);
}

/* ---- Zeroes and discards ------------------------------------------------- */

enum {
    RANGE = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE,
    PUNCH = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
};

/* The best way that the file system has, and it is remembered. */
static void test_zeroes_by_what_there_is(void **state)
{
    static const long no[] = {-EOPNOTSUPP, -EOPNOTSUPP};

    (void)state;
    disk_open(1);
    answer_with(NULL, 0);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 1024, 0), 0);
    assert_int_equal(call_count, 1);
    assert_int_equal(calls[0].kind, ALLOCATE);
    assert_int_equal(calls[0].flags, RANGE);
    assert_int_equal(calls[0].offset, 3 * 512);
    assert_int_equal(calls[0].size, 1024 * 512);

    answer_with(no, 1);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 1024, 0), 0);
    assert_int_equal(call_count, 2);
    assert_int_equal(calls[1].flags, PUNCH);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, HAL_BLK_FUA, 8, 0), 0);
    assert_int_equal(call_count, 4);
    assert_int_equal(calls[2].flags, PUNCH);
    assert_int_equal(calls[3].kind, SYNC);

    answer_with(no, 1);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 1024, 0), 0);
    assert_int_equal(call_count, 3); /* 256 KiB each */
    assert_int_equal(calls[1].kind, WRITE);
    assert_int_equal(calls[1].size, 256 * 1024);
    assert_int_equal(calls[2].offset, 3 * 512 + 256 * 1024);
    assert_int_equal(calls[2].size, 256 * 1024);

    /* A write that does less goes on. */
    answer_with((const long[]){100, -EINTR, 200}, 3);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, HAL_BLK_FUA, 1, 0), 0);
    assert_int_equal(call_count, 5);
    assert_int_equal(calls[3].offset, 3 * 512 + 300);
    assert_int_equal(calls[3].size, 512 - 300);
    assert_int_equal(calls[4].kind, SYNC);
    answer_with(no, 1);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 1, 0), -EIO);
}

static void test_zeroes_that_fail(void **state)
{
    (void)state;
    disk_open(1);
    answer_with((const long[]){-ENOSPC}, 1);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 8, 0), -ENOSPC);
    answer_with((const long[]){-EINTR}, 1);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, 0, 8, 0), 0);
    assert_int_equal(call_count, 2);
    answer_with((const long[]){KEEP, -EIO}, 2);
    assert_int_equal(carry(HAL_BLK_WRITE_ZEROES, HAL_BLK_FUA, 8, 0), -EIO);
    /*
     * Two at once find out that there is no such call: each of the two that
     * fail is followed by another one. Which, the order of the threads decides.
     */
    answer_with((const long[]){-EOPNOTSUPP, -EOPNOTSUPP}, 2);
    submit(0, HAL_BLK_WRITE_ZEROES, 0, 8, 0);
    submit(1, HAL_BLK_WRITE_ZEROES, 8, 8, 0);
    hal_blk_commit(0, 0);
    reap();
    reap();
    assert_int_equal(reqs[0].status, 0);
    assert_int_equal(reqs[1].status, 0);
    assert_int_equal(call_count, 4);
}

static void test_discards(void **state)
{
    (void)state;
    disk_open(1);
    answer_with(NULL, 0);
    assert_int_equal(carry(HAL_BLK_DISCARD, 0, 2000, 0), 0);
    assert_int_equal(call_count, 1);
    assert_int_equal(calls[0].flags, PUNCH);
    assert_int_equal(calls[0].size, 2000 * 512);
    answer_with((const long[]){-EOPNOTSUPP}, 1);
    assert_int_equal(carry(HAL_BLK_DISCARD, 0, 8, 0), -ENOTSUP);
    answer_with((const long[]){-EIO}, 1);
    assert_int_equal(carry(HAL_BLK_DISCARD, 0, 8, 0), -EIO);
}

/* ---- Many ---------------------------------------------------------------- */

/* A request that hangs does not stop the others. */
static void test_requests_run_side_by_side(void **state)
{
    (void)state;
    if (engine != HOST_DISK_THREADS)
        return; /* what runs is the affair of Linux */
    disk_open(1);
    atomic_store(&slow, true);
    atomic_store(&active_max, 0);
    for (unsigned i = 0; i < 8; i++)
        submit(i, i == 3 ? HAL_BLK_FLUSH : HAL_BLK_READ, 0, i != 3, i != 3);
    hal_blk_commit(0, 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(reap()->status, 0);
    assert_true(atomic_load(&active_max) > 1);
    /* They are not made again, and there are not more than eight. */
    assert_true(threads > 1 && threads <= 1 + 8);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20; i++)
            submit(i, HAL_BLK_READ, 0, 1, 1);
        hal_blk_commit(0, 0);
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(reap()->status, 0);
        assert_int_equal(threads, 1 + 8);
    }
}

/* Without more threads those that are there do everything. */
static void test_one_thread_is_enough(void **state)
{
    (void)state;
    if (engine != HOST_DISK_THREADS)
        return;
    disk_open(1);
    thread_errno = EAGAIN;
    for (unsigned i = 0; i < 20; i++)
        submit(i, HAL_BLK_READ, 0, 1, 1);
    hal_blk_commit(0, 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(reap()->status, 0);
    assert_int_equal(threads, 1 + 1);
}

/* What waits is over; what has begun goes on. */
static void test_cancel(void **state)
{
    unsigned cancelled = 0;

    (void)state;
    disk_open(1);
    atomic_store(&slow, true);
    for (unsigned i = 0; i < 100; i++)
        submit(i, HAL_BLK_READ, 0, 1, 1);
    hal_blk_cancel(0, 0);
    for (unsigned i = 0; i < 100; i++) {
        int status = reap()->status;

        assert_true(status == 0 || status == -ECANCELED);
        cancelled += status != 0;
    }
    if (engine == HOST_DISK_THREADS)
        assert_true(cancelled >= 100 - 8);
    assert_null(hal_blk_poll(0, 0));
    atomic_store(&slow, false);
    hal_blk_cancel(0, 0); /* nothing */
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, 1), 0);
}

/* A cancelled call may say that it was interrupted. */
static void test_cancelled_calls(void **state)
{
    (void)state;
    disk_open(1);
    answer_with((const long[]){-ECANCELED}, 1);
    assert_int_equal(carry(HAL_BLK_READ, 0, 1, 1), -ECANCELED);
    if (engine != HOST_DISK_URING)
        return;
    submit(0, HAL_BLK_READ, 0, 1, 1);
    answer_with(NULL, 0);
    answer_always = -EINTR;
    hal_blk_cancel(0, 0);
    assert_int_equal(reap()->status, -ECANCELED);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_answers_to_transfers),
        READY(test_a_short_transfer_goes_on),
        READY(test_retries_end),
        READY(test_a_flush_is_of_the_medium),
        READY(test_zeroes_by_what_there_is),
        READY(test_zeroes_that_fail),
        READY(test_discards),
        READY(test_requests_run_side_by_side),
        READY(test_one_thread_is_enough),
        READY(test_cancel),
        READY(test_cancelled_calls),
    };
    int failed;

    engine = HOST_DISK_THREADS;
    failed = cmocka_run_group_tests_name("threads", tests, NULL, NULL);
    engine = HOST_DISK_URING;
    if (host_ring_probe() == 0)
        failed += cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
    return failed;
}
