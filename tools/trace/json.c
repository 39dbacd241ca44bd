/*
 * Chrome's trace event format ("Trace Event Format", JSON object form). Process
 * 1 has a row for each CPU: what runs there, as slices, and what happens, as
 * instants. Process 2 has a row for each thread, with the application's marks.
 * Lists in slots are arrows between CPUs, requests of disks asynchronous
 * slices.
 */
#include "tools/trace/output.h"
#include <inttypes.h>
#include <string.h>

enum { PROCESS_CPUS = 1, PROCESS_THREADS = 2 };

struct writer {
    FILE *out;
    bool comma;
    struct event running[DECODE_CPUS_MAX]; /* the last switch of each CPU */
    bool runs[DECODE_CPUS_MAX];
};

/* The head of an event; its arguments and '}' follow. */
static void head(struct writer *writer, const char *phase, const char *name,
                 unsigned process, uint64_t row, uint64_t ns)
{
    fprintf(writer->out,
            "%s\n{\"ph\":\"%s\",\"name\":\"%s\",\"pid\":%u,\"tid\":%" PRIu64
            ",\"ts\":%" PRIu64 ".%03" PRIu64,
            writer->comma ? "," : "", phase, name, process, row, ns / 1000,
            ns % 1000);
    writer->comma = true;
}

static void slice_end(struct writer *writer, unsigned cpu, uint64_t ns)
{
    const struct event *from = &writer->running[cpu];

    if (!writer->runs[cpu])
        return;
    head(writer, "X", from->name, PROCESS_CPUS, cpu, from->ns);
    fprintf(writer->out,
            ",\"dur\":%" PRIu64 ".%03" PRIu64
            ",\"args\":{\"thread\":\"%#" PRIx64 "\"}}",
            (ns - from->ns) / 1000, (ns - from->ns) % 1000, from->value);
}

static void switched(struct writer *writer, const struct event *event)
{
    slice_end(writer, event->cpu, event->ns);
    writer->running[event->cpu] = *event;
    writer->runs[event->cpu] = true;
}

/* Which list it is: of the pair of CPUs, by its number. */
static void flow(struct writer *writer, const struct event *event,
                 const char *phase, unsigned from, unsigned to)
{
    head(writer, phase, "slot", PROCESS_CPUS, event->cpu, event->ns);
    fprintf(writer->out, ",\"cat\":\"slot\",\"id\":\"%u.%u.%" PRIu64 "\"%s}",
            from, to, event->value, phase[0] == 'f' ? ",\"bp\":\"e\"" : "");
}

static void request(struct writer *writer, const struct event *event,
                    const char *phase)
{
    static const char *const names[] = {"read", "write", "flush", "discard",
                                        "write zeroes"};
    const char *name =
        event->detail < COUNT_OF(names) ? names[event->detail] : "request";

    head(writer, phase, name, PROCESS_CPUS, event->cpu, event->ns);
    fprintf(writer->out,
            ",\"cat\":\"disk\",\"id\":\"%u.%#" PRIx64
            "\",\"args\":{\"count\":%" PRIu32 ",\"sector\":%" PRIu64 "}}",
            event->cpu, event->value, event->count, event->more);
}

static void instant(struct writer *writer, const struct event *event)
{
    head(writer, "i", kind_name(event->kind), PROCESS_CPUS, event->cpu,
         event->ns);
    fprintf(writer->out,
            ",\"s\":\"t\",\"args\":{\"detail\":%u,\"count\":%" PRIu32
            ",\"value\":\"%#" PRIx64 "\",\"more\":%" PRIu64 "}}",
            event->detail, event->count, event->value, event->more);
}

/* In the row of the thread that runs there. */
static void mark(struct writer *writer, const struct event *event,
                 const char *phase)
{
    uint64_t thread = writer->runs[event->cpu]
                          ? writer->running[event->cpu].value & 0xffffffff
                          : event->cpu;

    head(writer, phase, event->name, PROCESS_THREADS, thread, event->ns);
    fprintf(writer->out, "%s,\"args\":{\"value\":%" PRIu64 "}}",
            phase[0] == 'i' ? ",\"s\":\"t\"" : "", event->value);
}

static void event_write(struct writer *writer, const struct event *event)
{
    switch (event->kind) {
    case TRACE_SWITCH:
        switched(writer, event);
        break;
    case TRACE_SLOT_SEND:
        instant(writer, event);
        flow(writer, event, "s", event->cpu, event->detail);
        break;
    case TRACE_SLOT_TAKE:
        instant(writer, event);
        flow(writer, event, "f", event->detail, event->cpu);
        break;
    case TRACE_IO_BEGIN:
        request(writer, event, "b");
        break;
    case TRACE_IO_END:
        request(writer, event, "e");
        break;
    case TRACE_MARK:
        mark(writer, event, "i");
        break;
    case TRACE_BEGIN:
        mark(writer, event, "B");
        break;
    case TRACE_END:
        mark(writer, event, "E");
        break;
    default:
        instant(writer, event);
    }
}

static void row_names(struct writer *writer, const struct decoded *trace)
{
    head(writer, "M", "process_name", PROCESS_CPUS, 0, 0);
    fprintf(writer->out, ",\"args\":{\"name\":\"CPUs\"}}");
    head(writer, "M", "process_name", PROCESS_THREADS, 0, 0);
    fprintf(writer->out, ",\"args\":{\"name\":\"threads\"}}");
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++) {
        head(writer, "M", "thread_name", PROCESS_CPUS, cpu, 0);
        fprintf(writer->out,
                ",\"args\":{\"name\":\"cpu %u (%" PRIu64 " events lost)\"}}",
                cpu, trace->lost[cpu]);
    }
}

void json_write(FILE *out, const struct decoded *trace)
{
    struct writer writer = {.out = out};

    fprintf(out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    row_names(&writer, trace);
    for (size_t i = 0; i < trace->event_count; i++)
        event_write(&writer, &trace->events[i]);
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++)
        slice_end(&writer, cpu, trace->end_ns);
    fprintf(out, "\n]}\n");
}
