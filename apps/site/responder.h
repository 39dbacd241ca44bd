/*
 * From a request to its answer: which file it names, and what is said of it.
 * Opens files, so it may wait; knows nothing of sockets.
 *
 * Owner: the CPU of the site, and its one thread.
 */
#ifndef TORC_APPS_SITE_RESPONDER_H
#define TORC_APPS_SITE_RESPONDER_H

#include "apps/site/head_cache.h"
#include "apps/site/open_files.h"
#include "apps/site/writes.h"
#include "net/http/head.h"
#include "net/http/request.h"
#include <torc/file.h>

enum {
    /* The directory, the path, "/index.html". */
    RESPONDER_PATH_MAX = 2 * HTTP_PATH_MAX,
    RESPONDER_DIR_MAX = 256, /* of the directory served, with its NUL */
    /* What an answer appends before the bytes of a file. */
    RESPONDER_HEAD_MAX =
        HTTP_BEGIN_MAX + HTTP_PAGE_MAX + HTTP_FILE_MAX + HTTP_LOCATION_MAX,
};

struct responder {
    const char *dir;                  /* what is served; lives for ever */
    const struct site_writes *writes; /* NULL: read-only */
    struct head_cache heads;
    struct open_files open; /* of a read-only site */
    int64_t date_s;         /* the second `date` says */
    char date[HTTP_DATE_SIZE];
    char ok[HTTP_BEGIN_MAX]; /* how each 200 of that second begins */
    size_t ok_len;
    size_t dir_len;
    char path[RESPONDER_PATH_MAX]; /* of the file being opened */
};

/* The bytes of a file that follow a head; or a whole answer. */
struct http_body {
    struct file *file;      /* NULL: none follow */
    struct open_file *open; /* what it belongs to; NULL: to the answer */
    uint64_t offset;
    uint64_t count;
    char *page; /* from mem_alloc(); NULL: there is none */
    size_t page_len;
};

/* Returns 0, -ENAMETOOLONG (dir), -ENOMEM. */
must_check int responder_init(struct responder *responder, const char *dir,
                              const struct site_writes *writes);

void responder_fini(struct responder *responder);

/*
 * Append the answer to a request, and its page if it has one, to `text`, which
 * has RESPONDER_HEAD_MAX bytes of room. *body is what follows, and the caller's
 * to close by responder_close(); or it has a page, and nothing is appended.
 * Context: thread; may wait for the disk.
 */
void responder_answer(struct responder *responder,
                      const struct http_request *request,
                      struct http_text *text, struct http_body *body);

/* Field by field: a few words need no call. */
static inline void http_body_clear(struct http_body *body)
{
    body->file = NULL;
    body->open = NULL;
    body->offset = body->count = 0;
    body->page = NULL;
    body->page_len = 0;
}

/* The file is not needed any more. */
void responder_close(struct http_body *body);

/* Append the beginning of an answer: the status, and the fields that all
 * have. */
void responder_begin(struct responder *responder,
                     const struct http_request *request, int status,
                     struct http_text *text);

/* Append an answer without a file; `extra` is more fields. */
void responder_page(struct responder *responder,
                    const struct http_request *request, int status,
                    const char *extra, struct http_text *text);

/* The description of a file, and what conditions about it are compared with.
 * Valid until the next one. */
const struct http_file *responder_describe(struct responder *responder,
                                           const struct file_stat *stat,
                                           const char *path,
                                           struct http_validators *out);

/*
 * Append an error after which the connection is closed.
 *   status   400 .. 599
 *   is_head  the request was HEAD: no page
 */
void responder_refuse(struct responder *responder, int status, bool is_head,
                      struct http_text *text);

#endif
