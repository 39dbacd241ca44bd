/* Memory of the hosted machine as its devices see it. */
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/memory.h"
#include "tests/unit/posix/machine_bare.h"
#include <signal.h>
#include <sys/mman.h>

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
    bare_close();
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

/* ---- Attributes of pages ------------------------------------------------- */

static void test_attributes_are_checked(void **state)
{
    char *end = (char *)boot->region[0].base + boot->region[0].size;
    char *page = bare_page(boot, 10);
    /* clang-format off */
    const struct {
        const char *name;
        void *base;
        size_t size;
        enum hal_page_attr attr;
        int want;
    } rows[] = {
        {"normal", page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL, 0},
        {"none", page, HAL_PAGE_SIZE, HAL_PAGE_NONE, 0},
        {"normal again", page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL, 0},
        {"the last page", end - HAL_PAGE_SIZE, HAL_PAGE_SIZE, HAL_PAGE_NORMAL,
         0},
        {"all", bare_page(boot, 0), 4 << 20, HAL_PAGE_NORMAL, 0},
        {"uncached", page, HAL_PAGE_SIZE, HAL_PAGE_UNCACHED, -ENOTSUP},
        {"write combining", page, HAL_PAGE_SIZE, HAL_PAGE_WRITE_COMBINING,
         -ENOTSUP},
        {"no attribute", page, HAL_PAGE_SIZE, (enum hal_page_attr)9, -EINVAL},
        {"nothing", page, 0, HAL_PAGE_NORMAL, -EINVAL},
        {"odd base", page + 8, HAL_PAGE_SIZE, HAL_PAGE_NORMAL, -EINVAL},
        {"odd size", page, HAL_PAGE_SIZE + 8, HAL_PAGE_NORMAL, -EINVAL},
        {"before the memory", (char *)boot->region[0].base - HAL_PAGE_SIZE,
         HAL_PAGE_SIZE, HAL_PAGE_NORMAL, -EINVAL},
        {"behind the memory", end, HAL_PAGE_SIZE, HAL_PAGE_NORMAL, -EINVAL},
        {"over the end", end - HAL_PAGE_SIZE, 2 * HAL_PAGE_SIZE,
         HAL_PAGE_NORMAL, -EINVAL},
        {"larger than all", bare_page(boot, 0), (4 << 20) + HAL_PAGE_SIZE,
         HAL_PAGE_NORMAL, -EINVAL},
        {"wraps", page, (size_t)0 - HAL_PAGE_SIZE, HAL_PAGE_NORMAL, -EINVAL},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, hal_page_attr(rows[i].base, rows[i].size,
                                        rows[i].attr) == rows[i].want);
    machine_attr_fails = 2;
    assert_int_equal(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL), 0);
    assert_int_equal(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL),
                     -ENOMEM);
    assert_int_equal(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL), 0);
}

static char *touched;

static void touch(void)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)touched = 1;
}

/* Only the pages asked for; and what was in them is there again. */
static void test_a_page_without_access_faults(void **state)
{
    char *page = bare_page(boot, 10);
    char text[256];

    (void)state;
    page[0] = 42;
    assert_int_equal(hal_page_attr(page, 2 * HAL_PAGE_SIZE, HAL_PAGE_NONE), 0);
    touched = page - 1;
    assert_int_equal(bare_child(touch, text, sizeof(text)), 0);
    touched = page;
    assert_int_equal(bare_child(touch, text, sizeof(text)), 128 + SIGSEGV);
    touched = page + 2 * HAL_PAGE_SIZE - 1;
    assert_int_equal(bare_child(touch, text, sizeof(text)), 128 + SIGSEGV);
    touched = page + 2 * HAL_PAGE_SIZE;
    assert_int_equal(bare_child(touch, text, sizeof(text)), 0);
    assert_int_equal(hal_page_attr(page, 2 * HAL_PAGE_SIZE, HAL_PAGE_NORMAL),
                     0);
    assert_int_equal(page[0], 42);
    page[2 * HAL_PAGE_SIZE - 1] = 1;
}

/* ---- Rules --------------------------------------------------------------- */

static void unmap_nothing(void)
{
    hal_dma_unmap(bare_page(boot, 10), 0);
}

static void unmap_unmapped(void)
{
    hal_dma_unmap(bare_page(boot, 9), HAL_PAGE_SIZE);
}

static void unmap_start(void)
{
    hal_dma_unmap(bare_page(boot, 10), 2 * HAL_PAGE_SIZE);
}

static void unmap_end(void)
{
    hal_dma_unmap(bare_page(boot, 11), 2 * HAL_PAGE_SIZE);
}

static void unmap_too_much(void)
{
    hal_dma_unmap(bare_page(boot, 10), 4 * HAL_PAGE_SIZE);
}

static void unmap_two_ranges(void)
{
    hal_dma_unmap(bare_page(boot, 20), 2 * HAL_PAGE_SIZE);
}

static void address_of_unmapped(void)
{
    (void)hal_dma_addr(bare_page(boot, 13));
}

static void address_outside(void)
{
    (void)hal_dma_addr((char *)boot->region[0].base + boot->region[0].size);
}

static void address_before(void)
{
    (void)hal_dma_addr((char *)boot->region[0].base - 1);
}

static void test_broken_rules_stop_the_machine(void **state)
{
    static const char not_one[] =
        "hal_dma_unmap() of what is not one mapped range";
    static const char part[] = "hal_dma_unmap() of a part of a range";
    static const char no_address[] =
        "hal_dma_addr() of memory that is not mapped for devices";
    /* clang-format off */
    static const struct {
        const char *name;
        void (*fn)(void);
        const char *why;
    } rows[] = {
        {"unmap nothing", unmap_nothing,
         "hal_dma_unmap() of what is no memory"},
        {"unmap unmapped", unmap_unmapped, not_one},
        {"unmap the start", unmap_start, part},
        {"unmap the end", unmap_end, part},
        {"unmap too much", unmap_too_much, not_one},
        {"unmap two ranges", unmap_two_ranges, not_one},
        {"address of unmapped memory", address_of_unmapped, no_address},
        {"address behind the memory", address_outside, no_address},
        {"address before the memory", address_before, no_address},
    };
    /* clang-format on */

    (void)state;
    assert_int_equal(hal_dma_map(bare_page(boot, 10), 3 * HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(bare_page(boot, 20), HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(bare_page(boot, 21), HAL_PAGE_SIZE), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        bare_dies(rows[i].name, rows[i].fn, rows[i].why);
    hal_dma_unmap(bare_page(boot, 10), 3 * HAL_PAGE_SIZE);
    hal_dma_unmap(bare_page(boot, 20), HAL_PAGE_SIZE);
    hal_dma_unmap(bare_page(boot, 21), HAL_PAGE_SIZE);
}

/* The first and the last page of the memory have no neighbour. */
static void test_ranges_at_the_borders(void **state)
{
    size_t pages = boot->region[0].size / HAL_PAGE_SIZE;
    char *last = bare_page(boot, (unsigned)pages - 1);

    (void)state;
    assert_int_equal(hal_dma_map(bare_page(boot, 0), HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(last, HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_addr(bare_page(boot, 0)), DMA_BUS_BASE);
    assert_int_equal(hal_dma_addr(last + 5),
                     DMA_BUS_BASE + boot->region[0].size - HAL_PAGE_SIZE + 5);
    assert_ptr_equal(dma_lookup(hal_dma_addr(last), HAL_PAGE_SIZE), last);
    assert_null(dma_lookup(hal_dma_addr(last), HAL_PAGE_SIZE + 1));
    assert_null(dma_lookup(hal_dma_addr(last) + HAL_PAGE_SIZE, 1));
    assert_int_equal(hal_dma_map(bare_page(boot, 0), HAL_PAGE_SIZE), -EINVAL);
    hal_dma_unmap(bare_page(boot, 0), HAL_PAGE_SIZE);
    hal_dma_unmap(last, HAL_PAGE_SIZE);
    assert_int_equal(hal_dma_map(bare_page(boot, 0), 4 << 20), 0);
    hal_dma_unmap(bare_page(boot, 0), 4 << 20);
    /* Over a page that is mapped already. */
    assert_int_equal(hal_dma_map(bare_page(boot, 3), HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_map(bare_page(boot, 2), 2 * HAL_PAGE_SIZE),
                     -EINVAL);
    assert_int_equal(hal_dma_map(bare_page(boot, 2), HAL_PAGE_SIZE), 0);
}

static void test_another_machine_has_nothing_mapped(void **state)
{
    uint64_t bus;

    (void)state;
    assert_int_equal(hal_dma_map(bare_page(boot, 10), HAL_PAGE_SIZE), 0);
    bus = hal_dma_addr(bare_page(boot, 10));
    host_machine_close();
    assert_null(dma_lookup(bus, 1));
    boot = bare_open((struct host_config){0});
    assert_null(dma_lookup(bus, 1));
    assert_int_equal(hal_dma_map(bare_page(boot, 10), HAL_PAGE_SIZE), 0);
}

/* Who has mapped the same file sees the same bytes, at the bus address. */
static void test_memory_of_a_file_is_shared(void **state)
{
    const uint64_t offset = UINT64_C(3) << 20;
    int file = memfd_create("test", MFD_CLOEXEC);
    char *other, *page;

    (void)state;
    assert_true(file > 0);
    assert_int_equal(ftruncate(file, 7 << 20), 0);
    host_machine_close();
    boot = bare_open(
        (struct host_config){.memory_file = file, .memory_offset = offset});
    other = mmap(NULL, 7 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(other, MAP_FAILED);
    assert_int_equal(other[offset - 1], 0);
    assert_int_equal((uint8_t)other[offset], HOST_FILL_BYTE);
    assert_int_equal((uint8_t)other[(7 << 20) - 1], HOST_FILL_BYTE);

    page = bare_page(boot, 10);
    assert_int_equal(hal_dma_map(page, HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_addr(page + 5), offset + 10 * HAL_PAGE_SIZE + 5);
    page[5] = 77;
    assert_int_equal(other[hal_dma_addr(page + 5)], 77);
    other[hal_dma_addr(page + 6)] = 78;
    assert_int_equal(page[6], 78);
    assert_ptr_equal(dma_lookup(hal_dma_addr(page), HAL_PAGE_SIZE), page);
    assert_null(dma_lookup(hal_dma_addr(page) - 1, 1));
    assert_null(dma_lookup(offset - 1, 2));
    munmap(other, 7 << 20);
    close(file);
    assert_int_equal(page[5], 77); /* the machine needs the file no more */

    host_machine_close(); /* the next one has memory of its own again */
    boot = bare_open((struct host_config){0});
    assert_int_equal(hal_dma_map(bare_page(boot, 0), HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_addr(bare_page(boot, 0)), DMA_BUS_BASE);
}

/* For devices that know 32 bits; here its end lies beyond them. */
static void test_the_bus_address_of_the_memory_can_be_chosen(void **state)
{
    const uint64_t bus = (UINT64_C(1) << 32) - HAL_PAGE_SIZE;
    char *page;

    (void)state;
    host_machine_close();
    boot = bare_open((struct host_config){.memory_bus = bus});
    page = bare_page(boot, 0);
    assert_int_equal(hal_dma_map(page, 2 * HAL_PAGE_SIZE), 0);
    assert_int_equal(hal_dma_addr(page), bus);
    assert_int_equal(hal_dma_addr(page + HAL_PAGE_SIZE), UINT64_C(1) << 32);
    assert_ptr_equal(dma_lookup(bus, 2 * HAL_PAGE_SIZE), page);
    assert_null(dma_lookup(bus - 1, 1));
    host_machine_close();
    boot = bare_open((struct host_config){0});
    assert_null(dma_lookup(bus, 1));
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
        cmocka_unit_test_setup_teardown(test_attributes_are_checked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_page_without_access_faults,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_rules_stop_the_machine,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges_at_the_borders, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_another_machine_has_nothing_mapped,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_the_bus_address_of_the_memory_can_be_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_a_file_is_shared, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
