/*
 * Fetch what URLs name, over HTTP:
 *
 *   fetch URL...     http://HOST[:PORT][/PATH][?QUERY]
 *
 *   net=dhcp|ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   wait=SECONDS    for each of them, default 60
 *   print=1         print what comes; else a line: the URL, the status, how
 *                   many bytes, and their FNV-1a of 64 bits
 *
 * URLs of one host one after the other use one connection, if the host keeps
 * it. The exit status is 0, 1 when something was not fetched or its status is
 * not 2xx, 2 when the arguments are wrong or there is no network.
 */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/http_client.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/net_resolve.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    HOST_SIZE = NET_NAME_SIZE + 8, /* with ":65535" and a NUL */
    PIECE = 8192,
    LINE = 128, /* of what is printed at once */
};

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct url {
    char host[HOST_SIZE]; /* with its port, as the Host field has it */
    char name[NET_NAME_SIZE];
    uint16_t port;
    const char *target;
};

/* The connection, and to whom. Owner: CPU 0. */
static struct http_client *client;
static char client_host[HOST_SIZE];

/* ---- URLs ---------------------------------------------------------------- */

static bool parse_url(const char *text, struct url *out)
{
    const char *host = text + strlen("http://");
    size_t len = 0, name_len = 0;
    uint64_t port = 80;

    if (!str_starts(text, "http://"))
        return false;
    while (host[len] != '\0' && host[len] != '/' && host[len] != '?')
        len++;
    if (len == 0 || len >= sizeof(out->host))
        return false;
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    while (name_len < len && host[name_len] != ':')
        name_len++;
    if (name_len >= sizeof(out->name))
        return false;
    memcpy(out->name, host, name_len);
    out->name[name_len] = '\0';
    if (name_len < len && (str_to_u64(out->host + name_len + 1, &port) != 0 ||
                           port < 1 || port > UINT16_MAX))
        return false;
    out->port = (uint16_t)port;
    out->target = host[len] == '\0' ? "/" : host + len;
    return host[len] != '?'; /* a query has a path before it */
}

/* ---- Fetching ------------------------------------------------------------ */

static void disconnect(void)
{
    http_client_close(client);
    client = NULL;
}

/* Returns 0 or an error. */
static int connect(const struct url *url, uint64_t deadline_ns)
{
    struct net_endpoint server = {.port = url->port};
    int count;

    if (client != NULL && str_equal(client_host, url->host))
        return 0;
    disconnect();
    count = net_resolve(url->name, RESOLVE_ANY, &server.addr, 1, deadline_ns);
    if (count < 0)
        return count;
    str_copy(client_host, sizeof(client_host), url->host);
    return http_client_open(&server, deadline_ns, &client);
}

/* Returns a status, or an error. */
static int ask(const struct url *url, uint64_t deadline_ns)
{
    const struct http_client_request request = {
        .method = "GET",
        .target = url->target,
        .host = url->host,
        .fields = "User-Agent: Torc\r\n",
    };
    bool is_old = client != NULL;
    int status = connect(url, deadline_ns);

    if (status == 0)
        status = http_client_request(client, &request, deadline_ns);
    /* A server may end a connection that rests: RFC 9110, 9.2.2. */
    if (is_old && (status == -ENOTCONN || status == -ECONNRESET)) {
        disconnect();
        status = connect(url, deadline_ns);
        if (status == 0)
            status = http_client_request(client, &request, deadline_ns);
    }
    return status;
}

static void print(const char *bytes, size_t size)
{
    while (size > 0) {
        size_t len = size < LINE ? size : LINE;

        console_print("%.*s", (int)len, bytes);
        bytes += len;
        size -= len;
    }
}

/* Takes the content: how many bytes, or an error. */
static int64_t take_content(bool is_printed, uint64_t *hash,
                            uint64_t deadline_ns)
{
    static char bytes[PIECE]; /* of the one thread */
    int64_t sum = 0;
    int64_t got;

    while ((got = http_client_read(client, bytes, sizeof(bytes), deadline_ns)) >
           0) {
        sum += got;
        for (int64_t i = 0; i < got; i++)
            *hash = (*hash ^ (uint8_t)bytes[i]) * FNV_PRIME;
        if (is_printed)
            print(bytes, (size_t)got);
    }
    return got < 0 ? got : sum;
}

/* Returns whether it was fetched. */
static bool fetch(const char *text, uint64_t wait_s, bool is_printed)
{
    uint64_t deadline_ns = time_ns() + wait_s * NS_PER_S;
    int64_t bytes = 0;
    uint64_t hash = FNV_BASIS;
    struct url url;
    int status;

    if (!parse_url(text, &url)) {
        log_error("fetch: %s: no URL of http://HOST[:PORT]/PATH", text);
        return false;
    }
    status = ask(&url, deadline_ns);
    if (status > 0)
        bytes = take_content(is_printed, &hash, deadline_ns);
    if (status < 0 || bytes < 0) {
        log_error("fetch: %s: error %d", text,
                  status < 0 ? status : (int)bytes);
        disconnect();
        return false;
    }
    if (!is_printed)
        console_print("%s %d %lld %016llx\n", text, status, (long long)bytes,
                      (unsigned long long)hash);
    return status >= 200 && status < 300;
}

/* ---- Starting ------------------------------------------------------------ */

static int app_main(int argc, char **argv)
{
    const char *wait = machine_option("wait");
    const char *printed = machine_option("print");
    uint64_t wait_s = 60;
    uint16_t port = 80;
    int status = 0;

    if (argc < 2 || (wait != NULL &&
                     (str_to_u64(wait, &wait_s) != 0 || wait_s > UINT32_MAX))) {
        log_error("fetch: usage: [net=dhcp|A.B.C.D/PREFIX[,GATEWAY]] "
                  "[wait=SECONDS] [print=1] -- http://HOST[:PORT]/PATH...");
        return EXIT_USAGE;
    }
    if (net_card_start_dhcp(&port) != 0)
        return EXIT_USAGE;
    for (int i = 1; i < argc; i++) {
        if (!fetch(argv[i], wait_s, printed != NULL && str_equal(printed, "1")))
            status = EXIT_FAILED;
    }
    disconnect();
    return status;
}

static const char *const options[] = {
    NET_CARD_OPTION_NAMES, "wait=SECONDS for each answer (60)",
    "print=0..1 1: the answers are printed (0)", NULL};
static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,   NULL};

const struct torc_app torc_app = {
    .name = "fetch",
    .main = app_main,
    .has_arguments = true,
    .options = options,
    .drivers = drivers,
};
