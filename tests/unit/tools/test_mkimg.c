/*
 * torc-mkimg as a program: what it accepts, says and returns, and what becomes
 * of its sources. That volumes are right is asked by the tests of
 * fs/ext2/make and fs/fat/make, and here of e2fsck and fsck.fat.
 */
#include "kernel/device/gpt.h"
#include "kernel/device/mbr.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/child.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/fat_image.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int tool_main(int argc, char **argv);
/* clang-format off */
#define main         tool_main
#define check_failed tool_check_failed
#include "tools/mkimg/main.c"
#undef main
/* clang-format on */

static char place[] = "/tmp/torc_mkimg_XXXXXX";
static char output[20000];
static uint8_t *image;
static size_t image_size;

/* ---- Running ------------------------------------------------------------- */

static void text_write(const char *name, const char *text)
{
    FILE *file;

    assert_int_equal(chdir(place), 0);
    file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void shell(const char *command)
{
    assert_int_equal(chdir(place), 0);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

struct words {
    void (*prepare)(void);
    int argc;
    char **argv;
};

static int words_run(void *arg)
{
    const struct words *words = arg;

    if (chdir(place) != 0)
        return 99;
    if (words->prepare != NULL)
        words->prepare();
    return tool_main(words->argc, words->argv);
}

/* The end of the child; what it says is in `output`. */
static int run_child(void (*prepare)(void), int argc, char **argv)
{
    struct words words = {prepare, argc, argv};

    return child_run(words_run, &words, output, sizeof(output));
}

/* Run it with the words of a line. */
static int run_prepared(void (*prepare)(void), const char *line)
{
    char copy[1000], *argv[80], *rest = NULL;
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    argv[0] = (char *)"torc-mkimg";
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    return run_child(prepare, argc, argv);
}

static int run(const char *line)
{
    return run_prepared(NULL, line);
}

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

/* Read an image that was made to `image`. */
static void load(const char *name)
{
    struct stat file;
    FILE *from;

    assert_int_equal(chdir(place), 0);
    from = fopen(name, "r");
    assert_non_null(from);
    assert_int_equal(fstat(fileno(from), &file), 0);
    free(image);
    image_size = (size_t)file.st_size;
    image = malloc(image_size);
    assert_int_equal(fread(image, 1, image_size, from), image_size);
    fclose(from);
}

static bool ext2_is_clean(const char *name)
{
    load(name);
    return ext2_fsck_status(image, image_size, "-fn", 0) == 0;
}

static int setup(void **state)
{
    (void)state;
    unsetenv("SOURCE_DATE_EPOCH");
    if (mkdtemp(place) == NULL)
        return -1;
    shell("mkdir -p tree/sub/deep && echo one >tree/one && echo two "
          ">tree/sub/two && ln -s one tree/link && ln tree/one "
          "tree/sub/deep/same && mkfifo tree/fifo && truncate -s 3M "
          "tree/hole && echo end >>tree/hole && chmod 4711 tree/sub/two && "
          "mkdir tree/many && for i in $(seq 100); do echo $i "
          ">tree/many/entry-$i; done; touch -d @1000000000 tree/one");
    return 0;
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    free(image);
    snprintf(command, sizeof(command), "rm -rf %s", place);
    return system(command);
}

/* ---- Arguments ----------------------------------------------------------- */

static void test_usage(void **state)
{
    static const struct {
        const char *line, *says;
        int status;
    } rows[] = {
        {"--help", "usage: torc-mkimg [OPTION]... IMAGE", 0},
        {"-V", "torc-mkimg, part of Torc", 0},
        {"", "give one image", 2},
        {"x.img y.img", "give one image", 2},
        {"--nothing x.img", "no such option", 2},
        {"x.img -d", "lacks its value", 2},
        {"-t ext3 x.img", "ext3: there is no such type", 2},
        {"-s 0 x.img", "give a size, or auto", 2},
        {"-s 12q x.img", "this is no number", 2},
        {"-s -1 x.img", "this is no number", 2},
        {"--free=1% x.img --free=1001%", "give up to 1000%", 2},
        {"--free=x% x.img", "give up to 1000%", 2},
        {"--free=x x.img", "this is no number", 2},
        {"--owner=1 x.img", "give UID:GID", 2},
        {"--owner=1:x x.img", "give UID:GID", 2},
        {"--owner=1:4294967296 x.img", "give UID:GID", 2},
        {"--table=sun x.img", "there is no such table", 2},
        {"--block-size=512 x.img", "give 1024, 2048 or 4096", 2},
        {"--inode-size=300 x.img", "give 128 or 256", 2},
        {"--inodes=5000000000 x.img", "this is no number", 2},
        {"--cluster-size=600 x.img", "give a power of two", 2},
        {"--cluster-size=131072 x.img", "give a power of two", 2},
        {"-L 12345678901234567 x.img", "the label is too long", 2},
        {"-L 123456789012 -t fat x.img", "the label is too long", 2},
        {"-L small -t fat x.img", "labels in upper case", 2},
        {"-L A.B -t fat x.img", "labels in upper case", 2},
        {"-U 1234 x.img", "this is no number for that", 2},
        {"-U 12345678-9 -t fat x.img", "this is no number for that", 2},
        {"-U 1234567g -t fat x.img", "this is no number for that", 2},
        {"-d nowhere x.img", "nowhere: No such file", 1},
        {"-d tree/one x.img", "tree/one: it is no directory", 1},
        {"-a nowhere x.img", "nowhere: No such file", 1},
        {"-l nowhere x.img", "nowhere: No such file", 1},
        {"-d tree /nowhere/x.img", "/nowhere/x.img: No such file", 1},
        {"-d tree tree", "tree: it is no regular file", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].line, run(rows[i].line) == rows[i].status);
        ROW(rows[i].line, says(rows[i].says));
    }
    assert_int_equal(access("x.img", F_OK), -1);
}

static void epoch_wrong(void)
{
    setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
}

static void epoch_set(void)
{
    setenv("SOURCE_DATE_EPOCH", "1500000000", 1);
}

static void test_sources_and_times_that_are_wrong(void **state)
{
    char line[1000] = "x.img";

    (void)state;
    for (unsigned i = 0; i < 65; i++)
        strcat(line, " -dtree");
    assert_int_equal(run(line), 2);
    assert_true(says("there are too many sources"));
    assert_int_equal(run_prepared(epoch_wrong, "x.img"), 2);
    assert_true(says("give a number of seconds"));
}

/* ---- Sources ------------------------------------------------------------- */

static void test_directory(void **state)
{
    (void)state;
    assert_int_equal(run("-d tree -L name -U "
                         "00112233-4455-4677-8899-aabbccddeeff dir.img"),
                     0);
    assert_true(says("dir.img: ext2, "));
    assert_true(ext2_is_clean("dir.img"));
    assert_memory_equal(image + 1024 + 104,
                        "\x00\x11\x22\x33\x44\x55\x46\x77\x88\x99\xaa\xbb\xcc"
                        "\xdd\xee\xff",
                        16);
    assert_memory_equal(image + 1024 + 120, "name\0", 5);
    assert_int_not_equal(ext2_find_path(image, image_size, "/many/entry-100"),
                         0);
    assert_int_equal(ext2_find_path(image, image_size, "/one"),
                     ext2_find_path(image, image_size, "/sub/deep/same"));
    shell("for f in one sub/two hole many/entry-7; do debugfs -R \"cat $f\" "
          "dir.img 2>/dev/null | cmp - tree/$f || exit 1; done");
}

static void test_same_sources_make_same_bytes(void **state)
{
    (void)state;
    shell("rm -rf again && mkdir again && (cd tree && find . -mindepth 1 | "
          "sort -r | tar cf - --no-recursion -T -) | tar xf - -C again && "
          "chmod --reference=tree again && touch -r tree again");
    for (unsigned i = 0; i < 2; i++) {
        const char *type = i == 0 ? "ext2" : "fat";
        char line[200];

        shell(i == 0 ? "true"
                     : "rm tree/link again/link tree/fifo again/fifo "
                       "tree/sub/deep/same again/sub/deep/same");
        snprintf(line, sizeof(line), "-q -t %s -d tree same1.img", type);
        assert_int_equal(run_prepared(epoch_set, line), 0);
        assert_string_equal(output, "");
        snprintf(line, sizeof(line), "-q -t %s -d again same2.img", type);
        assert_int_equal(run_prepared(epoch_set, line), 0);
        shell("cmp same1.img same2.img");
        snprintf(line, sizeof(line), "-q -t %s -d again same3.img", type);
        assert_int_equal(run(line), 0);
        shell("! cmp -s same1.img same3.img");
    }
    shell("ln -s one tree/link; mkfifo tree/fifo; ln tree/one "
          "tree/sub/deep/same");
}

static const char list_good[] = "# a comment\n"
                                "\n"
                                "dir etc 0755 0 0\n"
                                "file etc/with\\040blank 640 7 8 tree/one\n"
                                "symlink etc/s 777 0 0 ../one\n"
                                "link same etc/with\\040blank\n"
                                "fifo etc/f 600 1 2\n"
                                "socket etc/k 600 1 2\n"
                                "char dev/null 666 0 0 1 3\n"
                                "block dev/sda 660 0 6 8 0\n"
                                "set dev 711 3 4\n"
                                "time same 1234567890\n"
                                "xattr same user.note a\\000b\n"
                                "xattr same user.note again\n"
                                "xattr same user.a first\n";

static void test_list(void **state)
{
    (void)state;
    text_write("list", list_good);
    assert_int_equal(run("-l list list.img"), 0);
    assert_true(ext2_is_clean("list.img"));
    shell("[ \"$(debugfs -R 'cat /same' list.img 2>/dev/null)\" = one ] && "
          "debugfs -R 'stat /dev/null' list.img 2>&1 | grep -q 'number: "
          "01:03' && debugfs -R 'stat /dev' list.img 2>&1 | grep -q 'Mode: *"
          "0711' && debugfs -R 'ea_list /same' list.img 2>&1 | grep -q "
          "'user.note (5) = \"again\"' && debugfs -R 'stat /same' list.img "
          "2>&1 | grep -q 'User: *7 *Group: *8'");
}

static void test_list_with_faults(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"directory x 755 0 0", "there is no such word in front"},
        {"dir x 755 0", "the number of words is wrong"},
        {"dir a b c d e f g h i", "too many words"},
        {"dir x 788 0 0", "the mode is no octal number"},
        {"dir x 10000 0 0", "the mode is no octal number"},
        {"dir x 755 root 0", "an owner is no number"},
        {"dir x 755 0 4294967296", "an owner is no number"},
        {"dir ../x 755 0 0", "leads through \"..\""},
        {"file x 644 0 0 nowhere", "No such file"},
        {"file x 644 0 0 tree", "no regular file"},
        {"file / 644 0 0 tree/one", "the root is a directory"},
        {"symlink x 777 0 0 \\000", "it leads nowhere"},
        {"link x nowhere", "there is no such file"},
        {"link x no/where", "there is no such directory"},
        {"link x /", "a directory has only one name"},
        {"set nowhere 755 0 0", "there is no such file"},
        {"char x 600 0 0 5000 1", "the numbers of the device are wrong"},
        {"block x 600 0 0 1 x", "the numbers of the device are wrong"},
        {"time / tomorrow", "the time is no number of seconds"},
        {"xattr nowhere user.a b", "there is no such file"},
        {"dir f/x 755 0 0", "is no directory"},
        {"fifo d 600 0 0", "it is a directory already"},
    };
    char text[400];

    (void)state;
    memset(text, 0, sizeof(text));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(text, sizeof(text), "fifo f 600 0 0\ndir d 755 0 0\n%s\n",
                 rows[i].line);
        text_write("list", text);
        ROW(rows[i].line, run("-l list bad.img") == 1);
        ROW(rows[i].line, says("list:3: "));
        ROW(rows[i].line, says(rows[i].says));
    }
    memset(text, 'x', 300);
    text[300] = '\0';
    memcpy(text, "dir ", 4);
    strcat(text, " 755 0 0\n");
    text_write("list", text);
    assert_int_equal(run("-l list bad.img"), 1);
    assert_true(says("longer than 255 bytes"));
    assert_int_equal(access("bad.img", F_OK), -1);
}

/* Archives of GNU tar in each of its formats make what the directory makes. */
static void test_archives(void **state)
{
    static const char *const formats[] = {"v7", "oldgnu", "gnu", "ustar",
                                          "posix"};

    (void)state;
    shell("n=$(printf 'n%.0s' $(seq 90)); mkdir -p long/$n && echo x "
          ">long/$n/x && rm -f tree/fifo");
    assert_int_equal(run_prepared(epoch_set, "-q --owner=0:0 -d tree tar0.img"),
                     0);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        char command[300];

        snprintf(command, sizeof(command),
                 "tar cf a.tar --format=%s -C tree --sort=name . && tar cf "
                 "long.tar --format=%s long",
                 formats[i], formats[i]);
        shell(command);
        assert_int_equal(
            run_prepared(epoch_set, "-q --owner=0:0 -a a.tar tar1.img"), 0);
        shell("cmp tar0.img tar1.img");
        assert_int_equal(run("-a long.tar long.img"), 0);
        assert_true(ext2_is_clean("long.img"));
    }
    shell("mkfifo tree/fifo");
}

/* Names, targets, numbers that only extensions can say; attributes. */
static void test_archive_extensions(void **state)
{
    (void)state;
    shell("rm -rf ext; n=$(printf 'n%.0s' $(seq 200)); mkdir -p ext/$n/$n && "
          "echo deep >ext/$n/$n/$n && ln -s $n/$n/$n ext/link && ln "
          "ext/$n/$n/$n ext/hard && mknod ext/null c 1 3 && touch -d "
          "1960-01-01T00:00:00.5Z ext/hard");
    for (unsigned i = 0; i < 2; i++) {
        shell(i == 0 ? "tar cf e.tar --format=gnu --owner=4000000 --group=5 -C "
                       "ext ."
                     : "tar cf e.tar --format=posix --owner=4000000 --group=5 "
                       "--pax-option=SCHILY.xattr.user.k:=v -C ext .");
        assert_int_equal(run("-a e.tar ext.img"), 0);
        assert_true(ext2_is_clean("ext.img"));
        shell("[ \"$(debugfs -R 'cat /hard' ext.img 2>/dev/null)\" = deep ] "
              "&& debugfs -R 'stat /hard' ext.img 2>&1 | grep -q 'User: "
              "*4000000 *Group: *5'");
        assert_int_equal(run_prepared(NULL, "--no-xattrs -a e.tar ext2.img"),
                         0);
    }
    shell("debugfs -R 'ea_list /hard' ext.img 2>&1 | grep -q 'user.k'; ! "
          "debugfs -R 'ea_list /hard' ext2.img 2>&1 | grep -q 'user.k'");
}

static void stdin_is_pipe(void)
{
    FILE *pipe = popen("tar cf - -C tree .", "r");

    dup2(fileno(pipe), 0);
}

static void stdin_is_list(void)
{
    dup2(open("list", O_RDONLY), 0);
}

static void test_standard_input(void **state)
{
    (void)state;
    assert_int_equal(run_prepared(stdin_is_pipe, "-a - pipe.img"), 0);
    assert_true(ext2_is_clean("pipe.img"));
    text_write("list", "dir only 700 1 2\n");
    assert_int_equal(run_prepared(stdin_is_list, "-l - pipe.img"), 0);
    load("pipe.img");
    assert_int_not_equal(ext2_find_path(image, image_size, "/only"), 0);
}

/* A header of an archive, with its checksum. */
static void header_make(char header[512], const char *name, char type,
                        const char *size)
{
    unsigned sum = 0;

    memset(header, 0, 512);
    strcpy(header, name);
    strcpy(header + 100, "0000644");
    strcpy(header + 108, "0000001");
    strcpy(header + 116, "0000002");
    strcpy(header + 124, size);
    strcpy(header + 136, "07000000000");
    header[156] = type;
    strcpy(header + 157, "f");
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += (uint8_t)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

static void test_archives_with_faults(void **state)
{
    static const struct {
        const char *what, *name, *size, *extra, *says;
        char type;
    } rows[] = {
        {"sparse", "f", "0", "", "a member of type 'S' is not read", 'S'},
        {"cut", "f", "77777", "", "the archive is cut", '0'},
        {"a link to nothing", "g", "0", "", "link to f: there is no such", '1'},
        {"out of the image", "../f", "0", "", "leads through \"..\"", '0'},
        {"cut records", "f", "77777", "", "is cut or too long", 'x'},
        {"too long records", "f", "77777777", "", "is cut or too long", 'x'},
        {"no length", "f", "12", "abc path=xyz\n", "header is damaged", 'x'},
        {"too short", "f", "13", "30 path=abcd\n", "header is damaged", 'x'},
        {"no equals", "f", "13", "13 pathabcde\n", "header is damaged", 'x'},
        {"no end", "f", "13", "13 path=abcde", "header is damaged", 'x'},
        {"sparse by pax", "f", "30", "24 GNU.sparse.major=1..\n",
         "sparse files of GNU tar", 'x'},
        {"the root", "/", "0", "", "the root is a directory", '0'},
        {"a size below 0", "f", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
         "", "the size of a member cannot be", '0'},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char header[512], data[512] = {0};
        FILE *file;

        assert_int_equal(chdir(place), 0);
        file = fopen("bad.tar", "w");
        assert_non_null(file);
        header_make(header, rows[i].name, rows[i].type, rows[i].size);
        memcpy(data, rows[i].extra, strlen(rows[i].extra));
        fwrite(header, 1, sizeof(header), file);
        if (rows[i].extra[0] != '\0')
            fwrite(data, 1, sizeof(data), file);
        fclose(file);
        ROW(rows[i].what, run("-a bad.tar bad.img") == 1);
        if (!says(rows[i].says))
            print_message("%s\n", output);
        ROW(rows[i].what, says(rows[i].says));
    }
    assert_int_equal(run("-a tree/hole bad.img"), 0); /* it begins with zeros */
    text_write("bad.tar", "short");
    assert_int_equal(run("-a bad.tar bad.img"), 1);
    assert_true(says("the archive is cut"));
    shell("head -c 1024 tree/../dir.img >/dev/null; head -c 600 /dev/zero | "
          "tr '\\0' x >bad.tar");
    assert_int_equal(run("-a bad.tar bad.img"), 1);
    assert_true(says("this is no header of a tar archive"));
}

/* What later sources say replaces what earlier ones have said. */
static void test_several_sources(void **state)
{
    (void)state;
    text_write("list", "file one 600 5 5 tree/sub/two\n"
                       "dir sub/more 755 0 0\n"
                       "symlink link 777 0 0 elsewhere\n");
    assert_int_equal(run("-d tree -l list --owner=9:9 several.img"), 0);
    assert_true(ext2_is_clean("several.img"));
    shell("[ \"$(debugfs -R 'cat /one' several.img 2>/dev/null)\" = two ] && "
          "[ \"$(debugfs -R 'cat /sub/deep/same' several.img 2>/dev/null)\" = "
          "one ] && debugfs -R 'stat /one' several.img 2>&1 | grep -q 'User: "
          "*9 *Group: *9'");
}

/* ---- Sizes, tables ------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(run("-s 3m -d tree s.img"), 0);
    load("s.img");
    assert_int_equal(image_size, 3 << 20);
    assert_int_equal(run("-s 100k -d tree full.img"), 1);
    assert_true(says("full.img: there is no room: give a larger --size"));
    assert_int_equal(run("-s 100k -t fat32 full.img"), 1);
    assert_true(says("another --size, --cluster-size or --type"));
    assert_int_equal(run("--inodes=100000 -s 9m full.img"), 1);
    assert_true(says("too many for its groups"));
    shell("! ls | grep full.img");
    assert_int_equal(run("--free=0 -d tree small.img"), 0);
    assert_int_equal(run("--free=5m -d tree large.img"), 0);
    shell("[ $(($(stat -c %s large.img) - $(stat -c %s small.img))) -ge "
          "5242880 ]");
    assert_true(ext2_is_clean("large.img"));
    assert_int_equal(run("--free=0% -s auto --inodes=500 --block-size=4096 "
                         "--inode-size=128 -d tree small.img"),
                     0);
    assert_true(ext2_is_clean("small.img"));
}

static void test_fat(void **state)
{
    (void)state;
    assert_int_equal(run("-t fat -d tree fat.img"), 1);
    assert_true(says("fifo: FAT has only files and directories") ||
                says("link: FAT has only files and directories"));
    shell("rm -rf flat && mkdir flat && echo x >flat/x && ln flat/x flat/y");
    assert_int_equal(run("-t fat -d flat fat.img"), 1);
    assert_true(says("FAT has only one name for a file"));
    shell("rm flat/y && echo y >'flat/a:b'");
    assert_int_equal(run("-t fat -d flat fat.img"), 1);
    assert_true(says("a:b: the name cannot be in this file system"));
    shell("rm 'flat/a:b' && echo y >flat/X");
    assert_int_equal(run("-t fat -d flat fat.img"), 1);
    assert_true(says("x: another name differs only in upper and lower case"));
    shell("rm flat/X");
    assert_int_equal(
        run("-t fat32 -U 1234-ABcd -L A -d flat --cluster-size=1024 fat.img"),
        0);
    assert_true(says("fat.img: FAT32, "));
    load("fat.img");
    assert_int_equal(fat_fsck(image, image_size, false), 0);
    assert_int_equal(le32_get(image + 67), 0x1234abcd);
    assert_int_equal(image[13], 2);
}

static void test_tables(void **state)
{
    struct gpt_header header;
    uint64_t first, last;
    struct mbr mbr;

    (void)state;
    assert_int_equal(run("--table=mbr -d tree mbr.img"), 0);
    load("mbr.img");
    assert_true(mbr_parse(image, &mbr));
    assert_int_equal(mbr.entry[0].first, 2048);
    assert_int_equal(mbr.entry[0].type, 0x83);
    assert_int_equal((2048 + (uint64_t)mbr.entry[0].sectors) * 512, image_size);
    assert_int_equal(
        ext2_fsck_status(image + (1 << 20), image_size - (1 << 20), "-fn", 0),
        0);
    shell("sfdisk -V mbr.img >/dev/null");
    for (unsigned bits = 12; bits <= 32; bits += 4) {
        char line[100];

        if (bits == 20 || bits == 24 || bits == 28)
            continue;
        snprintf(line, sizeof(line), "--table=mbr -t fat%u -d flat mbr.img",
                 bits);
        assert_int_equal(run(line), 0);
        load("mbr.img");
        assert_true(mbr_parse(image, &mbr));
        assert_int_equal(mbr.entry[0].type, bits == 12   ? 1
                                            : bits == 16 ? 14
                                                         : 12);
        assert_int_equal(le32_get(image + (1 << 20) + 28), 2048);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(run(i == 0 ? "--table=gpt -d tree gpt.img"
                                    : "--table=gpt -t fat -d flat gpt.img"),
                         0);
        load("gpt.img");
        assert_true(mbr_parse(image, &mbr));
        assert_true(mbr_protects_gpt(&mbr));
        assert_null(gpt_header_parse(image + 512, 512, 1, image_size / 512 - 1,
                                     &header));
        assert_true(gpt_array_valid(&header, image + header.array * 512));
        assert_true(
            gpt_entry(&header, image + header.array * 512, 0, &first, &last));
        assert_int_equal(first, 2048);
        assert_int_equal(last, image_size / 512 - 1 - 33);
        assert_null(gpt_header_parse(image + image_size - 512, 512,
                                     image_size / 512 - 1, image_size / 512 - 1,
                                     &header));
        assert_true(gpt_array_valid(&header, image + header.array * 512));
        shell("sfdisk -V gpt.img >/dev/null");
    }
}

/* ---- Failures ------------------------------------------------------------ */

static void small_files(void)
{
    const struct rlimit limit = {2 << 20, 2 << 20};

    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
}

/* No half of an image is left, and the one that was there stays. */
static void test_nothing_is_left_of_failures(void **state)
{
    (void)state;
    text_write("kept.img", "as it was");
    assert_int_equal(run_prepared(small_files, "-s 64m -d tree kept.img"), 1);
    assert_true(says("kept.img: File too large"));
    shell("[ \"$(cat kept.img)\" = 'as it was' ] && [ $(ls | grep -c "
          "kept.img) = 1 ]");
    /* The file becomes shorter between two looks. */
    text_write("list", "file f 644 0 0 shrinks\n");
    text_write("shrinks", "content");
    assert_int_equal(run("-d tree/sub -d tree -s 100k kept.img"), 1);
    shell("[ $(ls | grep -c kept.img) = 1 ]");
}

static int half_run(void *arg)
{
    static struct image half;

    (void)arg;
    if (chdir(place) != 0)
        return 99;
    image_begin(&half, "signal.img");
    if (image_create(&half, 1 << 20) != 0)
        return 98;
    raise(SIGTERM);
    return 97;
}

static void test_signal_removes_the_half(void **state)
{
    (void)state;
    assert_int_equal(child_run(half_run, NULL, output, sizeof(output)),
                     128 + SIGTERM);
    shell("! ls | grep signal.img");
}

static void test_sources_that_change(void **state)
{
    static struct tree tree;
    struct image from;
    struct make_host host;
    struct node *node;
    char bytes[100];

    (void)state;
    text_write("shrinks", "content");
    tree_init(&tree, time_of(0, 0));
    assert_null(tree_put(&tree, "f", FILE_REGULAR, false, &node));
    assert_null(node_from_host(&tree, node, "shrinks"));
    image_begin(&from, "none.img");
    host = image_host(&from);
    assert_int_equal(host.read(&from, &node->file, 0, bytes, 7), 0);
    assert_memory_equal(bytes, "content", 7);
    assert_int_equal(host.read(&from, &node->file, 0, bytes, 8), -EIO);
    assert_true(from.has_said);
    assert_null(tree_put(&tree, "g", FILE_REGULAR, false, &node));
    node->source = "vanished";
    node->has_holes = true;
    assert_int_equal(host.hole(&from, &node->file, 0), 0);
    assert_int_equal(host.read(&from, &node->file, 0, bytes, 8), -EIO);
    image_end(&from);
    tree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_sources_and_times_that_are_wrong),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_same_sources_make_same_bytes),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_with_faults),
        cmocka_unit_test(test_archives),
        cmocka_unit_test(test_archive_extensions),
        cmocka_unit_test(test_standard_input),
        cmocka_unit_test(test_archives_with_faults),
        cmocka_unit_test(test_several_sources),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_fat),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_nothing_is_left_of_failures),
        cmocka_unit_test(test_signal_removes_the_half),
        cmocka_unit_test(test_sources_that_change),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
