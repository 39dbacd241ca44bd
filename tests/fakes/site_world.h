/*
 * A world for the web server without a kernel: files, sockets, memory, a clock
 * and a log that belong to the test. Included before the server's sources,
 * whose calls it renames; so memory is malloc()'s, which the sanitizer watches
 * to the byte. With SITE_WORLD_OTHER_FILES the files are somebody else's.
 */
#ifndef TORC_TESTS_FAKES_SITE_WORLD_H
#define TORC_TESTS_FAKES_SITE_WORLD_H

#include "tests/fakes/cmocka_all.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/memory.h>

#define torc_app world_torc_app
#include <torc/app.h>

const struct torc_app torc_app = {.name = "webserver"};

/* ---- Memory -------------------------------------------------------------- */

static int mem_fail_at; /* the n-th allocation from now fails; 0: none does */
static int mem_blocks;  /* live ones */

static inline bool mem_fails(void)
{
    return mem_fail_at > 0 && --mem_fail_at == 0;
}

static inline void *world_alloc(size_t size)
{
    assert_true(size > 0);
    if (mem_fails())
        return NULL;
    mem_blocks++;
    return memset(malloc(size), 0xa5, size);
}

static inline void *world_alloc_zeroed(size_t size)
{
    void *block = world_alloc(size);

    return block == NULL ? NULL : memset(block, 0, size);
}

static inline void *world_resize(void *block, size_t size)
{
    if (mem_fails())
        return NULL;
    mem_blocks += block == NULL;
    return realloc(block, size);
}

static inline void world_free(void *block)
{
    mem_blocks -= block != NULL;
    free(block);
}

#define mem_alloc        world_alloc
#define mem_alloc_zeroed world_alloc_zeroed
#define mem_resize       world_resize
#define mem_free         world_free

/* ---- Log and time -------------------------------------------------------- */

static int errors_logged;
static char log_line[200]; /* the last one */

static inline void world_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(log_line, sizeof(log_line), format, args);
    va_end(args);
    errors_logged++;
}

#undef log_error
#define log_error world_log

#define time_ns      world_time_ns
#define time_wall_ns world_time_wall_ns
#include <torc/time.h>

static uint64_t now_ns;
static uint64_t wall_s;

uint64_t time_ns(void)
{
    return now_ns;
}

uint64_t time_wall_ns(void)
{
    return wall_s * NS_PER_S;
}

/* What happens while a thread sleeps; NULL: nothing. */
static void (*while_asleep)(void);

#define thread_sleep world_thread_sleep
#include <torc/thread.h>

void thread_sleep(uint64_t ns)
{
    now_ns += ns;
    if (while_asleep != NULL)
        while_asleep();
}

#ifndef SITE_WORLD_OTHER_FILES
/* ---- Files --------------------------------------------------------------- */

#define file_open_existing world_file_open_existing
#define file_fstat         world_file_fstat
#define file_read_at       world_file_read_at
#define file_lend          world_file_lend
#define file_close         world_file_close
#include <torc/file.h>

struct file {
    const char *path;
    enum file_type type;
    uint64_t size;
    int64_t mtime_s;
    uint64_t inode;
    int open_error;
    int stat_error;
    uint64_t read_limit; /* no read gives more */
    uint64_t ends_at;    /* reads from here on give `read_error` */
    int read_error;
};

enum { FILE_MTIME = 951782400 };

/* A path that is too long for a file to stay open. */
#define LONG_NAME                        \
    "a-name-that-is-longer-than-others-" \
    "and-another-one-that-is-longer-still-than-others"

/* clang-format off */
static const struct file files_at_first[] = {
    {.path = "/www/",               .type = FILE_DIRECTORY},
    {.path = "/www/index.html",     .type = FILE_REGULAR, .size = 14},
    {.path = "/www//index.html",    .type = FILE_REGULAR, .size = 14},
    {.path = "/www/a.css",          .type = FILE_REGULAR, .size = 300},
    {.path = "/www/a b.txt",        .type = FILE_REGULAR, .size = 5},
    {.path = "/www/empty",          .type = FILE_REGULAR, .size = 0},
    {.path = "/www/big.bin",        .type = FILE_REGULAR, .size = 300000},
    {.path = "/www/" LONG_NAME,         .type = FILE_REGULAR, .size = 9000},
    {.path = "/www/sub",            .type = FILE_DIRECTORY},
    {.path = "/www/sub/index.html", .type = FILE_REGULAR, .size = 20},
    {.path = "/www/bare",           .type = FILE_DIRECTORY},
    {.path = "/www/odd",            .type = FILE_DIRECTORY},
    {.path = "/www/odd/index.html", .type = FILE_DIRECTORY},
    {.path = "/www/fifo",           .type = FILE_FIFO},
    {.path = "/www/nodir",          .open_error = -ENOTDIR},
    {.path = "/www/long",           .open_error = -ENAMETOOLONG},
    {.path = "/www/loop",           .open_error = -ELOOP},
    {.path = "/www/full",           .open_error = -ENOMEM},
    {.path = "/www/nofile",         .open_error = -ENFILE},
    {.path = "/www/ioerror",        .open_error = -EIO},
    {.path = "/www/damaged",        .open_error = -EUCLEAN},
    {.path = "/www/nostat",         .type = FILE_REGULAR, .stat_error = -EIO},
    {.path = "/x",                  .type = FILE_REGULAR, .size = 3},
};
/* clang-format on */

static struct file files[COUNT_OF(files_at_first)];
static int files_open;
static int bufs_lent;
static uint64_t files_read; /* bytes */

static inline struct file *file_named(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    return NULL;
}

/* What a file holds; different at each place, and in each file. */
static inline char file_byte(const struct file *file, uint64_t at)
{
    return (char)(at * 7 + (at >> 8) * 13 + file->size);
}

int file_open_existing(const char *path, unsigned flags, struct file **out)
{
    struct file *file = file_named(path);

    assert_int_equal(flags, FILE_READ);
    if (file == NULL)
        return -ENOENT;
    if (file->open_error != 0)
        return file->open_error;
    *out = file;
    files_open++;
    return 0;
}

int file_fstat(struct file *file, struct file_stat *stat)
{
    if (file->stat_error != 0)
        return file->stat_error;
    *stat = (struct file_stat){.inode = file->inode,
                               .type = file->type,
                               .size_bytes = file->size,
                               .mtime = {.s = file->mtime_s}};
    return 0;
}

int64_t file_read_at(struct file *file, void *buf, size_t size, uint64_t offset)
{
    char *to = buf;

    assert_int_equal(file->type, FILE_REGULAR);
    assert_true(size > 0);
    if (offset >= file->ends_at)
        return file->read_error;
    if (size > file->ends_at - offset)
        size = (size_t)(file->ends_at - offset);
    if (size > file->size - offset)
        size = (size_t)(file->size - offset);
    if (size > file->read_limit)
        size = (size_t)file->read_limit;
    for (size_t i = 0; i < size; i++)
        to[i] = file_byte(file, offset + i);
    files_read += size;
    return (int64_t)size;
}

/* Slices of 1000 bytes, each a buffer of its own. */
int64_t file_lend(struct file *file, uint64_t offset, uint64_t size,
                  struct slice *slices, unsigned *count)
{
    unsigned max = *count;
    int64_t done = 0;

    for (*count = 0; *count < max && size > 0; ++*count) {
        struct buf *buf = calloc(1, sizeof(*buf) + 1000);
        int64_t got;

        buf->base = (uint8_t *)(buf + 1);
        buf->refs = 1;
        buf->size = 1000;
        got = file_read_at(file, buf->base, size < 1000 ? size : 1000,
                           offset + (uint64_t)done);
        if (got <= 0) {
            free(buf);
            return done > 0 ? done : got;
        }
        slices[*count] = (struct slice){buf, 0, (uint32_t)got};
        bufs_lent++;
        done += got;
        size -= (uint64_t)got;
    }
    return done;
}

#define buf_get world_buf_get
static inline void buf_get(struct buf *buf)
{
    bufs_lent++;
    buf->refs++;
}

#define buf_put world_buf_put
static inline void buf_put(struct buf *buf)
{
    bufs_lent--;
    if (--buf->refs == 0)
        free(buf);
}

void file_close(struct file *file)
{
    assert_non_null(file_named(file->path));
    files_open--;
}

static inline void world_files_begin(void)
{
    memcpy(files, files_at_first, sizeof(files));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        files[i].mtime_s = FILE_MTIME;
        files[i].inode = 10 + i;
        files[i].read_limit = UINT64_MAX;
        files[i].ends_at = UINT64_MAX;
    }
    files_open = 0;
    files_read = 0;
}
#endif

/* ---- Sockets ------------------------------------------------------------- */

#define service_register  world_service_register
#define socket_receive    world_socket_receive
#define socket_send       world_socket_send
#define socket_time_ns    world_socket_time_ns
#define socket_has_input  world_socket_has_input
#define socket_send_room  world_socket_send_room
#define socket_lend       world_socket_lend
#define socket_hold       world_socket_hold
#define socket_close      world_socket_close
#define socket_abort      world_socket_abort
#define socket_set_cookie world_socket_set_cookie
#define socket_cookie     world_socket_cookie
#include <torc/net.h>

struct socket {
    void *cookie;
    char in[40000]; /* from the peer; taken from in_at on */
    size_t in_len;
    size_t in_at;
    size_t in_limit; /* no call gives more; 0: no limit */
    bool peer_ended;
    int receive_error;
    char *out; /* to the peer */
    size_t out_len;
    size_t out_size;
    size_t room;
    unsigned sends;    /* calls that took something */
    int send_error_at; /* the n-th call from now fails; 0: none does */
    bool wants_room;   /* a call took less than all */
    bool is_held;      /* socket_hold() was called */
    bool is_closed;
    bool is_aborted;
};

static struct service *served;
static int register_error;

int service_register(struct service *given)
{
    served = given;
    return register_error;
}

int64_t socket_receive(struct socket *socket, void *buf, size_t size)
{
    size_t have = socket->in_len - socket->in_at;

    assert_false(socket->is_closed || socket->is_aborted);
    assert_true(size > 0);
    if (socket->receive_error != 0)
        return socket->receive_error;
    if (have == 0)
        return socket->peer_ended ? 0 : -EAGAIN;
    if (size > have)
        size = have;
    if (socket->in_limit != 0 && size > socket->in_limit)
        size = socket->in_limit;
    memcpy(buf, socket->in + socket->in_at, size);
    socket->in_at += size;
    return (int64_t)size;
}

static unsigned world_times_told; /* by socket_time_ns() */

uint64_t socket_time_ns(const struct socket *socket)
{
    assert_false(socket->is_closed || socket->is_aborted);
    world_times_told++;
    return time_ns();
}

int64_t socket_send(struct socket *socket, const void *data, size_t size)
{
    assert_false(socket->is_closed || socket->is_aborted);
    assert_true(size > 0);
    if (socket->send_error_at > 0 && --socket->send_error_at == 0)
        return -ECONNRESET;
    if (size > socket->room) {
        size = socket->room;
        socket->wants_room = true;
    }
    if (socket->out_len + size + 1 > socket->out_size) {
        socket->out_size = 2 * (socket->out_len + size + 1);
        socket->out = realloc(socket->out, socket->out_size);
    }
    memcpy(socket->out + socket->out_len, data, size);
    socket->out_len += size;
    socket->out[socket->out_len] = '\0';
    socket->room -= size;
    socket->sends += size > 0;
    return (int64_t)size;
}

/* One call, in which the bytes are one behind the other. */
int64_t socket_lend(struct socket *socket, const void *head, size_t head_len,
                    const struct slice *slices, unsigned count)
{
    char *all = malloc(head_len + count * 1000 + 1);
    size_t len = head_len;
    int64_t sent;

    if (head_len > 0)
        memcpy(all, head, head_len);
    for (unsigned i = 0; i < count; i++) {
        memcpy(all + len, slice_data(&slices[i]), slices[i].len);
        len += slices[i].len;
    }
    sent = socket_send(socket, all, len);
    free(all);
    return sent;
}

bool socket_has_input(const struct socket *socket)
{
    return socket->in_at < socket->in_len || socket->peer_ended ||
           socket->receive_error != 0;
}

size_t socket_send_room(const struct socket *socket)
{
    return socket->room;
}

void socket_hold(struct socket *socket)
{
    assert_false(socket->is_closed || socket->is_aborted);
    socket->is_held = true;
}

void socket_close(struct socket *socket)
{
    assert_false(socket->is_closed || socket->is_aborted);
    socket->is_closed = true;
}

void socket_abort(struct socket *socket)
{
    assert_false(socket->is_closed);
    socket->is_aborted = true;
}

void socket_set_cookie(struct socket *socket, void *cookie)
{
    socket->cookie = cookie;
}

void *socket_cookie(const struct socket *socket)
{
    return socket->cookie;
}

/* ---- Clients ------------------------------------------------------------- */

/* A connection that takes `room` bytes; NULL: the service refuses it. */
static inline struct socket *client_try(size_t room)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    socket->room = room;
    if (served->accept(served, socket) == 0)
        return socket;
    free(socket);
    return NULL;
}

static inline struct socket *client_open(void)
{
    struct socket *socket = client_try(1000000);

    assert_non_null(socket);
    return socket;
}

/* The connection is over. */
static inline void client_free(struct socket *socket)
{
    served->close(served, socket);
    free(socket->out);
    free(socket);
}

static inline bool is_open(const struct socket *socket)
{
    return !socket->is_closed && !socket->is_aborted;
}

/* What it has got. */
static inline const char *out(const struct socket *socket)
{
    return socket->out == NULL ? "" : socket->out;
}

/* ---- Beginning ----------------------------------------------------------- */

static inline void world_begin(void)
{
    world_files_begin();
    mem_fail_at = 0;
    mem_blocks = 0;
    errors_logged = 0;
    register_error = 0;
    now_ns = 1000 * NS_PER_S;
    wall_s = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
}

#endif
