#include "tests/qtest/transcript.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_SIZE = 256 };

void transcript_add(struct transcript *transcript, const char *format, ...)
{
    char line[LINE_MAX_SIZE];
    va_list args;
    size_t len;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    len = strlen(line);
    transcript->text = realloc(transcript->text, transcript->len + len + 2);
    if (transcript->text == NULL)
        abort();
    memcpy(transcript->text + transcript->len, line, len);
    memcpy(transcript->text + transcript->len + len, "\n", 2);
    transcript->len += len + 1;
}

void transcript_free(struct transcript *transcript)
{
    free(transcript->text);
    *transcript = (struct transcript){.text = NULL};
}

/* Copy the line at *text, cut to `size`, and step over it. */
static void line_take(const char **text, char *line, size_t size)
{
    size_t len = strcspn(*text, "\n");

    snprintf(line, size, "%.*s", (int)len, *text);
    *text += len + ((*text)[len] == '\n');
}

bool transcript_differ(const struct transcript *a, const struct transcript *b,
                       char *line_a, char *line_b, size_t size)
{
    const char *text_a = a->text != NULL ? a->text : "";
    const char *text_b = b->text != NULL ? b->text : "";

    if (strcmp(text_a, text_b) == 0)
        return false;
    do {
        line_take(&text_a, line_a, size);
        line_take(&text_b, line_b, size);
    } while (strcmp(line_a, line_b) == 0 &&
             (*text_a != '\0' || *text_b != '\0'));
    return true;
}

uint64_t transcript_sum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    uint64_t word;

    for (size_t i = 0; i < size; i += sizeof(word)) {
        word = 0;
        memcpy(&word, bytes + i,
               size - i < sizeof(word) ? size - i : sizeof(word));
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 32;
    }
    return sum ^ size;
}

void transcript_save(const struct transcript *transcript, const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        abort();
    if (transcript->text != NULL)
        fputs(transcript->text, file);
    fclose(file);
}
