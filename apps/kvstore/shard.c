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

/* Of one CPU, which alone changes it: its part of the keys, and the calls of
 * its connections. The channels are set before others use them. */
struct shard {
    struct kv_table table;
    struct channel *channel; /* what others ask; NULL: there are no others */
    uint64_t sweep_at_ns;
    struct channel *answers; /* of others to calls of this CPU */
    bool sleeps;             /* the thread for answers waits for them alone */
    unsigned under_way;      /* slots */
    struct kv_part **parts;  /* for each CPU, while replies are merged */
};

/* Constant once the store serves: */
static struct shard **shards; /* of each CPU, in its memory */
static void (*on_answered)(struct kv_call *call);

static struct shard *shard_here(void)
{
    return shards[cpu_id()];
}

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
            send_home(shards[slot->call->home_cpu]->answers, slot);
        }
        sweep_when_due(shard);
    }
    return 0;
}

/* ---- On the CPU that asks ------------------------------------------------ */

static void slot_back(struct kv_slot *slot)
{
    struct kv_call *call = slot->call;

    assert(shard_here()->under_way > 0 && call->waiting > 0);
    shard_here()->under_way--;
    call->waiting--;
}

static void merge(struct kv_call *call)
{
    const struct kv_command *command = call->run.command;
    struct kv_part **parts = shard_here()->parts;
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
static void wake_home(struct shard *shard)
{
    if (shard->sleeps && shard->table.expiring > 0)
        shard->sleeps = channel_send(shard->answers, WAKE_HOME) != 0;
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

        shard->sleeps = shard->table.expiring == 0;
        status = channel_receive(
            shard->answers, shard->sleeps ? TIME_NEVER : shard->sweep_at_ns,
            &value);
        shard->sleeps = false;
        sweep_when_due(shard);
        while (status == 0) {
            if (value != WAKE_HOME)
                take_answer((struct kv_slot *)(uintptr_t)value);
            status = channel_receive(shard->answers, 0, &value);
        }
        on_answered(NULL);
    }
    return 0;
}

/* ---- The start ----------------------------------------------------------- */

struct start {
    uint64_t max_bytes;
    struct shard *shard;
};

static int threads_start(struct shard *shard)
{
    const struct thread_attr asked = {.name = "shard", .detached = true};
    const struct thread_attr answers = {.name = "answers", .detached = true};
    int status = 0;

    if (shard->channel != NULL)
        status = thread_create(&asked, serve_shard, shard, NULL);
    return status != 0 ? status
                       : thread_create(&answers, serve_home, shard, NULL);
}

/* On its CPU. An application that does not start ends the machine. */
static int shard_start(void *arg)
{
    struct start *start = arg;
    struct shard *shard = mem_alloc_zeroed(sizeof(*shard));
    int status;

    if (shard == NULL)
        return -ENOMEM;
    start->shard = shard;
    if (start->max_bytes == 0)
        start->max_bytes = mem_free_bytes() / 4 * 3;
    shard->parts = mem_alloc_zeroed(cpu_count() * sizeof(struct kv_part *));
    if (shard->parts == NULL)
        return -ENOMEM;
    status = kv_table_init(&shard->table, start->max_bytes);
    if (status == 0)
        status = channel_create(KV_CALLS_MAX, &shard->answers);
    if (status == 0 && cpu_count() > 1)
        status = channel_create(KV_CALLS_MAX, &shard->channel);
    return status != 0 ? status : threads_start(shard);
}

int kv_shards_start(uint64_t max_bytes,
                    void (*call_answered)(struct kv_call *call))
{
    int status = 0;

    on_answered = call_answered;
    shards = mem_alloc_zeroed(cpu_count() * sizeof(struct shard *));
    if (shards == NULL)
        return -ENOMEM;
    kv_limits.max_bytes = 0;
    for (unsigned cpu = 0; cpu < cpu_count() && status == 0; cpu++) {
        struct start start = {.max_bytes = max_bytes};

        status = remote_call(cpu, shard_start, &start);
        shards[cpu] = start.shard;
        kv_limits.max_bytes += start.max_bytes;
    }
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
    call->home_cpu = cpu_id();
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

/* The CPU that has the one key of a command. */
static unsigned only_owner(const struct kv_run *run)
{
    return kv_owner(kv_hash(run->argv[1]), run->cpus);
}

/* A CPU's share of the messages that the channel of a shard holds. */
bool kv_call_has_room(void)
{
    unsigned cpus = cpu_count();
    unsigned asking = cpus < KV_ASKING_MAX ? cpus : KV_ASKING_MAX;

    return shard_here()->under_way + cpus <= KV_CALLS_MAX / asking;
}

void kv_call_send(struct kv_call *call)
{
    const bool is_of_one = call->run.command->kind == KV_ONE;
    struct shard *own = shard_here();
    unsigned cpu = is_of_one ? only_owner(&call->run) : 0;
    const unsigned end = is_of_one ? cpu + 1 : call->run.cpus;

    assert(kv_call_has_room());
    for (; cpu < end; cpu++) {
        struct kv_slot *slot = &call->slots[cpu];

        if (!is_of_one && !kv_concerns(&call->run, cpu))
            continue;
        slot->is_used = true;
        slot->cpu = cpu;
        if (cpu == call->home_cpu) {
            run_slot(&own->table, slot);
            wake_home(own);
        } else if (channel_send(shards[cpu]->channel,
                                (uint64_t)(uintptr_t)slot) != 0) {
            slot->part.is_oom = true;
        } else {
            call->waiting++;
            own->under_way++;
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
    if (run->command->kind == KV_ONE)
        return only_owner(run) == cpu_id();
    for (unsigned cpu = 0; cpu < run->cpus; cpu++) {
        if (cpu != cpu_id() && kv_concerns(run, cpu))
            return false;
    }
    return true;
}

void kv_run_here(struct kv_run *run)
{
    struct kv_part part = {.number = 0};
    struct resp_text *out = run->out;
    struct shard *own = shard_here();
    size_t before = out->len;

    run->cpu = cpu_id();
    run->table = &own->table;
    if (run->command->merge == NULL) {
        run->command->run(run);
    } else {
        run->part = &part;
        run->out = &part.out;
        run->command->run(run);
        part.is_oom |= part.out.is_short;
        run->out = out;
        memset(own->parts, 0, run->cpus * sizeof(struct kv_part *));
        own->parts[run->cpu] = &part;
        if (!part.is_oom)
            run->command->merge(run, own->parts);
        resp_text_free(&part.out);
    }
    if (part.is_oom || out->is_short) {
        resp_text_cut(out, before);
        resp_put_error(out, KV_OOM);
    }
    wake_home(own);
}
