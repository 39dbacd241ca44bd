/*
 * Trace sites on x86-64: see hal/trace.h.
 *
 * A site is one instruction that the code needs anyhow, spelled here so that it
 * has at least five bytes. In the table .trace_sites are its address and that
 * of a piece of code that does the same, calls the site's function, and jumps
 * back behind it. hal_trace_sites_on() writes a jump to that piece over each
 * instruction. Until then nothing of it is executed, and the compiler neither
 * sees a branch nor gives up a register: trace_site_call() keeps them all.
 *
 * The table has a row for each copy of the code, and none for code that the
 * linker drops: the row's section is linked to that of the code.
 */
#ifndef TORC_TRACE_SITE_H
#define TORC_TRACE_SITE_H

#include <stdint.h>

typedef void trace_site_fn(uintptr_t a, uintptr_t b);

/* The words at the end are for trace_site_call(), which drops them. */
#define TRACE_SITE(instruction)                                   \
    ".Ltrace%=: " instruction "\n\t"                              \
    ".Ltrace_off%=:\n\t"                                          \
    ".pushsection .text.trace_on.%=, \"ax\", @progbits\n"         \
    ".Ltrace_on%=: " instruction "\n\t"                           \
    "pushq %[a]\n\t"                                              \
    "pushq %[b]\n\t"                                              \
    "pushq %[fn]\n\t"                                             \
    "call trace_site_call\n\t"                                    \
    "jmp .Ltrace_off%=\n\t"                                       \
    ".popsection\n\t"                                             \
    ".pushsection .trace_sites, \"ao\", @progbits, .Ltrace%=\n\t" \
    ".long .Ltrace%= - ., .Ltrace_on%= - .\n\t"                   \
    ".popsection"
#define TRACE_ARGUMENTS [a] "re"(a), [b] "re"(b), [fn] "i"(fn)
#define TRACE_INLINE    static inline __attribute__((always_inline))

/* *place = value. */
TRACE_INLINE void trace_site_store(void **place, void *value, trace_site_fn *fn,
                                   uintptr_t a, uintptr_t b)
{
    __asm__ inline volatile(TRACE_SITE("%{disp32%} movq %[value], %[place]")
                            : [place] "=m"(*place)
                            : [value] "re"(value), TRACE_ARGUMENTS);
}

TRACE_INLINE void trace_site_store_int(int *place, int value, trace_site_fn *fn,
                                       uintptr_t a, uintptr_t b)
{
    __asm__ inline volatile(TRACE_SITE("%{disp32%} movl %[value], %[place]")
                            : [place] "=m"(*place)
                            : [value] "re"(value), TRACE_ARGUMENTS);
}

/* *place += by. */
TRACE_INLINE void trace_site_add(uint64_t *place, uint64_t by,
                                 trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    __asm__ inline volatile(TRACE_SITE("%{disp32%} addq %[by], %[place]")
                            : [place] "+m"(*place)
                            : [by] "re"(by), TRACE_ARGUMENTS
                            : "cc");
}

/* Returns *place. */
TRACE_INLINE void *trace_site_load(void *const *place, trace_site_fn *fn,
                                   uintptr_t a, uintptr_t b)
{
    void *value;

    __asm__ inline volatile(TRACE_SITE("%{disp32%} movq %[place], %[value]")
                            : [value] "=&r"(value)
                            : [place] "m"(*place), TRACE_ARGUMENTS);
    return value;
}

/* Where there is no such instruction: one that does nothing. */
TRACE_INLINE void trace_site_here(trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    __asm__ inline volatile(
        TRACE_SITE(".byte 0x0f, 0x1f, 0x44, 0x00, 0x00")::TRACE_ARGUMENTS);
}

#endif
