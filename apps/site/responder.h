/*
 * From a request to its answer: which file it names, and what is said of it.
 *
 * Owner: the CPU of the site, and its one thread. All functions may wait for
 * the disk.
 */
#ifndef TORC_APPS_SITE_RESPONDER_H
#define TORC_APPS_SITE_RESPONDER_H

#include "apps/site/head_cache.h"
#include "apps/site/open_files.h"
#include "apps/site/writes.h"
#include "net/http/head.h"
#include "net/http/request.h"
#include <torc/file.h>
#include <torc/http.h>

enum {
    /* The directory, the path, "/index.html". */
    RESPONDER_PATH_MAX = 2 * HTTP_PATH_MAX,
    RESPONDER_DIR_MAX = 256, /* of the directory served, with its NUL */
    /* A Location and an ETag, with a NUL. */
    RESPONDER_FIELDS_MAX = HTTP_LOCATION_MAX + HTTP_ETAG_SIZE + 32,
};

struct responder {
    const char *dir;                  /* what is served; lives for ever */
    const struct site_writes *writes; /* NULL: read-only */
    struct head_cache heads;
    struct open_files open; /* of a read-only site */
    size_t dir_len;
    char path[RESPONDER_PATH_MAX];     /* of the file being opened */
    char fields[RESPONDER_FIELDS_MAX]; /* of the answer being made */
};

/* `pages_max`: as of open_files_init(). Returns 0, -ENAMETOOLONG (dir),
 * -ENOMEM. */
must_check int responder_init(struct responder *responder, const char *dir,
                              const struct site_writes *writes,
                              uint64_t pages_max);

void responder_fini(struct responder *responder);

/* Answer a GET or HEAD. */
void responder_answer(struct responder *responder,
                      struct http_exchange *exchange);

/* The description of a file, and what conditions about it are compared with.
 * Valid until the next one. */
const struct http_file *responder_describe(struct responder *responder,
                                           const struct file_stat *stat,
                                           const char *path,
                                           struct http_validators *out);

#endif
