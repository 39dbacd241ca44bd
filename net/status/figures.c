/* The figures for applications: <torc/figures.h>. */
#include "net/status/collect.h"
#include <torc/figures.h>
#include <torc/string.h>

int figures_start(void)
{
    return status_count_time();
}

static void threads_fill(struct figures *out, const struct status_cpu *from)
{
    static_assert((int)FIGURES_THREADS == (int)STATUS_THREADS, "all of them");
    out->threads_all = from->load.threads;
    out->thread_count = from->thread_count;
    for (unsigned i = 0; i < from->thread_count; i++) {
        const struct thread_row *row = &from->threads[i];
        struct figures_thread *thread = &out->threads[i];

        *thread = (struct figures_thread){.id = row->id,
                                          .state = row->state,
                                          .time_ns = status_ns(row->cycles),
                                          .stack_size = row->stack_size};
        memcpy(thread->name, row->name, sizeof(thread->name));
    }
}

static void queues_fill(struct figures *out, const struct status_cpu *from)
{
    static_assert((int)FIGURES_QUEUES == (int)STATUS_DEVICES, "all of them");
    out->queue_count = from->queue_count;
    for (unsigned i = 0; i < from->queue_count; i++) {
        const struct status_queue *row = &from->queues[i];

        out->queues[i] = (struct figures_queue){
            .device = row->device,
            .is_card = row->is_card,
            .link_up = row->link_up,
            .sectors = row->sectors,
            .requests = row->submitted,
            .failed = row->failed,
            .rx_frames = row->rx_frames,
            .rx_bytes = row->rx_bytes,
            .rx_dropped = row->rx_dropped,
            .tx_frames = row->tx_frames,
            .tx_bytes = row->tx_bytes,
            .tx_dropped = row->tx_dropped,
        };
    }
}

int figures_get(unsigned cpu, struct figures *out)
{
    struct status_cpu *from = mem_alloc(sizeof(*from));
    int status;

    if (from == NULL)
        return -ENOMEM;
    status = status_collect_one(cpu, from);
    if (status == 0) {
        out->time_ns = from->time_ns;
        out->idle_ns = status_ns(from->load.idle_cycles);
        out->switches = from->load.switches;
        out->memory = from->memory;
        out->lists_sent = from->slots.batches;
        out->lists_taken = from->slots.taken;
        out->blocked = from->slots.blocked;
        out->items_received = from->slots.received;
        out->has_net = from->has_net;
        out->connections = from->connections;
        threads_fill(out, from);
        queues_fill(out, from);
    }
    mem_free(from);
    return status;
}
