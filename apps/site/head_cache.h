/*
 * Response heads that are formatted once for a file and its state.
 *
 * Owner: the CPU of the site. The text of an entry depends on the time of the
 * last change, the size and the media type of a file, and these are compared at
 * each lookup with what the file system says now. So an entry never has to be
 * told that its file has changed: it is then not found, and replaced. The inode
 * number only chooses the place.
 */
#ifndef TORC_APPS_SITE_HEAD_CACHE_H
#define TORC_APPS_SITE_HEAD_CACHE_H

#include "net/http/head.h"
#include <torc/compiler.h>
#include <torc/file.h>

enum { HEAD_CACHE_PLACES = 128 }; /* a power of two */

struct head_cache {
    struct http_file *place; /* HEAD_CACHE_PLACES; type NULL: empty */
    uint64_t formatted;      /* how often a head was formatted */
};

/* Returns 0, -ENOMEM. */
must_check int head_cache_init(struct head_cache *cache);

void head_cache_fini(struct head_cache *cache);

/*
 * The description of the file that `stat` describes, of a media type;
 * `version` tells states of one second apart (http_file_describe()).
 * Valid until the next lookup.
 */
const struct http_file *head_cache_find(struct head_cache *cache,
                                        const struct file_stat *stat,
                                        uint64_t version, const char *type);

#endif
