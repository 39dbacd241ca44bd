/*
 * Attack a machine on a link:
 *
 *   attack INTERFACE ADDRESS SECONDS NAME [KEY=NUMBER]...
 *
 * NAME is one of flood.c or hold.c, KEY one of `keys` below; "to6" is the IPv6
 * address for floods of that. Until SIGTERM, or
 * the time; then it prints a line that says what was reached.
 */
#include "tests/attack/attack.h"
#include "tests/bench/link_end.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *name;
    uint64_t *value;
} keys[] = {
    {"rate=", &options.rate},       {"conns=", &options.conns},
    {"sources=", &options.sources}, {"near=", &options.near},
    {"port=", &options.port},
};

static void parse(const char *text)
{
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t len = strlen(keys[i].name);

        if (strncmp(text, keys[i].name, len) == 0) {
            *keys[i].value = strtoull(text + len, NULL, 10);
            return;
        }
    }
    if (strncmp(text, "to6=", 4) == 0 &&
        inet_pton(AF_INET6, text + 4, victim6) == 1)
        return;
    errno = EINVAL;
    link_die(text);
}

static const struct attack *find(const char *name)
{
    for (const struct attack *attack = floods; attack->name != NULL; attack++)
        if (strcmp(attack->name, name) == 0)
            return attack;
    for (const struct attack *attack = holds; attack->name != NULL; attack++)
        if (strcmp(attack->name, name) == 0)
            return attack;
    errno = EINVAL;
    link_die(name);
}

static volatile sig_atomic_t is_told;
static uint64_t end_ns;

static void on_signal(int signal)
{
    (void)signal;
    is_told = 1;
}

bool is_over(void)
{
    return is_told != 0 || link_now_ns() >= end_ns;
}

static void ignore(const uint8_t *frame, size_t len)
{
    (void)frame;
    (void)len;
}

/* As many frames a second as are wanted, or as can be. */
static void flood(void (*one)(void))
{
    uint64_t begin = link_now_ns(), now = begin, made = 0;

    for (; !is_over(); now = link_now_ns()) {
        uint64_t due = (now - begin) / 1000 * options.rate / 1000000;

        if (due > made + options.rate / 100) /* not made up for */
            made = due - options.rate / 100;
        for (; made < due; made++)
            one();
        wire_flush();
        while (wire_receive(ignore))
            continue;
        wire_wait(100000);
    }
    printf("frames %lu lost %lu, %.0f a second\n", frames_out, frames_lost,
           (double)frames_out * 1e9 / (double)(now - begin));
}

int main(int argc, char **argv)
{
    const struct attack *attack;

    if (argc < 5) {
        fprintf(stderr, "usage: attack INTERFACE ADDRESS SECONDS NAME "
                        "[KEY=NUMBER]...\n");
        return 2;
    }
    attack = find(argv[4]);
    options = attack->usual;
    options.port = 80;
    for (int i = 5; i < argc; i++)
        parse(argv[i]);
    wire_open(argv[1], argv[2]);
    signal(SIGTERM, on_signal);
    end_ns = link_now_ns() + (uint64_t)(atof(argv[3]) * 1e9);
    if (attack->flood != NULL)
        flood(attack->flood);
    else
        peers_run(attack->peers);
    return 0;
}
