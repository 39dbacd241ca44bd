/*
 * What the hosted machine takes from Linux as it is: memory, randomness, the
 * console, the end of the process, and its error numbers.
 */
#include "hal/posix/host.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    CONSOLE_WAIT_MS = 200,
    LINE_MAX_BYTES = 512,
    SIGNAL_STACK_SIZE = 256 * 1024,
};

/* ---- Errors -------------------------------------------------------------- */

/*
 * Torc has Linux's numbers, so translating is leaving out those it does not
 * have (<torc/errno.h>).
 */
int host_error(int host_errno)
{
    switch (host_errno) {
    case 0:
        return 0;
    case EPERM:
    case ENOENT:
    case EINTR:
    case ENXIO:
    case E2BIG:
    case EBADF:
    case EAGAIN:
    case ENOMEM:
    case EFAULT:
    case EBUSY:
    case EEXIST:
    case EXDEV:
    case ENODEV:
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ENFILE:
    case EFBIG:
    case ENOSPC:
    case EROFS:
    case EPIPE:
    case ERANGE:
    case ENAMETOOLONG:
    case ENOSYS:
    case ELOOP:
    case EMSGSIZE:
    case ENOTSUP:
    case EADDRINUSE:
    case ENOBUFS:
    case ETIMEDOUT:
        return -host_errno;
    case EACCES:
        return -EPERM;
    case EMFILE:
        return -ENFILE;
    default:
        return -EIO;
    }
}

/* ---- Memory -------------------------------------------------------------- */

void *host_memory_map(size_t size, size_t align, uintptr_t hint)
{
    size_t room = size + align;
    uintptr_t base, start;
    void *map;

    if (room < size)
        return NULL;
    map = mmap((void *)hint, room, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;

    /* Give back what lies before and behind the aligned part. */
    base = (uintptr_t)map;
    start = (base + align - 1) & ~(uintptr_t)(align - 1);
    if (start > base)
        munmap(map, start - base);
    if (base + room > start + size)
        munmap((void *)(start + size), base + room - (start + size));
    return (void *)start;
}

void host_memory_unmap(void *base, size_t size)
{
    munmap(base, size);
}

int host_memory_protect(void *base, size_t size, bool access)
{
    int protection = access ? PROT_READ | PROT_WRITE : PROT_NONE;

    return mprotect(base, size, protection) == 0 ? 0 : host_error(errno);
}

/* ---- Stacks for signals -------------------------------------------------- */

void host_signal_stack_open(struct host_signal_stack *stack)
{
    stack_t new = {.ss_size = SIGNAL_STACK_SIZE};
    stack_t old;

    stack->base = NULL;
    new.ss_sp = host_memory_map(SIGNAL_STACK_SIZE, 4096, 0);
    if (new.ss_sp == NULL || sigaltstack(&new, &old) != 0)
        return;
    stack->base = new.ss_sp;
    stack->old_base = old.ss_sp;
    stack->old_size = old.ss_size;
    stack->old_flags = old.ss_flags;
}

void host_signal_stack_close(struct host_signal_stack *stack)
{
    stack_t old = {
        .ss_sp = stack->old_base,
        .ss_size = stack->old_size,
        .ss_flags = stack->old_flags,
    };

    if (stack->base == NULL)
        return;
    sigaltstack(&old, NULL);
    host_memory_unmap(stack->base, SIGNAL_STACK_SIZE);
}

/* ---- Time of day, randomness --------------------------------------------- */

uint64_t host_wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

size_t host_entropy(void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = getrandom((char *)buf + done, len - done, 0);

        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    return done;
}

/* ---- Console and end ----------------------------------------------------- */

/* Write all, unless the reader takes nothing for CONSOLE_WAIT_MS. */
static void write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);

        if (done >= 0) {
            text += done;
            len -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};

            if (poll(&wait, 1, CONSOLE_WAIT_MS) == 0)
                return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

void host_console_write(const char *text, size_t len)
{
    write_all(STDOUT_FILENO, text, len);
}

void host_complain(const char *format, ...)
{
    char line[LINE_MAX_BYTES] = "torc: ";
    size_t len = 6;
    va_list args;
    int add;

    va_start(args, format);
    add = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    if (add > 0)
        len += (size_t)add < sizeof(line) - len - 1 ? (size_t)add
                                                    : sizeof(line) - len - 2;
    line[len++] = '\n';
    write_all(STDERR_FILENO, line, len);
}

void host_exit(int status)
{
    static atomic_flag ending = ATOMIC_FLAG_INIT;

    /* exit() is for one thread; a second, say for a signal, waits for it. */
    while (atomic_flag_test_and_set(&ending))
        pause();
    exit(status);
}

/* Builds that measure coverage keep what ran before a panic, too. */
void __gcov_dump(void) __attribute__((weak));

void host_abort(void)
{
    if (__gcov_dump != NULL)
        __gcov_dump();
    abort();
}
