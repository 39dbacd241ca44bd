/* A directory as a page: names in order, with sizes and times. */
#ifndef TORC_APPS_FILESERVER_LIST_H
#define TORC_APPS_FILESERVER_LIST_H

#include "apps/site/responder.h"
#include <torc/compiler.h>

enum {
    LIST_NAMES_MAX = 4000,       /* of one page; it says when there are more */
    LIST_PAGE_MAX = 1024 * 1024, /* bytes of its text */
};

/*
 * Answer GET or HEAD of a directory. Returns 0, or when nothing is answered
 * -ENOMEM, -EFBIG (the page would be too long), or as file_open().
 */
must_check int list_answer(struct responder *responder,
                           struct http_exchange *exchange);

#endif
