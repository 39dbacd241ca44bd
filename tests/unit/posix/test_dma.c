/* Memory of the hosted machine as its devices see it. */
#include "hal/posix/dma.h"
#include "tests/unit/posix/machine_bare.h"

static const struct hal_boot_info *boot;

static int setup(void **state)
{
    (void)state;
    boot = bare_open((struct host_config){0});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_machine_close();
    return 0;
}

static void test_lookup_finds_mapped_memory_only(void **state)
{
    char *page = bare_page(boot, 10);
    uint64_t bus;

    (void)state;
    assert_int_equal(hal_dma_map(page, 2 * HAL_PAGE_SIZE), 0);
    bus = hal_dma_addr(page);
    assert_ptr_equal(dma_lookup(bus, 1), page);
    assert_ptr_equal(dma_lookup(bus + 5000, 3192), page + 5000);
    assert_ptr_equal(dma_lookup(bus, 8192), page);
    assert_null(dma_lookup(bus, 8193));
    assert_null(dma_lookup(bus + 8191, 2));
    assert_null(dma_lookup(bus - 1, 2));
    assert_null(dma_lookup(bus, 0));
    assert_null(dma_lookup(bus, SIZE_MAX));
    assert_null(dma_lookup(UINT64_MAX, 2));
    assert_null(dma_lookup(0, 1));
    hal_dma_unmap(page, 2 * HAL_PAGE_SIZE);
    assert_null(dma_lookup(bus, 1));
}

static void test_lookup_does_not_cross_ranges(void **state)
{
    char *page = bare_page(boot, 10);
    uint64_t bus;

    (void)state;
    assert_int_equal(hal_dma_map(page, HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(page + HAL_PAGE_SIZE, HAL_PAGE_SIZE), 0);
    bus = hal_dma_addr(page);
    assert_int_equal(hal_dma_addr(page + HAL_PAGE_SIZE), bus + HAL_PAGE_SIZE);
    assert_null(dma_lookup(bus + HAL_PAGE_SIZE - 4, 8));
    assert_non_null(dma_lookup(bus + HAL_PAGE_SIZE - 8, 8));
}

static void test_pointer_is_no_bus_address(void **state)
{
    char *page = bare_page(boot, 10);

    (void)state;
    assert_int_equal(hal_dma_map(page, HAL_PAGE_SIZE), 0);
    assert_null(dma_lookup((uintptr_t)page, 1));
    /* A virtio queue address must fit 32 bits of page number. */
    assert_true(hal_dma_addr(page) >> 12 <= UINT32_MAX);
}

static void test_map_refuses_nonsense(void **state)
{
    char *page = bare_page(boot, 10);
    char *end = (char *)boot->region[0].base + boot->region[0].size;

    (void)state;
    assert_int_equal(hal_dma_map(page, 0), -EINVAL);
    assert_int_equal(hal_dma_map(end, HAL_PAGE_SIZE), -EINVAL);
    assert_int_equal(hal_dma_map(end - HAL_PAGE_SIZE, 2 * HAL_PAGE_SIZE),
                     -EINVAL);
    assert_int_equal(hal_dma_map(page, SIZE_MAX - HAL_PAGE_SIZE + 1), -EINVAL);
    assert_int_equal(hal_dma_map(end - HAL_PAGE_SIZE, HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(end - HAL_PAGE_SIZE, HAL_PAGE_SIZE), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lookup_finds_mapped_memory_only,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookup_does_not_cross_ranges,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_pointer_is_no_bus_address, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_map_refuses_nonsense, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
