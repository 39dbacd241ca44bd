#include "tests/models/fw_cfg_model.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/models/breach.h"
#include <string.h>

enum {
    PORT = 0x510,
    PORTS = 12,
    KEY_FILE = 0x20, /* of the first */
    CONTROL_KNOWN = 0x1f,
};

static void file_entry(const struct fw_cfg_model *model, unsigned i,
                       uint8_t entry[64])
{
    memset(entry, 0, 64);
    be32_put(entry, model->file[i].size);
    entry[4] = (uint8_t)((KEY_FILE + i) >> 8);
    entry[5] = (uint8_t)(KEY_FILE + i);
    memcpy(entry + 8, model->file[i].name, FW_CFG_MODEL_NAME);
}

/* The byte of an item at an offset; 0 behind its end. */
static uint8_t item_byte(const struct fw_cfg_model *model, uint16_t key,
                         size_t at)
{
    uint8_t entry[64];

    if (key == 0)
        return at < 4 ? (uint8_t)(model->is_other ? "VMWR" : "QEMU")[at] : 0;
    if (key == 1)
        return at == 0 ? (uint8_t)(1 | (model->has_dma ? 2 : 0)) : 0;
    if (key == 0x19 && at < 4) {
        be32_put(entry, model->count + model->extra);
        return entry[at];
    }
    if (key == 0x19) {
        unsigned i = (unsigned)((at - 4) / 64);

        if (i >= model->count)
            return 0;
        file_entry(model, i, entry);
        return entry[(at - 4) % 64];
    }
    if (key < KEY_FILE || (unsigned)(key - KEY_FILE) >= model->count)
        model_breach("item %#x is selected, which is not there", key);
    key = (uint16_t)(key - KEY_FILE);
    return at < model->file[key].size
               ? ((const uint8_t *)model->file[key].data)[at]
               : 0;
}

static void command_run(struct fw_cfg_model *model, uint64_t address)
{
    uint8_t *command = dma_lookup(address, 16);
    uint32_t control, length;
    uint8_t *target;

    if (command == NULL)
        model_breach("the command is not in memory that devices reach");
    control = be32_get(command);
    length = be32_get(command + 4);
    if ((control & 0xffff & ~(uint32_t)CONTROL_KNOWN) != 0)
        model_breach("a command with unknown bits");
    if ((control & 2) == 0 || (control & 8) == 0)
        model_breach("a command that does not select and read");
    model->dma_count++;
    target = dma_lookup(
        (uint64_t)be32_get(command + 8) << 32 | be32_get(command + 12), length);
    if (target == NULL)
        model_breach("the target is not in memory that devices reach");
    if (model->dma_count == model->dma_hangs) {
        model->hanging = address;
        return;
    }
    for (uint32_t i = 0; i < length; i++)
        target[i] = item_byte(model, (uint16_t)(control >> 16), i);
    be32_put(command, model->dma_fails ? 1 : 0);
}

void fw_cfg_model_late(struct fw_cfg_model *model)
{
    model->dma_hangs = 0;
    command_run(model, model->hanging);
}

static uint32_t cfg_read(void *arg, size_t offset, unsigned width)
{
    struct fw_cfg_model *model = arg;

    if (offset != 1 || width != 1)
        model_breach("a read of %u bytes at %zu", width, offset);
    model->byte_count++;
    return item_byte(model, model->key, model->at++);
}

static void cfg_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    struct fw_cfg_model *model = arg;
    uint32_t swapped = __builtin_bswap32(value);

    if (offset == 0 && width == 2) {
        model->key = (uint16_t)value;
        model->at = 0;
    } else if (model->has_dma && offset == 4 && width == 4) {
        model->high = swapped;
    } else if (model->has_dma && offset == 8 && width == 4) {
        command_run(model, (uint64_t)model->high << 32 | swapped);
        model->high = 0;
    } else {
        model_breach("a write of %u bytes at %zu", width, offset);
    }
}

void fw_cfg_model_plug(struct fw_cfg_model *model)
{
    const struct sim_window window = {cfg_read, cfg_write, model};

    if (sim_claim(HAL_IO_PORT, PORT, PORTS, &window) != 0)
        model_breach("no room for the device");
}

void fw_cfg_model_add(struct fw_cfg_model *model, const char *name,
                      const char *text)
{
    unsigned i = model->count++;

    strncpy(model->file[i].name, name, FW_CFG_MODEL_NAME);
    model->file[i].data = text;
    model->file[i].size = (uint32_t)strlen(text);
}
