#include "hal/baremetal/firmware/loader_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

enum {
    MEMORY_USABLE = 1,
    MODULES_MAX = 1024,
    MULTIBOOT_SIZE_MAX = 1024 * 1024,
};

const char loader_damaged[] = "the boot loader's data are damaged";
const char loader_map_too_long[] =
    "the boot loader's memory map has more than 1024 entries";

static uint64_t range_end(uint64_t base, uint64_t size)
{
    return size > UINT64_MAX - base ? UINT64_MAX : base + size;
}

void loader_map_entry(struct loader_info *info, enum loader_pass pass,
                      const uint8_t *entry)
{
    uint64_t base = le64_get(entry);
    uint64_t end = range_end(base, le64_get(entry + 8));
    bool usable = le32_get(entry + 16) == MEMORY_USABLE;

    if (base < LOADER_MEMORY_START)
        base = LOADER_MEMORY_START;
    if (usable && pass == PASS_USABLE)
        regions_add(&info->ram, base, end);
    else if (!usable && pass == PASS_UNUSABLE)
        regions_cut(&info->ram, base, end);
}

/* Whether [base, base+size) has bytes of the image or of a module. */
static bool is_taken(const struct loader_info *info, uint64_t base,
                     uint64_t size)
{
    if (base < info->image_end && info->image_start < base + size)
        return true;
    for (unsigned i = 0; i < info->module_count; i++) {
        if (base < info->module[i].base + info->module[i].size &&
            info->module[i].base < base + size)
            return true;
    }
    return false;
}

void loader_module_add(struct loader_info *info, uint64_t base, uint64_t size)
{
    if (size == 0)
        return;
    if (size > UINT32_MAX || base > UINT32_MAX - size ||
        !regions_contain(&info->ram, base, size) ||
        is_taken(info, base, size) || info->module_count == HAL_MODULE_MAX) {
        info->module_ignored++;
        return;
    }
    info->module[info->module_count].base = base;
    info->module[info->module_count].size = size;
    info->module_count++;
}

const char *loader_cmdline(const struct loader_context *ctx, uint64_t address)
{
    char *out = ctx->info->cmdline;
    size_t len = 0;

    /* Page by page. */
    while (address != 0 && len < LOADER_CMDLINE_SIZE) {
        size_t size = HAL_PAGE_SIZE - address % HAL_PAGE_SIZE;
        const char *text = (const char *)ctx->memory->map(address, size);
        size_t part;

        if (text == NULL)
            return loader_damaged;
        if (size > LOADER_CMDLINE_SIZE - len)
            size = LOADER_CMDLINE_SIZE - len;
        part = str_len(text, size);
        memcpy(out + len, text, part);
        len += part;
        address += part;
        if (part < size)
            break;
    }
    if (len == LOADER_CMDLINE_SIZE)
        return "the command line is longer than 4095 bytes";
    out[len] = '\0';
    return NULL;
}

/* Where the colors are when nobody says it, as VESA has them. */
static void colors_guess(struct hal_framebuffer *screen)
{
    uint8_t bits = screen->depth >= 24 ? 8 : 5;
    uint8_t green = screen->depth == 16 ? 6 : bits;

    screen->blue = (struct hal_color){0, bits};
    screen->green = (struct hal_color){bits, green};
    screen->red = (struct hal_color){(uint8_t)(bits + green), bits};
}

static bool color_is_good(struct hal_color color, uint32_t pixel_bytes)
{
    return color.bits > 0 && (unsigned)color.at + color.bits <= 8 * pixel_bytes;
}

void loader_framebuffer_set(struct loader_info *info,
                            const struct hal_framebuffer *told)
{
    struct hal_framebuffer screen = *told;
    uint32_t pixel = (screen.depth + 7) / 8;

    if (screen.depth != 15 && screen.depth != 16 && screen.depth != 24 &&
        screen.depth != 32)
        return;
    if (screen.red.bits == 0 && screen.green.bits == 0 && screen.blue.bits == 0)
        colors_guess(&screen);
    if (!color_is_good(screen.red, pixel) ||
        !color_is_good(screen.green, pixel) ||
        !color_is_good(screen.blue, pixel))
        return;
    if (screen.base == 0 || screen.width == 0 || screen.height == 0 ||
        screen.pitch < (uint64_t)screen.width * pixel ||
        screen.base > REGION_ADDRESS_LIMIT ||
        (uint64_t)screen.pitch * screen.height >
            REGION_ADDRESS_LIMIT - screen.base)
        return;
    info->framebuffer = screen;
}

/* Pixels in memory that is used would be written over it. */
static void framebuffer_check(struct loader_info *info)
{
    const struct hal_framebuffer *screen = &info->framebuffer;
    uint64_t end = screen->base + (uint64_t)screen->pitch * screen->height;

    for (unsigned i = 0; i < info->ram.count; i++) {
        const struct hal_region *region = &info->ram.region[i];

        if (screen->base < region->base + region->size && end > region->base) {
            memset(&info->framebuffer, 0, sizeof(info->framebuffer));
            return;
        }
    }
}

/* ---- PVH ----------------------------------------------------------------- */

enum {
    PVH_MAGIC = 0x336ec578,
    PVH_VERSION = 4,
    PVH_MODULE_COUNT = 12,
    PVH_MODULE_LIST = 16,
    PVH_CMDLINE = 24,
    PVH_RSDP = 32,
    PVH_MAP = 40,
    PVH_MAP_COUNT = 48,
    PVH_SIZE = 56,
    PVH_MODULE_SIZE = 32,
    PVH_MAP_SIZE = 24,
};

static const char *pvh_map(const struct loader_context *ctx,
                           const uint8_t *info)
{
    uint32_t count = le32_get(info + PVH_MAP_COUNT);
    const uint8_t *map;

    if (count == 0)
        return NULL;
    if (count > LOADER_MAP_ENTRIES_MAX)
        return loader_map_too_long;
    map = ctx->memory->map(le64_get(info + PVH_MAP),
                           (size_t)count * PVH_MAP_SIZE);
    if (map == NULL)
        return loader_damaged;
    for (int pass = PASS_USABLE; pass <= PASS_UNUSABLE; pass++) {
        for (uint32_t i = 0; i < count; i++)
            loader_map_entry(ctx->info, (enum loader_pass)pass,
                             map + i * PVH_MAP_SIZE);
    }
    return NULL;
}

static const char *pvh_modules(const struct loader_context *ctx,
                               const uint8_t *info)
{
    uint32_t count = le32_get(info + PVH_MODULE_COUNT);
    const uint8_t *list;

    if (count == 0)
        return NULL;
    if (count > MODULES_MAX)
        return loader_damaged;
    list = ctx->memory->map(le64_get(info + PVH_MODULE_LIST),
                            (size_t)count * PVH_MODULE_SIZE);
    if (list == NULL)
        return loader_damaged;
    for (uint32_t i = 0; i < count; i++, list += PVH_MODULE_SIZE)
        loader_module_add(ctx->info, le64_get(list), le64_get(list + 8));
    return NULL;
}

static const char *pvh_parse(const struct loader_context *ctx, uint64_t address)
{
    const uint8_t *info = ctx->memory->map(address, PVH_SIZE);
    const char *error;

    ctx->info->machine = "x86-64 by PVH";
    if (info == NULL || le32_get(info) != PVH_MAGIC ||
        le32_get(info + PVH_VERSION) < 1)
        return "the boot loader speaks neither Multiboot2 nor PVH version 1";
    ctx->info->rsdp = le64_get(info + PVH_RSDP);
    error = loader_cmdline(ctx, le64_get(info + PVH_CMDLINE));
    if (error == NULL)
        error = pvh_map(ctx, info);
    if (error == NULL)
        error = pvh_modules(ctx, info);
    return error;
}

/* ---- Multiboot2 ---------------------------------------------------------- */

enum {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_MODULE = 3,
    TAG_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP = 14,
    TAG_RSDP_2 = 15,
    TAG_HEADER = 8, /* type, size */
    TAG_MAP_ENTRIES = 16,
    TAG_MAP_ENTRY_SIZE = 24,
    RSDP_SIZE = 20,
    TAG_FRAMEBUFFER_SIZE = 30,
    FRAMEBUFFER_RGB = 1,
};

/* The tags of the information, one after the other. */
struct tags {
    const uint8_t *info;
    uint32_t size;
    uint64_t at;
};

/* The next tag, whole, and its size; NULL: no more. */
static const uint8_t *tag_next(struct tags *tags, uint32_t *size)
{
    const uint8_t *tag = tags->info + tags->at;

    if (tags->at + TAG_HEADER > tags->size || le32_get(tag) == TAG_END)
        return NULL;
    *size = le32_get(tag + 4);
    if (*size < TAG_HEADER || *size > tags->size - tags->at)
        return NULL;
    tags->at += ((uint64_t)*size + 7) & ~UINT64_C(7);
    return tag;
}

static const char *multiboot_cmdline(struct loader_info *info, const char *text,
                                     size_t limit)
{
    size_t len = str_len(text, limit);

    if (len >= LOADER_CMDLINE_SIZE)
        return "the command line is longer than 4095 bytes";
    memcpy(info->cmdline, text, len);
    info->cmdline[len] = '\0';
    return NULL;
}

static const char *multiboot_map(struct loader_info *info,
                                 enum loader_pass pass, const uint8_t *tag,
                                 uint32_t size)
{
    uint64_t entry_size = size >= TAG_MAP_ENTRIES ? le32_get(tag + 8) : 0;
    unsigned count = 0;

    if (entry_size < TAG_MAP_ENTRY_SIZE)
        return loader_damaged;
    for (uint64_t at = TAG_MAP_ENTRIES; at + entry_size <= size;
         at += entry_size) {
        if (count++ == LOADER_MAP_ENTRIES_MAX)
            return loader_map_too_long;
        loader_map_entry(info, pass, tag + at);
    }
    return NULL;
}

/* All map tags, so that one of unusable memory counts for each of them. */
static const char *multiboot_maps(struct loader_info *info,
                                  enum loader_pass pass, struct tags tags)
{
    const char *error = NULL;
    const uint8_t *tag;
    uint32_t size;

    while (error == NULL && (tag = tag_next(&tags, &size)) != NULL) {
        if (le32_get(tag) == TAG_MAP)
            error = multiboot_map(info, pass, tag, size);
    }
    return error;
}

static struct hal_color color_get(const uint8_t *at, bool is_there)
{
    struct hal_color color = {0};

    if (is_there)
        color = (struct hal_color){at[0], at[1]};
    return color;
}

/* The colors are where GRUB has them, behind two reserved bytes; the
 * specification has one. */
static void multiboot_screen(struct loader_info *info, const uint8_t *tag,
                             uint32_t size)
{
    bool has_colors = size >= 38;
    const struct hal_framebuffer screen = {
        .base = le64_get(tag + 8),
        .pitch = le32_get(tag + 16),
        .width = le32_get(tag + 20),
        .height = le32_get(tag + 24),
        .depth = tag[28],
        .red = color_get(tag + 32, has_colors),
        .green = color_get(tag + 34, has_colors),
        .blue = color_get(tag + 36, has_colors),
    };

    if (tag[29] == FRAMEBUFFER_RGB)
        loader_framebuffer_set(info, &screen);
}

static const char *multiboot_tag(struct loader_info *info, const uint8_t *tag,
                                 uint32_t size, uint64_t address)
{
    uint32_t type = le32_get(tag);

    if (type == TAG_CMDLINE)
        return multiboot_cmdline(info, (const char *)tag + TAG_HEADER,
                                 size - TAG_HEADER);
    if (type == TAG_MODULE && size >= 16) {
        uint32_t base = le32_get(tag + 8);
        uint32_t end = le32_get(tag + 12);

        if (end < base)
            info->module_ignored++;
        else
            loader_module_add(info, base, end - base);
    } else if ((type == TAG_RSDP_2 || (type == TAG_RSDP && info->rsdp == 0)) &&
               size >= TAG_HEADER + RSDP_SIZE) {
        info->rsdp = address + TAG_HEADER;
    } else if (type == TAG_FRAMEBUFFER && size >= TAG_FRAMEBUFFER_SIZE) {
        multiboot_screen(info, tag, size);
    }
    return NULL;
}

static const char *multiboot_parse(const struct loader_context *ctx,
                                   uint64_t address)
{
    const uint8_t *header = ctx->memory->map(address, 8);
    struct tags tags = {.at = 8};
    const char *error;
    const uint8_t *tag;
    uint32_t size;

    ctx->info->machine = "x86-64 by Multiboot2";
    if (header == NULL || le32_get(header) < 8 ||
        le32_get(header) > MULTIBOOT_SIZE_MAX)
        return loader_damaged;
    tags.size = le32_get(header);
    tags.info = ctx->memory->map(address, tags.size);
    if (tags.info == NULL)
        return loader_damaged;
    error = multiboot_maps(ctx->info, PASS_USABLE, tags);
    if (error == NULL)
        error = multiboot_maps(ctx->info, PASS_UNUSABLE, tags);
    while (error == NULL && (tag = tag_next(&tags, &size)) != NULL)
        error = multiboot_tag(ctx->info, tag, size,
                              address + (uint64_t)(tag - tags.info));
    return error;
}

/* ---- Any ----------------------------------------------------------------- */

const char *loader_parse(struct loader_info *out,
                         const struct physical_memory *memory, uint32_t magic,
                         uint64_t info)
{
    const struct loader_context ctx = {out, memory};
    const char *error;

    out->cmdline[0] = '\0';
    out->rsdp = 0;
    memset(&out->framebuffer, 0, sizeof(out->framebuffer));
    out->ram.count = 0;
    out->ram.dropped = 0;
    out->module_count = 0;
    out->module_ignored = 0;
    if (magic == LOADER_MULTIBOOT2)
        error = multiboot_parse(&ctx, info);
    else if (magic == LOADER_LINUX)
        error = linux_parse(&ctx, info);
    else
        error = pvh_parse(&ctx, info);
    if (error == NULL && out->ram.count == 0)
        error = "the boot loader tells of no usable memory above 1 MiB";
    regions_check(&out->ram);
    framebuffer_check(out);
    return error;
}
