#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/string.h>

static bool path_matches(const struct http_route *route, const char *path)
{
    const char *wanted = route->path;

    for (;; wanted++, path++) {
        if (wanted[0] == '*' && wanted[1] == '\0')
            return true;
        if (*wanted != *path)
            return false;
        if (*path == '\0')
            return true;
    }
}

static bool method_matches(const struct http_route *route,
                           const struct http_request *request)
{
    struct span name = request->method_name;
    size_t i = 0;

    if (route->method == NULL)
        return true;
    while (i < name.len && name.at[i] == route->method[i])
        i++;
    if (i == name.len && route->method[i] == '\0')
        return true;
    return request->method == HTTP_HEAD && str_equal(route->method, "GET");
}

const struct http_route *http_route_find(const struct http_server *server,
                                         const struct http_request *request,
                                         int *status)
{
    bool is_asterisk = request->target.form == HTTP_ASTERISK;
    bool has_path = is_asterisk;

    for (size_t i = 0; !is_asterisk && i < server->route_count; i++) {
        const struct http_route *route = &server->routes[i];

        if (!path_matches(route, request->target.path))
            continue;
        if (method_matches(route, request))
            return route;
        has_path = true;
    }
    if (request->method == HTTP_UNKNOWN)
        *status = 501;
    else if (!has_path)
        *status = 404;
    else
        *status = request->method == HTTP_OPTIONS ? 204 : 405;
    return NULL;
}

/* Whether an earlier route of that path has said the method. */
static bool is_said(const struct http_server *server, size_t count,
                    const char *path, const char *method)
{
    for (size_t i = 0; i < count; i++) {
        const struct http_route *route = &server->routes[i];

        if (path_matches(route, path) && route->method != NULL &&
            str_equal(route->method, method))
            return true;
    }
    return false;
}

void http_allow_put(const struct http_server *server, const char *path,
                    struct http_text *text)
{
    http_text_put(text, "Allow: OPTIONS");
    for (size_t i = 0; i < server->route_count; i++) {
        const struct http_route *route = &server->routes[i];

        if (route->method == NULL || !path_matches(route, path) ||
            str_equal(route->method, "OPTIONS") ||
            is_said(server, i, path, route->method))
            continue;
        http_text_put(text, ", ");
        http_text_put(text, route->method);
        if (str_equal(route->method, "GET"))
            http_text_put(text, ", HEAD");
    }
    http_text_put(text, "\r\n");
}
