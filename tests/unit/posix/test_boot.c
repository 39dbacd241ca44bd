/* Making and closing hosted machines, and their contexts. */
#include "tests/unit/posix/machine_bare.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024 };

/* ---- Machines one after the other ---------------------------------------- */

static atomic_uint arrived;

static void cpu_sleeper(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_cpu_idle();
}

static void cpu_spinner(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_cpu_relax();
}

static struct hal_context contexts[2];

static void context_other(void *arg)
{
    (void)arg;
    for (;;)
        hal_context_switch(&contexts[1], &contexts[0]);
}

static void cpu_switcher(void *arg)
{
    hal_context_init(&contexts[1], (char *)arg - STACK_SIZE, STACK_SIZE,
                     context_other, NULL);
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_context_switch(&contexts[0], &contexts[1]);
}

static void test_close_stops_all_cpus(void **state)
{
    static void (*const entries[])(void *) = {cpu_sleeper, cpu_spinner,
                                              cpu_switcher};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        const struct hal_boot_info *boot =
            bare_open((struct host_config){.cpus = 4});

        atomic_store(&arrived, 0);
        assert_int_equal(boot->cpu_count, 4);
        for (unsigned cpu = 1; cpu < 4; cpu++) {
            char *stack = (char *)bare_page(boot, 64 * cpu);

            assert_int_equal(
                hal_cpu_start(cpu, entries[cpu - 1], stack, stack, STACK_SIZE),
                0);
        }
        while (atomic_load(&arrived) < 3)
            hal_cpu_relax();
        if (round % 2 == 0)
            host_machine_close(); /* else prepare() does it */
    }
    host_machine_close();
    host_machine_close();
}

static void test_prepare_starts_afresh(void **state)
{
    const struct hal_boot_info *boot;
    unsigned count = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        boot = bare_open((struct host_config){.cmdline = "a b"});
        assert_string_equal(boot->cmdline, "a b");
        assert_null(hal_cpu_local());
        assert_int_equal(hal_irq_save(), HAL_IRQS_OFF);
        assert_true(hal_time_ns() < PATIENCE_NS);
        assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &count),
                         0);
        assert_int_equal(*(volatile char *)bare_page(boot, 3), 0);
        *(volatile char *)bare_page(boot, 3) = 1;
        hal_cpu_set_local(&count);
        hal_irq_restore(HAL_IRQS_ON);
        hal_timer_set(1);
        hal_cpu_relax();
        assert_int_equal(count, round + 1);
    }
    host_machine_close();
}

static void test_memory_is_aligned(void **state)
{
    const struct hal_boot_info *boot =
        bare_open((struct host_config){.cpus = 3, .mem_bytes = (2 << 20) + 1});

    (void)state;
    assert_int_equal(boot->region_count, 1);
    assert_int_equal(boot->region[0].base % HAL_LARGE_PAGE_SIZE, 0);
    assert_int_equal(boot->region[0].size, 6 << 20);
    host_machine_close();
}

static void test_nodes_share_evenly(void **state)
{
    static const uint8_t two_of_five[] = {0, 0, 0, 1, 1};
    const struct hal_boot_info *boot = bare_open(
        (struct host_config){.cpus = 5, .mem_bytes = 2 << 20, .nodes = 2});
    uintptr_t base;

    (void)state;
    assert_int_equal(boot->region_count, 2);
    base = boot->region[0].base;
    assert_int_equal(boot->region[0].size, 5 << 20);
    assert_int_equal(boot->region[1].base, base + (5 << 20));
    assert_int_equal(boot->region[1].size, 5 << 20);
    assert_int_equal(boot->region[0].node, 0);
    assert_int_equal(boot->region[1].node, 1);
    assert_memory_equal(boot->cpu_node, two_of_five, 5);
    /* More nodes than CPUs; DMA and rights over a border. */
    boot = bare_open((struct host_config){.mem_bytes = 2 << 20, .nodes = 64});
    assert_int_equal(boot->region_count, 64);
    assert_int_equal(boot->cpu_node[0], 0);
    assert_int_equal(hal_dma_map(bare_page(boot, 0), 2 << 20), 0);
    assert_int_equal(
        hal_page_attr(bare_page(boot, 7), 2 * HAL_PAGE_SIZE, HAL_PAGE_NORMAL),
        0);
    host_machine_close();
}

/* ---- What cannot be made ------------------------------------------------- */

static void test_bad_machines_are_refused(void **state)
{
    static char line[HOST_CMDLINE_MAX + 1];
    static const char *const missing[] = {"/nonexistent/module"};
    static const char *const directory[] = {"/"};
    static const struct host_disk_config disks[] = {
        {.path = "/nonexistent"}, {.path = "/"}, {.path = "/dev/null"}};
    const struct {
        const char *name;
        struct host_config config;
    } rows[] = {
        {"too many cpus", {.cpus = 257}},
        {"too many nodes", {.nodes = 65}},
        {"too little memory", {.mem_bytes = 4096}},
        {"memory wraps", {.cpus = 4, .mem_bytes = SIZE_MAX / 2}},
        {"memory nobody has", {.mem_bytes = (size_t)1 << 60}},
        {"command line too long", {.cmdline = line}},
        {"no module", {.module_count = 1, .modules = missing}},
        {"module a directory", {.module_count = 1, .modules = directory}},
        {"no disk", {.disk_count = 1, .disks = disks}},
        {"disk a directory", {.disk_count = 1, .disks = disks + 1}},
        {"disk a device", {.disk_count = 1, .disks = disks + 2}},
    };

    (void)state;
    memset(line, 'x', HOST_CMDLINE_MAX);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, host_machine_prepare(&rows[i].config) == NULL);
}

static void test_modules_are_there(void **state)
{
    char path[] = "/tmp/torc_module_XXXXXX";
    const char *paths[] = {path, path};
    int fd = mkstemp(path);
    const struct hal_boot_info *boot;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "module", 6), 6);
    close(fd);
    boot = bare_open((struct host_config){.module_count = 2, .modules = paths});
    assert_int_equal(boot->module_count, 2);
    assert_int_equal(boot->module[1].size, 6);
    assert_memory_equal(boot->module[1].base, "module", 6);
    host_machine_close();
    unlink(path);
}

/* ---- Contexts ------------------------------------------------------------ */

/* A context that ends in the middle of things leaves a clean stack. */
static void context_messy(void *arg)
{
    char text[256];

    snprintf(text, sizeof(text), "%p", arg);
    hal_context_switch(&contexts[1], &contexts[0]);
    abort();
}

static void test_stack_of_a_dead_context_is_plain_memory(void **state)
{
    const struct hal_boot_info *boot = bare_open((struct host_config){0});
    char *stack = bare_page(boot, 16);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        hal_context_init(&contexts[1], stack, STACK_SIZE, context_messy, stack);
        hal_context_switch(&contexts[0], &contexts[1]);
        hal_context_fini(&contexts[1]);
        for (unsigned i = 0; i < STACK_SIZE; i++)
            stack[i] = (char)round;
    }
    host_machine_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_stops_all_cpus),
        cmocka_unit_test(test_prepare_starts_afresh),
        cmocka_unit_test(test_memory_is_aligned),
        cmocka_unit_test(test_nodes_share_evenly),
        cmocka_unit_test(test_bad_machines_are_refused),
        cmocka_unit_test(test_modules_are_there),
        cmocka_unit_test(test_stack_of_a_dead_context_is_plain_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
