/* Commands that change the value or the end of one key. */
#include "apps/kvstore/commands_internal.h"
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/string.h>
#include <torc/time.h>

#define EXPIRY_MAX_MS (INT64_MAX / 4)

/* ---- Expiry -------------------------------------------------------------- */

/*
 * When a key expires: *out in milliseconds of time_ns().
 *   is_at  `number` is of UTC since 1970, not from now
 * False when the number is too large.
 */
static bool expiry(int64_t number, bool is_seconds, bool is_at, uint64_t *out)
{
    int64_t limit = is_seconds ? EXPIRY_MAX_MS / 1000 : EXPIRY_MAX_MS;
    int64_t ms, now = (int64_t)kv_now_ms();

    if (number > limit || number < -limit)
        return false;
    ms = is_seconds ? number * 1000 : number;
    if (is_at)
        ms -= (int64_t)(time_wall_ns() / NS_PER_MS);
    ms = ms > 0 ? now + ms : 0; /* 0: it has expired */
    *out = (uint64_t)ms;
    return true;
}

static void invalid_expiry(struct kv_run *run)
{
    resp_put_error(run->out, "ERR invalid expire time");
}

/* "expire" and "pexpire" and so on: 'p' counts milliseconds. */
static bool is_in_seconds(const struct kv_run *run)
{
    return run->command->name[0] != 'p';
}

void kv_run_expire(struct kv_run *run)
{
    struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    uint64_t expires_ms;
    int64_t number;

    if (!resp_number(run->argv[2], &number)) {
        resp_put_error(run->out, KV_NO_INTEGER);
        return;
    }
    if (!expiry(number, is_in_seconds(run), false, &expires_ms)) {
        invalid_expiry(run);
        return;
    }
    if (entry != NULL)
        kv_set_expiry(run->table, entry, expires_ms);
    resp_put_number(run->out, entry != NULL);
}

void kv_run_ttl(struct kv_run *run)
{
    const struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    int64_t ms;

    if (entry == NULL || entry->expires_ms == KV_NEVER) {
        resp_put_number(run->out, entry == NULL ? -2 : -1);
        return;
    }
    ms = (int64_t)(entry->expires_ms - kv_now_ms());
    resp_put_number(run->out, is_in_seconds(run) ? (ms + 500) / 1000 : ms);
}

void kv_run_persist(struct kv_run *run)
{
    struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    bool expires = entry != NULL && entry->expires_ms != KV_NEVER;

    if (expires)
        kv_set_expiry(run->table, entry, KV_NEVER);
    resp_put_number(run->out, expires);
}

/* ---- Values -------------------------------------------------------------- */

/* Whether it is set; if not, that is said. */
static bool store(struct kv_run *run, struct span value, uint64_t expires_ms)
{
    struct span key = run->argv[1];

    if (kv_set(run->table, kv_hash(key), key, value, expires_ms, kv_now_ms()) ==
        0)
        return true;
    resp_put_error(run->out, KV_OOM);
    return false;
}

static void put_value_or_null(struct kv_run *run, const struct kv_entry *entry)
{
    if (entry == NULL)
        resp_put_null(run->out, run->proto);
    else
        resp_put_bulk(run->out, kv_value(entry));
}

struct set_options {
    bool nx, xx, get, keep_ttl;
    uint64_t expires_ms;
};

/* EX, PX, EXAT or PXAT and its number; false: it is said what is wrong. */
static bool set_expiry_option(struct kv_run *run, unsigned i,
                              struct set_options *options)
{
    struct span word = run->argv[i];
    bool is_seconds = resp_is(word, "EX") || resp_is(word, "EXAT");
    bool is_at = resp_is(word, "EXAT") || resp_is(word, "PXAT");
    int64_t number;

    if ((!is_seconds && !is_at && !resp_is(word, "PX")) || i + 1 >= run->argc ||
        options->expires_ms != KV_NEVER) {
        resp_put_error(run->out, "ERR syntax error");
        return false;
    }
    if (!resp_number(run->argv[i + 1], &number)) {
        resp_put_error(run->out, KV_NO_INTEGER);
        return false;
    }
    if (number <= 0 ||
        !expiry(number, is_seconds, is_at, &options->expires_ms)) {
        resp_put_error(run->out, "ERR invalid expire time in 'set' command");
        return false;
    }
    return true;
}

static bool set_options(struct kv_run *run, struct set_options *options)
{
    *options = (struct set_options){.expires_ms = KV_NEVER};
    for (unsigned i = 3; i < run->argc; i++) {
        if (resp_is(run->argv[i], "NX")) {
            options->nx = true;
        } else if (resp_is(run->argv[i], "XX")) {
            options->xx = true;
        } else if (resp_is(run->argv[i], "GET")) {
            options->get = true;
        } else if (resp_is(run->argv[i], "KEEPTTL")) {
            options->keep_ttl = true;
        } else {
            if (!set_expiry_option(run, i, options))
                return false;
            i++;
        }
    }
    if ((options->nx && options->xx) ||
        (options->keep_ttl && options->expires_ms != KV_NEVER)) {
        resp_put_error(run->out, "ERR syntax error");
        return false;
    }
    return true;
}

void kv_run_set(struct kv_run *run)
{
    struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    size_t before = run->out->len;
    struct set_options options;
    bool is_refused;

    if (!set_options(run, &options))
        return;
    is_refused = options.nx ? entry != NULL : options.xx && entry == NULL;
    if (options.get || is_refused)
        put_value_or_null(run, options.get ? entry : NULL);
    if (is_refused || run->out->is_short)
        return; /* what cannot be said is not lost */
    if (options.keep_ttl && entry != NULL)
        options.expires_ms = entry->expires_ms;
    if (kv_set(run->table, kv_hash(run->argv[1]), run->argv[1], run->argv[2],
               options.expires_ms, kv_now_ms()) != 0) {
        resp_text_cut(run->out, before);
        resp_put_error(run->out, KV_OOM);
    } else if (!options.get) {
        resp_put_simple(run->out, "OK");
    }
}

void kv_run_setnx(struct kv_run *run)
{
    if (kv_run_find(run, run->argv[1]) != NULL)
        resp_put_number(run->out, 0);
    else if (store(run, run->argv[2], KV_NEVER))
        resp_put_number(run->out, 1);
}

void kv_run_setex(struct kv_run *run)
{
    uint64_t expires_ms;
    int64_t number;

    if (!resp_number(run->argv[2], &number)) {
        resp_put_error(run->out, KV_NO_INTEGER);
        return;
    }
    if (number <= 0 ||
        !expiry(number, is_in_seconds(run), false, &expires_ms)) {
        invalid_expiry(run);
        return;
    }
    if (store(run, run->argv[3], expires_ms))
        resp_put_simple(run->out, "OK");
}

void kv_run_getset(struct kv_run *run)
{
    size_t before = run->out->len;

    put_value_or_null(run, kv_run_find(run, run->argv[1]));
    if (run->out->is_short)
        return; /* what cannot be said is not lost */
    if (kv_set(run->table, kv_hash(run->argv[1]), run->argv[1], run->argv[2],
               KV_NEVER, kv_now_ms()) != 0) {
        resp_text_cut(run->out, before);
        resp_put_error(run->out, KV_OOM);
    }
}

void kv_run_getdel(struct kv_run *run)
{
    put_value_or_null(run, kv_run_find(run, run->argv[1]));
    if (!run->out->is_short) /* what cannot be said is not lost */
        kv_delete(run->table, kv_hash(run->argv[1]), run->argv[1], kv_now_ms());
}

/* ---- Numbers ------------------------------------------------------------- */

static void add(struct kv_run *run, int64_t by)
{
    const struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    uint64_t expires_ms = entry == NULL ? KV_NEVER : entry->expires_ms;
    int64_t number = 0;
    char text[24];

    if (entry != NULL && !resp_number(kv_value(entry), &number)) {
        resp_put_error(run->out, KV_NO_INTEGER);
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        resp_put_error(run->out, "ERR increment or decrement would overflow");
        return;
    }
    fmt_print(text, sizeof(text), "%lld", (long long)number);
    if (store(run, (struct span){text, strlen(text)}, expires_ms))
        resp_put_number(run->out, number);
}

void kv_run_incr(struct kv_run *run)
{
    add(run, 1);
}

void kv_run_decr(struct kv_run *run)
{
    add(run, -1);
}

void kv_run_incrby(struct kv_run *run)
{
    int64_t by;

    if (resp_number(run->argv[2], &by))
        add(run, by);
    else
        resp_put_error(run->out, KV_NO_INTEGER);
}

void kv_run_decrby(struct kv_run *run)
{
    int64_t by;

    if (resp_number(run->argv[2], &by) && by != INT64_MIN)
        add(run, -by);
    else
        resp_put_error(run->out, KV_NO_INTEGER);
}

void kv_run_append(struct kv_run *run)
{
    struct kv_entry *entry = kv_run_find(run, run->argv[1]);
    uint64_t len = run->argv[2].len;

    if (entry == NULL) {
        if (store(run, run->argv[2], KV_NEVER))
            resp_put_number(run->out, (int64_t)len);
        return;
    }
    len += entry->value_len;
    if (len > kv_limits.value_max)
        resp_put_error(run->out, "ERR string exceeds maximum allowed size");
    else if (kv_append(run->table, entry, run->argv[2]) != 0)
        resp_put_error(run->out, KV_OOM);
    else
        resp_put_number(run->out, (int64_t)len);
}
