/*
 * Where the files of an image come from. Each adds to a tree, and returns 0, or
 * -1 after a line on stderr.
 */
#ifndef TORC_TOOLS_MKIMG_SOURCE_H
#define TORC_TOOLS_MKIMG_SOURCE_H

#include "tools/mkimg/tree.h"

struct source {
    struct tree *tree;
    bool takes_xattrs; /* of files of the host, and of archives */
};

/* What is in a directory of the host, and what that is itself (dir.c). */
int source_dir(const struct source *source, const char *path);

/* What is in an archive of tar, "-" is the standard input (tar.c): POSIX ustar
 * and pax, and the long names of GNU. */
int source_tar(const struct source *source, const char *path);

/* What the lines of a file say (list.c). */
int source_list(const struct source *source, const char *path);

/* A line on stderr; returns -1. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A moment of Linux, a device of Linux. */
struct file_time time_of(int64_t s, long ns);
uint64_t device_of(unsigned long major, unsigned long minor);

/* Set what is a regular file's: its length, and where it is. */
const char *node_from_host(struct tree *tree, struct node *node,
                           const char *path);

#endif
