#include "tools/profile/tree.h"
#include <stdlib.h>

enum { DEPTH_MAX = 250 };

static struct node root = {.function = TREE_ROOT};
static struct node *last = &root;

struct node *tree_root(void)
{
    return &root;
}

struct node *tree_first(void)
{
    return &root;
}

static struct node *make(struct node *parent, uint32_t function)
{
    struct node *node = calloc(1, sizeof(*node));

    if (node == NULL) {
        perror("profile");
        abort();
    }
    node->parent = parent;
    node->function = function;
    node->id = last->id + 1;
    node->depth = parent->depth + 1;
    node->sibling = parent->child;
    parent->child = node;
    last->next = node;
    last = node;
    return node;
}

struct node *tree_child(struct node *node, uint32_t function)
{
    struct node **link;

    if (node->depth >= DEPTH_MAX)
        node = &root;
    for (link = &node->child; *link != NULL; link = &(*link)->sibling) {
        struct node *found = *link;

        if (found->function != function)
            continue;
        *link = found->sibling;
        found->sibling = node->child;
        node->child = found;
        return found;
    }
    return make(node, function);
}
