/*
 * The four memory functions the compiler may call by itself. The bare-metal
 * HAL implements them, the hosted machine takes libc's.
 */
#ifndef TORC_KERNEL_LIB_MEM_H
#define TORC_KERNEL_LIB_MEM_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
