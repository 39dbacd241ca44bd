/*
 * Files that stay open between two requests, by the path that requests name
 * them with. Only for a site whose names do not change: its image has nothing
 * that renames or removes files. A file may still change; whoever takes it
 * looks at its state.
 *
 * The files of another CPU, which each call would have to ask, cannot change:
 * of those the state is kept, and the pages with their first bytes, which that
 * CPU lends for as long as the file stays open.
 *
 * Owner: the CPU of the site, and its one thread.
 */
#ifndef TORC_APPS_SITE_OPEN_FILES_H
#define TORC_APPS_SITE_OPEN_FILES_H

#include "net/http/target.h"
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/file.h>

enum {
    OPEN_FILES_PLACES = 32, /* a power of two */
    OPEN_FILES_PATH = 72,   /* files with longer paths are not kept */
    OPEN_FILES_PAGES = 16,  /* of a file of another CPU: 64 KiB */
};

struct open_file {
    struct file *file; /* NULL: the place is empty */
    const char *type;  /* of http_media_type() */
    unsigned users;    /* answers that are being sent */
    uint16_t path_len;
    bool has_trailing_slash;
    char path[OPEN_FILES_PATH];
    /* Of a file of another CPU: */
    struct file_stat stat;
    struct slice *pages; /* OPEN_FILES_PAGES; NULL: none are kept */
    unsigned page_count;
    uint64_t page_bytes; /* the first bytes of the file, in them */
};

struct open_files {
    struct open_file *place; /* OPEN_FILES_PLACES */
    uint64_t pages_max;      /* bytes; 0: the files are this CPU's */
    uint64_t pages_bytes;    /* of whole pages */
};

/* `pages_max`: the files are another CPU's, which is to lend so many bytes at
 * most; 0: they are this one's. Returns 0, -ENOMEM. */
must_check int open_files_init(struct open_files *cache, uint64_t pages_max);

/* Closes all; none has users. */
void open_files_fini(struct open_files *cache);

/* The file that a target of the origin or absolute form names; its number of
 * users has grown. NULL: it is not open. */
struct open_file *open_files_find(struct open_files *cache,
                                  const struct http_target *target);

/*
 * Keep a file that was opened for a target: it has one user. Another file may
 * be closed for it. Of another CPU's file, as *stat tells it is, pages are
 * asked for, which waits. NULL: there is no place, and the file is still the
 * caller's.
 */
struct open_file *open_files_keep(struct open_files *cache,
                                  const struct http_target *target,
                                  struct file *file, const char *type,
                                  const struct file_stat *stat);

/* What the file is now. Returns as file_fstat(). */
must_check int open_files_stat(const struct open_files *cache,
                               const struct open_file *open,
                               struct file_stat *stat);

/* As http_file_read() and http_file_lend(), of what is kept as far as it goes.
 */
int64_t open_file_read(const struct open_file *open, uint64_t offset, void *buf,
                       size_t size);
int64_t open_file_lend(const struct open_file *open, uint64_t offset,
                       uint64_t size, struct slice *slices, unsigned *count);

/* A user less. */
void open_files_release(struct open_file *open);

#endif
