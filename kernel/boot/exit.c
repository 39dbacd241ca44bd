/*
 * The end of the machine by machine_exit(): first the trace, with trace_dump=1,
 * then every line that any CPU has logged. A thread of CPU 0 of its own does
 * it, and the first status counts. It sends each of the other CPUs an item,
 * which comes back: items of one CPU to another arrive in order, so the lines
 * that were logged before come first. A CPU that does not yield is not waited
 * for.
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/thread.h"
#include "kernel/trace/trace.h"
#include <torc/machine.h>
#include <torc/thread.h>
#include <torc/time.h>

#define PATIENCE_NS (200 * NS_PER_MS)

/* Of the CPU that wants to end the machine; CPU 0 has the item until it has
 * answered. */
struct request {
    struct exchange_item item;
    int status;
    bool is_answered;
};
static struct request requests[HAL_CPU_MAX];

/* CPU 0 only, but each item is on its way to its CPU and back. */
static struct exchange_item flush[HAL_CPU_MAX];
static unsigned flushing; /* how many are on their way */
static int exit_status;
static struct irq_work alone; /* the end, where there is no other CPU */
static bool is_ending;
static bool has_thread; /* the end has; false: there was no memory for it */

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

static void flush_all(void)
{
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

static int end(void *arg)
{
    (void)arg;
    if (trace_exit != NULL)
        trace_exit(PATIENCE_NS);
    flush_all();
    thread_sleep(PATIENCE_NS);
    hal_exit(exit_status);
}

/* On CPU 0. Returns whether it is the first. */
static bool begin(int status)
{
    static const struct thread_attr attr = {
        .name = "exit",
        .detached = true,
        .stack_size = THREAD_STACK_DEFAULT, /* whatever stack= says */
    };
    struct thread *thread;

    if (is_ending)
        return false;
    is_ending = true;
    exit_status = status;
    has_thread = thread_create_here(&attr, end, NULL, &thread) == 0;
    return true;
}

static void answer_arrived(struct exchange_item *item)
{
    container_of(item, struct request, item)->is_answered = true;
}

/* Without a thread the CPU that has asked ends the machine, by its patience. */
static void request_arrived(struct exchange_item *item)
{
    struct request *request = container_of(item, struct request, item);
    bool first = begin(request->status);

    if (has_thread) {
        item->run = answer_arrived;
        exchange_send((unsigned)(request - requests), item);
    } else if (first) {
        flush_all();
    }
}

/* Not on CPU 0: ask it as long as it answers. */
static _Noreturn void ask(struct request *request)
{
    do {
        request->is_answered = false;
        request->item.run = request_arrived;
        exchange_send(0, &request->item);
        thread_sleep(PATIENCE_NS);
    } while (request->is_answered);
    hal_exit(request->status);
}

void machine_exit(int status)
{
    struct request *request = &requests[cpu_self()->id];

    if (request == requests) {
        if (begin(status) && !has_thread)
            (void)end(NULL);
    } else if (request->item.run == NULL) { /* else another thread has */
        request->status = status;
        ask(request);
    }
    for (;;)
        thread_sleep_until(TIME_NEVER);
}

void machine_reboot(void)
{
    machine_exit(HAL_EXIT_AGAIN);
}
