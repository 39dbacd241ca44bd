/*
 * An application: one main.c that defines torc_app. This is the only place that
 * names what the image contains; what is not named is not linked in.
 */
#ifndef TORC_APP_H
#define TORC_APP_H

#include <stdbool.h>

struct driver;
struct file_system;
struct net_family;

struct torc_app {
    const char *name;

    /*
     * The application, in a thread of CPU 0. argv[0] is the name, then its
     * arguments: the words of the command line behind "--" that are not options
     * of `options`; with has_arguments also those before "--" without '='. What
     * it returns is the exit status of the machine.
     */
    int (*main)(int argc, char **argv);

    /* Whether it takes arguments that do not stand behind "--". */
    bool has_arguments;

    /*
     * Its options, for machine_option(); NULL ends them. Each is a string,
     * "key=VALUES what it is": VALUES are alternatives with '|' between them,
     * a word, "A..B" for a number from A to B, a word in capitals for any text.
     * Others are refused before the application begins.
     */
    const char *const *options;

    /* NULL-terminated; <torc/drivers.h>, <torc/file_systems.h>. */
    const struct driver *const *drivers;
    const struct file_system *const *file_systems;

    /* The families of addresses beside IPv4: <torc/net.h>; NULL: none. */
    const struct net_family *const *families;
};

extern const struct torc_app torc_app;

#endif
