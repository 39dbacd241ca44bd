/*
 * What the sanitizers of gcc and clang are told, in builds that have one; else
 * nothing.
 */
#ifndef TORC_HAL_POSIX_SANITIZE_H
#define TORC_HAL_POSIX_SANITIZE_H

#include <stddef.h>
#include <torc/compiler.h>

#if SANITIZE_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(base, size) ((void)(base), (void)(size))
static inline void __sanitizer_start_switch_fiber(void **fake, const void *base,
                                                  size_t size)
{
    (void)fake, (void)base, (void)size;
}
static inline void
__sanitizer_finish_switch_fiber(void *fake, const void **base, size_t *size)
{
    (void)fake, (void)base, (void)size;
}
#endif

#if SANITIZE_THREAD
#include <sanitizer/tsan_interface.h>
#else
static inline void *__tsan_get_current_fiber(void)
{
    return NULL;
}
static inline void *__tsan_create_fiber(unsigned flags)
{
    (void)flags;
    return NULL;
}
static inline void __tsan_destroy_fiber(void *fiber)
{
    (void)fiber;
}
static inline void __tsan_switch_to_fiber(void *fiber, unsigned flags)
{
    (void)fiber, (void)flags;
}
#endif

#endif
