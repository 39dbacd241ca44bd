/*
 * What disks and cards of the hosted machine carry: an application, beside fio
 * and a bare loop on a tap. tools/bench_io_host.sh starts it, and makes the
 * tables.
 *
 *   io_host --disk FILE -- read BYTES DEPTH MS [seq]
 *   io_host --disk FILE -- batch read|write drawn|sorted DEPTH MS
 *   io_host --net tap=NAME -- send|send-long|receive BYTES MS NAME
 *   io_host -- bare-send|bare-receive BYTES MS NAME
 *
 * prints "sample NUMBER" once: operations or frames a second.
 */
#include "kernel/device/block.h"
#include "tests/bench/bench.h"
#include "tests/bench/io_tap.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { DEPTH_MAX = 64 };

/* ---- Disks --------------------------------------------------------------- */

static struct block_open disk;
static struct reader {
    struct block_request request;
    struct slice slice;
} readers[DEPTH_MAX];
static uint32_t sectors; /* of a request */
static uint64_t places;  /* on the disk */
static uint64_t place;   /* of the last one, when not random */
static bool sequential;
static uint64_t random_state;
static uint64_t end_ns;  /* no request begins from here on */
static uint64_t last_ns; /* when the last one ended */
static uint64_t operations;
static unsigned under_way;
static int failure;

/* xorshift64*: Vigna, An experimental exploration of Marsaglia's xorshift
 * generators, 2016. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void read_next(struct reader *reader)
{
    place = sequential ? (place + 1) % places
                       : (uint64_t)((__uint128_t)random_next() * places >> 64);
    reader->request.sector = place * sectors;
    under_way++;
    if (block_submit(&disk, &reader->request) != 0) {
        under_way--;
        failure = 1;
    }
}

static void read_done(struct block_request *request, int status)
{
    struct reader *reader = container_of(request, struct reader, request);

    under_way--;
    operations++;
    if (status != 0)
        failure = 1;
    /* The clock costs as much as many an other thing here. */
    if (operations % 16 == 0 && time_ns() >= end_ns)
        end_ns = 0;
    if (end_ns != 0 && failure == 0)
        read_next(reader);
    if (under_way == 0)
        last_ns = time_ns();
}

static int disk_find(uint32_t bytes)
{
    struct device *device = device_find(DEVICE_BLOCK, 0);
    int status;

    if (device == NULL)
        return -ENODEV;
    status = device_dedicate(device, 0);
    if (status != 0)
        return status;
    sectors = bytes / BLOCK_SECTOR_SIZE;
    places = block_from_device(device)->sectors / sectors;
    return block_open(block_from_device(device), BLOCK_SHARED, &disk);
}

static int readers_make(unsigned depth, uint32_t bytes)
{
    for (unsigned i = 0; i < depth; i++) {
        struct buf *buf = buf_alloc(bytes);

        if (buf == NULL)
            return -ENOMEM;
        readers[i].slice = slice_whole(buf);
        readers[i].request = (struct block_request){.op = BLOCK_READ,
                                                    .sectors = sectors,
                                                    .vec = &readers[i].slice,
                                                    .count = 1,
                                                    .done = read_done};
    }
    return 0;
}

static int bench_read(int argc, char **argv)
{
    uint64_t bytes, depth, ms, start_ns;
    int status;

    if (argc < 5 || str_to_u64(argv[2], &bytes) != 0 ||
        str_to_u64(argv[3], &depth) != 0 || str_to_u64(argv[4], &ms) != 0 ||
        depth == 0 || depth > DEPTH_MAX)
        return 2;
    sequential = argc > 5;
    status = disk_find((uint32_t)bytes);
    if (status == 0)
        status = readers_make((unsigned)depth, (uint32_t)bytes);
    if (status != 0)
        return 1;
    random_state = bench_now_ns() | 1;
    start_ns = time_ns();
    end_ns = start_ns + ms * NS_PER_MS;
    for (unsigned i = 0; i < depth; i++)
        read_next(&readers[i]);
    while (under_way > 0)
        thread_sleep(10 * NS_PER_MS);
    if (failure != 0)
        return 1;
    console_print("sample %lu\n", operations * NS_PER_S / (last_ns - start_ns));
    return 0;
}

/* ---- Does the order matter? ---------------------------------------------- */

/* Requests of 4 KiB at random places, as many at once as the depth says; the
 * next ones when all have ended: in the order in which they were drawn, or in
 * that of the disk, as an elevator would send them. */
enum { BLOCK = 4096 };

static void batch_done(struct block_request *request, int status)
{
    (void)request;
    failure |= status != 0;
    operations++;
    if (--under_way == 0)
        last_ns = time_ns();
}

/* Draw the places: into order, if they are to be. */
static void batch_draw(unsigned depth, bool is_sorted)
{
    for (unsigned i = 0; i < depth; i++) {
        uint64_t sector =
            (uint64_t)((__uint128_t)random_next() * places >> 64) * sectors;
        unsigned at = i;

        for (; is_sorted && at > 0 && readers[at - 1].request.sector > sector;
             at--)
            readers[at].request.sector = readers[at - 1].request.sector;
        readers[at].request.sector = sector;
    }
}

static int bench_batch(int argc, char **argv)
{
    uint64_t depth, ms, start_ns;
    bool is_sorted;

    if (argc < 6 || str_to_u64(argv[4], &depth) != 0 ||
        str_to_u64(argv[5], &ms) != 0 || depth == 0 || depth > DEPTH_MAX)
        return 2;
    is_sorted = str_equal(argv[3], "sorted");
    if (disk_find(BLOCK) != 0 || readers_make((unsigned)depth, BLOCK) != 0)
        return 1;
    for (unsigned i = 0; i < depth; i++) {
        readers[i].request.done = batch_done;
        if (str_equal(argv[2], "write"))
            readers[i].request.op = BLOCK_WRITE;
        readers[i].request.next =
            i + 1 < depth ? &readers[i + 1].request : NULL;
    }
    random_state = bench_now_ns() | 1;
    start_ns = time_ns();
    do {
        batch_draw((unsigned)depth, is_sorted);
        under_way = (unsigned)depth;
        if (block_submit(&disk, &readers[0].request) != 0)
            return 1;
        while (under_way > 0)
            thread_yield();
    } while (failure == 0 && last_ns < start_ns + ms * NS_PER_MS);
    if (failure != 0)
        return 1;
    console_print("sample %lu\n", operations * NS_PER_S / (last_ns - start_ns));
    return 0;
}

/* ---- All ----------------------------------------------------------------- */

static int app_main(int argc, char **argv)
{
    if (argc > 1 && str_equal(argv[1], "read"))
        return bench_read(argc, argv);
    if (argc > 1 && str_equal(argv[1], "batch"))
        return bench_batch(argc, argv);
    return bench_tap(argc, argv);
}

const struct torc_app torc_app = {
    .name = "io_host",
    .main = app_main,
    .has_arguments = true,
    .drivers = (const struct driver *const[]){&leaf_blk_driver,
                                              &leaf_net_driver, NULL},
};
