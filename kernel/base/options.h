/*
 * What options there are. A table has a row for each, a string:
 *
 *   "key=VALUES what it is"
 *
 * VALUES are alternatives with '|' between them: a word stands for itself,
 * "A..B" for a number from A to B, a word in capitals for any text; nothing for
 * an option without a value. They have at most 79 bytes. From the same rows
 * come the check of the command line, the list that help= prints, and
 * docs/options.md.
 */
#ifndef TORC_KERNEL_OPTIONS_H
#define TORC_KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* The kernel's; NULL ends them, as all tables. */
extern const char *const kernel_options[];

/* Whether a row is that of `key`; a row may be the key alone. */
bool option_row_is(const char *row, const char *key);

/* The row of `key` in a table (NULL: none), or NULL. */
const char *option_row(const char *const *rows, const char *key);

/*
 * Check every value that the command line has for the options of a table (NULL:
 * none). CPU 0, after cmdline_parse(). Returns 0, or -EINVAL after a line in
 * the log.
 */
must_check int options_check(const char *const *rows);

/* Check one value, which `row` may allow. As options_check(). */
must_check int option_check(const char *row, const char *value);

/* Print a table (NULL: none) on the console, below a line of `title`. */
void options_print(const char *title, const char *const *rows);

/*
 * The option `key` of the kernel as a number; *value stays when it is not
 * given. Returns 0, or -EINVAL after a line in the log.
 */
must_check int option_number(const char *key, uint64_t *value);

#endif
