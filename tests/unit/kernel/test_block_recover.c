/*
 * Time and recovery: what happens to requests when the device is silent, and
 * the sweep of every fault over a disk in memory.
 */
#include "kernel/device/block_internal.h"
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
#include <torc/memory.h>
#include <torc/thread.h>

enum { SECTORS = 512, MEMORY = 256 * 1024, ASKS = 32 };

static const uint64_t T0 = 1000 * NS_PER_S;

static struct ramblk disk;
static struct block_open disk_open;
static uint8_t data[SECTORS * 512];
static struct buf *memory;

static struct block_request requests[ASKS];
static struct slice slices[ASKS];
static int status_of[ASKS];
static uint64_t ended_at[ASKS];
static unsigned ended;

/* A silent disk at T0, with a cache. */
static void begin(void)
{
    clock_set(T0);
    machine_attach(8 << 20);
    console_forget();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 * 7 + i % 509);
    ramblk_init(&disk, data, sizeof(data));
    disk.deferred = true;
    memory = buf_alloc(MEMORY);
    assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &disk_open), 0);
    ended = 0;
}

static void end(void)
{
    block_check(&disk.block);
    assert_int_equal(disk_open.under_way, 0);
    block_close(&disk_open);
    buf_put(memory);
    machine_detach();
    clock_set(0);
}

static void done(struct block_request *request, int status)
{
    status_of[request - requests] = status;
    ended_at[request - requests] = clock_now();
    ended++;
}

static void fill(unsigned i, enum block_op op, uint64_t sector,
                 uint32_t sectors)
{
    bool has_data = op == BLOCK_READ || op == BLOCK_WRITE;

    slices[i] = (struct slice){memory, (uint32_t)sector * 512, sectors * 512};
    requests[i] = (struct block_request){
        .op = op,
        .sector = sector,
        .sectors = sectors,
        .vec = has_data ? &slices[i] : NULL,
        .count = has_data,
        .done = done,
    };
    status_of[i] = 1;
}

static void submit(unsigned i)
{
    assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
}

/* A read of 2 sectors at 10 * i, by itself. */
static void read_at(unsigned i, uint64_t deadline_ns)
{
    fill(i, BLOCK_READ, 10 * i, 2);
    requests[i].deadline_ns = deadline_ns;
    submit(i);
}

/* The time is `ns`, and everybody has done what there is to do. */
static void it_is(uint64_t ns)
{
    clock_set(ns);
    timer_run(ns);
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
    block_check(&disk.block);
}

/* ---- Deadlines ----------------------------------------------------------- */

static void test_deadline_of_30_seconds(void **state)
{
    (void)state;
    begin();
    read_at(0, 0);
    it_is(T0 + 10 * NS_PER_S);
    read_at(1, 0);
    it_is(T0 + 30 * NS_PER_S - 1);
    assert_int_equal(disk.recoveries, 0);
    assert_int_equal(ended, 0);
    it_is(T0 + 30 * NS_PER_S);
    assert_int_equal(disk.recoveries, 1);
    assert_true(console_has("error: rba: no answer in time: resetting it\n"));
    assert_true(console_has("warning: rba: works again\n"));
    assert_true(console_has(
        "error: rba: a read of 2 sectors at 0 has failed (error -110)\n"));
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    /* The other one has begun again. */
    assert_int_equal(disk.requests, 3);
    assert_int_equal(ramblk_complete(&disk), 1);
    assert_int_equal(status_of[1], 0);
    assert_memory_equal(slice_data(&slices[1]), data + 10 * 512, 1024);
    end();
}

/* An interrupt was lost: the answer is found when the alarm rings. */
static void test_deadline_finds_a_lost_interrupt(void **state)
{
    struct fault_plan plan = {.kind = FAULT_LOST_IRQ, .nth = 1};

    (void)state;
    begin();
    disk.faults = &plan;
    read_at(0, 0);
    it_is(T0 + 30 * NS_PER_S - 1);
    assert_int_equal(ended, 0);
    it_is(T0 + 30 * NS_PER_S);
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[0], 0);
    assert_int_equal(disk.recoveries, 0);
    assert_false(console_has("error"));
    end();
}

/* The alarm is set when it has to be, and forgotten when it rings for
 * nothing. */
static void test_alarm(void **state)
{
    (void)state;
    begin();
    assert_int_equal(timer_next(), TIME_NEVER);
    read_at(0, 0);
    assert_int_equal(timer_next(), T0 + 30 * NS_PER_S);
    clock_set(T0 + NS_PER_S);
    read_at(1, 0); /* later: it stays */
    assert_int_equal(timer_next(), T0 + 30 * NS_PER_S);
    read_at(2, T0 + 20 * NS_PER_S); /* earlier */
    assert_int_equal(timer_next(), T0 + 20 * NS_PER_S);
    assert_int_equal(ramblk_complete(&disk), 3);
    assert_int_equal(timer_next(), T0 + 20 * NS_PER_S);
    clock_set(T0 + 2 * NS_PER_S);
    read_at(3, T0 + 25 * NS_PER_S);
    read_at(4, 0);
    it_is(T0 + 20 * NS_PER_S); /* of those that are left */
    assert_int_equal(timer_next(), T0 + 25 * NS_PER_S);
    assert_true(ramblk_complete_one(&disk, 0));
    it_is(T0 + 25 * NS_PER_S);
    assert_int_equal(timer_next(), T0 + 32 * NS_PER_S);
    assert_int_equal(ramblk_complete(&disk), 1);
    it_is(T0 + 32 * NS_PER_S);
    assert_int_equal(timer_next(), TIME_NEVER);
    assert_int_equal(disk.recoveries, 0);
    end();
}

/* Of several lists, and within one, each has its own time. */
static void test_deadline_of_its_own(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 4; i++) {
        fill(i, BLOCK_READ, 2 * i, 2); /* they are joined */
        requests[i].deadline_ns = T0 + (i == 2 ? 1 : 40) * NS_PER_S;
        requests[i].next = i < 3 ? &requests[i + 1] : NULL;
    }
    submit(0);
    assert_int_equal(disk.requests, 1);
    it_is(T0 + NS_PER_S);
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[2], -ETIMEDOUT);
    assert_int_equal(disk.requests, 4); /* the others, one by one */
    assert_int_equal(ramblk_complete(&disk), 3);
    assert_int_equal(ended, 4);
    assert_int_equal(status_of[0] | status_of[1] | status_of[3], 0);
    end();
}

static void test_deadline_that_has_passed(void **state)
{
    (void)state;
    begin();
    read_at(0, T0);
    read_at(1, 1);
    read_at(2, T0 + 1);
    assert_int_equal(disk.requests, 1);
    assert_int_equal(ended, 2);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    assert_int_equal(status_of[1], -ETIMEDOUT);
    assert_int_equal(ramblk_complete(&disk), 1);
    assert_int_equal(status_of[2], 0);
    end();
}

/* What waits for room in the driver ends without a reset. */
static void test_deadline_while_waiting(void **state)
{
    (void)state;
    begin();
    disk.room = 1;
    read_at(0, T0 + 100 * NS_PER_S);
    read_at(1, T0 + 5 * NS_PER_S);
    for (unsigned i = 2; i < 5; i++) { /* these are joined */
        fill(i, BLOCK_READ, 100 + i, 1);
        requests[i].deadline_ns = T0 + i * 10 * NS_PER_S;
        requests[i].next = i < 4 ? &requests[i + 1] : NULL;
    }
    submit(2);
    it_is(T0 + 5 * NS_PER_S);
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[1], -ETIMEDOUT);
    it_is(T0 + 20 * NS_PER_S);
    assert_int_equal(ended, 2);
    assert_int_equal(status_of[2], -ETIMEDOUT);
    it_is(T0 + 30 * NS_PER_S);
    assert_int_equal(ended, 3);
    assert_int_equal(status_of[3], -ETIMEDOUT);
    assert_int_equal(disk.recoveries, 0);
    while (ramblk_complete_one(&disk, 0))
        ;
    assert_int_equal(disk.requests, 2);
    assert_int_equal(status_of[0] | status_of[4], 0);
    end();
}

/* A long request: its parts are with the driver, the rest waits. */
static void test_deadline_of_a_long_request(void **state)
{
    (void)state;
    begin();
    disk.block.limits.sectors = 2;
    fill(0, BLOCK_READ, 0, 100);
    fill(1, BLOCK_READ, 200, 100);
    requests[1].deadline_ns = T0 + 10 * NS_PER_S;
    submit(0);
    submit(1);
    assert_int_equal(disk.requests, 16);
    it_is(T0 + 10 * NS_PER_S);
    assert_int_equal(status_of[1], -ETIMEDOUT); /* it had no part yet */
    assert_int_equal(disk.recoveries, 0);
    it_is(T0 + 30 * NS_PER_S);
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    assert_int_equal(ended, 2);
    assert_int_equal(disk.requests, 16);
    /* The parts are back. */
    disk.deferred = false;
    clock_set(T0 + 31 * NS_PER_S);
    fill(2, BLOCK_READ, 0, 100);
    submit(2);
    assert_int_equal(status_of[2], 0);
    assert_memory_equal(memory->base, data, 100 * 512);
    end();
}

/* ---- Recovery ------------------------------------------------------------ */

/* The driver asks for it; what it had begins again, five times at most. */
static void test_recovery_is_asked_for(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 3; i++)
        read_at(i, 0);
    for (unsigned n = 1; n <= 6; n++) {
        block_recover(disk_open.queue, "it smells");
        block_recover(disk_open.queue, "and tastes"); /* once is enough */
        assert_true(console_has("error: rba: it smells: resetting it\n"));
        assert_false(console_has("and tastes"));
        it_is(T0);
        assert_int_equal(disk.recoveries, n);
        assert_int_equal(ended, n <= 5 ? 0 : 3);
        assert_int_equal(disk.requests, n <= 5 ? 3 + 3 * n : 18);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(status_of[i], -EIO);
    end();
}

/* What was given back, in whatever order, comes before what waited. */
static void test_recovery_keeps_the_order(void **state)
{
    uint64_t sectors;

    (void)state;
    begin();
    disk.room = 2;
    for (unsigned i = 0; i < 4; i++)
        read_at(i, 0);
    assert_int_equal(disk.requests, 2);
    block_recover(disk_open.queue, "a reason");
    it_is(T0);
    while (ramblk_complete_one(&disk, 0))
        ;
    assert_int_equal(ended, 4);
    assert_int_equal(disk.requests, 2 + 4);
    sectors = disk.given[2].sector + disk.given[3].sector;
    assert_int_equal(sectors, requests[0].sector + requests[1].sector);
    assert_int_equal(disk.given[4].sector, requests[2].sector);
    assert_int_equal(disk.given[5].sector, requests[3].sector);
    end();
}

/* A request of several steps goes on with the step that it was in. */
static void test_recovery_repeats_the_step(void **state)
{
    static const enum block_op given[] = {
        BLOCK_FLUSH, BLOCK_FLUSH, /* before, twice */
        BLOCK_WRITE, BLOCK_WRITE, /* itself */
        BLOCK_FLUSH, BLOCK_FLUSH, /* and after */
    };

    (void)state;
    begin();
    fill(0, BLOCK_WRITE, 10, 2);
    requests[0].flags = BLOCK_PREFLUSH | BLOCK_FUA;
    submit(0);
    for (unsigned step = 0; step < 3; step++) {
        assert_int_equal(disk.requests, 2 * step + 1);
        block_recover(disk_open.queue, "a reason");
        it_is(T0);
        assert_int_equal(disk.requests, 2 * step + 2);
        assert_int_equal(ended, 0);
        assert_true(ramblk_complete_one(&disk, 0));
    }
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[0], 0);
    for (unsigned i = 0; i < COUNT_OF(given); i++)
        assert_int_equal(disk.given[i].op, given[i]);
    end();
}

static int submit_meanwhile(void *arg)
{
    struct block_request *ahead = arg;

    read_at(1, 0);
    ahead->flags = BLOCK_AHEAD;
    assert_int_equal(block_submit(&disk_open, ahead), 0);
    assert_true(disk_open.queue->is_stopped);
    block_poll(disk_open.queue); /* does nothing */
    block_recover(disk_open.queue, "again");
    block_check(&disk.block);
    return 0;
}

/* While the device is reset nothing is given to it, and nothing is lost. */
static void test_requests_during_recovery(void **state)
{
    thread_id thread;

    (void)state;
    begin();
    disk.recover_yields = 5;
    fill(2, BLOCK_READ, 50, 1);
    read_at(0, 0);
    block_recover(disk_open.queue, "a reason");
    thread_yield(); /* the recovery begins */
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(
        thread_create(NULL, submit_meanwhile, &requests[2], &thread), 0);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(disk.requests, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[2], -ECANCELED);
    for (unsigned i = 0; i < 10; i++)
        thread_yield();
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(disk.requests, 3);
    assert_int_equal(ramblk_complete(&disk), 2);
    assert_int_equal(status_of[0] | status_of[1], 0);
    end();
}

/* A deadline that passes during recovery. */
static void test_deadline_during_recovery(void **state)
{
    (void)state;
    begin();
    disk.recover_yields = 5;
    read_at(0, T0 + 5 * NS_PER_S);
    block_recover(disk_open.queue, "a reason");
    thread_yield();
    read_at(1, T0 + 5 * NS_PER_S);
    read_at(2, T0 + 50 * NS_PER_S);
    clock_set(T0 + 5 * NS_PER_S);
    timer_run(T0 + 5 * NS_PER_S);
    assert_int_equal(status_of[1], -ETIMEDOUT);
    assert_int_equal(ended, 1); /* the other is with the driver */
    it_is(T0 + 5 * NS_PER_S);
    it_is(T0 + 5 * NS_PER_S);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(ramblk_complete(&disk), 1);
    assert_int_equal(status_of[2], 0);
    end();
}

/* A step of a request ends after its deadline, when the recovery has been asked
 * for: the next step has no time, and nobody would watch it. */
static void test_deadline_between_two_steps(void **state)
{
    (void)state;
    begin();
    disk.block.features = BLOCK_HAS_CACHE;
    fill(0, BLOCK_WRITE, 10, 2);
    requests[0].flags = BLOCK_PREFLUSH;
    requests[0].deadline_ns = T0 + 5 * NS_PER_S;
    submit(0);
    assert_int_equal(disk.requests, 1);
    clock_set(T0 + 5 * NS_PER_S);
    timer_run(T0 + 5 * NS_PER_S);
    assert_true(ramblk_complete_one(&disk, 0)); /* the flush */
    assert_int_equal(ended, 0);
    it_is(T0 + 5 * NS_PER_S);
    assert_int_equal(disk.recoveries, 1);
    assert_int_equal(disk.requests, 1);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    end();
}

/* The same, and it is the alarm that finds the step ended; another request gets
 * the room. */
static void test_deadline_before_the_next_step_has_room(void **state)
{
    static struct fault_plan plan;

    (void)state;
    begin();
    plan = (struct fault_plan){.kind = FAULT_LOST_IRQ, .nth = 1};
    disk.faults = &plan;
    disk.room = 1;
    disk.block.features = BLOCK_HAS_CACHE;
    fill(0, BLOCK_WRITE, 10, 2);
    requests[0].flags = BLOCK_PREFLUSH;
    requests[0].deadline_ns = T0 + 5 * NS_PER_S;
    submit(0);
    read_at(1, T0 + 50 * NS_PER_S);
    (void)ramblk_complete(&disk); /* the flush, but nobody is told */
    assert_int_equal(disk.requests, 1);
    it_is(T0 + 5 * NS_PER_S);
    assert_int_equal(disk.requests, 2);
    assert_int_equal(disk.recoveries, 0);
    assert_int_equal(ended, 1);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    assert_int_equal(ramblk_complete(&disk), 1);
    assert_int_equal(status_of[1], 0);
    end();
}

/* ---- Giving up ----------------------------------------------------------- */

static void test_disk_is_given_up(void **state)
{
    (void)state;
    for (int keeps = 0; keeps < 2; keeps++) {
        uint32_t refs;

        begin();
        disk.room = 3;
        disk.recover_status = -ETIMEDOUT;
        disk.keeps = keeps != 0;
        read_at(0, T0 + 1 * NS_PER_S);
        for (unsigned i = 1; i < 3; i++)
            read_at(i, 0);
        read_at(3, 0); /* waits */
        refs = memory->refs;
        it_is(T0 + 1 * NS_PER_S);
        assert_true(console_has("error: rba: it cannot be reset (error -110): "
                                "the disk is given up\n"));
        assert_int_equal(ended, 4);
        assert_int_equal(status_of[0], -ETIMEDOUT);
        for (unsigned i = 1; i < 4; i++)
            assert_int_equal(status_of[i], -EIO);
        /* What the device may still reach is never free again. */
        assert_int_equal(memory->refs, refs + (keeps ? 3 : 0));
        console_forget();
        read_at(5, 0);
        assert_int_equal(status_of[5], -EIO);
        assert_int_equal(block_flush(&disk_open), -EIO);
        block_recover(disk_open.queue, "once more");
        it_is(T0 + 100 * NS_PER_S);
        assert_int_equal(disk.recoveries, 1);
        assert_false(console_has("rba")); /* that is known */
        memory->refs = 1;
        end();
    }
}

/* The memory of joined requests and of parts. */
static void test_given_up_memory(void **state)
{
    (void)state;
    begin();
    disk.recover_status = -EIO;
    disk.keeps = true;
    disk.block.limits.sectors = 8;
    for (unsigned i = 0; i < 3; i++) {
        fill(i, BLOCK_WRITE, 2 * i, 2);
        requests[i].next = i < 2 ? &requests[i + 1] : NULL;
    }
    submit(0);
    assert_int_equal(disk.requests, 1);
    fill(3, BLOCK_READ, 100, 20);
    submit(3);
    assert_int_equal(disk.requests, 4);
    fill(4, BLOCK_FLUSH, 0, 0);
    submit(4);
    block_recover(disk_open.queue, "a reason");
    it_is(T0);
    assert_int_equal(ended, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(status_of[i], -EIO);
    assert_int_equal(memory->refs, 1 + 3 + 3);
    memory->refs = 1;
    end();
}

static int start_plain(struct block_device *dev)
{
    (void)dev;
    return 0;
}

static int submit_plain(struct block_queue *queue, struct block_request *first)
{
    (void)queue;
    (void)first;
    return 0; /* and never again */
}

static const struct block_ops plain_ops = {.start = start_plain,
                                           .submit = submit_plain};

/* A driver that cannot recover, nor poll. */
static void test_given_up_without_recovery(void **state)
{
    static struct block_device plain;
    struct block_open open;

    (void)state;
    begin();
    memset(&plain, 0, sizeof(plain));
    plain.ops = &plain_ops;
    plain.sectors = SECTORS;
    assert_int_equal(block_register(&plain, "vd"), 0);
    plain.device.owner = 0;
    assert_int_equal(block_start_bare(&plain), 0);
    assert_int_equal(block_open(&plain, BLOCK_SHARED, &open), 0);
    fill(0, BLOCK_READ, 0, 1);
    assert_int_equal(block_submit(&open, &requests[0]), 0);
    it_is(T0 + 30 * NS_PER_S);
    assert_int_equal(status_of[0], -ETIMEDOUT);
    assert_true(console_has("error: vda: it cannot be reset (error -95): the "
                            "disk is given up\n"));
    assert_int_equal(memory->refs, 2);
    memory->refs = 1;
    block_check(&plain);
    block_close(&open);
    end();
}

/* ---- Another size -------------------------------------------------------- */

static void test_disk_changes_its_size(void **state)
{
    (void)state;
    begin();
    disk.deferred = false;
    disk.block.sector_size = 4096;
    block_resized(&disk.block, SECTORS); /* as it was */
    it_is(T0);
    assert_false(console_has("has"));
    block_resized(&disk.block, 103); /* twelve sectors and a half */
    it_is(T0);
    assert_true(console_has("rba: has 96 sectors now, had 512\n"));
    assert_int_equal(disk.block.sectors, 96);
    fill(0, BLOCK_READ, 88, 8);
    submit(0);
    assert_int_equal(status_of[0], 0);
    fill(0, BLOCK_READ, 96, 8);
    assert_int_equal(block_submit(&disk_open, &requests[0]), -EINVAL);
    block_resized(&disk.block, 200);
    block_resized(&disk.block, SECTORS);
    it_is(T0);
    assert_true(console_has("rba: has 512 sectors now, had 96\n"));
    submit(0);
    assert_int_equal(status_of[0], 0);
    end();
}

/* ---- Every fault --------------------------------------------------------- */

enum { SWEEP_LISTS = 3 };

static void sweep_fill(void)
{
    fill(0, BLOCK_WRITE, 0, 4); /* joined: 0 to 2 */
    fill(1, BLOCK_WRITE, 4, 4);
    fill(2, BLOCK_WRITE, 8, 4);
    fill(3, BLOCK_WRITE, 50, 2);
    requests[3].flags = BLOCK_FUA | BLOCK_PREFLUSH;
    fill(4, BLOCK_FLUSH, 0, 0);
    fill(5, BLOCK_READ, 100, 40); /* in parts */
    fill(6, BLOCK_READ, 200, 1);
    fill(7, BLOCK_WRITE_ZEROES, 300, 12);
    fill(8, BLOCK_DISCARD, 400, 8);
}

/* Every request ended in time, and well but for what the fault has hit. */
static void sweep_check(const struct fault_plan *plan, const uint8_t *before)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < 9; i++) {
        assert_true(status_of[i] == 0 || status_of[i] == -EIO ||
                    status_of[i] == -ETIMEDOUT);
        assert_true(ended_at[i] <= T0 + 30 * NS_PER_S);
        failed += status_of[i] != 0;
        if (status_of[i] == 0 && requests[i].op == BLOCK_READ)
            assert_memory_equal(slice_data(&slices[i]),
                                before + requests[i].sector * 512,
                                requests[i].sectors * 512);
        if (status_of[i] == 0 && requests[i].op == BLOCK_WRITE)
            assert_memory_equal(slice_data(&slices[i]),
                                data + requests[i].sector * 512,
                                requests[i].sectors * 512);
    }
    switch (plan->kind) {
    case FAULT_FAIL: /* of the joined ones none: they are tried again */
    case FAULT_SHORT:
        assert_true(failed <= 1);
        break;
    case FAULT_RESET:
    case FAULT_NEVER:
        break;
    default:
        assert_int_equal(failed, 0);
    }
}

static void sweep_run(struct fault_plan *plan, void *arg)
{
    static uint8_t before[sizeof(data)];

    (void)arg;
    begin();
    disk.deferred = false;
    disk.block.limits.sectors = 16;
    disk.block.limits.discard_sectors = 8;
    memset(memory->base, 0x3c, MEMORY);
    memcpy(before, data, sizeof(data));
    disk.faults = plan;
    sweep_fill();
    for (unsigned i = 0; i < 8; i++)
        requests[i].next = i == 2 || i == 5 ? NULL : &requests[i + 1];
    submit(0);
    submit(3);
    submit(6);
    for (unsigned second = 0; second <= 30 && ended < 9; second++) {
        it_is(T0 + second * NS_PER_S);
        if (second == 20)
            ramblk_complete(&disk); /* what was late */
    }
    assert_int_equal(ended, 9);
    sweep_check(plan, before);
    /* It works as before. */
    disk.faults = NULL;
    fill(0, BLOCK_READ, 10, 40);
    submit(0);
    assert_int_equal(status_of[0], 0);
    assert_int_equal(
        block_write_error(&disk_open) != 0,
        (status_of[1] | status_of[2] | status_of[3] | status_of[7]) != 0);
    end();
}

static void test_every_fault(void **state)
{
    (void)state;
    assert_true(fault_sweep(FAULT_ALL, sweep_run, NULL) > 50);
}

/* ---- Starting ------------------------------------------------------------ */

static int start_status;

static int start_fails(struct block_device *dev)
{
    (void)dev;
    return start_status;
}

static const struct block_ops failing_ops = {.start = start_fails,
                                             .submit = submit_plain};

/* Each allocation of a start fails once, then the driver: nothing stays, and
 * the next start works. */
static void test_start_without_memory(void **state)
{
    static struct block_device plain;
    size_t blocks = 0;

    (void)state;
    begin();
    memset(&plain, 0, sizeof(plain));
    plain.ops = &failing_ops;
    plain.sectors = SECTORS;
    assert_int_equal(block_register(&plain, "vd"), 0);
    plain.device.owner = 0;
    for (uint64_t n = 0;; n++) {
        int status;

        start_status = n == 0 ? -ENODEV : 0;
        heap_fail(n);
        status = block_start_bare(&plain);
        if (n > 0 && !heap_failed())
            break;
        assert_int_equal(status, n == 0 ? -ENODEV : -ENOMEM);
        assert_int_equal(plain.queue_count, 0);
        assert_null(plain.queues[0]);
        assert_null(plain.recovery);
        thread_spares_drop();
        if (n == 0)
            blocks = stats().block_count;
        assert_int_equal(stats().block_count, blocks);
        assert_true(n < 50);
    }
    heap_fail(0);
    assert_int_equal(plain.queue_count, 1);
    block_check(&plain);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline_of_30_seconds),
        cmocka_unit_test(test_deadline_finds_a_lost_interrupt),
        cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_deadline_of_its_own),
        cmocka_unit_test(test_deadline_that_has_passed),
        cmocka_unit_test(test_deadline_while_waiting),
        cmocka_unit_test(test_deadline_of_a_long_request),
        cmocka_unit_test(test_recovery_is_asked_for),
        cmocka_unit_test(test_recovery_keeps_the_order),
        cmocka_unit_test(test_recovery_repeats_the_step),
        cmocka_unit_test(test_requests_during_recovery),
        cmocka_unit_test(test_deadline_during_recovery),
        cmocka_unit_test(test_deadline_between_two_steps),
        cmocka_unit_test(test_deadline_before_the_next_step_has_room),
        cmocka_unit_test(test_disk_is_given_up),
        cmocka_unit_test(test_given_up_memory),
        cmocka_unit_test(test_given_up_without_recovery),
        cmocka_unit_test(test_disk_changes_its_size),
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_start_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
