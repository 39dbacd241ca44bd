/* The line editor: see line.h. Keys become calls of the functions below, and
 * each of them shows the line anew, in one write. */
#include "apps/shell/line.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/string.h>

enum {
    CTRL_A = 1,
    CTRL_B = 2,
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_E = 5,
    CTRL_F = 6,
    BACKSPACE = 8, /* Ctrl-H */
    TAB = 9,
    LINE_FEED = 10,
    CTRL_K = 11,
    CTRL_L = 12,
    RETURN = 13,
    CTRL_N = 14,
    CTRL_P = 16,
    CTRL_U = 21,
    CTRL_W = 23,
    ESCAPE = 27,
    DELETE = 127, /* what most terminals send for backspace */
    BELL = 7,
    SHOW_SIZE = LINE_COLUMNS * 4 + LINE_PROMPT + 32,
};

/* ---- UTF-8 (RFC 3629) ---------------------------------------------------- */

/* How many bytes a character has that begins so; 0: none does. */
static size_t utf8_size(uint8_t byte)
{
    if (byte < 0x80)
        return 1;
    if (byte >= 0xc2 && byte < 0xe0)
        return 2;
    if (byte >= 0xe0 && byte < 0xf0)
        return 3;
    return byte >= 0xf0 && byte < 0xf5 ? 4 : 0;
}

static bool utf8_goes_on(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Of 3 and 4 bytes: not longer than needed, no surrogate, not beyond the last
 * character. */
static bool utf8_second(uint8_t first, uint8_t second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second < 0xa0;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second < 0x90;
    default:
        return true;
    }
}

static size_t before(const struct line *line, size_t at)
{
    while (at > 0 && utf8_goes_on((uint8_t)line->text[--at]))
        ;
    return at;
}

static size_t behind(const struct line *line, size_t at)
{
    if (at < line->len)
        at++;
    while (at < line->len && utf8_goes_on((uint8_t)line->text[at]))
        at++;
    return at;
}

static size_t columns(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += utf8_goes_on((uint8_t)text[i]) ? 0 : 1;
    return count;
}

/* ---- Showing ------------------------------------------------------------- */

static void write_text(struct line *line, const char *text)
{
    line->ops->write(line->ctx, text, strlen(text));
}

/* The part of the line that fits behind the prompt, with the cursor in it. */
void line_show(struct line *line)
{
    size_t prompt = columns(line->prompt, strlen(line->prompt));
    size_t room = LINE_COLUMNS - 1 - prompt;
    size_t from = 0, to = line->len, at;
    char text[SHOW_SIZE];

    while (columns(line->text + from, line->cursor - from) > room)
        from = behind(line, from);
    while (columns(line->text + from, to - from) > room)
        to = before(line, to);
    at = prompt + columns(line->text + from, line->cursor - from);
    fmt_print(text, sizeof(text), "\r%s%.*s\x1b[K\r\x1b[%uC", line->prompt,
              (int)(to - from), line->text + from, (unsigned)at);
    if (at == 0)
        text[strlen(text) - 4] = '\0'; /* none is moved by one */
    write_text(line, text);
}

static void ring_bell(struct line *line)
{
    static const char bell[] = {BELL, '\0'};

    write_text(line, bell);
}

/* ---- Changing ------------------------------------------------------------ */

/* A character at the end is only shown behind the others, where it fits. */
static void insert(struct line *line, const char *text, size_t len)
{
    bool is_last = line->cursor == line->len;

    if (len >= LINE_SIZE - line->len) {
        ring_bell(line);
        return;
    }
    memmove(line->text + line->cursor + len, line->text + line->cursor,
            line->len - line->cursor);
    memcpy(line->text + line->cursor, text, len);
    line->cursor += len;
    line->len += len;
    line->text[line->len] = '\0';
    if (is_last && columns(line->prompt, strlen(line->prompt)) +
                           columns(line->text, line->len) <
                       LINE_COLUMNS)
        line->ops->write(line->ctx, text, len);
    else
        line_show(line);
}

/* What is between two places; the cursor goes there. */
static void cut(struct line *line, size_t from, size_t to)
{
    memmove(line->text + from, line->text + to, line->len - to + 1);
    line->len -= to - from;
    line->cursor = from;
    line_show(line);
}

static void move(struct line *line, size_t to)
{
    line->cursor = to;
    line_show(line);
}

static size_t word_begin(const struct line *line)
{
    size_t at = line->cursor;

    while (at > 0 && line->text[at - 1] == ' ')
        at--;
    while (at > 0 && line->text[at - 1] != ' ')
        at--;
    return at;
}

/* ---- Lines before -------------------------------------------------------- */

static char *history_at(struct line *line, unsigned back)
{
    return line->history[(line->history_count - back) % LINE_HISTORY];
}

static void history_add(struct line *line)
{
    if (line->len == 0 ||
        (line->history_count > 0 && str_equal(history_at(line, 1), line->text)))
        return;
    memcpy(history_at(line, 0), line->text, line->len + 1);
    line->history_count++;
}

static void history_show(struct line *line, unsigned back)
{
    if (line->back == 0)
        memcpy(line->draft, line->text, line->len + 1);
    line->back = back;
    (void)str_copy(line->text, sizeof(line->text),
                   back == 0 ? line->draft : history_at(line, back));
    line->len = strlen(line->text);
    move(line, line->len);
}

static void older(struct line *line)
{
    unsigned count =
        line->history_count < LINE_HISTORY ? line->history_count : LINE_HISTORY;

    if (line->back < count)
        history_show(line, line->back + 1);
}

static void newer(struct line *line)
{
    if (line->back > 0)
        history_show(line, line->back - 1);
}

/* ---- Completing ---------------------------------------------------------- */

static void complete(struct line *line, bool again)
{
    char text[LINE_SIZE];
    unsigned count;

    if (line->ops->complete == NULL)
        return;
    text[0] = '\0';
    count = line->ops->complete(line->ctx, line->text, line->cursor, text,
                                sizeof(text));
    if (text[0] != '\0') {
        insert(line, text, strlen(text));
    } else if (count > 1 && again) {
        write_text(line, "\n");
        line->ops->list(line->ctx, line->text, line->cursor);
        line_show(line);
    } else {
        line->was_tab = count > 1;
        ring_bell(line);
    }
}

/* ---- Keys ---------------------------------------------------------------- */

static void letter_key(struct line *line, uint8_t letter)
{
    switch (letter) {
    case 'A':
        older(line);
        break;
    case 'B':
        newer(line);
        break;
    case 'C':
        move(line, behind(line, line->cursor));
        break;
    case 'D':
        move(line, before(line, line->cursor));
        break;
    case 'F':
        move(line, line->len);
        break;
    case 'H':
        move(line, 0);
        break;
    default: /* another key */
        break;
    }
}

/* ESC [ NUMBER ~ */
static void number_key(struct line *line, uint8_t digit)
{
    switch (digit) {
    case '1':
    case '7':
        move(line, 0);
        break;
    case '3':
        cut(line, line->cursor, behind(line, line->cursor));
        break;
    case '4':
    case '8':
        move(line, line->len);
        break;
    default:
        break;
    }
}

/* The bytes of an escape sequence so far (ECMA-48, 5.4): ESC [ parameters and
 * a letter or "~", or ESC O letter. Returns whether it goes on. */
static bool escape_goes_on(struct line *line)
{
    size_t count = line->key_count;
    uint8_t last = line->keys[count - 1];

    if (count == 2)
        return true;
    if (line->keys[1] == '[' && last >= 0x20 && last < 0x40) {
        if (count == LINE_SEQUENCE)
            line->key_count--; /* too long: it is ignored to its end */
        return true;
    }
    if (count == 3)
        letter_key(line, last);
    else if (last == '~' && count == 4)
        number_key(line, line->keys[2]);
    return false;
}

/* A byte more of a character. */
enum progress { BROKEN, GOES_ON, IS_DONE };
static enum progress character_byte(struct line *line)
{
    size_t size = utf8_size(line->keys[0]);
    uint8_t last = line->keys[line->key_count - 1];

    if (!utf8_goes_on(last) ||
        (line->key_count == 2 && !utf8_second(line->keys[0], last)))
        return BROKEN;
    if (line->key_count < size)
        return GOES_ON;
    insert(line, (const char *)line->keys, size);
    return IS_DONE;
}

static void edit_key(struct line *line, uint8_t key, bool was_tab)
{
    switch (key) {
    case CTRL_A:
    case CTRL_E:
        move(line, key == CTRL_A ? 0 : line->len);
        break;
    case CTRL_B:
    case CTRL_F:
        letter_key(line, key == CTRL_B ? 'D' : 'C');
        break;
    case CTRL_D:
        number_key(line, '3');
        break;
    case BACKSPACE:
    case DELETE:
        cut(line, before(line, line->cursor), line->cursor);
        break;
    case TAB:
        complete(line, was_tab);
        break;
    case CTRL_K:
        cut(line, line->cursor, line->len);
        break;
    case CTRL_L:
        write_text(line, "\x1b[H\x1b[2J");
        line_show(line);
        break;
    case CTRL_N:
    case CTRL_P:
        letter_key(line, key == CTRL_N ? 'B' : 'A');
        break;
    case CTRL_U:
        cut(line, 0, line->cursor);
        break;
    case CTRL_W:
        cut(line, word_begin(line), line->cursor);
        break;
    default:
        break;
    }
}

static enum line_event first_byte(struct line *line, uint8_t byte)
{
    bool was_return = line->was_return;
    bool was_tab = line->was_tab;
    char text = (char)byte;

    line->was_return = byte == RETURN;
    line->was_tab = false;
    if (byte == LINE_FEED && was_return)
        return LINE_MORE;
    if (byte == RETURN || byte == LINE_FEED) {
        write_text(line, "\n");
        history_add(line);
        return LINE_DONE;
    }
    if (byte == CTRL_C) {
        write_text(line, "^C\n");
        return LINE_DROPPED;
    }
    if (byte == CTRL_D && line->len == 0) {
        write_text(line, "\n");
        return LINE_END;
    }
    if (byte == ESCAPE || byte >= 0x80) {
        line->keys[0] = byte;
        line->key_count = byte == ESCAPE || utf8_size(byte) > 1 ? 1 : 0;
    } else if (byte >= ' ' && byte != DELETE) {
        insert(line, &text, 1);
    } else {
        edit_key(line, byte, was_tab);
    }
    return LINE_MORE;
}

enum line_event line_byte(struct line *line, uint8_t byte)
{
    enum progress progress;

    if (line->key_count == 0)
        return first_byte(line, byte);
    assert(line->key_count < LINE_SEQUENCE);
    line->keys[line->key_count++] = byte;
    if (line->keys[0] == ESCAPE && line->key_count == 2 && byte != '[' &&
        byte != 'O')
        progress = BROKEN; /* the key ESC alone, and another one */
    else if (line->keys[0] == ESCAPE)
        progress = escape_goes_on(line) ? GOES_ON : IS_DONE;
    else
        progress = character_byte(line);
    if (progress == GOES_ON)
        return LINE_MORE;
    line->key_count = 0;
    return progress == BROKEN ? first_byte(line, byte) : LINE_MORE;
}

void line_init(struct line *line, const struct line_ops *ops, void *ctx)
{
    memset(line, 0, sizeof(*line));
    line->ops = ops;
    line->ctx = ctx;
}

void line_begin(struct line *line, const char *prompt)
{
    (void)str_copy(line->prompt, sizeof(line->prompt), prompt);
    line->text[0] = '\0';
    line->len = line->cursor = 0;
    line->back = 0;
    line->key_count = 0;
    line->was_tab = false;
    write_text(line, line->prompt);
}
