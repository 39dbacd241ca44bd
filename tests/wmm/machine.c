#include "tests/wmm/machine.h"
#include "hal/hal.h"
#include "kernel/base/options.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/idle.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/wmm/threads.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/assert.h>

enum { CPUS_MAX = 16, CPU_MEMORY = MEM_SHARE_MIN + 16 * PAGE_SIZE };

/* Watched, as all data of the program is; the threads' stacks are not. */
static _Alignas(PAGE_SIZE) char memory[CPUS_MAX * CPU_MEMORY];

static struct {
    unsigned threads;
    unsigned cpu[WMM_THREADS]; /* of each thread */
    unsigned poll_us;
    bool will_watch; /* after the next machine_boot() */
    bool can_watch;
    unsigned hushed;  /* nobody may interrupt it; CPUS_MAX: there is none */
    unsigned booting; /* who we are outside the executions */
} machine;

static unsigned cpu_now(void)
{
    return threads_active ? machine.cpu[thread_now] : machine.booting;
}

void machine_be(unsigned cpu)
{
    machine.booting = cpu;
}

void machine_poll(unsigned us)
{
    machine.poll_us = us;
}

void machine_watch(void)
{
    machine.will_watch = true;
}

void machine_hush(unsigned cpu)
{
    machine.hushed = cpu;
}

void machine_boot(unsigned cpu_count, unsigned threads, const unsigned *cpus)
{
    static struct hal_boot_info boot;

    boot.cpu_count = cpu_count;
    boot.region_count = 1;
    boot.region[0].base = (uintptr_t)memory;
    boot.region[0].size = (size_t)cpu_count * CPU_MEMORY;
    machine.threads = threads;
    for (unsigned i = 0; i < threads; i++)
        machine.cpu[i] = cpus[i];
    machine_be(0);
    if (cpu_count > CPUS_MAX || mem_init(&boot, cpu_count) != 0 ||
        heap_init() != 0 || idle_init() != 0)
        wmm_fail("no memory");
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        if (percpu_create(cpu, HEAP_CPU_BLOCK_SIZE) == NULL)
            wmm_fail("no memory");
        heap_create(cpu_of(cpu));
    }
    if (exchange_init(cpu_count) != 0)
        wmm_fail("no memory");
    machine.poll_us = 0;
    machine.can_watch = machine.will_watch;
    machine.will_watch = false;
    machine.hushed = CPUS_MAX;
}

/* ---- What the kernel needs ----------------------------------------------- */

void *hal_cpu_local(void)
{
    return cpu_of(cpu_now());
}

void hal_ipi_send(unsigned cpu)
{
    if (cpu == machine.hushed)
        wmm_fail("an interrupt for what is in no hurry");
    for (unsigned i = 0; i < machine.threads; i++) {
        if (machine.cpu[i] == cpu)
            wmm_interrupt_send(i);
    }
}

/* The options are absent, but for poll. */
int option_number(const char *key, uint64_t *value)
{
    if (strcmp(key, "poll") == 0)
        *value = machine.poll_us;
    return 0;
}

void hal_cpu_relax(void)
{
    wmm_pause();
}

uint64_t timer_next(void)
{
    return UINT64_MAX; /* no scenario has a timer */
}

void hal_cpu_idle(void)
{
    wmm_interrupt_wait();
}

bool hal_cpu_watch(const void *line)
{
    if (machine.can_watch)
        wmm_interrupt_watch(line);
    return machine.can_watch;
}

hal_irqflags hal_irq_save(void)
{
    return 0;
}

/* Interrupts go on: what is pending is delivered, and forgotten. */
void hal_irq_restore(hal_irqflags flags)
{
    (void)flags;
    wmm_interrupt_clear();
}

int hal_dma_map(void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    return 0;
}

void hal_dma_unmap(void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
}

uint64_t hal_dma_addr(const void *ptr)
{
    return (uintptr_t)ptr;
}

void panic(const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    wmm_fail("panic: %s", text);
}

void check_failed(const char *file, int line, const char *expr)
{
    wmm_fail("%s:%d: %s", file, line, expr);
}
