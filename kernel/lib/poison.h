/*
 * Tell AddressSanitizer which of the kernel's memory is live. Without it, no
 * code at all.
 */
#ifndef TORC_KERNEL_LIB_POISON_H
#define TORC_KERNEL_LIB_POISON_H

#include <stdbool.h>
#include <stddef.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
void __asan_poison_memory_region(void const volatile *ptr, size_t size);
void __asan_unpoison_memory_region(void const volatile *ptr, size_t size);
int __asan_address_is_poisoned(void const volatile *ptr);
#define POISON_BUILD 1
#else
#define POISON_BUILD 0
#endif

/* Any access to these bytes from now on is a bug. */
static inline void poison(const void *ptr, size_t size)
{
#if POISON_BUILD
    __asan_poison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

/* These bytes may be used again. */
static inline void unpoison(const void *ptr, size_t size)
{
#if POISON_BUILD
    __asan_unpoison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

/* Whether an access to this byte would be a bug; only the sanitizer knows. */
static inline bool is_poisoned(const void *ptr)
{
#if POISON_BUILD
    return __asan_address_is_poisoned(ptr) != 0;
#else
    (void)ptr;
    return false;
#endif
}

#endif
