/*
 * Life, death and journeys of threads. A thread can neither free nor give away
 * the stack it stands on: it leaves itself in cpu->left, and the next to run
 * does it (thread_finish_left()).
 */
#include "kernel/thread.h"
#include "kernel/cmdline.h"
#include "kernel/errand.h"
#include "kernel/exchange_inline.h"
#include "kernel/init.h"
#include "kernel/lib/check.h"
#include "kernel/lib/str.h"
#include "kernel/mem.h"
#include "kernel/percpu.h"
#include "kernel/thread_internal.h"
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/time.h>

unsigned thread_count_limit = THREAD_COUNT_MAX;
size_t thread_stack_default = THREAD_STACK_DEFAULT;
bool thread_accounting;

int thread_init(void)
{
    uint64_t count = THREAD_COUNT_MAX;
    uint64_t stack_kib = THREAD_STACK_DEFAULT / 1024;
    uint64_t accounting = 0;
    int status = option_number("threads", 2, THREAD_COUNT_MAX, &count);

    if (status == 0)
        status = option_number("stack", THREAD_STACK_MIN / 1024,
                               THREAD_STACK_MAX / 1024, &stack_kib);
    if (status == 0)
        status = option_number("cputime", 0, 1, &accounting);
    thread_accounting = accounting != 0;
    thread_count_limit = (unsigned)count;
    thread_stack_default =
        (stack_kib * 1024 + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
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
    list_init(&thread->link);
    timer_init(&thread->timeout, timeout_run);
    thread->killable = false;
    thread->cleanups = NULL;
    thread->id = 0;
    thread->stack = NULL;
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
        thread_point();
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

/* Let a thread that is new here take its turns. */
static void settle(struct thread *thread)
{
    if (thread->own_fp_control)
        cpu_self()->switch_extras = true;
    thread->state = THREAD_WAITING;
    sched_ready(thread);
}

/* It begins with the machine's control words. */
static void fp_control_own(struct thread *thread)
{
    thread->own_fp_control = true;
    thread->fp_control = boot_fp_control;
}

/* What the attributes say beyond place and stack. */
static noinline void attributes_apply(struct thread *thread,
                                      const struct thread_attr *attr)
{
    if (attr->name != NULL)
        thread_set_name(thread, attr->name);
    if (attr->own_fp_control)
        fp_control_own(thread);
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
    thread->requests = 0;
    thread->own_fp_control = false;
    thread->local = NULL;
    thread->name[0] = '\0';
    thread->fn = fn;
    thread->arg = arg;
    if (attr != NULL)
        attributes_apply(thread, attr);
    hal_context_init(&thread->context, thread->stack, size, thread_entry,
                     thread);
    settle(thread);
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

static void creation_arrive(struct errand *errand)
{
    struct creation *creation = container_of(errand, struct creation, errand);
    struct thread *thread;
    int status = thread_create_here(&creation->attr, creation->fn,
                                    creation->arg, &thread);

    if (status == 0)
        creation->id = thread->id;
    errand_answer(errand, status);
}

static noinline int create_there(unsigned cpu, const struct thread_attr *attr,
                                 int (*fn)(void *), void *arg, thread_id *out)
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
}

/* Tell those at home that thread `id` has ended. */
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
        entry->exit_value = exit_value;
    }
}

/* At home its end is told at once, so that who waited may be the next to run;
 * the memory goes when nobody stands on it. */
void thread_exit(int exit_value)
{
    struct thread *self = thread_current();
    struct cpu *cpu;

    assert(self->stack != NULL); /* not idle, not a test's own */
    if (unlikely(self->cleanups != NULL))
        cleanups_run(self);
    cpu = cpu_self(); /* a cleanup may have waited, and moved */
    self->exit_value = exit_value;
    self->state = THREAD_ENDED;
    if (likely(id_cpu(self->id) == cpu->id))
        announce_end(cpu, self->id, exit_value);
    cpu->left = self;
    sched_leave();
}

static void ended_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);
    struct cpu *cpu = cpu_self();

    announce_end(cpu, thread->id, thread->exit_value);
    thread_free(cpu, thread);
}

static void finish_end(struct cpu *cpu, struct thread *thread)
{
    unsigned home = id_cpu(thread->id);

    hal_context_fini(&thread->context);
    if (likely(home == cpu->id)) {
        thread_free(cpu, thread);
        return;
    }
    list_remove(&thread->guest);
    thread->item.run = ended_arrives;
    exchange_send(home, &thread->item);
}

/* ---- Journeys ------------------------------------------------------------ */

/*
 * A thread goes from one CPU to another by way of its home, which so always
 * knows where it is: what home sends after it arrives behind it, and what the
 * thread left behind on another CPU comes home behind it.
 */
static void guest_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);

    list_push_back(&cpu_self()->guests, &thread->guest);
    settle(thread);
}

static void send_guest(struct cpu *home, struct thread *thread)
{
    table_entry(home, thread->id)->where = (uint16_t)thread->target;
    thread->item.run = guest_arrives;
    exchange_send(thread->target, &thread->item);
}

static void home_arrives(struct exchange_item *item)
{
    struct thread *thread = container_of(item, struct thread, item);
    struct cpu *cpu = cpu_self();

    if (thread->target != cpu->id) {
        send_guest(cpu, thread);
        return;
    }
    table_entry(cpu, thread->id)->where = (uint16_t)cpu->id;
    settle(thread);
}

static void finish_leave(struct cpu *cpu, struct thread *thread)
{
    unsigned home = id_cpu(thread->id);

    if (thread->target == cpu->id) {
        settle(thread); /* somebody moved it back before it had left */
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

void thread_finish_left(struct cpu *cpu)
{
    struct thread *thread = cpu->left;

    cpu->left = NULL;
    if (thread->state == THREAD_ENDED)
        finish_end(cpu, thread);
    else
        finish_leave(cpu, thread);
}

static void leave_for(struct thread *self, unsigned target)
{
    struct cpu *cpu = cpu_self();

    self->requests &= (uint8_t)~REQUEST_MOVE;
    if (target == cpu->id)
        return;
    self->target = target;
    self->state = THREAD_MOVING;
    cpu->left = self;
    sched_switch();
}

int thread_migrate(unsigned cpu)
{
    struct thread *self = thread_current();

    if (cpu >= cpu_count() || self->stack == NULL)
        return -EINVAL;
    leave_for(self, cpu);
    thread_point();
    return 0;
}

void thread_point(void)
{
    struct thread *self = thread_current();

    while (self->requests != 0) {
        if ((self->requests & REQUEST_KILL) != 0)
            thread_exit(-ECANCELED);
        if ((self->requests & REQUEST_SUSPEND) != 0)
            sched_park();
        else
            leave_for(self, self->target);
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
    thread_point();
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
