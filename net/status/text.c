#include "net/status/text.h"
#include <torc/format.h>
#include <torc/memory.h>

enum { ROOM_FIRST = 4096 };

static bool text_grow(struct text *text, size_t len)
{
    size_t room = text->room == 0 ? ROOM_FIRST : text->room;
    char *bytes;

    while (room - text->len < len)
        room *= 2;
    if (room == text->room)
        return true;
    bytes = mem_resize(text->bytes, room);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

static void put(void *ctx, const char *piece, size_t len)
{
    struct text *text = ctx;

    if (text->failed || !text_grow(text, len))
        return;
    for (size_t i = 0; i < len; i++)
        text->bytes[text->len++] = piece[i];
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fmt_vsink(put, text, format, args);
    va_end(args);
}

void text_add_quoted(struct text *text, const char *string)
{
    put(text, "\"", 1);
    for (; *string != '\0'; string++) {
        bool escape = *string == '"' || *string == '\\';
        bool plain = *string >= ' ' && *string <= '~';

        if (escape)
            put(text, "\\", 1);
        put(text, plain ? string : "?", 1);
    }
    put(text, "\"", 1);
}

void text_free(struct text *text)
{
    mem_free(text->bytes);
    *text = (struct text){.bytes = NULL};
}
