/* Memory that Linux gives before it is needed: ahead.h. */
#include "tools/fuse/host/ahead.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; Debian 12's headers lack it */
#endif

/* How much, at most: as much as is often written at once. */
enum { AHEAD_SHARE = 4, AHEAD_MAX = 64 << 20, STEP = 1 << 20 };

static struct {
    /* constant: */
    char *base;
    size_t size;
    bool is_open;
    /* both threads: */
    atomic_size_t wanted; /* bytes that are to be touched */
    sem_t work;
    /* the CPU that serves: */
    size_t asked;
} ahead;

/* Guard pages are not touched, and what is behind one in a step neither. */
static void *ahead_main(void *arg)
{
    size_t touched = 0;

    (void)arg;
    for (;;) {
        while (sem_wait(&ahead.work) != 0)
            ;
        for (; touched < atomic_load(&ahead.wanted); touched += STEP) {
            size_t left = ahead.size - touched;

            (void)madvise(ahead.base + touched, left < STEP ? left : STEP,
                          MADV_POPULATE_WRITE);
        }
    }
    return NULL;
}

void ahead_open(void *base, size_t size, bool by_thread)
{
    pthread_t thread;

    (void)madvise(base, size, MADV_HUGEPAGE);
    if (!by_thread)
        return;
    ahead.base = base;
    ahead.size = size;
    if (sem_init(&ahead.work, 0, 0) != 0 ||
        pthread_create(&thread, NULL, ahead_main, NULL) != 0)
        return;
    pthread_detach(thread);
    ahead.is_open = true;
}

void ahead_used(size_t bytes)
{
    size_t more = ahead.size / AHEAD_SHARE;
    size_t want;

    if (more > AHEAD_MAX)
        more = AHEAD_MAX;
    want = bytes + more < ahead.size ? bytes + more : ahead.size;
    if (!ahead.is_open || want < ahead.asked + STEP)
        return;
    ahead.asked = want;
    atomic_store(&ahead.wanted, want);
    sem_post(&ahead.work);
}
