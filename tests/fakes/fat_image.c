#include "tests/fakes/fat_image.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file.h>
#include <unistd.h>

/* Names are UTF-8 for mtools. */
#define TOOLS "PATH=$PATH:/sbin:/usr/sbin LC_ALL=C.UTF-8 TZ=UTC "

static char full_tree[] = "/tmp/torc_fat_XXXXXX";
static char extracted[64];

/* Of what system() has returned: a program that crashed has no status. */
static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    char command[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command);
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s\n", what);
        abort();
    }
}

/* ---- Trees --------------------------------------------------------------- */

static void remove_tree(void)
{
    (void)!run("rm -rf %s", full_tree);
}

static void put(const char *dir, const char *name, size_t size)
{
    char path[700];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    must(file != NULL, path);
    for (size_t i = 0; i < size; i++)
        fputc((int)(i * 31 + i / 251 + size), file);
    fclose(file);
}

static void fill(const char *dir)
{
    static const unsigned sizes[] = {0,     1,     511,   512,   513,
                                     4095,  4096,  4097,  32768, 65535,
                                     65536, 65537, 100000};
    static const char *const names[] = {
        "UPPER.TXT",
        "lower.txt",
        "Mixed Case.Text",
        "no_ext",
        "many.dots.in.it.c",
        ".hidden",
        " blank in front",
        "plus+comma,semi;eq=br[a]",
        "thirteenunits",
        "twentysixunitsinthisname01",
        "\xc3\xa4\xc3\xb6\xc3\xbc and more.txt",    /* umlauts */
        "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5", /* Cyrillic */
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",     /* Japanese */
    };
    char name[300];

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(name, sizeof(name), "size-%u", sizes[i]);
        put(dir, name, sizes[i]);
    }
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(dir, names[i], 20 + i);
    must(run("cd %s && mkdir -p a/b/c/d many 'A Directory' && "
             "echo deep >a/b/c/d/file && "
             "for i in $(seq 300); do echo $i >many/entry-number-$i; done",
             dir) == 0,
         "tree");
    memcpy(name, "a/b/", 4);
    memset(name + 4, 'n', 255);
    name[4 + 255] = '\0';
    put(dir, name, 10);
}

const char *fat_tree(void)
{
    if (strstr(full_tree, "XXXXXX") != NULL) {
        must(mkdtemp(full_tree) != NULL, "mkdtemp");
        atexit(remove_tree);
        fill(full_tree);
    }
    return full_tree;
}

/* ---- Images -------------------------------------------------------------- */

static uint8_t *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "r");
    struct stat st;
    uint8_t *data;

    must(file != NULL && fstat(fileno(file), &st) == 0, path);
    data = malloc((size_t)st.st_size);
    must(fread(data, 1, (size_t)st.st_size, file) == (size_t)st.st_size, path);
    fclose(file);
    *size = (size_t)st.st_size;
    return data;
}

static void store(char *path, const uint8_t *data, size_t size)
{
    int fd = mkstemp(path);

    must(fd >= 0, path);
    for (size_t done = 0; done < size;) {
        ssize_t part = write(fd, data + done, size - done);

        must(part > 0, path);
        done += (size_t)part;
    }
    close(fd);
}

uint8_t *fat_image(const char *options, const char *dir, unsigned kib,
                   size_t *size)
{
    char path[] = "/tmp/torc_image_XXXXXX";
    uint8_t *image;

    close(mkstemp(path));
    must(truncate(path, (off_t)kib << 10) == 0, path);
    must(run(TOOLS "mkfs.fat --invariant %s %s >/dev/null 2>&1", options,
             path) == 0,
         options);
    if (dir != NULL)
        must(run("cd %s && " TOOLS "mmd -i %s ::/t && " TOOLS
                 "mcopy -s -m -Q -i %s * .[!.]* ::/t/ </dev/null",
                 dir, path, path) == 0,
             "mcopy");
    image = load(path, size);
    unlink(path);
    return image;
}

/* Run a tool on an image and take what it has become. */
static int with_image(uint8_t *image, size_t size, const char *before,
                      const char *behind)
{
    char path[] = "/tmp/torc_image_XXXXXX";
    uint8_t *changed;
    size_t new_size;
    int status;

    store(path, image, size);
    status = run(TOOLS "%s %s %s", before, path, behind);
    changed = load(path, &new_size);
    must(new_size == size, before);
    memcpy(image, changed, size);
    free(changed);
    unlink(path);
    return exit_status(status);
}

/* Print a file, and remove it. */
static void show(const char *path, bool is_wanted)
{
    char line[400];
    FILE *file = fopen(path, "r");

    must(file != NULL, path);
    while (is_wanted && fgets(line, sizeof(line), file) != NULL)
        fputs(line, stdout);
    fclose(file);
    unlink(path);
}

int fat_fsck(uint8_t *image, size_t size, bool mend)
{
    char path[] = "/tmp/torc_image_XXXXXX", log[sizeof(path) + 4];
    int status;

    if (mend)
        return with_image(image, size, "exec fsck.fat -a", ">/dev/null");
    store(path, image, size);
    snprintf(log, sizeof(log), "%s.log", path);
    status = exit_status(run(TOOLS "exec fsck.fat -n %s >%s", path, log));
    show(log, status != 0);
    unlink(path);
    return status;
}

void fat_mtools(uint8_t *image, size_t size, const char *command)
{
    const char *place = strstr(command, "IMAGE");
    char before[1000];

    must(place != NULL, command);
    snprintf(before, sizeof(before), "%.*s", (int)(place - command), command);
    must(with_image(image, size, before, place + strlen("IMAGE")) == 0,
         command);
}

const char *fat_extract(const uint8_t *image, size_t size)
{
    char path[] = "/tmp/torc_image_XXXXXX";

    store(path, image, size);
    strcpy(extracted, "/tmp/torc_out_XXXXXX");
    must(mkdtemp(extracted) != NULL, extracted);
    /* mcopy takes the number of the last cluster, which is one more than there
     * are clusters, for a mistake: it is told not to check. fat_fsck() does. */
    must(run("cd %s && " TOOLS
             "MTOOLS_SKIP_CHECK=1 mcopy -s -m -n -i %s :: . </dev/null",
             extracted, path) == 0,
         "mcopy");
    unlink(path);
    return extracted;
}

void fat_extracted_end(void)
{
    (void)!run("rm -rf %s", extracted);
}

/* ---- Comparing ----------------------------------------------------------- */

static unsigned differ(const char *path, const char *how)
{
    fprintf(stderr, "%s: %s\n", path, how);
    return 1;
}

static unsigned compare_file(const char *path, const char *host)
{
    static uint8_t ours[1 << 17], theirs[1 << 17];
    struct file *file;
    FILE *other = fopen(host, "r");
    size_t want = fread(theirs, 1, sizeof(theirs), other);
    int64_t got;

    fclose(other);
    if (file_open(path, FILE_READ, 0, &file) != 0)
        return differ(path, "cannot be opened");
    got = file_read(file, ours, sizeof(ours));
    file_close(file);
    if (got != (int64_t)want)
        return differ(path, "another size");
    return memcmp(ours, theirs, want) == 0 ? 0 : differ(path, "other bytes");
}

/* How many entries a mounted directory has, but "." and "..". */
static unsigned count(const char *path)
{
    struct dir_entry entry;
    struct file *dir;
    unsigned entries = 0;

    if (file_open(path, FILE_READ, 0, &dir) != 0)
        return 0;
    while (dir_read(dir, &entry) == 1)
        entries +=
            strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0;
    file_close(dir);
    return entries;
}

/* Whether a mounted directory lists a name, just so. */
static bool lists(const char *path, const char *name)
{
    struct dir_entry entry;
    struct file *dir;
    bool found = false;

    if (file_open(path, FILE_READ, 0, &dir) != 0)
        return false;
    while (!found && dir_read(dir, &entry) == 1)
        found = strcmp(entry.name, name) == 0;
    file_close(dir);
    return found;
}

unsigned fat_compare(const char *path, const char *host)
{
    DIR *dir = opendir(host);
    unsigned wrong = 0, entries = 0;
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        char ours[1000], theirs[1000];
        struct file_stat stat;
        struct stat st;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        entries++;
        snprintf(ours, sizeof(ours), "%s/%s",
                 strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        snprintf(theirs, sizeof(theirs), "%s/%s", host, entry->d_name);
        if (!lists(path, entry->d_name))
            wrong += differ(ours, "is not listed");
        if (file_stat(ours, false, &stat) != 0 || lstat(theirs, &st) != 0)
            wrong += differ(ours, "is not there");
        else if ((stat.type == FILE_DIRECTORY) != S_ISDIR(st.st_mode))
            wrong += differ(ours, "another kind");
        else if (S_ISDIR(st.st_mode))
            wrong += fat_compare(ours, theirs);
        else
            wrong += compare_file(ours, theirs);
    }
    closedir(dir);
    if (count(path) != entries)
        wrong += differ(path, "another number of entries");
    return wrong;
}
