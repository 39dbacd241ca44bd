/*
 * The arguments of the process: what the machine is made of, and the words of
 * the kernel's command line.
 */
#include "hal/posix/host/args.h"
#include "hal/posix/host/args_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char host_args_help[] =
    "[OPTION]... [--] [WORD]...\n"
    "Run a Torc machine. The WORDs are its kernel's command line.\n"
    "\n"
    "  --cpus N         CPUs, 1 to 256 (1)\n"
    "  --mem SIZE       memory of each CPU, with k, m or g (64m)\n"
    "  --fill           fill the memory (up to 1 GiB) with the byte 0xa5,\n"
    "                   which shows what relies on memory that is zero\n"
    "  --nodes N        NUMA nodes, 1 to 64, that share both evenly (1)\n"
    "  --disk FILE[,ro][,direct][,sector=512|4096][,engine=uring|threads]\n"
    "                   a disk: a file or block device; direct: not through\n"
    "                   the host's cache; engine: what carries out requests\n"
    "                   (io_uring, or threads where the host refuses it)\n"
    "  --net tap=NAME[,mac=MAC][,large][,plain]\n"
    "                   a network card on a tap interface of the host; large:\n"
    "                   it takes segments of TCP that were joined; plain: it\n"
    "                   does without offloads\n"
    "  --net user[,mac=MAC][,hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]...\n"
    "                   a network card on a network inside the process:\n"
    "                   10.0.2.15/24, gateway 10.0.2.2; hostfwd leads a port\n"
    "                   of the host to one of the machine\n"
    "  --net link:NAME[,mac=MAC][,mtu=N][,seed=N][,loss=P%][,dup=P%]\n"
    "      [,reorder=P%][,corrupt=P%][,delay=T][,jitter=T][,rate=N][,queue=N]\n"
    "                   a network card on one of the two ends of a wire "
    "inside\n"
    "                   the process, and what the wire does to the frames "
    "that\n"
    "                   this card sends: see docs/hosted.md\n"
    "  --net unix:PATH,peer=PATH[,mac=MAC][,vsock=CID]\n"
    "                   a network card on a wire to another process: sockets "
    "of\n"
    "                   datagrams with the names of both ends; with vsock a "
    "socket\n"
    "                   device, and the other end is the host's side\n"
    "  --pcap FILE[,snap=N]\n"
    "                   write the frames of all cards to a file for tshark\n"
    "                   (pcapng); snap: N bytes of each frame at most\n"
    "  --module FILE    a file in memory at boot\n"
    "  --help           this text\n";

int host_args_fail(struct host_args *args, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(args->error, sizeof(args->error), format, list);
    va_end(list);
    return -EINVAL;
}

/* ---- Values -------------------------------------------------------------- */

int host_number_parse(const char *text, uint64_t limit, uint64_t *out)
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

    if (host_number_parse(text, HOST_CPU_MAX, &value) != 0 || value == 0)
        return host_args_fail(args, "--cpus '%s': give a number from 1 to %d",
                              text, HOST_CPU_MAX);
    args->config.cpus = (unsigned)value;
    return 0;
}

static int nodes_parse(struct host_args *args, char *text)
{
    uint64_t value;

    if (host_number_parse(text, HOST_NODE_MAX, &value) != 0 || value == 0)
        return host_args_fail(args, "--nodes '%s': give a number from 1 to %d",
                              text, HOST_NODE_MAX);
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

    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        len--;
    }
    if (len >= sizeof(digits))
        return host_args_fail(args, "--mem '%s': the number is too long", text);
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (host_number_parse(digits, SIZE_MAX >> 1 >> shift, &value) != 0)
        return host_args_fail(args, "--mem '%s': give a size such as 64m",
                              text);
    if (value << shift < HOST_MEM_MIN)
        return host_args_fail(
            args, "--mem '%s': too small, at least 2m for each CPU", text);
    args->config.mem_bytes = (size_t)value << shift;
    return 0;
}

/* An option of a disk. Returns whether it is one. */
static bool disk_option(struct host_disk_config *disk, const char *word)
{
    static const struct {
        const char *word;
        struct host_disk_config sets;
    } words[] = {
        {"ro", {.read_only = true}},
        {"direct", {.direct = true}},
        {"engine=uring", {.engine = HOST_DISK_URING}},
        {"engine=threads", {.engine = HOST_DISK_THREADS}},
        {"sector=512", {.sector_size = 512}},
        {"sector=4096", {.sector_size = 4096}},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct host_disk_config *sets = &words[i].sets;

        if (strcmp(word, words[i].word) != 0)
            continue;
        disk->read_only |= sets->read_only;
        disk->direct |= sets->direct;
        if (sets->engine != HOST_DISK_ANY)
            disk->engine = sets->engine;
        if (sets->sector_size != 0)
            disk->sector_size = sets->sector_size;
        return true;
    }
    return false;
}

/* The options are at the end; what is none of them is a part of the name. */
static int disk_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;
    struct host_disk_config *disk;
    char *comma;

    if (config->disk_count == HOST_DISK_MAX)
        return host_args_fail(args, "--disk: at most %d disks", HOST_DISK_MAX);
    disk = &args->disks[config->disk_count];
    while ((comma = strrchr(text, ',')) != NULL && disk_option(disk, comma + 1))
        *comma = '\0';
    if (*text == '\0')
        return host_args_fail(args, "--disk: give the name of a file");
    disk->path = text;
    config->disk_count++;
    return 0;
}

static int module_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;

    if (config->module_count == HOST_MODULE_MAX)
        return host_args_fail(args, "--module: at most %d modules",
                              HOST_MODULE_MAX);
    if (*text == '\0')
        return host_args_fail(args, "--module: give the name of a file");
    args->modules[config->module_count++] = text;
    return 0;
}

static int pcap_parse(struct host_args *args, char *text)
{
    struct host_capture_config *capture = &args->config.capture;
    char *comma = strrchr(text, ',');
    uint64_t value;

    if (comma != NULL && strncmp(comma, ",snap=", 6) == 0) {
        if (host_number_parse(comma + 6, UINT32_MAX, &value) != 0 || value == 0)
            return host_args_fail(
                args, "--pcap '%s': give a number of bytes, such as snap=128",
                text);
        capture->snap = (uint32_t)value;
        *comma = '\0';
    }
    if (*text == '\0')
        return host_args_fail(args, "--pcap: give the name of a file");
    if (capture->path != NULL)
        return host_args_fail(args, "--pcap: one file has all cards");
    capture->path = text;
    return 0;
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
        return host_args_fail(args, "'%s': a word cannot hold double quotes",
                              word);
    len = snprintf(args->cmdline + used, room, "%s%.*s%s%s%s",
                   used > 0 ? " " : "", (int)(value - word), word, quote, value,
                   quote);
    if ((size_t)len >= room)
        return host_args_fail(
            args, "the command line is longer than %zu bytes: give fewer words",
            sizeof(args->cmdline) - 1);
    return 0;
}

/* ---- Options ------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*parse)(struct host_args *args, char *value);
} options[] = {
    {"--cpus", cpus_parse},    {"--nodes", nodes_parse},
    {"--mem", mem_parse},      {"--disk", disk_parse},
    {"--net", host_net_parse}, {"--module", module_parse},
    {"--pcap", pcap_parse},
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
            return host_args_fail(args, "%s wants a value, see --help", name);
        return options[i].parse(args, value);
    }
    return host_args_fail(
        args,
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
        if (strcmp(argv[index], "--fill") == 0) {
            args->config.fill = true;
            continue;
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
