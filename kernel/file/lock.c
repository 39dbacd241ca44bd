/*
 * Advisory locks on ranges of a file. An inode has a list of them while there
 * is one, or somebody waits for one. Their owner is an open file; what one
 * owner has does not overlap.
 */
#include "kernel/file/carry.h"
#include "kernel/thread/thread.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/time.h>

struct range_lock {
    struct list link; /* in locks->held */
    const struct file *owner;
    uint64_t first; /* bytes */
    uint64_t last;  /* included */
    bool is_exclusive;
};

static struct range_lock *lock_of(struct list *node)
{
    return container_of(node, struct range_lock, link);
}

/* Free what is not needed any more. */
static void settle(struct inode *inode)
{
    struct file_locks *locks = inode->locks;

    if (!list_empty(&locks->held) || locks->users > 0)
        return;
    inode->locks = NULL;
    mem_free(locks);
}

static bool overlaps(const struct range_lock *lock, uint64_t first,
                     uint64_t last)
{
    return lock->first <= last && first <= lock->last;
}

static bool is_blocked(const struct file_locks *locks,
                       const struct range_lock *want)
{
    list_for_each (node, &locks->held) {
        const struct range_lock *held = lock_of(node);

        if (held->owner != want->owner &&
            overlaps(held, want->first, want->last) &&
            (held->is_exclusive || want->is_exclusive))
            return true;
    }
    return false;
}

/* Take a range from one lock. `spare` is used, and then NULL, if it falls into
 * two. */
static void carve(struct range_lock *lock, uint64_t first, uint64_t last,
                  struct range_lock **spare)
{
    bool has_head = lock->first<first, has_tail = lock->last> last;

    if (has_head && has_tail) {
        **spare = *lock;
        (*spare)->first = last + 1;
        list_insert(&lock->link, &(*spare)->link);
        *spare = NULL;
    }
    if (has_head) {
        lock->last = first - 1;
    } else if (has_tail) {
        lock->first = last + 1;
    } else {
        list_remove(&lock->link);
        mem_free(lock);
    }
}

/* Take a range from all that an owner has. At most one lock falls into two. */
static void carve_all(struct file_locks *locks, const struct range_lock *want,
                      struct range_lock **spare)
{
    list_for_each_safe (node, &locks->held) {
        struct range_lock *lock = lock_of(node);

        if (lock->owner == want->owner &&
            overlaps(lock, want->first, want->last))
            carve(lock, want->first, want->last, spare);
    }
}

/* A file is closed: its locks go. */
static void release(struct file *file)
{
    struct file_locks *locks = file->inode->locks;
    const struct range_lock all = {.owner = file, .last = UINT64_MAX};
    struct range_lock *none = NULL;

    carve_all(locks, &all, &none);
    wait_wake_all(&locks->waiters);
    settle(file->inode);
}

static struct file_locks *locks_get(struct inode *inode)
{
    struct file_locks *locks = inode->locks;

    if (locks != NULL)
        return locks;
    locks = mem_alloc(sizeof(*locks));
    if (locks == NULL)
        return NULL;
    list_init(&locks->held);
    wait_queue_init(&locks->waiters);
    locks->users = 0;
    locks->release = release;
    inode->locks = locks;
    return locks;
}

/* Wait until nobody blocks it. Returns 0, -EAGAIN, -ETIMEDOUT, -EINTR. */
static int wait_for(struct file_locks *locks, const struct range_lock *want,
                    uint64_t deadline_ns)
{
    int status = 0;

    while (status == 0 && is_blocked(locks, want)) {
        if (deadline_ns == 0)
            return -EAGAIN;
        status = wait_killable(&locks->waiters, deadline_ns);
    }
    return status;
}

/* `lock` is used, and then NULL, if it is not an unlock. */
static int apply(struct file_locks *locks, enum file_lock_type type,
                 uint64_t deadline_ns, struct range_lock **lock,
                 struct range_lock **spare)
{
    int status = 0;

    if (type != FILE_UNLOCK)
        status = wait_for(locks, *lock, deadline_ns);
    if (status != 0)
        return status;
    carve_all(locks, *lock, spare);
    if (type != FILE_UNLOCK) {
        list_push_back(&locks->held, &(*lock)->link);
        *lock = NULL;
    }
    wait_wake_all(&locks->waiters);
    return 0;
}

static int lock_range(struct file *file, enum file_lock_type type,
                      uint64_t first, uint64_t last, uint64_t deadline_ns)
{
    struct inode *inode = file->inode;
    struct range_lock *lock = mem_alloc(sizeof(*lock));
    struct range_lock *spare = mem_alloc(sizeof(*spare));
    struct file_locks *locks = locks_get(inode);
    int status = -ENOMEM;

    if (locks != NULL)
        locks->users++;
    if (lock != NULL && spare != NULL && locks != NULL) {
        *lock =
            (struct range_lock){.owner = file,
                                .first = first,
                                .last = last,
                                .is_exclusive = type == FILE_LOCK_EXCLUSIVE};
        status = apply(locks, type, deadline_ns, &lock, &spare);
    }
    mem_free(lock);
    mem_free(spare);
    if (locks != NULL) {
        locks->users--;
        settle(inode);
    }
    return status;
}

static int64_t run_lock(struct carried *call)
{
    return file_lock(call->file, (enum file_lock_type)call->flags, call->offset,
                     call->size, call->number);
}

/*
 * On the CPU of the file it waits for a short time only, again and again: the
 * threads there that carry out calls of others must not all wait for a lock,
 * and the caller may be killed meanwhile.
 */
static int lock_away(struct file *file, enum file_lock_type type,
                     uint64_t offset, uint64_t len, uint64_t deadline_ns)
{
    int status;

    do {
        uint64_t until_ns = time_ns() + 20 * NS_PER_MS;

        if (until_ns > deadline_ns)
            until_ns = deadline_ns;
        status = (int)carry_file(&(struct carried){.run = run_lock,
                                                   .file = file,
                                                   .flags = type,
                                                   .offset = offset,
                                                   .size = len,
                                                   .number = until_ns});
        if ((thread_current()->requests & REQUEST_KILL) != 0)
            thread_requests_handle();
    } while (status == -ETIMEDOUT && time_ns() < deadline_ns);
    return status;
}

int file_lock(struct file *file, enum file_lock_type type, uint64_t offset,
              uint64_t len, uint64_t deadline_ns)
{
    int status;

    if (!file_is_mine(file))
        return lock_away(file, type, offset, len, deadline_ns);
    if (len > 0 && offset > UINT64_MAX - (len - 1))
        return -EINVAL;
    status =
        lock_range(file, type, offset,
                   len == 0 ? UINT64_MAX : offset + (len - 1), deadline_ns);
    if (status == -EINTR)
        thread_requests_handle();
    return status;
}
