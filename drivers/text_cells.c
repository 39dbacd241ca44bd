/* Cells of text that show the console: see text_cells.h. */
#include "drivers/text_cells.h"
#include "kernel/base/panic.h"
#include <torc/list.h>

/* The last one that was shown: constant after boot. */
static struct text_cells *shown;

static struct text_cells *cells_of(struct text_screen *screen)
{
    return container_of(screen, struct text_cells, screen);
}

static void glyph_put(struct text_cells *cells, unsigned at, uint16_t glyph)
{
    if (cells->glyphs[at] == glyph)
        return;
    cells->glyphs[at] = glyph;
    cells->ops->draw(cells, at, glyph);
}

void text_cells_redraw(struct text_cells *cells, unsigned at)
{
    cells->ops->draw(cells, at, cells->glyphs[at]);
}

static void put(struct text_screen *screen, unsigned row, unsigned column,
                uint32_t code)
{
    struct text_cells *cells = cells_of(screen);

    glyph_put(cells, row * screen->columns + column, cells->ops->glyph(code));
}

static void scroll(struct text_screen *screen)
{
    struct text_cells *cells = cells_of(screen);
    unsigned last = (screen->rows - 1) * screen->columns, i = 0;

    for (; i < last; i++)
        glyph_put(cells, i, cells->glyphs[i + screen->columns]);
    for (; i < last + screen->columns; i++)
        glyph_put(cells, i, cells->ops->glyph(' '));
}

static void cursor(struct text_screen *screen, unsigned row, unsigned column)
{
    struct text_cells *cells = cells_of(screen);

    cells->ops->cursor(cells, row * screen->columns + column);
}

static const struct text_screen_ops ops = {put, scroll, cursor};

static void sink_write(struct log_sink *sink, const char *text, size_t len)
{
    struct text_cells *cells = container_of(sink, struct text_cells, sink);

    text_screen_write(&cells->screen, text, len);
}

/* What was shown may have ended in the middle of a sequence. */
static void panic_write(const char *text, size_t len)
{
    shown->screen.state = SCREEN_TEXT;
    text_screen_write(&shown->screen, text, len);
}

void text_cells_show(struct text_cells *cells, unsigned rows, unsigned columns)
{
    text_screen_init(&cells->screen, &ops, rows, columns);
    text_screen_write(&cells->screen, "\x1b[J", 3);
    cells->sink.write = sink_write;
    log_sink_add(&cells->sink);
    shown = cells;
    panic_set_screen(panic_write);
}
