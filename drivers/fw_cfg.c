/*
 * Files of QEMU's firmware configuration device: settings that -fw_cfg gives.
 * QEMU, docs/specs/fw_cfg.rst. Found by its signature at the ports of a PC;
 * read by its DMA interface, one access for each file, or byte by byte where
 * there is none.
 */
#include "drivers/env.h"
#include "hal/hal.h"
#include "kernel/lib/bytes.h"
#include <stdbool.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    PORT = 0x510,
    PORTS = 12,
    SELECTOR = 0, /* 16 bits */
    DATA = 1,     /* 8 bits */
    DMA_HIGH = 4, /* address of a command, big-endian; the low half starts */
    DMA_LOW = 8,
    KEY_SIGNATURE = 0,
    KEY_ID = 1,
    KEY_DIRECTORY = 0x19,
    ID_HAS_DMA = 1 << 1,
    FILE_SIZE = 64, /* an entry: size, key, 2 bytes, name */
    FILE_KEY = 4,
    FILE_NAME = 8,
    FILE_NAME_SIZE = 56,
    FILES_MAX = 1024,
};

/* A command of the DMA interface. */
enum {
    COMMAND_CONTROL = 0,
    COMMAND_LENGTH = 4,
    COMMAND_ADDRESS = 8,
    COMMAND_SIZE = 16,
    CONTROL_ERROR = 1 << 0,
    CONTROL_READ = 1 << 1,
    CONTROL_SELECT = 1 << 3,
    LOOKS_MAX = 1000000, /* until a command is done */
};

static const char prefix[] = "opt/torc/";

/* CPU 0, while it looks for the device. */
struct fw_cfg {
    struct hal_io io;
    uint8_t *command; /* NULL: without DMA */
};

static void read_bytes(const struct fw_cfg *cfg, uint16_t key, uint8_t *out,
                       size_t size)
{
    hal_io_write16(cfg->io, SELECTOR, key);
    for (size_t i = 0; i < size; i++)
        out[i] = hal_io_read8(cfg->io, DATA);
}

/* Into memory that devices reach. Returns 0, -EIO; -ETIMEDOUT: the device may
 * write there, and into the command, at any later time. */
static int read_dma(const struct fw_cfg *cfg, uint16_t key, uint8_t *out,
                    size_t size)
{
    uint64_t address = hal_dma_addr(cfg->command);
    uint64_t target = hal_dma_addr(out);
    uint8_t high[4];
    uint8_t low[4];

    be32_put(cfg->command + COMMAND_CONTROL,
             (uint32_t)key << 16 | CONTROL_SELECT | CONTROL_READ);
    be32_put(cfg->command + COMMAND_LENGTH, (uint32_t)size);
    be32_put(cfg->command + COMMAND_ADDRESS, (uint32_t)(target >> 32));
    be32_put(cfg->command + COMMAND_ADDRESS + 4, (uint32_t)target);
    /* The registers are big-endian, too. */
    be32_put(high, (uint32_t)(address >> 32));
    be32_put(low, (uint32_t)address);
    hal_io_write32(cfg->io, DMA_HIGH, le32_get(high));
    hal_io_write32(cfg->io, DMA_LOW, le32_get(low));
    /* The device may be at it still; calls of the HAL let it be seen anew. */
    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        uint32_t control = be32_get(cfg->command + COMMAND_CONTROL);

        if (control == 0)
            return 0;
        if ((control & CONTROL_ERROR) != 0)
            return -EIO;
        hal_cpu_relax();
    }
    return -ETIMEDOUT;
}

/* Memory of dma_alloc(), when `status` has come; for ever the device's after
 * a command that has not ended. */
static void memory_free(void *memory, size_t size, int status)
{
    if (status != -ETIMEDOUT)
        dma_free(memory, size);
}

/* `out` is of dma_alloc(). */
static int read_file(const struct fw_cfg *cfg, uint16_t key, uint8_t *out,
                     size_t size)
{
    if (cfg->command != NULL)
        return read_dma(cfg, key, out, size);
    read_bytes(cfg, key, out, size);
    return 0;
}

/* The setting in a file: its whole contents, or its lines. */
static int file_add(const char *name, const char *text, size_t size)
{
    size_t len = size;

    if (str_equal(name, "env"))
        return env_add_lines("fw_cfg", ENV_FW_CFG_LINES, text, size);
    if (len > 0 && text[len - 1] == '\n')
        len--;
    return env_add("fw_cfg", ENV_FW_CFG, name, str_len(name, FILE_NAME_SIZE),
                   text, len);
}

/* One entry of the directory. */
static int entry_load(const struct fw_cfg *cfg, const uint8_t *entry)
{
    const char *name = (const char *)entry + FILE_NAME;
    uint32_t size = be32_get(entry);
    uint8_t *text;
    int status;

    if (str_len(name, FILE_NAME_SIZE) == FILE_NAME_SIZE ||
        memcmp(name, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    name += sizeof(prefix) - 1;
    if (size > ENV_FILE_MAX) {
        log_warn("fw_cfg: %s is longer than %u bytes: left out", name,
                 (unsigned)ENV_FILE_MAX);
        return 0;
    }
    text = dma_alloc_undefined((size_t)size + 1);
    if (text == NULL)
        return -ENOMEM;
    status =
        size == 0 ? 0 : read_file(cfg, be16_get(entry + FILE_KEY), text, size);
    if (status == 0)
        status = file_add(name, (const char *)text, size);
    memory_free(text, (size_t)size + 1, status);
    return status;
}

static int directory_load(const struct fw_cfg *cfg)
{
    uint8_t number[4];
    uint32_t count;
    size_t size;
    uint8_t *directory;
    int status;

    read_bytes(cfg, KEY_DIRECTORY, number, sizeof(number));
    count = be32_get(number);
    if (count > FILES_MAX)
        return -EIO;
    size = sizeof(number) + (size_t)count * FILE_SIZE;
    directory = dma_alloc_undefined(size);
    if (directory == NULL)
        return -ENOMEM;
    status = read_file(cfg, KEY_DIRECTORY, directory, size);
    for (uint32_t i = 0; i < count && status == 0; i++)
        status = entry_load(cfg, directory + sizeof(number) + i * FILE_SIZE);
    memory_free(directory, size, status);
    return status;
}

int fw_cfg_load(void)
{
    struct fw_cfg cfg = {.command = NULL};
    uint8_t four[4];
    int status;

    if (hal_io_map(HAL_IO_PORT, PORT, PORTS, &cfg.io) != 0)
        return 0;
    read_bytes(&cfg, KEY_SIGNATURE, four, sizeof(four));
    if (memcmp(four, "QEMU", sizeof(four)) != 0)
        return 0;
    read_bytes(&cfg, KEY_ID, four, sizeof(four));
    if ((le32_get(four) & ID_HAS_DMA) != 0) {
        cfg.command = dma_alloc_undefined(COMMAND_SIZE);
        if (cfg.command == NULL)
            return -ENOMEM;
    }
    status = directory_load(&cfg);
    memory_free(cfg.command, COMMAND_SIZE, status);
    if (status != -EIO && status != -ETIMEDOUT)
        return status;
    log_warn("fw_cfg: the device does not answer: no more settings from it");
    return 0;
}
