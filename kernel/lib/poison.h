/*
 * Tell AddressSanitizer which of the kernel's memory is live. Without it, no
 * code at all.
 */
#ifndef TORC_KERNEL_LIB_POISON_H
#define TORC_KERNEL_LIB_POISON_H

#include <stddef.h>
#include <torc/compiler.h>

#if SANITIZE_ADDRESS
void __asan_poison_memory_region(void const volatile *ptr, size_t size);
void __asan_unpoison_memory_region(void const volatile *ptr, size_t size);
#endif

/* Any access to these bytes from now on is a bug. */
static inline void poison(const void *ptr, size_t size)
{
#if SANITIZE_ADDRESS
    __asan_poison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

/* These bytes may be used again. */
static inline void unpoison(const void *ptr, size_t size)
{
#if SANITIZE_ADDRESS
    __asan_unpoison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

/* An access to this byte, for the sanitizer to judge. */
static inline void touch(const void *ptr)
{
#if SANITIZE_ADDRESS
    (void)*(const volatile char *)ptr;
#else
    (void)ptr;
#endif
}

#endif
