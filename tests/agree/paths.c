#include "tests/agree/paths.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIES = 24,
    LEN_MAX = SIDE_PATH_MAX - 300, /* room for one more name */
};

void paths_add(struct paths *paths, const char *text, char type)
{
    if (paths->count == paths->room) {
        paths->room = paths->room == 0 ? 256 : paths->room * 2;
        paths->path = realloc(paths->path, paths->room * sizeof(*paths->path));
    }
    paths->path[paths->count++] =
        (struct path){.text = strdup(text), .type = type};
}

void paths_free(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->path[i].text);
    free(paths->path);
    *paths = (struct paths){0};
}

/* Whether `text` is `dir`, or below it. */
static bool is_at(const char *text, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(text, dir, len) == 0 &&
           (text[len] == '\0' || text[len] == '/');
}

void paths_remove(struct paths *paths, const char *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < paths->count; i++) {
        if (is_at(paths->path[i].text, text))
            free(paths->path[i].text);
        else
            paths->path[kept++] = paths->path[i];
    }
    paths->count = kept;
}

/* The same below another directory. */
static void lead(struct path *path, const char *old, const char *text)
{
    size_t size = strlen(text) + strlen(path->text) - strlen(old) + 1;
    char *moved = malloc(size);

    strcpy(moved, text);
    strcat(moved, path->text + strlen(old));
    free(path->text);
    path->text = moved;
}

void paths_move(struct paths *paths, const char *old, const char *text)
{
    for (size_t i = 0; i < paths->count; i++)
        if (is_at(paths->path[i].text, old))
            lead(&paths->path[i], old, text);
}

void paths_exchange(struct paths *paths, const char *a, const char *b)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (is_at(paths->path[i].text, a))
            lead(&paths->path[i], a, b);
        else if (is_at(paths->path[i].text, b))
            lead(&paths->path[i], b, a);
    }
}

bool paths_fit(const struct paths *paths, const char *old, const char *text)
{
    for (size_t i = 0; i < paths->count; i++)
        if (is_at(paths->path[i].text, old) &&
            strlen(text) + strlen(paths->path[i].text) - strlen(old) > LEN_MAX)
            return false;
    return true;
}

/* ---- Reading ------------------------------------------------------------- */

struct reading {
    struct paths *paths;
    const char *dir; /* "": the root */
};

static int entry_add(const struct side_entry *entry, void *arg)
{
    const struct reading *reading = arg;
    char text[SIDE_PATH_MAX];

    if (strlen(reading->dir) + 1 + strlen(entry->name) >= sizeof(text))
        return -ENAMETOOLONG;
    strcpy(text, reading->dir);
    strcat(text, "/");
    strcat(text, entry->name);
    paths_add(reading->paths, text, entry->type);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct path *)a)->text,
                  ((const struct path *)b)->text);
}

int paths_read(struct paths *paths, const struct side *side)
{
    static const char letters[] = "?pc?d?b?f?l?s???";
    struct reading reading = {.paths = paths, .dir = ""};
    int status = side->list("/", entry_add, &reading);

    for (size_t i = 0; i < paths->count && status == 0; i++) {
        struct side_stat stat;

        /* Not every volume says types in its directories. */
        status = side->stat(paths->path[i].text, &stat);
        if (status != 0)
            break;
        paths->path[i].type = letters[stat.mode >> 12 & 15];
        reading.dir = paths->path[i].text;
        if (paths->path[i].type == 'd')
            status = side->list(reading.dir, entry_add, &reading);
    }
    if (paths->count > 0)
        qsort(paths->path, paths->count, sizeof(*paths->path), compare);
    return status;
}

/* ---- Drawing ------------------------------------------------------------- */

const struct path *paths_draw(const struct paths *paths, struct draw *draw,
                              char type)
{
    for (unsigned i = 0; i < TRIES && paths->count > 0; i++) {
        const struct path *path = &paths->path[draw_below(draw, paths->count)];

        if (type == 0 || path->type == type)
            return path;
    }
    return NULL;
}

const char *paths_draw_dir(const struct paths *paths, struct draw *draw)
{
    const struct path *path =
        draw_once_in(draw, 6) ? NULL : paths_draw(paths, draw, 'd');

    return path == NULL ? "/" : path->text;
}

static void fill(struct draw *draw, char *buf, size_t len, const char *letters)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = letters[draw_below(draw, strlen(letters))];
}

/* Any byte that a name may have. */
static void fill_odd(struct draw *draw, char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        do
            buf[i] = (char)draw_between(draw, 1, 255);
        while (buf[i] == '/');
    }
}

size_t name_draw(struct draw *draw, char *buf)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len;

    switch (draw_below(draw, 8)) {
    case 0:
        len = draw_between(draw, 1, 2);
        break;
    case 1:
        len = draw_between(draw, SIDE_NAME_MAX - 5, SIDE_NAME_MAX);
        break;
    case 2:
        len = draw_between(draw, 1, SIDE_NAME_MAX);
        break;
    default:
        len = draw_between(draw, 3, 20);
        break;
    }
    if (draw_once_in(draw, 4))
        fill_odd(draw, buf, len);
    else
        fill(draw, buf, len, draw_once_in(draw, 8) ? " .\n~" : plain);
    buf[len] = '\0';
    if (strcmp(buf, ".") == 0 || strcmp(buf, "..") == 0)
        buf[0] = 'a';
    return len;
}

void paths_draw_new_in(const char *dir, struct draw *draw, char *buf)
{
    char name[SIDE_NAME_MAX + 1];

    name_draw(draw, name);
    if (strlen(dir) > LEN_MAX || strcmp(dir, "/") == 0)
        dir = "";
    strcpy(buf, dir);
    strcat(buf, "/");
    strcat(buf, name);
}

void paths_draw_new(const struct paths *paths, struct draw *draw, char *buf)
{
    paths_draw_new_in(paths_draw_dir(paths, draw), draw, buf);
}
