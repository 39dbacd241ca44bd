/* What the HAL says while the kernel has no log yet. */
#ifndef TORC_HAL_BAREMETAL_FAIL_H
#define TORC_HAL_BAREMETAL_FAIL_H

#include <torc/compiler.h>

/* Print "error: `why`" on the console and end the machine with status 1. */
_Noreturn void boot_fail(const char *why);

/* Print "warning: " and the text on the console. */
void boot_warn(const char *format, ...) printf_like(1, 2);

#endif
