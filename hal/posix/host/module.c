/* Boot modules: files of the host that are in memory when the kernel starts. */
#include "hal/posix/host/module.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy-on-write map: the module is memory and may be written to. */
static int file_map(int fd, const void **base, size_t *size)
{
    struct stat stat;
    void *map;

    if (fstat(fd, &stat) != 0)
        return errno;
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0)
        return EINVAL;
    map = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
               fd, 0);
    if (map == MAP_FAILED)
        return errno;
    *base = map;
    *size = (size_t)stat.st_size;
    return 0;
}

int host_module_map(const char *path, const void **base, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = errno;

    if (fd >= 0) {
        error = file_map(fd, base, size);
        close(fd);
        if (error == 0)
            return 0;
    }
    if (error == EINVAL)
        host_complain("module '%s' is no regular file, or is empty", path);
    else
        host_complain("cannot read module '%s': %s", path, strerror(error));
    return host_error(error);
}

void host_module_unmap(const void *base, size_t size)
{
    munmap((void *)(uintptr_t)base, size);
}
