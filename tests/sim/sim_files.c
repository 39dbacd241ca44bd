/*
 * Files: on each CPU several threads in the same directories of a file system
 * in memory that takes its time, before and after each operation; with two CPUs
 * also in those of the other one, by a directory that leads there. No name
 * comes or goes but by a call that says so, a directory has either readers or
 * one that changes it, what is written is what is read, and in the end nothing
 * is held.
 */
#include "hal/posix/sim/sim.h"
#include "kernel/file/vfs_internal.h"
#include "tests/sim/runner.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/thread.h>

enum { CPUS = 2, THREADS = 3, STEPS = 25, NAMES = 3, INODES = 256 };

static bool broken;

static void expect(bool holds, const char *rule)
{
    if (!holds && !broken)
        log_error("files: %s", rule);
    broken = broken || !holds;
}

static unsigned draw(unsigned n)
{
    return hal_choose(n, SIM_WORK);
}

/* ---- The file system ----------------------------------------------------- */

/* Each CPU has one of its own. */
static struct world {
    struct mount *mount;
    const struct fs_ops *quick;
    struct fs_ops slow;
    unsigned readers[INODES]; /* in a directory, by the number of its inode */
    unsigned writers[INODES];
    int names; /* made less removed, by what calls say */
} worlds[CPUS];

static struct world *world(void)
{
    return &worlds[cpu_id()];
}

static void linger(void)
{
    if (draw(2) == 0)
        thread_yield();
    if (draw(8) == 0)
        thread_sleep(draw(2000));
}

static void enter(const struct inode *dir, bool writes)
{
    struct world *in = world();
    uint64_t at = dir->number % INODES;

    expect(in->writers[at] == 0, "somebody else changes a directory");
    expect(!writes || in->readers[at] == 0,
           "a directory is read while changed");
    in->readers[at] += !writes;
    in->writers[at] += writes;
    linger();
}

static void leave(const struct inode *dir, bool writes)
{
    struct world *in = world();
    uint64_t at = dir->number % INODES;

    linger();
    in->readers[at] -= !writes;
    in->writers[at] -= writes;
}

static int slow_lookup(struct inode *dir, const struct name *name,
                       struct inode **out)
{
    int status;

    enter(dir, false);
    status = world()->quick->lookup(dir, name, out);
    leave(dir, false);
    return status;
}

static int slow_create(struct inode *dir, const struct name *name,
                       const struct new_inode *what, struct inode **out)
{
    int status;

    enter(dir, true);
    status = world()->quick->create(dir, name, what, out);
    leave(dir, true);
    return status;
}

static int slow_unlink(struct inode *dir, const struct name *name,
                       struct inode *inode)
{
    int status;

    enter(dir, true);
    status = world()->quick->unlink(dir, name, inode);
    leave(dir, true);
    return status;
}

static int slow_rename(const struct rename *rename)
{
    bool two = rename->dir1 != rename->dir2;
    int status;

    enter(rename->dir1, true);
    if (two)
        enter(rename->dir2, true);
    status = world()->quick->rename(rename);
    if (two)
        leave(rename->dir2, true);
    leave(rename->dir1, true);
    return status;
}

static int slow_evict(struct inode *inode)
{
    int status;

    linger();
    status = world()->quick->inode_evict(inode);
    linger();
    return status;
}

static struct mount *mount_slow(void)
{
    const struct mount_table *table;
    struct world *in = world();
    struct mount *mount;

    if (file_mount_memory("/", NULL) != 0)
        return NULL;
    table = cpu_self()->mounts;
    mount = table->root->mount;
    in->quick = mount->ops;
    in->slow = *mount->ops;
    in->slow.lookup = slow_lookup;
    in->slow.create = slow_create;
    in->slow.unlink = slow_unlink;
    in->slow.rename = slow_rename;
    in->slow.inode_evict = slow_evict;
    mount->ops = &in->slow;
    mount->cached_max = 4;
    in->mount = mount;
    return mount;
}

/* ---- What threads do ----------------------------------------------------- */

enum { PATH = 16 };

static void pick(char path[PATH], bool away)
{
    unsigned depth = 1 + draw(3);

    if (away) {
        memcpy(path, "/far", 4);
        path += 4;
    }
    for (unsigned i = 0; i < depth; i++) {
        path[2 * i] = '/';
        path[2 * i + 1] = (char)('a' + (char)draw(NAMES));
    }
    path[2 * depth] = '\0';
}

/* Make a file, fill it, and read it again. */
static int make_and_use(const char *path)
{
    static const char text[] = "what is written is what is read";
    char buf[sizeof(text)];
    struct file *file;
    int status =
        file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE,
                  0644, &file);

    if (status != 0)
        return status;
    linger();
    expect(file_write_at(file, text, sizeof(text), 4090) == sizeof(text),
           "a file cannot be written");
    linger();
    expect(file_read_at(file, buf, sizeof(buf), 4090) == sizeof(text) &&
               memcmp(buf, text, sizeof(text)) == 0,
           "a file does not hold what was written");
    file_close(file);
    return 0;
}

static void step(void)
{
    bool away = cpu_count() > 1 && draw(3) == 0;
    struct world *in = &worlds[away ? 1 - cpu_id() : cpu_id()];
    char a[PATH], b[PATH];
    int change = 0, status;

    pick(a, away);
    pick(b, away);
    switch (draw(7)) {
    case 0:
    case 1:
        status = file_mkdir(a, 0755);
        change = 1;
        break;
    case 2:
        status = make_and_use(a);
        change = 1;
        break;
    case 3:
        status = file_unlink(a);
        change = -1;
        break;
    case 4:
        status = file_rmdir(a);
        change = -1;
        break;
    case 5:
        status = file_rename(a, b, FILE_RENAME_NOREPLACE);
        break;
    default:
        status = file_rename(a, b, FILE_RENAME_EXCHANGE);
        break;
    }
    if (status == 0)
        in->names += change;
    vfs_check();
}

static int work(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS && !broken; i++) {
        step();
        linger();
    }
    return 0;
}

/* ---- The end ------------------------------------------------------------- */

/* Remove all that is in a directory. Returns how many names that were. */
static int clear(char *path, size_t len)
{
    int count = 0;

    for (unsigned i = 0; i < NAMES; i++) {
        int status;

        path[len] = '/';
        path[len + 1] = (char)('a' + (char)i);
        path[len + 2] = '\0';
        status = file_unlink(path);
        if (status == -EISDIR && len < 60) {
            count += clear(path, len + 2);
            path[len + 2] = '\0';
            status = file_rmdir(path);
        }
        count += status == 0;
    }
    return count;
}

/* What each CPU does; then the next, when all have done it. */

static int begin(void *arg)
{
    (void)arg;
    if (mount_slow() == NULL)
        return 1;
    return cpu_count() > 1 && (file_mkdir("/far", 0755) != 0 ||
                               file_mount_cpu(1 - cpu_id(), "/far") != 0);
}

static int crowd(void *arg)
{
    thread_id ids[THREADS];

    (void)arg;
    for (unsigned i = 0; i < THREADS; i++) {
        if (thread_create(NULL, work, NULL, &ids[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        expect(thread_join(ids[i], NULL) == 0, "a thread is lost");
    return 0;
}

static int end(void *arg)
{
    char path[64] = "";
    struct world *in = world();

    (void)arg;
    if (cpu_count() > 1)
        expect(file_unmount("/far") == 0, "the way to the other CPU stays");
    expect(in->mount->used_count == 1, "an inode is still held");
    expect(clear(path, 0) == in->names, "a name came or went by itself");
    in->mount->ops = in->quick;
    expect(file_unmount("/") == 0, "it cannot be unmounted");
    return 0;
}

static int on_all(int (*fn)(void *))
{
    thread_id ids[CPUS];
    unsigned count = cpu_count();
    int value;

    for (unsigned i = 0; i < count; i++) {
        const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = i};

        if (thread_create(&there, fn, NULL, &ids[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < count; i++) {
        if (thread_join(ids[i], &value) != 0 || value != 0)
            return 1;
    }
    return 0;
}

static int files(void)
{
    if (on_all(begin) != 0 || on_all(crowd) != 0 || on_all(end) != 0)
        return 1;
    return broken;
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "files",
        .cpus_min = 1,
        .cpus_max = CPUS,
        .mem_bytes = 4 << 20,
        .run = files,
    };

    return sim_main(argc, argv, &scenario);
}
