/*
 * The memory of threads: an object in the heap, and a stack with a page below
 * it that is not accessible, the guard. When a thread with a stack of the
 * default size ends, both are kept for the next thread, with the guard.
 */
#include "hal/hal.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include <torc/log.h>

static char *stack_alloc(struct cpu *cpu, size_t size)
{
    char *base = heap_pages(heap_of(cpu), size / PAGE_SIZE + 1, 0);

    if (base == NULL)
        return NULL;
    if (hal_page_attr(base, PAGE_SIZE, HAL_PAGE_NONE) != 0) {
        page_free(heap_of(cpu)->pages, base);
        return NULL;
    }
    return base + PAGE_SIZE;
}

static void stack_free(struct cpu *cpu, char *stack, size_t size)
{
    char *base = stack - PAGE_SIZE;

    /* It was set once, so there is a page table to set it back in. */
    if (hal_page_attr(base, PAGE_SIZE, HAL_PAGE_NORMAL) != 0)
        log_error("cpu %u: a guard page could not be lifted; %zu bytes lost",
                  cpu->id, size);
    else
        page_free(heap_of(cpu)->pages, base);
}

struct thread *thread_make(struct cpu *cpu, size_t stack_size)
{
    struct thread *thread = mem_alloc_zeroed(sizeof(*thread));

    if (thread == NULL)
        return NULL;
    thread_setup(thread);
    thread->stack = stack_alloc(cpu, stack_size);
    if (thread->stack == NULL) {
        mem_free(thread);
        return NULL;
    }
    thread->stack_size = stack_size;
    return thread;
}

void thread_unmake(struct cpu *cpu, struct thread *thread)
{
    stack_free(cpu, thread->stack, thread->stack_size);
    mem_free(thread);
}

void thread_spares_drop(void)
{
    struct cpu *cpu = cpu_self();
    struct queue_node *node;

    while ((node = queue_pop(&cpu->spare_threads)) != NULL) {
        cpu->spare_count--;
        thread_unmake(cpu, container_of(node, struct thread, ready));
    }
}
