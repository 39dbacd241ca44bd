/*
 * The console on a VGA in text mode (IBM VGA Technical Reference): 80 by 25
 * cells of a character and its colors at 0xb8000. What is logged and shown is
 * shown there, too, from the time that the driver has found it. A VGA that
 * shows graphics is left alone.
 */
#include "drivers/text_cells.h"
#include "hal/hal.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
    ROWS = 25,
    COLUMNS = 80,
    MEMORY = 0xb8000,
    CELL = 2, /* bytes */
    PORT = 0x3ce,
    PORTS = 8,
    /* registers, from PORT on */
    GRAPHICS_INDEX = 0,
    GRAPHICS_DATA = 1,
    CRTC_INDEX = 6,
    CRTC_DATA = 7,
    /* of the graphics controller */
    MISCELLANEOUS = 6,
    MODE_MASK = 0x0d,
    MODE_TEXT = 0x0c, /* no graphics; memory from 0xb8000 on */
    /* of the CRT controller */
    CURSOR_HIGH = 0x0e,
    CURSOR_LOW = 0x0f,
    COLOR = 0x0700, /* light grey on black */
    UNKNOWN = 0xfe, /* a square: not in the font */
};

/* CPU 0 only. */
struct vga {
    struct text_cells cells;
    struct hal_io memory, ports;
    uint16_t glyphs[ROWS * COLUMNS]; /* as in the memory */
};

static struct vga *vga_of(struct text_cells *cells)
{
    return container_of(cells, struct vga, cells);
}

/* Letters of Latin-1 as the font of a PC (code page 437) has them. */
static uint8_t glyph_of(uint32_t code)
{
    static const struct {
        uint8_t code, glyph;
    } latin[] = {
        {0xa0, 0xff}, {0xa1, 0xad}, {0xa2, 0x9b}, {0xa3, 0x9c}, {0xa5, 0x9d},
        {0xab, 0xae}, {0xac, 0xaa}, {0xb0, 0xf8}, {0xb1, 0xf1}, {0xb2, 0xfd},
        {0xb5, 0xe6}, {0xb7, 0xfa}, {0xbb, 0xaf}, {0xbf, 0xa8}, {0xc4, 0x8e},
        {0xc5, 0x8f}, {0xc6, 0x92}, {0xc7, 0x80}, {0xc9, 0x90}, {0xd1, 0xa5},
        {0xd6, 0x99}, {0xdc, 0x9a}, {0xdf, 0xe1}, {0xe0, 0x85}, {0xe1, 0xa0},
        {0xe2, 0x83}, {0xe4, 0x84}, {0xe5, 0x86}, {0xe6, 0x91}, {0xe7, 0x87},
        {0xe8, 0x8a}, {0xe9, 0x82}, {0xea, 0x88}, {0xeb, 0x89}, {0xec, 0x8d},
        {0xed, 0xa1}, {0xee, 0x8c}, {0xef, 0x8b}, {0xf1, 0xa4}, {0xf2, 0x95},
        {0xf3, 0xa2}, {0xf4, 0x93}, {0xf6, 0x94}, {0xf9, 0x97}, {0xfa, 0xa3},
        {0xfb, 0x96}, {0xfc, 0x81}, {0xff, 0x98},
    };

    if (code < 0x80)
        return (uint8_t)code;
    for (unsigned i = 0; i < COUNT_OF(latin); i++) {
        if (latin[i].code == code)
            return latin[i].glyph;
    }
    return UNKNOWN;
}

static uint16_t cell_of(uint32_t code)
{
    return COLOR | glyph_of(code);
}

static void draw(struct text_cells *cells, unsigned at, uint16_t cell)
{
    hal_io_write16(vga_of(cells)->memory, (size_t)at * CELL, cell);
}

static void cursor(struct text_cells *cells, unsigned at)
{
    struct vga *vga = vga_of(cells);

    hal_io_write8(vga->ports, CRTC_INDEX, CURSOR_HIGH);
    hal_io_write8(vga->ports, CRTC_DATA, (uint8_t)(at >> 8));
    hal_io_write8(vga->ports, CRTC_INDEX, CURSOR_LOW);
    hal_io_write8(vga->ports, CRTC_DATA, (uint8_t)at);
}

static const struct text_cells_ops ops = {cell_of, draw, cursor};

static bool shows_text(struct hal_io ports)
{
    hal_io_write8(ports, GRAPHICS_INDEX, MISCELLANEOUS);
    return (hal_io_read8(ports, GRAPHICS_DATA) & MODE_MASK) == MODE_TEXT;
}

static int vga_probe(void)
{
    struct hal_io ports;
    struct vga *vga;

    if (hal_io_map(HAL_IO_PORT, PORT, PORTS, &ports) != 0 || !shows_text(ports))
        return 0;
    vga = mem_alloc_zeroed(sizeof(*vga));
    if (vga == NULL)
        return -ENOMEM;
    vga->ports = ports;
    if (hal_io_map(HAL_IO_MEMORY, MEMORY, sizeof(vga->glyphs), &vga->memory) !=
        0) {
        mem_free(vga);
        return 0;
    }
    vga->cells.ops = &ops;
    vga->cells.glyphs = vga->glyphs;
    text_cells_show(&vga->cells, ROWS, COLUMNS);
    log_info("vga: the console is shown as text");
    return 0;
}

const struct driver vga_text_driver = {.name = "vga_text", .probe = vga_probe};
