/*
 * An application: one main.c that defines torc_app. This is the only place that
 * names what the image contains; what is not named is not linked in.
 */
#ifndef TORC_APP_H
#define TORC_APP_H

struct driver;
struct file_system;

struct torc_app {
    const char *name;

    /*
     * The application, in a thread of CPU 0. argv[0] is the name, then the
     * words of the command line that are not key=value options of the kernel.
     * What it returns is the exit status of the machine.
     */
    int (*main)(int argc, char **argv);

    /* NULL-terminated; drivers/drivers.h and fs/file_systems.h list them. */
    const struct driver *const *drivers;
    const struct file_system *const *file_systems;
};

extern const struct torc_app torc_app;

#endif
