/* Memory of the process for the machine. */
#include "hal/posix/host/memory.h"
#include "hal/posix/host/error.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <torc/assert.h>
#include <unistd.h>

enum { FILL_CHUNK = 2 << 20 };

void *host_memory_map(size_t size, size_t align, uintptr_t hint)
{
    size_t room = size + align; /* so some is behind the aligned part */
    uintptr_t base, start;
    void *map;

    assert(align >= 4096 && (align & (align - 1)) == 0);
    if (room < size)
        return NULL;
    map = mmap((void *)hint, room, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;

    /* Give back what lies before and behind the aligned part. */
    base = (uintptr_t)map;
    start = (base + align - 1) & ~(uintptr_t)(align - 1);
    assert(start >= base && start + size < base + room);
    if (start > base)
        munmap(map, start - base);
    munmap((void *)(start + size), base + room - (start + size));
    return (void *)start;
}

void host_memory_unmap(void *base, size_t size)
{
    munmap(base, size);
}

/* A file of FILL_CHUNK equal bytes; one for the process. */
static int fill_file(unsigned char byte)
{
    static int file = -1;
    static unsigned char file_byte;
    void *map;

    if (file >= 0 && file_byte == byte)
        return file;
    close(file); /* if there is one */
    file = memfd_create("torc-fill", MFD_CLOEXEC);
    if (file < 0)
        return -1;
    map = MAP_FAILED;
    if (ftruncate(file, FILL_CHUNK) == 0)
        map =
            mmap(NULL, FILL_CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
        close(file);
        file = -1;
        return -1;
    }
    memset(map, byte, FILL_CHUNK);
    munmap(map, FILL_CHUNK);
    file_byte = byte;
    return file;
}

/* Copy-on-write maps of the same file, so that a page costs what it did. */
int host_memory_fill(void *base, size_t size, unsigned char byte)
{
    int file = fill_file(byte);

    if (file < 0)
        return host_error(errno);
    for (size_t at = 0; at < size; at += FILL_CHUNK) {
        size_t part = size - at < FILL_CHUNK ? size - at : FILL_CHUNK;

        if (mmap((char *)base + at, part, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file,
                 0) == MAP_FAILED)
            return host_error(errno);
    }
    return 0;
}

int host_memory_share(void *base, size_t size, int file, uint64_t offset)
{
    struct stat is;

    /* Touching what lies behind the end of a file is a signal. */
    if (fstat(file, &is) != 0)
        return host_error(errno);
    if (offset > INT64_MAX || is.st_size < (int64_t)offset ||
        (uint64_t)is.st_size - offset < size)
        return host_error(ENOSPC);
    if (mmap(base, size, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file,
             (off_t)offset) == MAP_FAILED)
        return host_error(errno);
    return 0;
}

int host_memory_protect(void *base, size_t size, bool access)
{
    int protection = access ? PROT_READ | PROT_WRITE : PROT_NONE;

    return mprotect(base, size, protection) == 0 ? 0 : host_error(errno);
}
