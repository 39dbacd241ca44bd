/*
 * The contract of hal/hal.h, sections 5, 6, 8 and 9: contexts, memory, and the
 * lists of devices.
 */
#include "hal/leaf.h"
#include "tests/integration/hal_contract.h"

enum { SWITCH_ROUNDS = 1000 };

/* ---- Contexts ------------------------------------------------------------ */

static struct hal_context main_context, side_context;
static void *side_stack;
static uint64_t side_seen;

/* Values the compiler keeps in registers and on the stack over the switch. */
static uint64_t switch_mix(struct hal_context *from, struct hal_context *to,
                           uint64_t seed, unsigned rounds)
{
    uint64_t a = seed, b = seed ^ 3, c = seed * 5, d = seed + 7, e = ~seed;
    volatile uint64_t kept[16];

    for (unsigned i = 0; i < 16; i++)
        kept[i] = seed + i;
    for (unsigned round = 0; round < rounds; round++) {
        a += b;
        b ^= c;
        c -= d;
        d += e;
        e = a ^ round;
        hal_context_switch(from, to);
    }
    for (unsigned i = 0; i < 16; i++)
        a += kept[i] - seed - i;
    return a ^ b ^ c ^ d ^ e;
}

/* The same without switches. */
static uint64_t plain_mix(uint64_t seed, unsigned rounds)
{
    uint64_t a = seed, b = seed ^ 3, c = seed * 5, d = seed + 7, e = ~seed;

    for (unsigned round = 0; round < rounds; round++) {
        a += b;
        b ^= c;
        c -= d;
        d += e;
        e = a ^ round;
    }
    return a ^ b ^ c ^ d ^ e;
}

static void side_entry(void *arg)
{
    _Alignas(16) volatile char aligned[16] = {0};
    uintptr_t at = (uintptr_t)aligned;

    CHECK(arg == &side_seen);
    CHECK(at % 16 == 0);
    CHECK(at >= (uintptr_t)side_stack &&
          at < (uintptr_t)side_stack + STACK_SIZE);
    side_seen = switch_mix(&side_context, &main_context, 99, SWITCH_ROUNDS);
    hal_context_switch(&side_context, &main_context);
    CHECK(!"a context that is gone went on");
}

static void check_contexts(void)
{
    uint64_t mixed;

    side_seen = 0;
    hal_context_init(&side_context, side_stack, STACK_SIZE, side_entry,
                     &side_seen);
    mixed = switch_mix(&main_context, &side_context, 42, SWITCH_ROUNDS);
    CHECK(mixed == plain_mix(42, SWITCH_ROUNDS));
    hal_context_switch(&main_context, &side_context);
    CHECK(side_seen == plain_mix(99, SWITCH_ROUNDS));
    hal_context_fini(&side_context);
}

static void test_contexts_keep_registers(void)
{
    side_stack = pages_take(STACK_SIZE);
    on_each(check_contexts);
    on_each(check_contexts);
}

static void flags_entry(void *arg)
{
    hal_irqflags *seen = arg;

    for (;;) {
        *seen = hal_irq_save();
        hal_irq_restore(*seen);
        hal_context_switch(&side_context, &main_context);
    }
}

static void test_contexts_keep_the_irq_flag(void)
{
    hal_irqflags seen = 77;

    hal_context_init(&side_context, side_stack, STACK_SIZE, flags_entry, &seen);
    hal_context_switch(&main_context, &side_context);
    CHECK(seen == HAL_IRQS_OFF);
    hal_irq_restore(HAL_IRQS_ON);
    hal_context_switch(&main_context, &side_context);
    CHECK(seen == HAL_IRQS_ON);
    CHECK(hal_irq_save() == HAL_IRQS_ON);
    hal_context_fini(&side_context);
}

static void loop_entry(void *arg)
{
    (void)arg;
    for (;;)
        hal_context_switch(&side_context, &main_context);
}

static void test_timer_interrupts_switching(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->timers);
    uint64_t end;

    hal_context_init(&side_context, side_stack, STACK_SIZE, loop_entry, NULL);
    timer_begin(hal_time_ns() + 3 * MS);
    end = cpu->timer_wanted_ns + PATIENCE_NS;
    hal_irq_restore(HAL_IRQS_ON);
    while (count_get(&cpu->timers) == before && hal_time_ns() < end)
        hal_context_switch(&main_context, &side_context);
    hal_irq_save();
    CHECK(count_get(&cpu->timers) == before + 1);
    CHECK(cpu->timer_fired_ns - cpu->timer_wanted_ns < S);
    hal_context_fini(&side_context);
}

/* A context begins here and goes on there. */
static struct hal_context away_context;
static unsigned roamer_cpu;
static struct hal_context *roamer_home;

static void roamer_entry(void *arg)
{
    (void)arg;
    for (;;) {
        roamer_cpu = hal_cpu_id();
        CHECK(hal_cpu_local() == &cpus[roamer_cpu]);
        hal_context_switch(&side_context, roamer_home);
    }
}

static void roamer_take(void)
{
    roamer_home = &away_context;
    hal_context_switch(&away_context, &side_context);
}

static void test_contexts_move_between_cpus(void)
{
    hal_context_init(&side_context, side_stack, STACK_SIZE, roamer_entry, NULL);
    for (unsigned round = 0; round < 100; round++) {
        unsigned last = boot->cpu_count - 1;

        roamer_take();
        CHECK(roamer_cpu == 0);
        if (last == 0)
            continue;
        cpu_give(last, roamer_take);
        if (!CHECK(cpu_finish(last)))
            return;
        CHECK(roamer_cpu == last);
    }
    hal_context_fini(&side_context);
}

/* ---- Memory -------------------------------------------------------------- */

static _Alignas(HAL_PAGE_SIZE) uint8_t own_page[HAL_PAGE_SIZE];

static void test_page_attr_refuses_nonsense(void)
{
    uint8_t *page = pages_take(2 * HAL_PAGE_SIZE);

    CHECK(hal_page_attr(page + 8, HAL_PAGE_SIZE, HAL_PAGE_NONE) == -EINVAL);
    CHECK(hal_page_attr(page, HAL_PAGE_SIZE - 8, HAL_PAGE_NONE) == -EINVAL);
    CHECK(hal_page_attr(own_page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == -EINVAL);
    *(volatile uint8_t *)page = 1;
}

static void test_page_attr_comes_and_goes(void)
{
    uint8_t *page = pages_take(2 * HAL_PAGE_SIZE);
    volatile uint8_t *second = page + HAL_PAGE_SIZE;

    for (unsigned round = 0; round < 3; round++) {
        CHECK(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == 0);
        *second = (uint8_t)round; /* the neighbour is not concerned */
        CHECK(hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NORMAL) == 0);
        *(volatile uint8_t *)page = 7;
        CHECK(*(volatile uint8_t *)page == 7);
        CHECK(*second == round);
    }
}

/* All ways between the kinds of caching; nothing written is lost. */
static void check_caching(void)
{
    static const enum hal_page_attr way[] = {
        HAL_PAGE_UNCACHED, HAL_PAGE_NORMAL,          HAL_PAGE_WRITE_COMBINING,
        HAL_PAGE_UNCACHED, HAL_PAGE_WRITE_COMBINING, HAL_PAGE_NORMAL};
    volatile uint64_t *words = pages_take(3 * HAL_PAGE_SIZE);
    const size_t count = 3 * HAL_PAGE_SIZE / sizeof(*words);
    bool is_hosted = false;
    unsigned wrong = 0;

    for (unsigned step = 0; step < COUNT_OF(way); step++) {
        int err;

        for (size_t i = 0; i < count; i++)
            words[i] = i * 77 + step;
        err = hal_page_attr((void *)(uintptr_t)words, 3 * HAL_PAGE_SIZE,
                            way[step]);
        CHECK(err == 0 || (err == -ENOTSUP && way[step] != HAL_PAGE_NORMAL));
        is_hosted |= err == -ENOTSUP;
        CHECK(!is_hosted || way[step] == HAL_PAGE_NORMAL || err == -ENOTSUP);
        for (size_t i = 0; i < count; i++)
            wrong += words[i] != i * 77 + step;
    }
    CHECK(wrong == 0);
    CHECK(hal_page_attr((void *)(uintptr_t)words, HAL_PAGE_SIZE,
                        (enum hal_page_attr)77) == -EINVAL);
}

static void test_page_attr_caching(void)
{
    on_each(check_caching);
}

/* Regions in a row, of different nodes, are no border for what is in them. */
static void test_regions_in_a_row(void)
{
    for (unsigned i = 0; i + 1 < boot->region_count; i++) {
        uintptr_t end = boot->region[i].base + boot->region[i].size;
        uint8_t *page = (uint8_t *)(end - HAL_PAGE_SIZE);

        if (end != boot->region[i + 1].base)
            continue;
        print("regions %u and %u are in a row\n", i, i + 1);
        CHECK(hal_page_attr(page, 2 * HAL_PAGE_SIZE, HAL_PAGE_NORMAL) == 0);
        CHECK(hal_dma_map(page, 2 * HAL_PAGE_SIZE) == 0);
        CHECK(hal_dma_addr(page + HAL_PAGE_SIZE) ==
              hal_dma_addr(page) + HAL_PAGE_SIZE);
        hal_dma_unmap(page, 2 * HAL_PAGE_SIZE);
    }
}

static void test_dma_addresses_are_contiguous(void)
{
    uint8_t *page = pages_take(4 * HAL_PAGE_SIZE);
    uint64_t bus;

    CHECK(hal_dma_map(page + 8, HAL_PAGE_SIZE) == -EINVAL);
    CHECK(hal_dma_map(page, HAL_PAGE_SIZE - 8) == -EINVAL);
    CHECK(hal_dma_map(own_page, HAL_PAGE_SIZE) == -EINVAL);
    if (!CHECK(hal_dma_map(page, 4 * HAL_PAGE_SIZE) == 0))
        return;
    bus = hal_dma_addr(page);
    CHECK(bus % HAL_PAGE_SIZE == 0);
    for (unsigned i = 0; i < 4 * HAL_PAGE_SIZE; i += 1021)
        CHECK(hal_dma_addr(page + i) == bus + i);
    hal_dma_unmap(page, 4 * HAL_PAGE_SIZE);
    CHECK(hal_dma_map(page, HAL_PAGE_SIZE) == 0);
    CHECK(hal_dma_addr(page) % HAL_PAGE_SIZE == 0);
    hal_dma_unmap(page, HAL_PAGE_SIZE);
}

/* Devices reach constants of the image, or on this machine none of them; and
 * nothing of what can be written. */
static void test_dma_constants(void)
{
    static const char _Alignas(HAL_PAGE_SIZE) text[HAL_PAGE_SIZE] = "constant";
    static char _Alignas(HAL_PAGE_SIZE) data[HAL_PAGE_SIZE] = "data";
    void *page = (void *)(uintptr_t)text;
    int status = hal_dma_map(page, HAL_PAGE_SIZE);

    CHECK(status == 0 || status == -EINVAL);
    CHECK(hal_dma_map(page, HAL_PAGE_SIZE) == status);
    CHECK(status != 0 || hal_dma_addr(text + 4) == hal_dma_addr(text) + 4);
    CHECK(hal_dma_map(data, HAL_PAGE_SIZE) == -EINVAL);
    CHECK(hal_dma_map(page, SIZE_MAX & ~(HAL_PAGE_SIZE - 1UL)) == -EINVAL);
    CHECK(hal_dma_map((char *)page + 8, HAL_PAGE_SIZE) == -EINVAL);
}

/* ---- Entropy and devices ------------------------------------------------- */

static void test_entropy_differs(void)
{
    uint8_t a[32] = {0}, b[32] = {0};
    size_t got = hal_entropy(a, sizeof(a));

    CHECK(hal_entropy(a, 0) == 0);
    CHECK(got <= sizeof(a));
    if (got == sizeof(a) && hal_entropy(b, sizeof(b)) == sizeof(b))
        CHECK(memcmp(a, b, sizeof(a)) != 0);
}

/* Memory, used or free, is no place for registers. */
static void test_registers_are_not_in_memory(void)
{
    uint64_t base = boot->region[0].base;
    uint64_t size = boot->region[0].size;
    struct hal_io io;

    CHECK(hal_io_map(HAL_IO_MEMORY, base, 16, &io) == -ENODEV);
    CHECK(hal_io_map(HAL_IO_MEMORY, base + size - 1, 1, &io) == -ENODEV);
    CHECK(hal_io_map(HAL_IO_MEMORY, base - 1, 2, &io) == -ENODEV);
    CHECK(hal_io_map(HAL_IO_MEMORY, base, size, &io) == -ENODEV);
    CHECK(hal_io_map(HAL_IO_MEMORY, (uintptr_t)own_page, 1, &io) == -ENODEV);
    CHECK(hal_io_map(HAL_IO_MEMORY, base, 0, &io) == -EINVAL);
    CHECK(hal_io_map(HAL_IO_MEMORY, UINT64_MAX - 1, 16, &io) == -EINVAL);
    CHECK(hal_io_map(HAL_IO_PORT, 0x10000, 1, &io) == -EINVAL);
    CHECK(hal_io_map(HAL_IO_PORT, 0xffff, 2, &io) == -EINVAL);
}

static void test_device_lists_end(void)
{
    struct hal_platform_device device;
    struct hal_blk_info blk;
    struct hal_net_info net;
    struct hal_blk_req req = {.op = HAL_BLK_FLUSH};
    struct hal_net_frame frame = {.len = 0};
    unsigned count = 0;

    while (count < 256 && hal_platform_device(count, &device) == 0)
        count++;
    CHECK(count < 256);
    CHECK(hal_blk_info(64, &blk) == -ENODEV);
    CHECK(hal_blk_open(64, 0) == -ENODEV);
    CHECK(hal_blk_submit(64, 0, &req) == -ENODEV);
    hal_blk_commit(64, 0);
    CHECK(hal_blk_poll(64, 0) == NULL);
    hal_blk_cancel(64, 0);
    CHECK(hal_net_info(64, &net) == -ENODEV);
    CHECK(hal_net_open(64, 0) == -ENODEV);
    CHECK(hal_net_send(64, 0, &frame) == -ENODEV);
    CHECK(hal_net_recv(64, 0, &frame) == -ENODEV);
    CHECK(hal_net_arm(64, 0, true));
    CHECK(!hal_net_link(64));
}

/* ---- The tests ----------------------------------------------------------- */

/* clang-format off */
const struct contract_test contract_memory_tests[] = {
    {"contexts_keep_registers", test_contexts_keep_registers},
    {"contexts_keep_the_irq_flag", test_contexts_keep_the_irq_flag},
    {"timer_interrupts_switching", test_timer_interrupts_switching},
    {"contexts_move_between_cpus", test_contexts_move_between_cpus},
    {"page_attr_refuses_nonsense", test_page_attr_refuses_nonsense},
    {"page_attr_comes_and_goes", test_page_attr_comes_and_goes},
    {"page_attr_caching", test_page_attr_caching},
    {"regions_in_a_row", test_regions_in_a_row},
    {"dma_addresses_are_contiguous", test_dma_addresses_are_contiguous},
    {"dma_constants", test_dma_constants},
    {"registers_are_not_in_memory", test_registers_are_not_in_memory},
    {"entropy_differs", test_entropy_differs},
    {"device_lists_end", test_device_lists_end},
    {NULL, NULL},
};
/* clang-format on */
