/*
 * A virtio disk with several queues, each on a CPU of its own, in a whole
 * machine. On each of them a thread is the device's side of its queue.
 */
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "tests/unit/drivers/virtio_blk_fixture.h"
#include <stdatomic.h>
#include <torc/machine.h>
#include <torc/message.h>

enum { CPUS = 3, READS = 60 };

static atomic_bool pause_wanted, quit;
static atomic_uint paused, readers_done;

static int side_run(void *arg)
{
    unsigned queue = (unsigned)(uintptr_t)arg;

    while (!atomic_load(&quit)) {
        if (atomic_load(&pause_wanted)) {
            atomic_fetch_add(&paused, 1);
            while (atomic_load(&pause_wanted))
                thread_yield();
            atomic_fetch_sub(&paused, 1);
        }
        (void)blk_model_step_queue(&model, queue);
        thread_yield();
    }
    return 0;
}

static void sides_pause(bool on)
{
    atomic_store(&pause_wanted, on);
    while (atomic_load(&paused) != (on ? CPUS : 0))
        thread_yield();
}

/* Of each CPU: */
static unsigned ended[CPUS];
static struct block_request own[CPUS][READS];
static struct slice own_vec[CPUS][READS];

static void own_done(struct block_request *request, int status)
{
    unsigned cpu = (unsigned)(uintptr_t)request->cookie;

    if (status != 0 || cpu_self()->id != cpu)
        panic("a read on CPU %u has ended with %d on CPU %u", cpu, status,
              cpu_self()->id);
    ended[cpu]++;
}

/* Read what belongs to this CPU: its queue, its interrupts. */
static int reader_run(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    struct buf *buf = buf_alloc(READS * 512);
    struct block_open open;

    if (block_open(disk, BLOCK_SHARED, &open) != 0)
        panic("no queue on CPU %u", cpu);
    ended[cpu] = 0;
    for (unsigned i = 0; i < READS; i++) {
        own_vec[cpu][i] = (struct slice){buf, i * 512, 512};
        own[cpu][i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = cpu * 1000 + 2 * i,
                                             .sectors = 1,
                                             .vec = &own_vec[cpu][i],
                                             .count = 1,
                                             .done = own_done,
                                             .cookie = arg};
        if (block_submit(&open, &own[cpu][i]) != 0)
            panic("submit");
    }
    while (ended[cpu] < READS)
        thread_yield();
    for (unsigned i = 0; i < READS; i++) {
        if (memcmp(buf->base + i * 512, data + (cpu * 1000 + 2 * i) * 512UL,
                   512) != 0)
            panic("CPU %u: sector %u is wrong", cpu, i);
    }
    block_check(disk);
    blk_queue_check(blk_queue_of(open.queue));
    block_close(&open);
    buf_put(buf);
    atomic_fetch_add(&readers_done, 1);
    return 0;
}

static void on_each_cpu(int (*fn)(void *), thread_id ids[])
{
    for (uintptr_t i = 0; i < CPUS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU,
                                         .cpu = (unsigned)i};

        if (thread_create(&attr, fn, (void *)i, &ids[i]) != 0)
            panic("no thread");
    }
}

static void join_all(thread_id ids[])
{
    for (unsigned i = 0; i < CPUS; i++) {
        if (thread_join(ids[i], NULL) != 0)
            panic("no end");
    }
}

static int several_queues(void *arg)
{
    static const unsigned cpus[] = {1, 0, 2};
    thread_id sides[CPUS], readers[CPUS];
    unsigned before;

    (void)arg;
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    /* Queue i is on CPU cpus[i], and so is its other side. */
    for (uintptr_t i = 0; i < CPUS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU,
                                         .cpu = cpus[i]};

        if (thread_create(&attr, side_run, (void *)i, &sides[i]) != 0)
            return 1;
    }
    if (block_dedicate(disk, cpus, CPUS) != 0 || disk->queue_count != CPUS)
        return 2;
    on_each_cpu(reader_run, readers);
    join_all(readers);
    for (unsigned i = 0; i < CPUS; i++) {
        if (model.of_queue[i] < READS)
            return 3;
    }
    /* All have requests with the device when it wants a reset. */
    sides_pause(true);
    before = model.virtio.resets;
    on_each_cpu(reader_run, readers);
    for (unsigned i = 0; i < 200; i++)
        thread_yield();
    model_need_reset(&model.virtio);
    while (model.virtio.resets == before || (model.virtio.status & 4) == 0)
        thread_yield();
    sides_pause(false);
    join_all(readers);
    atomic_store(&quit, true);
    join_all(sides);
    return model.virtio.by_message > 0 ? 0 : 4;
}

static void test_blk_several_queues(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct pci_model_options options = {.legacy = i == 3,
                                                  .no_modern = i == 3};
        static char output[65536];
        int status;

        fresh();
        blk_model_queues(&model, 4);
        model.virtio.offered |= (i & 1 ? UINT64_C(1) << 28 : 0) |
                                (i & 2 ? UINT64_C(1) << 29 : 0) |
                                (i == 2 ? UINT64_C(1) << 34 : 0);
        if (i == 3)
            model.virtio.offered &= UINT32_MAX;
        model_on_pci(&model.virtio, &options);
        machine_drivers[0] = &virtio_blk_driver;
        status = machine_run_output(CPUS, MEMORY, "", several_queues, NULL,
                                    output, sizeof(output));
        if (status != 0)
            fail_msg("status %d:\n%s", status, output);
        machine_drivers[0] = NULL;
    }
}

/* The device has interrupts for two: it has two queues. */
static int two_vectors(void *arg)
{
    static const unsigned cpus[] = {0, 1, 2};
    thread_id sides[CPUS];

    (void)arg;
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    on_each_cpu(side_run, sides);
    if (block_dedicate(disk, cpus, CPUS) != 0 || disk->queue_count != 2)
        return 1;
    atomic_store(&quit, true);
    join_all(sides);
    return 0;
}

static void test_blk_as_many_queues_as_vectors(void **state)
{
    const struct pci_model_options options = {.msix_entries = 3};

    (void)state;
    fresh();
    blk_model_queues(&model, 4);
    model_on_pci(&model.virtio, &options);
    machine_drivers[0] = &virtio_blk_driver;
    assert_int_equal(machine_run(CPUS, MEMORY, two_vectors, NULL), 0);
    machine_drivers[0] = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blk_several_queues),
        cmocka_unit_test(test_blk_as_many_queues_as_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
