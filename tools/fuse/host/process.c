/* The process: process.h. */
#include "tools/fuse/host/process.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/exit.h"
#include "tools/fuse/host/config.h"
#include "tools/fuse/host/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_SIGNAL = 128 };

/* How long files may stay open when it is to end; a second signal ends it. */
enum { PATIENCE_MS = 2000, LOOK_MS = 10 };

/* What a thread may run at a time: the shortest that Linux allows. */
enum { TURN_NS = 100000 };

static int parent = -1; /* a pipe to who has started us; -1: nobody waits */
static sigset_t ending;
static atomic_flag unmounting = ATOMIC_FLAG_INIT;

/* ---- The start ----------------------------------------------------------- */

/* The status of the process that goes on, from its pipe; or how it ended. */
static _Noreturn void child_await(int from, pid_t child)
{
    char status;
    int ended;

    if (read(from, &status, 1) == 1)
        _exit(status);
    if (waitpid(child, &ended, 0) == child && WIFEXITED(ended))
        _exit(WEXITSTATUS(ended));
    _exit(STATUS_FAILED);
}

void process_begin(void)
{
    int ends[2];
    pid_t child;

    if (fuse_config.foreground)
        return;
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        host_complain("no process for the background: %s", strerror(errno));
        exit(STATUS_FAILED);
    }
    if (child > 0) {
        close(ends[1]);
        child_await(ends[0], child);
    }
    close(ends[0]);
    parent = ends[1];
}

void process_ready(void)
{
    const char status = 0;
    int null;

    if (parent < 0)
        return;
    (void)setsid();
    if (chdir("/") != 0)
        host_complain("/: %s", strerror(errno));
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        (void)dup2(null, fd);
    if (write(parent, &status, 1) != 1)
        host_complain("who has started torc-fuse is gone");
    close(parent);
    parent = -1;
}

/* sched_setattr(2), which Debian 12's libc lacks. */
struct sched_attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
};

/* Where Linux does not know of it all is as it was. */
void process_hasten(void)
{
    struct sched_attributes attr;

    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0 ||
        attr.policy != SCHED_OTHER)
        return;
    attr.size = sizeof(attr);
    attr.runtime_ns = TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

/* ---- The end ------------------------------------------------------------- */

/* What Linux keeps for the file system reaches it. */
static void mount_sync(void)
{
    int dir = open(fuse_config.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return;
    (void)syncfs(dir);
    close(dir);
}

/* Who may not unmount asks fusermount3. */
static void mount_detach(void)
{
    char program[] = "fusermount3", unmount[] = "-u", lazy[] = "-z",
         quiet[] = "-q", end[] = "--";
    char *where = strdup(fuse_config.mountpoint);
    char *argv[] = {program, unmount, lazy, quiet, end, where, NULL};
    pid_t child;
    int status;

    if (umount2(fuse_config.mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ||
        where == NULL) {
        free(where);
        return;
    }
    if (posix_spawnp(&child, program, NULL, NULL, argv, environ) == 0)
        (void)waitpid(child, &status, 0);
    free(where);
}

/* Files that are open keep Linux from ending the connection. */
static void *unmount_main(void *arg)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    (void)arg;
    mount_sync();
    mount_detach();
    for (int ms = 0; ms < PATIENCE_MS && !conn_over(); ms += LOOK_MS)
        nanosleep(&pause, NULL);
    conn_stop();
    return NULL;
}

/* Returns whether the thread is new. */
static bool unmount_begin(pthread_t *thread)
{
    return !atomic_flag_test_and_set(&unmounting) &&
           pthread_create(thread, NULL, unmount_main, NULL) == 0;
}

void process_unmount(void)
{
    struct timespec until;
    pthread_t thread;

    if (!unmount_begin(&thread))
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    (void)pthread_timedjoin_np(thread, NULL, &until);
}

static void *signal_main(void *arg)
{
    pthread_t thread;
    int number;

    (void)arg;
    for (;;) {
        if (sigwait(&ending, &number) != 0)
            continue;
        if (!conn_is_open())
            machine_exit_request(STATUS_SIGNAL + number);
        if (unmount_begin(&thread)) {
            pthread_detach(thread);
            continue;
        }
        mount_detach(); /* without what Linux still has, if need be */
        conn_stop();
    }
    return NULL;
}

void process_catch(void)
{
    pthread_t thread;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    if (pthread_create(&thread, NULL, signal_main, NULL) == 0)
        pthread_detach(thread);
    else
        pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}
