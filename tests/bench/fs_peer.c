/*
 * The same calls as those of fs_host.c, by a program of Linux in a directory.
 *
 *   fs_peer DIRECTORY
 */
#include "tests/bench/fs_rows.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void say(const char *row, uint64_t count, uint64_t ns)
{
    printf("sample %s %lu\n", row, (unsigned long)(ns * 1000 / count));
}

static void copy(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
}

static int result(bool good)
{
    return good ? 0 : errno != 0 ? errno : EIO;
}

static int call_mkdir(const char *path)
{
    return result(mkdir(path, 0755) == 0);
}

static int call_rmdir(const char *path)
{
    return result(rmdir(path) == 0);
}

static int call_create(const char *path, const char *buf, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    bool good = fd >= 0 && write(fd, buf, size) == (ssize_t)size;

    return result(good && close(fd) == 0);
}

static int call_stat(const char *path)
{
    struct stat st;

    return result(stat(path, &st) == 0);
}

static int call_read(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY);
    bool good = fd >= 0 && read(fd, buf, size) == (ssize_t)size;

    return result(good && close(fd) == 0);
}

static int call_rename(const char *path, const char *other)
{
    return result(rename(path, other) == 0);
}

static int call_unlink(const char *path)
{
    return result(unlink(path) == 0);
}

static int call_write_large(const char *path, const char *buf)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    bool good = fd >= 0;

    for (size_t at = 0; at < LARGE && good; at += PIECE)
        good = write(fd, buf, PIECE) == PIECE;
    return result(good && close(fd) == 0);
}

static int call_read_large(const char *path, char *buf)
{
    int fd = open(path, O_RDONLY);
    bool good = fd >= 0;

    for (size_t at = 0; at < LARGE && good; at += PIECE)
        good = read(fd, buf, PIECE) == PIECE;
    return result(good && close(fd) == 0);
}

int main(int argc, char **argv)
{
    int status;

    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: fs_peer DIRECTORY\n");
        return 2;
    }
    status = rows_run(".", "./d", "./large");
    if (status != 0)
        fprintf(stderr, "fs_peer: a call failed: %s\n", strerror(status));
    return status != 0;
}
