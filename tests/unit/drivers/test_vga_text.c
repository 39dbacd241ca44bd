/* A screen of text, and a VGA that shows it. */
#include "drivers/text_screen.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/models/breach.h"
#include <stdio.h>
#include <string.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/log.h>

/* ---- A small screen ------------------------------------------------------ */

enum { ROWS = 3, COLUMNS = 10 };

static uint32_t cells[ROWS][COLUMNS];
static unsigned cursor_row, cursor_column;

static void put(struct text_screen *screen, unsigned row, unsigned column,
                uint32_t code)
{
    (void)screen;
    assert_true(row < ROWS && column < COLUMNS);
    cells[row][column] = code;
}

static void scroll(struct text_screen *screen)
{
    (void)screen;
    memmove(cells[0], cells[1], sizeof(cells[0]) * (ROWS - 1));
    for (unsigned i = 0; i < COLUMNS; i++)
        cells[ROWS - 1][i] = ' ';
}

static void cursor(struct text_screen *screen, unsigned row, unsigned column)
{
    (void)screen;
    assert_true(row < ROWS && column < COLUMNS);
    cursor_row = row;
    cursor_column = column;
}

static const struct text_screen_ops ops = {put, scroll, cursor};

static void show(const char *text, char out[ROWS * (COLUMNS + 1) + 1])
{
    struct text_screen screen;

    text_screen_init(&screen, &ops, ROWS, COLUMNS);
    text_screen_write(&screen, "\x1b[J", 3);
    text_screen_write(&screen, text, strlen(text));
    for (unsigned row = 0; row < ROWS; row++) {
        unsigned last = 0;

        for (unsigned column = 0; column < COLUMNS; column++) {
            if (cells[row][column] != ' ')
                last = column + 1;
        }
        for (unsigned column = 0; column < last; column++)
            *out++ = cells[row][column] < 0x80 ? (char)cells[row][column] : '@';
        *out++ = '|';
    }
    *out = '\0';
}

static const struct {
    const char *text, *shown;
    unsigned row, column; /* of the cursor */
} rows[] = {
    {"", "|||", 0, 0},
    {"abc", "abc|||", 0, 3},
    {"abc\ndef", "abc|def||", 1, 3},
    {"abc\rX", "Xbc|||", 0, 1},
    {"abc\b\bX", "aXc|||", 0, 2},
    {"\b\bX", "X|||", 0, 1},
    {"0123456789", "0123456789|||", 0, 9},
    {"0123456789a", "0123456789|a||", 1, 1},
    {"0123456789\nab", "0123456789|ab||", 1, 2},
    {"0123456789\x1b[Da", "01234567a9|||", 0, 9},
    {"1\n2\n3\n4", "2|3|4|", 2, 1},
    {"a\tb", "a       b|||", 0, 9},
    {"123456789\tb", "123456789|b||", 1, 1},
    {"abc\x1b[2DX", "aXc|||", 0, 2},
    {"abc\x1b[99DX\x1b[99CY", "Xbc      Y|||", 0, 9},
    {"a\x1b[BX\x1b[AY", "a Y| X||", 0, 3},
    {"a\x1b[99Bb\x1b[99Ac", "a c|| b|", 0, 3},
    {"abc\x1b[Hd", "dbc|||", 0, 1},
    {"abc\x1b[H\x1b[Jd", "d|||", 0, 1},
    {"abcdef\r\x1b[3C\x1b[K", "abc|||", 0, 3},
    {"abc\x1b[12345678901234Cd", "abc      d|||", 0, 9},
    {"a\x1b[31mb\x1b[1;2xc\x1bMd", "abcd|||", 0, 4},
    {"a\x07\x01\x7f"
     "b",
     "ab|||", 0, 2},
    {"g\xc3\xbcn\xe2\x82\xac\xf0\x9f\x90\xa7.", "g@n@@.|||", 0, 6},
    {"a\x80"
     "b\xc3z\xe2\x82\n\xff.",
     "a?b?z|?.||", 1, 2},
};

static void test_screen(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char shown[ROWS * (COLUMNS + 1) + 1];

        show(rows[i].text, shown);
        if (strcmp(shown, rows[i].shown) != 0)
            fail_msg("row %u: \"%s\"", i, shown);
        if (cursor_row != rows[i].row || cursor_column != rows[i].column)
            fail_msg("row %u: the cursor is at %u, %u", i, cursor_row,
                     cursor_column);
    }
}

/* Any bytes stay on the screen: put() and cursor() look. */
static void test_any_bytes(void **state)
{
    struct text_screen screen;
    uint32_t seed = 1;

    (void)state;
    text_screen_init(&screen, &ops, ROWS, COLUMNS);
    for (unsigned i = 0; i < 20000; i++) {
        char byte;

        seed = seed * 1664525 + 1013904223;
        byte = (char)(seed >> 24);
        if (seed >> 20 & 1)
            byte = "\x1b[ABCDHJK0123\n\tx"[(uint8_t)byte % 16];
        text_screen_write(&screen, &byte, 1);
    }
}

/* ---- A VGA --------------------------------------------------------------- */

static uint16_t memory[2000];
static uint8_t graphics_index, miscellaneous, crtc_index, crtc[32];

static uint32_t memory_read(void *arg, size_t offset, unsigned width)
{
    (void)arg;
    (void)width;
    model_breach("memory is read at %u: it is slow", (unsigned)offset);
}

static void memory_write(void *arg, size_t offset, unsigned width,
                         uint32_t value)
{
    (void)arg;
    if (width != 2 || offset % 2 != 0)
        model_breach("half of a cell");
    memory[offset / 2] = (uint16_t)value;
}

static uint32_t port_read(void *arg, size_t offset, unsigned width)
{
    (void)arg;
    (void)width;
    if (offset != 1 || graphics_index != 6)
        model_breach("register %u is read", (unsigned)offset);
    return miscellaneous;
}

static void port_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    (void)arg;
    (void)width;
    switch (offset) {
    case 0:
        graphics_index = (uint8_t)value;
        break;
    case 6:
        crtc_index = (uint8_t)value;
        break;
    case 7:
        crtc[crtc_index] = (uint8_t)value;
        break;
    default:
        model_breach("register %u is written", (unsigned)offset);
    }
}

static void plug(bool has_memory)
{
    const struct sim_window of_memory = {memory_read, memory_write, NULL};
    const struct sim_window ports = {port_read, port_write, NULL};

    sim_reset();
    memset(memory, 0xaa, sizeof(memory));
    miscellaneous = 0x0e;
    console_forget();
    machine_attach(8 << 20);
    assert_int_equal(sim_claim(HAL_IO_PORT, 0x3ce, 8, &ports), 0);
    if (has_memory)
        assert_int_equal(
            sim_claim(HAL_IO_MEMORY, 0xb8000, sizeof(memory), &of_memory), 0);
}

static bool row_is(unsigned row, const char *text)
{
    for (unsigned i = 0; i < 80; i++) {
        char want = *text != '\0' ? *text++ : ' ';

        if (memory[row * 80 + i] != (0x0700 | (uint8_t)want))
            return false;
    }
    return true;
}

static void test_vga(void **state)
{
    (void)state;
    plug(true);
    assert_int_equal(vga_text_driver.probe(), 0);
    for (unsigned row = 1; row < 25; row++)
        assert_true(row_is(row, ""));
    console_write("\x1b[H\x1b[J/> ls", 11);
    assert_true(row_is(0, "/> ls"));
    assert_int_equal(crtc[14] << 8 | crtc[15], 5);
    console_print("\n%s", "g\xc3\xbcn \xe2\x82\xac \xc2\x81");
    assert_true(row_is(1, "g\x81n \xfe \xfe"));
    for (unsigned i = 0; i < 30; i++)
        console_print("\nrow %u", i);
    assert_true(row_is(0, "row 5"));
    assert_true(row_is(24, "row 29"));
    log_info("logged");
    assert_int_equal(crtc[14] << 8 | crtc[15], 24 * 80);
    sim_reset();
    machine_detach();
}

static void test_no_vga(void **state)
{
    static const uint8_t modes[] = {0xff, 0x05, 0x0f, 0x08};

    (void)state;
    sim_reset();
    machine_attach(8 << 20);
    assert_int_equal(vga_text_driver.probe(), 0);
    machine_detach();
    for (unsigned i = 0; i < sizeof(modes); i++) {
        plug(true);
        miscellaneous = modes[i];
        assert_int_equal(vga_text_driver.probe(), 0);
        assert_int_equal(memory[0], 0xaaaa);
        machine_detach();
    }
    plug(false);
    assert_int_equal(vga_text_driver.probe(), 0);
    assert_false(console_has("vga:"));
    heap_fail(1);
    assert_int_equal(vga_text_driver.probe(), -ENOMEM);
    sim_reset();
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_screen),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_vga),
        cmocka_unit_test(test_no_vga),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
