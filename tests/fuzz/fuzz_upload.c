/*
 * Fuzz the file server with what a client sends.
 *
 * The first byte of an input says in which pieces the rest comes, the second
 * which call of the disk or which allocation fails, if any does. The input must
 * leave the same files and the same answers, in whatever pieces it comes;
 * nothing of an upload that has not ended; neither memory nor an open file.
 */
#include "tests/fakes/store_world.h"
/* the world first */
#include "tests/fakes/http_world.h"
/* The server comes after the world whose functions it calls. */
#undef log_info
#define log_info(...) ((void)0)
#include "apps/fileserver/changes.c"
#include "apps/fileserver/list.c"
#include "apps/fileserver/store.c"
#include "apps/site/head_cache.c"
#include "apps/site/open_files.c"
#include "apps/site/responder.c"
#include "apps/site/site.c"
#include "net/http/media.c"
#include "net/http/peer/file.c"

#include "tests/fakes/site_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define STAGED   "/www/PUT.TMP/"
enum { INPUT_MAX = 4000, STATE_SIZE = 200000 };

#define MUST(e) ((e) ? (void)0 : broken(__LINE__, #e))

static unsigned changes; /* that have begun and not ended */

static _Noreturn void broken(int line, const char *what)
{
    fprintf(stderr, "fuzz_upload.c:%d: broken: %s\n", line, what);
    abort();
}

int quiet_start(void)
{
    return 0;
}

void quiet_wake(void)
{
    changes++;
}

void quiet_changed(void)
{
    MUST(changes > 0);
    changes--;
}

/* All files and the answers, as one text. */
struct outcome {
    char text[STATE_SIZE];
    size_t len;
};

static void note(struct outcome *outcome, const void *text, size_t len)
{
    MUST(len <= sizeof(outcome->text) - outcome->len);
    if (len > 0)
        memcpy(outcome->text + outcome->len, text, len);
    outcome->len += len;
}

static void note_files(struct outcome *outcome)
{
    for (size_t i = 0; i < NODES; i++) {
        if (!nodes[i].is_used)
            continue;
        note(outcome, nodes[i].path, strlen(nodes[i].path) + 1);
        note(outcome, nodes[i].data, nodes[i].size);
    }
}

/* Without the interim ones: whether they are sent depends on the pieces. */
static void note_answers(struct outcome *outcome, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        if (len - at >= sizeof(CONTINUE) - 1 &&
            memcmp(text + at, CONTINUE, sizeof(CONTINUE) - 1) == 0)
            at += sizeof(CONTINUE) - 1;
        else
            note(outcome, text + at++, 1);
    }
}

static void talk(struct socket *socket, const char *text, size_t size,
                 size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;

        memcpy(socket->in + at, text + at, len);
        socket->in_len = at + len;
        if (!socket->is_closed && !socket->is_aborted)
            served->receive(served, socket);
    }
    if (!socket->is_closed && !socket->is_aborted) {
        socket->peer_ended = true;
        served->receive(served, socket);
    }
}

static void check_end(bool may_be_left)
{
    for (size_t i = 0; i < OPENS; i++)
        MUST(opens[i].node == NULL);
    for (size_t i = 0; i < NODES; i++)
        MUST(may_be_left || !nodes[i].is_used ||
             strncmp(nodes[i].path, STAGED, sizeof(STAGED) - 1) != 0);
    MUST(changes == 0);
}

/* Send it in pieces to a site with a file and a directory. */
static void run_in_pieces(const char *text, size_t size, size_t piece,
                          uint8_t failure, struct outcome *outcome)
{
    static struct settings options = {
        .syncs = true, .lists = true, .makes_parents = true};
    struct socket *socket = calloc(1, sizeof(*socket));

    world_begin();
    options.upload_max = 1000;
    node_make("/www", FILE_DIRECTORY);
    node_make("/www/d", FILE_DIRECTORY);
    node_make("/www/a", FILE_REGULAR);
    MUST(site_start("/www", 80, changes_make(&options)) == 0);
    socket->room = 1000000;
    MUST(served->accept(served, socket) == 0);
    store_error = failure & 1 ? -ENOSPC : -EIO;
    if (failure & 0x80)
        mem_fail_at = failure >> 1 & 0x3f;
    else
        store_fail_at = failure >> 1;
    talk(socket, text, size, piece);
    served->close(served, socket);
    outcome->len = 0;
    note_files(outcome);
    note_answers(outcome, socket->out, socket->out_len);
    mem_fail_at = store_fail_at = 0;
    check_end(store_failed != NULL);
    free(socket->out);
    free(socket);
    site_fini();
    MUST(mem_blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;

    if (size < 2 || size > INPUT_MAX)
        return -1;
    run_in_pieces((const char *)data + 2, size - 2, INPUT_MAX, data[1], &whole);
    run_in_pieces((const char *)data + 2, size - 2, 1 + data[0], data[1],
                  &pieces);
    /* How many calls and allocations there are depends on the pieces. */
    if (data[1] >> 1 == 0) {
        MUST(pieces.len == whole.len);
        MUST(memcmp(pieces.text, whole.text, whole.len) == 0);
    }
    return 0;
}
