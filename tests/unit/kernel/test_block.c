/*
 * The block class over a disk of this file's own: it takes two requests at a
 * time and completes them when told.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <string.h>
#include <torc/device.h>
#include <torc/format.h>
#include <torc/memory.h>

enum { SECTORS = 64, ROOM = 2 };

static struct disk {
    struct block_device block;
    uint8_t data[SECTORS * BLOCK_SECTOR_SIZE];
    struct block_request *held[ROOM];
    unsigned held_count;
    unsigned submits;
    uint32_t largest;
    unsigned starts;
    int start_status;
    int next_status;
    bool manual;                   /* complete only in complete_one() */
    bool at_once;                  /* complete within submit() */
    bool refuse_after_completing;  /* once: complete one, and answer -EAGAIN */
    int refuse_status;             /* what submit() answers; 0: it takes them */
    struct block_request *refused; /* the last of these */
} disk;
static struct block_open disk_open;
static struct buf *memory; /* a page */
static struct slice sector_slice;

static void complete_one(void)
{
    struct block_request *first = disk.held[0];
    int status = disk.next_status;

    disk.held[0] = disk.held[1];
    disk.held_count--;
    disk.next_status = 0;
    if (status == 0)
        block_copy(first, disk.data + first->priv.sector * BLOCK_SECTOR_SIZE);
    block_done(disk.block.queues[0], first, status);
}

static void disk_poll(struct block_queue *queue)
{
    (void)queue;
    while (disk.held_count > 0)
        complete_one();
}

static int disk_submit(struct block_queue *queue, struct block_request *first)
{
    if (disk.refuse_status != 0) {
        /* The one before is on its way back, and nobody's any more. */
        if (disk.refused != NULL)
            assert_int_equal(disk.refused->priv.state, BLOCK_ENDED);
        disk.refused = first;
        return disk.refuse_status;
    }
    if (disk.held_count == ROOM && disk.refuse_after_completing) {
        disk.refuse_after_completing = false;
        complete_one();
        return -EAGAIN;
    }
    if (disk.held_count == ROOM)
        return -EAGAIN;
    disk.submits++;
    if (first->priv.sectors > disk.largest)
        disk.largest = first->priv.sectors;
    disk.held[disk.held_count++] = first;
    if (disk.at_once)
        complete_one();
    else if (!disk.manual)
        block_interrupt(queue);
    return 0;
}

static int disk_start(struct block_device *dev)
{
    (void)dev;
    disk.starts++;
    return disk.start_status;
}

static const struct block_ops disk_ops = {
    .start = disk_start, .submit = disk_submit, .poll = disk_poll};

/* Give it to this CPU, and open it. */
static void begin(void)
{
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0);
    assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &disk_open), 0);
}

/* The same, when requests are completed by hand. */
static void begin_manually(void)
{
    disk.block.device.owner = 0;
    assert_int_equal(block_start_bare(&disk.block), 0);
    assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &disk_open), 0);
}

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    memset(&disk, 0, sizeof(disk));
    disk.block.ops = &disk_ops;
    disk.block.sectors = SECTORS;
    disk.block.limits.sectors = 8;
    disk.block.features = BLOCK_HAS_CACHE;
    assert_int_equal(block_register(&disk.block, "vd"), 0);
    memory = buf_alloc(4096);
    sector_slice = (struct slice){.buf = memory, .len = 512};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    block_check(&disk.block);
    machine_detach();
    return 0;
}

static void test_block_read_and_write(void **state)
{
    uint8_t *buf = dma_alloc(40 * 512);

    (void)state;
    for (unsigned i = 0; i < sizeof(disk.data); i++)
        disk.data[i] = (uint8_t)(i / 512 + 1);
    begin();
    assert_int_equal(device_dedicate(&disk.block.device, 0), 0); /* again */
    disk.submits = 0;
    assert_int_equal(disk_read(&disk_open, 3, 40, buf), 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(buf[i * 512], i + 4);
    assert_int_equal(disk.submits, 5); /* split at 8 sectors */
    assert_int_equal(disk.largest, 8);
    memset(buf, 0xee, 1024);
    assert_int_equal(disk_write(&disk_open, 62, 2, buf), 0);
    assert_int_equal(disk.data[62 * 512], 0xee);
    assert_int_equal(disk.data[64 * 512 - 1], 0xee);
    assert_int_equal(block_flush(&disk_open), 0);
    dma_free(buf, 40 * 512);
}

static int order[8];
static int order_count;

static void note(struct block_request *request, int status)
{
    assert_int_equal(status, 0);
    order[order_count++] = (int)request->sector;
}

static void test_block_queues_what_the_driver_refuses(void **state)
{
    struct block_request requests[6];

    (void)state;
    begin();
    disk.manual = true;
    order_count = 0;
    for (int i = 0; i < 6; i++) {
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = (uint64_t)i * 2,
                                             .sectors = 1,
                                             .vec = &sector_slice,
                                             .count = 1,
                                             .done = note};
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
    }
    assert_int_equal(disk.held_count, ROOM);
    while (disk.held_count > 0)
        complete_one();
    assert_int_equal(order_count, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(order[i], 2 * i);
}

/* A driver that reaps within submit() and has no room all the same: nothing
 * ends later, so what ended within the call must count. */
static void test_block_retries_after_a_completion_within_submit(void **state)
{
    struct block_request requests[3];

    (void)state;
    begin();
    disk.manual = true;
    disk.refuse_after_completing = true;
    order_count = 0;
    for (int i = 0; i < 3; i++) {
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sector = (uint64_t)i * 2,
                                             .sectors = 1,
                                             .vec = &sector_slice,
                                             .count = 1,
                                             .done = note};
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
        block_check(&disk.block);
    }
    assert_int_equal(order_count, 1);
    assert_int_equal(disk.held_count, ROOM); /* the third one is in */
    while (disk.held_count > 0)
        complete_one();
    assert_int_equal(order_count, 3);
}

static void note_refusal(struct block_request *request, int status)
{
    assert_int_equal(status, -ENXIO);
    assert_int_equal(request->priv.state, BLOCK_IDLE);
    order[order_count++] = (int)request->sector;
}

/* What the driver cannot do ends with its answer, each once and in order. */
static void test_block_the_driver_cannot(void **state)
{
    struct block_request requests[3];

    (void)state;
    begin_manually();
    disk.refuse_status = -ENXIO;
    order_count = 0;
    for (int i = 0; i < 3; i++)
        requests[i] =
            (struct block_request){.op = BLOCK_READ,
                                   .sector = (uint64_t)i * 2,
                                   .sectors = 1,
                                   .vec = &sector_slice,
                                   .count = 1,
                                   .next = i < 2 ? &requests[i + 1] : NULL,
                                   .done = note_refusal};
    assert_int_equal(block_submit(&disk_open, requests), 0);
    assert_int_equal(order_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(order[i], 2 * i);
    assert_ptr_equal(disk.refused, &requests[2]);
    assert_int_equal(disk_open.under_way, 0);
}

/* ---- Registering --------------------------------------------------------- */

static void test_block_register_checks(void **state)
{
    static const struct {
        const char *name;
        uint64_t sectors;
        uint32_t sector_size;
        struct block_limits limits;
        int status;
    } rows[] = {
        {"nothing said", 1, 0, {0}, 0},
        {"no sectors", 0, 0, {0}, -EINVAL},
        {"sectors of 512", 1, 512, {0}, 0},
        {"sectors of 4096", 8, 4096, {0}, 0},
        {"less than one of 4096", 7, 4096, {0}, -EINVAL},
        {"sectors of 2048", 8, 2048, {0}, 0},
        {"sectors of 256", 8, 256, {0}, -EINVAL},
        {"sectors of 8192", 64, 8192, {0}, -EINVAL},
        {"sectors of 520", 64, 520, {0}, -EINVAL},
        {"sectors of 4095", 64, 4095, {0}, -EINVAL},
        {"one sector a request", 8, 512, {.sectors = 1}, 0},
        {"less than a large one", 8, 4096, {.sectors = 7}, -EINVAL},
        {"a large one", 8, 4096, {.sectors = 8}, 0},
        {"aligned to 2", 8, 512, {.align = 2}, 0},
        {"aligned to 512", 8, 512, {.align = 512}, 0},
        {"aligned to 1024", 8, 512, {.align = 1024}, -EINVAL},
        {"aligned to 3", 8, 512, {.align = 3}, -EINVAL},
        {"pieces of the alignment",
         8,
         512,
         {.align = 4, .segment_bytes = 4},
         0},
        {"pieces of less", 8, 512, {.align = 4, .segment_bytes = 3}, -EINVAL},
        {"a boundary", 8, 512, {.boundary = 65536}, 0},
        {"no power of two", 8, 512, {.boundary = 65535}, -EINVAL},
        {"as the alignment", 8, 512, {.align = 4, .boundary = 4}, 0},
        {"less than the alignment",
         8,
         512,
         {.align = 4, .boundary = 2},
         -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct block_device dev = {.ops = disk.block.ops,
                                   .sectors = rows[i].sectors,
                                   .sector_size = rows[i].sector_size,
                                   .limits = rows[i].limits};

        machine_detach();
        machine_attach(8 << 20);
        ROW(rows[i].name, block_register(&dev, "vd") == rows[i].status);
        ROW(rows[i].name,
            (device_by_name("vda") == &dev.device) == (rows[i].status == 0));
        if (rows[i].status == 0)
            block_check(&dev);
    }
}

/* What is not said is without limit; what is said is made to fit. */
static void test_block_register_limits(void **state)
{
    static struct block_device dev, full, huge, odd;

    (void)state;
    dev = (struct block_device){.ops = disk.block.ops, .sectors = 1003};
    assert_int_equal(block_register(&dev, "vd"), 0);
    assert_int_equal(dev.sectors, 1003);
    assert_int_equal(dev.sector_size, 512);
    assert_int_equal(dev.limits.sectors, 1 << 22);
    assert_int_equal(dev.limits.segments, UINT32_MAX);
    assert_int_equal(dev.limits.segment_bytes, UINT32_MAX);
    assert_int_equal(dev.limits.align, 1);
    assert_int_equal(dev.limits.boundary, 0);
    assert_int_equal(dev.limits.discard_sectors, 0);
    assert_int_equal(dev.limits.zeroes_sectors, 0);
    assert_int_equal(dev.queue_max, 1);
    full = (struct block_device){.ops = disk.block.ops,
                                 .sectors = 1003,
                                 .sector_size = 4096,
                                 .queue_max = 1000,
                                 .limits = {.sectors = 255,
                                            .segments = 7,
                                            .segment_bytes = 1023,
                                            .align = 4,
                                            .boundary = 4096,
                                            .discard_sectors = UINT32_MAX,
                                            .zeroes_sectors = 31}};
    assert_int_equal(block_register(&full, "vd"), 0);
    assert_int_equal(full.sectors, 1000);
    assert_int_equal(full.limits.sectors, 248);
    assert_int_equal(full.limits.segments, 7);
    assert_int_equal(full.limits.segment_bytes, 1020);
    assert_int_equal(full.limits.align, 4);
    assert_int_equal(full.limits.boundary, 4096);
    assert_int_equal(full.limits.discard_sectors, 1 << 22);
    assert_int_equal(full.limits.zeroes_sectors, 24);
    assert_int_equal(full.queue_max, BLOCK_QUEUE_MAX);
    huge = (struct block_device){.ops = disk.block.ops,
                                 .sectors = 1003,
                                 .limits = {.sectors = UINT32_MAX}};
    assert_int_equal(block_register(&huge, "vd"), 0);
    assert_int_equal(huge.limits.sectors, 1 << 22);
    odd = (struct block_device){
        .ops = disk.block.ops,
        .sectors = 1003,
        .sector_size = 4096,
        .limits = {.discard_sectors = 15, .zeroes_sectors = UINT32_MAX}};
    assert_int_equal(block_register(&odd, "vd"), 0);
    assert_int_equal(odd.limits.discard_sectors, 8);
    assert_int_equal(odd.limits.zeroes_sectors, 1 << 22);
}

/* ---- Who has it open ----------------------------------------------------- */

static struct block_device parts[4];

static struct block_device *device_of(char name)
{
    return name == 'd' ? &disk.block : &parts[name - '1'];
}

/* The disk `d` and its partitions 1 to 4, of which some overlap; each opened
 * exclusively (`!`) or shared. */
static void test_block_open(void **state)
{
    static const struct {
        const char *name;
        const char *first, *second;
        int status;
    } rows[] = {
        {"the disk twice", "d", "d", 0},
        {"the disk twice, first alone", "d!", "d", -EBUSY},
        {"the disk twice, then alone", "d", "d!", -EBUSY},
        {"the disk twice, both alone", "d!", "d!", -EBUSY},
        {"a partition twice", "1!", "1!", -EBUSY},
        {"a partition of a disk in use", "d!", "1", -EBUSY},
        {"the disk of a partition in use", "1", "d!", -EBUSY},
        {"the next partition", "1!", "2!", 0},
        {"the partition before", "2!", "1!", 0},
        {"a partition that begins within", "2!", "3", -EBUSY},
        {"a partition that ends within", "3", "2!", -EBUSY},
        {"a partition inside", "2!", "4!", -EBUSY},
        {"a partition around", "4", "2!", -EBUSY},
        {"overlapping, shared", "4", "2", 0},
    };
    static const uint64_t places[4][2] = {{8, 8}, {16, 16}, {31, 8}, {20, 4}};
    struct block_open other;

    (void)state;
    begin();
    block_close(&disk_open);
    for (unsigned i = 0; i < 4; i++) {
        parts[i] = disk.block;
        parts[i].disk = &disk.block;
        parts[i].number = i + 1;
        parts[i].first_sector = places[i][0];
        parts[i].sectors = places[i][1];
        fmt_print(parts[i].device.name, DEVICE_NAME_MAX, "vda%u", i + 1);
        block_check(&parts[i]);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct block_open first, second;
        enum block_mode modes[2] = {
            rows[i].first[1] == '!' ? BLOCK_EXCLUSIVE : BLOCK_SHARED,
            rows[i].second[1] == '!' ? BLOCK_EXCLUSIVE : BLOCK_SHARED};

        console_forget();
        ROW(rows[i].name,
            block_open(device_of(rows[i].first[0]), modes[0], &first) == 0);
        ROW(rows[i].name, block_open(device_of(rows[i].second[0]), modes[1],
                                     &second) == rows[i].status);
        ROW(rows[i].name,
            console_has("one user only") == (rows[i].status != 0));
        block_check(&disk.block);
        block_close(&first);
        if (rows[i].status != 0)
            ROW(rows[i].name, block_open(device_of(rows[i].second[0]), modes[1],
                                         &second) == 0);
        block_check(&disk.block);
        block_close(&second);
        assert_true(list_empty(&disk.block.opens));
    }
    assert_int_equal(block_open(&disk.block, BLOCK_EXCLUSIVE, &disk_open), 0);
    assert_ptr_equal(disk_open.queue, disk.block.queues[0]);
    assert_int_equal(block_open(&parts[2], BLOCK_SHARED, &other), -EBUSY);
    assert_true(console_has("error: vda3: sectors of it are in use by way of "
                            "vda: one user only\n"));
}

/* ---- Pieces of memory ---------------------------------------------------- */

static void test_block_pieces(void **state)
{
    static const struct {
        const char *name;
        struct block_limits limits;
        uint32_t max_len; /* that the driver asks for; 0: any */
        struct {
            uint32_t offset, len;
        } vec[4];
        struct {
            uint32_t offset, len;
        } pieces[7];
        uint32_t segments;
    } rows[] = {
        {"one", {0}, 0, {{0, 1024}}, {{0, 1024}}, 1},
        {"three",
         {0},
         0,
         {{100, 24}, {0, 76}, {200, 924}},
         {{100, 24}, {0, 76}, {200, 924}},
         3},
        {"short pieces",
         {.segment_bytes = 400},
         0,
         {{0, 500}, {1000, 524}},
         {{0, 400}, {400, 100}, {1000, 400}, {1400, 124}},
         4},
        {"a boundary",
         {.boundary = 512},
         0,
         {{500, 1024}},
         {{500, 12}, {512, 512}, {1024, 500}},
         3},
        {"just a boundary",
         {.boundary = 512},
         0,
         {{512, 1024}},
         {{512, 512}, {1024, 512}},
         2},
        {"a boundary and short pieces",
         {.boundary = 512, .segment_bytes = 300},
         0,
         {{500, 1024}},
         {{500, 12}, {512, 300}, {812, 212}, {1024, 300}, {1324, 200}},
         5},
        {"the driver wants less",
         {0},
         600,
         {{0, 500}, {1000, 524}},
         {{0, 500}, {1000, 524}},
         2},
        {"much less",
         {.segment_bytes = 600},
         300,
         {{0, 500}, {1000, 524}},
         {{0, 300}, {300, 200}, {1000, 300}, {1300, 224}},
         2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct block_request request = {
            .op = BLOCK_WRITE, .sectors = 2, .done = note};
        struct slice vec[3];
        struct block_cursor cursor;
        struct block_piece piece;

        (void)teardown(state);
        (void)setup(state);
        disk.block.limits = rows[i].limits;
        disk.block.limits.segment_bytes = rows[i].limits.segment_bytes != 0
                                              ? rows[i].limits.segment_bytes
                                              : UINT32_MAX;
        disk.block.limits.align = 1;
        disk.block.limits.sectors = 8;
        disk.block.limits.segments = 100;
        disk.manual = true;
        order_count = 0;
        begin_manually();
        for (; rows[i].vec[request.count].len != 0; request.count++)
            vec[request.count] =
                (struct slice){memory, rows[i].vec[request.count].offset,
                               rows[i].vec[request.count].len};
        request.vec = vec;
        assert_int_equal(block_submit(&disk_open, &request), 0);
        ROW(rows[i].name, request.priv.segments == rows[i].segments);
        for (int again = 0; again < 2; again++) {
            unsigned k = 0;

            block_pieces_begin(&request, &cursor);
            while (block_piece_next(
                &cursor, rows[i].max_len != 0 ? rows[i].max_len : UINT32_MAX,
                &piece)) {
                ROW(rows[i].name, piece.len == rows[i].pieces[k].len);
                ROW(rows[i].name,
                    piece.at == memory->base + rows[i].pieces[k].offset);
                ROW(rows[i].name,
                    piece.bus == memory->bus + rows[i].pieces[k].offset);
                k++;
            }
            ROW(rows[i].name, rows[i].pieces[k].len == 0);
            assert_false(block_piece_next(&cursor, 1, &piece));
        }
        complete_one();
    }
}

/* Without data there are none: a flush, or WRITE_ZEROES. */
static void test_block_no_pieces(void **state)
{
    struct block_request request = {.op = BLOCK_FLUSH, .done = note};
    struct block_cursor cursor;
    struct block_piece piece;

    (void)state;
    disk.manual = true;
    order_count = 0;
    begin_manually();
    assert_int_equal(block_submit(&disk_open, &request), 0);
    block_pieces_begin(&request, &cursor);
    assert_false(block_piece_next(&cursor, 512, &piece));
    complete_one();
}

/* ---- Completions within submit() ----------------------------------------- */

enum { MANY = 3000 };

static uintptr_t stack_low, stack_high;
static unsigned many_done;

/* How deep the stack is here, over all calls. */
static void stack_note(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (here < stack_low)
        stack_low = here;
    if (here > stack_high)
        stack_high = here;
}

static void many_note(struct block_request *request, int status)
{
    (void)request;
    stack_note();
    many_done++;
    assert_int_equal(status, 0);
}

static void many_again(struct block_request *request, int status)
{
    many_note(request, status);
    if (many_done < MANY)
        assert_int_equal(block_submit(&disk_open, request), 0);
}

static void many_begin(void)
{
    stack_low = UINTPTR_MAX;
    stack_high = 0;
    many_done = 0;
    begin();
}

static void test_block_completions_in_submit_do_not_recurse(void **state)
{
    static struct block_request requests[MANY];

    (void)state;
    many_begin();
    disk.manual = true;
    for (unsigned i = 0; i < MANY; i++) {
        requests[i] = (struct block_request){.op = BLOCK_READ,
                                             .sectors = 1,
                                             .vec = &sector_slice,
                                             .count = 1,
                                             .done = many_note};
        assert_int_equal(block_submit(&disk_open, &requests[i]), 0);
    }
    disk.at_once = true;
    while (disk.held_count > 0)
        complete_one();
    assert_int_equal(many_done, MANY);
    assert_true(stack_high - stack_low < 2048);
    block_check(&disk.block);
}

static void test_block_done_that_submits_does_not_recurse(void **state)
{
    struct block_request request = {.op = BLOCK_READ,
                                    .sectors = 1,
                                    .vec = &sector_slice,
                                    .count = 1,
                                    .done = many_again};

    (void)state;
    many_begin();
    disk.at_once = true;
    assert_int_equal(block_submit(&disk_open, &request), 0);
    assert_int_equal(many_done, MANY);
    assert_true(stack_high - stack_low < 2048);
    block_check(&disk.block);
}

static void test_block_foreign_or_unowned_is_refused(void **state)
{
    (void)state;
    assert_int_equal(block_open(&disk.block, BLOCK_SHARED, &disk_open), -EXDEV);
    assert_int_equal(device_dedicate(&disk.block.device, 1), -EINVAL);
    disk.block.device.owner = 1;
    assert_int_equal(device_dedicate(&disk.block.device, 0), -EBUSY);
}

static void test_device_names_and_search(void **state)
{
    struct block_device other = disk.block;

    (void)state;
    assert_int_equal(block_register(&other, "vd"), 0);
    assert_string_equal(device_name(&disk.block.device), "vda");
    assert_string_equal(device_name(&other.device), "vdb");
    assert_ptr_equal(device_by_name("vdb"), &other.device);
    assert_null(device_by_name("vdc"));
    assert_ptr_equal(device_find(DEVICE_BLOCK, 1), &other.device);
    assert_null(device_find(DEVICE_BLOCK, 2));
    assert_null(device_find(DEVICE_NET, 0));
    assert_null(block_from_device(NULL));
    other.sectors = 0;
    assert_int_equal(block_register(&other, "vd"), -EINVAL);
}

static void test_device_start_may_fail_and_succeed_later(void **state)
{
    (void)state;
    disk.start_status = -ETIMEDOUT;
    assert_int_equal(device_dedicate(&disk.block.device, 0), -ETIMEDOUT);
    assert_int_equal(disk.block.device.owner, DEVICE_NOBODY);
    disk.start_status = 0;
    begin();
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_block_read_and_write),
        ATTACHED(test_block_queues_what_the_driver_refuses),
        ATTACHED(test_block_retries_after_a_completion_within_submit),
        ATTACHED(test_block_the_driver_cannot),
        ATTACHED(test_block_register_checks),
        ATTACHED(test_block_register_limits),
        ATTACHED(test_block_open),
        ATTACHED(test_block_pieces),
        ATTACHED(test_block_no_pieces),
        ATTACHED(test_block_completions_in_submit_do_not_recurse),
        ATTACHED(test_block_done_that_submits_does_not_recurse),
        ATTACHED(test_block_foreign_or_unowned_is_refused),
        ATTACHED(test_device_names_and_search),
        ATTACHED(test_device_start_may_fail_and_succeed_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
