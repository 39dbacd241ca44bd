/* The console on pixels: each dot, on screens of each depth, good and bad. */
#include "drivers/font.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/base/boot_info.h"
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

enum {
    BASE = 0xfd00000,
    ROWS = 4,
    COLUMNS = 20,
    WIDTH = COLUMNS * 8 + 7, /* what is no whole cell stays as it was */
    HEIGHT = ROWS * 16 + 15,
    PITCH = WIDTH * 4 + 20,
    NOTHING = 0xaa,
};

static uint8_t memory[PITCH * HEIGHT];
static unsigned writes;

static uint32_t memory_read(void *arg, size_t offset, unsigned width)
{
    (void)arg;
    (void)width;
    model_breach("pixel %u is read", (unsigned)offset);
    return 0;
}

static void memory_write(void *arg, size_t offset, unsigned width,
                         uint32_t value)
{
    (void)arg;
    if (offset + width > sizeof(memory))
        model_breach("no pixel is at %u", (unsigned)offset);
    memcpy(memory + offset, &value, width);
    writes++;
}

static const struct {
    const char *name;
    uint32_t depth, ink;
    struct hal_color red, green, blue;
} depths[] = {
    {"32", 32, 0xb0b0b0, {16, 8}, {8, 8}, {0, 8}},
    {"30 of 32",
     32,
     706U << 20 | 706U << 10 | 706,
     {20, 10},
     {10, 10},
     {0, 10}},
    {"24", 24, 0xb0b0b0, {0, 8}, {8, 8}, {16, 8}},
    {"16", 16, 21U << 11 | 43U << 5 | 21, {11, 5}, {5, 6}, {0, 5}},
    {"15", 15, 21U << 10 | 21U << 5 | 21, {10, 5}, {5, 5}, {0, 5}},
};

static struct hal_framebuffer *screen(void)
{
    return &((struct hal_boot_info *)(uintptr_t)boot_info())->framebuffer;
}

static void plug(unsigned i)
{
    const struct sim_window window = {memory_read, memory_write, NULL};

    sim_reset();
    memset(memory, NOTHING, sizeof(memory));
    console_forget();
    machine_attach(8 << 20);
    assert_int_equal(sim_claim(HAL_IO_MEMORY, BASE, sizeof(memory), &window),
                     0);
    *screen() = (struct hal_framebuffer){
        BASE,          PITCH,           WIDTH,         HEIGHT, depths[i].depth,
        depths[i].red, depths[i].green, depths[i].blue};
}

static void unplug(void)
{
    memset(screen(), 0, sizeof(*screen()));
    sim_reset();
    machine_detach();
}

static uint32_t pixel(unsigned depth, unsigned x, unsigned y)
{
    unsigned bytes = (depth + 7) / 8;
    uint32_t value = 0;

    memcpy(&value, memory + (size_t)y * PITCH + (size_t)x * bytes, bytes);
    return value;
}

/* Whether a cell has that glyph; the cursor fills its last two rows. */
static bool cell_is(unsigned i, unsigned row, unsigned column, uint32_t glyph,
                    bool has_cursor)
{
    for (unsigned y = 0; y < 16; y++) {
        uint8_t dots = font_row(glyph, y);

        if (has_cursor && y >= 14)
            dots = 0xff;
        for (unsigned x = 0; x < 8; x++) {
            uint32_t want = (dots & 0x80 >> x) != 0 ? depths[i].ink : 0;

            if (pixel(depths[i].depth, column * 8 + x, row * 16 + y) != want)
                return false;
        }
    }
    return true;
}

static bool row_is(unsigned i, unsigned row, const char *text, int cursor)
{
    for (unsigned column = 0; column < COLUMNS; column++) {
        uint32_t glyph = *text != '\0' ? (uint8_t)*text++ : ' ';

        if (!cell_is(i, row, column, glyph, (int)column == cursor))
            return false;
    }
    return true;
}

/* What lies behind the cells: the rest of each row, and the last rows. */
static bool rest_is_untouched(unsigned i)
{
    size_t used = COLUMNS * 8 * ((depths[i].depth + 7) / 8);

    for (size_t at = 0; at < sizeof(memory); at++) {
        bool is_cell = at % PITCH < used && at / PITCH < ROWS * 16;

        if (!is_cell && memory[at] != NOTHING)
            return false;
    }
    return true;
}

static void test_each_depth(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(depths); i++) {
        plug(i);
        assert_int_equal(framebuffer_driver.probe(), 0);
        assert_true(console_has("framebuffer: 167 by 79, "));
        assert_true(console_has("4 rows of 20 letters"));
        console_write("\x1b[H\x1b[J/> ls", 11);
        ROW(depths[i].name, row_is(i, 0, "/> ls", 5));
        for (unsigned row = 1; row < ROWS; row++)
            ROW(depths[i].name, row_is(i, row, "", -1));
        console_write("\x1b[D\x1b[D", 6); /* the letter comes back */
        ROW(depths[i].name, row_is(i, 0, "/> ls", 3));
        console_write("\ng\xc3\xbcn~\x1b[D", 9);
        ROW(depths[i].name, row_is(i, 1, "g\x7fn~", 3));
        console_write("\nthree\nfour\nfive", 16); /* it scrolls */
        ROW(depths[i].name, row_is(i, 0, "g\x7fn~", -1));
        ROW(depths[i].name, row_is(i, 3, "five", 4));
        ROW(depths[i].name, rest_is_untouched(i));
        unplug();
    }
}

/* A row that scrolls writes what changes, and no more. */
static void test_scrolling_writes_what_changes(void **state)
{
    (void)state;
    plug(0);
    assert_int_equal(framebuffer_driver.probe(), 0);
    console_write("\x1b[H\x1b[Ja\na\na\na", 13);
    writes = 0;
    console_write("\n", 1);
    /* A letter goes; the cursor moves: a cell again, and two rows of one. */
    assert_int_equal(writes, 8 * 16 + 8 * 16 + 2 * 8);
    unplug();
}

static void test_screens_that_are_none(void **state)
{
    static const struct {
        const char *name;
        uint64_t base;
        uint32_t pitch, width, height;
        bool is_told;
    } rows[] = {
        {"none", 0, PITCH, WIDTH, HEIGHT, false},
        {"narrow", BASE, PITCH, COLUMNS * 8 - 1, HEIGHT, false},
        {"low", BASE, PITCH, WIDTH, ROWS * 16 - 1, false},
        {"nothing there", BASE + 0x100000, PITCH, WIDTH, HEIGHT, true},
        {"longer than there is", BASE, PITCH + 1000, WIDTH, HEIGHT, true},
        {"huge", BASE, UINT32_MAX, WIDTH, HEIGHT, true},
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        plug(0);
        screen()->base = rows[i].base;
        screen()->pitch = rows[i].pitch;
        screen()->width = rows[i].width;
        screen()->height = rows[i].height;
        ROW(rows[i].name, framebuffer_driver.probe() == 0);
        ROW(rows[i].name, memory[0] == NOTHING);
        ROW(rows[i].name, console_has("framebuffer: it cannot be reached") ==
                              rows[i].is_told);
        unplug();
    }
    for (unsigned i = 1; i <= 2; i++) {
        plug(0);
        heap_fail(i);
        assert_int_equal(framebuffer_driver.probe(), -ENOMEM);
        heap_fail(0);
        assert_int_equal(memory[0], NOTHING);
        unplug();
    }
}

/* No two glyphs look alike, and none but the blank is empty. */
static void test_font(void **state)
{
    (void)state;
    for (uint32_t one = ' '; one <= FONT_UNKNOWN; one++) {
        for (uint32_t other = ' '; other < one; other++) {
            bool is_same = true;

            for (unsigned row = 0; row < FONT_HEIGHT; row++)
                is_same = is_same && font_row(one, row) == font_row(other, row);
            assert_false(is_same);
        }
    }
    for (unsigned row = 0; row < FONT_HEIGHT; row++)
        assert_int_equal(font_row(' ', row), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_depth),
        cmocka_unit_test(test_scrolling_writes_what_changes),
        cmocka_unit_test(test_screens_that_are_none),
        cmocka_unit_test(test_font),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
