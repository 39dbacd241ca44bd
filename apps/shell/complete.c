/* Completion: the first word of a command is a command, the others are paths
 * that are there. Words in quotes are not completed. */
#include "apps/shell/shell.h"
#include <torc/string.h>

enum {
    PATH_SIZE = LINE_SIZE + 4,
    LOOKS_MAX = 4096, /* entries of a directory that are looked at */
    SHOWN_MAX = 200,
};

/* What is searched for, and what was found so far. */
struct search {
    const char *stem; /* what a candidate begins with */
    size_t stem_len;
    unsigned count;
    char common[FILE_NAME_MAX + 2]; /* what all have behind the stem */
    struct shell *shows;            /* not NULL: candidates are shown */
};

/* ---- Candidates ---------------------------------------------------------- */

static void candidate(struct search *search, const char *name, const char *end)
{
    char whole[FILE_NAME_MAX + 2];
    const char *rest = whole + search->stem_len;
    size_t len = 0;

    if (strlen(name) + strlen(end) >= sizeof(whole))
        return;
    (void)str_copy(whole, sizeof(whole), name);
    if (str_len(name, search->stem_len) < search->stem_len ||
        memcmp(name, search->stem, search->stem_len) != 0)
        return;
    (void)str_copy(whole + strlen(name), sizeof(whole) - strlen(name), end);
    search->count++;
    if (search->shows != NULL && search->count <= SHOWN_MAX)
        (void)shell_say(search->shows, "%s\n", whole);
    if (search->count == 1) {
        (void)str_copy(search->common, sizeof(search->common), rest);
        return;
    }
    while (search->common[len] != '\0' && search->common[len] == rest[len])
        len++;
    /* Not half of a character. */
    while (len > 0 && ((uint8_t)search->common[len] & 0xc0) == 0x80)
        len--;
    search->common[len] = '\0';
}

static void commands(struct search *search)
{
    for (unsigned i = 0; shell_commands[i] != NULL; i++) {
        for (const struct command *command = shell_commands[i];
             command->name != NULL; command++)
            candidate(search, command->name, " ");
    }
}

/* Whether a name stands for itself in a line: words.h. */
static bool is_plain(const char *name)
{
    for (; *name != '\0'; name++) {
        if ((uint8_t)*name <= ' ' || *name == 127 || *name == ';' ||
            *name == '>' || *name == '#' || *name == '"' || *name == '\'' ||
            *name == '\\' ||
            ((uint8_t)name[0] == 0xc2 && (uint8_t)name[1] >= 0x80 &&
             (uint8_t)name[1] < 0xa0)) /* of control, as for shell_tame() */
            return false;
    }
    return true;
}

/* Of a directory that is a link nothing says that it is one: then it is no "/"
 * but a blank. */
static void names(struct search *search, const char *directory)
{
    struct dir_entry entry;
    struct file *file;

    if (file_open(directory, FILE_READ | FILE_DIRECTORY_ONLY, 0, &file) != 0)
        return;
    for (unsigned i = 0; i < LOOKS_MAX && dir_read(file, &entry) == 1; i++) {
        if (str_equal(entry.name, ".") || str_equal(entry.name, "..") ||
            !is_plain(entry.name))
            continue;
        candidate(search, entry.name, entry.type == FILE_DIRECTORY ? "/" : " ");
    }
    file_close(file);
}

/* ---- The word before the cursor ------------------------------------------ */

static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == ';' || c == '>';
}

static bool is_quoting(char c)
{
    return c == '"' || c == '\'' || c == '\\';
}

/* Returns false: nothing is completed there. */
static bool search_run(struct search *search, const char *text, size_t cursor)
{
    char path[PATH_SIZE];
    size_t begin = cursor, first, slash;

    for (size_t i = 0; i < cursor; i++) {
        if (is_quoting(text[i]))
            return false;
    }
    while (begin > 0 && !ends_word(text[begin - 1]))
        begin--;
    first = begin;
    while (first > 0 && (text[first - 1] == ' ' || text[first - 1] == '\t'))
        first--;
    search->stem = text + begin;
    search->stem_len = cursor - begin;
    if (first == 0 || text[first - 1] == ';') {
        commands(search);
        return true;
    }
    slash = cursor;
    while (slash > begin && text[slash - 1] != '/')
        slash--;
    memcpy(path, text + begin, slash - begin);
    (void)str_copy(path + (slash - begin), sizeof(path) - (slash - begin),
                   slash == begin ? "." : "");
    search->stem = text + slash;
    search->stem_len = cursor - slash;
    names(search, path);
    return true;
}

unsigned shell_complete(void *ctx, const char *text, size_t cursor,
                        char *insert, size_t size)
{
    struct search search = {.count = 0};

    (void)ctx;
    if (!search_run(&search, text, cursor))
        return 0;
    if (search.count > 0)
        (void)str_copy(insert, size, search.common);
    return search.count;
}

void shell_candidates(void *ctx, const char *text, size_t cursor)
{
    struct search search = {.shows = ctx};

    (void)search_run(&search, text, cursor);
    if (search.count > SHOWN_MAX)
        (void)shell_say(ctx, "... and %u more\n", search.count - SHOWN_MAX);
}
