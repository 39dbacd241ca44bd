/*
 * Boot modules: files of the host that are in memory when the kernel starts.
 */
#ifndef TORC_HAL_POSIX_HOST_MODULE_H
#define TORC_HAL_POSIX_HOST_MODULE_H

#include <stddef.h>

/*
 * Map the contents of a file: writable, but the file does not change. Returns
 * 0, or an error after a line on stderr.
 */
int host_module_map(const char *path, const void **base, size_t *size);
void host_module_unmap(const void *base, size_t size);

#endif
