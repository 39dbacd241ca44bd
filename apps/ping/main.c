/*
 * Ask a host for echoes of ICMP, and say how long they take:
 *
 *   ping [-4|-6] HOST
 *
 *   net=dhcp|ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   net6=off|auto|ADDRESS/PREFIX[,GATEWAY]   IPv6: docs/ip6.md; default off
 *   dns=ADDRESS    a server of names, before those that DHCP tells of
 *   count=NUMBER   of requests, default 4
 *   size=BYTES     of their payload, default 56
 *   interval=MS    between two of them, in milliseconds, default 1000
 *   wait=SECONDS   for each answer, default 5
 *   hops=NUMBER    1 .. 255: how many links a request may go
 *   trace=1        ask with 1, 2, 3 ... hops until the host answers: which
 *                  routers are on the way?
 *
 * The exit status is 0 when the host has answered, 1 when it has not, 2 when
 * the arguments are wrong or there is no network.
 */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/icmp.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/net_resolve.h>
#include <torc/random.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    EXIT_SILENT = 1,
    EXIT_USAGE = 2,
    TRACE_HOPS = 30,
};

#define TRY_NS   (100 * NS_PER_MS)
#define READY_NS (3 * NS_PER_S) /* behind the start: IPv6 has its addresses */
#define NAME_NS  (20 * NS_PER_S)

/* Owner: the one thread. */
static uint64_t ready_at; /* 0: there is no IPv6 */

struct summary {
    uint64_t sent;
    uint64_t received;
    uint64_t least_ns;
    uint64_t most_ns;
    uint64_t sum_ns;
};

struct options {
    enum resolve_family family;
    const char *host;
    uint64_t count;
    uint64_t size;
    uint64_t interval_ms;
    uint64_t wait_s;
    uint64_t hops;
    uint64_t trace;
};

/* ---- Requests ------------------------------------------------------------ */

/* Until our addresses of IPv6 are ready nobody beyond the link is reached. */
static int ask(struct icmp_echo *echo, uint64_t wait_s,
               struct icmp_answer *answer)
{
    for (;;) {
        int error;

        echo->deadline_ns = time_ns() + wait_s * NS_PER_S;
        error = icmp_echo(echo, answer);
        if (error != -EHOSTUNREACH || answer->is_expired ||
            time_ns() >= ready_at)
            return error;
        thread_sleep_until(time_ns() + TRY_NS);
    }
}

static const char *text_of(int error, const struct icmp_answer *answer)
{
    if (answer->is_expired)
        return "it is more hops away";
    switch (error) {
    case -ETIMEDOUT:
        return "no answer";
    case -EHOSTUNREACH:
        return "it cannot be reached";
    case -ECONNREFUSED:
        return "it does not know ICMP";
    case -EMSGSIZE:
        return "the request is too large";
    case -EINVAL:
        return "that is not the address of a host";
    default:
        return "it failed";
    }
}

/* "1.234": milliseconds. */
static void print_ms(const char *before, uint64_t ns, const char *behind)
{
    console_print("%s%llu.%03llu%s", before,
                  (unsigned long long)(ns / NS_PER_MS),
                  (unsigned long long)(ns % NS_PER_MS / 1000), behind);
}

static void count_answer(struct summary *summary, uint64_t ns)
{
    if (summary->received == 0 || ns < summary->least_ns)
        summary->least_ns = ns;
    if (ns > summary->most_ns)
        summary->most_ns = ns;
    summary->sum_ns += ns;
    summary->received++;
}

static void print_answer(const struct icmp_echo *echo,
                         const struct icmp_answer *answer, int error)
{
    char from[NET_ADDR_SIZE];

    net_addr_format(from, &answer->from);
    if (error == 0) {
        console_print("%u bytes from %s: seq=%u", (unsigned)echo->size, from,
                      echo->sequence);
        print_ms(" time=", answer->round_trip_ns, " ms\n");
        return;
    }
    console_print("seq=%u: %s", echo->sequence, text_of(error, answer));
    if (answer->from.word[1] != 0)
        console_print(", says %s", from);
    if (answer->mtu != 0)
        console_print(" (at most %u bytes with headers)", answer->mtu);
    console_print("\n");
}

static void print_summary(const struct options *options,
                          const struct summary *summary)
{
    uint64_t lost = summary->sent - summary->received;

    console_print("%s: %llu sent, %llu received, %llu %% lost\n", options->host,
                  (unsigned long long)summary->sent,
                  (unsigned long long)summary->received,
                  (unsigned long long)(lost * 100 / summary->sent));
    if (summary->received == 0)
        return;
    print_ms("round trip min/avg/max ", summary->least_ns, "/");
    print_ms("", summary->sum_ns / summary->received, "/");
    print_ms("", summary->most_ns, " ms\n");
}

static int ping(struct icmp_echo *echo, const struct options *options)
{
    struct summary summary = {0};
    struct icmp_answer answer;

    for (uint64_t i = 0; i < options->count; i++) {
        uint64_t begin = time_ns();
        int error;

        echo->sequence = (uint16_t)i;
        error = ask(echo, options->wait_s, &answer);
        summary.sent++;
        if (error == 0)
            count_answer(&summary, answer.round_trip_ns);
        print_answer(echo, &answer, error);
        if (i + 1 < options->count)
            thread_sleep_until(begin + options->interval_ms * NS_PER_MS);
    }
    print_summary(options, &summary);
    return summary.received > 0 ? 0 : EXIT_SILENT;
}

static int trace(struct icmp_echo *echo, const struct options *options)
{
    struct icmp_answer answer;
    char from[NET_ADDR_SIZE];

    for (unsigned hops = 1; hops <= TRACE_HOPS; hops++) {
        int error;

        echo->hop_limit = (uint8_t)hops;
        echo->sequence = (uint16_t)hops;
        error = ask(echo, options->wait_s, &answer);
        net_addr_format(from, &answer.from);
        if (error == -ETIMEDOUT) {
            console_print("%u *\n", hops);
            continue;
        }
        console_print("%u %s", hops, from);
        print_ms(" ", answer.round_trip_ns, " ms\n");
        if (error == 0)
            return 0;
        if (!answer.is_expired) {
            log_error("ping: %s", text_of(error, &answer));
            return EXIT_SILENT;
        }
    }
    return EXIT_SILENT;
}

/* ---- Starting ------------------------------------------------------------ */

static int usage(const char *problem, const char *word)
{
    log_error("ping: %s \"%s\"; usage: [net=dhcp|A.B.C.D/PREFIX[,GATEWAY]] "
              "[net6=...] [dns=ADDRESS] [count=N] [size=BYTES] [interval=MS] "
              "[wait=SECONDS] [hops=N] [trace=1] -- [-4|-6] HOST",
              problem, word);
    return EXIT_USAGE;
}

/* Of those that are given; the table below says what they may be. */
static void read_options(struct options *options)
{
    const struct {
        const char *name;
        uint64_t *value;
    } rows[] = {
        {"count", &options->count},
        {"size", &options->size},
        {"interval", &options->interval_ms},
        {"wait", &options->wait_s},
        {"hops", &options->hops},
        {"trace", &options->trace},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        const char *text = machine_option(rows[i].name);

        if (text != NULL && str_to_u64(text, rows[i].value) != 0)
            *rows[i].value = 0; /* it was checked: it is a number */
    }
}

/* Returns 0 or an exit status. */
static int read_arguments(int argc, char **argv, struct options *options)
{
    int at = 1;

    if (argc > 2 && str_equal(argv[1], "-4"))
        options->family = RESOLVE_IP4;
    else if (argc > 2 && str_equal(argv[1], "-6"))
        options->family = RESOLVE_IP6;
    if (options->family != RESOLVE_ANY)
        at++;
    if (argc != at + 1 || argv[at][0] == '-')
        return usage("one host is needed", argc > at ? argv[at] : "");
    options->host = argv[at];
    read_options(options);
    return 0;
}

/* Returns 0 or an exit status. */
static int start_net(void)
{
    const char *net6 = machine_option("net6");
    const char *dns = machine_option("dns");
    struct net_addr server;
    uint16_t port = 1;

    if (net_card_start_dhcp(&port) != 0)
        return EXIT_USAGE;
    if (net6 != NULL && net_ip6.start(net6) != 0)
        return usage("bad network", net6);
    if (net6 != NULL)
        ready_at = time_ns() + READY_NS;
    if (dns == NULL)
        return 0;
    if (net_resolve(dns, RESOLVE_ANY, &server, 1, 0) != 1 ||
        net_set_name_servers(&server, 1) != 0)
        return usage("bad server", dns);
    return 0;
}

static int app_main(int argc, char **argv)
{
    struct options options = {
        .count = 4, .size = 56, .interval_ms = 1000, .wait_s = 5};
    struct icmp_echo echo = {.size = 0};
    char text[NET_ADDR_SIZE];
    int status = read_arguments(argc, argv, &options);

    if (status == 0)
        status = start_net();
    if (status != 0)
        return status;
    status = net_resolve(options.host, options.family, &echo.to, 1,
                         time_ns() + NAME_NS);
    if (status < 0) {
        log_error("ping: %s: no address (error %d)", options.host, status);
        return EXIT_SILENT;
    }
    status = random_bytes(&echo.id, sizeof(echo.id));
    (void)status; /* any id will do */
    echo.size = options.size;
    echo.hop_limit = (uint8_t)options.hops;
    net_addr_format(text, &echo.to);
    console_print("ping %s (%s): %u bytes\n", options.host, text,
                  (unsigned)echo.size);
    return options.trace != 0 ? trace(&echo, &options) : ping(&echo, &options);
}

static const char *const names[] = {
    NET_CARD_OPTION_NAMES,
    "net6=off|auto|ADDRESS/PREFIX[,GATEWAY] addresses of IPv6 (off)",
    "dns=ADDRESS[:PORT] a server of names (by DHCP)",
    "count=1..1000000000 requests (4)",
    "size=0..65535 bytes of a request (56)",
    "interval=0..1000000000 milliseconds between two requests (1000)",
    "wait=0..1000000 seconds for an answer (5)",
    "hops=1..255 how many links a request may go (64)",
    "trace=0..1 1: asks who is on the way (0)",
    NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,   NULL,
};

static const struct net_family *const families[] = {&net_ip6, NULL};

const struct torc_app torc_app = {
    .name = "ping",
    .main = app_main,
    .has_arguments = true,
    .options = names,
    .drivers = drivers,
    .families = families,
};
