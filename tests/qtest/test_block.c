/*
 * Drivers of disks against QEMU's devices and against our models: the same
 * scenario must give the same transcript.
 */
#include "tests/qtest/model_place.h"
#include "tests/qtest/program.h"
#include "tests/qtest/scenario_ide.h"
#include "tests/qtest/side_model_block.h"
#include "tests/qtest/side_model_ide.h"
#include "tests/qtest/side_qemu_block.h"
#include <torc/drivers.h>

struct row {
    const char *name;
    const struct driver *driver; /* NULL: none, the registers by hand */
    void (*scenario)(const struct block_side *side, struct transcript *out);
    const struct block_side *model;
    struct model_place place; /* of a virtio model */
    struct qemu_block qemu;
};

/* What QEMU's devices have unless they are told otherwise. */
#define USUAL (MODEL_INDIRECT | MODEL_EVENTS)

/* The driver, what is done with it, and the model. */
#define VIRTIO    &virtio_blk_driver, scenario_block, &model_block
#define READ_ONLY &virtio_blk_driver, scenario_block_read_only, &model_block
#define FAULTY    &virtio_blk_driver, scenario_block_faulty, &model_block
#define IDE_HAND  NULL, scenario_ide, &model_ide
#define IDE       &ide_driver, scenario_block
#define IDE_BAD   &ide_driver, scenario_block_faulty

/* A disk at the first channel of the PIIX3, a CD at the second. */
#define PIIX3 \
    "-device", "ide-hd,drive=disk,bus=ide.0", "-device", "ide-cd,bus=ide.1"

/* clang-format off */
static const struct row rows[] = {
    {"pc, virtio transitional", VIRTIO, {MODEL_PCI_TRANSITIONAL, USUAL},
     {"pc", {"-device", "virtio-blk-pci-transitional,drive=disk"}, true}},
    {"pc, virtio modern", VIRTIO, {MODEL_PCI, USUAL},
     {"pc", {"-device", "virtio-blk-pci-non-transitional,drive=disk"}, true}},
    {"pc, virtio legacy", VIRTIO, {MODEL_PCI_LEGACY, USUAL},
     {"pc", {"-device", "virtio-blk-pci,disable-modern=on,drive=disk"}, true}},
    {"pc, virtio by line", VIRTIO, {MODEL_PCI_LINE, USUAL},
     {"pc", {"-device", "virtio-blk-pci,drive=disk,vectors=0"}, false}},
    {"pc, virtio with plain rings", VIRTIO, {MODEL_PCI, 0},
     {"pc", {"-device", "virtio-blk-pci,drive=disk,event_idx=off,"
             "indirect_desc=off"}, true}},
    {"q35, virtio", VIRTIO, {MODEL_PCI, USUAL},
     {"q35", {"-device", "virtio-blk-pci,drive=disk"}, true}},
    {"q35, virtio by line", VIRTIO, {MODEL_PCI_LINE, USUAL},
     {"q35", {"-device", "virtio-blk-pci,drive=disk,vectors=0"}, false}},
    {"q35, virtio with packed rings", VIRTIO, {MODEL_PCI, USUAL | MODEL_PACKED},
     {"q35", {"-device", "virtio-blk-pci,drive=disk,packed=on"}, true}},
    {"q35, virtio with plain packed rings", VIRTIO, {MODEL_PCI, MODEL_PACKED},
     {"q35", {"-device", "virtio-blk-pci,drive=disk,packed=on,event_idx=off,"
              "indirect_desc=off"}, true}},
    {"microvm, virtio version 1", VIRTIO, {MODEL_MMIO_1, USUAL},
     {MICROVM, {"-device", "virtio-blk-device,drive=disk"}, false}},
    {"microvm, virtio version 2", VIRTIO, {MODEL_MMIO_2, USUAL},
     {MICROVM, {NO_LEGACY, "-device", "virtio-blk-device,drive=disk"}, false}},
    {"pc, virtio read-only", READ_ONLY, {MODEL_PCI, USUAL},
     {"pc", {"-device", "virtio-blk-pci,drive=disk"}, true}},
    {"microvm, virtio read-only", READ_ONLY, {MODEL_MMIO_2, USUAL},
     {MICROVM, {NO_LEGACY, "-device", "virtio-blk-device,drive=disk"}, false}},
    {"pc, virtio with bad sectors", FAULTY, {MODEL_PCI, USUAL},
     {"pc", {"-device", "virtio-blk-pci,drive=disk"}, true}},
    {"pc, IDE by DMA", IDE, &model_ide, {0, 0}, {"pc", {PIIX3}, false}},
    {"pc, IDE by PIO", IDE, &model_ide_pio, {0, 0}, {"pc", {PIIX3}, false}},
    {"pc, IDE by DMA, 48 bits", IDE, &model_ide_48, {0, 0},
     {"pc", {PIIX3}, false}},
    {"pc, IDE by PIO, 48 bits", IDE, &model_ide_48_pio, {0, 0},
     {"pc", {PIIX3}, false}},
    {"pc, IDE by DMA, bad sectors", IDE_BAD, &model_ide, {0, 0},
     {"pc", {PIIX3}, false}},
    {"pc, IDE by PIO, bad sectors", IDE_BAD, &model_ide_pio, {0, 0},
     {"pc", {PIIX3}, false}},
    {"pc, IDE by hand", IDE_HAND, {0, 0}, {"pc", {PIIX3}, false}},
};
/* clang-format on */

static void run(const void *arg, struct transcript *out)
{
    const struct row *row = arg;
    const struct block_side side = {
        .name = row->name,
        .driver = row->driver,
        .make = qemu_block_make,
        .begin = qemu_block_begin,
        .serve = qemu_block_serve,
        .end = qemu_block_end,
        .unmake = qemu_block_unmake,
        .cmdline = row->model->cmdline,
        .first = row->model->first,
        .options = &row->qemu,
    };

    row->scenario(&side, out);
}

static bool is_virtio(const struct row *row)
{
    return row->model == &model_block;
}

static void run_model(const void *arg, struct transcript *out)
{
    const struct row *row = arg;
    struct block_side side = *row->model;

    side.driver = row->driver;
    if (is_virtio(row))
        side.options = &row->place;
    row->scenario(&side, out);
}

int main(int argc, char **argv)
{
    struct program_test tests[COUNT_OF(rows)];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        tests[i] =
            (struct program_test){rows[i].name, run, run_model, &rows[i]};
    return program_main(argc, argv, tests, COUNT_OF(rows));
}
