/* Media types by the names of files. A pure function. */
#ifndef TORC_NET_HTTP_MEDIA_H
#define TORC_NET_HTTP_MEDIA_H

enum { HTTP_MEDIA_MAX = 40 }; /* of a media type, with its NUL */

/*
 * The media type of a file whose path is `path`, by its extension up to ASCII
 * case. The same string, not a copy, for every file of that type.
 */
const char *http_media_type(const char *path);

#endif
