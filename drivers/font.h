/* A font for screens with pixels: the printable characters of ASCII, 8 by 16,
 * drawn for this. Pure. */
#ifndef TORC_DRIVERS_FONT_H
#define TORC_DRIVERS_FONT_H

#include <stdint.h>

enum { FONT_WIDTH = 8, FONT_HEIGHT = 16, FONT_UNKNOWN = 0x7f };

/* A row of dots, bit 7 on the left, of a glyph from ' ' to FONT_UNKNOWN: a
 * character of ASCII, or a box for any other. */
uint8_t font_row(uint32_t glyph, unsigned row);

#endif
