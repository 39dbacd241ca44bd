#include "kernel/thread/errand.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include <torc/machine.h>

static void arrived(struct exchange_item *item)
{
    struct errand *errand = container_of(item, struct errand, item);

    errand->arrive(errand);
}

static void returned(struct exchange_item *item)
{
    struct errand *errand = container_of(item, struct errand, item);

    errand->answered = true;
    wait_wake_all(&errand->sender);
}

void errand_forward(struct errand *errand, unsigned cpu)
{
    errand->item.run = arrived;
    exchange_send(cpu, &errand->item);
}

void errand_answer(struct errand *errand, int status)
{
    errand->status = status;
    if (errand->from == cpu_id()) {
        returned(&errand->item);
        return;
    }
    errand->item.run = returned;
    exchange_send(errand->from, &errand->item);
}

int errand_run(struct errand *errand, unsigned cpu,
               void (*arrive)(struct errand *errand))
{
    errand->arrive = arrive;
    errand->from = cpu_id();
    errand->answered = false;
    wait_queue_init(&errand->sender);
    if (cpu == errand->from)
        arrive(errand);
    else
        errand_forward(errand, cpu);
    while (!errand->answered)
        wait_on(&errand->sender);
    return errand->status;
}
