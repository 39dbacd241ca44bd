/* Looking at the threads of a CPU, and at how busy they keep it. */
#include "kernel/thread/thread_list.h"
#include "hal/hal.h"
#include "kernel/thread/thread_internal.h"
#include <torc/string.h>

static struct thread_row row_of(const struct cpu *cpu,
                                const struct thread *thread)
{
    struct thread_row row = {
        .id = thread->id,
        .state = thread == cpu->current ? THREAD_RUNNING
                                        : (enum thread_state)thread->state,
        .cycles = thread->cycles,
        .stack_size = thread->stack_size,
    };

    (void)str_copy(row.name, sizeof(row.name), thread_name_of(thread));
    return row;
}

unsigned thread_list(struct thread_row rows[], unsigned max)
{
    const struct cpu *cpu = cpu_self();
    unsigned count = 0;

    for (unsigned i = 0; i < cpu->thread_slots && count < max; i++) {
        const struct thread_entry *entry = &cpu->threads[i];

        /* One that is away belongs to the CPU where it is. */
        if (entry->thread != NULL && entry->where == cpu->id &&
            entry->thread->state != THREAD_MOVING)
            rows[count++] = row_of(cpu, entry->thread);
    }
    list_for_each (node, &cpu->guests) {
        if (count < max)
            rows[count++] =
                row_of(cpu, container_of(node, struct thread, guest));
    }
    return count;
}

void cpu_load_begin(void)
{
    struct cpu *cpu = cpu_self();

    if (cpu->switch_extras)
        return;
    cpu->switch_cycles = hal_cycles();
    cpu->switch_extras = true;
}

void cpu_load_get(struct cpu_load *out)
{
    const struct cpu *cpu = cpu_self();

    *out = (struct cpu_load){
        .cycles = hal_cycles(),
        .idle_cycles = cpu->idle->cycles,
        .switches = cpu->switch_count,
        .threads = cpu->thread_count,
    };
}
