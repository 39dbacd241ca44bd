/* Answers that are files, in a world of the test. */
#include "tests/fakes/http_world.h"
/* the world first */
#include "net/http/media.c"
#include "net/http/peer/file.c"

static void on_file(struct http_exchange *exchange)
{
    char path[HTTP_PATH_MAX + 8];

    snprintf(path, sizeof(path), "/www%s", http_path(exchange));
    http_respond_file(exchange, path);
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/*", .complete = on_file},
    {.method = "PUT", .path = "/*", .complete = on_file},
};

/* The answer to a request of that method, path and field lines. */
static const char *ask(struct socket *socket, const char *method,
                       const char *path, const char *fields)
{
    char text[500];

    out_clear(socket);
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method,
             path, fields);
    client_send(socket, text);
    return out(socket);
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static void test_files(void **state)
{
    const struct file *css;
    struct socket *socket;
    const char *answer;
    char tag[80];

    (void)state;
    server_open(routes, COUNT_OF(routes));
    css = file_named("/www/a.css");
    socket = client_open();
    answer = ask(socket, "GET", "/a.css", "");
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "Content-Type: text/css"));
    assert_non_null(strstr(answer, "Content-Length: 300\r\n"));
    assert_non_null(
        strstr(answer, "Last-Modified: Tue, 29 Feb 2000 00:00:00 GMT\r\n"));
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(socket->out[socket->out_len - 300 + i],
                         file_byte(css, i));
    sscanf(strstr(answer, "ETag: "), "ETag: %60s", tag);
    memmove(tag + 15, tag, strlen(tag) + 1);
    memcpy(tag, "If-None-Match: ", 15);
    strcat(tag, "\r\n");
    assert_int_equal(status_of(ask(socket, "GET", "/a.css", tag)), 304);
    /* RFC 9110, 13.1: of what a PUT has done its route has to judge. */
    assert_int_equal(status_of(ask(socket, "PUT", "/a.css", tag)), 200);
    answer = ask(socket, "GET", "/a.css", "Range: bytes=290-\r\n");
    assert_int_equal(status_of(answer), 206);
    assert_non_null(strstr(answer, "Content-Range: bytes 290-299/300\r\n"));
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(socket->out[socket->out_len - 10 + i],
                         file_byte(css, 290 + i));
    answer = ask(socket, "HEAD", "/a.css", "");
    assert_non_null(strstr(answer, "Content-Length: 300\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(status_of(ask(socket, "GET", "/empty", "")), 200);
    assert_int_equal(files_open, 0);
    client_free(socket);
    server_close();
}

static void test_large_files_go_as_the_socket_takes_them(void **state)
{
    const struct file *big;
    struct socket *socket;
    size_t head;

    (void)state;
    server_open(routes, 1);
    big = file_named("/www/big.bin");
    socket = client_open();
    socket->room = 5000;
    client_send(socket, "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(files_open, 1);
    while (files_open > 0 || socket->wants_room)
        client_takes(socket, 33333);
    head = (size_t)(strstr(socket->out, "\r\n\r\n") + 4 - socket->out);
    assert_int_equal(socket->out_len - head, 300000);
    for (uint64_t i = 0; i < 300000; i++)
        assert_int_equal(socket->out[head + i], file_byte(big, i));
    client_free(socket);
    server_close();
}

static void test_files_that_cannot_be_sent(void **state)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {
        {"/none", 404},   {"/sub", 404},     {"/fifo", 404},
        {"/nodir", 404},  {"/long", 404},    {"/loop", 404},
        {"/full", 503},   {"/nofile", 503},  {"/ioerror", 500},
        {"/nostat", 500}, {"/damaged", 500},
    };
    struct socket *socket;

    (void)state;
    server_open(routes, 1);
    socket = client_open();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (status_of(ask(socket, "GET", rows[i].path, "")) != rows[i].status)
            fail_msg("%s: %s", rows[i].path, out(socket));
        assert_int_equal(files_open, 0);
    }
    file_named("/www/big.bin")->ends_at = 1000; /* and it ends too early, */
    ask(socket, "GET", "/big.bin", "");
    assert_true(socket->is_aborted);
    client_free(socket);
    socket = client_open();
    file_named("/www/big.bin")->read_error = -EAGAIN; /* or cannot be read */
    ask(socket, "GET", "/big.bin", "");
    assert_true(socket->is_aborted);
    client_free(socket);
    assert_int_equal(files_open, 0);
    errors_logged = 0;
    server_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_large_files_go_as_the_socket_takes_them),
        cmocka_unit_test(test_files_that_cannot_be_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
