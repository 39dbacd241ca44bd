/*
 * Life and death of threads. A thread cannot free the stack it stands on: it
 * leaves itself in cpu->dead and the next thread to run frees it.
 *
 * Stacks have an inaccessible page below them. Stacks of the default size are
 * kept for the next thread, guard and all.
 */
#include "kernel/thread.h"
#include "kernel/exchange.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/lib/str.h"
#include "kernel/mem.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/thread_internal.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/time.h>

/* ---- Stacks -------------------------------------------------------------- */

/* A kept stack holds its own list node, in its highest bytes. */
static struct list *stack_node(char *stack)
{
    return (struct list *)(void *)(stack + THREAD_STACK_DEFAULT) - 1;
}

static char *stack_alloc(struct cpu *cpu, size_t size)
{
    struct page_allocator *pages = cpu->heap->pages;
    char *base;

    if (size == THREAD_STACK_DEFAULT && cpu->stack_count > 0) {
        struct list *node = list_pop_front(&cpu->stacks);

        cpu->stack_count--;
        return (char *)(node + 1) - THREAD_STACK_DEFAULT;
    }
    base = page_alloc(pages, size / PAGE_SIZE + 1, 0);
    if (base == NULL)
        return NULL;
    if (hal_page_attr(base, PAGE_SIZE, HAL_PAGE_NONE) != 0) {
        page_free(pages, base);
        return NULL;
    }
    return base + PAGE_SIZE;
}

static void stack_free(struct cpu *cpu, char *stack, size_t size)
{
    char *base = stack - PAGE_SIZE;

    if (size == THREAD_STACK_DEFAULT && cpu->stack_count < THREAD_STACK_CACHE) {
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

/* ---- The table: id to thread --------------------------------------------- */

/*
 * An id is generation (32 bits), CPU (8), slot (24). Slots are reused,
 * generations are not, until 2^32 threads were made on one CPU.
 */
static thread_id id_make(const struct cpu *cpu, uint32_t slot)
{
    return (uint64_t)cpu->thread_generation << 32 | (uint64_t)cpu->id << 24 |
           slot;
}

static unsigned id_cpu(thread_id id)
{
    return (unsigned)(id >> 24 & 0xff);
}

static struct thread *id_find(struct cpu *cpu, thread_id id)
{
    uint32_t slot = id & 0xffffff;

    if (slot >= cpu->thread_slots || cpu->threads[slot] == NULL ||
        cpu->threads[slot]->id != id)
        return NULL;
    return cpu->threads[slot];
}

/* Free slots are found from a hint on; the table doubles when it is full. */
static int table_insert(struct cpu *cpu, struct thread *thread)
{
    uint32_t slot = cpu->thread_count; /* free unless threads ended */

    if (cpu->thread_count == cpu->thread_slots) {
        unsigned slots = cpu->thread_slots == 0 ? 64 : cpu->thread_slots * 2;
        struct thread **threads;

        if (slots > THREAD_COUNT_MAX)
            return -EAGAIN;
        threads = mem_resize(cpu->threads, slots * sizeof(*threads));
        if (threads == NULL)
            return -ENOMEM;
        for (unsigned i = cpu->thread_slots; i < slots; i++)
            threads[i] = NULL;
        cpu->threads = threads;
        cpu->thread_slots = slots;
    }
    while (cpu->threads[slot] != NULL)
        slot = slot == 0 ? cpu->thread_slots - 1 : slot - 1;
    if (++cpu->thread_generation == 0)
        cpu->thread_generation = 1;
    thread->slot = slot;
    thread->id = id_make(cpu, slot);
    cpu->threads[slot] = thread;
    cpu->thread_count++;
    return 0;
}

static void table_remove(struct cpu *cpu, struct thread *thread)
{
    cpu->threads[thread->slot] = NULL;
    cpu->thread_count--;
}

/* ---- Create and end ------------------------------------------------------ */

static void timeout_run(struct timer *timer)
{
    struct thread *thread = container_of(timer, struct thread, timeout);

    thread->timed_out = true;
    list_remove(&thread->link);
    sched_ready(thread);
}

void thread_setup(struct thread *thread, const char *name)
{
    list_init(&thread->link);
    wait_queue_init(&thread->joiner);
    timer_init(&thread->timeout, timeout_run);
    if (str_copy(thread->name, sizeof(thread->name),
                 name != NULL ? name : "thread") != 0) {
        /* Names are for people; a cut one will do. */
    }
}

static void thread_entry(void *arg)
{
    struct thread *self = arg;

    thread_reap();
    thread_exit(self->fn(self->arg));
}

static void thread_free(struct cpu *cpu, struct thread *thread)
{
    table_remove(cpu, thread);
    mem_free(thread);
}

void thread_reap(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *dead = cpu->dead;

    if (likely(dead == NULL))
        return;
    cpu->dead = NULL;
    hal_context_fini(&dead->context);
    stack_free(cpu, dead->stack, dead->stack_size);
    dead->stack = NULL;
    if (dead->detached)
        thread_free(cpu, dead);
}

int thread_create_here(const struct thread_attr *attr, int (*fn)(void *),
                       void *arg, struct thread **out)
{
    struct cpu *cpu = cpu_self();
    size_t size = attr != NULL && attr->stack_size != 0 ? attr->stack_size
                                                        : THREAD_STACK_DEFAULT;
    struct thread *thread;
    int status;

    if (size < THREAD_STACK_MIN || size > THREAD_STACK_MAX)
        return -EINVAL;
    size = (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    thread = mem_alloc_zeroed(sizeof(*thread));
    if (thread == NULL)
        return -ENOMEM;
    thread_setup(thread, attr != NULL ? attr->name : NULL);
    status = table_insert(cpu, thread);
    if (status != 0)
        goto fail_table;
    thread->stack = stack_alloc(cpu, size);
    if (thread->stack == NULL) {
        status = -ENOMEM;
        goto fail_stack;
    }
    thread->stack_size = size;
    thread->fn = fn;
    thread->arg = arg;
    hal_context_init(&thread->context, thread->stack, size, thread_entry,
                     thread);
    thread->state = THREAD_WAITING;
    sched_ready(thread);
    *out = thread;
    return 0;

fail_stack:
    table_remove(cpu, thread);
fail_table:
    mem_free(thread);
    return status;
}

void thread_exit(int exit_value)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->current;

    assert(self != cpu->idle && self->stack != NULL);
    self->exit_value = exit_value;
    self->state = THREAD_ENDED;
    wait_wake_all(&self->joiner);
    assert(cpu->dead == NULL);
    cpu->dead = self;
    sched_switch();
    panic("thread %s ran after its end", self->name);
}

/* ---- Creation on another CPU --------------------------------------------- */

/* On the creator's stack; carried there and back by the exchange slots. */
struct creation {
    struct exchange_item item;
    struct thread_attr attr;
    int (*fn)(void *);
    void *arg;
    unsigned from;
    int status;
    thread_id id;
    bool answered;
    struct wait_queue done;
};

static void creation_answered(struct exchange_item *item)
{
    struct creation *creation = container_of(item, struct creation, item);

    creation->answered = true;
    wait_wake_all(&creation->done);
}

static void creation_arrived(struct exchange_item *item)
{
    struct creation *creation = container_of(item, struct creation, item);
    struct thread *thread = NULL;

    creation->status = thread_create_here(&creation->attr, creation->fn,
                                          creation->arg, &thread);
    if (creation->status == 0)
        creation->id = thread->id;
    item->run = creation_answered;
    exchange_send(creation->from, item);
}

static int create_there(unsigned cpu, const struct thread_attr *attr,
                        int (*fn)(void *), void *arg, thread_id *out)
{
    struct creation creation = {
        .item.run = creation_arrived,
        .attr = *attr,
        .fn = fn,
        .arg = arg,
        .from = cpu_id(),
    };

    wait_queue_init(&creation.done);
    exchange_send(cpu, &creation.item);
    while (!creation.answered)
        wait_on(&creation.done);
    if (creation.status == 0 && out != NULL)
        *out = creation.id;
    return creation.status;
}

/* The CPU a new thread goes to. THREAD_SPREAD deals round, behind the
 * caller. */
static unsigned place(struct cpu *self, const struct thread_attr *attr)
{
    if (attr == NULL || attr->place == THREAD_HERE)
        return self->id;
    if (attr->place == THREAD_ON_CPU)
        return attr->cpu;
    self->spread = (self->spread + 1) % cpu_count();
    return (self->id + self->spread) % cpu_count();
}

int thread_create(const struct thread_attr *attr, int (*fn)(void *), void *arg,
                  thread_id *out)
{
    struct cpu *self = cpu_self();
    unsigned cpu = place(self, attr);
    struct thread *thread;
    int status;

    if (cpu >= cpu_count() || fn == NULL)
        return -EINVAL;
    if (cpu != self->id)
        return create_there(cpu, attr, fn, arg, out);
    status = thread_create_here(attr, fn, arg, &thread);
    if (status == 0 && out != NULL)
        *out = thread->id;
    return status;
}

/* ---- The rest ------------------------------------------------------------ */

/* A live or unjoined thread of this CPU by its id. */
static int find_joinable(thread_id id, struct thread **out)
{
    struct cpu *cpu = cpu_self();

    if (id_cpu(id) >= cpu_count())
        return -ESRCH;
    if (id_cpu(id) != cpu->id)
        return -EXDEV;
    *out = id_find(cpu, id);
    return *out == NULL || (*out)->detached ? -ESRCH : 0;
}

int thread_join(thread_id id, int *exit_value)
{
    struct cpu *cpu = cpu_self();
    struct thread *thread;
    int status = find_joinable(id, &thread);

    if (status != 0)
        return status;
    if (thread == cpu->current)
        return -EDEADLK;
    if (thread->joining)
        return -EBUSY;
    thread->joining = true;
    while (thread->state != THREAD_ENDED)
        wait_on(&thread->joiner);
    if (exit_value != NULL)
        *exit_value = thread->exit_value;
    thread_free(cpu, thread);
    return 0;
}

int thread_detach(thread_id id)
{
    struct thread *thread;
    int status = find_joinable(id, &thread);

    if (status != 0)
        return status;
    if (thread->joining)
        return -EBUSY;
    if (thread->state == THREAD_ENDED)
        thread_free(cpu_self(), thread);
    else
        thread->detached = true;
    return 0;
}

void thread_sleep_until(uint64_t deadline_ns)
{
    struct wait_queue nobody;

    wait_queue_init(&nobody);
    while (hal_time_ns() < deadline_ns) {
        if (wait_on_until(&nobody, deadline_ns) == -ETIMEDOUT)
            continue; /* look at the clock: the wait may end early */
    }
}

void thread_sleep(uint64_t ns)
{
    thread_sleep_until(hal_time_ns() + ns);
}

thread_id thread_self(void)
{
    return thread_current()->id;
}

const char *thread_name(void)
{
    return thread_current()->name;
}
