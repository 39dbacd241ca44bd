/*
 * Fuzzing the answers of a server of files. Each byte of the first part chooses
 * a call; the rest changes the server's answers, which are right where it is
 * zero: a byte says what of the header lies, the others are XORed to what is
 * behind it. No call may hang, and what must always be true of mounts and
 * inodes is.
 */
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/fuse_world.h"
#include <stdlib.h>
#include <string.h>
#include <torc/assert.h>
#include <torc/file.h>

enum { CALLS_MAX = 24, MESSAGES_MAX = 400, ENTRIES_MAX = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *rest; /* of the input */
static size_t rest_len;
static unsigned messages;

static uint8_t next(void)
{
    if (rest_len == 0)
        return 0;
    rest_len--;
    return *rest++;
}

/* ---- The server ---------------------------------------------------------- */

static void put_attr(uint8_t *p, uint32_t mode)
{
    le64_put(p, 7);
    le64_put(p + 8, 6000);
    le32_put(p + 60, mode);
    le32_put(p + 64, 2);
}

/* Names of one letter lead to nodes by that letter: directories below 'm'. */
static uint32_t put_entry(uint8_t *p, const struct fs_message *message)
{
    uint8_t letter = message->len > 0 ? message->body[0] : 'a';

    le64_put(p, UINT64_C(0x100000000) + letter);
    put_attr(p + 40, letter < 'm' ? 0040755 : 0100644);
    return 128;
}

static uint32_t put_dirents(uint8_t *p, const struct fs_message *message)
{
    uint64_t from = message->len >= 16 ? le64_get(message->body + 8) : 0;
    uint32_t len = 0;

    for (uint64_t i = from + 1; i <= 3; i++) {
        le64_put(p + len, i);
        le64_put(p + len + 8, i);
        le32_put(p + len + 16, 1);
        p[len + 24] = (uint8_t)('k' + i);
        len += 32;
    }
    return len;
}

/* A right answer: how long it is. */
static uint32_t right(const struct fs_message *message, uint8_t *p)
{
    switch (message->opcode) {
    case 1:
    case 6:
    case 8:
    case 9:
    case 13: /* LOOKUP, those that make */
        return put_entry(p, message);
    case 3:
    case 4: /* GETATTR, SETATTR */
        put_attr(p + 16, message->node == 1 || (message->node & 0xff) < 'm'
                             ? 0040755
                             : 0100644);
        return 104;
    case 5: /* READLINK */
        memcpy(p, "a/b", 3);
        return 3;
    case 14:
    case 27: /* OPEN, OPENDIR */
        return 16;
    case 15: /* READ */
        return message->room;
    case 16: /* WRITE */
        le32_put(p, le32_get(message->body + 16));
        return 8;
    case 17:
        return 80;
    case 22:
    case 23: /* GETXATTR, LISTXATTR */
        return 8;
    case 26:
        le32_put(p, 7);
        le32_put(p + 4, 31);
        le32_put(p + 20, 65536);
        return 64;
    case 28:
        return put_dirents(p, message);
    default:
        return 0;
    }
}

static void serve(struct fs_model *model, const struct fs_message *message,
                  uint8_t *answer, uint32_t *len, uint32_t *used)
{
    uint8_t *body = answer + 16;
    uint8_t lies = next();

    (void)model;
    memset(answer, 0, 16 + (size_t)message->room);
    *len = right(message, body);
    if (*len > message->room)
        *len = message->room;
    if ((lies & 1) != 0)
        *len = next() < message->room ? next() % (message->room + 1) : 0;
    for (uint32_t i = 0; i < *len && i < 160; i++)
        body[i] ^= next();
    *len += 16;
    le32_put(answer, *len + ((lies & 2) != 0));
    le64_put(answer + 8, message->unique + ((lies & 4) != 0));
    if ((lies & 8) != 0) {
        le32_put(answer + 4, (uint32_t) - (int32_t)next());
        *len = 16;
        le32_put(answer, 16);
    }
    *used = (lies & 16) != 0 && *len > 0 ? *len - 1 : *len;
    if (++messages > MESSAGES_MAX)
        abort(); /* it asks without an end */
}

/* ---- The client ---------------------------------------------------------- */

static const char *path_of(uint8_t byte)
{
    static const char *const paths[] = {"/z", "/a/z",  "/a", "/a/b",
                                        "/n", "/a/..", "/",  "/a/n"};

    return paths[byte % 8];
}

static void use_file(const char *path, uint8_t how)
{
    static char buf[9000];
    struct dir_entry entry;
    struct file *file;

    if (file_open(path,
                  how & 1 ? FILE_READ | FILE_WRITE | FILE_CREATE : FILE_READ,
                  0644, &file) != 0)
        return;
    for (unsigned i = 0; i < ENTRIES_MAX && dir_read(file, &entry) == 1; i++)
        assert(strlen(entry.name) > 0);
    (void)!file_read_at(file, buf, sizeof(buf), 0);
    if ((how & 1) != 0) {
        (void)!file_write_at(file, buf, 5000, 3000);
        (void)!file_truncate(file, 100);
        (void)!file_sync(file);
    }
    file_close(file);
}

static void call(uint8_t what, const char *a, const char *b)
{
    static char buf[5000];
    struct file_stat stat;
    struct file_fs_stat fs_stat;

    switch (what % 12) {
    case 0:
        (void)!file_stat(a, true, &stat);
        break;
    case 1:
        use_file(a, 0);
        break;
    case 2:
        use_file(a, 1);
        break;
    case 3:
        (void)!file_mkdir(a, 0755);
        break;
    case 4:
        (void)!file_unlink(a);
        break;
    case 5:
        (void)!file_rmdir(a);
        break;
    case 6:
        (void)!file_rename(a, b, what / 12 % 3);
        break;
    case 7:
        (void)!file_link(a, b);
        break;
    case 8:
        (void)!file_symlink("x", a);
        break;
    case 9:
        (void)!file_read_link(a, buf, sizeof(buf));
        break;
    case 10:
        (void)!file_xattr_get(a, true, "user.a", buf, what);
        (void)!file_xattr_list(a, true, buf, what);
        break;
    default:
        (void)!file_stat_fs("/", &fs_stat);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *calls = data + 1;
    size_t count;

    if (size < 2)
        return 0;
    count = data[0] % CALLS_MAX;
    if (count > (size - 1) / 2)
        count = (size - 1) / 2;
    rest = calls + 2 * count;
    rest_len = size - 1 - 2 * count;
    messages = 0;
    fuse_world_attach(8 << 20);
    fuse_model.instead = serve;
    if (file_mount(&fuse_channel->block.device, "/", "fuse") == 0) {
        for (size_t i = 0; i < count; i++) {
            call(calls[2 * i], path_of(calls[2 * i + 1]),
                 path_of(calls[2 * i + 1] >> 3));
            vfs_check();
            if (calls[2 * i + 1] >= 0xc0)
                messages = 0;
        }
        (void)!file_unmount("/");
    }
    fuse_world_detach();
    return 0;
}
