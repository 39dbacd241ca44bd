/* Asking each CPU for its figures: nobody reads another's. */
#include "net/status/collect.h"
#include "kernel/cpu/percpu.h"
#include "net/stack.h"
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/time.h>

#define LEARN_NS (20 * NS_PER_MS)

uint64_t status_cycles_per_ms = 1; /* constant after status_count_time() */

static void slots_collect(struct exchange_counters *sum)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct exchange_counters one;

        exchange_get_counters(cpu, &one);
        sum->batches += one.batches;
        sum->blocked += one.blocked;
        sum->received += one.received;
        sum->taken += one.taken;
    }
}

/* The next place for a queue of this CPU; NULL: there is no more. */
static struct status_queue *queue_add(struct status_cpu *out,
                                      const struct device *device)
{
    struct status_queue *row = &out->queues[out->queue_count];

    if (out->queue_count == STATUS_DEVICES)
        return NULL;
    out->queue_count++;
    *row =
        (struct status_queue){.device = device_name(device), .link_up = true};
    return row;
}

static void disk_collect(struct status_cpu *out, struct device *device)
{
    const struct block_device *disk =
        container_of(device, struct block_device, device);

    for (unsigned i = 0; disk->disk == NULL && i < disk->queue_count; i++) {
        struct status_queue *row;

        if (disk->queue_cpus[i] != out->cpu)
            continue;
        row = queue_add(out, device);
        if (row == NULL)
            return;
        row->sectors = disk->sectors;
        row->submitted = disk->queues[i]->submitted;
        row->failed = disk->queues[i]->failed;
    }
}

static void card_collect(struct status_cpu *out, struct device *device)
{
    struct net_device *card = container_of(device, struct net_device, device);
    const struct net_queue *queue = net_queue_mine(card);
    struct status_queue *row = queue == NULL ? NULL : queue_add(out, device);

    if (row == NULL)
        return;
    row->is_card = true;
    row->link_up = queue->index != 0 || card->link_up;
    row->rx_frames = queue->rx_frames;
    row->rx_bytes = queue->rx_bytes;
    row->rx_dropped = queue->rx_dropped;
    row->tx_frames = queue->tx_frames;
    row->tx_bytes = queue->tx_bytes;
    row->tx_dropped = queue->tx_dropped;
}

/* The device list is read by every CPU; what a device counts, by its owners. */
static void devices_collect(struct status_cpu *out)
{
    struct device *device;

    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++)
        disk_collect(out, device);
    for (unsigned i = 0; (device = device_find(DEVICE_NET, i)) != NULL; i++)
        card_collect(out, device);
}

static int collect_here(void *arg)
{
    struct status_cpu *out = arg;
    const struct net_stack *stack = cpu_self()->net_stack;

    *out = (struct status_cpu){.cpu = cpu_id(), .time_ns = time_ns()};
    cpu_load_get(&out->load);
    mem_get_stats(&out->memory);
    slots_collect(&out->slots);
    out->thread_count = thread_list(out->threads, STATUS_THREADS);
    devices_collect(out);
    out->has_net = net_get_stats(&out->net) == 0;
    if (out->has_net)
        out->connections = stack->conn_count + stack->half_open_count;
    return 0;
}

int status_collect_one(unsigned cpu, struct status_cpu *out)
{
    return remote_call(cpu, collect_here, out);
}

int status_collect(struct status_cpu out[])
{
    int status = 0;

    for (unsigned cpu = 0; status == 0 && cpu < cpu_count(); cpu++)
        status = status_collect_one(cpu, &out[cpu]);
    return status;
}

static int count_here(void *unused)
{
    (void)unused;
    cpu_load_begin();
    return 0;
}

static void rate_learn(void)
{
    struct cpu_load from;
    struct cpu_load to;
    uint64_t ns = time_ns();

    cpu_load_get(&from);
    thread_sleep(LEARN_NS);
    cpu_load_get(&to);
    ns = time_ns() - ns;
    status_cycles_per_ms =
        max_u64((to.cycles - from.cycles) * 1000 / (ns / 1000), 1);
}

int status_count_time(void)
{
    int status = 0;

    rate_learn();
    for (unsigned cpu = 0; status == 0 && cpu < cpu_count(); cpu++)
        status = remote_call(cpu, count_here, NULL);
    return status;
}
