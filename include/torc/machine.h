/* The machine the application has for itself. */
#ifndef TORC_MACHINE_H
#define TORC_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* How many CPUs there are, and which one the caller runs on. */
unsigned cpu_count(void);
unsigned cpu_id(void);

/* For people: what kind of machine this is. */
const char *machine_name(void);

/* End everything. 0 is success, 1 .. 127 failure. */
_Noreturn void machine_exit(int status);

/*
 * The value of `key` among the key=value words of the command line, or NULL.
 * The string lives for ever. A later word wins over an earlier one.
 */
const char *machine_option(const char *key);

#endif
