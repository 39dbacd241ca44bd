/*
 * Look up names of hosts, and names of addresses:
 *
 *   resolve [-4|-6] NAME...
 *
 *   net=dhcp|ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   dns=ADDRESS     a server to ask, before those that DHCP tells of
 *   wait=SECONDS    for each name, default 20
 *
 * Prints "NAME ADDRESS" for each address. The exit status is 0, 1 when
 * something was not found, 2 when the arguments are wrong or there is no
 * network.
 */
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/net_resolve.h>
#include <torc/string.h>
#include <torc/time.h>

enum { EXIT_NOT_FOUND = 1, EXIT_USAGE = 2, ADDRS_MAX = 16 };

struct options {
    enum resolve_family family;
    uint64_t wait_s;
};

static const char *text_of(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such name";
    case -ENODATA:
        return "it has no such address";
    case -EINVAL:
    case -ENAMETOOLONG:
        return "that is no name";
    case -ETIMEDOUT:
        return "no server answers";
    case -EIO:
        return "no server knows it";
    case -ENETUNREACH:
        return "no server is known: give dns=ADDRESS";
    default:
        return "it failed";
    }
}

/* Returns 0, or -ENOENT after it has said why. */
static int resolve(const char *name, const struct options *options)
{
    uint64_t deadline = time_ns() + options->wait_s * NS_PER_S;
    struct net_addr addrs[ADDRS_MAX];
    char text[NET_NAME_SIZE];
    int count = net_resolve(name, options->family, addrs, ADDRS_MAX, deadline);

    if (count == 1) {
        /* An address as text: what is its name? */
        net_addr_format(text, &addrs[0]);
        if (str_equal(text, name)) {
            count = net_resolve_addr(&addrs[0], text, deadline);
            if (count == 0)
                console_print("%s %s\n", name, text);
        }
    }
    if (count < 0) {
        log_error("resolve: %s: %s (error %d)", name, text_of(count), count);
        return -ENOENT;
    }
    for (int i = 0; i < count; i++) {
        net_addr_format(text, &addrs[i]);
        console_print("%s %s\n", name, text);
    }
    return 0;
}

static int usage(const char *problem, const char *word)
{
    log_error("resolve: %s \"%s\"; usage: [net=dhcp|A.B.C.D/PREFIX[,GATEWAY]] "
              "[dns=ADDRESS] [wait=SECONDS] -- [-4|-6] NAME...",
              problem, word);
    return EXIT_USAGE;
}

/* Returns the index of the first name, or a negative exit status. */
static int read_arguments(int argc, char **argv, struct options *options)
{
    const char *wait = machine_option("wait");
    int first = 1;

    *options = (struct options){.wait_s = 20};
    if (wait != NULL && (str_to_u64(wait, &options->wait_s) != 0 ||
                         options->wait_s > UINT64_MAX / NS_PER_S / 2))
        return -usage("bad time", wait);
    if (argc > 1 && argv[1][0] == '-') {
        if (str_equal(argv[1], "-4"))
            options->family = RESOLVE_IP4;
        else if (str_equal(argv[1], "-6"))
            options->family = RESOLVE_IP6;
        else
            return -usage("unknown option", argv[1]);
        first++;
    }
    if (first >= argc)
        return -usage("no name is given", "");
    return first;
}

/* Returns 0 or an exit status. */
static int start_net(void)
{
    const char *dns = machine_option("dns");
    struct net_addr server;
    uint16_t port = 53;

    if (net_card_start_dhcp(&port) != 0)
        return EXIT_USAGE;
    if (dns == NULL)
        return 0;
    if (net_resolve(dns, RESOLVE_ANY, &server, 1, 0) != 1 ||
        net_set_name_servers(&server, 1) != 0)
        return usage("bad server", dns);
    return 0;
}

static int app_main(int argc, char **argv)
{
    struct options options;
    int first = read_arguments(argc, argv, &options);
    int status = first < 0 ? -first : start_net();

    if (status != 0)
        return status;
    for (int i = first; i < argc; i++) {
        if (resolve(argv[i], &options) != 0)
            status = EXIT_NOT_FOUND;
    }
    return status;
}

static const char *const names[] = {
    NET_CARD_OPTION_NAMES, "dns=ADDRESS[:PORT] a server of names (by DHCP)",
    "wait=SECONDS for each name (20)", NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,   NULL,
};

const struct torc_app torc_app = {
    .name = "resolve",
    .main = app_main,
    .has_arguments = true,
    .options = names,
    .drivers = drivers,
};
