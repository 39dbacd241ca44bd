/* Scan codes of set 1 (IBM PC/XT Technical Reference): see ps2_keys.h. */
#include "drivers/ps2_keys.h"
#include <torc/assert.h>
#include <torc/compiler.h>
#include <torc/string.h>

enum {
    EXTENDED = 0xe0,
    PAUSE = 0xe1, /* two codes follow, and as many when it is let go */
    RELEASED = 0x80,
    ESCAPE = 0x1b,
    CONTROL = 0x1d,
    SHIFT = 0x2a,
    RIGHT_SHIFT = 0x36,
    ALT = 0x38,
    CAPS = 0x3a,
    CONTROL_BITS = 0x1f,
};

/* By code, from 0 on; 0: another key. */
static const char plain[] = "\0\x1b"
                            "1234567890-=\x7f\t"
                            "qwertyuiop[]\r\0"
                            "asdfghjkl;'`\0\\"
                            "zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\x1b"
                              "!@#$%^&*()_+\x7f\t"
                              "QWERTYUIOP{}\r\0"
                              "ASDFGHJKL:\"~\0|"
                              "ZXCVBNM<>?\0*\0 ";
static_assert(sizeof(plain) == sizeof(shifted), "one for each");

/* What terminals send for keys that write nothing. */
static const struct {
    uint8_t code;
    const char *text;
} special[] = {
    {0x47, "\x1b[H"},  {0x48, "\x1b[A"},  {0x4b, "\x1b[D"},
    {0x4d, "\x1b[C"},  {0x4f, "\x1b[F"},  {0x50, "\x1b[B"},
    {0x53, "\x1b[3~"}, {0x49, "\x1b[5~"}, {0x51, "\x1b[6~"},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Returns whether it is one of the keys that change others. */
static bool modifier(struct ps2_keys *keys, uint8_t code, bool is_extended)
{
    bool is_down = (code & RELEASED) == 0;

    switch (code & ~RELEASED) {
    case CONTROL:
        *(is_extended ? &keys->right_control : &keys->control) = is_down;
        return true;
    case SHIFT:
        if (!is_extended) /* else it is part of another key */
            keys->shift = is_down;
        return true;
    case RIGHT_SHIFT:
        if (!is_extended)
            keys->right_shift = is_down;
        return true;
    case ALT:
        keys->alt = is_down;
        return true;
    case CAPS:
        if (is_down)
            keys->caps = !keys->caps;
        return true;
    default:
        return false;
    }
}

static size_t special_key(uint8_t code, char out[PS2_KEY_MAX])
{
    for (unsigned i = 0; i < COUNT_OF(special); i++) {
        if (special[i].code == code) {
            size_t len = strlen(special[i].text);

            memcpy(out, special[i].text, len);
            return len;
        }
    }
    return 0;
}

static size_t letter_key(const struct ps2_keys *keys, uint8_t code,
                         char out[PS2_KEY_MAX])
{
    bool shift = keys->shift || keys->right_shift;
    size_t len = 0;
    char c = plain[code];

    if (is_letter(c) ? shift != keys->caps : shift)
        c = shifted[code];
    if (c == '\0')
        return 0;
    if ((keys->control || keys->right_control) && c >= '@' && c <= '~')
        c &= CONTROL_BITS;
    if (keys->alt)
        out[len++] = ESCAPE;
    out[len++] = c;
    return len;
}

size_t ps2_key(struct ps2_keys *keys, uint8_t code, char out[PS2_KEY_MAX])
{
    bool is_extended = keys->is_extended;

    keys->is_extended = code == EXTENDED;
    if (keys->skip > 0) {
        keys->skip--;
        return 0;
    }
    if (code == PAUSE)
        keys->skip = 2;
    if (code == PAUSE || code == EXTENDED ||
        modifier(keys, code, is_extended) || (code & RELEASED) != 0)
        return 0;
    if (is_extended && code == 0x1c) /* Enter beside the numbers */
        return letter_key(keys, code, out);
    if (is_extended && code == 0x35) { /* the slash there */
        out[0] = '/';
        return 1;
    }
    if (is_extended || code >= sizeof(plain) - 1)
        return special_key(code, out);
    return letter_key(keys, code, out);
}
