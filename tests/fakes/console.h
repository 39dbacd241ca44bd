/*
 * A console that remembers. A program that calls one of these has it in place
 * of hal/posix/kernel/console.c, for the whole program.
 */
#ifndef TORC_TESTS_FAKES_CONSOLE_H
#define TORC_TESTS_FAKES_CONSOLE_H

#include <stdbool.h>

/* Forget what was written. */
void console_forget(void);

/* Whether `text` was written since then. */
bool console_has(const char *text);

/* What was written since then, when the console is quiet; else "". */
const char *console_unseen(void);

#endif
