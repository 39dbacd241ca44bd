/* The virtio balloon, against a model of VIRTIO 1.2, section 5.5; and with it
 * what CPUs give up: kernel/balloon/, kernel/memory/page_report.c. */
#include "kernel/balloon/balloon.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_balloon_model.h"
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    MEMORY = 32 << 20,
    MIB = 1 << 20,
    REPORT = 4, /* the queue, by the specification */
    BLOCKS_MAX = 256,
    CHUNK = 65536, /* what is reported in a machine of this size */
};

enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS };

static struct virtio_model model;
static uint64_t seen_bytes; /* that were reported by several CPUs */

static void plug_with(unsigned transport, size_t memory, uint32_t features,
                      unsigned queues)
{
    const struct pci_model_options pci = {
        .legacy = transport == LEGACY_PCI,
        .no_modern = transport == LEGACY_PCI,
    };

    models_reset();
    memset(&model, 0, sizeof(model));
    model.offered = transport >= LEGACY_MMIO ? 0 : UINT64_C(1) << 32;
    balloon_model_init(&model, features, queues);
    console_forget();
    clock_set(1000 * NS_PER_S);
    machine_attach(memory);
    if (transport == MMIO || transport == LEGACY_MMIO)
        model_on_mmio(&model, transport == MMIO ? 2 : 1);
    else
        model_on_pci(&model, &pci);
}

static void plug(unsigned transport, uint32_t features)
{
    plug_with(transport, MEMORY, features, 5);
}

static void start(unsigned transport, uint32_t features)
{
    plug(transport, features);
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    assert_true((model.status & 4) != 0);
    assert_true(console_has("virtio: a balloon at "));
}

static void finish(void)
{
    model_set_status(&model, 0);
    machine_detach();
    clock_set(0);
}

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void time_passes(uint64_t ns)
{
    clock_set(clock_now() + ns);
    timer_run(time_ns());
    settle();
}

/* ---- Reports ------------------------------------------------------------- */

/* Answer all reports that there are; returns of how many bytes. */
static uint64_t reports_now(unsigned queue)
{
    static struct model_report report;
    uint64_t sum = 0;

    while (balloon_model_report(&model, queue, &report)) {
        assert_true(report.bytes > 0);
        sum += report.bytes;
        assert_true(sum <= UINT64_C(16) * MEMORY);
        balloon_model_reported(&model, queue, &report);
        settle();
    }
    return sum;
}

/* Answer all that come until there are no more; returns of how many bytes. */
static uint64_t reports(unsigned queue)
{
    uint64_t sum = 0;

    for (unsigned idle = 0, looks = 0; idle < 2; idle++) {
        uint64_t bytes;

        assert_true(looks++ < 1000);
        time_passes(NS_PER_S);
        bytes = reports_now(queue);
        sum += bytes;
        idle = bytes > 0 ? 0 : idle;
    }
    return sum;
}

/* Use so many bytes, and free them. */
static void use(size_t bytes)
{
    void *ptr = mem_alloc(bytes);

    assert_non_null(ptr);
    memset(ptr, 0x77, bytes);
    mem_free(ptr);
    settle();
}

static void test_reports_over_each_transport(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        uint64_t bytes;

        start(transport, MODEL_BALLOON_REPORTING);
        assert_true(console_has("which is told of free memory"));
        use(8 * MIB);
        bytes = reports(REPORT);
        /* What was never used is not told of, but what was, before. */
        assert_in_range(bytes, 8 * MIB, 12 * MIB);
        assert_int_equal(reports(REPORT), 0); /* it is known now */
        use(2 * MIB);
        assert_in_range(reports(REPORT), 2 * MIB, 2 * MIB + 2 * CHUNK);
        assert_int_equal(reports(REPORT), 0);
        finish();
    }
}

/* A part of a chunk that was used makes all of it unknown, and a part that is
 * in use keeps it from being told. */
static void test_report_of_parts(void **state)
{
    void *block;

    (void)state;
    start(MMIO, MODEL_BALLOON_REPORTING);
    use(8 * MIB);
    (void)reports(REPORT);
    block = mem_alloc(4 * CHUNK);
    assert_non_null(block);
    block = mem_resize(block, 3 * 4096);
    assert_int_equal(reports(REPORT), 3 * CHUNK);
    mem_free(block);
    assert_int_equal(reports(REPORT), CHUNK);
    /* A block that is made smaller frees its end. */
    block = mem_alloc(4 * MIB);
    assert_non_null(block);
    block = mem_resize(block, 3 * MIB);
    assert_in_range(reports(REPORT), 0, 0);
    block = mem_resize(block, MIB);
    assert_in_range(reports(REPORT), MIB, 3 * MIB);
    mem_free(block);
    (void)reports(REPORT);
    assert_int_equal(reports(REPORT), 0);
    finish();
}

/* Nothing is told within a second, nor when nothing was freed; and no more than
 * an eighth of the free memory is under way. */
static void test_report_in_time(void **state)
{
    static struct model_report report;
    size_t free;

    (void)state;
    start(PCI, MODEL_BALLOON_REPORTING);
    (void)reports(REPORT);
    use(16 * MIB);
    free = mem_free_bytes();
    time_passes(NS_PER_S / 2);
    assert_false(balloon_model_report(&model, REPORT, &report));
    time_passes(NS_PER_S);
    assert_true(balloon_model_report(&model, REPORT, &report));
    assert_in_range(report.bytes, 1, free / 8);
    assert_int_equal(mem_free_bytes(), free - report.bytes);
    time_passes(NS_PER_S);
    assert_false(balloon_model_report(&model, REPORT,
                                      &(struct model_report){.bytes = 0}));
    balloon_model_reported(&model, REPORT, &report);
    settle();
    assert_int_equal(mem_free_bytes(), free);
    /* The next one does not wait for a second. */
    time_passes(NS_PER_S / 50);
    assert_true(balloon_model_report(&model, REPORT, &report));
    balloon_model_reported(&model, REPORT, &report);
    settle();
    finish();
}

/*
 * A server frees all the time, little or much: it is told of once a second, and
 * no more than the share has.
 */
static void test_report_of_what_is_freed_all_the_time(void **state)
{
    static const struct {
        size_t bytes;
        uint64_t most; /* told of in four seconds */
    } rows[] = {
        {2 * CHUNK, 5 * 6 * CHUNK},
        {8 * MIB, 5 * (MEMORY + 4 * MIB)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t sum = 0;

        start(PCI, MODEL_BALLOON_REPORTING);
        (void)reports(REPORT);
        for (unsigned k = 0; k < 400; k++) {
            mem_free(mem_alloc(rows[i].bytes));
            time_passes(10 * NS_PER_MS);
            sum += reports_now(REPORT);
        }
        assert_in_range(sum, 3 * rows[i].bytes, rows[i].most);
        /* What was freed last is told of, too. */
        (void)reports(REPORT);
        use(rows[i].bytes);
        assert_true(reports(REPORT) >= rows[i].bytes);
        finish();
    }
}

/* Take all that there is, and write to it; returns how many MiB. */
static unsigned take_all(void *blocks[BLOCKS_MAX])
{
    unsigned count = 0;

    while (count < BLOCKS_MAX) {
        blocks[count] = mem_alloc(MIB);
        if (blocks[count] == NULL)
            break;
        memset(blocks[count++], 0x11, MIB);
    }
    return count;
}

static void free_all(void *blocks[BLOCKS_MAX], unsigned count)
{
    while (count > 0)
        mem_free(blocks[--count]);
}

/* What is under way is used by nobody: the model looks at it. */
static void test_report_is_left_alone(void **state)
{
    static struct model_report report;
    void *blocks[BLOCKS_MAX];
    unsigned count, again;

    (void)state;
    start(PCI, MODEL_BALLOON_REPORTING);
    use(16 * MIB);
    time_passes(NS_PER_S);
    assert_true(balloon_model_report(&model, REPORT, &report));
    count = take_all(blocks);
    balloon_model_reported(&model, REPORT, &report);
    settle();
    again = take_all(blocks + count);
    assert_in_range(again, 1, report.bytes / MIB + 1);
    free_all(blocks, count + again);
    (void)reports(REPORT);
    assert_int_equal(take_all(blocks), count + again);
    free_all(blocks, count + again);
    finish();
}

/* Large memory is told of in large pages only. */
static void test_report_of_large_memory(void **state)
{
    static struct model_report report;
    void *small;
    uint64_t sum;

    (void)state;
    plug_with(MMIO, 160 << 20, MODEL_BALLOON_REPORTING, 5);
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    use(100 << 20);
    for (sum = 0; sum < 90 << 20;) {
        time_passes(NS_PER_S);
        assert_true(balloon_model_report(&model, REPORT, &report));
        for (unsigned i = 0; i < report.chain.count; i++)
            assert_int_equal(report.chain.piece[i].len % (2 * MIB), 0);
        sum += report.bytes;
        balloon_model_reported(&model, REPORT, &report);
        settle();
    }
    (void)reports(REPORT);
    small = dma_alloc(CHUNK);
    assert_non_null(small);
    use(MIB);
    assert_in_range(reports(REPORT), 0, 2 * MIB);
    dma_free(small, CHUNK);
    finish();
}

/* Which queue reports have, where others are not there: 5.5.2. */
static void test_queue_of_reports(void **state)
{
    static const struct {
        uint32_t others;
        unsigned queues;
        unsigned index;
    } rows[] = {
        {0, 5, 4},
        {0, 3, 2},
        {MODEL_BALLOON_STATS, 4, 3},
        {MODEL_BALLOON_HINT, 4, 3},
        {MODEL_BALLOON_STATS | MODEL_BALLOON_HINT, 5, 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        plug_with(MMIO, MEMORY, MODEL_BALLOON_REPORTING | rows[i].others,
                  rows[i].queues);
        assert_int_equal(virtio_balloon_driver.probe(), 0);
        use(8 * MIB);
        assert_in_range(reports(rows[i].index), 8 * MIB, 16 * MIB);
        finish();
    }
}

/* Without the feature, or with a queue that holds less. */
static void test_small_queue_or_none(void **state)
{
    (void)state;
    plug_with(PCI, MEMORY, 0, 2);
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    assert_false(console_has("told of free memory"));
    use(8 * MIB);
    time_passes(NS_PER_S);
    finish();

    plug_with(PCI, MEMORY, MODEL_BALLOON_REPORTING, 5);
    model.queue_max = 4;
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    use(8 * MIB);
    assert_in_range(reports(REPORT), 8 * MIB, 12 * MIB);
    finish();
}

/* ---- The balloon --------------------------------------------------------- */

/* Answer all that the driver tells of the balloon; returns how many pages. */
static unsigned answer(void)
{
    unsigned sum = 0;
    unsigned count;

    settle();
    do {
        count = balloon_model_answer(&model, MODEL_BALLOON_INFLATE);
        count += balloon_model_answer(&model, MODEL_BALLOON_DEFLATE);
        sum += count;
        settle();
        assert_int_equal(balloon_model_actual(&model), balloon_model_pages());
    } while (count > 0);
    return sum;
}

static void test_balloon_over_each_transport(void **state)
{
    static const uint32_t wants[] = {300, 1, 0, 5000, 4999, 17, 18, 0};

    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        size_t before;

        start(transport, MODEL_BALLOON_REPORTING);
        before = mem_free_bytes();
        for (size_t i = 0; i < COUNT_OF(wants); i++) {
            balloon_model_want(&model, wants[i]);
            (void)answer();
            assert_int_equal(balloon_model_actual(&model), wants[i]);
            assert_int_equal(balloon_pages(), wants[i]);
            assert_in_range(mem_free_bytes(), before - (wants[i] + 8UL) * 4096,
                            before - wants[i] * 4096UL);
        }
        assert_int_equal(answer(), 0);
        finish();
    }
}

/* A device whose answers say how much it has read, in both formats. */
static void test_balloon_that_says_what_it_read(void **state)
{
    (void)state;
    for (unsigned packed = 0; packed < 2; packed++) {
        plug(PCI, 0);
        model.offered |= (uint64_t)packed << 34;
        balloon_model_says_read();
        assert_int_equal(virtio_balloon_driver.probe(), 0);
        assert_int_equal(model.accepted >> 34 & 1, packed);
        balloon_model_want(&model, 3000);
        (void)answer();
        assert_int_equal(balloon_model_actual(&model), 3000);
        balloon_model_want(&model, 0);
        (void)answer();
        assert_int_equal(balloon_model_actual(&model), 0);
        finish();
    }
}

/* What is wanted at the start; and a wish that comes while one is under way. */
static void test_balloon_wishes(void **state)
{
    (void)state;
    plug(PCI, 0);
    model.config[1] = 2; /* 512 pages */
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    balloon_model_want(&model, 100);
    settle();
    (void)answer();
    assert_int_equal(balloon_model_actual(&model), 100);
    finish();
}

/* A host that wants all gets what is not needed, and asks in vain ever less
 * often. */
static void test_balloon_of_all(void **state)
{
    void *blocks[BLOCKS_MAX];
    unsigned count, first, tries = 0;
    size_t total;

    (void)state;
    start(PCI, 0);
    total = mem_total_bytes();
    balloon_model_want(&model, UINT32_MAX);
    (void)answer();
    first = balloon_model_pages();
    assert_in_range(mem_free_bytes(), total / 8 - 16 * 4096, total / 8);
    count = take_all(blocks);
    assert_in_range(count, 2, total / 8 / MIB);
    free_all(blocks, count);
    mem_trim();
    for (unsigned i = 0; i < 300; i++) {
        uint64_t before = timer_next();

        time_passes(NS_PER_S);
        tries += timer_next() != before;
        assert_in_range(answer(), 0, 64);
    }
    assert_in_range(tries, 5, 20);
    assert_in_range(balloon_model_pages(), first, first + 64);
    /* What somebody needs less the host has later. */
    balloon_model_want(&model, 0);
    (void)answer();
    assert_int_equal(balloon_model_pages(), 0);
    finish();
}

/* An allocation that would fail takes memory back, if the device allows it; if
 * it must be told before, it is there for the next one. */
static void test_balloon_when_memory_is_short(void **state)
{
    static const uint32_t rows[] = {0,
                                    MODEL_BALLOON_MUST_TELL,
                                    MODEL_BALLOON_ON_OOM,
                                    MODEL_BALLOON_ON_OOM |
                                        MODEL_BALLOON_MUST_TELL,
                                    MODEL_BALLOON_MUST_TELL,
                                    0};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        void *blocks[BLOCKS_MAX];
        unsigned count, given, later;

        start(MMIO, rows[i]);
        balloon_model_want(&model, 16 * MIB / 4096);
        (void)answer();
        given = balloon_model_pages();
        assert_int_equal(given, 4096);
        count = take_all(blocks);
        if (rows[i] == MODEL_BALLOON_ON_OOM)
            assert_in_range(count, 24, 31);
        else
            assert_in_range(count, 8, 15);
        (void)answer();
        later = take_all(blocks + count);
        if (rows[i] == (MODEL_BALLOON_ON_OOM | MODEL_BALLOON_MUST_TELL))
            assert_in_range(later, 3, 5);
        else
            assert_int_equal(later, 0);
        if ((rows[i] & MODEL_BALLOON_ON_OOM) != 0)
            assert_in_range(balloon_model_pages(), 0, given - 1);
        else
            assert_int_equal(balloon_model_pages(), given);
        (void)answer();
        free_all(blocks, count + later);
        /* It is not given away at once again, but some time later. */
        if ((rows[i] & MODEL_BALLOON_ON_OOM) != 0) {
            time_passes(NS_PER_S);
            assert_int_equal(answer(), 0);
            time_passes(60 * NS_PER_S);
        }
        (void)answer();
        assert_int_equal(balloon_model_pages(), given);
        balloon_model_want(&model, 0);
        (void)answer();
        assert_int_equal(balloon_model_pages(), 0);
        finish();
    }
}

static unsigned pages_of_mib(unsigned mib)
{
    return mib * (MIB / 4096);
}

/* Use so much that the balloon has less than before; returns how many MiB. */
static unsigned take_until_short(void *blocks[BLOCKS_MAX])
{
    size_t before = balloon_pages();
    unsigned count = 0;

    while (balloon_pages() == before) {
        assert_true(count < BLOCKS_MAX);
        blocks[count] = mem_alloc(MIB);
        assert_non_null(blocks[count++]);
    }
    return count;
}

/* All of the balloon can be taken back, however it came to be as large as it
 * is: before the host has answered anything. */
static void test_balloon_has_batches_for_all(void **state)
{
    static const struct {
        unsigned from, to; /* MiB, in steps of one */
    } rows[] = {{1, 20}, {24, 16}, {24, 5}, {12, 12}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void *blocks[BLOCKS_MAX];
        unsigned at = rows[i].from;
        unsigned count;

        start(MMIO, MODEL_BALLOON_ON_OOM);
        for (;;) {
            balloon_model_want(&model, pages_of_mib(at));
            (void)answer();
            assert_int_equal(balloon_pages(), pages_of_mib(at));
            if (at == rows[i].to)
                break;
            at += at < rows[i].to ? 1U : -1U;
        }
        count = take_all(blocks);
        assert_int_equal(balloon_pages(), 0);
        assert_in_range(count, 25, 31);
        free_all(blocks, count);
        (void)answer();
        finish();
    }
}

/* And there are not many more of these batches. */
static void test_balloon_keeps_few_batches(void **state)
{
    enum { PAGES = 400 };
    size_t before;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, 1);
    (void)answer();
    balloon_model_want(&model, 0);
    (void)answer();
    before = stats().block_count;
    for (unsigned i = 1; i <= PAGES; i++) {
        balloon_model_want(&model, i);
        (void)answer();
    }
    assert_int_equal(balloon_pages(), PAGES);
    /* Each page of it is a block, too. */
    assert_in_range(stats().block_count, before + PAGES / BALLOON_PIECES,
                    before + PAGES / BALLOON_PIECES + 2);
    balloon_model_want(&model, 0);
    (void)answer();
    assert_int_equal(stats().block_count, before);
    finish();
}

/* A CPU is short of memory while the host gives it back: that goes on. */
static void test_balloon_shrinks_when_memory_is_short(void **state)
{
    void *blocks[BLOCKS_MAX];
    unsigned count;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, pages_of_mib(20));
    (void)answer();
    balloon_model_want(&model, 0);
    settle(); /* the first batch waits for its answer */
    count = take_until_short(blocks);
    assert_in_range(balloon_pages(), 1, pages_of_mib(16));
    (void)answer();
    assert_int_equal(balloon_pages(), 0);
    assert_int_equal(balloon_model_pages(), 0);
    free_all(blocks, count);
    finish();
}

/* A new wish does not end the pause either, but for what it gives back. */
static void test_balloon_wishes_when_memory_is_short(void **state)
{
    void *blocks[BLOCKS_MAX];
    unsigned count;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, pages_of_mib(16));
    (void)answer();
    count = take_until_short(blocks);
    free_all(blocks, count);
    (void)answer();
    assert_int_equal(balloon_pages(), pages_of_mib(12));
    balloon_model_want(&model, pages_of_mib(15));
    (void)answer();
    assert_int_equal(balloon_pages(), pages_of_mib(12));
    balloon_model_want(&model, pages_of_mib(2));
    (void)answer();
    assert_int_equal(balloon_pages(), pages_of_mib(2));
    balloon_model_want(&model, pages_of_mib(15));
    for (unsigned i = 0; i < 31; i++) {
        time_passes(NS_PER_S);
        assert_int_equal(answer(), 0);
    }
    time_passes(NS_PER_S);
    (void)answer();
    assert_int_equal(balloon_pages(), pages_of_mib(15));
    finish();
}

/* What is kept for later goes before, and to give that back takes nothing. */
static void test_balloon_is_no_spare_memory(void **state)
{
    static void *small[200000];
    unsigned count = 0;
    void *large;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, pages_of_mib(16));
    (void)answer();
    mem_trim();
    assert_int_equal(balloon_pages(), pages_of_mib(16));
    while (mem_free_bytes() > 2 * MIB)
        small[count++] = mem_alloc(100);
    while (count > 0)
        mem_free(small[--count]);
    assert_true(mem_free_bytes() < 4 * MIB);
    large = mem_alloc(6 * MIB);
    assert_non_null(large);
    mem_free(large);
    assert_int_equal(balloon_pages(), pages_of_mib(16));
    assert_int_equal(answer(), 0);
    finish();
}

static void *kept_for_later;

static bool give_a_block(void)
{
    bool any = kept_for_later != NULL;

    mem_free(kept_for_later);
    kept_for_later = NULL;
    return any;
}

/* Linked before the balloon's. */
static struct heap_reclaimer other = {.run = give_a_block};

/* What others keep goes before what the host has, whoever came first. */
static void test_balloon_is_asked_last(void **state)
{
    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        void *blocks[BLOCKS_MAX];
        unsigned count = 0;

        start(MMIO, MODEL_BALLOON_ON_OOM);
        balloon_model_want(&model, 16 * MIB / 4096);
        (void)answer();
        kept_for_later = mem_alloc(2 * MIB);
        do
            blocks[count++] = mem_alloc(MIB);
        while (kept_for_later != NULL);
        assert_int_equal(balloon_pages(), 16 * MIB / 4096);
        blocks[count++] = mem_alloc(MIB);
        assert_int_equal(balloon_pages(), 16 * MIB / 4096);
        blocks[count++] = mem_alloc(MIB);
        assert_in_range(balloon_pages(), 1, 16 * MIB / 4096 - 1);
        (void)answer();
        free_all(blocks, count);
        finish();
    }
}

static void nothing(struct timer *timer)
{
    (void)timer;
}

/* Memory is short just when the array of timers grows: the balloon sets none
 * before that is over. */
static void test_balloon_when_timers_grow(void **state)
{
    enum { TIMERS = 9000, SMALL = 16384 };
    static struct timer timers[TIMERS];
    static void *small[2048];
    void *blocks[BLOCKS_MAX];
    unsigned count = 0, smalls = 0;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, 16 * MIB / 4096);
    (void)answer();
    while (mem_free_bytes() > 3 * MIB)
        blocks[count++] = mem_alloc(MIB);
    while (mem_free_bytes() > 2 * SMALL)
        small[smalls++] = mem_alloc(SMALL);
    assert_int_equal(balloon_pages(), 16 * MIB / 4096);
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], nothing);
        assert_int_equal(timer_set(&timers[i], time_ns() + NS_PER_S + i), 0);
        timer_check(cpu_self());
    }
    assert_in_range(balloon_pages(), 1, 16 * MIB / 4096 - 1);
    for (unsigned i = 0; i < TIMERS; i++)
        timer_cancel(&timers[i]);
    free_all(blocks, count);
    while (smalls > 0)
        mem_free(small[--smalls]);
    (void)answer();
    time_passes(NS_PER_S);
    assert_int_equal(answer(), 0);
    finish();
}

static bool holds(const uint8_t *block, size_t bytes, uint8_t value)
{
    return block[0] == value && memcmp(block, block + 1, bytes - 1) == 0;
}

/* What the host has not answered it may still throw away: nobody takes it back
 * before, however short memory is. */
static void test_balloon_unanswered(void **state)
{
    void *blocks[BLOCKS_MAX];
    unsigned count, later;

    (void)state;
    start(MMIO, MODEL_BALLOON_ON_OOM);
    balloon_model_want(&model, 16 * MIB / 4096);
    settle(); /* the first batch, of 4 MiB, is told of */
    assert_int_equal(balloon_pages(), 0);
    count = take_all(blocks);
    (void)answer();
    for (unsigned i = 0; i < count; i++)
        assert_true(holds(blocks[i], MIB, 0x11));
    assert_int_equal(balloon_pages(), BALLOON_BATCH_PAGES);
    later = take_all(blocks + count);
    assert_in_range(later, 3, 4);
    (void)answer();
    assert_int_equal(balloon_pages(), 0);
    free_all(blocks, count + later);
    finish();
}

/* ---- Devices that are broken --------------------------------------------- */

/* Something is in each queue, and in the balloon. */
static void keep_busy(void)
{
    balloon_model_want(&model, 1000);
    (void)answer();
    use(8 * MIB);
    time_passes(NS_PER_S);
    balloon_model_want(&model, 2000);
    settle();
}

static void test_lies(void **state)
{
    static const unsigned queues[] = {MODEL_BALLOON_INFLATE,
                                      MODEL_BALLOON_DEFLATE, REPORT};

    (void)state;
    for (unsigned i = 0; i < 3 * COUNT_OF(queues); i++) {
        unsigned queue = queues[i / 3];
        size_t before;

        start(PCI, MODEL_BALLOON_REPORTING);
        before = mem_free_bytes();
        keep_busy();
        if (queue == MODEL_BALLOON_DEFLATE) {
            (void)answer();
            balloon_model_want(&model, 0);
            settle();
        }
        if (i % 3 == 0 || (i % 3 == 1 && queue != REPORT))
            model_use_raw(&model, queue, i % 3 == 0 ? 500 : 1, 8);
        else if (i % 3 == 1)
            model_use_raw(&model, queue, 0, UINT32_MAX);
        else
            model_used_index(&model, queue, 500);
        model_interrupt(&model, queue);
        settle();
        settle();
        assert_true(console_has("breaks the rules of its queue: it is left "
                                "alone"));
        assert_int_equal(model.status, 0);
        /* All memory is ours again. */
        assert_int_equal(balloon_pages(), 0);
        assert_in_range(mem_free_bytes(), before - 16 * 4096, before + MIB);
        /* Nor is it told of anything more, or anything noted for it. */
        use(8 * MIB);
        time_passes(NS_PER_S);
        time_passes(NS_PER_S);
        assert_null(heap_self()->pages->watch);
        assert_int_equal(timer_next(), TIME_NEVER);
        use(8 * MIB);
        assert_int_equal(timer_next(), TIME_NEVER);
        model.isr = 3;
        model.raise(&model, 0);
        settle();
        finish();
    }
}

/* The interrupt is lost: a timer looks. An answer that never comes is waited
 * for four minutes, and for a look more: the machine may have stood still. */
static void test_late_and_never(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(PCI, MODEL_BALLOON_REPORTING);
        keep_busy();
        if (i == 0) {
            model.lose_interrupts = true;
            assert_true(balloon_model_answer(&model, MODEL_BALLOON_INFLATE) >
                        0);
            assert_int_equal(balloon_model_actual(&model), 1000);
            time_passes(NS_PER_S);
            assert_int_equal(balloon_model_actual(&model), 2000);
        } else if (i == 1) {
            for (unsigned k = 0; k < 20; k++)
                time_passes(10 * NS_PER_S);
            (void)answer();
            assert_int_equal(balloon_model_actual(&model), 2000);
            (void)reports(REPORT);
        } else if (i == 2) {
            time_passes(300 * NS_PER_S);
            (void)answer();
            assert_int_equal(balloon_model_actual(&model), 2000);
            (void)reports(REPORT);
        } else {
            for (unsigned k = 0; k < 40; k++)
                time_passes(10 * NS_PER_S);
            assert_true(console_has("does not answer: it is left alone"));
            settle();
            assert_int_equal(balloon_pages(), 0);
        }
        finish();
    }
}

/* The device goes while no report is under way: the next one is the last. */
static void test_gone_before_a_report(void **state)
{
    size_t free;

    (void)state;
    for (unsigned never = 0; never < 2; never++) {
        start(PCI, MODEL_BALLOON_REPORTING);
        use(8 * MIB);
        (void)reports(REPORT);
        model.never_resets = never != 0;
        clock_step(NS_PER_MS);
        model_need_reset(&model);
        settle();
        clock_step(0);
        free = mem_free_bytes();
        use(8 * MIB);
        time_passes(NS_PER_S);
        assert_null(heap_self()->pages->watch);
        assert_true(mem_free_bytes() >= free);
        assert_int_equal(timer_next(), TIME_NEVER);
        if (never)
            machine_detach();
        else
            finish();
        clock_set(0);
    }
}

/* One queue does not answer, while others do: that does not help it. */
static void test_one_queue_never(void **state)
{
    (void)state;
    for (unsigned silent = 0; silent < 3; silent++) {
        unsigned k = 0;

        start(PCI, MODEL_BALLOON_REPORTING);
        balloon_model_want(&model, 1000);
        (void)answer();
        balloon_model_want(&model, silent == MODEL_BALLOON_DEFLATE ? 0 : 2000);
        settle();
        for (; k < 80 && (model.status & 4) != 0; k++) {
            use(4 * MIB);
            time_passes(5 * NS_PER_S);
            if (silent < 2) {
                (void)reports_now(REPORT);
            } else {
                balloon_model_want(&model, k % 2 != 0 ? 1000 : 1500);
                (void)answer();
            }
        }
        assert_in_range(k, 240 / 5, 270 / 5);
        assert_true(console_has("does not answer: it is left alone"));
        settle();
        assert_int_equal(balloon_pages(), 0);
        finish();
    }
}

/* It asks for a reset. One that does not do it may still write to what it was
 * told of: nobody uses that any more. */
static void test_asks_to_be_reset(void **state)
{
    (void)state;
    for (unsigned never = 0; never < 2; never++) {
        void *blocks[BLOCKS_MAX];
        unsigned count;
        size_t before;

        start(MMIO, MODEL_BALLOON_REPORTING | MODEL_BALLOON_MUST_TELL |
                        MODEL_BALLOON_ON_OOM);
        before = mem_free_bytes();
        keep_busy();
        model.never_resets = never != 0;
        clock_step(NS_PER_MS);
        model_need_reset(&model);
        settle();
        settle();
        assert_true(console_has("asks to be reset: it is left alone"));
        assert_int_equal(console_has("it may still write to memory"), never);
        count = take_all(blocks);
        if (never)
            model_touch(&model);
        free_all(blocks, count);
        /* What it was told of is 2000 pages, half of them answered. */
        assert_int_equal(mem_free_bytes() > before - 2000 * 4096UL, !never);
        balloon_model_want(&model, 0);
        settle();
        if (never)
            machine_detach();
        else
            finish();
        clock_set(0);
    }
}

static void test_restless_configuration(void **state)
{
    (void)state;
    start(MMIO, MODEL_BALLOON_REPORTING);
    model.restless = true;
    model.change_config_at = 1;
    model_config_changed(&model);
    settle();
    assert_true(console_has("does not come to rest"));
    assert_true(console_has("has no configuration: it is left alone"));
    finish();
}

static void test_spurious_interrupts(void **state)
{
    (void)state;
    for (unsigned transport = 0; transport < TRANSPORTS; transport++) {
        start(transport, MODEL_BALLOON_REPORTING);
        for (int source = -1; source < 1; source++) {
            model.isr = 3;
            model.raise(&model, source);
            settle();
        }
        balloon_model_want(&model, 10);
        (void)answer();
        assert_int_equal(balloon_model_actual(&model), 10);
        finish();
    }
}

static void test_does_not_start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct mem_stats before;

        plug(MMIO, MODEL_BALLOON_REPORTING);
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        before = stats();
        model.refuse_features = i == 0;
        model.queue_count = i == 1 ? 1 : 5;
        model.never_resets = i == 2;
        clock_step(NS_PER_MS);
        assert_int_equal(virtio_balloon_driver.probe(), 0);
        assert_true(console_has("does not start"));
        assert_true(model.saw_failed);
        assert_int_equal(stats().block_count, before.block_count);
        machine_detach();
        clock_set(0);
    }
}

static void test_second_balloon(void **state)
{
    static struct virtio_model second;

    (void)state;
    plug(MMIO, 0);
    memset(&second, 0, sizeof(second));
    second.offered = UINT64_C(1) << 32;
    balloon_model_init(&second, 0, 2);
    model_on_mmio(&second, 2);
    assert_int_equal(virtio_balloon_driver.probe(), 0);
    assert_true(console_has("a second balloon at "));
    assert_int_equal(second.status & 4, 0);
    finish();
}

/* Each allocation fails once: the driver says so, or does without. */
static void test_out_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        int status;
        bool failed;

        plug(MMIO, MODEL_BALLOON_REPORTING);
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        heap_fail(n);
        status = virtio_balloon_driver.probe();
        settle();
        balloon_model_want(&model, 1000);
        settle();
        if ((model.status & 4) != 0) {
            (void)answer();
            mem_free(mem_alloc(8 * MIB)); /* or this one fails */
            settle();
            (void)reports(REPORT);
        }
        failed = heap_failed();
        heap_fail(0);
        if (status != 0)
            assert_int_equal(status, -ENOMEM);
        else if ((model.status & 4) != 0) {
            time_passes(4 * NS_PER_S);
            (void)answer();
            assert_int_equal(balloon_model_actual(&model), 1000);
        }
        failures += failed;
        model_set_status(&model, 0);
        machine_detach();
        if (!failed)
            break;
    }
    clock_set(0);
    assert_true(failures >= 4);
}

/* ---- Several CPUs -------------------------------------------------------- */

enum { CPUS = 3, LIMIT_S = 60 };

static int use_here(void *arg)
{
    (void)arg;
    use(4 * MIB);
    return 0;
}

/* Memory of this CPU is short. */
static int short_here(void *arg)
{
    void *blocks[BLOCKS_MAX];
    unsigned count = 0;
    size_t before = balloon_pages();

    (void)arg;
    while (count < BLOCKS_MAX && balloon_pages() == before) {
        blocks[count] = mem_alloc(MIB);
        if (blocks[count] == NULL)
            break;
        count++;
    }
    free_all(blocks, count);
    return balloon_pages() < before ? 0 : 1;
}

static int pages_here(void *arg)
{
    (void)arg;
    return (int)balloon_pages();
}

/* fn() on a CPU; what it returns. */
static int on_cpu(unsigned cpu, int (*fn)(void *arg))
{
    const struct thread_attr attr = {
        .name = "there", .place = THREAD_ON_CPU, .cpu = cpu};
    thread_id id;
    int value = -1;

    if (thread_create(&attr, fn, NULL, &id) != 0 ||
        thread_join(id, &value) != 0)
        return -1;
    return value;
}

/* The host, as long as it takes until `done` says so. */
static bool serve(bool (*done)(void))
{
    static struct model_report report;
    uint64_t end = time_ns() + LIMIT_S * NS_PER_S;

    while (!done() && time_ns() < end) {
        while (balloon_model_report(&model, REPORT, &report)) {
            for (unsigned i = 0; i < report.chain.count; i++)
                seen_bytes += report.chain.piece[i].len;
            balloon_model_reported(&model, REPORT, &report);
        }
        (void)balloon_model_answer(&model, MODEL_BALLOON_INFLATE);
        (void)balloon_model_answer(&model, MODEL_BALLOON_DEFLATE);
        thread_sleep(NS_PER_MS);
    }
    return done();
}

static bool all_reported(void)
{
    return seen_bytes >= (uint64_t)CPUS * 4 * MIB;
}

static bool all_given(void)
{
    return balloon_model_actual(&model) == 3000;
}

static bool none_given(void)
{
    return balloon_model_actual(&model) == 0;
}

static int several_cpus(void *arg)
{
    (void)arg;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (on_cpu(cpu, use_here) != 0)
            return 1;
    }
    if (!serve(all_reported))
        return 2;
    balloon_model_want(&model, 3000);
    if (!serve(all_given))
        return 3;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (on_cpu(cpu, pages_here) < 900)
            return 4;
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (on_cpu(cpu, short_here) != 0)
            return 7;
    }
    balloon_model_want(&model, 0);
    if (!serve(none_given))
        return 5;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (on_cpu(cpu, pages_here) != 0)
            return 6;
    }
    return 0;
}

/* Each CPU reports, gives its part, and takes it back when it has to. */
static void test_several_cpus(void **state)
{
    const struct pci_model_options pci = {.no_msix = false};

    (void)state;
    models_reset();
    memset(&model, 0, sizeof(model));
    model.offered = UINT64_C(1) << 32;
    balloon_model_init(&model, MODEL_BALLOON_REPORTING | MODEL_BALLOON_ON_OOM,
                       5);
    model_on_pci(&model, &pci);
    machine_drivers[0] = &virtio_balloon_driver;
    assert_int_equal(machine_run(CPUS, MEMORY, several_cpus, NULL), 0);
    machine_drivers[0] = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_over_each_transport),
        cmocka_unit_test(test_report_of_parts),
        cmocka_unit_test(test_report_in_time),
        cmocka_unit_test(test_report_of_what_is_freed_all_the_time),
        cmocka_unit_test(test_report_is_left_alone),
        cmocka_unit_test(test_report_of_large_memory),
        cmocka_unit_test(test_queue_of_reports),
        cmocka_unit_test(test_small_queue_or_none),
        cmocka_unit_test(test_balloon_over_each_transport),
        cmocka_unit_test(test_balloon_that_says_what_it_read),
        cmocka_unit_test(test_balloon_wishes),
        cmocka_unit_test(test_balloon_of_all),
        cmocka_unit_test(test_balloon_when_memory_is_short),
        cmocka_unit_test(test_balloon_has_batches_for_all),
        cmocka_unit_test(test_balloon_keeps_few_batches),
        cmocka_unit_test(test_balloon_shrinks_when_memory_is_short),
        cmocka_unit_test(test_balloon_wishes_when_memory_is_short),
        cmocka_unit_test(test_balloon_is_no_spare_memory),
        cmocka_unit_test(test_balloon_is_asked_last),
        cmocka_unit_test(test_balloon_when_timers_grow),
        cmocka_unit_test(test_balloon_unanswered),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_late_and_never),
        cmocka_unit_test(test_gone_before_a_report),
        cmocka_unit_test(test_one_queue_never),
        cmocka_unit_test(test_asks_to_be_reset),
        cmocka_unit_test(test_restless_configuration),
        cmocka_unit_test(test_spurious_interrupts),
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_second_balloon),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_several_cpus),
    };

    heap_add_reclaimer(&other);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
