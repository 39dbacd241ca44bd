/*
 * The console as a terminal: what is typed, and what is shown. <torc/log.h> is
 * for lines of text.
 *
 * What is typed comes from the drivers that the application names: uart_driver,
 * leaf_tty_driver (<torc/drivers.h>). It is bytes as a terminal sends them:
 * UTF-8, Enter as "\r" or "\n", keys as escape sequences.
 */
#ifndef TORC_CONSOLE_H
#define TORC_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/*
 * Take at most `size` bytes (> 0) of what was typed, at least one; wait for it
 * until deadline_ns (TIME_NEVER: for ever; 0: not at all). Returns how many; 0:
 * the input has ended, which a hosted one can; -EAGAIN (none until then);
 * -ENODEV (nothing is there to type on); -EXDEV (not CPU 0). A cancellation
 * point (thread_kill()). What several threads read is given to one of them.
 */
must_check int64_t console_read(void *buf, size_t size, uint64_t deadline_ns);

/* Write `len` bytes, in one piece, as console_print() does: any CPU. It is no
 * line of the log: who listens to that (<torc/log_listen.h>) is not told. */
void console_write(const char *text, size_t len);

#endif
