#include "net/http/condition.h"
#include "net/http/media.h"
#include "net/http/peer/engine_internal.h"
#include <torc/file.h>
#include <torc/log.h>

/* Nobody would resume an answer that waits for a file. */
static int64_t now_or_never(int64_t got)
{
    return got == -EAGAIN ? -EIO : got;
}

int64_t http_file_read(void *file, uint64_t offset, void *buf, size_t size)
{
    return now_or_never(file_read_at(file, buf, size, offset));
}

int64_t http_file_lend(void *file, uint64_t offset, uint64_t size,
                       struct slice *slices, unsigned *count)
{
    return now_or_never(file_lend(file, offset, size, slices, count));
}

static void close_file(void *file)
{
    file_close(file);
}

struct http_source http_file_source(struct file *file)
{
    return (struct http_source){
        .read = http_file_read,
        .lend = http_file_lend,
        .close = close_file,
        .cookie = file,
    };
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
    response.source = http_file_source(file);
    if (http_respond(exchange, &response) == 0)
        return;
    file_close(file);
    http_lose(exchange); /* it was answered before */
}
