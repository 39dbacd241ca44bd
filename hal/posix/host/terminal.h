/*
 * What is typed: stdin. A terminal is raw from open to the end of the process:
 * each key comes at once, nothing is echoed, Ctrl-C and Ctrl-Z are bytes.
 * Ctrl-\ still ends the process. However the process ends, but for SIGKILL, the
 * terminal is then as it was.
 */
#ifndef TORC_HAL_POSIX_HOST_TERMINAL_H
#define TORC_HAL_POSIX_HOST_TERMINAL_H

#include <stddef.h>

/*
 * Read stdin from now on, in a thread of its own, and raise `irq` when
 * something has come. CPU 0. Returns 0, -EBUSY (open already), -ENOMEM, or
 * another error of the host.
 */
int host_terminal_open(int irq);

/* End the thread. CPU 0, which is alone; harmless when it is not open. */
void host_terminal_close(void);

/* Take at most `size` bytes (> 0). Returns how many; 0: none now, the interrupt
 * tells; -EPIPE: the input has ended. CPU 0. */
int host_terminal_read(void *buf, size_t size);

/* Let the terminal be as it was. Any thread, any signal handler, any number of
 * times. */
void host_terminal_restore(void);

#endif
