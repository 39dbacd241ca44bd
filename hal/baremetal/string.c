/*
 * The memory functions the compiler calls. The string instructions are small and,
 * with ERMSB, as fast as anything for large blocks.
 */
#include "kernel/lib/mem.h"
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t size)
{
    void *to = dst;

    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(src), "+c"(size)::"memory");
    return dst;
}

void *memset(void *dst, int byte, size_t size)
{
    void *to = dst;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
    if ((uintptr_t)dst - (uintptr_t)src >= size)
        return memcpy(dst, src, size);
    for (size_t i = size; i-- > 0;)
        ((char *)dst)[i] = ((const char *)src)[i];
    return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *p = a;
    const unsigned char *q = b;

    for (size_t i = 0; i < size; i++) {
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    }
    return 0;
}
