/*
 * What only the host has: files, processes, other programs. A test that asks
 * for it is skipped there and then, with a line that says for what.
 */
#include "tests/guest/guest.h"
#include <string.h>

_Noreturn void _skip(const char *file, int line);

static _Noreturn void needs_host(const char *what)
{
    static const char text[] = "needs of the host: ";

    guest_write(text, sizeof(text) - 1);
    guest_write(what, strlen(what));
    guest_write("\n", 1);
    _skip("", 0);
}

#define HOST(name)             \
    _Noreturn void name(void); \
    void name(void)            \
    {                          \
        needs_host(#name);     \
    }

HOST(system)
HOST(popen)
HOST(pclose)
HOST(fopen)
HOST(fclose)
HOST(fread)
HOST(fgets)
HOST(fgetc)
HOST(fscanf)
HOST(fileno)
HOST(mkstemp)
HOST(mkdtemp)
HOST(open)
HOST(close)
HOST(read)
HOST(write)
HOST(pread)
HOST(pwrite)
HOST(ftruncate)
HOST(truncate)
HOST(symlink)
HOST(mkdir)
HOST(unlink)
HOST(stat)
HOST(fstat)
HOST(lstat)
HOST(rmdir)
HOST(time)
HOST(syscall)
HOST(nanosleep)
HOST(pthread_create)
HOST(pthread_join)
HOST(opendir)
HOST(readdir)
HOST(closedir)
HOST(pipe)
HOST(dup2)
HOST(fork)
HOST(_exit)
HOST(waitpid)
HOST(getpid)
HOST(gmtime_r)
HOST(strftime)
