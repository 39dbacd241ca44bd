#include "tools/profile/shadow.h"
#include <stdio.h>
#include <stdlib.h>

enum { PAGE_SHIFT = 12, SLOTS = (1 << PAGE_SHIFT) / 8, BUCKETS = 4096 };

/* A page of the guest that has been a stack. */
struct page {
    struct page *next; /* of the same bucket */
    uint64_t number;
    struct slot slots[SLOTS];
};

static struct page *buckets[BUCKETS];

struct slot *shadow_slot(uint64_t place)
{
    uint64_t number = place >> PAGE_SHIFT;
    struct page **bucket = &buckets[number % BUCKETS];
    struct page *page = *bucket;

    while (page != NULL && page->number != number)
        page = page->next;
    if (page == NULL) {
        page = calloc(1, sizeof(*page));
        if (page == NULL) {
            perror("profile");
            abort();
        }
        page->number = number;
        page->next = *bucket;
        *bucket = page;
    }
    return &page->slots[place / 8 % SLOTS];
}
