/*
 * Stacks. Each has an inaccessible page below it. Stacks of the default size
 * are kept for the next thread, guard and all.
 */
#include "hal/hal.h"
#include "kernel/heap.h"
#include "kernel/mem.h"
#include "kernel/thread.h"
#include "kernel/thread_internal.h"
#include <torc/log.h>

/* A kept stack holds its own list node, in its highest bytes. */
static struct list *stack_node(char *stack)
{
    return (struct list *)(void *)(stack + thread_stack_default) - 1;
}

char *stack_alloc(struct cpu *cpu, size_t size)
{
    char *base;

    if (size == thread_stack_default && cpu->stack_count > 0) {
        struct list *node = list_pop_front(&cpu->stacks);

        cpu->stack_count--;
        return (char *)(node + 1) - thread_stack_default;
    }
    base = heap_pages(cpu->heap, size / PAGE_SIZE + 1, 0);
    if (base == NULL)
        return NULL;
    if (hal_page_attr(base, PAGE_SIZE, HAL_PAGE_NONE) != 0) {
        page_free(cpu->heap->pages, base);
        return NULL;
    }
    return base + PAGE_SIZE;
}

void stack_free(struct cpu *cpu, char *stack, size_t size)
{
    char *base = stack - PAGE_SIZE;

    if (size == thread_stack_default && cpu->stack_count < THREAD_STACK_CACHE) {
        list_push_front(&cpu->stacks, stack_node(stack));
        cpu->stack_count++;
        return;
    }
    /* It was set once, so there is a page table to set it back in. */
    if (hal_page_attr(base, PAGE_SIZE, HAL_PAGE_NORMAL) != 0)
        log_error("cpu %u: a guard page could not be lifted; %zu bytes lost",
                  cpu->id, size);
    else
        page_free(cpu->heap->pages, base);
}
