/*
 * Included before everything else in the image that boots: an assertion there
 * says its line, and the report its function, which has a name in the image.
 * The text and the file would take a fifteenth of the image. An assertion of a
 * header says its file, too.
 */
#ifndef TORC_HAL_BRIEF_ASSERT_H
#define TORC_HAL_BRIEF_ASSERT_H

#include <torc/assert.h>
#include <torc/string.h>

#undef assert
#define assert(e)                                     \
    (likely(e) ? (void)0                              \
     : __builtin_strcmp(__FILE__, __BASE_FILE__) == 0 \
         ? check_failed_line(__LINE__)                \
         : check_failed(__FILE__, __LINE__, NULL))

#endif
