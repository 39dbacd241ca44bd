/*
 * Settings that one image gets from outside, besides the command line:
 * NAME=VALUE. An application that names env_driver has them (docs/env.md):
 *
 *   1. words of the command line, for the options that it declares;
 *   2. files "opt/torc/NAME" of QEMU's firmware configuration device
 *      (-fw_cfg name=opt/torc/NAME,string=VALUE);
 *   3. the lines of its file "opt/torc/env";
 *   4. the lines of boot modules whose first line is "#torc settings".
 *
 * What comes first in this list wins; in one file the later line. Options of
 * the kernel, the trace and the drivers are read from the command line only: in
 * 2 to 4 they are left out with a warning, wherever env_driver stands in the
 * list of drivers.
 */
#ifndef TORC_ENV_H
#define TORC_ENV_H

#include <stdbool.h>

/*
 * The value of a setting, or NULL. machine_option() answers the same. The
 * string lives for ever. Any CPU, after the drivers have looked for devices.
 */
const char *env_get(const char *name);

/*
 * The settings of 2 to 4, by index from 0; the strings live for ever. Returns
 * false behind the last. Any CPU.
 */
bool env_at(unsigned index, const char **name, const char **value);

#endif
