/*
 * torc-trace: write a trace of Torc in a form that people or other programs
 * read. docs/trace.md.
 *
 *   torc-trace [--json FILE] [--svg FILE] [--ctf DIRECTORY] [--text] TRACE
 *
 * TRACE is what GET /trace has sent, or what a machine has printed with
 * trace_dump=1; "-" is the standard input.
 *
 * Exit status: 0 done, 1 failed, 2 a wrong argument.
 */
#include "tools/trace/output.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct wishes {
    const char *json;
    const char *svg;
    const char *ctf;
    const char *input;
    bool text;
};

/* The kernel's headers assert; here that ends the tool. */
_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "torc-trace: %s:%d: %s does not hold\n", file, line, expr);
    abort();
}

static int usage(void)
{
    fprintf(stderr, "usage: torc-trace [--json FILE] [--svg FILE] "
                    "[--ctf DIRECTORY] [--text] TRACE\n");
    return 2;
}

static int arguments(int argc, char **argv, struct wishes *wishes)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char **value = strcmp(word, "--json") == 0  ? &wishes->json
                             : strcmp(word, "--svg") == 0 ? &wishes->svg
                             : strcmp(word, "--ctf") == 0 ? &wishes->ctf
                                                          : NULL;

        if (value != NULL && i + 1 < argc)
            *value = argv[++i];
        else if (strcmp(word, "--text") == 0)
            wishes->text = true;
        else if (wishes->input == NULL && (word[0] != '-' || word[1] == '\0'))
            wishes->input = word;
        else
            return usage();
    }
    return wishes->input == NULL ? usage() : 0;
}

/* All of a file; NULL after a message. */
static char *file_read(const char *path, size_t *len)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *data = NULL;
    size_t room = 0;
    size_t got = 1;

    *len = 0;
    while (file != NULL && got > 0) {
        if (*len == room) {
            char *more = realloc(data, room += 1 << 20);

            if (more == NULL)
                break;
            data = more;
        }
        got = fread(data + *len, 1, room - *len, file);
        *len += got;
    }
    if (file == NULL || got > 0 || ferror(file)) {
        fprintf(stderr, "torc-trace: %s: %s\n", path, strerror(errno));
        free(data);
        data = NULL;
    }
    if (file != NULL && file != stdin)
        fclose(file);
    return data;
}

static int file_write(const char *path, const struct decoded *trace,
                      void (*write)(FILE *, const struct decoded *))
{
    FILE *file = fopen(path, "w");
    int failed = file == NULL;

    if (file != NULL) {
        write(file, trace);
        failed = ferror(file) != 0;
        failed |= fclose(file) != 0;
    }
    if (failed)
        fprintf(stderr, "torc-trace: %s: %s\n", path, strerror(errno));
    return failed;
}

static int outputs(const struct wishes *wishes, const struct decoded *trace)
{
    int status = 0;

    if (wishes->json != NULL)
        status |= file_write(wishes->json, trace, json_write);
    if (wishes->svg != NULL)
        status |= file_write(wishes->svg, trace, picture_write);
    if (wishes->ctf != NULL && ctf_write(wishes->ctf, trace) != 0) {
        fprintf(stderr, "torc-trace: %s: %s\n", wishes->ctf, strerror(errno));
        status = 1;
    }
    if (wishes->text)
        text_write(stdout, trace);
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++) {
        if (trace->lost[cpu] > 0)
            fprintf(stderr,
                    "torc-trace: cpu %u: the oldest %" PRIu64 " events are "
                    "lost (trace_events= keeps more)\n",
                    cpu, trace->lost[cpu]);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct wishes wishes = {.text = false};
    struct decoded trace;
    const char *wrong;
    char *data;
    size_t len;
    int status = arguments(argc, argv, &wishes);

    if (status != 0)
        return status;
    data = file_read(wishes.input, &len);
    if (data == NULL)
        return 1;
    if (len < 8 || memcmp(data, TRACE_MAGIC, 8) != 0)
        len = decode_log(data, len);
    wrong = decode(data, len, &trace);
    free(data);
    if (wrong != NULL) {
        fprintf(stderr, "torc-trace: %s: %s\n", wishes.input, wrong);
        return 1;
    }
    status = outputs(&wishes, &trace);
    decode_free(&trace);
    return status;
}
