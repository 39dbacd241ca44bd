/* Messages to the server: making them, sending them, waiting for answers. */
#include "fs/fuse/fuse_internal.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum { ROUND = 7, LEN_AT = 0, UID_AT = 24, GID_AT = 28 };

int fuse_fault(struct fuse_fs *fs, const char *what)
{
    if (!fs->has_warned)
        log_error("%s: the server of files breaks the protocol: %s",
                  fs->channel->block.device.name, what);
    fs->has_warned = true;
    return -EIO;
}

/* ---- Making -------------------------------------------------------------- */

static void message_ended(struct fuse_call *call, int status, uint32_t written);

int message_begin(struct message *message, struct fuse_fs *fs,
                  enum fuse_opcode opcode, uint64_t node, size_t in, size_t out)
{
    const uint32_t room =
        (uint32_t)(FUSE_IN_HEADER + in + ROUND) & ~(uint32_t)ROUND;

    *message = (struct message){
        .call = {.done = message_ended},
        .fs = fs,
        .room = room,
        .out_max = (uint32_t)(FUSE_OUT_HEADER + out),
        .unique = fs->unique_next++,
    };
    wait_queue_init(&message->ended);
    message->buf = buf_alloc_undefined(room + message->out_max);
    if (message->buf == NULL)
        return -ENOMEM;
    put32(message, 0); /* its length is told when it is sent */
    put32(message, opcode);
    put64(message, message->unique);
    put64(message, node);
    put64(message, 0); /* of root */
    put64(message, 0); /* of no process */
    return 0;
}

void put_bytes(struct message *message, const void *bytes, size_t len)
{
    assert(len <= message->room - message->len);
    memcpy(message->buf->base + message->len, bytes, len);
    message->len += (uint32_t)len;
}

void put32(struct message *message, uint32_t value)
{
    uint8_t bytes[4];

    le32_put(bytes, value);
    put_bytes(message, bytes, sizeof(bytes));
}

void put64(struct message *message, uint64_t value)
{
    uint8_t bytes[8];

    le64_put(bytes, value);
    put_bytes(message, bytes, sizeof(bytes));
}

void put_name(struct message *message, const struct name *name)
{
    put_bytes(message, name->text, name->len);
    put_bytes(message, "", 1);
}

void message_owner(struct message *message, uint32_t uid, uint32_t gid)
{
    le32_put(message->buf->base + UID_AT, uid);
    le32_put(message->buf->base + GID_AT, gid);
}

const uint8_t *message_answer(const struct message *message)
{
    return message->buf->base + message->room + FUSE_OUT_HEADER;
}

/* If the server may still write to it, its memory is never used again. */
void message_end(struct message *message)
{
    if (message->buf != NULL && !message->fs->channel->is_lost)
        buf_put(message->buf);
    message->buf = NULL;
}

/* ---- Sending ------------------------------------------------------------- */

static int send(struct message *message, bool first)
{
    struct fuse_channel *channel = message->fs->channel;
    const uint64_t bus = message->buf->bus;
    const struct fuse_piece pieces[] = {
        {bus, message->len, false},
        {bus + message->room, message->out_max, true},
    };
    int status;

    le32_put(message->buf->base + LEN_AT, message->len);
    status = channel->ops->send(channel, &message->call, pieces, first ? 1 : 2,
                                first);
    if (status == 0)
        channel->ops->commit(channel);
    return status;
}

static void async_free(struct message *message)
{
    message_end(message);
    mem_free(message);
}

int message_send(struct message *message, bool first)
{
    struct fuse_fs *fs = message->fs;
    int status = -EAGAIN;

    message->is_async = true;
    message->is_release = !first;
    if (fs->async_count < FUSE_ASYNC_MAX)
        status = send(message, first);
    if (status != 0) {
        async_free(message);
        return status;
    }
    if (fs->async_count++ == 0)
        fs->async_at_ns = time_ns();
    fs->release_count += !first;
    return 0;
}

static void message_ended(struct fuse_call *call, int status, uint32_t written)
{
    struct message *message = container_of(call, struct message, call);
    struct fuse_fs *fs = message->fs;

    if (message->is_async) {
        fs->release_count -= message->is_release;
        async_free(message);
        fs->async_count--;
        fs->async_at_ns = time_ns();
        wait_wake_all(&fs->quiet);
        return;
    }
    message->is_ended = true;
    message->status = status;
    message->written = written;
    wait_wake_all(&message->ended);
}

/* ---- Asking -------------------------------------------------------------- */

/* Send it when there is room. The server gets BLOCK_TIMEOUT_NS for that, too.
 */
static int send_in_turn(struct message *message, uint64_t deadline_ns)
{
    struct fuse_channel *channel = message->fs->channel;
    int status = -EAGAIN;

    while (status == -EAGAIN) {
        if (message->fs->sync_count < FUSE_SYNC_MAX)
            status = send(message, false);
        if (status != -EAGAIN)
            break;
        if (wait_on_until(&channel->room, deadline_ns) != 0)
            return -EIO;
    }
    return status;
}

/* Its time is over: a server that has not answered yet is given up. */
static void give_up(struct fuse_fs *fs)
{
    block_recover(fs->channel->block.queues[0],
                  "the server of files does not answer in time");
}

/* Its end comes in any case: if the server is given up, by that. */
static void wait_ended(struct message *message, uint64_t deadline_ns)
{
    struct fuse_fs *fs = message->fs;

    while (!message->is_ended) {
        if (wait_on_until(&message->ended, deadline_ns) == 0)
            continue;
        block_poll(fs->channel->block.queues[0]); /* an interrupt was lost? */
        if (!message->is_ended)
            give_up(fs);
        deadline_ns = TIME_NEVER;
    }
}

void async_wait(struct fuse_fs *fs)
{
    const unsigned count = fs->async_count;
    uint64_t deadline_ns = time_ns() + BLOCK_TIMEOUT_NS;

    while (fs->async_count == count) {
        if (wait_on_until(&fs->quiet, deadline_ns) == 0)
            continue;
        block_poll(fs->channel->block.queues[0]);
        if (fs->async_count == count)
            give_up(fs);
        deadline_ns = TIME_NEVER;
    }
}

static bool is_async_late(const struct fuse_fs *fs)
{
    return fs->async_count > 0 &&
           time_ns() - fs->async_at_ns >= BLOCK_TIMEOUT_NS;
}

void async_check(struct fuse_fs *fs)
{
    if (!is_async_late(fs))
        return;
    block_poll(fs->channel->block.queues[0]);
    if (is_async_late(fs))
        give_up(fs);
}

int64_t message_ask(struct message *message)
{
    struct fuse_fs *fs = message->fs;
    const uint64_t deadline_ns = time_ns() + BLOCK_TIMEOUT_NS;
    int64_t len = send_in_turn(message, deadline_ns);

    if (len != 0)
        return len;
    fs->sync_count++;
    wait_ended(message, deadline_ns);
    fs->sync_count--;
    wait_wake_all(&fs->channel->room);
    if (message->status != 0)
        return message->status;
    len = parse_header(message->buf->base + message->room, message->written,
                       message->unique);
    return len == -EPROTO ? fuse_fault(fs, "an answer without a header") : len;
}

int message_ask_for(struct message *message, uint32_t len)
{
    int64_t got = message_ask(message);

    if (got < 0)
        return (int)got;
    return got == len ? 0
                      : fuse_fault(message->fs, "an answer of another length");
}
