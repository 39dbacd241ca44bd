#include "tests/qtest/scenario_block.h"
#include "kernel/device/block.h"
#include "kernel/device/driver.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    VEC_MAX = 8, /* pieces of memory of a request */
    DISK_SIZE = SCENARIO_SECTORS * BLOCK_SECTOR_SIZE,
    BUF_SECTORS = 600, /* more than a request of the driver */
    BUF_SIZE = (BUF_SECTORS + 1) * BLOCK_SECTOR_SIZE,
    DEPTH = 32,
    FLOOD = 200, /* more than a ring has room for */
    STEPS = 60,
    PATIENCE_S = 60,
};

static struct block_device *disk;
static struct block_open disk_open;
static uint64_t first;  /* sector of the disk, of those that are used */
static uint8_t *wanted; /* what they must hold */
static struct buf *memory;
static uint8_t *buf; /* its bytes */
static uint64_t seed;

void scenario_fill(uint8_t *bytes)
{
    for (size_t i = 0; i < DISK_SIZE; i++)
        bytes[i] = (uint8_t)(i / 512 * 7 + i % 512 + i / 131072);
}

/* Knuth's MMIX generator; the upper bits are good. */
static uint32_t draw(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 32) % below);
}

/* ---- Machines ------------------------------------------------------------ */

static void machine_begin(const struct block_side *side)
{
    side->begin(side);
    first = side->first;
    assert_int_equal(side->driver->probe(), 0);
    disk = block_from_device(device_find(DEVICE_BLOCK, 0));
    if (disk == NULL)
        fail_msg("%s: no disk", side->name);
    side->serve(side);
    assert_int_equal(device_dedicate(&disk->device, 0), 0);
    assert_int_equal(block_open(disk, BLOCK_EXCLUSIVE, &disk_open), 0);
    memory = buf_alloc(BUF_SIZE);
    assert_non_null(memory);
    buf = memory->base;
}

static void machine_end(const struct block_side *side)
{
    block_check(disk);
    buf_put(memory);
    block_close(&disk_open);
    side->end(side);
}

static void all_begin(const struct block_side *side, unsigned kind)
{
    wanted = malloc(DISK_SIZE);
    if (wanted == NULL)
        abort();
    scenario_fill(wanted);
    seed = 1;
    side->make(side, kind);
    machine_begin(side);
}

static void all_end(const struct block_side *side, struct transcript *out)
{
    uint8_t *held = malloc(DISK_SIZE);

    if (held == NULL)
        abort();
    machine_end(side);
    side->unmake(side, held);
    assert_memory_equal(held, wanted, DISK_SIZE);
    transcript_add(out, "disk %016llx",
                   (unsigned long long)transcript_sum(held, DISK_SIZE));
    free(held);
    free(wanted);
}

/* ---- Memory -------------------------------------------------------------- */

/*
 * Describe `size` bytes of the buffer, from `from` on, in a few pieces whose
 * ends are drawn: anywhere, if the device takes that many in one request.
 * Returns how many pieces.
 */
static unsigned pieces_make(struct slice *vec, uint32_t from, uint32_t size)
{
    const struct block_limits *limits = &disk->limits;
    bool is_free = limits->align <= 4 &&
                   (limits->segments == 0 || limits->segments >= VEC_MAX);
    uint32_t align = is_free ? 4 : BLOCK_SECTOR_SIZE;
    unsigned count = 0;

    for (unsigned i = 0; i + 1 < VEC_MAX; i++) {
        uint32_t len = draw(size / 2 + 1) & ~(align - 1);

        if (len == 0 || len >= size)
            continue;
        vec[count++] = (struct slice){memory, from, len};
        from += len;
        size -= len;
    }
    vec[count++] = (struct slice){memory, from, size};
    return count;
}

/* ---- One request at a time ----------------------------------------------- */

/* What is within the disk works; what is not does not. */
static void status_check(int status, uint64_t sector, uint32_t count,
                         bool is_write)
{
    bool is_within =
        count <= SCENARIO_SECTORS && sector <= SCENARIO_SECTORS - count;

    assert_int_equal(status, is_write && disk->read_only ? -EROFS
                             : is_within                 ? 0
                                                         : -EINVAL);
}

/* Sector number `sector` of those that are used. The last one that there can be
 * stays what it is. */
static uint64_t place(uint64_t sector)
{
    return sector <= UINT64_MAX - first ? first + sector : sector;
}

static void read_one(struct transcript *out, uint64_t sector, uint32_t count)
{
    uint32_t size = count * BLOCK_SECTOR_SIZE;
    struct slice vec[VEC_MAX];
    unsigned pieces = pieces_make(vec, 0, size);
    int status;

    memset(buf, 0xee, size + 1);
    status = block_read(&disk_open, place(sector), vec, pieces);
    transcript_add(out, "read %llu+%u: %d, %016llx", (unsigned long long)sector,
                   count, status,
                   (unsigned long long)transcript_sum(buf, size));
    status_check(status, sector, count, false);
    if (status == 0)
        assert_memory_equal(buf, wanted + sector * BLOCK_SECTOR_SIZE, size);
    assert_int_equal(buf[size], 0xee); /* not a byte more */
}

static void write_one(struct transcript *out, uint64_t sector, uint32_t count)
{
    uint32_t size = count * BLOCK_SECTOR_SIZE;
    struct slice vec[VEC_MAX];
    unsigned pieces = pieces_make(vec, 0, size);
    int status;

    for (size_t i = 0; i < size; i += 4)
        le32_put(buf + i, draw(UINT32_MAX));
    status = block_write(&disk_open, place(sector), vec, pieces);
    transcript_add(out, "write %llu+%u: %d", (unsigned long long)sector, count,
                   status);
    status_check(status, sector, count, true);
    if (status == 0)
        memcpy(wanted + sector * BLOCK_SECTOR_SIZE, buf, size);
}

static void flush(struct transcript *out)
{
    int status = block_flush(&disk_open);

    assert_int_equal(status, 0);
    transcript_add(out, "flush: %d", status);
}

static void lengths(struct transcript *out)
{
    static const struct {
        uint64_t sector;
        uint32_t count;
    } rows[] = {
        {0, 1},
        {1, 1},
        {SCENARIO_SECTORS - 1, 1},
        {SCENARIO_SECTORS, 1},
        {SCENARIO_SECTORS - 1, 2},
        {UINT64_MAX, 1},
        {UINT64_MAX - 1, 2},
        {UINT64_C(1) << 55, 1},
        {7, 2},
        {8, 8},
        {63, 9},
        {100, 255},
        {100, 256}, /* 128 KiB */
        {100, 257},
        {SCENARIO_SECTORS / 2 - 2, 1},
        {SCENARIO_SECTORS / 2 - 1, 1}, /* where 28 bits may end */
        {SCENARIO_SECTORS / 2, 1},
        {SCENARIO_SECTORS / 2 - 5, 8},
        {SCENARIO_SECTORS - BUF_SECTORS, BUF_SECTORS},
        {SCENARIO_SECTORS - BUF_SECTORS + 1, BUF_SECTORS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        read_one(out, rows[i].sector, rows[i].count);
        write_one(out, rows[i].sector, rows[i].count);
        read_one(out, rows[i].sector, rows[i].count);
    }
    flush(out);
}

static void drawn_steps(struct transcript *out)
{
    for (unsigned i = 0; i < STEPS; i++) {
        uint32_t count = 1 + draw(i % 16 == 0 ? BUF_SECTORS : 16);
        uint64_t sector = draw(SCENARIO_SECTORS - count + 1);

        switch (draw(8)) {
        case 0:
            flush(out);
            break;
        case 1:
        case 2:
        case 3:
            write_one(out, sector, count);
            break;
        default:
            read_one(out, sector, count);
        }
    }
}

/* ---- Many requests at a time --------------------------------------------- */

struct flight {
    struct block_request request;
    struct slice piece;
    unsigned ended; /* how often done() was called */
    int status;
};

static struct flight flights[FLOOD];
static unsigned ended_count;

static void flight_done(struct block_request *request, int status)
{
    struct flight *flight = request->cookie;

    flight->ended++;
    flight->status = status;
    ended_count++;
}

/* What is done many times: the place of number i is i * stride. */
struct many {
    const char *name;
    enum block_op op;
    unsigned flags;
    unsigned count;
    unsigned stride; /* 1: neighbours, which may be joined */
    bool is_at_once; /* in one list, else one after the other */
};

static void flight_make(unsigned i, const struct many *many)
{
    struct flight *flight = &flights[i];
    bool has_data = many->op == BLOCK_READ || many->op == BLOCK_WRITE;

    *flight = (struct flight){
        .request = {.op = many->op,
                    .flags = many->flags,
                    .sector = first + i * many->stride,
                    .sectors = 1,
                    .count = has_data,
                    .vec = &flight->piece,
                    .done = flight_done,
                    .cookie = flight},
        .piece = {memory, i * BLOCK_SECTOR_SIZE, BLOCK_SECTOR_SIZE},
    };
    if (i > 0 && many->is_at_once)
        flights[i - 1].request.next = &flight->request;
}

/* Sector i of the buffer, and the place i of the disk. */
static void many_start(const struct many *many)
{
    ended_count = 0;
    for (unsigned i = 0; i < many->count; i++) {
        memset(buf + i * BLOCK_SECTOR_SIZE, (int)(i + many->count + many->op),
               BLOCK_SECTOR_SIZE);
        flight_make(i, many);
        if (!many->is_at_once)
            assert_int_equal(block_submit(&disk_open, &flights[i].request), 0);
    }
    if (many->is_at_once)
        assert_int_equal(block_submit(&disk_open, &flights[0].request), 0);
}

static void flight_check(unsigned i, const struct many *many)
{
    uint8_t *at = buf + i * BLOCK_SECTOR_SIZE;
    uint8_t *on_disk = wanted + (size_t)i * many->stride * BLOCK_SECTOR_SIZE;

    assert_int_equal(flights[i].ended, 1);
    assert_int_equal(flights[i].status, 0);
    if (many->op == BLOCK_WRITE)
        memcpy(on_disk, at, BLOCK_SECTOR_SIZE);
    else if (many->op == BLOCK_WRITE_ZEROES)
        memset(on_disk, 0, BLOCK_SECTOR_SIZE);
    else
        assert_memory_equal(at, on_disk, BLOCK_SECTOR_SIZE);
}

static void many_await(const struct many *many)
{
    uint64_t end = time_ns() + PATIENCE_S * NS_PER_S;

    many_start(many);
    while (ended_count < many->count && time_ns() < end)
        thread_sleep(100 * NS_PER_US);
    assert_int_equal(ended_count, many->count);
}

static void many_run(struct transcript *out, const struct many *many)
{
    many_await(many);
    for (unsigned i = 0; i < many->count; i++)
        flight_check(i, many);
    transcript_add(out, "%u times %s", many->count, many->name);
}

static void many_all(struct transcript *out)
{
    static const struct many rows[] = {
        {"read", BLOCK_READ, 0, DEPTH, 7, false},
        {"write", BLOCK_WRITE, 0, DEPTH, 7, false},
        {"read", BLOCK_READ, 0, DEPTH, 7, true},
        {"write neighbours", BLOCK_WRITE, 0, DEPTH, 1, true},
        {"read neighbours", BLOCK_READ, 0, DEPTH, 1, true},
        {"write durably", BLOCK_WRITE, BLOCK_FUA, DEPTH, 5, true},
        {"flush and write", BLOCK_WRITE, BLOCK_PREFLUSH, 8, 3, false},
        {"write zeros", BLOCK_WRITE_ZEROES, 0, 8, 11, false},
        {"write", BLOCK_WRITE, 0, FLOOD, 7, false},
        {"read", BLOCK_READ, 0, FLOOD, 7, true},
        {"read neighbours", BLOCK_READ, 0, FLOOD, 1, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        many_run(out, &rows[i]);
}

/* The machine is gone while requests are with the device; another begins. */
static void restart_amid(const struct block_side *side)
{
    static const struct many reads = {"", BLOCK_READ, 0, DEPTH, 9, false};

    many_start(&reads);
    side->end(side);
    machine_begin(side);
}

/* ---- The scenarios ------------------------------------------------------- */

static void about(struct transcript *out)
{
    transcript_add(out, "sectors %llu, %s", (unsigned long long)disk->sectors,
                   disk->read_only ? "read-only" : "writable");
    assert_int_equal(disk->sectors, first + SCENARIO_SECTORS);
}

void scenario_block(const struct block_side *side, struct transcript *out)
{
    all_begin(side, 0);
    about(out);
    lengths(out);
    many_all(out);
    flush(out);
    machine_end(side);
    machine_begin(side); /* in good order, */
    about(out);
    drawn_steps(out);
    restart_amid(side); /* and in the middle */
    about(out);
    drawn_steps(out);
    all_end(side, out);
}

void scenario_block_read_only(const struct block_side *side,
                              struct transcript *out)
{
    all_begin(side, SCENARIO_READ_ONLY);
    about(out);
    read_one(out, 0, 8);
    write_one(out, 0, 1);
    flush(out);
    many_run(out, &(struct many){"read", BLOCK_READ, 0, DEPTH, 7, true});
    all_end(side, out);
}

/* ---- A disk with bad sectors --------------------------------------------- */

/* One request over `count` sectors; whether it works. */
static void faulty_one(struct transcript *out, bool is_write, uint64_t sector,
                       uint32_t count)
{
    const struct slice piece = {memory, 0, count * BLOCK_SECTOR_SIZE};
    int status = is_write ? block_write(&disk_open, first + sector, &piece, 1)
                          : block_read(&disk_open, first + sector, &piece, 1);

    transcript_add(out, "%s %llu+%u: %d", is_write ? "write" : "read",
                   (unsigned long long)sector, count, status);
}

/* Many at once, which may be joined: who has the bad sector fails, alone. */
static void faulty_many(struct transcript *out, enum block_op op, unsigned bad)
{
    const struct many row = {"", op, 0, FLOOD, 2, true};

    many_await(&row);
    for (unsigned i = 0; i < row.count; i++) {
        assert_int_equal(flights[i].status, i * row.stride == bad ? -EIO : 0);
        if (flights[i].status == 0)
            flight_check(i, &row);
    }
    transcript_add(out, "all others work");
}

/* What a write leaves that fails is not compared: what may be there is written
 * again. */
void scenario_block_faulty(const struct block_side *side,
                           struct transcript *out)
{
    all_begin(side, SCENARIO_FAULTY);
    faulty_one(out, false, SCENARIO_BAD_READ, 1);
    faulty_one(out, false, SCENARIO_BAD_READ - 1, 1);
    faulty_one(out, false, SCENARIO_BAD_READ + 1, 1);
    faulty_one(out, false, SCENARIO_BAD_READ - 3, 8);
    faulty_one(out, false, 0, BUF_SECTORS);
    faulty_one(out, false, SCENARIO_BAD_WRITE, 1);
    faulty_many(out, BLOCK_READ, SCENARIO_BAD_READ);
    transcript_add(out, "flush: %d", block_flush(&disk_open));
    faulty_one(out, true, SCENARIO_BAD_WRITE, 1);
    transcript_add(out, "flush: %d", block_flush(&disk_open));
    transcript_add(out, "flush: %d", block_flush(&disk_open));
    faulty_one(out, true, SCENARIO_BAD_WRITE - 1, 2);
    read_one(out, SCENARIO_BAD_WRITE, 1);
    write_one(out, SCENARIO_BAD_WRITE - 1, 1);
    faulty_many(out, BLOCK_WRITE, SCENARIO_BAD_WRITE);
    transcript_add(out, "flush: %d", block_flush(&disk_open));
    read_one(out, SCENARIO_BAD_WRITE, 1);
    all_end(side, out);
}
