#include "tests/qtest/side_qemu_block.h"
#include "tests/qtest/firmware.h"
#include "tests/qtest/qemu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DISK_SIZE = SCENARIO_SECTORS * 512 };

static int disk_file = -1;

/* The option -drive for a disk of that kind. */
static void drive_option(char *text, size_t size, unsigned kind)
{
    char file[40];

    snprintf(file, sizeof(file), "filename=/proc/self/fd/%d", disk_file);
    if ((kind & SCENARIO_FAULTY) != 0)
        snprintf(text, size,
                 "if=none,id=disk,format=raw,file.driver=blkdebug,"
                 "file.image.driver=file,file.image.locking=off,"
                 "file.image.%s,"
                 "file.inject-error.0.event=none,"
                 "file.inject-error.0.iotype=read,"
                 "file.inject-error.0.sector=%d,"
                 "file.inject-error.1.event=none,"
                 "file.inject-error.1.iotype=write,"
                 "file.inject-error.1.sector=%d",
                 file, SCENARIO_BAD_READ, SCENARIO_BAD_WRITE);
    else
        snprintf(text, size,
                 "if=none,id=disk,format=raw,file.driver=file,"
                 "file.locking=off,file.%s%s",
                 file, (kind & SCENARIO_READ_ONLY) != 0 ? ",readonly=on" : "");
}

void qemu_block_make(const struct block_side *side, unsigned kind)
{
    const struct qemu_block *options = side->options;
    char drive[500];
    const char *args[QEMU_ARGS_MAX + 1] = {"-drive", drive};
    uint8_t *disk = malloc(DISK_SIZE);
    unsigned count = 2;

    disk_file = memfd_create("disk", 0);
    if (disk == NULL || disk_file < 0)
        qemu_die("no memory for a disk");
    scenario_fill(disk);
    if (pwrite(disk_file, disk, DISK_SIZE, (off_t)side->first * 512) !=
        DISK_SIZE)
        qemu_die("cannot write a disk");
    free(disk);
    drive_option(drive, sizeof(drive), kind);
    for (unsigned i = 0; options->args[i] != NULL; i++)
        args[count++] = options->args[i];
    qemu_start(options->machine, args);
}

void qemu_block_begin(const struct block_side *side)
{
    const struct qemu_block *options = side->options;

    qemu_attach(side->cmdline);
    firmware_run(options->machine);
}

void qemu_block_serve(const struct block_side *side)
{
    (void)side; /* it serves by itself */
}

void qemu_block_end(const struct block_side *side)
{
    (void)side;
    qemu_detach();
}

void qemu_block_unmake(const struct block_side *side, uint8_t *disk)
{
    const struct qemu_block *options = side->options;

    qemu_report(side->name, options->by_message);
    qemu_stop();
    if (pread(disk_file, disk, DISK_SIZE, (off_t)side->first * 512) !=
        DISK_SIZE)
        qemu_die("cannot read a disk");
    close(disk_file);
}
