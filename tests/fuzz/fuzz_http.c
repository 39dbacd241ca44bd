/*
 * Fuzz the web server with what a client sends.
 *
 * The first byte of an input says in which pieces the rest comes, the second
 * how much of the answer the client takes at once. The input must be answered:
 *
 *   - with well-formed answers, as a parser of this file's own reads them: a
 *     status line, fields, a body of the length that was said, none where there
 *     must be none, and nothing after an answer that closes;
 *   - byte by byte the same, in whatever pieces it comes and goes;
 *   - within the limits, and leaving neither memory nor an open file behind.
 */
#include "tests/fakes/http_world.h"
/* The server comes after the world whose functions it calls. */
#include "apps/site/head_cache.c"
#include "apps/site/open_files.c"
#include "apps/site/responder.c"
#include "apps/site/site.c"
#include "net/http/media.c"
#include "net/http/peer/file.c"

#include "tests/fakes/site_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20000 };

#define MUST(e) ((e) ? (void)0 : broken(__LINE__, #e))

static _Noreturn void broken(int line, const char *what)
{
    fprintf(stderr, "fuzz_http.c:%d: broken: %s\n", line, what);
    abort();
}

/* ---- Answers as a client reads them -------------------------------------- */

struct reader {
    const char *at;
    const char *end;
};

/* A line without its CR LF, NUL-terminated; it has no other CR or LF. */
static void read_line(struct reader *reader, char *line, size_t size)
{
    size_t len = 0;

    while (reader->at < reader->end && *reader->at != '\r') {
        MUST(*reader->at != '\n' && *reader->at != '\0');
        MUST(len + 1 < size);
        line[len++] = *reader->at++;
    }
    line[len] = '\0';
    MUST(reader->end - reader->at >= 2);
    MUST(reader->at[1] == '\n');
    reader->at += 2;
}

struct fields {
    bool closes;
    bool has_length;
    bool has_range;
    bool has_allow;
    bool has_location;
    unsigned long long length;
};

static void read_field(const char *line, struct fields *fields)
{
    MUST(strstr(line, ": ") != NULL);
    if (strcmp(line, "Connection: close") == 0)
        fields->closes = true;
    if (strncmp(line, "Content-Length: ", 16) == 0) {
        MUST(!fields->has_length);
        fields->has_length = true;
        MUST(sscanf(line + 16, "%llu", &fields->length) == 1);
    }
    fields->has_range |= strncmp(line, "Content-Range: bytes ", 21) == 0;
    fields->has_allow |= strcmp(line, "Allow: OPTIONS, GET, HEAD") == 0;
    if (strncmp(line, "Location: ", 10) == 0) {
        fields->has_location = true;
        MUST(line[10] == '/' && line[11] != '/'); /* this host */
    }
}

/* One answer; whether another may follow. */
static bool read_answer(struct reader *reader, enum http_method method)
{
    static char line[HTTP_LOCATION_MAX + 1];
    struct fields fields = {.closes = false};
    bool has_body;
    int status;

    read_line(reader, line, sizeof(line));
    MUST(sscanf(line, "HTTP/1.1 %3d ", &status) == 1);
    MUST(status >= 200 && status <= 599);
    for (;;) {
        read_line(reader, line, sizeof(line));
        if (line[0] == '\0')
            break;
        read_field(line, &fields);
    }
    MUST(fields.has_range == (status == 206 || status == 416));
    MUST(fields.has_allow == (status == 204 || status == 405));
    MUST(fields.has_location == (status == 301));
    MUST(fields.has_length == (status != 204 && status != 304));
    has_body = fields.has_length && method != HTTP_HEAD;
    if (has_body) {
        MUST((size_t)(reader->end - reader->at) >= fields.length);
        reader->at += fields.length;
    }
    return !fields.closes;
}

/* ---- A client ------------------------------------------------------------ */

/* Send it in pieces and take what comes in portions; the socket at the end. */
static struct socket *talk(const char *text, size_t len, size_t piece,
                           size_t portion)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    socket->room = portion;
    MUST(served->accept(served, socket) == 0);
    while (!socket->is_closed) {
        size_t count = len < piece ? len : piece;

        MUST(!socket->is_aborted); /* nothing fails here */
        memcpy(socket->in + socket->in_len, text, count);
        socket->in_len += count;
        text += count;
        len -= count;
        socket->peer_ended = len == 0;
        served->receive(served, socket);
        server_check();
        while (socket->wants_room) {
            socket->wants_room = false;
            socket->room = portion;
            served->writable(served, socket);
        }
        MUST(len > 0 || socket->is_closed);
    }
    served->close(served, socket);
    return socket;
}

/* What the server has answered is right for what it was sent. */
static void check_answers(const struct socket *socket, const char *text,
                          size_t len)
{
    static struct http_request request;
    const char *out = socket->out != NULL ? socket->out : "";
    struct reader reader = {out, out + socket->out_len};
    bool goes_on = true;

    while (reader.at < reader.end) {
        int status;

        MUST(goes_on);
        status = http_request_parse(text, len, &request);
        MUST(status != 0 && status <= (int)len && status <= HTTP_HEAD_MAX);
        goes_on = read_answer(&reader, request.method);
        MUST(status > 0 || !goes_on);
        MUST(!goes_on || !request.has_content && !request.says_close);
        if (status > 0) {
            text += status;
            len -= (size_t)status;
        }
    }
    /* What was not answered is not complete. */
    MUST(!goes_on || http_request_parse(text, len, &request) == 0);
}

static void end(struct socket *socket)
{
    free(socket->out);
    free(socket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t portions[] = {13, 100, 300, 1460, 65536, 1000000};
    struct socket *whole, *pieces;
    size_t piece, portion;
    char *text;

    if (size < 2 || size > INPUT_MAX)
        return -1;
    /* A long text in single bytes would take seconds. */
    piece = 1 + data[0] + size / 64;
    portion = portions[data[1] % COUNT_OF(portions)];
    size -= 2;
    text = memcpy(malloc(size + 1), data + 2, size);
    world_begin();
    /* Time is short: no file needs many steps at one byte a step. */
    file_named("/www/big.bin")->size = 3000;
    MUST(site_start("/www", 80, NULL) == 0);
    whole = talk(text, size, INPUT_MAX, 1000000);
    pieces = talk(text, size, piece, portion);
    check_answers(whole, text, size);
    MUST(pieces->out_len == whole->out_len);
    MUST(whole->out_len == 0 ||
         memcmp(pieces->out, whole->out, whole->out_len) == 0);
    end(whole);
    end(pieces);
    site_fini();
    MUST(mem_blocks == 0);
    MUST(files_open == 0);
    free(text);
    return 0;
}
