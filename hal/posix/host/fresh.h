/*
 * Many machines in one process, one after the other, each of which finds what
 * it would find in a new process. In the simulated machine only: its memory.h
 * is implemented here, too.
 *
 * A new process for each machine takes ten times longer than a small machine
 * runs: the fork itself, and then a page fault for each page that is written.
 */
#ifndef TORC_HAL_POSIX_HOST_FRESH_H
#define TORC_HAL_POSIX_HOST_FRESH_H

/*
 * Remember the data of the program as they are: its .data and .bss, not those
 * of libraries, nor what was allocated. What host_memory_map() has given until
 * now is nobody's after this: it stays as it is. Once in a process, which may
 * not fork then. Returns 0, or a negative error.
 */
int host_fresh_keep(void);

/*
 * The data of the program are again what they were, and all memory that was
 * mapped since is unmapped: who gets it next finds it zeroed.
 */
void host_fresh_restore(void);

#endif
