/*
 * Included before everything else in the image that boots: an assertion there
 * says its line, and the report its function, which has a name in the image.
 * The text and the file would take a fifteenth of the image. An assertion of a
 * header says its file, too.
 *
 * To fail takes an instruction that there is not, UD1 (Intel SDM volume 2),
 * with what is to be said in its operands: it is shorter than a call. traps.c
 * makes the call of it. What may run before there are traps calls by itself.
 */
#ifndef TORC_HAL_BRIEF_ASSERT_H
#define TORC_HAL_BRIEF_ASSERT_H

#include <torc/assert.h>
#include <torc/string.h>

enum { BRIEF_LINE_MAX = 2047 };

#define BRIEF_TEXT_OF(x) #x
#define BRIEF_TEXT(x)    BRIEF_TEXT_OF(x)

/* The line is in three bits of ModRM and the displacement. The frame is named,
 * so that it is there: else the report had no caller. */
#define brief_line()                                                   \
    __asm__ volatile(                                                  \
        ".byte 0x0f, 0xb9, %c0, %c1" ::"i"(0x40 | __LINE__ >> 8 << 3), \
        "i"(__LINE__ & 0xff), "r"(__builtin_frame_address(0))          \
        : "memory")
#define brief_place()                                           \
    __asm__ volatile(".byte 0x0f, 0xb9, 0x80; .long %c0" ::"i"( \
                         __FILE__ ":" BRIEF_TEXT(__LINE__)),    \
                     "r"(__builtin_frame_address(0))            \
                     : "memory")

#define BRIEF_IS_EARLY                                           \
    (__builtin_strncmp(__BASE_FILE__, "hal/", 4) == 0 ||         \
     __builtin_strncmp(__BASE_FILE__, "kernel/lib/", 11) == 0 || \
     __LINE__ > BRIEF_LINE_MAX)
#define BRIEF_IS_HEADER (__builtin_strcmp(__FILE__, __BASE_FILE__) != 0)

#undef assert
#define assert(e)                                                  \
    (likely(e) ? (void)0 : __extension__({                         \
        if (BRIEF_IS_EARLY && BRIEF_IS_HEADER)                     \
            check_failed_place(__FILE__ ":" BRIEF_TEXT(__LINE__)); \
        if (BRIEF_IS_EARLY)                                        \
            check_failed_line(__LINE__);                           \
        if (BRIEF_IS_HEADER)                                       \
            brief_place();                                         \
        else                                                       \
            brief_line();                                          \
        __builtin_unreachable();                                   \
    }))

#endif
