/*
 * The PCI function of the IDE model, and which ports lead where: [PCI], [PIIX].
 * The ports of a native channel are those the BARs had at first; a driver that
 * moves them finds nothing.
 */
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/models/ide_model_internal.h"
#include <stdlib.h>
#include <string.h>

enum {
    DEVICE_NUMBER = 7,
    COMMAND_IO = 1,
    COMMAND_MASTER = 4,
    COMMAND_INTX_OFF = 4, /* of the upper byte */
    NATIVE_BASE = 0xc000,
    REG_DECODE = 0x40, /* of the first channel; bit 15: [PIIX] IDETIM */
    REG_TIMING_END = 0x4c,
};

/* The BARs: command block and control block of each channel, bus master. */
static const struct {
    uint32_t base;
    uint32_t size;
} bars[5] = {
    {NATIVE_BASE, 8},        {NATIVE_BASE + 0x10, 4},  {NATIVE_BASE + 0x20, 8},
    {NATIVE_BASE + 0x30, 4}, {NATIVE_BASE + 0x40, 16},
};

static struct ide_model *the_model;

bool pci_is_native(const struct ide_model *model, unsigned channel)
{
    return (model->config[9] >> 2 * channel & 1) != 0;
}

bool pci_is_master(const struct ide_model *model)
{
    return (model->config[4] & COMMAND_MASTER) != 0;
}

void pci_raise(struct ide_model_channel *channel)
{
    unsigned index = channel_index(channel);

    if (!pci_is_native(channel->model, index))
        irq_raise(IDE_MODEL_IRQ + (int)index);
    else if (!channel->model->no_line &&
             (channel->model->config[5] & COMMAND_INTX_OFF) == 0)
        irq_raise(IDE_MODEL_LINE);
}

/* ---- Ports --------------------------------------------------------------- */

static void io_check(void)
{
    if ((the_model->config[4] & COMMAND_IO) == 0)
        model_breach("a port of a function that may not answer to ports");
}

static bool bar_exists(const struct ide_model *model, unsigned bar)
{
    return bar == 4 ? (model->config[9] & 0x80) != 0 || model->other_bar4
                    : pci_is_native(model, bar / 2);
}

static void bar_check(unsigned bar)
{
    io_check();
    if (!bar_exists(the_model, bar))
        model_breach("a port of BAR %u, which is not there", bar);
    if ((the_model->bar_base[bar] & ~3U) != bars[bar].base)
        model_breach("a port of BAR %u, which leads elsewhere", bar);
}

/* Whether a channel answers at the ports of old. */
static bool legacy_answers(unsigned channel)
{
    io_check();
    if (pci_is_native(the_model, channel))
        model_breach("a port of compatibility mode, and channel %u is in "
                     "native mode",
                     channel);
    return (the_model->config[REG_DECODE + 2 * channel + 1] & 0x80) != 0;
}

static struct ide_model_channel *channel_at(void *arg)
{
    return &the_model->channel[(uintptr_t)arg];
}

static uint32_t legacy_block_read(void *arg, size_t offset, unsigned width)
{
    if (!legacy_answers((unsigned)(uintptr_t)arg))
        return UINT32_MAX >> (32 - 8 * width);
    return command_block_read(channel_at(arg), offset, width);
}

static void legacy_block_write(void *arg, size_t offset, unsigned width,
                               uint32_t value)
{
    if (legacy_answers((unsigned)(uintptr_t)arg))
        command_block_write(channel_at(arg), offset, width, value);
}

/* 3F6 and 376 are all of the control block. The window is one port
 * wide, so no other width arrives. */
static uint32_t legacy_control_read(void *arg, size_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    if (!legacy_answers((unsigned)(uintptr_t)arg))
        return 0xff;
    return alternate_read(channel_at(arg));
}

static void legacy_control_write(void *arg, size_t offset, unsigned width,
                                 uint32_t value)
{
    (void)offset;
    (void)width;
    if (legacy_answers((unsigned)(uintptr_t)arg))
        control_write(channel_at(arg), (uint8_t)value);
}

static uint32_t native_block_read(void *arg, size_t offset, unsigned width)
{
    bar_check(2 * (unsigned)(uintptr_t)arg);
    return command_block_read(channel_at(arg), offset, width);
}

static void native_block_write(void *arg, size_t offset, unsigned width,
                               uint32_t value)
{
    bar_check(2 * (unsigned)(uintptr_t)arg);
    command_block_write(channel_at(arg), offset, width, value);
}

static void native_control_check(void *arg, size_t offset, unsigned width)
{
    bar_check(2 * (unsigned)(uintptr_t)arg + 1);
    if (offset != 2 || width != 1)
        model_breach("control block offset %zu accessed with %u bytes", offset,
                     width);
}

static uint32_t native_control_read(void *arg, size_t offset, unsigned width)
{
    native_control_check(arg, offset, width);
    return alternate_read(channel_at(arg));
}

static void native_control_write(void *arg, size_t offset, unsigned width,
                                 uint32_t value)
{
    native_control_check(arg, offset, width);
    control_write(channel_at(arg), (uint8_t)value);
}

static void master_check(void)
{
    bar_check(4);
    if ((the_model->config[9] & 0x80) == 0)
        model_breach("BAR 4 is no bus master's");
}

static uint32_t master_read(void *arg, size_t offset, unsigned width)
{
    (void)arg;
    master_check();
    return bus_master_read(&the_model->channel[offset / 8], offset % 8, width);
}

static void master_write(void *arg, size_t offset, unsigned width,
                         uint32_t value)
{
    (void)arg;
    master_check();
    bus_master_write(&the_model->channel[offset / 8], offset % 8, width, value);
}

/* ---- Configuration space ------------------------------------------------- */

static uint32_t config_read(void *arg, unsigned reg)
{
    const struct ide_model *model = arg;
    unsigned bar = (reg - 0x10) / 4;

    if (reg >= 0x10 && bar < 5)
        return bar_exists(model, bar) ? model->bar_base[bar] | 1 : 0;
    return le32_get(model->config + reg);
}

/* Bits 0 and 2 change where 1 and 3 say that they may. */
static void mode_write(struct ide_model *model, uint8_t value)
{
    uint8_t may = (uint8_t)((model->config[9] & 0x0a) >> 1);

    for (unsigned i = 0; i < 2; i++)
        if (((value ^ model->config[9]) & may & 1U << 2 * i) != 0 &&
            model->channel[i].region_count != 0)
            model_breach("channel %u changes its mode while it works", i);
    model->config[9] = (uint8_t)((model->config[9] & ~may) | (value & may));
}

static void config_write(void *arg, unsigned reg, uint32_t value)
{
    struct ide_model *model = arg;
    unsigned bar = (reg - 0x10) / 4;

    if (reg == 0x04) {
        le16_put(model->config + 4, (uint16_t)value);
    } else if (reg == 0x08) {
        mode_write(model, (uint8_t)(value >> 8));
    } else if (reg == 0x0c) {
        model->config[0x0d] = (uint8_t)(value >> 8); /* latency timer */
    } else if (reg >= 0x10 && bar < 5) {
        if (bar_exists(model, bar))
            model->bar_base[bar] = value & ~(bars[bar].size - 1);
    } else if (reg >= REG_DECODE && reg < REG_TIMING_END) {
        le32_put(model->config + reg, value);
    } else if (reg != 0x24) { /* a BAR that is not there: nothing stays */
        model_breach("configuration register %#x is read-only", reg);
    }
}

static void config_fill(struct ide_model *model)
{
    uint8_t *config = model->config;

    memset(config, 0, sizeof(model->config));
    le16_put(config, model->vendor_id != 0 ? model->vendor_id : 0x8086);
    le16_put(config + 2, model->device_id != 0 ? model->device_id : 0x7010);
    le16_put(config + 4, COMMAND_IO);
    config[9] = model->prog_if;
    config[0x0a] = 1; /* IDE */
    config[0x0b] = 1; /* mass storage */
    config[0x3c] = model->no_line ? 255 : IDE_MODEL_LINE;
    config[0x3d] = model->no_line ? 0 : 1;
    le16_put(config + REG_DECODE, 0x8000);
    le16_put(config + REG_DECODE + 2, 0x8000);
    for (unsigned i = 0; i < 5; i++)
        model->bar_base[i] = model->bars_unset ? 0 : bars[i].base;
}

static void claim(uint32_t base, size_t size,
                  uint32_t (*read)(void *, size_t, unsigned),
                  void (*write)(void *, size_t, unsigned, uint32_t),
                  unsigned channel)
{
    const struct sim_window window = {read, write, (void *)(uintptr_t)channel};

    if (sim_claim(HAL_IO_PORT, base, size, &window) != 0)
        abort();
}

void pci_add(struct ide_model *model)
{
    const struct sim_pci function = {config_read, config_write, model};

    the_model = model;
    config_fill(model);
    for (unsigned i = 0; i < 2; i++) {
        claim(i == 0 ? 0x1f0 : 0x170, 8, legacy_block_read, legacy_block_write,
              i);
        claim(i == 0 ? 0x3f6 : 0x376, 1, legacy_control_read,
              legacy_control_write, i);
        claim(bars[2 * i].base, bars[2 * i].size, native_block_read,
              native_block_write, i);
        claim(bars[2 * i + 1].base, bars[2 * i + 1].size, native_control_read,
              native_control_write, i);
    }
    claim(bars[4].base, bars[4].size, master_read, master_write, 0);
    if (sim_pci((struct hal_pci_addr){0, DEVICE_NUMBER, 0}, &function) != 0)
        abort();
}
