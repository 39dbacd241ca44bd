/*
 * What a site can do besides sending files. A site that has none of it is
 * read-only, and so is its image: whoever hands it in links the code.
 *
 * Owner: the CPU of the site, and its one thread. All functions may wait for
 * the disk.
 */
#ifndef TORC_APPS_SITE_WRITES_H
#define TORC_APPS_SITE_WRITES_H

#include <stdbool.h>
#include <torc/http.h>

struct responder;

enum { SITE_WRITE_ROUTES = 2 };

struct site_writes {
    /* What changes files. The cookie of their server is the responder. */
    struct http_route routes[SITE_WRITE_ROUTES];

    /* Before the site begins: `dir` is what it serves, "" for "/". Returns 0 or
     * an error by which the site does not begin. */
    int (*start)(const char *dir);

    /* Whether no request may name that path, decoded. */
    bool (*hides)(const char *path);

    /* Answer GET or HEAD of a directory that has no index. Returns 0, or an
     * error to be answered. */
    int (*list)(struct responder *responder, struct http_exchange *exchange);
};

#endif
