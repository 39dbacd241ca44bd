/*
 * Strings and memory. Pure functions without state. The string functions have
 * no libc names, so that a hosted image can hold both.
 */
#ifndef TORC_STRING_H
#define TORC_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/*
 * The functions that the compiler knows and may call by itself, as in C. With
 * constant arguments it often needs no call. The bare-metal HAL implements
 * them; the hosted machine takes those of libc.
 */
void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);

/* As strlen(), at most `limit`: for text that may lack its NUL. */
size_t str_len(const char *s, size_t limit);

/* Whether two NUL-terminated strings are equal. */
bool str_equal(const char *a, const char *b);

/* Whether `s` begins with `prefix`. */
bool str_starts(const char *s, const char *prefix);

/* Equal up to ASCII case, comparing exactly `len` bytes. */
bool str_equal_nocase(const char *a, const char *b, size_t len);

/*
 * Copy `src` into `dst` of `size` bytes (> 0), always NUL-terminated.
 * Returns 0, or -ENAMETOOLONG when it had to be cut.
 */
int str_copy(char *dst, size_t size, const char *src);

/*
 * Parse all of `s` as an unsigned number: decimal, or hexadecimal after 0x,
 * optionally followed by one of k, m, g (powers of 1024).
 * Returns 0, -EINVAL (not a number) or -ERANGE; *out only on success.
 */
must_check int str_to_u64(const char *s, uint64_t *out);

#endif
