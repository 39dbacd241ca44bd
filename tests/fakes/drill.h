/*
 * Scripts in the language of packetdrill (Cardwell et al., USENIX ATC 2013;
 * syntax.md of google/packetdrill), in virtual time on
 * the bench of netbench.h:
 *
 *        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
 *       +0 bind(3, ..., ...) = 0
 *       +0 listen(3, 1) = 0
 *      +.1 < S 0:0(0) win 1000 <mss 1000>
 *       +0 > S. 0:0(0) ack 1 <...>
 *
 * What is compared: flags but for PSH, numbers, lengths (several segments may
 * make up one of the script), the window when it is given, options when they
 * are given but for NOPs, and when a segment was sent, within the tolerance.
 * Shell commands are ignored. Of the assertions in code those of a few numbers
 * of TCP_INFO are looked at.
 */
#ifndef TORC_TESTS_FAKES_DRILL_H
#define TORC_TESTS_FAKES_DRILL_H

enum drill_result { DRILL_PASSED, DRILL_FAILED, DRILL_UNSUPPORTED };

/* Run the script in the file. `why` is a text that says what failed, or what is
 * not supported, with the line. */
enum drill_result drill_run(const char *path, const char **why);

#endif
