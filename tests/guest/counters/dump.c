/*
 * Counters of executed code out of the guest: at the end of an image that
 * counts, libgcov's own writer gives what a .gcda file has, object by object,
 * and it leaves by the port of QEMU's debug console (isa-debugcon) as a stream
 * for tools/guest_counters.pl: a letter ('F' name, 'D' data, 'E' end of the
 * file, 'Z' end of the stream), the length as 32 bits, the bytes.
 */
#include "tests/guest/guest.h"
#include <string.h>

enum { PORT = 0xe9 };

struct gcov_info;
extern const struct gcov_info *const counters_begin[], *const counters_end[];
void __gcov_info_to_gcda(const struct gcov_info *info,
                         void (*filename)(const char *, void *),
                         void (*dump)(const void *, unsigned, void *),
                         void *(*allocate)(unsigned, void *), void *arg);

/* libgcov's memory for values, and the merge with a file: neither is used. */
void __gcov_merge_add(long long *counters, unsigned count);
void *mmap(void *base, size_t size, int protection, int flags, int fd,
           long offset);

void __gcov_merge_add(long long *counters, unsigned count)
{
    (void)counters;
    (void)count;
}

void *mmap(void *base, size_t size, int protection, int flags, int fd,
           long offset)
{
    (void)base;
    (void)size;
    (void)protection;
    (void)flags;
    (void)fd;
    (void)offset;
    return (void *)UINTPTR_MAX;
}

static void out(const void *bytes, size_t len)
{
    __asm__ volatile("rep outsb"
                     : "+S"(bytes), "+c"(len)
                     : "d"(PORT)
                     : "memory");
}

static void frame(char kind, const void *bytes, uint32_t len)
{
    out(&kind, 1);
    out(&len, sizeof(len));
    out(bytes, len);
}

static void filename(const char *name, void *arg)
{
    (void)arg;
    frame('F', name, (uint32_t)strlen(name));
}

static void dump(const void *bytes, unsigned len, void *arg)
{
    (void)arg;
    frame('D', bytes, len);
}

static void *allocate(unsigned size, void *arg)
{
    (void)size;
    (void)arg;
    return NULL;
}

void guest_counters_dump(void)
{
    for (const struct gcov_info *const *info = counters_begin;
         info < counters_end; info++) {
        __gcov_info_to_gcda(*info, filename, dump, allocate, NULL);
        frame('E', NULL, 0);
    }
    frame('Z', NULL, 0);
}
