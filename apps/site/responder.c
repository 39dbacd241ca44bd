#include "apps/site/responder.h"
#include "net/http/media.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/time.h>

static_assert(RESPONDER_FIELDS_MAX <= (int)HTTP_FIELDS_MAX,
              "the server takes what fields hold");

int responder_init(struct responder *responder, const char *dir,
                   const struct site_writes *writes, uint64_t pages_max)
{
    int status;

    if (str_len(dir, RESPONDER_DIR_MAX) == RESPONDER_DIR_MAX)
        return -ENAMETOOLONG;
    responder->dir = str_equal(dir, "/") ? "" : dir;
    responder->writes = writes;
    responder->dir_len = str_len(responder->dir, RESPONDER_DIR_MAX);
    status = open_files_init(&responder->open, pages_max);
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

/* ---- What is said of a file ---------------------------------------------- */

/* Each upload makes a new inode. */
static const struct http_file *describe(struct responder *responder,
                                        const struct file_stat *stat,
                                        const char *type)
{
    uint64_t version = responder->writes != NULL
                           ? stat->inode << 30 | stat->mtime.ns >> 2 | 1
                           : 0;

    return head_cache_find(&responder->heads, stat, version, type);
}

const struct http_file *responder_describe(struct responder *responder,
                                           const struct file_stat *stat,
                                           const char *path,
                                           struct http_validators *out)
{
    const struct http_file *file =
        describe(responder, stat, http_media_type(path));

    *out = (struct http_validators){
        .etag = file->etag,
        .modified_s = stat->mtime.s,
        .now_s = (int64_t)(time_wall_ns() / NS_PER_S),
        .size_bytes = stat->size_bytes,
        .is_date_weak = responder->writes != NULL,
    };
    return file;
}

/* ---- Sources ------------------------------------------------------------- */

/* Of a file that stays open. */
static int64_t read_kept(void *cookie, uint64_t offset, void *buf, size_t size)
{
    const struct open_file *open = cookie;

    return open_file_read(open, offset, buf, size);
}

static int64_t lend_kept(void *cookie, uint64_t offset, uint64_t size,
                         struct slice *slices, unsigned *count)
{
    const struct open_file *open = cookie;

    return open_file_lend(open, offset, size, slices, count);
}

static void release_kept(void *cookie)
{
    open_files_release(cookie);
}

/* Answer with a file, which the answer then closes or releases. */
static void answer_file(struct responder *responder,
                        struct http_exchange *exchange,
                        const struct file_stat *stat, const char *type,
                        const struct http_source *source)
{
    const struct http_response response = {
        .status = 200,
        .file = describe(responder, stat, type),
        .length = stat->size_bytes,
        .source = *source,
        .is_date_strong = responder->writes == NULL,
    };
    int status = http_respond(exchange, &response);

    assert(status == 0); /* it is the first answer, and there is nothing odd */
    (void)status;
}

static void answer_kept(struct responder *responder,
                        struct http_exchange *exchange,
                        const struct file_stat *stat, struct open_file *open)
{
    const struct http_source source = {.read = read_kept,
                                       .lend = lend_kept,
                                       .close = release_kept,
                                       .cookie = open};

    answer_file(responder, exchange, stat, open->type, &source);
}

/* A file that is open from an earlier request: false when it is none. */
static bool answer_open(struct responder *responder,
                        struct http_exchange *exchange,
                        const struct http_target *target)
{
    struct open_file *open;
    struct file_stat stat;

    if (responder->writes != NULL)
        return false;
    open = open_files_find(&responder->open, target);
    if (open == NULL)
        return false;
    if (open_files_stat(&responder->open, open, &stat) != 0) {
        open_files_release(open);
        return false;
    }
    answer_kept(responder, exchange, &stat, open);
    return true;
}

/* A file that has just been opened. */
static void answer_opened(struct responder *responder,
                          struct http_exchange *exchange,
                          const struct http_target *target,
                          const struct file_stat *stat, struct file *file)
{
    const struct http_source source = http_file_source(file);
    const char *type = http_media_type(responder->path);
    struct open_file *open = NULL;

    if (responder->writes == NULL)
        open = open_files_keep(&responder->open, target, file, type, stat);
    if (open != NULL)
        answer_kept(responder, exchange, stat, open);
    else
        answer_file(responder, exchange, stat, type, &source);
}

/* ---- Answers ------------------------------------------------------------- */

/* "/sub?a" is a directory: go to "/sub/?a". */
static void answer_redirect(struct responder *responder,
                            struct http_exchange *exchange,
                            const struct http_target *target)
{
    struct http_text text = {responder->fields, RESPONDER_FIELDS_MAX, 0};

    assert(!target->has_trailing_slash);
    http_location_put(&text, target);
    http_text_put_span(&text, (struct span){"", 1}); /* the NUL */
    http_respond_page(exchange, 301, responder->fields);
}

void responder_answer(struct responder *responder,
                      struct http_exchange *exchange)
{
    const struct http_target *target = &http_request_of(exchange)->target;
    struct file_stat stat;
    struct file *file;
    int error, status;

    if (answer_open(responder, exchange, target))
        return;
    error = open_target(responder, target, &stat, &file);
    if (error == 0) {
        answer_opened(responder, exchange, target, &stat, file);
        return;
    }
    if (error == LIST)
        error = responder->writes->list(responder, exchange);
    if (error == 0)
        return;
    if (error == -EISDIR) {
        answer_redirect(responder, exchange, target);
        return;
    }
    status = http_status_of_error(error);
    if (status != 404)
        log_error("%s: %s: error %d", torc_app.name, responder->path, error);
    http_respond_status(exchange, status);
}
