/*
 * The command line: words separated by blanks. Text in double quotes keeps its
 * blanks.
 *
 * Before "--", "key=value" words are options of the kernel, the drivers and the
 * application; a word without '=' is an argument of an application that takes
 * arguments. What nobody knows there is ignored with a warning: boot loaders
 * add words that are meant for other systems. Behind "--" every word is the
 * application's: an option that it has declared, else an argument.
 */
#ifndef TORC_KERNEL_CMDLINE_H
#define TORC_KERNEL_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <torc/app.h>
#include <torc/compiler.h>
#include <torc/machine.h>

enum { CMDLINE_MAX = 4096, CMDLINE_ARGS_MAX = 128 };

/*
 * Take the line apart, for this application. CPU 0, at boot. Returns 0, -E2BIG
 * (longer than CMDLINE_MAX, or more than CMDLINE_ARGS_MAX options or
 * arguments), -EINVAL (open quote).
 */
must_check int cmdline_parse(const char *line, const struct torc_app *app);

/*
 * Write the words that nobody has asked for into `out`, with blanks between
 * them, as far as they fit into `size` bytes. CPU 0, after the drivers have
 * looked for devices: what is asked for later counts as unknown. Returns how
 * many there are.
 */
unsigned cmdline_unknown(char *out, size_t size);

/*
 * The word at an index from 0 that is no argument, *value NULL when it has no
 * '='; returns false behind the last. cmdline_value_at() is the value of one
 * that has it, and marks it as known.
 */
bool cmdline_word(int index, const char **key, const char **value);
const char *cmdline_value_at(int index);

/*
 * Whom machine_option() asks about what the line does not have; NULL: nobody.
 * CPU 0, while drivers look for devices.
 */
void machine_option_else(const char *(*other)(const char *key));

int cmdline_argc(void);
char **cmdline_argv(void);

/*
 * The `index`-th value of `key`, in the order given, or NULL: for options that
 * may be repeated (virtio_mmio.device=).
 */
const char *cmdline_value(const char *key, unsigned index);

#endif
