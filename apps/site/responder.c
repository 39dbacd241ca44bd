#include "apps/site/responder.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/time.h>

#define ALLOW "Allow: GET, HEAD, OPTIONS\r\n"

int responder_init(struct responder *responder, const char *dir,
                   const struct site_writes *writes)
{
    if (str_len(dir, RESPONDER_DIR_MAX) == RESPONDER_DIR_MAX)
        return -ENAMETOOLONG;
    responder->dir = str_equal(dir, "/") ? "" : dir;
    responder->writes = writes;
    responder->date_s = 0;
    responder->date[0] = '\0';
    return head_cache_init(&responder->heads);
}

void responder_fini(struct responder *responder)
{
    head_cache_fini(&responder->heads);
}

/* ---- Time ---------------------------------------------------------------- */

/* Seconds UTC since 1970, or 0; the date as text is brought up to it. */
static int64_t update_date(struct responder *responder)
{
    int64_t now = (int64_t)(time_wall_ns() / NS_PER_S);

    if (now != responder->date_s) {
        http_date_format(now, responder->date);
        responder->date_s = now;
    }
    return now;
}

/* ---- Heads --------------------------------------------------------------- */

void responder_begin(struct responder *responder,
                     const struct http_request *request, int status,
                     struct http_text *text)
{
    const char *connection = NULL;

    if (!request->keep_alive)
        connection = "close";
    else if (!request->is_1_1)
        connection = "keep-alive"; /* RFC 9112, C.2.2 */
    update_date(responder);
    http_head_begin(text, status, responder->date, connection);
}

void responder_page(struct responder *responder,
                    const struct http_request *request, int status,
                    const char *extra, struct http_text *text)
{
    responder_begin(responder, request, status, text);
    http_head_page(text, status, extra, request->method == HTTP_HEAD);
}

void responder_refuse(struct responder *responder, int status, bool is_head,
                      struct http_text *text)
{
    assert(status >= 400);
    update_date(responder);
    http_head_begin(text, status, responder->date, "close");
    http_head_page(text, status, "", is_head);
}

/* "/sub?a" is a directory: go to "/sub/?a". */
static void answer_redirect(struct responder *responder,
                            const struct http_request *request,
                            struct http_text *text)
{
    assert(!request->target.has_trailing_slash);
    responder_begin(responder, request, 301, text);
    http_location_put(text, &request->target);
    http_head_page(text, 301, "", request->method == HTTP_HEAD);
}

static void answer_no_range(struct responder *responder,
                            const struct http_request *request, uint64_t size,
                            struct http_text *text)
{
    responder_begin(responder, request, 416, text);
    http_text_put(text, "Content-Range: bytes */");
    http_text_put_number(text, size);
    http_text_put(text, "\r\n");
    http_head_page(text, 416, "", request->method == HTTP_HEAD);
}

/* ---- Files --------------------------------------------------------------- */

static int status_of_error(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -ELOOP:
        return 404;
    case -ENOMEM:
    case -ENFILE:
        return 503;
    default:
        return 500;
    }
}

static int open_path(struct responder *responder,
                     const struct http_target *target, const char *suffix,
                     struct file_stat *stat, struct file **file)
{
    size_t len = fmt_print(responder->path, sizeof(responder->path), "%s%s%s",
                           responder->dir, target->path, suffix);
    int status;

    assert(len < sizeof(responder->path));
    status = file_open(responder->path, FILE_READ, 0, file);
    if (status != 0)
        return status;
    status = file_fstat(*file, stat);
    if (status != 0)
        file_close(*file);
    return status;
}

/*
 * Open what the request names: a file, or the index of a directory. 0, LIST (a
 * directory without index, of which a list is made), -EISDIR (a directory named
 * without a slash at the end), -ENOENT, or as file_open().
 */
enum { LIST = 1 };

static int open_target(struct responder *responder,
                       const struct http_target *target, struct file_stat *stat,
                       struct file **file)
{
    const struct site_writes *writes = responder->writes;
    int status;

    if (writes != NULL && writes->hides(target->path))
        return -ENOENT;
    status = open_path(responder, target, "", stat, file);
    if (status == 0 && stat->type == FILE_DIRECTORY) {
        file_close(*file);
        if (!target->has_trailing_slash)
            return -EISDIR;
        status = open_path(responder, target, "/index.html", stat, file);
        if (status == -ENOENT && writes != NULL)
            return LIST;
    }
    if (status == 0 && stat->type != FILE_REGULAR) {
        file_close(*file);
        status = -ENOENT;
    }
    return status;
}

const struct http_file *responder_describe(struct responder *responder,
                                           const struct file_stat *stat,
                                           const char *path,
                                           struct http_validators *out)
{
    bool may_change = responder->writes != NULL;
    /* Each upload makes a new inode. */
    uint64_t version =
        may_change ? stat->inode << 30 | stat->mtime.ns >> 2 | 1 : 0;
    const struct http_file *file =
        head_cache_find(&responder->heads, stat, version, path);

    *out = (struct http_validators){
        .etag = file->etag,
        .modified_s = stat->mtime.s,
        .now_s = update_date(responder),
        .size_bytes = stat->size_bytes,
        .is_date_weak = may_change,
    };
    return file;
}

/* The answer for an open file, which is closed or becomes the body. */
static void answer_file(struct responder *responder,
                        const struct http_request *request,
                        const struct file_stat *stat, struct file *file,
                        struct http_text *text, struct http_body *body)
{
    struct http_validators validators;
    const struct http_file *described =
        responder_describe(responder, stat, responder->path, &validators);
    struct http_answer answer = http_evaluate(request, &validators);

    if (answer.status == 412) {
        responder_page(responder, request, 412, "", text);
    } else if (answer.status == 416) {
        answer_no_range(responder, request, stat->size_bytes, text);
    } else {
        responder_begin(responder, request, answer.status, text);
        http_head_file(text, described, &answer);
    }
    if (request->method == HTTP_HEAD || answer.count == 0) {
        file_close(file);
        return;
    }
    *body = (struct http_body){
        .file = file, .offset = answer.first, .count = answer.count};
}

void responder_answer(struct responder *responder,
                      const struct http_request *request,
                      struct http_text *text, struct http_body *body)
{
    struct file_stat stat;
    struct file *file;
    int error, status;
    const char *allow =
        responder->writes != NULL ? responder->writes->allow : ALLOW;

    assert(text->size - text->len >= RESPONDER_HEAD_MAX);
    *body = (struct http_body){.file = NULL};
    if (request->refusal != 0) {
        responder_page(responder, request, request->refusal,
                       request->refusal == 405 ? allow : "", text);
        return;
    }
    if (request->method == HTTP_OPTIONS) {
        responder_page(responder, request, 204, allow, text);
        return;
    }
    error = open_target(responder, &request->target, &stat, &file);
    if (error == 0) {
        answer_file(responder, request, &stat, file, text, body);
        return;
    }
    if (error == LIST)
        error = responder->writes->list(responder, request, body);
    if (error == 0)
        return;
    if (error == -EISDIR) {
        answer_redirect(responder, request, text);
        return;
    }
    status = status_of_error(error);
    if (status != 404)
        log_error("%s: %s: error %d", torc_app.name, responder->path, error);
    responder_page(responder, request, status, "", text);
}
