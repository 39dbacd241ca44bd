/*
 * The zero page of the Linux boot protocol, struct boot_params: what GRUB's
 * command "linux" and our own 16-bit code (tools/bzimage/setup.S) hand over.
 * Linux, Documentation/arch/x86/zero-page.rst and boot.rst.
 *
 * The version in the page is that of the image's own header, or 0 by monitors
 * that load the ELF file: it says nothing of the loader. What a loader does not
 * know it leaves 0.
 */
#include "hal/baremetal/firmware/loader_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

enum {
    ZERO_PAGE_SIZE = 4096,
    SCREEN_KIND = 0x00f,
    SCREEN_KIND_VESA = 0x23,
    SCREEN_KIND_EFI = 0x70,
    SCREEN_WIDTH = 0x012,
    SCREEN_HEIGHT = 0x014,
    SCREEN_DEPTH = 0x016,
    SCREEN_BASE = 0x018,
    SCREEN_PITCH = 0x024,
    SCREEN_COLORS = 0x026, /* bits, then the lowest: red, green, blue */
    SCREEN_CAPABILITIES = 0x036,
    SCREEN_BASE_HIGH = 0x03a,
    SCREEN_HAS_BASE_HIGH = 1 << 1,
    RSDP = 0x070,
    RAMDISK_HIGH = 0x0c0,
    RAMDISK_SIZE_HIGH = 0x0c4,
    CMDLINE_HIGH = 0x0c8,
    EFI_SIGNATURE = 0x1c0,
    EFI_TABLE = 0x1c4,
    EFI_TABLE_HIGH = 0x1d8,
    MAP_COUNT = 0x1e8,
    HEADER_MAGIC = 0x202,
    RAMDISK = 0x218,
    RAMDISK_SIZE = 0x21c,
    CMDLINE = 0x228,
    SETUP_DATA = 0x250,
    MAP = 0x2d0,
    MAP_MAX = 128,
    MAP_ENTRY_SIZE = 20,
};

/* A node of the list at SETUP_DATA: next, type, length, then the data. */
enum {
    NODE_TYPE = 8,
    NODE_LENGTH = 12,
    NODE_SIZE = 16,
    NODE_MAP = 1, /* more entries of the map */
    NODES_MAX = 64,
};

/* UEFI 2.10, 4.3 and 4.6. */
enum {
    SYSTEM_TABLE_COUNT = 104,
    SYSTEM_TABLE_ENTRIES = 112,
    SYSTEM_TABLE_SIZE = 120,
    CONFIGURATION_SIZE = 24, /* a GUID and an address */
    CONFIGURATIONS_MAX = 1024,
    GUID_SIZE = 16,
};
#define EFI_LOADER_64    0x34364c45 /* "EL64" */
#define SYSTEM_SIGNATURE UINT64_C(0x5453595320494249)

static const uint8_t guid_acpi_2[GUID_SIZE] = {
    0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
    0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const uint8_t guid_acpi_1[GUID_SIZE] = {
    0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
    0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

/* Two halves of a number at different places. */
static uint64_t wide(const uint8_t *page, unsigned low, unsigned high)
{
    return le32_get(page + low) | (uint64_t)le32_get(page + high) << 32;
}

/* ---- The map ------------------------------------------------------------- */

static void map_entries(const struct loader_context *ctx, enum loader_pass pass,
                        const uint8_t *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        loader_map_entry(ctx->info, pass, entries + i * MAP_ENTRY_SIZE);
}

/* Entries that found no place in the zero page. */
static const char *map_more(const struct loader_context *ctx,
                            enum loader_pass pass, uint64_t at)
{
    for (unsigned i = 0; at != 0; i++) {
        const uint8_t *node = ctx->memory->map(at, NODE_SIZE);
        const uint8_t *entries;
        size_t count;

        if (node == NULL || i == NODES_MAX)
            return loader_damaged;
        count = le32_get(node + NODE_LENGTH) / MAP_ENTRY_SIZE;
        if (le32_get(node + NODE_TYPE) == NODE_MAP && count > 0) {
            if (count > LOADER_MAP_ENTRIES_MAX)
                return loader_map_too_long;
            entries = ctx->memory->map(at + NODE_SIZE, count * MAP_ENTRY_SIZE);
            if (entries == NULL)
                return loader_damaged;
            map_entries(ctx, pass, entries, count);
        }
        at = le64_get(node);
    }
    return NULL;
}

static const char *map_read(const struct loader_context *ctx,
                            const uint8_t *page)
{
    uint64_t more = le64_get(page + SETUP_DATA);
    const char *error = NULL;

    if (page[MAP_COUNT] > MAP_MAX)
        return loader_damaged;
    for (int pass = PASS_USABLE; error == NULL && pass <= PASS_UNUSABLE;
         pass++) {
        map_entries(ctx, (enum loader_pass)pass, page + MAP, page[MAP_COUNT]);
        error = map_more(ctx, (enum loader_pass)pass, more);
    }
    return error;
}

/* ---- ACPI, screen -------------------------------------------------------- */

/* Where the system table of UEFI says that the RSDP is; 0: nowhere. */
static uint64_t efi_rsdp(const struct physical_memory *memory, uint64_t at)
{
    const uint8_t *table = memory->map(at, SYSTEM_TABLE_SIZE);
    const uint8_t *entry;
    uint64_t count;
    uint64_t found = 0;

    if (table == NULL || le64_get(table) != SYSTEM_SIGNATURE)
        return 0;
    count = le64_get(table + SYSTEM_TABLE_COUNT);
    if (count == 0 || count > CONFIGURATIONS_MAX)
        return 0;
    entry = memory->map(le64_get(table + SYSTEM_TABLE_ENTRIES),
                        (size_t)count * CONFIGURATION_SIZE);
    for (; entry != NULL && count > 0; count--, entry += CONFIGURATION_SIZE) {
        if (memcmp(entry, guid_acpi_2, GUID_SIZE) == 0)
            return le64_get(entry + GUID_SIZE);
        if (memcmp(entry, guid_acpi_1, GUID_SIZE) == 0)
            found = le64_get(entry + GUID_SIZE);
    }
    return found;
}

static uint64_t rsdp_find(const struct loader_context *ctx, const uint8_t *page)
{
    uint64_t rsdp = le64_get(page + RSDP);

    if (rsdp == 0 && le32_get(page + EFI_SIGNATURE) == EFI_LOADER_64)
        rsdp = efi_rsdp(ctx->memory, wide(page, EFI_TABLE, EFI_TABLE_HIGH));
    return rsdp;
}

static void screen_read(struct loader_info *info, const uint8_t *page)
{
    bool is_high =
        (le32_get(page + SCREEN_CAPABILITIES) & SCREEN_HAS_BASE_HIGH) != 0;
    const struct hal_framebuffer screen = {
        .base = is_high ? wide(page, SCREEN_BASE, SCREEN_BASE_HIGH)
                        : le32_get(page + SCREEN_BASE),
        .pitch = le16_get(page + SCREEN_PITCH),
        .width = le16_get(page + SCREEN_WIDTH),
        .height = le16_get(page + SCREEN_HEIGHT),
        .depth = le16_get(page + SCREEN_DEPTH),
        .red = {page[SCREEN_COLORS + 1], page[SCREEN_COLORS]},
        .green = {page[SCREEN_COLORS + 3], page[SCREEN_COLORS + 2]},
        .blue = {page[SCREEN_COLORS + 5], page[SCREEN_COLORS + 4]},
    };

    if (page[SCREEN_KIND] == SCREEN_KIND_VESA ||
        page[SCREEN_KIND] == SCREEN_KIND_EFI)
        loader_framebuffer_set(info, &screen);
}

const char *linux_parse(const struct loader_context *ctx, uint64_t address)
{
    const uint8_t *page = ctx->memory->map(address, ZERO_PAGE_SIZE);
    const char *error;

    ctx->info->machine = "x86-64 by the Linux boot protocol";
    if (page == NULL || le32_get(page + HEADER_MAGIC) != LOADER_LINUX)
        return "the boot loader's data are no zero page of Linux";
    ctx->info->rsdp = rsdp_find(ctx, page);
    screen_read(ctx->info, page);
    error = loader_cmdline(ctx, wide(page, CMDLINE, CMDLINE_HIGH));
    if (error == NULL)
        error = map_read(ctx, page);
    if (error == NULL)
        loader_module_add(ctx->info, wide(page, RAMDISK, RAMDISK_HIGH),
                          wide(page, RAMDISK_SIZE, RAMDISK_SIZE_HIGH));
    return error;
}
