/*
 * Files that are replaced as a whole: what comes is written to a file of its
 * own, and gets its name when all of it is there.
 *
 * Those files are in a directory PUT.TMP of what is served: a name of eight and
 * three capitals has no second, short form on FAT, and no letter of it is the
 * capital of one outside of ASCII, so one comparison tells who names it. What a
 * crash has left there is removed at the start.
 *
 * Paths are as of a request: decoded, from what is served. Functions return 0
 * or as those of <torc/file.h>. Owner: the CPU of the site, and its one thread;
 * all but store_hides() may wait for the disk.
 */
#ifndef TORC_APPS_FILESERVER_STORE_H
#define TORC_APPS_FILESERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>

/* A file that has no name of its own yet. */
struct store_file {
    struct file *file;
    uint64_t number;
};

/* What is served is `dir`, which lives for ever. Remove what is left over.
 *   syncs  whether a change is on the disk when its function returns */
must_check int store_start(const char *dir, bool syncs);

/* Whether a path is that of the directory, or below it. */
bool store_hides(const char *path);

/* What the path leads to. */
must_check int store_stat(const char *path, struct file_stat *stat);

/* Whether the directory that `path` is in is there: -ENOENT, -ENOTDIR. */
must_check int store_find_parent(const char *path);

/* Make the directories above `path` that are not there. */
must_check int store_make_parents(const char *path);

/* Begin a file. */
must_check int store_begin(struct store_file *out);

must_check int store_write(struct store_file *file, const char *data,
                           size_t size);

/* Give it its name, which may be that of another file; or remove it after an
 * error. Either way it is gone. */
must_check int store_commit(struct store_file *file, const char *path);

/* Remove it. */
void store_abandon(struct store_file *file);

/* Remove a file, or an empty directory. */
must_check int store_remove(const char *path, bool is_directory);

#endif
