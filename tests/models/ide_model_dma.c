/*
 * The bus master of a channel: [BM], sections 1.2 to 3.1.
 */
#include "hal/posix/kernel/dma.h"
#include "kernel/lib/bytes.h"
#include "tests/models/ide_model_internal.h"
#include "tests/models/model_sum.h"
#include <string.h>

enum {
    COMMAND_START = 0x01,
    COMMAND_TO_MEMORY = 0x08,
    STATUS_ACTIVE = 0x01,
    STATUS_ERROR = 0x02,
    STATUS_INTERRUPT = 0x04,
    STATUS_CAPABLE = 0x60, /* drives 0 and 1, for software */
    STATUS_SIMPLEX = 0x80,
    BOUNDARY = 0x10000,
};

static uint8_t *reach(uint64_t bus, size_t size, const char *what)
{
    uint8_t *data = dma_lookup(bus, size);

    if (data == NULL)
        model_breach("%s at %#llx (%zu bytes) is no memory a device may reach",
                     what, (unsigned long long)bus, size);
    return data;
}

static uint64_t sum_of(uint64_t bus, size_t size)
{
    return model_sum(reach(bus, size, "memory of the bus master"), size);
}

/* ---- What the device holds ----------------------------------------------- */

static void region_compare(const struct ide_model_channel *channel, unsigned i)
{
    const struct ide_model_region *region = &channel->region[i];

    if (sum_of(region->bus, region->size) != region->sum)
        model_breach("memory %u of the PRD table changed while the device held "
                     "it",
                     i);
}

/* The memory is the driver's again. */
static void release(struct ide_model_channel *channel)
{
    if (channel->region_count == 0)
        return;
    if (sum_of(channel->bm_table, channel->table_size) != channel->table_sum)
        model_breach("the PRD table changed while the device held it");
    for (unsigned i = 0; i < channel->region_count; i++)
        region_compare(channel, i);
    channel->region_count = 0;
}

/* ---- The table ----------------------------------------------------------- */

/* One entry: [BM] 1.2. Returns whether it is the last. */
static bool entry_take(struct ide_model_channel *channel, unsigned index)
{
    struct ide_model_region *region = &channel->region[index];
    const uint8_t *raw =
        reach((uint64_t)channel->bm_table + 8U * index, 8, "the PRD table");
    uint32_t base = le32_get(raw);
    uint32_t word = le32_get(raw + 4);

    if ((base & 1) != 0 || (word & 1) != 0)
        model_breach("PRD %u: an odd address or length", index);
    if ((word & 0x7fff0000) != 0)
        model_breach("PRD %u: reserved bits", index);
    region->bus = base;
    region->size = (word & 0xffff) != 0 ? word & 0xffff : BOUNDARY;
    if (base / BOUNDARY != (base + (region->size - 1)) / BOUNDARY)
        model_breach("PRD %u: %u bytes at %#x cross 64 KiB", index,
                     region->size, base);
    region->sum = sum_of(region->bus, region->size);
    return (word & 0x80000000) != 0;
}

static void table_take(struct ide_model_channel *channel)
{
    uint64_t total = 0;
    unsigned count = 0;
    bool is_last = false;

    while (!is_last) {
        if (count == IDE_MODEL_REGIONS)
            model_breach("a PRD table without an end");
        is_last = entry_take(channel, count);
        total += channel->region[count].size;
        count++;
    }
    channel->table_size = 8 * count;
    if (channel->bm_table / BOUNDARY !=
        (channel->bm_table + channel->table_size - 1) / BOUNDARY)
        model_breach("the PRD table crosses 64 KiB");
    channel->table_sum = sum_of(channel->bm_table, channel->table_size);
    channel->region_count = count;
    channel->region_at = 0;
    channel->region_offset = 0;
    channel->table_bytes = total;
}

void bus_master_begin(struct ide_model_channel *channel, uint64_t size)
{
    if (channel->table_bytes != size)
        model_breach("the PRD table has %llu bytes, the command transfers %llu",
                     (unsigned long long)channel->table_bytes,
                     (unsigned long long)size);
}

/* ---- Start and stop ------------------------------------------------------ */

static bool is_write_command(uint8_t command)
{
    return command == 0x35 || command == 0x3d || command == 0xca;
}

static void start(struct ide_model_channel *channel)
{
    const struct ide_model_drive *drive = &channel->drive[channel->selected];
    const struct ide_model_channel *other =
        &channel->model->channel[1 - channel_index(channel)];
    bool to_memory = (channel->bm_command & COMMAND_TO_MEMORY) != 0;

    if (!channel->bm_wanted)
        model_breach("the bus master is started, and no DMA command was given: "
                     "3.1");
    if (!channel->bm_has_table)
        model_breach("the bus master is started without a PRD table");
    if (!pci_is_master(channel->model))
        model_breach("the bus master is started, and the function may not "
                     "access memory");
    if ((channel->bm_status & STATUS_ERROR) != 0 || !channel->bm_cleared)
        model_breach("the bus master is started, and its interrupt or error "
                     "bit was not cleared: 3.1");
    if (channel->model->simplex && other->bm_running)
        model_breach("both channels of a simplex controller are started");
    if (to_memory == is_write_command(drive->command))
        model_breach("the bus master is started in the wrong direction");
    channel->bm_wanted = channel->bm_cleared = false;
    channel->bm_starts++;
    table_take(channel);
    channel->bm_running = true;
    channel->bm_status |= STATUS_ACTIVE;
    channel_work(channel);
}

static void stop(struct ide_model_channel *channel)
{
    const struct ide_model_drive *drive = &channel->drive[channel->selected];

    if (channel->bm_running && drive->phase != IDE_IDLE)
        channel->bm_aborts++;
    release(channel);
    channel->bm_running = false;
    channel->bm_status &= (uint8_t)~STATUS_ACTIVE;
}

static void command_write(struct ide_model_channel *channel, uint8_t value)
{
    bool was = (channel->bm_command & COMMAND_START) != 0;
    bool is = (value & COMMAND_START) != 0;

    if ((value & ~(COMMAND_START | COMMAND_TO_MEMORY)) != 0)
        model_breach("bus master command %#x: reserved bits", value);
    if (channel->bm_running && is &&
        ((value ^ channel->bm_command) & COMMAND_TO_MEMORY) != 0)
        model_breach("the direction changed while the bus master runs");
    if (was && is)
        model_breach("the bus master is started again without a stop");
    channel->bm_command = value;
    if (is)
        start(channel);
    else if (was)
        stop(channel);
}

/* ---- Registers ----------------------------------------------------------- */

uint32_t bus_master_read(struct ide_model_channel *channel, size_t reg,
                         unsigned width)
{
    if (reg == 0 && width == 1)
        return channel->bm_command;
    if (reg == 2 && width == 1)
        return channel->bm_status |
               (channel->model->simplex ? STATUS_SIMPLEX : 0) |
               (channel->model->bm_stuck ? STATUS_ACTIVE : 0);
    if (reg == 4 && width == 4)
        return channel->bm_table;
    model_breach("bus master register %zu read with %u bytes", reg, width);
    return 0;
}

void bus_master_write(struct ide_model_channel *channel, size_t reg,
                      unsigned width, uint32_t value)
{
    uint8_t clear = value & (STATUS_ERROR | STATUS_INTERRUPT);

    if (reg == 0 && width == 1) {
        command_write(channel, (uint8_t)value);
    } else if (reg == 2 && width == 1) {
        if ((clear & STATUS_INTERRUPT) != 0)
            channel->bm_cleared = true;
        channel->bm_status =
            (uint8_t)((channel->bm_status & ~clear & ~STATUS_CAPABLE) |
                      (value & STATUS_CAPABLE));
    } else if (reg == 4 && width == 4) {
        if (channel->bm_running || channel->region_count != 0)
            model_breach("the PRD pointer is written while the bus master "
                         "runs");
        if (value % 4 != 0)
            model_breach("a PRD table at %#x: not a multiple of 4", value);
        channel->bm_table = value;
        channel->bm_has_table = true;
    } else {
        model_breach("bus master register %zu written with %u bytes", reg,
                     width);
    }
}

/* ---- The transfer -------------------------------------------------------- */

void bus_master_transfer(struct ide_model_channel *channel, uint8_t *data,
                         size_t size, bool to_memory)
{
    if (!pci_is_master(channel->model))
        model_breach("the function may not access memory any more");
    while (size > 0) {
        struct ide_model_region *region = &channel->region[channel->region_at];
        size_t left = region->size - channel->region_offset;
        size_t now = size < left ? size : left;
        uint8_t *memory = reach(region->bus, region->size, "a buffer");

        region_compare(channel, channel->region_at);
        if (to_memory) {
            memcpy(memory + channel->region_offset, data, now);
            region->sum = sum_of(region->bus, region->size);
        } else {
            memcpy(data, memory + channel->region_offset, now);
        }
        data += now;
        size -= now;
        channel->region_offset += (uint32_t)now;
        if (channel->region_offset == region->size) {
            channel->region_at++;
            channel->region_offset = 0;
        }
    }
    if (channel->region_at == channel->region_count) {
        channel->bm_running = false;
        channel->bm_status &= (uint8_t)~STATUS_ACTIVE;
    }
}

void bus_master_done(struct ide_model_channel *channel)
{
    if (!channel->bm_running)
        release(channel);
}
