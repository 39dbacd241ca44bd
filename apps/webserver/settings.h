/*
 * The options of the web server:
 *
 *   net=ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   root=DEVICE                    default: the first disk or partition that
 *                                  holds ext2
 *   dir=PATH                       what to serve, default /
 *   port=NUMBER                    default 80
 *   cpu=NUMBER                     which CPU has the card and the disk, default
 *                                  0
 */
#ifndef TORC_APPS_WEBSERVER_SETTINGS_H
#define TORC_APPS_WEBSERVER_SETTINGS_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/net.h>

enum { SETTINGS_EXIT_USAGE = 2 };

struct settings {
    struct net_config net;
    const char *root; /* NULL: find one */
    const char *dir;  /* absolute, fits a responder */
    uint16_t port;
    unsigned cpu;
};

/* The names of the options, for struct torc_app. */
extern const char *const settings_options[];

/*
 * Read the command line. Returns 0, or SETTINGS_EXIT_USAGE after it has logged
 * what is wrong; then *out is not to be used.
 */
must_check int settings_read(int argc, char **argv, struct settings *out);

#endif
