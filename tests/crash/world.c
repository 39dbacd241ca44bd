#include "tests/crash/world.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/file.h>

const char *const world_path[WORLD_PATHS] = {
    "/a", "/b",   "/c", "/n",    "/l",      "/m", "/s",
    "/d", "/d/x", "/e", "/e/d2", "/e/d2/x", "/t", "/big"};

/* ---- Operations ---------------------------------------------------------- */

static char buffer[64 * 1024];

static int write_at(const char *path, unsigned flags, uint64_t offset,
                    size_t size, int byte)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | flags, 0644, &file);
    int64_t done;

    if (status != 0)
        return status;
    memset(buffer, byte, size);
    done = file_write_at(file, buffer, size, offset);
    file_close(file);
    return done < 0 ? (int)done : 0;
}

static int sync_path(const char *path, bool data_only)
{
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status != 0)
        return status;
    status = data_only ? file_data_sync(file) : file_sync(file);
    file_close(file);
    return status;
}

static int create(void)
{
    return write_at("/n", FILE_CREATE, 0, 1500, 'n');
}

/* Many at once, so that blocks of names are split. */
static int create_many(void)
{
    char path[60];
    int status = 0;

    for (unsigned i = 0; i < 24 && status == 0; i++) {
        memcpy(path, "/many-names-that-are-long-enough-to-fill-a-block-..", 52);
        path[49] = (char)('a' + i);
        path[50] = '\0';
        status = write_at(path, FILE_CREATE, 0, 0, 0);
    }
    return status;
}

static int create_empty(void)
{
    return write_at("/t", FILE_CREATE, 0, 0, 't');
}

static int append(void)
{
    return write_at("/a", 0, 3000, 2500, 'A');
}

static int overwrite(void)
{
    return write_at("/a", 0, 0, 700, 'O');
}

static int write_far(void)
{
    return write_at("/a", 0, 40000, 300, 'F');
}

static int write_big(void)
{
    return write_at("/big", FILE_CREATE, 0, 20000, 'B');
}

static int fsync_a(void)
{
    return sync_path("/a", false);
}

static int fsync_n(void)
{
    return sync_path("/n", false);
}

static int sync_all(void)
{
    struct file *file;
    int status = 0, more;

    /* Every file, then the root, which stands for the rest. */
    for (unsigned i = 0; i < WORLD_PATHS; i++) {
        if (file_open(world_path[i], FILE_READ | FILE_NOFOLLOW, 0, &file) != 0)
            continue;
        more = file_sync(file);
        file_close(file);
        status = status != 0 ? status : more;
    }
    more = sync_path("/", false);
    return status != 0 ? status : more;
}

static int remount(void)
{
    int status = file_remount("/", true);

    return status != 0 ? status : file_remount("/", false);
}

static int make_dir(void)
{
    return file_mkdir("/m", 0755);
}

static int remove_dir(void)
{
    return file_rmdir("/e");
}

static int rename_new(void)
{
    return file_rename("/a", "/c", 0);
}

static int rename_over(void)
{
    return file_rename("/a", "/b", 0);
}

static int rename_across(void)
{
    return file_rename("/a", "/d/x", 0);
}

/* Each of two blocks of names is to be durable before the other. */
static int rename_to_and_fro(void)
{
    int status = file_rename("/a", "/d/y", 0);

    return status != 0 ? status : file_rename("/d/x", "/y", 0);
}

/* Two files in different directories: each is to be in one of them. */
static int exchange(void)
{
    return file_rename("/a", "/d/x", FILE_RENAME_EXCHANGE);
}

static int rename_dir(void)
{
    return file_rename("/d", "/e/d2", 0);
}

static int link_a(void)
{
    return file_link("/a", "/l");
}

static int unlink_a(void)
{
    return file_unlink("/a");
}

static int unlink_x(void)
{
    return file_unlink("/d/x");
}

static int truncate_a(void)
{
    struct file *file;
    int status = file_open("/a", FILE_WRITE, 0, &file);

    if (status != 0)
        return status;
    status = file_truncate(file, 100);
    file_close(file);
    return status;
}

static int symlink_slow(void)
{
    return file_symlink("a-target/that/is/too/long/to/be/in/the/inode/itself/"
                        "so/that/it/needs/a/block",
                        "/s");
}

static int xattr_small(void)
{
    return file_xattr_set("/a", true, "user.color", "red", 3, 0);
}

static int xattr_large(void)
{
    memset(buffer, 'v', 300);
    return file_xattr_set("/b", true, "user.large", buffer, 300, 0);
}

static int chmod_a(void)
{
    return file_chmod("/a", true, 0600);
}

#define A_FILES "/a /l"
#define D_FILES "/d /d/x /e /e/d2 /e/d2/x"

/* All that can be opened to be synced: not a symbolic link. */
#define FILES "/a /b /c /n /l /m /t /big " D_FILES

const struct world_op world_ops[] = {
    {"create", create, "/n", "", {0}, {0}, NULL},
    {"touch", create_empty, "/t", "", {0}, {0}, NULL},
    {"many",
     create_many,
     "",
     "",
     {CHECK_ENTRY_TWICE + 1, CHECK_DIR_TWO_PARENTS + 1},
     {0},
     NULL},
    {"append", append, A_FILES, "", {0}, {0}, NULL},
    {"overwrite", overwrite, A_FILES, "", {0}, {0}, NULL},
    {"far", write_far, A_FILES, "", {0}, {0}, NULL},
    {"big", write_big, "/big", "", {0}, {0}, NULL},
    {"fsync", fsync_a, "", "/a", {0}, {0}, NULL},
    {"fsync-n", fsync_n, "", "/n", {0}, {0}, NULL},
    {"sync", sync_all, "", FILES, {0}, {0}, NULL},
    {"remount", remount, "", "*", {0}, {0}, NULL},
    {"mkdir", make_dir, "/m", "", {0}, {0}, NULL},
    {"rmdir", remove_dir, "/e /e/d2 /e/d2/x", "", {0}, {0}, NULL},
    {"rename",
     rename_new,
     A_FILES " /c",
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     NULL},
    {"replace",
     rename_over,
     A_FILES " /b",
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     NULL},
    {"across",
     rename_across,
     A_FILES " /d/x",
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     NULL},
    {"to-and-fro",
     rename_to_and_fro,
     A_FILES " /d/x /e/d2/x",
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     NULL},
    {"exchange",
     exchange,
     A_FILES " /d/x /e/d2/x",
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     NULL},
    {"move-dir",
     rename_dir,
     D_FILES,
     "",
     {CHECK_DIR_DOTDOT + 1, CHECK_DIR_TWO_PARENTS + 1},
     {0},
     NULL},
    {"link", link_a, A_FILES, "", {0}, {0}, NULL},
    {"unlink",
     unlink_a,
     A_FILES,
     "",
     {0},
     {CHECK_INODE_UNATTACHED + 1},
     "link"},
    {"unlink-x", unlink_x, "/d/x /e/d2/x", "", {0}, {0}, NULL},
    {"truncate", truncate_a, A_FILES, "", {0}, {0}, NULL},
    {"symlink", symlink_slow, "/s", "", {0}, {0}, NULL},
    {"xattr", xattr_small, "", "", {0}, {0}, NULL},
    {"xattr-block", xattr_large, "", "", {0}, {0}, NULL},
    {"chmod", chmod_a, "", "", {0}, {0}, NULL},
};
const size_t world_op_count = COUNT_OF(world_ops);

int world_op_find(const char *name, size_t len)
{
    for (size_t i = 0; i < world_op_count; i++)
        if (strlen(world_ops[i].name) == len &&
            memcmp(world_ops[i].name, name, len) == 0)
            return (int)i;
    return -1;
}

bool world_lists(const char *list, const char *path)
{
    size_t len = strlen(path);

    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = list; *at != '\0'; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");

        if (word == len && memcmp(at, path, len) == 0)
            return true;
        at += word;
    }
    return false;
}

/* ---- What a path is ------------------------------------------------------ */

static uint64_t bytes_hash(uint64_t hash, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3;
    return hash;
}

static void content_look(const char *path, struct world_look *look)
{
    struct file *file;
    int64_t got;

    look->status = file_open(path, FILE_READ, 0, &file);
    if (look->status != 0)
        return;
    while ((got = file_read(file, buffer, sizeof(buffer))) > 0)
        look->hash = bytes_hash(look->hash, buffer, (size_t)got);
    if (got < 0)
        look->status = (int)got;
    file_close(file);
}

void world_look(const char *path, struct world_look *look)
{
    struct file_stat stat;
    int64_t len;

    *look = (struct world_look){.status = file_stat(path, false, &stat)};
    if (look->status != 0)
        return;
    look->type = stat.type;
    look->hash = 0xcbf29ce484222325;
    if (stat.type == FILE_REGULAR) {
        look->size = stat.size_bytes;
        content_look(path, look);
    } else if (stat.type == FILE_SYMLINK) {
        len = file_read_link(path, buffer, sizeof(buffer));
        if (len < 0)
            look->status = (int)len;
        else
            look->hash = bytes_hash(look->hash, buffer, (size_t)len);
    }
}

bool world_is_same(const struct world_look *a, const struct world_look *b)
{
    return a->status == b->status && a->type == b->type && a->size == b->size &&
           a->hash == b->hash;
}

/* ---- Going on ------------------------------------------------------------ */

static int go_on_files(void)
{
    int status = write_at("/go/file", FILE_CREATE, 0, 15000, 'g');

    if (status == 0)
        status = write_at("/go/file", 0, 20000, 100, 'h');
    if (status == 0)
        status = sync_path("/go/file", false);
    if (status == 0)
        status = file_link("/go/file", "/go/link");
    if (status == 0)
        status = file_rename("/go/file", "/go/renamed", 0);
    if (status == 0)
        status = file_symlink("a/short/one", "/go/symlink");
    if (status == 0)
        status = file_unlink("/go/symlink");
    if (status == 0)
        status = file_unlink("/go/link");
    return status;
}

int world_go_on(void)
{
    int status = file_mkdir("/go", 0755);

    if (status == 0)
        status = go_on_files();
    if (status == 0)
        status = file_mkdir("/go/dir", 0700);
    if (status == 0)
        status = file_rmdir("/go/dir");
    if (status == 0)
        status = sync_all();
    return status;
}
