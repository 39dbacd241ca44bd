/* What the parsers of the loaders' data have in common. */
#ifndef TORC_HAL_BAREMETAL_LOADER_INTERNAL_H
#define TORC_HAL_BAREMETAL_LOADER_INTERNAL_H

#include "hal/baremetal/firmware/loader.h"

enum { LOADER_MAP_ENTRIES_MAX = 1024 };

extern const char loader_damaged[], loader_map_too_long[];

struct loader_context {
    struct loader_info *info;
    const struct physical_memory *memory;
};

/* Two passes over the map: where entries overlap, unusable wins. */
enum loader_pass { PASS_USABLE, PASS_UNUSABLE };

/* One entry of any loader's map: base, size, type. */
void loader_map_entry(struct loader_info *info, enum loader_pass pass,
                      const uint8_t *entry);

/* Called when the map is known. */
void loader_module_add(struct loader_info *info, uint64_t base, uint64_t size);

/* Keep the command line at an address, a string of unknown length; 0: none.
 * Returns NULL or what is wrong. */
const char *loader_cmdline(const struct loader_context *ctx, uint64_t address);

/* Keep what the loader says of the screen, if pixels of it can be addressed.
 * `pitch` is in bytes, `depth` in bits. */
void loader_framebuffer_set(struct loader_info *info,
                            const struct hal_framebuffer *told);

/* linux_boot.c: the zero page at an address. */
const char *linux_parse(const struct loader_context *ctx, uint64_t address);

#endif
