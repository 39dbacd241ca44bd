/* The time of wires: a thread that sleeps until the next frame arrives. */
#include "hal/posix/host/link_timer.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/clock_internal.h"
#include "hal/posix/host/error.h"
#include <pthread.h>
#include <stdbool.h>

static bool opened; /* of who opens and closes */
static uint64_t (*look_at_all)(void);
static pthread_t thread;
static pthread_cond_t wake;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* under the lock: */
static bool stop;
static bool again;       /* somebody waits who did not when it looked */
static uint64_t next_ns; /* it wakes at that time; UINT64_MAX while it looks */

static void *timer_main(void *arg)
{
    uint64_t next;

    (void)arg;
    pthread_mutex_lock(&lock);
    while (!stop) {
        again = false;
        next_ns = UINT64_MAX;
        pthread_mutex_unlock(&lock);
        next = look_at_all();
        pthread_mutex_lock(&lock);
        next_ns = next;
        if (!again && !stop)
            host_cond_wait_until(&wake, &lock, next);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

void link_timer_tell(uint64_t at_ns)
{
    if (at_ns == UINT64_MAX)
        return;
    pthread_mutex_lock(&lock);
    if (at_ns < next_ns) {
        again = true;
        pthread_cond_signal(&wake);
    }
    pthread_mutex_unlock(&lock);
}

int link_timer_open(uint64_t (*look)(void))
{
    int err;

    look_at_all = look;
    stop = false;
    host_cond_open(&wake);
    err = pthread_create(&thread, NULL, timer_main, NULL);
    opened = err == 0;
    if (err != 0)
        pthread_cond_destroy(&wake);
    return host_error(err);
}

void link_timer_close(void)
{
    if (!opened)
        return;
    opened = false;
    pthread_mutex_lock(&lock);
    stop = true;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&wake);
}
