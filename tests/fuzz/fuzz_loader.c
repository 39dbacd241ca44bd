/*
 * Fuzz what boot loaders say. The first byte of the input chooses the loader,
 * the rest is memory from BASE on, with the loader's data at its start.
 */
#include "hal/baremetal/base/regions.c"
#include "hal/baremetal/firmware/loader.c"
#include "tests/fakes/physical.h"
#include <torc/assert.h>

enum { BASE = 0x1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loader_info info;
    const char *error;

    if (size < 1)
        return 0;
    memset(&info, 0xa5, sizeof(info));
    physical_set(BASE, data + 1, size - 1);
    error = loader_parse(&info, &physical, data[0] % 2 ? LOADER_MULTIBOOT2 : 0,
                         BASE);
    regions_check(&info.ram);
    assert(info.machine != NULL);
    assert(info.module_count <= HAL_MODULE_MAX);
    for (unsigned i = 0; i < info.module_count; i++) {
        assert(info.module[i].base + info.module[i].size <= UINT32_MAX);
        assert(regions_contain(&info.ram, info.module[i].base,
                               info.module[i].size));
    }
    if (error == NULL) {
        assert(info.ram.count > 0);
        assert(info.ram.region[0].base >= LOADER_MEMORY_START);
        assert(str_len(info.cmdline, LOADER_CMDLINE_SIZE) <
               LOADER_CMDLINE_SIZE);
    }
    physical_set(0, NULL, 0);
    return 0;
}
