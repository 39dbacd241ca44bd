/*
 * Files that stay open between two requests, by the path that requests name
 * them with. Only for a site whose names do not change: its image has nothing
 * that renames or removes files. A file may still change; whoever takes it
 * looks at its state.
 *
 * Owner: the CPU of the site, and its one thread.
 */
#ifndef TORC_APPS_SITE_OPEN_FILES_H
#define TORC_APPS_SITE_OPEN_FILES_H

#include "net/http/target.h"
#include <torc/compiler.h>
#include <torc/file.h>

enum {
    OPEN_FILES_PLACES = 32, /* a power of two */
    OPEN_FILES_PATH = 72,   /* files with longer paths are not kept */
};

struct open_file {
    struct file *file; /* NULL: the place is empty */
    const char *type;  /* of http_media_type() */
    unsigned users;    /* answers that are being sent */
    uint16_t path_len;
    bool has_trailing_slash;
    char path[OPEN_FILES_PATH];
};

struct open_files {
    struct open_file *place; /* OPEN_FILES_PLACES */
};

/* Returns 0, -ENOMEM. */
must_check int open_files_init(struct open_files *cache);

/* Closes all; none has users. */
void open_files_fini(struct open_files *cache);

/* The file that a target of the origin or absolute form names; its number of
 * users has grown. NULL: it is not open. */
struct open_file *open_files_find(struct open_files *cache,
                                  const struct http_target *target);

/*
 * Keep a file that was opened for a target: it has one user. Another file may
 * be closed for it. NULL: there is no place, and the file is still the
 * caller's.
 */
struct open_file *open_files_keep(struct open_files *cache,
                                  const struct http_target *target,
                                  struct file *file, const char *type);

/* A user less. */
void open_files_release(struct open_file *open);

#endif
