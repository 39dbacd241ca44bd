/* Calls that are carried to another CPU: see carry.h. */
#include "kernel/file/carry.h"
#include "kernel/thread/thread.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/time.h>

enum {
    SERVERS_MAX = 16, /* threads of a CPU that carry out calls of others */
    SERVERS_IDLE = 4, /* of these so many stay when there are no calls */
};

void serving_init(struct serving *serving)
{
    queue_init(&serving->calls);
    wait_queue_init(&serving->idle);
    serving->threads = 0;
    serving->idle_count = 0;
}

void serving_check(const struct serving *serving)
{
    assert(serving->threads <= SERVERS_MAX);
    assert(serving->idle_count <= serving->threads);
    assert(serving->idle_count <= SERVERS_IDLE);
    assert(queue_empty(&serving->calls) || serving->threads > 0);
    wait_queue_check(&serving->idle);
}

/* ---- On the CPU that is called ------------------------------------------- */

static struct carried *call_of(struct queue_node *node)
{
    return container_of(node, struct carried, node);
}

static void answer(struct carried *call, int64_t result)
{
    thread_current()->directory = NULL;
    call->result = result;
    errand_answer(&call->errand, 0);
}

static int serve_soon(struct serving *serving);

/* The thread was killed inside a call. */
static void killed(void *arg)
{
    struct carried *call = arg;
    struct serving *serving = call->serving;
    int status = 0;

    serving->threads--;
    answer(call, -ECANCELED);
    if (!queue_empty(&serving->calls))
        status = serve_soon(serving);
    while (status != 0 && !queue_empty(&serving->calls))
        errand_answer(&call_of(queue_pop(&serving->calls))->errand, status);
}

/* Paths of the call begin where those of its caller do. */
static void carry_out(struct carried *call)
{
    struct thread *self = thread_current();
    struct thread_cleanup cleanup;
    int64_t result;

    assert(self->directory == NULL);
    self->directory = call->start;
    self->directory_away = NULL;
    thread_cleanup_push(&cleanup, killed, call);
    result = call->run(call);
    thread_cleanup_pop(&cleanup, false);
    answer(call, result);
}

static int serve(void *arg)
{
    struct serving *serving = arg;

    for (;;) {
        while (!queue_empty(&serving->calls))
            carry_out(call_of(queue_pop(&serving->calls)));
        if (serving->idle_count == SERVERS_IDLE)
            break;
        serving->idle_count++;
        wait_on(&serving->idle);
        serving->idle_count--;
    }
    serving->threads--;
    return 0;
}

/* Let a thread look for calls. Returns 0, or, if there is none, -ENOMEM,
 * -EAGAIN (this CPU has as many threads as it may). */
static int serve_soon(struct serving *serving)
{
    const struct thread_attr attr = {.name = "files", .detached = true};
    struct thread *thread;
    int status;

    if (!wait_queue_empty(&serving->idle)) {
        wait_wake_one(&serving->idle);
        return 0;
    }
    if (serving->threads == SERVERS_MAX)
        return 0;
    status = thread_create_here(&attr, serve, serving, &thread);
    if (status != 0)
        return serving->threads > 0 ? 0 : status;
    serving->threads++;
    return 0;
}

static void call_arrives(struct errand *errand)
{
    struct carried *call = container_of(errand, struct carried, errand);
    struct mount_table *table = mount_table_of(cpu_self());
    int status = table == NULL ? -ENOMEM : serve_soon(&table->serving);

    if (status != 0) {
        errand_answer(errand, status);
        return;
    }
    call->serving = &table->serving;
    queue_push(&table->serving.calls, &call->node);
}

/* ---- On the CPU that calls ----------------------------------------------- */

int64_t carry_to(struct carried *call, unsigned cpu, struct inode *start)
{
    int status;

    assert(cpu != cpu_self()->id);
    if (thread_current()->fn == serve)
        return -EXDEV; /* it would go in a circle */
    call->start = start;
    status = errand_run(&call->errand, cpu, call_arrives);
    return status != 0 ? status : call->result;
}

int64_t carry_file(struct carried *call)
{
    return carry_to(call, call->file->cpu, NULL);
}

void carry_surely(struct carried *call, unsigned cpu)
{
    while (carry_to(call, cpu, NULL) == -ENOMEM)
        thread_sleep(10 * NS_PER_MS);
}

int64_t carry_path(struct carried *call)
{
    const char *const path = call->path, *const path2 = call->path2;
    struct portal_path away, away2;
    int64_t result = portal_find(path, &away);

    if (result != 0)
        return result;
    call->path = away.path;
    if (path2 == NULL) {
        result = carry_to(call, away.cpu, away.start);
    } else {
        result = portal_find(path2, &away2);
        if (result == -ENOENT)
            result = -EXDEV; /* it stays here */
        if (result == 0) {
            call->path2 = away2.path;
            result = away.cpu != away2.cpu
                         ? -EXDEV
                         : carry_to(call, away.cpu, away.start);
            portal_end(&away2);
        }
    }
    portal_end(&away);
    return result;
}
