/*
 * Telling the server what is not needed any more: files to close, and nodes to
 * forget. Nobody waits for it. Files are closed before nodes are forgotten.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>
#include <torc/time.h>

enum { BATCH_MAX = 64 }; /* nodes that one message forgets */

/* So long more of them are collected. */
#define COLLECT_NS (10 * NS_PER_S / 1000)
/* What could not be sent is tried again. */
#define AGAIN_NS (100 * NS_PER_S / 1000)

static struct parting *first_of(struct fuse_fs *fs)
{
    return container_of(fs->partings.next, struct parting, link);
}

/* ---- Closing files ------------------------------------------------------- */

static struct message *message_new(struct fuse_fs *fs, enum fuse_opcode opcode,
                                   uint64_t node, size_t in)
{
    struct message *message = mem_alloc(sizeof(*message));

    if (message != NULL &&
        message_begin(message, fs, opcode, node, in, 0) != 0) {
        mem_free(message);
        return NULL;
    }
    return message;
}

/* Returns 0, -ENOMEM, -EAGAIN: it is tried again; -EIO. */
static int release(struct fuse_fs *fs, uint64_t node, enum handle_kind kind,
                   const struct handle *handle)
{
    struct message *message = message_new(
        fs, kind == HANDLE_DIR ? FUSE_RELEASEDIR : FUSE_RELEASE, node, 24);

    if (message == NULL)
        return -ENOMEM;
    put64(message, handle->fh);
    put32(message, kind == HANDLE_BOTH ? FUSE_OPEN_BOTH : FUSE_OPEN_READ);
    put32(message, 0);
    put64(message, 0);
    return message_send(message, false);
}

static int release_all(struct fuse_fs *fs, struct parting *parting)
{
    for (unsigned i = 0; i < HANDLE_KINDS; i++) {
        struct handle *handle = &parting->handles[i];
        int status = 0;

        if (handle->is_open)
            status = release(fs, parting->node, i, handle);
        if (status != 0)
            return status;
        handle->is_open = false;
    }
    return 0;
}

/* ---- Forgetting nodes ---------------------------------------------------- */

static unsigned count_of(const struct list *list)
{
    unsigned count = 0;

    list_for_each (node, list)
        count++;
    return count;
}

/* Forget those in `list` with one message. */
static int forget(struct fuse_fs *fs, struct list *list)
{
    const unsigned count = count_of(list);
    struct message *message;

    message = message_new(fs, FUSE_BATCH_FORGET, 0,
                          8 + (size_t)count * FUSE_FORGET_ONE);
    if (message == NULL)
        return -ENOMEM;
    put32(message, count);
    put32(message, 0);
    list_for_each (node, list) {
        const struct parting *parting =
            container_of(node, struct parting, link);

        put64(message, parting->node);
        put64(message, parting->lookups);
    }
    return message_send(message, true);
}

static void free_all(struct list *list)
{
    while (!list_empty(list))
        mem_free(container_of(list_pop_front(list), struct parting, link));
}

/* Close the files of as many as one message forgets. */
static int take_batch(struct fuse_fs *fs)
{
    unsigned count = count_of(&fs->forgets);
    int status = 0;

    while (count < BATCH_MAX && !list_empty(&fs->partings)) {
        struct parting *parting = first_of(fs);

        status = release_all(fs, parting);
        if (status != 0)
            break;
        list_remove(&parting->link);
        if (parting->lookups == 0) {
            mem_free(parting);
            continue;
        }
        list_push_back(&fs->forgets, &parting->link);
        count++;
    }
    return status;
}

/* What forgets comes first, on its own queue, and is not answered: it is sent
 * when the files are closed. */
static int send_some(struct fuse_fs *fs)
{
    int status = take_batch(fs), forgotten;

    if (list_empty(&fs->forgets) || status == -EIO)
        return status;
    if (fs->release_count > 0)
        return -EAGAIN;
    forgotten = forget(fs, &fs->forgets);
    if (forgotten == 0)
        free_all(&fs->forgets);
    return forgotten != 0 ? forgotten : status;
}

static bool is_all_sent(const struct fuse_fs *fs)
{
    return list_empty(&fs->partings) && list_empty(&fs->forgets);
}

static void drop_all(struct fuse_fs *fs)
{
    free_all(&fs->partings);
    free_all(&fs->forgets);
}

static void run(struct flush_work *work)
{
    struct fuse_fs *fs = container_of(work, struct fuse_fs, parting_work);
    int status = 0;

    while (status == 0 && !is_all_sent(fs)) {
        status = send_some(fs);
        if (status != -EAGAIN || fs->async_count == 0)
            continue;
        async_check(fs);
        status = wait_on_until(&fs->quiet, time_ns() + AGAIN_NS);
    }
    if (status == -EIO)
        drop_all(fs); /* nobody is there to be told */
    else if (status != 0)
        flush_work_queue(work, AGAIN_NS);
}

void partings_init(struct fuse_fs *fs)
{
    list_init(&fs->partings);
    list_init(&fs->forgets);
    wait_queue_init(&fs->quiet);
    fs->parting_work.run = run;
}

void parting_queue(struct fuse_fs *fs, struct parting *parting)
{
    if (parting->node == FUSE_ROOT_NODE || parting->node == 0)
        parting->lookups = 0; /* these are not forgotten */
    list_push_back(&fs->partings, &parting->link);
    flush_work_queue(&fs->parting_work, COLLECT_NS);
}

/* What cannot be sent is left out: the end of the session frees it all. */
void partings_end(struct fuse_fs *fs)
{
    int status = 0;

    flush_work_cancel(&fs->parting_work);
    while (status == 0 && !is_all_sent(fs)) {
        status = send_some(fs);
        if (status == -EAGAIN && fs->async_count > 0) {
            async_wait(fs);
            status = 0;
        }
    }
    drop_all(fs);
    while (fs->async_count > 0)
        async_wait(fs);
}
