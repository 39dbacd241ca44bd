#include "net/http/condition.h"
#include "net/http/media.h"
#include "net/http/peer/engine_internal.h"
#include <torc/file.h>
#include <torc/log.h>

static int64_t read_file(void *cookie, uint64_t offset, void *buf, size_t size)
{
    int64_t got = file_read_at(cookie, buf, size, offset);

    return got == -EAGAIN ? -EIO : got; /* nobody would resume it */
}

static int64_t lend_file(void *cookie, uint64_t offset, uint64_t size,
                         struct slice *slices, unsigned *count)
{
    return file_lend(cookie, offset, size, slices, count);
}

static void close_file(void *cookie)
{
    file_close(cookie);
}

static int open_regular(const char *path, struct file_stat *stat,
                        struct file **out)
{
    int status = file_open(path, FILE_READ, 0, out);

    if (status != 0)
        return status;
    status = file_fstat(*out, stat);
    if (status == 0 && stat->type != FILE_REGULAR)
        status = -ENOENT;
    if (status != 0)
        file_close(*out);
    return status;
}

void http_respond_file(struct http_exchange *exchange, const char *path)
{
    struct http_response response = {.status = 200};
    char etag[HTTP_ETAG_SIZE];
    struct file_stat stat;
    struct file *file;
    int status = open_regular(path, &stat, &file);

    if (status != 0) {
        if (http_status_of_error(status) != 404)
            log_error("%s: error %d", path, status);
        http_respond_status(exchange, http_status_of_error(status));
        return;
    }
    /* Two states of one second differ in the fraction, or the inode. */
    http_etag_format(stat.mtime.s, stat.inode << 30 | stat.mtime.ns >> 2 | 1,
                     stat.size_bytes, etag);
    response.type = http_media_type(path);
    response.etag = etag;
    response.modified_s = stat.mtime.s;
    response.length = stat.size_bytes;
    response.source = (struct http_source){
        .read = read_file,
        .lend = lend_file,
        .close = close_file,
        .cookie = file,
    };
    if (http_respond(exchange, &response) == 0)
        return;
    file_close(file);
    http_lose(exchange); /* it was answered before */
}
