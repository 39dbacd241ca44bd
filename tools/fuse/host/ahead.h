/*
 * Memory that Linux gives before it is needed. Pages of the machine that are
 * touched for the first time cost as much as all else of a large write; another
 * thread touches them, a little ahead of their use.
 */
#ifndef TORC_TOOLS_FUSE_HOST_AHEAD_H
#define TORC_TOOLS_FUSE_HOST_AHEAD_H

#include <stddef.h>

/* The memory, which is used from its beginning on. Without memory for a thread
 * nothing is done. Once. */
void ahead_open(void *base, size_t size);

/* So many bytes of it are in use. Does not wait. The CPU that serves. */
void ahead_used(size_t bytes);

#endif
