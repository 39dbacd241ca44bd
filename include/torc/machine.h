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

/*
 * End everything, after the lines that were logged on any CPU. 0 is success,
 * 1 .. 127 failure. Context: thread.
 */
_Noreturn void machine_exit(int status);

/*
 * The value of the option `key` of the command line, or NULL. An application
 * names its options in torc_app. The string lives for ever. A later word wins
 * over an earlier one. Any CPU.
 */
const char *machine_option(const char *key);

#endif
