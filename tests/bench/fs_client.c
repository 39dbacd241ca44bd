/*
 * What programs do with a file system: one row of `make bench-fs`.
 *
 *     fs_client DIR ROW...
 *
 * Rows are carried out in their order in a directory that is empty at first.
 * Prints "ROW RATE" for each: operations, or MiB, a second. A row that does not
 * succeed ends it with a line on stderr.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILES = 10000,
    FILE_BYTES = 1024,
    TREE_DIRS = 50, /* for a walk: with TREE_FILES each */
    TREE_FILES = 100,
    BIG_MIB = 128,
    CHUNK = 1 << 20,
    RANDOM_OPS = 20000,
    PAGE = 4096,
};

static char buffer[CHUNK];
static const char *place;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int good, const char *what)
{
    if (!good)
        err(1, "%s", what);
}

static const char *name_of(char letter, int number)
{
    static char name[32];

    snprintf(name, sizeof(name), "%c%05d", letter, number);
    return name;
}

/*
 * Let Linux forget names, so that the file system is asked again: what a new
 * set of options for the mount does.
 */
static void names_forget(void)
{
    check(mount("none", place, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL) ==
              0,
          "remount");
}

/* ---- Many files ---------------------------------------------------------- */

static double create(void)
{
    for (int i = 0; i < FILES; i++) {
        int fd = open(name_of('f', i), O_WRONLY | O_CREAT | O_EXCL, 0644);

        check(fd >= 0, "create");
        check(write(fd, buffer, FILE_BYTES) == FILE_BYTES, "write");
        check(close(fd) == 0, "close");
    }
    return FILES;
}

static double stat_all(void)
{
    struct stat stat_buf;

    for (int i = 0; i < FILES; i++)
        check(stat(name_of('f', i), &stat_buf) == 0 &&
                  stat_buf.st_size == FILE_BYTES,
              "stat");
    return FILES;
}

static double read_all(void)
{
    for (int i = 0; i < FILES; i++) {
        int fd = open(name_of('f', i), O_RDONLY);

        check(fd >= 0, "open");
        check(read(fd, buffer, PAGE) == FILE_BYTES, "read");
        check(close(fd) == 0, "close");
    }
    return FILES;
}

static double rename_all(void)
{
    char from[32];

    for (int i = 0; i < FILES; i++) {
        strcpy(from, name_of('f', i));
        check(rename(from, name_of('r', i)) == 0, "rename");
    }
    return FILES;
}

static double unlink_all(void)
{
    for (int i = 0; i < FILES; i++)
        check(unlink(name_of('r', i)) == 0, "unlink");
    return FILES;
}

static double miss_all(void)
{
    for (int i = 0; i < FILES; i++)
        check(access(name_of('m', i), F_OK) != 0 && errno == ENOENT, "miss");
    return FILES;
}

/* ---- A walk -------------------------------------------------------------- */

/* The entries of a directory, and what each is. */
static int walk_one(const char *name)
{
    DIR *dir = opendir(name);
    struct dirent *entry;
    struct stat stat_buf;
    int count = 0;

    check(dir != NULL, "opendir");
    while ((entry = readdir(dir)) != NULL) {
        check(fstatat(dirfd(dir), entry->d_name, &stat_buf,
                      AT_SYMLINK_NOFOLLOW) == 0,
              "fstatat");
        count++;
    }
    closedir(dir);
    return count;
}

static double tree_make(void)
{
    char name[64];

    for (int i = 0; i < TREE_DIRS; i++) {
        strcpy(name, name_of('d', i));
        check(mkdir(name, 0755) == 0, "mkdir");
        for (int k = 0; k < TREE_FILES; k++) {
            char path[96];
            int fd;

            snprintf(path, sizeof(path), "%s/f%05d", name, k);
            fd = open(path, O_WRONLY | O_CREAT, 0644);
            check(fd >= 0, "create");
            close(fd);
        }
    }
    return TREE_DIRS * TREE_FILES;
}

static double walk(void)
{
    int count = walk_one(".");

    for (int i = 0; i < TREE_DIRS; i++)
        count += walk_one(name_of('d', i));
    check(count >= TREE_DIRS * TREE_FILES, "walk");
    return count;
}

/* ---- An archive ---------------------------------------------------------- */

/* Of which ARCHIVE is the path. Returns the MiB that it is long. */
static double untar(void)
{
    const char *archive = getenv("ARCHIVE");
    struct stat stat_buf;
    char command[512];

    check(archive != NULL && stat(archive, &stat_buf) == 0, "ARCHIVE");
    check(mkdir("untar", 0755) == 0, "mkdir");
    snprintf(command, sizeof(command), "tar -C untar -xf '%s'", archive);
    check(system(command) == 0, "tar");
    return (double)stat_buf.st_size / CHUNK;
}

/* ---- A large file -------------------------------------------------------- */

static int big_open(int flags)
{
    int fd = open("big", flags, 0644);

    check(fd >= 0, "open");
    return fd;
}

/* What Linux keeps of the file goes. */
static void big_forget(int fd)
{
    check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
}

static double seq_write(void)
{
    int fd = big_open(O_WRONLY | O_CREAT);

    for (int i = 0; i < BIG_MIB; i++)
        check(write(fd, buffer, CHUNK) == CHUNK, "write");
    check(close(fd) == 0, "close");
    return BIG_MIB;
}

static double seq_read(void)
{
    int fd = big_open(O_RDONLY);

    for (int i = 0; i < BIG_MIB; i++)
        check(read(fd, buffer, CHUNK) == CHUNK, "read");
    close(fd);
    return BIG_MIB;
}

/* The places are the same each time. */
static off_t random_place(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (off_t)((*state >> 33) % (BIG_MIB * (CHUNK / PAGE))) * PAGE;
}

static double random_read(void)
{
    int fd = big_open(O_RDONLY);
    uint64_t state = 1;

    check(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0, "fadvise");
    for (int i = 0; i < RANDOM_OPS; i++)
        check(pread(fd, buffer, PAGE, random_place(&state)) == PAGE, "pread");
    close(fd);
    return RANDOM_OPS;
}

static double random_write(void)
{
    int fd = big_open(O_WRONLY);
    uint64_t state = 2;

    for (int i = 0; i < RANDOM_OPS; i++)
        check(pwrite(fd, buffer, PAGE, random_place(&state)) == PAGE, "pwrite");
    close(fd);
    return RANDOM_OPS;
}

/* ---- Rows ---------------------------------------------------------------- */

enum before { NOTHING, FORGET_NAMES, FORGET_BIG };

static const struct row {
    const char *name;
    double (*run)(void); /* returns how much it has done */
    enum before before;
} rows[] = {
    {"create", create, NOTHING},
    {"stat", stat_all, NOTHING},
    {"stat-cold", stat_all, FORGET_NAMES},
    {"open-read", read_all, FORGET_NAMES},
    {"miss", miss_all, NOTHING},
    {"rename", rename_all, NOTHING},
    {"unlink", unlink_all, NOTHING},
    {"tree", tree_make, NOTHING},
    {"walk", walk, FORGET_NAMES},
    {"walk-again", walk, NOTHING},
    {"untar", untar, NOTHING},
    {"seq-write", seq_write, NOTHING},
    {"seq-rewrite", seq_write, FORGET_BIG},
    {"seq-read", seq_read, FORGET_BIG},
    {"random-read", random_read, FORGET_BIG},
    {"random-write", random_write, NOTHING},
};

static void row_run(const struct row *row)
{
    double begin, done;

    if (row->before == FORGET_NAMES)
        names_forget();
    if (row->before == FORGET_BIG) {
        int fd = big_open(O_RDONLY);

        fsync(fd);
        big_forget(fd);
        close(fd);
    }
    begin = now();
    done = row->run();
    printf("%s %.1f\n", row->name, done / (now() - begin));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    check(argc > 2 && chdir(argv[1]) == 0, "fs_client DIR ROW...");
    place = realpath(".", NULL);
    for (size_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = (char)(i * 7);
    for (int i = 2; i < argc; i++) {
        size_t k = 0;

        while (k < sizeof(rows) / sizeof(rows[0]) &&
               strcmp(rows[k].name, argv[i]) != 0)
            k++;
        if (k == sizeof(rows) / sizeof(rows[0]))
            errx(2, "there is no row %s", argv[i]);
        row_run(&rows[k]);
    }
    return 0;
}
