/*
 * Exceptions of the processor in the application's own code: a null pointer, a
 * division by zero, a jump to nowhere. Without this header each is the end of
 * the machine, with a report.
 */
#ifndef TORC_EXCEPTION_H
#define TORC_EXCEPTION_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct exception {
    const char *what;  /* "page fault", "division error"; constant */
    uintptr_t ip;      /* where */
    uintptr_t address; /* what was touched, for memory faults; else 0 */
};

/*
 * Run fn(arg). If an exception ends it, the rest of it is not executed, but
 * what it has pushed with thread_cleanup_push() is, the last one first.
 * Calls may be nested; the innermost one catches. Each thread catches its own.
 *
 *   value      what fn has returned
 *   exception  what has ended it; NULL: nobody wants to know
 *
 * Only code of the application, and the functions of <torc/string.h> that it
 * calls, can be left like that. The machine ends with a report all the same,
 * which says why, when
 * - the exception is in the kernel, or the kernel has called what it is in:
 *   what the kernel was doing would stay half done;
 * - the stack has overflown, or the stack pointer is lost;
 * - the processor itself says that all is lost: a double fault, a machine
 *   check, a non-maskable interrupt;
 * - a panic or an assertion has failed: these are no exceptions;
 * - the image has no table of lines to tell whose code it is (-g0).
 *
 * Returns 0 and *value, or -EFAULT and *exception. Context: thread; fn may wait
 * and move to another CPU.
 */
must_check int exception_catch(int (*fn)(void *arg), void *arg, int *value,
                               struct exception *exception);

#endif
