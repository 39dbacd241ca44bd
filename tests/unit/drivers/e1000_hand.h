/* An e1000 model whose registers the test drives by hand. */
#ifndef TORC_TESTS_UNIT_DRIVERS_E1000_HAND_H
#define TORC_TESTS_UNIT_DRIVERS_E1000_HAND_H

#include "hal/hal.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/e1000_model.h"
#include <string.h>
#include <torc/memory.h>
#include <torc/thread.h>

enum { SLOT = 4, RING = 16, BUFFER = 2048, PAGES = 64 * 4096 };

static struct e1000_model model;
static struct hal_io bar;
static uint8_t *rx_ring, *tx_ring, *buffers;
static uint8_t got[70000];
static size_t got_len;
static unsigned got_count;
static unsigned interrupts;

static inline uint32_t reg(size_t at)
{
    return hal_io_read32(bar, at);
}

static inline void set(size_t at, uint32_t value)
{
    hal_io_write32(bar, at, value);
}

static inline const struct hal_pci_addr *where(void)
{
    static const struct hal_pci_addr addr = {0, SLOT, 0};

    return &addr;
}

static inline void config_set(unsigned at, uint32_t value)
{
    hal_pci_write32(*where(), at, value);
}

static inline void sent(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    memcpy(got, frame, len);
    got_len = len;
    got_count++;
}

static inline void interrupted(void *arg)
{
    (void)arg;
    interrupts++;
}

/* Let interrupts in. */
static inline void settle(void)
{
    thread_yield();
    thread_yield();
}

static inline uint8_t *buffer(unsigned index)
{
    return buffers + BUFFER * index;
}

/* A card that nobody has touched, of this kind. */
static inline void plug(enum e1000_chip chip)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    model.chip = chip;
    memcpy(model.mac, (const uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}, 6);
    model.sent = sent;
    got_count = interrupts = 0;
    clock_set(UINT64_C(1000000000));
    machine_attach(16 << 20);
    e1000_model_plug(&model, SLOT);
}

/* The BAR can be reached, the card is bus master and out of a reset. */
static inline void wake_up(enum e1000_chip chip)
{
    plug(chip);
    config_set(4, 6);
    assert_int_equal(hal_io_map(HAL_IO_MEMORY, 0xf0000000 + 0x100000 * SLOT,
                                E1000_MODEL_BAR_SIZE, &bar),
                     0);
    set(0x0000, 1 << 26);
    clock_set(clock_now() + 1000);
    while ((reg(0x0000) & 1 << 26) != 0)
        continue;
    set(0x0000, 0x241); /* FD, SLU, 1000 Mb/s */
    rx_ring = dma_alloc(4096);
    tx_ring = dma_alloc(4096);
    buffers = dma_alloc(PAGES);
    assert_int_equal(hal_irq_attach(E1000_MODEL_LINE, 0, interrupted, NULL), 0);
}

static inline void rings_set(size_t stride)
{
    set(0x2800 + stride, (uint32_t)hal_dma_addr(rx_ring));
    set(0x2804 + stride, (uint32_t)(hal_dma_addr(rx_ring) >> 32));
    set(0x2808 + stride, RING * 16);
    set(0x2810 + stride, 0);
    set(0x3800 + stride, (uint32_t)hal_dma_addr(tx_ring));
    set(0x3804 + stride, (uint32_t)(hal_dma_addr(tx_ring) >> 32));
    set(0x3808 + stride, RING * 16);
    set(0x3810 + stride, 0);
}

static inline void table_clear(void)
{
    for (unsigned i = 0; i < 128; i++)
        set(0x5200 + 4 * i, 0);
}

/* Both rings are there, nothing is enabled. */
static inline void prepare(enum e1000_chip chip)
{
    wake_up(chip);
    rings_set(0);
    table_clear();
    set(0x0410, 10 | 8 << 10 | 6 << 20);
}

static inline void rx_give(unsigned from, unsigned to)
{
    for (unsigned i = from; i != to; i = (i + 1) % RING) {
        memset(rx_ring + 16 * i, 0, 16);
        le64_put(rx_ring + 16 * i, hal_dma_addr(buffer(i)));
    }
    set(0x2818, to);
}

/* Enabled both ways, all receive descriptors but one are given. */
static inline void start(enum e1000_chip chip)
{
    prepare(chip);
    rx_give(0, RING - 1);
    set(0x0100, 1 << 1 | 1 << 15 | 1 << 26); /* EN, BAM, SECRC */
    set(0x0400, 1 << 1 | 1 << 3 | 0xf << 4 | 0x40 << 12);
    while (e1000_model_step(&model))
        continue;
}

static inline void stop(void)
{
    e1000_model_check(&model);
    machine_detach();
    clock_set(0);
}

/* A legacy transmit descriptor; buffer RING + index is for it. */
static inline void tx_put(unsigned index, size_t len, uint8_t command)
{
    uint8_t *desc = tx_ring + 16 * index;

    memset(desc, 0, 16);
    le64_put(desc, hal_dma_addr(buffer(RING + index)));
    le16_put(desc + 8, (uint16_t)len);
    desc[11] = command;
}

enum {
    EOP = 1,
    IFCS = 2,
    IC = 4,
    TSE = 4,
    RS = 8,
    DEXT = 32,
    VLE = 64,
    IDE = 128
};

/* A frame to the card, with bytes that count. */
static inline size_t frame_make(uint8_t *frame, size_t len)
{
    memcpy(frame, model.mac, 6);
    memcpy(frame + 6, (const uint8_t[]){2, 0, 0, 0, 0, 1, 0x88, 0xb5}, 8);
    for (size_t i = 14; i < len; i++)
        frame[i] = (uint8_t)(i * 7);
    return len;
}

#endif
