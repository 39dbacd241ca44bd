/* The last lines of the log, for the command `log`. CPU 0 only. */
#ifndef TORC_APPS_SHELL_KEPT_H
#define TORC_APPS_SHELL_KEPT_H

#include <stddef.h>
#include <stdint.h>

enum { KEPT_SIZE = 8192 /* bytes */ };

/* Keep what is logged from now on. */
void kept_begin(void);

/* Where the oldest whole line begins that is kept. */
uint64_t kept_first(void);

/* Copy at most `size` bytes from *at on, which moves on; what has gone
 * meanwhile is left out. Returns how many; 0: that is all. */
size_t kept_read(uint64_t *at, char *out, size_t size);

#endif
