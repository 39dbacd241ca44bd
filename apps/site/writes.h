/*
 * What a site can do besides sending files. A site that has none of it is
 * read-only, and so is its image: whoever hands it in links the code.
 *
 * A request that changes files may bring content. Its connection takes the
 * bytes, in whatever pieces they come, and hands them on.
 *
 * Owner: the CPU of the site, and its one thread. All functions may wait for
 * the disk.
 */
#ifndef TORC_APPS_SITE_WRITES_H
#define TORC_APPS_SITE_WRITES_H

#include "net/http/head.h"
#include "net/http/request.h"

struct connection;
struct responder;
struct http_body;

/* A request whose content is being taken. */
struct upload;

struct site_writes {
    const char *allow; /* the Allow field, with its line end */

    /* connection_begin_write and connection_take_content: named here, so that
     * an image without writes does not link them. */
    int (*begin_write)(struct connection *conn, size_t len);
    int (*take_content)(struct connection *conn);

    /* Before the site begins: `dir` is what it serves, "" for "/". Returns 0 or
     * an error by which the site does not begin. */
    int (*start)(const char *dir);

    /* Whether no request may name that path, decoded. */
    bool (*hides)(const char *path);

    /* Whether begin() is for the request. */
    bool (*serves)(const struct http_request *request);

    /*
     * Begin a request; its head is `text` of `len` bytes. Returns NULL: it is
     * answered, the answer is appended to `answer`. Or an upload that takes
     * content: what is then in `answer` is an interim one, of use as long as no
     * content has come. request->keep_alive says whether another request may
     * follow the answer.
     */
    struct upload *(*begin)(struct responder *responder,
                            struct http_request *request, const char *text,
                            size_t len, struct http_text *answer);

    /* Take content: how many bytes, less than `size` when it ends there; or a
     * negative status to answer. */
    int64_t (*take)(struct upload *upload, const char *bytes, size_t size);

    /* How many bytes of data come next for certain; 0: nobody knows. */
    uint64_t (*wanted)(const struct upload *upload);

    /* Whether all content has been taken. */
    bool (*is_complete)(const struct upload *upload);

    /* All content is there: do it, append the answer, free the upload.
     * *request becomes the request again. */
    void (*finish)(struct responder *responder, struct upload *upload,
                   struct http_request *request, struct http_text *answer);

    /* Free an upload that does not come to its end, and what it has stored. */
    void (*abandon)(struct upload *upload);

    /*
     * Answer GET or HEAD of a directory that has no index: all of the answer in
     * body->page. Returns 0, or an error to be answered.
     */
    int (*list)(struct responder *responder, const struct http_request *request,
                struct http_body *body);
};

#endif
