#include "apps/fileserver/quiet.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/sync.h>
#include <torc/thread.h>

/* Owner: the CPU of the site. */
static struct {
    struct event *changed; /* something may have to be made clean */
    struct mutex *mutex;   /* held while the mount changes */
    bool is_clean;         /* read-only by us */
    unsigned changes;      /* that have begun and not ended */
    uint64_t deadline_ns;
} quiet;

static void lock(void)
{
    int status = mutex_lock(quiet.mutex, TIME_NEVER);

    if (status != 0)
        log_error("quiet: error %d", status);
}

static void unlock(void)
{
    int status = mutex_unlock(quiet.mutex);

    if (status != 0)
        log_error("quiet: error %d", status);
}

static void make_clean(void)
{
    struct file_fs_stat stat;
    int status;

    lock();
    if (quiet.changes == 0 && time_ns() >= quiet.deadline_ns &&
        !quiet.is_clean && file_stat_fs("/", &stat) == 0 &&
        !stat.is_read_only) {
        status = file_remount("/", true);
        quiet.is_clean = status == 0;
        if (status != 0)
            log_error("the disk cannot be made clean: error %d", status);
    }
    unlock();
}

static int quiet_main(void *arg)
{
    (void)arg;
    for (;;) {
        int status = event_wait(quiet.changed, TIME_NEVER);

        if (status == 0)
            status = event_clear(quiet.changed);
        if (status != 0)
            return status;
        while (time_ns() < quiet.deadline_ns)
            thread_sleep_until(quiet.deadline_ns);
        make_clean();
    }
}

/* The disk is to be made clean, later. */
static void wake_thread(void)
{
    quiet.deadline_ns = time_ns() + QUIET_NS;
    if (event_set(quiet.changed) != 0)
        log_error("quiet: nobody will make the disk clean");
}

int quiet_start(void)
{
    static const struct thread_attr attr = {.name = "quiet", .detached = true};
    thread_id id;
    int status = event_create(&quiet.changed);

    if (status != 0)
        return status;
    status = mutex_create(&quiet.mutex);
    if (status != 0)
        return status;
    wake_thread();
    return thread_create(&attr, quiet_main, NULL, &id);
}

void quiet_wake(void)
{
    quiet.changes++;
    lock();
    if (quiet.is_clean) {
        int status = file_remount("/", false);

        quiet.is_clean = status != 0;
        if (status != 0)
            log_error("the disk cannot be written: error %d", status);
    }
    unlock();
}

void quiet_changed(void)
{
    assert(quiet.changes > 0);
    quiet.changes--;
    wake_thread();
}
