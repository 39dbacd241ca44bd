/* What the tests use of the C library: memory, strings, numbers. */
#include "tests/guest/guest.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * malloc(): blocks behind each other, each with its size before it. A free one
 * is taken again by whoever wants as much or at least half of it.
 */
struct block {
    size_t size; /* usable bytes, a multiple of 16 */
    union {
        size_t wanted;      /* so many of them are used */
        struct block *next; /* of a free one */
    };
};

int errno;

enum { ALIGN = 16, LISTS = 48 };

static struct block *free_lists[LISTS]; /* by the logarithm of the size */
static size_t arena_used;

struct guest_area guest_arena_used(void)
{
    return (struct guest_area){guest_areas[GUEST_ARENA].base, arena_used};
}

static unsigned list_of(size_t size)
{
    return 63 - (unsigned)__builtin_clzl(size);
}

/* One of a list that has room, and not twice as much. */
static struct block *take_free(size_t size)
{
    for (unsigned list = list_of(size); list <= list_of(size) + 1; list++) {
        for (struct block **at = &free_lists[list]; *at != NULL;
             at = &(*at)->next) {
            struct block *block = *at;

            if (block->size < size || block->size > 2 * size)
                continue;
            *at = block->next;
            return block;
        }
    }
    return NULL;
}

static struct block *take_new(size_t size, size_t align)
{
    const struct guest_area *area = &guest_areas[GUEST_ARENA];
    uintptr_t at = area->base + arena_used + sizeof(struct block);
    struct block *block;

    at = (at + align - 1) & ~(align - 1);
    if (size > area->size || at - area->base > area->size - size)
        return NULL;
    block = (struct block *)at - 1;
    block->size = size;
    arena_used = at + size - area->base;
    return block;
}

void *malloc(size_t wanted)
{
    struct block *block;
    size_t size;

    if (wanted > SIZE_MAX / 4)
        return NULL;
    size = (wanted + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size == 0)
        size = ALIGN;
    block = take_free(size);
    if (block == NULL)
        block = take_new(size, ALIGN);
    if (block == NULL)
        return NULL;
    block->wanted = wanted;
    return block + 1;
}

void *aligned_alloc(size_t align, size_t size)
{
    struct block *block = take_new((size + ALIGN - 1) & ~(size_t)(ALIGN - 1),
                                   align < ALIGN ? ALIGN : align);

    if (block == NULL)
        return NULL;
    block->wanted = size;
    return block + 1;
}

void free(void *ptr)
{
    struct block *block = (struct block *)ptr - 1;
    struct block **list;

    if (ptr == NULL)
        return;
    list = &free_lists[list_of(block->size)];
    block->next = *list;
    *list = block;
}

void *calloc(size_t count, size_t size)
{
    void *ptr;

    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    ptr = malloc(count * size);
    if (ptr != NULL)
        memset(ptr, 0, count * size);
    return ptr;
}

void *realloc(void *ptr, size_t size)
{
    size_t old = ptr != NULL ? ((struct block *)ptr - 1)->size : 0;
    void *grown;

    if (ptr != NULL && size <= old) {
        ((struct block *)ptr - 1)->wanted = size;
        return ptr;
    }
    grown = malloc(size);
    if (grown != NULL && ptr != NULL) {
        memcpy(grown, ptr, old);
        free(ptr);
    }
    return grown;
}

size_t malloc_usable_size(void *ptr)
{
    return ptr != NULL ? ((struct block *)ptr - 1)->wanted : 0;
}

/* ---- Strings ------------------------------------------------------------- */

void *memchr(const void *s, int byte, size_t size)
{
    const unsigned char *p = s;

    for (size_t i = 0; i < size; i++)
        if (p[i] == (unsigned char)byte)
            return (void *)(uintptr_t)(p + i);
    return NULL;
}

void *memmem(const void *text, size_t text_len, const void *what, size_t len)
{
    const char *p = text;

    for (size_t i = 0; len <= text_len && i <= text_len - len; i++)
        if (memcmp(p + i, what, len) == 0)
            return (void *)(uintptr_t)(p + i);
    return NULL;
}

size_t strnlen(const char *s, size_t limit)
{
    size_t len = 0;

    while (len < limit && s[len] != '\0')
        len++;
    return len;
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (a[i] != b[i])
            return (unsigned char)a[i] - (unsigned char)b[i];
        if (a[i] == '\0')
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX / 2);
}

char *strchr(const char *s, int c)
{
    return memchr(s, c, strlen(s) + 1);
}

char *strrchr(const char *s, int c)
{
    for (size_t i = strlen(s) + 1; i-- > 0;)
        if (s[i] == (char)c)
            return (char *)(uintptr_t)(s + i);
    return NULL;
}

char *strstr(const char *s, const char *what)
{
    size_t len = strlen(what);

    for (; *s != '\0' || len == 0; s++)
        if (strncmp(s, what, len) == 0)
            return (char *)(uintptr_t)s;
    return NULL;
}

char *strcpy(char *dst, const char *src)
{
    return memcpy(dst, src, strlen(src) + 1);
}

char *strncpy(char *dst, const char *src, size_t size)
{
    size_t len = strnlen(src, size);

    memcpy(dst, src, len);
    memset(dst + len, 0, size - len);
    return dst;
}

char *strncat(char *dst, const char *src, size_t limit)
{
    size_t at = strlen(dst), len = strnlen(src, limit);

    memcpy(dst + at, src, len);
    dst[at + len] = '\0';
    return dst;
}

char *strcat(char *dst, const char *src)
{
    strcpy(dst + strlen(dst), src);
    return dst;
}

static size_t span(const char *s, const char *set, bool in)
{
    size_t len = 0;

    while (s[len] != '\0' && (strchr(set, s[len]) != NULL) == in)
        len++;
    return len;
}

size_t strspn(const char *s, const char *set)
{
    return span(s, set, true);
}

size_t strcspn(const char *s, const char *set)
{
    return span(s, set, false);
}

char *strtok_r(char *s, const char *set, char **rest)
{
    if (s == NULL)
        s = *rest;
    s += strspn(s, set);
    if (*s == '\0') {
        *rest = s;
        return NULL;
    }
    *rest = s + strcspn(s, set);
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return s;
}

char *strtok(char *s, const char *set)
{
    static char *rest;

    return strtok_r(s, set, &rest);
}

char *strdup(const char *s)
{
    char *copy = malloc(strlen(s) + 1);

    return copy != NULL ? strcpy(copy, s) : NULL;
}

/* ---- Numbers ------------------------------------------------------------- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

unsigned long strtoul(const char *s, char **end, int base)
{
    const char *at = s + strspn(s, " \t\n\r");
    bool minus = *at == '-';
    unsigned long value = 0;

    at += *at == '-' || *at == '+';
    if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | 32) == 'x') {
        base = 16;
        at += 2;
    }
    if (base == 0)
        base = *at == '0' ? 8 : 10;
    for (; digit_of(*at) < base; at++)
        value = value * (unsigned)base + (unsigned)digit_of(*at);
    if (end != NULL)
        *end = (char *)(uintptr_t)at;
    return minus ? -value : value;
}

unsigned long long strtoull(const char *s, char **end, int base)
{
    return strtoul(s, end, base);
}

long strtol(const char *s, char **end, int base)
{
    return (long)strtoul(s, end, base);
}

int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

int abs(int value)
{
    return value < 0 ? -value : value;
}

long long llabs(long long value)
{
    return value < 0 ? -value : value;
}

long labs(long value)
{
    return value < 0 ? -value : value;
}

/* Knuth's MMIX generator. */
static uint64_t rand_state = 1;

void srand(unsigned seed)
{
    rand_state = seed;
}

int rand(void)
{
    rand_state = rand_state * UINT64_C(6364136223846793005) +
                 UINT64_C(1442695040888963407);
    return (int)(rand_state >> 33);
}

/* A test may have its own. */
__attribute__((weak)) ssize_t getrandom(void *to, unsigned long size,
                                        unsigned flags)
{
    (void)flags;
    (void)metal_entropy(to, size);
    return (ssize_t)size;
}

int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345;
    return (int)(*seed >> 1);
}

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = a[i];

        a[i] = b[i];
        b[i] = c;
    }
}

/* By heapsort. */
static void sift(char *base, size_t at, size_t count, size_t size,
                 int (*compare)(const void *, const void *))
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            return;
        if (child + 1 < count &&
            compare(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (compare(base + at * size, base + child * size) >= 0)
            return;
        swap(base + at * size, base + child * size, size);
        at = child;
    }
}

void qsort(void *array, size_t count, size_t size,
           int (*compare)(const void *, const void *))
{
    char *base = array;

    for (size_t i = count / 2; i-- > 0;)
        sift(base, i, count, size, compare);
    for (size_t left = count; left-- > 1;) {
        swap(base, base + left * size, size);
        sift(base, 0, left, size, compare);
    }
}
