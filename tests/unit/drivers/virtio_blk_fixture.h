/* What the tests of the virtio disk share: a machine, a disk, and its model. */
#ifndef TORC_TESTS_UNIT_DRIVERS_VIRTIO_BLK_FIXTURE_H
#define TORC_TESTS_UNIT_DRIVERS_VIRTIO_BLK_FIXTURE_H

#include "drivers/virtio_blk_internal.h"
#include "hal/posix/kernel/dma.h"
#include "kernel/device/block_internal.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/models/virtio_blk_model.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { SECTORS = 4096, MANY = 200, MEMORY = 8 << 20 };

static struct blk_model model;
static uint8_t data[SECTORS * 512];
static struct block_device *disk;
static struct block_open disk_open;
static size_t memory = MEMORY; /* of the machine */

/* The model, and nothing else. */
static inline void fresh(void)
{
    models_reset();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 * 7 + i % 512);
    blk_model_init(&model, data, SECTORS);
    disk = NULL;
    console_forget();
}

/* The model on one of the transports, in a machine. */
enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS };

static inline void plug(unsigned transport)
{
    const struct pci_model_options pci = {
        .legacy = transport == LEGACY_PCI,
        .no_modern = transport == LEGACY_PCI,
    };

    if (transport >= LEGACY_MMIO)
        model.virtio.offered &= UINT32_MAX;
    machine_attach(memory);
    if (transport == MMIO || transport == LEGACY_MMIO)
        model_on_mmio(&model.virtio, transport == MMIO ? 2 : 1);
    else
        model_on_pci(&model.virtio, &pci);
}

/* A thread that is the device, so that others may wait for it. */
static bool stop;
static thread_id device_thread;

static inline int device_run(void *arg)
{
    (void)arg;
    while (!stop) {
        (void)blk_model_step(&model);
        thread_yield();
    }
    return 0;
}

/* Find the disk; start it; open it. */
static inline void probe(void)
{
    assert_int_equal(virtio_blk_driver.probe(), 0);
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    if (disk != NULL)
        atomic_store(&disk->device.owner, 0);
}

static inline int start(void)
{
    int status;

    stop = false;
    probe();
    if (disk == NULL)
        return -ENODEV;
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    status = block_start_bare(disk);
    return status != 0 ? status : block_open(disk, BLOCK_SHARED, &disk_open);
}

static inline struct blk_queue *queue_of(unsigned index)
{
    return blk_queue_of(disk->queues[index]);
}

static inline void finish(void)
{
    stop = true;
    assert_int_equal(thread_join(device_thread, NULL), 0);
    if (disk->queue_count > 0) {
        block_check(disk);
        if (queue_of(0) != NULL)
            blk_queue_check(queue_of(0));
    }
    clock_set(0);
    machine_detach();
}

/* ---- Requests by hand ---------------------------------------------------- */

static int done_status[MANY];
static uint64_t done_ns[MANY];
static unsigned done_count;
static struct block_request requests[MANY];
static struct slice slices[MANY];

static inline void done(struct block_request *request, int status)
{
    uintptr_t i = (uintptr_t)request->cookie;

    assert_int_equal(done_status[i], 1); /* once */
    done_status[i] = status;
    done_ns[i] = time_ns();
    done_count++;
}

/* Request `i`: a sector of the buffer, and sector 2 * i of the disk, so that
 * none follows another. */
static inline struct block_request *request_make(struct buf *buf, uintptr_t i,
                                                 enum block_op op)
{
    bool has_data = op == BLOCK_READ || op == BLOCK_WRITE;

    done_status[i] = 1;
    slices[i] = (struct slice){buf, (uint32_t)i * 512, 512};
    requests[i] = (struct block_request){
        .op = op,
        .sector = op == BLOCK_FLUSH ? 0 : 2 * i,
        .sectors = op == BLOCK_FLUSH ? 0 : 1,
        .vec = has_data ? &slices[i] : NULL,
        .count = has_data ? 1 : 0,
        .done = done,
        .cookie = (void *)i,
    };
    return &requests[i];
}

static inline void submit_reads(struct buf *buf, unsigned count)
{
    done_count = 0;
    for (uintptr_t i = 0; i < count; i++)
        assert_int_equal(
            block_submit(&disk_open, request_make(buf, i, BLOCK_READ)), 0);
}

static inline void assert_sectors_read(const struct buf *buf, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_memory_equal(buf->base + i * 512UL, data + i * 1024UL, 512);
}

static inline void await(unsigned count)
{
    for (int i = 0; i < 20000 && done_count < count; i++)
        thread_yield();
    assert_int_equal(done_count, count);
}

static inline void time_passes(uint64_t ns)
{
    clock_set(time_ns() + ns);
    timer_run(time_ns());
}

#endif
