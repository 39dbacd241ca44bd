/*
 * The rows of an image's line tables: DWARF 5, section 6.2. What is not
 * understood is left out: a backtrace then has no line there.
 */
#include "tools/symbols/symbols.h"
#include <stdlib.h>
#include <string.h>

enum {
    FORM_DATA2 = 0x05,
    FORM_STRING = 0x08,
    FORM_DATA1 = 0x0b,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
    CONTENT_PATH = 1,
    CONTENT_DIRECTORY = 2,
    FORMATS_MAX = 8,
};

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static uint64_t fixed(struct reader *in, unsigned size)
{
    uint64_t value = 0;

    if ((size_t)(in->end - in->at) < size) {
        in->failed = true;
        in->at = in->end;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)in->at[i] << (8 * i);
    in->at += size;
    return value;
}

static uint64_t uleb(struct reader *in)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;

    do {
        byte = fixed(in, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

static int64_t sleb(struct reader *in)
{
    int64_t value = 0;
    uint64_t byte;
    unsigned shift = 0;

    do {
        byte = fixed(in, 1);
        if (shift < 64)
            value |= (int64_t)((byte & 0x7f) << shift);
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= -((int64_t)1 << shift);
    return value;
}

/* A text within a section, or "". */
static const char *text_at(const struct section *section, uint64_t offset)
{
    if (offset >= section->size ||
        memchr(section->data + offset, 0, section->size - offset) == NULL)
        return "";
    return (const char *)section->data + offset;
}

struct entry {
    const char *path;
    uint64_t directory;
};

static void entry_read(struct reader *in, const struct image *image,
                       const uint64_t (*format)[2], unsigned formats,
                       struct entry *out)
{
    for (unsigned i = 0; i < formats; i++) {
        const char *text = NULL;
        uint64_t number = 0;

        switch (format[i][1]) {
        case FORM_STRING: {
            const uint8_t *end = memchr(in->at, 0, (size_t)(in->end - in->at));

            if (end == NULL) {
                in->failed = true;
                return;
            }
            text = (const char *)in->at;
            in->at = end + 1;
            break;
        }
        case FORM_LINE_STRP:
            text = text_at(&image->line_str, fixed(in, 4));
            break;
        case FORM_STRP:
            text = text_at(&image->str, fixed(in, 4));
            break;
        case FORM_UDATA:
            number = uleb(in);
            break;
        case FORM_DATA1:
        case FORM_DATA2:
            number = fixed(in, format[i][1] == FORM_DATA1 ? 1 : 2);
            break;
        case FORM_DATA16:
            (void)fixed(in, 8), (void)fixed(in, 8);
            break;
        default:
            in->failed = true;
            return;
        }
        if (format[i][0] == CONTENT_PATH && text != NULL)
            out->path = text;
        if (format[i][0] == CONTENT_DIRECTORY)
            out->directory = number;
    }
}

/* A table of directories or files; returns how many. */
static unsigned table_read(struct reader *in, const struct image *image,
                           struct entry **out)
{
    uint64_t format[FORMATS_MAX][2];
    unsigned formats = (unsigned)fixed(in, 1);
    uint64_t count;

    *out = NULL;
    if (formats > FORMATS_MAX) {
        in->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < formats; i++) {
        format[i][0] = uleb(in);
        format[i][1] = uleb(in);
    }
    count = uleb(in);
    if (in->failed || count > (uint64_t)(in->end - in->at))
        return 0;
    *out = calloc(count + 1, sizeof(**out));
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        (*out)[i].path = "";
        entry_read(in, image, format, formats, &(*out)[i]);
    }
    return (unsigned)count;
}

/* The numbers that an image has for the files of a unit. */
struct unit {
    uint64_t min_length, opcode_base, line_range;
    int64_t line_base;
    bool default_is_statement;
    uint8_t lengths[256];
    unsigned *files;
    unsigned file_count;
};

static void files_read(struct reader *in, struct image *image,
                       struct unit *unit)
{
    struct entry *dirs, *files;
    unsigned dir_count = table_read(in, image, &dirs);
    char path[1024];

    unit->file_count = table_read(in, image, &files);
    unit->files = calloc(unit->file_count + 1, sizeof(*unit->files));
    for (unsigned i = 0; i < unit->file_count && !in->failed; i++) {
        const char *dir =
            files[i].directory < dir_count ? dirs[files[i].directory].path : "";

        if (files[i].directory == 0 || files[i].path[0] == '/')
            dir = ""; /* relative to where it was compiled */
        if (dir[0] == '.' && dir[1] == '/')
            dir += 2;
        if (dir[0] == '.' && dir[1] == 0)
            dir = "";
        snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] ? "/" : "",
                 files[i].path);
        unit->files[i] =
            image_file(image, path + (strncmp(path, "./", 2) == 0 ? 2 : 0));
    }
    free(dirs);
    free(files);
}

struct state {
    uint64_t address, file;
    int64_t line;
    bool is_statement;
};

static void row(struct image *image, const struct unit *unit,
                const struct state *state)
{
    unsigned file =
        state->file < unit->file_count ? unit->files[state->file] : NO_FILE;

    image_row(image, state->address, file,
              state->line > 0 ? (unsigned)state->line : 0, state->is_statement);
}

static struct state first_of(const struct unit *unit)
{
    return (struct state){0, 1, 1, unit->default_is_statement};
}

static void extended(struct reader *in, struct image *image,
                     const struct unit *unit, struct state *state)
{
    uint64_t size = uleb(in);
    const uint8_t *end = in->at + size;

    if (size == 0 || size > (uint64_t)(in->end - in->at)) {
        in->failed = true;
        return;
    }
    switch (fixed(in, 1)) {
    case 1: /* the end of a sequence */
        image_row(image, state->address, NO_FILE, 0, true);
        *state = first_of(unit);
        break;
    case 2:
        state->address = fixed(in, 8);
        break;
    default:
        break;
    }
    in->at = end;
}

static void advance(const struct unit *unit, struct state *state, uint64_t code)
{
    state->address += code / unit->line_range * unit->min_length;
}

/* An opcode below opcode_base: 6.2.5.2. */
static void standard(struct reader *in, struct image *image,
                     const struct unit *unit, struct state *state,
                     uint64_t code)
{
    switch (code) {
    case 0:
        extended(in, image, unit, state);
        break;
    case 1:
        row(image, unit, state);
        break;
    case 2:
        state->address += uleb(in) * unit->min_length;
        break;
    case 3:
        state->line += sleb(in);
        break;
    case 4:
        state->file = uleb(in);
        break;
    case 6:
        state->is_statement = !state->is_statement;
        break;
    case 8:
        advance(unit, state, 255 - unit->opcode_base);
        break;
    case 9:
        state->address += fixed(in, 2);
        break;
    default: /* column, statement, block, prologue, instruction set */
        for (unsigned i = 0; i < unit->lengths[code]; i++)
            (void)uleb(in);
        break;
    }
}

static void program(struct reader *in, struct image *image,
                    const struct unit *unit)
{
    struct state state = first_of(unit);

    while (in->at < in->end && !in->failed) {
        uint64_t code = fixed(in, 1);

        if (code < unit->opcode_base) {
            standard(in, image, unit, &state, code);
            continue;
        }
        code -= unit->opcode_base;
        advance(unit, &state, code);
        state.line += unit->line_base + (int64_t)(code % unit->line_range);
        row(image, unit, &state);
    }
}

static void unit_read(struct reader in, struct image *image)
{
    struct unit unit = {0};
    uint64_t header;
    const uint8_t *start;

    if (fixed(&in, 2) != 5 || fixed(&in, 1) != 8)
        return;
    (void)fixed(&in, 1); /* no segments */
    header = fixed(&in, 4);
    if (header > (uint64_t)(in.end - in.at))
        return;
    start = in.at + header;
    unit.min_length = fixed(&in, 1);
    (void)fixed(&in, 1); /* operations of an instruction */
    unit.default_is_statement = fixed(&in, 1) != 0;
    unit.line_base = (int8_t)fixed(&in, 1);
    unit.line_range = fixed(&in, 1);
    unit.opcode_base = fixed(&in, 1);
    for (unsigned i = 1; i < unit.opcode_base; i++)
        unit.lengths[i] = (uint8_t)fixed(&in, 1);
    files_read(&in, image, &unit);
    in.at = start;
    if (!in.failed && unit.line_range != 0)
        program(&in, image, &unit);
    free(unit.files);
}

void lines_read(struct image *image)
{
    struct reader in = {image->line.data, image->line.data + image->line.size,
                        false};

    while (in.end - in.at > 4) {
        uint64_t size = fixed(&in, 4);
        struct reader unit = {in.at, in.at + size, false};

        if (size > (uint64_t)(in.end - in.at))
            return;
        in.at += size;
        unit_read(unit, image);
    }
}
