/*
 * Included before everything else in the image that boots: an assertion there
 * says its file and line, and not its text as well, which takes a twentieth of
 * the image. Whoever has the line has the text.
 */
#ifndef TORC_HAL_BRIEF_ASSERT_H
#define TORC_HAL_BRIEF_ASSERT_H

#include <torc/assert.h>
#include <torc/string.h>

#undef assert
#define assert(e) (likely(e) ? (void)0 : check_failed(__FILE__, __LINE__, NULL))

#endif
