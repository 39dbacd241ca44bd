/*
 * Assertions.
 *
 *   assert(e)         must hold. Kept in release builds; a failure panics with
 *                     file, line and the expression.
 *   static_assert     checked by the compiler.
 *   never(e)          cannot happen, handled anyway: evaluates to e.
 *
 * No side effects inside an assert.
 */
#ifndef TORC_ASSERT_H
#define TORC_ASSERT_H

#include <torc/compiler.h>

#define static_assert _Static_assert

/* Provided by kernel/base/panic.c, and by the test runner on the host. */
_Noreturn void check_failed(const char *file, int line, const char *expr);
/* The same, where the function tells the file; and by "FILE:LINE". */
_Noreturn void check_failed_line(int line);
_Noreturn void check_failed_place(const char *place);

#define assert(e) (likely(e) ? (void)0 : check_failed(__FILE__, __LINE__, #e))

#define never(e) unlikely(e)

#endif
