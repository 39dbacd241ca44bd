/*
 * The command line: words separated by blanks; "key=value" words are options
 * of the kernel and drivers, the rest are the application's arguments. Text in
 * double quotes keeps its blanks. After "--" every word is an argument.
 */
#ifndef TORC_KERNEL_CMDLINE_H
#define TORC_KERNEL_CMDLINE_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/machine.h>

enum { CMDLINE_MAX = 4096, CMDLINE_ARGS_MAX = 64 };

/*
 * Take the line apart. CPU 0, at boot. Returns 0, -E2BIG (longer than
 * CMDLINE_MAX or more words than CMDLINE_ARGS_MAX), -EINVAL (open quote).
 */
must_check int cmdline_parse(const char *line, const char *app_name);

int cmdline_argc(void);
char **cmdline_argv(void);

/*
 * The `index`-th value of `key`, in the order given, or NULL: for options that
 * may be repeated (virtio_mmio.device=).
 */
const char *cmdline_value(const char *key, unsigned index);

/*
 * The option `key` as a number from min to max; *value stays when it is not
 * given. Returns 0, or -EINVAL after a line in the log.
 */
must_check int option_number(const char *key, uint64_t min, uint64_t max,
                             uint64_t *value);

#endif
