/* What is typed: see terminal.h. A thread reads; what it has read waits until
 * CPU 0 has taken it all, and only then it reads on. */
#include "hal/posix/host/terminal.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

enum { BUFFER_SIZE = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t taken = PTHREAD_COND_INITIALIZER;

/* Under the lock. */
static unsigned char buffer[BUFFER_SIZE];
static size_t first, count;
static bool has_ended, is_stopping;

/* CPU 0. */
static bool is_open;
static pthread_t reader;
static int stop_event;
static int reader_irq;

/* Written before is_raw, and constant then. */
static struct termios before, raw;
static atomic_bool is_raw;

/* ---- Raw or not ---------------------------------------------------------- */

/*
 * A process in the background leaves the terminal to who has it, and who
 * changes it there is stopped by SIGTTOU (POSIX, 11.1.4). What comes between
 * the look and the change stops nobody. Where the terminal is not that of the
 * process's session, there is no background. Also in handlers of signals.
 */
static void change_if_ours(const struct termios *to)
{
    pid_t front = tcgetpgrp(STDIN_FILENO);
    sigset_t stops, mask;

    if (front >= 0 && front != getpgrp())
        return;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stops, &mask);
    tcsetattr(STDIN_FILENO, TCSANOW, to);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void host_terminal_restore(void)
{
    if (atomic_load(&is_raw))
        change_if_ours(&before);
}

/* The signal comes again when this one is over, and ends the process. */
static void end_handle(int number)
{
    host_terminal_restore();
    raise(number);
}

/* Stopped by somebody, and now it goes on: a shell has changed the terminal, or
 * has brought it into the foreground. */
static void continue_handle(int number)
{
    int error = errno;

    (void)number;
    if (atomic_load(&is_raw))
        change_if_ours(&raw);
    errno = error;
}

static void signals_catch(void)
{
    static const int ends[] = {SIGQUIT, SIGHUP};
    struct sigaction action = {.sa_handler = end_handle,
                               .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        sigaction(ends[i], &action, NULL);
    action.sa_handler = continue_handle;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    sigaction(SIGCONT, &action, NULL);
}

static void make_raw(void)
{
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return; /* a file or a pipe */
    raw = before;
    raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_cc[VINTR] = raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    atomic_store(&is_raw, true);
    signals_catch();
    change_if_ours(&raw);
}

/* ---- Reading ------------------------------------------------------------- */

/* Wait until the bytes are taken. Returns whether to go on. */
static bool give(const unsigned char *bytes, ssize_t got)
{
    bool goes_on;

    pthread_mutex_lock(&lock);
    if (got > 0) {
        memcpy(buffer, bytes, (size_t)got);
        first = 0;
        count = (size_t)got;
    } else {
        has_ended = true;
    }
    machine_irq_raise(reader_irq);
    while (count > 0 && !is_stopping)
        pthread_cond_wait(&taken, &lock);
    goes_on = !has_ended && !is_stopping;
    pthread_mutex_unlock(&lock);
    return goes_on;
}

static void *reader_main(void *arg)
{
    struct pollfd files[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = stop_event, .events = POLLIN}};
    unsigned char bytes[BUFFER_SIZE];
    ssize_t got;

    (void)arg;
    do {
        do {
            while (poll(files, 2, -1) < 0 && errno == EINTR)
                ;
            if (files[1].revents != 0)
                return NULL;
            got = read(STDIN_FILENO, bytes, sizeof(bytes));
        } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    } while (give(bytes, got));
    return NULL;
}

int host_terminal_read(void *buf, size_t size)
{
    size_t len;
    int result;

    pthread_mutex_lock(&lock);
    len = size < count ? size : count;
    memcpy(buf, buffer + first, len);
    first += len;
    count -= len;
    if (len > 0 && count == 0)
        pthread_cond_signal(&taken);
    result = len == 0 && has_ended ? -EPIPE : (int)len;
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- Open and close ------------------------------------------------------ */

int host_terminal_open(int irq)
{
    int err;

    if (is_open)
        return -EBUSY;
    count = 0;
    has_ended = is_stopping = false;
    reader_irq = irq;
    stop_event = eventfd(0, EFD_CLOEXEC);
    if (stop_event < 0)
        return host_error(errno);
    err = pthread_create(&reader, NULL, reader_main, NULL);
    if (err != 0) {
        close(stop_event);
        return host_error(err);
    }
    is_open = true;
    make_raw();
    return 0;
}

void host_terminal_close(void)
{
    if (!is_open)
        return;
    pthread_mutex_lock(&lock);
    is_stopping = true;
    pthread_cond_signal(&taken);
    pthread_mutex_unlock(&lock);
    (void)eventfd_write(stop_event, 1);
    pthread_join(reader, NULL);
    close(stop_event);
    host_terminal_restore();
    atomic_store(&is_raw, false);
    is_open = false;
}
