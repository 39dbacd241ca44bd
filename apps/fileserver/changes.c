#include "apps/fileserver/changes.h"
#include "apps/fileserver/list.h"
#include "apps/fileserver/quiet.h"
#include "apps/fileserver/store.h"
#include "apps/site/connection.h"
#include "net/http/content.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

struct upload {
    struct http_content content;
    struct store_file file;
    size_t head_len; /* the head of the request, to be parsed again */
    char head[];
};

/* Lives for ever. Owner: the CPU of the site. */
static const struct settings *settings;

/* ---- Answers ------------------------------------------------------------- */

/* The status of a change that failed. */
static int status_of(int error)
{
    switch (error) {
    case -ENOENT: /* a directory above is missing, or no directory */
    case -ENOTDIR:
    case -EISDIR:
    case -EEXIST:
    case -ENOTEMPTY:
    case -EBUSY:
        return 409;
    case -ENAMETOOLONG:
        return 414;
    case -EROFS:
    case -EPERM:
    case -EINVAL: /* the file system has no such names */
        return 403;
    case -EFBIG:
        return 413;
    case -ENOSPC:
    case -EMLINK:
        return 507;
    case -ENOMEM:
    case -ENFILE:
        return 503;
    default:
        return 500;
    }
}

static int log_status(int error, const char *path)
{
    int status = status_of(error);

    if (status == 500 || status == 503)
        log_error("%s: %s: error %d", torc_app.name, path, error);
    return status;
}

/* ---- Conditions ---------------------------------------------------------- */

/*
 * Look at what a request names, and at its conditions. Returns 0, with *exists;
 * the status to answer.
 */
static int look(struct responder *responder, const struct http_request *request,
                struct file_stat *stat, bool *exists)
{
    const char *path = request->target.path;
    struct http_validators validators = {.etag = "", .is_date_weak = true};
    int error = store_stat(path, stat);

    *exists = error == 0;
    if (error != 0 && error != -ENOENT && error != -ENOTDIR)
        return log_status(error, path);
    if (*exists && stat->type == FILE_REGULAR)
        responder_describe(responder, stat, path, &validators);
    return http_evaluate_write(request, *exists ? &validators : NULL);
}

/* ---- PUT ----------------------------------------------------------------- */

/* What is wrong with a request without a look at the disk; 0: nothing. */
static int judge(const struct http_request *request)
{
    if (request->target.form == HTTP_ASTERISK)
        return 400;
    if (request->expects_other && request->is_1_1 && request->has_content)
        return 417;
    if (store_hides(request->target.path))
        return 403;
    if (request->method == HTTP_DELETE)
        return request->has_content ? 413 : 0;
    if (request->count[HTTP_CONTENT_RANGE] > 0) /* RFC 9110, 14.5 */
        return 400;
    if (request->target.has_trailing_slash)
        return 409;
    return request->content_bytes > settings->upload_max ? 413 : 0;
}

/* Whether a file can be put there: 0 or a status. */
static int check_place(struct responder *responder,
                       const struct http_request *request)
{
    const char *path = request->target.path;
    struct file_stat stat;
    bool exists;
    int status = look(responder, request, &stat, &exists);
    int error;

    if (exists)
        return stat.type == FILE_REGULAR ? status : 409;
    if (status != 0 && status != 412)
        return status;
    error = store_find_parent(path);
    if (error == -ENOENT && settings->makes_parents)
        error = status == 0 ? store_make_parents(path) : 0;
    if (error == 0)
        return status;
    return log_status(error, path);
}

/* Returns the upload, or NULL with the status. */
static struct upload *upload_create(const struct http_request *request,
                                    const char *head, size_t len, int *status)
{
    struct upload *upload = mem_alloc(sizeof(*upload) + len);
    int error;

    *status = 503;
    if (upload == NULL)
        return NULL;
    error = store_begin(&upload->file);
    if (error != 0) {
        *status = log_status(error, request->target.path);
        mem_free(upload);
        return NULL;
    }
    http_content_begin(&upload->content, request);
    upload->head_len = len;
    memcpy(upload->head, head, len);
    return upload;
}

static struct upload *begin_put(struct responder *responder,
                                struct http_request *request, const char *head,
                                size_t len, int *status)
{
    *status = check_place(responder, request);
    if (*status != 0)
        return NULL;
    return upload_create(request, head, len, status);
}

static int64_t upload_take(struct upload *upload, const char *bytes,
                           size_t size)
{
    size_t taken = 0;

    while (taken < size && upload->content.state != CONTENT_COMPLETE) {
        struct span data;
        int64_t got = http_content_take(&upload->content, bytes + taken,
                                        size - taken, &data);
        int error;

        if (got < 0)
            return got;
        taken += (size_t)got;
        if (upload->content.taken > settings->upload_max)
            return -413;
        error = store_write(&upload->file, data.at, data.len);
        if (error != 0)
            return -log_status(error, "an upload");
    }
    return (int64_t)taken;
}

static uint64_t upload_wanted(const struct upload *upload)
{
    return upload->content.state == CONTENT_DATA ? upload->content.left : 0;
}

static bool upload_is_complete(const struct upload *upload)
{
    return upload->content.state == CONTENT_COMPLETE;
}

static void upload_abandon(struct upload *upload)
{
    store_abandon(&upload->file);
    mem_free(upload);
    quiet_changed();
}

/* The answer of a file that has been stored. */
static void answer_stored(struct responder *responder,
                          const struct http_request *request, bool existed,
                          struct http_text *answer)
{
    const char *path = request->target.path;
    int status = existed ? 204 : 201;
    struct http_validators validators;
    struct file_stat stat;

    responder_begin(responder, request, status, answer);
    if (store_stat(path, &stat) == 0 && stat.type == FILE_REGULAR) {
        responder_describe(responder, &stat, path, &validators);
        http_text_put(answer, "ETag: ");
        http_text_put(answer, validators.etag);
        http_text_put(answer, "\r\n");
    }
    if (!existed) {
        http_text_put(answer, "Location: ");
        http_path_put(answer, path);
        http_text_put(answer, "\r\n");
    }
    http_head_page(answer, status, "", false);
}

/* The conditions are looked at again: the file may have changed meanwhile. From
 * there on nobody else's request is served before the name has changed. */
static void upload_finish(struct responder *responder, struct upload *upload,
                          struct http_request *request,
                          struct http_text *answer)
{
    const char *path = request->target.path;
    int len = http_request_parse(upload->head, upload->head_len, request);
    struct file_stat stat;
    bool existed;
    int status, error;

    assert(len == (int)upload->head_len);
    request->keep_alive =
        !request->says_close && (request->is_1_1 || request->says_keep_alive);
    status = look(responder, request, &stat, &existed);
    if (status != 0) {
        store_abandon(&upload->file);
    } else {
        error = store_commit(&upload->file, path);
        status = error != 0 ? log_status(error, path) : 0;
    }
    if (status != 0)
        responder_page(responder, request, status, "", answer);
    else
        answer_stored(responder, request, existed, answer);
    mem_free(upload);
    quiet_changed();
}

/* ---- DELETE -------------------------------------------------------------- */

/* Returns the status to answer. */
static int remove_target(struct responder *responder,
                         const struct http_request *request)
{
    const struct http_target *target = &request->target;
    struct file_stat stat;
    bool exists;
    int error, status;

    status = look(responder, request, &stat, &exists);
    if (!exists)
        return status == 0 || status == 412 ? 404 : status;
    if (status != 0)
        return status;
    if (str_equal(target->path, "/"))
        return 403;
    if ((stat.type == FILE_DIRECTORY) != target->has_trailing_slash)
        return stat.type == FILE_DIRECTORY ? 409 : 404;
    error = store_remove(target->path, stat.type == FILE_DIRECTORY);
    return error != 0 ? log_status(error, target->path) : 204;
}

/* ---- The table ----------------------------------------------------------- */

static int changes_start(const char *dir)
{
    int status = quiet_start();

    return status != 0 ? status : store_start(dir, settings->syncs);
}

static bool changes_serves(const struct http_request *request)
{
    return request->method == HTTP_PUT || request->method == HTTP_DELETE;
}

static struct upload *changes_begin(struct responder *responder,
                                    struct http_request *request,
                                    const char *text, size_t len,
                                    struct http_text *answer)
{
    struct upload *upload = NULL;
    int status = judge(request);

    if (status == 0) {
        quiet_wake();
        if (request->method == HTTP_DELETE)
            status = remove_target(responder, request);
        else
            upload = begin_put(responder, request, text, len, &status);
        if (upload == NULL) /* else when it ends */
            quiet_changed();
    }
    if (upload == NULL)
        responder_page(responder, request, status, "", answer);
    else if (request->count[HTTP_EXPECT] > 0 && request->is_1_1 &&
             request->has_content)
        http_text_put(answer, CONTINUE);
    return upload;
}

static int changes_list(struct responder *responder,
                        const struct http_request *request,
                        struct http_body *body)
{
    return settings->lists ? list_answer(responder, request, body) : -ENOENT;
}

const struct site_writes *changes_make(const struct settings *given)
{
    static const struct site_writes writes = {
        .allow = "Allow: GET, HEAD, OPTIONS, PUT, DELETE\r\n",
        .begin_write = connection_begin_write,
        .take_content = connection_take_content,
        .start = changes_start,
        .hides = store_hides,
        .serves = changes_serves,
        .begin = changes_begin,
        .take = upload_take,
        .wanted = upload_wanted,
        .is_complete = upload_is_complete,
        .finish = upload_finish,
        .abandon = upload_abandon,
        .list = changes_list,
    };

    settings = given;
    return &writes;
}
