/* The paths that the generator of changes knows of, and new ones. */
#ifndef TORC_TESTS_AGREE_PATHS_H
#define TORC_TESTS_AGREE_PATHS_H

#include "tests/agree/draw.h"
#include "tests/agree/side.h"

struct path {
    char *text;
    char type; /* 'f', 'd', 'l' or another letter of a listing */
};

struct paths {
    struct path *path;
    size_t count, room;
};

/* Fill it with all that is there, but "/", in the order of the bytes. */
int paths_read(struct paths *paths, const struct side *side);
void paths_free(struct paths *paths);

void paths_add(struct paths *paths, const char *text, char type);

/* It is gone; of a directory what is below, too. */
void paths_remove(struct paths *paths, const char *text);

/* What is at or below `old` is at or below `text`. */
void paths_move(struct paths *paths, const char *old, const char *text);

/* Both change places. */
void paths_exchange(struct paths *paths, const char *a, const char *b);

/* Whether all would still have room for one more name if what is at or below
 * `old` were at or below `text`. */
bool paths_fit(const struct paths *paths, const char *old, const char *text);

/* One of that type (0: of any), or NULL when few are. */
const struct path *paths_draw(const struct paths *paths, struct draw *draw,
                              char type);

/* A directory, which may be "/". */
const char *paths_draw_dir(const struct paths *paths, struct draw *draw);

/* A new name in a directory into `buf` of SIDE_PATH_MAX bytes; in "/" when the
 * path would be too long. */
void paths_draw_new(const struct paths *paths, struct draw *draw, char *buf);
void paths_draw_new_in(const char *dir, struct draw *draw, char *buf);

/* A name of 1 .. SIDE_NAME_MAX bytes, into `buf` with a NUL; its length. */
size_t name_draw(struct draw *draw, char *buf);

#endif
