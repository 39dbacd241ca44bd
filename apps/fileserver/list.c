#include "apps/fileserver/list.h"
#include "apps/fileserver/store.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { FIRST_SIZE = 4096, NAME_ENCODED_MAX = 3 * FILE_NAME_MAX + 1 };

/* Text that grows; after an error nothing more is appended. */
struct growing {
    char *at;
    size_t len;
    size_t size;
    int error;
};

/* What a page is made with. */
struct listing {
    struct growing names;           /* each with a NUL */
    uint32_t place[LIST_NAMES_MAX]; /* where each begins */
    unsigned count;
    bool is_cut; /* there are more */
    struct growing page;
    struct dir_entry entry;
    char path[RESPONDER_PATH_MAX]; /* of the directory, then of a file */
    char encoded[NAME_ENCODED_MAX];
};

/* ---- Text ---------------------------------------------------------------- */

static void put(struct growing *text, const char *piece, size_t len)
{
    size_t size = text->size;
    char *at;

    if (text->error != 0)
        return;
    while (size - text->len < len)
        size = size == 0 ? FIRST_SIZE : 2 * size;
    if (size > LIST_PAGE_MAX) {
        text->error = -EFBIG;
        return;
    }
    if (size != text->size) {
        at = mem_resize(text->at, size);
        if (at == NULL) {
            text->error = -ENOMEM;
            return;
        }
        text->at = at;
        text->size = size;
    }
    memcpy(text->at + text->len, piece, len);
    text->len += len;
}

static void put_text(struct growing *text, const char *piece)
{
    put(text, piece, strlen(piece));
}

/* As the text of an element. */
static void put_escaped(struct growing *text, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;

        if (c == '&')
            put_text(text, "&amp;");
        else if (c == '<')
            put_text(text, "&lt;");
        else if (c == '>')
            put_text(text, "&gt;");
        else if (c < ' ' || c == 0x7f)
            put_text(text, "?");
        else
            put(text, name, 1);
    }
}

/* ---- Names --------------------------------------------------------------- */

static int compare(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static const char *name_at(const struct listing *list, unsigned i)
{
    return list->names.at + list->place[i];
}

/* Let what is at `root` sink in the heap of the first `count` names. */
static void sink(struct listing *list, unsigned root, unsigned count)
{
    for (;;) {
        unsigned child = 2 * root + 1;
        uint32_t place = list->place[root];

        if (child >= count)
            return;
        if (child + 1 < count &&
            compare(name_at(list, child), name_at(list, child + 1)) < 0)
            child++;
        if (compare(name_at(list, root), name_at(list, child)) >= 0)
            return;
        list->place[root] = list->place[child];
        list->place[child] = place;
        root = child;
    }
}

/* Heap sort: no recursion, and no order of names makes it slow. */
static void sort(struct listing *list)
{
    for (unsigned i = list->count / 2; i-- > 0;)
        sink(list, i, list->count);
    for (unsigned end = list->count; end-- > 1;) {
        uint32_t place = list->place[0];

        list->place[0] = list->place[end];
        list->place[end] = place;
        sink(list, 0, end);
    }
}

/* Whether a name of the directory `path`, decoded, is shown. */
static bool is_shown(const char *path, const char *name)
{
    char first[16];

    if (str_equal(name, ".") || str_equal(name, ".."))
        return false;
    if (!str_equal(path, "/") || str_len(name, 12) == 12)
        return true;
    fmt_print(first, sizeof(first), "/%s", name);
    return !store_hides(first);
}

static int read_names(struct listing *list, const char *path)
{
    struct file *dir;
    int status =
        file_open(list->path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &list->entry)) == 1) {
        if (!is_shown(path, list->entry.name))
            continue;
        list->is_cut = list->count == LIST_NAMES_MAX;
        if (list->is_cut)
            break;
        list->place[list->count++] = (uint32_t)list->names.len;
        put(&list->names, list->entry.name, strlen(list->entry.name) + 1);
    }
    file_close(dir);
    return status < 0 ? status : list->names.error;
}

/* ---- The page ------------------------------------------------------------ */

/* A row: the name as a link, the size of a file, the time. What is gone again
 * has none. */
static void put_row(struct listing *list, size_t dir_len, const char *name)
{
    struct http_text encoded = {list->encoded, sizeof(list->encoded), 0};
    struct growing *page = &list->page;
    char size[24], date[HTTP_DATE_SIZE];
    struct file_stat stat;
    bool is_dir;

    fmt_print(list->path + dir_len, sizeof(list->path) - dir_len, "/%s", name);
    if (file_stat(list->path, true, &stat) != 0)
        return;
    is_dir = stat.type == FILE_DIRECTORY;
    http_path_put(&encoded, name);
    put_text(page, "<tr><td><a href=\"./");
    put(page, encoded.at, encoded.len);
    put_text(page, is_dir ? "/\">" : "\">");
    put_escaped(page, name);
    put_text(page, is_dir ? "/</a><td><td>" : "</a><td align=right>");
    if (!is_dir) {
        fmt_print(size, sizeof(size), "%llu",
                  (unsigned long long)stat.size_bytes);
        put_text(page, size);
        put_text(page, "<td>");
    }
    http_date_format(stat.mtime.s, date);
    put_text(page, date);
    put_text(page, "\n");
}

static void put_page(struct listing *list, const struct http_target *target)
{
    struct growing *page = &list->page;
    size_t dir_len = strlen(list->path);

    if (dir_len > 0 && list->path[dir_len - 1] == '/')
        dir_len--;
    put_text(page, "<!doctype html><meta charset=utf-8><title>");
    put_escaped(page, target->path);
    put_text(page, "</title><h1>");
    put_escaped(page, target->path);
    put_text(page, "</h1>\n<table>\n");
    if (!str_equal(target->path, "/"))
        put_text(page, "<tr><td><a href=\"../\">../</a>\n");
    for (unsigned i = 0; i < list->count; i++)
        put_row(list, dir_len, name_at(list, i));
    put_text(page, "</table>\n");
    if (list->is_cut)
        put_text(page, "<p>There are more names than this page has.\n");
}

/* ---- The answer ---------------------------------------------------------- */

static int64_t read_page(void *cookie, uint64_t offset, void *buf, size_t size)
{
    memcpy(buf, (const char *)cookie + offset, size); /* it knows the length */
    return (int64_t)size;
}

/* Answer with the page, which is the answer's then. */
static void answer_page(struct http_exchange *exchange,
                        const struct growing *page)
{
    const struct http_response response = {
        .status = 200,
        .type = "text/html; charset=utf-8",
        .fields = "Cache-Control: no-cache\r\n",
        .length = page->len,
        .source = {.read = read_page, .close = mem_free, .cookie = page->at},
    };
    int status = http_respond(exchange, &response);

    assert(status == 0); /* it is the first answer, and there is nothing odd */
    (void)status;
}

int list_answer(struct responder *responder, struct http_exchange *exchange)
{
    const struct http_target *target = &http_request_of(exchange)->target;
    struct listing *list = mem_alloc_zeroed(sizeof(*list));
    int status;

    if (list == NULL)
        return -ENOMEM;
    fmt_print(list->path, sizeof(list->path), "%s%s", responder->dir,
              target->path);
    status = read_names(list, target->path);
    if (status == 0) {
        sort(list);
        put_page(list, target);
        status = list->page.error;
    }
    if (status == 0)
        answer_page(exchange, &list->page);
    else
        mem_free(list->page.at);
    mem_free(list->names.at);
    mem_free(list);
    return status;
}
