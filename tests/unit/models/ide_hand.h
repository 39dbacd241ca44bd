/* The IDE model driven by hand: what its tests share. */
#ifndef TORC_TESTS_UNIT_IDE_HAND_H
#define TORC_TESTS_UNIT_IDE_HAND_H

#include "hal/hal.h"
#include "hal/posix/host/config.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/ide_model.h"
#include <string.h>
#include <torc/memory.h>

enum {
    SECTORS = 4096, /* of 512 bytes */
    MEMORY_SIZE = 256 << 10,
    BSY = 0x80,
    DRDY = 0x40,
    DF = 0x20,
    DRQ = 0x08,
    ERR = 0x01,
    LBA = 0x40,
    NIEN = 2,
    SRST = 4,
    HOB = 0x80,
};

static struct ide_model model;
static uint8_t disk[SECTORS * 512];
static unsigned irqs[2], line_irqs;
static uint8_t *pages;
static uint8_t *memory; /* MEMORY_SIZE a device can reach, aligned so */
static uint64_t memory_bus;

static struct ide_model_channel *const channel = &model.channel[0];
static struct ide_model_drive *const drive = &model.channel[0].drive[0];

static inline void irq_note(void *arg)
{
    ++*(unsigned *)arg;
}

static inline void irqs_take(void)
{
    hal_irq_restore(hal_irq_save());
}

static inline uint8_t in8(uint16_t port)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 1, &io), 0);
    return hal_io_read8(io, 0);
}

static inline void out8(uint16_t port, uint8_t value)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 1, &io), 0);
    hal_io_write8(io, 0, value);
}

static inline uint16_t in16(uint16_t port)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 2, &io), 0);
    return hal_io_read16(io, 0);
}

static inline void out16(uint16_t port, uint16_t value)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 2, &io), 0);
    hal_io_write16(io, 0, value);
}

static inline uint32_t in32(uint16_t port)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 4, &io), 0);
    return hal_io_read32(io, 0);
}

static inline void out32(uint16_t port, uint32_t value)
{
    struct hal_io io;

    assert_int_equal(hal_io_map(HAL_IO_PORT, port, 4, &io), 0);
    hal_io_write32(io, 0, value);
}

/* What a status register shows when it can be trusted. */
static inline uint8_t status_settled(void)
{
    for (unsigned i = 0; i < 4; i++)
        (void)in8(0x3f6);
    return in8(0x3f6);
}

/* Let the drives do all they can; the status can be trusted then. */
static inline void run_all(void)
{
    while (ide_model_step(&model))
        ;
    irqs_take();
    if ((model.config[9] & 1) == 0)
        (void)status_settled();
}

/* Write parameters and a command of 28 bits. */
static inline void command28(uint8_t code, uint32_t lba, uint8_t count)
{
    (void)status_settled();
    out8(0x1f2, count);
    out8(0x1f3, (uint8_t)lba);
    out8(0x1f4, (uint8_t)(lba >> 8));
    out8(0x1f5, (uint8_t)(lba >> 16));
    out8(0x1f6, (uint8_t)(LBA | (lba >> 24 & 15)));
    out8(0x1f7, code);
}

static inline void command48(uint8_t code, uint64_t lba, uint16_t count)
{
    (void)status_settled();
    out8(0x1f2, (uint8_t)(count >> 8));
    out8(0x1f3, (uint8_t)(lba >> 24));
    out8(0x1f4, (uint8_t)(lba >> 32));
    out8(0x1f5, (uint8_t)(lba >> 40));
    command28(code, (uint32_t)lba & 0xffffff, (uint8_t)count);
}

/* Put the model in, as it was set up, and read its status once. */
static inline void plug(void)
{
    ide_model_add(&model);
    hal_pci_write32((struct hal_pci_addr){0, 7, 0}, 4, 5);
    if ((model.config[9] & 1) == 0)
        (void)in8(0x1f7);
}

static inline void model_fresh(void)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    model.prog_if = 0x80;
    *drive = (struct ide_model_drive){
        .kind = IDE_ATA,
        .sectors = SECTORS,
        .data = disk,
        .lba48 = true,
        .fua = true,
        .multiple_max = 16,
    };
    for (size_t i = 0; i < sizeof(disk); i++)
        disk[i] = (uint8_t)(i / 512 * 7 + i % 512);
    irqs[0] = irqs[1] = line_irqs = 0;
}

static inline int setup(void **state)
{
    const struct host_config config = {
        .cpus = 1,
        .mem_bytes = 8 << 20,
        .quiet = true,
        .fill = true,
        .memory_bus = 1 << 30,
    };

    (void)state;
    machine_attach_config(&config);
    model_fresh();
    pages = dma_alloc(2 * MEMORY_SIZE);
    assert_non_null(pages);
    memory = pages + (0 - hal_dma_addr(pages)) % MEMORY_SIZE;
    memory_bus = hal_dma_addr(memory);
    assert_int_equal(hal_irq_attach(14, 0, irq_note, &irqs[0]), 0);
    assert_int_equal(hal_irq_attach(15, 0, irq_note, &irqs[1]), 0);
    assert_int_equal(hal_irq_attach(IDE_MODEL_LINE, 0, irq_note, &line_irqs),
                     0);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    sim_reset();
    dma_free(pages, 2 * MEMORY_SIZE);
    machine_detach();
    return 0;
}

#endif
