#include "hal/baremetal/base/regions.h"
#include <torc/assert.h>

static uint64_t region_end(const struct hal_region *region)
{
    return region->base + region->size;
}

void regions_check(const struct region_list *list)
{
    assert(list->count <= HAL_REGION_MAX);
    for (unsigned i = 0; i < list->count; i++) {
        const struct hal_region *region = &list->region[i];

        assert(region->size > 0);
        assert((region->base | region->size) % HAL_PAGE_SIZE == 0);
        assert(region->size <= REGION_ADDRESS_LIMIT - region->base);
        assert(i == 0 || region_end(region - 1) <= region->base);
    }
}

static void remove_at(struct region_list *list, unsigned at)
{
    list->count--;
    for (unsigned i = at; i < list->count; i++)
        list->region[i] = list->region[i + 1];
}

static unsigned smallest(const struct region_list *list)
{
    unsigned found = 0;

    for (unsigned i = 1; i < list->count; i++) {
        if (list->region[i].size < list->region[found].size)
            found = i;
    }
    return found;
}

/* Put one in that overlaps none. In a full list the smallest gives way. */
static void insert(struct region_list *list, struct hal_region region)
{
    unsigned at;

    if (list->count == HAL_REGION_MAX) {
        unsigned victim = smallest(list);

        if (region.size <= list->region[victim].size) {
            list->dropped += region.size;
            return;
        }
        list->dropped += list->region[victim].size;
        remove_at(list, victim);
    }
    for (at = list->count++; at > 0; at--) {
        if (list->region[at - 1].base < region.base)
            break;
        list->region[at] = list->region[at - 1];
    }
    list->region[at] = region;
}

/* Remove [base, end), which is made of whole pages. */
static void cut_pages(struct region_list *list, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < list->count;) {
        struct hal_region *region = &list->region[i];
        struct hal_region above = *region;

        if (end <= region->base || base >= region_end(region)) {
            i++;
            continue;
        }
        above.size = region_end(region) > end ? region_end(region) - end : 0;
        above.base = end;
        region->size = base > region->base ? base - region->base : 0;
        if (region->size == 0)
            remove_at(list, i);
        else
            i++;
        if (above.size > 0) {
            insert(list, above);
            return; /* nothing that follows can touch [base, end) */
        }
    }
}

void regions_add(struct region_list *list, uint64_t base, uint64_t end)
{
    const uint64_t page = HAL_PAGE_SIZE;
    struct hal_region region = {0};

    if (end > REGION_ADDRESS_LIMIT)
        end = REGION_ADDRESS_LIMIT;
    if (base >= end)
        return;
    base = (base + page - 1) & ~(page - 1);
    end &= ~(page - 1);
    if (base >= end)
        return;
    cut_pages(list, base, end);
    for (unsigned i = 0; i < list->count;) {
        if (region_end(&list->region[i]) == base)
            base = list->region[i].base;
        else if (list->region[i].base == end)
            end = region_end(&list->region[i]);
        else {
            i++;
            continue;
        }
        remove_at(list, i);
    }
    region.base = base;
    region.size = end - base;
    insert(list, region);
}

void regions_cut(struct region_list *list, uint64_t base, uint64_t end)
{
    const uint64_t page = HAL_PAGE_SIZE;

    if (end > REGION_ADDRESS_LIMIT)
        end = REGION_ADDRESS_LIMIT;
    if (base < end)
        cut_pages(list, base & ~(page - 1), (end + page - 1) & ~(page - 1));
}

bool regions_contain(const struct region_list *list, uint64_t base,
                     uint64_t size)
{
    for (unsigned i = 0; i < list->count; i++) {
        uint64_t offset = base - list->region[i].base;
        uint64_t rest = list->region[i].size - offset;

        if (offset >= list->region[i].size)
            continue;
        if (size <= rest)
            return true;
        base += rest;
        size -= rest;
    }
    return false;
}

bool regions_overlap(const struct region_list *list, uint64_t base,
                     uint64_t size)
{
    uint64_t last = size > UINT64_MAX - base ? UINT64_MAX : base + size - 1;

    for (unsigned i = 0; size > 0 && i < list->count; i++) {
        if (base < region_end(&list->region[i]) && last >= list->region[i].base)
            return true;
    }
    return false;
}

uint64_t regions_size(const struct region_list *list)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < list->count; i++)
        total += list->region[i].size;
    return total;
}
