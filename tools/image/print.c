/* Text for the standard output. */
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include <stdarg.h>
#include <torc/format.h>
#include <torc/string.h>

enum { BUFFER_SIZE = 16384 };

/* Of CPU 0. */
static char buffer[BUFFER_SIZE];
static size_t used;
static int failed;

static void flush(void)
{
    if (failed == 0 && used > 0)
        failed = io_write(buffer, used);
    used = 0;
}

static void put(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    while (len > 0) {
        size_t part = BUFFER_SIZE - used;

        if (part > len)
            part = len;
        memcpy(buffer + used, text, part);
        used += part;
        text += part;
        len -= part;
        if (used == BUFFER_SIZE)
            flush();
    }
}

void print(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fmt_vsink(put, NULL, format, list);
    va_end(list);
}

int print_end(void)
{
    flush();
    if (failed != 0)
        io_complain("the standard output", failed);
    return failed;
}

int path_of(const char *word, char path[FILE_PATH_MAX])
{
    path[0] = '/';
    return str_copy(path + (word[0] != '/'), FILE_PATH_MAX - 1, word);
}

char type_letter(enum file_type type)
{
    static const char letters[] = "?-dlpscb";

    static_assert(sizeof(letters) == FILE_BLOCK + 2, "a letter for each");
    return letters[type];
}

void mode_text(uint32_t mode, char text[10])
{
    static const char letters[] = "rwxrwxrwx";
    static const struct {
        uint32_t bit;
        unsigned at;
        char with, without; /* the right to execute */
    } special[] = {
        {04000, 2, 's', 'S'}, {02000, 5, 's', 'S'}, {01000, 8, 't', 'T'}};

    for (unsigned i = 0; i < 9; i++)
        text[i] = (mode >> (8 - i) & 1) != 0 ? letters[i] : '-';
    for (unsigned i = 0; i < COUNT_OF(special); i++) {
        if ((mode & special[i].bit) != 0)
            text[special[i].at] = text[special[i].at] == '-'
                                      ? special[i].without
                                      : special[i].with;
    }
    text[9] = '\0';
}
