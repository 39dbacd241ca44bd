/*
 * What threads do to one another by id: join, detach, suspend, resume, kill,
 * move, ask. All of it is an errand, which goes to the home of the thread and
 * from there, when the thread is a guest elsewhere, after it. An errand that
 * finds the guest gone goes home again, where the thread has come by before it.
 */
#include "kernel/errand.h"
#include "kernel/init.h"
#include "kernel/lib/check.h"
#include "kernel/lib/str.h"
#include "kernel/percpu.h"
#include "kernel/thread.h"
#include "kernel/thread_internal.h"
#include <torc/machine.h>

enum op {
    OP_JOIN,
    OP_DETACH,
    OP_SUSPEND,
    OP_RESUME,
    OP_KILL,
    OP_MOVE,
    OP_INFO
};

struct control {
    struct errand errand;
    thread_id id;
    enum op op;
    unsigned target;         /* OP_MOVE */
    int exit_value;          /* OP_JOIN */
    struct thread_info info; /* OP_INFO */
};

static struct control *control_of(struct errand *errand)
{
    return container_of(errand, struct control, errand);
}

/* ---- At home: what the table answers ------------------------------------- */

void thread_joined(struct errand *joiner, int exit_value)
{
    control_of(joiner)->exit_value = exit_value;
    errand_answer(joiner, 0);
}

static void join(struct cpu *cpu, struct thread_entry *entry,
                 struct errand *errand)
{
    int exit_value = entry->exit_value;

    if (entry->detached) {
        errand_answer(errand, -ESRCH);
    } else if (entry->joiner != NULL) {
        errand_answer(errand, -EBUSY);
    } else if (entry->ended) {
        table_remove(cpu, entry);
        thread_joined(errand, exit_value);
    } else {
        entry->joiner = errand;
    }
}

static int detach(struct cpu *cpu, struct thread_entry *entry)
{
    if (entry->detached)
        return -ESRCH;
    if (entry->joiner != NULL)
        return -EBUSY;
    entry->detached = true;
    if (entry->ended)
        table_remove(cpu, entry);
    return 0;
}

/* ---- Where the thread lives ---------------------------------------------- */

/*
 * Cycles as nanoseconds, by the rate they have run at since the machine was
 * young: no other measure of it is needed.
 */
static uint64_t cycles_to_ns(uint64_t cycles)
{
    uint64_t ns = hal_time_ns();
    uint64_t all = hal_cycles() - boot_cycles + 1;

    /* No 128-bit division in a kernel: both lose the same low bits. */
    while ((ns | all) >> 32 != 0) {
        ns >>= 1;
        all >>= 1;
    }
    return cycles / all * ns + cycles % all * ns / all;
}

static void describe(struct cpu *cpu, const struct thread *thread,
                     struct thread_info *info)
{
    uint64_t cycles = thread->cycles;

    if (thread_accounting && thread == cpu->current)
        cycles += hal_cycles() - cpu->switch_cycles;
    info->state = (enum thread_state)thread->state;
    if (thread == cpu->current)
        info->state = THREAD_RUNNING;
    else if (thread->state == THREAD_READY &&
             (thread->requests & REQUEST_SUSPEND) != 0)
        info->state = THREAD_SUSPENDED; /* when its turn comes */
    info->cpu = cpu->id;
    info->cpu_time_ns = thread_accounting ? cycles_to_ns(cycles) : 0;
    info->stack_size = thread->stack_size;
    (void)str_copy(info->name, sizeof(info->name), thread_name_of(thread));
}

static void resume(struct thread *thread)
{
    thread->requests &= (uint8_t)~REQUEST_SUSPEND;
    if (thread->state == THREAD_SUSPENDED) {
        thread->state = THREAD_WAITING;
        sched_ready(thread);
    }
}

static void kill(struct thread *thread)
{
    thread->requests |= REQUEST_KILL;
    resume(thread);
    if (thread->state == THREAD_WAITING && thread->killable) {
        thread->wait_status = -EINTR;
        list_remove(&thread->link);
        sched_ready(thread);
    }
}

static int apply(struct cpu *cpu, struct thread *thread,
                 struct control *control)
{
    switch (control->op) {
    case OP_SUSPEND:
        thread->requests |= REQUEST_SUSPEND;
        return 0;
    case OP_RESUME:
        resume(thread);
        return 0;
    case OP_KILL:
        kill(thread);
        return 0;
    case OP_MOVE:
        thread->target = control->target;
        thread->requests |= REQUEST_MOVE;
        return 0;
    default:
        describe(cpu, thread, &control->info);
        return 0;
    }
}

/* ---- The way ------------------------------------------------------------- */

static struct thread *guest_find(struct cpu *cpu, thread_id id)
{
    list_for_each (node, &cpu->guests) {
        struct thread *thread = container_of(node, struct thread, guest);

        if (thread->id == id)
            return thread;
    }
    return NULL;
}

static void describe_ended(struct cpu *cpu, struct control *control)
{
    control->info = (struct thread_info){
        .state = THREAD_ENDED,
        .cpu = cpu->id,
    };
    errand_answer(&control->errand, 0);
}

static void arrive_home(struct cpu *cpu, struct control *control)
{
    struct thread_entry *entry = table_find(cpu, control->id);
    struct errand *errand = &control->errand;

    if (entry == NULL)
        errand_answer(errand, -ESRCH);
    else if (control->op == OP_JOIN)
        join(cpu, entry, errand);
    else if (control->op == OP_DETACH)
        errand_answer(errand, detach(cpu, entry));
    else if (entry->ended && control->op == OP_INFO)
        describe_ended(cpu, control);
    else if (entry->ended)
        errand_answer(errand, -ESRCH);
    else if (entry->where != cpu->id)
        errand_forward(errand, entry->where);
    else
        errand_answer(errand, apply(cpu, entry->thread, control));
}

static void arrive(struct errand *errand)
{
    struct control *control = control_of(errand);
    struct cpu *cpu = cpu_self();
    unsigned home = id_cpu(control->id);
    struct thread *thread;

    if (home == cpu->id) {
        arrive_home(cpu, control);
        return;
    }
    thread = guest_find(cpu, control->id);
    if (thread == NULL)
        errand_forward(errand, home);
    else
        errand_answer(errand, apply(cpu, thread, control));
}

static int run(struct control *control)
{
    unsigned home = id_cpu(control->id);

    if (home >= cpu_count())
        return -ESRCH;
    return errand_run(&control->errand, home, arrive);
}

/* What is done to the caller itself happens at once. */
static int run_simple(thread_id id, enum op op, unsigned target)
{
    struct control control = {.id = id, .op = op, .target = target};
    int status = run(&control);

    if (status == 0 && id == thread_self())
        thread_point();
    return status;
}

/* ---- The interface ------------------------------------------------------- */

int thread_join(thread_id id, int *exit_value)
{
    struct control control;
    int status;

    control.id = id;
    control.op = OP_JOIN;

    if (id == thread_self() && id != 0)
        return -EDEADLK;
    status = run(&control);
    if (status == 0 && exit_value != NULL)
        *exit_value = control.exit_value;
    return status;
}

int thread_detach(thread_id id)
{
    return run_simple(id, OP_DETACH, 0);
}

int thread_suspend(thread_id id)
{
    return run_simple(id, OP_SUSPEND, 0);
}

int thread_resume(thread_id id)
{
    return run_simple(id, OP_RESUME, 0);
}

int thread_kill(thread_id id)
{
    return run_simple(id, OP_KILL, 0);
}

int thread_move(thread_id id, unsigned cpu)
{
    if (cpu >= cpu_count())
        return -EINVAL;
    return run_simple(id, OP_MOVE, cpu);
}

int thread_get_info(thread_id id, struct thread_info *out)
{
    struct control control = {.id = id, .op = OP_INFO};
    int status = run(&control);

    if (status == 0)
        *out = control.info;
    return status;
}
