/*
 * Taking a trace: each CPU copies its own rings, and sends the copy.
 */
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/trace/trace_internal.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

struct trace_settings trace_settings;

struct copy {
    void *data; /* allocated by the CPU whose trace it is */
    size_t len;
};

int trace_header_get(struct trace_header *out)
{
    if (!trace_settings.on)
        return -ENODATA;
    *out = (struct trace_header){
        .cpu_count = cpu_count(),
        .event_size = sizeof(struct trace_event),
        .first_cycles = trace_settings.first_cycles,
        .first_ns = trace_settings.first_ns,
        .last_cycles = hal_cycles(),
        .last_ns = hal_time_ns(),
    };
    memcpy(out->magic, TRACE_MAGIC, sizeof(out->magic));
    return 0;
}

static uint64_t kept(const struct trace_ring *ring)
{
    return ring->next <= ring->mask ? ring->next : ring->mask + 1;
}

/* Returns behind what it wrote. */
static char *ring_copy(const struct trace_ring *ring, enum trace_ring_id id,
                       char *to)
{
    const struct trace_section section = {.cpu = cpu_self()->id,
                                          .ring = id,
                                          .lost = ring->next - kept(ring),
                                          .count = kept(ring)};

    memcpy(to, &section, sizeof(section));
    to += sizeof(section);
    for (uint64_t i = section.lost; i < ring->next; i++) {
        memcpy(to, &ring->events[i & ring->mask], sizeof(struct trace_event));
        to += sizeof(struct trace_event);
    }
    return to;
}

/*
 * Of this CPU, without a yield. The ring of interrupts may grow while memory is
 * allocated, which is why all of it is asked for; and not while it is copied.
 */
static int copy_here(void *arg)
{
    struct copy *copy = arg;
    const struct trace *trace = cpu_self()->trace;
    hal_irqflags flags;
    size_t room = 0;
    char *end;

    for (unsigned i = 0; i < TRACE_RINGS; i++)
        room += sizeof(struct trace_section) +
                (trace->rings[i].mask + 1) * sizeof(struct trace_event);
    copy->data = mem_alloc(room);
    if (copy->data == NULL)
        return -ENOMEM;
    end = ring_copy(&trace->rings[0], TRACE_RING_THREADS, copy->data);
    flags = hal_irq_save();
    end = ring_copy(&trace->rings[1], TRACE_RING_INTERRUPTS, end);
    hal_irq_restore(flags);
    copy->len = (size_t)(end - (char *)copy->data);
    return 0;
}

int trace_take(unsigned cpu, void **out, size_t *len)
{
    struct copy copy = {.data = NULL};
    int status;

    if (!trace_settings.on)
        return -ENODATA;
    status = remote_call(cpu, copy_here, &copy);
    if (status != 0)
        return status;
    *out = copy.data;
    *len = copy.len;
    return 0;
}

/* ---- At the end of the machine ------------------------------------------- */

/* CPU 0 only. */
static bool is_printed;

/* CPU 0 only, but on its way to the CPU whose trace it takes, and back. */
static struct last {
    struct exchange_item item;
    struct copy copy;
    int status;
    bool is_there;
} lasts[HAL_CPU_MAX];

static void last_arrived(struct exchange_item *item)
{
    container_of(item, struct last, item)->is_there = true;
}

static void last_copy(struct exchange_item *item)
{
    struct last *last = container_of(item, struct last, item);

    last->status = copy_here(&last->copy);
    item->run = last_arrived;
    exchange_send(0, item);
}

/* Of all CPUs at once. */
static void lasts_take(uint64_t patience_ns)
{
    uint64_t end = hal_time_ns() + patience_ns;

    lasts[0].status = copy_here(&lasts[0].copy);
    lasts[0].is_there = true;
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        lasts[cpu].item.run = last_copy;
        exchange_send(cpu, &lasts[cpu].item);
    }
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        while (!lasts[cpu].is_there && hal_time_ns() < end)
            thread_sleep(NS_PER_MS);
    }
}

static void print_hex(const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    enum { LINE = 64 };
    const uint8_t *bytes = data;
    char line[2 * LINE + 1];

    for (size_t at = 0; at < len;) {
        size_t i = 0;

        for (; i < LINE && at < len; i++, at++) {
            line[2 * i] = digits[bytes[at] >> 4];
            line[2 * i + 1] = digits[bytes[at] & 15];
        }
        line[2 * i] = '\0';
        console_print("trace: %s\n", line);
        thread_yield();
    }
}

void trace_exit(uint64_t patience_ns)
{
    struct trace_header header;

    if (is_printed || !trace_is_printed() || trace_header_get(&header) != 0)
        return;
    is_printed = true;
    lasts_take(patience_ns);
    print_hex(&header, sizeof(header));
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct last *last = &lasts[cpu];
        int status = last->is_there ? last->status : -ETIMEDOUT;

        if (status != 0) {
            log_error("cpu %u: its trace cannot be taken (error %d)", cpu,
                      status);
            continue;
        }
        print_hex(last->copy.data, last->copy.len);
        mem_free(last->copy.data);
    }
}
