/* Commands about the connection and the server, which need no table. */
#include "apps/kvstore/commands_internal.h"
#include <torc/format.h>
#include <torc/string.h>
#include <torc/time.h>

static struct span text_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

void kv_run_ping(struct kv_run *run)
{
    if (run->argc > 2)
        resp_put_error(run->out,
                       "ERR wrong number of arguments for 'ping' command");
    else if (run->argc == 2)
        resp_put_bulk(run->out, run->argv[1]);
    else
        resp_put_simple(run->out, "PONG");
}

void kv_run_echo(struct kv_run *run)
{
    resp_put_bulk(run->out, run->argv[1]);
}

void kv_run_select(struct kv_run *run)
{
    int64_t number;

    if (!resp_number(run->argv[1], &number))
        resp_put_error(run->out, KV_NO_INTEGER);
    else if (number != 0)
        resp_put_error(run->out, "ERR DB index is out of range");
    else
        resp_put_simple(run->out, "OK");
}

/* What is wrong with a HELLO, or NULL. */
static const char *hello_error(unsigned argc, const struct span *argv)
{
    for (unsigned i = 2; i < argc; i++) {
        if (resp_is(argv[i], "AUTH"))
            return "ERR AUTH: this server has no passwords";
        if (!resp_is(argv[i], "SETNAME") || ++i == argc)
            return "ERR syntax error in HELLO";
    }
    if (argc > 1 && !resp_is(argv[1], "2") && !resp_is(argv[1], "3"))
        return "NOPROTO unsupported protocol version";
    return NULL;
}

unsigned kv_hello_proto(unsigned argc, const struct span *argv, unsigned now)
{
    if (argc < 2 || hello_error(argc, argv) != NULL)
        return now;
    return resp_is(argv[1], "3") ? 3 : 2;
}

/* HELLO [2|3 [SETNAME name]]; run->proto is already what it asks for. */
void kv_run_hello(struct kv_run *run)
{
    const char *error = hello_error(run->argc, run->argv);

    if (error != NULL) {
        resp_put_error(run->out, error);
        return;
    }
    resp_put_map(run->out, 6, run->proto);
    resp_put_bulk(run->out, text_of("server"));
    resp_put_bulk(run->out, text_of("torc-kvstore"));
    resp_put_bulk(run->out, text_of("version"));
    resp_put_bulk(run->out, text_of("7.0.0"));
    resp_put_bulk(run->out, text_of("proto"));
    resp_put_number(run->out, run->proto);
    resp_put_bulk(run->out, text_of("mode"));
    resp_put_bulk(run->out, text_of("standalone"));
    resp_put_bulk(run->out, text_of("role"));
    resp_put_bulk(run->out, text_of("master"));
    resp_put_bulk(run->out, text_of("modules"));
    resp_put_array(run->out, 0);
}

struct setting {
    const char *name;
    char value[24];
};

static void put_number(struct setting *setting, uint64_t number)
{
    fmt_print(setting->value, sizeof(setting->value), "%llu",
              (unsigned long long)number);
}

static void config_get(struct kv_run *run)
{
    struct setting settings[] = {
        {"maxmemory", ""},
        {"maxmemory-policy", "noeviction"},
        {"proto-max-bulk-len", ""},
        {"databases", "1"},
        {"save", ""},
        {"appendonly", "no"},
    };
    bool is_wanted[COUNT_OF(settings)] = {false};
    size_t count = 0;

    put_number(&settings[0], kv_limits.max_bytes);
    put_number(&settings[2], kv_limits.value_max);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        for (unsigned word = 2; word < run->argc; word++) {
            unsigned budget = 10000;

            is_wanted[i] |=
                resp_match(run->argv[word], text_of(settings[i].name), &budget);
        }
        count += is_wanted[i];
    }
    resp_put_map(run->out, count, run->proto);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        if (!is_wanted[i])
            continue;
        resp_put_bulk(run->out, text_of(settings[i].name));
        resp_put_bulk(run->out, text_of(settings[i].value));
    }
}

void kv_run_config(struct kv_run *run)
{
    if (resp_is(run->argv[1], "GET") && run->argc > 2)
        config_get(run);
    else if (resp_is(run->argv[1], "RESETSTAT"))
        resp_put_simple(run->out, "OK");
    else
        resp_put_error(run->out, "ERR CONFIG: only GET; settings are options "
                                 "of the command line");
}

void kv_run_client(struct kv_run *run)
{
    if (resp_is(run->argv[1], "SETNAME") || resp_is(run->argv[1], "SETINFO"))
        resp_put_simple(run->out, "OK");
    else if (resp_is(run->argv[1], "GETNAME"))
        resp_put_null(run->out, run->proto);
    else
        resp_put_error(run->out, "ERR CLIENT: only SETNAME, GETNAME, SETINFO");
}

/* Clients ask for help texts; there are none. */
void kv_run_command(struct kv_run *run)
{
    if (run->argc > 1 && resp_is(run->argv[1], "DOCS"))
        resp_put_map(run->out, 0, run->proto);
    else if (run->argc > 1 && resp_is(run->argv[1], "COUNT"))
        resp_put_number(run->out, 0);
    else
        resp_put_array(run->out, 0);
}

void kv_run_time(struct kv_run *run)
{
    uint64_t us = time_wall_ns() / NS_PER_US;
    char text[24];

    resp_put_array(run->out, 2);
    fmt_print(text, sizeof(text), "%llu", (unsigned long long)(us / 1000000));
    resp_put_bulk(run->out, text_of(text));
    fmt_print(text, sizeof(text), "%llu", (unsigned long long)(us % 1000000));
    resp_put_bulk(run->out, text_of(text));
}

void kv_run_quit(struct kv_run *run)
{
    resp_put_simple(run->out, "OK");
}
