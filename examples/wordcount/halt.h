/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * halt.h — signals that end the program, as something a coroutine can wait for.
 *
 * A handler may do next to nothing, and tidying up needs more: so it writes one byte to a pipe.
 */
#ifndef WORDCOUNT_HALT_H
#define WORDCOUNT_HALT_H

/* halt_catch — catch SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on, unless they are ignored.
 * Returns 0; negative errno */
int halt_catch(void);

/* halt_wait — Returns the number of the signal that came; -ECANCELED … Runs on a coroutine. */
int halt_wait(void);

/* halt_release — undo halt_catch. A signal that came meanwhile ends the program now. */
void halt_release(void);

/* halt_now — end the program as `sig` would have done. */
void halt_now(int sig);

#endif
