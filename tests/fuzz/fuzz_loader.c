/*
 * Fuzz what boot loaders say. The first byte of the input chooses the loader,
 * the rest is memory from BASE on, with the loader's data at its start.
 */
#include "hal/baremetal/base/regions.c"
#include "hal/baremetal/firmware/linux_boot.c"
#include "hal/baremetal/firmware/loader.c"
#include "tests/fakes/physical.h"
#include <torc/assert.h>

enum { BASE = 0x1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t magics[] = {0, LOADER_MULTIBOOT2, LOADER_LINUX};
    static struct loader_info info;
    const char *error;

    if (size < 1)
        return 0;
    memset(&info, 0xa5, sizeof(info));
    info.image_start = LOADER_MEMORY_START;
    info.image_end = 2 * LOADER_MEMORY_START;
    physical_set(BASE, data + 1, size - 1);
    error = loader_parse(&info, &physical, magics[data[0] % COUNT_OF(magics)],
                         BASE);
    regions_check(&info.ram);
    assert(info.machine != NULL);
    assert(info.module_count <= HAL_MODULE_MAX);
    for (unsigned i = 0; i < info.module_count; i++) {
        assert(info.module[i].base + info.module[i].size <= UINT32_MAX);
        assert(regions_contain(&info.ram, info.module[i].base,
                               info.module[i].size));
        assert(info.module[i].base >= info.image_end ||
               info.module[i].base + info.module[i].size <= info.image_start);
        for (unsigned k = 0; k < i; k++)
            assert(info.module[i].base + info.module[i].size <=
                       info.module[k].base ||
                   info.module[k].base + info.module[k].size <=
                       info.module[i].base);
    }
    assert(info.framebuffer.base == 0 ||
           (uint64_t)info.framebuffer.pitch * info.framebuffer.height <=
               REGION_ADDRESS_LIMIT - info.framebuffer.base);
    if (error == NULL) {
        assert(info.ram.count > 0);
        assert(info.ram.region[0].base >= LOADER_MEMORY_START);
        assert(str_len(info.cmdline, LOADER_CMDLINE_SIZE) <
               LOADER_CMDLINE_SIZE);
    }
    physical_set(0, NULL, 0);
    return 0;
}
