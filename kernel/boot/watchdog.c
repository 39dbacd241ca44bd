#include "kernel/boot/watchdog.h"
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/options.h"
#include "kernel/thread/thread.h"
#include <torc/format.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/time.h>

enum { SAMPLES_PER_LIMIT = HAL_SAMPLES_MISSED };

/* What the last sample of a CPU saw. Its owner's, in kernel_sample(). */
static struct {
    const struct thread *thread;
    uint64_t switch_count;
    uint64_t since_ns; /* when both were first seen so */
    bool told;
} cache_aligned seen[HAL_CPU_MAX];

/* Constant after watchdog_options(); 0: nobody is watched. */
static uint64_t limit_ns;
static bool is_the_end; /* stuck=end */

int watchdog_options(void)
{
    uint64_t ms = 0;
    int status = option_number("watchdog", &ms);
    const char *stuck = machine_option("stuck");

    limit_ns = ms * NS_PER_MS;
    is_the_end = stuck != NULL && str_equal(stuck, "end");
    return status;
}

bool watchdog_is_on(void)
{
    return limit_ns != 0;
}

bool watchdog_is_the_end(void)
{
    return is_the_end;
}

void watchdog_init(void)
{
    if (limit_ns != 0 && hal_sample_start(limit_ns / SAMPLES_PER_LIMIT) != 0)
        log_warn("watchdog: cpu %u cannot be watched", cpu_id());
}

/* Straight to the console: the log waits for threads to take turns. */
static void tell(const struct thread *thread, uint64_t ns,
                 const struct hal_fault *where)
{
    uintptr_t stack = (uintptr_t)thread->stack;
    bool is_off = where->off_ns != 0;
    char line[LOG_LINE_MAX];
    size_t len = fmt_print(line, sizeof(line),
                           "warning: cpu %u: thread %s has %s for %u ms\n",
                           hal_cpu_id(), thread_name_of(thread),
                           is_off ? "had interrupts off" : "not yielded",
                           (unsigned)(ns / NS_PER_MS));

    hal_console_write(line, len);
    if (is_the_end) {
        struct hal_fault fault = *where;

        fault.what = is_off ? "a CPU hangs with interrupts off"
                            : "a thread does not yield";
        kernel_fault(&fault);
    }
    /* Interrupted anywhere, the frame pointer may be no such thing. */
    backtrace_print(where->ip, where->fp, stack,
                    stack == 0 ? 0 : stack + thread->stack_size);
}

/* Wherever it hangs, perhaps in what reads the clock: it is not asked. */
static void interrupts_off(const struct cpu *cpu, const struct hal_fault *where)
{
    unsigned i = hal_cpu_id();
    bool is_same = seen[i].thread == cpu->current &&
                   seen[i].switch_count == cpu->switch_count;

    if ((is_same && seen[i].told) || where->off_ns < limit_ns)
        return;
    seen[i].thread = cpu->current;
    seen[i].switch_count = cpu->switch_count;
    seen[i].told = true;
    tell(cpu->current, where->off_ns, where);
}

void kernel_sample(const struct hal_fault *where)
{
    const struct cpu *cpu = cpu_self();
    unsigned i = hal_cpu_id();
    uint64_t now;

    if (cpu == NULL || cpu->current == NULL)
        return;
    if (where->off_ns != 0) {
        interrupts_off(cpu, where);
        return;
    }
    now = hal_time_ns();
    if (cpu->current == cpu->idle || cpu->current != seen[i].thread ||
        cpu->switch_count != seen[i].switch_count) {
        seen[i].thread = cpu->current;
        seen[i].switch_count = cpu->switch_count;
        seen[i].since_ns = now;
        seen[i].told = false;
    } else if (!seen[i].told && now - seen[i].since_ns >= limit_ns) {
        seen[i].told = true;
        tell(cpu->current, now - seen[i].since_ns, where);
    }
}
