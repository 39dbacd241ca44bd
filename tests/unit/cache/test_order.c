/*
 * The order of blocks: versions of blocks on a disk that loses what was not
 * flushed, against the rules that were asked for, after each request.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/order.h"
#include "kernel/lib/bytes.h"
#include "tests/unit/cache/toy_file.h"

enum {
    BLOCK = 1024,
    BLOCKS = 48,
    DISK_BYTES = BLOCKS * BLOCK,
    RULES_MAX = 4000,
    PAIRS_MAX = 3,
};

static struct mapping device;
static uint8_t durable[DISK_BYTES]; /* what is there after a crash, at least */
static uint32_t version;            /* the last one */
static uint32_t seed;

/* When the disk has version `va` of `a`, version `vb` of `b` is durable. */
static struct rule {
    uint32_t b, vb, a, va;
} rules[RULES_MAX];
static unsigned rule_count;
static unsigned broken; /* looks at rules that did not hold */

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static int setup(void **state)
{
    (void)state;
    if (toy_setup_disk(16 << 20, DISK_BYTES) != 0)
        return -1;
    memset(toy_data, 0, DISK_BYTES);
    memset(durable, 0, sizeof(durable));
    toy_disk.block.features = BLOCK_HAS_CACHE;
    version = rule_count = broken = 0;
    seed = 7;
    if (mapping_init_device(&device, &toy_open) != 0)
        return -1;
    return mapping_order_init(&device, BLOCK);
}

static int teardown(void **state)
{
    (void)state;
    toy_check(&device);
    mapping_destroy(&device);
    page_cache_check();
    machine_detach();
    return 0;
}

static void check_rules(void)
{
    for (unsigned i = 0; i < rule_count; i++) {
        const struct rule *rule = &rules[i];

        if (le32_get(toy_data + rule->a * BLOCK) < rule->va)
            continue;
        if (le32_get(durable + rule->b * BLOCK) < rule->vb)
            broken++;
    }
}

/* ---- Changes ------------------------------------------------------------- */

struct pair {
    uint32_t b, a;
};

static struct page *pin(uint32_t block)
{
    struct page *page;

    assert_int_equal(page_get(&device, block * BLOCK / PAGE_BYTES, 0, &page),
                     0);
    return page;
}

static void put_version(struct page *page, uint32_t block, uint32_t number)
{
    uint32_t from = block * BLOCK % PAGE_BYTES;

    le32_put(page->buf->base + from, number);
    page_dirty(page, from, BLOCK);
}

/* All that are pinned. Returns as mapping_order(). */
static int start(const struct order_pair *pairs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status = page_modify(pairs[i].before, pairs[i].before_from, BLOCK);

        if (status == 0)
            status = page_modify(pairs[i].after, pairs[i].after_from, BLOCK);
        if (status != 0)
            return status;
    }
    return mapping_order(&device, pairs, count);
}

/* Change blocks, in the order of these pairs. */
static int change(const struct pair *wanted, unsigned count)
{
    struct order_pair pairs[PAIRS_MAX];
    int status;

    for (unsigned i = 0; i < count; i++)
        pairs[i] = (struct order_pair){
            .before = pin(wanted[i].b),
            .before_from = wanted[i].b * BLOCK % PAGE_BYTES,
            .after = pin(wanted[i].a),
            .after_from = wanted[i].a * BLOCK % PAGE_BYTES,
        };
    do
        status = start(pairs, count);
    while (status == 1);
    version += status == 0;
    for (unsigned i = 0; i < count; i++) {
        if (status == 0) {
            put_version(pairs[i].before, wanted[i].b, version);
            put_version(pairs[i].after, wanted[i].a, version);
            assert_true(rule_count < RULES_MAX);
            rules[rule_count++] =
                (struct rule){wanted[i].b, version, wanted[i].a, version};
        }
        page_put(pairs[i].before);
        page_put(pairs[i].after);
    }
    return status;
}

static int change_one(uint32_t b, uint32_t a)
{
    const struct pair pair = {b, a};

    return change(&pair, 1);
}

static uint32_t on_disk(uint32_t block)
{
    return le32_get(toy_data + block * BLOCK);
}

/* ---- The disk ------------------------------------------------------------ */

static bool is_ending;
static unsigned fail_each; /* the n-th request fails; 0: none does */

/* Completes requests one by one, and looks after each of them. */
static int completer(void *arg)
{
    unsigned count = 0;

    (void)arg;
    while (!is_ending) {
        unsigned flushes = toy_disk.flushes;
        int status = fail_each != 0 && ++count % fail_each == 0 ? -EIO : 0;

        for (uint32_t i = draw(4); i > 0; i--)
            thread_yield();
        if (!ramblk_complete_one(&toy_disk, status)) {
            thread_yield();
            continue;
        }
        if (toy_disk.flushes != flushes)
            memcpy(durable, toy_data, sizeof(durable));
        check_rules();
    }
    return 0;
}

static void settle(void)
{
    int status = -EIO;

    while (status != 0) {
        status = mapping_write(&device, 0, UINT64_MAX);
        if (status == 0)
            status = mapping_flush(&device);
    }
}

/* Another one that changes and writes meanwhile. */
static int changer(void *arg)
{
    unsigned *left = arg;

    while (*left > 0) {
        struct pair pairs[PAIRS_MAX];
        unsigned count = 1 + draw(PAIRS_MAX);

        --*left;
        for (unsigned i = 0; i < count; i++) {
            pairs[i].b = draw(BLOCKS);
            do
                pairs[i].a = draw(BLOCKS);
            while (pairs[i].a == pairs[i].b);
        }
        /* Both ways at once is no order. */
        if (count > 1)
            pairs[1] = (struct pair){pairs[0].a, pairs[1].a};
        if (count > 1 && (pairs[1].a == pairs[0].b || pairs[1].a == pairs[1].b))
            count = 1;
        if (count > 2)
            count = 2;
        (void)!change(pairs, count);
        if (draw(20) == 0)
            (void)!mapping_write(&device, 0, UINT64_MAX);
        mapping_check(&device);
    }
    return 0;
}

static void run(unsigned changes, unsigned fails)
{
    unsigned left[2] = {changes, changes};
    thread_id disk_thread, threads[2];
    int value;

    is_ending = false;
    fail_each = fails;
    /* All is in memory: a failed read tells nothing about the order. */
    for (uint32_t i = 0; i < BLOCKS; i++)
        page_put(pin(i));
    toy_disk.deferred = true;
    assert_int_equal(thread_create(NULL, completer, NULL, &disk_thread), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_create(NULL, changer, &left[i], &threads[i]),
                         0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_join(threads[i], &value), 0);
    fail_each = 0;
    settle();
    is_ending = true;
    assert_int_equal(thread_join(disk_thread, &value), 0);
    toy_disk.deferred = false;
    assert_int_equal(broken, 0);
    for (unsigned i = 0; i < rule_count; i++) {
        assert_true(on_disk(rules[i].a) >= rules[i].va);
        assert_true(on_disk(rules[i].b) >= rules[i].vb);
    }
}

static void test_order_at_random(void **state)
{
    (void)state;
    run(600, 0);
}

static void test_order_at_random_while_the_disk_fails(void **state)
{
    (void)state;
    run(600, 7);
}

/* ---- Steps --------------------------------------------------------------- */

/* One flush for each step of the order, however many blocks. */
static void test_order_flushes_once_a_step(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(change_one(i, 10 + i), 0);
        assert_int_equal(change_one(10 + i, 20 + i), 0);
    }
    assert_int_equal(toy_disk.flushes, 0);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(toy_disk.flushes, 2);
    for (uint32_t i = 0; i < 8; i++)
        assert_true(on_disk(20 + i) > 0);
    assert_int_equal(device.dirty_count, 0);
    assert_int_equal(mapping_flush(&device), 0);
}

static void test_order_a_circle_is_written_first(void **state)
{
    (void)state;
    assert_int_equal(change_one(1, 2), 0);
    assert_int_equal(change_one(2, 3), 0);
    assert_int_equal(on_disk(1), 0);
    assert_int_equal(change_one(3, 1), 0); /* 1, 2 and 3 as they were */
    assert_int_equal(on_disk(1), 1);
    assert_int_equal(on_disk(2), 2);
    assert_int_equal(on_disk(3), 2);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(on_disk(1), 3);
}

static bool fits(uint32_t b, uint32_t a)
{
    const struct order_pair pair = {
        .before = pin(b),
        .before_from = b * BLOCK % PAGE_BYTES,
        .after = pin(a),
        .after_from = a * BLOCK % PAGE_BYTES,
    };
    bool answer = mapping_order_fits(&device, &pair);

    page_put(pair.before);
    page_put(pair.after);
    return answer;
}

/* Who asks is told what would close a circle, or takes long to tell. */
static void test_order_what_fits(void **state)
{
    (void)state;
    assert_true(fits(1, 2));
    assert_int_equal(change_one(1, 2), 0);
    assert_int_equal(change_one(2, 3), 0);
    assert_true(fits(1, 2)); /* it is there */
    assert_true(fits(1, 3) && fits(3, 9) && fits(9, 1) && fits(9, 10));
    assert_false(fits(2, 1));
    assert_false(fits(3, 1));
    assert_int_equal(on_disk(1), 0);

    /* Behind 20 are more than it looks at. */
    for (uint32_t i = 21; i < 47; i++)
        assert_int_equal(change_one(20, i), 0);
    assert_true(fits(1, 21));
    assert_false(fits(1, 20));
    assert_false(fits(21, 20));
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(mapping_flush(&device), 0);
    assert_true(fits(2, 1) && fits(21, 20));
}

/* What waits for a block that cannot be written is not written either. */
static void test_order_a_block_fails(void **state)
{
    (void)state;
    assert_int_equal(change_one(1, 40), 0);
    toy_disk.bad_sector = 2;
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), -EIO);
    assert_int_equal(on_disk(40), 0);
    toy_disk.bad_sector = 0;
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(on_disk(40), 1);
}

static void test_order_a_flush_fails(void **state)
{
    (void)state;
    assert_int_equal(change_one(1, 40), 0);
    toy_disk.fail_at = 2;
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), -EIO);
    assert_int_equal(on_disk(1), 1);
    assert_int_equal(on_disk(40), 0);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(on_disk(40), 1);
}

/* What is forgotten keeps nobody waiting; what stands between two others is
 * written before. */
static void test_order_of_what_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(change_one(1, 2), 0);
    mapping_forget(&device, 1 * BLOCK, BLOCK);
    mapping_check(&device);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(on_disk(1), 0);
    assert_int_equal(on_disk(2), 1);
    assert_int_equal(toy_disk.flushes, 0);
    assert_int_equal(change_one(8, 16), 0);
    assert_int_equal(change_one(16, 24), 0);
    mapping_forget(&device, 16 * BLOCK, 4 * BLOCK); /* a whole page */
    mapping_check(&device);
    assert_int_equal(on_disk(8), 2);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(on_disk(24), 3);
    assert_int_equal(mapping_flush(&device), 0);
}

/* Of a page only what is forgotten leaves the order. */
static void test_order_of_the_rest_of_a_page(void **state)
{
    (void)state;
    assert_int_equal(change_one(1, 8), 0);
    assert_int_equal(change_one(2, 9), 0);
    mapping_forget(&device, 1 * BLOCK, BLOCK);
    mapping_check(&device);
    assert_int_equal(mapping_write(&device, 0, 0), 0);
    assert_int_equal(on_disk(1), 0);
    assert_int_equal(on_disk(2), 2);
    assert_int_equal(on_disk(8), 1);
    assert_int_equal(on_disk(9), 2);
    assert_int_equal(toy_disk.flushes, 1);
    settle();
}

/* An order that is there already takes nothing more. */
static void test_order_is_kept_once(void **state)
{
    struct mem_stats before;

    (void)state;
    assert_int_equal(change_one(1, 2), 0);
    before = stats();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(change_one(1, 2), 0);
    assert_int_equal(stats().block_count, before.block_count);
    settle();
    assert_int_equal(on_disk(2), 6);
}

static void test_order_without_memory(void **state)
{
    static const struct pair pairs[] = {{1, 5}, {5, 9}, {2, 9}};
    struct mem_stats before;
    unsigned n = 0;
    int status;

    (void)state;
    for (uint32_t i = 0; i < 12; i++)
        page_put(pin(i));
    before = stats();
    do {
        heap_fail(++n);
        status = change(pairs, 3);
        heap_fail(0);
        mapping_check(&device);
        if (status != 0)
            assert_int_equal(stats().block_count, before.block_count);
    } while (status == -ENOMEM);
    assert_int_equal(status, 0);
    assert_true(n > 6);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(mapping_flush(&device), 0);
    assert_int_equal(stats().block_count, before.block_count);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_order_flushes_once_a_step),
        ATTACHED(test_order_a_circle_is_written_first),
        ATTACHED(test_order_what_fits),
        ATTACHED(test_order_a_block_fails),
        ATTACHED(test_order_a_flush_fails),
        ATTACHED(test_order_of_what_is_forgotten),
        ATTACHED(test_order_of_the_rest_of_a_page),
        ATTACHED(test_order_is_kept_once),
        ATTACHED(test_order_without_memory),
        ATTACHED(test_order_at_random),
        ATTACHED(test_order_at_random_while_the_disk_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
