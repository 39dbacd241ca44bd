/* Bring-up, in order. */
#include "kernel/init.h"
#include "kernel/cmdline.h"
#include "kernel/device.h"
#include "kernel/driver.h"
#include "kernel/exchange_inline.h"
#include "kernel/heap.h"
#include "kernel/idle.h"
#include "kernel/lib/check.h"
#include "kernel/lib/str.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/thread.h"
#include "kernel/vfs.h"
#include "kernel/watchdog.h"
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/time.h>

enum {
    IDLE_STACK_SIZE = 16 * 1024,
    MAIN_STACK_SIZE = 64 * 1024,
    EXIT_BAD_BOOT = 1,
    EXIT_BAD_OPTION = 2,
};
#define GIB            ((uintptr_t)1 << 30)
#define ONLINE_WAIT_NS (5 * NS_PER_S)

/* Constant after kernel_init(). */
static const struct hal_boot_info *boot;

/* CPU 0 only: how many CPUs have reported, and who waits for them. */
static unsigned online_count;
static struct wait_queue online_wait;

const struct hal_boot_info *boot_info(void)
{
    return boot;
}

unsigned cpu_count(void)
{
    return boot->cpu_count;
}

const char *machine_name(void)
{
    return boot->machine;
}

uint64_t time_wall_ns(void)
{
    return boot->boot_wall_ns == 0 ? 0 : boot->boot_wall_ns + hal_time_ns();
}

size_t entropy_get(void *buf, size_t len)
{
    return hal_entropy(buf, len);
}

void machine_exit(int status)
{
    sched_pass(); /* let the last lines of this CPU's log go */
    hal_exit(status);
}

/* The counter hal_cycles() when the machine was young; constant. */
uint64_t boot_cycles;
uint64_t boot_fp_control;

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
    for (unsigned cpu = 0; cpu < boot->cpu_count; cpu++) {
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

static void init_options(const char *app_name)
{
    int status = cmdline_parse(boot->cmdline, app_name);
    const char *level;
    const char *idle;

    if (status != 0) {
        log_error(status == -E2BIG
                      ? "the command line is too long: at most 4095 bytes and "
                        "64 words"
                      : "the command line has an open quote: close it");
        hal_exit(EXIT_BAD_OPTION);
    }
    idle = machine_option("idle"); /* the HAL's own parser has acted on it */
    if (idle != NULL && !str_equal(idle, "mwait") && !str_equal(idle, "hlt")) {
        log_error("idle=%s: use mwait or hlt", idle);
        hal_exit(EXIT_BAD_OPTION);
    }
    level = machine_option("log");
    if (level != NULL && log_set_level(level) != 0) {
        log_error("log=%s: use error, warn, info or debug", level);
        hal_exit(EXIT_BAD_OPTION);
    }
    if (thread_init() != 0 || idle_init() != 0 || heap_init() != 0 ||
        watchdog_options() != 0)
        hal_exit(EXIT_BAD_OPTION);
}

static _Noreturn void too_little_memory(void)
{
    size_t total = 0;

    for (unsigned i = 0; i < boot->region_count; i++)
        total += boot->region[i].size;
    log_error("%zu KiB of memory are too little for %u CPUs: give the machine "
              "more memory (8 MiB a CPU) or fewer CPUs",
              total / 1024, boot->cpu_count);
    hal_exit(EXIT_BAD_BOOT);
}

void kernel_init(const struct hal_boot_info *info, const char *app_name)
{
    boot = info;
    boot_cycles = hal_cycles();
    boot_fp_control = hal_fp_control();
    assert(info->cpu_count >= 1 && info->cpu_count <= HAL_CPU_MAX);
    assert(info->region_count <= HAL_REGION_MAX);
    init_options(app_name);
    if (mem_init(info, info->cpu_count) != 0 || prepare_borders() != 0)
        too_little_memory();
    for (unsigned cpu = 0; cpu < info->cpu_count; cpu++) {
        if (percpu_create(cpu) == NULL)
            too_little_memory();
    }
    if (exchange_init(info->cpu_count) != 0)
        too_little_memory();
    hal_cpu_set_local(cpu_of(0));
    sched_init();
    watchdog_init();
    device_list_init();
}

/* ---- The other CPUs ------------------------------------------------------ */

static void online_arrived(struct exchange_item *item)
{
    (void)item;
    online_count++;
    wait_wake_all(&online_wait);
}

/* Where another CPU begins, on the stack that becomes its idle thread's. */
static void cpu_entry(void *arg)
{
    struct cpu *cpu = arg;

    hal_cpu_set_local(cpu);
    sched_init();
    watchdog_init();
    cpu->online_item.run = online_arrived;
    exchange_send(0, &cpu->online_item);
    sched_run();
}

static void start_cpus(void)
{
    wait_queue_init(&online_wait);
    online_count = 1;
    for (unsigned cpu = 1; cpu < boot->cpu_count; cpu++) {
        void *stack =
            page_alloc(mem_pages_of(cpu), IDLE_STACK_SIZE / PAGE_SIZE, 0);

        if (stack == NULL)
            too_little_memory();
        if (hal_cpu_start(cpu, cpu_entry, cpu_of(cpu), stack,
                          IDLE_STACK_SIZE) != 0) {
            log_error("cpu %u cannot be started: boot with fewer CPUs", cpu);
            hal_exit(EXIT_BAD_BOOT);
        }
    }
}

static void wait_for_cpus(void)
{
    uint64_t deadline = hal_time_ns() + ONLINE_WAIT_NS;

    while (online_count < boot->cpu_count) {
        if (wait_on_until(&online_wait, deadline) == 0)
            continue;
        if (hal_time_ns() < deadline)
            continue;
        log_error("only %u of %u CPUs have started: boot with fewer CPUs",
                  online_count, boot->cpu_count);
        hal_exit(EXIT_BAD_BOOT);
    }
}

/* ---- The application ----------------------------------------------------- */

static int main_thread(void *arg)
{
    (void)arg;
    wait_for_cpus();
    vfs_init(torc_app.file_systems);
    for (const struct driver *const *driver = torc_app.drivers;
         driver != NULL && *driver != NULL; driver++) {
        int status = (*driver)->probe();

        if (status != 0)
            log_error("driver %s: error %d while looking for devices",
                      (*driver)->name, status);
    }
    machine_exit(torc_app.main(cmdline_argc(), cmdline_argv()));
}

void kernel_main(const struct hal_boot_info *info)
{
    const struct thread_attr attr = {.name = "main",
                                     .stack_size = MAIN_STACK_SIZE};
    struct thread *thread;

    kernel_init(info, torc_app.name);
    log_info("Torc on %s, %u CPU%s: %s", info->machine, info->cpu_count,
             info->cpu_count == 1 ? "" : "s", torc_app.name);
    log_memory();
    start_cpus();
    if (thread_create_here(&attr, main_thread, NULL, &thread) != 0)
        too_little_memory();
    sched_run();
}
