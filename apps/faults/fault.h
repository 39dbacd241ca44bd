/* A way to die, by name. */
#ifndef TORC_APPS_FAULTS_FAULT_H
#define TORC_APPS_FAULTS_FAULT_H

struct fault {
    const char *name; /* NULL ends a table */
    int (*fn)(void *arg);
};

/*
 * Those that take the machine's own instructions; the image that boots has
 * them (tests/integration/machine_faults.c), the hosted one has none.
 */
extern const struct fault machine_faults[] __attribute__((weak));

/* Those that take the kernel's own calls (tests/integration/kernel_faults.c),
 * in both images. */
extern const struct fault kernel_faults[] __attribute__((weak));

/* Take disks and cards out of the machine; NULL: somebody outside does. */
__attribute__((weak)) void lose_disk(void);

extern const struct fault more_faults[]; /* more.c */

#endif
