/* Counted buffers, loans of them, slices. */
#include "hal/hal.h"
#include "hal/posix/kernel/dma.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/buf.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { MEMORY = 8 << 20 };

static int setup(void **state)
{
    (void)state;
    machine_attach(MEMORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

/* ---- References ---------------------------------------------------------- */

static struct buf *released;

static void note_release(struct buf *buf)
{
    released = buf;
}

static void test_buf_is_released_with_its_last_reference(void **state)
{
    void *memory = dma_alloc(4096);
    struct buf buf;

    (void)state;
    released = NULL;
    buf_init(&buf, memory, 4096, note_release);
    assert_true(buf.bus == hal_dma_addr(memory));
    assert_true(buf_is_mine(&buf));
    buf_check(&buf);
    buf_get(&buf);
    buf_put(&buf);
    assert_null(released);
    buf_put(&buf);
    assert_ptr_equal(released, &buf);
    dma_free(memory, 4096);
}

static void test_buf_alloc_gives_its_memory_back(void **state)
{
    size_t before = mem_free_bytes();
    struct buf *buf = buf_alloc(5000);

    (void)state;
    assert_non_null(buf);
    assert_int_equal(buf->size, 8192);
    for (unsigned i = 0; i < buf->size; i++)
        assert_int_equal(buf->base[i], 0);
    buf_put(buf);
    mem_trim();
    assert_int_equal(mem_free_bytes(), before);
    assert_null(buf_alloc(UINT32_MAX));
    assert_null(buf_alloc(UINT32_MAX - 4094));
}

static void test_buf_alloc_without_memory(void **state)
{
    struct mem_stats before, after;

    (void)state;
    mem_get_stats(&before);
    for (unsigned nth = 1; nth <= 2; nth++) {
        heap_fail(nth);
        assert_null(buf_alloc(4096));
        assert_true(heap_failed());
    }
    mem_get_stats(&after);
    assert_int_equal(after.block_count, before.block_count);
}

static void test_buf_constant_has_the_bytes(void **state)
{
    static const char text[] = "constant data of an application";
    struct mem_stats before, after;
    struct buf *buf;

    (void)state;
    mem_get_stats(&before);
    buf = buf_constant(text, sizeof(text));
    assert_non_null(buf);
    assert_true(buf->size >= sizeof(text));
    assert_memory_equal(buf->base, text, sizeof(text));
    assert_true(buf->bus == hal_dma_addr(buf->base));
    buf_put(buf);
    heap_fail(1);
    assert_null(buf_constant(text, sizeof(text)));
    assert_true(heap_failed());
    mem_get_stats(&after);
    assert_int_equal(after.block_count, before.block_count);
}

/* Of the machine's own memory devices reach every page that the bytes lie in,
 * and no other. Nothing is copied. */
static void test_buf_constant_is_reached(void **state)
{
    static const struct {
        uint32_t at, size, first, pages;
    } rows[] = {
        {0, 1, 0, 1},       {0, 4096, 0, 1},    {0, 4097, 0, 2},
        {4095, 1, 0, 1},    {4095, 2, 0, 2},    {4096, 4096, 1, 1},
        {100, 8000, 0, 2},  {100, 8092, 0, 2},  {100, 8093, 0, 3},
        {8191, 4097, 1, 2}, {4096, 8192, 1, 2},
    };
    uint8_t *memory = mem_alloc_aligned(4 * 4096, 4096);

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const uint8_t *at = memory + rows[i].at;
        uint8_t *first = memory + rows[i].first * 4096;
        uint64_t bus;
        struct buf *buf = buf_constant(at, rows[i].size);

        assert_non_null(buf);
        assert_ptr_equal(buf->base, at);
        assert_int_equal(buf->size, rows[i].size);
        bus = hal_dma_addr(first);
        assert_ptr_equal(dma_lookup(bus, rows[i].pages * 4096), first);
        assert_null(dma_lookup(bus, rows[i].pages * 4096 + 1));
        buf_put(buf);
        hal_dma_unmap(first, rows[i].pages * 4096);
    }
    mem_free(memory);
}

/* ---- Loans --------------------------------------------------------------- */

static int use_loan(void *arg)
{
    struct buf *loan = arg;

    if (!buf_is_mine(loan) || strcmp((char *)loan->base, "from home") != 0)
        return 1;
    buf_check(loan);
    memcpy(loan->base, "returned", 9);
    buf_get(loan);
    buf_put(loan);
    buf_put(loan);
    return 0;
}

/* The application of CPU 0 lends to CPU 1, twice at once. */
static int lend(void *arg)
{
    struct buf *buf = buf_alloc(4096);
    struct buf *loan[2];
    uint64_t end = time_ns() + 10 * NS_PER_S;

    (void)arg;
    memcpy(buf->base, "from home", 10);
    for (int i = 0; i < 2; i++) {
        loan[i] = buf_lend(buf, 1);
        if (loan[i] == NULL || loan[i]->base != buf->base ||
            loan[i]->bus != buf->bus || loan[i]->size != buf->size ||
            buf_is_mine(loan[i]) || buf->refs != 2U + (unsigned)i)
            return 1;
    }
    if (remote_call(1, use_loan, loan[0]) != 0)
        return 2;
    while (buf->refs != 2 && time_ns() < end)
        thread_yield();
    if (buf->refs != 2 || strcmp((char *)buf->base, "returned") != 0)
        return 3;
    memcpy(buf->base, "from home", 10);
    buf_put(buf); /* only the loan is left */
    return remote_call(1, use_loan, loan[1]) == 0 ? 0 : 4;
}

static int lend_and_count(void *arg)
{
    struct mem_stats before, after;
    int status = lend(arg);

    /* What the first calls made for good is there, the rest has come home. */
    thread_sleep(20 * NS_PER_MS);
    mem_get_stats(&before);
    for (int i = 0; status == 0 && i < 10; i++)
        status = lend(arg);
    thread_sleep(20 * NS_PER_MS);
    mem_get_stats(&after);
    if (status == 0 && after.block_count > before.block_count)
        status = 5;
    return status;
}

static void test_loan_comes_home(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, MEMORY, lend_and_count, NULL), 0);
}

static int lend_without_memory(void *arg)
{
    struct buf *buf = buf_alloc(4096);

    (void)arg;
    heap_fail(1);
    if (buf_lend(buf, 1) != NULL || !heap_failed())
        return 1;
    return buf->refs == 1 ? 0 : 2;
}

static void test_loan_without_memory(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, MEMORY, lend_without_memory, NULL), 0);
}

/* ---- On the wrong CPU ---------------------------------------------------- */

static int get(void *arg)
{
    buf_get(arg);
    return 0;
}

static int put(void *arg)
{
    buf_put(arg);
    return 0;
}

static int get_elsewhere(void *arg)
{
    (void)arg;
    return remote_call(1, get, buf_alloc(4096));
}

static int put_elsewhere(void *arg)
{
    (void)arg;
    return remote_call(1, put, buf_alloc(4096));
}

static int put_loan_at_home(void *arg)
{
    (void)arg;
    buf_put(buf_lend(buf_alloc(4096), 1));
    return 0;
}

static int put_once_too_often(void *arg)
{
    struct buf buf;

    (void)arg;
    buf_init(&buf, dma_alloc(4096), 4096, note_release);
    buf_put(&buf);
    buf_put(&buf);
    return 0;
}

static int get_without_reference(void *arg)
{
    struct buf buf;

    (void)arg;
    buf_init(&buf, dma_alloc(4096), 4096, note_release);
    buf_put(&buf);
    buf_get(&buf);
    return 0;
}

static int lend_to_oneself(void *arg)
{
    (void)arg;
    return buf_lend(buf_alloc(4096), 0) != NULL;
}

static void test_misuse_panics(void **state)
{
    static const struct {
        int (*fn)(void *);
        const char *says;
    } row[] = {
        {get_elsewhere, "buf_is_mine(buf)"},
        {put_elsewhere, "buf_is_mine(buf)"},
        {put_loan_at_home, "buf_is_mine(buf)"},
        {put_once_too_often, "buf->refs > 0"},
        {get_without_reference, "buf->refs > 0"},
        {lend_to_oneself, "cpu != cpu_self()->id"},
    };
    char output[8192];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(row); i++) {
        assert_int_equal(machine_run_output(2, MEMORY, "", row[i].fn, NULL,
                                            output, sizeof(output)),
                         134);
        assert_non_null(strstr(output, row[i].says));
    }
}

/* ---- Slices -------------------------------------------------------------- */

static void test_slice_lies_in_its_buffer(void **state)
{
    struct buf *buf = buf_alloc(4096);
    const struct {
        uint32_t offset, len;
        bool valid;
    } row[] = {
        {0, 4096, true},  {0, 4097, false},       {4096, 0, true},
        {4095, 1, true},  {4095, 2, false},       {4097, 0, false},
        {1, 4095, true},  {UINT32_MAX, 1, false}, {1, UINT32_MAX, false},
        {100, 200, true},
    };
    struct slice slice = slice_whole(buf);

    (void)state;
    assert_true(slice_valid(&slice));
    assert_int_equal(slice.len, 4096);
    for (unsigned i = 0; i < COUNT_OF(row); i++) {
        slice = (struct slice){buf, row[i].offset, row[i].len};
        assert_int_equal(slice_valid(&slice), row[i].valid);
    }
    slice = (struct slice){buf, 100, 200};
    assert_ptr_equal(slice_data(&slice), buf->base + 100);
    assert_true(slice_bus(&slice) == buf->bus + 100);
    slice.buf = NULL;
    assert_false(slice_valid(&slice));
    buf_put(buf);
}

/* Slices of 3, 0, 5 and 2 bytes: "abc", "", "defgh", "ij". */
static void vec_fill(struct slice vec[4], struct buf *buf)
{
    static const uint32_t len[4] = {3, 0, 5, 2};
    char next = 'a';

    memset(buf->base, '.', buf->size);
    for (uint32_t i = 0; i < 4; i++) {
        vec[i] = (struct slice){buf, 100 * (4 - i), len[i]};
        for (uint32_t j = 0; j < len[i]; j++)
            slice_data(&vec[i])[j] = (uint8_t)next++;
    }
}

static void test_slices_are_read_from_any_byte(void **state)
{
    static const char all[] = "abcdefghij";
    struct buf *buf = buf_alloc(4096);
    struct slice vec[4];

    (void)state;
    vec_fill(vec, buf);
    assert_int_equal(slices_len(vec, 4), 10);
    assert_int_equal(slices_len(vec, 0), 0);
    for (unsigned offset = 0; offset <= 11; offset++) {
        for (size_t size = 0; size <= 12; size++) {
            size_t there = offset > 10 ? 0 : 10 - offset;
            size_t want = size < there ? size : there;
            char got[13];

            memset(got, '!', sizeof(got));
            assert_int_equal(slices_read(vec, 4, offset, got, size), want);
            assert_memory_equal(got, all + (offset > 10 ? 10 : offset), want);
            assert_int_equal(got[want], '!');
        }
    }
    buf_put(buf);
}

static void test_slices_are_written_from_any_byte(void **state)
{
    struct buf *buf = buf_alloc(4096);
    struct slice vec[4];
    char got[10];

    (void)state;
    for (unsigned offset = 0; offset <= 10; offset++) {
        char want[] = "abcdefghij";
        size_t size = 10 - offset < 4 ? 10 - offset : 4;

        vec_fill(vec, buf);
        memcpy(want + offset, "WXYZ", size);
        assert_int_equal(slices_write(vec, 4, offset, "WXYZ", 4), size);
        assert_int_equal(slices_read(vec, 4, 0, got, 10), 10);
        assert_memory_equal(got, want, 10);
        /* Nothing beside the slices was touched. */
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(slice_data(&vec[i])[-1], '.');
            assert_int_equal(slice_data(&vec[i])[vec[i].len], '.');
        }
    }
    buf_put(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_buf_is_released_with_its_last_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(test_buf_alloc_gives_its_memory_back,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_buf_alloc_without_memory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_buf_constant_has_the_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_buf_constant_is_reached, setup,
                                        teardown),
        cmocka_unit_test(test_loan_comes_home),
        cmocka_unit_test(test_loan_without_memory),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test_setup_teardown(test_slice_lies_in_its_buffer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_slices_are_read_from_any_byte,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices_are_written_from_any_byte,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
