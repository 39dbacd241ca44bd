/*
 * Intrusive lists. No allocation, no locks: a list belongs to one CPU, as
 * everything does.
 *
 *   struct list    doubly linked, circular, with a head node. A node that is on
 *                  no list points to itself after list_init().
 *   struct queue   singly linked, first in first out, O(1) at both ends; can be
 *                  appended whole to another (exchange slots do).
 */
#ifndef TORC_LIST_H
#define TORC_LIST_H

#include <stdbool.h>
#include <torc/compiler.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert(struct list *prev, struct list *node)
{
    node->prev = prev;
    node->next = prev->next;
    prev->next->prev = node;
    prev->next = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert(head, node);
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert(head->prev, node);
}

/* Unlink `node` and leave it pointing to itself; harmless when repeated. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node unlinked, or NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;

    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

#define list_for_each(node, head) \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* As list_for_each, but the body may remove `node`. */
#define list_for_each_safe(node, head)                                \
    for (struct list *node = (head)->next, *node##_next = node->next; \
         node != (head); node = node##_next, node##_next = node->next)

struct queue_node {
    struct queue_node *next;
};

struct queue {
    struct queue_node *head;
    struct queue_node *tail; /* meaningful only when head is not NULL */
};

static inline void queue_init(struct queue *queue)
{
    queue->head = NULL;
    queue->tail = NULL;
}

static inline bool queue_empty(const struct queue *queue)
{
    return queue->head == NULL;
}

static inline void queue_push(struct queue *queue, struct queue_node *node)
{
    node->next = NULL;
    if (queue->head == NULL)
        queue->head = node;
    else
        queue->tail->next = node;
    queue->tail = node;
}

/* As queue_push(), on a queue that is not empty. */
static inline void queue_push_more(struct queue *queue, struct queue_node *node)
{
    node->next = NULL;
    queue->tail->next = node;
    queue->tail = node;
}

static inline void queue_push_front(struct queue *queue,
                                    struct queue_node *node)
{
    node->next = queue->head;
    if (queue->head == NULL)
        queue->tail = node;
    queue->head = node;
}

static inline struct queue_node *queue_pop(struct queue *queue)
{
    struct queue_node *node = queue->head;

    if (node != NULL)
        queue->head = node->next;
    return node;
}

#endif
