/* What the files of threads and sched.c share. */
#ifndef TORC_KERNEL_THREAD_INTERNAL_H
#define TORC_KERNEL_THREAD_INTERNAL_H

#include "kernel/cpu/percpu.h"
#include "kernel/thread/errand.h"
#include "kernel/thread/thread.h"
#include <torc/thread.h>

/*
 * Make the calling context an ordinary thread of this CPU, with an idle thread
 * behind it. For unit tests, which live on a stack of libc's. Returns 0,
 * -ENOMEM.
 */
must_check int sched_adopt(void);

/* Set up what is not zero, in a thread of zeroes. */
void thread_setup(struct thread *thread);

/* Names are for people; one that is too long is cut. */
void thread_set_name(struct thread *thread, const char *name);

/* A thread that was parked at home goes on to where it was going. */
void thread_unpark(struct cpu *cpu, struct thread *thread);

/* What is left to do for the thread just switched away from, if anything. */
void thread_finish_departed(struct cpu *cpu);

/* The first thing after a switch; returns the CPU, which may be another. */
static inline struct cpu *thread_after_switch(void)
{
    struct cpu *cpu = cpu_self();

    if (unlikely(cpu->departed != NULL))
        thread_finish_departed(cpu);
    return cpu;
}

/* How many threads one CPU may have, and the stack of one that asks for none;
 * constant after thread_init(). */
extern unsigned thread_count_limit;
extern size_t thread_stack_default;

/* ---- Where threads live (thread_memory.c) -------------------------------- */

/* Allocate a thread object, NULL without memory; free it. */
struct thread *thread_make(struct cpu *cpu, size_t stack_size);
void thread_unmake(struct cpu *cpu, struct thread *thread);

/*
 * A thread with a stack, set up but for what thread_create() is told, and with
 * a guard page below the stack; NULL when there is no room.
 */
static inline struct thread *thread_alloc(struct cpu *cpu, size_t stack_size)
{
    struct queue_node *node = NULL;

    if (likely(stack_size == thread_stack_default))
        node = queue_pop(&cpu->spare_threads);
    if (unlikely(node == NULL))
        return thread_make(cpu, stack_size);
    cpu->spare_count--;
    return container_of(node, struct thread, ready);
}

static inline void thread_free(struct cpu *cpu, struct thread *thread)
{
    if (unlikely(thread->stack_size != thread_stack_default ||
                 cpu->spare_count >= THREAD_SPARES)) {
        thread_unmake(cpu, thread);
        return;
    }
    queue_push_front(&cpu->spare_threads, &thread->ready);
    cpu->spare_count++;
}

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
    uint32_t holds; /* errands with a hold: thread_control.c */
};

/* More slots. Returns 0, -ENOMEM, -EAGAIN (there are no more numbers). */
must_check int table_grow(struct cpu *cpu);

/*
 * What must be true of a CPU's table, its guests and its spare threads between
 * any two calls. Panics when it is not. For tests and the simulated machine;
 * takes as long as the table is.
 */
void table_check(const struct cpu *cpu);

/* Forget an id. */
void table_remove(struct cpu *cpu, struct thread_entry *entry);

/* What this CPU knows of a thread that has its home here and is not gone. */
static inline struct thread_entry *table_entry(struct cpu *cpu, thread_id id)
{
    return &cpu->threads[id & 0xffffff];
}

/* What the home CPU of `id` knows of it, or NULL. */
struct thread_entry *table_find(struct cpu *cpu, thread_id id);

/* The thread if it lives on the calling CPU, at home or as a guest, and has not
 * ended; else NULL. Takes as long as the list of guests is. */
struct thread *thread_find_here(thread_id id);

#define GENERATION (UINT64_C(1) << 32) /* in an id */

/* Give a new thread of this CPU its id. Returns 0, -EAGAIN, -ENOMEM. */
static inline int table_insert(struct cpu *cpu, struct thread *thread)
{
    struct thread_entry *entry;

    if (unlikely(cpu->thread_count >= thread_count_limit))
        return -EAGAIN;
    if (unlikely(cpu->thread_free == cpu->thread_slots)) {
        int status = table_grow(cpu);

        if (status != 0)
            return status;
    }
    entry = &cpu->threads[cpu->thread_free];
    cpu->thread_free = entry->next_free;
    cpu->thread_count++;
    entry->id += GENERATION;
    entry->thread = thread;
    thread->id = entry->id;
    return 0;
}

static inline unsigned id_cpu(thread_id id)
{
    return (unsigned)(id >> 24 & 0xff);
}

/* Give the exit value to the errand of a thread_join(). */
void thread_joined(struct errand *joiner, int exit_value);

#endif
