/* Bring-up, in order. */
#include "kernel/boot/init.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/cmdline.h"
#include "kernel/base/options.h"
#include "kernel/base/panic.h"
#include "kernel/boot/log.h"
#include "kernel/boot/watchdog.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/device.h"
#include "kernel/device/driver.h"
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/idle.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include "kernel/trace/trace.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    IDLE_STACK_SIZE = 16 * 1024,
    MAIN_STACK_SIZE = 64 * 1024,
    EXIT_BAD_BOOT = 1,
    EXIT_BAD_OPTION = 2,
    UNKNOWN_WORDS_MAX = 160, /* bytes of them in one line */
};
#define GIB            ((uintptr_t)1 << 30)
#define CPU_BLOCK_SIZE (HEAP_CPU_BLOCK_SIZE + LOG_TAIL_SIZE)
#define ONLINE_WAIT_NS (5 * NS_PER_S)

/* CPU 0 only: how many CPUs have reported, and who waits for them. */
static unsigned online_count;
static struct wait_queue online_wait;

/* ---- Memory -------------------------------------------------------------- */

/* How much of a region a CPU has. */
static size_t share_of(unsigned cpu, const struct hal_region *region)
{
    const struct page_allocator *pages = mem_pages_of(cpu);
    size_t bytes = 0;

    for (unsigned i = 0; i < pages->range_count; i++) {
        uintptr_t from = pages->range[i].base;
        uintptr_t to = from + pages->range[i].page_count * PAGE_SIZE;

        if (from < region->base)
            from = region->base;
        if (to > region->base + region->size)
            to = region->base + region->size;
        bytes += to > from ? to - from : 0;
    }
    return bytes;
}

static void log_memory(void)
{
    const struct hal_boot_info *boot = boot_info();

    for (unsigned cpu = 0; cpu < boot->cpu_count; cpu++) {
        for (unsigned i = 0; i < boot->region_count; i++) {
            size_t bytes = share_of(cpu, &boot->region[i]);

            if (bytes > 0)
                log_debug("cpu %u, node %u: %zu MiB of node %u", cpu,
                          boot->cpu_node[cpu], bytes >> 20,
                          boot->region[i].node);
        }
    }
}

/*
 * What hal_page_attr() asks of CPU 0 where shares begin. One that begins on a
 * GiB has no page in common with others, however large pages are.
 */
static int prepare_borders(void)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct page_allocator *pages = mem_pages_of(cpu);

        for (unsigned i = 0; i < pages->range_count; i++) {
            void *first = pages->range[i].pages;
            int status = 0;

            if ((uintptr_t)first % GIB != 0)
                status = hal_page_attr(first, PAGE_SIZE, HAL_PAGE_NORMAL);
            if (status != 0)
                return status;
        }
    }
    return 0;
}

/* ---- Before threads ------------------------------------------------------ */

/* The options of a driver; NULL: one before it has the same. */
static const char *const *driver_options(const struct driver *const *drivers,
                                         unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        if (drivers[i]->options == drivers[at]->options)
            return NULL;
    }
    return drivers[at]->options;
}

static _Noreturn void help(const struct torc_app *app)
{
    options_print("the kernel", kernel_options);
    options_print("the trace", trace_options);
    for (unsigned i = 0; app->drivers != NULL && app->drivers[i] != NULL; i++)
        options_print(app->drivers[i]->name, driver_options(app->drivers, i));
    options_print(app->name, app->options);
    hal_exit(0);
}

static int check_options(const struct torc_app *app)
{
    int status = options_check(kernel_options);

    if (status == 0)
        status = options_check(trace_options);
    for (unsigned i = 0;
         status == 0 && app->drivers != NULL && app->drivers[i] != NULL; i++)
        status = options_check(app->drivers[i]->options);
    return status == 0 ? options_check(app->options) : status;
}

static void init_options(const struct torc_app *app)
{
    int status = cmdline_parse(boot_info()->cmdline, app);
    const char *level;
    uint64_t cpus = boot_info()->cpu_count;

    if (status != 0) {
        log_error(status == -E2BIG
                      ? "the command line is too long: at most 4095 bytes and "
                        "128 words"
                      : "the command line has an open quote: close it");
        hal_exit(EXIT_BAD_OPTION);
    }
    if (machine_option("help") != NULL)
        help(app);
    if (check_options(app) != 0)
        hal_exit(EXIT_BAD_OPTION);
    level = machine_option("log");
    if (level != NULL && log_set_level(level) != 0)
        hal_exit(EXIT_BAD_OPTION);
    if (option_number("cpus", &cpus) != 0 || thread_init() != 0 ||
        idle_init() != 0 || heap_init() != 0 || watchdog_options() != 0)
        hal_exit(EXIT_BAD_OPTION);
    boot_info_limit_cpus((unsigned)cpus);
    panic_options();
}

static _Noreturn void too_little_memory(void)
{
    const struct hal_boot_info *boot = boot_info();
    size_t total = 0;

    for (unsigned i = 0; i < boot->region_count; i++)
        total += boot->region[i].size;
    log_error("%zu KiB of memory are too little for %u CPUs: give the machine "
              "more memory (8 MiB a CPU) or fewer CPUs",
              total / 1024, boot->cpu_count);
    hal_exit(EXIT_BAD_BOOT);
}

void kernel_init(const struct hal_boot_info *info, const struct torc_app *app)
{
    boot_info_keep(info);
    init_options(app);
    info = boot_info();
    if (mem_init(info, info->cpu_count) != 0 || prepare_borders() != 0)
        too_little_memory();
    for (unsigned cpu = 0; cpu < info->cpu_count; cpu++) {
        char *block = (char *)percpu_create(cpu, CPU_BLOCK_SIZE);

        if (block == NULL)
            too_little_memory();
        log_init(cpu_of(cpu), block + CPU_BLOCK_SIZE - LOG_TAIL_SIZE);
        heap_create(cpu_of(cpu));
        sched_create(cpu_of(cpu));
    }
    if (exchange_init(info->cpu_count) != 0)
        too_little_memory();
    hal_cpu_set_local(cpu_of(0));
    sched_init();
    watchdog_init();
    device_list_init();
    if (trace_boot != NULL && trace_boot() != 0)
        hal_exit(EXIT_BAD_OPTION);
}

/* ---- The other CPUs ------------------------------------------------------ */

static void online_arrived(struct exchange_item *item)
{
    (void)item;
    online_count++;
    wait_wake_all(&online_wait);
}

/* CPU 0 says so: a line of another CPU would not come out before the end. */
static void guard_failed(struct exchange_item *item)
{
    (void)item;
    too_little_memory();
}

/* Where another CPU begins, on the stack that becomes its idle thread's. */
static void cpu_entry(void *arg)
{
    struct cpu *cpu = arg;
    void *guard = (void *)(cpu->idle_stack - PAGE_SIZE);

    hal_cpu_set_local(cpu);
    cpu->online_item.run = online_arrived;
    if (hal_page_attr(guard, PAGE_SIZE, HAL_PAGE_NONE) != 0)
        cpu->online_item.run = guard_failed;
    sched_init();
    watchdog_init();
    exchange_send(0, &cpu->online_item);
    sched_run();
}

static void start_cpus(void)
{
    wait_queue_init(&online_wait);
    online_count = 1;
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        /* The CPU itself makes the first page a guard page. */
        char *base =
            page_alloc(mem_pages_of(cpu), IDLE_STACK_SIZE / PAGE_SIZE + 1, 0);

        if (base == NULL)
            too_little_memory();
        cpu_of(cpu)->idle_stack = (uintptr_t)base + PAGE_SIZE;
        if (hal_cpu_start(cpu, cpu_entry, cpu_of(cpu), base + PAGE_SIZE,
                          IDLE_STACK_SIZE) != 0) {
            log_error("cpu %u cannot be started: boot with fewer CPUs", cpu);
            hal_exit(EXIT_BAD_BOOT);
        }
    }
}

static void wait_for_cpus(void)
{
    uint64_t deadline = hal_time_ns() + ONLINE_WAIT_NS;

    while (online_count < cpu_count()) {
        if (wait_on_until(&online_wait, deadline) == 0)
            continue;
        if (hal_time_ns() < deadline)
            continue;
        log_error("only %u of %u CPUs have started: boot with fewer CPUs",
                  online_count, cpu_count());
        hal_exit(EXIT_BAD_BOOT);
    }
}

/* ---- The application ----------------------------------------------------- */

/* Boot loaders add words for other systems: they are no reason to stop. */
static void warn_of_unknown_words(void)
{
    char words[UNKNOWN_WORDS_MAX];

    if (cmdline_unknown(words, sizeof(words)) > 0)
        log_warn("command line: ignored, because nobody knows it: %s", words);
}

static int main_thread(void *arg)
{
    (void)arg;
    wait_for_cpus();
    for (const struct driver *const *driver = torc_app.drivers;
         driver != NULL && *driver != NULL; driver++) {
        int status = (*driver)->probe != NULL ? (*driver)->probe() : 0;

        if (status != 0)
            log_error("driver %s: error %d while looking for devices",
                      (*driver)->name, status);
    }
    warn_of_unknown_words();
    machine_exit(torc_app.main(cmdline_argc(), cmdline_argv()));
}

void kernel_main(const struct hal_boot_info *info)
{
    const struct thread_attr attr = {.name = "main",
                                     .stack_size = MAIN_STACK_SIZE};
    struct thread *thread;

    kernel_init(info, &torc_app);
    log_info("Torc on %s, %u CPU%s: %s", info->machine, cpu_count(),
             cpu_count() == 1 ? "" : "s", torc_app.name);
    log_memory();
    vfs_init(torc_app.file_systems);
    start_cpus();
    if (thread_create_here(&attr, main_thread, NULL, &thread) != 0)
        too_little_memory();
    sched_run();
}
