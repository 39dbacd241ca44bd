/*
 * Threads are created, end and migrate here. A thread cannot free or send away
 * the stack it runs on. So it puts itself into cpu->departed and switches; the
 * thread that runs next does the rest (thread_finish_departed()).
 */
#include "kernel/thread/thread.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/options.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/errand.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread_internal.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

unsigned thread_count_limit = THREAD_COUNT_MAX;
size_t thread_stack_default = THREAD_STACK_DEFAULT;
bool thread_accounting;

/* Gives up the stacks kept for new threads when memory is short. */
static bool spares_reclaim(void)
{
    thread_spares_drop();
    return false;
}

static struct heap_reclaimer spares_reclaimer = {.run = spares_reclaim};

__attribute__((cold)) int thread_init(void)
{
    uint64_t count = THREAD_COUNT_MAX;
    uint64_t stack_kib = THREAD_STACK_DEFAULT / 1024;
    uint64_t accounting = 0;
    int status = option_number("threads", &count);

    if (status == 0)
        status = option_number("stack", &stack_kib);
    if (status == 0)
        status = option_number("cputime", &accounting);
    heap_add_reclaimer(&spares_reclaimer);
    thread_accounting = accounting != 0;
    thread_count_limit = (unsigned)count;
    thread_stack_default = pages_for(stack_kib * 1024) * PAGE_SIZE;
    return status;
}

/* ---- Create -------------------------------------------------------------- */

static void timeout_run(struct timer *timer)
{
    struct thread *thread = container_of(timer, struct thread, timeout);

    if (thread->state != THREAD_WAITING)
        return; /* woken already, only not yet run */
    thread->wait_status = -ETIMEDOUT;
    list_remove(&thread->link);
    sched_ready(thread);
}

void thread_setup(struct thread *thread)
{
    timer_init(&thread->timeout, timeout_run);
}

void thread_set_name(struct thread *thread, const char *name)
{
    (void)str_copy(thread->name, sizeof(thread->name), name);
}

static void thread_entry(void *arg)
{
    struct thread *self = arg;

    thread_after_switch();
    if (unlikely(self->requests != 0))
        thread_requests_handle();
    thread_exit(self->fn(self->arg));
}

/* Bytes of the stack asked for, or 0: out of range. */
static size_t stack_size_of(const struct thread_attr *attr)
{
    size_t size;

    if (attr == NULL || attr->stack_size == 0)
        return thread_stack_default;
    size = attr->stack_size;
    if (size < THREAD_STACK_MIN || size > THREAD_STACK_MAX)
        return 0;
    return (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

/* A thread that is new on this CPU becomes ready. */
static void admit(struct thread *thread)
{
    if (thread->own_fp_control)
        cpu_self()->switch_extras = true;
    thread->state = THREAD_WAITING;
    sched_ready(thread);
}

/* What the attributes say beyond place and stack. */
static noinline void attributes_apply(struct thread *thread,
                                      const struct thread_attr *attr)
{
    if (attr->name != NULL)
        thread_set_name(thread, attr->name);
    thread->own_fp_control = attr->own_fp_control;
    if (attr->detached)
        table_entry(cpu_self(), thread->id)->detached = true;
}

int thread_create_here(const struct thread_attr *attr, int (*fn)(void *),
                       void *arg, struct thread **out)
{
    struct cpu *cpu = cpu_self();
    size_t size = stack_size_of(attr);
    struct thread *thread;
    int status;

    if (unlikely(size == 0))
        return -EINVAL;
    thread = thread_alloc(cpu, size);
    if (unlikely(thread == NULL))
        return -ENOMEM;
    status = table_insert(cpu, thread);
    if (unlikely(status != 0)) {
        thread_free(cpu, thread);
        return status;
    }
    thread->cycles = 0;
    thread->requests = 0; /* these four are one store */
    thread->killable = false;
    thread->ending = false;
    thread->own_fp_control = false;
    thread->local = NULL;
    thread->name[0] = '\0';
    thread->fn = fn;
    thread->arg = arg;
    if (attr != NULL)
        attributes_apply(thread, attr);
    hal_context_init(&thread->context, thread->stack, size, thread_entry,
                     thread);
    admit(thread);
    *out = thread;
    return 0;
}

/* ---- Creation on another CPU --------------------------------------------- */

struct creation {
    struct errand errand;
    struct thread_attr attr;
    int (*fn)(void *);
    void *arg;
    thread_id id;
};

static __attribute__((cold)) void creation_arrive(struct errand *errand)
{
    struct creation *creation = container_of(errand, struct creation, errand);
    struct thread *thread;
    int status = thread_create_here(&creation->attr, creation->fn,
                                    creation->arg, &thread);

    if (status == 0)
        creation->id = thread->id;
    errand_answer(errand, status);
}

static noinline __attribute__((cold)) int
create_there(unsigned cpu, const struct thread_attr *attr, int (*fn)(void *),
             void *arg, thread_id *out)
{
    struct creation creation = {.attr = *attr, .fn = fn, .arg = arg};
    int status = errand_run(&creation.errand, cpu, creation_arrive);

    if (status == 0 && out != NULL)
        *out = creation.id;
    return status;
}

/* The CPU a new thread goes to. THREAD_SPREAD deals round, behind the
 * caller. */
static unsigned place(struct cpu *self, const struct thread_attr *attr)
{
    if (attr->place == THREAD_ON_CPU)
        return attr->cpu;
    if (attr->place != THREAD_SPREAD)
        return HAL_CPU_MAX; /* no such place, no such CPU */
    self->spread = (self->spread + 1) % cpu_count();
    return (self->id + self->spread) % cpu_count();
}

int thread_create(const struct thread_attr *attr, int (*fn)(void *), void *arg,
                  thread_id *out)
{
    struct cpu *self = cpu_self();
    struct thread *thread;
    int status;

    if (unlikely(fn == NULL))
        return -EINVAL;
    if (attr != NULL && attr->place != THREAD_HERE) {
        unsigned cpu = place(self, attr);

        if (cpu >= cpu_count())
            return -EINVAL;
        if (cpu != self->id)
            return create_there(cpu, attr, fn, arg, out);
    }
    status = thread_create_here(attr, fn, arg, &thread);
    if (status == 0 && out != NULL)
        *out = thread->id;
    return status;
}

/* ---- End ----------------------------------------------------------------- */

static void cleanups_run(struct thread *self)
{
    while (self->cleanups != NULL) {
        struct thread_cleanup *cleanup = self->cleanups;

        self->cleanups = cleanup->next;
        cleanup->fn(cleanup->arg);
    }
    if (self->directory != NULL)
        self->directory_drop(self->directory);
    self->directory = NULL;
}

/* On the home CPU: record that thread `id` has ended, and tell its joiner. */
static void announce_end(struct cpu *cpu, thread_id id, int exit_value)
{
    struct thread_entry *entry = table_entry(cpu, id);
    struct errand *joiner = entry->joiner;

    if (entry->detached) {
        table_remove(cpu, entry);
    } else if (joiner != NULL) {
        table_remove(cpu, entry);
        thread_joined(joiner, exit_value);
    } else {
        entry->thread = NULL;
        entry->ended = true;
        entry->holds = 0;
        entry->exit_value = exit_value;
    }
}

/*
 * From here on the thread cannot be killed, so that its cleanups may wait and
 * come to their end. At home the end is announced at once, so that the thread
 * that joins may be the next to run; the memory is freed after the switch away
 * from it.
 */
void thread_exit(int exit_value)
{
    struct thread *self = thread_current();
    struct cpu *cpu;

    assert(self->stack != NULL); /* not idle, not a test's own */
    self->ending = true;
    self->requests &= (uint8_t)~REQUEST_KILL;
    if (unlikely(self->cleanups != NULL || self->directory != NULL))
        cleanups_run(self);
    cpu = cpu_self(); /* a cleanup may have waited, and moved */
    self->exit_value = exit_value;
    self->state = THREAD_ENDED;
    if (likely(id_cpu(self->id) == cpu->id))
        announce_end(cpu, self->id, exit_value);
    cpu->departed = self;
    sched_exit();
}

static void ended_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);
    struct cpu *cpu = cpu_self();

    announce_end(cpu, thread->id, thread->exit_value);
    thread->holds_over = 0;
    thread_free(cpu, thread);
}

static noinline void send_ended(struct thread *thread)
{
    list_remove(&thread->guest);
    thread->item.run = ended_arrives;
    exchange_send(id_cpu(thread->id), &thread->item);
}

static void finish_end(struct cpu *cpu, struct thread *thread)
{
    hal_context_fini(&thread->context);
    if (likely(id_cpu(thread->id) == cpu->id))
        thread_free(cpu, thread);
    else
        send_ended(thread);
}

/* ---- Migration ----------------------------------------------------------- */

/*
 * A thread goes from one CPU to another by way of its home, so that home always
 * knows where it is. Items between two CPUs arrive in order. So what home sends
 * to the thread's new CPU arrives after the thread, and what the thread sent
 * home from its old CPU has arrived before it.
 */
static __attribute__((cold)) void guest_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);

    list_push_back(&cpu_self()->guests, &thread->guest);
    admit(thread);
}

/* Send it from home to its target, or park it if an errand looks for it. */
static __attribute__((cold)) void send_guest(struct cpu *home,
                                             struct thread *thread)
{
    struct thread_entry *entry = table_entry(home, thread->id);

    if (unlikely(entry->holds > 0)) {
        entry->where = (uint16_t)home->id;
        thread->parked = true;
        return;
    }
    entry->where = (uint16_t)thread->target;
    thread->item.run = guest_arrives;
    exchange_send(thread->target, &thread->item);
}

static void go_on_from_home(struct cpu *cpu, struct thread *thread)
{
    if (thread->target != cpu->id) {
        send_guest(cpu, thread);
        return;
    }
    table_entry(cpu, thread->id)->where = (uint16_t)cpu->id;
    admit(thread);
}

void thread_unpark(struct cpu *cpu, struct thread *thread)
{
    thread->parked = false;
    go_on_from_home(cpu, thread);
}

static __attribute__((cold)) void home_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);
    struct cpu *cpu = cpu_self();
    struct thread_entry *entry = table_entry(cpu, thread->id);

    assert(entry->holds >= thread->holds_over);
    entry->holds -= thread->holds_over;
    thread->holds_over = 0;
    go_on_from_home(cpu, thread);
}

static __attribute__((cold)) void finish_departure(struct cpu *cpu,
                                                   struct thread *thread)
{
    unsigned home = id_cpu(thread->id);

    if (thread->target == cpu->id) {
        admit(thread); /* somebody moved it back before it had left */
        return;
    }
    if (home == cpu->id) {
        send_guest(cpu, thread);
        return;
    }
    list_remove(&thread->guest);
    thread->item.run = home_arrives;
    exchange_send(home, &thread->item);
}

void thread_finish_departed(struct cpu *cpu)
{
    struct thread *thread = cpu->departed;

    cpu->departed = NULL;
    if (thread->state == THREAD_ENDED)
        finish_end(cpu, thread);
    else
        finish_departure(cpu, thread);
}

static __attribute__((cold)) void depart_for(struct thread *self,
                                             unsigned target)
{
    struct cpu *cpu = cpu_self();

    self->requests &= (uint8_t)~REQUEST_MOVE;
    if (target == cpu->id)
        return;
    self->target = target;
    self->state = THREAD_MOVING;
    cpu->departed = self;
    sched_switch();
}

__attribute__((cold)) int thread_migrate(unsigned cpu)
{
    struct thread *self = thread_current();

    if (cpu >= cpu_count() || self->stack == NULL)
        return -EINVAL;
    if (self->directory != NULL)
        return -EBUSY;
    depart_for(self, cpu);
    thread_requests_handle();
    return 0;
}

void thread_requests_handle(void)
{
    struct thread *self = thread_current();

    while (self->requests != 0) {
        if ((self->requests & REQUEST_KILL) != 0)
            thread_exit(-ECANCELED);
        if ((self->requests & REQUEST_SUSPEND) != 0)
            sched_park();
        else
            depart_for(self, self->target);
    }
}

/* ---- Sleep, and what a thread knows of itself ---------------------------- */

void thread_sleep_until(uint64_t deadline_ns)
{
    struct wait_queue nobody;

    wait_queue_init(&nobody);
    while (hal_time_ns() < deadline_ns) {
        /* -ETIMEDOUT too: the clock decides, a wait may end early. */
        if (wait_killable(&nobody, deadline_ns) == -EINTR)
            break;
    }
    thread_requests_handle();
}

void thread_sleep(uint64_t ns)
{
    uint64_t now = hal_time_ns();

    thread_sleep_until(ns < TIME_NEVER - now ? now + ns : TIME_NEVER);
}

thread_id thread_self(void)
{
    return thread_current()->id;
}

const char *thread_name(void)
{
    return thread_name_of(thread_current());
}

void *thread_local_get(void)
{
    return thread_current()->local;
}

void thread_local_set(void *value)
{
    thread_current()->local = value;
}

void thread_cleanup_push(struct thread_cleanup *cleanup, void (*fn)(void *),
                         void *arg)
{
    struct thread *self = thread_current();

    cleanup->fn = fn;
    cleanup->arg = arg;
    cleanup->next = self->cleanups;
    self->cleanups = cleanup;
}

void thread_cleanup_pop(struct thread_cleanup *cleanup, bool run)
{
    struct thread *self = thread_current();

    assert(self->cleanups == cleanup);
    self->cleanups = cleanup->next;
    if (run)
        cleanup->fn(cleanup->arg);
}
