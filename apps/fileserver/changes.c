#include "apps/fileserver/changes.h"
#include "apps/fileserver/list.h"
#include "apps/fileserver/quiet.h"
#include "apps/fileserver/store.h"
#include "apps/site/responder.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

/* A file whose content comes. */
struct upload {
    struct store_file file;
    uint64_t taken; /* bytes */
};

/* Lives for ever. Owner: the CPU of the site. */
static const struct settings *settings;

/* ---- Statuses ------------------------------------------------------------ */

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

static struct responder *responder_of(const struct http_exchange *exchange)
{
    return http_server_of(exchange)->cookie;
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
    if (store_hides(request->target.path))
        return 403;
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

/* Begin a file: 0 or a status. */
static int upload_create(struct http_exchange *exchange)
{
    struct upload *upload = mem_alloc(sizeof(*upload));
    int error;

    if (upload == NULL)
        return 503;
    error = store_begin(&upload->file);
    if (error != 0) {
        mem_free(upload);
        return log_status(error, http_path(exchange));
    }
    upload->taken = 0;
    http_set_cookie(exchange, upload);
    return 0;
}

static void begin_put(struct http_exchange *exchange)
{
    const struct http_request *request = http_request_of(exchange);
    int status = judge(request);

    if (status == 0) {
        quiet_wake();
        status = check_place(responder_of(exchange), request);
        if (status == 0)
            status = upload_create(exchange);
        if (status != 0) /* else when it ends */
            quiet_changed();
    }
    if (status != 0)
        http_respond_status(exchange, status);
}

static int64_t take_put(struct http_exchange *exchange, const void *data,
                        size_t size)
{
    struct upload *upload = http_cookie(exchange);
    int error;

    upload->taken += size;
    if (upload->taken > settings->upload_max)
        return -413;
    error = store_write(&upload->file, data, size);
    return error != 0 ? -log_status(error, "an upload") : (int64_t)size;
}

/* It has not come to its end: forget it. */
static void end_put(struct http_exchange *exchange)
{
    struct upload *upload = http_cookie(exchange);

    if (upload == NULL)
        return;
    store_abandon(&upload->file);
    mem_free(upload);
    quiet_changed();
}

/* The answer of a file that has been stored. */
static void answer_stored(struct http_exchange *exchange, bool existed)
{
    struct responder *responder = responder_of(exchange);
    const char *path = http_path(exchange);
    struct http_text fields = {responder->fields, RESPONDER_FIELDS_MAX, 0};
    struct http_validators validators;
    struct file_stat stat;

    if (store_stat(path, &stat) == 0 && stat.type == FILE_REGULAR) {
        responder_describe(responder, &stat, path, &validators);
        http_text_put(&fields, "ETag: ");
        http_text_put(&fields, validators.etag);
        http_text_put(&fields, "\r\n");
    }
    if (!existed) {
        http_text_put(&fields, "Location: ");
        http_path_put(&fields, path);
        http_text_put(&fields, "\r\n");
    }
    http_text_put_span(&fields, (struct span){"", 1}); /* the NUL */
    http_respond_page(exchange, existed ? 204 : 201, responder->fields);
}

/* The conditions are looked at again: the file may have changed meanwhile. From
 * there on nobody else's request is served before the name has changed. */
static void complete_put(struct http_exchange *exchange)
{
    const struct http_request *request = http_request_of(exchange);
    struct upload *upload = http_cookie(exchange);
    const char *path = request->target.path;
    struct file_stat stat;
    bool existed;
    int status = look(responder_of(exchange), request, &stat, &existed);

    if (status != 0) {
        store_abandon(&upload->file);
    } else {
        int error = store_commit(&upload->file, path);

        status = error != 0 ? log_status(error, path) : 0;
    }
    mem_free(upload);
    http_set_cookie(exchange, NULL);
    if (status != 0)
        http_respond_status(exchange, status);
    else
        answer_stored(exchange, existed);
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

static void complete_delete(struct http_exchange *exchange)
{
    const struct http_request *request = http_request_of(exchange);
    int status = 403;

    if (!store_hides(request->target.path)) {
        quiet_wake();
        status = remove_target(responder_of(exchange), request);
        quiet_changed();
    }
    http_respond_status(exchange, status);
}

/* ---- The table ----------------------------------------------------------- */

static int changes_start(const char *dir)
{
    int status = quiet_start();

    return status != 0 ? status : store_start(dir, settings->syncs);
}

static int changes_list(struct responder *responder,
                        struct http_exchange *exchange)
{
    return settings->lists ? list_answer(responder, exchange) : -ENOENT;
}

const struct site_writes *changes_make(const struct settings *given)
{
    static const struct site_writes writes = {
        .routes =
            {
                {.method = "PUT",
                 .path = "*",
                 .begin = begin_put,
                 .content = take_put,
                 .complete = complete_put,
                 .end = end_put},
                {.method = "DELETE", .path = "*", .complete = complete_delete},
            },
        .start = changes_start,
        .hides = store_hides,
        .list = changes_list,
    };

    settings = given;
    return &writes;
}
