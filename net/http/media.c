#include "net/http/media.h"
#include "net/http/span.h"

const char *http_media_type(const char *path)
{
    static const struct {
        const char *extension;
        const char *type;
    } types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"json", "application/json"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"svg", "image/svg+xml"},
        {"webp", "image/webp"},
        {"ico", "image/vnd.microsoft.icon"},
        {"mp4", "video/mp4"},
        {"mp3", "audio/mpeg"},
        {"woff2", "font/woff2"},
    };
    const char *extension = "";

    for (; *path != '\0'; path++) {
        if (*path == '/')
            extension = "";
        else if (*path == '.')
            extension = path + 1;
    }
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (span_is_nocase(span_of(extension), types[i].extension))
            return types[i].type;
    }
    return "application/octet-stream";
}
