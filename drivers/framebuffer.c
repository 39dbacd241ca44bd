/*
 * The console on the pixels that the boot loader has set up: struct
 * hal_framebuffer. The HAL has checked that rows do not overlap, that no memory
 * is there and where the colors are; the rest is checked here.
 */
#include "drivers/font.h"
#include "drivers/text_cells.h"
#include "hal/hal.h"
#include "kernel/base/boot_info.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
    ROWS_MAX = 256,
    COLUMNS_MAX = 512,
    ROWS_MIN = 4,
    COLUMNS_MIN = 20,
    GREY = 0xb0, /* of 255 */
    CURSOR_ROW = FONT_HEIGHT - 2,
};
#define BYTES_MAX (UINT64_C(256) << 20)

/* CPU 0's; in a report of a panic, of the CPU that reports. */
struct framebuffer {
    struct text_cells cells;
    struct hal_io memory;
    uint32_t pitch;
    unsigned pixel_bytes; /* 2, 3, 4 */
    uint32_t ink;         /* a pixel of a letter; others are 0: black */
    unsigned cursor;      /* its cell */
};

static struct framebuffer *framebuffer_of(struct text_cells *cells)
{
    return container_of(cells, struct framebuffer, cells);
}

static void pixel_put(const struct framebuffer *self, size_t at, uint32_t pixel)
{
    if (self->pixel_bytes == 4) {
        hal_io_write32(self->memory, at, pixel);
        return;
    }
    if (self->pixel_bytes == 2) {
        hal_io_write16(self->memory, at, (uint16_t)pixel);
        return;
    }
    for (unsigned i = 0; i < 3; i++)
        hal_io_write8(self->memory, at + i, (uint8_t)(pixel >> 8 * i));
}

static void row_draw(struct framebuffer *self, unsigned cell, unsigned row,
                     uint8_t dots)
{
    unsigned columns = self->cells.screen.columns;
    size_t at = (size_t)(cell / columns * FONT_HEIGHT + row) * self->pitch +
                (size_t)(cell % columns) * FONT_WIDTH * self->pixel_bytes;

    for (unsigned i = 0; i < FONT_WIDTH; i++) {
        pixel_put(self, at, (dots & 0x80 >> i) != 0 ? self->ink : 0);
        at += self->pixel_bytes;
    }
}

static uint16_t glyph_of(uint32_t code)
{
    return (uint16_t)(code >= ' ' && code < FONT_UNKNOWN ? code : FONT_UNKNOWN);
}

static void draw(struct text_cells *cells, unsigned at, uint16_t glyph)
{
    for (unsigned row = 0; row < FONT_HEIGHT; row++)
        row_draw(framebuffer_of(cells), at, row, font_row(glyph, row));
}

static void cursor(struct text_cells *cells, unsigned at)
{
    struct framebuffer *self = framebuffer_of(cells);

    text_cells_redraw(cells, self->cursor);
    self->cursor = at;
    for (unsigned row = CURSOR_ROW; row < FONT_HEIGHT; row++)
        row_draw(self, at, row, 0xff);
}

static const struct text_cells_ops ops = {glyph_of, draw, cursor};

static uint32_t shade(struct hal_color color)
{
    uint64_t most = (UINT64_C(1) << color.bits) - 1;

    return (uint32_t)(most * GREY / 255 << color.at);
}

static unsigned at_most(unsigned count, unsigned most)
{
    return count < most ? count : most;
}

static int framebuffer_probe(void)
{
    const struct hal_framebuffer *from = &boot_info()->framebuffer;
    unsigned rows = at_most(from->height / FONT_HEIGHT, ROWS_MAX);
    unsigned columns = at_most(from->width / FONT_WIDTH, COLUMNS_MAX);
    uint64_t bytes = (uint64_t)from->pitch * rows * FONT_HEIGHT;
    struct framebuffer *self;
    struct hal_io memory;

    if (from->base == 0 || rows < ROWS_MIN || columns < COLUMNS_MIN)
        return 0;
    if (bytes > BYTES_MAX ||
        hal_io_map(HAL_IO_MEMORY, from->base, (size_t)bytes, &memory) != 0) {
        log_warn("framebuffer: it cannot be reached");
        return 0;
    }
    self = mem_alloc_zeroed(sizeof(*self));
    if (self != NULL)
        self->cells.glyphs =
            mem_alloc_zeroed(sizeof(uint16_t) * rows * columns);
    if (self == NULL || self->cells.glyphs == NULL) {
        mem_free(self);
        return -ENOMEM;
    }
    self->memory = memory;
    self->pitch = from->pitch;
    self->pixel_bytes = (from->depth + 7) / 8;
    self->ink = shade(from->red) | shade(from->green) | shade(from->blue);
    self->cells.ops = &ops;
    text_cells_show(&self->cells, rows, columns);
    log_info("framebuffer: %u by %u, %u bits: %u rows of %u letters",
             from->width, from->height, from->depth, rows, columns);
    return 0;
}

const struct driver framebuffer_driver = {.name = "framebuffer",
                                          .probe = framebuffer_probe};
