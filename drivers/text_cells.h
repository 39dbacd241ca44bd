/*
 * A screen of text in which each cell has a glyph, and that shows the console:
 * what is logged and printed from text_cells_show() on, and the report of a
 * panic. Cells that stay as they are are not drawn again: devices are slow.
 */
#ifndef TORC_DRIVERS_TEXT_CELLS_H
#define TORC_DRIVERS_TEXT_CELLS_H

#include "drivers/text_screen.h"
#include <torc/log_listen.h>

struct text_cells;

struct text_cells_ops {
    /* What a cell has for a character; never 0. */
    uint16_t (*glyph)(uint32_t code);
    void (*draw)(struct text_cells *cells, unsigned at, uint16_t glyph);
    /* The cursor is in that cell. Of one that was drawn it is gone. */
    void (*cursor)(struct text_cells *cells, unsigned at);
};

/* CPU 0's; in a report of a panic, of the CPU that reports. */
struct text_cells {
    /* the caller's: */
    const struct text_cells_ops *ops;
    uint16_t *glyphs; /* rows * columns, zero */

    struct text_screen screen;
    struct log_sink sink;
};

/* Clear the screen, and show the console there from now on. It stays for ever.
 * CPU 0, at boot. */
void text_cells_show(struct text_cells *cells, unsigned rows, unsigned columns);

/* Draw a cell again. */
void text_cells_redraw(struct text_cells *cells, unsigned at);

#endif
