/*
 * The list of threads in the report of a panic. It reads what other CPUs own:
 * they are stopped for good.
 */
#include "kernel/thread/report.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/thread_internal.h"
#include <torc/machine.h>

enum {
    LISTED_MAX = 48,             /* threads that a report lists */
    STACK_UNKNOWN = 16 * 1024,   /* looked at, of a stack of the HAL's */
    SLOTS_LOOKED_AT = 1024 * 64, /* of a table */
};

const char *thread_state_name(const struct thread_view *view)
{
    static const char *const names[] = {
        [THREAD_READY] = "ready",     [THREAD_RUNNING] = "running",
        [THREAD_WAITING] = "waiting", [THREAD_SUSPENDED] = "suspended",
        [THREAD_MOVING] = "moving",   [THREAD_ENDED] = "ended",
    };
    unsigned state = view->thread->state;

    if (view->runs)
        return names[THREAD_RUNNING];
    return state < COUNT_OF(names) ? names[state] : "damaged";
}

static void view_registers(struct thread_view *view)
{
    const struct hal_registers *known = panic_registers(view->cpu);
    uint64_t *value = view->registers.value;

    if (view->runs) {
        view->is_known = known != NULL;
        if (known != NULL)
            view->registers = *known;
        return;
    }
    view->is_known = view->thread->context.sp != NULL;
    if (view->is_known) {
        uintptr_t ip, sp, fp;

        hal_context_where(&view->thread->context, &ip, &sp, &fp);
        value[HAL_REGISTER_IP] = ip;
        value[HAL_REGISTER_SP] = sp;
        value[HAL_REGISTER_FP] = fp;
    }
}

uintptr_t thread_frames_end(uintptr_t sp, uintptr_t fp)
{
    struct frame_walk walk = {fp, sp, sp + STACK_UNKNOWN};
    uintptr_t end = sp;

    while (walk.fp != 0) {
        uintptr_t at = walk.fp;

        if (frame_next(&walk) == 0)
            break;
        end = at + 2 * sizeof(uintptr_t);
    }
    return end;
}

static void view_stack(struct thread_view *view)
{
    const struct thread *thread = view->thread;
    uintptr_t sp = view->registers.value[HAL_REGISTER_SP];

    if (thread->stack != NULL) {
        view->stack_low = (uintptr_t)thread->stack;
        view->stack_high = view->stack_low + thread->stack_size;
    } else if (view->is_known) {
        view->stack_low = sp;
        view->stack_high =
            thread_frames_end(sp, view->registers.value[HAL_REGISTER_FP]);
    }
}

static void visit_one(const struct thread *thread, unsigned where, bool is_idle,
                      void (*visit)(void *ctx, const struct thread_view *view),
                      void *ctx)
{
    struct thread_view view = {
        .thread = thread, .cpu = where, .is_idle = is_idle};
    const struct cpu *cpu = cpu_if_any(where);

    if (cpu == NULL)
        return;
    view.runs = cpu->current == thread;
    view_registers(&view);
    view_stack(&view);
    visit(ctx, &view);
}

/* As many as may be looked at: the number may be damaged. */
static unsigned slots_of(const struct cpu *cpu)
{
    unsigned slots = cpu->thread_slots;

    return slots < SLOTS_LOOKED_AT ? slots : SLOTS_LOOKED_AT;
}

void threads_visit(void (*visit)(void *ctx, const struct thread_view *view),
                   void *ctx)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        const struct cpu *cpu = cpu_if_any(i);

        if (cpu == NULL)
            continue;
        if (cpu->idle != NULL)
            visit_one(cpu->idle, i, true, visit, ctx);
        for (unsigned slot = 0; slot < slots_of(cpu); slot++) {
            const struct thread_entry *entry = &cpu->threads[slot];

            if (entry->thread != NULL)
                visit_one(entry->thread, entry->where, false, visit, ctx);
        }
    }
}

size_t thread_table_size(const struct cpu *cpu)
{
    return slots_of(cpu) * sizeof(*cpu->threads);
}

/* ---- The report ---------------------------------------------------------- */

static void say_thread(void *ctx, const struct thread_view *view)
{
    const uint64_t *value = view->registers.value;
    unsigned *count = ctx;

    if ((*count)++ >= LISTED_MAX)
        return;
    say("  cpu %u, thread %u.%u %s, %s:", view->cpu,
        (unsigned)(view->thread->id >> 24 & 0xff),
        (unsigned)(view->thread->id & 0xffffff), thread_name_of(view->thread),
        thread_state_name(view));
    if (!view->is_known)
        say(" where is not known\n");
    else
        backtrace_brief(value[HAL_REGISTER_IP], value[HAL_REGISTER_FP],
                        view->stack_low, view->stack_high);
}

static void say_threads(void)
{
    unsigned count = 0;

    say("threads of all CPUs:\n");
    threads_visit(say_thread, &count);
    if (count > LISTED_MAX)
        say("  and %u more\n", count - LISTED_MAX);
}

void thread_report_init(void)
{
    panic_add_part(say_threads);
}
