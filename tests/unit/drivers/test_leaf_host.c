/*
 * The driver of the hosted disks over a host that the test plays: what it asks
 * of it, and what it makes of each answer.
 */
#include "hal/leaf.h"
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/leaf.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { UNITS = 4, DISK_IRQ = 230 };

/* ---- The host, in place of leaf_disk.c ----------------------------------- */

static unsigned disk_count;
static struct hal_blk_info disk_info[UNITS];

static int submit_status;
static unsigned submit_unit;
static struct hal_blk_req *with_host[100]; /* requests, oldest first */
static unsigned with_host_count;
static unsigned committed;    /* of them */
static unsigned done_by_host; /* of them, to be polled */
static unsigned commits;
static bool answers; /* the host answers at once: with zeroes */
static enum { CANCEL_NOTHING, CANCEL_ALL } cancels;
static int disk_irq;

/* A disk with a queue on each of these CPUs. The host answers at once. */
enum { CPUS = 2 };
static const unsigned queue_cpus[CPUS] = {1, 0};
static bool by_queue;
static struct hal_blk_req *answered[CPUS];

static void queue_check(unsigned unit, unsigned queue)
{
    if (unit != 0 || queue >= CPUS || queue_cpus[queue] != cpu_self()->id)
        panic("queue %u of disk %u on CPU %u", queue, unit, cpu_self()->id);
}

static void answer_one(unsigned unit, unsigned queue, struct hal_blk_req *req)
{
    queue_check(unit, queue);
    if (answered[queue] != NULL || req->op != HAL_BLK_READ)
        panic("queue %u has a request", queue);
    for (unsigned i = 0; i < req->vec_count; i++)
        memset(req->vec[i].base, (int)(queue_cpus[queue] + 1), req->vec[i].len);
    req->status = 0;
    answered[queue] = req;
}

static struct hal_blk_req *poll_one(unsigned unit, unsigned queue)
{
    struct hal_blk_req *req;

    queue_check(unit, queue);
    req = answered[queue];
    answered[queue] = NULL;
    return req;
}

int leaf_disks_open(const struct host_config *config)
{
    (void)config;
    return 0;
}

void leaf_disks_close(void)
{
}

void leaf_disks_check(void)
{
}

int hal_blk_info(unsigned unit, struct hal_blk_info *info)
{
    if (unit >= disk_count)
        return -ENODEV;
    *info = disk_info[unit];
    return 0;
}

int hal_blk_open(unsigned unit, unsigned queue)
{
    if (by_queue) {
        queue_check(unit, queue);
        return disk_irq + (int)queue;
    }
    assert_int_equal(queue, 0);
    assert_true(unit < disk_count);
    return disk_irq;
}

int hal_blk_submit(unsigned unit, unsigned queue, struct hal_blk_req *req)
{
    if (by_queue) {
        answer_one(unit, queue, req);
        return 0;
    }
    assert_int_equal(queue, 0);
    submit_unit = unit;
    if (submit_status != 0)
        return submit_status;
    req->status = -EIO; /* unless the test says otherwise */
    with_host[with_host_count++] = req;
    return 0;
}

void hal_blk_commit(unsigned unit, unsigned queue)
{
    if (by_queue) {
        queue_check(unit, queue);
        irq_raise(disk_irq + (int)queue);
        return;
    }
    assert_int_equal(unit, submit_unit);
    assert_int_equal(queue, 0);
    committed = with_host_count;
    commits++;
    if (!answers)
        return;
    for (unsigned i = 0; i < with_host_count; i++) {
        assert_int_equal(with_host[i]->op, HAL_BLK_READ);
        for (unsigned k = 0; k < with_host[i]->vec_count; k++)
            memset(with_host[i]->vec[k].base, 0, with_host[i]->vec[k].len);
        with_host[i]->status = 0;
    }
    done_by_host = with_host_count;
    irq_raise(disk_irq);
}

struct hal_blk_req *hal_blk_poll(unsigned unit, unsigned queue)
{
    struct hal_blk_req *req = with_host[0];

    if (by_queue)
        return poll_one(unit, queue);
    assert_int_equal(unit, submit_unit);
    assert_int_equal(queue, 0);
    if (done_by_host == 0)
        return NULL;
    assert_true(done_by_host <= committed);
    done_by_host--;
    committed--;
    with_host_count--;
    memmove(with_host, with_host + 1, with_host_count * sizeof(*with_host));
    return req;
}

void hal_blk_cancel(unsigned unit, unsigned queue)
{
    assert_int_equal(unit, submit_unit);
    assert_int_equal(queue, 0);
    if (cancels == CANCEL_NOTHING)
        return;
    for (unsigned i = 0; i < with_host_count; i++)
        if (with_host[i]->status != 0)
            with_host[i]->status = -ECANCELED;
    done_by_host = committed;
}

static struct {
    unsigned unit;
    bool is_write;
    uint64_t sector;
    void *data;
    size_t size;
} now_asked;

int hal_blk_now(unsigned unit, bool is_write, uint64_t sector, void *data,
                size_t size)
{
    now_asked.unit = unit;
    now_asked.is_write = is_write;
    now_asked.sector = sector;
    now_asked.data = data;
    now_asked.size = size;
    return submit_status;
}

static struct block_device *disk;
static struct block_open disk_open;
static struct buf *memory;
enum { REQUESTS = 80 };
static struct slice slices[REQUESTS];
static struct block_request requests[REQUESTS];
static int done_status[REQUESTS];
static unsigned done_count;

static int setup(void **state)
{
    (void)state;
    disk_count = 0;
    submit_status = 0;
    with_host_count = committed = done_by_host = 0;
    disk_irq = DISK_IRQ;
    for (unsigned i = 0; i < REQUESTS; i++)
        requests[i].flags = 0;
    for (unsigned i = 0; i < UNITS; i++) {
        disk_info[i] = (struct hal_blk_info){.sectors = 4096,
                                             .sector_size = 512,
                                             .memory_align = 1,
                                             .vec_max = 200,
                                             .sectors_max = 1024,
                                             .queue_count = 1,
                                             .queue_depth = 128};
    }
    console_forget();
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

/* ---- Disks --------------------------------------------------------------- */

static void done(struct block_request *request, int status)
{
    done_status[request - requests] = status;
    done_count++;
}

static void done_any(struct block_request *request, int status)
{
    (void)request;
    assert_int_equal(status, 0);
    done_count++;
}

static void disk_start(void)
{
    disk_count = 1;
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_non_null(disk);
    answers = true; /* to those who look for partitions */
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    answers = false;
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    memory = buf_alloc(REQUESTS * 16 * BLOCK_SECTOR_SIZE);
    done_count = 0;
}

/* Far from each other, so that none are joined. */
static void submit(unsigned i, enum block_op op, uint32_t sectors)
{
    slices[i] = (struct slice){memory, i * 16 * BLOCK_SECTOR_SIZE,
                               sectors * BLOCK_SECTOR_SIZE};
    requests[i] = (struct block_request){
        .op = op,
        .flags = requests[i].flags,
        .sector = op == BLOCK_FLUSH ? 0 : 100 + 20 * i,
        .sectors = sectors,
        .vec = &slices[i],
        .count = op == BLOCK_READ || op == BLOCK_WRITE,
        .done = done,
    };
    assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
}

static void test_leaf_disks_are_found(void **state)
{
    struct mem_stats before;

    (void)state;
    disk_count = 4;
    disk_info[1].sectors = 0;
    disk_info[2].sectors = 8191;
    disk_info[2].read_only = true;
    disk_info[2].vec_max = 5;
    disk_info[3].sectors = 1;
    before = stats();
    assert_int_equal(leaf_blk_driver.probe(), 0);
    assert_int_equal(stats().block_count, before.block_count + 3);
    disk = block_from_device(device_by_name("vda"));
    assert_int_equal(disk->sectors, 4096);
    assert_int_equal(disk->limits.sectors, 1024);
    assert_int_equal(disk->limits.segments, 64);
    assert_int_equal(disk->limits.align, 1);
    assert_int_equal(disk->sector_size, 512);
    assert_int_equal(disk->features, BLOCK_HAS_CACHE | BLOCK_HAS_FUA);
    assert_true(disk->limits.discard_sectors > 1000000);
    assert_true(disk->limits.zeroes_sectors > 1000000);
    assert_false(disk->read_only);
    disk = block_from_device(device_by_name("vdb"));
    assert_int_equal(disk->sectors, 8191);
    assert_int_equal(disk->limits.segments, 5);
    assert_true(disk->read_only);
    disk = block_from_device(device_by_name("vdc"));
    assert_int_equal(disk->sectors, 1);
    assert_null(device_by_name("vdd"));
    assert_true(console_has("vda: 2 MiB, file\n"));
    assert_true(console_has("warning: disk 1 has no sectors: left out\n"));
    assert_true(console_has("vdb: 3 MiB, read-only, file\n"));
}

static void test_leaf_probe_out_of_memory(void **state)
{
    struct mem_stats before = stats();

    (void)state;
    disk_count = 1;
    heap_fail(1);
    assert_int_equal(leaf_blk_driver.probe(), -ENOMEM);
    assert_int_equal(stats().block_count, before.block_count);
    assert_null(device_by_name("vda"));
}

/* clang-format off */
static const struct {
    enum block_op op;
    unsigned flags;
    uint32_t count;
    enum hal_blk_op want;
    unsigned want_flags;
    unsigned pieces;
} ask_rows[] = {
    {BLOCK_READ, 0, 8, HAL_BLK_READ, 0, 1},
    {BLOCK_WRITE, 0, 9, HAL_BLK_WRITE, 0, 1},
    {BLOCK_WRITE, BLOCK_FUA, 9, HAL_BLK_WRITE, HAL_BLK_FUA, 1},
    {BLOCK_READ, BLOCK_META, 1, HAL_BLK_READ, 0, 1},
    {BLOCK_FLUSH, 0, 0, HAL_BLK_FLUSH, 0, 0},
    {BLOCK_DISCARD, 0, 4, HAL_BLK_DISCARD, 0, 0},
    {BLOCK_WRITE_ZEROES, 0, 5, HAL_BLK_WRITE_ZEROES, 0, 0},
    {BLOCK_WRITE_ZEROES, BLOCK_FUA, 5, HAL_BLK_WRITE_ZEROES, HAL_BLK_FUA, 0},
};
/* clang-format on */

static void test_leaf_disk_says_what_it_wants(void **state)
{
    (void)state;
    disk_start();
    for (unsigned i = 0; i < COUNT_OF(ask_rows); i++) {
        const struct hal_blk_req *req;

        requests[i].flags = ask_rows[i].flags;
        submit(i, ask_rows[i].op, ask_rows[i].count);
        req = with_host[i];
        assert_int_equal(submit_unit, 0);
        assert_int_equal(req->sector,
                         ask_rows[i].op == BLOCK_FLUSH ? 0 : 100 + 20 * i);
        assert_int_equal(req->op, ask_rows[i].want);
        assert_int_equal(req->flags, ask_rows[i].want_flags);
        assert_int_equal(req->sectors, ask_rows[i].count);
        assert_int_equal(req->vec_count, ask_rows[i].pieces);
        if (ask_rows[i].pieces == 0)
            continue;
        assert_int_equal(req->vec[0].len, ask_rows[i].count * 512);
        assert_ptr_equal(req->vec[0].base, slice_data(&slices[i]));
    }
    done_by_host = COUNT_OF(ask_rows);
    block_poll(disk->queues[0]);
    assert_int_equal(done_count, COUNT_OF(ask_rows));
}

/* The pieces are those of the slices, of neighbours that were joined too; a
 * list is committed once. */
static void test_leaf_disk_takes_many_pieces(void **state)
{
    static struct slice vec[100];
    struct block_request list[2];

    (void)state;
    disk_start();
    for (unsigned i = 0; i < 100; i++)
        vec[i] = (struct slice){memory, (99 - i) * 1024, 512};
    for (unsigned i = 0; i < 2; i++)
        list[i] = (struct block_request){.op = BLOCK_WRITE,
                                         .sector = 7 + 30 * i,
                                         .sectors = 30,
                                         .vec = vec + 30 * i,
                                         .count = 30,
                                         .next = i == 0 ? &list[1] : NULL,
                                         .done = done_any};
    commits = 0;
    assert_int_equal(block_submit(&disk_open, list), 0);
    assert_int_equal(with_host_count, 1);
    assert_int_equal(commits, 1);
    assert_int_equal(with_host[0]->sector, 7);
    assert_int_equal(with_host[0]->sectors, 60);
    assert_int_equal(with_host[0]->vec_count, 60);
    for (unsigned i = 0; i < 60; i++) {
        assert_ptr_equal(with_host[0]->vec[i].base, slice_data(&vec[i]));
        assert_int_equal(with_host[0]->vec[i].len, 512);
    }
    with_host[0]->status = 0;
    done_by_host = 1;
    block_poll(disk->queues[0]);
    assert_int_equal(done_count, 2);

    /* More than 64 go in parts. */
    list[0] = (struct block_request){.op = BLOCK_READ,
                                     .sectors = 100,
                                     .vec = vec,
                                     .count = 100,
                                     .done = done_any};
    assert_int_equal(block_submit(&disk_open, list), 0);
    assert_int_equal(with_host_count, 2);
    assert_int_equal(commits, 2);
    assert_int_equal(with_host[0]->vec_count, 64);
    assert_int_equal(with_host[1]->vec_count, 36);
    with_host[0]->status = with_host[1]->status = 0;
    done_by_host = 2;
    block_poll(disk->queues[0]);
    assert_int_equal(done_count, 3);
}

/* It has room for 64 requests; those that the host refuses take none. */
static void test_leaf_disk_has_room(void **state)
{
    (void)state;
    disk_start();
    submit_status = -EINVAL;
    for (unsigned i = 0; i < REQUESTS; i++) {
        submit(i, BLOCK_READ, 1);
        assert_int_equal(done_status[i], -EINVAL);
    }
    submit_status = 0;
    done_count = 0;
    for (unsigned i = 0; i < 66; i++)
        submit(i, BLOCK_READ, 1);
    assert_int_equal(with_host_count, 64);
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(with_host[i], with_host[k]);
    }
    /* What came back is room again. */
    with_host[0]->status = 0;
    with_host[1]->status = -EIO;
    with_host[2]->status = -ENOSPC;
    done_by_host = 3;
    block_poll(disk->queues[0]);
    assert_int_equal(done_count, 3);
    assert_int_equal(done_status[0], 0);
    assert_int_equal(done_status[1], -EIO);
    assert_int_equal(done_status[2], -ENOSPC);
    assert_int_equal(with_host_count, 63);
    for (unsigned i = 66; i < 69; i++)
        submit(i, BLOCK_READ, 1);
    assert_int_equal(with_host_count, 64);
    block_check(disk);
}

/* The host is silent: what it has not begun comes back, and goes to it again.
 */
static void test_leaf_disk_recovers(void **state)
{
    (void)state;
    disk_start();
    for (unsigned i = 0; i < 3; i++)
        submit(i, BLOCK_READ, 1);
    with_host[0]->status = 0;
    cancels = CANCEL_ALL;
    block_recover(disk->queues[0], "test");
    while (done_count < 1 || with_host_count < 2 || committed < 2)
        thread_yield();
    assert_int_equal(done_status[0], 0);
    assert_true(console_has("vda: works again\n"));
    with_host[0]->status = with_host[1]->status = 0;
    done_by_host = 2;
    block_poll(disk->queues[0]);
    assert_int_equal(done_count, 3);
    assert_int_equal(done_status[1], 0);
    assert_int_equal(done_status[2], 0);
}

/* It takes a while, but not more than five seconds. */
static void test_leaf_disk_recovers_late(void **state)
{
    (void)state;
    disk_start();
    submit(0, BLOCK_READ, 1);
    cancels = CANCEL_NOTHING;
    block_recover(disk->queues[0], "test");
    thread_sleep(30 * NS_PER_MS);
    assert_false(console_has("works again"));
    with_host[0]->status = 0;
    done_by_host = 1;
    while (!console_has("vda: works again\n"))
        thread_yield();
    assert_int_equal(done_count, 1);
}

static void test_leaf_disk_is_given_up(void **state)
{
    (void)state;
    disk_start();
    submit(0, BLOCK_READ, 1);
    cancels = CANCEL_NOTHING;
    block_recover(disk->queues[0], "test");
    thread_sleep(30 * NS_PER_MS);
    clock_set(time_ns() + 6 * NS_PER_S);
    timer_run(time_ns());
    while (done_count == 0)
        thread_yield();
    assert_int_equal(done_status[0], -EIO);
    submit(1, BLOCK_READ, 1);
    assert_int_equal(done_status[1], -EIO);
    clock_set(0);
}

/* The interrupt brings what is done, in the next pass. */
static void test_leaf_disk_interrupts(void **state)
{
    (void)state;
    disk_start();
    submit(0, BLOCK_READ, 1);
    with_host[0]->status = 0;
    done_by_host = 1;
    thread_yield();
    assert_int_equal(done_count, 0);
    irq_raise(DISK_IRQ);
    thread_yield();
    thread_yield();
    assert_int_equal(done_count, 1);
}

/* Each allocation of the start fails once; then it starts. */
static void test_leaf_disk_without_memory(void **state)
{
    unsigned fails = 0;

    (void)state;
    disk_count = 1;
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    for (;; fails++) {
        answers = true;
        heap_fail(fails + 1);
        if (device_dedicate(&disk->device, 0) == 0)
            break;
        irq_raise(DISK_IRQ); /* for nobody */
        thread_yield();
        thread_yield();
    }
    heap_fail(0);
    answers = false;
    assert_true(fails >= 3);
    assert_int_equal(block_open(disk, BLOCK_SHARED, &disk_open), 0);
    memory = buf_alloc(16 * BLOCK_SECTOR_SIZE);
    done_count = 0;
    submit(0, BLOCK_READ, 1);
    with_host[0]->status = 0;
    done_by_host = 1;
    irq_raise(DISK_IRQ);
    thread_yield();
    thread_yield();
    assert_int_equal(done_count, 1);
}

static void test_leaf_without_an_interrupt(void **state)
{
    (void)state;
    disk_count = 1;
    disk_irq = IRQ_COUNT;
    assert_int_equal(leaf_blk_driver.probe(), 0);
    disk = block_from_device(device_by_name("vda"));
    assert_int_not_equal(device_dedicate(&disk->device, 0), 0);
}

/* ---- Several queues ------------------------------------------------------ */

static int reads_here(void *arg)
{
    struct block_open open;
    uint8_t *buf = dma_alloc(512);
    unsigned cpu = cpu_self()->id;

    (void)arg;
    if (block_open(disk, BLOCK_SHARED, &open) != 0)
        return 1;
    for (unsigned i = 0; i < 20; i++) {
        memset(buf, 0, 512);
        if (disk_read(&open, 100 * cpu + i, 1, buf) != 0 || buf[511] != cpu + 1)
            panic("a read on CPU %u", cpu);
    }
    block_close(&open);
    dma_free(buf, 512);
    return 0;
}

static int queue_of_each(void *arg)
{
    thread_id readers[CPUS];

    (void)arg;
    disk = block_from_device(device_by_name("vda"));
    if (block_dedicate(disk, queue_cpus, CPUS) != 0 ||
        disk->queue_count != CPUS)
        return 1;
    for (unsigned i = 0; i < CPUS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = i};

        if (thread_create(&attr, reads_here, NULL, &readers[i]) != 0)
            return 2;
    }
    for (unsigned i = 0; i < CPUS; i++) {
        int status;

        if (thread_join(readers[i], &status) != 0 || status != 0)
            return 3;
    }
    return 0;
}

/* Each is used on its own CPU, for what is read there. */
static void test_leaf_disk_with_several_queues(void **state)
{
    static char output[65536];
    int status;

    (void)state;
    disk_count = 1;
    disk_irq = DISK_IRQ;
    disk_info[0] = (struct hal_blk_info){.sectors = 4096,
                                         .sector_size = 512,
                                         .memory_align = 1,
                                         .vec_max = 200,
                                         .sectors_max = 1024,
                                         .queue_count = CPUS,
                                         .queue_depth = 128};
    by_queue = true;
    machine_drivers[0] = &leaf_blk_driver;
    status = machine_run_output(CPUS, 16 << 20, "", queue_of_each, NULL, output,
                                sizeof(output));
    machine_drivers[0] = NULL;
    by_queue = false;
    if (status != 0)
        fail_msg("status %d:\n%s", status, output);
}

/* Without the block layer. */
static void test_leaf_disk_raw(void **state)
{
    const struct block_raw_ops *raw;
    char bytes[512];

    (void)state;
    disk_count = 2;
    assert_int_equal(leaf_blk_driver.probe(), 0);
    assert_null(leaf_blk_dump_driver.probe);
    disk = block_from_device(device_by_name("vdb"));
    raw = disk->ops->raw;
    assert_ptr_equal(raw, &leaf_blk_raw);
    assert_int_equal(raw->prepare(disk), 0);
    assert_int_equal(raw->begin(disk), 0);
    assert_int_equal(raw->move(disk, false, 7, bytes, sizeof(bytes)), 0);
    assert_int_equal(now_asked.unit, 1);
    assert_false(now_asked.is_write);
    assert_int_equal(now_asked.sector, 7);
    assert_ptr_equal(now_asked.data, bytes);
    assert_int_equal(now_asked.size, sizeof(bytes));
    submit_status = -EIO;
    assert_int_equal(raw->move(disk, true, 8, bytes, sizeof(bytes)), -EIO);
    assert_true(now_asked.is_write);
    assert_int_equal(raw->flush(disk), -EIO);
    assert_int_equal(now_asked.size, 0);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_leaf_disks_are_found),
        READY(test_leaf_probe_out_of_memory),
        READY(test_leaf_disk_says_what_it_wants),
        READY(test_leaf_disk_takes_many_pieces),
        READY(test_leaf_disk_has_room),
        READY(test_leaf_disk_recovers),
        READY(test_leaf_disk_recovers_late),
        READY(test_leaf_disk_is_given_up),
        READY(test_leaf_disk_without_memory),
        READY(test_leaf_disk_raw),
        READY(test_leaf_disk_interrupts),
        READY(test_leaf_without_an_interrupt),
        cmocka_unit_test(test_leaf_disk_with_several_queues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
