/* The process of torc-img. */
#ifndef TORC_TOOLS_IMAGE_HOST_MAIN_H
#define TORC_TOOLS_IMAGE_HOST_MAIN_H

/* The standard output, which the machine's log does not go to. */
extern int main_output;

#endif
