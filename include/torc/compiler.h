/* Attributes and helpers of the compiler, spelled once. */
#ifndef TORC_COMPILER_H
#define TORC_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(fmt_index, args_index) \
    __attribute__((format(printf, fmt_index, args_index)))
#define cache_aligned __attribute__((aligned(64)))
#define noinline      __attribute__((noinline))
#define likely(e)     __builtin_expect(!!(e), 1)
#define unlikely(e)   __builtin_expect(!!(e), 0)

/* Whether a sanitizer is on: gcc defines macros, clang has __has_feature. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZE_ADDRESS 1
#endif
#ifdef __SANITIZE_THREAD__
#define SANITIZE_THREAD 1
#endif
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZE_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZE_THREAD 1
#endif
#endif
#ifndef SANITIZE_ADDRESS
#define SANITIZE_ADDRESS 0
#endif
#ifndef SANITIZE_THREAD
#define SANITIZE_THREAD 0
#endif

/* Whether this file is compiled for size (-Os). */
#ifdef __OPTIMIZE_SIZE__
#define OPTIMIZE_SIZE 1
#else
#define OPTIMIZE_SIZE 0
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The structure of `type` whose `member` is at `ptr`. */
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
