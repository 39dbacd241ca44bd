/*
 * Memory that Linux gives before it is needed. Pages of the machine that are
 * touched for the first time cost as much as all else of a large write, and far
 * more where the processor's tables are those of a virtual machine. So Linux is
 * asked for large pages, and another thread touches them, a little ahead of
 * their use.
 */
#ifndef TORC_TOOLS_FUSE_HOST_AHEAD_H
#define TORC_TOOLS_FUSE_HOST_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

/* The memory, which is used from its beginning on. Without a thread, or memory
 * for one, nothing is touched. Once. */
void ahead_open(void *base, size_t size, bool by_thread);

/* So many bytes of it are in use. Does not wait. The CPU that serves. */
void ahead_used(size_t bytes);

#endif
