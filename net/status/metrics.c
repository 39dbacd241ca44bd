/*
 * The figures for Prometheus: its text format, version 0.0.4. Each metric is a
 * row of a table: its name, its type, what it is, and where it comes from.
 */
#include "net/status/status_internal.h"
#include <stddef.h>
#include <torc/app.h>
#include <torc/machine.h>

struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset; /* of a uint64_t in struct status_cpu, or status_queue */
};

#define OF_CPU(member)   offsetof(struct status_cpu, member)
#define OF_QUEUE(member) offsetof(struct status_queue, member)

static_assert(sizeof(size_t) == sizeof(uint64_t), "both are read as numbers");

static const struct metric of_cpus[] = {
    {"cpu_switches_total", "counter", "Thread switches.",
     OF_CPU(load.switches)},
    {"memory_size_bytes", "gauge", "Memory of the CPU.",
     OF_CPU(memory.total_bytes)},
    {"memory_free_bytes", "gauge", "Memory in free pages.",
     OF_CPU(memory.free_bytes)},
    {"memory_kept_bytes", "gauge", "Freed blocks kept for allocations.",
     OF_CPU(memory.kept_bytes)},
    {"memory_blocks", "gauge", "Allocated blocks.", OF_CPU(memory.block_count)},
    {"memory_failures_total", "counter", "Allocations that found no room.",
     OF_CPU(memory.failed)},
    {"slot_lists_sent_total", "counter", "Lists given to other CPUs.",
     OF_CPU(slots.batches)},
    {"slot_lists_taken_total", "counter", "Lists taken from other CPUs.",
     OF_CPU(slots.taken)},
    {"slot_items_received_total", "counter", "Items in the lists taken.",
     OF_CPU(slots.received)},
    {"slot_full_total", "counter", "Passes that found a slot full.",
     OF_CPU(slots.blocked)},
};

static const struct metric of_stacks[] = {
    {"net_frames_received_total", "counter", "Frames received by the stack.",
     OF_CPU(net.frames_in)},
    {"net_frames_sent_total", "counter", "Frames sent by the stack.",
     OF_CPU(net.frames_out)},
    {"net_frames_bad_total", "counter", "Frames of no use.",
     OF_CPU(net.frames_bad)},
    {"tcp_opened_total", "counter", "Connections opened.",
     OF_CPU(net.tcp_opened)},
    {"tcp_segments_received_total", "counter", "Segments received.",
     OF_CPU(net.tcp_in)},
    {"tcp_segments_sent_total", "counter", "Segments sent.",
     OF_CPU(net.tcp_out)},
    {"tcp_retransmits_total", "counter", "Segments sent again.",
     OF_CPU(net.tcp_retransmits)},
    {"tcp_timeouts_total", "counter", "Connections given up.",
     OF_CPU(net.tcp_timeouts)},
};

static const struct metric of_disks[] = {
    {"disk_requests_total", "counter", "Requests of a disk.",
     OF_QUEUE(submitted)},
    {"disk_failures_total", "counter", "Requests that failed.",
     OF_QUEUE(failed)},
};

static const struct metric of_cards[] = {
    {"card_received_frames_total", "counter", "Frames received.",
     OF_QUEUE(rx_frames)},
    {"card_received_bytes_total", "counter", "Bytes received.",
     OF_QUEUE(rx_bytes)},
    {"card_received_dropped_total", "counter", "Received frames dropped.",
     OF_QUEUE(rx_dropped)},
    {"card_sent_frames_total", "counter", "Frames sent.", OF_QUEUE(tx_frames)},
    {"card_sent_bytes_total", "counter", "Bytes sent.", OF_QUEUE(tx_bytes)},
    {"card_sent_dropped_total", "counter", "Frames to send dropped.",
     OF_QUEUE(tx_dropped)},
};

static unsigned long long number_at(const void *object, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)object + offset);
}

static void head(struct text *text, const char *name, const char *type,
                 const char *help)
{
    text_add(text, "# HELP torc_%s %s\n# TYPE torc_%s %s\n", name, help, name,
             type);
}

static void cpus_add(struct text *text, const struct status_cpu cpus[],
                     const struct metric metrics[], size_t count, bool of_net)
{
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &metrics[i];

        head(text, metric->name, metric->type, metric->help);
        for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
            if (!of_net || cpus[cpu].has_net)
                text_add(text, "torc_%s{cpu=\"%u\"} %llu\n", metric->name, cpu,
                         number_at(&cpus[cpu], metric->offset));
        }
    }
}

static void queues_add(struct text *text, const struct status_cpu *cpu,
                       const struct metric *metric, bool cards)
{
    for (unsigned i = 0; i < cpu->queue_count; i++) {
        const struct status_queue *queue = &cpu->queues[i];

        if (queue->is_card != cards)
            continue;
        text_add(text, "torc_%s{cpu=\"%u\",device=", metric->name, cpu->cpu);
        text_add_quoted(text, queue->device);
        text_add(text, "} %llu\n", number_at(queue, metric->offset));
    }
}

static void devices_add(struct text *text, const struct status_cpu cpus[],
                        const struct metric metrics[], size_t count, bool cards)
{
    for (size_t i = 0; i < count; i++) {
        head(text, metrics[i].name, metrics[i].type, metrics[i].help);
        for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
            queues_add(text, &cpus[cpu], &metrics[i], cards);
    }
}

static void seconds_add(struct text *text, const char *name, unsigned cpu,
                        uint64_t ns)
{
    text_add(text, "torc_%s{cpu=\"%u\"} %llu.%09llu\n", name, cpu,
             (unsigned long long)ns / 1000000000,
             (unsigned long long)ns % 1000000000);
}

/* What is computed, or no number of 64 bits. */
static void others_add(struct text *text, const struct status_cpu cpus[])
{
    head(text, "info", "gauge", "The application and its machine.");
    text_add(text, "torc_info{name=");
    text_add_quoted(text, torc_app.name);
    text_add(text, ",machine=");
    text_add_quoted(text, machine_name());
    text_add(text, "} 1\n");
    head(text, "cpu_idle_seconds_total", "counter",
         "Time without work since the status page was started.");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        seconds_add(text, "cpu_idle_seconds_total", cpu,
                    status_ns(cpus[cpu].load.idle_cycles));
    head(text, "cpu_clock_seconds", "gauge",
         "Time since the machine started, when the figures were taken.");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        seconds_add(text, "cpu_clock_seconds", cpu, cpus[cpu].time_ns);
    head(text, "threads", "gauge", "Threads that were made on the CPU.");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        text_add(text, "torc_threads{cpu=\"%u\"} %u\n", cpu,
                 cpus[cpu].load.threads);
    head(text, "tcp_connections", "gauge", "Connections in any state.");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        if (cpus[cpu].has_net)
            text_add(text, "torc_tcp_connections{cpu=\"%u\"} %u\n", cpu,
                     cpus[cpu].connections);
    }
}

void status_metrics(struct text *text, const struct status_cpu cpus[])
{
    others_add(text, cpus);
    cpus_add(text, cpus, of_cpus, COUNT_OF(of_cpus), false);
    cpus_add(text, cpus, of_stacks, COUNT_OF(of_stacks), true);
    devices_add(text, cpus, of_disks, COUNT_OF(of_disks), false);
    devices_add(text, cpus, of_cards, COUNT_OF(of_cards), true);
}
