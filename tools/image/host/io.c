/* What torc-img takes from the host: io.h. */
#include "tools/image/host/io.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include "tools/image/host/main.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int input = -1;

int io_write(const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t done = write(main_output, at, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return host_error(errno);
        at += done;
        size -= (size_t)done;
    }
    return 0;
}

int io_open(const char *path, uint32_t *mode)
{
    struct stat stat;

    input = strcmp(path, "-") == 0 ? STDIN_FILENO
                                   : open(path, O_RDONLY | O_CLOEXEC);
    if (input < 0 || fstat(input, &stat) != 0) {
        int err = errno;

        host_complain("%s: %s", path, strerror(err));
        return host_error(err);
    }
    *mode = S_ISREG(stat.st_mode) ? stat.st_mode & 07777 : 0644;
    return 0;
}

int64_t io_read(void *data, size_t size)
{
    ssize_t got;

    do
        got = read(input, data, size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? host_error(errno) : got;
}

void io_time(int64_t seconds, char text[IO_TIME_MAX])
{
    time_t time = (time_t)seconds;
    struct tm parts;

    if (gmtime_r(&time, &parts) == NULL ||
        strftime(text, IO_TIME_MAX, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        strcpy(text, "?");
}

void io_complain(const char *what, int status)
{
    host_complain("%s: %s", what, strerror(-status));
}
