#include "apps/kvstore/commands.h"
#include "apps/kvstore/commands_internal.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/random.h>
#include <torc/string.h>
#include <torc/time.h>

/* Written before the first connection, and read by all CPUs afterwards. */
static struct siphash_key hash_key;
struct kv_limits kv_limits;

void kv_hash_init(void)
{
    if (random_bytes(&hash_key, sizeof(hash_key)) != 0)
        log_warn("the key of the hash can be guessed: give the machine an "
                 "entropy device");
}

uint64_t kv_hash(struct span key)
{
    return siphash(&hash_key, key.at, key.len);
}

/* The table uses the low bits. */
unsigned kv_owner(uint64_t hash, unsigned cpus)
{
    return (unsigned)(((hash >> 32) * cpus) >> 32);
}

uint64_t kv_now_ms(void)
{
    return time_ns() / NS_PER_MS;
}

bool kv_is_mine(const struct kv_run *run, struct span key)
{
    return kv_owner(kv_hash(key), run->cpus) == run->cpu;
}

struct kv_entry *kv_run_find(const struct kv_run *run, struct span key)
{
    return kv_find(run->table, kv_hash(key), key, kv_now_ms());
}

bool kv_concerns(const struct kv_run *run, unsigned cpu)
{
    int64_t cursor;

    switch (run->command->kind) {
    case KV_ONE:
        return kv_owner(kv_hash(run->argv[1]), run->cpus) == cpu;
    case KV_SEVERAL:
        for (unsigned i = 1; i < run->argc; i += run->command->step) {
            if (kv_owner(kv_hash(run->argv[i]), run->cpus) == cpu)
                return true;
        }
        return false;
    case KV_CURSOR:
        if (!resp_number(run->argv[1], &cursor) || cursor < 0)
            return cpu == 0; /* it says so */
        return (uint64_t)cursor % run->cpus == cpu;
    default:
        return true;
    }
}

/* ---- Reading ------------------------------------------------------------- */

static void put_value(const struct kv_run *run, const struct kv_entry *entry)
{
    if (entry == NULL)
        resp_put_null(run->out, run->proto);
    else
        resp_put_bulk(run->out, kv_value(entry));
}

static void run_get(struct kv_run *run)
{
    put_value(run, kv_run_find(run, run->argv[1]));
}

static void run_strlen(struct kv_run *run)
{
    const struct kv_entry *entry = kv_run_find(run, run->argv[1]);

    resp_put_number(run->out, entry == NULL ? 0 : entry->value_len);
}

static void run_type(struct kv_run *run)
{
    resp_put_simple(run->out,
                    kv_run_find(run, run->argv[1]) == NULL ? "none" : "string");
}

static void run_exists(struct kv_run *run)
{
    for (unsigned i = 1; i < run->argc; i++) {
        if (kv_is_mine(run, run->argv[i]))
            run->part->number += kv_run_find(run, run->argv[i]) != NULL;
    }
}

/* Each reply with its length before it, for merge_mget(). */
static void run_mget(struct kv_run *run)
{
    for (unsigned i = 1; i < run->argc; i++) {
        uint32_t len = 0;
        size_t at = run->out->len;

        if (!kv_is_mine(run, run->argv[i]))
            continue;
        resp_put(run->out, (const char *)&len, sizeof(len));
        put_value(run, kv_run_find(run, run->argv[i]));
        if (run->out->is_short)
            return;
        len = (uint32_t)(run->out->len - at - sizeof(len));
        memcpy(run->out->at + at, &len, sizeof(len));
    }
}

static void merge_mget(const struct kv_run *run, struct kv_part *const *parts)
{
    resp_put_array(run->out, run->argc - 1);
    for (unsigned i = 1; i < run->argc; i++) {
        struct kv_part *part =
            parts[kv_owner(kv_hash(run->argv[i]), run->cpus)];
        uint32_t len;

        assert(part->read + sizeof(len) <= part->out.len);
        memcpy(&len, part->out.at + part->read, sizeof(len));
        part->read += sizeof(len);
        resp_put(run->out, part->out.at + part->read, len);
        part->read += len;
    }
}

/* ---- Numbers of several CPUs --------------------------------------------- */

static void merge_sum(const struct kv_run *run, struct kv_part *const *parts)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < run->cpus; i++)
        sum += parts[i] != NULL ? parts[i]->number : 0;
    resp_put_number(run->out, sum);
}

static void merge_ok(const struct kv_run *run, struct kv_part *const *parts)
{
    (void)parts;
    resp_put_simple(run->out, "OK");
}

static void run_dbsize(struct kv_run *run)
{
    run->part->number = (int64_t)run->table->count;
}

static void run_flush(struct kv_run *run)
{
    kv_clear(run->table);
}

static void run_del(struct kv_run *run)
{
    for (unsigned i = 1; i < run->argc; i++) {
        if (kv_is_mine(run, run->argv[i]))
            run->part->number += kv_delete(run->table, kv_hash(run->argv[i]),
                                           run->argv[i], kv_now_ms());
    }
}

static void run_mset(struct kv_run *run)
{
    for (unsigned i = 1; i + 1 < run->argc; i += 2) {
        struct span key = run->argv[i];

        if (kv_is_mine(run, key) &&
            kv_set(run->table, kv_hash(key), key, run->argv[i + 1], KV_NEVER,
                   kv_now_ms()) != 0)
            run->part->is_oom = true;
    }
}

/* ---- Keys ---------------------------------------------------------------- */

struct listing {
    const struct kv_run *run;
    struct span pattern;
    bool has_pattern;
    int64_t count;
    uint64_t now_ms;
    struct resp_text *out;
};

enum { MATCH_STEPS = 1000000 }; /* of one key; see resp_match() */

static void list_key(void *arg, const struct kv_entry *entry)
{
    struct listing *listing = arg;
    unsigned budget = MATCH_STEPS;

    if (entry->expires_ms <= listing->now_ms ||
        (listing->has_pattern &&
         !resp_match(listing->pattern, kv_key(entry), &budget)))
        return;
    listing->count++;
    resp_put_bulk(listing->out, kv_key(entry));
}

static void run_keys(struct kv_run *run)
{
    struct listing listing = {
        .run = run,
        .pattern = run->argv[1],
        .has_pattern = true,
        .now_ms = kv_now_ms(),
        .out = run->out,
    };
    uint64_t cursor = 0;

    do {
        cursor = kv_scan(run->table, cursor, list_key, &listing);
    } while (cursor != 0);
    run->part->number = listing.count;
}

static void merge_keys(const struct kv_run *run, struct kv_part *const *parts)
{
    int64_t count = 0;

    for (unsigned i = 0; i < run->cpus; i++)
        count += parts[i]->number;
    resp_put_array(run->out, (size_t)count);
    for (unsigned i = 0; i < run->cpus; i++)
        resp_put(run->out, parts[i]->out.at, parts[i]->out.len);
}

/* MATCH pattern, COUNT number; false: it is said what is wrong. */
static bool scan_options(const struct kv_run *run, struct listing *listing,
                         int64_t *count)
{
    *count = 10;
    for (unsigned i = 2; i < run->argc; i += 2) {
        bool has_value = i + 1 < run->argc;

        if (has_value && resp_is(run->argv[i], "MATCH")) {
            listing->pattern = run->argv[i + 1];
            listing->has_pattern = true;
        } else if (has_value && resp_is(run->argv[i], "COUNT")) {
            if (!resp_number(run->argv[i + 1], count) || *count < 1) {
                resp_put_error(run->out, KV_NO_INTEGER);
                return false;
            }
        } else if (!has_value || !resp_is(run->argv[i], "TYPE")) {
            resp_put_error(run->out, "ERR syntax error");
            return false;
        } else {
            listing->has_pattern |= !resp_is(run->argv[i + 1], "string");
        }
    }
    return true;
}

/* A cursor names the CPU, too: that of the table times the CPUs, plus it. */
static void run_scan(struct kv_run *run)
{
    struct resp_text keys = {.at = NULL};
    struct listing listing = {.run = run, .now_ms = kv_now_ms(), .out = &keys};
    int64_t cursor, count;
    uint64_t at;
    char text[24];

    if (!resp_number(run->argv[1], &cursor) || cursor < 0) {
        resp_put_error(run->out, "ERR invalid cursor");
        return;
    }
    if (!scan_options(run, &listing, &count))
        return;
    at = (uint64_t)cursor / run->cpus;
    for (int i = 0; i < KV_SCAN_MAX && listing.count < count; i++) {
        at = kv_scan(run->table, at, list_key, &listing);
        if (at == 0)
            break;
    }
    if (at != 0)
        at = at * run->cpus + run->cpu;
    else if (run->cpu + 1 < run->cpus)
        at = run->cpu + 1; /* the next CPU's table, from its beginning */
    resp_put_array(run->out, 2);
    fmt_print(text, sizeof(text), "%llu", (unsigned long long)at);
    resp_put_bulk(run->out, (struct span){text, strlen(text)});
    resp_put_array(run->out, (size_t)listing.count);
    resp_put(run->out, keys.at, keys.len);
    run->out->is_short |= keys.is_short;
    resp_text_free(&keys);
}

/* ---- About the server ---------------------------------------------------- */

static void run_info(struct kv_run *run)
{
    run->part->number = (int64_t)run->table->count;
    run->part->expiring = (int64_t)run->table->expiring;
    run->part->used = (int64_t)run->table->used_bytes;
    run->part->connections = kv_connections_here();
}

static void merge_info(const struct kv_run *run, struct kv_part *const *parts)
{
    long long keys = 0, expiring = 0, used = 0, connections = 0;
    char text[600];
    size_t len;

    for (unsigned i = 0; i < run->cpus; i++) {
        keys += parts[i]->number;
        expiring += parts[i]->expiring;
        used += parts[i]->used;
        connections += parts[i]->connections;
    }
    len = fmt_print(
        text, sizeof(text),
        "# Server\r\nredis_version:7.0.0\r\nserver_name:torc-kvstore\r\n"
        "redis_mode:standalone\r\nuptime_in_seconds:%llu\r\ncpus:%u\r\n\r\n"
        "# Clients\r\nconnected_clients:%lld\r\n\r\n"
        "# Memory\r\nused_memory:%lld\r\nmaxmemory:%llu\r\n"
        "maxmemory_policy:noeviction\r\n\r\n"
        "# Keyspace\r\ndb0:keys=%lld,expires=%lld,avg_ttl=0\r\n",
        (unsigned long long)(time_ns() / NS_PER_S), run->cpus, connections,
        used, (unsigned long long)kv_limits.max_bytes, keys, expiring);
    assert(len < sizeof(text));
    resp_put_bulk(run->out, (struct span){text, len});
}

/* ---- The table of commands ----------------------------------------------- */

/* clang-format off */
static const struct kv_command commands[] = {
    {"get",         2, KV_ONE,     0, run_get,              NULL},
    {"set",        -3, KV_ONE,     0, kv_run_set,           NULL},
    {"mget",       -2, KV_SEVERAL, 1, run_mget,             merge_mget},
    {"mset",       -3, KV_SEVERAL, 2, run_mset,             merge_ok},
    {"del",        -2, KV_SEVERAL, 1, run_del,              merge_sum},
    {"unlink",     -2, KV_SEVERAL, 1, run_del,              merge_sum},
    {"exists",     -2, KV_SEVERAL, 1, run_exists,           merge_sum},
    {"touch",      -2, KV_SEVERAL, 1, run_exists,           merge_sum},
    {"incr",        2, KV_ONE,     0, kv_run_incr,          NULL},
    {"decr",        2, KV_ONE,     0, kv_run_decr,          NULL},
    {"incrby",      3, KV_ONE,     0, kv_run_incrby,        NULL},
    {"decrby",      3, KV_ONE,     0, kv_run_decrby,        NULL},
    {"append",      3, KV_ONE,     0, kv_run_append,        NULL},
    {"strlen",      2, KV_ONE,     0, run_strlen,           NULL},
    {"setnx",       3, KV_ONE,     0, kv_run_setnx,         NULL},
    {"setex",       4, KV_ONE,     0, kv_run_setex,         NULL},
    {"psetex",      4, KV_ONE,     0, kv_run_setex,         NULL},
    {"getset",      3, KV_ONE,     0, kv_run_getset,        NULL},
    {"getdel",      2, KV_ONE,     0, kv_run_getdel,        NULL},
    {"expire",      3, KV_ONE,     0, kv_run_expire,        NULL},
    {"pexpire",     3, KV_ONE,     0, kv_run_expire,        NULL},
    {"ttl",         2, KV_ONE,     0, kv_run_ttl,           NULL},
    {"pttl",        2, KV_ONE,     0, kv_run_ttl,           NULL},
    {"persist",     2, KV_ONE,     0, kv_run_persist,       NULL},
    {"type",        2, KV_ONE,     0, run_type,             NULL},
    {"keys",        2, KV_ALL,     0, run_keys,             merge_keys},
    {"scan",       -2, KV_CURSOR,  0, run_scan,             NULL},
    {"dbsize",      1, KV_ALL,     0, run_dbsize,           merge_sum},
    {"flushall",   -1, KV_ALL,     0, run_flush,            merge_ok},
    {"flushdb",    -1, KV_ALL,     0, run_flush,            merge_ok},
    {"info",       -1, KV_ALL,     0, run_info,             merge_info},
    {"ping",       -1, KV_NOBODY,  0, kv_run_ping,          NULL},
    {"echo",        2, KV_NOBODY,  0, kv_run_echo,          NULL},
    {"select",      2, KV_NOBODY,  0, kv_run_select,        NULL},
    {"hello",      -1, KV_NOBODY,  0, kv_run_hello,         NULL},
    {"config",     -2, KV_NOBODY,  0, kv_run_config,        NULL},
    {"client",     -2, KV_NOBODY,  0, kv_run_client,        NULL},
    {"command",    -1, KV_NOBODY,  0, kv_run_command,       NULL},
    {"time",        1, KV_NOBODY,  0, kv_run_time,          NULL},
    {"quit",       -1, KV_NOBODY,  0, kv_run_quit,          NULL},
};
/* clang-format on */

/* Of other kinds of values there are none. */
static const char *const other_kinds[] = {
    "lpush",  "rpush",   "lpop",       "rpop",      "lrange",  "llen",
    "lindex", "lset",    "lrem",       "ltrim",     "linsert", "rpoplpush",
    "hset",   "hget",    "hmset",      "hmget",     "hgetall", "hdel",
    "hlen",   "hexists", "hkeys",      "hvals",     "hincrby", "hscan",
    "sadd",   "srem",    "smembers",   "sismember", "scard",   "spop",
    "sinter", "sunion",  "sdiff",      "sscan",     "zadd",    "zrange",
    "zrem",   "zscore",  "zcard",      "zrank",     "zpopmin", "zincrby",
    "xadd",   "xread",   "xrange",     "pfadd",     "pfcount", "geoadd",
    "blpop",  "brpop",   "subscribe",  "publish",   "multi",   "exec",
    "watch",  "eval",    "psubscribe",
};

/* What the client said, in an error; a long or odd word is left out. */
static void put_name_error(struct resp_text *out, const char *before,
                           struct span name, const char *after)
{
    char line[160];
    bool is_plain = name.len <= 32;

    for (size_t i = 0; is_plain && i < name.len; i++)
        is_plain = name.at[i] > ' ' && name.at[i] < 0x7f;
    fmt_print(line, sizeof(line), "ERR %s '%.*s'%s", before,
              is_plain ? (int)name.len : 3, is_plain ? name.at : "...", after);
    resp_put_error(out, line);
}

static bool is_wrong_count(const struct kv_command *command, unsigned argc)
{
    if (command->arity >= 0)
        return argc != (unsigned)command->arity;
    if (argc < (unsigned)-command->arity)
        return true;
    return command->step == 2 && argc % 2 == 0; /* MSET: pairs */
}

static bool is_long_key(const struct kv_command *command,
                        const struct resp_request *request)
{
    if (command->kind == KV_ONE)
        return request->argv[1].len > KV_KEY_MAX;
    if (command->kind != KV_SEVERAL)
        return false;
    for (unsigned i = 1; i < request->argc; i += command->step) {
        if (request->argv[i].len > KV_KEY_MAX)
            return true;
    }
    return false;
}

const struct kv_command *kv_command_find(const struct resp_request *request,
                                         struct resp_text *out)
{
    struct span name = request->argv[0];

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct kv_command *command = &commands[i];

        if (!resp_is(name, command->name))
            continue;
        if (is_wrong_count(command, request->argc)) {
            put_name_error(out, "wrong number of arguments for", name,
                           " command");
            return NULL;
        }
        if (is_long_key(command, request)) {
            resp_put_error(out, "ERR a key is longer than 65536 bytes");
            return NULL;
        }
        return command;
    }
    for (size_t i = 0; i < COUNT_OF(other_kinds); i++) {
        if (resp_is(name, other_kinds[i])) {
            put_name_error(out, "this server keeps strings only, it has no",
                           name, "");
            return NULL;
        }
    }
    put_name_error(out, "unknown command", name, "");
    return NULL;
}
