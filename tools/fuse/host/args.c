/* The arguments of torc-fuse: args.h. docs/man/torc-fuse.8 says the same. */
#include "tools/fuse/host/args.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEM_DEFAULT_MIB = 256, MEM_MIN_MIB = 8 };

const char args_help[] =
    "torc-fuse [-fdhV] [-o OPTION[,OPTION]...] IMAGE DIR\n"
    "       torc-fuse [-fdhV] [-o OPTION[,OPTION]...] --memory DIR\n"
    "Mount the ext2 file system of an image, or an empty one in memory, on "
    "DIR.\n"
    "\n"
    "  -f, --foreground  do not go into the background\n"
    "  -d, --debug       print each request; implies -f\n"
    "      --memory      files in memory: they are gone when it is unmounted\n"
    "  -h, --help        this text\n"
    "  -V, --version     which version this is\n"
    "\n"
    "Options for -o:\n"
    "  ro, rw            read only; or read and write, which is the default\n"
    "  offset=BYTES      where the file system begins in the image\n"
    "  part=N            the file system is in partition N of the image\n"
    "  mem=SIZE          memory for the file system and its cache, with k, m "
    "or g\n"
    "                    (256m); with --memory the files are in it\n"
    "  size=SIZE         with --memory: the most that files may hold\n"
    "  inodes=N          with --memory: the most that there may be\n"
    "  writeback         Linux keeps for a while what is written to files\n"
    "  no_default_permissions\n"
    "                    Linux does not check modes and owners; nobody does\n"
    "  allow_other, allow_root\n"
    "                    users may use it who have not mounted it\n"
    "  fsname=NAME       its name in the list of mounts (that of the image)\n"
    "and what mount(8) knows of all file systems: nosuid, suid, nodev, dev,\n"
    "noexec, exec, noatime, nodiratime, sync, async, dirsync.\n";

struct parser {
    struct fuse_config *config;
    char *error;
    size_t error_size;
    const char *fsname;
};

static int refuse(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct parser *parser, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(parser->error, parser->error_size, format, list);
    va_end(list);
    return -EINVAL;
}

/* ---- Values -------------------------------------------------------------- */

/* A number, with `units` perhaps one of k, m, g. Returns 0, -EINVAL. */
static int number_parse(const char *text, bool units, uint64_t *out)
{
    static const char letters[] = "kmg";
    const char *letter;
    unsigned shift = 0;
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (units && *end != '\0' && (letter = strchr(letters, *end)) != NULL) {
        shift = 10 * (unsigned)(letter - letters + 1);
        end++;
    }
    if (errno != 0 || *end != '\0' || *out > UINT64_MAX >> shift)
        return -EINVAL;
    *out <<= shift;
    return 0;
}

static int size_option(struct parser *parser, const char *word,
                       const char *value, uint64_t *out)
{
    if (number_parse(value, true, out) == 0)
        return 0;
    return refuse(parser, "-o %s=SIZE: give a size such as 64m", word);
}

/* ---- Options of -o ------------------------------------------------------- */

enum option_kind {
    OPTION_FLAG,  /* a bool of the configuration */
    OPTION_SIZE,  /* a uint64_t */
    OPTION_MOUNT, /* libfuse's, or Linux's */
    OPTION_MEM,   /* these four have rules of their own */
    OPTION_PART,
    OPTION_NAME,
    OPTION_RO,
    OPTION_NOTHING /* that is so anyway */
};

static const struct option_row {
    const char *word;
    enum option_kind kind;
    size_t where; /* in struct fuse_config */
} option_rows[] = {
    {"ro", OPTION_RO, 0},
    {"rw", OPTION_NOTHING, 0},
    {"default_permissions", OPTION_NOTHING, 0},
    {"offset", OPTION_SIZE, offsetof(struct fuse_config, image.offset)},
    {"size", OPTION_SIZE, offsetof(struct fuse_config, limit_bytes)},
    {"inodes", OPTION_SIZE, offsetof(struct fuse_config, limit_inodes)},
    {"mem", OPTION_MEM, 0},
    {"part", OPTION_PART, 0},
    {"fsname", OPTION_NAME, 0},
    {"writeback", OPTION_FLAG, offsetof(struct fuse_config, writeback)},
    {"no_default_permissions", OPTION_FLAG,
     offsetof(struct fuse_config, no_permissions)},
    {"allow_other", OPTION_MOUNT, 0},
    {"allow_root", OPTION_MOUNT, 0},
    {"nosuid", OPTION_MOUNT, 0},
    {"suid", OPTION_MOUNT, 0},
    {"nodev", OPTION_MOUNT, 0},
    {"dev", OPTION_MOUNT, 0},
    {"noexec", OPTION_MOUNT, 0},
    {"exec", OPTION_MOUNT, 0},
    {"noatime", OPTION_MOUNT, 0},
    {"nodiratime", OPTION_MOUNT, 0},
    {"sync", OPTION_MOUNT, 0},
    {"async", OPTION_MOUNT, 0},
    {"dirsync", OPTION_MOUNT, 0},
};

/* For libfuse; a comma or backslash in `value` is escaped. */
static int mount_add(struct parser *parser, const char *word, const char *value)
{
    char *options = parser->config->mount_options;
    const size_t size = sizeof(parser->config->mount_options);
    size_t len = strlen(options);

    len += (size_t)snprintf(options + len, size - len, "%s%s%s",
                            len > 0 ? "," : "", word, value != NULL ? "=" : "");
    for (; value != NULL && *value != '\0' && len + 2 < size; value++) {
        if (*value == ',' || *value == '\\')
            options[len++] = '\\';
        options[len++] = *value;
        options[len] = '\0';
    }
    return len + 2 < size ? 0 : refuse(parser, "-o: the options are too long");
}

static int mem_option(struct parser *parser, const char *value)
{
    uint64_t bytes;
    int status = size_option(parser, "mem", value, &bytes);

    if (status == 0 && (bytes >> 20) < MEM_MIN_MIB)
        return refuse(parser, "-o mem=%s: too little, at least %dm", value,
                      MEM_MIN_MIB);
    if (status == 0)
        parser->config->mem_bytes = bytes;
    return status;
}

static int part_option(struct parser *parser, const char *value)
{
    uint64_t number;

    if (number_parse(value, false, &number) != 0 || number < 1 || number > 128)
        return refuse(parser, "-o part=N: give a number from 1 to 128");
    parser->config->image.partition = (unsigned)number;
    return 0;
}

static int row_apply(struct parser *parser, const struct option_row *row,
                     const char *value)
{
    void *field = (char *)parser->config + row->where;

    switch (row->kind) {
    case OPTION_SIZE:
        return size_option(parser, row->word, value, field);
    case OPTION_MEM:
        return mem_option(parser, value);
    case OPTION_PART:
        return part_option(parser, value);
    case OPTION_NAME:
        parser->fsname = value != NULL ? value : "";
        return 0;
    default:
        break;
    }
    if (value != NULL)
        return refuse(parser, "-o %s: it takes no value", row->word);
    if (row->kind == OPTION_FLAG)
        *(bool *)field = true;
    if (row->kind == OPTION_RO)
        parser->config->image.read_only = true;
    return row->kind == OPTION_MOUNT ? mount_add(parser, row->word, NULL) : 0;
}

static int options_parse(struct parser *parser, char *list)
{
    char *rest = list, *word;
    int status = 0;

    while (status == 0 && (word = strsep(&rest, ",")) != NULL) {
        char *value = strchr(word, '=');
        size_t i = 0;

        if (value != NULL)
            *value++ = '\0';
        while (i < sizeof(option_rows) / sizeof(option_rows[0]) &&
               strcmp(option_rows[i].word, word) != 0)
            i++;
        if (i == sizeof(option_rows) / sizeof(option_rows[0]))
            status = refuse(parser, "-o %s: there is no such option", word);
        else
            status = row_apply(parser, &option_rows[i], value);
    }
    return status;
}

/* ---- All ----------------------------------------------------------------- */

/* What is left are the image and the place. */
static int names_parse(struct parser *parser, int count, char **names,
                       bool memory)
{
    struct fuse_config *config = parser->config;

    if (count != (memory ? 1 : 2))
        return refuse(parser, memory ? "give one name: the directory"
                                     : "give two names: the image, and the "
                                       "directory to mount on");
    config->image.path = memory ? NULL : names[0];
    config->mountpoint = names[count - 1];
    if (memory && (config->image.offset != 0 || config->image.partition != 0))
        return refuse(parser, "-o offset, part: they are for images");
    if (!memory && (config->limit_bytes != 0 || config->limit_inodes != 0))
        return refuse(parser, "-o size, inodes: they are for --memory");
    if (config->image.offset != 0 && config->image.partition != 0)
        return refuse(parser, "-o offset, part: give one of them");
    if (config->image.offset % 512 != 0)
        return refuse(parser, "-o offset: give a multiple of 512");
    return 0;
}

static int mount_options_end(struct parser *parser)
{
    struct fuse_config *config = parser->config;
    const char *name =
        config->image.path != NULL ? config->image.path : "memory";
    int status = mount_add(parser, "fsname",
                           parser->fsname != NULL ? parser->fsname : name);

    if (status == 0)
        status = mount_add(parser, "subtype", "torc");
    if (status == 0 && config->image.read_only)
        status = mount_add(parser, "ro", NULL);
    if (status == 0 && !config->no_permissions)
        status = mount_add(parser, "default_permissions", NULL);
    return status;
}

enum args_result args_parse(int argc, char **argv, struct fuse_config *config,
                            char *error, size_t size)
{
    static const struct option longs[] = {
        {"foreground", no_argument, NULL, 'f'},
        {"debug", no_argument, NULL, 'd'},
        {"memory", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct parser parser = {config, error, size, NULL};
    bool memory = false;
    int letter, status = 0;

    *config = (struct fuse_config){.mem_bytes = (size_t)MEM_DEFAULT_MIB << 20};
    opterr = 0;
    optind = 0;
    while (status == 0 &&
           (letter = getopt_long(argc, argv, "fdhVo:", longs, NULL)) != -1) {
        if (letter == 'h')
            return ARGS_HELP;
        if (letter == 'V')
            return ARGS_VERSION;
        config->foreground |= letter == 'f' || letter == 'd';
        config->debug |= letter == 'd';
        memory |= letter == 'm';
        if (letter == 'o')
            status = options_parse(&parser, optarg);
        if (letter == '?')
            status = refuse(&parser,
                            "%s: there is no such option, or it lacks "
                            "its value",
                            argv[optind - 1]);
    }
    if (status == 0)
        status = names_parse(&parser, argc - optind, argv + optind, memory);
    if (status == 0)
        status = mount_options_end(&parser);
    return status == 0 ? ARGS_RUN : ARGS_WRONG;
}
