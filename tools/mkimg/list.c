/*
 * A list as a source: a file in each line. Its words are separated by blanks;
 * in a word "\040" is the byte of that octal number. docs/man/torc-mkimg.1 says
 * which lines there are.
 */
#include "tools/mkimg/source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 8 };

/* A line that is being read. */
struct line {
    const struct source *source;
    char *word[WORDS_MAX];
    size_t len[WORDS_MAX]; /* a word may have NUL in it */
    int count;
};

/* ---- Words --------------------------------------------------------------- */

/* Take the escapes out of a word. Returns its length. */
static size_t unescape(char *word)
{
    char *to = word;

    for (const char *from = word; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' &&
            from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
            from[3] <= '7') {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
                         (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return (size_t)(to - word);
}

/* Returns false: there are too many. */
static bool words_split(struct line *line, char *text)
{
    char *rest = NULL;

    line->count = 0;
    for (char *word = strtok_r(text, " \t\r\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (line->count == WORDS_MAX)
            return false;
        line->len[line->count] = unescape(word);
        line->word[line->count++] = word;
    }
    return true;
}

/* A number in this base, below `end`. */
static bool number(const char *word, int base, unsigned long end,
                   unsigned long *out)
{
    char *behind;

    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    *out = strtoul(word, &behind, base);
    return errno == 0 && *behind == '\0' && *out < end;
}

/* MODE UID GID, the words 2 to 4. Returns NULL, or what is wrong. */
static const char *attributes_set(const struct line *line, struct node *node)
{
    unsigned long mode, uid, gid;

    if (!number(line->word[2], 8, 010000, &mode))
        return "the mode is no octal number up to 7777";
    if (!number(line->word[3], 10, 1UL << 32, &uid) ||
        !number(line->word[4], 10, 1UL << 32, &gid))
        return "an owner is no number";
    node->file.mode = (uint16_t)mode;
    node->file.uid = (uint32_t)uid;
    node->file.gid = (uint32_t)gid;
    return NULL;
}

/* ---- Lines --------------------------------------------------------------- */

/* A new file of a type, with its attributes. */
static const char *file_new(const struct line *line, uint8_t type,
                            struct node **out)
{
    const char *why =
        tree_put(line->source->tree, line->word[1], type, false, out);

    return why != NULL ? why : attributes_set(line, *out);
}

static const char *take_dir(const struct line *line)
{
    struct node *node;

    return file_new(line, FILE_DIRECTORY, &node);
}

static const char *take_fifo(const struct line *line)
{
    struct node *node;

    return file_new(line, FILE_FIFO, &node);
}

static const char *take_socket(const struct line *line)
{
    struct node *node;

    return file_new(line, FILE_SOCKET, &node);
}

static const char *take_file(const struct line *line)
{
    struct node *node;
    const char *why = file_new(line, FILE_REGULAR, &node);

    return why != NULL
               ? why
               : node_from_host(line->source->tree, node, line->word[5]);
}

static const char *take_symlink(const struct line *line)
{
    struct node *node;
    const char *why = file_new(line, FILE_SYMLINK, &node);

    if (why != NULL)
        return why;
    node->file.target =
        tree_text(line->source->tree, line->word[5], line->len[5]);
    node->file.size_bytes = strlen(node->file.target);
    return node->file.size_bytes > 0 ? NULL : "it leads nowhere";
}

static const char *take_device(const struct line *line, uint8_t type)
{
    unsigned long major, minor;
    struct node *node;
    const char *why = file_new(line, type, &node);

    if (why == NULL && (!number(line->word[5], 10, 1UL << 12, &major) ||
                        !number(line->word[6], 10, 1UL << 20, &minor)))
        why = "the numbers of the device are wrong";
    if (why == NULL)
        node->file.rdev = device_of(major, minor);
    return why;
}

static const char *take_char(const struct line *line)
{
    return take_device(line, FILE_CHARACTER);
}

static const char *take_block(const struct line *line)
{
    return take_device(line, FILE_BLOCK);
}

static const char *take_link(const struct line *line)
{
    struct node *node;
    const char *why = tree_find(line->source->tree, line->word[2], &node);

    return why != NULL ? why
                       : tree_link(line->source->tree, line->word[1], node);
}

static const char *take_set(const struct line *line)
{
    struct node *node;
    const char *why = tree_find(line->source->tree, line->word[1], &node);

    return why != NULL ? why : attributes_set(line, node);
}

static const char *take_time(const struct line *line)
{
    struct node *node;
    const char *why = tree_find(line->source->tree, line->word[1], &node);
    unsigned long s;

    if (why == NULL && !number(line->word[2], 10, 1UL << 33, &s))
        why = "the time is no number of seconds";
    if (why == NULL)
        node->file.time = time_of((int64_t)s, 0);
    return why;
}

static const char *take_xattr(const struct line *line)
{
    struct node *node;
    const char *why = tree_find(line->source->tree, line->word[1], &node);

    if (why == NULL)
        tree_xattr(line->source->tree, node, line->word[2], line->word[3],
                   line->len[3]);
    return why;
}

static const struct kind {
    const char *name;
    int words;
    const char *(*take)(const struct line *line);
} kinds[] = {
    {"dir", 5, take_dir},         {"file", 6, take_file},
    {"symlink", 6, take_symlink}, {"link", 3, take_link},
    {"fifo", 5, take_fifo},       {"socket", 5, take_socket},
    {"char", 7, take_char},       {"block", 7, take_block},
    {"set", 5, take_set},         {"time", 3, take_time},
    {"xattr", 4, take_xattr},
};

/* Returns NULL, or what is wrong with a line. */
static const char *line_take(struct line *line, char *text)
{
    if (!words_split(line, text))
        return "it has too many words";
    if (line->count == 0 || line->word[0][0] == '#')
        return NULL;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].name, line->word[0]) != 0)
            continue;
        return line->count == kinds[i].words ? kinds[i].take(line)
                                             : "the number of words is wrong";
    }
    return "there is no such word in front";
}

int source_list(const struct source *source, const char *path)
{
    struct line line = {.source = source};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    unsigned number_of = 0;
    char *text = NULL;
    size_t room = 0;
    int status = 0;

    if (file == NULL)
        return complain("%s: %s", path, strerror(errno));
    while (status == 0 && getline(&text, &room, file) >= 0) {
        const char *why = line_take(&line, text);

        number_of++;
        if (why != NULL)
            status = complain("%s:%u: %s", path, number_of, why);
    }
    if (status == 0 && ferror(file))
        status = complain("%s: %s", path, strerror(errno));
    free(text);
    if (file != stdin)
        fclose(file);
    return status;
}
