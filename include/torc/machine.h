/* The machine the application has for itself. */
#ifndef TORC_MACHINE_H
#define TORC_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* How many CPUs there are, and which one the caller runs on. */
unsigned cpu_count(void);
unsigned cpu_id(void);

/* Fill `buf` with random bytes; how many of `len` the machine could give. */
size_t entropy_get(void *buf, size_t len);

/* For people: what kind of machine this is. */
const char *machine_name(void);

/* End everything. 0 is success, 1 .. 127 failure. */
_Noreturn void machine_exit(int status);

/*
 * The value of `key` among the key=value words of the command line, or NULL.
 * The string lives for ever. A later word wins over an earlier one.
 */
const char *machine_option(const char *key);

/*
 * The key of an option nobody has asked for yet, or NULL: a misspelt one. For
 * the application, once it has read its own. On CPU 0.
 */
const char *machine_unknown_option(void);

#endif
