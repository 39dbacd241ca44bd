/* Lists of memory regions, against a map of single pages. */
#include "hal/baremetal/base/regions.c"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

enum { PAGE = HAL_PAGE_SIZE, PAGES = 400 };
static struct region_list list;

static void list_is(const char *row, unsigned count, const uint64_t *pages)
{
    regions_check(&list);
    ROW(row, list.count == count);
    for (unsigned i = 0; i < count; i++) {
        ROW(row, list.region[i].base == pages[2 * i] * PAGE);
        ROW(row, list.region[i].size == pages[2 * i + 1] * PAGE);
    }
}

static void test_regions_add(void **state)
{
    /* Bytes to add to {[8, 12), [20, 24)} pages; expected (page, pages). */
    static const struct {
        const char *name;
        uint64_t base, end;
        unsigned count;
        uint64_t pages[6];
    } rows[] = {
        {"alone", 14 * PAGE, 16 * PAGE, 3, {8, 4, 14, 2, 20, 4}},
        {"before all", 2 * PAGE, 3 * PAGE, 3, {2, 1, 8, 4, 20, 4}},
        {"behind all", 30 * PAGE, 31 * PAGE, 3, {8, 4, 20, 4, 30, 1}},
        {"continues one", 12 * PAGE, 13 * PAGE, 2, {8, 5, 20, 4}},
        {"ends where one begins", 7 * PAGE, 8 * PAGE, 2, {7, 5, 20, 4}},
        {"fills the gap", 12 * PAGE, 20 * PAGE, 1, {8, 16}},
        {"inside one", 9 * PAGE, 10 * PAGE, 2, {8, 4, 20, 4}},
        {"the same", 8 * PAGE, 12 * PAGE, 2, {8, 4, 20, 4}},
        {"over the start", 6 * PAGE, 9 * PAGE, 2, {6, 6, 20, 4}},
        {"over the end", 10 * PAGE, 14 * PAGE, 2, {8, 6, 20, 4}},
        {"over all", 1 * PAGE, 40 * PAGE, 1, {1, 39}},
        {"over both borders", 10 * PAGE, 22 * PAGE, 1, {8, 16}},
        {"rounded inward",
         14 * PAGE + 1,
         17 * PAGE - 1,
         3,
         {8, 4, 15, 1, 20, 4}},
        {"within a page", 14 * PAGE + 1, 15 * PAGE - 1, 2, {8, 4, 20, 4}},
        {"empty", 14 * PAGE, 14 * PAGE, 2, {8, 4, 20, 4}},
        {"backwards", 16 * PAGE, 14 * PAGE, 2, {8, 4, 20, 4}},
        {"past the limit",
         REGION_ADDRESS_LIMIT - PAGE,
         UINT64_MAX,
         3,
         {8, 4, 20, 4, REGION_ADDRESS_LIMIT / PAGE - 1, 1}},
        {"beyond the limit",
         REGION_ADDRESS_LIMIT,
         UINT64_MAX,
         2,
         {8, 4, 20, 4}},
        {"the last addresses", UINT64_MAX - 1, UINT64_MAX, 2, {8, 4, 20, 4}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(&list, 0, sizeof(list));
        regions_add(&list, 20 * PAGE, 24 * PAGE);
        regions_add(&list, 8 * PAGE, 12 * PAGE);
        regions_add(&list, rows[i].base, rows[i].end);
        list_is(rows[i].name, rows[i].count, rows[i].pages);
        ROW(rows[i].name, list.dropped == 0);
    }
}

static void test_regions_cut(void **state)
{
    static const struct {
        const char *name;
        uint64_t base, end;
        unsigned count;
        uint64_t pages[6];
    } rows[] = {
        {"between", 12 * PAGE, 20 * PAGE, 2, {8, 4, 20, 4}},
        {"the middle", 9 * PAGE, 10 * PAGE, 3, {8, 1, 10, 2, 20, 4}},
        {"a byte of a page",
         9 * PAGE + 7,
         9 * PAGE + 8,
         3,
         {8, 1, 10, 2, 20, 4}},
        {"two bytes of two",
         10 * PAGE - 1,
         10 * PAGE + 1,
         3,
         {8, 1, 11, 1, 20, 4}},
        {"the start", 7 * PAGE, 9 * PAGE, 2, {9, 3, 20, 4}},
        {"the end", 11 * PAGE, 13 * PAGE, 2, {8, 3, 20, 4}},
        {"one of two", 8 * PAGE, 12 * PAGE, 1, {20, 4}},
        {"parts of two", 10 * PAGE, 21 * PAGE, 2, {8, 2, 21, 3}},
        {"all", 0, UINT64_MAX, 0, {0}},
        {"empty", 9 * PAGE, 9 * PAGE, 2, {8, 4, 20, 4}},
        {"backwards", 22 * PAGE, 9 * PAGE, 2, {8, 4, 20, 4}},
        {"up there", UINT64_MAX - 1, UINT64_MAX, 2, {8, 4, 20, 4}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(&list, 0, sizeof(list));
        regions_add(&list, 8 * PAGE, 12 * PAGE);
        regions_add(&list, 20 * PAGE, 24 * PAGE);
        regions_cut(&list, rows[i].base, rows[i].end);
        list_is(rows[i].name, rows[i].count, rows[i].pages);
    }
}

static void test_regions_questions(void **state)
{
    static const struct {
        const char *name;
        uint64_t base, size;
        bool contain, overlap;
    } rows[] = {
        {"one of them", 8 * PAGE, 4 * PAGE, true, true},
        {"two in a row", 9 * PAGE, 5 * PAGE, true, true},
        {"one page more", 9 * PAGE, 6 * PAGE, false, true},
        {"before", 7 * PAGE, PAGE, false, false},
        {"a byte too early", 8 * PAGE - 1, PAGE, false, true},
        {"up to its first byte", 8 * PAGE - 1, 2, false, true},
        {"up to the byte before", 8 * PAGE - 2, 2, false, false},
        {"behind", 14 * PAGE, PAGE, false, false},
        {"the last byte", 14 * PAGE - 1, 1, true, true},
        {"nothing", 9 * PAGE, 0, true, false},
        {"everything", 0, UINT64_MAX, false, true},
        {"wraps", UINT64_MAX - PAGE, UINT64_MAX, false, false},
        {"wraps over it", 9 * PAGE, UINT64_MAX, false, true},
    };

    (void)state;
    memset(&list, 0, sizeof(list));
    regions_add(&list, 8 * PAGE, 14 * PAGE);
    list.region[0].size = 4 * PAGE; /* as numa_split() cuts them */
    list.region[1] = (struct hal_region){12 * PAGE, 2 * PAGE, 1};
    list.count = 2;
    regions_check(&list);
    assert_int_equal(regions_size(&list), 6 * PAGE);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].name, regions_contain(&list, rows[i].base, rows[i].size) ==
                              rows[i].contain);
        ROW(rows[i].name, regions_overlap(&list, rows[i].base, rows[i].size) ==
                              rows[i].overlap);
    }
}

/* When there are too many, the largest stay, and the loss is known. */
static void test_regions_too_many(void **state)
{
    uint64_t total = 0;

    (void)state;
    memset(&list, 0, sizeof(list));
    for (uint64_t i = 0; i < 2 * HAL_REGION_MAX; i++) {
        uint64_t pages = 1 + i * 37 % 100;

        regions_add(&list, i * 200 * PAGE, (i * 200 + pages) * PAGE);
        total += pages * PAGE;
        regions_check(&list);
        assert_int_equal(regions_size(&list) + list.dropped, total);
    }
    assert_int_equal(list.count, HAL_REGION_MAX);
    for (unsigned i = 0; i < list.count; i++)
        assert_true(list.region[i].size > 30 * PAGE);
    /* A cut that makes two of one: a smaller one gives way. */
    regions_cut(&list, list.region[0].base + 10 * PAGE,
                list.region[0].base + 11 * PAGE);
    total -= PAGE;
    regions_check(&list);
    assert_int_equal(regions_size(&list) + list.dropped, total);
    assert_int_equal(list.count, HAL_REGION_MAX);
}

static void test_regions_random(void **state)
{
    static bool model[PAGES];

    (void)state;
    for (unsigned seed = 0; seed < 3000; seed++) {
        srand(seed);
        memset(&list, 0, sizeof(list));
        memset(model, 0, sizeof(model));
        for (int step = 0; step < 40; step++) {
            size_t first = (size_t)rand() % PAGES;
            size_t last = first + (size_t)rand() % 40;
            bool add = rand() % 2 == 0;

            last = last < PAGES ? last : PAGES;
            if (add)
                regions_add(&list, first * PAGE, last * PAGE);
            else
                regions_cut(&list, first * PAGE, last * PAGE);
            for (size_t i = first; i < last; i++)
                model[i] = add;
            regions_check(&list);
        }
        assert_int_equal(list.dropped, 0);
        for (size_t i = 0; i < PAGES; i++)
            assert_int_equal(regions_contain(&list, i * PAGE, PAGE), model[i]);
        for (unsigned i = 1; i < list.count; i++) /* joined */
            assert_true(region_end(&list.region[i - 1]) < list.region[i].base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_add),
        cmocka_unit_test(test_regions_cut),
        cmocka_unit_test(test_regions_questions),
        cmocka_unit_test(test_regions_too_many),
        cmocka_unit_test(test_regions_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
