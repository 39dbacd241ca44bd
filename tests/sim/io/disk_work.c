/*
 * Reads, writes, flushes, discards and zeros of a disk, from several CPUs. Each
 * worker has a zone of the disk to itself, with several requests under way that
 * do not overlap, many of them neighbours; so it knows what each sector holds.
 * Where a write has failed, the sector holds what was there or what was
 * written.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block.h"
#include "kernel/thread/wait.h"
#include "tests/sim/io/card.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/disk.h"
#include "tests/sim/io/ide_disk.h"
#include "tests/sim/io/work.h"
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    WORKERS_MAX = 4,
    ROUNDS_MAX = 10,
    ZONE = DISK_SECTORS / WORKERS_MAX,
    SLOTS = 5,
    LONGEST = 8, /* sectors of a request */
    SLICES = 3,
    GAP = 64, /* bytes between slices */
    WORDS = DISK_SECTOR / 8,
    PROMPT_NS = 200 * 1000 * 1000, /* of a disk that only fails */
};

/* To recover the disk after a deadline; an IDE drive may take 31 s. A virtio
 * card that does not reset holds its CPU for 100 ms, three times. */
#define GRACE_NS     (20 * NS_PER_MS)
#define GRACE_IDE_NS (60 * NS_PER_S)
#define HELD_NS      (320 * NS_PER_MS)

static uint64_t held_ns(void)
{
    return card.is_pulled ? HELD_NS : 0;
}

static bool is_ide;
static struct disk disk; /* unless it is_ide */
static struct block_device *dev;

struct worker;

struct slot {
    struct block_request request;
    struct worker *worker;
    bool busy;
    struct buf *buf;
    struct slice vec[SLICES];
    uint64_t deadline_ns, begun_ns;
    unsigned at;      /* in the zone */
    uint32_t version; /* that it writes */
    /* Of a request that flushes: how often each sector had been written, of
     * those whose contents are known; the others 0. */
    uint16_t settled[ZONE];
};

/* What a worker knows of a sector. */
struct place {
    bool busy;
    bool known;       /* it holds `version` */
    uint32_t version; /* 0: zeros */
    uint16_t writes;  /* begun, from 1 on */
};

static struct worker {
    unsigned cpu;
    uint64_t first; /* sector */
    struct block_open open;
    struct wait_queue wait;
    thread_id thread;
    uint32_t versions; /* given out */
    unsigned busy;     /* slots */
    struct place zone[ZONE];
    struct slot slots[SLOTS];
} workers[WORKERS_MAX];
static unsigned worker_count;

/* ---- Contents ------------------------------------------------------------ */

static uint64_t word_of(uint64_t sector, uint32_t version, unsigned i)
{
    return version == 0 ? 0 : sector << 40 | (uint64_t)version << 16 | i;
}

static void data_write(struct slot *slot)
{
    uint64_t words[WORDS];

    for (unsigned s = 0; s < slot->request.sectors; s++) {
        for (unsigned i = 0; i < WORDS; i++)
            words[i] = word_of(slot->request.sector + s, slot->version, i);
        (void)slices_write(slot->vec, slot->request.count,
                           (uint64_t)s * DISK_SECTOR, words, DISK_SECTOR);
    }
}

/* An IDE drive that was reset by itself has lost what was in its cache, perhaps
 * that of a write which seemed to end well. A flush says so. */
static bool may_lose_cache(void)
{
    return is_ide && device_has_fault(FAULT_RESET);
}

/* What the worker takes for possible; then it knows. */
static void sector_came(struct worker *worker, unsigned at,
                        const uint64_t words[WORDS])
{
    struct place *place = &worker->zone[at];
    uint32_t version = (uint32_t)(words[0] >> 16) & 0xffffff;

    for (unsigned i = 0; i < WORDS; i++)
        expect(words[i] == word_of(worker->first + at, version, i),
               "a sector has contents that nobody has written");
    expect(version <= worker->versions, "a sector is of the future");
    expect(!place->known || version == place->version || may_lose_cache(),
           "a sector has contents of another time");
    place->known = true;
    place->version = version;
}

static void data_came(struct slot *slot)
{
    uint64_t words[WORDS];

    for (unsigned s = 0; s < slot->request.sectors; s++) {
        (void)slices_read(slot->vec, slot->request.count,
                          (uint64_t)s * DISK_SECTOR, words, DISK_SECTOR);
        sector_came(slot->worker, slot->at + s, words);
    }
}

/* ---- The end of a request ------------------------------------------------ */

static bool writes(const struct block_request *request)
{
    return request->op != BLOCK_READ && request->op != BLOCK_FLUSH;
}

/* Whether the disk may have been reset since the time of a request was over. */
static bool is_late_somewhere(void)
{
    static bool was;

    for (unsigned i = 0; i < worker_count; i++) {
        for (unsigned k = 0; k < SLOTS; k++) {
            const struct slot *slot = &workers[i].slots[k];

            was = was || (slot->busy && time_ns() >= slot->deadline_ns);
        }
    }
    return was;
}

/* A request that has seen too many resets, on account of others, has failed. */
static bool may_fail(const struct slot *slot, int status)
{
    bool is_late = is_late_somewhere();

    if (status == -ECANCELED)
        return (slot->request.flags & BLOCK_AHEAD) != 0;
    if (status == -ETIMEDOUT)
        return time_ns() >= slot->deadline_ns;
    return status == -EIO && (is_late || (device_manner.fault_one_in != 0 &&
                                          device_manner.fault_kinds != 0));
}

/* A request that ends only when its time is over had been forgotten. */
static bool is_prompt(const struct slot *slot)
{
    static const enum model_fault slow[] = {
        FAULT_LATE, FAULT_NEVER, FAULT_TWICE, FAULT_LOST_IRQ, FAULT_RESET};

    for (unsigned i = 0; i < COUNT_OF(slow); i++) {
        if (device_has_fault(slow[i]))
            return true;
    }
    return time_ns() <= slot->begun_ns + PROMPT_NS + held_ns();
}

/* What was there before a flush began is durable now, unless it was written
 * again. */
static void durable_check(const struct slot *slot)
{
    const struct worker *worker = slot->worker;
    bool fua = (slot->request.flags & BLOCK_FUA) != 0;

    for (unsigned i = 0; i < ZONE; i++) {
        bool own = fua && i >= slot->at && i < slot->at + slot->request.sectors;

        if (own || (slot->settled[i] != 0 &&
                    slot->settled[i] == worker->zone[i].writes))
            expect(!disk.volatile_now[worker->first + i],
                   "what was flushed is not durable");
    }
}

static void places_end(struct slot *slot, int status)
{
    bool wrote = writes(&slot->request);

    for (unsigned s = 0; s < slot->request.sectors; s++) {
        struct place *place = &slot->worker->zone[slot->at + s];

        place->busy = false;
        if (!wrote)
            continue;
        place->known = status == 0 && slot->request.op != BLOCK_DISCARD;
        place->version = slot->version;
    }
}

static void slot_done(struct block_request *request, int status)
{
    struct slot *slot = container_of(request, struct slot, request);
    struct worker *worker = slot->worker;

    expect(slot->busy, "a request has ended twice");
    expect(cpu_id() == worker->cpu, "a request ends on another CPU");
    expect(status == 0 || may_fail(slot, status),
           "a request fails for no reason");
    expect(time_ns() <= slot->deadline_ns + held_ns() +
                            (is_ide ? GRACE_IDE_NS : GRACE_NS),
           "a request has no answer in time");
    expect(is_prompt(slot), "a request was forgotten until its time was over");
    places_end(slot, status);
    if (status == 0 && request->op == BLOCK_READ)
        data_came(slot);
    if (status == 0)
        durable_check(slot);
    slot->busy = false;
    worker->busy--;
    wait_wake_all(&worker->wait);
}

/* ---- Requests ------------------------------------------------------------ */

/* The slices of a request: in one buffer, with gaps. */
static void slices_cut(struct slot *slot)
{
    uint32_t left = slot->request.sectors * DISK_SECTOR;
    uint32_t unit = draw(4) == 0 ? 1 : GAP;
    uint32_t offset = 0;
    unsigned count = 0;

    if (dev->limits.segments < 2 * SLICES)
        unit = DISK_SECTOR;
    else if (unit < dev->limits.align)
        unit = dev->limits.align;
    while (left > 0) {
        uint32_t len = left;

        if (count + 1 < SLICES && left > unit && draw(2) == 0)
            len = unit * (1 + draw(left / unit - 1));
        slot->vec[count++] = (struct slice){slot->buf, offset, len};
        offset += len + GAP;
        left -= len;
    }
    slot->request.vec = slot->vec;
    slot->request.count = count;
}

static bool place_is_free(const struct worker *worker, unsigned at,
                          unsigned sectors)
{
    for (unsigned i = at; i < at + sectors; i++) {
        if (i >= ZONE || worker->zone[i].busy)
            return false;
    }
    return true;
}

static enum block_op draw_op(void)
{
    switch (draw(16)) {
    case 0:
        return BLOCK_FLUSH;
    case 1:
        return BLOCK_WRITE_ZEROES;
    case 2:
        return dev->limits.discard_sectors != 0 ? BLOCK_DISCARD : BLOCK_READ;
    default:
        return draw(2) == 0 ? BLOCK_READ : BLOCK_WRITE;
    }
}

static unsigned draw_flags(enum block_op op)
{
    if (draw(8) != 0)
        return 0;
    if (op == BLOCK_READ)
        return BLOCK_AHEAD;
    return op == BLOCK_WRITE ? 1 + draw(3) : 0; /* FUA, PREFLUSH, both */
}

static uint64_t draw_deadline(void)
{
    static const unsigned ms[] = {0, 1, 5, 50};
    unsigned i = draw(COUNT_OF(ms));

    return i == 0 ? 0 : time_ns() + (uint64_t)ms[i] * 1000 * 1000;
}

static void flush_begin(struct slot *slot)
{
    bool flushes = slot->request.op == BLOCK_FLUSH ||
                   (slot->request.flags & BLOCK_PREFLUSH) != 0;

    for (unsigned i = 0; i < ZONE; i++) {
        const struct place *place = &slot->worker->zone[i];

        slot->settled[i] =
            flushes && place->known && !place->busy ? place->writes : 0;
    }
}

static void places_begin(struct slot *slot)
{
    for (unsigned s = 0; s < slot->request.sectors; s++) {
        struct place *place = &slot->worker->zone[slot->at + s];

        place->busy = true;
        place->writes += writes(&slot->request);
    }
}

static void slot_begin(struct slot *slot, enum block_op op, unsigned at,
                       unsigned sectors)
{
    struct worker *worker = slot->worker;
    uint64_t deadline = draw_deadline();

    if (op == BLOCK_FLUSH)
        sectors = 0;
    slot->at = at;
    slot->request = (struct block_request){
        .op = op,
        .flags = draw_flags(op),
        .sector = op == BLOCK_FLUSH ? 0 : worker->first + at,
        .sectors = sectors,
        .deadline_ns = deadline,
        .done = slot_done,
    };
    slot->version = op == BLOCK_WRITE ? ++worker->versions : 0;
    slot->begun_ns = time_ns();
    slot->deadline_ns = deadline != 0 ? deadline : time_ns() + BLOCK_TIMEOUT_NS;
    flush_begin(slot);
    places_begin(slot);
    if (op == BLOCK_READ || op == BLOCK_WRITE)
        slices_cut(slot);
    if (op == BLOCK_WRITE)
        data_write(slot);
    slot->busy = true;
    worker->busy++;
}

/* Some requests at once; each mostly behind the one before. */
static void worker_submit(struct worker *worker)
{
    struct block_request *list = NULL, **end = &list;
    unsigned at = draw(ZONE), wanted = 1 + draw(SLOTS);
    enum block_op op = draw_op();

    for (unsigned i = 0; i < SLOTS && wanted > 0; i++) {
        struct slot *slot = &worker->slots[i];
        unsigned sectors = 1 + draw(LONGEST);

        if (slot->busy || !place_is_free(worker, at, sectors))
            continue;
        slot_begin(slot, op, at, sectors);
        *end = &slot->request;
        end = &slot->request.next;
        at += sectors;
        wanted--;
        if (draw(3) == 0) {
            at = draw(ZONE);
            op = draw_op();
        }
    }
    if (list != NULL)
        expect(block_submit(&worker->open, list) == 0,
               "requests cannot be submitted");
}

static void worker_wait(struct worker *worker, unsigned most)
{
    while (worker->busy > most)
        wait_on(&worker->wait);
}

/* ---- Workers ------------------------------------------------------------- */

/* All that the zone holds, a request at a time. */
static void zone_read(struct worker *worker)
{
    for (unsigned at = 0; at < ZONE; at += LONGEST) {
        slot_begin(&worker->slots[0], BLOCK_READ, at, LONGEST);
        worker->slots[0].request.flags = 0;
        expect(block_submit(&worker->open, &worker->slots[0].request) == 0,
               "a request cannot be submitted");
        worker_wait(worker, 0);
    }
}

static int worker_main(void *arg)
{
    struct worker *worker = arg;
    unsigned rounds = 1 + draw(ROUNDS_MAX);

    for (unsigned i = 0; i < rounds; i++) {
        worker_submit(worker);
        if (draw(4) == 0)
            thread_sleep(draw(50) * 1000);
        worker_wait(worker, draw(SLOTS));
    }
    worker_wait(worker, 0);
    return 0;
}

static int worker_begin(void *arg)
{
    struct worker *worker = arg;

    wait_queue_init(&worker->wait);
    expect(block_open(dev, BLOCK_SHARED, &worker->open) == 0,
           "the disk cannot be opened");
    for (unsigned i = 0; i < ZONE; i++)
        worker->zone[i] = (struct place){.known = true, .writes = 1};
    for (unsigned i = 0; i < SLOTS; i++) {
        worker->slots[i].worker = worker;
        worker->slots[i].buf = buf_alloc(LONGEST * DISK_SECTOR + SLICES * GAP);
        expect(worker->slots[i].buf != NULL, "there is no memory");
    }
    slot_begin(&worker->slots[0], BLOCK_WRITE_ZEROES, 0, 1);
    expect(block_submit(&worker->open, &worker->slots[0].request) == 0,
           "zeros cannot be submitted");
    worker_wait(worker, 0);
    return 0;
}

static int worker_end(void *arg)
{
    struct worker *worker = arg;

    zone_read(worker);
    block_check(dev);
    (void)block_write_error(&worker->open);
    expect(block_flush(&worker->open) == 0 ||
               (may_lose_cache() && block_flush(&worker->open) == 0),
           "the last flush fails");
    for (unsigned i = 0; i < ZONE; i++)
        expect(!disk.volatile_now[worker->first + i],
               "the last flush has not flushed");
    expect(!ide_disk_is_volatile(), "the last flush has not flushed");
    return 0;
}

/* ---- Begin and end ------------------------------------------------------- */

void disk_work_plug(void)
{
    is_ide = hal_choose(4, SIM_WORK) == 0;
    if (is_ide)
        ide_disk_plug(disk.data, DISK_SECTORS);
    else
        disk_plug(&disk);
}

static void faults_come(bool come)
{
    disk.has_faults = come;
    ide_disk_faults(come);
}

static void on_workers(int (*fn)(void *arg))
{
    for (unsigned i = 0; i < worker_count; i++)
        expect(remote_call(workers[i].cpu, fn, &workers[i]) == 0,
               "a CPU is lost");
}

void disk_work_begin(void)
{
    unsigned cpus[DISK_QUEUES];
    unsigned first = draw(cpu_count());
    unsigned count = 1 + draw(DISK_QUEUES);

    count = count < cpu_count() ? count : cpu_count();
    for (unsigned i = 0; i < count; i++)
        cpus[i] = (first + i) % cpu_count();
    dev = block_from_device(device_find(DEVICE_BLOCK, 0));
    expect(dev != NULL, "the disk was not found");
    expect(block_dedicate(dev, cpus, count) == 0, "the disk does not start");
    /* By PIO each word is a point. */
    worker_count = 1 + draw(is_ide ? 2 : WORKERS_MAX);
    for (unsigned i = 0; i < worker_count; i++) {
        workers[i].cpu = dev->queue_cpus[draw(dev->queue_count)];
        workers[i].first = (uint64_t)i * ZONE;
    }
    on_workers(worker_begin);
}

void disk_work_start(void)
{
    faults_come(true);
    for (unsigned i = 0; i < worker_count; i++)
        workers[i].thread = thread_on(workers[i].cpu, worker_main, &workers[i]);
}

void disk_work_end(void)
{
    for (unsigned i = 0; i < worker_count; i++)
        thread_ends(workers[i].thread);
    faults_come(false);
    on_workers(worker_end);
}

/* Between two calls of the driver, as when the queue's CPU sleeps. */
void disk_work_check(void)
{
    if (dev == NULL || is_ide)
        return;
    for (unsigned i = 0; i < dev->queue_count; i++) {
        if (virtio_device_serves(&disk.model.virtio, i) &&
            sim_asleep(dev->queue_cpus[i]) &&
            ring_kick_missing(&disk.model.virtio.queue[i]))
            sim_fail("the disk was not notified, and nobody will do it");
    }
}
