/*
 * Strings. Pure functions without state; no libc names, so that a hosted image
 * can hold both.
 */
#ifndef TORC_KERNEL_LIB_STR_H
#define TORC_KERNEL_LIB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Length of `s` in bytes without its NUL, at most `limit`. */
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
