/*
 * The options that all servers of files have:
 *
 *   net=ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   root=DEVICE                    default: the first disk or partition that
 *                                  can be mounted
 *   dir=PATH                       what to serve, default /
 *   port=NUMBER                    default 80
 *   cpu=NUMBER                     which CPU has the card and the disk, default
 *                                  0; cpu=all, where the application has it:
 *                                  CPU 0 has the disk, and every CPU serves
 */
#ifndef TORC_APPS_SITE_OPTIONS_H
#define TORC_APPS_SITE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/net.h>
#include <torc/net_card.h>

enum { SITE_EXIT_USAGE = 2 };

struct site_options {
    struct net_config net;
    const char *root; /* NULL: find one */
    const char *dir;  /* absolute, fits a responder */
    uint16_t port;
    unsigned cpu;
    bool is_everywhere; /* cpu=all */
};

/* How the card is configured. Each application defines it. */
struct site_network {
    /* Its options besides net=, for the line about usage: " key=value" or "".
     */
    const char *more;

    /* What net= says. Returns 0, -EINVAL. */
    int (*parse)(const char *text, struct net_config *out);

    /* Start the stack on the card, on this CPU, and change *config to what the
     * card has then. Returns 0 or as net_start(). */
    int (*start)(struct device *card, struct net_config *config);

    /* For cpu=all; NULL: there is none. The same on the card of all CPUs; and
     * serve on each of them, returning 0 or as site_start(), after the log says
     * what is wrong. */
    int (*start_all)(struct device *card, struct net_config *config);
    int (*everywhere)(const struct site_options *options);
};

extern const struct site_network site_network;

/* Whether this CPU has enough memory to serve. Returns 0, -ENOMEM after it has
 * logged it. */
must_check int site_check_memory(void);

/* For applications whose cards have an address by the command line. */
int site_net_start(struct device *card, struct net_config *config);

/* The options, for struct torc_app; those of its families of addresses come
 * besides. */
#define SITE_OPTIONS_FIRST                                   \
    NET_CARD_OPTION_NAMES,                                   \
        "root=DEVICE the disk or partition (the first that " \
        "can be mounted)",                                   \
        "dir=PATH the directory that is served (/)"
#define SITE_OPTION_NAMES \
    SITE_OPTIONS_FIRST, "cpu=0..255 which CPU has the card and the disk (0)"
#define SITE_OPTION_NAMES_ALL                                                  \
    SITE_OPTIONS_FIRST, "cpu=0..255|all which CPU has the card and the disk; " \
                        "all: every CPU serves (0)"
#define SITE_OPTION_NET6 "net6=off|auto|ADDRESS/PREFIX addresses of IPv6 (auto)"

/* The drivers of an application that serves files on any machine. */
#define SITE_DRIVERS                                                         \
    &virtio_rng_driver, &virtio_blk_driver, &virtio_net_driver, &ide_driver, \
        &e1000_driver, &ne2000_driver, &leaf_blk_driver, &leaf_net_driver,   \
        &ramdisk_driver, &env_driver

/*
 * Read the command line.
 *   more  what else there is, for the line about usage: " key=value ..." or ""
 * Returns 0, or SITE_EXIT_USAGE after it has logged what is wrong; then *out is
 * not to be used.
 */
must_check int site_options_read(int argc, char **argv, const char *more,
                                 struct site_options *out);

/* Give the stack of this CPU the families of addresses of the application, as
 * their options say. Returns 0, or an error after it has logged it. */
must_check int site_families_start(void);

/* Log what is wrong with `value`; returns SITE_EXIT_USAGE. */
must_check int site_options_refuse(const char *problem, const char *value,
                                   const char *more);

/* What an option was given, or else `otherwise`. */
const char *site_option(const char *key, const char *otherwise);

#endif
