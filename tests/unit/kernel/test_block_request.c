/*
 * Requests over a disk in memory: what is refused, what the driver sees of
 * lists, long requests, flushes, zeros; and what becomes of failures.
 */
#include "kernel/device/block_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <string.h>
#include <torc/memory.h>

enum { SECTORS = 512, MEMORY = 256 * 1024, ASKS = 32 };

static struct ramblk disk;
static struct block_open disk_open;
static uint8_t data[SECTORS * 512];
static struct buf *memory;

/* A machine with a disk that the test has changed since prepare(). */
static void prepare(void)
{
    machine_attach(8 << 20);
    console_forget();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 * 7 + i % 509);
    ramblk_prepare(&disk, data, sizeof(data));
    memory = buf_alloc(MEMORY);
}

static void begin(void)
{
    ramblk_start(&disk);
    assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &disk_open), 0);
}

static void end(void)
{
    block_check(&disk.block);
    assert_int_equal(disk_open.under_way, 0);
    block_close(&disk_open);
    buf_put(memory);
    machine_detach();
}

/* ---- Asking -------------------------------------------------------------- */

/* A request of a table; its memory is that of its place on the disk. */
struct ask {
    enum block_op op;
    unsigned flags;
    uint64_t sector;
    uint32_t sectors;
};

static struct block_request requests[ASKS];
static struct slice slices[ASKS];
static int status_of[ASKS];
static unsigned ended, order[ASKS];

static void done(struct block_request *request, int status)
{
    unsigned i = (unsigned)(request - requests);

    status_of[i] = status;
    order[ended++] = i;
}

static void fill(unsigned i, const struct ask *ask)
{
    bool has_data = ask->op == BLOCK_READ || ask->op == BLOCK_WRITE;

    slices[i] =
        (struct slice){memory, (uint32_t)ask->sector * 512, ask->sectors * 512};
    requests[i] = (struct block_request){
        .op = ask->op,
        .flags = ask->flags,
        .sector = ask->sector,
        .sectors = ask->sectors,
        .vec = has_data ? &slices[i] : NULL,
        .count = has_data,
        .done = done,
    };
    status_of[i] = 1;
}

/* Submit the first `count` requests as one list. */
static int submit_list(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        requests[i].next = i + 1 < count ? &requests[i + 1] : NULL;
    ended = 0;
    return block_submit(&disk_open, count > 0 ? &requests[0] : NULL);
}

static int submit_asks(const struct ask *asks, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fill(i, &asks[i]);
    return submit_list(count);
}

static void ended_with(const char *name, unsigned count, int status)
{
    ROW(name, ended == count);
    for (unsigned i = 0; i < count; i++)
        ROW(name, status_of[i] == status);
}

/* ---- What the driver got ------------------------------------------------- */

static const char op_letter[] = "RWFDZ";

/* As text: "R8+4 F W0+1!" is a read of sectors 8 to 11, a flush, and a write of
 * sector 0 with FUA. */
static const char *given(void)
{
    static char text[4096];
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < disk.requests; i++) {
        const struct block_private *priv = &disk.given[i % RAMBLK_LOG];

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c",
                                i > 0 ? " " : "", op_letter[priv->op]);
        if (priv->op != BLOCK_FLUSH)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%u+%u%s",
                                    (unsigned)priv->sector, priv->sectors,
                                    priv->flags & BLOCK_FUA ? "!" : "");
    }
    return text;
}

/* That, and nothing before. */
static bool was_given(const char *wanted)
{
    bool is_so = strcmp(given(), wanted) == 0;

    if (!is_so)
        printf("the driver got \"%s\"\n", given());
    disk.requests = 0;
    return is_so;
}

/* ---- One request --------------------------------------------------------- */

static void test_request_range(void **state)
{
    static const struct {
        const char *name;
        uint32_t sector_size;
        uint64_t sector;
        uint32_t sectors;
        int status;
    } rows[] = {
        {"first sector", 512, 0, 1, 0},
        {"last sector", 512, SECTORS - 1, 1, 0},
        {"all", 512, 0, SECTORS, 0},
        {"one past the end", 512, SECTORS, 1, -EINVAL},
        {"two past the end", 512, SECTORS + 1, 1, -EINVAL},
        {"straddles the end", 512, SECTORS - 1, 2, -EINVAL},
        {"one more than all", 512, 0, SECTORS + 1, -EINVAL},
        {"all from the second on", 512, 1, SECTORS, -EINVAL},
        {"nothing", 512, 0, 0, -EINVAL},
        {"far behind the end", 512, UINT64_MAX, 1, -EINVAL},
        {"sum wraps 64 bits", 512, UINT64_MAX, 2, -EINVAL},
        {"a large sector", 4096, 8, 8, 0},
        {"the last large one", 4096, SECTORS - 8, 8, 0},
        {"half a large one", 4096, 8, 4, -EINVAL},
        {"one and a half", 4096, 8, 12, -EINVAL},
        {"two halves", 4096, 4, 8, -EINVAL},
        {"between two", 4096, 1, 8, -EINVAL},
        {"one of 1024", 1024, 2, 2, 0},
        {"a half of 1024", 1024, 2, 1, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ask ask = {BLOCK_READ, 0, rows[i].sector, rows[i].sectors};

        prepare();
        disk.block.sector_size = rows[i].sector_size;
        disk.block.limits.sectors = 2 * SECTORS;
        disk.block.limits.discard_sectors = 2 * SECTORS;
        begin();
        for (unsigned op = 0; op < 5; op++) {
            if (op == BLOCK_FLUSH)
                continue;
            ask.op = op;
            fill(0, &ask);
            slices[0].offset = 0;
            if (rows[i].status != 0)
                slices[0].len = 512; /* valid by itself */
            ROW(rows[i].name, submit_list(1) == rows[i].status);
            ended_with(rows[i].name, rows[i].status == 0, 0);
        }
        end();
    }
}

static void test_request_operation(void **state)
{
    static const struct {
        const char *name;
        enum block_op op;
        uint64_t sector;
        uint32_t sectors;
        unsigned slices;
        bool read_only;
        uint32_t discard;
        int status;
    } rows[] = {
        {"read", BLOCK_READ, 0, 1, 1, false, 0, 0},
        {"read of a read-only disk", BLOCK_READ, 0, 1, 1, true, 0, 0},
        {"write", BLOCK_WRITE, 0, 1, 1, false, 0, 0},
        {"write to a read-only disk", BLOCK_WRITE, 0, 1, 1, true, 0, -EROFS},
        {"read without memory", BLOCK_READ, 0, 1, 0, false, 0, -EINVAL},
        {"flush", BLOCK_FLUSH, 0, 0, 0, false, 0, 0},
        {"flush of a read-only disk", BLOCK_FLUSH, 0, 0, 0, true, 0, 0},
        {"flush of a place", BLOCK_FLUSH, 1, 0, 0, false, 0, -EINVAL},
        {"flush of a sector", BLOCK_FLUSH, 0, 1, 0, false, 0, -EINVAL},
        {"flush with memory", BLOCK_FLUSH, 0, 0, 1, false, 0, -EINVAL},
        {"discard", BLOCK_DISCARD, 0, 1, 0, false, 8, 0},
        {"discard without any", BLOCK_DISCARD, 0, 1, 0, false, 0, -ENOTSUP},
        {"discard with memory", BLOCK_DISCARD, 0, 1, 1, false, 8, -EINVAL},
        {"discard of a read-only disk", BLOCK_DISCARD, 0, 1, 0, true, 8,
         -EROFS},
        {"zeroes", BLOCK_WRITE_ZEROES, 0, 1, 0, false, 0, 0},
        {"zeroes with memory", BLOCK_WRITE_ZEROES, 0, 1, 1, false, 0, -EINVAL},
        {"zeroes to a read-only disk", BLOCK_WRITE_ZEROES, 0, 1, 0, true, 0,
         -EROFS},
        {"no operation", BLOCK_WRITE_ZEROES + 1, 0, 1, 0, false, 0, -EINVAL},
        {"a negative one", (enum block_op) - 1, 0, 1, 0, false, 0, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct ask ask = {rows[i].op, 0, rows[i].sector, rows[i].sectors};

        prepare();
        disk.block.read_only = rows[i].read_only;
        disk.block.limits.discard_sectors = rows[i].discard;
        begin();
        fill(0, &ask);
        requests[0].vec = slices;
        requests[0].count = rows[i].slices;
        ROW(rows[i].name, submit_list(1) == rows[i].status);
        ended_with(rows[i].name, rows[i].status == 0, 0);
        end();
    }
}

/* Which flag each operation may have. */
static void test_request_flags(void **state)
{
    static const unsigned allowed[] = {
        [BLOCK_READ] = BLOCK_META | BLOCK_AHEAD,
        [BLOCK_WRITE] = BLOCK_META | BLOCK_FUA | BLOCK_PREFLUSH,
        [BLOCK_FLUSH] = BLOCK_META,
        [BLOCK_DISCARD] = BLOCK_META,
        [BLOCK_WRITE_ZEROES] = BLOCK_META | BLOCK_FUA | BLOCK_PREFLUSH,
    };

    (void)state;
    prepare();
    disk.block.limits.discard_sectors = 8;
    begin();
    for (unsigned op = 0; op < 5; op++) {
        for (unsigned flags = 0; flags < 64; flags++) {
            const struct ask ask = {op, flags, 0, op != BLOCK_FLUSH};
            bool is_allowed = (flags & ~allowed[op]) == 0;

            assert_int_equal(submit_asks(&ask, 1), is_allowed ? 0 : -EINVAL);
            ended_with("flags", is_allowed, 0);
        }
    }
    end();
}

static void test_request_slices(void **state)
{
    static const struct {
        const char *name;
        uint32_t align;
        struct {
            uint32_t offset, len;
        } vec[3];
        unsigned count;
        int status; /* of a read of 4 sectors */
    } rows[] = {
        {"one", 0, {{0, 2048}}, 1, 0},
        {"three", 0, {{0, 512}, {4096, 1024}, {512, 512}}, 3, 0},
        {"not of sectors", 0, {{0, 100}, {107, 1900}, {3001, 48}}, 3, 0},
        {"at the end of the memory", 0, {{MEMORY - 2048, 2048}}, 1, 0},
        {"past the end", 0, {{MEMORY - 2047, 2048}}, 1, -EINVAL},
        {"behind the end", 0, {{MEMORY + 1, 2048}}, 1, -EINVAL},
        {"wraps", 0, {{UINT32_MAX, 2048}}, 1, -EINVAL},
        {"too little", 0, {{0, 2047}}, 1, -EINVAL},
        {"too much", 0, {{0, 2049}}, 1, -EINVAL},
        {"a slice too few", 0, {{0, 1024}, {0, 512}}, 2, -EINVAL},
        {"an empty one", 0, {{0, 2048}, {0, 0}}, 2, -EINVAL},
        {"aligned to 4", 4, {{4, 1020}, {2000, 1028}}, 2, 0},
        {"the place is not", 4, {{2, 1020}, {8, 1028}}, 2, -EINVAL},
        {"the length is not", 4, {{4, 1022}, {8, 1026}}, 2, -EINVAL},
        {"aligned to 512", 512, {{1024, 1536}, {0, 512}}, 2, 0},
        {"not to 512", 512, {{256, 2048}}, 1, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct ask ask = {BLOCK_READ, 0, 9, 4};
        uint8_t got[2048];
        struct slice vec[3];

        prepare();
        disk.block.limits.align = rows[i].align;
        begin();
        for (unsigned k = 0; k < 3; k++)
            vec[k] = (struct slice){memory, rows[i].vec[k].offset,
                                    rows[i].vec[k].len};
        fill(0, &ask);
        requests[0].vec = vec;
        requests[0].count = rows[i].count;
        ROW(rows[i].name, submit_list(1) == rows[i].status);
        ended_with(rows[i].name, rows[i].status == 0, 0);
        if (rows[i].status == 0) {
            slices_read(vec, rows[i].count, 0, got, sizeof(got));
            ROW(rows[i].name, memcmp(got, data + 9 * 512, 2048) == 0);
        }
        end();
    }
}

/* Memory of another CPU, and none at all. */
static void test_request_foreign_memory(void **state)
{
    const struct ask ask = {BLOCK_READ, 0, 0, 1};
    struct buf foreign;

    (void)state;
    prepare();
    begin();
    foreign = *memory;
    foreign.owner = &foreign;
    fill(0, &ask);
    slices[0].buf = &foreign;
    assert_int_equal(submit_list(1), -EXDEV);
    slices[0].buf = NULL;
    assert_int_equal(submit_list(1), -EINVAL);
    disk_open.queue->cpu = 1; /* as on another CPU */
    slices[0].buf = memory;
    assert_int_equal(submit_list(1), -EXDEV);
    assert_int_equal(disk.requests, 0);
    disk_open.queue->cpu = 0;
    assert_int_equal(submit_list(1), 0);
    end();
}

/* ---- Lists --------------------------------------------------------------- */

/* One that cannot be stops all; none is told, and all may be submitted
 * again. */
static void test_list_is_checked_before_it_starts(void **state)
{
    const struct ask asks[] = {{BLOCK_READ, 0, 0, 8},
                               {BLOCK_READ, 0, 8, 8},
                               {BLOCK_READ, 0, 100, 8},
                               {BLOCK_READ, 0, SECTORS, 1},
                               {BLOCK_READ, 0, 200, 8}};

    (void)state;
    prepare();
    begin();
    assert_int_equal(submit_asks(asks, 5), -EINVAL);
    assert_true(was_given(""));
    assert_int_equal(ended, 0);
    assert_int_equal(disk_open.under_way, 0);
    assert_int_equal(submit_list(3), 0);
    assert_true(was_given("R0+16 R100+8"));
    ended_with("three", 3, 0);
    assert_int_equal(block_submit(&disk_open, NULL), 0);
    end();
}

static void test_list_joins_neighbours(void **state)
{
    static const struct {
        const char *name;
        struct block_limits limits;
        struct ask asks[6];
        unsigned count;
        const char *given;
    } rows[] = {
        {"one", {.sectors = 100}, {{BLOCK_READ, 0, 5, 3}}, 1, "R5+3"},
        {"three in a row",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 3}, {BLOCK_READ, 0, 8, 1}, {BLOCK_READ, 0, 9, 2}},
         3,
         "R5+6"},
        {"a hole of one sector",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 3}, {BLOCK_READ, 0, 9, 1}},
         2,
         "R5+3 R9+1"},
        {"the same sector twice",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 1}, {BLOCK_READ, 0, 5, 1}},
         2,
         "R5+1 R5+1"},
        {"backwards",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 1}, {BLOCK_READ, 0, 4, 1}},
         2,
         "R5+1 R4+1"},
        {"another operation",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 1}, {BLOCK_WRITE, 0, 6, 1}},
         2,
         "R5+1 W6+1"},
        {"other flags",
         {.sectors = 100},
         {{BLOCK_READ, 0, 5, 1},
          {BLOCK_READ, BLOCK_META, 6, 1},
          {BLOCK_READ, BLOCK_META, 7, 1}},
         3,
         "R5+1 R6+2"},
        {"as many sectors as it takes",
         {.sectors = 8},
         {{BLOCK_READ, 0, 0, 4}, {BLOCK_READ, 0, 4, 4}, {BLOCK_READ, 0, 8, 1}},
         3,
         "R0+8 R8+1"},
        {"one sector too many",
         {.sectors = 8},
         {{BLOCK_READ, 0, 0, 4}, {BLOCK_READ, 0, 4, 5}, {BLOCK_READ, 0, 9, 3}},
         3,
         "R0+4 R4+8"},
        {"as many pieces as it takes",
         {.sectors = 100, .segments = 2},
         {{BLOCK_READ, 0, 0, 1},
          {BLOCK_READ, 0, 1, 1},
          {BLOCK_READ, 0, 2, 1},
          {BLOCK_READ, 0, 3, 1}},
         4,
         "R0+2 R2+2"},
        {"two runs",
         {.sectors = 100},
         {{BLOCK_WRITE, 0, 0, 1},
          {BLOCK_WRITE, 0, 1, 1},
          {BLOCK_WRITE, 0, 10, 1},
          {BLOCK_WRITE, 0, 11, 1}},
         4,
         "W0+2 W10+2"},
        {"flushes",
         {.sectors = 100},
         {{BLOCK_WRITE, 0, 0, 1},
          {BLOCK_FLUSH, 0, 0, 0},
          {BLOCK_FLUSH, 0, 0, 0},
          {BLOCK_WRITE, 0, 1, 1}},
         4,
         "W0+1 F W1+1"},
        {"discards",
         {.sectors = 2, .discard_sectors = 4},
         {{BLOCK_DISCARD, 0, 0, 3},
          {BLOCK_DISCARD, 0, 3, 1},
          {BLOCK_DISCARD, 0, 4, 1}},
         3,
         "D0+4 D4+1"},
        {"zeroes",
         {.sectors = 2, .zeroes_sectors = 4},
         {{BLOCK_WRITE_ZEROES, 0, 0, 2},
          {BLOCK_WRITE_ZEROES, 0, 2, 2},
          {BLOCK_WRITE_ZEROES, 0, 4, 1}},
         3,
         "Z0+4 Z4+1"},
        {"what needs a flush before",
         {.sectors = 100},
         {{BLOCK_WRITE, BLOCK_PREFLUSH, 0, 1},
          {BLOCK_WRITE, BLOCK_PREFLUSH, 1, 1}},
         2,
         "F F W0+1 W1+1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        prepare();
        disk.block.limits = rows[i].limits;
        begin();
        ROW(rows[i].name, submit_asks(rows[i].asks, rows[i].count) == 0);
        ROW(rows[i].name, was_given(rows[i].given));
        ended_with(rows[i].name, rows[i].count, 0);
        for (unsigned k = 0; k < rows[i].count; k++) {
            const struct ask *ask = &rows[i].asks[k];

            if (ask->op == BLOCK_READ)
                ROW(rows[i].name,
                    memcmp(slice_data(&slices[k]), data + ask->sector * 512,
                           ask->sectors * 512) == 0);
        }
        end();
    }
}

/* The driver has no room: what waits is joined, also over several lists; and
 * with no more than the last eight. */
static void test_waiting_is_joined(void **state)
{
    static const struct ask asks[] = {
        {BLOCK_READ, 0, 0, 1},  {BLOCK_READ, 0, 10, 1}, {BLOCK_READ, 0, 20, 1},
        {BLOCK_READ, 0, 11, 1}, {BLOCK_READ, 0, 30, 1}, {BLOCK_READ, 0, 12, 2},
        {BLOCK_READ, 0, 21, 1}, {BLOCK_WRITE, 0, 22, 1}};

    (void)state;
    prepare();
    disk.room = 1;
    disk.deferred = true;
    begin();
    for (unsigned i = 0; i < COUNT_OF(asks); i++) {
        fill(i, &asks[i]);
        requests[i].next = NULL;
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
        block_check(&disk.block);
    }
    ended = 0;
    while (ramblk_complete_one(&disk, 0))
        block_check(&disk.block);
    assert_true(was_given("R0+1 R10+4 R20+2 R30+1 W22+1"));
    ended_with("all", COUNT_OF(asks), 0);
    /* The ninth from the end is not looked at. */
    for (unsigned i = 0; i < 10; i++) {
        const struct ask ask = {BLOCK_READ, 0, 10 * i, 1};

        fill(i, &ask);
        requests[i].next = NULL;
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
    }
    for (unsigned i = 10; i < 12; i++) {
        const struct ask ask = {BLOCK_READ, 0, i == 10 ? 11 : 21, 1};

        fill(i, &ask);
        requests[i].next = NULL;
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
    }
    ended = 0;
    while (ramblk_complete_one(&disk, 0))
        ;
    assert_true(was_given("R0+1 R10+1 R20+1 R30+1 R40+1 R50+1 R60+1 R70+1 "
                          "R80+1 R90+1 R11+1 R21+1"));
    end();
}

/* A request that was written with a flush behind it, and was alone for that, is
 * used again: for a read that its neighbour joins. */
static void test_used_request_is_joined(void **state)
{
    const struct ask asks[] = {{BLOCK_WRITE, BLOCK_FUA, 5, 1},
                               {BLOCK_READ, 0, 6, 1}};

    (void)state;
    prepare();
    disk.block.features = BLOCK_HAS_CACHE;
    begin();
    disk.requests = 0;
    assert_int_equal(submit_asks(asks, 1), 0);
    ended_with("write", 1, 0);
    assert_true(was_given("W5+1 F"));
    fill(1, &asks[1]);
    requests[0].op = BLOCK_READ;
    requests[0].flags = 0;
    assert_int_equal(submit_list(2), 0);
    ended_with("reads", 2, 0);
    assert_true(was_given("R5+2"));
    end();
}

/* A list is given to the driver as a whole: it tells the device once. */
static void test_list_is_committed_once(void **state)
{
    struct ask asks[ASKS];

    (void)state;
    prepare();
    begin();
    for (unsigned i = 0; i < ASKS; i++)
        asks[i] = (struct ask){BLOCK_READ, 0, 10 * i, 1};
    assert_int_equal(submit_asks(asks, ASKS), 0);
    assert_int_equal(disk.requests, ASKS);
    assert_int_equal(disk.queues[0].commits, 1);
    for (unsigned i = 0; i < ASKS; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(disk_open.queue->submitted, ASKS);
    assert_int_equal(disk_open.queue->given, ASKS);
    end();
}

/* ---- Failures ------------------------------------------------------------ */

/* Joined requests fail together: each is tried alone. */
static void test_joined_failure_hits_only_the_bad_one(void **state)
{
    static const struct ask asks[] = {{BLOCK_WRITE, 0, 10, 2},
                                      {BLOCK_WRITE, 0, 12, 2},
                                      {BLOCK_WRITE, 0, 14, 2}};

    (void)state;
    for (unsigned bad = 0; bad < 3; bad++) {
        prepare();
        begin();
        disk.bad_sector = 10 + 2 * bad + 1;
        assert_int_equal(submit_asks(asks, 3), 0);
        assert_true(was_given("W10+6 W10+2 W12+2 W14+2"));
        assert_int_equal(ended, 3);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(status_of[i], i == bad ? -EIO : 0);
            assert_int_equal(order[i], i);
        }
        assert_int_equal(disk_open.queue->failed, 1);
        assert_int_equal(block_write_error(&disk_open), -EIO);
        end();
    }
}

static void test_failure_leaves_one_line(void **state)
{
    static const struct {
        struct ask ask;
        const char *line; /* NULL: none */
    } rows[] = {
        {{BLOCK_READ, 0, 70, 2},
         "error: rba: a read of 2 sectors at 70 has failed (error -5)\n"},
        {{BLOCK_WRITE, 0, 71, 1},
         "error: rba: a write of 1 sectors at 71 has failed (error -5)\n"},
        {{BLOCK_FLUSH, 0, 0, 0}, "error: rba: a flush has failed (error -5)\n"},
        {{BLOCK_DISCARD, 0, 72, 3},
         "error: rba: a discard of 3 sectors at 72 has failed (error -5)\n"},
        {{BLOCK_WRITE_ZEROES, 0, 73, 4},
         "error: rba: a zeroing of 4 sectors at 73 has failed (error -5)\n"},
        {{BLOCK_READ, BLOCK_AHEAD, 74, 5}, NULL},
        {{BLOCK_READ, 0, 128, 64}, /* a long one: the part that failed */
         "error: rba: a read of 32 sectors at 128 has failed (error -5)\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        prepare();
        disk.block.limits.sectors = 32;
        disk.block.limits.discard_sectors = disk.block.limits.zeroes_sectors =
            8;
        begin();
        disk.fail_from = 1;
        assert_int_equal(submit_asks(&rows[i].ask, 1), 0);
        ended_with("fails", 1, -EIO);
        if (rows[i].line == NULL)
            assert_false(console_has("failed"));
        else
            assert_true(console_has(rows[i].line));
        console_forget();
        disk.fail_from = 0;
        assert_int_equal(submit_list(1), 0); /* again, and it works */
        ended_with("works", 1, 0);
        assert_false(console_has("failed"));
        end();
    }
}

/* A failed write is told once, by the next flush of the same open. */
static void test_write_errors_are_told_once(void **state)
{
    static const struct {
        struct ask ask;
        int told;
    } rows[] = {
        {{BLOCK_READ, 0, 1, 1}, 0},
        {{BLOCK_WRITE, 0, 1, 1}, -EIO},
        {{BLOCK_WRITE_ZEROES, 0, 1, 1}, -EIO},
        {{BLOCK_WRITE, BLOCK_FUA, 1, 1}, -EIO},
        {{BLOCK_FLUSH, 0, 0, 0}, 0}, /* its submitter knows it */
        {{BLOCK_DISCARD, 0, 1, 1}, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct block_open other;

        prepare();
        disk.block.limits.discard_sectors = 8;
        begin();
        assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &other), 0);
        disk.fail_from = 1;
        assert_int_equal(submit_asks(&rows[i].ask, 1), 0);
        ended_with("fails", 1, -EIO);
        disk.fail_from = 0;
        assert_int_equal(block_flush(&other), 0);
        assert_int_equal(disk_open.write_error, rows[i].told);
        assert_int_equal(block_flush(&disk_open), rows[i].told);
        assert_int_equal(block_flush(&disk_open), 0);
        block_close(&other);
        end();
    }
    /* The first of several; and a flush that fails itself. */
    prepare();
    begin();
    disk_open.write_error = -ETIMEDOUT;
    disk.fail_at = 1;
    assert_int_equal(submit_asks(&rows[1].ask, 1), 0);
    assert_int_equal(disk_open.write_error, -ETIMEDOUT);
    disk.fail_at = 1;
    assert_int_equal(block_flush(&disk_open), -ETIMEDOUT);
    disk.fail_at = 1;
    assert_int_equal(block_flush(&disk_open), -EIO);
    assert_int_equal(block_flush(&disk_open), 0);
    disk_open.write_error = -EIO;
    assert_int_equal(block_write_error(&disk_open), -EIO);
    assert_int_equal(block_write_error(&disk_open), 0);
    end();
}

/* ---- Flushes ------------------------------------------------------------- */

/* What the device has decides what a write needs. */
static void test_flush_and_fua(void **state)
{
    static const struct {
        unsigned features;
        enum block_op op;
        unsigned flags;
        const char *given;
    } rows[] = {
        {0, BLOCK_FLUSH, 0, ""},
        {0, BLOCK_WRITE, BLOCK_PREFLUSH, "W4+2"},
        {0, BLOCK_WRITE, BLOCK_FUA, "W4+2"},
        {BLOCK_HAS_FUA, BLOCK_WRITE, BLOCK_FUA | BLOCK_PREFLUSH, "W4+2"},
        {BLOCK_HAS_CACHE, BLOCK_FLUSH, 0, "F"},
        {BLOCK_HAS_CACHE, BLOCK_WRITE, 0, "W4+2"},
        {BLOCK_HAS_CACHE, BLOCK_WRITE, BLOCK_PREFLUSH, "F W4+2"},
        {BLOCK_HAS_CACHE, BLOCK_WRITE, BLOCK_FUA, "W4+2 F"},
        {BLOCK_HAS_CACHE, BLOCK_WRITE, BLOCK_FUA | BLOCK_PREFLUSH, "F W4+2 F"},
        {BLOCK_HAS_CACHE | BLOCK_HAS_FUA, BLOCK_WRITE, BLOCK_FUA, "W4+2!"},
        {BLOCK_HAS_CACHE | BLOCK_HAS_FUA, BLOCK_WRITE, 0, "W4+2"},
        {BLOCK_HAS_CACHE | BLOCK_HAS_FUA, BLOCK_WRITE,
         BLOCK_FUA | BLOCK_PREFLUSH, "F W4+2!"},
        {BLOCK_HAS_CACHE, BLOCK_WRITE_ZEROES, BLOCK_FUA | BLOCK_PREFLUSH,
         "F Z4+2 F"},
        {BLOCK_HAS_CACHE | BLOCK_HAS_FUA, BLOCK_WRITE_ZEROES, BLOCK_FUA,
         "Z4+2!"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ask ask = {rows[i].op, rows[i].flags, 4, 2};
        unsigned steps = 1;

        if (ask.op == BLOCK_FLUSH)
            ask.sector = ask.sectors = 0;
        prepare();
        disk.block.features = rows[i].features;
        disk.block.limits.zeroes_sectors = 8;
        begin();
        assert_int_equal(submit_asks(&ask, 1), 0);
        ROW(rows[i].given, was_given(rows[i].given));
        ended_with(rows[i].given, 1, 0);
        for (const char *at = rows[i].given; *at != '\0'; at++)
            steps += *at == ' ';
        /* Each step fails: there is no further one. */
        for (unsigned n = 1; n <= steps && rows[i].given[0] != '\0'; n++) {
            disk.fail_at = n;
            assert_int_equal(submit_asks(&ask, 1), 0);
            ROW(rows[i].given, disk.requests == n);
            ended_with(rows[i].given, 1, -EIO);
            disk.requests = 0;
        }
        end();
    }
}

/* With the driver it is a flush of the whole disk, also for a partition. */
static void test_flush_of_a_partition(void **state)
{
    struct block_device part;
    const struct ask asks[] = {{BLOCK_FLUSH, 0, 0, 0}, {BLOCK_READ, 0, 3, 2}};

    (void)state;
    prepare();
    begin();
    block_close(&disk_open);
    part = disk.block;
    part.disk = &disk.block;
    part.first_sector = 100;
    part.sectors = 50;
    assert_int_equal(block_open(&part, BLOCK_EXCLUSIVE, &disk_open), 0);
    assert_int_equal(submit_asks(asks, 2), 0);
    assert_int_equal(disk.given[0].sector, 0);
    assert_true(was_given("F R103+2"));
    assert_memory_equal(slice_data(&slices[1]), data + 103 * 512, 1024);
    /* Submitted again, it is the same place. */
    assert_int_equal(submit_list(2), 0);
    assert_true(was_given("F R103+2"));
    requests[1].sector = 49;
    assert_int_equal(submit_list(2), -EINVAL);
    end();
}

/* ---- Long requests ------------------------------------------------------- */

static void test_long_requests_go_in_parts(void **state)
{
    static const struct {
        const char *name;
        struct block_limits limits;
        uint32_t sector_size;
        uint32_t vec[6]; /* lengths of slices; 0 ends them */
        const char *given;
    } rows[] = {
        {"as long as it takes", {.sectors = 8}, 512, {4096}, "R8+8"},
        {"a sector more", {.sectors = 8}, 512, {4608}, "R8+8 R16+1"},
        {"three", {.sectors = 3}, 512, {4096}, "R8+3 R11+3 R14+2"},
        {"sector by sector", {.sectors = 1}, 512, {1024}, "R8+1 R9+1"},
        {"of two pieces",
         {.segments = 2},
         512,
         {512, 1024, 1536, 512},
         "R8+3 R11+4"},
        {"of one piece",
         {.segments = 1},
         512,
         {512, 1024, 512},
         "R8+1 R9+2 R11+1"},
        {"pieces of two sectors",
         {.segments = 1, .segment_bytes = 1024},
         512,
         {3072},
         "R8+2 R10+2 R12+2"},
        {"pieces of almost two",
         {.segments = 1, .segment_bytes = 1023},
         512,
         {1536},
         "R8+1 R9+1 R10+1"},
        {"pieces of less than a sector",
         {.segments = 3, .segment_bytes = 256},
         512,
         {1024},
         "R8+1 R9+1"},
        {"slices of less than a sector",
         {.segments = 3},
         512,
         {300, 200, 12, 500, 524},
         "R8+1 R9+2"},
        {"sectors of 4096",
         {.segments = 3},
         4096,
         {3000, 1000, 96, 4096, 4096},
         "R8+8 R16+16"},
        {"a part of 4096 less",
         {.segments = 2},
         4096,
         {4096, 2048, 2048, 4096},
         "R8+8 R16+8 R24+8"},
        {"a boundary",
         {.segments = 1, .boundary = 2048},
         512,
         {6144},
         "R8+4 R12+4 R16+4"},
        {"sectors no multiple of 4096",
         {.sectors = 15},
         4096,
         {16384},
         "R8+8 R16+8 R24+8 R32+8"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static uint8_t got[16384];
        struct ask ask = {BLOCK_READ, 0, 8, 0};
        struct slice vec[6];
        unsigned count = 0;
        uint32_t at = 0;

        for (; rows[i].vec[count] != 0; count++)
            ask.sectors += rows[i].vec[count];
        ask.sectors /= 512;
        prepare();
        disk.block.limits = rows[i].limits;
        disk.block.sector_size = rows[i].sector_size;
        begin();
        for (unsigned k = 0; k < count; k++) {
            vec[k] = (struct slice){memory, at, rows[i].vec[k]};
            at += 4096;
        }
        fill(0, &ask);
        requests[0].vec = vec;
        requests[0].count = count;
        ROW(rows[i].name, submit_list(1) == 0);
        ROW(rows[i].name, was_given(rows[i].given));
        ended_with(rows[i].name, 1, 0);
        slices_read(vec, count, 0, got, ask.sectors * 512);
        ROW(rows[i].name, memcmp(got, data + 8 * 512, ask.sectors * 512) == 0);
        end();
    }
}

/* A sector that the device cannot take in one request. */
static void test_long_request_that_cannot_be_cut(void **state)
{
    static const struct {
        const char *name;
        struct block_limits limits;
        uint32_t sector_size;
        uint32_t vec[4];
        int status;
    } rows[] = {
        {"two pieces of two", {.segments = 2}, 512, {256, 256, 512}, 0},
        {"three pieces of two",
         {.segments = 2},
         512,
         {200, 200, 112, 512},
         -EINVAL},
        {"the second sector",
         {.segments = 2},
         512,
         {512, 200, 200, 112},
         -EINVAL},
        {"pieces that are short",
         {.segments = 1, .segment_bytes = 511},
         512,
         {1024},
         -EINVAL},
        {"a page in halves", {.segments = 2}, 4096, {2048, 2048, 4096}, 0},
        {"a page in three",
         {.segments = 2},
         4096,
         {2048, 1024, 1024, 4096},
         -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ask ask = {BLOCK_READ, 0, 8, 0};
        struct slice vec[4];
        unsigned count = 0;

        for (; count < 4 && rows[i].vec[count] != 0; count++) {
            ask.sectors += rows[i].vec[count];
            vec[count] = (struct slice){NULL, 4096 * count, rows[i].vec[count]};
        }
        ask.sectors /= 512;
        prepare();
        disk.block.limits = rows[i].limits;
        disk.block.sector_size = rows[i].sector_size;
        begin();
        fill(0, &ask);
        for (unsigned k = 0; k < count; k++)
            vec[k].buf = memory;
        requests[0].vec = vec;
        requests[0].count = count;
        ROW(rows[i].name, submit_list(1) == rows[i].status);
        ROW(rows[i].name, ended == (rows[i].status == 0));
        end();
    }
}

/* At most 16 parts at a time, whatever room the driver has. */
static void test_long_request_of_many_parts(void **state)
{
    const struct ask ask = {BLOCK_READ, 0, 0, 100};

    (void)state;
    for (unsigned room = 0; room < 20; room += 3) {
        unsigned count = 0;

        prepare();
        disk.block.limits.sectors = 1;
        disk.deferred = true;
        disk.room = room;
        begin();
        memset(memory->base, 0, MEMORY);
        assert_int_equal(submit_asks(&ask, 1), 0);
        assert_int_equal(disk.requests, room == 0 || room > 16 ? 16 : room);
        for (; ramblk_complete_one(&disk, 0); count++)
            block_check(&disk.block);
        assert_int_equal(count, 100);
        ended_with("all", 1, 0);
        assert_memory_equal(memory->base, data, 100 * 512);
        end();
    }
}

/* Two long ones and a short one behind them share the parts. */
static void test_long_requests_in_a_row(void **state)
{
    const struct ask asks[] = {{BLOCK_READ, 0, 0, 40},
                               {BLOCK_WRITE, 0, 100, 40},
                               {BLOCK_READ, 0, 300, 2}};

    (void)state;
    prepare();
    disk.block.limits.sectors = 2;
    disk.deferred = true;
    begin();
    assert_int_equal(submit_asks(asks, 3), 0);
    assert_int_equal(disk.requests, 16);
    while (ramblk_complete_one(&disk, 0))
        block_check(&disk.block);
    ended_with("all", 3, 0);
    assert_int_equal(disk.requests, 41);
    assert_memory_equal(memory->base, data, 40 * 512);
    assert_memory_equal(slice_data(&slices[1]), data + 100 * 512, 40 * 512);
    end();
}

/* After the first part that fails no more are made; it ends with the last one
 * that is with the driver. */
static void test_long_request_fails(void **state)
{
    const struct ask ask = {BLOCK_WRITE, 0, 0, 64};

    (void)state;
    for (unsigned n = 1; n <= 16; n++) {
        prepare();
        disk.block.limits.sectors = 2;
        disk.deferred = true;
        begin();
        assert_int_equal(submit_asks(&ask, 1), 0);
        disk.fail_at = n;
        while (ramblk_complete_one(&disk, 0)) {
            block_check(&disk.block);
            assert_true(ended == 0 || disk.queues[0].with_us == 0);
        }
        ended_with("fails", 1, -EIO);
        /* One more for each that ended before. */
        assert_int_equal(disk.requests, 16 + n - 1);
        disk.deferred = false;
        assert_int_equal(block_flush(&disk_open), -EIO);
        end();
    }
}

static void test_long_request_with_flushes(void **state)
{
    const struct ask ask = {BLOCK_WRITE, BLOCK_FUA | BLOCK_PREFLUSH, 10, 5};

    (void)state;
    prepare();
    disk.block.limits.sectors = 2;
    begin();
    assert_int_equal(submit_asks(&ask, 1), 0);
    assert_true(was_given("F W10+2 W12+2 W14+1 F"));
    ended_with("it", 1, 0);
    end();
    prepare();
    disk.block.limits.sectors = 2;
    disk.block.features |= BLOCK_HAS_FUA;
    begin();
    assert_int_equal(submit_asks(&ask, 1), 0);
    assert_true(was_given("F W10+2! W12+2! W14+1!"));
    end();
}

/* ---- Discards and zeros -------------------------------------------------- */

static void test_discards_and_zeroes_in_parts(void **state)
{
    const struct ask asks[] = {{BLOCK_DISCARD, 0, 10, 20},
                               {BLOCK_WRITE_ZEROES, 0, 40, 20}};

    (void)state;
    prepare();
    disk.block.limits.sectors = 1;
    disk.block.limits.discard_sectors = 8;
    disk.block.limits.zeroes_sectors = 16;
    begin();
    assert_int_equal(submit_asks(asks, 2), 0);
    assert_true(was_given("D10+8 D18+8 D26+4 Z40+16 Z56+4"));
    ended_with("both", 2, 0);
    assert_int_equal(data[40 * 512 - 1],
                     (uint8_t)(39 * 7 + (40 * 512 - 1) % 509));
    for (unsigned i = 40 * 512; i < 60 * 512; i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(data[60 * 512], (uint8_t)(60 * 7 + 60 * 512 % 509));
    end();
}

/* A device without such an operation: a page of zeros is written. */
static void test_zeroes_are_written(void **state)
{
    static const struct {
        uint32_t sectors, segments;
        uint32_t sector_size;
        uint64_t sector;
        uint32_t count;
        const char *given;
    } rows[] = {
        {256, 0, 512, 3, 1, "W3+1"},
        {256, 0, 512, 3, 20, "W3+20"},
        {16, 0, 512, 3, 20, "W3+16 W19+4"},
        {256, 1, 512, 3, 20, "W3+8 W11+8 W19+4"},
        {256, 1, 4096, 8, 16, "W8+8 W16+8"},
        {4096, 0, 512, 0, SECTORS, "W0+512"}, /* 64 pages */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct ask ask = {BLOCK_WRITE_ZEROES, 0, rows[i].sector,
                                rows[i].count};
        size_t from = rows[i].sector * 512, to = from + rows[i].count * 512;

        prepare();
        disk.block.limits.sectors = rows[i].sectors;
        disk.block.limits.segments = rows[i].segments;
        disk.block.sector_size = rows[i].sector_size;
        begin();
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(submit_asks(&ask, 1), 0);
            ROW(rows[i].given, was_given(rows[i].given));
            ended_with(rows[i].given, 1, 0);
            for (size_t k = 0; k < sizeof(data); k++)
                ROW(rows[i].given,
                    data[k] == (k >= from && k < to
                                    ? 0
                                    : (uint8_t)(k / 512 * 7 + k % 509)));
        }
        end();
    }
}

static void test_zeroes_need_memory(void **state)
{
    const struct ask ask = {BLOCK_WRITE_ZEROES, 0, 0, 8};

    (void)state;
    prepare();
    begin();
    for (uint64_t n = 1; n <= 3; n++) {
        size_t blocks = stats().block_count;

        heap_fail(n);
        assert_int_equal(submit_asks(&ask, 1), -ENOMEM);
        assert_true(heap_failed());
        assert_int_equal(stats().block_count, blocks);
        assert_int_equal(disk_open.under_way, 0);
    }
    heap_fail(0);
    assert_int_equal(submit_asks(&ask, 1), 0);
    heap_fail(1); /* from now on it has them */
    assert_int_equal(submit_asks(&ask, 1), 0);
    assert_false(heap_failed());
    heap_fail(0);
    ended_with("it", 1, 0);
    end();
}

/* ---- Reading ahead ------------------------------------------------------- */

static void test_ahead_does_not_wait(void **state)
{
    static const struct ask asks[] = {
        {BLOCK_READ, BLOCK_AHEAD, 0, 1},  {BLOCK_READ, 0, 10, 1},
        {BLOCK_READ, BLOCK_AHEAD, 20, 1}, {BLOCK_READ, 0, 30, 1},
        {BLOCK_READ, BLOCK_AHEAD, 40, 1}, {BLOCK_READ, BLOCK_AHEAD, 41, 1},
    };
    const struct ask long_one = {BLOCK_READ, BLOCK_AHEAD, 100, 300};

    (void)state;
    prepare();
    disk.room = 2;
    disk.deferred = true;
    begin();
    assert_int_equal(submit_asks(asks, 6), 0);
    block_check(&disk.block);
    assert_int_equal(ended, 3); /* the last three that are AHEAD */
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(status_of[i], i == 2 || i >= 4 ? -ECANCELED : 1);
    assert_int_equal(disk_open.under_way, 3);
    /* Full as it is, another list does not wait either. */
    fill(6, &asks[0]);
    requests[6].next = NULL;
    assert_int_equal(block_submit(&disk_open, &requests[6]), 0);
    assert_int_equal(status_of[6], -ECANCELED);
    while (ramblk_complete_one(&disk, 0))
        block_check(&disk.block);
    assert_int_equal(status_of[0], 0);
    assert_int_equal(status_of[1], 0);
    assert_int_equal(status_of[3], 0);
    assert_true(was_given("R0+1 R10+1 R30+1"));
    /* Of a long one the parts that were given come to an end first. */
    assert_int_equal(submit_asks(&long_one, 1), 0);
    assert_int_equal(ended, 0);
    while (ramblk_complete_one(&disk, 0))
        ;
    assert_true(was_given("R100+256 R356+44"));
    ended_with("long", 1, 0);
    disk.block.limits.sectors = 100;
    assert_int_equal(submit_asks(&long_one, 1), 0);
    while (ramblk_complete_one(&disk, 0))
        ;
    assert_true(was_given("R100+100 R200+100"));
    ended_with("long", 1, -ECANCELED);
    assert_false(console_has("failed"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_range),
        cmocka_unit_test(test_request_operation),
        cmocka_unit_test(test_request_flags),
        cmocka_unit_test(test_request_slices),
        cmocka_unit_test(test_request_foreign_memory),
        cmocka_unit_test(test_list_is_checked_before_it_starts),
        cmocka_unit_test(test_list_joins_neighbours),
        cmocka_unit_test(test_waiting_is_joined),
        cmocka_unit_test(test_used_request_is_joined),
        cmocka_unit_test(test_list_is_committed_once),
        cmocka_unit_test(test_joined_failure_hits_only_the_bad_one),
        cmocka_unit_test(test_failure_leaves_one_line),
        cmocka_unit_test(test_write_errors_are_told_once),
        cmocka_unit_test(test_flush_and_fua),
        cmocka_unit_test(test_flush_of_a_partition),
        cmocka_unit_test(test_long_requests_go_in_parts),
        cmocka_unit_test(test_long_request_that_cannot_be_cut),
        cmocka_unit_test(test_long_request_of_many_parts),
        cmocka_unit_test(test_long_requests_in_a_row),
        cmocka_unit_test(test_long_request_fails),
        cmocka_unit_test(test_long_request_with_flushes),
        cmocka_unit_test(test_discards_and_zeroes_in_parts),
        cmocka_unit_test(test_zeroes_are_written),
        cmocka_unit_test(test_zeroes_need_memory),
        cmocka_unit_test(test_ahead_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
