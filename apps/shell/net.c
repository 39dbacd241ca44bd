/* Commands for the network. */
#include "apps/shell/shell.h"
#include "apps/shell/url.h"
#include <torc/figures.h>
#include <torc/http_client.h>
#include <torc/icmp.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net.h>
#include <torc/net_resolve.h>
#include <torc/random.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    ADDRS_MAX = 16,
    PING_COUNT = 4,
    PING_SIZE = 56,
    PING_COUNT_MAX = 1000000,
    CONTENT_PIECE = 256,
};
#define ANSWER_NS (20 * NS_PER_S)
#define ECHO_NS   (5 * NS_PER_S)
#define PAUSE_NS  NS_PER_S

/* ---- net ----------------------------------------------------------------- */

static void card_rows(struct shell *shell, unsigned cpu,
                      const struct figures *figures)
{
    for (unsigned i = 0; i < figures->queue_count; i++) {
        const struct figures_queue *queue = &figures->queues[i];

        if (!queue->is_card)
            continue;
        shell_print(shell,
                    "%s, cpu %u, link %s: in %llu frames %llu bytes %llu "
                    "lost, out %llu frames %llu bytes %llu lost\n",
                    queue->device, cpu, queue->link_up ? "up" : "down",
                    (unsigned long long)queue->rx_frames,
                    (unsigned long long)queue->rx_bytes,
                    (unsigned long long)queue->rx_dropped,
                    (unsigned long long)queue->tx_frames,
                    (unsigned long long)queue->tx_bytes,
                    (unsigned long long)queue->tx_dropped);
    }
}

static void address_row(struct shell *shell, const struct net_config *config)
{
    uint32_t address = config->address, gateway = config->gateway;
    unsigned prefix = 0;

    for (uint32_t mask = config->netmask; mask != 0; mask <<= 1)
        prefix++;
    shell_print(shell, "address %u.%u.%u.%u/%u, gateway %u.%u.%u.%u\n",
                address >> 24, address >> 16 & 255, address >> 8 & 255,
                address & 255, prefix, gateway >> 24, gateway >> 16 & 255,
                gateway >> 8 & 255, gateway & 255);
}

static int net(struct shell *shell, int argc, char **argv)
{
    struct figures *figures;
    struct net_config config;
    int status = net_get_config(&config);

    (void)argc;
    (void)argv;
    if (status != 0)
        return status;
    figures = mem_alloc(sizeof(*figures));
    if (figures == NULL)
        return -ENOMEM;
    address_row(shell, &config);
    for (unsigned cpu = 0; status == 0 && cpu < cpu_count(); cpu++) {
        status = figures_get(cpu, figures);
        if (status == 0)
            card_rows(shell, cpu, figures);
    }
    mem_free(figures);
    return status;
}

/* ---- Names --------------------------------------------------------------- */

static int resolve(struct shell *shell, int argc, char **argv)
{
    struct net_addr addrs[ADDRS_MAX];
    char text[NET_ADDR_SIZE];
    int count = net_resolve(argv[1], RESOLVE_ANY, addrs, ADDRS_MAX,
                            time_ns() + ANSWER_NS);

    (void)argc;
    if (count < 0)
        return shell_fail(shell, argv[1], count);
    for (int i = 0; i < count; i++) {
        net_addr_format(text, &addrs[i]);
        shell_print(shell, "%s\n", text);
    }
    return 0;
}

/* ---- ping ---------------------------------------------------------------- */

/* Returns whether the host has answered. */
static bool ping_once(struct shell *shell, struct icmp_echo *echo)
{
    struct icmp_answer answer;
    char from[NET_ADDR_SIZE];
    int status;

    echo->deadline_ns = time_ns() + ECHO_NS;
    status = icmp_echo(echo, &answer);
    if (status != 0) {
        shell_print(shell, "seq=%u: %s\n", echo->sequence, error_text(status));
        return false;
    }
    net_addr_format(from, &answer.from);
    shell_print(
        shell, "%u bytes from %s: seq=%u time=%llu.%03llu ms\n",
        (unsigned)echo->size, from, echo->sequence,
        (unsigned long long)(answer.round_trip_ns / NS_PER_MS),
        (unsigned long long)(answer.round_trip_ns % NS_PER_MS / NS_PER_US));
    return true;
}

static int ping(struct shell *shell, int argc, char **argv)
{
    uint64_t count = PING_COUNT, sent = 0, received = 0;
    struct icmp_echo echo = {.size = PING_SIZE};
    int status;

    if (argc > 2 && (str_to_u64(argv[2], &count) != 0 || count == 0 ||
                     count > PING_COUNT_MAX))
        return -EINVAL;
    status =
        net_resolve(argv[1], RESOLVE_ANY, &echo.to, 1, time_ns() + ANSWER_NS);
    if (status < 0)
        return shell_fail(shell, argv[1], status);
    status = random_bytes(&echo.id, sizeof(echo.id));
    (void)status; /* any id will do */
    shell->is_endless = count > LONG_ROUNDS;
    while (sent < count) {
        echo.sequence = (uint16_t)sent++;
        if (ping_once(shell, &echo))
            received++;
        if (sent < count && shell_wait(shell, time_ns() + PAUSE_NS))
            break;
    }
    shell_print(shell, "%llu sent, %llu received\n", (unsigned long long)sent,
                (unsigned long long)received);
    return received > 0 ? 0 : SHELL_SAID;
}

/* ---- http ---------------------------------------------------------------- */

/* Where content goes: to the output, or to a file. */
static int64_t content_put(struct shell *shell, struct file *file,
                           const char *bytes, size_t len)
{
    if (file != NULL)
        return file_write(file, bytes, len);
    shell_write(shell, bytes, len);
    return (int64_t)len;
}

/* Returns 0 or an error. */
static int content(struct shell *shell, struct http_client *client,
                   struct file *file)
{
    char bytes[CONTENT_PIECE];
    int64_t got;

    while ((got = http_client_read(client, bytes, sizeof(bytes),
                                   time_ns() + ANSWER_NS)) > 0) {
        int64_t done = content_put(shell, file, bytes, (size_t)got);

        if (done != got)
            return done < 0 ? (int)done : -ENOSPC;
        if (shell_stopped(shell))
            return -EINTR;
    }
    return (int)got;
}

/* Returns the status of the answer, or an error. */
static int ask(const struct url *url, struct http_client **client)
{
    const struct http_client_request request = {.method = "GET",
                                                .target = url->target,
                                                .host = url->host,
                                                .fields =
                                                    "User-Agent: Torc\r\n"};
    uint64_t deadline = time_ns() + ANSWER_NS;
    struct net_endpoint server = {.port = url->port};
    int status = net_resolve(url->name, RESOLVE_ANY, &server.addr, 1, deadline);

    if (status < 0)
        return status;
    status = http_client_open(&server, deadline, client);
    return status != 0 ? status
                       : http_client_request(*client, &request, deadline);
}

/* Returns 0, SHELL_SAID. */
static int http_into(struct shell *shell, const char *text,
                     const struct url *url, struct file *file)
{
    struct http_client *client = NULL;
    int answer = ask(url, &client);
    int status = answer < 0 ? answer : content(shell, client, file);

    http_client_close(client);
    if (status != 0)
        return shell_fail(shell, text, status);
    if (answer >= 200 && answer < 300)
        return 0;
    return shell_say(shell, "%.200s: the server says %d\n", text, answer);
}

/* Into a file beside it first: what was there goes when all has come. */
static int http_file(struct shell *shell, const char *text,
                     const struct url *url, const char *path)
{
    char part[FILE_PATH_MAX / 16];
    size_t len = strlen(path);
    struct file *file;
    int status = -ENAMETOOLONG;

    if (str_copy(part, sizeof(part), path) == 0 &&
        str_copy(part + len, sizeof(part) - len, ".part") == 0)
        status = file_open(part, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, 0644,
                           &file);
    if (status != 0)
        return shell_fail(shell, path, status);
    status = http_into(shell, text, url, file);
    file_close(file);
    if (status == 0) {
        status = file_rename(part, path, 0);
        if (status != 0)
            status = shell_fail(shell, path, status);
    }
    if (status != 0 && file_unlink(part) != 0)
        (void)shell_say(shell, "%s stays\n", part);
    return status;
}

static int http(struct shell *shell, int argc, char **argv)
{
    struct url url;

    if (url_parse(argv[1], &url) != 0)
        return shell_say(shell, "%.200s: give http://HOST[:PORT]/PATH\n",
                         argv[1]);
    if (argc > 2)
        return http_file(shell, argv[1], &url, argv[2]);
    return http_into(shell, argv[1], &url, NULL);
}

const struct command net_commands[] = {
    {"net", "", "the network card and its address", 0, 0, net},
    {"ping", "HOST [COUNT]", "is a host there?", 1, 2, ping},
    {"resolve", "NAME", "the addresses of a name", 1, 1, resolve},
    {"http", "URL [FILE]", "fetch, and show or keep it", 1, 2, http},
    {NULL, NULL, NULL, 0, 0, NULL},
};
