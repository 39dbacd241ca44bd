#include "apps/site/open_files.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/string.h>

static_assert((OPEN_FILES_PLACES & (OPEN_FILES_PLACES - 1)) == 0,
              "places are chosen by a mask");

int open_files_init(struct open_files *cache)
{
    cache->place = mem_alloc_zeroed(OPEN_FILES_PLACES * sizeof(*cache->place));
    return cache->place != NULL ? 0 : -ENOMEM;
}

static void place_empty(struct open_file *open)
{
    assert(open->users == 0);
    if (open->file != NULL)
        file_close(open->file);
    open->file = NULL;
}

void open_files_fini(struct open_files *cache)
{
    for (unsigned i = 0; i < OPEN_FILES_PLACES; i++)
        place_empty(&cache->place[i]);
    mem_free(cache->place);
}

/* Of the first eight bytes, the last ones and those in the middle, and the
 * length: paths that are the same there share a place. */
static uint32_t hash_of(const struct http_target *target)
{
    size_t len = target->path_len;
    uint64_t word[3] = {0};

    if (len >= sizeof(word[0])) {
        memcpy(&word[0], target->path, sizeof(word[0]));
        memcpy(&word[1], target->path + (len - sizeof(word[0])) / 2,
               sizeof(word[0]));
        memcpy(&word[2], target->path + len - sizeof(word[0]), sizeof(word[0]));
    } else {
        memcpy(&word[0], target->path, len);
    }
    word[0] = (word[0] + len * 2 + target->has_trailing_slash) *
              UINT64_C(0x9e3779b97f4a7c15);
    word[0] =
        ((word[0] ^ word[0] >> 32) + word[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    word[0] =
        ((word[0] ^ word[0] >> 32) + word[2]) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(word[0] >> 32);
}

static struct open_file *place_of(struct open_files *cache, uint32_t hash)
{
    return &cache->place[(hash ^ hash >> 16) & (OPEN_FILES_PLACES - 1)];
}

struct open_file *open_files_find(struct open_files *cache,
                                  const struct http_target *target)
{
    struct open_file *open = place_of(cache, hash_of(target));

    if (open->file == NULL || open->path_len != target->path_len ||
        open->has_trailing_slash != target->has_trailing_slash ||
        memcmp(open->path, target->path, target->path_len) != 0)
        return NULL;
    open->users++;
    return open;
}

struct open_file *open_files_keep(struct open_files *cache,
                                  const struct http_target *target,
                                  struct file *file, const char *type)
{
    struct open_file *open = place_of(cache, hash_of(target));

    if (open->users > 0 || target->path_len > sizeof(open->path))
        return NULL;
    place_empty(open);
    open->file = file;
    open->type = type;
    open->users = 1;
    open->path_len = (uint16_t)target->path_len;
    open->has_trailing_slash = target->has_trailing_slash;
    memcpy(open->path, target->path, target->path_len);
    return open;
}

void open_files_release(struct open_file *open)
{
    assert(open->users > 0);
    open->users--;
}
