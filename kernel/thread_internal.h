/* What sched.c, thread.c, thread_table.c, thread_control.c and stack.c share.
 */
#ifndef TORC_KERNEL_THREAD_INTERNAL_H
#define TORC_KERNEL_THREAD_INTERNAL_H

#include "kernel/errand.h"
#include "kernel/percpu.h"
#include <torc/thread.h>

struct thread;

/* Set up the parts that need neither stack nor id. */
void thread_setup(struct thread *thread, const char *name);

/* What is left to do for the thread just switched away from, if anything. */
void thread_finish_left(struct cpu *cpu);

static inline void thread_after_switch(void)
{
    struct cpu *cpu = cpu_self();

    if (unlikely(cpu->left != NULL))
        thread_finish_left(cpu);
}

/* ---- Stacks (stack.c) ---------------------------------------------------- */

/* Whole pages with a guard page below; NULL when there is no room. */
char *stack_alloc(struct cpu *cpu, size_t size);
void stack_free(struct cpu *cpu, char *stack, size_t size);

/* ---- The table: what a CPU knows of the threads made there --------------- */

/* Owner: the home CPU. */
struct thread_entry {
    thread_id id;          /* 0: free, and never was used */
    struct thread *thread; /* NULL: free, or ended */
    struct errand *joiner; /* who waits for its end */
    int exit_value;        /* of an ended one */
    uint32_t next_free;    /* a free slot behind this one */
    uint16_t where;        /* the CPU it lives on */
    bool detached;
    bool ended;
};

/* Give a new thread of this CPU its id. Returns 0, -EAGAIN, -ENOMEM. */
must_check int table_insert(struct cpu *cpu, struct thread *thread);

/* Forget an id. */
void table_remove(struct cpu *cpu, struct thread_entry *entry);

/* What the home CPU of `id` knows of it, or NULL. */
struct thread_entry *table_find(struct cpu *cpu, thread_id id);

/* How many threads one CPU may have, and the stack of one that asks for none;
 * constant after thread_init(). */
extern unsigned thread_count_limit;
extern size_t thread_stack_default;

static inline unsigned id_cpu(thread_id id)
{
    return (unsigned)(id >> 24 & 0xff);
}

/* A thread of this CPU has ended, here or elsewhere, and is off its stack. */
void thread_home_ended(struct cpu *cpu, struct thread *thread);

/* Give the exit value to the errand of a thread_join(). */
void thread_joined(struct errand *joiner, int exit_value);

#endif
