#include "apps/site/responder.h"
#include "net/http/media.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/time.h>

#define ALLOW "Allow: GET, HEAD, OPTIONS\r\n"

/* The date and what says it; 0: nobody knows it. */
static void set_date(struct responder *responder, int64_t date_s)
{
    struct http_text ok = {responder->ok, sizeof(responder->ok), 0};

    responder->date_s = date_s;
    responder->date[0] = '\0';
    if (date_s != 0)
        http_date_format(date_s, responder->date);
    http_head_begin(&ok, 200, responder->date, NULL);
    responder->ok_len = ok.len;
}

int responder_init(struct responder *responder, const char *dir,
                   const struct site_writes *writes)
{
    int status;

    if (str_len(dir, RESPONDER_DIR_MAX) == RESPONDER_DIR_MAX)
        return -ENAMETOOLONG;
    responder->dir = str_equal(dir, "/") ? "" : dir;
    responder->writes = writes;
    responder->dir_len = str_len(responder->dir, RESPONDER_DIR_MAX);
    set_date(responder, 0);
    status = open_files_init(&responder->open);
    if (status != 0)
        return status;
    status = head_cache_init(&responder->heads);
    if (status != 0)
        open_files_fini(&responder->open);
    return status;
}

void responder_fini(struct responder *responder)
{
    head_cache_fini(&responder->heads);
    open_files_fini(&responder->open);
}

/* ---- Time ---------------------------------------------------------------- */

/* Seconds UTC since 1970, or 0; the texts that say it are brought up to it. */
static int64_t update_date(struct responder *responder)
{
    int64_t now = (int64_t)(time_wall_ns() / NS_PER_S);

    if (now != responder->date_s)
        set_date(responder, now);
    return now;
}

/* ---- Heads --------------------------------------------------------------- */

/* As responder_begin(), when the date has just been brought up to now. */
static void begin_today(struct responder *responder,
                        const struct http_request *request, int status,
                        struct http_text *text)
{
    const char *connection = NULL;

    if (!request->keep_alive)
        connection = "close";
    else if (!request->is_1_1)
        connection = "keep-alive"; /* RFC 9112, C.2.2 */
    if (status != 200) {
        http_head_begin(text, status, responder->date, connection);
        return;
    }
    http_text_put_span(text, (struct span){responder->ok, responder->ok_len});
    http_connection_put(text, connection);
}

void responder_begin(struct responder *responder,
                     const struct http_request *request, int status,
                     struct http_text *text)
{
    update_date(responder);
    begin_today(responder, request, status, text);
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

static int open_path(struct responder *responder,
                     const struct http_target *target, const char *suffix,
                     struct file_stat *stat, struct file **file)
{
    struct http_text path = {responder->path, sizeof(responder->path), 0};
    int status;

    http_text_put_span(&path,
                       (struct span){responder->dir, responder->dir_len});
    http_text_put_span(&path, (struct span){target->path, target->path_len});
    http_text_put(&path, suffix);
    http_text_put_span(&path, (struct span){"", 1}); /* the NUL */
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

static const struct http_file *describe(struct responder *responder,
                                        const struct file_stat *stat,
                                        const char *type,
                                        struct http_validators *out)
{
    bool may_change = responder->writes != NULL;
    /* Each upload makes a new inode. */
    uint64_t version =
        may_change ? stat->inode << 30 | stat->mtime.ns >> 2 | 1 : 0;
    const struct http_file *file =
        head_cache_find(&responder->heads, stat, version, type);

    *out = (struct http_validators){
        .etag = file->etag,
        .modified_s = stat->mtime.s,
        .now_s = update_date(responder),
        .size_bytes = stat->size_bytes,
        .is_date_weak = may_change,
    };
    return file;
}

const struct http_file *responder_describe(struct responder *responder,
                                           const struct file_stat *stat,
                                           const char *path,
                                           struct http_validators *out)
{
    return describe(responder, stat, http_media_type(path), out);
}

void responder_close(struct http_body *body)
{
    if (body->open != NULL)
        open_files_release(body->open);
    else if (body->file != NULL)
        file_close(body->file);
    http_body_clear(body);
}

/* The answer for the open file in *body, which is closed or is what follows. */
static void answer_file(struct responder *responder,
                        const struct http_request *request,
                        const struct file_stat *stat, const char *type,
                        struct http_text *text, struct http_body *body)
{
    struct http_validators validators;
    const struct http_file *described =
        describe(responder, stat, type, &validators);
    struct http_answer answer = http_evaluate(request, &validators);

    if (answer.status == 412) {
        responder_page(responder, request, 412, "", text);
    } else if (answer.status == 416) {
        answer_no_range(responder, request, stat->size_bytes, text);
    } else {
        begin_today(responder, request, answer.status, text);
        http_head_file(text, described, &answer);
    }
    body->offset = answer.first;
    body->count = answer.count;
    if (request->method == HTTP_HEAD || answer.count == 0)
        responder_close(body);
}

/* A file that is open from an earlier request: false when it is none. */
static bool answer_open(struct responder *responder,
                        const struct http_request *request,
                        struct http_text *text, struct http_body *body)
{
    struct open_file *open;
    struct file_stat stat;

    if (responder->writes != NULL)
        return false;
    open = open_files_find(&responder->open, &request->target);
    if (open == NULL)
        return false;
    body->file = open->file;
    body->open = open;
    if (file_fstat(open->file, &stat) != 0) {
        responder_close(body);
        return false;
    }
    answer_file(responder, request, &stat, open->type, text, body);
    return true;
}

/* A file that has just been opened. */
static void answer_opened(struct responder *responder,
                          const struct http_request *request,
                          const struct file_stat *stat, struct file *file,
                          struct http_text *text, struct http_body *body)
{
    const char *type = http_media_type(responder->path);

    body->file = file;
    if (responder->writes == NULL)
        body->open =
            open_files_keep(&responder->open, &request->target, file, type);
    answer_file(responder, request, stat, type, text, body);
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
    http_body_clear(body);
    if (request->refusal != 0) {
        responder_page(responder, request, request->refusal,
                       request->refusal == 405 ? allow : "", text);
        return;
    }
    if (request->method == HTTP_OPTIONS) {
        responder_page(responder, request, 204, allow, text);
        return;
    }
    if (answer_open(responder, request, text, body))
        return;
    error = open_target(responder, &request->target, &stat, &file);
    if (error == 0) {
        answer_opened(responder, request, &stat, file, text, body);
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
    status = http_status_of_error(error);
    if (status != 404)
        log_error("%s: %s: error %d", torc_app.name, responder->path, error);
    responder_page(responder, request, status, "", text);
}
