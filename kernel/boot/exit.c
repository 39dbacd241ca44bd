/*
 * The end of the machine by machine_exit(): first every line that any CPU has
 * logged. CPU 0 sends each of the others an item, which comes back: items of
 * one CPU to another arrive in order, so the lines that were logged before come
 * first. A CPU that does not yield is not waited for.
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/trace/trace.h"
#include <torc/machine.h>
#include <torc/thread.h>
#include <torc/time.h>

#define PATIENCE_NS (200 * NS_PER_MS)

/* Of the CPU that wants to end the machine, until CPU 0 has it. */
struct request {
    struct exchange_item item;
    int status;
};
static struct request requests[HAL_CPU_MAX];

/* CPU 0 only, but each item is on its way to its CPU and back. */
static struct exchange_item flush[HAL_CPU_MAX];
static unsigned flushing; /* how many are on their way */
static int exit_status;
static struct irq_work alone; /* the end, where there is no other CPU */
static bool is_ending;

static void flush_back(struct exchange_item *item)
{
    (void)item;
    flushing--;
    if (flushing == 0)
        hal_exit(exit_status);
}

static void flush_there(struct exchange_item *item)
{
    item->run = flush_back;
    exchange_send(0, item);
}

static void alone_run(struct irq_work *work)
{
    (void)work;
    hal_exit(exit_status);
}

/* On CPU 0. The first status counts. */
static void end(int status)
{
    if (is_ending)
        return;
    is_ending = true;
    exit_status = status;
    flushing = cpu_count() - 1;
    if (flushing == 0) {
        /* After what was raised before: a card's driver may still collect
         * frames to send. */
        irq_work_init(&alone, alone_run);
        irq_work_raise(&alone);
    }
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        flush[cpu].run = flush_there;
        exchange_send(cpu, &flush[cpu]);
    }
}

static void request_arrived(struct exchange_item *item)
{
    end(container_of(item, struct request, item)->status);
}

void machine_exit(int status)
{
    unsigned cpu = cpu_self()->id;

    if (cpu == 0) {
        if (trace_exit != NULL)
            trace_exit();
        end(status);
    } else if (requests[cpu].item.run == NULL) { /* else another thread has */
        requests[cpu].status = status;
        requests[cpu].item.run = request_arrived;
        exchange_send(0, &requests[cpu].item);
    }
    thread_sleep(PATIENCE_NS);
    hal_exit(status);
}
