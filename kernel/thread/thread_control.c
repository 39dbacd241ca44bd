/*
 * What threads do to one another by id: join, detach, suspend, resume, kill,
 * move, ask. Each is an errand. It goes to the home of the thread, and from
 * there to the CPU where the thread is a guest.
 *
 * When the thread has left that CPU, the errand misses it and comes home again.
 * The thread has passed through its home before, and home knows its new CPU. A
 * thread that migrates all the time could be missed for ever. Therefore home
 * sends the errand out a second time with a hold: as long as an errand with a
 * hold is out, a thread that passes through its home is kept there (parked).
 * Either the errand now finds the thread on its CPU, or the thread is at home
 * when the errand is back. So an errand misses its thread at most twice.
 */
#include "kernel/base/boot_info.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/errand.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/string.h>

enum op {
    OP_JOIN,
    OP_DETACH,
    OP_SUSPEND,
    OP_RESUME,
    OP_KILL,
    OP_MOVE,
    OP_INFO
};

enum { MISSES_MAX = 2 };

struct control {
    struct errand errand;
    thread_id id;
    enum op op;
    bool hold;               /* it has a hold: entry->holds counts it */
    unsigned misses;         /* how often the thread had left before it came */
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
 * Cycles as nanoseconds. The rate is the average since boot, of the cycles and
 * of the clock.
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

/* A thread that is ending already is only resumed; its waits are not ended. */
static void kill(struct thread *thread)
{
    resume(thread);
    if (thread->ending)
        return;
    thread->requests |= REQUEST_KILL;
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
        if (thread->directory != NULL)
            return -EBUSY;
        thread->target = control->target;
        thread->requests |= REQUEST_MOVE;
        return 0;
    default:
        describe(cpu, thread, &control->info);
        return 0;
    }
}

/* ---- From CPU to CPU ----------------------------------------------------- */

static void describe_ended(struct cpu *cpu, struct control *control)
{
    control->info = (struct thread_info){
        .state = THREAD_ENDED,
        .cpu = cpu->id,
    };
    errand_answer(&control->errand, 0);
}

/* From home to the CPU where the thread is a guest. */
static void pursue(struct thread_entry *entry, struct control *control)
{
    if (control->misses > 0) {
        control->hold = true;
        entry->holds++;
    }
    errand_forward(&control->errand, entry->where);
}

static void apply_home(struct cpu *cpu, struct thread_entry *entry,
                       struct control *control)
{
    struct thread *thread = entry->thread;
    int status = apply(cpu, thread, control);

    if (thread->parked && entry->holds == 0)
        thread_unpark(cpu, thread);
    errand_answer(&control->errand, status);
}

static void arrive_home(struct cpu *cpu, struct control *control)
{
    struct thread_entry *entry = table_find(cpu, control->id);
    struct errand *errand = &control->errand;

    if (entry != NULL && control->hold) {
        assert(entry->ended || entry->holds > 0);
        entry->holds -= !entry->ended;
        control->hold = false;
    }
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
        pursue(entry, control);
    else
        apply_home(cpu, entry, control);
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
    thread = thread_find_here(control->id);
    if (thread == NULL) {
        control->misses++;
        assert(control->misses <= MISSES_MAX);
        errand_forward(errand, home);
        return;
    }
    thread->holds_over += control->hold;
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
        thread_requests_handle();
    return status;
}

/* ---- The interface ------------------------------------------------------- */

int thread_join(thread_id id, int *exit_value)
{
    struct control control;
    int status;

    control.id = id;
    control.op = OP_JOIN;
    control.hold = false;

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
