/* The figures as JSON (RFC 8259). docs/status.md has the names. */
#include "net/status/status_internal.h"
#include <torc/app.h>
#include <torc/machine.h>

static const char *state_name(enum thread_state state)
{
    static const char *const names[] = {"ready",     "running", "waiting",
                                        "suspended", "moving",  "ended"};

    return names[state];
}

static void thread_add(struct text *text, const struct thread_row *thread)
{
    text_add(text, "{\"name\":");
    text_add_quoted(text, thread->name);
    text_add(text,
             ",\"id\":\"%#llx\",\"state\":\"%s\",\"time_ns\":%llu,"
             "\"stack\":%zu}",
             (unsigned long long)thread->id, state_name(thread->state),
             (unsigned long long)status_ns(thread->cycles), thread->stack_size);
}

static void card_add(struct text *text, const struct status_queue *queue)
{
    text_add(text,
             ",\"kind\":\"card\",\"link\":%s,\"rx_frames\":%llu,"
             "\"rx_bytes\":%llu,\"rx_dropped\":%llu",
             queue->link_up ? "true" : "false",
             (unsigned long long)queue->rx_frames,
             (unsigned long long)queue->rx_bytes,
             (unsigned long long)queue->rx_dropped);
    text_add(text, ",\"tx_frames\":%llu,\"tx_bytes\":%llu,\"tx_dropped\":%llu}",
             (unsigned long long)queue->tx_frames,
             (unsigned long long)queue->tx_bytes,
             (unsigned long long)queue->tx_dropped);
}

static void queue_add(struct text *text, const struct status_queue *queue)
{
    text_add(text, "{\"device\":");
    text_add_quoted(text, queue->device);
    if (queue->is_card)
        card_add(text, queue);
    else
        text_add(text,
                 ",\"kind\":\"disk\",\"sectors\":%llu,\"requests\":%llu,"
                 "\"failed\":%llu}",
                 (unsigned long long)queue->sectors,
                 (unsigned long long)queue->submitted,
                 (unsigned long long)queue->failed);
}

static void net_add(struct text *text, const struct status_cpu *cpu)
{
    const struct net_stats *net = &cpu->net;

    text_add(text,
             ",\"net\":{\"connections\":%u,\"opened\":%llu,\"tcp_in\":%llu,"
             "\"tcp_out\":%llu,\"retransmits\":%llu,\"timeouts\":%llu,"
             "\"frames_in\":%llu,\"frames_out\":%llu,\"frames_bad\":%llu}",
             cpu->connections, (unsigned long long)net->tcp_opened,
             (unsigned long long)net->tcp_in, (unsigned long long)net->tcp_out,
             (unsigned long long)net->tcp_retransmits,
             (unsigned long long)net->tcp_timeouts,
             (unsigned long long)net->frames_in,
             (unsigned long long)net->frames_out,
             (unsigned long long)net->frames_bad);
}

static void numbers_add(struct text *text, const struct status_cpu *cpu)
{
    text_add(text,
             "{\"cpu\":%u,\"time_ns\":%llu,\"idle_ns\":%llu,\"switches\":%llu,"
             "\"thread_count\":%u",
             cpu->cpu, (unsigned long long)cpu->time_ns,
             (unsigned long long)status_ns(cpu->load.idle_cycles),
             (unsigned long long)cpu->load.switches, cpu->load.threads);
    text_add(text,
             ",\"memory\":{\"total\":%zu,\"free\":%zu,\"kept\":%zu,"
             "\"blocks\":%zu,\"failed\":%llu}",
             cpu->memory.total_bytes, cpu->memory.free_bytes,
             cpu->memory.kept_bytes, cpu->memory.block_count,
             (unsigned long long)cpu->memory.failed);
    text_add(text,
             ",\"slots\":{\"sent\":%llu,\"taken\":%llu,\"received\":%llu,"
             "\"blocked\":%llu}",
             (unsigned long long)cpu->slots.batches,
             (unsigned long long)cpu->slots.taken,
             (unsigned long long)cpu->slots.received,
             (unsigned long long)cpu->slots.blocked);
}

static void cpu_add(struct text *text, const struct status_cpu *cpu)
{
    numbers_add(text, cpu);
    if (cpu->has_net)
        net_add(text, cpu);
    text_add(text, ",\"threads\":[");
    for (unsigned i = 0; i < cpu->thread_count; i++) {
        text_add(text, i > 0 ? "," : "");
        thread_add(text, &cpu->threads[i]);
    }
    text_add(text, "],\"queues\":[");
    for (unsigned i = 0; i < cpu->queue_count; i++) {
        text_add(text, i > 0 ? "," : "");
        queue_add(text, &cpu->queues[i]);
    }
    text_add(text, "]}");
}

/* Lines become one string. */
static void log_add(struct text *text, const char *log)
{
    text_add(text, "\"log\":\"");
    for (; *log != '\0'; log++) {
        if (*log == '\n')
            text_add(text, "\\n");
        else if (*log < ' ' || *log > '~')
            text_add(text, "?");
        else
            text_add(text, *log == '"' || *log == '\\' ? "\\%c" : "%c", *log);
    }
    text_add(text, "\"");
}

void status_json(struct text *text, const struct status_cpu cpus[],
                 const char *log)
{
    text_add(text, "{\"name\":");
    text_add_quoted(text, torc_app.name);
    text_add(text, ",\"machine\":");
    text_add_quoted(text, machine_name());
    text_add(text, ",\"cpus\":[");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        text_add(text, cpu > 0 ? ",\n" : "\n");
        cpu_add(text, &cpus[cpu]);
    }
    text_add(text, "\n],");
    log_add(text, log);
    text_add(text, "}\n");
}
