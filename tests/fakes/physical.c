#include "tests/fakes/physical.h"
#include <stdlib.h>
#include <string.h>

struct mapping {
    struct mapping *next;
    uint8_t *bytes;
};

static struct mapping *mappings;
static const uint8_t *memory;
static uint64_t memory_base;
static size_t memory_size;

void physical_set(uint64_t base, const uint8_t *bytes, size_t size)
{
    while (mappings != NULL) {
        struct mapping *mapping = mappings;

        mappings = mapping->next;
        free(mapping->bytes);
        free(mapping);
    }
    memory = bytes;
    memory_base = base;
    memory_size = size;
}

static const uint8_t *map(uint64_t address, size_t size)
{
    struct mapping *mapping;

    if (address < memory_base || address - memory_base > memory_size ||
        size > memory_size - (size_t)(address - memory_base))
        return NULL;
    mapping = malloc(sizeof(*mapping));
    mapping->bytes = malloc(size);
    mapping->next = mappings;
    mappings = mapping;
    memcpy(mapping->bytes, memory + (address - memory_base), size);
    return mapping->bytes;
}

const struct physical_memory physical = {map};
