/*
 * The rows of fs_host.c and fs_peer.c: the same calls about files, in the same
 * order, made by Torc and by a program of Linux. Whoever includes it defines
 * the calls first: each returns 0, or what failed.
 */
#ifndef TORC_TESTS_BENCH_FS_ROWS_H
#define TORC_TESTS_BENCH_FS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NAMES = 10000,
    SMALL = 1024,     /* bytes of a small file */
    PIECE = 64 << 10, /* of a sequential read or write */
    LARGE = 64 << 20, /* bytes of the large file */
    PASSES = 3,
};

static uint64_t now_ns(void);
static void say(const char *row, uint64_t count, uint64_t ns);
static int call_mkdir(const char *path);
static int call_rmdir(const char *path);
static int call_create(const char *path, const char *buf, size_t size);
static int call_stat(const char *path);
static int call_read(const char *path, char *buf, size_t size);
static int call_rename(const char *path, const char *other);
static int call_unlink(const char *path);
static int call_write_large(const char *path, const char *buf);
static int call_read_large(const char *path, char *buf);
static void copy(char *to, const char *from, size_t size);

/* A copy takes longer where the two places do not lie alike in their pages. */
static char piece[PIECE] __attribute__((aligned(4096)));
static char large[LARGE] __attribute__((aligned(4096)));

/* PREFIX/d/CNNNN */
static const char *name_of(const char *prefix, char kind, unsigned i)
{
    static char paths[2][64];
    static unsigned turn;
    char *path = paths[turn++ % 2], *at = path;

    while (*prefix != '\0')
        *at++ = *prefix++;
    *at++ = '/';
    *at++ = 'd';
    *at++ = '/';
    *at++ = kind;
    for (unsigned unit = NAMES / 10; unit > 0; unit /= 10)
        *at++ = (char)('0' + (char)(i / unit % 10));
    *at = '\0';
    return path;
}

enum row { CREATE, STAT, READ, RENAME, UNLINK, ROWS };

static int row_call(enum row row, const char *prefix, unsigned i)
{
    const char *path = name_of(prefix, row == UNLINK ? 'g' : 'f', i);

    switch (row) {
    case CREATE:
        return call_create(path, piece, SMALL);
    case STAT:
        return call_stat(path);
    case READ:
        return call_read(path, piece, SMALL);
    case RENAME:
        return call_rename(path, name_of(prefix, 'g', i));
    default:
        return call_unlink(path);
    }
}

static int names_run(const char *prefix)
{
    static const char *const names[ROWS] = {
        "create-write-close", "stat", "open-read-close", "rename", "unlink"};

    for (unsigned row = 0; row < ROWS; row++) {
        uint64_t start = now_ns();

        for (unsigned i = 0; i < NAMES; i++) {
            int status = row_call((enum row)row, prefix, i);

            if (status != 0)
                return status;
        }
        say(names[row], NAMES, now_ns() - start);
    }
    return 0;
}

/* Pieces of a large file, and of as much memory. */
static int large_run(const char *path)
{
    uint64_t start = now_ns();
    int status = call_write_large(path, piece);

    say("write-64k", LARGE / PIECE, now_ns() - start);
    start = now_ns();
    if (status == 0)
        status = call_read_large(path, piece);
    say("read-64k", LARGE / PIECE, now_ns() - start);
    start = now_ns();
    for (size_t at = 0; at < LARGE; at += PIECE)
        copy(large + at, piece, PIECE);
    say("copy-to-64k", LARGE / PIECE, now_ns() - start);
    start = now_ns();
    for (size_t at = 0; at < LARGE; at += PIECE)
        copy(piece, large + at, PIECE);
    say("copy-from-64k", LARGE / PIECE, now_ns() - start);
    return status;
}

/* The first pass makes the large file, the others write over it. */
static int rows_run(const char *prefix, const char *directory,
                    const char *large_path)
{
    int status = 0;

    for (unsigned pass = 0; pass < PASSES && status == 0; pass++) {
        status = call_mkdir(directory);
        if (status == 0)
            status = names_run(prefix);
        if (status == 0)
            status = call_rmdir(directory);
        if (status == 0)
            status = large_run(large_path);
    }
    return status != 0 ? status : call_unlink(large_path);
}

#endif
