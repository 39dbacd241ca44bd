/*
 * The contract of hal/hal.h, checked. A kernel of its own: it is linked with a
 * HAL and kernel/lib and nothing else, and runs on every machine. The tests are
 * in hal_contract_*.c.
 *
 * Words of the command line: fault=guard and fault=stack end with a deliberate
 * fault, exit=NN with that status. It prints what CMocka prints; the status is
 * 0 or 1.
 */
#include "tests/integration/hal_contract.h"
#include "hal/debug.h"
#include <stdarg.h>
#include <torc/assert.h>
#include <torc/format.h>

enum { LINE_SIZE = 256 };

const struct hal_boot_info *boot;
struct cpu cpus[HAL_CPU_MAX];

/* ---- Reporting ----------------------------------------------------------- */

void print(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(line, sizeof(line), format, args);
    va_end(args);
    hal_console_write(line, len < sizeof(line) ? len : sizeof(line) - 1);
}

/* An assertion of the HAL itself. */
void check_failed(const char *file, int line, const char *expr)
{
    print("%s:%d: assertion failed: %s\n", file, line, expr);
    hal_abort(HAL_END_OFF);
}

void check_failed_line(int line)
{
    check_failed("the HAL", line, "?");
}

void check_failed_place(const char *place)
{
    check_failed(place, 0, "?");
}

bool check(bool holds, const char *what, const char *file, int line)
{
    unsigned cpu = hal_cpu_id();

    if (!holds) {
        count_up(&cpus[cpu].failures);
        print("%s:%d: cpu %u: not true: %s\n", file, line, cpu, what);
    }
    return holds;
}

static unsigned failures_total(void)
{
    unsigned total = 0;

    for (unsigned i = 0; i < boot->cpu_count; i++)
        total += count_get(&cpus[i].failures);
    return total;
}

/* ---- Memory, CPUs, waiting ----------------------------------------------- */

void *pages_take(size_t size)
{
    static size_t taken;
    const struct hal_region *region = &boot->region[0];

    for (unsigned i = 1; i < boot->region_count; i++)
        if (boot->region[i].size > region->size)
            region = &boot->region[i];
    taken += size;
    if (taken > region->size) {
        print("hal_contract.c: the machine has too little memory\n");
        hal_exit(1);
    }
    return (void *)(region->base + region->size - taken);
}

bool in_regions(const void *ptr)
{
    uintptr_t at = (uintptr_t)ptr;

    for (unsigned i = 0; i < boot->region_count; i++)
        if (at >= boot->region[i].base &&
            at - boot->region[i].base < boot->region[i].size)
            return true;
    return false;
}

bool wait_for(const atomic_uint *number, unsigned value)
{
    uint64_t end = hal_time_ns() + PATIENCE_NS;

    while ((int)(count_get(number) - value) < 0) {
        if (hal_time_ns() > end)
            return false;
        hal_cpu_relax();
    }
    return true;
}

void spin_ns(uint64_t ns)
{
    uint64_t end = hal_time_ns() + ns;

    while (hal_time_ns() < end)
        hal_cpu_relax();
}

static void doorbell_irq(void *arg)
{
    struct cpu *cpu = arg;

    count_up(&cpu->doorbells);
}

static void timer_irq(void *arg)
{
    struct cpu *cpu = arg;
    uint64_t now = hal_time_ns();

    if (now < cpu->timer_wanted_ns) {
        hal_timer_set(cpu->timer_wanted_ns); /* hal.h: it may come early */
        return;
    }
    cpu->timer_fired_ns = now;
    count_up(&cpu->timers);
}

void irqs_attach(struct cpu *cpu)
{
    unsigned id = hal_cpu_id();

    CHECK(hal_irq_attach(HAL_IRQ_DOORBELL, id, doorbell_irq, cpu) == 0);
    CHECK(hal_irq_attach(HAL_IRQ_TIMER, id, timer_irq, cpu) == 0);
}

/* What the other CPUs do: interrupts are off except while they sleep. */
void cpu_entry(void *arg)
{
    struct cpu *cpu = arg;
    unsigned done = 0;

    cpu->entry_sp = (uintptr_t)&cpu;
    cpu->entry_flags = hal_irq_save();
    cpu->entry_id = hal_cpu_id();
    cpu->entry_local = hal_cpu_local();
    hal_cpu_set_local(cpu);
    irqs_attach(cpu);
    count_up(&cpu->arrived);
    for (;;) {
        while (count_get(&cpu->given) == done)
            hal_cpu_idle();
        cpu->fn();
        count_up(&cpu->done);
        done++;
    }
}

void cpu_give(unsigned id, void (*fn)(void))
{
    cpus[id].fn = fn;
    count_up(&cpus[id].given);
    hal_ipi_send(id);
}

bool cpu_finish(unsigned id)
{
    return wait_for(&cpus[id].done, count_get(&cpus[id].given));
}

void on_each(void (*fn)(void))
{
    fn();
    for (unsigned i = 1; i < boot->cpu_count; i++) {
        cpu_give(i, fn);
        if (!CHECK(cpu_finish(i)))
            return;
    }
}

void kernel_sample(const struct hal_fault *where)
{
    struct cpu *cpu = self();

    if (where->off_ns != 0) {
        cpu->bad_samples += where->off_ns < HAL_SAMPLES_MISSED * 2 * MS;
        return;
    }
    count_up(&cpu->samples);
    cpu->bad_samples +=
        hal_irq_save() != HAL_IRQS_OFF || where->ip == 0 || where->sp == 0;
}

/* ---- The run ------------------------------------------------------------- */

static const struct contract_test *const lists[] = {
    contract_cpu_tests,
    contract_time_tests,
    contract_memory_tests,
    contract_fp_tests,
};

/* Returns whether it passed. */
static bool test_run(const struct contract_test *test)
{
    unsigned before = failures_total();
    bool passed;

    print("[ RUN      ] %s\n", test->name);
    test->fn();
    passed = failures_total() == before;
    print("[%s] %s\n", passed ? "       OK " : "  FAILED  ", test->name);
    return passed;
}

/* Returns how many failed. */
static unsigned tests_run(void)
{
    unsigned count = 0;
    unsigned passed = 0;

    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (const struct contract_test *test = lists[i]; test->fn != NULL;
             test++, count++)
            passed += test_run(test);
    print("[==========] %u test(s) run.\n", count);
    print("[  PASSED  ] %u test(s).\n", passed);
    return count - passed;
}

/* ---- Deliberate ends ----------------------------------------------------- */

static struct hal_context main_context, side_context;
static uint8_t *fault_page; /* where a fault is expected, or NULL */
static const char *fault_test = "no fault";

void kernel_fault(const struct hal_fault *fault)
{
    bool expected = fault_page != NULL &&
                    fault->address >= (uintptr_t)fault_page &&
                    fault->address - (uintptr_t)fault_page < HAL_PAGE_SIZE &&
                    hal_irq_save() == HAL_IRQS_OFF && fault->what != NULL &&
                    fault->detail != NULL && fault->ip != 0 && fault->sp != 0;

    if (!expected)
        print("fault: %s, ip %lx sp %lx fp %lx address %lx\n%s", fault->what,
              (unsigned long)fault->ip, (unsigned long)fault->sp,
              (unsigned long)fault->fp, (unsigned long)fault->address,
              fault->detail);
    print("[%s] %s\n", expected ? "       OK " : "  FAILED  ", fault_test);
    hal_exit(expected ? 0 : 1);
}

/* Of bare metal: nobody debugs this test. */
enum hal_debug_go kernel_debug(const struct hal_debug_stop *stop, unsigned *cpu)
{
    (void)stop;
    (void)cpu;
    return HAL_DEBUG_RUN;
}

/* Use more stack with each call; the address keeps it from becoming a loop. */
static unsigned stack_use(volatile unsigned *above)
{
    volatile unsigned here[32];

    if (*above == UINT32_MAX)
        return 0;
    here[0] = *above + 1;
    return stack_use(here) + here[0];
}

static void stack_overflow(void *arg)
{
    volatile unsigned depth = 0;

    (void)arg;
    (void)stack_use(&depth);
    hal_exit(1);
}

static void fault_make(const char *kind)
{
    uint8_t *page = pages_take(STACK_SIZE + HAL_PAGE_SIZE);

    fault_test = kind;
    print("[ RUN      ] %s\n", kind);
    if (hal_page_attr(page, HAL_PAGE_SIZE, HAL_PAGE_NONE) == 0) {
        fault_page = page;
        if (str_equal(kind, "fault=stack")) {
            hal_context_init(&side_context, page + HAL_PAGE_SIZE, STACK_SIZE,
                             stack_overflow, NULL);
            hal_context_switch(&main_context, &side_context);
        }
        *(volatile uint8_t *)(page + 64) = 1;
    }
    print("[  FAILED  ] %s\n", kind);
    hal_exit(1);
}

/* Whether `word` is on the command line; *rest is what follows it. */
static bool word_find(const char *word, const char **rest)
{
    size_t len = str_len(word, LINE_SIZE);

    for (const char *at = boot->cmdline; *at != '\0'; at++) {
        if ((at == boot->cmdline || at[-1] == ' ') && str_starts(at, word)) {
            *rest = at + len;
            return true;
        }
    }
    return false;
}

void kernel_main(const struct hal_boot_info *info)
{
    const char *rest;

    cpus[0].entry_flags = hal_irq_save();
    boot = info;
    print("hal contract: %s, %u cpus, cmdline \"%s\"\n", info->machine,
          info->cpu_count, info->cmdline);
    if (hal_cpu_local() != NULL)
        count_up(&cpus[0].failures);
    hal_cpu_set_local(&cpus[0]);
    irqs_attach(&cpus[0]);
    if (tests_run() != 0 || failures_total() != 0)
        hal_exit(1);
    if (word_find("fault=guard", &rest))
        fault_make("fault=guard");
    if (word_find("fault=stack", &rest))
        fault_make("fault=stack");
    if (word_find("exit=", &rest))
        hal_exit((rest[0] - '0') * 10 + (rest[1] - '0'));
    hal_exit(0);
}
