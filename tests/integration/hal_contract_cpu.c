/*
 * The contract of hal/hal.h, sections 1 to 3: what the machine says of itself,
 * its CPUs, and their interrupts.
 */
#include "tests/integration/hal_contract.h"

enum { WALL_2020_S = 1577836800 };

/* ---- Start --------------------------------------------------------------- */

static void test_boot_info(void)
{
    CHECK(boot->cmdline != NULL);
    CHECK(str_len(boot->cmdline, 4096) < 4096);
    CHECK(boot->cpu_count >= 1 && boot->cpu_count <= HAL_CPU_MAX);
    CHECK(boot->region_count >= 1 && boot->region_count <= HAL_REGION_MAX);
    CHECK(boot->module_count <= HAL_MODULE_MAX);
    CHECK(boot->machine != NULL && boot->machine[0] != '\0');
    CHECK(hal_wall_ns() == 0 || hal_wall_ns() / S > WALL_2020_S);
    CHECK(cpus[0].entry_flags == HAL_IRQS_OFF);
    CHECK(hal_cpu_id() == 0);
    CHECK(hal_cpu_local() == &cpus[0]);
}

static void test_regions_are_sorted_pages(void)
{
    uintptr_t end = 0;

    for (unsigned i = 0; i < boot->region_count; i++) {
        const struct hal_region *region = &boot->region[i];

        CHECK(region->base % HAL_PAGE_SIZE == 0);
        CHECK(region->size % HAL_PAGE_SIZE == 0 && region->size > 0);
        CHECK(region->base >= end && region->base > 0);
        CHECK(region->base + region->size > region->base);
        end = region->base + region->size;
    }
}

static void test_regions_are_free(void)
{
    int on_stack = 0;

    CHECK(!in_regions(&on_stack));
    CHECK(!in_regions(&boot));
    CHECK(!in_regions(boot));
    CHECK(!in_regions(boot->cmdline));
    for (unsigned i = 0; i < boot->module_count; i++) {
        CHECK(boot->module[i].size > 0);
        CHECK(!in_regions(boot->module[i].base));
        CHECK(!in_regions(boot->module[i].base + boot->module[i].size - 1));
    }
}

static void test_regions_are_writable(void)
{
    for (unsigned i = 0; i < boot->region_count; i++) {
        volatile uint64_t *first = (uint64_t *)boot->region[i].base;
        volatile uint64_t *last = first + boot->region[i].size / 8 - 1;

        *first = UINT64_C(0x0123456789abcdef) + i;
        *last = UINT64_C(0xfedcba9876543210) - i;
        CHECK(*first == UINT64_C(0x0123456789abcdef) + i);
        CHECK(*last == UINT64_C(0xfedcba9876543210) - i);
    }
}

static void test_console_takes_any_length(void)
{
    hal_console_write("", 0);
    hal_console_write("console: a ", 11);
    hal_console_write("line in two pieces\n", 19);
}

/* ---- Processors ---------------------------------------------------------- */

static void *cpu_stack[HAL_CPU_MAX];

static void test_cpu_start_refuses_nonsense(void)
{
    void *stack = pages_take(STACK_SIZE);

    CHECK(hal_cpu_start(0, cpu_entry, &cpus[0], stack, STACK_SIZE) == -EINVAL);
    CHECK(hal_cpu_start(boot->cpu_count, cpu_entry, &cpus[0], stack,
                        STACK_SIZE) == -EINVAL);
    CHECK(hal_cpu_start(UINT32_MAX, cpu_entry, &cpus[0], stack, STACK_SIZE) ==
          -EINVAL);
}

static void test_cpus_start(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        cpu_stack[i] = pages_take(STACK_SIZE);
        if (!CHECK(hal_cpu_start(i, cpu_entry, &cpus[i], cpu_stack[i],
                                 STACK_SIZE) == 0))
            hal_exit(1);
    }
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        if (!CHECK(wait_for(&cpus[i].arrived, 1)))
            hal_exit(1); /* nothing below would mean anything */
        CHECK(hal_cpu_start(i, cpu_entry, &cpus[i], cpu_stack[i], STACK_SIZE) ==
              -EINVAL);
    }
}

static void test_cpus_enter_as_promised(void)
{
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        uintptr_t stack = (uintptr_t)cpu_stack[i];

        CHECK(cpus[i].entry_id == i);
        CHECK(cpus[i].entry_flags == HAL_IRQS_OFF);
        CHECK(cpus[i].entry_local == NULL);
        CHECK(cpus[i].entry_sp >= stack &&
              cpus[i].entry_sp < stack + STACK_SIZE);
    }
}

static void check_local(void)
{
    CHECK(hal_cpu_local() == self());
    hal_cpu_set_local(cpu_stack);
    CHECK(hal_cpu_local() == cpu_stack);
    hal_cpu_set_local(self());
    CHECK(hal_cpu_local() == self());
}

static void test_cpu_local_is_per_cpu(void)
{
    on_each(check_local);
    CHECK(hal_cpu_local() == &cpus[0]);
}

/* ---- Interrupt flag ------------------------------------------------------ */

static void check_irq_nesting(void)
{
    hal_irqflags outer, inner;

    hal_irq_restore(HAL_IRQS_ON);
    outer = hal_irq_save();
    inner = hal_irq_save();
    CHECK(outer == HAL_IRQS_ON);
    CHECK(inner == HAL_IRQS_OFF);
    hal_irq_restore(inner);
    inner = hal_irq_save();
    CHECK(inner == HAL_IRQS_OFF);
    hal_irq_restore(outer);
    CHECK(hal_irq_save() == HAL_IRQS_ON);
}

static void test_irq_save_nests(void)
{
    on_each(check_irq_nesting);
}

static void check_irqs_off_hold(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->doorbells);

    hal_ipi_send(hal_cpu_id());
    spin_ns(2 * MS);
    CHECK(count_get(&cpu->doorbells) == before);
    hal_irq_restore(HAL_IRQS_ON);
    CHECK(wait_for(&cpu->doorbells, before + 1));
    hal_irq_save();
}

static void test_irqs_off_hold_back(void)
{
    on_each(check_irqs_off_hold);
}

static void irq_never(void *arg)
{
    (void)arg;
}

static void test_irq_attach_refuses_nonsense(void)
{
    CHECK(hal_irq_attach(-4, 0, irq_never, NULL) == -EINVAL);
    CHECK(hal_irq_attach(1 << 20, 0, irq_never, NULL) == -EINVAL);
    CHECK(hal_irq_attach(HAL_IRQ_TIMER, 0, irq_never, NULL) == -EBUSY);
    CHECK(hal_irq_attach(HAL_IRQ_DOORBELL, 0, irq_never, NULL) == -EBUSY);
    CHECK(hal_irq_attach(200, boot->cpu_count, irq_never, NULL) == -EINVAL);
}

static void test_irq_msi(void)
{
    unsigned last = boot->cpu_count - 1;
    uint64_t addr = 0;
    uint32_t data = 0;
    int irq = hal_irq_msi(last, &addr, &data);
    int other = hal_irq_msi(last, &addr, &data);

    if (irq == -ENODEV)
        return;
    CHECK(irq >= 256);
    CHECK(other >= 256 && other != irq);
    CHECK(addr != 0);
    CHECK(hal_irq_attach(irq, last, irq_never, NULL) == 0);
}

/* ---- The tests ----------------------------------------------------------- */

/* clang-format off */
const struct contract_test contract_cpu_tests[] = {
    {"boot_info", test_boot_info},
    {"regions_are_sorted_pages", test_regions_are_sorted_pages},
    {"regions_are_free", test_regions_are_free},
    {"regions_are_writable", test_regions_are_writable},
    {"console_takes_any_length", test_console_takes_any_length},
    {"cpu_start_refuses_nonsense", test_cpu_start_refuses_nonsense},
    {"cpus_start", test_cpus_start},
    {"cpus_enter_as_promised", test_cpus_enter_as_promised},
    {"cpu_local_is_per_cpu", test_cpu_local_is_per_cpu},
    {"irq_save_nests", test_irq_save_nests},
    {"irqs_off_hold_back", test_irqs_off_hold_back},
    {"irq_attach_refuses_nonsense", test_irq_attach_refuses_nonsense},
    {"irq_msi", test_irq_msi},
    {NULL, NULL},
};
/* clang-format on */
