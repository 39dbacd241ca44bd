#include "tools/mkimg/config.h"
#include "tools/mkimg/source.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <torc/string.h>

enum { STATUS_USAGE = 2 };

static const char help[] =
    "usage: torc-mkimg [OPTION]... IMAGE\n"
    "Make an image with a file system of ext2 or FAT, and fill it.\n"
    "\n"
    "  -t, --type=TYPE     ext2 (the default), fat, fat12, fat16, fat32; fat "
    "is\n"
    "                      the one that is usual for the size\n"
    "\n"
    "What it is filled from, in this order; later ones add, and replace:\n"
    "  -d, --dir=DIR       what is in a directory, and what that is itself\n"
    "  -a, --tar=FILE      what is in an archive of tar (-: the standard "
    "input)\n"
    "  -l, --list=FILE     what the lines of a file say (-: the standard "
    "input):\n"
    "        dir PATH MODE UID GID               file PATH MODE UID GID "
    "SOURCE\n"
    "        symlink PATH MODE UID GID TARGET    link PATH OTHER\n"
    "        fifo PATH MODE UID GID              socket PATH MODE UID GID\n"
    "        char PATH MODE UID GID MAJOR MINOR  block PATH MODE UID GID MAJOR "
    "MINOR\n"
    "        set PATH MODE UID GID               time PATH SECONDS\n"
    "        xattr PATH NAME VALUE\n"
    "      --owner=UID:GID  of all files, whatever the sources say\n"
    "      --no-xattrs     leave out extended attributes of -d and -a\n"
    "\n"
    "How large it is (a number may end in k, m, g):\n"
    "  -s, --size=SIZE     of the file system; auto (the default): as small "
    "as\n"
    "                      there is room for everything, and for\n"
    "      --free=SIZE|N%  so much more; 10% is the default\n"
    "\n"
    "      --table=TABLE   put it in a partition that begins at 1 MiB, by mbr "
    "or\n"
    "                      gpt\n"
    "  -L, --label=LABEL   its name: 16 bytes of ext2, 11 of FAT\n"
    "  -U, --uuid=UUID     its number: of FAT 8 hexadecimal digits\n"
    "      --block-size=N  ext2: bytes of a block, 1024 (the default), 2048, "
    "4096\n"
    "      --inode-size=N  ext2: bytes of an inode, 128 or 256 (the default)\n"
    "      --inodes=N      ext2: how many there are at least\n"
    "      --cluster-size=N  FAT: bytes of a cluster\n"
    "\n"
    "  -q, --quiet         say nothing when all is well\n"
    "  -h, --help          this text\n"
    "  -V, --version       which version this is\n"
    "\n"
    "With SOURCE_DATE_EPOCH in the environment, seconds since 1970, the same\n"
    "sources make the same image, bit for bit.\n";

/* ---- Values -------------------------------------------------------------- */

static int wrong(const char *value, const char *why)
{
    return complain("%s: %s", value, why);
}

static int number_take(const char *value, uint64_t max, uint64_t *out)
{
    if (value[0] < '0' || value[0] > '9' || str_to_u64(value, out) != 0 ||
        *out > max)
        return wrong(value, "this is no number, or it is too large");
    return 0;
}

static int number32_take(const char *value, uint32_t *out)
{
    uint64_t number = 0;
    int status = number_take(value, UINT32_MAX, &number);

    *out = (uint32_t)number;
    return status;
}

static int type_take(struct config *config, const char *value)
{
    static const struct {
        const char *name;
        bool is_fat;
        uint32_t bits;
    } types[] = {{"ext2", false, 0},
                 {"fat", true, 0},
                 {"fat12", true, 12},
                 {"fat16", true, 16},
                 {"fat32", true, 32}};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].name, value) != 0)
            continue;
        config->is_fat = types[i].is_fat;
        config->fat_bits = types[i].bits;
        return 0;
    }
    return wrong(value,
                 "there is no such type: ext2, fat, fat12, fat16, fat32");
}

static int source_take(struct config *config, char kind, const char *value)
{
    if (config->source_count == CONFIG_SOURCES_MAX)
        return wrong(value, "there are too many sources");
    config->source[config->source_count].kind = kind;
    config->source[config->source_count++].path = value;
    return 0;
}

static int size_take(struct config *config, const char *value)
{
    config->size = 0;
    if (strcmp(value, "auto") == 0)
        return 0;
    if (number_take(value, INT64_MAX / 2, &config->size) != 0)
        return -1;
    return config->size > 0 ? 0 : wrong(value, "give a size, or auto");
}

static int free_take(struct config *config, const char *value)
{
    size_t len = strlen(value);
    char *end;
    unsigned long percent;

    config->free_bytes = config->free_percent = 0;
    if (len == 0 || value[len - 1] != '%')
        return number_take(value, INT64_MAX / 2, &config->free_bytes);
    errno = 0;
    percent = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || errno != 0 ||
        end != value + len - 1 || percent > 1000)
        return wrong(value, "give up to 1000%");
    config->free_percent = (uint32_t)percent;
    return 0;
}

static int owner_take(struct config *config, const char *value)
{
    char *end;
    unsigned long uid, gid = ULONG_MAX;

    errno = 0;
    uid = strtoul(value, &end, 10);
    if (*end == ':' && end[1] >= '0' && end[1] <= '9')
        gid = strtoul(end + 1, &end, 10);
    if (value[0] < '0' || value[0] > '9' || errno != 0 || *end != '\0' ||
        uid > UINT32_MAX || gid > UINT32_MAX)
        return wrong(value, "give UID:GID, two numbers");
    config->has_owner = true;
    config->uid = (uint32_t)uid;
    config->gid = (uint32_t)gid;
    return 0;
}

static int table_take(struct config *config, const char *value)
{
    if (strcmp(value, "mbr") != 0 && strcmp(value, "gpt") != 0)
        return wrong(value, "there is no such table: mbr, gpt");
    config->table = value[0] == 'm' ? TABLE_MBR : TABLE_GPT;
    return 0;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return at != NULL && (c < '0' || c > '9' ? c >= 'A' : true)
               ? (int)(at - digits)
               : -1;
}

/* Hexadecimal digits, hyphens between them. */
static int id_take(struct config *config, const char *value)
{
    const size_t bytes = config->is_fat ? 4 : 16;
    size_t count = 0;

    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '-' && at > value && at[1] != '\0')
            continue;
        if (digit(*at) < 0 || count == 2 * bytes)
            return wrong(value, "this is no number for that file system");
        config->id[count / 2] =
            (uint8_t)(config->id[count / 2] << 4 | digit(*at));
        count++;
    }
    config->has_id = count == 2 * bytes;
    return config->has_id
               ? 0
               : wrong(value, "this is no number for that file system");
}

/* ---- Labels -------------------------------------------------------------- */

static bool is_fat_label(const char *label)
{
    for (; *label != '\0'; label++) {
        if (*label < ' ' || *label > '~' || (*label >= 'a' && *label <= 'z') ||
            strchr("\"*/:<>?\\|+,.;=[]", *label) != NULL)
            return false;
    }
    return true;
}

static int label_take(struct config *config, const char *value)
{
    const size_t max = config->is_fat ? 11 : CONFIG_LABEL_MAX;

    if (strlen(value) > max)
        return wrong(value, "the label is too long");
    if (config->is_fat && (!is_fat_label(value) || value[0] == ' '))
        return wrong(value, "FAT has labels in upper case, without \"*+,./:;<=>"
                            "?[\\]|");
    strcpy(config->label, value);
    return 0;
}

/* ---- Options ------------------------------------------------------------- */

enum {
    OPTION_OWNER = 256,
    OPTION_NO_XATTRS,
    OPTION_FREE,
    OPTION_TABLE,
    OPTION_BLOCK,
    OPTION_INODE,
    OPTION_INODES,
    OPTION_CLUSTER,
};

static const struct option longs[] = {
    {"type", required_argument, NULL, 't'},
    {"dir", required_argument, NULL, 'd'},
    {"tar", required_argument, NULL, 'a'},
    {"list", required_argument, NULL, 'l'},
    {"owner", required_argument, NULL, OPTION_OWNER},
    {"no-xattrs", no_argument, NULL, OPTION_NO_XATTRS},
    {"size", required_argument, NULL, 's'},
    {"free", required_argument, NULL, OPTION_FREE},
    {"table", required_argument, NULL, OPTION_TABLE},
    {"label", required_argument, NULL, 'L'},
    {"uuid", required_argument, NULL, 'U'},
    {"block-size", required_argument, NULL, OPTION_BLOCK},
    {"inode-size", required_argument, NULL, OPTION_INODE},
    {"inodes", required_argument, NULL, OPTION_INODES},
    {"cluster-size", required_argument, NULL, OPTION_CLUSTER},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

/* What depends on the type, which may be said later. */
struct later {
    const char *label, *id;
};

static int option_take(struct config *config, struct later *later, int letter)
{
    switch (letter) {
    case 't':
        return type_take(config, optarg);
    case 'd':
    case 'a':
    case 'l':
        return source_take(config, (char)letter, optarg);
    case 's':
        return size_take(config, optarg);
    case 'L':
        later->label = optarg;
        return 0;
    case 'U':
        later->id = optarg;
        return 0;
    case 'q':
        config->is_quiet = true;
        return 0;
    case OPTION_OWNER:
        return owner_take(config, optarg);
    case OPTION_NO_XATTRS:
        config->is_without_xattrs = true;
        return 0;
    case OPTION_FREE:
        return free_take(config, optarg);
    case OPTION_TABLE:
        return table_take(config, optarg);
    case OPTION_BLOCK:
        return number32_take(optarg, &config->block_size);
    case OPTION_INODE:
        return number32_take(optarg, &config->inode_size);
    case OPTION_INODES:
        return number32_take(optarg, &config->inodes);
    case OPTION_CLUSTER:
        return number32_take(optarg, &config->cluster_size);
    default:
        return complain("there is no such option, or it lacks its value; "
                        "torc-mkimg --help lists what there is");
    }
}

/* What the options say together. */
static int sizes_check(const struct config *config)
{
    const uint32_t cluster = config->cluster_size;

    if (config->block_size != 1024 && config->block_size != 2048 &&
        config->block_size != 4096)
        return complain("--block-size: give 1024, 2048 or 4096");
    if (config->inode_size != 128 && config->inode_size != 256)
        return complain("--inode-size: give 128 or 256");
    if (cluster != 0 &&
        (cluster < 512 || cluster > 65536 || (cluster & (cluster - 1)) != 0))
        return complain("--cluster-size: give a power of two from 512 to "
                        "65536");
    return 0;
}

/* ---- The environment ----------------------------------------------------- */

static int time_take(struct config *config)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;

    config->now_s = time(NULL);
    if (text == NULL)
        return 0;
    errno = 0;
    config->now_s = strtoll(text, &end, 10);
    config->is_reproducible = true;
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        config->now_s > UINT32_MAX)
        return complain("SOURCE_DATE_EPOCH: give a number of seconds since "
                        "1970");
    return 0;
}

int config_read(struct config *config, int argc, char **argv)
{
    struct later later = {NULL, NULL};
    int letter;

    *config = (struct config){
        .free_percent = 10, .block_size = 1024, .inode_size = 256};
    opterr = 0;
    optind = 0; /* from the start */
    while ((letter = getopt_long(argc, argv, "t:d:a:l:s:L:U:qhV", longs,
                                 NULL)) != -1) {
        if (letter == 'h')
            return fputs(help, stdout) < 0;
        if (letter == 'V')
            return puts("torc-mkimg, part of Torc") < 0;
        if (option_take(config, &later, letter) != 0)
            return STATUS_USAGE;
    }
    if (argc - optind != 1) {
        (void)complain("give one image; torc-mkimg --help lists what there is");
        return STATUS_USAGE;
    }
    config->image = argv[optind];
    if (sizes_check(config) != 0 || time_take(config) != 0 ||
        (later.label != NULL && label_take(config, later.label) != 0) ||
        (later.id != NULL && id_take(config, later.id) != 0))
        return STATUS_USAGE;
    return -1;
}
