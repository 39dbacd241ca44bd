/* Settings from outside (<torc/env.h>): what its sources have in common. */
#ifndef TORC_DRIVERS_ENV_H
#define TORC_DRIVERS_ENV_H

#include <stddef.h>
#include <torc/app.h>
#include <torc/compiler.h>

enum {
    ENV_COUNT_MAX = 128,
    ENV_NAME_MAX = 46, /* letters; "opt/torc/" and NAME are 55 in fw_cfg */
    ENV_VALUE_MAX = 4095,
    ENV_FILE_MAX = 64 * 1024,
};

/* Who wins: the lower number. Modules are from ENV_MODULE on. */
enum env_rank { ENV_FW_CFG, ENV_FW_CFG_LINES, ENV_MODULE };

/*
 * Keep a setting, copied; what an application declares of it is checked.
 * `source` names where it is from, for messages. What is no setting (a name
 * with other letters than A-Z a-z 0-9 _ . -, a value with control characters,
 * too long, one too many), and what is an option of the kernel, the trace or a
 * driver of the application is left out with a warning. CPU 0, in a thread.
 * Returns 0, -EINVAL (the application does not allow the value; that is
 * logged), -ENOMEM.
 */
must_check int env_add(const char *source, unsigned rank, const char *name,
                       size_t name_len, const char *value, size_t value_len);

/* Keep the lines of a file: NAME=VALUE; empty ones, and those that begin with
 * '#', say nothing. As env_add(). */
must_check int env_add_lines(const char *source, unsigned rank,
                             const char *text, size_t size);

/* All sources, for an application. CPU 0, in a thread, once. Returns as
 * env_add(). */
must_check int env_load(const struct torc_app *app);

/* fw_cfg.c: the files of QEMU's device, if there is one. As env_add(). */
must_check int fw_cfg_load(void);

/* For tests: forget everything. */
void env_forget(void);

void env_check(void);

#endif
