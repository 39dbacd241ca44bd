/*
 * The arguments of the process: what the machine is made of, and the words of
 * the kernel's command line.
 */
#include "hal/posix/host.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_IF = 15 };

const char host_args_help[] =
    "[OPTION]... [--] [WORD]...\n"
    "Run a Torc machine. The WORDs are its kernel's command line.\n"
    "\n"
    "  --cpus N         CPUs, 1 to 256 (1)\n"
    "  --mem SIZE       memory of each CPU, with k, m or g (64m)\n"
    "  --nodes N        NUMA nodes, 1 to 64, that share both evenly (1)\n"
    "  --disk FILE[,ro] a disk: a file or block device\n"
    "  --net tap=NAME[,mac=MAC]\n"
    "                   a network card on a tap interface of the host\n"
    "  --net user[,mac=MAC][,hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]...\n"
    "                   a network card on a network inside the process:\n"
    "                   10.0.2.15/24, gateway 10.0.2.2; hostfwd leads a port\n"
    "                   of the host to one of the machine\n"
    "  --module FILE    a file in memory at boot\n"
    "  --help           this text\n";

static int fail(struct host_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct host_args *args, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(args->error, sizeof(args->error), format, list);
    va_end(list);
    return -EINVAL;
}

/* ---- Values -------------------------------------------------------------- */

/* All of `text` as a decimal number, at most `limit`. */
static int number_parse(const char *text, uint64_t limit, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)(unsigned char)*text - '0';

        if (digit > 9 || value > (limit - digit) / 10)
            return -EINVAL;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

static int cpus_parse(struct host_args *args, char *text)
{
    uint64_t value;

    if (number_parse(text, HOST_CPU_MAX, &value) != 0 || value == 0)
        return fail(args, "--cpus '%s': give a number from 1 to %d", text,
                    HOST_CPU_MAX);
    args->config.cpus = (unsigned)value;
    return 0;
}

static int nodes_parse(struct host_args *args, char *text)
{
    uint64_t value;

    if (number_parse(text, HOST_NODE_MAX, &value) != 0 || value == 0)
        return fail(args, "--nodes '%s': give a number from 1 to %d", text,
                    HOST_NODE_MAX);
    args->config.nodes = (unsigned)value;
    return 0;
}

static int mem_parse(struct host_args *args, char *text)
{
    static const char units[] = "kmg";
    size_t len = strlen(text);
    const char *unit = len > 0 ? strchr(units, text[len - 1]) : NULL;
    unsigned shift = 0;
    uint64_t value;
    char digits[24];

    if (unit != NULL && *unit != '\0') {
        shift = 10 * (unsigned)(unit - units + 1);
        len--;
    }
    if (len >= sizeof(digits))
        return fail(args, "--mem '%s': the number is too long", text);
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (number_parse(digits, SIZE_MAX >> 1 >> shift, &value) != 0)
        return fail(args, "--mem '%s': give a size such as 64m", text);
    if (value << shift < HOST_MEM_MIN)
        return fail(args, "--mem '%s': too small, at least 2m for each CPU",
                    text);
    args->config.mem_bytes = (size_t)value << shift;
    return 0;
}

static int disk_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;
    size_t len = strlen(text);
    bool read_only = len >= 3 && strcmp(text + len - 3, ",ro") == 0;

    if (config->disk_count == HOST_DISK_MAX)
        return fail(args, "--disk: at most %d disks", HOST_DISK_MAX);
    if (read_only)
        text[len - 3] = '\0';
    if (*text == '\0')
        return fail(args, "--disk: give the name of a file");
    args->disks[config->disk_count].path = text;
    args->disks[config->disk_count].read_only = read_only;
    config->disk_count++;
    return 0;
}

static int module_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;

    if (config->module_count == HOST_MODULE_MAX)
        return fail(args, "--module: at most %d modules", HOST_MODULE_MAX);
    if (*text == '\0')
        return fail(args, "--module: give the name of a file");
    args->modules[config->module_count++] = text;
    return 0;
}

/* ---- Nets ---------------------------------------------------------------- */

/* Six pairs of hexadecimal digits with colons; of a single card, not all 0. */
static int mac_parse(const char *text, uint8_t mac[6])
{
    unsigned value[6];
    int end = 0;
    unsigned any = 0;

    if (strlen(text) != 17 || strspn(text, "0123456789abcdefABCDEF:") != 17)
        return -EINVAL;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &value[0], &value[1],
               &value[2], &value[3], &value[4], &value[5], &end) != 6 ||
        end != 17)
        return -EINVAL;
    for (unsigned i = 0; i < 6; i++) {
        mac[i] = (uint8_t)value[i];
        any |= value[i];
    }
    return any == 0 || (value[0] & 1) != 0 ? -EINVAL : 0;
}

/* [ADDR]:PORT, taken apart in place. */
static int endpoint_parse(char *text, uint32_t *address, uint16_t *port)
{
    char *colon = strrchr(text, ':');
    struct in_addr in = {0};
    uint64_t value;

    if (colon == NULL)
        return -EINVAL;
    *colon = '\0';
    if (*text != '\0' && inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    if (number_parse(colon + 1, UINT16_MAX, &value) != 0 || value == 0)
        return -EINVAL;
    *address = ntohl(in.s_addr);
    *port = (uint16_t)value;
    return 0;
}

static int forward_parse(char *text, struct host_forward *forward)
{
    char *to = strchr(text, '-');

    if (to == NULL ||
        (strncmp(text, "tcp:", 4) != 0 && strncmp(text, "udp:", 4) != 0))
        return -EINVAL;
    *to++ = '\0';
    forward->udp = text[0] == 'u';
    if (endpoint_parse(text + 4, &forward->host_address, &forward->host_port) !=
        0)
        return -EINVAL;
    return endpoint_parse(to, &forward->guest_address, &forward->guest_port);
}

static int net_option_parse(struct host_args *args, struct host_net_config *net,
                            char *word)
{
    if (strncmp(word, "mac=", 4) == 0) {
        if (mac_parse(word + 4, net->mac) != 0)
            return fail(args,
                        "--net %s: give the address of one card, such as "
                        "mac=52:54:00:12:34:56",
                        word);
        return 0;
    }
    if (net->kind == HOST_NET_USER && strncmp(word, "hostfwd=", 8) == 0) {
        char copy[64];

        snprintf(copy, sizeof(copy), "%s", word);
        if (net->forward_count == HOST_FORWARD_MAX)
            return fail(args, "--net user: at most %d hostfwd",
                        HOST_FORWARD_MAX);
        if (forward_parse(word + 8, &net->forward[net->forward_count]) != 0)
            return fail(args,
                        "--net user,%s: give it as "
                        "hostfwd=tcp:127.0.0.1:8080-:80",
                        copy);
        net->forward_count++;
        return 0;
    }
    return fail(args, "--net: unknown option '%s', see --help", word);
}

static int net_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;
    struct host_net_config *net;
    char *rest = text;
    char *word = strsep(&rest, ",");
    int err = 0;

    if (config->net_count == HOST_NET_MAX)
        return fail(args, "--net: at most %d cards", HOST_NET_MAX);
    net = &args->nets[config->net_count];
    if (strcmp(word, "user") == 0) {
        net->kind = HOST_NET_USER;
    } else if (strncmp(word, "tap=", 4) == 0) {
        net->kind = HOST_NET_TAP;
        net->tap = word + 4;
        if (*net->tap == '\0' || strlen(net->tap) > NAME_MAX_IF)
            return fail(args,
                        "--net tap=%s: give the name of an interface, "
                        "1 to 15 letters",
                        net->tap);
    } else {
        return fail(args, "--net '%s': give tap=NAME or user", word);
    }
    while (err == 0 && (word = strsep(&rest, ",")) != NULL)
        err = net_option_parse(args, net, word);
    if (err == 0)
        config->net_count++;
    return err;
}

/* ---- The kernel's words -------------------------------------------------- */

/*
 * Append a word to the command line. Blanks are quoted; of key=value only the
 * value, since an equals sign in quotes ends no key.
 */
static int word_add(struct host_args *args, const char *word)
{
    size_t used = strlen(args->cmdline);
    size_t room = sizeof(args->cmdline) - used;
    const char *value = word + strcspn(word, "= \t\n");
    const char *quote = "";
    int len;

    if (*value == '=')
        value++;
    else
        value = word;
    if (*word == '\0' || strpbrk(value, " \t\n") != NULL)
        quote = "\"";
    if (strchr(word, '"') != NULL)
        return fail(args, "'%s': a word cannot hold double quotes", word);
    len = snprintf(args->cmdline + used, room, "%s%.*s%s%s%s",
                   used > 0 ? " " : "", (int)(value - word), word, quote, value,
                   quote);
    if ((size_t)len >= room)
        return fail(args, "the command line is longer than %zu bytes",
                    sizeof(args->cmdline) - 1);
    return 0;
}

/* ---- Options ------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*parse)(struct host_args *args, char *value);
} options[] = {
    {"--cpus", cpus_parse}, {"--nodes", nodes_parse},
    {"--mem", mem_parse},   {"--disk", disk_parse},
    {"--net", net_parse},   {"--module", module_parse},
};

/*
 * Take the option at argv[*index], and its value from there or from the next
 * argument; *index moves to the last one used.
 */
static int option_parse(struct host_args *args, int argc, char **argv,
                        int *index)
{
    char *value = argv[*index];
    char *name = strsep(&value, "=");

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(name, options[i].name) != 0)
            continue;
        if (value == NULL && *index + 1 < argc)
            value = argv[++*index];
        if (value == NULL)
            return fail(args, "%s wants a value, see --help", name);
        return options[i].parse(args, value);
    }
    return fail(args,
                "unknown option '%s', see --help; words for the kernel "
                "come after --",
                name);
}

int host_args_parse(int argc, char **argv, struct host_args *args)
{
    int index = 1;
    int err = 0;

    memset(args, 0, sizeof(*args));
    for (; err == 0 && index < argc && argv[index][0] == '-'; index++) {
        if (strcmp(argv[index], "--") == 0) {
            index++;
            break;
        }
        if (strcmp(argv[index], "--help") == 0) {
            args->help = true;
            return 0;
        }
        err = option_parse(args, argc, argv, &index);
    }
    for (; err == 0 && index < argc; index++)
        err = word_add(args, argv[index]);
    args->config.cmdline = args->cmdline;
    args->config.disks = args->disks;
    args->config.nets = args->nets;
    args->config.modules = args->modules;
    return err;
}
