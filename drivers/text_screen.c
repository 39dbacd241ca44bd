/* A screen of text: see text_screen.h. */
#include "drivers/text_screen.h"
#include <torc/string.h>

enum {
    TAB = 8,
    NUMBER_MAX = 1000,
    UNKNOWN = '?',
};

void text_screen_init(struct text_screen *screen,
                      const struct text_screen_ops *ops, unsigned rows,
                      unsigned columns)
{
    memset(screen, 0, sizeof(*screen));
    screen->ops = ops;
    screen->rows = rows;
    screen->columns = columns;
}

static void row_begin(struct text_screen *screen)
{
    screen->column = 0;
    if (screen->row + 1 < screen->rows)
        screen->row++;
    else
        screen->ops->scroll(screen);
}

static void show(struct text_screen *screen, uint32_t code)
{
    if (screen->column == screen->columns)
        row_begin(screen);
    screen->ops->put(screen, screen->row, screen->column++, code);
}

static void clear(struct text_screen *screen, unsigned row, unsigned column)
{
    for (; column < screen->columns; column++)
        screen->ops->put(screen, row, column, ' ');
}

static void clear_all(struct text_screen *screen)
{
    for (unsigned row = 0; row < screen->rows; row++)
        clear(screen, row, 0);
}

/* `by` steps from `at`, which stays below `end`. */
static unsigned forth(unsigned at, unsigned by, unsigned end)
{
    return by < end - at ? at + by : end - 1;
}

static unsigned back(unsigned at, unsigned by)
{
    return by < at ? at - by : 0;
}

static void sequence(struct text_screen *screen, char letter)
{
    unsigned by = screen->number == 0 ? 1 : screen->number;

    if (screen->column == screen->columns)
        screen->column--; /* the cursor stands on the last one */
    switch (letter) {
    case 'A':
        screen->row = back(screen->row, by);
        break;
    case 'B':
        screen->row = forth(screen->row, by, screen->rows);
        break;
    case 'C':
        screen->column = forth(screen->column, by, screen->columns);
        break;
    case 'D':
        screen->column = back(screen->column, by);
        break;
    case 'H':
        screen->row = screen->column = 0;
        break;
    case 'J':
        clear_all(screen);
        break;
    case 'K':
        clear(screen, screen->row, screen->column);
        break;
    default:
        break;
    }
}

static void sequence_byte(struct text_screen *screen, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        screen->number = screen->number * 10 + (byte - '0');
        if (screen->number > NUMBER_MAX)
            screen->number = NUMBER_MAX;
    } else if (byte >= 0x40) {
        screen->state = SCREEN_TEXT;
        sequence(screen, (char)byte);
    }
}

static void control(struct text_screen *screen, uint8_t byte)
{
    switch (byte) {
    case '\n':
        row_begin(screen);
        break;
    case '\r':
        screen->column = 0;
        break;
    case '\b':
        screen->column = back(screen->column, 1);
        break;
    case '\t':
        do
            show(screen, ' ');
        while (screen->column % TAB != 0 && screen->column < screen->columns);
        break;
    case 0x1b:
        screen->state = SCREEN_ESCAPE;
        break;
    default:
        break;
    }
}

/* UTF-8; what is none is shown as one unknown character. */
static void character(struct text_screen *screen, uint8_t byte)
{
    if (screen->missing > 0 && (byte & 0xc0) == 0x80) {
        screen->code = screen->code << 6 | (byte & 0x3f);
        if (--screen->missing == 0)
            show(screen, screen->code);
        return;
    }
    if (screen->missing > 0)
        show(screen, UNKNOWN);
    screen->missing = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    screen->code = byte & (0x3f >> screen->missing);
    if (byte < 0x80)
        show(screen, byte);
    else if (screen->missing == 0)
        show(screen, UNKNOWN);
}

static void byte_show(struct text_screen *screen, uint8_t byte)
{
    if (screen->state == SCREEN_SEQUENCE) {
        sequence_byte(screen, byte);
    } else if (screen->state == SCREEN_ESCAPE) {
        screen->state = byte == '[' ? SCREEN_SEQUENCE : SCREEN_TEXT;
        screen->number = 0;
    } else if (byte < ' ' || byte == 127) {
        screen->missing = 0;
        control(screen, byte);
    } else {
        character(screen, byte);
    }
}

void text_screen_write(struct text_screen *screen, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        byte_show(screen, (uint8_t)text[i]);
    screen->ops->cursor(screen, screen->row,
                        screen->column < screen->columns ? screen->column
                                                         : screen->columns - 1);
}
