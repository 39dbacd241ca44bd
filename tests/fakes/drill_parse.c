/* The language of packetdrill, as much of it as drill.c can do. */
#include "tests/fakes/drill_parse.h"
#include "tests/fakes/netbench.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>

enum { TOLERANCE_US = 4000 }; /* packetdrill's own */

static char *text;
static const char *at;
static const char *event_start;
static uint64_t tolerance_us;
static bool asks_ecn;

bool drill_open(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t len;

    text = calloc(1, 1 << 20);
    at = event_start = text;
    tolerance_us = TOLERANCE_US;
    asks_ecn = false;
    if (file == NULL || text == NULL)
        return false;
    len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return len > 0;
}

void drill_close(void)
{
    free(text);
    text = NULL;
}

unsigned drill_line(void)
{
    unsigned line = 1;

    for (const char *p = text; p < event_start; p++)
        line += *p == '\n';
    return line;
}

uint64_t drill_tolerance_ns(void)
{
    return tolerance_us * 1000;
}

bool drill_asks_ecn(void)
{
    return asks_ecn;
}

/* ---- Words --------------------------------------------------------------- */

static void skip_to(const char *end)
{
    const char *found = strstr(at, end);

    at = found != NULL ? found + strlen(end) : at + strlen(at);
}

static void skip_blanks(void)
{
    for (;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (strncmp(at, "//", 2) == 0 || *at == '#')
            skip_to("\n");
        else if (strncmp(at, "/*", 2) == 0)
            skip_to("*/");
        else
            return;
    }
}

static bool take(const char *word)
{
    skip_blanks();
    if (strncmp(at, word, strlen(word)) != 0)
        return false;
    at += strlen(word);
    return true;
}

/* What is not understood, and the rest of its line. */
static _Noreturn void lost(void)
{
    static char rest[80];

    snprintf(rest, sizeof(rest), "\"%.*s\"", (int)strcspn(at, "\n"), at);
    drill_unsupported(rest);
}

static void need(const char *word)
{
    if (!take(word))
        lost();
}

static uint32_t number(void)
{
    char *end;
    unsigned long value;

    skip_blanks();
    value = strtoul(at, &end, 0);
    if (end == at)
        lost();
    at = end;
    return (uint32_t)value;
}

static void word(char *into, size_t size)
{
    size_t len = 0;

    skip_blanks();
    while (isalnum((unsigned char)*at) || *at == '_') {
        if (len + 1 < size)
            into[len++] = *at;
        at++;
    }
    into[len] = '\0';
}

/* ---- Times --------------------------------------------------------------- */

static bool is_time(void)
{
    skip_blanks();
    return *at == '+' || *at == '*' || *at == '.' ||
           isdigit((unsigned char)*at);
}

static struct drill_time time_read(void)
{
    struct drill_time time = {.is_relative = take("+")};
    uint64_t unit = 1000000000;

    skip_blanks();
    while (isdigit((unsigned char)*at))
        time.ns = time.ns * 10 + (uint64_t)(*at++ - '0') * 1000000000;
    if (*at != '.' || at[1] == '.')
        return time;
    for (at++; isdigit((unsigned char)*at); at++) {
        unit /= 10;
        time.ns += (uint64_t)(*at - '0') * unit;
    }
    return time;
}

static void times_read(struct drill_event *event)
{
    event->is_any_time = take("*");
    if (event->is_any_time)
        return;
    event->from = time_read();
    event->has_end = take("~") || take("...");
    if (!event->has_end)
        return;
    event->end = time_read();
    event->end.is_relative |= event->from.is_relative; /* to the same */
}

/* ---- Segments ------------------------------------------------------------ */

static void option_read(struct drill_option *option)
{
    *option = (struct drill_option){0};
    if (take("nop")) {
        option->kind = DRILL_NOP;
    } else if (take("eol")) {
        option->kind = DRILL_EOL;
    } else if (take("mss")) {
        option->kind = DRILL_MSS;
        option->value[option->count++] = number();
    } else if (take("wscale")) {
        option->kind = DRILL_SCALE;
        option->value[option->count++] = number();
    } else if (take("sackOK")) {
        option->kind = DRILL_SACK_OK;
    } else if (take("sack")) {
        option->kind = DRILL_SACK;
        while (is_time() && option->count + 2 <= DRILL_VALUES_MAX) {
            option->value[option->count++] = number();
            need(":");
            option->value[option->count++] = number();
        }
    } else if (take("TS")) {
        option->kind = DRILL_STAMP;
        option->count = 2;
        need("val");
        option->value[0] = number();
        need("ecr");
        option->value[1] = number();
    } else {
        lost();
    }
}

static void options_read(struct drill_segment *segment)
{
    if (take("...>"))
        return;
    segment->has_options = true;
    while (!take(">")) {
        if (segment->option_count == DRILL_OPTIONS_MAX)
            drill_unsupported("so many options");
        option_read(&segment->option[segment->option_count++]);
        (void)take(",");
    }
}

/* "[ect0]": what the IP header says. */
static void ecn_read(struct drill_segment *segment)
{
    static const char *const names[] = {"noecn]", "ect1]", "ect0]", "ce]"};

    segment->has_ecn = take("[");
    if (!segment->has_ecn)
        return;
    while (segment->ecn < 4 && !take(names[segment->ecn]))
        segment->ecn++;
    if (segment->ecn == 4)
        lost();
}

static void flags_read(struct drill_segment *segment)
{
    static const char letters[] = "FSRP.UEW";

    ecn_read(segment);
    skip_blanks();
    if (*at == '-') {
        at++;
        return;
    }
    while (!isspace((unsigned char)*at)) {
        const char *letter = strchr(letters, *at);

        if (letter == NULL)
            lost();
        segment->flags |= (uint8_t)(1 << (letter - letters));
        at++;
    }
}

static void segment_read(struct drill_segment *segment)
{
    uint32_t end;

    *segment = (struct drill_segment){0};
    flags_read(segment);
    segment->seq = number();
    if (take(":")) {
        end = number();
        need("(");
        segment->len = number();
        need(")");
        if (end - segment->seq != segment->len)
            drill_unsupported("a length that is none");
    } else {
        need("(");
        segment->len = number();
        need(")");
    }
    if (take("ack"))
        segment->ack = number();
    segment->has_window = take("win");
    if (segment->has_window)
        segment->window = number();
    if (take("urg"))
        segment->urgent = number();
    skip_blanks();
    if (*at == '<' && at[1] != ' ' && take("<"))
        options_read(segment);
}

/* ---- Calls --------------------------------------------------------------- */

/* Up to the comma or the bracket that ends it. */
static void arg_read(char *into)
{
    unsigned depth = 0, len = 0;

    skip_blanks();
    for (; *at != '\0'; at++) {
        if (depth == 0 && (*at == ',' || *at == ')'))
            break;
        if (strchr("([{", *at) != NULL)
            depth++;
        if (strchr(")]}", *at) != NULL)
            depth--;
        if (len + 1 < DRILL_ARG_MAX)
            into[len++] = *at;
    }
    while (len > 0 && isspace((unsigned char)into[len - 1]))
        len--;
    into[len] = '\0';
}

static int64_t errno_read(void)
{
    static const struct {
        const char *name;
        int error;
    } errors[] = {{"EAGAIN", EAGAIN},
                  {"EPIPE", EPIPE},
                  {"ECONNRESET", ECONNRESET},
                  {"ETIMEDOUT", ETIMEDOUT},
                  {"EINVAL", EINVAL},
                  {"EINPROGRESS", DRILL_EINPROGRESS},
                  {"ENOTCONN", ENOTCONN},
                  {"ECONNREFUSED", ECONNREFUSED},
                  {"EHOSTUNREACH", EHOSTUNREACH},
                  {"EISCONN", EISCONN}};
    char name[40];

    word(name, sizeof(name));
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(name, errors[i].name) == 0)
            return -errors[i].error;
    }
    drill_unsupported("an error that is not known here");
}

static void call_read(struct drill_call *call)
{
    call->count = 0;
    memset(call->arg, 0, sizeof(call->arg));
    word(call->name, sizeof(call->name));
    if (call->name[0] == '\0')
        lost();
    need("(");
    while (!take(")")) {
        if (call->count == DRILL_ARGS_MAX)
            drill_unsupported("so many arguments");
        arg_read(call->arg[call->count++]);
        (void)take(",");
    }
    need("=");
    if (take("-1"))
        call->result = errno_read();
    else
        call->result = number();
    if (take("("))
        skip_to(")");
}

/* assert NAME == NUMBER, and others, which are passed over. */
static void asserts_read(struct drill_event *event)
{
    const char *end = strstr(at, "}%");

    if (end == NULL)
        lost();
    event->assert_count = 0;
    while (at < end) {
        struct drill_assert *one = &event->asserts[event->assert_count];

        word(one->name, sizeof(one->name));
        if (strcmp(one->name, "assert") != 0) {
            at++;
            continue;
        }
        (void)take("(");
        word(one->name, sizeof(one->name));
        if (!take("==") || !is_time() ||
            event->assert_count + 1 == DRILL_ASSERTS_MAX)
            continue;
        one->value = (long)number();
        event->assert_count++;
    }
    at = end + 2;
}

/* ---- Events -------------------------------------------------------------- */

/* A shell command, behind its "`": of what it does to Linux only whether
 * connections ask for ECN counts. */
static void command_skip(void)
{
    const char *begin = at;
    const char *found;

    skip_to("`");
    found = strstr(begin, "tcp_ecn=");
    if (found != NULL && found < at)
        asks_ecn = found[strlen("tcp_ecn=")] == '1';
}

static void setting_read(void)
{
    if (take("--tolerance_usecs="))
        tolerance_us = number();
    else
        skip_to("\n");
}

bool drill_next(struct drill_event *event)
{
    for (;;) {
        skip_blanks();
        event_start = at;
        if (*at == '\0')
            return false;
        if (strncmp(at, "--", 2) == 0) {
            setting_read();
        } else if (take("`")) {
            command_skip();
        } else {
            break;
        }
    }
    times_read(event);
    skip_blanks();
    event_start = at;
    if (take("`")) {
        command_skip();
        event->kind = DRILL_ASSERT; /* of nothing: time passes */
        event->assert_count = 0;
    } else if (take("%{")) {
        event->kind = DRILL_ASSERT;
        asserts_read(event);
    } else if (take("<")) {
        event->kind = DRILL_IN;
        segment_read(&event->segment);
    } else if (take(">")) {
        event->kind = DRILL_OUT;
        segment_read(&event->segment);
    } else {
        event->kind = DRILL_CALL;
        call_read(&event->call);
    }
    return true;
}
