/*
 * torc-img: look into the file system of an image, and change it: a Torc kernel
 * of one CPU that carries out a command.
 *
 * Exit status: 0 done, 1 failed, 2 a wrong argument. docs/man/torc-img.1 says
 * the same as the help.
 */
#include "tools/image/host/main.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/host/signal_stack.h"
#include "tools/image/host/config.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };
enum { MEM_BYTES = 256 << 20 };

/* Declared in hal.h, which the host half does not include. */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

struct image_command image_command;
int main_output;

static const char help[] =
    "usage: torc-img [-lrhV] [--html] [--offset=BYTES | --part=N] COMMAND "
    "IMAGE "
    "[WORD]...\n"
    "Look into the file system of an image, and change it.\n"
    "\n"
    "  ls [-l] IMAGE [PATH]...    the entries of directories\n"
    "  tree IMAGE [PATH]          all that is below a directory\n"
    "  cat IMAGE PATH...          what files hold, to the standard output\n"
    "  stat IMAGE PATH...         what files are, and where their blocks lie\n"
    "  df IMAGE                   how full it is\n"
    "  dump IMAGE                 the superblock and the groups\n"
    "  dump IMAGE BLOCK...        blocks, as hexadecimal numbers\n"
    "  map [--html] IMAGE         a picture (SVG) of what the blocks are for\n"
    "  put IMAGE FILE PATH        copy a file of the host (-: the standard "
    "input)\n"
    "                             into the image\n"
    "  mkdir IMAGE PATH...        make directories\n"
    "  rm [-r] IMAGE PATH...      remove files; -r: and directories with all "
    "that\n"
    "                             is in them\n"
    "\n"
    "      --offset=BYTES  where the file system begins in the image\n"
    "      --part=N        the file system is in partition N of the image\n"
    "  -h, --help          this text\n"
    "  -V, --version       which version this is\n";

/* ---- Arguments ----------------------------------------------------------- */

static const struct known {
    const char *name;
    int least, most; /* words behind the image */
    bool writes;
} knowns[] = {
    {"ls", 0, 1 << 20, false},   {"tree", 0, 1, false},
    {"cat", 1, 1 << 20, false},  {"stat", 1, 1 << 20, false},
    {"df", 0, 0, false},         {"dump", 0, 1 << 20, false},
    {"map", 0, 0, false},        {"put", 2, 2, true},
    {"mkdir", 1, 1 << 20, true}, {"rm", 1, 1 << 20, true},
};

static int number_parse(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' ? 0
                                                                          : -1;
}

/* Returns 0, or -1 after a line on stderr. */
static int option_take(int letter)
{
    uint64_t number = 0;

    if ((letter == 'o' || letter == 'p') && number_parse(optarg, &number) != 0)
        return host_complain("%s: give a number", optarg), -1;
    switch (letter) {
    case 'l':
        image_command.is_long = true;
        return 0;
    case 'r':
        image_command.recursive = true;
        return 0;
    case 'H':
        image_command.html = true;
        return 0;
    case 'o':
        image_command.image.offset = number;
        return number % 512 == 0
                   ? 0
                   : (host_complain("--offset: give a multiple of 512"), -1);
    case 'p':
        image_command.image.partition = (unsigned)number;
        return number >= 1 && number <= 128
                   ? 0
                   : (host_complain("--part: give a number from 1 to 128"), -1);
    default:
        return host_complain("%s: there is no such option, or it lacks its "
                             "value; torc-img --help lists what there is",
                             "torc-img"),
               -1;
    }
}

static int words_take(int count, char **words)
{
    const struct known *known = knowns;
    const struct known *end = knowns + sizeof(knowns) / sizeof(knowns[0]);

    if (count < 2)
        return host_complain("give a command and an image; torc-img --help "
                             "lists what there is"),
               -1;
    while (known < end && strcmp(known->name, words[0]) != 0)
        known++;
    if (known == end)
        return host_complain("%s: there is no such command; torc-img --help "
                             "lists what there is",
                             words[0]),
               -1;
    if (count - 2 < known->least || count - 2 > known->most)
        return host_complain("%s: the number of words is wrong; torc-img "
                             "--help says what it takes",
                             words[0]),
               -1;
    image_command.name = words[0];
    image_command.image.path = words[1];
    image_command.image.read_only = !known->writes;
    image_command.count = count - 2;
    image_command.words = words + 2;
    return 0;
}

/* Returns -1, or the exit status: it is done. */
static int args_take(int argc, char **argv)
{
    static const struct option longs[] = {
        {"html", no_argument, NULL, 'H'},
        {"offset", required_argument, NULL, 'o'},
        {"part", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    opterr = 0;
    while ((letter = getopt_long(argc, argv, "lrhV", longs, NULL)) != -1) {
        if (letter == 'h')
            return fputs(help, stdout) < 0;
        if (letter == 'V')
            return puts("torc-img, part of Torc") < 0;
        if (option_take(letter) != 0)
            return STATUS_USAGE;
    }
    return words_take(argc - optind, argv + optind) == 0 ? -1 : STATUS_USAGE;
}

/* ---- The machine --------------------------------------------------------- */

/* What is printed goes where it did, and the machine's log to stderr. */
static void outputs_part(void)
{
    main_output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (main_output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        main_output = STDOUT_FILENO;
}

int main(int argc, char **argv)
{
    struct host_disk_config disk = {0};
    const struct host_config config = {
        .cpus = 1,
        .mem_bytes = MEM_BYTES,
        .cmdline = "log=warn",
        .disk_count = 1,
        .disks = &disk,
    };
    const struct hal_boot_info *boot;
    struct host_signal_stack stack;
    int status = args_take(argc, argv);

    if (status >= 0)
        return status;
    disk.path = image_command.image.path;
    disk.read_only = image_command.image.read_only;
    disk.offset = image_command.image.offset;
    outputs_part();
    signal(SIGPIPE, SIG_IGN);
    boot = host_machine_prepare(&config);
    if (boot == NULL)
        return STATUS_FAILED;
    host_signal_stack_open(&stack);
    host_fault_catch();
    kernel_main(boot);
}
