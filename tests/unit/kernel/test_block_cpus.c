/*
 * A disk with queues on several CPUs: each CPU uses its own, claims are settled
 * by the owner, and recovery reaches all of them.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <string.h>
#include <torc/device.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { CPUS = 3, SECTORS = 600, ROUNDS = 50 };

static struct ramblk disk;
static uint8_t data[SECTORS * 512];

/* In the child process cmocka's assertions do not work: the line is the exit
 * status of what failed. */
#define MUST(holds)                                                     \
    do {                                                                \
        if (!(holds)) {                                                 \
            printf("line %d on CPU %u: %s\n", __LINE__, cpu_self()->id, \
                   #holds);                                             \
            return 1;                                                   \
        }                                                               \
    } while (0)

static int disk_make(void)
{
    static const unsigned cpus[CPUS] = {1, 0, 2};

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 * 5 + i % 253);
    ramblk_prepare(&disk, data, sizeof(data));
    MUST(block_register(&disk.block, "rb") == 0);
    MUST(block_dedicate(&disk.block, cpus, CPUS) == 0);
    MUST(disk.block.queue_count == CPUS);
    for (unsigned i = 0; i < CPUS; i++) {
        MUST(disk.block.queues[i]->cpu == cpus[i]);
        MUST(disk.block.queues[i]->index == i);
    }
    return 0;
}

/* Run fn on each CPU at once; the number of those that failed. */
struct job {
    int (*fn)(unsigned cpu);
    unsigned cpu;
    thread_id thread;
};

static int job_run(void *arg)
{
    const struct job *job = arg;

    return job->fn(job->cpu);
}

static int on_all(int (*fn)(unsigned cpu))
{
    struct job jobs[CPUS];
    int failed = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = i};

        jobs[i] = (struct job){.fn = fn, .cpu = i};
        MUST(thread_create(&attr, job_run, &jobs[i], &jobs[i].thread) == 0);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        int status = 0;

        MUST(thread_join(jobs[i].thread, &status) == 0);
        failed += status != 0;
    }
    return failed;
}

/* ---- Each on its own queue ----------------------------------------------- */

static int read_and_write(unsigned cpu)
{
    struct block_open open;
    uint8_t buf[1024];

    MUST(block_open(&disk.block, BLOCK_SHARED, &open) == 0);
    MUST(open.queue->cpu == cpu);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t sector = 200 * cpu + i;

        MUST(disk_read(&open, sector, 2, buf) == 0);
        MUST(memcmp(buf, data + sector * 512, 1024) == 0);
        memset(buf, (int)(cpu * 16 + i), 512);
        MUST(disk_write(&open, sector, 1, buf) == 0);
        MUST(data[sector * 512 + 511] == (uint8_t)(cpu * 16 + i));
    }
    block_check(&disk.block);
    block_close(&open);
    return 0;
}

static int run_on_all(void *arg)
{
    (void)arg;
    MUST(disk_make() == 0);
    MUST(on_all(read_and_write) == 0);
    for (unsigned i = 0; i < CPUS; i++)
        MUST(disk.block.queues[i]->submitted >= 2 * ROUNDS);
    return 0;
}

static void test_cpus_each_uses_its_queue(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_on_all, NULL), 0);
}

/* ---- Claims -------------------------------------------------------------- */

static _Atomic(unsigned) opened, refused;

static int open_exclusively(unsigned cpu)
{
    struct block_open open;
    int status;

    (void)cpu;
    for (unsigned i = 0; i < ROUNDS; i++) {
        status = block_open(&disk.block, BLOCK_EXCLUSIVE, &open);
        if (status == 0) {
            opened++;
            thread_yield();
            block_close(&open);
        } else {
            MUST(status == -EBUSY);
            refused++;
        }
        thread_yield();
    }
    return 0;
}

static int run_claims(void *arg)
{
    struct block_open open;

    (void)arg;
    MUST(disk_make() == 0);
    MUST(on_all(open_exclusively) == 0);
    MUST(opened > 0 && opened + refused == CPUS * ROUNDS);
    MUST(block_open(&disk.block, BLOCK_EXCLUSIVE, &open) == 0);
    return 0;
}

static void test_cpus_one_exclusive_user(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_claims, NULL), 0);
}

/* ---- Recovery ------------------------------------------------------------ */

static struct fault_plan plans[1];

/* The CPU's request gets no answer in time; another one, which has more time,
 * does. */
static struct {
    struct block_request request[2];
    struct slice slice[2];
    volatile int status[2];
} asked[CPUS];

static void asked_done(struct block_request *request, int status)
{
    unsigned cpu = cpu_self()->id;

    asked[cpu].status[request - asked[cpu].request] = status;
}

static int ask_in_silence(unsigned cpu)
{
    struct buf *buf = buf_alloc(4096);
    struct block_open open;

    MUST(buf != NULL);
    MUST(block_open(&disk.block, BLOCK_SHARED, &open) == 0);
    for (unsigned i = 0; i < 2; i++) {
        asked[cpu].status[i] = 1;
        asked[cpu].slice[i] = (struct slice){buf, 2048 * i, 512};
        asked[cpu].request[i] = (struct block_request){
            .op = BLOCK_READ,
            .sector = 100 * cpu + 10 * i,
            .sectors = 1,
            .vec = &asked[cpu].slice[i],
            .count = 1,
            .deadline_ns =
                time_ns() + (i == 0 ? NS_PER_S / 20 : 100 * NS_PER_S),
            .done = asked_done,
        };
        MUST(block_submit(&open, &asked[cpu].request[i]) == 0);
    }
    while (asked[cpu].status[0] == 1)
        thread_sleep(NS_PER_S / 200);
    /* When a disk is given up, some may have had time left. */
    MUST(asked[cpu].status[0] == -ETIMEDOUT ||
         (disk.recover_status != 0 && asked[cpu].status[0] == -EIO));
    block_check(&disk.block);
    while (asked[cpu].status[1] == 1)
        thread_sleep(NS_PER_S / 200);
    if (disk.recover_status == 0) {
        MUST(asked[cpu].status[1] == 0);
        MUST(memcmp(buf->base + 2048, data + (100 * cpu + 10) * 512, 512) == 0);
        MUST(disk_read(&open, 5, 1, buf->base) == 0);
        MUST(buf->refs == 1);
    } else {
        MUST(asked[cpu].status[1] == -EIO);
        MUST(disk_read(&open, 5, 1, buf->base) == -EIO);
        MUST(buf->refs == 3);
    }
    block_check(&disk.block);
    block_close(&open);
    return 0;
}

static int run_recovery(void *arg)
{
    unsigned timed_out = 0;

    MUST(disk_make() == 0);
    disk.silent_first = 2; /* of each queue */
    disk.silent_step = 100;
    for (unsigned i = 0; i < CPUS; i++)
        disk.queues[i].requests = 0;
    if (arg != NULL) {
        disk.recover_status = -EIO;
        disk.keeps = true;
    }
    MUST(on_all(ask_in_silence) == 0);
    MUST(disk.recoveries > 0 && disk.recoveries <= CPUS);
    for (unsigned i = 0; i < CPUS; i++)
        timed_out += asked[i].status[0] == -ETIMEDOUT;
    MUST(timed_out > 0);
    return 0;
}

static void test_cpus_recover_together(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_recovery, NULL), 0);
}

static void test_cpus_give_up_together(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_recovery, plans), 0);
}

static int ask_recovery(void *arg)
{
    (void)arg;
    block_recover(disk.block.queues[2], "a reason");
    return 0;
}

/* One that is asked for on a CPU that does not own the disk, by nobody else. */
static int run_recovery_from_afar(void *arg)
{
    (void)arg;
    MUST(disk_make() == 0);
    MUST(remote_call(2, ask_recovery, NULL) == 0);
    for (unsigned i = 0; i < 10000 && disk.recoveries == 0; i++)
        thread_sleep(NS_PER_S / 200);
    MUST(disk.recoveries == 1);
    MUST(on_all(read_and_write) == 0);
    return 0;
}

static void test_cpus_any_asks_for_recovery(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_recovery_from_afar, NULL),
                     0);
}

/* ---- Dedication ---------------------------------------------------------- */

static int run_dedication(void *arg)
{
    static const unsigned one[] = {2};
    static const unsigned twice[] = {1, 1};
    static const unsigned none[] = {1, CPUS};
    static const unsigned all[] = {0, 1, 2};
    struct block_open open;

    (void)arg;
    ramblk_prepare(&disk, data, sizeof(data));
    disk.block.queue_max = 2;
    MUST(block_register(&disk.block, "rb") == 0);
    MUST(block_dedicate(&disk.block, all, 0) == -EINVAL);
    MUST(block_dedicate(&disk.block, twice, 2) == -EINVAL);
    MUST(block_dedicate(&disk.block, none, 2) == -EINVAL);
    MUST(block_open(&disk.block, BLOCK_SHARED, &open) == -EXDEV);
    MUST(block_dedicate(&disk.block, all, 3) == 0);
    MUST(disk.block.queue_count == 2); /* it has no more */
    MUST(disk.block.queues[2] == NULL);
    MUST(block_dedicate(&disk.block, all, 3) == 0); /* it is so */
    MUST(block_dedicate(&disk.block, one, 1) == -EBUSY);
    MUST(disk.block.queue_count == 2);
    MUST(block_open(&disk.block, BLOCK_SHARED, &open) == 0);
    return 0;
}

static void test_cpus_dedication(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_dedication, NULL), 0);
}

/* The driver uses fewer queues than there could be. */
static int run_fewer(void *arg)
{
    (void)arg;
    ramblk_prepare(&disk, data, sizeof(data));
    disk.queues_used = 1;
    MUST(block_register(&disk.block, "rb") == 0);
    MUST(block_dedicate(&disk.block, (const unsigned[]){2, 1, 0}, 3) == 0);
    MUST(disk.block.queue_count == 1);
    MUST(disk.block.queues[1] == NULL && disk.block.queues[2] == NULL);
    MUST(disk.block.queues[0]->cpu == 2);
    return 0;
}

static void test_cpus_fewer_queues(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_fewer, NULL), 0);
}

/* ---- Another size -------------------------------------------------------- */

static int size_is_new(unsigned cpu)
{
    struct block_open open;
    uint8_t buf[512];
    int status = -EINVAL;

    (void)cpu;
    MUST(block_open(&disk.block, BLOCK_SHARED, &open) == 0);
    for (unsigned i = 0; i < 2000 && status == -EINVAL; i++) {
        status = disk_read(&open, SECTORS - 1, 1, buf);
        thread_sleep(NS_PER_S / 1000);
    }
    MUST(status == 0);
    block_close(&open);
    return 0;
}

static int grow(void *arg)
{
    (void)arg;
    block_resized(&disk.block, SECTORS);
    return 0;
}

static int run_resize(void *arg)
{
    (void)arg;
    ramblk_prepare(&disk, data, sizeof(data));
    disk.block.sectors = SECTORS - 1;
    MUST(block_register(&disk.block, "rb") == 0);
    MUST(block_dedicate(&disk.block, (const unsigned[]){2, 1, 0}, 3) == 0);
    MUST(remote_call(2, grow, NULL) == 0);
    MUST(on_all(size_is_new) == 0);
    return 0;
}

static void test_cpus_learn_of_another_size(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 8 << 20, run_resize, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus_each_uses_its_queue),
        cmocka_unit_test(test_cpus_one_exclusive_user),
        cmocka_unit_test(test_cpus_recover_together),
        cmocka_unit_test(test_cpus_give_up_together),
        cmocka_unit_test(test_cpus_any_asks_for_recovery),
        cmocka_unit_test(test_cpus_dedication),
        cmocka_unit_test(test_cpus_fewer_queues),
        cmocka_unit_test(test_cpus_learn_of_another_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
