#include "apps/kvstore/shard.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

#define SWEEP_NS (100 * NS_PER_MS)

enum { SWEEP_BUCKETS = 256 };

/* Of one CPU, which alone changes it. `channel` is set before others use it. */
struct shard {
    struct kv_table table;
    struct channel *channel;
    uint64_t sweep_at_ns;
};

/* Owner: the CPU that has the card. */
static struct shard **shards; /* of each CPU, in its memory */
static struct channel *home;
static unsigned home_cpu;
static bool home_sleeps;       /* its thread waits for messages alone */
static unsigned under_way;     /* slots */
static struct kv_part **parts; /* for each CPU, while replies are merged */
static void (*on_answered)(struct kv_call *call);

/* ---- On the CPU of a shard ----------------------------------------------- */

/* What has expired goes however much else there is to do. */
static void sweep_when_due(struct shard *shard)
{
    uint64_t now = time_ns();

    if (now < shard->sweep_at_ns)
        return;
    kv_sweep(&shard->table, SWEEP_BUCKETS, kv_now_ms());
    shard->sweep_at_ns = now + SWEEP_NS;
}

/* What this shard has to do with it. */
static void run_slot(struct kv_table *table, struct kv_slot *slot)
{
    struct kv_run run = slot->call->run;

    run.cpu = slot->cpu;
    run.table = table;
    run.part = &slot->part;
    run.out = &slot->part.out;
    run.argv = slot->call->argv;
    run.command->run(&run);
    slot->part.is_oom |= run.out->is_short;
}

/* Answers must not be lost: without memory for a message, wait for some. */
static void send_home(struct channel *channel, struct kv_slot *slot)
{
    while (channel_send(channel, (uint64_t)(uintptr_t)slot) != 0)
        thread_sleep(NS_PER_MS);
}

static int serve_shard(void *arg)
{
    struct shard *shard = arg;
    uint64_t value;

    for (;;) {
        uint64_t deadline_ns =
            shard->table.expiring > 0 ? shard->sweep_at_ns : TIME_NEVER;

        if (channel_receive(shard->channel, deadline_ns, &value) == 0) {
            struct kv_slot *slot = (struct kv_slot *)(uintptr_t)value;

            run_slot(&shard->table, slot);
            send_home(home, slot);
        }
        sweep_when_due(shard);
    }
    return 0;
}

struct start {
    uint64_t max_bytes;
    bool has_thread;
    struct shard *shard;
};

static int shard_start(void *arg)
{
    const struct thread_attr attr = {.name = "shard", .detached = true};
    struct start *start = arg;
    struct shard *shard = mem_alloc_zeroed(sizeof(*shard));
    uint64_t max_bytes = start->max_bytes;
    int status;

    if (shard == NULL)
        return -ENOMEM;
    start->shard = shard;
    if (max_bytes == 0)
        max_bytes = mem_free_bytes() / 4 * 3;
    start->max_bytes = max_bytes;
    status = kv_table_init(&shard->table, max_bytes);
    if (status == 0 && start->has_thread)
        status = channel_create(KV_CALLS_MAX, &shard->channel);
    if (status == 0 && start->has_thread)
        status = thread_create(&attr, serve_shard, shard, NULL);
    return status; /* an application that does not start ends the machine */
}

/* ---- On the CPU that asks ------------------------------------------------ */

static void slot_back(struct kv_slot *slot)
{
    struct kv_call *call = slot->call;

    assert(under_way > 0 && call->waiting > 0);
    under_way--;
    call->waiting--;
}

static void merge(struct kv_call *call)
{
    const struct kv_command *command = call->run.command;
    bool is_oom = false;

    for (unsigned i = 0; i < call->run.cpus; i++) {
        parts[i] = call->slots[i].is_used ? &call->slots[i].part : NULL;
        is_oom |= parts[i] != NULL && parts[i]->is_oom;
        if (parts[i] != NULL && command->merge == NULL && !is_oom)
            resp_put(&call->reply, parts[i]->out.at, parts[i]->out.len);
    }
    call->run.out = &call->reply;
    call->run.argv = call->argv;
    if (!is_oom && command->merge != NULL)
        command->merge(&call->run, parts);
    for (unsigned i = 0; i < call->run.cpus; i++)
        resp_text_free(&call->slots[i].part.out);
    if (is_oom || call->reply.is_short) {
        resp_text_cut(&call->reply, 0);
        resp_put_error(&call->reply, KV_OOM);
    }
    call->is_done = true;
}

/* What the thread for answers is told when keys come to expire. */
#define WAKE_HOME UINT64_C(0)

/* Keys of this CPU's own shard, which needs no messages, may have come to
 * expire: its thread must sweep them. Without memory it is told by the next
 * command. */
static void wake_home(void)
{
    if (home_sleeps && shards[home_cpu]->table.expiring > 0)
        home_sleeps = channel_send(home, WAKE_HOME) != 0;
}

static void take_answer(struct kv_slot *slot)
{
    slot_back(slot);
    if (slot->call->waiting > 0)
        return;
    merge(slot->call);
    on_answered(slot->call);
}

/* Takes answers, and sweeps this CPU's own shard while keys of it expire. */
static int serve_home(void *arg)
{
    struct shard *shard = arg;
    uint64_t value;

    for (;;) {
        int status;

        home_sleeps = shard->table.expiring == 0;
        status = channel_receive(
            home, home_sleeps ? TIME_NEVER : shard->sweep_at_ns, &value);
        home_sleeps = false;
        sweep_when_due(shard);
        while (status == 0) {
            if (value != WAKE_HOME)
                take_answer((struct kv_slot *)(uintptr_t)value);
            status = channel_receive(home, 0, &value);
        }
        on_answered(NULL);
    }
    return 0;
}

int kv_shards_start(uint64_t max_bytes,
                    void (*call_answered)(struct kv_call *call))
{
    const struct thread_attr attr = {.name = "answers", .detached = true};
    int status = channel_create(KV_CALLS_MAX, &home);

    home_cpu = cpu_id();
    home_sleeps = false; /* its thread has not begun */
    on_answered = call_answered;
    shards = mem_alloc_zeroed(cpu_count() * sizeof(struct shard *));
    parts = mem_alloc_zeroed(cpu_count() * sizeof(struct kv_part *));
    if (status != 0 || shards == NULL || parts == NULL)
        return -ENOMEM;
    kv_limits.max_bytes = 0;
    for (unsigned cpu = 0; cpu < cpu_count() && status == 0; cpu++) {
        struct start start = {.max_bytes = max_bytes,
                              .has_thread = cpu != home_cpu};

        status = remote_call(cpu, shard_start, &start);
        shards[cpu] = start.shard;
        kv_limits.max_bytes += start.max_bytes;
    }
    if (status == 0)
        status = thread_create(&attr, serve_home, shards[home_cpu], NULL);
    return status;
}

/* ---- Calls --------------------------------------------------------------- */

struct kv_call *kv_call_create(const struct kv_run *run)
{
    size_t slots = run->cpus * sizeof(struct kv_slot);
    size_t size = sizeof(struct kv_call) + slots;
    size_t bytes = 0;
    struct kv_call *call;
    char *at;

    for (unsigned i = 0; i < run->argc; i++)
        bytes += run->argv[i].len;
    size += run->argc * sizeof(struct span);
    call = mem_alloc(size + bytes);
    if (call == NULL)
        return NULL;
    memset(call, 0, sizeof(*call) + slots);
    call->run = *run;
    call->argv = (struct span *)(void *)((char *)(call + 1) + slots);
    at = (char *)call + size;
    for (unsigned i = 0; i < run->argc; i++) {
        memcpy(at, run->argv[i].at, run->argv[i].len);
        call->argv[i] = (struct span){at, run->argv[i].len};
        at += run->argv[i].len;
    }
    for (unsigned i = 0; i < run->cpus; i++)
        call->slots[i].call = call;
    return call;
}

void kv_call_free(struct kv_call *call)
{
    assert(call->waiting == 0);
    resp_text_free(&call->reply);
    mem_free(call);
}

bool kv_call_has_room(void)
{
    return under_way + cpu_count() <= KV_CALLS_MAX;
}

void kv_call_send(struct kv_call *call)
{
    assert(kv_call_has_room());
    for (unsigned cpu = 0; cpu < call->run.cpus; cpu++) {
        struct kv_slot *slot = &call->slots[cpu];

        if (!kv_concerns(&call->run, cpu))
            continue;
        slot->is_used = true;
        slot->cpu = cpu;
        if (cpu == home_cpu) {
            run_slot(&shards[cpu]->table, slot);
            wake_home();
        } else if (channel_send(shards[cpu]->channel,
                                (uint64_t)(uintptr_t)slot) != 0) {
            slot->part.is_oom = true;
        } else {
            call->waiting++;
            under_way++;
        }
    }
    if (call->waiting == 0)
        merge(call);
}

bool kv_is_here(const struct kv_run *run)
{
    if (run->command->kind == KV_NOBODY || run->cpus == 1)
        return true;
    if (run->command->kind == KV_ALL)
        return false;
    for (unsigned cpu = 0; cpu < run->cpus; cpu++) {
        if (cpu != home_cpu && kv_concerns(run, cpu))
            return false;
    }
    return true;
}

void kv_run_here(struct kv_run *run)
{
    struct kv_part part = {.number = 0};
    struct resp_text *out = run->out;
    size_t before = out->len;

    run->cpu = home_cpu;
    run->table = &shards[home_cpu]->table;
    if (run->command->merge == NULL) {
        run->command->run(run);
    } else {
        run->part = &part;
        run->out = &part.out;
        run->command->run(run);
        part.is_oom |= part.out.is_short;
        run->out = out;
        memset(parts, 0, run->cpus * sizeof(struct kv_part *));
        parts[home_cpu] = &part;
        if (!part.is_oom)
            run->command->merge(run, parts);
        resp_text_free(&part.out);
    }
    if (part.is_oom || out->is_short) {
        resp_text_cut(out, before);
        resp_put_error(out, KV_OOM);
    }
    wake_home();
}
