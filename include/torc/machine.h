/* The machine the application has for itself. */
#ifndef TORC_MACHINE_H
#define TORC_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

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
 * The same as machine_exit(0), but a machine of its own begins again. A process
 * ends: to begin again is for whoever has started it. Context: thread.
 */
_Noreturn void machine_reboot(void);

/*
 * Wait until somebody asks the machine to stop: a PC's power button, SIGINT or
 * SIGTERM of a hosted one. The application then puts its files in order and
 * returns from main(). Before the first call such a request ends the process at
 * once, as a second one does, and a PC ignores its button. Where nobody can ask
 * (no ACPI, or a machine without fixed registers as microvm) this is logged,
 * and the call does not return. CPU 0, where main() begins: -EXDEV elsewhere.
 * One thread at a time. Returns 0.
 */
must_check int machine_stop_wait(void);

/*
 * The value of the option `key` of the command line, or NULL. An application
 * names its options in torc_app. The string lives for ever. A later word wins
 * over an earlier one. Any CPU.
 */
const char *machine_option(const char *key);

#endif
