#include "tools/mkimg/tree.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Memory -------------------------------------------------------------- */

enum { BLOCK_BYTES = 1 << 20 };

struct tree_block {
    struct tree_block *next;
    size_t used, size;
    max_align_t data[];
};

static void *memory(size_t size)
{
    void *got = calloc(1, size);

    if (got == NULL) {
        fputs("torc-mkimg: there is not enough memory\n", stderr);
        exit(1);
    }
    return got;
}

void *tree_alloc(struct tree *tree, size_t size)
{
    struct tree_block *block = tree->blocks;
    void *out;

    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
           sizeof(max_align_t);
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = memory(sizeof(*block) + room);
        block->size = room;
        block->next = tree->blocks;
        tree->blocks = block;
    }
    out = (char *)block->data + block->used;
    block->used += size;
    return out;
}

const char *tree_text(struct tree *tree, const char *text, size_t len)
{
    char *copy = tree_alloc(tree, len + 1);

    memcpy(copy, text, len);
    return copy;
}

/* ---- Names --------------------------------------------------------------- */

struct tree_slot {
    struct node *dir; /* NULL: free */
    uint32_t index;   /* of the name */
};

static struct make_name *name_in(const struct tree_slot *slot)
{
    return &slot->dir->names[slot->index];
}

static uint32_t hash_of(const struct node *dir, const char *name, size_t len)
{
    uint64_t hash = (uintptr_t)dir * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash >> 32);
}

/* The slot of a name, or the one where it would be. */
static struct tree_slot *slot_of(const struct tree *tree,
                                 const struct node *dir, const char *name,
                                 size_t len)
{
    uint32_t at = hash_of(dir, name, len) & tree->mask;

    for (;; at = (at + 1) & tree->mask) {
        struct tree_slot *slot = &tree->slots[at];

        if (slot->dir == NULL ||
            (slot->dir == dir && name_in(slot)->len == len &&
             memcmp(name_in(slot)->text, name, len) == 0))
            return slot;
    }
}

/* Twice as many slots. */
static void slots_grow(struct tree *tree)
{
    struct tree_slot *old = tree->slots;
    uint32_t count = tree->mask + 1;

    tree->mask = 2 * count - 1;
    tree->slots = memory(2 * (size_t)count * sizeof(*old));
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].dir != NULL)
            *slot_of(tree, old[i].dir, name_in(&old[i])->text,
                     name_in(&old[i])->len) = old[i];
    }
    free(old);
}

static void name_add(struct tree *tree, struct node *dir, const char *name,
                     size_t len, struct node *node)
{
    struct make_name *names = dir->names;

    if (dir->file.name_count == dir->room) {
        dir->room = dir->room * 2 + 8;
        names = tree_alloc(tree, dir->room * sizeof(*names));
        if (dir->file.name_count > 0)
            memcpy(names, dir->names, dir->file.name_count * sizeof(*names));
        dir->names = names;
        dir->file.names = names;
    }
    names[dir->file.name_count] =
        (struct make_name){.text = tree_text(tree, name, len),
                           .len = (uint32_t)len,
                           .file = &node->file};
    *slot_of(tree, dir, name, len) =
        (struct tree_slot){dir, dir->file.name_count++};
    if (++tree->files > tree->mask / 2)
        slots_grow(tree);
}

/* ---- Paths --------------------------------------------------------------- */

/* Its path is that of its first name. */
static const char *path_join(struct tree *tree, const struct node *dir,
                             const char *name, size_t len)
{
    size_t before = strlen(dir->path);
    char *path = tree_alloc(tree, before + 1 + len + 1);

    memcpy(path, dir->path, before);
    if (before > 0)
        path[before++] = '/';
    memcpy(path + before, name, len);
    return path;
}

static struct node *node_new(struct tree *tree, const char *path, uint8_t type)
{
    struct node *node = tree_alloc(tree, sizeof(*node));

    node->path = path;
    node->file.type = type;
    node->file.mode = type == FILE_DIRECTORY ? 0755 : 0644;
    node->file.time = tree->time;
    node->fd = -1;
    return node;
}

void tree_init(struct tree *tree, struct file_time time)
{
    *tree = (struct tree){.time = time, .mask = 1023, .files = 1};
    tree->slots = memory(((size_t)tree->mask + 1) * sizeof(*tree->slots));
    tree->root = node_new(tree, "", FILE_DIRECTORY);
}

void tree_fini(struct tree *tree)
{
    while (tree->blocks != NULL) {
        struct tree_block *next = tree->blocks->next;

        free(tree->blocks);
        tree->blocks = next;
    }
    free(tree->slots);
}

/* The next component of a path, without dots; its length, 0: there is none. */
static size_t component(const char **at)
{
    size_t len;

    for (;;) {
        while (**at == '/')
            (*at)++;
        len = strcspn(*at, "/");
        if (len != 1 || **at != '.')
            return len;
        *at += len;
    }
}

static bool is_last(const char *behind)
{
    return component(&behind) == 0;
}

static const char *component_check(const char *name, size_t len)
{
    if (len > FILE_NAME_MAX)
        return "a name in it is longer than 255 bytes";
    if (len == 2 && memcmp(name, "..", 2) == 0)
        return "it leads through \"..\"";
    return NULL;
}

/*
 * Walk to the directory that a path is in, and make what is missing on the way
 * when `make` says so. *name is the last component, of *len bytes; 0: the path
 * is the root's.
 */
static const char *walk(struct tree *tree, const char *path, bool make,
                        struct node **dir, const char **name, size_t *len)
{
    const char *at = path, *why;

    *dir = tree->root;
    for (;;) {
        struct tree_slot *slot;
        struct node *next;

        *len = component(&at);
        *name = at;
        why = component_check(at, *len);
        if (why != NULL || *len == 0 || is_last(at + *len))
            return why;
        slot = slot_of(tree, *dir, at, *len);
        if (slot->dir == NULL && !make)
            return "there is no such directory";
        if (slot->dir != NULL) {
            next = (struct node *)name_in(slot)->file;
        } else {
            next =
                node_new(tree, path_join(tree, *dir, at, *len), FILE_DIRECTORY);
            name_add(tree, *dir, at, *len, next);
        }
        if (next->file.type != FILE_DIRECTORY)
            return "what it leads through is no directory";
        *dir = next;
        at += *len;
    }
}

/* What is at a path; NULL: nothing, but the directory is there. */
static const char *look(struct tree *tree, const char *path, bool make,
                        struct node **dir, const char **name, size_t *len,
                        struct node **out)
{
    const char *why = walk(tree, path, make, dir, name, len);
    struct tree_slot *slot;

    *out = NULL;
    if (why != NULL)
        return why;
    if (*len == 0) {
        *out = tree->root;
        return NULL;
    }
    slot = slot_of(tree, *dir, *name, *len);
    if (slot->dir != NULL)
        *out = (struct node *)name_in(slot)->file;
    return NULL;
}

/* Let a name, which may be there, lead to a node. */
static const char *name_set(struct tree *tree, struct node *dir,
                            const char *name, size_t len, struct node *node)
{
    struct tree_slot *slot;

    if (len == 0)
        return "the root is a directory";
    slot = slot_of(tree, dir, name, len);
    if (slot->dir == NULL)
        name_add(tree, dir, name, len, node);
    else if (name_in(slot)->file->type == FILE_DIRECTORY)
        return "it is a directory already";
    else
        name_in(slot)->file = &node->file;
    return NULL;
}

const char *tree_put(struct tree *tree, const char *path, uint8_t type,
                     bool keep, struct node **out)
{
    struct node *dir, *there;
    const char *name, *why;
    size_t len;

    why = look(tree, path, true, &dir, &name, &len, &there);
    if (why != NULL)
        return why;
    if (there != NULL && type == there->file.type &&
        (keep || type == FILE_DIRECTORY)) {
        *out = there;
        return NULL;
    }
    if (len == 0)
        return "the root is a directory";
    *out = node_new(tree, path_join(tree, dir, name, len), type);
    return name_set(tree, dir, name, len, *out);
}

const char *tree_find(struct tree *tree, const char *path, struct node **out)
{
    struct node *dir;
    const char *name, *why;
    size_t len;

    why = look(tree, path, false, &dir, &name, &len, out);
    return why == NULL && *out == NULL ? "there is no such file" : why;
}

const char *tree_link(struct tree *tree, const char *path, struct node *node)
{
    struct node *dir, *there;
    const char *name, *why;
    size_t len;

    if (node->file.type == FILE_DIRECTORY)
        return "a directory has only one name";
    why = look(tree, path, true, &dir, &name, &len, &there);
    return why != NULL ? why : name_set(tree, dir, name, len, node);
}

/* ---- Attributes ---------------------------------------------------------- */

void tree_xattr(struct tree *tree, struct node *node, const char *name,
                const void *value, size_t size)
{
    struct make_xattr *list;
    uint32_t count = node->file.xattr_count, at = 0;

    list = tree_alloc(tree, (count + 1) * sizeof(*list));
    if (count > 0)
        memcpy(list, node->file.xattrs, count * sizeof(*list));
    while (at < count && strcmp(list[at].name, name) != 0)
        at++;
    list[at] = (struct make_xattr){.name = tree_text(tree, name, strlen(name)),
                                   .value = tree_text(tree, value, size),
                                   .size = (uint32_t)size};
    node->file.xattrs = list;
    node->file.xattr_count = at == count ? count + 1 : count;
}

/* ---- Order --------------------------------------------------------------- */

static int names_compare(const void *a, const void *b)
{
    const struct make_name *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int xattrs_compare(const void *a, const void *b)
{
    const struct make_xattr *x = a, *y = b;

    return strcmp(x->name, y->name);
}

void tree_sort(struct tree *tree)
{
    /* Every directory but the root is in a slot, and every file. */
    for (uint32_t i = 0; i <= tree->mask; i++) {
        const struct tree_slot *slot = &tree->slots[i];
        struct make_file *file;

        if (slot->dir == NULL)
            continue;
        file = name_in(slot)->file;
        if (file->xattr_count > 1)
            qsort((void *)file->xattrs, file->xattr_count,
                  sizeof(*file->xattrs), xattrs_compare);
    }
    for (uint32_t i = 0; i <= tree->mask; i++) {
        struct node *dir = tree->slots[i].dir;

        /* Its first name stands for it. */
        if (dir != NULL && tree->slots[i].index == 0)
            qsort(dir->names, dir->file.name_count, sizeof(*dir->names),
                  names_compare);
    }
    if (tree->root->file.xattr_count > 1)
        qsort((void *)tree->root->file.xattrs, tree->root->file.xattr_count,
              sizeof(*tree->root->file.xattrs), xattrs_compare);
}
