/*
 * Files of another CPU: CPU 1 has a file system in memory. CPU 0 has one, too,
 * and a directory "/far" that leads to CPU 1; all paths of CPU 2 do.
 */
#include "kernel/file/carry.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { CPUS = 3, OWNER = 1, RW = FILE_READ | FILE_WRITE };

/* In the child process cmocka's assertions do not work: the line tells what
 * failed. */
#define MUST(holds)                                                     \
    do {                                                                \
        if (!(holds)) {                                                 \
            printf("line %d on CPU %u: %s\n", __LINE__, cpu_self()->id, \
                   #holds);                                             \
            return 1;                                                   \
        }                                                               \
    } while (0)

/* Arguments of calls that are carried are not constant. */
static char slash[] = "/", far_path[] = "/far", no_prefix[] = "",
            back_path[] = "/back", stay_path[] = "/stay",
            far_stay[] = "/far/stay", winding[] = "/far/..//.//far/";

static int mount_own(void *arg)
{
    (void)arg;
    return file_mount_memory("/", NULL);
}

static int mount_portal(void *arg)
{
    return file_mount_cpu(OWNER, arg);
}

static int unmount(void *arg)
{
    vfs_check();
    return file_unmount(arg);
}

/* Run fn(arg) on all three mount tables as they are told above. */
static int with_mounts(int (*fn)(void *), void *arg)
{
    MUST(remote_call(OWNER, mount_own, NULL) == 0);
    MUST(mount_own(NULL) == 0);
    MUST(file_mkdir("/far", 0755) == 0);
    MUST(mount_portal(far_path) == 0);
    MUST(remote_call(2, mount_portal, slash) == 0);
    MUST(fn(arg) == 0);
    MUST(unmount(far_path) == 0);
    MUST(unmount(slash) == 0);
    MUST(remote_call(2, unmount, slash) == 0);
    MUST(remote_call(OWNER, unmount, slash) == 0);
    return 0;
}

static int (*body)(void *);

static int application(void *arg)
{
    return with_mounts(body, arg);
}

static void run(int (*fn)(void *))
{
    body = fn;
    assert_int_equal(machine_run(CPUS, 16 << 20, application, NULL), 0);
}

/* ---- Each call ----------------------------------------------------------- */

/* The same calls wherever the file system is; `root` is before each path. */
static const char *root;

static const char *at(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s%s", root, name);
    return path;
}

static int check_names(void)
{
    struct file_stat stat;
    struct file_fs_stat fs;
    char text[32] = "";

    MUST(file_mkdir(at("/d"), 0751) == 0);
    MUST(file_mkdir(at("/d"), 0751) == -EEXIST);
    MUST(file_make_node(at("/d/pipe"), FILE_FIFO, 0600, 0) == 0);
    MUST(file_symlink("d/pipe", at("/link")) == 0);
    MUST(file_read_link(at("/link"), text, sizeof(text)) == 6);
    MUST(strcmp(text, "d/pipe") == 0);
    MUST(file_stat(at("/link"), true, &stat) == 0 && stat.type == FILE_FIFO);
    MUST(file_stat(at("/link"), false, &stat) == 0);
    MUST(stat.type == FILE_SYMLINK);
    MUST(file_link(at("/d/pipe"), at("/pipe")) == 0);
    MUST(file_stat(at("/pipe"), true, &stat) == 0 && stat.links == 2);
    MUST(file_rename(at("/pipe"), at("/d/p2"), 0) == 0);
    MUST(file_rename(at("/d/pipe"), at("/d/p2"), FILE_RENAME_NOREPLACE) ==
         -EEXIST);
    MUST(file_unlink(at("/d")) == -EISDIR);
    MUST(file_rmdir(at("/d")) == -ENOTEMPTY);
    MUST(file_chmod(at("/d/p2"), true, 0123) == 0);
    MUST(file_chown(at("/d/p2"), true, 5, 6) == 0);
    MUST(file_set_times(at("/d/p2"), true, (struct file_time){7, 8},
                        (struct file_time){9, 10}) == 0);
    MUST(file_stat(at("/d/pipe"), true, &stat) == 0);
    MUST(stat.mode == 0123 && stat.uid == 5 && stat.gid == 6);
    MUST(stat.atime.s == 7 && stat.mtime.ns == 10);
    MUST(file_xattr_set(at("/d"), true, "user.a", "value", 5, 0) == 0);
    MUST(file_xattr_set(at("/d"), true, "user.a", "value", 5,
                        FILE_XATTR_CREATE) == -EEXIST);
    MUST(file_xattr_get(at("/d"), true, "user.a", text, 32) == 5);
    MUST(memcmp(text, "value", 5) == 0);
    MUST(file_xattr_list(at("/d"), true, text, 32) == 7);
    MUST(strcmp(text, "user.a") == 0);
    MUST(file_xattr_remove(at("/d"), true, "user.a") == 0);
    MUST(file_xattr_remove(at("/d"), true, "user.a") == -ENODATA);
    MUST(file_unlink(at("/d/p2")) == 0 && file_unlink(at("/d/pipe")) == 0);
    MUST(file_unlink(at("/link")) == 0);
    MUST(file_rmdir(at("/d")) == 0);
    MUST(file_rmdir(at("/d")) == -ENOENT);
    MUST(file_stat_fs(at("/"), &fs) == 0 && strcmp(fs.type, "memfs") == 0);
    MUST(file_sync_mount(at("/")) == 0);
    MUST(file_remount(at("/"), true) == 0);
    MUST(file_mkdir(at("/d"), 0751) == -EROFS);
    MUST(file_remount(at("/"), false) == 0);
    return 0;
}

static int check_data(void)
{
    char digits[] = "123456";
    struct file_part parts[2] = {{digits, 4}, {digits + 4, 2}};
    char text[16], more[16];
    struct slice slices[4];
    struct file_stat stat;
    struct file *file;
    unsigned count = 4;

    MUST(file_open(at("/f"), RW, 0, &file) == -ENOENT);
    MUST(file_open(at("/f"), RW | FILE_CREATE, 0640, &file) == 0);
    MUST(file->cpu == OWNER);
    MUST(file_write(file, "abcdef", 6) == 6);
    MUST(file_write_parts(file, parts, 2) == 6);
    MUST(file_write_at(file, "XY", 2, 4100) == 2);
    MUST(file_seek(file, 0, FILE_SEEK_HOLE) == 4102);
    MUST(file_seek(file, -99, FILE_SEEK_CUR) == 4102 - 99);
    MUST(file_seek(file, 4, FILE_SEEK_SET) == 4);
    MUST(file_read(file, text, 4) == 4 && memcmp(text, "ef12", 4) == 0);
    parts[0] = (struct file_part){text, 3};
    parts[1] = (struct file_part){more, 16};
    MUST(file_seek(file, 7, FILE_SEEK_SET) == 7);
    MUST(file_read_parts(file, parts, 2) == 19);
    MUST(memcmp(text, "234", 3) == 0 && memcmp(more, "56\0", 3) == 0);
    MUST(file_read_at(file, text, 16, 4099) == 3 && text[1] == 'X');
    count = 0;
    MUST(file_lend(file, 4090, 100, slices, &count) == 0 && count == 0);
    count = 4;
    MUST(file_lend(file, 4090, 100, slices, &count) == 12 && count == 2);
    MUST(slices_read(slices, 2, 0, text, 16) == 12 && text[10] == 'X');
    buf_put(slices[0].buf);
    buf_put(slices[1].buf);
    MUST(file_truncate(file, 2) == 0);
    MUST(file_allocate(file, 100, 5, 0) == 0);
    MUST(file_allocate(file, 100, 0, 0) == -EINVAL);
    MUST(file_sync(file) == 0 && file_data_sync(file) == 0);
    MUST(file_fstat(file, &stat) == 0 && stat.size_bytes == 105);
    MUST(file_lock(file, FILE_LOCK_SHARED, 0, 0, 0) == 0);
    file_close(file);
    MUST(file_open(at("/f"), FILE_READ, 0, &file) == 0);
    MUST(file_write(file, "a", 1) == -EBADF);
    file_close(file);
    MUST(file_open(at("/f"), FILE_WRITE, 0, &file) == 0);
    count = 4;
    MUST(file_lend(file, 0, 100, slices, &count) == -EBADF && count == 0);
    MUST(file_read(file, text, 1) == -EBADF);
    file_close(file);
    MUST(file_unlink(at("/f")) == 0);
    return 0;
}

static int check_directory(void)
{
    struct dir_entry entry;
    unsigned count = 0;
    struct file *dir;

    MUST(file_mkdir(at("/here"), 0755) == 0);
    MUST(file_open(at("/"), FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir) == 0);
    while (dir_read(dir, &entry) == 1)
        count +=
            strcmp(entry.name, "here") == 0 && entry.type == FILE_DIRECTORY;
    MUST(count == 1);
    file_close(dir);
    MUST(file_rmdir(at("/here")) == 0);
    return 0;
}

static int each_call(void *arg)
{
    root = arg;
    if (check_names() != 0 || check_data() != 0)
        return 1;
    return check_directory();
}

static int calls_of_all(void *arg)
{
    (void)arg;
    MUST(remote_call(OWNER, each_call, no_prefix) == 0);
    MUST(each_call(far_path) == 0);
    MUST(each_call(winding) == 0);
    MUST(remote_call(2, each_call, no_prefix) == 0);
    return 0;
}

static void test_each_call_from_each_cpu(void **state)
{
    (void)state;
    run(calls_of_all);
}

/* ---- Paths --------------------------------------------------------------- */

static int is_there(const char *path)
{
    struct file_stat stat;

    return file_stat(path, true, &stat);
}

static int edges(void *arg)
{
    struct carried call = {.path = "/near"};
    struct file *file;

    (void)arg;
    /* What is here is not there, and the other way round. */
    MUST(file_mkdir("/near", 0755) == 0);
    MUST(file_mkdir("/far/there", 0755) == 0);
    MUST(is_there("/far/near") == -ENOENT && is_there("/there") == -ENOENT);
    MUST(is_there("/far/../near") == 0);
    MUST(is_there("/far/there/../there") == 0);
    MUST(is_there("/far/../../../near") == 0);
    MUST(is_there("/far/there/../../there") == 0); /* its root is its end */
    /* A link here that leads there, and one there that leads to its root. */
    MUST(file_symlink("far/there", "/link") == 0);
    MUST(is_there("/link") == 0 && is_there("/link/none") == -ENOENT);
    MUST(file_mkdir("/link/x", 0755) == 0 && is_there("/far/there/x") == 0);
    MUST(file_symlink("/there/x", "/far/there/back") == 0);
    MUST(is_there("/link/back") == 0);
    MUST(file_rmdir("/far/there/back") == -ENOTDIR);
    /* Between two CPUs. */
    MUST(file_rename("/near", "/far/near", 0) == -EXDEV);
    MUST(file_rename("/far/there", "/there", 0) == -EXDEV);
    MUST(file_rename("/far/there", "/near", 0) == -EXDEV);
    MUST(file_open("/f", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file_link("/f", "/far/f") == -EXDEV);
    MUST(file_link("/far/there/back", "/f2") == -EXDEV);
    file_close(file);
    /* The portal is a directory that is in use, and a whole root. */
    MUST(file_rmdir("/far") == -EBUSY && file_unlink("/far") == -EISDIR);
    MUST(file_rename("/far", "/f", 0) != 0);
    MUST(file_mkdir("/far/", 0755) == -EEXIST);
    MUST(file_rmdir("/far/") == -EBUSY);
    MUST(is_there("/far/") == 0 && is_there("/far") == 0);
    MUST(is_there("/f/") == -ENOTDIR);
    /* Only its own CPU mounts. */
    MUST(file_mount_memory("/far/there", NULL) == -EXDEV);
    MUST(file_unmount("/far/there") == -EXDEV);
    MUST(file_mount_memory("/far", NULL) == -EBUSY);
    MUST(file_mount_cpu(OWNER, "/far") == -EBUSY);
    MUST(file_mount_cpu(0, "/near") == -EINVAL);
    MUST(file_mount_cpu(CPUS, "/near") == -EINVAL);
    /* To two other CPUs. */
    MUST(file_mount_cpu(2, "/near") == 0);
    MUST(file_rename("/far/there", "/near/there", 0) == -EXDEV);
    MUST(file_unmount("/near") == 0);
    /* What does not lead away any more when it is looked at again. */
    MUST(carry_path(&call) == -ENOENT);
    call.path = "/none/x";
    MUST(carry_path(&call) == -ENOENT);
    call.path = "";
    MUST(carry_path(&call) == -ENOENT);
    return 0;
}

static void test_paths(void **state)
{
    (void)state;
    run(edges);
}

/* CPU 2 sees CPU 1 and, behind that, would see CPU 0. */
static int mount_back(void *arg)
{
    (void)arg;
    MUST(file_mkdir("/back", 0755) == 0);
    MUST(file_mount_cpu(0, "/back") == 0);
    return 0;
}

static int chain(void *arg)
{
    struct file *file;
    char buf[32];

    (void)arg;
    MUST(remote_call(OWNER, mount_back, NULL) == 0);
    MUST(file_mkdir("/near", 0755) == 0);
    MUST(is_there("/far/back/near") == -EXDEV);
    MUST(is_there("/far/back") == -EXDEV);
    MUST(file_mkdir("/far/back/x", 0755) == -EXDEV);
    MUST(file_unlink("/far/back/near/x") == -EXDEV);
    MUST(file_rename("/far/back/near", "/far/x", 0) == -EXDEV);
    MUST(file_link("/far/back/near", "/far/x") == -EXDEV);
    MUST(file_chdir("/far/back") == -EXDEV);
    MUST(file_open("/far/back/f", RW | FILE_CREATE, 0, &file) == -EXDEV);
    MUST(file_read_link("/far/back/f", buf, 32) == -EXDEV);
    MUST(remote_call(OWNER, unmount, back_path) == 0);
    return 0;
}

static void test_a_call_is_carried_once(void **state)
{
    (void)state;
    run(chain);
}

static int nothing_there(void *arg)
{
    (void)arg;
    /* CPU 1 has no files at all. */
    MUST(file_mount_cpu(OWNER, "/") == 0);
    MUST(is_there("/") == -ENOENT && is_there("/a") == -ENOENT);
    MUST(is_there("a") == -ENOENT && is_there("") == -ENOENT);
    MUST(remote_call(OWNER, mount_own, NULL) == 0);
    MUST(is_there("/") == 0 && is_there(".") == 0);
    MUST(file_unmount("/") == 0);
    MUST(remote_call(OWNER, unmount, slash) == 0);
    return 0;
}

static void test_what_is_mounted_there_may_come_later(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, 16 << 20, nothing_there, NULL), 0);
}

/* ---- The working directory ----------------------------------------------- */

static bool cwd_is(const char *expected)
{
    char buf[64];

    return file_getcwd(buf, sizeof(buf)) == (int64_t)strlen(expected) &&
           strcmp(buf, expected) == 0;
}

static int directories(void *arg)
{
    const char *prefix = arg;
    char path[64], buf[8];

    root = prefix;
    MUST(file_mkdir(at("/a"), 0755) == 0 && file_mkdir(at("/a/b"), 0755) == 0);
    MUST(file_chdir(at("/a")) == 0);
    (void)snprintf(path, sizeof(path), "%s/a", prefix);
    MUST(cwd_is(path));
    MUST(file_getcwd(buf, strlen(path)) == -ERANGE);
    MUST(file_getcwd(buf, 2) == -ERANGE);
    MUST(file_getcwd(buf, 1) == -ERANGE);
    MUST(is_there("b") == 0 && is_there("a") == -ENOENT);
    MUST(is_there("../a/b") == 0 && is_there(".") == 0);
    MUST(is_there(at("/a/b")) == 0);
    MUST(file_rename("b", at("/c"), 0) == 0);
    MUST(file_rename(at("/c"), "b", 0) == 0);
    MUST(file_chdir("b") == 0 && file_chdir("none") == -ENOENT);
    (void)snprintf(path, sizeof(path), "%s/a/b", prefix);
    MUST(cwd_is(path));
    MUST(file_chdir("..") == 0 && file_chdir("..") == 0);
    MUST(cwd_is(prefix[0] == '\0' ? "/" : prefix));
    MUST(file_chdir("..") == 0 && is_there("a") == 0);
    MUST(file_chdir("a/b") == 0);
    MUST(file_rmdir(at("/a/b")) == 0);
    MUST(is_there(".") == 0 && is_there("x") == -ENOENT);
    MUST(file_mkdir("x", 0755) == -ENOENT);
    MUST(file_getcwd(path, sizeof(path)) == -ENOENT);
    MUST(file_chdir("/") == 0 && cwd_is("/"));
    MUST(file_rmdir(at("/a")) == 0);
    MUST(file_make_node(at("/n"), FILE_FIFO, 0600, 0) == 0);
    MUST(file_chdir(at("/n")) == -ENOTDIR && cwd_is("/"));
    MUST(file_unlink(at("/n")) == 0);
    return 0;
}

/* It ends there: what it holds is given back, or unmounting fails. */
static int leave_it(void *arg)
{
    MUST(file_chdir(arg) == 0);
    return thread_migrate(0) == -EBUSY ? 0 : 1;
}

/* It waits for the other CPU while it is told to move. */
static int enter_and_go(void *arg)
{
    MUST(file_chdir(arg) == -EBUSY);
    thread_yield();
    return cpu_self()->id == 2 ? 0 : 1;
}

static int move_and_enter(void *arg)
{
    const struct thread_attr here = {.place = THREAD_ON_CPU, .cpu = 0};
    thread_id id;
    int value;

    (void)arg;
    MUST(file_mkdir("/far/stay", 0755) == 0);
    MUST(thread_create(&here, enter_and_go, far_stay, &id) == 0);
    thread_yield();
    MUST(thread_move(id, 2) == 0);
    MUST(thread_join(id, &value) == 0 && value == 0);
    return 0;
}

static void test_who_goes_away_does_not_move(void **state)
{
    (void)state;
    run(move_and_enter);
}

static int cwd_of_all(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 2};
    thread_id id;
    int status;

    (void)arg;
    MUST(directories(far_path) == 0);
    MUST(remote_call(2, directories, no_prefix) == 0);
    MUST(file_mkdir("/far/stay", 0755) == 0);
    MUST(thread_create(&there, leave_it, stay_path, &id) == 0);
    MUST(thread_join(id, &status) == 0 && status == 0);
    MUST(file_chdir("/far/stay") == 0);
    MUST(file_unmount("/far") == -EBUSY);
    MUST(file_chdir("/") == 0);
    return 0;
}

static void test_working_directories(void **state)
{
    (void)state;
    run(cwd_of_all);
}

/* ---- Threads of the owner ------------------------------------------------ */

/* Wait until as many threads of the owner carry out calls, or are there to. */
struct servers {
    unsigned threads;
    unsigned idle;
};

static int have_come(void *arg)
{
    const struct serving *serving = &mount_table_of(cpu_self())->serving;
    const struct servers *want = arg;

    vfs_check();
    return serving->threads == want->threads &&
           serving->idle_count == want->idle;
}

static bool come(unsigned threads, unsigned idle)
{
    struct servers want = {threads, idle};

    for (unsigned i = 0; i < 10000; i++) {
        if (remote_call(OWNER, have_come, &want) == 1)
            return true;
        thread_sleep(NS_PER_MS);
    }
    return false;
}

/* ---- Memory of the owner ------------------------------------------------- */

static int starve(void *arg)
{
    heap_fail((uintptr_t)arg);
    return 0;
}

static int heal(void *arg)
{
    (void)arg;
    heap_fail(0);
    return 0;
}

/* ---- Many at once -------------------------------------------------------- */

enum { CALLERS = 40, LINES = 20 };

/* Each appends its lines to one file: nothing is lost, and each sees its own in
 * order. */
static int append(void *arg)
{
    struct file *file = arg;
    unsigned char line[2] = {(unsigned char)(thread_self() % 251), 0};

    for (unsigned i = 0; i < LINES; i++) {
        line[1] = (unsigned char)i;
        MUST(file_write(file, line, 2) == 2);
    }
    return 0;
}

static int crowd(void *arg)
{
    thread_id ids[CALLERS];
    struct file *file;
    struct file_stat stat;
    int status;

    (void)arg;
    MUST(file_open("/far/log", RW | FILE_CREATE | FILE_APPEND, 0644, &file) ==
         0);
    for (unsigned i = 0; i < CALLERS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU,
                                         .cpu = i % CPUS};

        MUST(thread_create(&attr, append, file, &ids[i]) == 0);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        MUST(thread_join(ids[i], &status) == 0 && status == 0);
    MUST(file_fstat(file, &stat) == 0);
    MUST(stat.size_bytes == CALLERS * LINES * 2);
    file_close(file);
    return 0;
}

static void test_many_callers(void **state)
{
    (void)state;
    run(crowd);
}

/* More threads wait for a lock than there are threads to carry out calls: who
 * has it can still give it back. */
static int lock_once(void *arg)
{
    struct file *file;

    (void)arg;
    MUST(file_open("/far/lock", RW, 0, &file) == 0);
    MUST(file_lock(file, FILE_LOCK_EXCLUSIVE, 0, 0, TIME_NEVER) == 0);
    thread_yield();
    file_close(file);
    return 0;
}

static int locks(void *arg)
{
    thread_id ids[CALLERS];
    struct file *file;
    int status;

    (void)arg;
    MUST(file_open("/far/lock", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file_lock(file, FILE_LOCK_EXCLUSIVE, 0, 0, 0) == 0);
    for (unsigned i = 0; i < CALLERS; i++)
        MUST(thread_create(NULL, lock_once, NULL, &ids[i]) == 0);
    MUST(come(16, 0)); /* all that there may be */
    MUST(file_lock(file, FILE_UNLOCK, 0, 0, 0) == 0);
    for (unsigned i = 0; i < CALLERS; i++)
        MUST(thread_join(ids[i], &status) == 0 && status == 0);
    MUST(come(4, 4)); /* those that are kept */
    file_close(file);
    return 0;
}

static void test_locks_do_not_block_the_others(void **state)
{
    (void)state;
    run(locks);
}

static int lock_for_ever(void *arg)
{
    MUST(file_lock(arg, FILE_LOCK_EXCLUSIVE, 0, 0, TIME_NEVER) == 0);
    return 0;
}

static int kill_waiter(void *arg)
{
    struct file *file, *other;
    thread_id id;

    (void)arg;
    MUST(file_open("/far/lock", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file_open("/far/lock", RW, 0, &other) == 0);
    MUST(file_lock(file, FILE_LOCK_EXCLUSIVE, 0, 0, 0) == 0);
    MUST(file_lock(other, FILE_LOCK_SHARED, 0, 0, 0) == -EAGAIN);
    MUST(file_lock(other, FILE_LOCK_SHARED, 0, 0, time_ns() + 30 * NS_PER_MS) ==
         -ETIMEDOUT);
    MUST(thread_create(NULL, lock_for_ever, other, &id) == 0);
    thread_sleep(5 * NS_PER_MS);
    MUST(thread_kill(id) == 0);
    MUST(thread_join(id, NULL) == 0);
    file_close(file);
    /* It has not got it later. */
    MUST(file_open("/far/lock", RW, 0, &file) == 0);
    MUST(file_lock(file, FILE_LOCK_EXCLUSIVE, 0, 0, 0) == 0);
    file_close(other);
    file_close(file);
    return 0;
}

static void test_who_waits_for_a_lock_can_be_killed(void **state)
{
    (void)state;
    run(kill_waiter);
}

/*
 * A thread that carries out a call is killed: the caller is told, and a call
 * that waits is carried out by another one.
 */
static struct wait_queue parked; /* the owner's */

static int park_begin(void *arg)
{
    (void)arg;
    wait_queue_init(&parked);
    return 0;
}

static int64_t run_park(struct carried *call)
{
    (void)call;
    if (wait_killable(&parked, TIME_NEVER) == -EINTR)
        thread_requests_handle();
    return 0;
}

static int kill_server(void *arg)
{
    (void)arg;
    return thread_kill(
        container_of(parked.waiters.next, struct thread, link)->id);
}

static int park_end(void *arg)
{
    (void)arg;
    wait_wake_all(&parked);
    return 0;
}

/* Calls that wait for a thread of the owner. */
static int are_waiting(void *arg)
{
    (void)arg;
    return !queue_empty(&mount_table_of(cpu_self())->serving.calls);
}

static bool becomes(int (*fn)(void *))
{
    for (unsigned i = 0; i < 10000; i++) {
        if (remote_call(OWNER, fn, NULL) == 1)
            return true;
        thread_sleep(NS_PER_MS / 10);
    }
    return false;
}

static int park(void *arg)
{
    struct carried call = {.run = run_park};

    (void)arg;
    return carry_to(&call, OWNER, NULL) == -ECANCELED;
}

static int look(void *arg)
{
    struct file_stat stat;

    (void)arg;
    return file_stat("/far", true, &stat);
}

static int kill_one(void *arg)
{
    enum { SERVERS = 16 };
    thread_id ids[SERVERS + 1];
    int status, killed = 0;

    (void)arg;
    MUST(remote_call(OWNER, park_begin, NULL) == 0);
    for (unsigned i = 0; i < SERVERS; i++)
        MUST(thread_create(NULL, park, NULL, &ids[i]) == 0);
    MUST(come(SERVERS, 0));
    MUST(thread_create(NULL, look, NULL, &ids[SERVERS]) == 0);
    MUST(becomes(are_waiting));
    MUST(remote_call(OWNER, kill_server, NULL) == 0);
    MUST(thread_join(ids[SERVERS], &status) == 0 && status == 0);
    MUST(remote_call(OWNER, park_end, NULL) == 0);
    for (unsigned i = 0; i < SERVERS; i++) {
        MUST(thread_join(ids[i], &status) == 0);
        killed += status;
    }
    MUST(killed == 1);
    MUST(come(4, 4));
    return 0;
}

static void test_a_server_is_killed(void **state)
{
    (void)state;
    run(kill_one);
}

/* ---- Files that change hands --------------------------------------------- */

static int close_it(void *arg)
{
    char c;

    MUST(file_read(arg, &c, 1) == 1 && c == 'x');
    file_close(arg);
    return 0;
}

static int hand_over(void *arg)
{
    struct file *file;

    (void)arg;
    MUST(file_open("/f", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file->cpu == 0);
    MUST(file_write_at(file, "x", 1, 0) == 1);
    /* CPU 0 carries out calls for the first time. */
    MUST(remote_call(2, close_it, file) == 0);
    return 0;
}

/* There is no memory for the first thread that carries out calls: a call says
 * so, and closing waits for it. */
static int read_and_close(void *arg)
{
    char c;

    MUST(file_read(arg, &c, 1) == -ENOMEM);
    file_close(arg);
    return 0;
}

static int close_it_only(void *arg)
{
    file_close(arg);
    return 0;
}

static int hand_over_starved(void *arg)
{
    struct file *file;

    (void)arg;
    MUST(file_open("/f", RW | FILE_CREATE, 0644, &file) == 0);
    heap_fail(1);
    MUST(remote_call(2, read_and_close, file) == 0);
    MUST(heap_failed());
    vfs_check();
    return 0;
}

static int close_starved(void *arg)
{
    struct file *file;

    (void)arg;
    MUST(file_open("/f", RW | FILE_CREATE, 0644, &file) == 0);
    heap_fail(1);
    MUST(remote_call(2, close_it_only, file) == 0);
    MUST(heap_failed());
    return 0;
}

static void test_no_memory_to_carry_out_calls(void **state)
{
    (void)state;
    run(hand_over_starved);
    run(close_starved);
}

static void test_a_file_is_closed_elsewhere(void **state)
{
    (void)state;
    run(hand_over);
}

/* ---- Slices -------------------------------------------------------------- */

/* After the loans have come home, nobody has the page: what is written is
 * written where it is. */
static int lend_and_write(void *arg)
{
    const uint8_t *base;
    struct slice slice;
    struct file *file;
    unsigned count = 1;

    (void)arg;
    MUST(file_open("/far/f", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file_write(file, "before", 6) == 6);
    MUST(file_lend(file, 0, 6, &slice, &count) == 6 && count == 1);
    base = slice_data(&slice);
    MUST(file_write_at(file, "behind", 6, 0) == 6); /* into a copy */
    MUST(memcmp(base, "before", 6) == 0);
    buf_put(slice.buf);
    MUST(file_lend(file, 0, 6, &slice, &count) == 6);
    base = slice_data(&slice);
    MUST(memcmp(base, "behind", 6) == 0);
    buf_put(slice.buf);
    MUST(file_write_at(file, "in it.", 6, 0) == 6);
    MUST(file_lend(file, 0, 6, &slice, &count) == 6);
    MUST(slice_data(&slice) == base && memcmp(base, "in it.", 6) == 0);
    buf_put(slice.buf);
    file_close(file);
    return 0;
}

static void test_slices_come_home(void **state)
{
    (void)state;
    run(lend_and_write);
}

/* ---- No memory ----------------------------------------------------------- */

/* The n-th allocation of the owner fails, for every n. */
static int short_of_memory(void *arg)
{
    struct slice slices[2];
    struct file *file;
    unsigned failures = 0, count = 1;
    const uint8_t *base;
    int64_t got;

    (void)arg;
    MUST(file_open("/far/f", RW | FILE_CREATE, 0644, &file) == 0);
    MUST(file_write_at(file, "x", 1, 0) == 1);
    MUST(file_write_at(file, "x", 1, 5000) == 1);
    MUST(file_lend(file, 0, 1, slices, &count) == 1);
    base = slice_data(&slices[0]);
    buf_put(slices[0].buf);
    for (uintptr_t n = 1;; n++) {
        count = 2;
        MUST(remote_call(OWNER, starve, (void *)n) == 0);
        got = file_lend(file, 0, 6000, slices, &count);
        MUST(remote_call(OWNER, heal, NULL) == 0);
        if (got > 0)
            break;
        MUST(got == -ENOMEM && count == 0);
        failures++;
        /* Of a page that nobody has, no copy is made. */
        MUST(file_write_at(file, "y", 1, 0) == 1);
    }
    MUST(failures >= 2); /* the two loans */
    MUST(got == 5001 && count == 2);
    MUST(slice_data(&slices[0]) == base);
    buf_put(slices[0].buf);
    buf_put(slices[1].buf);
    file_close(file);
    return 0;
}

static void test_no_memory_for_loans(void **state)
{
    (void)state;
    run(short_of_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_from_each_cpu),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_a_call_is_carried_once),
        cmocka_unit_test(test_what_is_mounted_there_may_come_later),
        cmocka_unit_test(test_working_directories),
        cmocka_unit_test(test_who_goes_away_does_not_move),
        cmocka_unit_test(test_a_server_is_killed),
        cmocka_unit_test(test_many_callers),
        cmocka_unit_test(test_locks_do_not_block_the_others),
        cmocka_unit_test(test_who_waits_for_a_lock_can_be_killed),
        cmocka_unit_test(test_a_file_is_closed_elsewhere),
        cmocka_unit_test(test_no_memory_to_carry_out_calls),
        cmocka_unit_test(test_slices_come_home),
        cmocka_unit_test(test_no_memory_for_loans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
